"""Was an entry on a list on a day? Yes, no with the snapshots that prove it, or not known."""

from __future__ import annotations

import json
from typing import Any

from domain.calendar import format_day, parse_day
from domain.errors import NotFound
from domain.event import parse_event_id
from domain.members import unpack
from projections.basis import Basis
from projections.certainty import run_is_certain
from projections.ports import EventLog, Facts, Found


def snapshots(facts: Facts, basis: Basis) -> dict[str, list[dict[str, Any]]]:
    """Per list, its snapshots as recorded by the basis's position and published by its known day, in order of day."""
    out: dict[str, list[dict[str, Any]]] = {}
    for found in facts.recorded_alone(basis, "coverage", "snapshot"):
        told = json.loads(found.body)["attributes"]
        if parse_day(told["day"]) <= basis.known_at:
            out.setdefault(told["topic"], []).append({"day": told["day"], "entries": told["entries"], "scope": told.get("scope", "iran"),
                                                      "because": json.loads(found.body)["because"][-1]})
    return {name: sorted(days, key=lambda s: str(s["day"])) for name, days in sorted(out.items())}


def on_list(facts: Facts, log: EventLog, basis: Basis, name: str, number: str, held: list[Found]) -> dict[str, Any]:
    """`answer` is yes, no or not_known; `before` and `after` are the snapshots on both sides of the day, and whether it is on them.

    `held` are the facts of the entry's subject on the basis. Raises NotFound for a list of which no snapshot is recorded.
    """
    taken = snapshots(facts, basis).get(name, [])
    if not taken:
        raise NotFound(f"no snapshot of {name!r} is recorded on this basis: GET /v1/lists names the lists")
    before = [s for s in taken if parse_day(s["day"]) <= basis.as_of][-1:]
    after = [s for s in taken if parse_day(s["day"]) > basis.as_of][:1]
    sides = [{"snapshot": s["day"], "on_it": _member(log, s["because"], number), "because": s["because"]} for s in (*before, *after)]
    first = sides[0] if before else None
    last = sides[-1] if after else None
    told = [item for item in held if item.key == f"listing:{name}" and item.status == "listed"]
    return {"answer": _answer(first, last, basis.as_of, told), "before": first, "after": last}


def _member(log: EventLog, event_id: str, number: str) -> bool | None:
    """Whether an entry was on the snapshot of an event; None where the event does not say who was."""
    parsed = parse_event_id(event_id)
    found = log.events([parsed]) if parsed else []
    data: Any = getattr(found[0].event.data, "data", found[0].event.data) if found else None
    try:
        return None if getattr(data, "members", None) is None else number in unpack(data.members)
    except ValueError:
        return None


def _answer(before: dict[str, Any] | None, after: dict[str, Any] | None, as_of: int, told: list[Found]) -> str:
    if before is not None and before["snapshot"] == format_day(as_of) and before["on_it"] is not None:
        return "yes" if before["on_it"] else "no"
    certain = any(run_is_certain(json.loads(item.body), as_of) for item in told)
    if before is None or after is None or None in (before["on_it"], after["on_it"]):
        return "yes" if certain and after is not None else "not_known"
    if before["on_it"] == after["on_it"] and (certain or not told):
        return "yes" if before["on_it"] else "no"
    return "yes" if certain else "not_known"
