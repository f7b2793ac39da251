"""The question that is asked most, past the machinery that looks for what it does not hold.

FastAPI matches a request with every router, and works through each dependency and each parameter that might be there. A GET of the state
that gives nothing but times, each once and in plain characters, and no key, leaves nothing to judge: its endpoint is called at once.
Whatever else is asked goes the usual way, and hears there what is wrong with it.
"""

from __future__ import annotations

import re

from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send

from api.asking import Question, core_of, resolved
from api.kept import KEYS

_TIMES = frozenset({b"as_of", b"known_at", b"recorded_at"})
_PLAIN = re.compile(rb"[0-9A-Za-z:.-]+")


class Direct(BaseRoute):
    """A route to an endpoint that takes `request`, `core`, `asked` and these parameters of its path."""

    def __init__(self, route: APIRoute, **path: str) -> None:
        self.route, self.given = route, path
        self.dependant = route.dependant  # what it needs is needed here: that there is no key to look at is seen before
        self.path = route.path.format(**path)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if scope["type"] != "http" or scope["path"] != self.path or scope["method"] != "GET":
            return Match.NONE, {}
        if any(name in KEYS for name, _ in scope["headers"]) or (times := _times(scope["query_string"])) is None:
            return Match.NONE, {}
        return Match.FULL, {"route": self.route, "endpoint": self.route.endpoint, "path_params": self.given, "times": times}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        request, times = Request(scope, receive, send), scope["times"]
        core = core_of(request)
        asked = Question(lambda: resolved(core, times.get("as_of"), times.get("known_at"), times.get("recorded_at")))
        response = await run_in_threadpool(self.route.endpoint, request=request, core=core, asked=asked, **self.given)
        await response(scope, receive, send)


def _times(query: bytes) -> dict[str, str] | None:
    """The times of a query that holds nothing else."""
    times: dict[str, str] = {}
    for part in query.split(b"&") if query else ():
        name, _, value = part.partition(b"=")
        if name not in _TIMES or not _PLAIN.fullmatch(value) or (told := name.decode()) in times:
            return None
        times[told] = value.decode()
    return times
