"""A number over time: facts in force by kind, or an indicator, at the end of each step."""

from __future__ import annotations

import json
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

from pydantic_core import from_json

from domain.calendar import format_day
from domain.errors import BadQuestion
from projections.certainty import key_is_certain, turning_days
from projections.ports import Found, Stretch

STEPS = ("day", "week", "month", "quarter", "year")
MOST = 5000
VALUE, POSSIBLE, BY = "", "?", "="  # what is counted: keys for certain, keys possibly, and the certain ones by item, which follows the sign


class Count(NamedTuple):
    """A series that counts facts of one kind and status, by the items of an attribute."""

    family: str
    kinds: tuple[str, ...]
    statuses: tuple[str, ...]
    by: str | None
    says: str

    def counts(self, item: Found) -> bool:
        """Whether a fact is of the kind and status that it counts."""
        return item.family == self.family and item.kind in self.kinds and item.status in self.statuses


COUNTS = {
    "designations_in_force": Count("designation", ("listing",), ("listed",), "programs", "entries on sanctions lists, by program tag"),
    "programs_in_force": Count("program", ("instrument",), ("in_force",), "issuer", "instruments of sanctions in force, by issuer"),
    "authorizations_in_force": Count("authorization", ("waiver", "license", "exception", "wind_down"), ("in_force",), "name",
                                     "waivers, exceptions, licenses and wind-downs in force, by name"),
    "agreement_participants": Count("agreement", ("participant",), ("participant",), "party", "participations in agreements, by party"),
    "campaigns_active": Count("campaign", ("campaign",), ("active",), "name", "campaigns of pressure under way, by name"),
    "incidents_to_date": Count("incident", ("incident",), ("occurred", "ongoing", "reported"), "type", "incidents up to the day, by type"),
    "talks_open": Count("negotiation", ("talks",), ("open",), "name", "talks under way, by name"),
    "claims_alleged": Count("allegation", ("claim",), ("alleged",), None, "claims made up to the day"),
}


def step_days(first: int, last: int, step: str) -> list[int]:
    """The last day of each step from `first` to `last`, the last one cut at `last`. Raises BadQuestion."""
    if step not in STEPS:
        raise BadQuestion(f"step {step!r} is not one of {', '.join(STEPS)}")
    if last < first:
        raise BadQuestion(f"to {format_day(last)} is before from {format_day(first)}")
    days = []
    for day in _ends(first, last, step):
        days.append(day)
        if len(days) > MOST:
            raise BadQuestion(f"more than {MOST} steps: take a longer step or a shorter time")
    return days


def _ends(first: int, last: int, step: str) -> Iterator[int]:
    day = first
    while day <= last:
        end = min(step_end(day, step), last)
        yield end
        day = end + 1


def step_end(on: int, step: str) -> int:
    """The last day of the day, week (from Monday), month, quarter or year that a day is in."""
    day = date.fromordinal(on)
    if step == "day":
        return on
    if step == "week":
        return on + 6 - day.weekday()
    months = {"month": 1, "quarter": 3, "year": 12}[step]
    month = (day.month - 1) // months * months + months
    return date(day.year, month, 31 if month in (1, 3, 5, 7, 8, 10, 12) else 30).toordinal() if month != 2 else (
        date(day.year, 3, 1).toordinal() - 1)


def counted(spec: Count, found: Iterable[Found], day: int) -> dict[str, Any]:
    """How many keys hold for certain and how many possibly, and the certain ones by the items of `spec.by`.

    A key holds for certain if every possible state of the day has it, even where its words are not certain; it is then counted under
    those items that all its words share.
    """
    keys: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for item in found:
        if spec.counts(item):
            keys[item.subject, item.key].append(json.loads(item.body))
    certain, by = 0, Counter[str]()
    for facts in keys.values():
        if key_is_certain(facts, day):
            certain += 1
            by.update(items_of(facts, spec))
    return {"value": certain, "possible": len(keys) - certain, "by": dict(sorted(by.items()))}


def counted_along(spec: Count, told: Iterable[Stretch], days: Sequence[int]) -> list[dict[str, Any]]:
    """What `counted` says on each of several days, ascending, of what is found on them; each fact is looked at once.

    What is counted of a key changes only where one of its facts is found or is found no more, or where one comes to be certain.
    """
    added: dict[str, list[int]] = defaultdict(lambda: [0] * (len(days) + 1))
    unsure: dict[tuple[str, str], list[tuple[int, int, dict[str, Any]]]] = defaultdict(list)
    for first, after, item in told:
        if not spec.counts(item):
            continue
        fact = from_json(item.body)
        if fact["certainty"] == "certain":  # then no other fact of its key is possible
            _add(added, [VALUE, *map(BY.__add__, items_of([fact], spec))], first, after)
        else:
            unsure[item.subject, item.key].append((first, after, fact))
    for held in unsure.values():
        cuts = {at for first, after, fact in held for at in (first, after, *(bisect_left(days, day) for day in turning_days(fact)))}
        for here, there in pairwise(sorted(cuts)):
            if facts := [fact for first, after, fact in held if first <= here < after]:
                sure = key_is_certain(facts, days[here])
                _add(added, [VALUE, *map(BY.__add__, items_of(facts, spec))] if sure else [POSSIBLE], here, there)
    return summed(added, len(days))


def _add(added: dict[str, list[int]], what: Iterable[str], first: int, after: int) -> None:
    for one in what:
        added[one][first] += 1
        added[one][after] -= 1


def summed(added: Mapping[str, Sequence[int]], steps: int) -> list[dict[str, Any]]:
    """`{"value", "possible", "by"}` at each step, from what each step adds to the one before it."""
    sums = {what: list(accumulate(differences[:steps])) for what, differences in added.items()}
    zeros = [0] * steps
    value, possible = sums.pop(VALUE, zeros), sums.pop(POSSIBLE, zeros)
    by = [(what.removeprefix(BY), sums[what]) for what in sorted(sums)]
    return [{"value": value[i], "possible": possible[i], "by": {item: n[i] for item, n in by if n[i]}} for i in range(steps)]


def held_along(told: Iterable[Stretch], steps: int) -> list[list[Found]]:
    """What is found at each step, in the order in which one question has it."""
    held: list[list[Found]] = [[] for _ in range(steps)]
    for first, after, found in sorted(told, key=lambda stretch: stretch.found):
        for at in held[first:after]:
            at.append(found)
    return held


def items_of(facts: Sequence[dict[str, Any]], spec: Count) -> set[str]:
    """The items that a certain key is counted under: those that all its words share."""
    return set.intersection(*(_items(fact["attributes"].get(spec.by)) for fact in facts)) if spec.by else set()


def _items(value: Any) -> set[str]:
    return set(value) if isinstance(value, list) else set() if value is None else {str(value)}


def measured(found: Sequence[Found]) -> dict[str, Any]:
    """The figures of an indicator that hold on the day: `value` where there is exactly one, all of them in `figures`."""
    figures = []
    for item in found:
        fact = json.loads(item.body)
        told = fact["attributes"]
        if fact["status"] != "scheduled" and "value" in told:
            figures.append({"key": item.key, "kind": item.kind, "certainty": fact["certainty"], **{
                name: told.get(name) for name in ("value", "unit", "bound", "publisher", "vintage", "period")}})
    observed = [f for f in figures if f["kind"] != "forecast"]
    return {"value": observed[0]["value"] if len(observed) == 1 else None, "figures": figures}
