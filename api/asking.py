"""What the routes share: the parameters of a question, its basis, and how an answer is told."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cached_property
from time import perf_counter
from typing import Annotated, Any, Literal

from fastapi import Depends, Path, Query, Request
from fastapi.responses import Response

from api import models
from api.examples import EXAMPLES, example
from api.wiring import Tarikh
from domain.errors import BadQuestion, Behind
from projections.answers import Page, decode_cursor
from projections.basis import Basis as Clocks
from projections.question import Asked, Resolved
from projections.state import dumps

Day = Annotated[str | None, Query(description="YYYY-MM-DD; a day means its end", examples=["2021-01-12"])]
Instant = Annotated[str | None, Query(description="RFC 3339 instant: the log as it stood then", examples=["2026-01-31T12:00:00Z"])]
Limit = Annotated[int, Query(ge=1, le=1000, description="items to a page")]
Cursor = Annotated[str | None, Query(description="from `next` of the page before; carries its basis")]
Relation = Annotated[Literal["IRN-USA"], Path(description="the relation")]
Responses = dict[int | str, dict[str, Any]]


def documented(shape: Any, name: str = "", more: Responses | None = None, also: dict[str, Any] | None = None) -> Responses:
    """The responses of a read, with a real answer as its example; `also` gives the schema of each other media type."""
    content: dict[str, Any] = {media_type: {"schema": schema} for media_type, schema in (also or {}).items()}
    if name in EXAMPLES:
        content["application/json"] = {"example": example(name)}
    return {200: {"model": shape, "content": content, "description": "The answer"},
            **{code: {"model": models.ProblemShape} for code in (400, 404, 409)}, **(more or {})}


def prefers(request: Request, media_type: str) -> bool:
    """Whether `Accept` names a media type, and nothing that would be JSON before it (RFC 9110, 12.5.1)."""
    asked: dict[str, float] = {}
    for part in request.headers.get("accept", "").split(","):
        name, *parameters = (text.strip() for text in part.split(";"))
        weight = next((text[2:] for text in parameters if text.startswith("q=")), "1")
        asked[name.lower()] = float(weight) if weight.replace(".", "", 1).isdecimal() else 0
    return asked.get(media_type, 0) > max(asked.get("application/json", 0) - 1e-9, 0)


async def known_parameters(request: Request) -> None:  # async: on no thread, for those may all be waiting
    """A misspelled parameter must not be passed over: `as_off=` would answer for today."""
    names = list(request.query_params.keys())
    if "\0" in f"{request.query_params}{request.path_params}" or "%00" in str(request.url):
        raise BadQuestion("a parameter holds a NUL character")
    if len(request.query_params.multi_items()) != len(names):
        raise BadQuestion("a parameter is given twice")
    route = request.scope["route"]
    if route.name == "facts":
        return  # attributes are its filters; they are checked against the family
    allowed = _allowed.get(route.endpoint)
    if allowed is None:
        allowed = _allowed[route.endpoint] = _parameters(route.dependant)
    if unknown := sorted(set(names) - allowed):
        raise BadQuestion(f"unknown parameter {unknown[0]!r}: this path takes {', '.join(sorted(allowed)) or 'none'}")


_allowed: dict[Any, set[str]] = {}  # by endpoint


def _parameters(dependant: Any) -> set[str]:
    return {field.alias for field in dependant.query_params}.union(*(_parameters(sub) for sub in dependant.dependencies))


def core_of(request: Request) -> Tarikh:
    core = request.app.state.tarikh
    assert isinstance(core, Tarikh)
    return core


async def _core(request: Request) -> Tarikh:
    return core_of(request)


Core = Annotated[Tarikh, Depends(_core)]


class Question:
    """What is asked of a request's basis. It is resolved when it is first looked at, in the thread of the route: no other is needed."""

    def __init__(self, resolve: Callable[[], Resolved]) -> None:
        self._resolve = resolve

    @cached_property
    def _resolved(self) -> Resolved:
        return self._resolve()

    @property
    def basis(self) -> Clocks:
        return self._resolved.basis

    @property
    def immutable(self) -> bool:
        return self._resolved.immutable

    @property
    def end(self) -> int:
        return self._resolved.end


async def basis(
    request: Request, core: Core, as_of: Day = None, known_at: Day = None, recorded_at: Instant = None,
    checkpoint: Annotated[bool, Query(description="with the signed checkpoint that the answer stands on")] = False,
    min_position: Annotated[int, Query(ge=0, le=2**62, description="409 unless the log has come to this position (for replicas)")] = 0,
) -> Question:
    request.state.checkpoint = checkpoint
    return Question(lambda: resolved(core, as_of, known_at, recorded_at, min_position))


def resolved(core: Tarikh, as_of: str | None, known_at: str | None, recorded_at: str | None, min_position: int = 0) -> Resolved:
    """The basis of a question. Raises BadQuestion, and Behind where the log has not come to a position."""
    asked = core.answers.basis(as_of, known_at, recorded_at)
    if min_position and (reached := core.reader.last()[0]) < min_position:
        raise Behind(f"the log is at position {reached} here, and min_position is {min_position}: ask again, or ask another server")
    return asked


Basis = Annotated[Question, Depends(basis)]


def validators(request: Request, asked: Asked, media_type: str) -> dict[str, str]:
    """The ETag of an answer (basis, projection version, code, what was asked for), and for how long it may be kept."""
    b = asked.basis
    asked_for = hashlib.sha256(f"{request.url.path}?{request.url.query} {media_type}".encode()).hexdigest()[:12]
    whose = "private" if core_of(request).settings.reads_closed else "public"  # a shared cache asks for no key
    return {"ETag": f'"{b.as_of}.{b.known_at}.{b.position}.{asked_for}.v{core_of(request).facts.version}-{request.app.version}"',
            "Cache-Control": f"{whose}, max-age=86400, immutable" if asked.immutable else "no-cache"}


def unchanged(request: Request, headers: dict[str, str]) -> bool:
    """Whether the client has the answer already."""
    return headers["ETag"] in request.headers.get("if-none-match", "").replace("W/", "").split(", ")


def told(request: Request, asked: Asked, make: Callable[[], bytes | Page], media_type: str = "application/json") -> Response:
    """The answer with its ETag and the next page's link, or 304."""
    headers = validators(request, asked, media_type)
    if unchanged(request, headers):
        return Response(status_code=304, headers=headers)
    started = perf_counter()
    made = make()
    page = made if isinstance(made, Page) else Page(made, None)
    request.app.state.metrics.as_of.labels(request.scope["route"].name).observe(perf_counter() - started)
    if page.cursor:
        url = request.url.remove_query_params(["as_of", "known_at", "recorded_at"]).include_query_params(cursor=page.cursor)
        headers["Link"] = f'<{url.path}?{url.query}>; rel="next"'
    body = page.body
    if getattr(request.state, "checkpoint", False):
        body = b'{"checkpoint":%s,%s' % (dumps(core_of(request).checkpoint(asked.basis.position)), body.removeprefix(b"{"))
    request.state.keep = asked.end  # for api.kept
    return Response(body, headers=headers, media_type=media_type)


def turn(core: Tarikh, asked: Asked, cursor: str | None) -> tuple[Asked, int]:
    """The basis and offset of a page: those of the cursor where there is one."""
    if cursor is None:
        return asked, 0
    as_of, known_at, recorded_at, offset = decode_cursor(cursor)
    return core.answers.basis(as_of, known_at, recorded_at if asked.basis.position else None), offset
