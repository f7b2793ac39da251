"""The eventsourcing library alone: what is asked of a day is answered by bringing every aggregate back from its events.

Set up as its documentation has it: an `Application` with its SQLite recorder and its JSON transcoder, an aggregate for each subject,
opened by one event and closed by another. It is asked in both ways that the library offers: each aggregate from the repository, whose
ids it was told before, and one pass over the notification log that folds events as they come. Neither keeps aggregates from question
to question; who does that has a read model in memory, and answers from that.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event

from bench.data import Point
from projections.boxes import OPEN, Span

BATCH = 1000  # aggregates to a transaction
PAGE = 10_000  # notifications to a page
Row = tuple[str, str, str, str, str, bytes]


class Statement(Aggregate):
    """What is said of one subject: a box in valid x known, until it is closed."""

    @event("Opened")
    def __init__(
        self, subject: str, family: str, key: str, kind: str, status: str, valid: tuple[int, int], known: tuple[int, int], body: str
    ) -> None:
        self.told = subject, family, key, kind, status, body.encode()
        self.valid, self.known, self.closed = valid, known, False

    @event("Closed")
    def close(self) -> None:
        self.closed = True

    def holds(self, point: Point) -> bool:
        return not self.closed and self.valid[0] <= point.as_of < self.valid[1] and self.known[0] <= point.known_at < self.known[1]


class Replay:
    """The spans in a log of the library's own."""

    def __init__(self, path: Path, spans: Iterable[Span]) -> None:
        self.application = Application[UUID]({"PERSISTENCE_MODULE": "eventsourcing.sqlite", "SQLITE_DBNAME": str(path)})
        self.ids: list[UUID] = []
        some: list[Statement] = []
        for span in spans:
            row: Any = span.row
            statement = Statement(row.subject, row.family, row.key, row.kind, row.status, (row.valid_from, row.valid_to),
                                  (row.known_from, row.known_to), row.body.decode())
            if span.closed < OPEN:
                statement.close()
            self.ids.append(statement.id)
            some.append(statement)
            if len(some) == BATCH:
                self.application.save(*some)
                some = []
        self.application.save(*some)

    def close(self) -> None:
        self.application.close()

    def repository(self, point: Point) -> list[Row]:
        """Each aggregate by its id."""
        return self._told(map(self.application.repository.get, self.ids), point)

    def fold(self, point: Point) -> list[Row]:
        """One pass over the log."""
        held: dict[Any, Any] = {}
        for said in self._events():
            held[said.originator_id] = said.mutate(held.get(said.originator_id))
        return self._told(held.values(), point)

    def _events(self) -> Iterator[Any]:
        start = 1
        while page := self.application.recorder.select_notifications(start, PAGE):
            yield from map(self.application.mapper.to_domain_event, page)
            start = page[-1].id + 1

    def _told(self, statements: Iterable[Any], point: Point) -> list[Row]:
        return [statement.told for statement in statements if statement.holds(point)]
