"""From the parameters of a question to its basis."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from domain.calendar import BadDay, parse_day
from domain.errors import BadQuestion
from projections.basis import Basis, parse_instant
from projections.ports import EventLog


class Asked(Protocol):
    """The basis that an answer stands on, resolved already or when it is looked at."""

    @property
    def basis(self) -> Basis: ...
    @property
    def immutable(self) -> bool: ...
    @property
    def end(self) -> int: ...


class Resolved(NamedTuple):
    """A basis, and what may be said of it."""

    basis: Basis
    immutable: bool  # all three times were explicit, and the log is past them
    end: int  # the log's last position when it was resolved


def day(name: str, text: str) -> int:
    """A parameter that is a day. Raises BadQuestion."""
    try:
        return parse_day(text)
    except BadDay as error:
        raise BadQuestion(f"{name}: {error}") from None


def resolve(
    log: EventLog, today: int, as_of: str | None = None, known_at: str | None = None, recorded_at: str | None = None,
    end: tuple[int, int] | None = None,
) -> Resolved:
    """The basis of a question. Left out: as_of is today, known_at all that the log knows, recorded_at its last batch (or `end`)."""
    last, last_instant = end or log.last()
    position, instant = last, last_instant
    if recorded_at is not None:
        try:
            asked = parse_instant(recorded_at)
        except ValueError as error:
            raise BadQuestion(f"recorded_at: {recorded_at!r} is not an instant in UTC such as 2026-01-31T12:00:00Z: {error}") from None
        position, instant = log.at(asked)
    else:
        asked = last_instant + 1
    basis = Basis(today if as_of is None else day("as_of", as_of), 0, position, instant)
    if known_at is not None:
        basis = basis._replace(known_at=day("known_at", known_at))
    else:
        basis = basis._replace(known_at=log.latest_known(position) or basis.as_of)
    explicit = None not in (as_of, known_at, recorded_at)
    return Resolved(basis, explicit and asked <= last_instant, last)
