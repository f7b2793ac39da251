"""The cube in the database: differences added in the transaction that moves the facts, and read for a whole series at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

import sqlalchemy as sa
from pydantic_core import from_json

from adapters.schema import cube
from projections.cube import Cell

_CELL = ("relation", "series", "known", "item", "valid")
_PLACES = ("generation", *_CELL)
_ADDED = f"({', '.join((*_PLACES, 'difference'))})"
_THERE = f"ON CONFLICT ({', '.join(_PLACES)}) DO UPDATE SET difference = cube.difference + excluded.difference"
_SQLITE = f"INSERT INTO cube {_ADDED} VALUES ({', '.join('?' * 7)}) {_THERE}"
_POSTGRESQL = (f"INSERT INTO cube {_ADDED} SELECT %s, * FROM unnest(%s::text[], %s::text[], %s::integer[], %s::text[], %s::integer[], "
               f"%s::bigint[]) {_THERE}")


def add(connection: sa.Connection, generation: int, differences: Mapping[Cell, int]) -> None:
    """Adds differences, in order: writers that meet wait for each other, and never both ways."""
    rows = sorted((*cell, difference) for cell, difference in differences.items() if difference)
    if not rows:
        return
    raw: Any = connection.connection.driver_connection
    if connection.dialect.name == "sqlite":
        raw.executemany(_SQLITE, ((generation, *row) for row in rows))
    else:
        raw.execute(_POSTGRESQL, (generation, *map(list, zip(*rows, strict=True))))


def stored(connection: sa.Connection, generation: int) -> Iterator[tuple[Cell, int]]:
    """Every difference of a generation, in bounded memory."""
    query = sa.select(*(cube.c[name] for name in _CELL), cube.c.difference).where(cube.c.generation == generation)
    for *place, difference in connection.execute(query.execution_options(yield_per=5000)):
        yield tuple(place), difference


def generations(connection: sa.Connection) -> set[int]:
    """Those that have any difference."""
    return set(connection.scalars(sa.select(cube.c.generation).distinct()))


def forget(connection: sa.Connection, generation: int) -> None:
    """Deletes a generation."""
    connection.execute(cube.delete().where(cube.c.generation == generation))


_OF = "FROM cube WHERE generation = {0} AND relation = {0} AND series = {0} AND known BETWEEN {0} AND {0} AND valid <= {0}"
_ROWS = f"SELECT item, valid, difference {_OF}".format("%s")
# a hundred thousand rows are told in three JSON arrays: to make a tuple of each takes the driver longer than all the rest
_ARRAYS = f"SELECT json_group_array(item), json_group_array(valid), json_group_array(difference) {_OF}".format("?")


def read(
    connection: sa.Connection, generation: int, relation: str, series: str, known: Sequence[tuple[int, int]], last: int
) -> Iterable[tuple[str, int, int]]:
    """(item, valid, difference) of a series, of ranges of `known`, up to the month that ends on `last`.

    Asked of the driver itself. They are not summed up here, which would take as long again.
    """
    raw: Any = connection.connection.driver_connection
    asked = [(generation, relation, series, *ends, last) for ends in known]
    if connection.dialect.name == "sqlite":
        told = [raw.execute(_ARRAYS, one).fetchone() for one in asked]
        return chain.from_iterable(zip(*map(from_json, arrays), strict=True) for arrays in told)
    with raw.cursor(binary=True) as cursor:
        return list(chain.from_iterable(cursor.execute(_ROWS, one).fetchall() for one in asked))
