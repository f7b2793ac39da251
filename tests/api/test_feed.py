"""The feed as CloudEvents and as Server-Sent Events: who reconnects anywhere sees every event once, in order."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from random import Random
from threading import Thread

import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_http_event
from fastapi.testclient import TestClient
from httpx2 import Client

from api.http import create_app
from api.wiring import Settings, Tarikh
from tests.api.ask import Json, answer, concluded, problem, withdrew
from tests.conftest import KEY, TODAY
from tests.serving import serving

BATCH, ONE = "application/cloudevents-batch+json", "application/cloudevents+json"


@pytest.fixture
def core(fresh: Callable[[], str]) -> Iterator[Tarikh]:
    tarikh = Tarikh(Settings(database_url=fresh(), api_key=KEY, heartbeat=1, streams=3), today=lambda: TODAY)
    yield tarikh
    tarikh.close()


@pytest.fixture
def server(core: Tarikh) -> Iterator[Client]:
    with serving(create_app(core)) as url, Client(base_url=url, timeout=20) as http:
        yield http


def record(core: Tarikh, *slugs: str) -> None:
    core.writer.record(core.events_from([event for slug in slugs for event in (concluded(slug), withdrew(slug))]))


def received(http: Client, most: int, last_event_id: int | None = None, **asked: str) -> list[tuple[int, Json]]:
    """What a client gets until it has `most` events or, with 0, the first heartbeat; an entry without data is a heartbeat."""
    out: list[tuple[int, Json]] = []
    headers = {} if last_event_id is None else {"Last-Event-ID": str(last_event_id)}
    at, data = 0, None
    with http.stream("GET", "/v1/events/stream", params=asked, headers=headers) as response:
        assert response.status_code == 200, response.read()
        assert response.headers["content-type"].startswith("text/event-stream")
        for line in response.iter_lines():
            name, _, value = line.partition(": ")
            if name == "id":
                at = int(value)
            elif name == "data":
                data = json.loads(value)
            elif not line and at:
                out.append((at, data))
                if len(out) == most or (data is None and not most):
                    break
                data = None
    return out


# ---------------------------------------------------------------- CloudEvents
def test_a_page_of_the_feed_is_a_batch_of_cloudevents_where_they_are_asked_for(record: TestClient) -> None:
    plain = answer(record, "/v1/events?limit=50")["events"]
    told = record.get("/v1/events?limit=50", headers={"Accept": BATCH})
    assert told.headers["content-type"] == BATCH
    assert 'rel="next"' in told.headers["Link"]
    assert [item["data"] for item in told.json()] == plain
    assert sorted(item["sequence"] for item in told.json()) == [item["sequence"] for item in told.json()]


def test_the_cloudevents_sdk_reads_what_is_sent(record: TestClient) -> None:
    for plain in answer(record, "/v1/events?limit=200")["events"]:
        told = record.get(f"/v1/events/{plain['id']}", headers={"Accept": ONE})
        assert told.headers["content-type"] == ONE
        read = from_http_event(HTTPMessage(dict(told.headers), told.content))
        assert (read.get_id(), read.get_type(), read.get_subject()) == (plain["id"], plain["type"], plain["subject"])
        assert read.get_data() == plain
        assert read.get_time() is not None


@pytest.mark.parametrize(("accept", "media_type"), [
    ("*/*", "application/json"), ("application/json", "application/json"), (f"{BATCH};q=0", "application/json"),
    (f"application/json, {BATCH};q=0.5", "application/json"), (f"application/json;q=0.4, {BATCH};q=0.5", BATCH), (f"{BATCH}, */*", BATCH),
])
def test_accept_says_which_form(record: TestClient, accept: str, media_type: str) -> None:
    response = record.get("/v1/events?limit=1", headers={"Accept": accept})
    assert response.headers["content-type"] == media_type
    assert "Accept" in response.headers["Vary"]


def test_the_two_forms_of_one_event_have_two_etags(record: TestClient) -> None:
    id_ = answer(record, "/v1/events?limit=1")["events"][0]["id"]
    tags = {record.get(f"/v1/events/{id_}", headers={"Accept": form}).headers["ETag"] for form in (ONE, "application/json")}
    assert len(tags) == 2


# ---------------------------------------------------------------- Server-Sent Events
def test_a_stream_tells_what_is_there_and_then_what_comes(server: Client, core: Tarikh) -> None:
    record(core, "a", "b")
    later = Thread(target=record, args=(core, "c"))
    later.start()
    told = received(server, 6)
    later.join()
    assert [at for at, _ in told] == [1, 2, 3, 4, 5, 6]
    assert [item["data"] for _, item in told] == answer(server, "/v1/events")["events"]


def test_a_client_that_is_cut_off_anywhere_sees_every_event_once_and_in_order(server: Client, core: Tarikh) -> None:
    writer = Thread(target=lambda: [core.writer.record(core.events_from([concluded(f"s{i}"), withdrew(f"s{i}")])) for i in range(60)])
    writer.start()
    random, seen = Random(1), list[int]()
    while len(seen) < 120:
        seen += [at for at, data in received(server, min(random.randint(1, 25), 120 - len(seen)), seen[-1] if seen else None) if data]
    writer.join()
    assert seen == list(range(1, 121))


def test_a_stream_filters_as_the_feed_does_and_its_heartbeat_goes_on_to_the_end(server: Client, core: Tarikh) -> None:
    record(core, "a", "b", "c")
    told = received(server, 0, subject="agreement:b")
    assert [(at, item and item["subject"]) for at, item in told] == [(3, "agreement:b"), (4, "agreement:b"), (6, None)]
    assert [at for at, item in received(server, 0, type="agreement.concluded") if item] == [1, 3, 5]


@pytest.mark.parametrize(("headers", "query", "status"), [
    ({"Last-Event-ID": "x"}, "", 400), ({"Last-Event-ID": "99"}, "", 409), ({}, "?after=99", 409), ({}, "?type=no.such", 400), ({}, "?afer=1", 400),
])
def test_a_stream_that_cannot_begin_says_so(client: TestClient, headers: dict[str, str], query: str, status: int) -> None:
    problem(client.get(f"/v1/events/stream{query}", headers=headers), status)


def test_more_streams_than_are_allowed_are_refused_and_a_closed_one_makes_room(server: Client, core: Tarikh) -> None:
    record(core, "a")
    with ExitStack() as open_streams:
        held = [open_streams.enter_context(server.stream("GET", "/v1/events/stream")).iter_lines() for _ in range(3)]
        for lines in held:  # a stream is closed with the iterator of its lines
            next(lines)
        refused = server.get("/v1/events/stream")
        assert refused.headers["Retry-After"]
        assert "streams are open" in problem(refused, 503)
        assert answer(server, "/v1/events")
    while True:
        with server.stream("GET", "/v1/events/stream") as again:
            if again.status_code == 200:
                break
