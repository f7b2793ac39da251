"""Errors become RFC 9457 problem documents here, and nowhere else."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from api.telemetry import log, note, request_id
from api.wiring import PersistenceError, trouble
from domain.errors import BadQuestion, Behind, Busy, Conflict, Invalid, KeyReused, NotFound, Refused, TarikhError, WrongVersion

STATUS: dict[type[TarikhError], tuple[int, str]] = {
    BadQuestion: (400, "The question is malformed"),
    NotFound: (404, "Not there on this basis"),
    Refused: (409, "Refused: the timeline would be impossible"),
    Conflict: (409, "The record_id is taken"),
    WrongVersion: (412, "The subject has moved on"),
    Invalid: (422, "The event is not well formed"),
    KeyReused: (422, "The Idempotency-Key was used for another request"),
    Busy: (503, "Too many writers at once"),
    Behind: (409, "The log has not come so far here"),
}
MEDIA_TYPE = "application/problem+json"

UNREADABLE = "There was an error parsing the body"  # FastAPI's words for what is not UTF-8, too deep, or out of range


def problem(status: int, title: str, detail: str, headers: dict[str, str] | None = None, **more: Any) -> Response:
    """An RFC 9457 problem document."""
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail, **more}
    if (id_ := request_id()) is not None:
        body["request_id"] = id_
    text = json.dumps(body, ensure_ascii=False).encode("utf-8", "backslashreplace")  # a lone surrogate is told as it was sent
    return Response(text, status, headers=headers, media_type=MEDIA_TYPE)


async def _ours(_: Request, error: Exception) -> Response:
    note(reason=type(error).__name__)
    status, title = STATUS[type(error)]  # type: ignore[index]
    return problem(status, title, str(error), {"Retry-After": "1"} if isinstance(error, (Busy, Behind)) else None)


async def _malformed(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    note(reason="Malformed")
    parts = []
    for item in error.errors():
        if item["type"] == "json_invalid":
            return problem(400, "The request is malformed", f"the body is no JSON: {item['ctx']['error']} at character {item['loc'][-1]}")
        if item["loc"][0] == "path":
            return problem(404, "Not there", f"there is no such {item['loc'][1]}: {item['msg']}")
        where = ".".join(str(part) for part in item["loc"][1:]) or str(item["loc"][0])
        parts.append(f"{where}: {item['msg']}")
    return problem(400, "The request is malformed", "; ".join(parts[:5]))


def _allowed(request: Request) -> str:
    """The methods of every route of the path: the router tells those of the first alone (RFC 9110, 10.2.1)."""
    methods = {method for route in request.app.state.routes if route.path == request.scope["route"].path for method in route.methods}
    return ", ".join(sorted(methods | ({"HEAD"} if "GET" in methods else set())))


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    headers = {**(error.headers or {}), **({"Allow": _allowed(request)} if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED else {})}
    title = HTTPStatus(error.status_code).phrase
    detail = f"{title}: /docs lists what can be asked" if error.detail == title else error.detail
    if detail == UNREADABLE:
        detail = "the body is no JSON in UTF-8, is nested too deep or has a number out of range"
    return problem(error.status_code, title, detail, headers)


async def _storage(_: Request, error: Exception) -> Response:
    text = str(error)
    note(reason=type(error).__name__)
    log.error("failed", error=text.partition("\n")[0])
    match trouble(error):
        case "full":
            return problem(507, "Disk full", "nothing was recorded; reads go on. Make room and try again")
        case "read-only":
            return problem(503, "The database is read-only", "nothing was recorded; reads go on", {"Retry-After": "60"})
        case "busy":
            return problem(503, "The database is busy", "nothing was recorded: try again", {"Retry-After": "1"})
        case _:
            return problem(503, "The database does not answer", "try again; if it stays so, `tarikh init` may be needed", {"Retry-After": "5"})


async def _unforeseen(_: Request, error: Exception) -> Response:
    note(reason=type(error).__name__)
    return problem(500, "Unforeseen", f"this is a fault of the service ({type(error).__name__}); nothing was recorded")


def install(app: FastAPI) -> None:
    """Maps every error that a route may raise."""
    for cls in STATUS:
        app.add_exception_handler(cls, _ours)
    app.add_exception_handler(RequestValidationError, _malformed)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(PersistenceError, _storage)
    app.add_exception_handler(Exception, _unforeseen)

