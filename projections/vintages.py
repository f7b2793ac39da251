"""What a figure was on each known day: measured series and counts as vintages.

An index over the fact store's boxes; the facts that stand on a day are those of `domain.timeline`.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from domain.calendar import FIRST_DAY, FOREVER, format_span, parse_day, parse_edtf_day
from domain.timeline import SCHEDULED
from projections.certainty import key_is_certain
from projections.ports import Boxed
from projections.series import STEPS, Count, step_end

FREQUENCIES = {"day": "D", "week": "W", "month": "M", "quarter": "Q", "year": "A"}
LEVEL, IRREGULAR = "LEVEL", "NA"


class Series(NamedTuple):
    """One series: what one publisher says of one subject at one frequency."""

    subject: str
    publisher: str
    frequency: str  # D, W, M, Q or A; LEVEL: on the days of the observations; NA: periods of another kind
    forecast: bool


class Figure(NamedTuple):
    """What a publisher says of a period, or how many there are of something."""

    value: float
    unit: str
    bound: str  # exact, upper, lower or about
    name: str
    publisher: str
    definition: str | None


class Vintage(NamedTuple):
    """What was told of a period on every known day from `known_from` to before `known_to`."""

    first: int  # the period's first day; the day of a level
    last: int
    known_from: int
    known_to: int
    figure: Figure | None  # None where several figures stand at once

    @property
    def period(self) -> str:
        """The period as EDTF."""
        return format_span(self.first, self.last) or ""


def frequency(first: int, last: int) -> str:
    """The letter of the calendar period that begins and ends on these days; NA where it is none."""
    for step in STEPS:
        if step_end(first, step) == last and (first == FIRST_DAY or step_end(first - 1, step) == first - 1):
            return FREQUENCIES[step]
    return IRREGULAR


# ---------------------------------------------------------------- measured series
def measured_series(boxes: Iterable[Boxed]) -> dict[Series, list[Vintage]]:
    """The series of these boxes of indicators, each in order of period and known day. Neighboring vintages differ in what they tell."""
    told: dict[Series, dict[tuple[int, int], set[tuple[int, int, Figure]]]] = defaultdict(lambda: defaultdict(set))
    for box in boxes:
        if box.found.status == SCHEDULED:
            continue
        series, period, figure = _read(box)
        told[series][period].add((box.known_from, box.known_to, figure))
    return {series: [v for period in sorted(periods) for v in _steps(*period, periods[period])] for series, periods in sorted(told.items())}


def _read(box: Boxed) -> tuple[Series, tuple[int, int], Figure]:
    fact = json.loads(box.found.body)
    attributes: Mapping[str, Any] = fact["attributes"]
    if "period" in attributes:
        period = parse_edtf_day(attributes["period"])
        first, last, letter = period.lo, period.hi, frequency(*period)
    elif box.found.kind == "level":
        first = last = parse_day(box.found.key.rpartition(":")[2])
        letter = LEVEL
    else:  # a forecast of a level: of the day from which it holds
        first = last = parse_edtf_day(fact["since"]).lo
        letter = LEVEL
    figure = Figure(attributes["value"], attributes["unit"], attributes["bound"], attributes["name"], attributes["publisher_name"],
                    attributes.get("definition"))
    return Series(box.found.subject, attributes["publisher"], letter, box.found.kind == "forecast"), (first, last), figure


def _steps(first: int, last: int, told: Iterable[tuple[int, int, Figure]]) -> list[Vintage]:
    """One period's figures over known time: where several stand at once, none is told."""
    told = list(told)
    out: list[Vintage] = []
    for a, b in pairwise(sorted({day for known_from, known_to, _ in told for day in (known_from, known_to)})):
        here = {figure for known_from, known_to, figure in told if known_from <= a < known_to}
        if here:
            _extend(out, Vintage(first, last, a, b, here.pop() if len({figure[:3] for figure in here}) == 1 else None))
    return out


def _extend(out: list[Vintage], new: Vintage) -> None:
    """Adds a vintage, or lets the one before go on where it says the same."""
    if out and out[-1].known_to == new.known_from and (out[-1].figure and out[-1].figure[:3]) == (new.figure and new.figure[:3]):
        out[-1] = out[-1]._replace(known_to=new.known_to)
    else:
        out.append(new)


def latest(vintages: Sequence[Vintage], as_of: int, known_at: int) -> Vintage | None:
    """The last period that had begun by a day and of which anything was told then."""
    for i in range(bisect_right(vintages, as_of, key=lambda v: v.first) - 1, -1, -1):
        if vintages[i].known_from <= known_at < vintages[i].known_to:
            return vintages[i]
    return None


# ---------------------------------------------------------------- counts
def counted_series(spec: Count, boxes: Sequence[Boxed], periods: Sequence[tuple[int, int]]) -> list[Vintage]:
    """How many hold for certain at the end of each period, as known on its last day and on every day after it.

    The same as `series.counted` on each of those bases; `periods` (first day, last day) ascend.
    """
    kept = [box for box in boxes if box.found.kind in spec.kinds and box.found.status in spec.statuses]
    facts = {box: json.loads(box.found.body) for box in kept}
    certain = [box for box in kept if facts[box]["certainty"] == "certain"]
    possible = [box for box in kept if facts[box]["certainty"] != "certain"]
    begins, ends = sorted(certain, key=lambda box: -box.valid_from), sorted(certain, key=lambda box: -box.valid_to)
    edges: Counter[int] = Counter()  # known day -> by how much the certain ones grow on it
    out: list[Vintage] = []
    for first, day in periods:
        while begins and begins[-1].valid_from <= day:
            box = begins.pop()
            edges.update({box.known_from: 1, box.known_to: -1})
        while ends and ends[-1].valid_to <= day:
            box = ends.pop()
            edges.update({box.known_from: -1, box.known_to: 1})
        here = [box for box in possible if box.valid_from <= day < box.valid_to]
        out += _counts(first, day, _certain_though_possible(here, facts, day, edges) if here else edges, spec)
    return out


def _certain_though_possible(boxes: Iterable[Boxed], facts: Mapping[Boxed, Any], day: int, edges: Mapping[int, int]) -> Counter[int]:
    """The edges, and those of the keys that are certain although their words are not."""
    keys: dict[tuple[str, str], list[Boxed]] = defaultdict(list)
    for box in boxes:
        keys[box.found.subject, box.found.key].append(box)
    out = Counter(edges)
    for held in keys.values():
        for a, b in pairwise(sorted({known for box in held for known in (box.known_from, box.known_to)})):
            here = [facts[box] for box in held if box.known_from <= a < box.known_to]
            if here and key_is_certain(here, day):
                out.update({a: 1, b: -1})
    return out


def _counts(first: int, day: int, edges: Mapping[int, int], spec: Count) -> list[Vintage]:
    """The count over known time, from the day itself on."""
    out: list[Vintage] = []
    value, since = 0, day
    for known in sorted(edges):
        if since < known < FOREVER and edges[known]:
            _extend(out, Vintage(first, day, since, known, _number(value, spec)))
            since = known
        value += edges[known]
    _extend(out, Vintage(first, day, since, FOREVER, _number(value - edges.get(FOREVER, 0), spec)))
    return out


def _number(value: int, spec: Count) -> Figure:
    return Figure(float(value), "facts", "exact", spec.says, "", None)
