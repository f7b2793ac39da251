"""Fixtures: databases of both engines, and the service on the project's own record."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, settings

from api.http import create_app
from api.wiring import Settings, Tarikh
from tests.databases import ENGINES, Databases, Files, Server, dropped_after

KEY = "for-tests-6Zq0wXcR3nVbJ8sLpT2y"
TODAY = date(2026, 1, 31).toordinal()
SHARED = Path(__file__).parents[2] / "shared"
POSTGRESQL_SKIPPED = os.environ.get("TARIKH_TEST_POSTGRESQL") == "skip"

settings.register_profile("short", max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
settings.register_profile("long", max_examples=2000, deadline=None, suppress_health_check=list(HealthCheck))
PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "short")
LONG = PROFILE == "long"
settings.load_profile(PROFILE)


# ---------------------------------------------------------------- engines
@pytest.fixture(scope="session", params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    """Each test that asks for a database, however indirectly, runs on both engines."""
    return str(request.param)


@pytest.fixture(scope="session")
def sqlite(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """SQLite alone: for tests about its files."""
    return Files(tmp_path_factory.mktemp("sqlite"))


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Server]:
    """PostgreSQL alone: for tests about its roles and sessions. Without its binaries they fail, unless it is said that they may be skipped."""
    if POSTGRESQL_SKIPPED:
        pytest.skip("TARIKH_TEST_POSTGRESQL=skip")
    server = Server()
    yield server
    server.stop()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if POSTGRESQL_SKIPPED:
        terminalreporter.section("NOTHING WAS TESTED ON POSTGRESQL (TARIKH_TEST_POSTGRESQL=skip)", red=True, bold=True)


@pytest.fixture(scope="session")
def databases(engine: str, request: pytest.FixtureRequest) -> Databases:
    """What makes databases of the engine. Those that it makes are there to the end of the session, unless they are dropped."""
    made: Databases = request.getfixturevalue(engine)
    return made


# ---------------------------------------------------------------- databases
@pytest.fixture
def fresh(databases: Databases) -> Iterator[Callable[[], str]]:
    """Makes the URL of a new, migrated, empty database at each call."""
    with dropped_after(databases) as make:
        yield make


@pytest.fixture
def core(fresh: Callable[[], str]) -> Iterator[Tarikh]:
    """The application on an empty database, with a key; today is 31 January 2026."""
    tarikh = Tarikh(Settings(database_url=fresh(), api_key=KEY), today=lambda: TODAY)
    yield tarikh
    tarikh.close()


@pytest.fixture
def client(core: Tarikh) -> Iterator[TestClient]:
    """HTTP on the empty database."""
    with TestClient(create_app(core), headers={"Authorization": f"Bearer {KEY}"}) as http:
        yield http


@pytest.fixture(scope="session")
def records() -> Iterator[dict[str, Tarikh]]:
    """The applications of `loaded` by engine: pytest would make one anew each time that it comes back to an engine."""
    made: dict[str, Tarikh] = {}
    yield made
    for tarikh in made.values():
        tarikh.close()


@pytest.fixture(scope="session")
def loaded(engine: str, databases: Databases, records: dict[str, Tarikh]) -> Tarikh:
    """The application with the project's own record. Tests that share it record nothing."""
    if engine not in records:
        records[engine] = Tarikh(Settings(database_url=databases.fresh(), api_key=KEY), today=lambda: TODAY)
        records[engine].load()
    return records[engine]


@pytest.fixture(scope="session")
def record(loaded: Tarikh) -> Iterator[TestClient]:
    """HTTP on the project's own record, read only."""
    with TestClient(create_app(loaded)) as http:
        yield http


def needs_shared(name: str) -> Path:
    """A file of the material beside the checkout; skips with a reason where it is absent."""
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"{name} of the material beside the checkout is absent")
    return path
