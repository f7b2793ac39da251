"""The HTTP service: routes, problems and the OpenAPI document, put together."""

from __future__ import annotations

from importlib.metadata import version as package_version

from fastapi import Depends, FastAPI

from api.asking import known_parameters
from api.problems import install
from api.routes import events, operations, relation, subjects
from api.wiring import Tarikh


def create_app(tarikh: Tarikh | None = None) -> FastAPI:
    """The service on a database. The schema must be there: `tarikh init`."""
    core = tarikh or Tarikh()
    app = FastAPI(
        title="Tarikh", version=package_version("tarikh"), dependencies=[Depends(known_parameters)], redoc_url=None,
        summary="The point-in-time record of US-Iran policy", max_body_size=core.settings.body_limit,
        description="What was in force on any day, as it was known on any day, and why we say so. "
                    "Three clocks: `as_of` (when it holds), `known_at` (when it was public), `recorded_at` (when this log took it in).",
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
    )
    app.state.tarikh = core
    app.state.metrics = operations.Metrics()
    install(app)
    for routes in (relation, subjects, events, operations):
        app.include_router(routes.router)
    return app
