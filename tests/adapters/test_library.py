"""The eventsourcing library's own test cases, on our recorders, our factory and applications and projections that use them.

They come with the library's wheel. Those of `eventsourcing.dcb` are left out: dynamic consistency boundaries are another kind of log.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from typing import ClassVar
from unittest import TestCase

import pytest
import sqlalchemy as sa
from eventsourcing.persistence import Tracking
from eventsourcing.tests import application, persistence, projection
from eventsourcing.utils import Environment, get_topic

from adapters import log
from adapters.database import Database
from adapters.log import LogAggregateRecorder, LogFactory, LogProcessRecorder, LogRecorder, LogTrackingRecorder
from tests.databases import ENGINES, Databases

MODULE = {"PERSISTENCE_MODULE": "adapters.log"}


class OnNewDatabases:
    """A case of the library, with new databases for each of its tests."""

    __test__ = False
    engine: ClassVar[str]

    @pytest.fixture(autouse=True)
    def _databases(self, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        self.databases: Databases = request.getfixturevalue(self.engine)
        opened: list[Database] = []
        others = set(threading.enumerate())

        def open_database(url: str) -> Database:
            opened.append(Database(url))
            return opened[-1]

        monkeypatch.setattr(log, "Database", open_database)  # the library's cases leave what they open
        self.open = open_database
        self.prepare(monkeypatch)
        yield
        for thread in set(threading.enumerate()) - others:  # some cases tell their readers to stop, and do not wait for it
            thread.join(20)
        for database in opened:
            database.close()
        for url in {database.url for database in opened}:
            self.databases.drop(url)

    def prepare(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """What the case needs beside a database."""

    def database(self) -> Database:
        return self.open(self.databases.fresh())


def on_both_engines(case: type[OnNewDatabases]) -> type[OnNewDatabases]:
    """Makes a test of a case for each engine: the library's cases are those of unittest, which take no parametrized fixture."""
    for engine in ENGINES:
        name = f"Test{case.__name__}_{engine}"
        setattr(sys.modules[__name__], name, type(name, (case,), {"__module__": __name__, "__test__": True, "engine": engine}))
    return case


# ---------------------------------------------------------------- recorders
@on_both_engines
class AggregateRecorder(OnNewDatabases, persistence.AggregateRecorderTestCase):
    def create_recorder(self) -> LogAggregateRecorder:
        return LogAggregateRecorder(self.database())


@on_both_engines
class SnapshotRecorder(OnNewDatabases, persistence.AggregateRecorderTestCase):
    def create_recorder(self) -> log.SnapshotRecorder:
        return log.SnapshotRecorder(self.database())


@on_both_engines
class ApplicationRecorder(OnNewDatabases, persistence.ApplicationRecorderTestCase):
    def create_recorder(self) -> LogRecorder:
        return LogRecorder(self.database())

    def test_insert_subscribe(self) -> None:
        self.optional_test_insert_subscribe()


@on_both_engines
class TrackingRecorder(OnNewDatabases, persistence.TrackingRecorderTestCase):
    def create_recorder(self) -> LogTrackingRecorder:
        return LogTrackingRecorder(self.database())


@on_both_engines
class ProcessRecorder(OnNewDatabases, persistence.ProcessRecorderTestCase):
    def create_recorder(self) -> LogProcessRecorder:
        return LogProcessRecorder(self.database())


@on_both_engines
class PositionsDoNotInterleave(OnNewDatabases, persistence.NonInterleavingNotificationIDsBaseCase):
    insert_num = 100

    def create_recorder(self) -> LogRecorder:
        return LogRecorder(self.database())


# ---------------------------------------------------------------- the factory
class OwnTracking(LogTrackingRecorder):
    """A tracking recorder that an application brings with it."""


