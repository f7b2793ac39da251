"""Ten times more than a service can answer: what it takes on is answered as fast as ever, the rest is refused at once.

The service (and PostgreSQL) run on one core, the load on another. Requests arrive at random moments at a given rate whether or not
earlier ones were answered, and each latency counts from the moment at which the request was due: a service that stalls, or a
connection that is waited for, is not left out of the figures (no coordinated omission).
"""

from __future__ import annotations

import asyncio
import gc
import os
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from random import Random
from time import perf_counter

from api.wiring import Settings, Tarikh
from domain.calendar import format_day, parse_day
from reliability.databases import ENGINES, Databases, databases
from reliability.figures import Figure, figure
from reliability.kills import processes
from reliability.races import observed
from reliability.service import Service, got, posted, serving
from reliability.writers import SOURCES

TIMES = 10
WITHIN = 3.0  # times the normal p99
SPARE = 1.0  # percent of the requests that a service with half its work may refuse: a line that is too short would make the rest easy
CONNECTIONS = 1000  # at most; what is due while all of them wait for answers waits too, and its latency counts
AT_ONCE = (1, 2, 4, 8)  # connections with which the capacity is looked for: more may be refused, and then show less
HUNG = 15.0  # seconds without an answer
WRITES = 0.05  # of the requests
FIRST, LAST = parse_day("1979-01-01"), parse_day("2025-12-31")
PATHS = ("", "/agreements", "/designations", "/negotiations", "/incidents", "/programs")


def run(long: bool) -> Iterator[Figure]:
    """20 seconds of overload on each engine."""
    for engine in ENGINES:
        with databases(engine) as on:
            yield from overload(on, 20.0 if long else 3.0)


# ---------------------------------------------------------------- what is asked
def requests(random: Random) -> Iterator[tuple[str, bytes]]:
    """Reads of random days about the project's own record, and some writes; which of the two, and the bytes."""
    for number in count():
        if random.random() < WRITES:
            day = format_day(parse_day("2020-01-01") + number % 365)
            yield "write", posted({**observed("0"), "subject": f"indicator:load-{number}", "effective": day, "known": day, "until": None,
                                   "data": {**observed("0")["data"], "period": None}, "sources": SOURCES})
        else:
            as_of, known_at = sorted(format_day(random.randint(FIRST, LAST)) for _ in range(2))
            yield "read", got(f"/v1/relations/IRN-USA{random.choice(PATHS)}?as_of={as_of}&known_at={known_at}")


# ---------------------------------------------------------------- the load
@dataclass
class Load:
    """What became of the requests of one run."""

    offered: int = 0
    seconds: float = 0.0
    statuses: Counter[int] = field(default_factory=Counter)
    accepted: list[float] = field(default_factory=list)  # seconds from when each was due
    refused: list[float] = field(default_factory=list)
    late: list[float] = field(default_factory=list)  # the generator's own: from when a request was due to when it was sent
    broken: int = 0  # connections that ended without an answer
    without_retry_after: int = 0
    hung: int = 0

    def take(self, status: int, retry_after: bool, latency: float) -> None:
        self.statuses[status] += 1
        (self.accepted if status < 300 else self.refused).append(latency)
        self.without_retry_after += status in (429, 503) and not retry_after


def percentile(values: list[float], share: float) -> float:
    """In milliseconds; 0 where there is none."""
    return 1000 * sorted(values)[min(int(len(values) * share), len(values) - 1)] if values else 0.0


