"""Boxes in valid x known: the index over the one definition (domain.timeline), and its rows on the recorded axis.

A box says that a fact, told in exactly these words, holds for every (as_of, known_at) inside it. Rows are opened and
closed at batch positions and never changed otherwise.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any, NamedTuple

from domain.calendar import FOREVER, format_span
from domain.event import Logged, event_id
from domain.family import Fact, Family, State, Step
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
    """Known days on which a subject had been heard of (name empty), or was known under a name."""

    subject: str
    family: str
    known_from: int
    known_to: int
    name: str


class Rows(NamedTuple):
    """All rows of one subject that are open after a batch."""

    facts: frozenset[FactRow]
    marks: frozenset[MarkRow]
    names: frozenset[NameRow]


# ---------------------------------------------------------------- runs of one timeline
def runs(steps: Sequence[Step[Any]], states: Sequence[State]) -> list[Run]:
    """Every fact of a timeline with the stretch of valid time on which it is told so."""
    early, late = bounds(steps)
    out: list[Run] = []
    for key in {key for state in states for key in state}:
        facts = [state.get(key) for state in states]
        for first, after in _stretches(facts, lambda fact: fact.status):
            since, until = (early[first - 1], late[first - 1]), (early[after - 1], late[after - 1])
            step, start = steps[first - 1], facts[first]
            if step.announced < step.lo and start is not None:
                out.append(Run(key, scheduled(start, step), since, (FOREVER, FOREVER), "certain", step.announced, step.lo))
            for a, b in _stretches(facts[:after], lambda fact: fact, first):
                fact = facts[a]
                if fact is not None:
                    pieces = _certainty(early[a - 1], late[a - 1], early[b - 1], late[b - 1])
                    out += [Run(key, fact, since, until, c, lo, hi) for lo, hi, c in pieces if lo < hi]
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


def marks(steps: Sequence[Step[Any]]) -> list[Mark]:
    return [Mark(s.lo, s.hi + 1, s.place, s.version) for s in steps if not s.ends]


# ---------------------------------------------------------------- the sweep over the known axis
class Box(NamedTuple):
    """A run or a mark, and the known days on which it is told."""

    scope: str
    thing: Run | Mark
    known_from: int
    known_to: int


def sweep(family: Family[Any], stream: Sequence[Record], opened: Iterable[Box] = (), start: int = -1) -> Iterator[Box]:
    """The boxes of one subject that reach beyond the known day `start`, by a sweep over its known days from there.

    `opened` are the boxes that hold on the day before `start`. Only scopes that an event touches are folded again.
    """
    versions: dict[int, list[Record]] = defaultdict(list)
    scope_of: dict[int, str] = {}
    scopes: dict[str, dict[int, list[Step[Any]]]] = defaultdict(dict)
    folded: dict[str, tuple[list[Step[Any]], list[State]]] = {}
    roots = {record.version: record for record in stream}
    live: dict[str, dict[Run | Mark, int]] = defaultdict(dict)
    for box in opened:
        live[box.scope][box.thing] = box.known_from
    for known, arrivals in groupby(sorted(stream, key=lambda r: r.known), key=lambda r: r.known):
        touched: set[str] = set()
        changed: set[int] = set()
        for record in arrivals:
            versions[record.root].append(record)
            changed.add(record.root)
        for root in changed:
            if (scope := scope_of.pop(root, None)) is not None:
                touched.add(scope)
                del scopes[scope][root]
            if (now := standing(versions[root])) is not None:
                scope_of[root] = scope = family.scope(now.data)
                touched.add(scope)
                scopes[scope][root] = steps_of(now, roots[root])
        if known < start:
            continue
        for scope in touched:
            steps, states = folded[scope] = _fold_on(family, scopes[scope].values(), *folded.get(scope, ((), ({},))))
            after: set[Run | Mark] = {*runs(steps, states), *marks(steps)}
            before = live[scope]
            for thing in before.keys() - after:
                yield Box(scope, thing, before.pop(thing), known)
            for thing in after - before.keys():
                before[thing] = known
    for scope, held in live.items():
        for thing, known in held.items():
            yield Box(scope, thing, known, FOREVER)


def _fold_on(
    family: Family[Any], said: Iterable[list[Step[Any]]], before: Sequence[Step[Any]], states: Sequence[State]
) -> tuple[list[Step[Any]], list[State]]:
    """The timeline of these steps and its states; what begins as the timeline before it did is not folded again."""
    steps = sort_steps([step for some in said for step in some])
    same = next((i for i, (old, new) in enumerate(zip(before, steps, strict=False)) if old is not new), min(len(before), len(steps)))
    return steps, fold(family, steps[same:], states[: same + 1])


def rows_of(family: Family[Any], subject: str, stream: Sequence[Logged], relation: str) -> Rows:
    """The rows of one subject as its log stands: what the fact store holds as open."""
    said = records(family, stream)
    return rows_from(family, subject, said, sweep(family, said), relation)


def rows_from(family: Family[Any], subject: str, said: Sequence[Record], boxes: Iterable[Box], relation: str) -> Rows:
    """Boxes as they are stored."""
    facts: set[FactRow] = set()
    places: set[MarkRow] = set()
    named: dict[str, list[tuple[int, int]]] = defaultdict(list)
    by_version = {record.version: record for record in said}
    for _, thing, known_from, known_to in boxes:
        if isinstance(thing, Run):
            facts.add(FactRow(
                subject, family.name, relation if family.concerns(thing.fact) else "", thing.key, thing.fact.kind,
                thing.fact.status, thing.valid_from, thing.valid_to, known_from, known_to, body_of(subject, thing)))
        elif isinstance(thing, Mark):
            rank, root_known, root, _ = thing.place
            places.add(MarkRow(subject, family.name, thing.valid_from, thing.valid_to, known_from, known_to, rank, root_known,
                               root, thing.version))
            for name in _names(by_version[thing.version].data):
                named[name].append((known_from, known_to))
    if said:
        named[""] = [(min(record.known for record in said), FOREVER)]
    names = [NameRow(subject, family.name, *days, name) for name, spans in named.items() for days in _joined(spans)]
    return Rows(frozenset(facts), frozenset(places), frozenset(names))


def _joined(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The same days, each in one span alone: most events repeat a name."""
    if len(spans) == 1:
        return spans
    out: list[tuple[int, int]] = []
    for lo, hi in sorted(spans):
        if out and lo <= out[-1][1]:
            out[-1] = out[-1][0], max(hi, out[-1][1])
        else:
            out.append((lo, hi))
    return out


