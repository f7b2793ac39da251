"""How long a body may be. Starlette's own limit answers in plain text; this one is a problem document."""

from __future__ import annotations

from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import problem


class BodyLimit:
    """Refuses a longer body: by its Content-Length before anything is read, else as soon as the limit is passed."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self.app, self.limit = app, limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        said = f"the body is longer than {self.limit} bytes: send fewer events at a time (TARIKH_BODY_LIMIT raises the limit)"
        length = Headers(scope=scope).get("content-length", "")
        if length.isdecimal() and (len(length) > 18 or int(length) > self.limit):
            return await problem(413, HTTPStatus(413).phrase, said)(scope, receive, send)
        seen = 0

        async def limited() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self.limit:
                raise HTTPException(413, said)
            return message

        return await self.app(scope, limited, send)