class Connection(asyncio.Protocol):
    """One request after another; `ended` is called after each answer, and where the connection is lost.

    A service closes connections that were idle for some seconds. A request that meets that moment is sent again on a new connection, as
    any client does; its latency goes on. One that gets no answer on a new connection is a broken promise.
    """

    def __init__(self, load: Load, ended: Callable[[Connection, bool], None], again: Callable[[bytes, float], None] | None = None) -> None:
        self.load, self.ended, self.again = load, ended, again
        self.due: float | None = None
        self.lost = False
        self._used = False
        self._request = self._data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def send(self, request: bytes, due: float) -> None:
        self.due, self._request, self._data = due, request, b""
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._data += data
        head = self._data.find(b"\r\n\r\n")
        if head < 0 or self.due is None:
            return
        headers = self._data[:head].lower()
        length = int(headers.partition(b"content-length:")[2].partition(b"\r\n")[0])
        if len(self._data) >= head + 4 + length:
            due, self.due, self._used = self.due, None, True
            self.load.take(int(headers[9:12]), b"retry-after:" in headers, perf_counter() - due)
            self.ended(self, b"connection: close" not in headers)

    def connection_lost(self, error: Exception | None) -> None:
        self.lost = True
        if self.due is not None:
            due, self.due = self.due, None
            if self._used and not self._data and self.again:
                self.again(self._request, due)
            else:
                self.load.broken += 1
            self.ended(self, False)


class Generator:
    """Sends requests when they are due, over connections that it opens as it needs them."""

    def __init__(self, port: int, random: Random) -> None:
        self.port, self.random = port, random
        self.load = Load()
        self._requests = requests(random)
        self._idle: list[Connection] = []
        self._waiting: deque[tuple[bytes, float]] = deque()
        self._at_work = 0
        self._opening: set[asyncio.Task[None]] = set()

    async def closed(self, connections: int, seconds: float) -> float:
        """Answers a second where each of some connections asks again as soon as it is answered: the capacity."""
        self.load = Load()
        until = perf_counter() + seconds

        def ended(connection: Connection, alive: bool) -> None:
            if perf_counter() < until and alive:
                connection.send(next(self._requests)[1], perf_counter())

        loop = asyncio.get_running_loop()
        opened = [await loop.create_connection(lambda: Connection(self.load, ended), "127.0.0.1", self.port) for _ in range(connections)]
        for _, connection in opened:
            connection.send(next(self._requests)[1], perf_counter())
        await asyncio.sleep(seconds + 0.25)
        for transport, _ in opened:
            transport.close()
        return len(self.load.accepted) / seconds

    async def open(self, rate: float, seconds: float) -> Load:
        """Offers so many requests a second, at moments that do not know of each other (a Poisson process)."""
        self.load = Load(seconds=seconds)
        begun = perf_counter()
        due = begun + self.random.expovariate(rate)
        while due < begun + seconds:
            if (left := due - perf_counter()) > 0:
                await asyncio.sleep(left)
            elif self.load.offered % 20 == 0:
                await asyncio.sleep(0)  # behind: answers must be read all the same
            self.load.offered += 1
            self._send(next(self._requests)[1], due)
            due += self.random.expovariate(rate)
        until = perf_counter() + HUNG
        while (self._at_work or self._waiting) and perf_counter() < until:
            await asyncio.sleep(0.01)
        self.load.hung = self._at_work + len(self._waiting)
        for connection in self._idle:
            connection.transport.close()
        self._idle.clear()
        return self.load

    def _send(self, request: bytes, due: float) -> None:
        while self._idle:
            connection = self._idle.pop()
            if not connection.lost:
                self._at_work += 1
                self.load.late.append(perf_counter() - due)
                connection.send(request, due)
                return
        if self._at_work < CONNECTIONS:
            self._open(request, due)
        else:
            self._waiting.append((request, due))

    def _open(self, request: bytes, due: float) -> None:
        self._at_work += 1
        task = asyncio.get_running_loop().create_task(self._connect(request, due))
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    async def _connect(self, request: bytes, due: float) -> None:
        try:
            _, connection = await asyncio.get_running_loop().create_connection(
                lambda: Connection(self.load, self._ended, self._open), "127.0.0.1", self.port)
        except OSError:
            self.load.broken += 1
            self._at_work -= 1
            return
        connection.send(request, due)

    def _ended(self, connection: Connection, alive: bool) -> None:
        self._at_work -= 1
        if alive:
            self._idle.append(connection)
        else:
            connection.transport.close()
        if self._waiting:
            self._send(*self._waiting.popleft())


