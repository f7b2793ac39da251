"""The one definition: the timeline of a subject on a basis, the states that it allows on a day, and the facts of that day.

Everything fast is an index over this module and is tested against it. Three clocks: `as_of` (valid), `known_at` (known),
`position` (recorded). Days are ordinals; a day is its end.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import Any, NamedTuple, TypeAlias

from domain.calendar import FIRST_DAY, FOREVER
from domain.event import Amended, Event, Logged, Retracted
from domain.family import Attributes, Fact, Family, State, Step, attributes_of, end_term

SCHEDULED = "scheduled"
LAST_IN_DAY = 2**31


class Record(NamedTuple):
    """An event of one stream with what the timeline needs of it worked out."""

    version: int
    batch: int
    known: int
    lo: int
    hi: int
    until: int | None
    order: int
    data: Any  # the payload that it says; None for a retraction
    told: Attributes  # what it says as attributes of a fact
    root: int  # version of the original event at the bottom of the chain of targets; its own for an original
    target: int | None  # version that a correction corrects
    retracts: bool


def records(family: Family[Any], stream: Sequence[Logged]) -> list[Record]:
    """The records of one subject, in order of version. A correction without an earlier target is passed over."""
    by_id: dict[str, Record] = {}
    out = []
    for item in stream:
        record = _record(family, item, by_id)
        if record is not None:
            by_id[item.event.record_id] = record
            out.append(record)
    return out


def _record(family: Family[Any], item: Logged, earlier: dict[str, Record]) -> Record | None:
    event, version = item.event, item.version
    says: Any = event.data
    target: Record | None = None
    retracts = isinstance(says, Retracted)
    if retracts or isinstance(says, Amended):
        target = earlier.get(says.target)
        if target is None:
            return None
        says = None if retracts else says.data
    known, (lo, hi) = (FIRST_DAY, (FIRST_DAY, FIRST_DAY)) if family.recorded_alone else (event.known_day, event.span)
    told = () if says is None else attributes_of(says) + _of_itself(event)
    root, corrected = (target.root, target.version) if target else (version, None)
    return Record(version, item.batch, known, lo, hi, event.until_day, event.order, says, told, root, corrected, retracts)


def _of_itself(event: Event) -> Attributes:
    if event.summary is None and event.note is None and event.confidence == "high":
        return ()
    pairs = (("confidence", event.confidence if event.confidence != "high" else None), ("note", event.note), ("summary", event.summary))
    return tuple([pair for pair in pairs if pair[1] is not None])


# ---------------------------------------------------------------- corrections and the timeline
def standing(versions: Sequence[Record]) -> Record | None:
    """What one original event says, given its visible versions (itself and its corrections): None if nothing.

    A live retraction of a correction removes it; of the rest the last by (known, version) wins over the original.
    """
    if len(versions) == 1:  # most were never corrected
        return None if versions[0].retracts else versions[0]
    dead: set[int] = set()
    original: Record | None = None
    live: list[Record] = []
    for record in sorted(versions, key=lambda r: -r.version):
        if record.target is None:
            original = record
        elif record.version not in dead:
            if record.retracts and record.target != record.root:
                dead.add(record.target)
            else:
                live.append(record)
    best = max(live, key=lambda r: (r.known, r.version), default=original)
    return None if best is None or best.retracts else best


def steps_of(record: Record, root: Record) -> list[Step[Any]]:
    """The start, and the planned end if there is one, at the ORIGINAL's place in the order of its day."""
    _, _, known, lo, hi, until, order, data, told, _, _, _ = record
    first, announced = root.version, min(known, root.known)
    out = [Step(lo, hi, (order, root.known, first, 0), data, told, record.version, first, announced, until)]
    if until is not None and until > hi:
        # after everything that starts on the same day: a renewal on the day of the planned end voids it
        out.append(Step(until, until, (LAST_IN_DAY, root.known, first, 1), data, told, record.version, first, announced, until, True))
    return out


_in_order = itemgetter(0, 1, 2)  # lo, hi, place


