"""Facts are disposable: `rebuild` writes them anew beside the old ones and flips a pointer; `verify` holds them to the fold."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from multiprocessing import get_context
from typing import NamedTuple

import sqlalchemy as sa

from adapters import chain, cube
from adapters.checkpoint import Checkpoint, contradictions
from adapters.database import Database
from adapters.facts import (
    VERSION,
    cells_of,
    claim_generation,
    claimed_generation,
    current_generation,
    delete_rows,
    filling,
    flip,
    insert_filling,
    insert_spans,
    lost_events,
    rows_to_store,
    stored_generations,
    stored_rows,
    stored_subjects,
    written_version,
)
from adapters.log import lock
from adapters.process import database_of
from adapters.reader import IDS, read_streams
from adapters.schema import log
from domain.catalogue import CATALOGUE, Catalogue
from domain.errors import Busy
from domain.event import Logged
from domain.family import RELATION
from projections.boxes import Span, history
from projections.cube import Cell

Progress = Callable[[int], None]  # called with the number of events done since the last call
CHUNK = 2000  # events to a write transaction
SUMS = 20_000  # of the cube, to a write of them: processes meet there
SMALLEST = 32  # the part of its share that a process does last


def _nothing(_: int) -> None:
    return None


def rebuild(database: Database, catalogue: Catalogue = CATALOGUE, progress: Progress = _nothing, workers: int = 1) -> int:
    """Writes a new generation of facts from the log and flips to it; questions are answered all the while. Returns its rows.

    What is appended meanwhile is caught up under the append lock, before the flip. A rebuild that died is cleared away first.
    With `workers` the streams are shared among as many processes, this one included; each opens the database itself.
    Raises Busy where another rebuild began after this one.
    """
    with database.transaction(write=True) as connection:
        lock(connection)
        old, new = current_generation(connection), claim_generation(connection)
        for generation in stored_generations(connection) - {old}:
            delete_rows(connection, generation)
    with database.transaction() as reading:
        upto = reading.scalar(sa.select(sa.func.max(log.c.position))) or 0
    alone = workers == 1 or catalogue is not CATALOGUE  # functions of another one cannot be sent to a process
    sums: Counter[Cell] = Counter()
    rows = _write(database, upto, new, catalogue, (0, IDS), sums, progress) if alone else _shared(database, workers, upto, new, sums, progress)
    with database.transaction(write=True) as connection:
        _mine(connection, new)
        cube.add(connection, new, sums)
    with database.transaction(write=True) as connection:
        lock(connection)
        _mine(connection, new)
        last = connection.scalar(sa.select(sa.func.max(log.c.position))) or 0
        late = list(read_streams(connection, last, after=upto, catalogue=catalogue)) if last > upto else []
        delete_rows(connection, new, [stream[0].event.subject for stream in late])
        rows += insert_spans(connection, new, (span for stream in late for span in spans_of(stream, catalogue)))
        flip(connection, new)
    with database.transaction(write=True) as connection:
        delete_rows(connection, old)
    return rows


def _write(
    database: Database, upto: int, generation: int, catalogue: Catalogue, part: tuple[int, int], sums: Counter[Cell], progress: Progress
) -> int:
    """Writes the rows of a part, and what the cube holds of it where `sums` comes to be much; the caller writes the rest of those."""
    rows = 0
    with database.transaction() as reading:
        for streams in _chunks(read_streams(reading, upto, catalogue=catalogue, part=part)):
            made = filling(generation, (span for stream in streams for span in spans_of(stream, catalogue)))
            sums.update(made.sums)
            with database.transaction(write=True) as connection:
                _mine(connection, generation)
                insert_filling(connection, made)
                if len(sums) >= SUMS:
                    cube.add(connection, generation, sums)
                    sums.clear()
            rows += made.total
            progress(sum(map(len, streams)))
    return rows


def _shared(database: Database, workers: int, upto: int, generation: int, sums: Counter[Cell], progress: Progress) -> int:
    """The parts are done by this process and others, which take a second to start: each does one when it is done with the last."""
    waiting, rows = deque(_parts(workers)), 0
    running: set[Future[tuple[int, int, Counter[Cell]]]] = set()
    with ProcessPoolExecutor(workers - 1, get_context("spawn")) as pool:  # a fork would share the connections
        try:
            while waiting or running:
                while waiting and len(running) < 2 * (workers - 1):  # one at work and one in line for each
                    running.add(pool.submit(_part, database.url, upto, generation, waiting.popleft()))
                if waiting:
                    rows += _write(database, upto, generation, CATALOGUE, waiting.popleft(), sums, progress)
                done, running = wait(running, 0 if waiting else None, FIRST_COMPLETED)
                for part in done:
                    written, events, left = part.result()
                    rows += written
                    sums.update(left)
                    progress(events)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return rows


def _parts(workers: int) -> Iterator[tuple[int, int]]:
    """All ids, in ranges that become smaller, so that none is done long after the others (guided self-scheduling: Polychronopoulos and
    Kuck, 1987)."""
    first = 0
    while first < IDS:
        size = max((IDS - first) // (2 * workers), IDS // (SMALLEST * workers))
        yield first, min(first + size, IDS)
        first += size


def _part(url: str, upto: int, generation: int, part: tuple[int, int]) -> tuple[int, int, Counter[Cell]]:
    """(rows, events, sums that are still to be written) of a part, in a process of its own."""
    events: list[int] = []
    sums: Counter[Cell] = Counter()
    rows = _write(database_of(url), upto, generation, CATALOGUE, part, sums, events.append)
    return rows, sum(events), sums


def _mine(connection: sa.Connection, generation: int) -> None:
    if claimed_generation(connection) != generation:
        raise Busy("another rebuild began after this one and goes on; this one has stopped, and changed nothing")


def spans_of(stream: list[Logged], catalogue: Catalogue) -> list[Span]:
    subject = stream[0].event.subject
    return history(catalogue.family(subject), subject, stream, RELATION)


def _chunks(streams: Iterator[list[Logged]]) -> Iterator[list[list[Logged]]]:
    chunk: list[list[Logged]] = []
    events = 0
    for stream in streams:
        chunk.append(stream)
        events += len(stream)
        if events >= CHUNK:
            yield chunk
            chunk, events = [], 0
    if chunk:
        yield chunk


class Verdict(NamedTuple):
    """What `verify` found: a line for each fault."""

    events: int
    subjects: int
    rows: int
    faults: list[str]


def verify(
    database: Database, catalogue: Catalogue = CATALOGUE, progress: Progress = _nothing, kept: Sequence[Checkpoint] = (),
) -> Verdict:
    """Whether the log is whole (hash chain, positions, versions, batches, clocks), is the one that kept checkpoints were taken of, and
    the facts are those of the fold, row by row. Facts are compared only where the log is whole: nothing follows from a damaged one."""
    faults: list[str] = []
    events = subjects = rows = 0
    with database.transaction() as connection:
        if database.sqlite:
            faults += [f"database: {line}" for line in connection.exec_driver_sql("PRAGMA integrity_check").scalars() if line != "ok"]
        faults += chain.faults(chain.walk(connection))
        faults += contradictions(connection, kept)
        last = connection.scalar(sa.select(sa.func.max(log.c.position))) or 0
        generation = current_generation(connection)
        faults += [f"log: {id_} is gone: its facts were written, and the log ends before it" for id_ in lost_events(connection, generation, last)]
        if faults:
            return Verdict(last, 0, 0, [*faults, "facts: not compared, for the log is damaged"])
        faults += _log_faults(connection)
        seen: set[str] = set()
        counts: Counter[Cell] = Counter()
        for stream in read_streams(connection, last, catalogue=catalogue):
            subject = stream[0].event.subject
            seen.add(subject)
            spans = spans_of(stream, catalogue)
            held, wanted = stored_rows(connection, generation, subject), rows_to_store(spans, generation)
            counts.update(cells_of(spans))
            events, subjects, rows = events + len(stream), subjects + 1, rows + held.total()
            if held != wanted:
                faults.append(f"{subject}: {(held - wanted).total()} rows that the fold does not give, "
                              f"{(wanted - held).total()} missing: rebuild")
            if [item.version for item in stream] != list(range(1, len(stream) + 1)):
                faults.append(f"{subject}: versions are not 1..{len(stream)}")
            progress(len(stream))
        faults += [f"{subject}: facts without events: rebuild" for subject in sorted(stored_subjects(connection, generation) - seen)]
        for cell, difference in cube.stored(connection, generation):
            counts[cell] -= difference
        wrong = {cell[1] for cell, difference in counts.items() if difference}
        faults += [f"{series}: its counts by month are not those of the facts: rebuild" for series in sorted(wrong)]
        version = written_version(connection)
        if version != VERSION:
            faults.append(f"facts are of projection version {version}, the code is at {VERSION}: rebuild")
    return Verdict(events, subjects, rows, faults)


def _log_faults(connection: sa.Connection) -> Iterator[str]:
    batch = before = position = 0
    query = sa.select(log.c.position, log.c.batch, log.c.recorded_at).order_by(log.c.position).execution_options(yield_per=5000)
    for position, of_batch, recorded_at in connection.execute(query):
        if of_batch < position or (position <= batch and of_batch != batch):
            yield f"log: position {position} is in no batch that ends after it"
        if position > batch:
            if recorded_at <= before:
                yield f"log: position {position} is not later than the batch before it"
            batch, before = of_batch, recorded_at
        elif recorded_at != before:
            yield f"log: position {position} has another instant than its batch"
    if batch > position:
        yield f"log: it is cut off: its last batch ends at position {batch}, the log at {position}"
