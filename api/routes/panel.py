"""The panel: a row for each period, with the state at its end as numbers and labels."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from api import models
from api.access import READ
from api.asking import Basis, Core, Day, documented, told
from projections.panel import COLUMNS, HINDSIGHT, panel
from projections.question import Resolved, day
from projections.state import dumps

router = APIRouter(tags=["panel"], dependencies=[READ])
Mode = Annotated[Literal["point_in_time", "hindsight"], Query(
    description="each row as known at its own end; or all rows as known on `known_at`")]


@router.get("/v1/panel", responses=documented(models.PanelShape, "panel"))
def rows(
    request: Request, core: Core, asked: Basis, from_: Annotated[str, Query(alias="from", examples=["2018-01-01"])],
    to: Annotated[str, Query(examples=["2018-12-31"])],
    step: Annotated[str, Query(description="day, week, month, quarter or year")] = "month", mode: Mode = "point_in_time", known_at: Day = None,
) -> Response:
    """A row for each period that lies wholly between the days and is over on the basis. In point_in_time `known_at` is `as_of` where it is left
    out, and each row is as known at its own end."""
    at = asked.basis
    if mode != HINDSIGHT and known_at is None:
        at = at.on(at.as_of, at.as_of)
    first, last = day("from", from_), day("to", to)
    return told(request, Resolved(at, asked.immutable, asked.end),
                lambda: panel(core.answers.store, core.answers.relation, at, first, last, step, mode))


@router.get("/v1/panel/columns", responses={200: {"model": models.PanelColumnsShape}})
def columns() -> Response:
    """The columns of the panel, each with the definition that makes it."""
    return Response(dumps({"columns": [column._asdict() for column in COLUMNS]}), media_type="application/json")
