from __future__ import annotations

from fastapi.testclient import TestClient


def test_the_state_of_a_day_has_a_list_for_every_family(record: TestClient) -> None:
    answer = record.get("/v1/relations/IRN-USA", params={"as_of": "2021-01-12", "known_at": "2021-01-12"}).json()
    assert answer["basis"]["as_of"] == answer["basis"]["known_at"] == "2021-01-12"
    assert {"relations", "offices", "agreements", "programs", "coverage"} <= answer.keys()
