"""Boxes in valid x known: the index over the one definition (domain.timeline), and its rows on the recorded axis.

A box says that a fact, told in exactly these words, holds for every (as_of, known_at) inside it. Rows are opened and
closed at batch positions and never changed otherwise.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Hashable, Iterator, Sequence
from itertools import groupby
from typing import Any, NamedTuple

from domain.calendar import FOREVER, format_span
from domain.event import Logged, event_id
from domain.family import Attributes, Fact, Family, State, Step
from domain.timeline import Record, bounds, fold, records, scheduled, sort_steps, standing, steps_of

OPEN = 2**63 - 1  # "not closed" on the recorded axis


class Run(NamedTuple):
    """One fact, told in the same words, on one stretch of valid time."""

    key: str
    fact: Fact
    since: tuple[int, int]
    until: tuple[int, int]
    certainty: str
    valid_from: int
    valid_to: int


class Mark(NamedTuple):
    """A standing event at its place in the timeline: what `GET .../timeline` lists."""

    valid_from: int
    valid_to: int
    place: tuple[int, int, int, int]
    version: int


class FactRow(NamedTuple):
    """A box as it is stored. `body` is the fact's JSON, ready to be joined into an answer."""

    subject: str
    family: str
    relation: str
    key: str
    kind: str
    status: str
    valid_from: int
    valid_to: int
    known_from: int
    known_to: int
    body: bytes


class MarkRow(NamedTuple):
    """A place in the timeline as it is stored; the event is read from the log."""

    subject: str
    family: str
    valid_from: int
    valid_to: int
    known_from: int
    known_to: int
    rank: int  # stated order within the day
    root_known: int
    root: int
    version: int


class NameRow(NamedTuple):
    """That a subject was heard of, and under which name, from this known day on."""

    subject: str
    family: str
    known_from: int
    name: str


class Rows(NamedTuple):
    """All rows of one subject that are open after a batch."""

    facts: frozenset[FactRow]
    marks: frozenset[MarkRow]
    names: frozenset[NameRow]


# ---------------------------------------------------------------- runs of one timeline
def runs(steps: Sequence[Step[Any]], states: Sequence[State]) -> set[Run]:
    """Every fact of a timeline with the stretch of valid time on which it is told so."""
    early, late = bounds(steps)
    out: set[Run] = set()
    for key in {key for state in states for key in state}:
        facts = [state.get(key) for state in states]
        for first, after in _stretches(facts, lambda fact: fact.status):
            since, until = (early[first - 1], late[first - 1]), (early[after - 1], late[after - 1])
            step, start = steps[first - 1], facts[first]
            if step.announced < step.lo and start is not None:
                out.add(Run(key, scheduled(start, step), since, (FOREVER, FOREVER), "certain", step.announced, step.lo))
            for a, b in _stretches(facts[:after], lambda fact: fact, first):
                fact = facts[a]
                if fact is not None:
                    pieces = _certainty(early[a - 1], late[a - 1], early[b - 1], late[b - 1])
                    out |= {Run(key, fact, since, until, c, lo, hi) for lo, hi, c in pieces if lo < hi}
    return out


def _stretches(facts: Sequence[Fact | None], same: Any, start: int = 1) -> Iterator[tuple[int, int]]:
    """Index ranges [a, b) of neighbours that are facts and the same by `same`."""
    i = start
    while i < len(facts):
        fact = facts[i]
        if fact is None:
            i += 1
            continue
        j = i + 1
        while j < len(facts) and (other := facts[j]) is not None and same(other) == same(fact):
            j += 1
        yield i, j
        i = j


def _certainty(e1: int, l1: int, e2: int, l2: int) -> list[tuple[int, int, str]]:
    if l1 < e2:
        return [(e1, l1, "possible"), (l1, e2, "certain"), (e2, l2, "possible")]
    return [(e1, l2, "possible")]


def marks(steps: Sequence[Step[Any]]) -> set[Mark]:
    return {Mark(s.lo, s.hi + 1, s.place, s.version) for s in steps if not s.ends}


