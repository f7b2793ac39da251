"""Memento (RFC 7089): its real client finds the state of relations, and of a subject, at any time."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime
from itertools import pairwise
from typing import Any

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response
from memento_client import MementoClient  # type: ignore[import-untyped]

from api.http import create_app
from api.routes import memento
from api.wiring import Tarikh
from tests.api.ask import HERE, answer, concluded, event, problem, withdrew
from tests.conftest import TODAY
from tests.serving import serving

SUBJECT = "/v1/subjects/incident:al-masri-killing"
FORM = "%a, %d %b %Y %H:%M:%S GMT"
YESTERDAY = date.fromordinal(TODAY - 1)


@pytest.fixture(scope="module")
def address(loaded: Tarikh) -> Iterator[str]:
    with serving(create_app(loaded)) as at:
        yield at


def gate(http: TestClient, path: str, when: str | None = None, status: int = 302, **asked: Any) -> Response:
    """A TimeGate's answer, not followed."""
    headers = {"Accept-Datetime": when} if when else {}
    response = http.get(path.replace("/v1/", "/v1/timegate/"), headers=headers, params=asked, follow_redirects=False)
    assert response.status_code == status, response.text
    return response


def links(text: str) -> dict[str, dict[str, list[str]]]:
    """rel -> address -> the attributes of the link, as memento_client reads them."""
    out: dict[str, dict[str, list[str]]] = {}
    for target, told in MementoClient.parse_link_header(text).items():
        for rel in told["rel"]:
            out.setdefault(rel, {})[target.removeprefix("http://testserver")] = told.get("datetime", [])
    return out


def day_of(http_date: str) -> str:
    return datetime.strptime(http_date, FORM).replace(tzinfo=UTC).date().isoformat()


def at(text: str) -> datetime:
    """As the client takes a time: without a zone, in GMT."""
    return datetime.fromisoformat(text)


def target(response: Response) -> str:
    return response.headers["location"].removeprefix("http://testserver")


# ---------------------------------------------------------------- the real client
@pytest.mark.parametrize(("path", "asked", "day"), [
    (HERE, "2018-05-08T12:00:00", "2018-05-08"), (HERE, "2018-05-20T00:00:00", "2018-05-20"), (HERE, "1900-01-01T00:00:00", "1941-09-16"),
    (HERE, "2099-01-01T00:00:00", str(YESTERDAY)), (SUBJECT, "2020-11-13T08:00:00", "2020-11-13"), (SUBJECT, "2020-08-08T00:00:00", "2020-10-31"),
])
def test_the_real_client_finds_the_memento_of_a_day(address: str, path: str, asked: str, day: str) -> None:
    info = MementoClient(check_native_timegate=True).get_memento_info(f"{address}{path}", at(asked))
    assert info["original_uri"] == f"{address}{path}"
    assert info["timegate_uri"] == address + path.replace("/v1/", "/v1/timegate/")
    closest = info["mementos"]["closest"]
    assert (closest["http_status_code"], closest["datetime"]) == (200, at(f"{day}T23:59:59"))
    assert closest["uri"][0].startswith(f"{address}{path}?as_of={day}&known_at={day}&recorded_at=")
    assert info["mementos"]["first"]["datetime"] <= closest["datetime"] <= info["mementos"]["last"]["datetime"]
    again = MementoClient().get_memento_info(closest["uri"][0], at(asked))  # from a memento back to its original, and to the same memento
    assert (again["original_uri"], again["mementos"]["closest"]["uri"]) == (f"{address}{path}", closest["uri"])


def test_the_real_client_takes_gates_for_gates_and_mementos_for_mementos(address: str) -> None:
    gate = address + HERE.replace("/v1/", "/v1/timegate/")
    assert MementoClient.is_timegate(gate)
    assert not MementoClient.is_memento(f"{address}{HERE}")
    found = MementoClient().get_memento_info(f"{address}{HERE}", at("2018-05-08T00:00:00"))
    assert MementoClient.is_memento(found["mementos"]["closest"]["uri"][0])


# ---------------------------------------------------------------- TimeGates
def test_a_time_gate_leads_to_the_state_of_the_day_as_known_on_the_day(record: TestClient) -> None:
    response = gate(record, HERE, "Mon, 07 May 2018 10:00:00 GMT")
    assert response.headers["vary"] == "accept-datetime"
    assert "memento-datetime" not in response.headers
    told = links(response.headers["link"])
    assert list(told["original"]) == [HERE]
    assert list(told["timegate"]) == [HERE.replace("/v1/", "/v1/timegate/")]
    assert list(told["timemap"]) == [HERE.replace("/v1/", "/v1/timemap/")]
    assert told["memento"][target(response)] == ["Mon, 07 May 2018 23:59:59 GMT"]
    assert 'title="reconstructed from the record, not captured"' in response.headers["link"]
    state = answer(record, target(response))
    assert (state["basis"]["as_of"], state["basis"]["known_at"]) == ("2018-05-07", "2018-05-07")
    assert any(fact["subject"] == "agreement:jcpoa" and fact["key"] == "participant:USA" for fact in state["agreements"])
    after = answer(record, target(gate(record, HERE, "Tue, 08 May 2018 10:00:00 GMT")))
    assert any(fact["subject"] == "agreement:jcpoa" and fact["key"] == "withdrawal:USA" for fact in after["agreements"])


