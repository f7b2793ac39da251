"""A real log and fact store without `decide`, so that any history can be recorded, and the naive fold to compare it with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

import sqlalchemy as sa

from adapters.database import Database
from adapters.facts import FactStore, opening, update_subjects
from adapters.log import Log
from adapters.reader import LogReader
from domain.calendar import format_day
from domain.catalogue import CATALOGUE
from domain.event import Event, Logged
from domain.family import RELATION
from domain.timeline import Held, facts_on, records
from projections.answers import Answers
from projections.basis import format_instant
from projections.boxes import body_of, rows_of
from projections.ports import Found
from projections.question import Resolved
from tests.conftest import TODAY
from tests.histories import batches

Basis3 = tuple[int, int, int]  # as_of, known_at, position


class Store:
    """Everything that a question needs, on one database."""

    def __init__(self, url: str) -> None:
        self.log = Log(url)
        self.database: Database = self.log.database
        self.facts, self.reader = FactStore(self.database), LogReader(self.database)
        self.answers = Answers(CATALOGUE, self.reader, self.facts, lambda: TODAY)
        self.streams: dict[str, list[Logged]] = {}
        self.instants: dict[int, int] = {0: 0}  # position of a batch -> when it was recorded

    def append(self, events: Sequence[Event]) -> None:
        """Records a batch as the writer does, without asking `decide`."""
        versions: dict[str, int] = {subject: len(stream) for subject, stream in self.streams.items()}
        new = {e.subject for e in events} - set(versions)
        pairs = []
        for event in events:
            versions[event.subject] = versions.get(event.subject, 0) + 1
            pairs.append((event, versions[event.subject]))

        def in_transaction(connection: sa.Connection, batch: int, recorded_at: int) -> None:
            for i, (event, version) in enumerate(pairs, 1):
                self.streams.setdefault(event.subject, []).append(
                    Logged(event, version, batch - len(pairs) + i, batch, recorded_at))
            rows = {s: rows_of(CATALOGUE.family(s), s, self.streams[s], RELATION) for s in dict.fromkeys(e.subject for e in events)}
            update_subjects(connection, {s: of for s, of in rows.items() if s not in new}, batch, opening(rows[s] for s in new))
            self.instants[batch] = recorded_at

        self.log.append(pairs, in_transaction)

    def ask(self, as_of: int, known_at: int, position: int) -> Resolved:
        """An explicit basis, as the doors resolve it."""
        return self.answers.basis(format_day(as_of), format_day(known_at), format_instant(self.instants[position]))

    # ------------------------------------------------------------ the naive way
    def held(self, basis: Basis3) -> Iterator[tuple[str, Held]]:
        """The facts of every subject by the one definition."""
        for subject, stream in self.streams.items():
            family = CATALOGUE.family(subject)
            for held in facts_on(family, records(family, stream), *basis):
                yield subject, held

    def folded(self, basis: Basis3) -> list[Found]:
        """What the store should find of the relation on a basis."""
        return found((s, h) for s, h in self.held(basis) if CATALOGUE.family(s).concerns(h.fact))

    def of(self, subject: str, basis: Basis3) -> list[Found]:
        return found(pair for pair in self.held(basis) if pair[0] == subject)


def found(pairs: Iterable[tuple[str, Held]]) -> list[Found]:
    return sorted(Found(s, s.partition(":")[0], h.key, h.fact.kind, h.fact.status, body_of(s, h)) for s, h in pairs)


@contextmanager
def recorded(url: str, log: Sequence[Logged], prepare: Callable[[Log], None] = lambda _: None) -> Iterator[Store]:
    """A store with this log in it, batch by batch."""
    store = Store(url)
    try:
        prepare(store.log)
        for batch in batches(log):
            store.append([item.event for item in batch])
        yield store
    finally:
        store.log.close()
