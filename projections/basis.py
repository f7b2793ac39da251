"""The basis of an answer: which day, as known when, as recorded when."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from domain.calendar import format_day


class Basis(NamedTuple):
    """A resolved basis. `as_of` and `known_at` are ordinals of days; `position` and `recorded_at` those of a batch of the log."""

    as_of: int
    known_at: int
    position: int
    recorded_at: int  # microseconds since 1970; 0 for an empty log

    def echo(self) -> dict[str, Any]:
        """As every answer carries it."""
        return {"as_of": format_day(self.as_of), "known_at": format_day(self.known_at),
                "recorded_at": format_instant(self.recorded_at), "position": self.position}

    def on(self, as_of: int, known_at: int | None = None) -> Basis:
        """The same log, another day."""
        return self._replace(as_of=as_of, known_at=self.known_at if known_at is None else known_at)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NAIVE = _EPOCH.replace(tzinfo=None)
_INSTANT = re.compile(r"\d{4}-\d\d-\d\d([Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d))?", re.ASCII)


def format_instant(microseconds: int) -> str:
    """RFC 3339 in UTC with microseconds."""
    return (_NAIVE + timedelta(microseconds=microseconds)).isoformat(timespec="microseconds") + "Z"


def parse_instant(text: str) -> int:
    """Microseconds since 1970 of an RFC 3339 instant, or of a day, which means its last microsecond in UTC. Raises ValueError."""
    if not _INSTANT.fullmatch(text):
        raise ValueError("write RFC 3339 with its time zone (a + as %2B in an address), or a day")
    if len(text) == 10:
        start = datetime.fromisoformat(text).replace(tzinfo=UTC)
        return (start - _EPOCH) // timedelta(microseconds=1) + 86_400_000_000 - 1
    return (datetime.fromisoformat(text) - _EPOCH) // timedelta(microseconds=1)
