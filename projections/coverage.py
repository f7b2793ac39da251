"""Of which days the record speaks. An empty answer outside them never reads as "nothing happened"."""

from __future__ import annotations

import json
from typing import Any

from domain.calendar import format_day, parse_day
from projections.basis import Basis
from projections.ports import Facts


def spans(facts: Facts, basis: Basis) -> list[dict[str, Any]]:
    """The attributes of the coverage statements recorded by the basis's position: filtered on the recorded clock alone."""
    found = facts.recorded_alone(basis._replace(known_at=1), "coverage")
    return [json.loads(f.body)["attributes"] for f in found if f.kind == "span"]


def coverage(facts: Facts, basis: Basis, family: str | None = None) -> list[dict[str, Any]]:
    """What is covered as known on the basis, and how far the basis's day lies before or beyond it, in days.

    `last_day` is capped at `known_at`: nobody can have spoken of a day that was not over.
    """
    out = []
    for span in spans(facts, basis):
        first, last = parse_day(span["first_day"]), min(parse_day(span["last_day"]), basis.known_at)
        if first > last or (family is not None and span["family"] != family):
            continue
        out.append({
            "family": span["family"], "topic": span.get("topic"), "first_day": format_day(first), "last_day": format_day(last),
            "covers_as_of": first <= basis.as_of <= last, "days_before": max(0, first - basis.as_of),
            "days_stale": max(0, basis.as_of - last), "says": span["says"],
        })
    return sorted(out, key=lambda c: (c["family"], c["topic"] or ""))
