"""Exports by name: which rows each has, and how it is given out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from adapters.exports import INCREMENTS
from adapters.exports.columns import Export, batched
from adapters.exports.events import EVENTS, SIZE, event_rows
from adapters.exports.facts import FACTS, OP, STATE, fact_rows, state_rows
from adapters.exports.panel import PANEL, Periods, panel_rows
from adapters.exports.writing import Counted, encoded, write
from adapters.facts import FactStore
from adapters.reader import LogReader
from domain.calendar import format_day
from domain.errors import BadQuestion, NotFound
from projections.basis import Basis


class Exports:
    """The exports of one log. `checkpoint` signs its head at a position."""

    def __init__(self, reader: LogReader, store: FactStore, checkpoint: Callable[[int], dict[str, Any]]) -> None:
        self._reader, self._store, self._checkpoint = reader, store, checkpoint

    def open(self, what: str, basis: Basis, after: int | None = None, periods: tuple[int, int, str, str] | None = None) -> Export:
        """An export on a basis; with `after`, what has come since that position. A panel has periods: first day, last day, step, mode.

        Nothing is read yet. Raises BadQuestion.
        """
        if after is not None and what not in INCREMENTS:
            raise BadQuestion(f"after: {what} has no increments, it is told whole on its basis; {' and '.join(sorted(INCREMENTS))} have them")
        if after is not None and after > basis.position:
            raise BadQuestion(f"after: the basis is at position {basis.position}, and {after} is beyond it")
        reader, store = self._reader, self._store
        about = {"what": what, "basis": basis.echo(), "position": basis.position, "after": after, "projection": store.version}
        match what:
            case "events":
                return Export(EVENTS, about, lambda schema: batched(schema, event_rows(reader, basis, after or 0), SIZE))
            case "facts":
                columns = FACTS if after is None else (*FACTS, OP)
                return Export(columns, about, lambda schema: batched(schema, fact_rows(reader, store, basis, after)))
            case "state":
                return Export(STATE, about, lambda schema: batched(schema, state_rows(reader, store, basis)))
            case "panel" if periods is not None:
                told = Periods(*periods)
                about |= {"from": format_day(told.first), "to": format_day(told.last), "step": told.step, "mode": told.mode}
                return Export(PANEL, about, lambda schema: batched(schema, panel_rows(store, basis, told)))
            case _:
                raise BadQuestion(f"{what!r} is no export: ask for events, facts, state or panel")

    def encoded(self, export: Export, form: str) -> Iterator[bytes]:
        """The export in a format, a part at a time."""
        return encoded(export, form)

    def manifest(self, export: Export, form: str) -> dict[str, Any]:
        """What `encoded` gives, counted and hashed: it is made for that, and thrown away."""
        counted = Counted(export, form)
        for _ in counted:
            pass
        return counted.manifest(self._signed(export))

    def write(self, export: Export, form: str, path: Path, force: bool = False, progress: Callable[[int], None] = lambda _: None) -> dict[str, Any]:
        """Writes the export and its manifest beside it: see adapters.exports.writing."""
        return write(Counted(export, form, progress), path, self._signed(export), force)

    def _signed(self, export: Export) -> dict[str, Any] | None:
        """The checkpoint that the export stands on; None where this log has no key."""
        try:
            return self._checkpoint(export.about["position"])
        except NotFound:
            return None
