"""The question that is asked most, past the machinery that looks for what it does not hold.

FastAPI matches a request with every router, and works through each dependency and each parameter that might be there. A GET of the state
that gives nothing but times, each once and in plain characters, and no key, leaves nothing to judge: its endpoint is called at once.
Whatever else is asked, and whatever goes wrong, goes the usual way, and hears there what is wrong with it.
"""

from __future__ import annotations

import re

from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from api.asking import Question, core_of, resolved
from api.kept import KEYS

_TIMES = frozenset({b"as_of", b"known_at", b"recorded_at"})
_PLAIN = re.compile(rb"[0-9A-Za-z:.-]+")


class Direct:
    """Calls the endpoint of a route, which takes `request`, `core`, `asked` and the parameters of its path, `given`. Inside of all limits."""

    def __init__(self, app: ASGIApp, route: APIRoute, given: dict[str, str]) -> None:
        self.app, self.route, self.given = app, route, given
        self.path = route.path.format(**given)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != self.path or scope["method"] != "GET" or (times := times_of(scope["query_string"])) is None:
            return await self.app(scope, receive, send)
        if any(name in KEYS for name, _ in scope["headers"]):
            return await self.app(scope, receive, send)
        scope["route"] = self.route
        request = Request(scope, receive, send)
        core = core_of(request)
        asked = Question(lambda: resolved(core, times.get("as_of"), times.get("known_at"), times.get("recorded_at")))
        try:
            response = await run_in_threadpool(self.route.endpoint, request=request, core=core, asked=asked, **self.given)
        except Exception:
            return await self.app(scope, receive, send)  # which tells of it
        await response(scope, receive, send)


def times_of(query: bytes) -> dict[str, str] | None:
    """The times that a query asks for; None where it holds anything else."""
    times: dict[str, str] = {}
    for part in query.split(b"&") if query else ():
        name, _, value = part.partition(b"=")
        if name not in _TIMES or not _PLAIN.fullmatch(value) or (told := name.decode()) in times:
            return None
        times[told] = value.decode()
    return times
