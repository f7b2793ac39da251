"""Entries that came back under another number: the same name, never on the list together, and an identifier in common."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from domain.calendar import format_day
from domain.event import Event
from domain.snapshots import token
from domain.text import fold_text

_ORDERS = re.compile(r"(?:executive order|e\.o\.)\s*\d+", re.I)  # numbers of orders identify nobody
_NUMBER = re.compile(r"\b(?=[A-Z0-9/-]*\d{4})[A-Z0-9][A-Z0-9/-]{4,}\b")
_SWIFT = re.compile(r"SWIFT/BIC:? ([A-Z0-9]{8,11})", re.I)
_BORN = re.compile(r"DOB:? (\d{1,2} \w{3} \d{4})", re.I)


@dataclass
class Party:
    """One entry over time: the days on which it is on the list, and from which day it shows which name and identifiers."""

    number: str
    days: set[int]
    names: dict[str, int] = field(default_factory=dict)  # folded name -> first day
    marks: dict[str, int] = field(default_factory=dict)  # identifier -> first day
    types: set[str] = field(default_factory=set)


class Link(NamedTuple):
    """`number` is the party that was `other` before, as can be shown from `day` on."""

    number: str
    other: str
    left: int  # the last snapshot with the other
    came: int  # the first snapshot with this one
    day: int
    marks: tuple[str, ...]

    @property
    def evidence(self) -> str:
        return (f"the same name, and {', '.join(self.marks[:5])}; {self.other} was last seen on the list of {format_day(self.left)}, "
                f"{self.number} first on that of {format_day(self.came)}")

    @property
    def id(self) -> str:
        return f"{token(self.other)}/{format_day(self.left)}..{format_day(self.came)}/{format_day(self.day)}"


def marks_in(*texts: str | None) -> set[str]:
    """What identifies a party in its remarks and identifiers: document, registration and IMO numbers, SWIFT codes, days of birth."""
    text = _ORDERS.sub(" ", " ; ".join(filter(None, texts)))
    found = {m.upper() for m in _NUMBER.findall(text.upper())}
    found |= {f"SWIFT {m.upper()}" for m in _SWIFT.findall(text)}
    return found | {f"DOB {m}" for m in _BORN.findall(text)}


def party_of(number: str, events: Iterable[Event], days: set[int]) -> Party:
    """The party that an entry's standing events show."""
    party = Party(number, days)
    for event in sorted(events, key=lambda e: e.known_day):
        data: Any = event.data
        if name := getattr(data, "name", None):
            party.names.setdefault(fold_text(name), event.known_day)
        if kind := getattr(data, "type", None):
            party.types.add(kind)
        for mark in marks_in(getattr(data, "remarks", None), *getattr(data, "identifiers", ())):
            party.marks.setdefault(mark, event.known_day)
    return party


def links_between(parties: Iterable[Party]) -> Iterator[Link]:
    """Each pair of which the later began after the earlier had left, with a name and an identifier in common."""
    by_name: dict[str, list[Party]] = defaultdict(list)
    for party in parties:
        for name in party.names:
            by_name[name].append(party)
    seen: set[tuple[str, str]] = set()
    for name, same in by_name.items():
        for later in same:
            for earlier in same:
                if (later.number, earlier.number) in seen or not earlier.days or not later.days:
                    continue
                shared = sorted(later.marks.keys() & earlier.marks.keys())
                if max(earlier.days) < min(later.days) and shared and later.types & earlier.types:
                    seen.add((later.number, earlier.number))
                    shown = {m: max(later.marks[m], earlier.marks[m], later.names[name]) for m in shared}
                    day = min(shown.values())
                    marks = tuple(m for m in shared if shown[m] == day)
                    yield Link(later.number, earlier.number, max(earlier.days), min(later.days), day, marks)
