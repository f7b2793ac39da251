"""How much is let in: a rate for each key or address, and a short line before the work. Who is over the limit is told so at once."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable
from ipaddress import IPv6Address, IPv6Network, ip_address
from itertools import count
from math import ceil
from time import monotonic
from typing import NamedTuple

from anyio import Event, move_on_after
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.access import given_key
from api.problems import problem
from api.telemetry import log

WATCHED = frozenset({"/health", "/ready", "/metrics"})  # answered also while all else is refused
CALM = 1.0  # seconds
PATIENCE = 0.25  # seconds that one gate waits for the other


class Buckets:
    """Token buckets by name: `rate` tokens a second, at most `burst`. Beyond `most` names the one unused for longest is forgotten."""

    def __init__(self, rate: float, burst: float, clock: Callable[[], float] = monotonic, most: int = 10_000) -> None:
        self.rate, self.burst, self.clock, self.most = rate, burst, clock, most
        self._held: dict[str, tuple[float, float]] = {}  # name -> (tokens, when), the last used last

    def take(self, name: str) -> float:
        """Takes a token. What is left of the bucket; below 0: what it lacks, and then none was taken."""
        now = self.clock()
        tokens, at = self._held.pop(name, (self.burst, now))
        tokens = min(self.burst, tokens + (now - at) * self.rate)
        left = tokens - 1
        self._held[name] = (tokens if left < 0 else left, now)
        if len(self._held) > self.most:
            del self._held[next(iter(self._held))]
        return left


class RateLimit:
    """So many requests a second by key, else by address: 429 beyond.

    A request counts for its key once that key was found good, for then only its holder can use it up; until then, and where it is not,
    for its address. So neither guessing keys nor making them up gets around the limit.
    """

    def __init__(self, app: ASGIApp, buckets: Buckets) -> None:
        self.app, self.buckets = app, buckets
        self._good: dict[bytes, str] = {}  # digest of a key -> its id; says whose bucket it is, and nothing of what the key may
        self._policy = f'"requests";q={buckets.burst:.0f};w={ceil(buckets.burst / buckets.rate)}'

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in WATCHED:
            return await self.app(scope, receive, send)
        key = given_key(Headers(scope=scope))
        digest = hashlib.sha256(key.encode()).digest() if key else b""
        left = self.buckets.take(self._good.get(digest) or address(scope))
        full = ceil((self.buckets.burst - max(left, 0)) / self.buckets.rate)
        headers = {"RateLimit-Policy": self._policy, "RateLimit": f'"requests";r={max(left, 0):.0f};t={full}'}
        if left < 0:
            wait = ceil(-left / self.buckets.rate)
            said = f"{self.buckets.rate:g} requests a second, and {self.buckets.burst:g} at once: go on in {wait} s (TARIKH_RATE_LIMIT)"
            return await problem(429, "Too Many Requests", said, headers | {"Retry-After": str(wait)})(scope, receive, send)

        async def telling(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(headers)
            await send(message)

        state = scope.setdefault("state", {})
        await self.app(scope, receive, telling)
        if key and (id_ := state.get("key")):
            self._good[digest] = id_
            if len(self._good) > self.buckets.most:
                del self._good[next(iter(self._good))]


def address(scope: Scope) -> str:
    """The client's address; of IPv6 the network of 64 bits, for that is what one client has."""
    host = scope["client"][0] if scope.get("client") else ""
    try:
        ip = ip_address(host.partition("%")[0])
    except ValueError:
        return host
    return str(IPv6Network((ip, 64), strict=False)) if isinstance(ip, IPv6Address) and ip.ipv4_mapped is None else str(ip)


class Ticket(NamedTuple):
    """A place in line."""

    number: int
    turn: Event


_numbers = count()


