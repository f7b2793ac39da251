"""How much is let in: rates, gates and sizes. Who is over a limit hears of it at once, and is told when to come back."""

from __future__ import annotations

import json
import re
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event, Semaphore
from typing import Any
from urllib.parse import urlsplit

import anyio
import pytest
from fastapi.responses import StreamingResponse
from fastapi.testclient import TestClient

from api.http import create_app
from api.load import Buckets, Gate, Gates, address
from api.wiring import Settings, Tarikh
from tests.api.ask import HERE, answer, concluded, position, problem, withdrew
from tests.conftest import KEY
from tests.databases import Files
from tests.serving import serving

EVENTS = "/v1/events"
HOLDER = {"X-API-Key": KEY}
JSON = {**HOLDER, "Content-Type": "application/json"}
FAR = 20  # seconds: nobody waits that long, unless the test fails


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def serve(sqlite: Files) -> Iterator[Callable[..., TestClient]]:
    """Makes services with the given settings. The database does not matter here."""
    made: list[Any] = []

    def make(**settings: Any) -> TestClient:
        core = Tarikh(Settings(database_url=sqlite.fresh(), api_key=KEY, **settings))
        http = TestClient(create_app(core))
        http.__enter__()
        made.append((http, core))
        return http

    yield make
    for http, core in made:
        http.__exit__()
        core.close()


# ---------------------------------------------------------------- rates
def test_a_bucket_holds_a_burst_and_fills_at_its_rate() -> None:
    clock = Clock()
    buckets = Buckets(2, 5, clock)
    assert [buckets.take("a") for _ in range(6)] == [4, 3, 2, 1, 0, -1]
    assert buckets.take("a") == -1  # who is refused loses nothing more
    clock.now += 0.5
    assert buckets.take("a") == 0
    clock.now += 3600
    assert buckets.take("a") == 4


def test_each_name_has_a_bucket_of_its_own() -> None:
    buckets = Buckets(1, 1, Clock())
    assert [buckets.take(name) for name in "abab"] == [0, 0, -1, -1]


def test_only_so_many_buckets_are_remembered_those_used_last() -> None:
    buckets = Buckets(1, 1, Clock(), most=100)
    for i in range(1000):
        buckets.take(f"{i}")
        buckets.take("always")
    assert len(buckets._held) == 100
    assert buckets.take("always") < 0
    assert buckets.take("999") < 0


@pytest.mark.parametrize(("host", "name"), [
    ("192.0.2.7", "192.0.2.7"), ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"), ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
    ("fe80::1%eth0", "fe80::/64"), ("testclient", "testclient")])
def test_one_client_is_one_address_and_of_ipv6_one_network(host: str, name: str) -> None:
    assert address({"client": (host, 1)}) == name


def test_a_client_without_an_address_has_a_name_too() -> None:
    assert address({"client": None}) == address({}) == ""


def test_ipv4_clients_behind_a_dual_socket_do_not_share_a_bucket() -> None:
    assert address({"client": ("::ffff:192.0.2.7", 1)}) != address({"client": ("::ffff:192.0.2.8", 1)})


def test_over_the_rate_it_is_told_when_to_go_on(serve: Callable[..., TestClient]) -> None:
    http = serve(rate_limit=1, rate_burst=3)
    asked = [http.get("/v1/catalogue")]
    while asked[-1].status_code == 200:  # three of them, and one for each second that has gone by
        asked.append(http.get("/v1/catalogue"))
    *good, over = asked
    assert len(good) >= 3
    assert good[0].headers["RateLimit"] == '"requests";r=2;t=1'
    assert all(re.fullmatch('"requests";r=[0-2];t=[1-3]', response.headers["RateLimit"]) for response in good)
    assert {response.headers["RateLimit-Policy"] for response in good} == {'"requests";q=3;w=3'}
    assert "1 requests a second" in problem(over, 429)
    assert over.headers["Retry-After"] == "1"
    assert over.headers["RateLimit"] == '"requests";r=0;t=3'


def test_a_burst_is_what_comes_in_two_seconds_unless_it_is_set(serve: Callable[..., TestClient]) -> None:
    assert serve(rate_limit=7).get(EVENTS).headers["RateLimit-Policy"] == '"requests";q=14;w=2'


def test_without_a_limit_nothing_is_told_of_one(client: TestClient) -> None:
    assert "RateLimit" not in client.get(EVENTS).headers


def test_who_watches_is_never_limited(serve: Callable[..., TestClient]) -> None:
    http = serve(rate_limit=1, rate_burst=1)
    assert Counter(http.get(path).status_code for path in ("/health", "/ready", "/metrics") * 5) == {200: 15}


