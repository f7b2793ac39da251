"""How the tests ask and record: short words for what every test does."""

from __future__ import annotations

from typing import Any

from fastapi.testclient import TestClient
from httpx2 import Client, Response

HERE = "/v1/relations/IRN-USA"
PROBLEM = "application/problem+json"
Json = Any


def params(asked: dict[str, Any]) -> dict[str, Any]:
    """Query parameters: `from_` is written so because `from` is a word of Python."""
    return {name.rstrip("_"): value for name, value in asked.items() if value is not None}


def answer(http: Client, path: str, **asked: Any) -> Json:
    """The JSON of a read that must succeed."""
    response = http.get(path, params=params(asked) or None)  # an empty dict would strip the path of its own query
    assert response.status_code == 200, response.text
    return response.json()


def items(http: TestClient, family: str, **asked: Any) -> list[Json]:
    """The facts of a family's list; the whole of it must fit the page."""
    told = answer(http, f"{HERE}/{family}", limit=1000, **asked)
    assert told["total"] == len(told["items"])
    return list(told["items"])


def states(facts: list[Json]) -> dict[str, str]:
    """The status of each key."""
    return {fact["key"]: fact["status"] for fact in facts}


def values(facts: list[Json], name: str) -> set[Any]:
    """What the facts say in one attribute."""
    return {fact["attributes"].get(name) for fact in facts}


def position(http: TestClient) -> int:
    """Where the log stands."""
    return int(answer(http, "/ready")["position"])


def problem(response: Response, status: int) -> str:
    """The detail of a problem document, which must be whole and say more than its title."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == PROBLEM
    told = response.json()
    assert told["status"] == status
    assert told["type"]
    assert told["title"]
    assert len(told["detail"]) > 10
    assert told["detail"] != told["title"]
    return str(told["detail"])


SOURCE = {"publisher": "US Department of State", "title": "Press release", "date": "2018-05-08"}


def event(subject: str, type_: str, record_id: str, effective: str | None, known: str | None = None, **data: Any) -> Json:
    """An event as POST /v1/events takes it; `known` is the effective day where it is left out."""
    told = {"subject": subject, "type": type_, "record_id": record_id, "known": known or effective, "data": data, "sources": [SOURCE]}
    return told if effective is None else {**told, "effective": effective}


def concluded(slug: str = "accord", day: str = "2015-07-14", parties: tuple[str, ...] = ("IRN", "USA"), **more: Any) -> Json:
    """The conclusion of an agreement."""
    return {**event(f"agreement:{slug}", "agreement.concluded", "concluded", day, name="An Accord", parties=list(parties)), **more}


def withdrew(slug: str = "accord", day: str = "2018-05-08", party: str = "USA", record_id: str | None = None, **more: Any) -> Json:
    """A party's withdrawal from it."""
    return {**event(f"agreement:{slug}", "agreement.participant_withdrew", record_id or f"withdrew.{party}", day, party=party), **more}
