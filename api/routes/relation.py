"""The relation: its state, its families, its diff and timeline, and suppositions about it."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Path, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from api import models
from api.access import READ
from api.asking import Basis, Core, Cursor, Day, Instant, Limit, Relation, documented, told, turn
from api.routes.memento import linked

RESERVED = ("as_of", "known_at", "recorded_at", "from", "to", "limit", "cursor", "checkpoint", "min_position")
router = APIRouter(tags=["relation"], dependencies=[READ])


class WhatIf(BaseModel):
    """A supposition: events left out by id, events added, and the basis."""

    model_config = ConfigDict(extra="forbid")

    as_of: str | None = None
    known_at: str | None = None
    recorded_at: str | None = None
    without: list[str] = Field(default_factory=list, max_length=1000, examples=[["agreement:jcpoa@9"]])
    add: list[dict[str, Any]] = Field(default_factory=list, max_length=100, description="events as POST /v1/events takes them")


@router.get("/v1/relations/{relation}", responses=documented(models.StateShape, "state"))
def state(request: Request, core: Core, relation: Relation, asked: Basis) -> Response:
    """The state of relations: one list of facts per family, designations as counts, and what the record covers."""
    return linked(request, asked, told(request, asked, lambda: core.answers.state(asked)))

@router.get("/v1/relations/{relation}/diff", responses=documented(models.DiffShape, "diff"))
def diff(
    request: Request, core: Core, relation: Relation,
    from_: Annotated[str, Query(alias="from", examples=["2018-05-07"])], to: Annotated[str, Query(examples=["2018-05-08"])],
    from_known_at: Day = None, to_known_at: Day = None, from_recorded_at: Instant = None, to_recorded_at: Instant = None,
) -> Response:
    """What changed between two bases: `corrected` in the record, `learned` since, `changed` from day to day."""
    body = core.answers.diff(from_, to, from_known_at, to_known_at, from_recorded_at, to_recorded_at)
    return Response(body, headers={"Cache-Control": "no-cache"}, media_type="application/json")

@router.get("/v1/relations/{relation}/timeline", responses=documented(models.TimelineShape, "timeline"))
def timeline(
    request: Request, core: Core, relation: Relation, asked: Basis,
    from_: Annotated[str | None, Query(alias="from", examples=["2018-05-01"])] = None,
    to: Annotated[str | None, Query(examples=["2018-05-31"])] = None,
    family: Annotated[str | None, Query(description="a family's list, for instance agreements")] = None,
    subject: str | None = None, limit: Limit = 200, cursor: Cursor = None,
) -> Response:
    """Events in valid order, corrected, as known on the basis. `to` is `as_of` where it is left out."""
    page, offset = turn(core, asked, cursor)
    return told(request, page, lambda: core.answers.timeline(page, from_, to, limit, offset, family, subject))

@router.post("/v1/relations/{relation}/what-if", responses=documented(models.WhatIfShape, "what-if", {422: {"model": models.ProblemShape}}))
def what_if(core: Core, relation: Relation, body: Annotated[WhatIf, Body()]) -> Response:
    """The state with events left out or added, and its diff from the record. Nothing is stored."""
    asked = core.answers.basis(body.as_of, body.known_at, body.recorded_at)
    return Response(core.answers.what_if(asked, body.without, core.events_from(body.add) if body.add else []), media_type="application/json")

@router.get("/v1/relations/{relation}/{family}", name="facts",
         responses=documented(models.FactsShape, "agreements"))
def facts(
    request: Request, core: Core, relation: Relation,
    family: Annotated[str, Path(description="the family's list, for instance agreements", examples=["agreements"])], asked: Basis,
    from_: Annotated[str | None, Query(alias="from", description="with `to`: all that held at some time between")] = None,
    to: str | None = None, limit: Limit = 200, cursor: Cursor = None,
) -> Response:
    """The facts of one family, filtered by `subject`, `key`, `kind`, `status`, `certainty`, `q` or any attribute (`attributes.to`: `to`)."""
    filters = {name.removeprefix("attributes."): value for name, value in request.query_params.items() if name not in RESERVED}
    page, offset = turn(core, asked, cursor)
    return told(request, page, lambda: core.answers.facts(page, family, filters, limit, offset, from_, to))