def test_a_good_key_has_a_bucket_of_its_own(serve: Callable[..., TestClient]) -> None:
    http = serve(rate_limit=1, rate_burst=2)
    http.get(EVENTS, headers=HOLDER)  # counts for the address, for the key was not known to be good
    problem([http.get(EVENTS) for _ in range(2)][-1], 429)
    assert [http.get(EVENTS, headers=HOLDER).status_code for _ in range(3)] == [200, 200, 429]


def test_making_up_keys_does_not_get_around_the_limit(serve: Callable[..., TestClient]) -> None:
    http = serve(rate_limit=1, rate_burst=5)
    told = [http.post(EVENTS, headers={"X-API-Key": f"tarikh_{i:012x}_{'A' * 43}"}, json=concluded()).status_code for i in range(12)]
    assert Counter(told) == {401: 5, 429: 7}


# ---------------------------------------------------------------- gates
def test_who_waits_is_let_in_in_the_order_of_coming() -> None:
    async def run() -> list[int]:
        gate, order = Gate(1, 10, 10, FAR), list[int]()
        assert await gate.enter()

        async def come(i: int) -> None:
            assert await gate.enter()
            order.append(i)
            gate.leave()

        async with anyio.create_task_group() as group:
            for i in range(10):
                group.start_soon(come, i)
                await anyio.wait_all_tasks_blocked()
            assert gate.crowded()
            assert not await gate.enter()
            gate.leave()
        assert not gate.crowded()
        return order

    assert anyio.run(run) == list(range(10))


def test_nobody_waits_longer_than_is_said() -> None:
    async def run() -> None:
        gate = Gate(1, 10, 10, 0.01)
        assert await gate.enter()
        assert not await gate.enter()
        assert gate.waiting == 0
        gate.leave()
        assert await gate.enter()

    anyio.run(run)


def test_who_goes_away_while_waiting_takes_no_place() -> None:
    async def run() -> None:
        gate = Gate(1, 10, 10, FAR)
        assert await gate.enter()
        async with anyio.create_task_group() as group:
            group.start_soon(gate.enter)
            await anyio.wait_all_tasks_blocked()
            assert gate.waiting == 1
            group.cancel_scope.cancel()
        assert gate.waiting == 0
        gate.leave()
        assert await gate.enter()

    anyio.run(run)


class Stuck:
    """Requests that stay at work until they are let go."""

    def __init__(self, http: TestClient) -> None:
        self.http, self.entered, self.go, self.asked = http, Semaphore(0), Event(), list[Future[Any]]()
        app: Any = http.app
        app.get("/stuck")(self.stay)
        app.post("/stuck")(self.stay)
        self.pool = ThreadPoolExecutor(40)

    def stay(self) -> None:
        self.entered.release()
        assert self.go.wait(FAR)

    def fill(self, count: int, method: str = "GET") -> None:
        """So many are at work."""
        self.ask(count, method)
        assert all(self.entered.acquire(timeout=FAR) for _ in range(count))

    def ask(self, count: int, method: str = "GET") -> None:
        self.asked += [self.pool.submit(self.http.request, method, "/stuck") for _ in range(count)]

    def wait_for_a_line(self, gate: Gate, count: int) -> None:
        """So many stand in line."""
        async def stands() -> None:
            with anyio.fail_after(FAR):
                while gate.waiting < count:
                    await anyio.sleep(0.001)

        anyio.run(stands)


@contextmanager
def stuck(http: TestClient) -> Iterator[Stuck]:
    held = Stuck(http)
    try:
        yield held
    finally:
        held.go.set()
        held.pool.shutdown()
    assert {request.result().status_code for request in held.asked} <= {200}


def gate_of(http: TestClient, name: str) -> Gate:
    app: Any = http.app
    gate = getattr(app.state.gates, name)
    assert isinstance(gate, Gate)
    return gate


def test_where_the_line_is_full_it_is_told_at_once_and_those_in_line_are_answered(serve: Callable[..., TestClient]) -> None:
    http = serve(concurrency=2, queue=3, queue_seconds=FAR)
    with stuck(http) as held:
        held.fill(2)
        held.ask(3)
        held.wait_for_a_line(gate_of(http, "reads"), 3)
        for path in (EVENTS, HERE, "/v1/nowhere", "/openapi.json"):
            response = http.get(path)
            assert "in a moment" in problem(response, 503)
            assert response.headers["Retry-After"] == "1"
        bare = http.head(EVENTS)
        assert (bare.status_code, bare.content, bare.headers["Retry-After"]) == (503, b"", "1")
    assert len(held.asked) == 5
    assert answer(http, EVENTS)


