"""The hash chain over the log: each event's hash covers its content, its place and the hash before it.

A change of any byte, a removed event, a swap or a forged insertion breaks the chain at the event that is named. A chain that
was rewritten whole, or cut off at its end, is consistent in itself: only a head that was kept elsewhere shows it, which is
what checkpoints are for (adapters.checkpoint).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from hashlib import sha256
from struct import Struct, error
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from adapters.schema import log

GENESIS = bytes(32)  # the hash before the first event
_FIXED = Struct(">qqqq16sqII")  # every length is stated, so that no two rows are written alike


def link(
    before: bytes, position: int, batch: int, recorded_at: int, latest_known: int, stream: bytes, version: int, topic: str, state: bytes
) -> bytes:
    """The hash of an event: SHA-256 (FIPS 180-4) of the hash before it and the row, big-endian, 64-bit numbers."""
    name = topic.encode()
    fixed = _FIXED.pack(position, batch, recorded_at, latest_known, stream, version, len(name), len(state))
    return sha256(b"".join((before, fixed, name, state))).digest()


def head(connection: sa.Connection, position: int | None = None) -> tuple[int, int, bytes]:
    """(position, recorded_at, hash) of the last event, or of the one at a position; position 0 is before the first event."""
    query = sa.select(log.c.position, log.c.recorded_at, log.c.hash)
    query = query.order_by(log.c.position.desc()).limit(1) if position is None else query.where(log.c.position == position)
    row = connection.execute(query).first()
    return (row[0], row[1], row[2]) if row else (0, 0, GENESIS)


_NAMES = "position, batch, recorded_at, latest_known, originator_id, originator_version, topic, state, hash"


def walk(connection: sa.Connection) -> Iterator[tuple[Any, ...]]:
    """The rows of the log as they are stored, in order of position; nothing is taken for granted about their columns."""
    query = sa.text(f"SELECT {_NAMES} FROM log ORDER BY position").execution_options(yield_per=2000)
    return (tuple(row) for row in connection.execute(query))


def faults(rows: Iterable[tuple[Any, ...]]) -> Iterator[str]:
    """What is wrong with a log, a line for each fault, naming the event. `rows` as `walk` gives them.

    Where a hash does not fit, the walk goes on from the one that is stored, so that one change is one fault.
    """
    expected, before, computed = 1, GENESIS, GENESIS
    for row in rows:
        position, stored = row[0], row[8]
        gap = position - expected
        found = _link(before, row)
        if gap:
            gone = f"position {expected} is" if gap == 1 else f"positions {expected} to {position - 1} are"
            yield f"log: {gone} missing; the event after, {_named(row)}, cannot be checked without what was there"
        elif found is None:
            yield f"log: {_named(row)} is not what was recorded: a column has another type"
        elif found != stored and computed != before and _link(computed, row) == stored:
            found = stored  # it follows what was there: only the hash before it was changed
        elif found != stored:
            yield (f"log: {_named(row)} is not what was recorded there: it was changed, moved or put in, "
                   f"or position {position - 1} was rewritten together with its hash")
        expected, before, computed = position + 1, stored if isinstance(stored, bytes) else GENESIS, found or GENESIS


def _link(before: bytes, row: tuple[Any, ...]) -> bytes | None:
    position, batch, recorded_at, latest_known, stream, version, topic, state, _ = row
    try:
        of = stream if isinstance(stream, UUID) else UUID(stream)
        if stream not in (of, of.hex):  # the driver gives a UUID, or the 32 digits as SQLite stores them: no other spelling
            return None
        return link(before, position, batch, recorded_at, latest_known, of.bytes, version, topic, state)
    except (ValueError, TypeError, AttributeError, error):
        return None


def _named(row: tuple[Any, ...]) -> str:
    """The event in words: its position and its id, as far as its content still tells it."""
    try:
        subject = str(json.loads(row[7])["subject"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return f"position {row[0]} (version {row[5]} of stream {row[4]})"
    return f"position {row[0]} ({subject}@{row[5]})"
