"""An event as it goes out: as the doors show it, and as a CloudEvent."""

from __future__ import annotations

from typing import Any

from domain.calendar import format_day
from domain.event import Logged
from projections.basis import format_instant

SOURCE = "/v1/events"
ONE, BATCH = "application/cloudevents+json", "application/cloudevents-batch+json"  # media types


def event_json(item: Logged) -> dict[str, Any]:
    """An event as the doors show it: its id and place in the log, then what was recorded."""
    return {"id": item.id, "position": item.position, "recorded_at": format_instant(item.recorded_at), **item.event.content()}


def cloudevent(item: Logged) -> dict[str, Any]:
    """The event in the JSON format of CloudEvents 1.0 (structured mode); `time` is when it was recorded.

    `sequence` is its position (the Sequence extension: in order as text). `validfrom`, the first day from which it may hold, and
    `knownat`, the day from which it was known, are extensions of our own; a retraction has no `validfrom`.
    """
    told = event_json(item)
    valid = {"validfrom": format_day(item.event.span.lo)} if item.event.effective else {}
    return {"specversion": "1.0", "id": item.id, "source": SOURCE, "type": item.event.type, "subject": item.event.subject,
            "time": told["recorded_at"], "datacontenttype": "application/json", "dataschema": f"/v1/schemas/{item.event.type}",
            "sequence": f"{item.position:019d}", **valid, "knownat": format_day(item.event.known_day), "data": told}