def test_who_waited_in_vain_is_told_so(serve: Callable[..., TestClient]) -> None:
    http = serve(concurrency=1, queue=5, queue_seconds=0.02)
    with stuck(http) as held:
        held.fill(1)
        response = http.get(EVENTS)
        assert "in a moment" in problem(response, 503)
        assert response.headers["Retry-After"] == "1"
        assert response.headers["X-Request-ID"]


def test_who_watches_stands_in_no_line(serve: Callable[..., TestClient]) -> None:
    http = serve(concurrency=1, queue=0)
    with stuck(http) as held:
        held.fill(1)
        assert [http.get(path).status_code for path in ("/health", "/ready", "/metrics", EVENTS)] == [200, 200, 200, 503]


def test_writers_keep_nobody_from_reading_nor_readers_from_writing(serve: Callable[..., TestClient]) -> None:
    http = serve(concurrency=1, queue=0)
    with stuck(http) as held:
        held.fill(1, "POST")
        assert answer(http, EVENTS) == {"events": []}
        assert http.post(f"{HERE}/what-if", json={}).status_code == 200
        problem(http.post(EVENTS, json=concluded(), headers=HOLDER), 503)
    http = serve(concurrency=1, queue=0)
    with stuck(http) as held:
        held.fill(1, "GET")
        problem(http.post(f"{HERE}/what-if", json={}), 503)
        assert http.post(EVENTS, json=concluded(), headers=HOLDER).status_code == 201


def test_those_turned_away_are_counted_and_told_of_in_one_line(serve: Callable[..., TestClient], caplog: pytest.LogCaptureFixture) -> None:
    http, clock = serve(concurrency=1, queue=0), Clock()
    with stuck(http) as held:
        held.fill(1)
        app: Any = http.app
        app.middleware_stack.clock = clock
        app.middleware_stack._since = clock.now
        for _ in range(4):
            http.get(EVENTS)
        clock.now += 2
        http.get(EVENTS)
        told = [record.msg for record in caplog.records if isinstance(record.msg, dict) and record.msg.get("event") == "crowded"]
        assert [(line["refused"], line["seconds"]) for line in told] == [(5, 2.0)]
        counted = [line for line in http.get("/metrics").text.splitlines() if 'status="503"' in line and "requests_total" in line]
        assert len(counted) == 1
        assert counted[0].endswith(" 5.0")


def test_what_is_streamed_holds_no_place(serve: Callable[..., TestClient]) -> None:
    http, more = serve(concurrency=1, queue=0), Event()
    app: Any = http.app

    def parts() -> Iterator[bytes]:
        yield b"one"
        assert more.wait(FAR)
        yield b"two"

    app.get("/parts")(lambda: StreamingResponse(parts()))
    with ThreadPoolExecutor(1) as pool, serving(app) as url:
        at = urlsplit(url)
        with socket.create_connection((at.hostname, at.port or 0), timeout=FAR) as line:
            line.sendall(b"GET /parts HTTP/1.1\r\nHost: x\r\n\r\n")
            seen = b""
            while b"one" not in seen:
                seen += line.recv(1000)
            asked = pool.submit(http.get, EVENTS)
            assert asked.result(FAR).status_code == 200
            more.set()
            while b"two" not in seen:
                seen += line.recv(1000)


def test_a_slow_sender_holds_no_place(serve: Callable[..., TestClient]) -> None:
    http = serve(concurrency=1, queue=0)
    app: Any = http.app
    body = json.dumps(concluded("slow")).encode()
    with serving(app) as url:
        at = urlsplit(url)
        with socket.create_connection((at.hostname, at.port or 0), timeout=FAR) as line:
            line.sendall(b"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nX-API-Key: %s\r\nContent-Length: %d\r\n\r\n%s"
                         % (KEY.encode(), len(body), body[:10]))
            assert http.post(EVENTS, json=concluded("quick"), headers=HOLDER).status_code == 201
            line.sendall(body[10:])
            assert line.recv(100).startswith(b"HTTP/1.1 201")
    assert position(http) == 2


# ---------------------------------------------------------------- sizes
def test_a_batch_has_a_limit(serve: Callable[..., TestClient]) -> None:
    http = serve(batch_limit=2)
    batch = [concluded(), withdrew(), concluded("other")]
    for body in (batch, {"events": batch}):
        assert "takes 2 events, and this one has 3" in problem(http.post(EVENTS, json=body, headers=HOLDER), 413)
    assert position(http) == 0
    assert http.post(EVENTS, json=batch[:2], headers=HOLDER).status_code == 201


