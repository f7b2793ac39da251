"""`tarikh serve` as a process, and a client that sends requests over its own connection."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from random import uniform
from subprocess import Popen, TimeoutExpired
from tempfile import mkstemp
from time import monotonic, sleep
from typing import Any, NamedTuple

from tests.postgres import free_port

TARIKH = Path(sys.executable).with_name("tarikh")
KEY = secrets.token_urlsafe(32)
START_SECONDS = 60
PATIENCE = 120  # seconds that a client tries again


class Service:
    """A process that serves a database; `cpu` is the core it is pinned to, `settings` are environment variables."""

    def __init__(self, url: str, cpu: int | None = None, **settings: str) -> None:
        self.url, self.cpu, self.port = url, cpu, free_port()
        self._environment = {**os.environ, "TARIKH_DATABASE_URL": url, "TARIKH_API_KEY": KEY, **settings}
        handle, name = mkstemp(prefix="tarikh-serve-")
        os.close(handle)
        self._output = Path(name)
        self.start()

    def start(self) -> None:
        """Starts it on its port, and waits until it is ready."""
        command = [str(TARIKH), "serve", "--port", str(self.port)]
        with self._output.open("ab") as output:
            self.process = Popen(command, env=self._environment, stdout=output, stderr=output, start_new_session=True)
        if self.cpu is not None:
            self.pin(self.cpu)
        until = monotonic() + START_SECONDS
        while not self._ready():
            if self.process.poll() is not None or monotonic() > until:
                said = self.output()[-2000:]
                self.stop()
                raise RuntimeError(f"tarikh serve did not come up (exit code {self.process.returncode}): {said}")
            sleep(0.02)

    def pin(self, cpu: int) -> None:
        """Keeps all of its threads, and those that it starts from now on, on one core."""
        for thread in Path(f"/proc/{self.process.pid}/task").iterdir():
            os.sched_setaffinity(int(thread.name), {cpu})

    def _ready(self) -> bool:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/ready")
            return connection.getresponse().status == 200
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()

    def output(self) -> str:
        """What it has printed."""
        return self._output.read_text("utf-8", "replace")

    def kill(self) -> None:
        """SIGKILL, and waits until it is gone."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(10)
        except TimeoutExpired:
            self.kill()
        self._output.unlink(missing_ok=True)


@contextmanager
def serving(url: str, count: int = 1, cpu: int | None = None, **settings: str) -> Iterator[list[Service]]:
    """So many processes that serve one database."""
    services: list[Service] = []
    try:
        for _ in range(count):
            services.append(Service(url, cpu, **settings))
        yield services
    finally:
        for service in services:
            service.stop()


# ---------------------------------------------------------------- requests
class Answer(NamedTuple):
    """`headers` by their names in small letters."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


def got(path: str) -> bytes:
    """A GET as bytes."""
    return f"GET {path} HTTP/1.1\r\nHost: t\r\n\r\n".encode()


def posted(body: Any, **headers: str) -> bytes:
    """A POST of events as bytes; `if_match` stands for the header If-Match."""
    data = json.dumps(body).encode()
    told = {"authorization": f"Bearer {KEY}", "content-type": "application/json", "content-length": str(len(data)), **headers}
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in told.items())
    return f"POST /v1/events HTTP/1.1\r\nHost: t\r\n{lines}\r\n".encode() + data


class Client:
    """One connection that is kept alive, and opened again where it was lost."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def send(self, request: bytes) -> Answer:
        """The answer to a request. Raises ConnectionError where the connection broke: the request may have been done or not."""
        try:
            if self._streams is None:
                self._streams = await asyncio.open_connection("127.0.0.1", self.port)
            reader, writer = self._streams
            writer.write(request)
            lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:-2])}
            answer = Answer(int(lines[0].split(" ", 2)[1]), headers, await reader.readexactly(int(headers["content-length"])))
        except (OSError, asyncio.IncompleteReadError) as error:
            self.close()
            raise ConnectionError(str(error)) from None
        except BaseException:  # given up in the middle: what comes next on this connection answers another request
            self.close()
            raise
        if headers.get("connection") == "close":
            self.close()
        return answer

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].transport.abort()
            self._streams = None


class Stubborn:
    """A client that sends a request again until it is answered, as Retry-After says."""

    def __init__(self, port: int) -> None:
        self.client = Client(port)
        self.refused = self.broken = 0

    async def send(self, request: bytes) -> Answer:
        """The first answer that is not 429 or 503. Raises TimeoutError after `PATIENCE`."""
        async with asyncio.timeout(PATIENCE):
            while True:
                try:
                    answer = await self.client.send(request)
                except ConnectionError:
                    self.broken += 1
                    await asyncio.sleep(0.02)
                    continue
                if answer.status not in (429, 503):
                    return answer
                self.refused += 1
                await asyncio.sleep(float(answer.headers["retry-after"]) * uniform(1, 1.5))  # each its own moment

    def close(self) -> None:
        self.client.close()
