"""Short builders, so that a test shows only what matters to its rule."""

from __future__ import annotations

from typing import Any

from domain.calendar import parse_day
from domain.catalogue import CATALOGUE
from domain.decide import judge
from domain.errors import Refused
from domain.event import Event, Logged
from domain.timeline import Held, facts_on, records
from tests.histories import hints, numbered

LATER = parse_day("2099-12-31")
_FILLED: dict[str, Any] = {"family": "agreement", "value": 1.0, "entries": 1, "final": False, "by": "USA"}


def say(type: str, effective: str | None = None, known: str | None = None, *, id: str | None = None, subject: str | None = None,
        until: str | None = None, order: int = 0, **data: Any) -> Event:
    """An event; what its type needs and the test does not care about is filled in. Known on its day unless told otherwise."""
    effective = effective or "2020-01-01"
    payload = _filled(type, data)
    return CATALOGUE.event({
        "subject": subject or f"{type.partition('.')[0]}:a", "type": type, "record_id": id or f"{type}/{effective.strip('[]')}",
        "effective": effective, "known": known or effective, "until": until, "order": order, "data": payload,
        "sources": [{"publisher": "p", "title": "t"}]}, stored=True)


def _filled(type: str, data: dict[str, Any]) -> dict[str, Any]:
    cls = CATALOGUE.types[type]
    needed = {name: _filler(name, hint) for name, hint in hints(cls).items() if cls.model_fields[name].is_required()}
    return {**needed, **data}


def _filler(name: str, hint: Any) -> Any:
    if name in _FILLED and not str(hint).startswith("tuple"):
        return _FILLED[name]
    return ["X"] if str(hint).startswith("tuple") else "2020-01-01" if name in ("day", "first_day", "last_day") else "X"


def amend(target: str, type: str, effective: str, known: str, *, id: str = "amendment", until: str | None = None,
          subject: str | None = None, **data: Any) -> Event:
    """A correction that puts another event in the place of `target`."""
    return CATALOGUE.event({
        "subject": subject or f"{type.partition('.')[0]}:a", "type": "correction.amended", "record_id": id, "effective": effective,
        "known": known, "until": until, "data": {"target": target, "type": type, "data": _filled(type, data)},
        "sources": [{"publisher": "p", "title": "t"}]}, stored=True)


def retract(target: str, known: str, *, subject: str = "agreement:a", id: str = "retraction") -> Event:
    """A correction that takes `target` back."""
    return CATALOGUE.event({
        "subject": subject, "type": "correction.retracted", "record_id": id, "known": known,
        "data": {"target": target, "reason": "an error"}, "sources": [{"publisher": "p", "title": "t"}]}, stored=True)


def stream(*events: Event) -> list[Logged]:
    """The events of one subject as a log of one batch."""
    return numbered(events)


def told(events: list[Event], as_of: str, known_at: str | None = None, position: int = 2**40) -> set[Held]:
    """The facts of a subject on a day, by the one definition."""
    family = CATALOGUE.family(events[0].subject)
    known = LATER if known_at is None else parse_day(known_at)
    return facts_on(family, records(family, numbered(events, range(len(events)))), parse_day(as_of), known, position)


def one(events: list[Event], key: str, as_of: str, known_at: str | None = None) -> Held | None:
    """The only fact under a key, or None."""
    found = [held for held in told(events, as_of, known_at) if held.key == key]
    assert len(found) < 2, found
    return found[0] if found else None


def refusal(*events: Event) -> str | None:
    """What `decide` says to the last of some events of a subject after the others, which it takes."""
    family = CATALOGUE.family(events[0].subject)
    judge(family, [], events[:-1], subject=events[0].subject)
    try:
        judge(family, numbered(events[:-1]), events[-1:])
    except Refused as error:
        return str(error)
    return None
