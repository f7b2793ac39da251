"""Answers that are given again are those that would be worked out anew."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient

from api.http import create_app
from api.kept import Kept
from api.wiring import Settings, Tarikh
from tests.api.ask import HERE, concluded, withdrew
from tests.conftest import KEY

HOLDER = {"Authorization": f"Bearer {KEY}"}
DAYS = "as_of=2020-01-01&known_at=2020-01-01"


class Counted:
    """A service that counts how often an answer is worked out."""

    def __init__(self, url: str, today: list[int], **settings: Any) -> None:
        self.core = Tarikh(Settings(database_url=url, api_key=KEY, **settings), today=lambda: today[0])
        self.core.init()
        self.app = create_app(self.core)
        self.worked_out = 0
        state = self.core.answers.state

        def counting(asked: Any) -> bytes:
            self.worked_out += 1
            return state(asked)

        self.core.answers.state = counting  # type: ignore[method-assign]
        self.http = TestClient(self.app)

    def record(self, body: dict[str, Any]) -> None:
        assert self.http.post("/v1/events", json=body, headers=HOLDER).status_code == 201

    @property
    def kept(self) -> Kept:
        layer: Any = self.app.middleware_stack
        while not isinstance(layer, Kept):
            layer = layer.app
        return layer


@pytest.fixture
def today() -> list[int]:
    return [740000]


@pytest.fixture
def service(fresh: Callable[[], str], today: list[int]) -> Counted:
    return Counted(fresh(), today)


def test_the_same_question_is_worked_out_once_while_nothing_is_recorded(service: Counted) -> None:
    service.record(concluded())
    first, second = (service.http.get(f"{HERE}?{DAYS}") for _ in range(2))
    assert service.worked_out == 1
    assert first.content == second.content
    assert {n: v for n, v in first.headers.items() if n != "x-request-id"} == {n: v for n, v in second.headers.items() if n != "x-request-id"}
    assert first.headers["x-request-id"] != second.headers["x-request-id"]


def test_what_is_recorded_is_in_the_next_answer(service: Counted) -> None:
    service.record(concluded())
    before = service.http.get(f"{HERE}?as_of=2019-01-01").json()
    service.record(withdrew())
    after = service.http.get(f"{HERE}?as_of=2019-01-01").json()
    assert after["basis"]["position"] == before["basis"]["position"] + 1
    assert after["agreements"] != before["agreements"]


def test_what_another_process_records_is_in_the_next_answer(service: Counted) -> None:
    service.record(concluded())
    before = service.http.get(f"{HERE}?{DAYS}").json()
    other = Tarikh(Settings(database_url=service.core.settings.database_url))
    other.writer.record(other.events_from(withdrew()))
    other.close()
    assert service.http.get(f"{HERE}?{DAYS}").json()["basis"]["position"] == before["basis"]["position"] + 1


def test_a_pinned_answer_outlives_what_is_recorded(service: Counted) -> None:
    service.record(concluded())
    instant = service.http.get(f"{HERE}?{DAYS}").json()["basis"]["recorded_at"]
    pinned = f"{HERE}?{DAYS}&recorded_at={instant}"
    first = service.http.get(pinned)
    assert "immutable" in first.headers["cache-control"]
    service.record(withdrew())
    worked_out = service.worked_out
    assert service.http.get(pinned).content == first.content
    assert service.worked_out == worked_out


def test_tomorrow_it_is_worked_out_anew(service: Counted, today: list[int]) -> None:
    service.record(concluded())
    before = service.http.get(HERE).json()["basis"]["as_of"]
    today[0] += 1
    assert service.http.get(HERE).json()["basis"]["as_of"] > before


def test_it_is_not_changed_for_who_has_it(service: Counted) -> None:
    service.record(concluded())
    first = service.http.get(f"{HERE}?{DAYS}")
    again = service.http.get(f"{HERE}?{DAYS}", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content, again.headers["etag"], service.worked_out) == (304, b"", first.headers["etag"], 1)
    assert service.http.get(f"{HERE}?{DAYS}", headers={"If-None-Match": '"another"'}).content == first.content


def test_its_addresses_are_those_that_were_asked(service: Counted) -> None:
    service.record(concluded())
    for host in ("a.example", "b.example"):
        assert f"http://{host}/" in service.http.get(f"{HERE}?{DAYS}", headers={"Host": host}).headers["link"]


def test_an_answer_in_another_form_is_another_answer(service: Counted) -> None:
    service.record(concluded())
    event = "/v1/events/agreement:accord@1"
    cloud, plain = ("Accept", "application/cloudevents+json"), ("Accept", "application/json")
    told = {asked: service.http.get(event, headers=list(asked)).json() for asked in ((plain,), (cloud,), (cloud, plain), (plain, cloud), (plain,))}
    assert "specversion" in told[cloud,]
    assert "specversion" not in told[plain,]
    for asked, answer in told.items():
        assert service.http.get(event, headers=list(asked)).json() == answer


def test_head_is_kept_as_get_is(service: Counted) -> None:
    service.record(concluded())
    whole = service.http.get(f"{HERE}?{DAYS}")
    bare = service.http.head(f"{HERE}?{DAYS}")
    assert (bare.content, bare.headers["content-length"], service.worked_out) == (b"", str(len(whole.content)), 1)


def test_a_key_is_looked_at_each_time(service: Counted) -> None:
    service.record(concluded())
    assert service.http.get(f"{HERE}?{DAYS}").status_code == 200
    assert service.http.get(f"{HERE}?{DAYS}", headers={"X-API-Key": "wrong"}).status_code == 401


def test_where_reads_are_closed_nobody_gets_an_answer_without_a_key(fresh: Callable[[], str], today: list[int]) -> None:
    service = Counted(fresh(), today, reads_closed=True)
    service.record(concluded())
    assert service.http.get(f"{HERE}?{DAYS}", headers=HOLDER).status_code == 200
    assert service.http.get(f"{HERE}?{DAYS}").status_code == 401


def test_what_is_wrong_is_not_kept(service: Counted) -> None:
    assert [service.http.get(f"{HERE}?as_of=never").status_code for _ in range(2)] == [400, 400]
    assert not service.kept._held


def test_no_more_is_kept_than_there_is_room_for(fresh: Callable[[], str], today: list[int]) -> None:
    service = Counted(fresh(), today, kept_bytes=80_000)
    service.record(concluded())
    for day in range(1, 29):
        assert service.http.get(f"{HERE}?as_of=2020-01-{day:02}").status_code == 200
    held = service.kept._held
    assert 0 < sum(answer.weight for answer in held.values()) == service.kept._bytes <= 80_000
    assert f"{HERE}?as_of=2020-01-28".partition("?")[2].encode() in {key[2] for key in held}
    none = Counted(fresh(), today, kept_bytes=0)
    none.record(concluded())
    assert [none.http.get(HERE).status_code for _ in range(2)] == [200, 200]
    assert none.worked_out == 2
