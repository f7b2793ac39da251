"""Processes that record until they are killed, telling each acknowledgment only after the commit, and what the log must then hold."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from time import monotonic, sleep
from typing import Any, NamedTuple

from eventsourcing.persistence import PersistenceError

from adapters.database import Database
from adapters.log import Log
from adapters.reader import LogReader
from adapters.rebuild import verify
from adapters.writer import Writer
from domain.calendar import format_day, parse_day
from domain.catalogue import CATALOGUE
from domain.event import Event

SIZE = 3  # events of a batch
RETRY_SECONDS = 30  # how long a writer tries again while its server is down
DAY0 = parse_day("2020-01-01")
SOURCES = [{"publisher": "p", "title": "t"}]
_CONTEXT = get_context("forkserver")  # a fork of a process that has imported everything, and has no threads or connections
_CONTEXT.set_forkserver_preload(["reliability.writers"])


class Ack(NamedTuple):
    """A batch that a writer was told is recorded: ids as answered, in the order of `batch`."""

    writer: int
    number: int
    ids: list[str]


def batch(writer: int, number: int) -> list[dict[str, Any]]:
    """A batch as JSON: an event of a subject that all writers write, one of a subject of the writer's own, and a subject of one event."""
    day = format_day(DAY0 + number % 365)
    told = {"effective": day, "known": day, "sources": SOURCES}
    level = {"name": "N", "value": number, "unit": "u", "publisher": f"p{writer}", "publisher_name": "P"}
    observed = {**told, "type": "indicator.observed", "data": level}
    return [
        {**observed, "subject": f"indicator:shared-{number // 4}", "record_id": f"{writer}.{number}.shared"},
        {**observed, "subject": f"indicator:own-{writer}-{number // 10}", "record_id": f"{writer}.{number}.own"},
        {**told, "type": "agreement.concluded", "subject": f"agreement:a{writer}-{number}", "record_id": f"{writer}.{number}.one",
         "data": {"name": "An Accord", "parties": ["IRN", "USA"]}},
    ]


def events(writer: int, number: int) -> list[Event]:
    return [CATALOGUE.event(told) for told in batch(writer, number)]


# ---------------------------------------------------------------- in a process of its own
def record(url: str, writer: int, first: int, acks: Connection, survives: bool) -> None:
    """Records batches until it is terminated; one that `survives` tries a batch again while the database is away, then too."""
    over: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: over.append(number))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupted harness kills its writers
    log, number = Log(url), first
    recorder = Writer(log)
    while not over:
        until = monotonic() + RETRY_SECONDS
        while True:
            try:
                outcome = recorder.record(events(writer, number))
                break
            except PersistenceError:
                if not survives or monotonic() > until:
                    raise
                sleep(0.02)  # the server is down: there is nothing to wait on but itself
        acks.send((number, outcome.ids))
        number += 1
    log.close()


# ---------------------------------------------------------------- beside them
class Writers:
    """Some writer processes, and what they were told."""

    def __init__(self, url: str, count: int, first: int, survive: bool = False) -> None:
        self.acks: list[Ack] = []
        self._open: dict[Connection, int] = {}
        self.processes: list[BaseProcess] = []
        for writer in range(count):
            ours, theirs = _CONTEXT.Pipe(duplex=False)
            process = _CONTEXT.Process(target=record, args=(url, writer, first, theirs, survive), daemon=True)
            process.start()
            theirs.close()
            self._open[ours] = writer
            self.processes.append(process)

    def listen(self, seconds: float, until: int | None = None) -> None:
        """Takes acknowledgments for so long, or until there are so many; returns at once where every writer has ended."""
        deadline = monotonic() + seconds
        while self._open and (left := deadline - monotonic()) > 0 and (until is None or len(self.acks) < until):
            for connection in wait(list(self._open), left):
                assert isinstance(connection, Connection)
                try:
                    number, ids = connection.recv()
                except (EOFError, OSError):  # the writer has ended; what it had half said is no acknowledgment
                    del self._open[connection]
                    connection.close()
                else:
                    self.acks.append(Ack(self._open[connection], number, ids))

    def kill(self, writer: int) -> None:
        """SIGKILL."""
        self.processes[writer].kill()

    def terminate(self) -> None:
        """Each writer is to be through with its batch, and then to end."""
        for process in self.processes:
            process.terminate()

    def end(self, seconds: float = RETRY_SECONDS + 30) -> list[int | None]:
        """Takes what is still said until every writer has ended; exit codes."""
        self.listen(seconds)
        for process in self.processes:
            process.join(1)
            if process.is_alive():
                process.kill()
                process.join()
        return [process.exitcode for process in self.processes]


# ---------------------------------------------------------------- what the log must hold
@dataclass
class Audit:
    """What was found in all cycles."""

    cycles: int = 0
    acknowledged: int = 0  # events
    lost: int = 0
    doubled: int = 0
    torn: int = 0  # batches of which a part is there
    faults: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        return not (self.lost or self.doubled or self.torn or self.faults)

    def take(self, url: str, acks: Iterable[Ack], new: int) -> None:
        """Opens the database anew and holds it to every acknowledgment of its life; `new` batches of them are of this cycle."""
        database = Database(url)
        held = LogReader(database).feed(0, 10**9)
        verdict = verify(database)
        database.close()
        ids: dict[tuple[str, str], str] = {(item.event.subject, item.event.record_id): item.id for item in held}
        told = [((event["subject"], event["record_id"]), id_)
                for ack in acks for event, id_ in zip(batch(ack.writer, ack.number), ack.ids, strict=True)]
        whole = [item for item in held if item.event.record_id.count(".") == 2]  # others may have recorded events of another form
        parts = Counter((item.event.record_id.rpartition(".")[0], item.batch) for item in whole)
        self.cycles += 1
        self.acknowledged += new * SIZE
        self.lost += sum(ids.get(event) != id_ for event, id_ in told)
        self.doubled += len(held) - len(ids)
        self.torn += sum(count != SIZE for count in parts.values())
        self.faults += verdict.faults
        if [item.position for item in held] != list(range(1, len(held) + 1)):
            self.faults.append("positions are not 1..n")
        if verdict.events != len(held):
            self.faults.append(f"verify read {verdict.events} events, the feed {len(held)}")
