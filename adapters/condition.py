"""How the database fares: its versions, whether it takes writes, and how far facts and followers have come."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from adapters.database import BUSY_SECONDS, Database
from adapters.facts import VERSION, current_generation, written_version
from adapters.schema import log, mark, tracking

FOLLOWERS = 100  # told of at most


@dataclass(frozen=True, slots=True)
class Condition:
    """What one look at the database shows."""

    position: int  # of the last event
    current: bool  # the facts answer questions: written, and by this version of the projection
    lag: int  # events that the facts lack: appending writes both, so it is none of them or, until a rebuild, all
    followers: dict[str, int]  # how far each has come, by name
    size: int  # bytes


def condition(database: Database) -> Condition:
    """Reads all of it in one transaction. Raises PersistenceError."""
    with database.transaction() as connection:
        position = connection.scalar(sa.select(sa.func.max(log.c.position))) or 0
        current = written_version(connection) == VERSION and not unwritten(connection)
        followers = connection.execute(sa.select(tracking.c.application_name, tracking.c.position).order_by(
            tracking.c.application_name).limit(FOLLOWERS))
        return Condition(position, current, 0 if current else position, {str(name): int(at) for name, at in followers}, _size(connection))


def _size(connection: sa.Connection) -> int:
    if connection.dialect.name == "sqlite":
        return int(connection.exec_driver_sql("PRAGMA page_count").scalar_one()) * int(connection.exec_driver_sql("PRAGMA page_size").scalar_one())
    return int(connection.exec_driver_sql("SELECT pg_database_size(current_database())").scalar_one())


def unwritten(connection: sa.Connection) -> bool:
    """Whether there are events, and nothing in the generation that answers questions: a log that was brought back without its facts."""
    events = sa.select(log.c.position).limit(1)
    marks = sa.select(mark.c.id).where(mark.c.generation == current_generation(connection)).limit(1)
    return connection.scalar(events) is not None and connection.scalar(marks) is None


def refuses_writes(database: Database) -> str | None:
    """Why the log takes no events here, or None. Waits for nobody, changes nothing. Raises PersistenceError."""
    if database.sqlite:
        return _file_refuses(database)
    with database.transaction() as connection:
        replica, read_only, may, role = connection.exec_driver_sql(
            "SELECT pg_is_in_recovery(), current_setting('transaction_read_only') = 'on', "
            "has_table_privilege('log', 'INSERT') AND has_function_privilege('log_lock()', 'EXECUTE'), current_user").one()
    if replica:
        return "this server is a replica"
    if read_only:
        return "transactions are read-only by default"
    return None if may else f"the role {role} may not insert into the log"


def _file_refuses(database: Database) -> str | None:
    with database.engine.connect() as connection:
        raw: Any = connection.connection.driver_connection
        raw.execute("PRAGMA busy_timeout=0")
        try:
            raw.execute("BEGIN IMMEDIATE")
            try:
                raw.execute("DELETE FROM tracking WHERE false")  # of a file that may only be read, BEGIN IMMEDIATE does not complain
            finally:
                raw.execute("ROLLBACK")
        except sqlite3.OperationalError as error:
            # who finds another one writing has learned what it wanted to know
            return None if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY else str(error)
        finally:
            raw.execute(f"PRAGMA busy_timeout={BUSY_SECONDS * 1000}")
    return None


# ---------------------------------------------------------------- what it is
def versions(database: Database) -> dict[str, str | bool]:
    """The engine and its version, without asking the database: PostgreSQL's is known from the first connection on."""
    if database.sqlite:
        return {"database": "sqlite", "sqlite": sqlite3.sqlite_version, "sqlite_wal_reset_bug": wal_reset_bug(sqlite3.sqlite_version_info)}
    version: tuple[int, ...] = getattr(database.engine.dialect, "server_version_info", None) or ()
    return {"database": database.engine.dialect.name, "server": ".".join(map(str, version)) or "not connected yet"}


def wal_reset_bug(version: tuple[int, ...]) -> bool:
    """Whether this SQLite may corrupt a file when a checkpoint meets the reset of its write-ahead log.

    https://sqlite.org/wal.html: 3.7.0 to 3.51.2, but for the corrected 3.44.6 and 3.50.7.
    """
    corrected = (3, 44, 6) <= version < (3, 45) or (3, 50, 7) <= version < (3, 51)
    return (3, 7, 0) <= version < (3, 51, 3) and not corrected


def place(database: Database) -> str:
    """Where the database is, without password or options, which may hold one."""
    return database.engine.url.set(query={}).render_as_string(hide_password=True)
