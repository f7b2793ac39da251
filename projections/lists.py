"""Was an entry on a list on a day? Yes, no with the snapshots that prove it, or not known."""

from __future__ import annotations

import json
from typing import Any

from domain.calendar import format_day, parse_day
from domain.errors import NotFound
from domain.snapshots import unpack
from projections.basis import Basis
from projections.ports import EventLog, Facts, Found


def snapshots(facts: Facts, basis: Basis) -> dict[str, list[dict[str, Any]]]:
    """Per list, its snapshots as recorded by the basis's position and published by its known day, in order of day."""
    out: dict[str, list[dict[str, Any]]] = {}
    for found in facts.recorded_alone(basis._replace(known_at=1), "coverage"):
        told = json.loads(found.body)["attributes"]
        if found.kind == "snapshot" and parse_day(told["day"]) <= basis.known_at:
            out.setdefault(told["topic"], []).append({"day": told["day"], "entries": told["entries"], "scope": told.get("scope", "iran")})
    return {name: sorted(days, key=lambda s: str(s["day"])) for name, days in sorted(out.items())}


def on_list(facts: Facts, log: EventLog, basis: Basis, name: str, number: str, held: list[Found]) -> dict[str, Any]:
    """`answer` is yes, no or not_known; `before` and `after` are the snapshots on both sides of the day, and whether it is on them.

    `held` are the facts of the entry's subject on the basis. Raises NotFound for a list of which no snapshot is recorded.
    """
    days = [s["day"] for s in snapshots(facts, basis).get(name, [])]
    if not days:
        raise NotFound(f"no snapshot of {name!r} is recorded on this basis: GET /v1/lists names the lists")
    sides: dict[str, dict[str, Any] | None] = {"before": None, "after": None}
    for day in days:
        if parse_day(day) <= basis.as_of:
            sides["before"] = {"snapshot": day}
        elif sides["after"] is None:
            sides["after"] = {"snapshot": day}
    for side in sides.values():
        if side is not None:
            side["on_it"] = _member(log, name, side["snapshot"], number)
    told = [item for item in held if item.key == f"listing:{name}" and item.status == "listed"]
    return {"answer": _answer(sides["before"], sides["after"], basis.as_of, told), **sides}


def _member(log: EventLog, name: str, day: str, number: str) -> bool:
    data: Any = log.stream(f"coverage:{name}.{day}")[0].event.data
    return number in unpack(data.members)


def _answer(before: dict[str, Any] | None, after: dict[str, Any] | None, as_of: int, told: list[Found]) -> str:
    if before is not None and before["snapshot"] == format_day(as_of):
        return "yes" if before["on_it"] else "no"
    certain = any(json.loads(item.body)["certainty"] == "certain" for item in told)
    if before is None or after is None:
        return "yes" if certain and after is not None else "not_known"
    if before["on_it"] == after["on_it"] and (certain or not told):
        return "yes" if before["on_it"] else "no"
    return "yes" if certain else "not_known"
