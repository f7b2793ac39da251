"""`tarikh import`: from paths or addresses to recorded snapshots."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from adapters.lists import containers, eu, ofac_csv, ofac_xml, uk, un
from adapters.lists.importer import MAKERS, Importer, Summary
from adapters.lists.model import Damaged, Files, Snapshot
from adapters.reader import LogReader
from adapters.writer import Writer

LISTS = {"ofac-sdn": "OFAC-SDN", "ofac-nonsdn": "OFAC-NONSDN", "un": "UN", "eu": "EU", "uk": "UK"}
_STAMP = re.compile(r"(?<!\d)(?:19|20)\d{6}T\d{4,6}Z", re.I)
Progress = Callable[[str, Snapshot | None], None]


def _wanted(kind: str) -> Callable[[str], bool]:
    if kind.startswith("ofac"):
        return lambda name: ofac_csv.is_file(name) or name.lower().endswith(".xml")
    endings = (".xml",) if kind == "un" else (".csv",)
    return lambda name: name.lower().endswith(endings)


def read(kind: str, files: Files, published: str | None, named: str | None = None, before: Snapshot | None = None) -> Snapshot:
    """One snapshot from its files, in whichever format they are. Raises Damaged.

    Its day is `published`; else the one that the files state; else, for files that state none, the one in their names.
    """
    if kind == "eu":
        return eu.read(files, published or named)
    if kind == "uk":
        return uk.read(files, published)
    xml = {name: data for name, data in files.items() if name.lower().endswith(".xml")}
    if kind.startswith("ofac") and len(xml) > 1:  # both lists in one folder
        xml = {name: data for name, data in xml.items() if ("cons" in name.lower()) is (kind == "ofac-nonsdn")}
    if kind == "un" or (xml and all(name.lower().endswith(".xml") for name in files)):
        if len(xml) != 1:
            raise Damaged(f"{', '.join(sorted(files))}: one XML file is one snapshot; import them one by one, or put days in their names")
        ((name, data),) = xml.items()
        return un.read(data, published) if kind == "un" else ofac_xml.read(data, published, name)
    sets = ofac_csv.lists({name: data for name, data in files.items() if name not in xml})
    other = kind == "ofac-nonsdn"
    mine = [one for one in sets if any("cons" in name.lower() for name in one) is other]
    return ofac_csv.read(mine[0] if mine else files, published or named, before)


def snapshots(kind: str, paths: Iterable[str], published: str | None, cache: Path | None, say: Callable[[str], None]) -> Iterator[Snapshot]:
    """Every snapshot of some paths, in the order given, each path's in order of days. Raises Damaged and Unreachable."""
    before: Snapshot | None = None
    for path in paths:
        for label, files, day in containers.snapshots(path, published, wanted=_wanted(kind), cache=cache, say=say):
            try:
                snapshot = read(kind, files, published, day, before)
            except Damaged as error:
                raise Damaged(f"{label}: {error}") from None
            if snapshot.list != LISTS[kind]:
                other = next(k for k, name in LISTS.items() if name == snapshot.list)
                raise Damaged(f"{label}: this is the list {snapshot.list}: import it as {other}")
            before = snapshot
            stamps = sorted(found.group() for name in files if (found := _STAMP.search(name)))
            yield replace(snapshot, stamp=stamps[-1].upper()) if stamps else snapshot


def import_list(
    writer: Writer, reader: LogReader, kind: str, paths: Iterable[str], published: str | None = None, everything: bool = False,
    force: bool = False, cache: Path | None = None, progress: Progress = lambda text, snapshot: None,
) -> Summary:
    """Records the snapshots of a list. A snapshot is recorded whole or not at all; those before a damaged one stay. Raises Damaged."""
    importer = Importer(writer, reader, MAKERS[LISTS[kind]], "all" if everything else "iran", force)
    for snapshot in snapshots(kind, paths, published, cache, lambda note: importer.summary.notes.update([note])):
        progress(f"{snapshot.list} of {snapshot.day}", snapshot)
        importer.take(snapshot)
    progress("comparing entries", None)
    importer.link()
    return importer.summary
