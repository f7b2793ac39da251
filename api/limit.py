"""How long a body may be. Starlette's own limit answers in plain text; this one is a problem document."""

from __future__ import annotations

from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import problem


class BodyLimit:
    """Reads the body before anything is done with it, and refuses a longer one: by its Content-Length, else as soon as the limit is passed."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self.app, self.limit = app, limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        names = {name for name, _ in scope["headers"]}
        if b"content-length" not in names and b"transfer-encoding" not in names:
            return await self.app(scope, receive, send)
        headers = Headers(scope=scope)
        length, body = headers.get("content-length", ""), bytearray()
        too_long, more = length.isdecimal() and (len(length) > 18 or int(length) > self.limit), True
        while more and not too_long:
            message = await receive()
            if message["type"] != "http.request":
                return None  # the client has gone
            body += message.get("body", b"")
            more, too_long = message.get("more_body", False), len(body) > self.limit
        if too_long:
            said = f"the body is longer than {self.limit} bytes: send fewer events at a time (TARIKH_BODY_LIMIT raises the limit)"
            return await problem(413, HTTPStatus(413).phrase, said)(scope, receive, send)
        whole: list[Message] = [{"type": "http.request", "body": bytes(body), "more_body": False}]

        async def read_already() -> Message:
            return whole.pop() if whole else await receive()

        return await self.app(scope, read_already, send)
