"""What the same costs on the real record, and with the daily lists that DAILY_LISTS names in it: real names, bodies and histories."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from adapters.schema import log
from api.wiring import CATALOGUE, Settings, Tarikh
from bench import writing
from bench.asof import KEYED, Keyed
from bench.data import Point
from bench.measure import Contestants, Target, agree, at_most, race
from domain.calendar import format_day, parse_day
from domain.event import Logged
from domain.family import RELATION
from domain.timeline import facts_on, records
from projections.basis import Basis
from projections.boxes import body_of
from projections.ports import Found
from projections.series import COUNTS, counted
from reliability.databases import ENGINES, databases, owned

EARLY, LISTED = ("1980-01-01", "2016-01-01"), ("2021-09-01", "2023-06-01")  # before the daily lists, and while there are some
NAME = "designations_in_force"
SERIES = (  # name, first, last, step, point in time, goal: a year by day is to cost a tenth of what asking for each day would
    ("300 months", "2001-01-01", "2025-12-31", "month", False, 10.0),
    ("365 days", "2022-01-01", "2022-12-31", "day", False, 36.5),
    ("365 days, each as known on it", "2022-01-01", "2022-12-31", "day", True, 36.5),
)


def run(quick: bool) -> Iterator[Target]:
    """On both engines."""
    lists = None if quick else _lists()
    of = "the record and daily lists" if lists else "the record"
    for engine in ENGINES:
        with databases(engine) as on:
            with closing(Tarikh(Settings(database_url=owned(on.fresh())))) as core:
                core.load()
                if lists:
                    core.import_list("ofac-sdn", [str(lists)])
                if not core.database.sqlite:  # as autovacuum would in a minute
                    with core.database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                        connection.exec_driver_sql("VACUUM ANALYZE")
                yield from _asked(engine, core, of, 8 if quick else 40)
                events = [item.event for item in _logged(core)]
            yield from writing.compared(engine, on, events, f", {of}", shared=False)


def _lists() -> Path | None:
    path = os.environ.get("DAILY_LISTS")
    return Path(path) if path and Path(path).exists() else None


def _asked(engine: str, core: Tarikh, of: str, questions: int) -> Iterator[Target]:
    newest = core.answers.basis()

    def stab(point: Point) -> list[Found]:
        return core.facts.stab(newest.basis.on(*point), RELATION)

    eras = [_days(EARLY, questions), _days(LISTED, questions)]
    by_key = Keyed(core.database, [*eras[0], *eras[1]], stab)
    keyed: Contestants[Point] = {"as-of": stab, "by key": by_key}
    agree(keyed, [*eras[0], *eras[1]])
    agree({"as-of": stab, "fold": _folding(core, newest.basis)}, [eras[0][0], eras[0][-1], eras[1][-1]])
    for some, goal in zip(eras, KEYED[engine], strict=True):
        timed = race(keyed, some, 5, apart=True)
        told = sum(len(by_key.ids[point]) for point in some) / len(some)
        yield at_most(f"as-of against the same rows by primary key, {of}, days of {format_day(some[0].as_of)[:4]} to "
                      f"{format_day(some[-1].as_of)[:4]}", engine, timed["as-of"].median / timed["by key"].median, goal,
                      f"{told:.0f} rows: as-of {timed['as-of']}, by key {timed['by key']}")
    one = race({"as-of": stab}, eras[1], 5)["as-of"]
    for name, first, last, step, point_in_time, goal in SERIES:
        def ask(_: None, first: str = first, last: str = last, step: str = step, point_in_time: bool = point_in_time) -> bytes:
            return core.answers.series(newest, NAME, first, last, step, point_in_time)

        _agree(stab, json.loads(ask(None)))
        whole = race({"series": ask}, [None], 5)["series"]
        yield at_most(f"series of {name}, {of}, against one as-of query", engine, whole.median / one.median, goal, f"{whole} and {one}")


def _days(era: tuple[str, str], questions: int) -> list[Point]:
    """Days of an era, ascending, each as known a month later."""
    first, last = map(parse_day, era)
    return [Point(day, day + 30) for day in range(first, last, (last - first) // questions)]


def _agree(stab: Callable[[Point], list[Found]], told: dict[str, Any]) -> None:
    """Some steps are counted one by one."""
    for item in told["items"][::50]:
        point = Point(parse_day(item["day"]), parse_day(item["known_at"]))
        expected = counted(COUNTS[NAME], stab(point), point.as_of)
        assert expected == {name: item[name] for name in expected}, item["day"]


def _logged(core: Tarikh) -> list[Logged]:
    """The whole log, in its order."""
    with core.database.transaction() as connection:
        last = connection.scalar(sa.select(sa.func.max(log.c.position))) or 0
    out: list[Logged] = []
    while len(out) < last:
        out += core.reader.feed(out[-1].position if out else 0, 5000)
    return out


def _folding(core: Tarikh, basis: Basis) -> Callable[[Point], list[Found]]:
    """The one definition, without any index."""
    streams: dict[str, list[Logged]] = {}
    for item in _logged(core):
        streams.setdefault(item.event.subject, []).append(item)

    def fold(point: Point) -> list[Found]:
        out = []
        for subject, events in streams.items():
            family = CATALOGUE.family(subject)
            out += [Found(subject, family.name, held.key, held.fact.kind, held.fact.status, body_of(subject, held))
                    for held in facts_on(family, records(family, events), point.as_of, point.known_at, basis.position)
                    if family.concerns(held.fact)]
        return sorted(out)

    return fold
