"""The catalogue for programs, and what keeps the service running."""

from __future__ import annotations

import platform
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, generate_latest

from api import models
from api.asking import Core, documented
from api.wiring import CATALOGUE
from domain.describe import catalogue_json
from projections.basis import format_instant
from projections.state import dumps

router = APIRouter()


class Metrics:
    """Counters of this process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.recorded = Counter("tarikh_events_recorded", "Events recorded by this process", registry=self.registry)
        self.rejected = Counter("tarikh_writes_rejected", "Writes refused by this process", registry=self.registry)
        self.position = Gauge("tarikh_log_position", "Position of the last event", registry=self.registry)

    def page(self, position: int) -> bytes:
        """The metrics in Prometheus text form."""
        self.position.set(position)
        return generate_latest(self.registry)


@router.get("/v1/catalogue", tags=["catalogue"])
def catalogue() -> Response:
    """Families, their facts and their event types: docs/families.md for programs."""
    return Response(dumps(catalogue_json(CATALOGUE)), media_type="application/json")

@router.get("/v1/checkpoint", tags=["operations"], responses=documented(models.CheckpointShape, "checkpoint", {
    404: {"model": models.ProblemShape}, 503: {"model": models.ProblemShape}}))
def checkpoint(
    core: Core, position: Annotated[int | None, Query(ge=0, le=2**62, description="the head as it was there (default: now)")] = None
) -> Response:
    """The head of the log, signed (Ed25519). Keep it outside the database: `tarikh verify --checkpoint` holds the log to it."""
    return Response(dumps(core.checkpoint(position)), headers={"Cache-Control": "no-cache"}, media_type="application/json")

@router.get("/health", tags=["operations"])
def health(core: Core, request: Request) -> dict[str, str]:
    """That the process lives, and the versions that it runs."""
    return {"status": "ok", "tarikh": request.app.version, "python": platform.python_version(), **core.versions()}

@router.get("/ready", tags=["operations"], responses={503: {"model": models.ProblemShape}})
def ready(core: Core) -> dict[str, Any]:
    """Whether schema and log are usable."""
    problem = core.ready()
    if problem is not None:
        raise HTTPException(503, problem, {"Retry-After": "5"})
    at, instant = core.reader.last()
    return {"status": "ready", "position": at, "recorded_at": format_instant(instant)}

@router.get("/metrics", tags=["operations"])
def metrics(core: Core, request: Request) -> Response:
    """Prometheus metrics."""
    return Response(request.app.state.metrics.page(core.reader.last()[0]), media_type=CONTENT_TYPE_LATEST)
