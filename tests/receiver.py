"""A receiver of webhooks on loopback: verifies what it gets with the Standard Webhooks library, and answers as it is told."""

from __future__ import annotations

import json
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any

from standardwebhooks import Webhook, WebhookVerificationError


class Receiver:
    """Keeps every message that it accepted, in the order of arrival."""

    def __init__(self, answer: Callable[[dict[str, Any]], int] = lambda _: 204) -> None:
        self.secrets: list[str] = []
        self.accepted: list[tuple[str, dict[str, Any]]] = []  # (webhook-id, CloudEvent)
        self.refused = 0
        lock = Lock()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(handler) -> None:  # noqa: N805
                body = handler.rfile.read(int(handler.headers["content-length"]))
                with lock:
                    status = 401 if not self.verified(body, dict(handler.headers)) else answer(json.loads(body))
                    if status < 300:
                        self.accepted.append((handler.headers["webhook-id"], json.loads(body)))
                    else:
                        self.refused += 1
                handler.send_response(status)
                handler.send_header("content-length", "0")
                handler.end_headers()

            def log_message(self, *_: object) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"
        self.thread = Thread(target=self.server.serve_forever)

    def verified(self, body: bytes, headers: dict[str, str]) -> bool:
        for secret in self.secrets:
            try:
                Webhook(secret).verify(body, headers)
            except WebhookVerificationError:
                continue
            return True
        return False

    def once(self) -> list[dict[str, Any]]:
        """What arrived, without what came twice under one id."""
        first: dict[str, dict[str, Any]] = {}
        for id_, event in self.accepted:
            first.setdefault(id_, event)
        return list(first.values())

    def __enter__(self) -> Receiver:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()
