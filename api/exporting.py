"""What an export is asked for with, over HTTP and on the command line alike."""

from __future__ import annotations

from typing import Literal

from api.wiring import Tarikh
from domain.errors import BadQuestion
from projections.panel import HINDSIGHT, POINT_IN_TIME
from projections.question import Resolved, day

What = Literal["events", "facts", "state", "panel"]
Format = Literal["parquet", "arrow", "csv", "ndjson"]
Step = Literal["day", "week", "month", "quarter", "year"]
Mode = Literal["point_in_time", "hindsight"]
WHAT = "events: the log; facts: every box of it, with its life; state: the facts on a basis; panel: a row for each period"


class Opened:
    """An export, and the basis that it stands on."""

    def __init__(self, core: Tarikh, what: What, asked: Resolved, known_at: str | None, after: int | None = None, first: str | None = None,
                 last: str | None = None, step: Step | None = None, mode: Mode | None = None) -> None:
        """`known_at` as it was given: a panel in point_in_time is known as of its `as_of` where it was not. Raises BadQuestion."""
        periods = None
        if what != "panel":
            if given := [name for name, value in (("from", first), ("to", last), ("step", step), ("mode", mode)) if value is not None]:
                raise BadQuestion(f"{given[0]}: only a panel has periods; {what} are told on their basis")
        else:
            if first is None:
                raise BadQuestion("from: a panel needs the first day of its first period")
            if mode != HINDSIGHT and known_at is None:
                asked = asked._replace(basis=asked.basis.on(asked.basis.as_of, asked.basis.as_of))
            periods = (day("from", first), asked.basis.as_of if last is None else day("to", last), step or "month", mode or POINT_IN_TIME)
        self.asked = asked
        self.export = core.exports.open(what, asked.basis, after, periods)
