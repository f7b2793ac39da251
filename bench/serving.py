"""What HTTP adds: the whole state, kept and worked out, against an endpoint of the same server that does nothing."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle
from statistics import median
from time import perf_counter
from typing import cast

import uvloop

from api.wiring import Settings, Tarikh
from bench.data import SPARSE, distinct, fill
from bench.measure import Target, at_least
from domain.calendar import format_day
from reliability.databases import ENGINES, databases, owned
from reliability.service import serving

ROWS, QUICK = 100_000, 10_000
CONNECTIONS = 4
NOTHING = ["/health"]


def run(quick: bool) -> Iterator[Target]:
    """Closed loops of four connections, in turns."""
    for engine in ENGINES:
        with databases(engine) as on:
            url = owned(on.fresh())
            core = Tarikh(Settings(database_url=url))
            fill(core, QUICK if quick else ROWS)
            core.close()
            states = (f"/v1/relations/IRN-USA?as_of={format_day(point.as_of)}&known_at={format_day(point.known_at)}" for point in distinct(SPARSE))
            server, client = min(os.sched_getaffinity(0)), max(os.sched_getaffinity(0))
            with serving(url, cpu=server) as (service,), on_core(client):
                yield from _compared(engine, service.port, states, 1.0 if quick else 3.0)


def _compared(engine: str, port: int, states: Iterator[str], seconds: float) -> Iterator[Target]:
    one = next(states)
    rates: dict[str, list[float]] = {"nothing": [], "kept": [], "worked out": []}
    for number in range(4):
        for name, paths in (("nothing", cycle(NOTHING)), ("kept", cycle([one])), ("worked out", states)):
            rate = uvloop.run(per_second(port, paths, seconds if name != "worked out" else seconds / 4))
            if number:
                rates[name].append(rate)
    nothing = median(rates["nothing"])
    for name, goal in (("kept", 0.6), ("worked out", 0.35)):
        rate = median(rates[name])
        yield at_least(f"the state over HTTP, {name}, against an endpoint that does nothing", engine, rate / nothing, goal,
                       f"{rate:,.0f} and {nothing:,.0f} requests a second")


@contextmanager
def on_core(cpu: int) -> Iterator[None]:
    """This thread on one core for a while: who asks and who answers do not take turns on one."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {cpu})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


async def per_second(port: int, paths: Iterator[str], seconds: float) -> float:
    """Answers a second, of four connections that ask as soon as they are answered."""
    loop, begun = asyncio.get_running_loop(), perf_counter()
    asking = [_Asking(paths, begun + seconds) for _ in range(CONNECTIONS)]
    for one in asking:
        await loop.create_connection(lambda one=one: one, "127.0.0.1", port)  # type: ignore[misc]
    await asyncio.gather(*(one.done for one in asking))
    return sum(one.answered for one in asking) / (perf_counter() - begun)


class _Asking(asyncio.Protocol):
    """A connection. It does as little as it can, for who asks must not be slower than who answers; it looks at the status alone."""

    def __init__(self, paths: Iterator[str], until: float) -> None:
        self.paths, self.until, self.answered = paths, until, 0
        self.done = asyncio.get_running_loop().create_future()
        self._seen, self._size = bytearray(), 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own
        self._ask()

    def _ask(self) -> None:
        path = next(self.paths, None)
        if path is None:
            self.done.set_exception(LookupError("the server answers faster than there are questions for it"))
            self._transport.abort()
        elif perf_counter() < self.until:
            self._transport.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        else:
            self.done.set_result(None)
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        self._seen += data
        if not self._size:
            head, end, _ = bytes(self._seen).partition(b"\r\n\r\n")
            if not end:
                return
            if b" 200 " not in head[:16]:
                self.done.set_exception(AssertionError(head))
                return self._transport.abort()
            told = re.search(rb"(?i)\r\ncontent-length: *([0-9]+)", head)
            self._size = len(head) + 4 + int(told[1]) if told else -1
        # an answer that does not tell its length comes chunk by chunk, the last one empty; JSON holds no line breaks of its own
        if len(self._seen) == self._size if self._size > 0 else self._seen.endswith(b"\r\n0\r\n\r\n"):
            self._seen, self._size = bytearray(), 0
            self.answered += 1
            self._ask()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(exc or ConnectionError("the server closed the connection"))
