"""Boxes in valid x known: the index over the one definition (domain.timeline), and its rows on the recorded axis.

A box says that a fact, told in exactly these words, holds for every (as_of, known_at) inside it. Rows are opened and
closed at batch positions and never changed otherwise.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

from pydantic_core import to_json

from domain.calendar import FOREVER, format_span
from domain.event import Logged, event_id
from domain.family import Fact, Family, State, Step
from domain.timeline import Folded, Record, bounds, fold, records, scheduled, sort_steps, standing, steps_of

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
    for key in set().union(*states):
        facts = [state.get(key) for state in states]
        first = 1
        while first < len(facts):
            if (fact := facts[first]) is None:
                first += 1
                continue
            after = _end(facts, first, fact.status)
            step, since, until = steps[first - 1], (early[first - 1], late[first - 1]), (early[after - 1], late[after - 1])
            if step.announced < step.lo:
                out.append(Run(key, scheduled(fact, step), since, (FOREVER, FOREVER), "certain", step.announced, step.lo))
            while first < after and (fact := facts[first]) is not None:
                end = first + 1
                while end < after and facts[end] == fact:  # neighbours that are the same
                    end += 1
                for lo, hi, certainty in _certainty(early[first - 1], late[first - 1], early[end - 1], late[end - 1]):
                    if lo < hi:
                        out.append(Run(key, fact, since, until, certainty, lo, hi))
                first = end
    return out


def _end(facts: Sequence[Fact | None], first: int, status: str) -> int:
    """Where the neighbours from `first` on end that are facts of this status."""
    after = first + 1
    while after < len(facts) and (fact := facts[after]) is not None and fact.status == status:
        after += 1
    return after


def _certainty(e1: int, l1: int, e2: int, l2: int) -> tuple[tuple[int, int, str], ...]:
    if l1 < e2:
        return (e1, l1, "possible"), (l1, e2, "certain"), (e2, l2, "possible")
    return ((e1, l2, "possible"),)


# ---------------------------------------------------------------- the sweep over the known axis
class Box(NamedTuple):
    """A run or a mark, and the known days on which it is told."""

    scope: str
    thing: Run | Mark
    known_from: int
    known_to: int


def sweep(
    family: Family[Any], stream: Sequence[Record], opened: Iterable[Box] = (), start: int = -1, folded: dict[str, Folded] | None = None
) -> Iterator[Box]:
    """The boxes of one subject that reach beyond the known day `start`, by a sweep over its known days from there.

    `opened` are the boxes that hold on the day before `start`. Only scopes that an event touches are folded again, and of their
    timelines what does not begin as one in `folded` does: those that the caller folded before, and that are folded here.
    """
    folded = {} if folded is None else folded
    versions: dict[int, list[Record]] = defaultdict(list)
    stands: dict[int, tuple[Record, str, Mark]] = {}  # by root: what it says, in which scope, at which place
    scopes: dict[str, dict[int, list[Step[Any]]]] = defaultdict(dict)
    roots = {record.version: record for record in stream}
    told: dict[str, dict[Run, int]] = defaultdict(dict)
    marked: dict[Mark, int] = {}
    for box in opened:
        if isinstance(box.thing, Mark):
            marked[box.thing] = box.known_from
        else:
            told[box.scope][box.thing] = box.known_from
    for known, arrivals in groupby(sorted(stream, key=_known), key=_known):
        touched: set[str] = set()
        changed: set[int] = set()
        for record in arrivals:
            versions[record.root].append(record)
            changed.add(record.root)
        for root in changed:
            now, before = standing(versions[root]), stands.get(root)
            if before is not None:
                if now is before[0]:
                    continue
                _, scope, mark = stands.pop(root)
                touched.add(scope)
                del scopes[scope][root]
                if known >= start:
                    yield Box(scope, mark, marked.pop(mark), known)
            if now is not None:
                scope, steps = family.scope(now.data), steps_of(now, roots[root])
                mark = Mark(now.lo, now.hi + 1, steps[0].place, now.version)
                touched.add(scope)
                stands[root], scopes[scope][root] = (now, scope, mark), steps
                if known >= start:
                    marked[mark] = known
        if known < start:
            continue
        for scope in touched:
            held, after = told[scope], set(runs(*_fold_on(family, scope, scopes[scope].values(), folded)))
            for run in [run for run in held if run not in after]:
                yield Box(scope, run, held.pop(run), known)
            for run in after:
                held.setdefault(run, known)
    for scope, held in told.items():
        for run, known in held.items():
            yield Box(scope, run, known, FOREVER)
    for _, scope, mark in stands.values():
        yield Box(scope, mark, marked[mark], FOREVER)


_known = itemgetter(Record._fields.index("known"))


def _fold_on(family: Family[Any], scope: str, said: Iterable[list[Step[Any]]], folded: dict[str, Folded]) -> Folded:
    """The timeline of these steps and its states; what begins as the timeline before it did is not folded again."""
    steps = sort_steps([step for some in said for step in some])
    before, states = folded.get(scope, ((), ({},)))
    same, most = 0, min(len(before), len(steps))
    while same < most and before[same] == steps[same]:
        same += 1
    if same == len(steps):  # it ends before, and the timeline may yet go on as that one does
        return steps, states[: same + 1]
    folded[scope] = steps, fold(family, steps[same:], states[: same + 1])
    return folded[scope]


def rows_of(family: Family[Any], subject: str, stream: Sequence[Logged], relation: str) -> Rows:
    """The rows of one subject as its log stands: what the fact store holds as open."""
    said = records(family, stream)
    return rows_from(family, subject, said, sweep(family, said), relation)


def rows_from(family: Family[Any], subject: str, said: Sequence[Record], boxes: Iterable[Box], relation: str) -> Rows:
    """Boxes as they are stored."""
    facts: list[FactRow] = []
    places: list[MarkRow] = []
    named: dict[str, list[tuple[int, int]]] = defaultdict(list)
    by_version = {record.version: record for record in said}
    told: dict[tuple[Any, ...], tuple[Fact, str, bytes]] = {}  # a fact, its relation and body: several boxes may tell it in the same words
    for _, thing, known_from, known_to in boxes:
        if isinstance(thing, Run):
            key, fact, since, until, certainty, valid_from, valid_to = thing
            words = key, id(fact), since, until, certainty  # `told` keeps the fact, and so no other has its id
            if (stored := told.get(words)) is None:
                stored = told[words] = fact, relation if family.concerns(fact) else "", body_of(subject, thing)
            _, of, body = stored
            facts.append(FactRow(subject, family.name, of, key, fact.kind, fact.status, valid_from, valid_to, known_from, known_to, body))
        else:
            rank, root_known, root, _ = thing.place
            places.append(MarkRow(subject, family.name, thing.valid_from, thing.valid_to, known_from, known_to, rank, root_known,
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


def body_of(subject: str, run: Run | Any) -> bytes:
    """A fact as JSON bytes: `{"subject","key","kind","status","since","until","certainty","attributes","because"}`."""
    fact: Fact = run.fact
    return to_json({
        "subject": subject, "key": run.key, "kind": fact.kind, "status": fact.status,
        "since": format_span(*run.since), "until": format_span(*run.until), "certainty": run.certainty,
        "attributes": dict(fact.attributes), "because": [event_id(subject, v) for v in fact.because],
    })


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
