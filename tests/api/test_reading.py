"""Reading: what is malformed, what is not there, caching, filters, series, suppositions."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from fastapi.testclient import TestClient

from tests.api.ask import HERE, answer, concluded, event, items, params, position, problem, states, values, withdrew

NEW_YEAR = "2026-01-01T00:00:00Z"
ROOT = Path(__file__).parents[2]
FACTS, LINE, SERIES = f"{HERE}/agreements", f"{HERE}/timeline", "/v1/series/programs_in_force"


def cursor(told: Any) -> str:
    return base64.urlsafe_b64encode(told if isinstance(told, bytes) else json.dumps(told).encode()).decode().rstrip("=")


# ---------------------------------------------------------------- malformed
@pytest.mark.parametrize("name", ["as_of", "known_at"])
@pytest.mark.parametrize("day", [
    "", "today", "2018", "2018-05", "2018-5-8", "20180508", "08-05-2018", "2018-05-08T00:00:00Z", " 2018-05-08", "2018-W19-2", "2018-02-30",
    "2021-02-29", "2018-13-01", "0000-01-01", "\uff12\uff10\uff11\uff18-05-08", "[2018-05-01..2018-05-04]"])
def test_a_day_in_another_form_or_off_the_calendar_is_refused(record: TestClient, name: str, day: str) -> None:
    detail = problem(record.get(HERE, params={name: day}), 400)
    assert detail.startswith(f"{name}: ")


def test_a_nul_character_is_in_no_parameter(record: TestClient) -> None:
    for path, name in ((HERE, "as_of"), (FACTS, "q"), (FACTS, "party"), ("/v1/subjects", "q"), ("/v1/events", "subject")):
        problem(record.get(path, params={name: "2018-05-08\x00"}), 400)


@pytest.mark.parametrize("instant", ["", "now", "2026", "2026-01-31T12:00:00", "2026-01-31T12:00Z", "2026-01-31T12:00:00 00:00", "20260131T120000Z",
                                     "2026-W05-6", "2026-02-30T12:00:00Z", "2026-01-31T25:00:00Z"])
def test_an_instant_needs_a_time_zone(record: TestClient, instant: str) -> None:
    assert "2026-01-31T12:00:00Z" in problem(record.get(HERE, params={"recorded_at": instant}), 400)


def test_the_first_and_the_last_day_of_the_calendar_are_days(record: TestClient) -> None:
    for day in ("0001-01-01", "9999-12-31"):
        assert answer(record, HERE, as_of=day, known_at=day)["basis"]["as_of"] == day
    assert answer(record, HERE, known_at="0001-01-01")["relations"] == []


@pytest.mark.parametrize(("path", "asked", "told"), [
    (HERE, {"as_off": "2018-05-08"}, "as_off"), (FACTS, {"colour": "red"}, "colour"), (LINE, {"until": "2018-05-08"}, "until"),
    ("/v1/subjects", {"query": "x"}, "query"), ("/v1/events", {"as_of": "2018-05-08"}, "as_of"), ("/health", {"x": "1"}, "x"),
    (FACTS, {"limit": "0"}, "limit"), (FACTS, {"limit": "1001"}, "limit"), (FACTS, {"limit": "many"}, "limit"),
    ("/v1/events", {"limit": "0"}, "limit"), ("/v1/events", {"after": "-1"}, "after"), ("/v1/events", {"after": "9" * 30}, "after"),
    ("/v1/events", {"type": "agreement.exploded"}, "exploded"),
    (FACTS, {"from": "2018-02-01", "to": "2018-01-01"}, "before"), (LINE, {"from": "2018-02-01", "to": "2018-01-01"}, "before"),
    (SERIES, {"from": "2018-02-01", "to": "2018-01-01"}, "before"), (FACTS, {"from": "2018"}, "from"), (LINE, {"to": "x"}, "to"),
    (SERIES, {"from": "2018-01-01"}, "to"), (SERIES, {"from": "2018-01-01", "to": "2018-02-01", "step": "hour"}, "quarter"),
    (SERIES, {"from": "0001-01-01", "to": "9999-12-31", "step": "day"}, "5000"),
    (SERIES, {"from": "2018-01-01", "to": "2018-02-01", "point_in_time": "perhaps"}, "point_in_time"),
    (f"{HERE}/diff", {"from": "2018-01-01"}, "to"), (f"{HERE}/diff", {"from": "x", "to": "2018-01-01"}, "from"),
    (f"{HERE}/diff", {"from": "2018-01-01", "to": "2018-01-01", "to_known_at": "x"}, "to_known_at"),
    (f"{HERE}/diff", {"from": "2018-01-01", "to": "2018-01-01", "from_recorded_at": ""}, "recorded_at"),
    (f"{HERE}/diff", {"from": "2018-01-01", "to": "2018-01-01", "as_of": "2018-01-01"}, "as_of")])
def test_a_malformed_parameter_is_named(record: TestClient, path: str, asked: dict[str, str], told: str) -> None:
    assert told in problem(record.get(path, params=asked), 400)


@pytest.mark.parametrize("path", [HERE, FACTS, LINE, "/v1/subjects", "/v1/events"])
def test_a_parameter_is_given_once(record: TestClient, path: str) -> None:
    assert "twice" in problem(record.get(f"{path}?q=a&q=b"), 400)


@pytest.mark.parametrize("text", [
    "", "zzz", "\xe9", "x" * 3000, cursor([1, 2, 3, 4]), cursor([]), cursor({}), cursor(b"\xff"), cursor(b"[" * 5000 + b"]" * 5000),
    cursor(["2018-01-01", "2018-01-01", NEW_YEAR, -1]), cursor(["2018-01-01", "2018-01-01", NEW_YEAR, 10**30]),
    cursor(["x", "2018-01-01", NEW_YEAR, 0]), cursor(["2018-01-01", "2018-01-01", "x", 0])])
def test_a_cursor_that_the_service_never_gave_is_refused(record: TestClient, text: str) -> None:
    for path in (FACTS, LINE, "/v1/subjects"):
        problem(record.get(path, params={"cursor": text}), 400)


# ---------------------------------------------------------------- not there
@pytest.mark.parametrize("path", [
    "/", "/v1", "/nope", "/v1/relations/USA-IRN", "/v1/relations/IRN-IRQ/offices", f"{HERE}/nonsense", f"{HERE}/coverage", f"{HERE}/Offices",
    "/v1/subjects/agreement:nope", "/v1/subjects/nope", "/v1/subjects/agreement:nope/history", "/v1/subjects?family=nonsense",
    f"{LINE}?family=nonsense", "/v1/events/x", "/v1/events/agreement:jcpoa@0", "/v1/events/agreement:jcpoa@999999999999999999",
    f"/v1/events/agreement:jcpoa@{'9' * 40}", "/v1/events/agreement:jcpoa@1?known_at=2013-01-01",
    "/v1/events/agreement:jcpoa@1?recorded_at=2000-01-01", "/v1/subjects/agreement:jcpoa?known_at=2013-01-01",
    "/v1/series/nope?from=2018-01-01&to=2018-12-31",
    "/v1/series/indicator:nope?from=2018-01-01&to=2018-12-31"])
def test_what_is_not_there_is_not_found(record: TestClient, path: str) -> None:
    problem(record.get(path), 404)


def test_a_list_that_is_not_there_says_which_are(record: TestClient) -> None:
    assert "agreements" in problem(record.get(f"{HERE}/treaties"), 404)


def test_another_method_is_a_problem_document(record: TestClient) -> None:
    for method in ("PUT", "PATCH", "DELETE", "POST"):
        response = record.request(method, HERE)
        problem(response, 405)
        assert response.headers["allow"]


# ---------------------------------------------------------------- caching
@pytest.mark.parametrize("path", [HERE, FACTS, LINE, "/v1/subjects", "/v1/subjects/agreement:jcpoa", "/v1/subjects/agreement:jcpoa/history",
                                  "/v1/events/agreement:jcpoa@1", f"{SERIES}?from=2018-01-01&to=2018-12-31"])
def test_an_answer_is_revalidated_by_its_etag(record: TestClient, path: str) -> None:
    first = record.get(path)
    again = record.get(path, headers={"If-None-Match": f'"other", W/{first.headers["ETag"]}'})
    assert first.status_code == 200
    assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", first.headers["ETag"])
    assert record.get(path, headers={"If-None-Match": '"other"'}).content == first.content


def test_the_etag_moves_with_each_clock_and_with_the_log(client: TestClient) -> None:
    def tag(**asked: str) -> str:
        return client.get(HERE, params=params(asked)).headers["ETag"]

    client.post("/v1/events", json=concluded())
    before = [tag(), tag(as_of="2018-01-01"), tag(known_at="2018-01-01"), tag(as_of="2018-01-01", known_at="2018-01-01")]
    client.post("/v1/events", json=withdrew())
    after = [tag(), tag(as_of="2018-01-01"), tag(known_at="2018-01-01"), tag(as_of="2018-01-01", known_at="2018-01-01")]
    assert len({*before, *after}) == 8


def test_only_an_answer_on_three_explicit_times_that_the_log_has_passed_is_immutable(client: TestClient) -> None:
    def cache(**asked: str) -> str:
        return client.get(HERE, params=params(asked)).headers["Cache-Control"]

    recorded_at = client.post("/v1/events", json=concluded()).json()["recorded_at"]
    day = {"as_of": "2018-01-01", "known_at": "2018-01-01"}
    assert cache() == cache(**day) == cache(recorded_at=recorded_at) == cache(as_of="2018-01-01", recorded_at=recorded_at) == "no-cache"
    assert cache(**day, recorded_at=recorded_at) == "public, max-age=86400, immutable"
    assert cache(**day, recorded_at="2000-01-01") == "public, max-age=86400, immutable"
    assert cache(**day, recorded_at="9999-12-31T00:00:00Z") == "no-cache"


def test_an_explicit_basis_gives_the_same_bytes_whatever_is_recorded_later(client: TestClient) -> None:
    recorded_at = client.post("/v1/events", json=[concluded(), concluded("other")]).json()["recorded_at"]
    basis = {"as_of": "2018-06-01", "known_at": "2018-06-01", "recorded_at": recorded_at}
    paths = [HERE, FACTS, f"{FACTS}?from=2015-01-01&to=2018-12-31", f"{FACTS}?limit=1", LINE, "/v1/subjects", "/v1/subjects/agreement:accord",
             "/v1/subjects/agreement:accord/history", "/v1/series/agreement_participants?from=2015-01-01&to=2018-12-31"]
    urls = [f"{path}{'&' if '?' in path else '?'}{urlencode(basis)}" for path in paths]  # `params` would strip a path of its own query
    assert {client.get(url).status_code for url in urls} == {200}
    before = [client.get(url).content for url in urls]
    amended = {**event("agreement:other", "correction.amended", "fix", "2015-07-20", known="2015-08-01"),
               "data": {"target": "concluded", "type": "agreement.concluded", "data": {"name": "Other", "parties": ["IRN"]}}}
    assert client.post("/v1/events", json=[withdrew(), amended, concluded("third")]).status_code == 201
    assert [client.get(url).content for url in urls] == before
    assert client.get(FACTS, params={**basis, "recorded_at": "9999-01-01"}).json()["items"] != json.loads(before[1])["items"]


# ---------------------------------------------------------------- filters
def test_filters_are_equality_and_all_of_them_hold(record: TestClient) -> None:
    day = {"as_of": "2018-05-07"}
    everything = items(record, "agreements", **day)
    some = items(record, "agreements", kind="participant", party="USA", **day)
    assert some
    assert some == [f for f in everything if f["kind"] == "participant" and f["attributes"].get("party") == "USA"]
    assert items(record, "agreements", kind="participant", party="usa", **day) == []
    assert items(record, "agreements", status="", **day) == []


def test_a_filter_on_a_list_asks_for_one_of_its_items(record: TestClient) -> None:
    day = {"as_of": "2018-05-07"}
    found = items(record, "programs", gsdb="arms", **day)
    assert 0 < len(found) < len(items(record, "programs", **day))
    assert all("arms" in fact["attributes"]["gsdb"] for fact in found)
    assert items(record, "designations", programs="SDGT", subject="designation:irgc", key="listing:OFAC-SDN", **day)
    assert items(record, "designations", programs="SDG", **day) == []


def test_a_filter_on_a_boolean_is_true_or_false(record: TestClient) -> None:
    secret = items(record, "negotiations", secret="true", as_of="2013-06-01")
    assert values(secret, "secret") == {True}
    assert secret == items(record, "negotiations", secret="True", as_of="2013-06-01")
    assert items(record, "negotiations", secret="false", as_of="2013-06-01") == []


def test_a_filter_on_a_number_is_a_number(record: TestClient) -> None:
    for two in ("2", "2.0"):
        assert states(items(record, "agreements", step=two, as_of="2020-01-10")) == {"reduction:step-2": "in_effect"}
    for none in ("two", "nan", "1e999", "0"):
        assert items(record, "agreements", step=none, as_of="2020-01-10") == []


def test_an_attribute_named_like_a_parameter_is_a_filter_too(record: TestClient) -> None:
    blamed = items(record, "incidents", subject="incident:ps752", as_of="2020-01-09", known_at="2020-01-12", **{"attributes.to": "irgc"})
    assert states(blamed) == {"attribution:irgc:IRN": "attributed"}


def test_every_documented_attribute_is_a_filter(record: TestClient) -> None:
    sections = re.split(r"^## .+: `(\w+)`$", (ROOT / "docs/families.md").read_text(encoding="utf-8"), flags=re.M)[1:]
    assert len(sections) > 20
    for family, text in zip(sections[::2], sections[1::2], strict=True):
        names = re.findall(r"^\| `(\w+)` \| (?:text|number|true or false|list)", text, flags=re.M)
        assert names, family
        for name in names if family != "coverage" else ():
            answer(record, f"{HERE}/{family}", as_of="0001-01-01", **{f"attributes.{name}" if name in ("to", "limit") else name: "x"})


def test_words_are_found_whatever_their_case_and_accents(client: TestClient) -> None:
    told = event("agreement:x", "agreement.concluded", "x", "2015-07-14", name="Accord de Genève sur l'énergie", parties=["IRN"])
    client.post("/v1/events", json=told)
    for words in ("genève", "GENEVE", "energie geneve", "ÉNERGIE", "participant:irn"):
        assert items(client, "agreements", q=words), words
        assert words == "participant:irn" or answer(client, "/v1/subjects", q=words)["total"] == 1
    for words in ("geneva", "geneve oslo"):
        assert items(client, "agreements", q=words) == []
        assert answer(client, "/v1/subjects", q=words)["items"] == []


def test_subjects_are_found_by_either_name_of_their_family(record: TestClient) -> None:
    assert answer(record, "/v1/subjects", family="office") == answer(record, "/v1/subjects", family="offices")
    assert {item["family"] for item in answer(record, "/v1/subjects", family="offices")["items"]} == {"office"}


def test_between_two_days_lists_all_that_held_at_some_time(record: TestClient) -> None:
    held = items(record, "offices", subject="office:us-secretary-of-state", kind="holder", from_="2018-03-31", to="2018-04-26")
    assert values(held, "person") == {"rex-tillerson", "john-j-sullivan", "mike-pompeo"}
    one = items(record, "offices", subject="office:us-secretary-of-state", kind="holder", from_="2018-04-02", to="2018-04-25")
    assert values(one, "person") == {"john-j-sullivan"}
    assert items(record, "offices", subject="office:us-president", status="in_office", from_="2021-01-20", to="2021-01-20") == items(
        record, "offices", subject="office:us-president", status="in_office", as_of="2021-01-20")


# ---------------------------------------------------------------- series
def test_each_series_that_is_listed_can_be_asked(record: TestClient) -> None:
    listed = answer(record, "/v1/series")["items"]
    assert len(listed) > 10
    for series in listed:
        told = answer(record, f"/v1/series/{series['name']}", from_="2019-01-01", to="2019-12-31", step="quarter")
        assert [item["day"] for item in told["items"]] == ["2019-03-31", "2019-06-30", "2019-09-30", "2019-12-31"]


def test_a_series_counts_what_the_list_of_the_day_holds(record: TestClient) -> None:
    told = answer(record, "/v1/series/agreement_participants", from_="2018-05-07", to="2018-05-08", step="day")
    assert [item["by"].get("USA", 0) for item in told["items"]] == [
        len(items(record, "agreements", kind="participant", status="participant", party="USA", as_of=day)) for day in ("2018-05-07", "2018-05-08")]


def test_a_series_in_point_of_time_does_not_look_ahead(record: TestClient) -> None:
    asked = {"from_": "2019-07-01", "to": "2019-12-31", "step": "quarter"}
    then, now = (answer(record, "/v1/series/indicator:iran-gdp-growth", point_in_time=flag, **asked)["items"] for flag in ("true", "false"))
    assert [item["known_at"] for item in then] == [item["day"] for item in then] == ["2019-09-30", "2019-12-31"]
    assert [item["value"] for item in then] == [None, None]
    assert [item["value"] for item in now] == [-6.5, -6.5]


def test_steps_end_with_the_calendar(record: TestClient) -> None:
    for step in ("week", "month", "quarter", "year"):
        assert answer(record, SERIES, from_="9999-12-25", to="9999-12-31", step=step)["items"][-1]["day"] == "9999-12-31"


# ---------------------------------------------------------------- suppositions
def suppose(http: TestClient, **body: Any) -> Any:
    response = http.post(f"{HERE}/what-if", json=body)
    assert response.status_code == 200, response.text
    return response.json()


def test_without_an_event_the_day_is_as_if_it_had_not_been(record: TestClient) -> None:
    [exit_] = items(record, "agreements", subject="agreement:jcpoa", kind="withdrawal", party="USA", as_of="2021-01-12")
    before = (position(record), record.get(HERE, params={"as_of": "2021-01-12"}).content)
    told = suppose(record, as_of="2021-01-12", without=exit_["because"])
    assert states([f for f in told["agreements"] if f["subject"] == "agreement:jcpoa" and f["attributes"].get("party") == "USA"]) == {
        "participant:USA": "participant"}
    moved = {c["key"]: (bool(c["before"]), bool(c["after"])) for c in told["diff"]}
    assert (moved["participant:USA"], moved["withdrawal:USA"]) == ((False, True), (True, False))
    assert {c["subject"] for c in told["diff"]} == {"agreement:jcpoa"}
    assert told["notes"] == []
    assert before == (position(record), record.get(HERE, params={"as_of": "2021-01-12"}).content)


def test_with_an_event_more_the_day_has_it_and_nothing_is_stored(record: TestClient) -> None:
    rejoined = {**event("agreement:jcpoa", "agreement.participant_rejoined", "back", "2021-01-20", party="USA"), "known": "2021-01-20"}
    told = suppose(record, as_of="2021-02-01", add=[rejoined])
    assert {(c["subject"], c["key"]) for c in told["diff"]} == {("agreement:jcpoa", "participant:USA"), ("agreement:jcpoa", "withdrawal:USA")}
    assert items(record, "agreements", subject="agreement:jcpoa", key="participant:USA", as_of="2021-02-01") == []
    assert suppose(record, as_of="2021-01-19", known_at="2021-01-19", add=[rejoined])["diff"] == []
    assert [c["after"]["until"] for c in suppose(record, as_of="2021-01-19", add=[rejoined])["diff"]] == ["2021-01-20"]


def test_a_supposition_that_cannot_be_is_told_with_a_note(record: TestClient) -> None:
    told = suppose(record, add=[{**event("agreement:jcpoa", "agreement.participant_withdrew", "x", "2019-01-01", party="JPN")}])
    assert "JPN" in told["notes"][0]


def test_nothing_supposed_changes_nothing(record: TestClient) -> None:
    told = suppose(record, as_of="2021-01-12", known_at="2021-01-12")
    state = answer(record, HERE, as_of="2021-01-12", known_at="2021-01-12")
    assert (told.pop("diff"), told.pop("notes")) == ([], [])
    assert told == state


@pytest.mark.parametrize(("body", "status"), [
    ({"x": 1}, 400), ([], 400), ({"as_of": "2018"}, 400), ({"add": [1]}, 400), ({"without": "x"}, 400), ({"without": ["x"] * 1001}, 400),
    ({"without": ["x"]}, 404), ({"without": ["agreement:jcpoa@999"]}, 404), ({"without": ["agreement:jcpoa@1"], "known_at": "2010-01-01"}, 404),
    ({"add": [{}]}, 422), ({"add": [concluded(day="2018-02-30")]}, 422)])
def test_a_malformed_supposition_is_refused(record: TestClient, body: Any, status: int) -> None:
    problem(record.post(f"{HERE}/what-if", json=body), status)


def test_designations_are_found_by_program_authority_and_alias(record: TestClient) -> None:
    def subjects(**filters: str) -> set[str]:
        answer = record.get("/v1/relations/IRN-USA/designations", params={"as_of": "2021-01-12", "limit": "1000", **filters})
        assert answer.status_code == 200
        return {item["subject"] for item in answer.json()["items"]}

    assert "designation:irgc" in subjects(program="SDGT", kind="listing")
    assert subjects(program="NO-SUCH-PROGRAM") == set()
    assert "designation:irgc" in subjects(authority="E.O. 13224", kind="listing")
    assert "designation:irgc" in subjects(authority="E.O. 13224", kind="authority")
    assert "designation:bank-sepah" not in subjects(authority="E.O. 13224")
