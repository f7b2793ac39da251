"""The state is answered past FastAPI's machinery as it is answered by it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from eventsourcing.persistence import PersistenceError
from fastapi.testclient import TestClient

from adapters.facts import FactStore
from api.direct import Direct, times_of
from api.http import create_app
from api.wiring import Settings, Tarikh
from tests.api.ask import HERE, concluded, withdrew
from tests.conftest import KEY

Both = tuple[TestClient, TestClient]
DIRECT: Any = Direct


@pytest.fixture
def both(fresh: Callable[[], str]) -> Iterator[Both]:
    """A service, and one that answers everything the usual way; neither keeps answers."""
    core = Tarikh(Settings(database_url=fresh(), api_key=KEY, kept_bytes=0), today=lambda: 740000)
    core.init()
    core.writer.record(core.events_from([concluded(), withdrew()]))
    apps = create_app(core), create_app(core)
    apps[1].user_middleware[:] = [layer for layer in apps[1].user_middleware if layer.cls is not DIRECT]
    assert len(apps[0].user_middleware) == len(apps[1].user_middleware) + 1
    yield TestClient(apps[0]), TestClient(apps[1])
    core.close()


def _told(client: TestClient, method: str, path: str, headers: dict[str, str]) -> Any:
    answer = client.request(method, path, headers={"X-Request-ID": "r", **headers})
    return answer.status_code, answer.headers.multi_items(), answer.content


@pytest.mark.parametrize("query", [
    "", "?", "?as_of=2019-01-01", "?as_of=2019-01-01&known_at=2019-01-01", "?known_at=2019-01-01&as_of=2020-01-01",
    "?recorded_at=2020-01-01", "?as_of=2019-01-01&known_at=2019-01-01&recorded_at=2999-01-01T00:00:00Z", "?as_of=", "?as_of",
    "?as_of=never", "?known_at=-",
    "?as_of=2019-01-01&as_of=2019-01-01", "?as_off=2019-01-01", "?as_of=2019-01-01&", "?&as_of=2019-01-01", "?as_of=2019%2D01-01", "?as_of=%00",
    "?as_of=2019-01-01;known_at=2019-01-01", "?as_of=2019-01-01=", "?AS_OF=2019-01-01", "?checkpoint=true", "?min_position=1", "?min_position=99",
    "?as_of=2019-01-01&checkpoint=false", "?recorded_at=2020-01-01T00:00:00+01:00", "?as_of=é"])
def test_an_answer_is_the_same_either_way(both: Both, query: str) -> None:
    for method in ("GET", "HEAD"):
        direct, usual = (_told(client, method, HERE + query, {}) for client in both)
        assert direct == usual


@pytest.mark.parametrize(("method", "path", "headers"), [
    ("GET", HERE, {"X-API-Key": KEY}), ("GET", HERE, {"X-API-Key": "wrong"}), ("GET", HERE, {"Authorization": "Bearer wrong"}),
    ("GET", f"{HERE}/", {}), ("GET", "/v1/relations/IRN-FRA", {}), ("POST", HERE, {}), ("OPTIONS", HERE, {}),
    ("GET", HERE, {"Host": "other.example"})])
def test_so_is_whatever_else_is_asked(both: Both, method: str, path: str, headers: dict[str, str]) -> None:
    direct, usual = (_told(client, method, path, headers) for client in both)
    assert direct == usual


def test_it_needs_no_route_where_times_alone_are_asked_for(both: Both) -> None:
    for client in both:
        client.app.router.routes.clear()  # type: ignore[attr-defined]
    query = f"{HERE}?as_of=2019-01-01"
    assert [client.get(query).status_code for client in both] == [200, 404]
    assert both[0].get(f"{query}&checkpoint=false").status_code == 404


def test_who_has_the_answer_is_told_so(both: Both) -> None:
    tag = both[1].get(f"{HERE}?as_of=2019-01-01").headers["etag"]
    direct, usual = (_told(client, "GET", f"{HERE}?as_of=2019-01-01", {"If-None-Match": tag}) for client in both)
    assert direct == usual
    assert direct[0] == 304


def test_what_goes_wrong_is_told_by_the_usual_way(both: Both, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise PersistenceError("the database is gone")

    monkeypatch.setattr(FactStore, "stab", broken)
    direct, usual = (_told(client, "GET", HERE, {}) for client in both)
    assert direct == usual
    assert direct[0] == 503


def test_it_is_told_and_counted_under_the_same_route(both: Both) -> None:
    for client in both:
        client.get(HERE)
    line = 'tarikh_http_requests_total{method="GET",route="/v1/relations/{relation}",status="200"} 1.0'
    question = 'tarikh_as_of_seconds_count{question="state"} 1.0'
    for client in both:
        told = client.get("/metrics").text
        assert line in told
        assert question in told


def test_where_reads_are_closed_all_is_asked_the_usual_way(fresh: Callable[[], str]) -> None:
    core = Tarikh(Settings(database_url=fresh(), api_key=KEY, reads_closed=True))
    core.init()
    client = TestClient(create_app(core))
    assert (client.get(HERE).status_code, client.get(HERE, headers={"X-API-Key": KEY}).status_code) == (401, 200)
    core.close()


def test_only_times_given_once_and_plainly_leave_nothing_to_judge() -> None:
    assert times_of(b"") == {}
    assert times_of(b"known_at=2019-01-01&as_of=x") == {"known_at": "2019-01-01", "as_of": "x"}
    for query in (b"as_of=", b"as_of", b"as_of=a&as_of=a", b"as_of=a&", b"as_of=%61", b"as_of=a+b", b"limit=1", b"as_of=a\n", b"as_of=\xc3\xa9"):
        assert times_of(query) is None


def test_where_opentelemetry_is_set_up_all_is_asked_the_usual_way(monkeypatch: pytest.MonkeyPatch, fresh: Callable[[], str]) -> None:
    url = fresh()
    for traced in (False, True):
        if traced:
            monkeypatch.setenv("OTEL_TRACES_EXPORTER", "none")
        core = Tarikh(Settings(database_url=url))
        core.init()
        app = create_app(core)
        assert any(layer.cls is DIRECT for layer in app.user_middleware) is not traced
        assert TestClient(app).get(HERE).status_code == 200
        core.close()
