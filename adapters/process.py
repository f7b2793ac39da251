"""A process of its own."""

from __future__ import annotations

import gc
from functools import cache

from adapters.database import Database


def settle() -> None:
    """For a process that has imported what it needs. What is there stays, so the garbage collector need not look through it again and
    again; and it looks less often, for events and rows are made by the thousand and hold no cycles."""
    gc.freeze()
    gc.set_threshold(10_000, *gc.get_threshold()[1:])


@cache
def database_of(url: str) -> Database:
    """The database of a process that works for another, for as long as it lives."""
    settle()
    return Database(url)
