"""The hash chain over the log: each event's hash covers its content, its place and the hash before it.

A change of any byte, a removed event, a swap or a forged insertion breaks the chain at the event that is named. A chain that
was rewritten whole, or cut off at its end, is consistent in itself: only a head that was kept elsewhere shows it, which is
what checkpoints are for (adapters.checkpoint).
"""

from __future__ import annotations

from hashlib import sha256
from struct import Struct

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
