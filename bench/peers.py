"""Against what others would use: the eventsourcing library alone, django-simple-history, MariaDB's periods, Datasette.

Each is set up as well as its documentation has it (see its module), holds the same rows, and gives the same answers before it is timed.
A peer that has a recorded clock is asked as of an older log, for which it is made. What a peer needs is the extra `bench`, and a MariaDB
server; what is not there is told, and its goals count as not met.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from functools import partial
from itertools import cycle
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any
from urllib.request import urlopen

import uvloop

from api.wiring import Settings, Tarikh
from bench import datasette
from bench.asof import OLDER
from bench.data import DENSE, POSITIONS, SPARSE, Point, basis, distinct, fill, held, points
from bench.measure import Absent, Contestants, Target, agree, at_least, not_measured, race
from bench.replay import Replay
from bench.serving import on_core, per_second
from domain.calendar import format_day
from domain.family import RELATION
from reliability.databases import databases, owned
from reliability.service import serving
from tests.databases import path_of

SMALL, LARGE, QUICK = 100_000, 1_000_000, 10_000
ENGINE = "sqlite"
AGREED = 5  # points over which servers are compared before they are timed
REPLAY = {"as-of against the eventsourcing library's replay": 10_000.0}
HISTORY = {"as-of against django-simple-history with the indexes it recommends, k about 50": 300.0,
           "as-of against django-simple-history with indexes made by hand, k about 50": 300.0}
MARIADB = {"as-of against MariaDB as it plans, k about 50": 1000.0, "as-of against MariaDB with the index named by hand, k about 50": 1000.0,
           "as-of against MariaDB as it plans, k about 5000": 50.0, "as-of against MariaDB with the index named by hand, k about 5000": 50.0}
DATASETTE = {f"the state over HTTP, {ours}, against Datasette {way}, k about {k}": goal
             for k, goal in ((50, 12.0), (5000, 10.0)) for way in ("with our statement", "by its table's page") for ours in ("worked out", "kept")}
Row = Sequence[Any]


def run(quick: bool) -> Iterator[Target]:
    """All peers, one after the other, the costly one last."""
    with databases(ENGINE) as on:
        url, count = owned(on.fresh()), QUICK if quick else SMALL
        with closing(Tarikh(Settings(database_url=url))) as core:
            fill(core, count)
            yield from _or_told(REPLAY, _replay(core, on.folder))
            yield from _or_told(HISTORY, _history(core, on.folder))
        yield from _or_told(DATASETTE, _http(url, 0.5 if quick else 3.0))
        yield from _or_told(MARIADB, _mariadb(owned(on.fresh()), QUICK if quick else LARGE))


def _or_told(goals: Mapping[str, float], targets: Iterator[Target]) -> Iterator[Target]:
    """The targets; or, where the peer is not here, what must be installed, and goals that are not met."""
    try:
        yield from targets
    except Absent as why:
        print(f"NOT MEASURED: {'; '.join(goals)}: {why}", file=sys.stderr, flush=True)
        yield from (not_measured(name, ENGINE, f"at least {goal:g}", why) for name, goal in goals.items())


# ---------------------------------------------------------------- as-of
def _replay(core: Tarikh, folder: Path) -> Iterator[Target]:
    """Against the quicker way to replay, once for each point; the other takes thrice as long, and is asked once."""
    (name, goal), = REPLAY.items()
    with closing(Replay(folder / "replay.sqlite", held(core))) as peer:
        asked: Contestants[Point] = {"as-of": _as_of(core, POSITIONS), "fold": peer.fold}
        some = points(SPARSE, 6)
        agree(asked, some)
        agree({**asked, "repository": peer.repository}, some[:1])
        timed = race(asked, some, 1, apart=True)
        started = perf_counter()
        peer.repository(some[0])
        repository = perf_counter() - started
        yield at_least(name, ENGINE, min(timed["fold"].median, repository) / timed["as-of"].median, goal,
                       f"as-of {timed['as-of']}, a fold of the whole log {timed['fold']}, each aggregate from the repository {repository:.3g} s")


def _history(core: Tarikh, folder: Path) -> Iterator[Target]:
    try:
        from bench.history import History
    except ImportError as error:
        raise _missing(error) from None
    with closing(History(folder / "history.sqlite", held(core))) as peer:
        for (name, goal), tuned in zip(HISTORY.items(), (False, True), strict=True):
            if tuned:
                peer.tune()
            yield _faster(name, goal, core, "django-simple-history", peer.ask, points(SPARSE, 20))


def _mariadb(url: str, count: int) -> Iterator[Target]:
    try:
        from bench.mariadb import MariaDB, server
    except ImportError as error:
        raise _missing(error) from None
    with TemporaryDirectory(prefix="tarikh-mariadb-") as folder, server(Path(folder)) as socket, ExitStack() as stack:
        core = stack.enter_context(closing(Tarikh(Settings(database_url=url))))
        fill(core, count)
        peer = stack.enter_context(closing(MariaDB(socket, held(core))))
        cases = ((points(SPARSE, 10), peer.planned), (points(SPARSE, 10), peer.by_hand),
                 (points(DENSE, 6), peer.planned), (points(DENSE, 6), peer.by_hand))
        for (name, goal), (some, ask) in zip(MARIADB.items(), cases, strict=True):
            yield _faster(name, goal, core, "MariaDB", ask, some)


def _faster(name: str, goal: float, core: Tarikh, peer: str, ask: Callable[[Point, int], list[Row]], some: list[Point]) -> Target:
    """As of an older log: how many times faster than the peer."""
    asked: Contestants[Point] = {"as-of": _as_of(core, OLDER), peer: lambda point: ask(point, OLDER)}
    agree(asked, some)
    timed = race(asked, some, 3, apart=True)
    return at_least(name, ENGINE, timed[peer].median / timed["as-of"].median, goal,
                    f"as-of {timed['as-of']}, {peer} {timed[peer]}")


def _as_of(core: Tarikh, position: int) -> Callable[[Point], list[Row]]:
    return lambda point: list(core.facts.stab(basis(point, position), RELATION))


def _missing(error: ImportError) -> Absent:
    return Absent(f"{error.name} is not installed: install Tarikh with its extra `bench`")


# ---------------------------------------------------------------- HTTP
def _http(url: str, seconds: float) -> Iterator[Target]:
    """Both servers on one core, in turns, and who asks on another. No point is asked twice, but for the answers that are kept."""
    server, client = min(os.sched_getaffinity(0)), max(os.sched_getaffinity(0))
    with TemporaryDirectory(prefix="tarikh-datasette-") as folder, datasette.serving(path_of(url), Path(folder), server) as theirs, \
            serving(url, cpu=server) as (service,), on_core(client):
        goals = iter(DATASETTE.items())
        for era in (SPARSE, DENSE):
            some = distinct(era)
            ways = {"with our statement": datasette.by_statement, "by its table's page": datasette.by_table}
            agree({"ours": partial(_told, service.port, _path), **{way: partial(_told, theirs, path) for way, path in ways.items()}}, some[:AGREED])
            asked = {"worked out": (service.port, map(_path, some[AGREED:])), "kept": (service.port, cycle([_path(some[0])])),
                     **{way: (theirs, map(path, some[AGREED:])) for way, path in ways.items()}}
            rates: dict[str, list[float]] = {contestant: [] for contestant in asked}
            for number in range(4):
                for contestant, (port, paths) in asked.items():
                    rate = uvloop.run(per_second(port, paths, seconds))
                    if number:
                        rates[contestant].append(rate)
            for way in ways:
                for ours in ("worked out", "kept"):
                    name, goal = next(goals)
                    mine, other = median(rates[ours]), median(rates[way])
                    yield at_least(name, ENGINE, mine / other, goal, f"{mine:,.1f} and {other:,.1f} requests a second")


def _path(point: Point) -> str:
    return f"/v1/relations/{RELATION}?as_of={format_day(point.as_of)}&known_at={format_day(point.known_at)}"


def _told(port: int, path: Callable[[Point], str], point: Point) -> list[tuple[str]]:
    """The facts of an answer: of ours those in its lists, for designations are told as counts."""
    with urlopen(f"http://127.0.0.1:{port}{path(point)}") as answer:
        said = json.load(answer)
    if isinstance(said, list):
        facts = [json.loads(row["body"]) for row in said]
    else:
        facts = [fact for part in said.values() if isinstance(part, list) for fact in part]
    return [(json.dumps(fact, sort_keys=True),) for fact in facts]