def test_the_command_line_takes_longer_batches_than_the_service(serve: Callable[..., TestClient]) -> None:
    http = serve(batch_limit=1)
    app: Any = http.app
    core: Tarikh = app.state.tarikh
    assert core.writer.record(core.events_from([concluded(), withdrew()])).recorded == 2


@pytest.mark.parametrize("depth", [10, 200, 900, 950, 956, 957, 1000, 10_000, 100_000])
def test_what_is_nested_deep_is_refused_and_breaks_nothing(client: TestClient, depth: int) -> None:
    event = json.dumps(concluded())[:-1]
    for nested in ("[" * depth + "]" * depth, '{"a":' * depth + "1" + "}" * depth):
        bodies = [nested, f'{{"events": {nested}}}', f'{{"events": [{event}}}], "expected_version": {nested}}}',
                  *(f'{event}, "{member}": {nested}}}' for member in ("data", "sources", "note", "subject", "extra")),
                  f'{event}, "data": {{"name": {nested}, "parties": {nested}}}}}']
        for body in bodies:
            status = client.post(EVENTS, content=body, headers={**JSON, "Idempotency-Key": "k"}).status_code
            assert status in (400, 422), (status, body[:80])
        problem(client.post(f"{HERE}/what-if", content=f'{{"without": {nested}}}', headers=JSON), 400)
        added = client.post(f"{HERE}/what-if", content=f'{{"add": [{nested}]}}', headers=JSON)
        problem(added, added.status_code)
        assert added.status_code in (400, 422)
    assert position(client) == 0


def test_a_body_is_read_to_its_end_and_no_further_than_its_limit(serve: Callable[..., TestClient]) -> None:
    http = serve(body_limit=1000)
    problem(http.post(EVENTS, content=iter([b" " * 100] * 11), headers=JSON), 413)
    assert "no JSON" in problem(http.post(EVENTS, content=iter([b" " * 100] * 10), headers=JSON), 400)
    whole = json.dumps(concluded()).encode()
    assert http.post(EVENTS, content=iter([whole[:50], whole[50:]]), headers=JSON).status_code == 201


# ---------------------------------------------------------------- more than can be served
def test_a_line_is_long_until_somebody_had_to_be_refused_and_again_once_it_is_calm() -> None:
    async def run() -> None:
        clock = Clock()
        gate = Gate(2, 4, 1, FAR, clock)
        assert [await gate.enter() for _ in range(2)] == [True, True]
        async with anyio.create_task_group() as group:
            for _ in range(4):
                group.start_soon(gate.enter)
                await anyio.wait_all_tasks_blocked()
            assert not await gate.enter()
            gate.leave()
            await anyio.wait_all_tasks_blocked()
            assert (gate.at_work, gate.waiting) == (1, 4)  # one at a time
            for left in (3, 2, 1):
                gate.leave()
                await anyio.wait_all_tasks_blocked()
                assert (gate.at_work, gate.waiting) == (1, left)
            assert not await gate.enter()  # one may wait
            clock.now += 1.01
            group.start_soon(gate.enter)
            await anyio.wait_all_tasks_blocked()
            assert (gate.at_work, gate.waiting) == (1, 2)
            gate.leave()
            await anyio.wait_all_tasks_blocked()
            assert (gate.at_work, gate.waiting) == (2, 0)

    anyio.run(run)


def test_a_crowd_is_served_in_the_order_of_coming_through_whichever_gate() -> None:
    async def run() -> list[str]:
        order: list[str] = []
        gates = Gates(Gate(2, 3, 3, FAR), Gate(1, 3, 3, FAR))
        reads, writes = gates.reads, gates.writes

        async def come(gate: Gate, name: str) -> None:
            assert await gate.enter()
            order.append(name)
            gate.leave()

        assert [await reads.enter() for _ in range(2)] == [True, True]
        async with anyio.create_task_group() as group:
            for gate, name in ((reads, "a"), (reads, "b"), (reads, "c")):
                group.start_soon(come, gate, name)
                await anyio.wait_all_tasks_blocked()
            assert not await reads.enter()  # now it is a crowd
            reads.leave()
            await anyio.wait_all_tasks_blocked()
            group.start_soon(come, writes, "w")
            await anyio.wait_all_tasks_blocked()
            reads.leave()
        return order

    assert anyio.run(run) == ["a", "b", "c", "w"]


def test_a_reader_does_not_wait_long_for_a_writer() -> None:
    async def run() -> None:
        gates = Gates(Gate(1, 3, 3, FAR), Gate(1, 0, 0, FAR))
        assert await gates.writes.enter()
        assert not await gates.writes.enter()  # a crowd, and the write goes on
        assert await gates.reads.enter()

    anyio.run(run)
