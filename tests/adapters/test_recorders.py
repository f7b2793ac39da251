"""The log gives positions and instants in one order, and a reader that follows it misses nothing; the schema is that of the migrations."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from threading import Event as Signal
from uuid import uuid4, uuid5

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.script import ScriptDirectory
from eventsourcing.persistence import IntegrityError, StoredEvent
from hypothesis import given
from hypothesis import strategies as st

from adapters.database import Database
from adapters.log import NAMESPACE, LogRecorder, stream_id
from adapters.migrations import config
from adapters.schema import REVISION
from domain.event import SUBJECT
from tests.conftest import LONG
from tests.databases import Databases

URLs = Callable[[], str]


@given(st.from_regex(SUBJECT, fullmatch=True))
def test_the_stream_of_a_subject_is_the_uuid_of_its_name(subject: str) -> None:
    assert stream_id(subject) == uuid5(NAMESPACE, subject)


# ---------------------------------------------------------------- one reader, many writers
WRITERS, BATCHES, SIZE = 4, 300 if LONG else 50, 20


def _batch(size: int = SIZE) -> list[StoredEvent]:
    stream = uuid4()
    return [StoredEvent(stream, version, "t", b"{}") for version in range(1, size + 1)]


def test_a_reader_that_follows_the_log_misses_nothing_and_sees_it_in_order(fresh: URLs) -> None:
    url, done = fresh(), Signal()

    def write() -> list[list[int]]:
        database = Database(url)
        recorder = LogRecorder(database)
        positions = [list(recorder.insert_events(_batch()) or ()) for _ in range(BATCHES)]
        database.close()
        return positions

    def follow() -> list[int]:
        database, seen = Database(url), list[int]()
        recorder = LogRecorder(database)
        while True:
            last = done.is_set()
            page = recorder.select_notifications(seen[-1] if seen else None, 100, inclusive_of_start=False)
            seen.extend(item.id for item in page)
            if last and not page:
                break
        database.close()
        return seen

    with ThreadPoolExecutor(WRITERS + 1) as pool:
        reader, *writers = pool.submit(follow), *(pool.submit(write) for _ in range(WRITERS))
        try:
            written = [batch for writer in writers for batch in writer.result()]  # raises what a writer raised
        finally:
            done.set()
        seen = reader.result()
    total = WRITERS * BATCHES * SIZE
    missed, out_of_order = set(range(1, total + 1)) - set(seen), [p for p, after in pairwise(seen) if after <= p]
    assert (len(missed), out_of_order, len(seen), total >= (24_000 if LONG else 4000)) == (0, [], total, True)
    assert sorted(batch[0] for batch in written) == list(range(1, total + 1, SIZE))
    assert all(batch == list(range(batch[0], batch[0] + SIZE)) for batch in written)


def test_the_instants_of_batches_increase_even_where_the_clock_stands_still_or_goes_back(fresh: URLs) -> None:
    ticks = iter([100, 100, 50, 101, 500])
    database = Database(fresh())
    recorder = LogRecorder(database, clock=lambda: next(ticks))
    for _ in range(5):
        recorder.insert_events(_batch(2))
    with database.transaction() as connection:
        rows = connection.exec_driver_sql("SELECT position, batch, recorded_at FROM log ORDER BY position").all()
    database.close()
    assert [row[2] for row in rows] == [100, 100, 101, 101, 102, 102, 103, 103, 500, 500]
    assert [row[1] for row in rows] == [2, 2, 4, 4, 6, 6, 8, 8, 10, 10]


def test_of_two_writers_of_one_version_one_is_refused_and_nothing_of_its_batch_is_kept(fresh: URLs) -> None:
    database = Database(fresh())
    recorder = LogRecorder(database)
    first = _batch(3)
    recorder.insert_events(first)
    with pytest.raises(IntegrityError):
        recorder.insert_events([*_batch(2), first[2]])
    assert recorder.max_notification_id() == 3
    assert recorder.insert_events(_batch(1)) == [4]
    database.close()


def test_what_fails_in_the_transaction_takes_the_events_with_it(fresh: URLs) -> None:
    def fail(connection: sa.Connection, batch: int, recorded_at: int) -> None:
        raise ValueError("the facts could not be written")

    database = Database(fresh())
    recorder = LogRecorder(database)
    with pytest.raises(ValueError, match="could not be written"):
        recorder.insert_events(_batch(3), facts=fail)
    assert recorder.max_notification_id() is None
    database.close()


# ---------------------------------------------------------------- the schema
def test_alembic_check_is_clean_on_a_new_database(databases: Databases) -> None:
    database = Database(databases.bare())
    database.migrate()
    with database.engine.connect() as connection:
        assert database.revision() == REVISION == ScriptDirectory.from_config(config(connection)).get_current_head()
        command.check(config(connection))
    database.close()


SCHEMA = {"sqlite": "SELECT type, name, sql FROM sqlite_master ORDER BY name", "postgresql": "SELECT oid, relname FROM pg_class ORDER BY oid"}


def test_migrating_again_changes_nothing(databases: Databases, engine: str) -> None:
    database = Database(databases.bare())
    schemas = []
    for _ in range(2):
        database.migrate()
        with database.transaction() as connection:
            schemas.append(connection.exec_driver_sql(SCHEMA[engine]).all())
    database.close()
    assert schemas[0] == schemas[1]
