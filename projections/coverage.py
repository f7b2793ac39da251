"""Of which days the record speaks. An empty answer outside them never reads as "nothing happened"."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any, NamedTuple

from domain.calendar import format_day, parse_day
from projections.basis import Basis
from projections.ports import Facts


class Span(NamedTuple):
    """A statement of coverage: its days as ordinals, both included."""

    first: int
    last: int
    family: str
    topic: str | None
    says: str


def spans(facts: Facts, basis: Basis) -> list[Span]:
    """The coverage statements recorded by the basis's position: filtered on the recorded clock alone."""
    return [_span(found.body) for found in facts.recorded_alone(basis, "coverage", "span")]


@lru_cache(maxsize=1000)  # some dozens, which every answer tells
def _span(body: bytes) -> Span:
    told = json.loads(body)["attributes"]
    return Span(parse_day(told["first_day"]), parse_day(told["last_day"]), told["family"], told.get("topic"), told["says"])


def coverage(facts: Facts, basis: Basis, family: str | None = None) -> list[dict[str, Any]]:
    """What is covered as known on the basis, and how far the basis's day lies before or beyond it, in days.

    `last_day` is capped at `known_at`: nobody can have spoken of a day that was not over.
    """
    out = []
    for span in spans(facts, basis):
        first, last = span.first, min(span.last, basis.known_at)
        if first > last or (family is not None and span.family != family):
            continue
        out.append({
            "family": span.family, "topic": span.topic, "first_day": format_day(first), "last_day": format_day(last),
            "covers_as_of": first <= basis.as_of <= last, "days_before": max(0, first - basis.as_of),
            "days_stale": max(0, basis.as_of - last), "says": span.says,
        })
    return sorted(out, key=lambda c: (c["family"], c["topic"] or ""))
