"""What HTTP adds: the whole state, kept and worked out, against an endpoint of the same server that does nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from itertools import cycle
from statistics import median
from time import perf_counter

from api.wiring import Settings, Tarikh
from bench.data import SPARSE, fill, points
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
            days = [(format_day(point.as_of), format_day(point.known_at)) for point in points(SPARSE, 4000)]
            states = [f"/v1/relations/IRN-USA?as_of={as_of}&known_at={known_at}" for as_of, known_at in days]
            with serving(url) as (service,):
                yield from _compared(engine, service.port, states, 1.0 if quick else 3.0)


def _compared(engine: str, port: int, states: list[str], seconds: float) -> Iterator[Target]:
    fresh = iter(states)  # none of them is asked twice
    rates: dict[str, list[float]] = {"nothing": [], "kept": [], "worked out": []}
    for number in range(4):
        for name, paths in (("nothing", cycle(NOTHING)), ("kept", cycle(states[:1])), ("worked out", fresh)):
            rate = asyncio.run(per_second(port, paths, seconds if name != "worked out" else seconds / 4))
            if number:
                rates[name].append(rate)
    nothing = median(rates["nothing"])
    for name, goal in (("kept", 0.6), ("worked out", 0.35)):
        rate = median(rates[name])
        yield at_least(f"the state over HTTP, {name}, against an endpoint that does nothing", engine, rate / nothing, goal,
                       f"{rate:,.0f} and {nothing:,.0f} requests a second")


async def per_second(port: int, paths: Iterator[str], seconds: float) -> float:
    """Answers a second, of four connections that ask as soon as they are answered."""
    begun = perf_counter()
    answers = await asyncio.gather(*(_ask(port, paths, begun + seconds) for _ in range(CONNECTIONS)))
    return sum(answers) / (perf_counter() - begun)


async def _ask(port: int, paths: Iterator[str], until: float) -> int:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**24)
    answered = 0
    while perf_counter() < until:
        writer.write(f"GET {next(paths)} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        assert b" 200 " in head[:16], head
        await _body(reader, head)
        answered += 1
    writer.close()
    return answered


async def _body(reader: asyncio.StreamReader, head: bytes) -> None:
    """Reads to the end of an answer, of which the length was told in its head, or is told chunk by chunk."""
    if b"content-length:" in head:
        await reader.readexactly(int(head.partition(b"content-length:")[2].partition(b"\r\n")[0]))
        return
    while size := int(await reader.readuntil(b"\r\n"), 16):
        await reader.readexactly(size + 2)
    await reader.readexactly(2)
