"""The log, read with its recorded clock: instants, streams, single events, the feed. Implements projections.ports.EventLog."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from adapters.database import Database
from adapters.log import stream_id
from adapters.schema import log
from domain.catalogue import CATALOGUE, Catalogue
from domain.event import Logged

_COLUMNS = (log.c.position, log.c.batch, log.c.recorded_at, log.c.originator_version, log.c.topic, log.c.state)
_CHUNK = 500
IDS = 1 << 128  # the ids of streams are numbers below it, spread evenly


def _logged(row: Any, catalogue: Catalogue) -> Logged:
    position, batch, recorded_at, version, topic, state = row
    return Logged(catalogue.load(topic, state), version, position, batch, recorded_at)


def read_stream(connection: sa.Connection, subject: str, catalogue: Catalogue = CATALOGUE) -> list[Logged]:
    """The events of a subject in order of version."""
    query = sa.select(*_COLUMNS).where(log.c.originator_id == stream_id(subject)).order_by(log.c.originator_version)
    return [_logged(row, catalogue) for row in connection.execute(query)]


def read_some(connection: sa.Connection, subjects: Sequence[str], catalogue: Catalogue = CATALOGUE) -> dict[str, list[Logged]]:
    """The streams of several subjects, empty ones included."""
    out: dict[str, list[Logged]] = {subject: [] for subject in subjects}
    ids = {stream_id(subject): subject for subject in subjects}
    wanted = list(ids)
    for i in range(0, len(wanted), _CHUNK):
        query = sa.select(log.c.originator_id, *_COLUMNS).where(log.c.originator_id.in_(wanted[i : i + _CHUNK]))
        for row in connection.execute(query.order_by(log.c.originator_id, log.c.originator_version)):
            out[ids[row[0]]].append(_logged(row[1:], catalogue))
    return out


def read_streams(
    connection: sa.Connection, upto: int, after: int = 0, catalogue: Catalogue = CATALOGUE, part: tuple[int, int] = (0, IDS)
) -> Iterator[list[Logged]]:
    """Every stream with an event in (after, upto], whole up to `upto`, one at a time in bounded memory. `part`: the half-open range of ids
    that is looked at."""
    stored_id = sa.type_coerce(log.c.originator_id, sa.Text)  # as the driver gives it: it is only compared
    query = sa.select(stored_id, *_COLUMNS).where(log.c.position <= upto)
    first, end = part
    if (first, end) != (0, IDS):
        query = query.where(log.c.originator_id.between(UUID(int=first), UUID(int=end - 1)))
    if after:
        changed = sa.select(log.c.originator_id).where(log.c.position > after, log.c.position <= upto).distinct()
        query = query.where(log.c.originator_id.in_(changed))
    query = query.order_by(log.c.originator_id, log.c.originator_version).execution_options(yield_per=1000)
    current: Any = None
    stream: list[Logged] = []
    for row in connection.execute(query):
        if row[0] != current and stream:
            yield stream
            stream = []
        current = row[0]
        stream.append(_logged(row[1:], catalogue))
    if stream:
        yield stream


class LogReader:
    """Reads the log, each call in a transaction of its own."""

    def __init__(self, database: Database, catalogue: Catalogue = CATALOGUE) -> None:
        self.database = database
        self.catalogue = catalogue

    def last(self) -> tuple[int, int]:
        """(position, recorded_at) of the last batch; (0, 0) for an empty log."""
        return self._first("SELECT position, recorded_at FROM log ORDER BY position DESC LIMIT 1")

    def at(self, recorded_at: int) -> tuple[int, int]:
        """(position, recorded_at) of the last batch at or before an instant; (0, 0) where there is none."""
        return self._first("SELECT batch, recorded_at FROM log WHERE recorded_at <= :at ORDER BY recorded_at DESC LIMIT 1", at=recorded_at)

    def _first(self, statement: str, **parameters: int) -> tuple[int, int]:
        rows = self.database.select(statement, parameters)
        return (rows[0][0], rows[0][1]) if rows else (0, 0)

    def latest_known(self, position: int) -> int:
        """The latest day on which anything recorded up to a position became known; 0 for an empty log."""
        return self._first("SELECT latest_known, recorded_at FROM log WHERE position = :position", position=position)[0]

    def positions(self, ids: Sequence[tuple[str, int]]) -> dict[tuple[str, int], int]:
        """The log positions of the subjects of these (subject, version) pairs."""
        subjects = {stream_id(subject): subject for subject, _ in ids}
        wanted = list(subjects)
        out: dict[tuple[str, int], int] = {}
        with self.database.transaction() as connection:
            for i in range(0, len(wanted), _CHUNK):
                query = sa.select(log.c.originator_id, log.c.originator_version, log.c.position).where(
                    log.c.originator_id.in_(wanted[i : i + _CHUNK]))
                out.update({(subjects[row[0]], row[1]): row[2] for row in connection.execute(query)})
        return out

    def count(self) -> int:
        """How many events there are."""
        with self.database.transaction() as connection:
            return connection.scalar(sa.select(sa.func.count()).select_from(log)) or 0

    def stream(self, subject: str) -> list[Logged]:
        """The events of a subject in order of version."""
        with self.database.transaction() as connection:
            return read_stream(connection, subject, self.catalogue)

    def events(self, ids: Sequence[tuple[str, int]]) -> list[Logged]:
        """The events of (subject, version) pairs, in the order asked for; those that are not there are left out."""
        wanted: dict[UUID, set[int]] = defaultdict(set)
        for subject, version in ids:
            wanted[stream_id(subject)].add(version)
        found: dict[tuple[UUID, int], Logged] = {}
        streams = list(wanted)
        with self.database.transaction() as connection:
            for i in range(0, len(streams), _CHUNK):
                query = sa.select(log.c.originator_id, *_COLUMNS).where(log.c.originator_id.in_(streams[i : i + _CHUNK]))
                for row in connection.execute(query):
                    if row.originator_version in wanted[row[0]]:
                        found[row[0], row.originator_version] = _logged(row[1:], self.catalogue)
        keys = [(stream_id(subject), version) for subject, version in ids]
        return [found[key] for key in keys if key in found]

    def feed(self, after: int, limit: int, subject: str | None = None, topics: Sequence[str] = ()) -> list[Logged]:
        """Up to `limit` events after a position, in log order."""
        query = sa.select(*_COLUMNS).where(log.c.position > after).order_by(log.c.position).limit(limit)
        if subject is not None:
            query = query.where(log.c.originator_id == stream_id(subject))
        if topics:
            query = query.where(log.c.topic.in_(list(topics)))
        with self.database.transaction() as connection:
            return [_logged(row, self.catalogue) for row in connection.execute(query)]

    def whole(self, position: int) -> int:
        """The end of the last batch that lies wholly at or before a position; 0 where there is none."""
        return self._first("SELECT position, recorded_at FROM log WHERE position <= :position AND batch <= :position "
                           "ORDER BY position DESC LIMIT 1", position=position)[0]

    def walk(self, after: int, upto: int, size: int) -> Iterator[list[tuple[Logged, bytes]]]:
        """Events with their hashes in log order, after one position and up to another, `size` at a time, each time in a transaction of its own."""
        query = sa.select(*_COLUMNS, log.c.hash).where(log.c.position <= upto).order_by(log.c.position).limit(size)
        for rows in self._pages(query, after):
            yield [(_logged(row[:-1], self.catalogue), row[-1]) for row in rows]

    def subjects(self, after: int, upto: int, size: int) -> Iterator[list[str]]:
        """The subjects of these events, in the order of their first event among them; read like `walk`."""
        query = sa.select(log.c.position, log.c.state).where(log.c.position <= upto).order_by(log.c.position).limit(size)
        before = log.alias()  # the event before in its stream; where it is beyond `after`, this one is not the first
        if after:
            query = query.outerjoin(before, sa.and_(before.c.originator_id == log.c.originator_id,
                                                    before.c.originator_version == log.c.originator_version - 1))
            query = query.where(before.c.position.is_(None) | (before.c.position <= after))
        else:
            query = query.where(log.c.originator_version == 1)
        for rows in self._pages(query, after):
            yield [json.loads(row[1])["subject"] for row in rows]

    def _pages(self, query: sa.Select[Any], after: int) -> Iterator[Sequence[Any]]:
        while True:
            with self.database.transaction() as connection:
                rows = connection.execute(query.where(log.c.position > after)).all()
            if not rows:
                return
            yield rows
            after = rows[-1][0]
