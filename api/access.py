"""Who may ask what. Each route says which scope it needs, with one of OPEN, READ, RECORD, ADMIN and WATCH among its dependencies."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import Depends, HTTPException, Request
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers

from api.problems import MEDIA_TYPE
from api.telemetry import note
from api.wiring import Key, Tarikh

SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "an API key: `Authorization: Bearer tarikh_...`"},
    "key": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "an API key"},
}
PROBLEM = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemShape"}}}


@dataclass(frozen=True)
class Needs:
    """A dependency: the scope that a route needs, always or only where reads are closed. Gives the key of the request.

    A key that is sent must stand, also where none is needed: its holder hears of it at once.
    """

    scope: str | None
    always: bool = False

    def enforced(self, reads_closed: bool) -> bool:
        return self.scope is not None and (self.always or reads_closed)

    async def __call__(self, request: Request) -> Key | None:
        core: Tarikh = request.app.state.tarikh
        given, enforced = given_key(request.headers), self.enforced(core.settings.reads_closed)
        if self.scope is None or not (given or enforced):
            return None
        key = await run_in_threadpool(core.key_of, given) if given else None
        if key is None:
            if enforced and not await run_in_threadpool(core.has_keys):
                raise HTTPException(403, "this service has no API key yet: make one with `tarikh keys create`, or set TARIKH_API_KEY")
            if not given:
                raise HTTPException(401, "no API key: send `Authorization: Bearer <key>`", {"WWW-Authenticate": "Bearer"})
            raise HTTPException(401, "the API key is not valid", {"WWW-Authenticate": 'Bearer error="invalid_token"'})
        request.state.key = key.id
        note(key=key.id)
        if enforced and not key.allows(self.scope):
            raise HTTPException(403, f"this needs scope {self.scope}, and the API key has {' and '.join(key.scopes)}",
                                {"WWW-Authenticate": f'Bearer error="insufficient_scope", scope="{self.scope}"'})
        return key


OPEN = Depends(Needs(None))  # anybody, whatever key is sent: that the process lives is not to depend on the database
READ = Depends(Needs("read"))
RECORD = Depends(Needs("record", always=True))
ADMIN = Depends(Needs("admin", always=True))
WATCH = Depends(Needs("admin"))  # how much is asked and recorded is nobody's business where reads are closed
Recorder = Annotated[Key, RECORD]


def given_key(headers: Headers) -> str:
    """The key that came with a request, or nothing."""
    scheme, _, bearer = headers.get("authorization", "").partition(" ")
    return headers.get("x-api-key") or (bearer.strip() if scheme.lower() == "bearer" else "")


def needs_of(route: object) -> Needs | None:
    """What a route declares, or None where it declares nothing."""
    dependencies = route.dependant.dependencies if hasattr(route, "dependant") else ()
    return next((dependency.call for dependency in dependencies if isinstance(dependency.call, Needs)), None)


def tell_access(document: dict[str, Any], routes: Iterable[Any], reads_closed: bool) -> None:
    """Writes into an OpenAPI document which key each operation takes; an empty requirement says that it may be left out."""
    document["components"]["securitySchemes"] = SCHEMES
    for route in routes:
        needs = needs_of(route)
        if needs is None or needs.scope is None:
            continue
        enforced = needs.enforced(reads_closed)
        told = document["paths"].get(route.path_format, {})
        for operation in [told[method.lower()] for method in route.methods if method.lower() in told]:
            operation["security"] = [*([] if enforced else [{}]), *({name: [needs.scope]} for name in SCHEMES)]
            for status in (401, 403, 429, 503) if enforced else (401, 429, 503):
                operation["responses"].setdefault(str(status), {"description": HTTPStatus(status).phrase, "content": PROBLEM})
