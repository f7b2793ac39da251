"""The HTTP service: routes, problems and the OpenAPI document, put together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from math import ceil
from time import monotonic
from typing import Any

from anyio import to_thread
from fastapi import Depends, FastAPI
from fastapi.routing import APIRoute
from starlette.types import ASGIApp

from api.access import tell_access
from api.asking import known_parameters
from api.direct import Direct
from api.document import tell_exactly
from api.following import Streams, Tail
from api.head import Head
from api.kept import Kept
from api.limit import BodyLimit
from api.load import Buckets, Crowd, Gate, Gates, Queue, RateLimit
from api.metrics import Metrics
from api.problems import MEDIA_TYPE, install
from api.routes import contracts, events, exports, fred, lists, memento, operations, panel, relation, subjects, webhooks
from api.telemetry import Telemetry, log
from api.wiring import Tarikh
from domain.family import RELATION

ROUTES = (relation, operations, subjects, lists, events, panel, memento, fred, webhooks, contracts, exports)


class Service(FastAPI):
    """FastAPI, whose document tells of errors as they are: RFC 9457, and a malformed parameter is 400 and not 422."""

    def build_middleware_stack(self) -> ASGIApp:
        told = Telemetry(super().build_middleware_stack(), self.state.metrics)  # outside of what answers for unforeseen errors
        return Crowd(told, self.state.gates, self.state.metrics.turned_away)

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            document = super().openapi()
            tell_exactly(document)
            tell_access(document, self.state.routes, self.state.tarikh.settings.reads_closed)
            for methods in document["paths"].values():
                for operation in methods.values():
                    _tell_problems(operation["responses"])
        return super().openapi()


def _tell_problems(responses: dict[str, Any]) -> None:
    if "HTTPValidationError" in str(responses.get("422")):
        del responses["422"]
    for status, response in responses.items():
        if status >= "400" and "application/json" in response.get("content", {}):
            response["content"][MEDIA_TYPE] = response["content"].pop("application/json")


def create_app(tarikh: Tarikh | None = None) -> FastAPI:
    """The service on a database. The schema must be there: `tarikh init`."""
    core = tarikh or Tarikh()
    core.check()
    limits = core.settings

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        started = monotonic()
        log.info("start", **core.versions(), **await to_thread.run_sync(core.whereabouts))
        yield
        log.info("stop", seconds=round(monotonic() - started, 3))

    app = Service(
        title="Tarikh", version=str(core.versions()["tarikh"]), lifespan=lifespan, dependencies=[Depends(known_parameters)], openapi_url=None,
        summary="The point-in-time record of US-Iran policy",
        description="What was in force on any day, as it was known on any day, and why we say so. "
                    "Three clocks: `as_of` (when it holds), `known_at` (when it was public), `recorded_at` (when this log took it in).",
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        telemetry=None if limits.traced else {"tracing": False, "metrics": False, "logs": False},  # else each request looks for it in the environment
    )
    app.state.tarikh = core
    app.state.routes = [route for routes in ROUTES for route in routes.router.routes]
    app.state.metrics = Metrics(core.versions)
    install(app)
    app.state.streams = Streams(Tail(lambda: core.reader.last()[0]), limits.streams, limits.heartbeat)
    app.state.gates = Gates(Gate(limits.concurrency, limits.queue, limits.queue_crowded, limits.queue_seconds),
                            Gate(ceil(limits.concurrency / 4), ceil(limits.queue / 4), ceil(limits.queue_crowded / 4), limits.queue_seconds))
    if not limits.reads_closed and not limits.traced:
        state = next(route for route in relation.router.routes if isinstance(route, APIRoute) and route.endpoint is relation.state)
        app.add_middleware(Direct, route=state, given={"relation": RELATION})
    app.add_middleware(Kept, size=limits.kept_bytes, position=lambda: core.reader.last()[0], today=lambda: core.answers.today(),
                       quick=core.database.sqlite)
    app.add_middleware(Queue, gates=app.state.gates)
    app.add_middleware(BodyLimit, limit=limits.body_limit)
    if limits.rate_limit:
        app.add_middleware(RateLimit, buckets=Buckets(limits.rate_limit, limits.rate_burst or 2 * limits.rate_limit))
    app.add_middleware(Head)
    for routes in ROUTES:
        app.include_router(routes.router)
    return app