# ---------------------------------------------------------------- the sweep over the known axis
def _sweep(family: Family[Any], stream: Sequence[Record]) -> Iterator[tuple[Hashable, int, int]]:
    """(run or mark, known_from, known_to) of one subject. Only scopes that an event touches are folded again."""
    versions: dict[int, list[Record]] = defaultdict(list)
    said: dict[int, Record] = {}
    scopes: dict[str, dict[int, Record]] = defaultdict(dict)
    roots = {record.version: record for record in stream}
    live: dict[str, dict[Hashable, int]] = defaultdict(dict)
    for known, arrivals in groupby(sorted(stream, key=lambda r: r.known), key=lambda r: r.known):
        touched: set[str] = set()
        changed: set[int] = set()
        for record in arrivals:
            versions[record.root].append(record)
            changed.add(record.root)
        for root in changed:
            if (old := said.pop(root, None)) is not None:
                touched.add(scope := family.scope(old.data))
                scopes[scope].pop(root)
            if (now := standing(versions[root])) is not None:
                said[root] = now
                touched.add(scope := family.scope(now.data))
                scopes[scope][root] = now
        for scope in touched:
            steps = sort_steps(step for root, record in scopes[scope].items() for step in steps_of(record, roots[root]))
            after: set[Hashable] = {*runs(steps, fold(family, steps)), *marks(steps)}
            before = live[scope]
            for thing in before.keys() - after:
                yield thing, before.pop(thing), known
            for thing in after - before.keys():
                before[thing] = known
    for held in live.values():
        for thing, known in held.items():
            yield thing, known, FOREVER


def rows_of(family: Family[Any], subject: str, stream: Sequence[Logged], relation: str) -> Rows:
    """The rows of one subject as its log stands: what the fact store holds as open."""
    facts: set[FactRow] = set()
    places: set[MarkRow] = set()
    for thing, known_from, known_to in _sweep(family, records(family, stream)):
        if isinstance(thing, Run):
            facts.add(FactRow(
                subject, family.name, relation if family.concerns(thing.fact) else "", thing.key, thing.fact.kind,
                thing.fact.status, thing.valid_from, thing.valid_to, known_from, known_to, body_of(subject, thing)))
        elif isinstance(thing, Mark):
            rank, root_known, root, _ = thing.place
            places.add(MarkRow(subject, family.name, thing.valid_from, thing.valid_to, known_from, known_to, rank, root_known,
                               root, thing.version))
    return Rows(frozenset(facts), frozenset(places), frozenset(_names(family, subject, stream)))


def _names(family: Family[Any], subject: str, stream: Sequence[Logged]) -> Iterator[NameRow]:
    """The subject itself from its first known day, and each further name from the first day it was known under it.

    The subject's latest known day has a row as well: an event that was retracted as known on its own day leaves no other trace.
    """
    first: dict[str, int] = {}
    latest = 0
    for item in stream:
        known = 0 if family.recorded_alone else item.event.known_day
        latest = max(latest, known)
        data = getattr(item.event.data, "data", item.event.data)
        names = ["", getattr(data, "name", None), *getattr(data, "aliases", ())]
        for name in names:
            if name is not None:
                first[name] = min(known, first.get(name, known))
    yield NameRow(subject, family.name, latest, "")
    yield from (NameRow(subject, family.name, known, name) for name, known in first.items())


def body_of(subject: str, run: Run | Any) -> bytes:
    """A fact as JSON bytes: `{"subject","key","kind","status","since","until","certainty","attributes","because"}`."""
    fact: Fact = run.fact
    return json.dumps({
        "subject": subject, "key": run.key, "kind": fact.kind, "status": fact.status,
        "since": format_span(*run.since), "until": format_span(*run.until), "certainty": run.certainty,
        "attributes": _plain(fact.attributes), "because": [event_id(subject, v) for v in fact.because],
    }, ensure_ascii=False, separators=(",", ":")).encode()


def _plain(attributes: Attributes) -> dict[str, Any]:
    return dict(attributes)


# ---------------------------------------------------------------- the recorded axis
class Span(NamedTuple):
    """A row and the batch positions at which it was opened and closed."""

    row: FactRow | MarkRow | NameRow
    opened: int
    closed: int


def history(family: Family[Any], subject: str, stream: Sequence[Logged], relation: str) -> list[Span]:
    """Every row that the subject ever had: what the fact table holds once it is rebuilt from the log."""
    opened: dict[FactRow | MarkRow | NameRow, int] = {}
    out: list[Span] = []
    for i, batch in _batch_ends(stream):
        rows = rows_of(family, subject, stream[:i], relation)
        now: set[FactRow | MarkRow | NameRow] = {*rows.facts, *rows.marks, *rows.names}
        for row in opened.keys() - now:
            out.append(Span(row, opened.pop(row), batch))
        for row in now - opened.keys():
            opened[row] = batch
    return out + [Span(row, at, OPEN) for row, at in opened.items()]


def _batch_ends(stream: Sequence[Logged]) -> Iterator[tuple[int, int]]:
    """(number of events, batch position) at the end of each batch."""
    for i, item in enumerate(stream, 1):
        if i == len(stream) or stream[i].batch != item.batch:
            yield i, item.batch
