"""A backup is the log: an SQLite file with the record and all else that cannot be worked out again, from either engine for either.

Facts are left out, for `rebuild` makes them. The hash chain tells whether what is brought back is what was recorded.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import sqlalchemy as sa
from eventsourcing.persistence import OperationalError
from sqlalchemy import exc

from adapters import chain
from adapters.bulk import insert_rows, to_insert
from adapters.database import Database
from adapters.lists.model import Damaged
from adapters.log import lock
from adapters.schema import REVISION, cube, fact, log, mark, metadata, name, projection
from domain.errors import BadQuestion, Refused

KEPT = tuple(table for table in metadata.sorted_tables if table not in (log, fact, mark, name, cube, projection))  # beside the log
CHUNK = 1000  # rows in memory
Progress = Callable[[str, int], None]  # called with what is done now, and the number of rows since the last call
Row = tuple[Any, ...]


class Backup(NamedTuple):
    """What was written: how far the log went, the hash of its last event, the SHA-256 of the file, and the faults of the log."""

    position: int
    head: bytes
    sha256: str
    faults: list[str]


class Restored(NamedTuple):
    """What a file held, and whether the database had all of it before: a restore that was killed, run again."""

    position: int
    head: bytes
    sha256: str
    before: bool


# ---------------------------------------------------------------- backup
def backup(database: Database, path: Path, force: bool = False, progress: Progress = lambda *_: None) -> Backup:
    """Writes the log as it stands now to a file, while others read and write. The file appears whole or not at all.

    A log with faults is written too, and they are told: such a file is evidence, and `restore` refuses it. Raises BadQuestion where the
    file is there, and not `force`; PersistenceError, OSError.
    """
    if path.exists():
        if database.sqlite and database.engine.url.database and path.samefile(database.engine.url.database):
            raise BadQuestion(f"{path} is the database itself: name another file")
        if not force or not path.is_file():
            raise BadQuestion(f"{path} is there already: name another file, or give --force to put this backup in its place")
    descriptor, partial = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".partial", dir=path.parent)  # for its owner alone, as keys are in it
    os.close(descriptor)
    try:
        with _file(Path(partial).resolve().as_uri()) as target, database.transaction() as source:
            faults, (position, _, head) = list(_write(source, target, progress)), chain.head(source)
        sha256 = _sync(Path(partial))
        os.replace(partial, path)
    finally:
        Path(partial).unlink(missing_ok=True)
    _sync_folder(path.parent)
    return Backup(position, head, sha256, faults)


def _write(source: sa.Connection, target: sa.Connection, progress: Progress) -> Iterator[str]:
    """Copies everything; yields the faults of the log."""
    from adapters.migrations import upgrade

    raw: Any = target.connection.driver_connection
    raw.execute("PRAGMA journal_mode=OFF")  # whoever finds this file unfinished throws it away
    raw.execute("PRAGMA synchronous=OFF")
    raw.execute("PRAGMA cache_size=-65536")
    upgrade(target)
    statement = f"INSERT INTO log ({', '.join(log.c.keys())}) VALUES ({', '.join('?' * len(log.c))})"
    raw.execute("BEGIN")
    yield from chain.faults(_copied(chain.walk(source), lambda rows: raw.executemany(statement, map(_plain, rows)), progress))
    for table in KEPT:
        insert_rows(target, table, table.c.keys(), _rows(source, table))
    raw.execute("COMMIT")


def _plain(row: Row) -> Row:
    """As SQLite keeps it: the stream's UUID as its 32 digits."""
    return (*row[:4], row[4].hex, *row[5:]) if isinstance(row[4], UUID) else row


def _sync(path: Path) -> str:
    """Makes sure that the file is on the disk. Returns its SHA-256."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


# ---------------------------------------------------------------- restore
def restore(database: Database, path: Path, progress: Progress = lambda *_: None) -> Restored:
    """Records a backup into a migrated database without events, in one transaction; the facts are to be rebuilt after it.

    Each event is held to the chain before it is recorded. Raises Damaged where the file is none of ours, or not what was recorded;
    Refused where the database holds anything else; PersistenceError.
    """
    if not path.is_file():
        raise Damaged(f"{path}: there is no such file")
    with _opened(path) as source, database.transaction(write=True) as target:
        lock(target)
        held, given = chain.head(target), chain.head(source)
        before = held[0] > 0 and held == given
        if not before:
            _require_empty(target, held[0])
            for fault in chain.faults(_copied(_read(path, chain.walk(source)), lambda rows: insert_rows(
                    target, log, log.c.keys(), map(_typed, rows)), progress)):
                raise Damaged(f"{path}: {fault}. Nothing was restored")
            for table in KEPT:
                insert_rows(target, table, table.c.keys(), _read(path, _rows(source, table)))
    with path.open("rb") as file:
        return Restored(given[0], given[2], hashlib.file_digest(file, "sha256").hexdigest(), before)


def _require_empty(connection: sa.Connection, position: int) -> None:
    if position:
        raise Refused(f"the database holds {position} events, and not those of the file: restore into a new database")
    for table in KEPT:
        if connection.execute(sa.select(sa.literal(1)).select_from(table).limit(1)).first() is not None:
            raise Refused(f"the database holds no events, but rows of {table.name}: restore into a new database")


def _typed(row: Row) -> Row:
    """With the bytes of its stream: the chain has found it well formed."""
    return (*row[:4], UUID(row[4]).bytes, *row[5:])


@contextmanager
def _opened(path: Path) -> Iterator[sa.Connection]:
    """A backup, read only. Raises Damaged where it is none, or of another schema."""
    with _file(f"{path.resolve().as_uri()}?mode=ro") as connection:
        try:
            connection.exec_driver_sql("BEGIN")
            revision = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
            chain.head(connection)
        except exc.DBAPIError as error:
            raise Damaged(f"{path}: it is no backup of Tarikh, or damaged: {error.orig}") from None
        if revision != REVISION:
            raise Damaged(f"{path}: its schema is at revision {revision}, this code restores {REVISION}: "
                          "restore it with the version that made it, migrate, and back up again")
        yield connection


def _read(path: Path, rows: Iterable[Row]) -> Iterator[Row]:
    """The rows of a file. Raises Damaged where it cannot be read to its end."""
    try:
        yield from rows
    except exc.DBAPIError as error:
        raise Damaged(f"{path}: it is damaged: {error.orig}. Nothing was restored") from None


# ---------------------------------------------------------------- both
@contextmanager
def _file(uri: str) -> Iterator[sa.Connection]:
    """An SQLite file without any of our settings; it begins no transaction of its own."""
    engine = sa.create_engine("sqlite://", creator=lambda: sqlite3.connect(uri, uri=True, isolation_level=None), poolclass=sa.NullPool)
    try:
        with engine.connect() as connection:
            yield connection
    except sqlite3.Error as error:  # of what is said to the driver itself
        raise OperationalError(f"{uri}: {error}") from error


def _copied(rows: Iterable[Row], insert: Callable[[list[Row]], object], progress: Progress) -> Iterator[Row]:
    """Hands on the rows of a log and inserts each of them once its reader has asked for the next."""
    chunk: list[Row] = []
    for row in rows:
        yield row
        chunk.append(row)
        if len(chunk) == CHUNK:
            insert(chunk)
            progress("log", len(chunk))
            chunk = []
    if chunk:
        insert(chunk)
        progress("log", len(chunk))


def _rows(connection: sa.Connection, table: sa.Table) -> Iterator[Row]:
    return map(to_insert, connection.execute(
        sa.select(table).order_by(*table.primary_key).execution_options(yield_per=CHUNK)))