class Gate:
    """So many at work at once and so many in line, first come first served, none in line for longer than `seconds`.

    The line may be long while all who come are let in: a burst, or a client with many connections, is served in a moment. Once somebody had
    to be refused more come than can be served. Then, for `CALM` seconds, the line is `short`, for a long one would only make everybody wait;
    and one works at a time, of this gate and the `other` together, for threads at work share an interpreter with each other and with the
    loop that refuses: the more of them, the longer each takes.
    """

    other: Gate | None = None

    def __init__(self, places: int, line: int, short: int, seconds: float, clock: Callable[[], float] = monotonic) -> None:
        self.places, self.line, self.short, self.seconds, self.clock = places, line, min(short, line), seconds, clock
        self.at_work = 0
        self._line: deque[Ticket] = deque()
        self._refused = float("-inf")

    @property
    def waiting(self) -> int:
        return len(self._line)

    def crowded(self) -> bool:
        """Whether who comes now finds neither a place nor room in line, and so is refused."""
        if self._free() or self.waiting < self.short:
            return False
        if self.waiting < self.line and self._calm():
            return False
        self._refused = self.clock()
        return True

    async def enter(self) -> bool:
        """Takes a place, which `leave` gives back. False: there is none, and the line is full or was too slow."""
        if self._free() and not self._line:
            self.at_work += 1
            return True
        if self.crowded():
            return False
        ticket = Ticket(next(_numbers), Event())
        self._line.append(ticket)
        try:
            with move_on_after(min(PATIENCE, self.seconds)):
                await ticket.turn.wait()
            if not ticket.turn.is_set() and not self.at_work:  # the other gate has been slow: a write that waits for the log keeps no reader
                self._let_in(ticket)
            with move_on_after(max(self.seconds - PATIENCE, 0)):
                await ticket.turn.wait()
        except BaseException:  # whoever waited has gone
            if ticket.turn.is_set():
                self.leave()
            else:
                self._line.remove(ticket)
            raise
        if not ticket.turn.is_set():
            self._line.remove(ticket)
            return False
        return True

    def leave(self) -> None:
        self.at_work -= 1
        gates = [self] if self.other is None else [self, self.other]
        while ready := [gate for gate in gates if gate._line and gate._free()]:
            gate = min(ready, key=lambda gate: gate._line[0].number)  # who came first, through whichever gate
            gate._let_in(gate._line[0])

    def _let_in(self, ticket: Ticket) -> None:
        self._line.remove(ticket)
        self.at_work += 1
        ticket.turn.set()

    def _free(self) -> bool:
        if self._calm():
            return self.at_work < self.places
        others = self.other.at_work if self.other is not None and self.short else 0  # where nobody may wait, nobody waits for the other
        return self.at_work + others < 1

    def _calm(self) -> bool:
        refused = max(self._refused, self.other._refused if self.other is not None else self._refused)
        return self.clock() - refused > CALM


class Gates:
    """One for reads and one for writes: writers who wait for the log keep nobody from reading."""

    def __init__(self, reads: Gate, writes: Gate) -> None:
        self.reads, self.writes = reads, writes
        reads.other, writes.other = writes, reads

    def of(self, scope: Scope) -> Gate | None:
        """The gate of a request, None where it needs none. A supposition is asked by POST, and changes nothing."""
        if scope["type"] != "http" or scope["path"] in WATCHED:
            return None
        reads = scope["method"] in ("GET", "HEAD", "OPTIONS") or scope["path"].endswith("/what-if")
        return self.reads if reads else self.writes


class Crowd:
    """Outermost: refuses at the price of some bytes while a gate is crowded, for ten times too much must cost less than the work itself.

    So these answers carry no request id and have no line of their own in the log: one line tells how many they were.
    """

    def __init__(self, app: ASGIApp, gates: Gates, refused: Callable[[str, int], None], clock: Callable[[], float] = monotonic) -> None:
        self.app, self.gates, self.refused, self.clock = app, gates, refused, clock
        self._since, self._count = clock(), 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        gate = self.gates.of(scope)
        if gate is None or not gate.crowded():
            return await self.app(scope, receive, send)
        await send(_REFUSED_START)
        await send(_REFUSED_BODY if scope["method"] != "HEAD" else _NO_BODY)
        self.refused(scope["method"], 503)
        self._count += 1
        if (now := self.clock()) - self._since >= 1:
            log.warning("crowded", refused=self._count, seconds=round(now - self._since, 3))
            self._since, self._count = now, 0


class Queue:
    """Lets requests through their gate. Inside of BodyLimit, which has read the body: a slow sender holds no place.

    A place is held until the answer is there, or begins to be streamed: what has no end has limits of its own.
    """

    def __init__(self, app: ASGIApp, gates: Gates) -> None:
        self.app, self.gates = app, gates

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        gate = self.gates.of(scope)
        if gate is None:
            return await self.app(scope, receive, send)
        if not await gate.enter():
            return await _refusal()(scope, receive, send)
        held = True

        async def sending(message: Message) -> None:
            nonlocal held
            if held and message.get("more_body"):
                held = False
                gate.leave()
            await send(message)

        try:
            await self.app(scope, receive, sending)
        finally:
            if held:
                gate.leave()


def _refusal() -> Response:
    return problem(503, "Too many requests at once", "nothing was done: ask again in a moment", {"Retry-After": "1"})


_REFUSED_START: Message = {"type": "http.response.start", "status": 503, "headers": _refusal().raw_headers}
_REFUSED_BODY: Message = {"type": "http.response.body", "body": _refusal().body}
_NO_BODY: Message = {"type": "http.response.body", "body": b""}
