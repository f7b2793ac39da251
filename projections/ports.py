"""What the questions need of the outside world; adapters fill it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol

from domain.event import Logged
from projections.basis import Basis


class Found(NamedTuple):
    """A fact as it is stored: enough to filter and to order, and its JSON."""

    subject: str
    family: str
    key: str
    kind: str
    status: str
    body: bytes


class Boxed(NamedTuple):
    """A fact with its box: the days of valid and known time on which it is told in these words. Half-open, as ordinals."""

    valid_from: int
    valid_to: int
    known_from: int
    known_to: int
    found: Found


class Stretch(NamedTuple):
    """A fact, and the run of several bases on which it is found: the place of the first, and the place after the last."""

    first: int
    after: int
    found: Found


class Place(NamedTuple):
    """A standing event at its place in the timeline."""

    subject: str
    version: int
    valid_from: int
    valid_to: int
    rank: int
    root_known: int
    root: int


class SubjectFound(NamedTuple):
    """A subject and the names under which it was known."""

    subject: str
    family: str
    names: list[str]


class Facts(Protocol):
    """The fact store."""

    version: int

    def stab(self, basis: Basis, relation: str) -> list[Found]: ...
    def along(self, bases: Sequence[Basis], relation: str, family: str | None = None) -> Iterator[Stretch]: ...
    def of_subject(self, basis: Basis, subject: str) -> list[Found]: ...
    def of_subject_along(self, bases: Sequence[Basis], subject: str) -> Iterator[Stretch]: ...
    def subjects_of_entry(self, basis: Basis, entries: str, number: str) -> list[str]: ...
    def past_of_subject(self, basis: Basis, subject: str) -> list[Found]: ...
    def between(self, basis: Basis, relation: str, family: str, first: int, last: int) -> list[Found]: ...
    def counts(self, basis: Basis, relation: str, series: str, steps: Sequence[tuple[int, int]]) -> list[dict[str, Any]] | None: ...
    def boxes_of(self, position: int, relation: str, family: str, subject: str | None = None) -> list[Boxed]: ...
    def days_of_change(self, position: int, relation: str | None, subject: str | None = None) -> list[int]: ...
    def recorded_alone(self, basis: Basis, family: str, kind: str) -> list[Found]: ...
    def places(self, basis: Basis, first: int, last: int, subjects: Sequence[str] = ()) -> list[Place]: ...
    def subjects(self, basis: Basis, family: str | None = None, text: str = "") -> list[SubjectFound]: ...
    def heard_of(self, basis: Basis, subject: str) -> bool: ...


class EventLog(Protocol):
    """The log, read."""

    def last(self) -> tuple[int, int]: ...
    def at(self, recorded_at: int) -> tuple[int, int]: ...
    def latest_known(self, position: int) -> int: ...
    def positions(self, ids: Sequence[tuple[str, int]]) -> dict[tuple[str, int], int]: ...
    def stream(self, subject: str) -> list[Logged]: ...
    def events(self, ids: Sequence[tuple[str, int]]) -> list[Logged]: ...
    def feed(self, after: int, limit: int, subject: str | None = None, topics: Sequence[str] = ()) -> list[Logged]: ...
