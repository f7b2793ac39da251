"""A figure: what was measured, beside its goal."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

OUT = Path("build/reliability.json")
Figure = dict[str, Any]  # name, figure, goal, met, and what else tells how it came about


def figure(name: str, value: float | str, goal: str, met: bool, **about: Any) -> Figure:
    """A figure; `goal` in words, `about` what it was measured on."""
    return {"name": name, "figure": value, "goal": goal, "met": met, **about}


def line(told: Figure) -> str:
    """A figure as a line of the table."""
    about = ", ".join(f"{key.replace('_', ' ')} {_short(value)}" for key, value in told.items() if key not in ("name", "figure", "goal", "met"))
    return f"{'met   ' if told['met'] else 'MISSED'}  {told['name']:<58} {_short(told['figure']):>10}  goal {told['goal']:<28}  {about}"


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.2f}"
    if isinstance(value, dict) and len(value) > 5:
        return f"of {len(value)} kinds"
    if isinstance(value, list):
        return f"{len(value)}: {value[0]}" if value else "none"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def write(figures: Iterable[Figure]) -> None:
    """Writes build/reliability.json."""
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps(list(figures), indent=1, default=str) + "\n", encoding="utf-8")
