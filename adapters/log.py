"""The event log: the eventsourcing library's Application over our own SQLAlchemy Core recorders.

The library sees one class, the envelope `Recorded`. Positions, batches and instants are given under the append lock:
BEGIN IMMEDIATE on SQLite, LOCK TABLE ... IN EXCLUSIVE MODE (the function log_lock) on PostgreSQL, which keeps commit order equal to position order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha1
from threading import Thread
from time import time_ns
from typing import Any, NamedTuple, TypeAlias
from uuid import UUID

import sqlalchemy as sa
from eventsourcing.application import Application
from eventsourcing.persistence import (
    AggregateRecorder,
    ApplicationRecorder,
    InfrastructureFactory,
    IntegrityError,
    ListenNotifySubscription,
    Mapper,
    Notification,
    ProcessRecorder,
    StoredEvent,
    Subscription,
    Tracking,
    TrackingRecorder,
)
from eventsourcing.utils import resolve_topic

from adapters.bulk import insert_rows
from adapters.chain import GENESIS, link
from adapters.database import Database
from adapters.schema import log, snapshot, tracking
from domain.catalogue import CATALOGUE, Catalogue
from domain.event import Event

NAMESPACE = UUID("6f1d7d9c-5b0c-5c7e-9a53-1f6a3c1b7e11")
CHANNEL = "tarikh_log"
InTransaction = Callable[[sa.Connection, int, int], None]  # connection, batch position, recorded_at


@lru_cache(maxsize=10_000)
def stream_bytes(subject: str) -> bytes:
    """The 16 bytes of `stream_id`: written, they need not become a UUID, which takes longer than all else about them."""
    digest = sha1(NAMESPACE.bytes + subject.encode(), usedforsecurity=False).digest()
    return digest[:6] + bytes((digest[6] & 0x0F | 0x50, digest[7], digest[8] & 0x3F | 0x80)) + digest[9:16]


def stream_id(subject: str) -> UUID:
    """The stream of a subject: the UUIDv5 of its name (RFC 9562, section 5.5)."""
    return UUID(bytes=stream_bytes(subject))


def lock(connection: sa.Connection) -> None:
    """The append lock, for the rest of the transaction. On SQLite, BEGIN IMMEDIATE has taken it already."""
    if connection.dialect.name != "sqlite":
        connection.exec_driver_sql("SELECT log_lock()")
        connection.exec_driver_sql(f"NOTIFY {CHANNEL}")


@dataclass(frozen=True, slots=True)
class Recorded:
    """The envelope: the only class that the library sees."""

    originator_id: UUID
    originator_version: int
    event: Event


class CatalogueMapper(Mapper[UUID]):
    """Stored topics are the catalogue's public names; older versions are upcast when they are read."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue

    def to_stored_event(self, domain_event: Any) -> StoredEvent:
        event: Event = domain_event.event
        return StoredEvent(domain_event.originator_id, domain_event.originator_version, event.type, self.catalogue.dump(event))

    def to_domain_event(self, stored_event: StoredEvent) -> Any:
        event = self.catalogue.load(stored_event.topic, stored_event.state)
        return Recorded(_uuid(stored_event.originator_id), stored_event.originator_version, event)


Stored: TypeAlias = tuple[bytes, int, str, bytes]  # an event as it is stored: its stream, version, topic and state


class StoredBatch(NamedTuple):
    """Events as they are stored, and the latest day on which one of them became known."""

    events: list[Stored]
    known: int


def stored_batch(events: Iterable[tuple[Event, int]]) -> StoredBatch:
    """Of (event, version) pairs. As the library's `save` and mapper do, which look at each envelope for what an aggregate has."""
    pairs = list(events)
    stored = [(stream_bytes(event.subject), version, event.type, CATALOGUE.dump(event)) for event, version in pairs]
    return StoredBatch(stored, max((event.known_day for event, _ in pairs), default=0))


def _plain(events: Sequence[StoredEvent]) -> list[Stored]:
    return [(_uuid(s.originator_id).bytes, s.originator_version, s.topic, s.state) for s in events]


def _uuid(value: UUID | str) -> UUID:
    return value if isinstance(value, UUID) else UUID(value)


_COLUMNS = tuple(column.name for column in log.c)
_SNAPSHOT = tuple(column.name for column in snapshot.c)
_STORED = (log.c.originator_id, log.c.originator_version, log.c.topic, log.c.state)


