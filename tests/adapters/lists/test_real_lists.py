"""The lists that governments published, told back: on its own day, each snapshot is exactly what the record says."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import pytest

from adapters.lists import containers, run
from adapters.lists.importer import MAKERS, Importer
from adapters.lists.model import Snapshot
from adapters.lists.ofac_csv import is_file
from api.wiring import Settings, Tarikh
from domain.families.designation import concerns_iran
from tests.conftest import LONG, TODAY, needs_shared
from tests.databases import ENGINES, Databases, dropped_after

URLs = Callable[[], str]
SINGLE = ("20150117-seavoyage", "20180126-archerimpact", "20190104-moov", "20210425-garybogle", "20210707-moov-bench")
CONCERN_IRAN = 785 + 419 + 1220 + 1778 + 1774  # of their entries, in the same order


@pytest.fixture(scope="module")
def single() -> list[Snapshot]:
    """Single snapshots of OFAC's list, years apart."""
    return [s for name in SINGLE for s in run.snapshots("ofac-sdn", [str(needs_shared(f"data/ofac/{name}"))], None, None, lambda _: None)]


def daily(step: int) -> Iterator[Snapshot]:
    archive = needs_shared("data/ofac/daily-2021-08-18_2023-06-30.tar.xz")
    before: Snapshot | None = None
    for i, (_, files, day) in enumerate(containers.snapshots(str(archive), wanted=is_file)):
        if i % step == 0:
            before = run.read("ofac-sdn", files, None, day, before)
            yield before


def un() -> list[Snapshot]:
    folder = needs_shared("data/un")
    return [s for path in sorted(folder.glob("*.xml")) for s in run.snapshots("un", [str(path)], None, None, lambda _: None)]


@contextmanager
def record(url: str) -> Iterator[Tarikh]:
    """The project's own record, into which lists are imported."""
    core = Tarikh(Settings(database_url=url), today=lambda: TODAY)
    core.load()
    yield core
    core.close()


@pytest.fixture(scope="module", params=ENGINES if LONG else ENGINES[:1])
def engine_of_lists(request: pytest.FixtureRequest) -> Databases:
    """For what takes long: in the short form SQLite alone, for the lists of the UN are told on both engines."""
    made: Databases = request.getfixturevalue(request.param)
    return made


@pytest.fixture(scope="module")
def imported(engine_of_lists: Databases, single: list[Snapshot]) -> Iterator[Tarikh]:
    """The record with the single snapshots, imported in order."""
    with record(engine_of_lists.fresh()) as core:
        take(core, single)
        yield core


@pytest.fixture
def anew(engine_of_lists: Databases) -> Iterator[URLs]:
    """New databases."""
    with dropped_after(engine_of_lists) as make:
        yield make


def in_force(core: Tarikh, entries: str, day: str) -> dict[str, tuple[str, ...]]:
    """Entry numbers with their programs, as of a day as known that day."""
    asked = core.answers.basis(day, day)
    facts = json.loads(core.answers.facts(asked, "designations", {"kind": "listing", "list": entries, "status": "listed"}, 10**6).body)["items"]
    told = [f["attributes"] | {"certainty": f["certainty"]} for f in facts]
    assert {t["certainty"] for t in told} <= {"certain"}
    return {t["entry_number"]: tuple(t["programs"]) for t in told if t["type"] != "group" and concerns_iran(t.get("programs", ()))}


def shown(snapshot: Snapshot) -> dict[str, tuple[str, ...]]:
    return {n: e.programs for n, e in snapshot.entries.items() if concerns_iran(e.programs)}


def take(core: Tarikh, snapshots: Sequence[Snapshot], entries: str = "OFAC-SDN", force: bool = False) -> None:
    importer = Importer(core.writer, core.reader, MAKERS[entries], force=force)
    for item in snapshots:
        importer.take(item)
    importer.link()


