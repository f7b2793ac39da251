"""The catalogue for programs, and what keeps the service running."""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST

from api import models
from api.access import OPEN, READ, WATCH
from api.asking import Core, documented
from api.wiring import CATALOGUE
from domain.describe import catalogue_json
from projections.basis import format_instant
from projections.state import dumps

router = APIRouter()


@cache  # the same as long as the code is
def _catalogue() -> bytes:
    return dumps(catalogue_json(CATALOGUE))


@router.get("/v1/catalogue", tags=["catalogue"], dependencies=[READ], responses={200: {"model": models.CatalogueShape}})
def catalogue() -> Response:
    """Families, their facts and their event types: docs/families.md for programs."""
    return Response(_catalogue(), media_type="application/json")

@router.get("/v1/checkpoint", tags=["operations"], dependencies=[READ], responses=documented(models.CheckpointShape, "checkpoint"))
def checkpoint(
    core: Core, position: Annotated[int | None, Query(ge=0, le=2**62, description="the head as it was there (default: now)")] = None
) -> Response:
    """The head of the log, signed (Ed25519). Keep it outside the database: `tarikh verify --checkpoint` holds the log to it."""
    return Response(dumps(core.checkpoint(position)), headers={"Cache-Control": "no-cache"}, media_type="application/json")

@router.get("/openapi.json", include_in_schema=False, dependencies=[READ])
def document(request: Request) -> Response:
    """What can be asked, for programs."""
    return JSONResponse(request.app.openapi())

@router.get("/docs", include_in_schema=False, dependencies=[READ])
def documentation(request: Request) -> Response:
    """What can be asked, for people."""
    return get_swagger_ui_html(openapi_url=request.scope.get("root_path", "").rstrip("/") + "/openapi.json", title="Tarikh")

@router.get("/health", tags=["operations"], dependencies=[OPEN])
async def health(core: Core) -> dict[str, str | bool]:
    """That the process lives, and the versions that it runs. Asks neither the database nor a thread, which may both be busy."""
    return {"status": "ok", **core.versions()}

@router.get("/ready", tags=["operations"], dependencies=[OPEN], responses={503: {"model": models.ProblemShape}})
def ready(core: Core) -> dict[str, Any]:
    """Whether schema and log are usable. A replica is ready: `writes` tells that nothing can be recorded there, and why."""
    problem = core.ready()
    if problem is not None:
        raise HTTPException(503, problem, {"Retry-After": "5"})
    at, instant = core.reader.last()
    refused = core.refuses_writes()
    return {"status": "ready", "writes": f"no: {refused}" if refused else "yes", "position": at, "recorded_at": format_instant(instant)}

@router.get("/metrics", tags=["operations"], dependencies=[WATCH], response_class=PlainTextResponse)
async def metrics(core: Core, request: Request) -> Response:
    """Prometheus metrics of this process, and what it last knew of the database."""
    return Response(await request.app.state.metrics.page(core.condition), media_type=CONTENT_TYPE_LATEST)
