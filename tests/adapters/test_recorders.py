"""The recorders keep the library's contract, the log is append-only, and a reader that follows it misses nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Event as Signal
from threading import Thread
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from eventsourcing.persistence import IntegrityError, StoredEvent
from eventsourcing.persistence import OperationalError as Refused
from eventsourcing.tests import persistence as library

from adapters.database import MIGRATIONS, Database
from adapters.log import LogAggregateRecorder, LogProcessRecorder, LogRecorder, LogTrackingRecorder

URLs = Callable[[], str]


# ---------------------------------------------------------------- the library's own test cases
class OnNewFiles:
    """Each recorder on a database of its own."""

    @pytest.fixture(autouse=True)
    def _databases(self, fresh: URLs) -> Any:
        self.databases: list[Database] = []
        self.fresh = fresh
        yield
        for database in self.databases:
            database.close()

    def database(self) -> Database:
        self.databases.append(Database(self.fresh()))
        return self.databases[-1]


class TestAggregateRecorder(OnNewFiles, library.AggregateRecorderTestCase):
    def create_recorder(self) -> LogAggregateRecorder:
        return LogAggregateRecorder(self.database())


class TestApplicationRecorder(OnNewFiles, library.ApplicationRecorderTestCase):
    def create_recorder(self) -> LogRecorder:
        return LogRecorder(self.database())

    def test_insert_subscribe(self) -> None:
        self.optional_test_insert_subscribe()


class TestTrackingRecorder(OnNewFiles, library.TrackingRecorderTestCase):
    def create_recorder(self) -> LogTrackingRecorder:
        return LogTrackingRecorder(self.database())


class TestProcessRecorder(OnNewFiles, library.ProcessRecorderTestCase):
    def create_recorder(self) -> LogProcessRecorder:
        return LogProcessRecorder(self.database())


class TestPositionsDoNotInterleave(OnNewFiles, library.NonInterleavingNotificationIDsBaseCase):
    insert_num = 100

    def create_recorder(self) -> LogRecorder:
        return LogRecorder(self.database())


# ---------------------------------------------------------------- one reader, many writers
WRITERS, BATCHES, SIZE = 4, 50, 20


def _batch(size: int = SIZE) -> list[StoredEvent]:
    stream = uuid4()
    return [StoredEvent(stream, version, "t", b"{}") for version in range(1, size + 1)]


def test_a_reader_that_follows_the_log_misses_nothing_and_sees_it_in_order(fresh: URLs) -> None:
    url, done, seen = fresh(), Signal(), list[int]()
    written: list[list[int]] = []

    def write() -> None:
        database = Database(url)
        recorder = LogRecorder(database)
        written.extend(list(recorder.insert_events(_batch()) or ()) for _ in range(BATCHES))
        database.close()

    def follow() -> None:
        database = Database(url)
        recorder = LogRecorder(database)
        while True:
            last = done.is_set()
            page = recorder.select_notifications(seen[-1] if seen else None, 100, inclusive_of_start=False)
            seen.extend(item.id for item in page)
            if last and not page:
                break
        database.close()

    writers, reader = [Thread(target=write) for _ in range(WRITERS)], Thread(target=follow)
    for thread in (reader, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    reader.join()
    total = WRITERS * BATCHES * SIZE
    assert total >= 4000
    assert seen == list(range(1, total + 1))
    assert sorted(p for batch in written for p in batch) == seen
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


# ---------------------------------------------------------------- append-only
COLUMNS = "position, batch, recorded_at, latest_known, originator_id, originator_version, topic, state, hash"


@pytest.mark.parametrize("statement", [
    "UPDATE log SET state = x'00'",
    "UPDATE log SET position = 9 WHERE position = 2",
    "UPDATE OR REPLACE log SET position = 1 WHERE position = 2",
    "UPDATE OR IGNORE log SET recorded_at = 0",
    "DELETE FROM log",
    "DELETE FROM log WHERE position = 2",
    f"INSERT OR REPLACE INTO log SELECT {COLUMNS} FROM log WHERE position = 1",
    f"REPLACE INTO log SELECT {COLUMNS} FROM log WHERE position = 2",
    f"INSERT OR REPLACE INTO log SELECT {COLUMNS.replace('position', '77', 1)} FROM log WHERE position = 1",
    f"INSERT OR REPLACE INTO log SELECT {COLUMNS.replace('originator_version', '9')} FROM log WHERE position = 1",
    f"INSERT INTO log SELECT {COLUMNS} FROM log WHERE position = 1 ON CONFLICT (position) DO UPDATE SET state = x'00'",
    f"INSERT INTO log SELECT {COLUMNS.replace('position', '77', 1)} FROM log WHERE position = 1 "
    "ON CONFLICT (originator_id, originator_version) DO UPDATE SET state = x'00'",
])
def test_the_log_is_append_only_whatever_the_statement(fresh: URLs, statement: str) -> None:
    database = Database(fresh())
    LogRecorder(database).insert_events(_batch(3))
    with database.transaction() as connection:
        before = connection.exec_driver_sql(f"SELECT {COLUMNS} FROM log").all()
    with pytest.raises((IntegrityError, Refused), match="append-only"), database.transaction(write=True) as connection:
        connection.exec_driver_sql(statement)
    with database.transaction() as connection:
        assert connection.exec_driver_sql(f"SELECT {COLUMNS} FROM log").all() == before
    database.close()


# ---------------------------------------------------------------- the schema
def test_alembic_check_is_clean_on_a_new_file(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'new.sqlite'}")
    database.migrate()
    assert database.revision()[0] == database.revision()[1] is not None
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with database.engine.connect() as connection:
        config.attributes["connection"] = connection
        command.check(config)
    database.close()


def test_migrating_again_changes_nothing(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'new.sqlite'}")
    schemas = []
    for _ in range(2):
        database.migrate()
        with database.transaction() as connection:
            schemas.append(connection.exec_driver_sql("SELECT type, name, sql FROM sqlite_master ORDER BY name").all())
    database.close()
    assert schemas[0] == schemas[1]
