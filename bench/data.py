"""Generated facts of the record's shape: boxes in valid x known, a fifth of them corrected, a fifth of the rows closed on the recorded axis.

Bodies have the length of the real record's (600 bytes on average). There are two eras: of a day of the sparse one some 50 facts are told,
of a day of the dense one some 5,000, so that answers of both sizes come from one table.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from random import Random
from typing import NamedTuple

import sqlalchemy as sa

from adapters.facts import insert_spans
from adapters.schema import fact
from api.wiring import CATALOGUE, Tarikh
from domain.calendar import FOREVER, format_day, parse_day
from domain.event import Event
from domain.family import RELATION
from projections.basis import Basis
from projections.boxes import OPEN, FactRow, Span

POSITIONS = 1000  # events of the log that the rows stand on: the first half opens, the second half closes
SPARSE, DENSE = (parse_day("1960-01-01"), parse_day("1998-01-01")), (parse_day("2000-01-01"), parse_day("2038-01-01"))
HELD = {SPARSE: 50, DENSE: 5000}  # facts told of a day
CORRECTED = CLOSED = 0.2
FAMILIES = ("designation", "allegation", "program", "incident", "agreement", "office")
_FILL = "The statement was published on the day, and is told here in as many words as the record has on average for one. "


MakeRow = Callable[[int, int, int, int, int, int], FactRow]


class Point(NamedTuple):
    """A question: a day, as known on a day; how many facts are told of it about."""

    as_of: int
    known_at: int


def statement(number: int, valid_from: int, valid_to: int, known_from: int, known_to: int, told: int) -> FactRow:
    """The row of a subject of any family. `told` sets rows apart that would say the same."""
    family = FAMILIES[number % len(FAMILIES)]
    subject, key = f"{family}:generated-{number}", "standing:USA"
    body = json.dumps({
        "subject": subject, "key": key, "kind": "standing", "status": "alleged", "since": format_day(valid_from), "until": format_day(valid_to),
        "certainty": "certain", "attributes": {"party": "USA", "statement": _FILL * 3, "number": told}, "because": [f"{subject}@1"]},
        separators=(",", ":")).encode()
    return FactRow(subject, family, RELATION, key, "standing", "alleged", valid_from, valid_to, known_from, known_to, body)


def spans(count: int, seed: int = 1, row: MakeRow = statement) -> Iterator[Span]:
    """About `count` rows with their life on the recorded axis, in the order in which they were recorded."""
    random = Random(seed)
    made = 0
    while made < count:
        era = (SPARSE, DENSE)[random.random() < 0.5]
        days = era[1] - era[0]
        length = max(1, round(random.expovariate(1) * 2 * HELD[era] * days / count))
        since = random.randrange(era[0], max(era[0] + 1, era[1] - length))
        known = since + int(random.expovariate(0.5))
        opened = 1 + made * (POSITIONS // 2 - 1) // count
        number = made
        for known_from, known_to in _known(random, known):
            box = since, since + length, known_from, known_to
            told = row(number, *box, made)
            made += 1
            if random.random() < CLOSED / (1 - CLOSED):
                closed = random.randrange(POSITIONS // 2 + 1, POSITIONS)
                yield Span(told, opened, closed)
                yield Span(row(number, *box, made), closed, OPEN)
                made += 1
            else:
                yield Span(told, opened, OPEN)


def _known(random: Random, known: int) -> list[tuple[int, int]]:
    if random.random() >= CORRECTED / (1 - CORRECTED):
        return [(known, FOREVER)]
    corrected = known + random.randrange(60, 400)
    return [(known, corrected), (corrected, FOREVER)]


def fill(core: Tarikh, count: int, row: MakeRow = statement) -> int:
    """Puts a log and generated rows into an empty database. Returns how many rows."""
    core.init()
    core.writer.record([_event(1)])  # with its facts: a log without any is not served
    core.log.append([(_event(number), 1) for number in range(2, POSITIONS + 1)], lambda *_: None)
    done, some = 0, []
    for span in spans(count, row=row):
        some.append(span)
        if len(some) == 20_000:
            done += _insert(core, some)
            some = []
    done += _insert(core, some)
    if not core.log.database.sqlite:  # as autovacuum would in a minute
        with core.log.database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("VACUUM ANALYZE")
    return done


def _insert(core: Tarikh, some: list[Span]) -> int:
    with core.log.database.transaction(write=True) as connection:
        return insert_spans(connection, 0, some)


def held(core: Tarikh) -> Iterator[Span]:
    """All fact rows of such a database, that of its first event too: what peers are filled with."""
    columns = [fact.c[name] for name in (*FactRow._fields, "opened", "closed")]
    with core.database.transaction() as connection:
        for *row, opened, closed in connection.execute(sa.select(*columns).order_by(fact.c.id)):
            yield Span(FactRow(*row), opened, closed)


def _event(number: int) -> Event:
    known = "2018-11-05" if number == 1 else format_day(DENSE[1] + 500)  # of the rows nothing is known later
    return CATALOGUE.event({
        "subject": f"designation:generated-{number}", "type": "designation.listed", "record_id": "listed", "effective": "2018-11-05",
        "known": known, "data": {"name": f"Party {number}", "type": "entity", "list": "OFAC-SDN", "by": "USA"},
        "sources": [{"publisher": "US Treasury", "title": "SDN List"}]})


def points(era: tuple[int, int], count: int, seed: int = 2) -> list[Point]:
    """Days of the inner part of an era, each as known a month later."""
    random = Random(seed)
    quarter = (era[1] - era[0]) // 4
    return [Point(day, day + 30) for day in (random.randrange(era[0] + quarter, era[1] - quarter) for _ in range(count))]


def distinct(era: tuple[int, int]) -> list[Point]:
    """More points than a server answers in all rounds of a minute, none of them twice: a second answer would be one that was kept."""
    days = list(dict.fromkeys(points(era, 20_000)))
    return [Point(day.as_of, day.known_at + later) for later in range(20) for day in days]


def instant(position: int) -> datetime:
    """When a position was recorded, for peers that know of instants alone."""
    return datetime(2020, 1, 1, tzinfo=UTC) + timedelta(minutes=position)


def basis(point: Point, position: int = POSITIONS) -> Basis:
    """The point as of a log position."""
    return Basis(point.as_of, point.known_at, position, 0)