def _names(data: Any) -> Iterator[str]:
    """The names by which an event speaks of its subject."""
    if (name := getattr(data, "name", None)) is not None:
        yield name
    yield from getattr(data, "aliases", ())


_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def body_of(subject: str, run: Run | Any) -> bytes:
    """A fact as JSON bytes: `{"subject","key","kind","status","since","until","certainty","attributes","because"}`."""
    fact: Fact = run.fact
    return _json({
        "subject": subject, "key": run.key, "kind": fact.kind, "status": fact.status,
        "since": format_span(*run.since), "until": format_span(*run.until), "certainty": run.certainty,
        "attributes": dict(fact.attributes), "because": [event_id(subject, v) for v in fact.because],
    }).encode()


# ---------------------------------------------------------------- the recorded axis
class Span(NamedTuple):
    """A row and the batch positions at which it was opened and closed."""

    row: FactRow | MarkRow | NameRow
    opened: int
    closed: int


def history(family: Family[Any], subject: str, stream: Sequence[Logged], relation: str) -> list[Span]:
    """Every row that the subject ever had: what the fact table holds once it is rebuilt from the log.

    Each batch sweeps only the known days that it can have changed; the boxes before them are kept.
    """
    said = records(family, stream)
    boxes: list[Box] = []
    opened: dict[FactRow | MarkRow | NameRow, int] = {}
    out: list[Span] = []
    done = 0
    for i, batch in _batch_ends(stream):
        last = stream[i - 1].version
        so_far = [record for record in said if record.version <= last]
        fresh = [record.known for record in so_far if record.version > done]
        start, done = min(fresh, default=FOREVER), last
        kept = [box for box in boxes if box.known_to < start]
        boxes = [*kept, *sweep(family, so_far, [b for b in boxes if b.known_from < start <= b.known_to], start)]
        rows = rows_from(family, subject, so_far, boxes, relation)
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
