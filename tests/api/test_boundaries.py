"""Boundaries and hindsight: a day means its end, and nobody knows on a day what came out later."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient

from tests.api.ask import HERE, Json, answer, items, states, values

PRESIDENT, SECRETARY = "office:us-president", "office:us-secretary-of-state"
MASRI = "incident:al-masri-killing"
MISSILES = "incident:ain-al-asad-missile-strike"
GROWTH = "indicator:iran-gdp-growth"
DAYS = ["1950-01-01", "1980-04-07", "1988-07-03", "2003-05-20", "2016-01-16", "2018-05-08", "2019-04-10", "2021-01-12", "2025-12-31", "2100-01-01"]


def holder(http: TestClient, subject: str, as_of: str, known_at: str | None = None) -> dict[str, str]:
    """Who is in an office, and how."""
    held = items(http, "offices", subject=subject, kind="holder", as_of=as_of, known_at=known_at)
    return {fact["attributes"]["name"]: fact["status"] for fact in held}


# ---------------------------------------------------------------- days
@pytest.mark.parametrize(("as_of", "status"), [("2018-05-07", {"participant:USA": "participant"}), ("2018-05-08", {"withdrawal:USA": "withdrawn"})])
def test_the_united_states_take_part_in_the_jcpoa_to_the_end_of_7_may_2018(record: TestClient, as_of: str, status: dict[str, str]) -> None:
    assert states(items(record, "agreements", subject="agreement:jcpoa", party="USA", as_of=as_of)) == status


@pytest.mark.parametrize(("subject", "last", "after"), [
    ("authorization:wind-down-90-day", "2018-08-06", "2018-08-07"), ("authorization:wind-down-180-day", "2018-11-04", "2018-11-05")])
def test_a_wind_down_is_open_through_its_last_day(record: TestClient, subject: str, last: str, after: str) -> None:
    for known_at in (last, None):
        open_still = items(record, "authorizations", subject=subject, kind="wind_down", as_of=last, known_at=known_at)
        assert [(fact["status"], fact["until"], fact["attributes"]["last_day"]) for fact in open_still] == [("in_force", after, last)]
    assert items(record, "authorizations", subject=subject, kind="wind_down", as_of=after) == []
    assert items(record, "authorizations", subject=subject, kind="wind_down", as_of="2018-05-07") == []


def test_what_was_announced_is_scheduled_until_it_takes_effect(record: TestClient) -> None:
    def listing(as_of: str, known_at: str) -> list[tuple[str, str]]:
        facts = items(record, "designations", subject="designation:irgc", key="listing:FTO", as_of=as_of, known_at=known_at)
        return [(fact["status"], fact["since"]) for fact in facts]

    assert listing("2019-04-07", "2019-04-07") == []
    assert listing("2019-04-10", "2019-04-10") == [("scheduled", "2019-04-15")]
    assert listing("2019-04-14", "2019-04-14") == [("scheduled", "2019-04-15")]
    assert listing("2019-04-15", "2019-04-15") == [("listed", "2019-04-15")]


def test_what_is_scheduled_says_what_it_becomes_and_is_not_counted(record: TestClient) -> None:
    basis = {"as_of": "2019-04-10", "known_at": "2019-04-10"}
    scheduled = items(record, "designations", subject="designation:irgc", status="scheduled", **basis)
    assert values(scheduled, "becomes") == {"listed"}
    assert "FTO" not in answer(record, HERE, **basis)["designations"]["by_list"]
    assert answer(record, HERE, as_of="2019-04-15", known_at="2019-04-15")["designations"]["by_list"]["FTO"] >= 1


def test_the_presidency_passes_on_20_january_2021(record: TestClient) -> None:
    assert holder(record, PRESIDENT, "2021-01-19") == {"Donald Trump": "in_office"}
    assert holder(record, PRESIDENT, "2021-01-20") == {"Joe Biden": "in_office"}
    assert states(items(record, "campaigns", kind="campaign", as_of="2021-01-19")) == {"campaign": "active"}
    assert items(record, "campaigns", kind="campaign", as_of="2021-01-20") == []


@pytest.mark.parametrize(("as_of", "name", "status"), [
    ("2018-03-31", "Rex Tillerson", "in_office"), ("2018-04-01", "John J. Sullivan", "acting"), ("2018-04-25", "John J. Sullivan", "acting"),
    ("2018-04-26", "Mike Pompeo", "in_office"), ("2021-01-19", "Mike Pompeo", "in_office"), ("2021-01-20", "Daniel B. Smith", "acting"),
    ("2021-01-25", "Daniel B. Smith", "acting"), ("2021-01-26", "Antony Blinken", "in_office")])
def test_between_two_secretaries_of_state_there_is_an_acting_one(record: TestClient, as_of: str, name: str, status: str) -> None:
    assert holder(record, SECRETARY, as_of) == {name: status}


# ---------------------------------------------------------------- far from the record
def test_1950_has_the_shah_and_embassies_and_no_program(record: TestClient) -> None:
    state = answer(record, HERE, as_of="1950-01-01")
    assert states(state["offices"]) == {"holder:mohammad-reza-pahlavi": "in_office"}
    assert [(fact["status"], fact["attributes"]["level"]) for fact in state["relations"]] == [("established", "embassies")]
    assert state["programs"] == []
    assert state["designations"]["total"] == 0


def test_1950_says_what_the_record_does_not_cover(record: TestClient) -> None:
    coverage = {(c["family"], c["topic"]): c for c in answer(record, HERE, as_of="1950-01-01")["coverage"]}
    assert coverage["relations", None]["covers_as_of"]
    assert coverage["office", "iran-shah"]["covers_as_of"]
    for family in ("agreement", "program", "designation", "incident", "negotiation", "indicator"):
        assert not coverage[family, None]["covers_as_of"]
        assert coverage[family, None]["days_before"] > 0
    empty = answer(record, f"{HERE}/programs", as_of="1950-01-01")
    assert empty["items"] == []
    assert [(c["covers_as_of"], c["first_day"] > "1950-01-01") for c in empty["coverage"]] == [(False, True)]


def test_2100_carries_the_last_state_and_says_how_stale_it_is(record: TestClient) -> None:
    state, last = answer(record, HERE, as_of="2100-01-01"), answer(record, HERE, as_of="2025-12-31")
    stale = {c["family"]: c["days_stale"] for c in state["coverage"] if c["topic"] is None}
    assert stale["relations"] == 27029  # from 31 December 2025 to 1 January 2100
    assert not any(c["covers_as_of"] for c in state["coverage"])
    assert {(f["subject"], f["key"], f["status"]) for f in state["relations"]} == {(f["subject"], f["key"], f["status"]) for f in last["relations"]}
    assert ("severed", "1980-04-07", None) in {(f["status"], f["since"], f["until"]) for f in state["relations"]}


# ---------------------------------------------------------------- hindsight
def test_on_the_day_nobody_had_heard_of_the_killing_of_al_masri(record: TestClient) -> None:
    basis = {"as_of": "2020-10-01", "known_at": "2020-10-01"}
    assert "asri" not in record.get(HERE, params=basis).text
    assert items(record, "incidents", q="masri", **basis) == []
    assert answer(record, "/v1/subjects", q="masri", **basis)["items"] == []
    assert record.get(f"/v1/subjects/{MASRI}", params=basis).status_code == 404
    assert record.get(f"/v1/subjects/{MASRI}/history", params=basis).status_code == 404
    assert record.get(f"/v1/events/{MASRI}@1", params=basis).status_code == 404
    timeline = answer(record, f"{HERE}/timeline", from_="2020-08-01", to="2020-08-31", limit=1000, **basis)
    assert not [item for item in timeline["items"] if "masri" in item["id"]]


def test_two_months_later_the_same_day_has_it_reported_denied_unconfirmed_and_attributed(record: TestClient) -> None:
    facts = items(record, "incidents", subject=MASRI, as_of="2020-10-01", known_at="2020-12-01")
    told = states(facts)
    assert told["incident"] == "reported"
    assert told["denial:IRN"] == "denied"
    assert told["confirmation"] == "unconfirmed"
    assert told["attribution:ISR:new-york-times"] == "attributed"
    assert {fact["since"] for fact in facts} == {"2020-08-07"}


def test_after_12_january_2021_it_is_confirmed_and_the_attribution_stands_where_it_stood(record: TestClient) -> None:
    before = items(record, "incidents", subject=MASRI, as_of="2020-10-01", known_at="2020-12-01")
    after = items(record, "incidents", subject=MASRI, as_of="2020-10-01", known_at="2021-01-13")
    [confirmed] = [fact for fact in after if fact["kind"] == "confirmation"]
    assert (confirmed["status"], confirmed["attributes"]["by"]) == ("confirmed", "mike-pompeo")
    assert "not who did it" in confirmed["attributes"]["confirms"]
    assert [f for f in after if f["kind"] == "attribution"] == [f for f in before if f["kind"] == "attribution"]
    assert states(after)["denial:IRN"] == "denied"


def test_what_was_learned_later_is_told_as_learned_and_not_as_changed(record: TestClient) -> None:
    told = answer(record, f"{HERE}/diff", from_="2020-10-01", to="2020-10-01", from_known_at="2020-10-01", to_known_at="2020-12-01")
    assert told["changed"] == told["corrected"] == []
    learned = {(c["subject"], c["key"]) for c in told["learned"]}
    assert (MASRI, "incident") in learned
    assert all(c["before"] is None for c in told["learned"] if c["subject"] == MASRI)


def test_figures_change_with_the_vintage(record: TestClient) -> None:
    def growth(as_of: str, known_at: str) -> dict[str, tuple[float, str]]:
        facts = items(record, "indicators", subject=GROWTH, as_of=as_of, known_at=known_at)
        return {fact["kind"]: (fact["attributes"]["value"], fact["attributes"]["vintage"]) for fact in facts}

    for day in ("2019-01-01", "2019-07-01", "2019-12-31"):
        assert growth(day, "2019-12-31") == {"forecast": (-9.5, "2019-10")}
        assert growth(day, "2020-04-30")["observation"] == (-7.6, "2020-04")
        assert growth(day, "2020-10-31")["observation"] == (-6.5, "2020-10")
        assert growth(day, "2020-10-31")["forecast"] == (-9.5, "2019-10")
    assert "observation" not in growth("2020-01-01", "2020-10-31")


def test_casualties_change_with_the_vintage(record: TestClient) -> None:
    def injured(as_of: str, known_at: str) -> set[int]:
        return values(items(record, "incidents", subject=MISSILES, kind="casualties", as_of=as_of, known_at=known_at), "injured")

    for as_of in ("2020-01-08", "2020-06-30"):
        told = [injured(as_of, known_at) for known_at in ("2020-01-08", "2020-01-17", "2020-01-24", "2020-01-28", "2020-02-10")]
        assert told == [{0}, {11}, {34}, {50}, {109}]


def test_the_loss_of_ps752_was_first_told_as_an_accident(record: TestClient) -> None:
    def account(known_at: str) -> list[str]:
        facts = items(record, "incidents", subject="incident:ps752", key="account:IRN", as_of="2020-01-09", known_at=known_at)
        return [fact["attributes"]["account"].lower() for fact in facts]

    assert account("2020-01-07") == []
    assert "shot down" not in account("2020-01-10")[0]
    assert "shot down" in account("2020-01-11")[0]
    blamed = items(record, "incidents", subject="incident:ps752", kind="attribution", as_of="2020-01-09", known_at="2020-01-10")
    assert {(fact["attributes"]["by"], fact["status"]) for fact in blamed} >= {("CAN", "attributed")}
    assert not [fact for fact in blamed if fact["attributes"]["by"] == "IRN" and fact["status"] != "denied"]


def test_raisi_was_president_to_whoever_knew_no_more_on_19_may_2024(record: TestClient) -> None:
    president = "office:iran-president"
    assert holder(record, president, "2024-05-19", "2024-05-19") == {"Ebrahim Raisi": "in_office"}
    assert states(items(record, "offices", subject=president, as_of="2024-05-19", known_at="2024-05-20")) == {"vacancy": "vacant"}
    assert holder(record, president, "2024-05-20", "2024-05-20") == {"Mohammad Mokhber": "acting"}


def test_the_oman_back_channel_comes_to_light_with_its_disclosure(record: TestClient) -> None:
    asked = {"subject": "negotiation:oman-backchannel", "as_of": "2013-06-01"}
    assert items(record, "negotiations", known_at="2013-11-23", **asked) == []
    assert states(items(record, "negotiations", known_at="2013-11-24", kind="talks", **asked)) == {"talks": "open"}


def test_the_qatar_waiver_reaches_back_before_it_was_known(record: TestClient) -> None:
    asked = {"subject": "authorization:qatar-funds-transfer", "as_of": "2023-09-01"}
    assert items(record, "authorizations", known_at="2023-09-01", **asked) == []
    assert states(items(record, "authorizations", known_at="2023-09-11", **asked)) == {"authorization": "in_force"}


# ---------------------------------------------------------------- because
def facts_of(state: Json) -> list[Json]:
    return [fact for facts in state.values() if isinstance(facts, list) for fact in facts if "key" in fact]


def test_every_fact_has_because_and_every_id_resolves_to_an_event_with_a_source(record: TestClient) -> None:
    resolved: dict[str, bool] = {}
    for day in DAYS:
        basis = {"as_of": day} if day > "2025" else {"as_of": day, "known_at": day}
        facts = facts_of(answer(record, HERE, **basis)) + items(record, "designations", **basis)
        for fact in facts:
            assert fact["because"], fact
            assert {id_.rpartition("@")[0] for id_ in fact["because"]} == {fact["subject"]}
            for id_ in set(fact["because"]) - resolved.keys():
                resolved[id_] = bool(answer(record, f"/v1/events/{id_}", **basis)["sources"])
    assert len(resolved) > 300
    assert all(resolved.values())
