"""The project's own record: one TOML file per family, read into events like anybody's."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from domain.catalogue import Catalogue
from domain.errors import Invalid
from domain.event import Event

FOLDER = Path(__file__).parent / "data"


def record_files(folder: Path = FOLDER) -> list[Path]:
    """The files of a record, in order of name."""
    return sorted(folder.glob("*.toml"))


def read_file(path: Path, catalogue: Catalogue) -> list[Event]:
    """The events of one file. Raises Invalid, and names the file and the event."""
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError, OSError) as error:  # no TOML, no UTF-8, a number of thousands of digits, too deep
        raise Invalid(f"{path.name}: not a TOML file in UTF-8: {error}") from None
    if unknown := set(tables) - {"source", "event"}:
        raise Invalid(f"{path.name}: unknown tables {', '.join(sorted(unknown))}: a record has [source.<id>] and [[event]]")
    sources, events = tables.get("source", {}), tables.get("event", [])
    if not isinstance(sources, dict) or not isinstance(events, list) or not all(isinstance(e, dict) for e in events):
        raise Invalid(f"{path.name}: a record has tables [source.<id>] and an array of tables [[event]]")
    return [_event(path.name, raw, sources, catalogue) for raw in events]


def _event(file: str, raw: dict[str, Any], sources: dict[str, Any], catalogue: Catalogue) -> Event:
    name = raw.get("record_id", "an event without record_id")
    if not isinstance(raw.get("sources", []), list):
        raise Invalid(f"{file}: {name}: sources must be a list of ids")
    missing = [ref for ref in raw.get("sources", ()) if isinstance(ref, str) and ref not in sources]
    if missing:
        raise Invalid(f"{file}: {name}: no [source.{missing[0]}] in this file")
    cited = [sources[ref] if isinstance(ref, str) else ref for ref in raw.get("sources", ())]
    try:
        return catalogue.event({**{k: v for k, v in raw.items() if k != "covers"}, "sources": cited})
    except Invalid as error:
        raise Invalid(f"{file}: {name}: {error}") from None


def covered_ids(folder: Path = FOLDER) -> Iterator[tuple[str, str]]:
    """(chronology id, record_id) for every fact that an event stands for: its record_id up to `/`, and its `covers`."""
    for path in record_files(folder):
        for raw in tomllib.loads(path.read_text(encoding="utf-8")).get("event", []):
            for fact in (raw["record_id"].partition("/")[0], *raw.get("covers", ())):
                yield fact, raw["record_id"]