@on_both_engines
class Factory(OnNewDatabases, persistence.InfrastructureFactoryTestCase[LogFactory]):
    def prepare(self, _: pytest.MonkeyPatch) -> None:
        self.env = Environment("TestCase", {**MODULE, "TARIKH_DATABASE_URL": self.databases.fresh()})

    def expected_factory_class(self) -> type[LogFactory]:
        return LogFactory

    def expected_aggregate_recorder_class(self) -> type[LogAggregateRecorder]:
        return LogAggregateRecorder

    def expected_application_recorder_class(self) -> type[LogRecorder]:
        return LogRecorder

    def expected_tracking_recorder_class(self) -> type[LogTrackingRecorder]:
        return LogTrackingRecorder

    def tracking_recorder_subclass(self) -> type[LogTrackingRecorder]:
        return OwnTracking

    def expected_process_recorder_class(self) -> type[LogProcessRecorder]:
        return LogProcessRecorder


# ---------------------------------------------------------------- applications
class InEnvironment(OnNewDatabases):
    """Applications that find their database in the environment of the process."""

    def prepare(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name, value in {**MODULE, "TARIKH_DATABASE_URL": self.databases.fresh()}.items():
            monkeypatch.setenv(name, value)


@on_both_engines
class ExampleApplication(InEnvironment, application.ExampleApplicationTestCase):
    expected_factory_topic = get_topic(LogFactory)


@on_both_engines
class Application(InEnvironment, application.ApplicationTestCase):
    """Snapshots, caches, a hundred threads that save one aggregate."""

    pytestmark = pytest.mark.filterwarnings("always:'log' is deprecated:DeprecationWarning")  # of what a case looks for


# ---------------------------------------------------------------- projections
counted = sa.Table("counted", sa.MetaData(), sa.Column("kind", sa.Text, primary_key=True), sa.Column("number", sa.BigInteger, nullable=False))


class Counters(LogTrackingRecorder, projection.EventCountersView):
    """A view of its own on our database: counts and how far it has come move in one transaction."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        with database.unguarded() as connection, connection.begin():
            counted.create(connection)
            connection.execute(counted.insert(), [{"kind": kind, "number": 0} for kind in ("created", "subsequent")])

    def _number(self, kind: str) -> int:
        with self.database.transaction() as connection:
            return int(connection.scalars(sa.select(counted.c.number).where(counted.c.kind == kind)).one())

    def _increase(self, kind: str, tracking: Tracking) -> None:
        with self.database.transaction(write=True) as connection:
            connection.execute(counted.update().where(counted.c.kind == kind).values(number=counted.c.number + 1))
            log.track(connection, tracking)

    def get_created_event_counter(self) -> int:
        return self._number("created")

    def get_subsequent_event_counter(self) -> int:
        return self._number("subsequent")

    def incr_created_event_counter(self, tracking: Tracking) -> None:
        self._increase("created", tracking)

    def incr_subsequent_event_counter(self, tracking: Tracking) -> None:
        self._increase("subsequent", tracking)


@on_both_engines
class View(OnNewDatabases, projection.EventCountersViewTestCase):
    def construct_event_counters_view(self) -> Counters:
        return Counters(self.database())


@on_both_engines
class Projection(InEnvironment, projection.AggregateEventCountersProjectionTestCase):
    view_class = Counters


@on_both_engines
class EventSourcedProjection(InEnvironment, projection.EventSourcedProjectionTestCase):
    """The projection is an application with events of its own, and so with a log of its own."""

    def prepare(self, monkeypatch: pytest.MonkeyPatch) -> None:
        super().prepare(monkeypatch)
        monkeypatch.setenv("COUNTERS_TARIKH_DATABASE_URL", self.databases.fresh())


def test_every_case_of_the_library_that_concerns_a_log_is_run() -> None:
    """A new version of the library may bring new ones."""
    theirs = {case for module in (persistence, application, projection) for case in vars(module).values()
              if isinstance(case, type) and issubclass(case, TestCase) and case.__module__ == module.__name__}
    ours = {base for name, case in globals().items() if name.startswith("Test") for base in case.__mro__}
    assert {case.__name__ for case in theirs - ours} == {
        "TaggedDecisionCountersProjectionTestCase",  # of dynamic consistency boundaries
        "TranscoderTestCase",  # of what the library brings itself
    }
