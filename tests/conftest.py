"""Fixtures: databases that are migrated once and copied, and the service on the project's own record."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, settings

from adapters.database import Database
from api.http import create_app
from api.wiring import Settings, Tarikh

KEY = "a-key-for-tests-only"
TODAY = date(2026, 1, 31).toordinal()
SHARED = Path(__file__).parents[2] / "shared"

settings.register_profile("short", max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
settings.register_profile("long", max_examples=2000, deadline=None, suppress_health_check=list(HealthCheck))
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "short"))


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite file that is migrated and holds nothing."""
    path = tmp_path_factory.mktemp("empty") / "tarikh.sqlite"
    database = Database(f"sqlite:///{path}")
    database.migrate()
    database.close()
    return path


@pytest.fixture
def fresh(empty: Path, tmp_path: Path) -> Callable[[], str]:
    """Makes the URL of a new, migrated, empty database at each call."""
    made = iter(range(10**6))

    def make() -> str:
        path = tmp_path / f"{next(made)}.sqlite"
        shutil.copy(empty, path)
        return f"sqlite:///{path}"

    return make


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
def loaded(empty: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tarikh]:
    """The application with the project's own record. Tests that share it record nothing."""
    path = tmp_path_factory.mktemp("record") / "tarikh.sqlite"
    shutil.copy(empty, path)
    tarikh = Tarikh(Settings(database_url=f"sqlite:///{path}", api_key=KEY), today=lambda: TODAY)
    tarikh.load()
    yield tarikh
    tarikh.close()


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
