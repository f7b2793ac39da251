"""Pages: complete, without duplicates, and pinned to the basis on which the first was given."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests.api.ask import HERE, answer, concluded, items, position, withdrew

LETTERS = "abcdefg"


@pytest.fixture
def seven(client: TestClient) -> TestClient:
    """Seven accords of two parties each: 21 facts, 7 subjects, 7 events."""
    assert client.post("/v1/events", json=[concluded(letter) for letter in LETTERS]).status_code == 201
    return client


def pages(http: TestClient, path: str, **asked: Any) -> Iterator[Any]:
    """Each page, by following rel=next."""
    response = http.get(path, params=asked or None)
    while True:
        assert response.status_code == 200, response.text
        yield response
        if "next" not in response.links:
            return
        response = http.get(response.links["next"]["url"])


@pytest.mark.parametrize(("path", "total"), [
    (f"{HERE}/agreements", 21), (f"{HERE}/agreements?from=2015-01-01&to=2016-01-01", 21), (f"{HERE}/agreements?party=USA", 7),
    (f"{HERE}/timeline", 7), ("/v1/subjects", 7), ("/v1/subjects?q=accord", 7)])
def test_the_pages_together_are_the_list(seven: TestClient, path: str, total: int) -> None:
    whole = answer(seven, path)["items"]
    assert len(whole) == total
    for limit in (1, 2, 3, 7, 1000):
        told = [page.json() for page in pages(seven, f"{path}{'&' if '?' in path else '?'}limit={limit}")]
        assert [item for page in told for item in page["items"]] == whole
        assert {page["total"] for page in told} == {total}
        assert [len(page["items"]) for page in told[:-1]] == [limit] * (len(told) - 1)
        assert told[-1]["next"] is None


@pytest.mark.parametrize("path", [f"{HERE}/agreements", f"{HERE}/agreements?from=2015-01-01", f"{HERE}/timeline", "/v1/subjects"])
def test_a_page_shows_nothing_that_was_recorded_after_the_first(seven: TestClient, path: str) -> None:
    whole = answer(seven, path)["items"]
    seen, basis = [], set()
    for i, page in enumerate(pages(seven, f"{path}{'&' if '?' in path else '?'}limit=3")):
        seen += page.json()["items"]
        basis.add(str(page.json()["basis"]))
        if i < len(LETTERS):
            assert seven.post("/v1/events", json=[withdrew(LETTERS[i]), concluded(f"{LETTERS[i]}a")]).status_code == 201
    assert seen == whole
    assert len(basis) == 1


def test_the_next_link_keeps_the_filters(seven: TestClient) -> None:
    told = [page.json()["items"] for page in pages(seven, f"{HERE}/agreements", party="IRN", kind="participant", limit=2)]
    assert [item for page in told for item in page] == items(seven, "agreements", party="IRN", kind="participant")


def test_an_offset_beyond_the_end_is_an_empty_page(seven: TestClient) -> None:
    first = answer(seven, f"{HERE}/agreements", limit=20)
    last = answer(seven, f"{HERE}/agreements", limit=20, cursor=first["next"])
    assert (len(last["items"]), last["next"]) == (1, None)


def test_following_the_feed_gives_every_event_once(seven: TestClient) -> None:
    for limit in (1, 3, 7, 8):
        followed = [event for page in pages(seven, "/v1/events", limit=limit) for event in page.json()["events"]]
        assert [event["position"] for event in followed] == list(range(1, 8))
        assert [event["id"] for event in followed] == [f"agreement:{letter}@1" for letter in LETTERS]


def test_the_feed_goes_on_from_a_position(seven: TestClient) -> None:
    seven.post("/v1/events", json=withdrew("a"))
    assert [event["id"] for event in answer(seven, "/v1/events", after=7)["events"]] == ["agreement:a@2"]
    assert answer(seven, "/v1/events", after=position(seven))["events"] == []
    assert [event["position"] for event in answer(seven, "/v1/events", subject="agreement:a")["events"]] == [1, 8]
    for name in ("agreement.participant_withdrew", "agreement.participant_withdrew.v1"):
        assert [event["position"] for event in answer(seven, "/v1/events", type=name)["events"]] == [8]


def test_the_whole_record_can_be_followed(record: TestClient) -> None:
    followed = [event["position"] for page in pages(record, "/v1/events", limit=400) for event in page.json()["events"]]
    assert followed == list(range(1, position(record) + 1))
