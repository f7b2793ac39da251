"""Exports: the log, the facts, the state and the panel as files for other people's programs."""

from __future__ import annotations

import os
from typing import NamedTuple

from domain.calendar import LAST_DAY, format_day

# Read when pyarrow is first imported. Arrow's own allocator keeps what was freed: 25 MB more for the same export.
os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")


class Kind(NamedTuple):
    """A file format: how it is named to HTTP, and how its files are named."""

    media_type: str
    suffixes: tuple[str, ...]


FORMATS = {
    "parquet": Kind("application/vnd.apache.parquet", (".parquet",)),
    "arrow": Kind("application/vnd.apache.arrow.file", (".arrow", ".feather")),  # the file format of Arrow IPC, which readers map into memory
    "csv": Kind("text/csv; charset=utf-8", (".csv",)),
    "ndjson": Kind("application/x-ndjson", (".ndjson", ".jsonl")),
}
INCREMENTS = frozenset({"events", "facts"})  # they tell of every day and every known day, so that what came later can be told apart
_LAST = format_day(LAST_DAY - 1)


def as_of_for(what: str, as_of: str | None) -> str | None:
    """The day of an export: events and facts are those of every day where none is asked for, and else those that begin by it."""
    return _LAST if as_of is None and what in INCREMENTS else as_of


def format_for(name: str) -> str | None:
    """The format that a file's name tells, or None."""
    return next((form for form, kind in FORMATS.items() if name.lower().endswith(kind.suffixes)), None)
