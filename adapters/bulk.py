"""Rows into a table, as fast as the database takes them: COPY on PostgreSQL, the driver's executemany on SQLite.

COPY is the faster way for a single row too (measured: 0.46 ms against 0.49; 20,000 rows: 0.18 s against 1.23).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache, partial
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql.base import PGDialect


def insert_rows(connection: sa.Connection, table: sa.Table, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Inserts rows whose values stand in the order of `columns`; streams. Errors are the driver's: see Database.transaction."""
    raw: Any = connection.connection.driver_connection
    names = ", ".join(f'"{column}"' for column in columns)
    if connection.dialect.name == "sqlite":
        raw.executemany(f"INSERT INTO {table.name} ({names}) VALUES ({', '.join('?' * len(columns))})", _stored(table, columns, rows))
        return
    with raw.cursor() as cursor, cursor.copy(f"COPY {table.name} ({names}) FROM STDIN (FORMAT BINARY)") as copy:
        copy.set_types(_types(table, tuple(columns)))
        for row in rows:
            copy.write_row(row)


@lru_cache
def _types(table: sa.Table, columns: tuple[str, ...]) -> list[str]:
    dialect = PGDialect()  # type: ignore[no-untyped-call]
    return [table.c[column].type.compile(dialect).lower() for column in columns]


def _stored(table: sa.Table, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterable[Sequence[Any]]:
    """As SQLite keeps them: a UUID as its 32 digits."""
    uuids = [i for i, name in enumerate(columns) if isinstance(table.c[name].type, sa.Uuid)]
    return map(partial(_with_digits, uuids), rows) if uuids else rows


def _with_digits(uuids: Sequence[int], row: Sequence[Any]) -> Sequence[Any]:
    written = list(row)
    for i in uuids:
        written[i] = row[i].hex
    return written
