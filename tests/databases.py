"""New databases for the tests, of both engines alike: one is migrated, the others are its copies."""

from __future__ import annotations

import shutil
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import Protocol

import sqlalchemy as sa

from adapters.database import Database
from tests.postgres import Postgres

ENGINES = ("sqlite", "postgresql")
AT_ONCE = 20  # databases of one test: a property test makes one or two for each example, and those of earlier examples are closed


class Databases(Protocol):
    """Makes databases of one engine, told by their URLs."""

    def bare(self) -> str:
        """A new database without tables."""

    def fresh(self) -> str:
        """A new database that is migrated and holds nothing."""

    def drop(self, url: str) -> None:
        """Forgets a database, whoever still uses it."""


class Files:
    """SQLite: a file for each database."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._numbers = count(1)

    def bare(self) -> str:
        return f"sqlite:///{self.folder / f'{next(self._numbers)}.sqlite'}"

    def fresh(self) -> str:
        url = self.bare()
        shutil.copy(self._migrated, path_of(url))
        return url

    @cached_property
    def _migrated(self) -> Path:
        return path_of(_migrate(self.bare()))

    def drop(self, url: str) -> None:
        for path in self.folder.glob(f"{path_of(url).name}*"):
            path.unlink()


class Server:
    """PostgreSQL: a server of its own, which forgets everything when its machine goes down, and is fast for that, unless it is `durable`."""

    def __init__(self, durable: bool = False) -> None:
        self.postgres = Postgres(durable)
        self._admin = sa.create_engine(self.postgres.url(), isolation_level="AUTOCOMMIT", pool_pre_ping=True)
        self._numbers = count(1)

    def bare(self) -> str:
        return self._create("template1")

    def fresh(self) -> str:
        return self._create(self._migrated)

    @cached_property
    def _migrated(self) -> str:
        return _name(_migrate(self.bare()))

    def _create(self, template: str) -> str:
        name = f"t{next(self._numbers)}"
        self._do(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
        return self.postgres.url(name)

    def drop(self, url: str) -> None:
        self._do(f"DROP DATABASE {_name(url)} WITH (FORCE)")

    def _do(self, statement: str) -> None:
        with self._admin.connect() as connection:
            connection.exec_driver_sql(statement)

    def stop(self) -> None:
        self._admin.dispose()
        self.postgres.stop()


@contextmanager
def dropped_after(databases: Databases) -> Iterator[Callable[[], str]]:
    """Makes the URL of a new, migrated, empty database at each call, for as long as one test."""
    made: deque[str] = deque()

    def make() -> str:
        if len(made) == AT_ONCE:
            databases.drop(made.popleft())
        made.append(databases.fresh())
        return made[-1]

    yield make
    for url in made:
        databases.drop(url)


def path_of(url: str) -> Path:
    """The file of an SQLite database."""
    return Path(url.removeprefix("sqlite:///"))


def _name(url: str) -> str:
    return url.rpartition("/")[2]


def _migrate(url: str) -> str:
    database = Database(url)
    database.migrate()
    database.close()
    return url