class LogAggregateRecorder(AggregateRecorder):
    """Events of one stream."""

    table = log

    def __init__(self, database: Database, clock: Callable[[], int] | None = None) -> None:
        self.database = database
        self.clock = clock or (lambda: time_ns() // 1000)

    def insert_events(self, stored_events: Sequence[StoredEvent], **kwargs: Any) -> Sequence[int] | None:
        """Appends a batch; all of it or nothing."""
        self.append(_plain(stored_events), **kwargs)
        return None

    def append(self, events: Sequence[Stored], **kwargs: Any) -> list[int]:
        """Appends a batch and gives its positions. `facts(connection, batch, recorded_at)` runs in the same transaction."""
        with self.database.transaction(write=True) as connection:
            positions = self._insert(connection, events, **kwargs)
        with self.database.appended:
            self.database.appended.notify_all()
        return positions

    def _insert(
        self, connection: sa.Connection, events: Sequence[Stored], facts: InTransaction | None = None, known: int = 0, **_: Any
    ) -> list[int]:
        lock(connection)
        last = connection.execute(
            sa.select(log.c.position, log.c.recorded_at, log.c.latest_known, log.c.hash).order_by(log.c.position.desc()).limit(1)).first()
        base, before, known_before, chained = (last[0], last[1], last[2], last[3]) if last else (0, 0, 0, GENESIS)
        batch, recorded_at, latest_known = base + len(events), max(self.clock(), before + 1), max(known, known_before)
        rows: list[tuple[Any, ...]] = []
        for position, (stream, version, topic, state) in enumerate(events, base + 1):
            chained = link(chained, position, batch, recorded_at, latest_known, stream, version, topic, state)
            rows.append((position, batch, recorded_at, latest_known, stream, version, topic, state, chained))
        if rows:
            insert_rows(connection, log, _COLUMNS, rows)
        if facts is not None:
            facts(connection, batch, recorded_at)
        return [row[0] for row in rows]

    def select_events(
        self, originator_id: UUID | str, *, gt: int | None = None, lte: int | None = None, desc: bool = False, limit: int | None = None
    ) -> Sequence[StoredEvent]:
        row, version = self.table.c, self.table.c.originator_version
        query = sa.select(row.originator_id, version, row.topic, row.state).where(row.originator_id == _uuid(originator_id))
        query = query if gt is None else query.where(version > gt)
        query = query if lte is None else query.where(version <= lte)
        query = query.order_by(version.desc() if desc else version).limit(limit)
        with self.database.transaction() as connection:
            return [StoredEvent(*row) for row in connection.execute(query)]


class LogRecorder(LogAggregateRecorder, ApplicationRecorder):
    """All events in log order."""

    def insert_events(self, stored_events: Sequence[StoredEvent], **kwargs: Any) -> Sequence[int] | None:
        """Appends a batch and gives its positions."""
        return self.append(_plain(stored_events), **kwargs)

    def select_notifications(
        self, start: int | None, limit: int, stop: int | None = None, topics: Sequence[str] = (), *, inclusive_of_start: bool = True
    ) -> Sequence[Notification]:
        query = sa.select(*_STORED, log.c.position).order_by(log.c.position).limit(limit)
        if start is not None:
            query = query.where(log.c.position >= start if inclusive_of_start else log.c.position > start)
        query = query if stop is None else query.where(log.c.position <= stop)
        query = query.where(log.c.topic.in_(list(topics))) if topics else query
        with self.database.transaction() as connection:
            return [Notification(*row) for row in connection.execute(query)]

    def max_notification_id(self) -> int | None:
        with self.database.transaction() as connection:
            last: int | None = connection.scalar(sa.select(sa.func.max(log.c.position)))
        return last

    def subscribe(self, gt: int | None = None, topics: Sequence[str] = ()) -> Subscription[ApplicationRecorder]:
        return LogSubscription(self, gt=gt, topics=topics)


class LogSubscription(ListenNotifySubscription["LogRecorder"]):
    """Follows the log; wakes on a notification or after `poll` seconds, so that a lost one costs a moment and not the stream."""

    poll = 0.5

    def __init__(self, recorder: LogRecorder, gt: int | None = None, topics: Sequence[str] = ()) -> None:
        super().__init__(recorder, gt=gt, topics=topics)
        self._listener = Thread(target=self._listen, daemon=True)
        self._listener.start()

    def __exit__(self, *args: object, **kwargs: Any) -> None:
        try:
            super().__exit__(*args, **kwargs)
        finally:
            self._listener.join()

    def stop(self) -> None:
        super().stop()
        appended = self._recorder.database.appended
        with appended:
            appended.notify_all()

    def _listen(self) -> None:
        database = self._recorder.database
        try:
            if database.sqlite:
                while not self._has_been_stopped:
                    with database.appended:
                        database.appended.wait(self.poll)
                    self._has_been_notified.set()
            else:
                with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                    raw: Any = connection.connection.driver_connection
                    connection.detach()  # back in the pool, it would go on listening
                    connection.exec_driver_sql(f"LISTEN {CHANNEL}")
                    while not self._has_been_stopped:
                        for _ in raw.notifies(timeout=self.poll, stop_after=1):
                            pass
                        self._has_been_notified.set()
        except BaseException as error:
            if self._thread_error is None:
                self._thread_error = error
            self.stop()


class LogTrackingRecorder(TrackingRecorder):
    """How far a follower has come."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def insert_tracking(self, tracking: Tracking) -> None:
        with self.database.transaction(write=True) as connection:
            track(connection, tracking)

    def max_tracking_id(self, application_name: str) -> int | None:
        query = sa.select(tracking.c.position).where(tracking.c.application_name == application_name)
        with self.database.transaction() as connection:
            return connection.scalar(query)


def track(connection: sa.Connection, at: Tracking) -> None:
    """Moves a follower forward; going back, or standing still, is an IntegrityError."""
    row = tracking.c.application_name == at.application_name
    moved = connection.execute(
        tracking.update().where(row, tracking.c.position < at.notification_id).values(position=at.notification_id))
    if moved.rowcount == 0:
        if connection.scalar(sa.select(tracking.c.position).where(row)) is not None:
            raise IntegrityError(f"{at.application_name} is already at or past position {at.notification_id}")
        connection.execute(tracking.insert().values(application_name=at.application_name, position=at.notification_id))


class LogProcessRecorder(LogTrackingRecorder, LogRecorder, ProcessRecorder):
    """A follower that records: its events and how far it has come, in one transaction."""

    def __init__(self, database: Database, clock: Callable[[], int] | None = None) -> None:
        LogRecorder.__init__(self, database, clock)

    def _insert(
        self, connection: sa.Connection, events: Sequence[Stored], facts: InTransaction | None = None, known: int = 0, **kwargs: Any,
    ) -> list[int]:
        if kwargs.get("tracking") is not None:
            track(connection, kwargs["tracking"])
        return super()._insert(connection, events, facts, known)


class SnapshotRecorder(LogAggregateRecorder):
    """Snapshots of aggregates of other applications that keep their events in this log: Tarikh takes none. They are no part of the record."""

    table = snapshot

    def _insert(self, connection: sa.Connection, events: Sequence[Stored], *_: Any, **__: Any) -> list[int]:
        if events:
            insert_rows(connection, snapshot, _SNAPSHOT, events)
        return []


class LogFactory(InfrastructureFactory[LogTrackingRecorder]):
    """Builds the infrastructure on the database of `TARIKH_DATABASE_URL`."""

    def __init__(self, env: Any) -> None:
        super().__init__(env)
        self.database = Database(str(self.env.get("TARIKH_DATABASE_URL", "sqlite:///tarikh.sqlite")))

    def aggregate_recorder(self, purpose: str = "events") -> AggregateRecorder:
        return (SnapshotRecorder if purpose == "snapshots" else LogAggregateRecorder)(self.database)

    def application_recorder(self) -> ApplicationRecorder:
        return LogRecorder(self.database)

    def tracking_recorder(self, tracking_recorder_class: type[LogTrackingRecorder] | None = None) -> LogTrackingRecorder:
        topic = self.env.get(self.TRACKING_RECORDER_TOPIC)
        return (tracking_recorder_class or (resolve_topic(topic) if topic else LogTrackingRecorder))(self.database)

    def process_recorder(self) -> ProcessRecorder:
        return LogProcessRecorder(self.database)

    def close(self) -> None:
        self.database.close()


class Log(Application[UUID]):
    """The application: appends envelopes, reads streams."""

    name = "tarikh"

    def __init__(self, url: str) -> None:
        super().__init__({"PERSISTENCE_MODULE": "adapters.log", "TARIKH_DATABASE_URL": url})
        assert isinstance(self.factory, LogFactory)
        self.database = self.factory.database

    def construct_mapper(self) -> Mapper[UUID]:
        return CatalogueMapper(CATALOGUE)

    def append(self, events: Iterable[tuple[Event, int]], in_transaction: InTransaction) -> list[int]:
        """Appends (event, version) pairs as one batch; an event whose version is taken raises IntegrityError."""
        return self.store(stored_batch(events), in_transaction)

    def store(self, batch: StoredBatch, in_transaction: InTransaction) -> list[int]:
        """Appends a batch that is made already; an event whose version is taken raises IntegrityError."""
        assert isinstance(self.recorder, LogRecorder)
        return self.recorder.append(batch.events, facts=in_transaction, known=batch.known)
