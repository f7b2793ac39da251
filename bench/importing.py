"""An import of a million events with their facts, and a rebuild: against the rows of the log alone written raw, and what memory they take.

Each runs in a process of its own, which tells its seconds and the most memory that it had at any time.
"""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from time import perf_counter

import sqlalchemy as sa

from adapters.bulk import insert_rows
from adapters.process import settle
from adapters.schema import log
from api.wiring import Settings, Tarikh
from bench.measure import Target, at_least, at_most
from bench.writing import BATCH, events
from reliability.databases import ENGINES, Databases, databases, owned

LARGE, QUICK = 1_000_000, 5_000
FLAT = 1.3


def run(quick: bool) -> Iterator[Target]:
    """On both engines."""
    for engine in ENGINES:
        with databases(engine) as on:
            yield from _compared(engine, on, QUICK if quick else LARGE)


def _compared(engine: str, on: Databases, count: int) -> Iterator[Target]:
    small, large, raw = (owned(on.fresh()) for _ in range(3))
    seconds, peak = _in_process("record", large, count)
    floor, _ = _in_process("raw", raw, count, large)
    yield at_least(f"import of {count:,} events with facts, against the rows of the log alone written raw", engine, floor / seconds, 0.2,
                   f"{count / seconds:,.0f} and {count / floor:,.0f} events a second")
    _, before = _in_process("record", small, count // 10)
    yield at_most(f"memory of an import of {count:,} events, against one of a tenth", engine, peak / before, FLAT, f"{peak:.0f} and {before:.0f} MB")
    (_, before), (_, peak) = (_in_process("rebuild", url, 0) for url in (small, large))
    yield at_most(f"memory of a rebuild of {count:,} events, against one of a tenth", engine, peak / before, FLAT, f"{peak:.0f} and {before:.0f} MB")


def _in_process(what: str, url: str, count: int, of: str = "") -> tuple[float, float]:
    """Seconds and megabytes."""
    told = subprocess.run([sys.executable, "-m", __name__, what, url, str(count), of], check=True, stdout=subprocess.PIPE, text=True).stdout
    seconds, megabytes = told.split()
    return float(seconds), float(megabytes)


def _record(url: str, count: int) -> float:
    with closing(Tarikh(Settings(database_url=url))) as core:
        made, seconds = events(count), 0.0
        while batch := list(islice(made, BATCH)):
            started = perf_counter()
            core.writer.record(batch)
            seconds += perf_counter() - started
        return seconds


def _raw(url: str, of: str) -> float:
    names = [column.name for column in log.c]
    with closing(Tarikh(Settings(database_url=url))) as core, closing(Tarikh(Settings(database_url=of))) as full:
        seconds = 0.0
        with full.database.transaction() as reading:
            rows = reading.execute(sa.select(log).order_by(log.c.position).execution_options(yield_per=BATCH))
            for some in rows.partitions(BATCH):
                started = perf_counter()
                with core.database.transaction(write=True) as connection:
                    insert_rows(connection, log, names, [tuple(row) for row in some])
                seconds += perf_counter() - started
        return seconds


def _rebuild(url: str) -> float:
    with closing(Tarikh(Settings(database_url=url))) as core:
        started = perf_counter()
        core.rebuild(lambda _: None)
        return perf_counter() - started


def main(what: str, url: str, count: str, of: str) -> None:
    """One of the ways, in this process."""
    settle()  # as the command line does
    seconds = _record(url, int(count)) if what == "record" else _raw(url, of) if what == "raw" else _rebuild(url)
    print(seconds, _peak())


def _peak() -> float:
    """The most memory of this process, in MB. Linux counts that of the process which started it into `ru_maxrss`."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
    return next(int(line.split()[1]) / 1024 for line in status.read_text().splitlines() if line.startswith("VmHWM:"))


if __name__ == "__main__":
    main(*sys.argv[1:])
