"""The sample questions, asked as a stranger would ask them, with nothing but docs/families.md at hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from fastapi.testclient import TestClient

from tests.api.ask import Json, items, states, values
from tests.conftest import needs_shared


class Case(NamedTuple):
    """A question of the file: where to ask, with which filters, what to look at and what must be seen."""

    id: str
    as_of: str
    known_at: str | None
    family: str
    filters: dict[str, str]
    look: Callable[[list[Json]], Any]
    seen: Any


def said(name: str) -> Callable[[list[Json]], set[Any]]:
    return lambda facts: values(facts, name)


def runs(facts: list[Json]) -> list[tuple[str, str, str | None]]:
    return sorted((fact["status"], fact["since"], fact["until"]) for fact in facts)


def by_subject(facts: list[Json]) -> dict[str, str]:
    return {fact["subject"]: fact["status"] for fact in facts}


def lists(name: str) -> Callable[[list[Json]], list[Any]]:
    return lambda facts: [fact["attributes"].get(name) for fact in facts]


def of(subject: str, **filters: str) -> dict[str, str]:
    return {"subject": subject, **filters}


HOLDER = {"kind": "holder"}
SECRETARY = "office:us-secretary-of-state"
JCPOA = "agreement:jcpoa"
DEATH = "incident:al-masri-killing"
IRGC = "designation:irgc"
BOTH = {"subject": "relations:irn-usa", "kind": "diplomatic_relations"}
MASRI_DEAD = "allegation:al-masri-killed-in-tehran"
QAEDA_LINK = "allegation:iran-al-qaeda-link"
UNSC = {"unscr-1737", "unscr-1929"}

CASES = [
    Case("Q01", "2021-01-19", None, "offices", of("office:us-president", **HOLDER), said("name"), {"Donald Trump"}),
    Case("Q04", "2021-01-12", None, "offices", of("office:us-president", kind="elect"), said("name"), {"Joe Biden"}),
    Case("Q07", "2018-03-20", None, "offices", of(SECRETARY, **HOLDER), said("name"), {"Rex Tillerson"}),
    Case("Q07", "2018-03-20", None, "offices", of(SECRETARY, status="announced"), lists("departs"), ["2018-03-31"]),
    Case("Q07", "2018-03-20", None, "offices", of(SECRETARY, kind="delegation"), said("to_name"), {"John J. Sullivan"}),
    Case("Q10", "2017-10-19", None, "offices", {"name": "Mike Pompeo", **HOLDER}, said("office"), {"Director of the Central Intelligence Agency"}),
    Case("Q13", "2024-05-19", "2024-05-19", "offices", of("office:iran-president"), states, {"holder:ebrahim-raisi": "in_office"}),
    Case("Q16", "1950-01-01", None, "programs", {}, states, {}),
    Case("Q19", "2100-01-01", None, "relations", BOTH, runs, [("severed", "1980-04-07", None)]),
    Case("Q22", "1980-04-06", None, "relations", BOTH, states, {"relations": "established"}),
    Case("Q25", "2015-07-13", None, "agreements", of(JCPOA), states, {}),
    Case("Q28", "2018-05-07", None, "agreements", of(JCPOA, kind="participant", party="USA"), states, {"participant:USA": "participant"}),
    Case("Q28", "2018-05-07", None, "agreements", of(JCPOA, kind="withdrawal"), states, {}),
    Case("Q31", "2018-08-06", None, "programs", of("program:reimposed-tranche-1"), runs, [("scheduled", "2018-08-07", None)]),
    Case("Q31", "2018-08-06", None, "authorizations", of("authorization:wind-down-90-day"), lists("last_day"), ["2018-08-06"]),
    Case("Q31", "2018-08-06", None, "programs", of("program:eo-13846"), runs,
         [("issued", "2018-08-06", "2018-08-07"), ("scheduled", "2018-08-07", None)]),
    Case("Q34", "2018-11-05", None, "programs", of("program:reimposed-tranche-2"), runs, [("in_force", "2018-11-05", None)]),
    Case("Q37", "2017-01-01", None, "programs", of("program:eo-13599"), states, {"instrument": "in_force"}),
    Case("Q40", "2019-12-31", None, "agreements", of(JCPOA, kind="reduction", party="IRN"), said("step"), {1, 2, 3, 4}),
    Case("Q43", "2021-04-16", None, "indicators", of("indicator:iran-enrichment-level", kind="level"), said("value"), {60}),
    Case("Q46", "2019-04-08", None, "designations", of(IRGC, list="FTO", status="listed"), states, {}),
    Case("Q46", "2019-04-08", None, "designations", of(IRGC, list="FTO", kind="listing"), runs, [("scheduled", "2019-04-15", None)]),
    Case("Q46", "2019-04-08", None, "designations", of(IRGC, kind="intent"), states, {"intent:FTO": "announced"}),
    Case("Q49", "2017-10-12", None, "designations", of(IRGC, kind="authority", status="listed"),
         lambda facts: values(facts, "authority") & {"E.O. 13382", "E.O. 13224", "INA s.219"}, {"E.O. 13382"}),
    Case("Q52", "2017-01-01", None, "designations", of("designation:bank-sepah", authority="E.O. 13382", status="listed"), states, {}),
    Case("Q55", "2020-06-08", None, "designations", of("designation:irisl", kind="authority", authority="E.O. 13382"),
         states, {"authority:eo-13382": "listed"}),
    Case("Q58", "2021-01-12", None, "designations", {"q": "EIKO", "authority": "E.O. 13876", "status": "listed"}, states, {}),
    Case("Q58", "2021-01-12", None, "designations", of("designation:eiko", kind="authority", status="listed"), said("authority"), {"E.O. 13599"}),
    Case("Q58", "2021-01-12", None, "designations", {"q": "Astan Quds", "status": "listed"}, states, {}),
    Case("Q61", "2018-11-10", None, "authorizations", of("authorization:significant-reduction-exceptions", kind="exception", status="in_force"),
         said("beneficiary"), {"CHN", "IND", "ITA", "GRC", "JPN", "KOR", "TWN", "TUR"}),
    Case("Q64", "2023-09-01", "2023-09-01", "authorizations", {"q": "qatar"}, states, {}),
    Case("Q64", "2023-09-01", None, "authorizations", {"q": "qatar"}, runs, [("in_force", "2023-08-09", None)]),
    Case("Q67", "2020-09-01", "2020-09-01", "incidents", {"q": "masri"}, states, {}),
    Case("Q67", "2020-09-01", "2020-09-01", "incidents", {"q": "Habib Daoud", "kind": "incident"}, states, {"incident": "reported"}),
    Case("Q70", "2020-11-15", "2020-11-15", "allegations", of(MASRI_DEAD, kind="claim"), states, {"claim": "alleged"}),
    Case("Q70", "2020-11-15", "2020-11-15", "allegations", of(MASRI_DEAD, key="standing:new-york-times"), runs, [("claimed", "2020-11-13", None)]),
    Case("Q70", "2020-11-15", "2020-11-15", "allegations", of(MASRI_DEAD, key="standing:IRN"), runs, [("denied", "2020-11-14", None)]),
    Case("Q70", "2020-11-15", "2020-11-15", "allegations", of(MASRI_DEAD, status="confirmed"), states, {}),
    Case("Q70", "2020-11-15", "2020-11-15", "incidents", of(DEATH, kind="confirmation"), states, {"confirmation": "unconfirmed"}),
    Case("Q73", "2021-01-11", "2021-01-11", "allegations", of(QAEDA_LINK, kind="standing", party="reuters"), states, {"standing:reuters": "doubted"}),
    Case("Q73", "2021-01-11", "2021-01-11", "allegations", of(QAEDA_LINK, key="standing:mike-pompeo"), said("evidence"), {"none published"}),
    Case("Q73", "2021-01-11", "2021-01-11", "allegations", of(QAEDA_LINK, kind="evidence"), runs, [("released", "2017-11-01", None)]),
    Case("Q73", "2021-01-11", "2021-01-11", "reports", of("report:reuters-2021-01-11", claim="no-concrete-evidence"),
         states, {"claim:no-concrete-evidence": "claimed"}),
    Case("Q76", "2020-01-09", "2020-01-12", "incidents", of("incident:ps752", kind="incident"), said("type"), {"shootdown"}),
    Case("Q76", "2020-01-09", "2020-01-12", "incidents", of("incident:ps752", kind="attribution", by="IRN"),
         states, {"attribution:irgc:IRN": "attributed", "attribution:IRN:IRN": "claimed"}),
    Case("Q79", "2013-06-01", "2013-06-01", "negotiations", {"q": "oman"}, states, {}),
    Case("Q82", "2025-09-29", None, "programs", {"issuer": "UN", "kind": "instrument", "q": "unscr", "status": "in_force"},
         lambda facts: {fact["subject"].partition(":")[2] for fact in facts} >= UNSC, True),
    Case("Q82", "2025-09-29", None, "programs", of("program:unscr-1737", kind="instrument"), lists("effective_at"), ["2025-09-27T20:00:00-04:00"]),
    Case("Q82", "2025-09-29", None, "programs", of("program:unscr-1737", kind="contest"), lists("contested_by"), [["IRN", "RUS", "CHN"]]),
    Case("Q85", "2023-01-01", None, "campaigns", {"kind": "campaign", "q": "maximum pressure"}, by_subject, {}),
    Case("Q85", "2025-02-04", None, "campaigns", {"kind": "campaign", "q": "maximum pressure"}, by_subject,
         {"campaign:maximum-pressure-2025": "active"}),
    Case("Q88", "2020-12-31", "2021-01-12", "indicators", {"publisher": "eia", "period": "2020"}, states, {}),
    Case("Q88", "2020-12-31", "2021-08-12", "indicators", {"publisher": "eia", "period": "2020"}, said("bound"), {"upper"}),
]
ASIDE = {("Q64", "2023-09-01", None), ("Q85", "2025-02-04", None), ("Q88", "2020-12-31", "2021-08-12")}  # what the question is told apart from


@pytest.mark.parametrize("case", CASES, ids=[f"{case.id}-{i}" for i, case in enumerate(CASES)])
def test_a_sample_question_is_answered(record: TestClient, case: Case) -> None:
    facts = items(record, case.family, as_of=case.as_of, known_at=case.known_at, **case.filters)
    assert case.look(facts) == case.seen


def test_every_sample_question_has_a_case_on_its_basis() -> None:
    lines = needs_shared("facts/sample_questions.jsonl").read_text(encoding="utf-8").splitlines()
    asked = {(q["id"], q["as_of"], q["known_at"]) for q in map(json.loads, lines)}
    assert asked == {(case.id, case.as_of, case.known_at) for case in CASES} - ASIDE


def test_sepah_was_listed_twice_under_the_same_authority(record: TestClient) -> None:
    between = items(record, "designations", subject="designation:bank-sepah", key="authority:eo-13382", from_="2000-01-01", to="2025-12-31")
    assert {(fact["since"], fact["until"]) for fact in between} == {("2007-01-09", "2016-01-16"), ("2018-11-05", None)}
