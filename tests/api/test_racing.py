"""Retries and racing writers: each event once, each version once, the same answer to the same request."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pytest
from fastapi.testclient import TestClient

from api.http import create_app
from api.wiring import Settings, Tarikh
from tests.api.ask import answer, concluded, event, position, problem, withdrew
from tests.conftest import KEY


def once(http: TestClient, key: str, body: Any, **headers: str) -> Any:
    return http.post("/v1/events", json=body, headers={"Idempotency-Key": key, **headers})


@pytest.fixture
def pair(fresh: Callable[[], str]) -> Iterator[list[TestClient]]:
    """Two services on one database."""
    url = fresh()
    with ExitStack() as stack:
        cores = [Tarikh(Settings(database_url=url, api_key=KEY, queue=200)) for _ in range(2)]
        clients = [stack.enter_context(TestClient(create_app(core), headers={"Authorization": f"Bearer {KEY}"})) for core in cores]
        for http in clients:  # FastAPI builds a route when it is first tried, under warnings.catch_warnings, which no two threads may share
            assert http.get("/nowhere").status_code == 404  # which tries them all
            assert position(http) == 0
        yield clients
        stack.close()
        for core in cores:
            core.close()


def test_a_retry_gets_the_same_bytes(client: TestClient) -> None:
    first = once(client, "k", concluded())
    again = once(client, "k", dict(reversed(concluded().items())))
    assert (first.status_code, "Idempotency-Replayed" in first.headers) == (201, False)
    assert (again.status_code, again.headers["Idempotency-Replayed"]) == (201, "true")
    assert again.content == first.content
    assert position(client) == 1


def test_a_retry_gets_the_same_bytes_whatever_was_recorded_since(client: TestClient) -> None:
    first = once(client, "k", concluded())
    once(client, "other", withdrew())
    assert once(client, "k", concluded()).content == first.content


def test_a_retry_of_what_was_skipped_gets_the_same_bytes(client: TestClient) -> None:
    once(client, "k", concluded())
    skipped = once(client, "other", concluded())
    assert skipped.status_code == 200
    assert once(client, "other", concluded()).content == skipped.content


def test_a_key_serves_one_request(client: TestClient) -> None:
    once(client, "k", concluded())
    problem(once(client, "k", concluded("other")), 422)
    problem(once(client, "k", concluded(), **{"If-Match": '"0"'}), 422)
    assert position(client) == 1


def test_a_refused_request_does_not_use_up_its_key(client: TestClient) -> None:
    problem(once(client, "k", withdrew()), 409)
    once(client, "other", concluded())
    assert once(client, "k", withdrew()).status_code == 201


def test_a_key_of_another_length_is_refused(client: TestClient) -> None:
    for key in ("", "k" * 201):
        problem(once(client, key, concluded()), 400)
    assert position(client) == 0


def test_a_retry_may_reach_another_service(pair: list[TestClient]) -> None:
    first, again = once(pair[0], "k", concluded()), once(pair[1], "k", concluded())
    assert again.content == first.content
    assert again.headers["Idempotency-Replayed"] == "true"
    problem(once(pair[1], "k", concluded("other")), 422)
    assert position(pair[0]) == position(pair[1]) == 1


def test_fifty_racing_retries_record_one_event(pair: list[TestClient]) -> None:
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda i: once(pair[i % 2], "k", concluded()), range(50)))
    assert {response.status_code for response in answers} == {201}
    assert len({response.content for response in answers}) == 1
    assert Counter("Idempotency-Replayed" in response.headers for response in answers) == {False: 1, True: 49}
    assert position(pair[0]) == 1


def test_racing_writers_take_each_version_once(pair: list[TestClient]) -> None:
    """Each reads the version, writes with If-Match, and reads again where another was first."""
    subject = "incident:race"
    report = {"subject": subject, "type": "incident.attributed", "effective": "2020-01-01", "known": "2020-01-01",
              "sources": [{"publisher": "P", "title": "T"}]}

    def write(i: int) -> int:
        for _ in range(200):
            seen = pair[i % 2].get(f"/v1/subjects/{subject}")
            version = seen.json()["version"] if seen.status_code == 200 else 0
            said = {**report, "record_id": f"r{i}", "data": {"by": f"w{i}", "by_name": f"W{i}", "to": "x", "to_name": "X"}}
            response = pair[i % 2].post("/v1/events", json=said, headers={"If-Match": f'"{version}"'})
            if response.status_code == 201:
                assert response.json()["versions"] == {subject: version + 1}
                return version + 1
            assert response.status_code in (412, 503), response.text
        raise AssertionError("never got through")

    told = {**report, "record_id": "first", "type": "incident.occurred", "data": {"name": "A Race", "type": "attack"}}
    assert pair[0].post("/v1/events", json=told).status_code == 201
    with ThreadPoolExecutor(12) as pool:
        versions = list(pool.map(write, range(12)))
    assert sorted(versions) == list(range(2, 14))
    assert [item["id"] for item in answer(pair[0], f"/v1/subjects/{subject}/history")["items"]] == [f"{subject}@{v}" for v in range(1, 14)]


def test_racing_writers_without_a_version_all_get_through(pair: list[TestClient]) -> None:
    def write(i: int) -> int:
        told = event(f"indicator:i{i % 5}", "indicator.observed", f"r{i}", f"2020-01-{i + 1:02d}", name="N", value=i, unit="u",
                     publisher="p", publisher_name="P")
        return pair[i % 2].post("/v1/events", json=told).status_code

    with ThreadPoolExecutor(20) as pool:
        assert Counter(pool.map(write, range(20))) == {201: 20}
    feed = answer(pair[0], "/v1/events", limit=100)["events"]
    assert [item["position"] for item in feed] == list(range(1, 21))
    assert len({item["id"] for item in feed}) == 20
