"""Rows into a table, as fast as the database takes them: COPY on PostgreSQL, the driver's executemany on SQLite.

COPY is the faster way for a single row too (measured: 0.46 ms against 0.49; 20,000 rows: 0.18 s against 1.23).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache, partial
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql.base import PGDialect


def insert_rows(connection: sa.Connection, table: sa.Table, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Inserts rows whose values stand in the order of `columns`, a UUID as its 16 bytes; streams. Errors are the driver's: see
    Database.transaction."""
    raw: Any = connection.connection.driver_connection
    names = ", ".join(f'"{column}"' for column in columns)
    if connection.dialect.name == "sqlite":
        raw.executemany(f"INSERT INTO {table.name} ({names}) VALUES ({', '.join('?' * len(columns))})", _stored(table, columns, rows))
        return
    with raw.cursor() as cursor, cursor.copy(f"COPY {table.name} ({names}) FROM STDIN (FORMAT BINARY)") as copy:
        copy.set_types(_types(table, tuple(columns)))
        for row in rows:
            copy.write_row(row)


def to_insert(row: Sequence[Any]) -> tuple[Any, ...]:
    """A row that SQLAlchemy has read, as `insert_rows` takes it."""
    return tuple(value.bytes if isinstance(value, UUID) else value for value in row)


@lru_cache
def _types(table: sa.Table, columns: tuple[str, ...]) -> list[str]:
    dialect = PGDialect()  # type: ignore[no-untyped-call]
    types = [table.c[column].type for column in columns]
    return ["bytea" if isinstance(type_, sa.Uuid) else type_.compile(dialect).lower() for type_ in types]  # a UUID's binary form is its bytes


def _stored(table: sa.Table, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterable[Sequence[Any]]:
    """As SQLite keeps them: a UUID as its 32 digits."""
    uuids = [i for i, name in enumerate(columns) if isinstance(table.c[name].type, sa.Uuid)]
    return map(partial(_with_digits, uuids), rows) if uuids else rows


def _with_digits(uuids: Sequence[int], row: Sequence[Any]) -> Sequence[Any]:
    written = list(row)
    for i in uuids:
        written[i] = row[i].hex()
    return written
