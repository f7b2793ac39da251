"""Readers that follow the log while several processes write: each event once, in order, and none left out.

Where positions were given before the lock that orders commits, a reader would pass by an event that is not committed yet, and never
come back to it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from multiprocessing import get_context
from threading import Event, Thread
from uuid import uuid4

from eventsourcing.persistence import StoredEvent

from adapters.database import Database
from adapters.log import LogRecorder
from reliability.databases import ENGINES, Databases, databases
from reliability.figures import Figure, figure

WRITERS = 4
SIZE = 20  # events of a batch
PATIENCE = 30  # seconds that a reader has after the last commit
_CONTEXT = get_context("forkserver")
_CONTEXT.set_forkserver_preload(["reliability.writers", "reliability.followers"])  # one fork server serves both modules


def run(long: bool) -> Iterator[Figure]:
    """24,000 events on each engine."""
    for engine in ENGINES:
        with databases(engine) as on:
            yield from follow(on, 300 if long else 10)


def write(url: str, batches: int) -> None:
    """In a process of its own: appends batches, each as soon as the one before it is committed."""
    database = Database(url)
    recorder = LogRecorder(database)
    for _ in range(batches):
        stream = uuid4()
        recorder.insert_events([StoredEvent(stream, version, "t", b"{}") for version in range(1, SIZE + 1)])
    database.close()


def _pages(recorder: LogRecorder, over: Event) -> Iterator[int]:
    """Asks for what comes after the last seen, again and again."""
    last = 0
    while not over.is_set():
        for item in recorder.select_notifications(last, 100, inclusive_of_start=False):
            last = item.id
            yield last


def _subscription(recorder: LogRecorder, over: Event) -> Iterator[int]:
    """Is woken by what was appended."""

    def stop() -> None:
        over.wait()
        subscription.stop()

    with recorder.subscribe(gt=0) as subscription:
        Thread(target=stop, daemon=True).start()
        yield from (item.id for item in subscription)


READERS: dict[str, Callable[[LogRecorder, Event], Iterator[int]]] = {"a reader that asks": _pages, "a subscription": _subscription}


def follow(on: Databases, batches: int) -> Iterator[Figure]:
    """A figure for each kind of reader; all follow the same writers at once."""
    url, total, over = on.fresh(), WRITERS * batches * SIZE, Event()
    seen: dict[str, list[int]] = {name: [] for name in READERS}

    def read(name: str) -> None:
        database = Database(url)
        for position in READERS[name](LogRecorder(database), over):
            seen[name].append(position)
            if position >= total:  # the last has been seen: what is missing now was passed by
                break
        database.close()

    writers = [_CONTEXT.Process(target=write, args=(url, batches), daemon=True) for _ in range(WRITERS)]
    readers = [Thread(target=read, args=(name,), daemon=True) for name in READERS]
    for reader in readers:
        reader.start()
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    for reader in readers:
        reader.join(PATIENCE)
    over.set()
    for reader in readers:
        reader.join()
    faults = [f"a writer ended with {writer.exitcode}" for writer in writers if writer.exitcode]
    for name, positions in seen.items():
        missed = total - len(set(positions))
        disordered = sum(b <= a for a, b in pairwise(positions))
        sound = positions == list(range(1, total + 1)) and not faults
        yield figure(f"{name} on {on.engine}, events missed or out of order", missed + disordered, "0", sound, events=total, writers=WRITERS,
                     faults=faults)