# ---------------------------------------------------------------- the run
@contextmanager
def _core(number: int) -> Iterator[None]:
    """This process on one core, without pauses of its own garbage collector."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {number})
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        os.sched_setaffinity(0, before)


def overload(on: Databases, seconds: float) -> Iterator[Figure]:
    """On the project's own record."""
    url = on.fresh()
    core = Tarikh(Settings(database_url=url))
    core.load()
    core.close()
    if on.server is not None and on.server.process is not None:
        for pid in (on.server.process.pid, *processes(on.server.process.pid)):
            os.sched_setaffinity(pid, {_cores()[0]})
    with serving(url, cpu=_cores()[0]) as (service,):
        yield from offer(on.engine, service, seconds, Random())


def offer(engine: str, service: Service, seconds: float, random: Random) -> Iterator[Figure]:
    """Capacity, the normal p99 at half of it, then ten times the capacity, then the normal again."""
    cores = _cores()
    service.pin(cores[0])
    with _core(cores[-1]):
        capacity, normal, over, after = asyncio.run(_run(service, seconds, random))
    yield from _figures(engine, capacity, normal, over, after)


def _cores() -> list[int]:
    return sorted(os.sched_getaffinity(0))


async def _run(service: Service, seconds: float, random: Random) -> tuple[float, Load, Load, Load]:
    generator = Generator(service.port, random)
    each = min(seconds, 8.0) / len(AT_ONCE)
    await generator.closed(AT_ONCE[-1], each)  # warm
    capacity = max([await generator.closed(connections, each) for connections in AT_ONCE])
    normal = await generator.open(capacity / 2, seconds)
    over = await generator.open(capacity * TIMES, seconds)
    after = await generator.open(capacity / 2, seconds / 2)
    return capacity, normal, over, after


def _figures(engine: str, capacity: float, normal: Load, over: Load, after: Load) -> Iterator[Figure]:
    usual, crowded, later = (percentile(load.accepted, 0.99) for load in (normal, over, after))
    ratio = crowded / usual
    others = {status: number for status, number in over.statuses.items() if status not in (200, 201, 429, 503)}
    yield figure(f"overload on {engine}: p99 of accepted requests, times the normal", round(ratio, 2), f"at most {WITHIN:g}", ratio <= WITHIN,
                 capacity_per_second=round(capacity), normal_p50_ms=round(percentile(normal.accepted, 0.5), 1), normal_p99_ms=round(usual, 1),
                 offered_per_second=round(over.offered / over.seconds), accepted_per_second=round(len(over.accepted) / over.seconds),
                 p50_ms=round(percentile(over.accepted, 0.5), 1), p99_ms=round(crowded, 1), seconds=over.seconds,
                 refused_p99_ms=round(percentile(over.refused, 0.99), 1), sent_late_p99_ms=round(percentile(over.late, 0.99), 1))
    astray = sum(others.values()) + over.broken + over.hung + over.without_retry_after
    yield figure(f"overload on {engine}: neither answered nor told when to come back", astray, "0", not astray,
                 refused=len(over.refused), other_statuses=others, broken=over.broken, hung=over.hung, without_retry_after=over.without_retry_after)
    share = 100 * len(normal.refused) / max(normal.offered, 1)
    yield figure(f"overload on {engine}: refused at half of the capacity, %", round(share, 2), f"at most {SPARE:g}", share <= SPARE,
                 offered=normal.offered, refused=len(normal.refused))
    yield figure(f"overload on {engine}: p99 afterwards, times the normal", round(later / usual, 2), f"at most {WITHIN:g}",
                 later <= WITHIN * usual and not after.hung, p99_ms=round(later, 1), refused=len(after.refused))
