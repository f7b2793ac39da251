"""What the service says of itself: a line for each request and for what matters in between, all through one pipe.

Lines carry neither keys nor bodies nor query strings. Nothing that a request holds can begin a line of its own: JSON escapes it, and the
renderer for terminals escapes what cannot be printed and indents tracebacks.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import uuid
from contextvars import ContextVar
from http import HTTPStatus
from time import perf_counter, time_ns
from typing import Any, Literal, TextIO

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.typing import EventDict, Processor

from api.metrics import Metrics
from projections.basis import format_instant

WRITES = frozenset({"/v1/events"})  # where a POST records
PATH_LIMIT, TRACEBACK_LIMIT = 1000, 20_000  # characters to a line
_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")
# version 00 is 55 characters long; later ones may go on after another dash; ff is none
_TRACE = re.compile(rb"(?!ff|00.{54})[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?")
_IDS = ("request_id", "trace_id")
_new_id = getattr(uuid, "uuid7", uuid.uuid4)  # version 7 sorts by time; Python has it from 3.14
_request: ContextVar[dict[str, Any] | None] = ContextVar("request", default=None)  # threads see the same dict: contexts are copied into them

# Its own chain, so that a line is a record of the standard library wherever nothing is configured: tests, other people's programs.
_logger = logging.getLogger("tarikh")
log: structlog.stdlib.BoundLogger = structlog.wrap_logger(
    _logger, wrapper_class=structlog.stdlib.BoundLogger, cache_logger_on_first_use=True,
    processors=[structlog.stdlib.filter_by_level, structlog.stdlib.ProcessorFormatter.wrap_for_formatter])


def request_id() -> str | None:
    """The id of the request that is being answered; None outside of one."""
    request = _request.get()
    return None if request is None else str(request["request_id"])


def note(**what: Any) -> None:
    """Adds to the line of the request that is being answered, for instance the id of its key: note(key=...)."""
    request = _request.get()
    if request is not None:
        request.update(what)


# ---------------------------------------------------------------- lines
def configure(level: str = "info", form: Literal["json", "console"] | None = None, stream: TextIO | None = None) -> None:
    """Sends our lines from `level` up, and the libraries' from `warning` up, to a stream (standard error): one JSON object to a line, or
    words for people where it is a terminal or `form` says so."""
    to = stream or sys.stderr
    console = form == "console" or (form is None and to.isatty())
    last: list[Processor] = [_printable, structlog.dev.ConsoleRenderer(
        colors=to.isatty(), sort_keys=False, exception_formatter=structlog.dev.plain_traceback)] if console else [structlog.processors.JSONRenderer()]
    handler = logging.StreamHandler(to)
    chain: list[Processor] = [structlog.processors.format_exc_info, _head, structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last]
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processors=chain) if console else _Json(processors=chain))
    handler.addFilter(_not_told_before)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("tarikh").setLevel(level.upper())
    logging.captureWarnings(True)


class _Json(structlog.stdlib.ProcessorFormatter):
    """Lines of requests, of which there is one for each, without the chain: the same line for a tenth of the time."""

    def format(self, record: logging.LogRecord) -> str:
        if isinstance(record.msg, dict) and record.msg.get("event") == "request" and record.name == _logger.name:
            return _encoded(_head(None, record.levelname.lower(), record.msg.copy()))
        return super().format(record)


_encoded = json.JSONEncoder(default=repr).encode


def _head(_: Any, level: str, event: EventDict) -> EventDict:
    """What every line begins with; the request that it belongs to."""
    head: EventDict = {"timestamp": format_instant(time_ns() // 1000), "level": level, "event": event.pop("event")}
    if not event.get("_from_structlog", True):
        head["logger"] = event["_record"].name
    request = _request.get()
    if request is not None:
        head.update({name: request[name] for name in _IDS if name in request})
    if "exception" in event:
        event["exception"] = event["exception"][-TRACEBACK_LIMIT:]
    head.update(event)
    return head


def _printable(_: Any, __: str, event: EventDict) -> EventDict:
    """For terminals: no line breaks, escape sequences or changes of direction but our own."""
    traceback = event.pop("exception", None)
    safe = {name: _escaped(value) if isinstance(value, str) else value for name, value in event.items()}
    if traceback is not None:
        safe["exception"] = "\n".join(f"    | {_escaped(line)}" for line in traceback.split("\n"))
    return safe


def _escaped(text: str) -> str:
    return text if text.isprintable() else "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _not_told_before(record: logging.LogRecord) -> bool:
    """uvicorn tells of what a request raised as well; Telemetry did, with its request."""
    return not (record.name == "uvicorn.error" and record.getMessage().startswith("Exception in ASGI application"))


# ---------------------------------------------------------------- requests
class Telemetry:
    """Gives each request its id, its line and its place in the metrics. Outermost, so that every answer has passed it."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app, self.metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        request = _identity(scope)
        header = (b"x-request-id", request["request_id"].encode())
        status, size, answered = 0, 0, None
        started = perf_counter()

        async def counted(message: Message) -> None:
            nonlocal status, size, answered
            if message["type"] == "http.response.start":
                status, answered = message["status"], perf_counter() - started
                message = {**message, "headers": [*message.get("headers", ()), header]}
            elif message["type"] == "http.response.body":
                size += len(message.get("body", b""))
            await send(message)

        token = _request.set(request)
        try:
            await self.app(scope, receive, counted)
        except Exception as error:
            log.error("failed", method=scope["method"], route=_route(scope), exc_info=error)
            raise
        finally:
            whole = perf_counter() - started
            route = _route(scope)
            self.metrics.answered(scope["method"], route, status, whole if answered is None else answered)  # a stream may go on for days
            self._tell(scope, route, request, status, size, whole)
            _request.reset(token)

    def _tell(self, scope: Scope, route: str, request: dict[str, Any], status: int, size: int, seconds: float) -> None:
        method = scope["method"]
        if status >= 400 and method == "POST" and scope["path"] in WRITES:
            self.metrics.rejected(status)
            log.info("rejected", reason=request.get("reason") or HTTPStatus(status).phrase, status=status)
        level = logging.INFO if status < 500 else logging.WARNING
        if not _logger.isEnabledFor(level):
            return
        client = scope.get("client")
        line = {"event": "request", "method": method, "route": route, "path": scope["path"][:PATH_LIMIT], "status": status or None,
                "milliseconds": round(seconds * 1000, 3), "bytes": size, "client": client[0] if client else None}
        line.update({name: value for name, value in request.items() if name not in _IDS})
        # as `log` would have it handled, which looks through the stack for who called, and copies what it is given twice
        record = logging.LogRecord(_logger.name, level, __file__, 0, line, (), None)
        record._logger, record._name = _logger, record.levelname.lower()  # by these structlog knows its own
        _logger.handle(record)


def _identity(scope: Scope) -> dict[str, Any]:
    """The client's X-Request-ID if it is harmless, else a new one; the trace of a well-formed `traceparent` (W3C Trace Context)."""
    asked = _only(scope, b"x-request-id")
    request = {"request_id": asked.decode() if asked and _ID.fullmatch(asked) else str(_new_id())}
    if (parent := _only(scope, b"traceparent")) and (trace := _TRACE.fullmatch(parent)):
        request["trace_id"] = trace[1].decode()
    return request


def _only(scope: Scope, name: bytes) -> bytes:
    """The value of a header that came once; else nothing."""
    values = [value for key, value in scope["headers"] if key == name]
    return values[0] if len(values) == 1 else b""


def _route(scope: Scope) -> str:
    """The template of the path. `unmatched`: there is no such path, or the request was refused before anybody looked for it."""
    if route := scope.get("route"):
        return str(route.path)
    # FastAPI's own pages name no route, and have no parameters: their path is their template
    return str(scope["path"]) if scope.get("endpoint") and not scope.get("path_params") else "unmatched"
