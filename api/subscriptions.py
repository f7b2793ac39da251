"""Subscriptions and what waits for them, as the doors show them."""

from __future__ import annotations

from typing import Any

from api.wiring import Subscription
from projections.basis import format_instant


def told(item: Subscription, secret: bool = False, **more: Any) -> dict[str, Any]:
    """A subscription as the doors show it."""
    shown = {"id": item.id, "url": item.url, "types": item.types, "subjects": item.subjects, "position": item.position,
             "created_at": format_instant(item.created_at), "stopped": item.stopped}
    return {**shown, **({"secret": item.secrets[0]} if secret else {}), **more}


def letter(row: dict[str, Any]) -> dict[str, Any]:
    """What waits, or was given up, as the doors show it."""
    return {"position": row["position"], "event": row["event_id"], "subject": row["subject"], "attempts": row["attempts"], "error": row["error"],
            "next_at": format_instant(row["next_at"]) if row["next_at"] else None,
            "dead_at": format_instant(row["dead_at"]) if row["dead_at"] else None}
