"""One engine, one way to open a transaction, and errors in the words of the eventsourcing library."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from random import uniform
from threading import Condition
from time import monotonic, sleep
from typing import Any, cast

import eventsourcing.persistence as es
import sqlalchemy as sa
from sqlalchemy import exc

BUSY_SECONDS = 15  # how long a writer waits for its turn
MAPPED = 2**31  # bytes of an SQLite file that single SELECTs read in place: a third off an answer of 5,000 facts
IDLE = 3  # connections for single SELECTs that are kept out of the pool: for as many as are at work at once, and the loop
_ERRORS: tuple[tuple[type[exc.SQLAlchemyError], type[es.PersistenceError]], ...] = (
    (exc.InterfaceError, es.InterfaceError), (exc.OperationalError, es.OperationalError), (exc.DataError, es.DataError),
    (exc.IntegrityError, es.IntegrityError), (exc.InternalError, es.InternalError), (exc.ProgrammingError, es.ProgrammingError),
    (exc.NotSupportedError, es.NotSupportedError), (exc.DatabaseError, es.DatabaseError), (exc.SQLAlchemyError, es.PersistenceError),
)


class Database:
    """An engine. SQLite: WAL, one writer at a time, BEGIN IMMEDIATE for writes only. PostgreSQL: plain transactions."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.cache = 65536  # KB of an SQLite file that a connection keeps
        self.appended = Condition()  # notified after each append of this process
        try:
            self.engine = sa.create_engine(url, hide_parameters=True)  # errors are logged, and what is recorded is not
            self.sqlite = self.engine.dialect.name == "sqlite"
            if self.sqlite:
                self._open_file()
            # for single SELECTs: their own snapshot, and one round trip where BEGIN and ROLLBACK would be two more
            self._asking = self.engine if self.sqlite else sa.create_engine(
                url, hide_parameters=True, isolation_level="AUTOCOMMIT", pool_reset_on_return=None)
            self._idle: list[sa.PoolProxiedConnection] = []  # taken from its pool and not given back: that takes longer than a short SELECT
            sa.event.listen(self._asking, "engine_disposed", lambda _: self._drop_idle())
        except (exc.SQLAlchemyError, sqlite3.Error, ImportError, OSError) as error:
            raise es.InterfaceError(f"the database of TARIKH_DATABASE_URL cannot be used: {error}") from None

    def _open_file(self) -> None:
        if path := self.engine.url.database:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
        sa.event.listen(self.engine, "connect", self._on_connect)
        sa.event.listen(self.engine, "begin", _on_begin)
        with self.unguarded() as connection:
            raw: Any = connection.connection.driver_connection
            raw.execute("PRAGMA journal_mode=WAL")

    def _on_connect(self, dbapi: Any, _: Any) -> None:
        dbapi.isolation_level = None  # transactions are begun below, not by the driver
        dbapi.execute(f"PRAGMA busy_timeout={BUSY_SECONDS * 1000}")
        dbapi.execute("PRAGMA synchronous=FULL")
        dbapi.execute(f"PRAGMA cache_size={-self.cache}")
        dbapi.set_authorizer(_authorize)

    def read_once(self) -> None:
        """For a process that reads everything, and nothing twice: a small cache is enough. Connections are opened anew."""
        self.cache = 8192
        self.engine.dispose()

    @contextmanager
    def transaction(self, write: bool = False) -> Iterator[sa.Connection]:
        """A connection inside a transaction; its errors are the library's persistence errors."""
        with self._translated():
            options: dict[str, Any] = {"write": write}
            if not self.sqlite and not write:  # every statement of a read sees the same rows, as on SQLite
                options["isolation_level"] = "REPEATABLE READ"
            with self.engine.connect().execution_options(**options) as connection, connection.begin():
                yield connection

    def select(self, statement: str, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """The rows of one SELECT with `:name` parameters, asked of the driver itself: a tenth of what SQLAlchemy takes for a small answer."""
        try:
            return self._select(statement, parameters)
        except Exception as error:  # a context manager for the errors of all would take a tenth as long as the log's end
            failed = error
        with self._translated():
            if self.sqlite or not isinstance(failed, self.engine.dialect.loaded_dbapi.OperationalError):
                raise failed
            self._drop_idle()
            self._asking.pool.dispose()  # of a server that is gone no connection is used again; it may have come back
            return self._select(statement, parameters)

    def _select(self, statement: str, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        try:
            held = self._idle.pop()
        except IndexError:
            held = self._asking.raw_connection()
            if self.sqlite:  # connections that write have no map: all pages that an import reads would count as its memory
                cast(sqlite3.Connection, held.driver_connection).execute(f"PRAGMA mmap_size={MAPPED}")
        try:
            raw: Any = held.driver_connection
            if self.sqlite:
                rows: list[tuple[Any, ...]] = raw.execute(statement, parameters).fetchall()
            else:
                with raw.cursor(binary=True) as cursor:
                    rows = cursor.execute(_pyformat(statement), parameters).fetchall()
        except BaseException as error:
            if isinstance(error, self.engine.dialect.loaded_dbapi.OperationalError):
                held.invalidate()
            held.close()
            raise
        if len(self._idle) < IDLE:
            self._idle.append(held)
        else:
            held.close()
        return rows

    def _drop_idle(self) -> None:
        with suppress(IndexError):
            while True:
                self._idle.pop().invalidate()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Errors in the words of the eventsourcing library."""
        try:
            yield
        except exc.SQLAlchemyError as error:
            if code_of(error) == sqlite3.SQLITE_AUTH:
                raise es.OperationalError("the log is append-only: this connection changes neither its rows nor the schema") from error
            raise next(ours for theirs, ours in _ERRORS if isinstance(error, theirs))(str(error)) from error
        except self.engine.dialect.loaded_dbapi.Error as error:  # of what is said to the driver itself: BEGIN IMMEDIATE, COPY
            raise next(getattr(es, cls.__name__) for cls in type(error).__mro__ if hasattr(es, cls.__name__))(str(error)) from error

    @contextmanager
    def unguarded(self) -> Iterator[sa.Connection]:
        """A connection that may do whatever its user may, as migrations must."""
        with self.engine.connect() as connection:
            raw: Any = connection.connection.driver_connection
            if self.sqlite:
                raw.set_authorizer(None)
            try:
                yield connection
            finally:
                if self.sqlite:
                    raw.set_authorizer(_authorize)

    def migrate(self) -> None:
        """Brings the schema to the newest revision."""
        from adapters.migrations import upgrade

        with self.unguarded() as connection:
            upgrade(connection)
            connection.commit()

    def revision(self) -> str | None:
        """The revision that the schema is at; None without tables. The code's own is `adapters.schema.REVISION`."""
        with self.engine.connect() as connection:
            if not sa.inspect(connection).has_table("alembic_version"):
                return None
            revision: str | None = connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
            return revision

    def close(self) -> None:
        self.engine.dispose()
        self._asking.dispose()


@cache
def _pyformat(statement: str) -> str:
    """`:name` as psycopg has it."""
    return re.sub(r"(?<!:):([a-z_]+)", r"%(\1)s", statement.replace("%", "%%"))


def code_of(error: BaseException) -> int | str | None:
    """What the database itself says of an error, or of the one behind it: SQLite's result code, or an SQLSTATE."""
    told = getattr(error, "orig", None) or error
    code: int | str | None = getattr(told, "sqlite_errorcode", None) or getattr(told, "sqlstate", None)
    return code or (code_of(error.__cause__) if error.__cause__ is not None else None)


_TROUBLE: dict[str, tuple[int | str, ...]] = {
    "full": (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_SHMSIZE, "53100"),
    "read-only": (sqlite3.SQLITE_READONLY, "25006"),
    "busy": (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, "55P03", "40001", "40P01", "53300"),
}


def trouble(error: BaseException) -> str | None:
    """What a persistence error comes from, where it is the disk ("full"), a database that takes no writes ("read-only"), or others who
    write ("busy"): told by SQLite's result codes and PostgreSQL's SQLSTATEs."""
    code = code_of(error)
    codes = (code, code & 0xFF) if isinstance(code, int) else (code,)  # the low byte is the code without its detail
    return next((name for name, known in _TROUBLE.items() if any(code in known for code in codes)), None)


_ALLOWED = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_RECURSIVE, sqlite3.SQLITE_TRANSACTION, sqlite3.SQLITE_SAVEPOINT}
_PRAGMAS = {"busy_timeout", "foreign_key_list", "index_info", "index_list", "index_xinfo", "integrity_check", "max_page_count", "mmap_size",
            "query_only", "table_info", "table_xinfo"}  # those that may be given a value: the others may only be read


def _authorize(action: int, first: str | None, second: str | None, *_: str | None) -> int:
    """What SQL may do on a connection of the application: read, insert, and change every table but the log; nothing to the schema,
    to what guards the log, or to other files. SQLite asks when it prepares a statement, and the driver keeps prepared statements."""
    name = first or ""
    if action in (sqlite3.SQLITE_UPDATE, sqlite3.SQLITE_DELETE, sqlite3.SQLITE_INSERT):
        allowed = not name.startswith("sqlite_") and (name != "log" or action == sqlite3.SQLITE_INSERT)
        # asked for by table-valued functions (json_each); SQLite itself refuses the change itself while writable_schema is off
        allowed = allowed or (name == "sqlite_master" and action == sqlite3.SQLITE_UPDATE)
    elif action == sqlite3.SQLITE_PRAGMA:
        allowed = second is None or name in _PRAGMAS
    else:
        allowed = action in _ALLOWED or (action == sqlite3.SQLITE_FUNCTION and second != "load_extension")
    return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY


def _on_begin(connection: sa.Connection) -> None:
    if not connection.get_execution_options().get("write"):
        connection.exec_driver_sql("BEGIN")
        return
    raw: Any = connection.connection.driver_connection
    raw.execute("PRAGMA busy_timeout=0")
    try:
        _take_turn(raw)
    finally:
        raw.execute(f"PRAGMA busy_timeout={BUSY_SECONDS * 1000}")


def _take_turn(raw: sqlite3.Connection) -> None:
    """BEGIN IMMEDIATE, asked for every few milliseconds. SQLite's own waiting backs off to 100 ms, and among busy writers one of them
    may then find the file locked for 15 seconds; the shorter, uneven waits leave it a fair chance."""
    until = monotonic() + BUSY_SECONDS
    while True:
        try:
            raw.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or monotonic() > until:
                raise
            sleep(uniform(0.0005, 0.004))
        else:
            return
