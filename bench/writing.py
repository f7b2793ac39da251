"""What recording and rebuilding cost, against the same rows written by the driver alone: executemany on SQLite, COPY on PostgreSQL."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from statistics import median
from time import perf_counter
from typing import Any

import sqlalchemy as sa

from adapters.bulk import insert_rows, to_insert
from adapters.schema import fact, log, mark, name
from api.wiring import CATALOGUE, Settings, Tarikh
from bench.measure import Target, at_least
from domain.calendar import format_day, parse_day
from domain.event import Event
from reliability.databases import ENGINES, Databases, databases, owned

EVENTS, QUICK, BATCH = 100_000, 2_000, 500
PROJECTED = (fact, mark, name)  # what a rebuild writes
APPEND = {"sqlite": 0.6, "postgresql": 0.3}
FIRST = parse_day("2010-01-01")


def run(quick: bool) -> Iterator[Target]:
    """On both engines."""
    for engine in ENGINES:
        with databases(engine) as on:
            yield from compared(engine, on, list(events(QUICK if quick else EVENTS)))


def events(count: int) -> Iterator[Event]:
    """Listings, each with a change a month later, as importers record them."""
    for number in range(count // 2):
        day, source = FIRST + number % 5000, {"publisher": "US Treasury", "title": "SDN List"}
        told = {"list": "OFAC-SDN", "name": f"PARTY {number}", "type": "entity", "aliases": [f"ALIAS {number}", f"A.K.A. {number}"]}
        listed = {**told, "by": "USA", "programs": ["IRAN", "IFSR"], "entry_number": str(number)}
        for i, (of, data) in enumerate((("listed", listed), ("changed", {**told, "remarks": f"Linked to: PARTY {number + 1}."}))):
            on = format_day(day + 30 * i)
            yield CATALOGUE.event({"subject": f"designation:generated-{number}", "type": f"designation.{of}", "record_id": of, "effective": on,
                                   "known": on, "data": data, "sources": [source]})


def compared(engine: str, on: Databases, made: Sequence[Event], of: str = "", shared: bool = True) -> Iterator[Target]:
    """Of some events, in the order of a log; `of` says which. `shared`: they are enough for a second process, which takes a second to start."""
    count, versions = len(made), Counter[str]()
    batches = [made[i : i + BATCH] for i in range(0, count, BATCH)]
    pairs = [[(event, _next(versions, event.subject)) for event in some] for some in batches]
    taken = [_round(on, batches, pairs) for _ in range(3)]
    seconds = {name: median(times[name] for times in taken) for name in taken[0]}
    rate = {name: f"{count / taken:,.0f}" for name, taken in seconds.items()}
    yield at_least(f"append in batches of 500 without facts, against raw{of}", engine, seconds["raw"] / seconds["log"], APPEND[engine],
                   f"{rate['log']} and {rate['raw']} events a second")
    yield at_least(f"record in batches of 500 with facts, against raw{of}", engine, seconds["raw"] / seconds["facts"], 0.15,
                   f"{rate['facts']} and {rate['raw']} events a second")
    yield at_least(f"rebuild of all facts on one core, against the fact rows written raw{of}", engine,
                   seconds["raw facts"] / seconds["rebuild"], 0.35,
                   f"{seconds['rebuild']:.2f} s and {seconds['raw facts']:.2f} s for {count:,} events; with the rows of places and names, "
                   f"which it writes too, {seconds['raw rows']:.2f} s")
    if shared:
        yield at_least(f"rebuild on two cores against one{of}", engine, seconds["rebuild"] / seconds["rebuild on two"], 1.6,
                       f"{seconds['rebuild on two']:.2f} s and {seconds['rebuild']:.2f} s")


def _next(versions: Counter[str], subject: str) -> int:
    versions[subject] += 1
    return versions[subject]


def _round(on: Databases, batches: Sequence[Sequence[Event]], pairs: list[list[tuple[Event, int]]]) -> dict[str, float]:
    """Seconds of each way, once."""
    with ExitStack() as stack:
        full, raw, alone = (stack.enter_context(closing(Tarikh(Settings(database_url=owned(on.fresh()))))) for _ in range(3))
        taken = {"facts": _timed(batches, full.writer.record)}
        rows, facts = _all(full, log), {table: _all(full, table) for table in PROJECTED}
        taken["raw"] = _timed([rows[i : i + BATCH] for i in range(0, len(rows), BATCH)], lambda some: _write(raw, log, some))
        taken["log"] = _timed(pairs, lambda some: alone.log.append(some, lambda *_: None))
        taken["raw facts"] = _timed([fact], lambda table: _write(raw, table, facts[table]))
        taken["raw rows"] = taken["raw facts"] + _timed(PROJECTED[1:], lambda table: _write(raw, table, facts[table]))
        taken["rebuild"] = _timed([None], lambda _: full.rebuild(lambda _: None))
        taken["rebuild on two"] = _timed([None], lambda _: full.rebuild(lambda _: None, workers=2))
        assert len(_all(alone, log)) == len(rows)
        assert {table: _all(raw, table) for table in PROJECTED} == facts
        return taken


def _timed(some: Sequence[Any], write: Callable[[Any], Any]) -> float:
    started = perf_counter()
    for item in some:
        write(item)
    return perf_counter() - started


def _all(core: Tarikh, table: sa.Table) -> list[tuple[Any, ...]]:
    with core.database.transaction() as connection:
        return [to_insert(row) for row in connection.execute(sa.select(table).order_by(*table.primary_key))]


def _write(core: Tarikh, table: sa.Table, rows: Sequence[Sequence[Any]]) -> None:
    with core.database.transaction(write=True) as connection:
        insert_rows(connection, table, [column.name for column in table.c], rows)
