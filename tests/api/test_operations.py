"""What keeps the service running: /health, /ready, /metrics, and the catalogue for programs."""

from __future__ import annotations

from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from api.http import create_app
from api.wiring import CATALOGUE, Settings, Tarikh
from tests.api.ask import HERE, answer, concluded, problem, withdrew
from tests.conftest import KEY


def test_health_tells_what_runs(record: TestClient) -> None:
    told = answer(record, "/health")
    assert told["status"] == "ok"
    assert {"tarikh", "python", "database", "projection"} <= told.keys()


def test_ready_tells_where_the_log_stands(client: TestClient) -> None:
    assert answer(client, "/ready") == {"status": "ready", "position": 0, "recorded_at": "1970-01-01T00:00:00.000000Z"}
    recorded = client.post("/v1/events", json=concluded()).json()
    assert answer(client, "/ready") == {"status": "ready", "position": 1, "recorded_at": recorded["recorded_at"]}


def test_a_database_without_its_tables_is_not_ready(tmp_path: Path) -> None:
    core = Tarikh(Settings(database_url=f"sqlite:///{tmp_path / 'new.sqlite'}", api_key=KEY))
    with TestClient(create_app(core)) as http:
        response = http.get("/ready")
        assert "tarikh init" in problem(response, 503)
        assert response.headers["Retry-After"]
        assert http.get("/health").status_code == 200
        for path in (HERE, f"{HERE}/offices", "/v1/events", "/v1/subjects"):
            assert "tarikh init" in problem(http.get(path), 503)
        problem(http.post("/v1/events", json=concluded(), headers={"X-API-Key": KEY}), 503)
        core.init()
        assert http.get("/ready").status_code == 200
    core.close()


def test_an_empty_record_answers_everything(client: TestClient) -> None:
    state = answer(client, HERE)
    assert state["basis"] == {"as_of": "2026-01-31", "known_at": "2026-01-31", "recorded_at": "1970-01-01T00:00:00.000000Z", "position": 0}
    assert state["coverage"] == state["offices"] == []
    assert answer(client, f"{HERE}/timeline")["items"] == answer(client, "/v1/subjects")["items"] == answer(client, "/v1/events")["events"] == []
    assert answer(client, f"{HERE}/diff", from_="2018-01-01", to="2019-01-01")["changed"] == []


def test_metrics_count_what_was_recorded_and_refused(client: TestClient) -> None:
    client.post("/v1/events", json=[concluded(), withdrew()])
    client.post("/v1/events", json=concluded())
    client.post("/v1/events", json=withdrew(party="CHN"))
    page = client.get("/metrics")
    assert page.headers["content-type"].startswith("text/plain")
    lines = page.text.splitlines()
    assert "tarikh_events_recorded_total 2.0" in lines
    assert "tarikh_writes_rejected_total 1.0" in lines
    assert "tarikh_log_position 2.0" in lines


def test_the_catalogue_has_every_family_and_type(record: TestClient) -> None:
    told = answer(record, "/v1/catalogue")
    assert {family["name"] for family in told["families"]} == set(CATALOGUE.families)
    types = {event["type"] for family in told["families"] for event in family["events"]}
    assert {name for name in CATALOGUE.topics if not name.startswith("correction.")} <= types


@pytest.mark.parametrize("path", ["/docs", "/openapi.json"])
def test_the_documentation_is_served(record: TestClient, path: str) -> None:
    assert record.get(path).status_code == 200
