"""Answers that were given before: the same question gets the same answer while the log is where it was, and some questions get it for ever.

A study asks the same days again and again. What is kept is the whole response, so that who asks again costs no thread. Only what
`api.asking.told` answered is kept: it stands on a basis, and on nothing else but the day and the address that was asked.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any, NamedTuple

from anyio import to_thread
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.wiring import UNUSABLE

Key = tuple[Any, ...]
_ASKED = (b"accept", b"host")  # what an answer depends on beside its address
KEYS = frozenset({b"authorization", b"x-api-key"})  # a key that is sent must be looked at each time
_OF_BODY = (b"content-length", b"content-type")


class Answer(NamedTuple):
    """A response, the log position and day that it was given at, and whether it outlives them."""

    headers: list[tuple[bytes, bytes]]
    body: bytes
    tag: bytes
    route: Any
    position: int
    day: int
    immutable: bool

    @property
    def weight(self) -> int:
        """Bytes, with some for its headers and its key."""
        return len(self.body) + 2000


class Kept:
    """The answers used last, up to `size` bytes together, and none that is larger than a tenth of them.

    `position` is that of the log's end, and is asked for before an answer is given again. `quick`: it is had without waiting for a
    network, so that no thread is needed.
    """

    def __init__(self, app: ASGIApp, size: int, position: Callable[[], int], today: Callable[[], int], quick: bool) -> None:
        self.app, self.size, self.position, self.today, self.quick = app, size, position, today, quick
        self._held: OrderedDict[Key, Answer] = OrderedDict()
        self._bytes = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "GET" or not self.size:
            return await self.app(scope, receive, send)
        headers = dict(scope["headers"])
        if not KEYS.isdisjoint(headers):
            return await self.app(scope, receive, send)
        asked = tuple([header for header in scope["headers"] if header[0] in _ASKED])  # all of them: which one counts is not ours to say
        key = scope["scheme"], scope["path"], scope["query_string"], asked
        held, day = self._held.get(key), self.today()
        if held is not None and held.day == day and (held.immutable or held.position == await self._position()):
            self._held.move_to_end(key)
            scope["route"] = held.route
            return await _give(held, headers.get(b"if-none-match", b""), send)
        start: Message = {}

        async def watched(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start":
                start = message
            elif start["status"] == 200 and not message.get("more_body") and "keep" in scope.get("state", {}):
                self._keep(key, _answer(start["headers"], message.get("body", b""), scope, day))
            await send(message)

        await self.app(scope, receive, watched)

    async def _position(self) -> int | None:
        try:
            return self.position() if self.quick else await to_thread.run_sync(self.position)
        except UNUSABLE:
            return None  # whoever works the answer out will tell of it

    def _keep(self, key: Key, answer: Answer) -> None:
        if answer.weight > self.size // 10:
            return
        if before := self._held.pop(key, None):
            self._bytes -= before.weight
        self._held[key] = answer  # at the end
        self._bytes += answer.weight
        while self._bytes > self.size:
            self._bytes -= self._held.popitem(last=False)[1].weight


def _answer(headers: list[tuple[bytes, bytes]], body: bytes, scope: Scope, day: int) -> Answer:
    told = dict(headers)
    immutable = b"immutable" in told.get(b"cache-control", b"")
    return Answer(list(headers), body, told[b"etag"], scope.get("route"), scope["state"]["keep"], day, immutable)


async def _give(answer: Answer, known: bytes, send: Send) -> None:
    if answer.tag in known.replace(b"W/", b"").split(b", "):
        await send({"type": "http.response.start", "status": 304, "headers": [h for h in answer.headers if h[0] not in _OF_BODY]})
        await send({"type": "http.response.body", "body": b""})
        return
    await send({"type": "http.response.start", "status": 200, "headers": list(answer.headers)})
    await send({"type": "http.response.body", "body": answer.body})
