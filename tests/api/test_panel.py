"""The panel over HTTP: its basis, its modes, and what stays the same."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient

from projections.panel import COLUMNS
from tests.api.ask import HERE, answer, concluded, event, problem, withdrew

YEAR = {"from": "2018-01-01", "to": "2018-12-31"}


def get(http: TestClient, **asked: Any) -> Any:
    return answer(http, "/v1/panel", **{**YEAR, **asked})


def column(told: Any, name: str) -> list[Any]:
    return [row[name] for row in told["items"]]


def record(http: TestClient, *events: Any) -> None:
    response = http.post("/v1/events", json={"events": events})
    assert response.status_code == 201, response.text


def test_a_year_by_months_as_it_was_known_each_month(record: TestClient) -> None:
    told = get(record, as_of="2018-12-31")
    assert column(told, "period") == [f"2018-{month:02d}" for month in range(1, 13)]
    assert column(told, "jcpoa_usa") == ["participant"] * 4 + ["withdrawn"] * 8
    assert column(told, "known_at") == column(told, "as_of") == column(told, "period_end")
    assert {*column(told, "mode"), told["mode"]} == {"point_in_time"}
    assert (told["basis"]["as_of"], told["basis"]["known_at"], told["step"]) == ("2018-12-31", "2018-12-31", "month")
    assert all(span["last_day"] <= "2018-12-31" for span in told["coverage"])  # nobody had spoken of a later day


def test_each_row_counts_what_the_ordinary_answer_of_its_day_lists(record: TestClient) -> None:
    for row in get(record, step="quarter", **{"from": "2018-04-01", "to": "2018-09-30"})["items"]:
        asked = {"as_of": row["as_of"], "known_at": row["known_at"], "limit": 1000}

        def total(family: str, asked: dict[str, Any] = asked, **filters: Any) -> int:
            facts = answer(record, f"{HERE}/{family}", **asked, **filters)["items"]
            return len([fact for fact in facts if fact["certainty"] == "certain"])

        assert row["listings"] == total("designations", kind="listing", status="listed") > 0
        assert row["listings_ifsr"] == total("designations", kind="listing", status="listed", program="IFSR") > 0
        assert row["programs_usa"] == total("programs", kind="instrument", status="in_force", issuer="USA") > 0
        assert row["standings_denied"] == total("allegations", kind="standing", status="denied") > 0
        assert row["participations_irn"] == total("agreements", kind="participant", party="IRN") > 0
        assert row["waivers"] == total("authorizations", kind="waiver", status="in_force")
        assert row["campaigns"] == total("campaigns", kind="campaign", status="active")
        assert row["talks"] == total("negotiations", kind="talks", status="open")


def test_hindsight_is_asked_for_and_says_so(record: TestClient) -> None:
    asked = {"from": "2020-07-01", "to": "2020-09-30", "step": "quarter"}
    (told,) = answer(record, "/v1/panel", **asked)["items"]
    (known,) = answer(record, "/v1/panel", mode="hindsight", **asked)["items"]
    assert (told["incidents_killing"], known["incidents_killing"]) == (1, 2)
    assert (told["mode"], known["mode"]) == ("point_in_time", "hindsight")
    assert told["known_at"] == "2020-09-30" < known["known_at"]
    (then,) = answer(record, "/v1/panel", mode="hindsight", known_at="2020-09-30", **asked)["items"]
    assert {**then, "mode": ""} == {**told, "mode": ""}  # hindsight that ends with the row is no hindsight


def test_a_period_that_is_not_over_has_no_row(record: TestClient) -> None:
    assert column(get(record, as_of="2018-06-29"), "period")[-1] == "2018-05"
    assert column(get(record, to="2018-06-29"), "period")[-1] == "2018-05"
    assert column(get(record, known_at="2018-06-29"), "period")[-1] == "2018-05"
    assert column(get(record, **{"from": "2025-12-01", "to": "2027-01-01"}), "period") == ["2025-12", "2026-01"]  # today is 31 January


def test_late_knowledge_changes_no_row_before_it_and_what_is_pinned_changes_never(client: TestClient) -> None:
    record(client, concluded(), event("incident:i", "incident.occurred", "i", "2018-02-01", name="I", type="attack"))
    before = get(client)
    first = before["basis"]["recorded_at"]
    whole = client.get("/v1/panel", params={**YEAR, "as_of": "2019-01-01", "recorded_at": first}).content
    record(client, {**withdrew(day="2018-05-08"), "known": "2018-09-10"},
           event("incident:j", "incident.occurred", "j", "2018-02-05", "2018-09-10", name="J", type="attack"))
    after = get(client)
    assert after["items"][:8] == before["items"][:8]
    assert column(after, "incidents_to_date") == [0] + [1] * 7 + [2] * 4
    assert column(after, "incidents") == [0, 1] + [0] * 10  # in September it was known of February, which was over
    assert column(get(client, mode="hindsight"), "incidents") == [0, 2] + [0] * 10
    assert client.get("/v1/panel", params={**YEAR, "as_of": "2019-01-01", "recorded_at": first}).content == whole


def test_a_pinned_panel_is_immutable_and_any_other_is_not(client: TestClient) -> None:
    record(client, concluded())
    pinned = {**YEAR, "as_of": "2019-01-01", "known_at": "2019-01-01", "recorded_at": get(client)["basis"]["recorded_at"]}
    response = client.get("/v1/panel", params=pinned)
    assert "immutable" in response.headers["cache-control"]
    assert client.get("/v1/panel", params=pinned, headers={"If-None-Match": response.headers["etag"]}).status_code == 304
    assert client.get("/v1/panel", params=YEAR).headers["cache-control"] == "no-cache"


def test_the_columns_are_told_with_what_they_mean(record: TestClient) -> None:
    told = answer(record, "/v1/panel/columns")["columns"]
    assert [c["name"] for c in told] == [c.name for c in COLUMNS] == list(get(record, to="2018-01-31")["items"][0])
    assert all(c["definition"] for c in told)


@pytest.mark.parametrize(("asked", "said"), [
    ({"step": "decade"}, "step 'decade' is not one of day, week, month, quarter, year"), ({"mode": "prophecy"}, "mode"),
    ({"to": "2017-01-01"}, "is before from"), ({"from": "x"}, "from: 'x' is not a day"),
    ({"from": "1900-01-01", "step": "day"}, "more than 1200 rows"),
    ({"columns": "listings"}, "unknown parameter 'columns'"),
])
def test_a_malformed_question_is_refused(client: TestClient, asked: dict[str, str], said: str) -> None:
    assert said in problem(client.get("/v1/panel", params={**YEAR, **asked}), 400)