def test_every_single_snapshot_of_ofac_is_told_exactly(imported: Tarikh, single: list[Snapshot]) -> None:
    compared = 0
    for item in single:
        assert in_force(imported, "OFAC-SDN", item.day) == shown(item)
        compared += len(shown(item))
    assert compared == CONCERN_IRAN
    assert imported.verify(lambda _: None).faults == []


def test_every_daily_snapshot_of_ofac_is_told_exactly(anew: URLs) -> None:
    with record(anew()) as core:
        importer = Importer(core.writer, core.reader, MAKERS["OFAC-SDN"])
        wanted = {}
        for item in daily(1 if LONG else 16):
            importer.take(item)
            wanted[item.day] = shown(item)
        compared = sum(in_force(core, "OFAC-SDN", day) == entries for day, entries in wanted.items())
    assert compared == len(wanted) >= 12


def test_every_snapshot_of_the_un_is_told_exactly(fresh: URLs) -> None:
    snapshots = un()
    with record(fresh()) as core:
        take(core, snapshots, "UN")
        assert [len(shown(item)) for item in snapshots] == [84] * 7
        for item in snapshots:
            assert in_force(core, "UN", item.day) == shown(item)


def test_the_former_13599_entries_come_back_under_their_own_numbers(imported: Tarikh, single: list[Snapshot]) -> None:
    before, during, after = (shown(item) for item in single[:3])
    back = (before.keys() - during.keys()) & after.keys()
    then = imported.answers.basis("2019-01-04", "2019-01-04")
    history = [imported.answers.history(then, f"designation:ofac-sdn-{n}")
               for n in back if imported.facts.heard_of(then.basis, f"designation:ofac-sdn-{n}")]
    assert len(history) > 100
    assert all([e["type"].split(".")[1] for e in json.loads(h)["items"] if "same" not in e["type"] and "changed" not in e["type"]
                and "authority" not in e["type"]] == ["listed", "delisted", "relisted"] for h in history)


def test_shuffled_snapshots_end_in_the_same_facts(anew: URLs, single: list[Snapshot]) -> None:
    snapshots = [*single, *daily(13)][:20] if LONG else single[1:4]
    shuffled = list(snapshots)
    random.Random(7).shuffle(shuffled)
    bases = [*((a.day, b.day) for a in snapshots[::2] for b in snapshots[::3]), ("2016-06-01", "2022-01-01"), ("2020-01-01", "2021-12-31")]
    with record(anew()) as core, record(anew()) as other:
        take(core, snapshots)
        take(other, shuffled, force=True)
        for day, known in bases:
            assert told(core, day, known) == told(other, day, known)


def told(core: Tarikh, day: str, known: str) -> list[str]:
    facts = json.loads(core.answers.facts(core.answers.basis(day, known), "designations", {}, 10**6).body)["items"]
    return sorted(json.dumps({k: v for k, v in f.items() if k != "because"}, sort_keys=True) for f in facts)


def test_an_import_that_was_killed_half_way_ends_in_the_same_log(anew: URLs) -> None:
    paths = [str(needs_shared(f"data/ofac/{name}")) for name in SINGLE[: 3 if LONG else 2]]
    logs = []
    for kill in (False, True):
        url = anew()
        environment = {**os.environ, "TARIKH_DATABASE_URL": url}
        command = [sys.executable, "-c", "from api.cli import main; main()", "import", "ofac-sdn", *paths]
        core = Tarikh(Settings(database_url=url), today=lambda: TODAY)
        if kill:
            process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            while core.reader.last()[0] == 0:
                time.sleep(0.01)
            time.sleep(0.2)
            process.send_signal(signal.SIGKILL)
            process.wait()
            assert core.reader.last()[0] > 0
        subprocess.run(command, env=environment, check=True, capture_output=True)
        assert core.verify(lambda _: None).faults == []
        logs.append([(item.position, item.event) for item in core.reader.feed(0, 10**6)])
        core.close()
    assert logs[0] == logs[1]