def sort_steps(steps: Iterable[Step[Any]]) -> list[Step[Any]]:
    return sorted(steps, key=_in_order)


def timelines(family: Family[Any], stream: Sequence[Record], known_at: int, position: int) -> dict[str, list[Step[Any]]]:
    """Per scope: the visible events, corrected, in the one order."""
    by_root: dict[int, list[Record]] = defaultdict(list)
    roots = {record.version: record for record in stream}
    for record in stream:
        if record.known <= known_at and record.batch <= position:
            by_root[record.root].append(record)
    scopes: dict[str, list[Step[Any]]] = defaultdict(list)
    for root, versions in by_root.items():
        said = standing(versions)
        if said is not None:
            scopes[family.scope(said.data)] += steps_of(said, roots[root])
    return {scope: sort_steps(steps) for scope, steps in scopes.items()}


def bounds(steps: Sequence[Step[Any]]) -> tuple[list[int], list[int]]:
    """Earliest and latest day of each step that keep the order: E as sorted, L clamped to the least later L."""
    late, floor = [FOREVER], FOREVER
    for step in reversed(steps):
        if step.hi < floor:
            floor = step.hi
        late.append(floor)
    late.reverse()
    return [*[step.lo for step in steps], FOREVER], late


def fold(family: Family[Any], steps: Iterable[Step[Any]], states: Sequence[State] = ({},)) -> list[State]:
    """The state before any step, and after each. `states` are those up to before these steps, where steps before them are folded."""
    states = [*states]
    for step in steps:
        states.append(end_term(states[-1], step) if step.ends else family.evolve(states[-1], step))
    return states


Folded: TypeAlias = tuple[Sequence[Step[Any]], Sequence[State]]  # a timeline with its states


# ---------------------------------------------------------------- the definition
class Held(NamedTuple):
    """A fact as it is told on a day: with the unbroken run of its key and status, and how certain it is."""

    key: str
    fact: Fact
    since: tuple[int, int]
    until: tuple[int, int]
    certainty: str


def facts_on(family: Family[Any], stream: Sequence[Record], as_of: int, known_at: int, position: int) -> set[Held]:
    """The facts of one subject on a basis. This is what everything else is held to."""
    lines = timelines(family, stream, known_at, position).values()
    return set().union(*(held_on(family, steps, as_of) for steps in lines))


def held_on(family: Family[Any], steps: Sequence[Step[Any]], as_of: int) -> set[Held]:
    """The possible states on D are those after event i, for every i from #(L <= D) to #(E <= D)."""
    early, late = bounds(steps)
    states = fold(family, steps)
    first, last = sum(day <= as_of for day in late[:-1]), sum(day <= as_of for day in early[:-1])
    seen: dict[tuple[str, Fact, tuple[int, int], tuple[int, int]], int] = defaultdict(int)
    for i in range(first, last + 1):
        for key, fact in states[i].items():
            a, b = i, i
            while a > 1 and _same(states[a - 1].get(key), fact):
                a -= 1
            while b < len(steps) and _same(states[b + 1].get(key), fact):
                b += 1
            seen[key, fact, (early[a - 1], late[a - 1]), (early[b], late[b])] += 1
    out = {Held(*held, "certain" if n == last - first + 1 else "possible") for held, n in seen.items()}
    for i, step in enumerate(steps, 1):
        if step.announced <= as_of < step.lo:
            for key, fact in states[i].items():
                if not _same(states[i - 1].get(key), fact):
                    out.add(Held(key, scheduled(fact, step), (step.lo, late[i - 1]), (FOREVER, FOREVER), "certain"))
    return out


def _same(one: Fact | None, other: Fact) -> bool:
    return one is not None and one.status == other.status


def scheduled(fact: Fact, step: Step[Any]) -> Fact:
    """A start that is announced and still to come: its status is `scheduled`, and it says what it becomes."""
    attributes = tuple(sorted({**dict(fact.attributes), "becomes": fact.status}.items()))
    return Fact(fact.kind, SCHEDULED, attributes, (step.version,))
