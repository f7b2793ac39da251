"""The panel as an export: projections.panel says what its columns are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from adapters.exports.columns import Column, day
from adapters.facts import FactStore
from domain.calendar import parse_day
from domain.family import RELATION
from projections.basis import Basis
from projections.panel import COLUMNS, rows

PANEL = tuple(Column(c.name, c.type, c.definition, c.unit, c.clock) for c in COLUMNS)


class Periods(NamedTuple):
    """Which rows a panel has: its first and last day, its step, and as known when."""

    first: int
    last: int
    step: str
    mode: str


def panel_rows(store: FactStore, basis: Basis, periods: Periods) -> Iterator[tuple[Any, ...]]:
    """A row for each period. Raises BadQuestion."""
    days = [column.type == "day" for column in PANEL]
    for row in rows(store, RELATION, basis, *periods):
        yield tuple(day(parse_day(value)) if is_day and value is not None else value for value, is_day in zip(row.values(), days, strict=True))
