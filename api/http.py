"""The HTTP service: routes, problems and the OpenAPI document, put together."""

from __future__ import annotations

from importlib.metadata import version as package_version
from typing import Any

from fastapi import Depends, FastAPI

from api.asking import known_parameters
from api.head import Head
from api.limit import BodyLimit
from api.problems import MEDIA_TYPE, install
from api.routes import events, lists, operations, relation, subjects
from api.wiring import Tarikh


class Service(FastAPI):
    """FastAPI, whose document tells of errors as they are: RFC 9457, and a malformed parameter is 400 and not 422."""

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            for methods in super().openapi()["paths"].values():
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
    app = Service(
        title="Tarikh", version=package_version("tarikh"), dependencies=[Depends(known_parameters)], redoc_url=None,
        summary="The point-in-time record of US-Iran policy",
        description="What was in force on any day, as it was known on any day, and why we say so. "
                    "Three clocks: `as_of` (when it holds), `known_at` (when it was public), `recorded_at` (when this log took it in).",
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
    )
    app.state.tarikh = core
    app.state.metrics = operations.Metrics()
    install(app)
    app.add_middleware(BodyLimit, limit=core.settings.body_limit)
    app.add_middleware(Head)
    for routes in (relation, subjects, lists, events, operations):
        app.include_router(routes.router)
    return app
