"""Recording: decide on each subject's whole timeline, then append the batch and move the facts in one transaction."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from eventsourcing.persistence import IntegrityError

from adapters.facts import Opening, opening, update_subjects
from adapters.log import Log, StoredBatch, stored_batch
from adapters.reader import read_some
from adapters.schema import idempotency
from domain.catalogue import CATALOGUE, Catalogue
from domain.decide import judge, new_events
from domain.errors import Busy, Invalid, KeyReused
from domain.event import Event, Logged, event_id
from domain.family import RELATION
from projections.boxes import Rows, rows_from, sweep

TRIES = 20


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a batch: event ids in the order given, and which of them were there before."""

    ids: list[str]
    recorded: int
    skipped: int
    position: int
    recorded_at: int
    versions: dict[str, int]  # each subject's version after the batch


@dataclass(frozen=True, slots=True)
class Once:
    """An Idempotency-Key with the digest of its request, and how the answer is made."""

    key: str
    digest: str
    answer: Callable[[Outcome], tuple[int, bytes]]


@dataclass(frozen=True, slots=True)
class Decision:
    """What a batch comes to on the streams as they were read. It is written if they are still so: else a version is taken."""

    ids: list[str]  # of all events in the order given
    versions: dict[str, int]  # each subject's after the batch
    last: tuple[int, int]  # the position and instant that its subjects stood at
    batch: StoredBatch  # the new events
    opening: Opening  # rows of subjects that had none
    changed: dict[str, Rows]  # those of the others


class Replayed(Exception):
    """The request with this Idempotency-Key was answered before; this is that answer."""

    def __init__(self, status: int, response: bytes) -> None:
        super().__init__("answered before")
        self.status, self.response = status, response


class Writer:
    """Records batches. One instance serves many threads."""

    def __init__(self, log: Log, catalogue: Catalogue = CATALOGUE, today: Callable[[], int] | None = None) -> None:
        self.log = log
        self.catalogue = catalogue
        # somewhere it is already tomorrow: a `known` day may be at most that of UTC+14
        self.today = today or (lambda: (datetime.now(UTC) + timedelta(hours=14)).date().toordinal())

    def record(self, events: Sequence[Event], expected: Mapping[str, int] | None = None, once: Once | None = None) -> Outcome:
        """Records a batch, all of it or nothing; what is recorded already is skipped.

        Raises Invalid, Refused, Conflict or WrongVersion; Replayed where `once` was answered before, KeyReused where its key
        came with another request; Busy where other writers of the same subjects won every time.
        """
        batches = by_subject(events, self.today())
        if missing := set(expected or {}) - set(batches):
            raise Invalid(f"expected_version names {sorted(missing)[0]}, of which the batch has no event")
        for _ in range(TRIES):
            try:
                return self._try(events, batches, expected or {}, once)
            except IntegrityError:
                continue  # another writer took a version: read again and decide anew
        raise Busy("other writers changed the same subjects each time: try again")

    def _try(self, events: Sequence[Event], batches: Mapping[str, list[Event]], expected: Mapping[str, int], once: Once | None) -> Outcome:
        if once is not None:
            with self.log.database.transaction() as connection:
                _replay(connection, once)
        with self.log.database.transaction() as connection:
            streams = read_some(connection, list(batches), self.catalogue)
        return self.write(decide(self.catalogue, streams, events, batches, expected), once)

    def write(self, decision: Decision, once: Once | None = None) -> Outcome:
        """Writes what was decided. Raises IntegrityError where another writer has taken a version since; Replayed or KeyReused."""
        outcome = _outcome(decision, *decision.last)

        def in_transaction(connection: sa.Connection, batch: int, recorded_at: int) -> None:
            nonlocal outcome
            update_subjects(connection, decision.changed, batch, decision.opening)
            if decision.batch.events:
                outcome = _outcome(decision, batch, recorded_at)
            if once is not None:
                _keep(connection, once, outcome, recorded_at)

        if decision.batch.events or once is not None:
            self.log.store(decision.batch, in_transaction)
        return outcome


def by_subject(events: Sequence[Event], today: int) -> dict[str, list[Event]]:
    """The events of each subject. Raises Invalid where one is known only after `today`."""
    out: dict[str, list[Event]] = {}
    for event in events:
        if event.known_day > today:
            raise Invalid(f"{event.record_id}: known {event.known} is not over yet: it is the first day on which it was public")
        out.setdefault(event.subject, []).append(event)
    return out


def decide(
    catalogue: Catalogue, streams: Mapping[str, Sequence[Logged]], events: Sequence[Event], batches: Mapping[str, Sequence[Event]],
    expected: Mapping[str, int],
) -> Decision:
    """What `events` come to after `streams`, each subject's in `batches`. All is made that does not depend on positions, before the
    append lock is taken. Raises Invalid, Refused, Conflict or WrongVersion."""
    fresh: list[tuple[Event, int]] = []
    rows: dict[str, Rows] = {}
    for subject, batch in batches.items():
        stream = streams[subject]
        new = new_events(stream, batch)
        if new or subject in expected:
            family = catalogue.family(subject)
            said, folded = judge(family, stream, new, expected.get(subject), subject)
            if new:
                rows[subject] = rows_from(family, subject, said, sweep(family, said, folded=folded), RELATION)
        fresh += [(event, len(stream) + i) for i, event in enumerate(new, 1)]
    version_of = {(subject, item.event.record_id): item.version for subject, stream in streams.items() for item in stream}
    versions = {subject: len(stream) for subject, stream in streams.items()}
    for event, version in fresh:
        version_of[event.subject, event.record_id] = versions[event.subject] = version
    last = max((item for stream in streams.values() for item in stream), key=lambda item: item.position, default=None)
    return Decision(
        [event_id(event.subject, version_of[event.subject, event.record_id]) for event in events], versions,
        (last.batch, last.recorded_at) if last else (0, 0), stored_batch(fresh),
        opening(some for subject, some in rows.items() if not streams[subject]),
        {subject: some for subject, some in rows.items() if streams[subject]})


def _outcome(decision: Decision, position: int, recorded_at: int) -> Outcome:
    fresh = len(decision.batch.events)
    return Outcome(decision.ids, fresh, len(decision.ids) - fresh, position, recorded_at, decision.versions)


# ---------------------------------------------------------------- Idempotency-Key
def digest_of(body: Any) -> str:
    """SHA-256 of a request, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(body, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _replay(connection: sa.Connection, once: Once) -> None:
    row = connection.execute(sa.select(idempotency.c.digest, idempotency.c.status, idempotency.c.response).where(
        idempotency.c.key == once.key)).first()
    if row is None:
        return
    if row[0] != once.digest:
        raise KeyReused("this Idempotency-Key came with another request before: use a new key for a new request")
    raise Replayed(row[1], row[2])


def _keep(connection: sa.Connection, once: Once, outcome: Outcome, recorded_at: int) -> None:
    _replay(connection, once)  # under the lock: a racing retry may have been first
    status, response = once.answer(outcome)
    connection.execute(idempotency.insert().values(
        key=once.key, digest=once.digest, status=status, response=response, recorded_at=recorded_at))

