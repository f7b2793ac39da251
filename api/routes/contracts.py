"""What others may rely on: JSON Schema of each event type and version, and the AsyncAPI document."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from api import models
from api.access import READ
from api.asking import documented
from api.asyncapi import asyncapi
from domain.errors import NotFound
from domain.schemas import event_schema
from projections.state import dumps

router = APIRouter(tags=["contracts"], dependencies=[READ])
SCHEMA = "application/schema+json"


@cache
def published() -> dict[str, Any]:
    """The schemas that were published: `{"event": envelope, "types": {type: schema of data}}`, old versions included."""
    told: dict[str, Any] = json.loads(files("api").joinpath("contracts", "events.json").read_text(encoding="utf-8"))
    return told


@router.get("/v1/schemas", responses=documented(models.Shape))
def schemas() -> Response:
    """Every event type and version, with the address of its schema."""
    return Response(dumps({"items": [{"type": type_, "href": f"/v1/schemas/{type_}"} for type_ in published()["types"]]}),
                    media_type="application/json")

@router.get("/v1/schemas/{type}", responses={
    200: {"content": {SCHEMA: {"schema": {"type": "object"}}}, "description": "The schema"}, 404: {"model": models.ProblemShape}})
def schema(type: str) -> Response:
    """The JSON Schema (2020-12) of one event type and version, as the feed tells such an event."""
    if (data := published()["types"].get(type)) is None:
        raise NotFound(f"there is no event type {type[:100]!r}: GET /v1/schemas lists them, with their versions")
    return Response(dumps(event_schema(published()["event"], type, data)), media_type=SCHEMA)

@router.get("/asyncapi.json", include_in_schema=False)
def asyncapi_document(request: Request) -> Response:
    """Where events go out: the AsyncAPI 3 document."""
    return Response(dumps(asyncapi(request.app.version, list(published()["types"]))), media_type="application/json")
