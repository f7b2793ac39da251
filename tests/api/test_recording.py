"""POST /v1/events: what is recorded, what is refused, and that a refusal leaves no trace."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from api.http import create_app
from api.wiring import Settings, Tarikh
from tests.api.ask import PROBLEM, Json, answer, concluded, event, items, position, problem, states, withdrew
from tests.conftest import KEY
from tests.databases import Databases

EVENTS = "/v1/events"
JSON = {"Content-Type": "application/json"}
ACCORD = "agreement:accord"


def post(http: TestClient, body: Any, **headers: str) -> Any:
    return http.post(EVENTS, json=body, headers={name.replace("_", "-"): value for name, value in headers.items()})


@pytest.fixture
def started(client: TestClient) -> TestClient:
    """An accord was concluded: version 1, position 1."""
    assert post(client, concluded()).status_code == 201
    return client


@pytest.fixture(scope="module")
def standing(databases: Databases) -> Iterator[TestClient]:
    """One service for all tests whose requests must be refused; an accord was concluded there."""
    core = Tarikh(Settings(database_url=databases.fresh(), api_key=KEY))
    with TestClient(create_app(core), headers={"Authorization": f"Bearer {KEY}"}) as http:
        assert post(http, concluded()).status_code == 201
        yield http
    core.close()


@pytest.fixture
def untouched(standing: TestClient) -> Iterator[TestClient]:
    """Whatever the test asks for must be refused: log, subjects and facts stay as they are."""
    before = (position(standing), items(standing, "agreements"), answer(standing, "/v1/subjects"))
    yield standing
    assert (position(standing), items(standing, "agreements"), answer(standing, "/v1/subjects")) == before


# ---------------------------------------------------------------- recorded
def test_a_new_event_is_created_and_can_be_read(client: TestClient) -> None:
    response = post(client, concluded())
    told = response.json()
    assert response.status_code == 201
    assert told["ids"] == ["agreement:accord@1"]
    assert (told["recorded"], told["skipped"], told["position"], told["versions"]) == (1, 0, 1, {ACCORD: 1})
    assert response.headers["Location"] == "/v1/events/agreement:accord@1"
    assert response.headers["ETag"] == '"1"'
    assert answer(client, response.headers["Location"])["record_id"] == "concluded"
    assert answer(client, f"/v1/subjects/{ACCORD}")["version"] == 1


def test_the_same_event_again_is_skipped(started: TestClient) -> None:
    response = post(started, concluded())
    told = response.json()
    assert response.status_code == 200
    assert (told["ids"], told["recorded"], told["skipped"], told["position"]) == (["agreement:accord@1"], 0, 1, 1)
    assert position(started) == 1


def test_a_batch_records_what_is_new_and_skips_the_rest(started: TestClient) -> None:
    response = post(started, {"events": [concluded(), withdrew(), concluded("other")]})
    told = response.json()
    assert response.status_code == 201
    assert told["ids"] == ["agreement:accord@1", "agreement:accord@2", "agreement:other@1"]
    assert (told["recorded"], told["skipped"], told["versions"]) == (2, 1, {ACCORD: 2, "agreement:other": 1})
    both = [answer(started, f"/v1/events/{id_}")["recorded_at"] for id_ in told["ids"][1:]]
    assert both == [told["recorded_at"]] * 2


def test_a_list_is_a_batch(client: TestClient) -> None:
    assert post(client, [concluded(), withdrew()]).json()["recorded"] == 2


def test_a_batch_is_judged_as_a_whole_and_not_event_by_event(client: TestClient) -> None:
    assert post(client, [withdrew(), concluded()]).status_code == 201
    assert states(items(client, "agreements", party="USA")) == {"withdrawal:USA": "withdrawn"}


def test_what_came_to_light_late_may_be_recorded_late(started: TestClient) -> None:
    post(started, withdrew())
    early = {**event(ACCORD, "agreement.adopted", "adopted", "2015-10-18"), "known": "2019-01-01"}
    assert post(started, early).status_code == 201
    assert states(items(started, "agreements", as_of="2016-01-01"))["agreement"] == "adopted"
    assert states(items(started, "agreements", as_of="2016-01-01", known_at="2018-12-31"))["agreement"] == "concluded"


# ---------------------------------------------------------------- corrections
def test_an_amendment_replaces_and_its_retraction_restores(started: TestClient) -> None:
    amended = {**event(ACCORD, "correction.amended", "fix", "2015-07-20", known="2015-08-01"),
               "data": {"target": "concluded", "type": "agreement.concluded", "data": {"name": "The Accord", "parties": ["IRN", "USA"]}}}
    assert post(started, amended).status_code == 201
    assert items(started, "agreements", status="concluded", as_of="2015-07-15") == []
    assert [f["attributes"]["name"] for f in items(started, "agreements", key="agreement", as_of="2015-07-20")] == ["The Accord"]
    assert len(items(started, "agreements", as_of="2015-07-15", known_at="2015-07-31")) == 3
    retracted = {**event(ACCORD, "correction.retracted", "unfix", None, known="2015-09-01", target="fix", reason="it was right")}
    assert post(started, retracted).status_code == 201
    assert items(started, "agreements", as_of="2015-07-15", known_at="2015-09-01")[0]["because"] == ["agreement:accord@1"]
    assert items(started, "agreements", status="concluded", as_of="2015-07-15", known_at="2015-08-31") == []


def test_a_correction_needs_a_target(untouched: TestClient) -> None:
    detail = problem(post(untouched, event(ACCORD, "correction.retracted", "oops", None, known="2016-01-01", target="nothing", reason="x")), 422)
    assert "nothing" in detail


def test_a_correction_that_makes_the_timeline_impossible_is_refused(client: TestClient) -> None:
    assert post(client, [concluded(), withdrew()]).status_code == 201
    retracted = event(ACCORD, "correction.retracted", "gone", None, known="2019-01-01", target="concluded", reason="never happened")
    assert "withdrew.USA" in problem(post(client, retracted), 409)
    assert position(client) == 2


# ---------------------------------------------------------------- refused by the record
def test_a_taken_record_id_with_other_content_is_a_conflict(untouched: TestClient) -> None:
    detail = problem(post(untouched, concluded(day="2015-07-15")), 409)
    assert "concluded" in detail
    assert "correction" in detail


def test_nobody_leaves_what_he_never_joined(untouched: TestClient) -> None:
    assert "CHN" in problem(post(untouched, withdrew(party="CHN")), 409)


def test_nobody_leaves_before_he_joined(untouched: TestClient) -> None:
    problem(post(untouched, withdrew(day="2015-07-13")), 409)


def test_a_party_that_is_not_listed_cannot_be_delisted(untouched: TestClient) -> None:
    problem(post(untouched, event("designation:nobody", "designation.delisted", "off", "2016-01-16", list="OFAC-SDN")), 409)
    assert untouched.get("/v1/subjects/designation:nobody").status_code == 404


@pytest.mark.parametrize("bad", [
    withdrew(party="CHN"), {**withdrew(), "type": "agreement.exploded"}, {**withdrew(), "effective": "2018-02-30"}, {"subject": ACCORD}, 5])
def test_one_bad_event_refuses_the_whole_batch(untouched: TestClient, bad: Json) -> None:
    response = post(untouched, {"events": [concluded("second"), bad, concluded("third")]})
    assert response.status_code in (409, 422)
    problem(response, response.status_code)
    assert untouched.get("/v1/subjects/agreement:second").status_code == 404


# ---------------------------------------------------------------- versions
def test_the_wrong_version_is_refused(untouched: TestClient) -> None:
    assert "version 1, not 7" in problem(post(untouched, withdrew(), If_Match='"7"'), 412)
    problem(post(untouched, {"events": [withdrew()], "expected_version": {ACCORD: 0}}), 412)
    problem(post(untouched, {"events": [concluded()], "expected_version": {ACCORD: 0}}), 412)


@pytest.mark.parametrize("if_match", ['"1"', "1", 'W/"1"'])
def test_the_right_version_is_accepted(started: TestClient, if_match: str) -> None:
    response = post(started, withdrew(), If_Match=if_match)
    assert (response.status_code, response.headers["ETag"]) == (201, '"2"')


def test_a_batch_names_the_version_of_each_subject(started: TestClient) -> None:
    body = {"events": [withdrew(), concluded("other")], "expected_version": {ACCORD: 1, "agreement:other": 0}}
    assert post(started, body).status_code == 201


@pytest.mark.parametrize("if_match", ["*", '"x"', "", "9" * 5000, '"-1"', b'"\xb2"'.decode("latin-1")])
def test_if_match_must_be_a_version(untouched: TestClient, if_match: str) -> None:
    response = untouched.post(EVENTS, json=withdrew(), headers={b"if-match": if_match.encode("latin-1")})
    problem(response, 400)


def test_if_match_serves_one_subject(untouched: TestClient) -> None:
    assert "expected_version" in problem(post(untouched, [concluded("a"), concluded("b")], If_Match='"0"'), 400)


@pytest.mark.parametrize("expected", [[1], {ACCORD: "1"}, {ACCORD: -1}, {ACCORD: True}, {ACCORD: None}, {"agreement:other": 0}, {"\ud800": 1}])
def test_expected_version_must_be_of_the_batch(untouched: TestClient, expected: Any) -> None:
    problem(untouched.post(EVENTS, content=json.dumps({"events": [withdrew()], "expected_version": expected}), headers=JSON), 422)


def test_a_misspelled_expected_version_is_not_passed_over(untouched: TestClient) -> None:
    assert "expected_versions" in problem(post(untouched, {"events": [withdrew()], "expected_versions": {ACCORD: 9}}), 422)


def test_a_version_may_be_required(fresh: Callable[[], str]) -> None:
    core = Tarikh(Settings(database_url=fresh(), api_key=KEY, require_version=True))
    with TestClient(create_app(core), headers={"Authorization": f"Bearer {KEY}"}) as http:
        assert "expected_version" in problem(post(http, concluded()), 428)
        problem(post(http, {"events": [concluded(), concluded("b")], "expected_version": {ACCORD: 0}}), 428)
        assert position(http) == 0
        assert post(http, concluded(), If_Match='"0"').status_code == 201
    core.close()


# ---------------------------------------------------------------- keys
@pytest.mark.parametrize("headers", [{"Authorization": ""}, {"Authorization": KEY}, {"Authorization": "Basic x"}])
def test_without_a_key_nothing_is_recorded(untouched: TestClient, headers: dict[str, str]) -> None:
    response = untouched.post(EVENTS, json=withdrew(), headers=headers)
    assert "Authorization" in problem(response, 401)
    assert response.headers["WWW-Authenticate"] == "Bearer"


def test_a_wrong_key_is_refused(untouched: TestClient) -> None:
    for given in ("wrong", KEY + "x", "schlüssel"):
        response = untouched.post(EVENTS, json=withdrew(), headers={b"authorization": f"Bearer {given}".encode("latin-1")})
        assert "not valid" in problem(response, 401)


def test_the_key_may_come_in_either_header(core: Tarikh) -> None:
    with TestClient(create_app(core)) as http:
        problem(http.post(EVENTS, json=concluded()), 401)
        assert http.post(EVENTS, json=concluded(), headers={"X-API-Key": KEY}).status_code == 201
        assert http.post(EVENTS, json=concluded("b"), headers={"authorization": f"bearer {KEY}"}).status_code == 201


def test_a_service_without_a_key_takes_no_events(fresh: Callable[[], str]) -> None:
    core = Tarikh(Settings(database_url=fresh(), api_key=None))
    with TestClient(create_app(core)) as http:
        assert "TARIKH_API_KEY" in problem(http.post(EVENTS, json=concluded(), headers={"Authorization": "Bearer x"}), 403)
        assert position(http) == 0
    core.close()


# ---------------------------------------------------------------- not well formed
@pytest.mark.parametrize(("change", "told"), [
    ({"type": "agreement.exploded"}, "agreement.exploded"), ({"type": "agreement.concluded.v9"}, "no version '9'"), ({"type": 5}, "type"),
    ({"type": "office.assumed", "data": {"person": "x", "name": "X", "office": "O", "country": "USA"}}, "office.assumed"),
    ({"effective": "2018-02-30"}, "2018-02-30"), ({"effective": "2021-02-29"}, "2021-02-29"), ({"effective": "next week"}, "next week"),
    ({"effective": None}, "effective"), ({"known": "20-01-2018"}, "20-01-2018"), ({"known": "2999-01-01"}, "not over yet"),
    ({"known": None}, "known"), ({"until": "2010-01-01"}, "until"), ({"until": "2018-13"}, "until"),
    ({"known": "[" + ",".join(["2018-01-01"] * 2000) + "]"}, "too long"),
    ({"subject": "treaty:x"}, "treaty"), ({"subject": "agreement"}, "subject"), ({"subject": "agreement:a b"}, "subject"),
    ({"record_id": ""}, "record_id"), ({"record_id": "x" * 300}, "record_id"), ({"sources": []}, "sources"), ({"sources": [{}]}, "publisher"),
    ({"data": {}}, "name"), ({"data": None}, "data"), ({"data": {"name": "A", "colour": "red"}}, "colour"), ({"order": 10**6}, "order"),
    ({"confidence": "certain"}, "confidence"), ({"extra": 1}, "extra")])
def test_an_event_that_is_not_well_formed_is_unprocessable(untouched: TestClient, change: Json, told: str) -> None:
    assert told in problem(post(untouched, {**concluded("second"), **change}), 422)


@pytest.mark.parametrize("body", [
    [], {"events": []}, {"events": {}}, {"events": None}, {"events": 5}, {"events": "abc"}, {}, 5, None, "x", [5], [[]]])
def test_what_is_no_batch_is_unprocessable(untouched: TestClient, body: Any) -> None:
    problem(untouched.post(EVENTS, content=json.dumps(body), headers=JSON), 422)


def test_an_empty_batch_says_so(untouched: TestClient) -> None:
    assert "no events" in problem(post(untouched, {"events": []}), 422)


@pytest.mark.parametrize("body", [b"{", b"", b'{"a":}', b'{"a": "\xff"}', b"[" * 100_000, b"9" * 5000, b"\x00"])
def test_what_is_no_json_is_a_bad_request(untouched: TestClient, body: bytes) -> None:
    assert "body" in problem(untouched.post(EVENTS, content=body, headers=JSON), 400)


def test_numbers_that_are_none_are_unprocessable(untouched: TestClient) -> None:
    said = event("indicator:x", "indicator.observed", "a", "2020-01-01", name="x", unit="u", publisher="p", publisher_name="P")
    for value in ("NaN", "Infinity", "-1e999", "1" + "0" * 400):
        body = json.dumps({**said, "data": {**said["data"], "value": "?"}}).replace('"?"', value)
        problem(untouched.post(EVENTS, content=body, headers=JSON), 422)


def test_another_media_type_is_told_what_to_send(untouched: TestClient) -> None:
    for headers in ({"Content-Type": "text/plain"}, {"Content-Type": "application/x-www-form-urlencoded"}, {}):
        assert "application/json" in problem(untouched.post(EVENTS, content=json.dumps(withdrew()).encode(), headers=headers), 415)


def test_an_unknown_parameter_is_refused(untouched: TestClient) -> None:
    assert "dry_run" in problem(untouched.post(EVENTS, params={"dry_run": "1"}, json=withdrew()), 400)


def chunks(size: int) -> Iterator[bytes]:
    yield b'{"a":"'
    for _ in range(size // 2**20):
        yield b"x" * 2**20


def test_a_body_of_50_megabytes_is_too_large(untouched: TestClient) -> None:
    for content in (b'{"a":"' + b"x" * 50_000_000 + b'"}', chunks(50_000_000)):
        response = untouched.post(EVENTS, content=content, headers=JSON)
        assert "fewer events" in problem(response, 413)
        assert response.headers["content-type"] == PROBLEM


def test_the_limit_is_a_setting(fresh: Callable[[], str]) -> None:
    core = Tarikh(Settings(database_url=fresh(), api_key=KEY, body_limit=100))
    with TestClient(create_app(core), headers={"Authorization": f"Bearer {KEY}"}) as http:
        assert "100 bytes" in problem(post(http, concluded()), 413)
        problem(http.post("/v1/relations/IRN-USA/what-if", json={"add": [concluded()]}), 413)
    core.close()