def test_neighbors_are_the_days_of_change_around_the_day(record: TestClient) -> None:
    told = links(gate(record, SUBJECT, "Fri, 13 Nov 2020 00:00:00 GMT").headers["link"])
    assert {rel: [day_of(when[0]) for when in told[rel].values()] for rel in ("first", "prev", "next", "last")} == {
        "first": ["2020-10-31"], "prev": ["2020-10-31"], "next": ["2020-11-14"], "last": [str(YESTERDAY)]}


def test_without_a_header_or_beyond_the_end_the_newest_is_given_and_never_a_day_that_is_not_over(record: TestClient) -> None:
    for when in (None, f"{date.fromordinal(TODAY):%a, %d %b %Y} 09:00:00 GMT", "Fri, 01 Jan 2100 00:00:00 GMT"):
        assert f"as_of={YESTERDAY}&known_at={YESTERDAY}&" in target(gate(record, HERE, when))


def test_before_the_record_begins_the_first_memento_is_given(record: TestClient) -> None:
    assert "as_of=1941-09-16&" in target(gate(record, HERE, "Mon, 01 Jan 1900 00:00:00 GMT"))
    assert "as_of=2020-10-31&" in target(gate(record, SUBJECT, "Sat, 08 Aug 2020 00:00:00 GMT"))


@pytest.mark.parametrize("when", ["2018-05-08", "Tue, 08 May 2018 12:00:00", "Tue, 08 May 2018 12:00:00 +0000", "Tue, 31 Feb 2018 12:00:00 GMT", "x"])
def test_a_malformed_time_is_refused(record: TestClient, when: str) -> None:
    assert "is not as RFC 1123 writes it" in problem(gate(record, HERE, when, 400), 400)


def test_what_is_not_known_has_neither_gate_nor_map(record: TestClient, client: TestClient) -> None:
    nobody = "/v1/subjects/agreement:no-such"
    problem(gate(record, nobody, status=404), 404)
    problem(gate(record, "/v1/relations/IRN-CHN", status=404), 404)
    problem(record.get(nobody.replace("/v1/", "/v1/timemap/")), 404)
    assert "nothing is known of IRN-USA on any day that is over" in problem(gate(client, HERE, status=404), 404)  # an empty log
    assert "unknown parameter 'as_of'" in problem(gate(record, HERE, status=400, as_of="2018-05-08"), 400)


def test_what_became_known_today_is_a_memento_tomorrow(client: TestClient) -> None:
    today = date.fromordinal(TODAY)
    assert client.post("/v1/events", json=concluded(day=str(today))).status_code == 201
    problem(gate(client, HERE, status=404), 404)
    assert client.post("/v1/events", json=concluded("older", day=str(YESTERDAY))).status_code == 201
    assert f"as_of={YESTERDAY}&" in target(gate(client, HERE))


# ---------------------------------------------------------------- mementos
def test_a_memento_is_the_ordinary_answer_and_stays_the_same_whatever_is_recorded(client: TestClient) -> None:
    assert client.post("/v1/events", json=concluded()).status_code == 201
    at = target(gate(client, HERE, "Wed, 15 Jul 2015 00:00:00 GMT"))
    first = client.get(at)
    assert first.headers["memento-datetime"] == "Wed, 15 Jul 2015 23:59:59 GMT"
    assert "immutable" in first.headers["cache-control"]
    told = links(first.headers["link"])
    assert (list(told["original"]), list(told["memento"])) == ([HERE], [at])
    assert {*told} == {"original", "timegate", "timemap", "memento"}
    assert client.post("/v1/events", json=withdrew(day="2015-07-14")).status_code == 201
    again = client.get(at)
    assert (again.content, again.headers["etag"]) == (first.content, first.headers["etag"])
    newer = target(gate(client, HERE, "Wed, 15 Jul 2015 00:00:00 GMT"))
    assert newer != at  # the record knows better now, and says so under another address
    assert client.get(newer).json()["agreements"] != first.json()["agreements"]
    instant = first.json()["basis"]["recorded_at"]
    assert target(gate(client, HERE, "Wed, 15 Jul 2015 00:00:00 GMT", recorded_at=instant)) == at
    assert client.get(at, headers={"If-None-Match": first.headers["etag"]}).headers["memento-datetime"] == first.headers["memento-datetime"]


