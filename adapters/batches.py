"""Many events, in batches: other processes read and decide the next ones while this one writes, or decides one itself.

A batch is decided on the log as it is found then, and written in its turn. Where an earlier one has changed a subject in the
meantime a version is taken, and where it lacks what an earlier one brings it is refused; it is then decided anew, here, on what is
there. So what is recorded, and what is refused, is what one batch after the other would come to.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor
from itertools import islice
from multiprocessing import get_context
from typing import NamedTuple

from eventsourcing.persistence import IntegrityError, PersistenceError
from pydantic_core import from_json

from adapters.database import Database
from adapters.process import database_of
from adapters.reader import read_some
from adapters.writer import Decision, Outcome, Writer, by_subject, decide
from domain.catalogue import CATALOGUE, Catalogue
from domain.errors import Busy, Invalid, TarikhError
from domain.event import Event

AHEAD = 5  # batches at each process: one at work, the others in line, for as long as this one decides one itself or writes
MOST = 32  # batches that are decided and not written: a process takes a second to start


class Line(NamedTuple):
    """An event as JSON, and its place in the file, from 1."""

    number: int
    text: bytes


class Done(NamedTuple):
    """What became of a batch: event ids in the order given, and how many of them are new."""

    ids: list[str]
    recorded: int


def lines(file: Iterable[bytes]) -> Iterator[Line]:
    """The lines of a file that hold anything (NDJSON)."""
    return (Line(number, text) for number, line in enumerate(file, 1) if (text := line.strip()))


def record_batches(writer: Writer, told: Iterator[Line], size: int, workers: int = 1) -> Iterator[Done]:
    """Records events `size` at a time and in order, each batch all or nothing, and tells of each when it is written.

    With more than one worker, the others are processes of their own. Raises what `Writer.record` raises for the first batch that cannot
    be, and names its lines; those before it are recorded by then, and skipped the next time.
    """
    batches = iter(lambda: list(islice(told, size)), [])
    if workers == 1 or writer.catalogue is not CATALOGUE:  # functions of another one cannot be sent to a process
        yield from (_record(writer, batch) for batch in batches)
        return
    database, waiting = writer.log.database, deque[tuple[list[Line], Future[Decision]]]()
    with ProcessPoolExecutor(workers - 1, get_context("spawn")) as pool:  # a fork would share the connections
        try:
            batch: list[Line] | None = next(batches, None)
            while batch or waiting:
                more = batch is not None and len(waiting) < MOST
                if batch and more and sum(not decided.done() for _, decided in waiting) < AHEAD * (workers - 1):
                    waiting.append((batch, pool.submit(_there, database.url, batch, writer.today())))
                    batch = next(batches, None)
                elif batch and more and not waiting[0][1].done():
                    waiting.append((batch, _here(database, batch, writer.today())))
                    batch = next(batches, None)
                else:
                    yield _write(writer, *waiting.popleft())
        except BrokenExecutor:
            raise Busy("a process that decided on the next events was stopped from outside: record the file again, "
                       "what is recorded is skipped") from None
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _here(database: Database, batch: Sequence[Line], today: int) -> Future[Decision]:
    """Decided by this process, and so at once."""
    decided: Future[Decision] = Future()
    try:
        decided.set_result(_decide(database, batch, today))
    except Exception as error:
        decided.set_exception(error)
    return decided


def _write(writer: Writer, batch: Sequence[Line], decided: Future[Decision]) -> Done:
    try:
        return _done(writer.write(decided.result()))
    except (TarikhError, IntegrityError):
        return _record(writer, batch)


def _record(writer: Writer, batch: Sequence[Line]) -> Done:
    events = _read(batch, writer.catalogue)
    try:
        return _done(writer.record(events))
    except TarikhError as error:
        raise type(error)(f"lines {batch[0].number} to {batch[-1].number}: {error}") from None


def _done(outcome: Outcome) -> Done:
    return Done(outcome.ids, outcome.recorded)  # where it stood is not told: a decision may be older than the last writes


def _read(batch: Sequence[Line], catalogue: Catalogue) -> list[Event]:
    events = []
    for number, text in batch:
        try:
            events.append(catalogue.event(from_json(text)))
        except (TarikhError, ValueError) as error:
            raise Invalid(f"line {number}: {error}" if isinstance(error, TarikhError) else f"line {number}: no JSON: {error}") from None
    return events


def _decide(database: Database, batch: Sequence[Line], today: int) -> Decision:
    events = _read(batch, CATALOGUE)
    batches = by_subject(events, today)
    try:
        with database.transaction() as connection:
            streams = read_some(connection, list(batches), CATALOGUE)
    except PersistenceError as error:
        raise IntegrityError(str(error)) from None  # whoever writes meets the database too, and says what is wrong with it
    return decide(CATALOGUE, streams, events, batches, {})


# ---------------------------------------------------------------- in a process of its own
def _there(url: str, batch: Sequence[Line], today: int) -> Decision:
    return _decide(database_of(url), batch, today)
