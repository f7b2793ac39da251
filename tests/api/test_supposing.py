"""A supposition tells nothing of what is not yet known on its basis."""

from __future__ import annotations

from typing import Any

from fastapi.testclient import TestClient


def event(type: str, record_id: str, day: str, **data: Any) -> dict[str, Any]:
    return {"subject": "agreement:a", "type": f"agreement.{type}", "record_id": record_id, "effective": day, "known": day, "data": data,
            "sources": [{"publisher": "p", "title": "t"}]}


def test_what_becomes_known_later_does_not_show_in_a_supposition(client: TestClient) -> None:
    client.post("/v1/events", json=event("concluded", "c", "2018-01-01", name="A", parties=["USA"]))
    added = event("participant_withdrew", "supposed", "2018-05-08", party="USA")
    question = {"as_of": "2018-06-01", "known_at": "2018-06-01", "add": [added]}
    before = client.post("/v1/relations/IRN-USA/what-if", json=question).json()
    for i, day in enumerate(("2019-01-01", "2019-02-01")):
        assert client.post("/v1/events", json=event("milestone_reached", f"m{i}", day, milestone=f"m{i}", name="M")).status_code == 201
    assert client.post("/v1/events", json=event("participant_withdrew", "supposed", "2020-01-01", party="USA")).status_code == 201
    after = client.post("/v1/relations/IRN-USA/what-if", json=question).json()
    for answer in (before, after):
        del answer["basis"], answer["designations"]
    assert after == before
    assert after["diff"] != []


def test_the_names_of_series_are_those_heard_of_on_the_basis(record: TestClient) -> None:
    named = [{i["name"] for i in record.get("/v1/series", params={"known_at": day}).json()["items"]} for day in ("2010-01-01", "2025-12-31")]
    assert "indicator:iran-gdp-growth" not in named[0]
    assert "indicator:iran-gdp-growth" in named[1]


def test_a_repeat_under_a_new_idempotency_key_records_nothing(client: TestClient) -> None:
    body = event("concluded", "c", "2018-01-01", name="A")
    answers = [client.post("/v1/events", json=body, headers={"Idempotency-Key": key}) for key in ("one", "two", "two")]
    assert [a.status_code for a in answers] == [201, 200, 200]
    assert answers[1].content == answers[2].content
