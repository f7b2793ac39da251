"""The cube behind the series that count: how many keys hold at the end of a month, kept as differences (see ADR 0018).

What a count says is a set of boxes in valid x known, each with the items that it is counted under. A box adds one at the corner where it
begins on both axes and takes it back where it ends on one of them, so a count on a basis is the sum of the corners at or before it on
both. Corners are gathered by the last day of their valid month; so the sums are those of ends of months, as known on any day.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date
from functools import lru_cache
from itertools import accumulate, pairwise
from typing import Any

from pydantic_core import from_json, to_json

from domain.calendar import FOREVER
from projections.boxes import FactRow
from projections.certainty import key_is_certain, turning_days
from projections.series import BY, COUNTS, POSSIBLE, VALUE, Count, items_of, step_end, summed

LONG = "!"  # in place of an item longer than LONGEST, which no index of PostgreSQL takes: where there is one, the cube does not answer
LONGEST = 500  # characters
TOGETHER = "["  # a JSON array begins: keys for certain that have all these items, where corners are gathered by day; there few are alike
# Beside each known day a corner is gathered in three more places, so that no question reads far:
ANY = 0  # whatever is known, ever
SEEN = -1  # as known on the day itself: the month is that of the later of the two days
# and under minus the last day of the year in which it became known

Box = tuple[int, int, int, int]  # valid_from, valid_to, known_from, known_to
Corner = tuple[tuple[str, str, tuple[str, ...]], int, int]  # (relation, series, items), valid, known
Cell = tuple[str, str, int, str, int]  # where corners are gathered: relation, series, known (or what is in its place), item, end of the month

_SERIES: dict[tuple[str, str, str], list[tuple[str, Count]]] = defaultdict(list)
for _name, _spec in COUNTS.items():
    for _kind in _spec.kinds:
        for _status in _spec.statuses:
            _SERIES[_spec.family, _kind, _status].append((_name, _spec))


# ---------------------------------------------------------------- written
@lru_cache(maxsize=65536)
def month_end(day: int) -> int:
    """The last day of the month that a day is in."""
    return step_end(day, "month")


@lru_cache(maxsize=65536)
def year_end(day: int) -> int:
    """The last day of the year that a day is in."""
    return step_end(day, "year")


def is_counted(row: FactRow) -> bool:
    """Whether a series counts it."""
    return bool(row.relation) and (row.family, row.kind, row.status) in _SERIES


def cells(rows: Iterable[FactRow], end: Callable[[int], int] = month_end) -> Counter[Cell]:
    """The differences that rows make, where of each key that has any among them there are all. `end`: of the month of a day."""
    corners: dict[Corner, int] = defaultdict(int)  # a Counter would ask Python for each that is new
    unsure: dict[tuple[str, str, str, str], list[tuple[FactRow, dict[str, Any]]]] = defaultdict(list)
    read: dict[tuple[str, bytes], tuple[str, ...]] = {}  # of what is certain, by series: several boxes may tell it in the same words
    for row in filter(is_counted, rows):
        for name, spec in _SERIES[row.family, row.kind, row.status]:
            if (items := read.get((name, row.body))) is None:
                fact = from_json(row.body)
                if fact["certainty"] != "certain":
                    unsure[row.relation, name, row.subject, row.key].append((row, fact))
                    continue
                items = read[name, row.body] = _counted_under([fact], spec)
            _add(corners, (row.relation, name, items), row[6:10])
    for (relation, name, *_), held in unsure.items():
        for facts, box in _pieces(held):
            sure = key_is_certain(facts, box[0])
            _add(corners, (relation, name, _counted_under(facts, COUNTS[name]) if sure else (POSSIBLE,)), box)
    return _gathered(corners, end)


def _add(out: dict[Corner, int], what: tuple[str, str, tuple[str, ...]], box: Box) -> None:
    valid_from, valid_to, known_from, known_to = box
    for valid, known, sign in (valid_from, known_from, 1), (valid_to, known_from, -1), (valid_from, known_to, -1), (valid_to, known_to, 1):
        if valid < FOREVER and known < FOREVER:
            out[what, valid, known] += sign


def _gathered(corners: Mapping[Corner, int], end: Callable[[int], int]) -> Counter[Cell]:
    out: dict[Cell, int] = defaultdict(int)
    for ((relation, series, items), valid, known), difference in corners.items():
        if difference:  # most of what one row takes back the next one adds
            month, later = end(valid), end(max(valid, known))
            for item in _together(items):
                out[relation, series, known, item, month] += difference
            for at, until in (-year_end(known), month), (ANY, month), (SEEN, later):
                for item in items:
                    out[relation, series, at, item, until] += difference
    return Counter(out)


def _counted_under(facts: Sequence[dict[str, Any]], spec: Count) -> tuple[str, ...]:
    return VALUE, *sorted([BY + item if len(item) <= LONGEST else LONG for item in items_of(facts, spec)])


@lru_cache(maxsize=4096)
def _together(items: tuple[str, ...]) -> tuple[str, ...]:
    """What is counted under several items in one place, where that is not too long."""
    array = to_json([item.removeprefix(BY) for item in items if item != VALUE]).decode()
    return (array,) if len(items) > 1 and LONG not in items and len(array) <= LONGEST else items


def _apart(item: str) -> tuple[str, ...]:
    return (VALUE, *(BY + one for one in from_json(item))) if item.startswith(TOGETHER) else (item,)


def _pieces(held: Sequence[tuple[FactRow, dict[str, Any]]]) -> Iterator[tuple[list[dict[str, Any]], Box]]:
    """The facts that are possible of one key, with each box in which they are the same and as certain."""
    days = {day for row, fact in held for day in (row.valid_from, row.valid_to, *turning_days(fact))}
    known = {day for row, _ in held for day in (row.known_from, row.known_to)}
    for known_from, known_to in pairwise(sorted(known)):
        told = [(row, fact) for row, fact in held if row.known_from <= known_from < row.known_to]
        for valid_from, valid_to in pairwise(sorted(days)):
            if facts := [fact for row, fact in told if row.valid_from <= valid_from < row.valid_to]:
                yield facts, (valid_from, valid_to, known_from, known_to)


# ---------------------------------------------------------------- asked
def readings(steps: Sequence[tuple[int, int]], latest: int) -> Iterator[tuple[list[tuple[int, int]], list[int]]]:
    """How steps of (end of a month, known day) are read: ranges of `known`, both ends included, and the days that they answer.

    All steps are of one known day, or each of its own until that comes. `latest` is the last known day of the log.
    """
    known_at = steps[-1][1]
    seen = [] if steps[0][1] == known_at else [day for day, known in steps if known == day]
    if seen:
        yield [(SEEN, SEEN)], seen
    rest = [day for day, _ in steps[len(seen):]]
    if rest and known_at >= latest:
        yield [(ANY, ANY)], rest
    elif rest:
        before = date.fromordinal(known_at + 1).replace(month=1, day=1).toordinal() - 1  # the last day of the last whole year
        yield [(-before, SEEN - 1), (before + 1, known_at)], rest


def totals(found: Iterable[tuple[str, int, int]], days: Sequence[int]) -> list[dict[str, Any]] | None:
    """`{"value", "possible", "by"}` at each end of a month, ascending, from its (item, valid, difference). None where an item is too long."""
    told: dict[str, list[int]] = defaultdict(lambda: [0] * (len(days) + 1))
    under: dict[str, list[list[int]]] = {}  # what a difference is added to
    at: dict[int, int] = {}
    for item, valid, difference in found:
        if (i := at.get(valid)) is None:
            i = at[valid] = bisect_left(days, valid)
        if (added_to := under.get(item)) is None:
            added_to = under[item] = [told[one] for one in _apart(item)]
        for differences in added_to:
            differences[i] += difference
    if any(accumulate(told.pop(LONG, ())[:-1])):
        return None
    return summed(told, len(days))