def test_an_ordinary_answer_names_gate_and_map_and_is_no_memento(record: TestClient) -> None:
    pinned = answer(record, HERE)["basis"]["recorded_at"]
    days = {"as_of": "2018-05-08", "known_at": "2018-05-08"}
    today = dict.fromkeys(("as_of", "known_at"), str(date.fromordinal(TODAY)))
    for path in (HERE, SUBJECT.replace("incident:al-masri-killing", "agreement:jcpoa")):
        for asked in ({}, days, {**days, "known_at": "2018-05-09", "recorded_at": pinned}, {**today, "recorded_at": pinned}):
            response = record.get(path, params=asked)
            told = links(response.headers["link"])
            assert {rel: list(found) for rel, found in told.items()} == {
                "timegate": [path.replace("/v1/", "/v1/timegate/")], "timemap": [path.replace("/v1/", "/v1/timemap/")]}
            assert "memento-datetime" not in response.headers
        assert "memento-datetime" in record.head(path, params={**days, "recorded_at": pinned}).headers


# ---------------------------------------------------------------- TimeMaps
def test_a_time_map_lists_the_days_on_which_a_subject_was_told_otherwise(record: TestClient) -> None:
    response = record.get(SUBJECT.replace("/v1/", "/v1/timemap/"))
    assert response.headers["content-type"] == "application/link-format"
    told = links(response.text)
    assert [list(told[rel]) for rel in ("original", "timegate", "self")] == [
        [SUBJECT], [SUBJECT.replace("/v1/", "/v1/timegate/")], [SUBJECT.replace("/v1/", "/v1/timemap/")]]
    assert 'from="Sat, 31 Oct 2020 23:59:59 GMT"; until="Fri, 30 Jan 2026 23:59:59 GMT"' in response.text
    assert 'title="reconstructed from the record, not captured"' in response.text
    days = {day_of(when[0]): at for at, when in told["memento"].items()}
    assert list(days) == ["2020-10-31", "2020-11-13", "2020-11-14", "2020-11-15", "2021-01-12", str(YESTERDAY)]
    assert (list(told["first"]), list(told["last"])) == ([days["2020-10-31"]], [days[str(YESTERDAY)]])
    seen = [answer(record, at)["facts"] for at in days.values()]
    assert all(one != other for one, other in pairwise(seen[:-1]))
    assert seen[-1] == seen[-2]  # the last day that is over is listed, whether anything changed on it or not
    before = record.get(SUBJECT, params={"as_of": "2020-10-30", "known_at": "2020-10-30"})
    assert before.status_code == 404


def test_every_day_of_a_time_map_is_the_day_of_its_memento(record: TestClient) -> None:
    text = record.get(HERE.replace("/v1/", "/v1/timemap/")).text
    told = re.findall(r'^<[^>]*as_of=([^&]*)&known_at=([^&]*)&[^>]*>; rel="(?:first |last )?memento"; datetime="([^"]*)",?$', text, re.MULTILINE)
    assert len(told) == text.count('datetime="') > 400
    assert all(as_of == known_at == day_of(when) for as_of, known_at, when in told)
    assert sorted(told) == told


def test_a_long_time_map_comes_in_pages_that_name_each_other(record: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = links(record.get(SUBJECT.replace("/v1/", "/v1/timemap/")).text)["memento"]
    monkeypatch.setattr(memento, "PAGE", 4)
    first = record.get(SUBJECT.replace("/v1/", "/v1/timemap/"))
    assert len(links(first.text)["memento"]) == 4
    (second,) = links(first.text)["timemap"]
    rest = record.get(second)
    assert links(first.text)["memento"] | links(rest.text)["memento"] == whole
    assert list(links(rest.text)["self"]) == [second]
    (back,) = links(rest.text)["timemap"]
    assert links(record.get(back).text)["memento"] == links(first.text)["memento"]
    assert "has 2 pages" in problem(record.get(SUBJECT.replace("/v1/", "/v1/timemap/"), params={"page": 3}), 404)


def test_a_subject_of_which_nothing_held_has_the_day_on_which_it_was_heard_of(client: TestClient) -> None:
    """A waiver that had lapsed before anybody heard of it."""
    waiver = event("authorization:quiet", "authorization.waiver_issued", "w", "2019-01-01", "2020-05-05", name="W", by="USA", allows="x")
    assert client.post("/v1/events", json={**waiver, "until": "2019-03-01"}).status_code == 201
    told = links(client.get("/v1/timemap/subjects/authorization:quiet").text)["memento"]
    assert [day_of(when[0]) for when in told.values()] == ["2020-05-05", str(YESTERDAY)]
    assert answer(client, next(iter(told)))["past"]
