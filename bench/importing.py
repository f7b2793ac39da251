"""An import of a million events with their facts, and a rebuild: against the rows of the log alone written raw, and what memory they take.

The events are lines of a file, read and recorded as `tarikh record --batch` does it, by one process and by two. Each way runs in a process
of its own, which tells its seconds and the most memory that it, and the one that it starts, had at any time.
"""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import sqlalchemy as sa

from adapters.bulk import insert_rows, to_insert
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
    count = QUICK if quick else LARGE
    with TemporaryDirectory() as folder:
        files = [Path(folder) / f"{number}.ndjson" for number in (count, count // 10)]
        for path, number in zip(files, (count, count // 10), strict=True):
            with path.open("w", encoding="utf-8") as file:
                file.writelines(f"{event.model_dump_json(exclude_defaults=True)}\n" for event in events(number))
        for engine in ENGINES:
            with databases(engine) as on:
                yield from _compared(engine, on, count, *files)


def _compared(engine: str, on: Databases, count: int, all_of_it: Path, a_tenth: Path) -> Iterator[Target]:
    small, large, alone, raw = (owned(on.fresh()) for _ in range(4))
    seconds, peak = _in_process("record", large, all_of_it, 2)
    by_itself, _ = _in_process("record", alone, all_of_it, 1)
    floor, _ = _in_process("raw", raw, large)
    for processes, taken in (("one process", by_itself), ("two processes", seconds)):
        yield at_least(f"import of {count:,} events with facts by {processes}, against the rows of the log alone written raw", engine,
                       floor / taken, 0.2, f"{count / taken:,.0f} and {count / floor:,.0f} events a second")
    _, before = _in_process("record", small, a_tenth, 2)
    yield at_most(f"memory of an import of {count:,} events, against one of a tenth", engine, peak / before, FLAT, f"{peak:.0f} and {before:.0f} MB")
    (_, before), (_, peak) = (_in_process("rebuild", url) for url in (small, large))
    yield at_most(f"memory of a rebuild of {count:,} events, against one of a tenth", engine, peak / before, FLAT, f"{peak:.0f} and {before:.0f} MB")


def _in_process(what: str, url: str, *given: object) -> tuple[float, float]:
    """Seconds and megabytes."""
    told = subprocess.run([sys.executable, "-m", __name__, what, url, *map(str, given)], check=True, stdout=subprocess.PIPE, text=True).stdout
    seconds, megabytes = told.split()
    return float(seconds), float(megabytes)


def _record(url: str, path: str, workers: str) -> float:
    with closing(Tarikh(Settings(database_url=url))) as core, Path(path).open("rb") as file:
        started = perf_counter()
        for _ in core.record_lines(file, BATCH, int(workers)):
            pass
        return perf_counter() - started


def _raw(url: str, of: str) -> float:
    names = [column.name for column in log.c]
    with closing(Tarikh(Settings(database_url=url))) as core, closing(Tarikh(Settings(database_url=of))) as full:
        seconds = 0.0
        with full.database.transaction() as reading:
            rows = reading.execute(sa.select(log).order_by(log.c.position).execution_options(yield_per=BATCH))
            for some in rows.partitions(BATCH):
                written = [to_insert(row) for row in some]
                started = perf_counter()
                with core.database.transaction(write=True) as connection:
                    insert_rows(connection, log, names, written)
                seconds += perf_counter() - started
        return seconds


def _rebuild(url: str) -> float:
    with closing(Tarikh(Settings(database_url=url))) as core:
        started = perf_counter()
        core.rebuild(lambda _: None)
        return perf_counter() - started


def main(what: str, url: str, *given: str) -> None:
    """One of the ways, in this process."""
    settle()  # as the command line does
    ways: dict[str, Callable[..., float]] = {"record": _record, "raw": _raw, "rebuild": _rebuild}
    seconds = ways[what](url, *given)
    print(seconds, _peak() + resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10))


def _peak() -> float:
    """The most memory of this process, in MB. Linux counts that of the process which started it into `ru_maxrss`."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
    return next(int(line.split()[1]) / 1024 for line in status.read_text().splitlines() if line.startswith("VmHWM:"))


if __name__ == "__main__":
    main(*sys.argv[1:])
