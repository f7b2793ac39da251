"""fredapi, pointed at the service, reads as-of series: the real client, over a real connection."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pandas as pd  # type: ignore[import-untyped]
import pytest
from fastapi.testclient import TestClient
from fredapi import Fred  # type: ignore[import-untyped]

from api.http import create_app
from api.routes import fred as door
from api.wiring import Settings, Tarikh
from projections.vintages import Vintage
from tests.api.ask import answer, event, items
from tests.conftest import KEY, TODAY
from tests.generate import ROOT
from tests.serving import serving

GROWTH = "IRAN_GDP_GROWTH.IMF.A"
ALL: dict[str, Any] = {"realtime_start": "1776-07-04", "realtime_end": "9999-12-31"}


@pytest.fixture(scope="module")
def client_of(loaded: Tarikh) -> Iterator[Fred]:
    with serving(create_app(loaded)) as address:
        client = Fred(api_key="whatever FRED gave".replace(" ", ""))
        client.root_url = f"{address}/fred"
        yield client


def told(series: pd.Series) -> dict[str, float]:
    return {day.date().isoformat(): float(value) for day, value in series.items()}


def ask(http: TestClient, path: str, status: int = 200, /, **asked: Any) -> Any:
    """What FRED's JSON says."""
    response = http.get(f"/fred/{path}", params={"file_type": "json", **asked})
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    return response.json()


def rows(http: TestClient, series_id: str = GROWTH, **asked: Any) -> list[dict[str, str]]:
    return list(ask(http, "series/observations", series_id=series_id, **asked)["observations"])


# ---------------------------------------------------------------- the real client
def test_fredapi_reads_the_latest_the_first_and_the_as_of_series(client_of: Fred) -> None:
    latest = {"2018-01-01": -5.4, "2019-01-01": -6.5}
    first = {"2018-01-01": -5.4, "2019-01-01": -7.6}
    assert told(client_of.get_series(GROWTH)) == told(client_of.get_series_latest_release(GROWTH)) == latest
    assert told(client_of.get_series_first_release(GROWTH)) == first
    assert told(client_of.get_series(GROWTH, realtime_start="2020-10-12", realtime_end="2020-10-12")) == first
    assert told(client_of.get_series(GROWTH, observation_start="2019-01-01")) == {"2019-01-01": -6.5}
    as_of = client_of.get_series_as_of_date(GROWTH, "2020-10-12")
    assert [(str(row.realtime_start.date()), str(row.date.date()), row.value) for row in as_of.itertuples()] == [
        ("2020-04-14", "2018-01-01", -5.4), ("2020-04-14", "2019-01-01", -7.6)]


def test_fredapi_reads_all_releases_and_the_days_of_the_vintages(client_of: Fred) -> None:
    releases = client_of.get_series_all_releases(GROWTH)
    assert [(str(row.date.date()), str(row.realtime_start.date()), row.value) for row in releases.itertuples()] == [
        ("2018-01-01", "2020-04-14", -5.4), ("2019-01-01", "2020-04-14", -7.6), ("2019-01-01", "2020-10-13", -6.5)]
    assert [str(day.date()) for day in client_of.get_series_vintage_dates(GROWTH)] == ["2020-04-14", "2020-10-13"]


def test_fredapi_reads_what_a_series_is_and_finds_it(client_of: Fred) -> None:
    info = client_of.get_series_info(GROWTH)
    assert (info["id"], info["title"], info["frequency_short"], info["units"]) == (GROWTH, "Iran real GDP growth", "A", "percent")
    assert (info["observation_start"], info["observation_end"]) == ("2018-01-01", "2019-01-01")
    found = client_of.search("gdp growth", order_by="series_id", sort_order="desc")
    assert list(found.index) == [f"{GROWTH}.FORECAST", GROWTH]
    assert list(client_of.search("oil exports", filter=("frequency", "Annual")).index) == ["IRAN_OIL_EXPORTS_CRUDE_AND_CONDENSATE.EIA.A"]
    assert client_of.search("nothing has these words") is None


def test_fredapi_hears_what_is_wrong_in_words(client_of: Fred) -> None:
    with pytest.raises(ValueError, match=r"Bad Request\.  The series does not exist\."):
        client_of.get_series("GDP")
    with pytest.raises(ValueError, match=r"is not one series but 4: ask for one of IRAN_OIL_EXPORTS_CRUDE\.BLOOMBERG\.M, "):
        client_of.get_series("IRAN_OIL_EXPORTS_CRUDE")
    with pytest.raises(ValueError, match="unknown parameter 'colour'"):
        client_of.get_series(GROWTH, colour="red")


def test_the_start_of_an_id_stands_for_the_only_series_that_has_it(client_of: Fred) -> None:
    assert client_of.get_series_info("IRAN_GDP_GROWTH")["id"] == client_of.get_series_info("iran_gdp_growth.imf")["id"] == GROWTH
    forecast = client_of.get_series_first_release(f"{GROWTH}.FORECAST")
    assert told(forecast) == {"2019-01-01": -9.5, "2020-01-01": -6.0}


def test_a_count_is_told_for_each_month_as_it_was_first_known_and_as_it_was_revised(client_of: Fred, record: TestClient) -> None:
    def series(live: bool) -> dict[str, float]:
        found = answer(record, "/v1/series/incidents_to_date", from_="2020-06-01", to="2020-12-31", step="month", point_in_time=live)["items"]
        return {f"{item['day'][:7]}-01": item["value"] for item in found}

    asked = {"observation_start": "2020-06-01", "observation_end": "2020-12-01"}
    assert told(client_of.get_series("INCIDENTS_TO_DATE", **asked)) == series(live=False)
    first = told(client_of.get_series_first_release("INCIDENTS_TO_DATE"))
    assert {day: value for day, value in first.items() if "2020-06" <= day < "2021"} == series(live=True)
    releases = client_of.get_series_all_releases("INCIDENTS_TO_DATE")
    august = releases[releases["date"] == pd.Timestamp("2020-08-01")]
    assert [(str(row.realtime_start.date()), row.value) for row in august.itertuples()] == [("2020-08-31", 18.0), ("2020-10-31", 19.0)]


def test_the_example_of_the_documentation_is_true(client_of: Fred, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    page = (ROOT / "docs" / "fred.md").read_text(encoding="utf-8")
    (shown,), (printed,) = (re.findall(rf"^```{language}\n(.*?)^```", page, re.MULTILINE | re.DOTALL) for language in ("python", "text"))
    monkeypatch.setattr(Fred, "root_url", Fred.root_url)  # put back after the example has set it
    exec(shown.replace("http://127.0.0.1:8000/fred", client_of.root_url), {})
    assert capsys.readouterr().out == printed


# ---------------------------------------------------------------- as of
def test_each_vintage_is_what_the_ordinary_answer_tells_as_known_on_that_day(record: TestClient) -> None:
    compared = 0
    for series_id in (GROWTH, "IRAN_CPI_INFLATION.IMF.A", "RIAL_OPEN_MARKET_RATE.BONBAST.LEVEL"):
        subject, publisher, _ = series_id.lower().replace("_", "-").split(".")
        for known in ask(record, "series/vintagedates", series_id=series_id)["vintage_dates"]:
            facts = items(record, "indicators", subject=f"indicator:{subject}", publisher=publisher, from_="1900-01-01", to="2030-01-01",
                          known_at=known)
            expected = sorted(fact["attributes"]["value"] for fact in facts if fact["kind"] in ("observation", "level"))
            here = rows(record, series_id, realtime_start=known, realtime_end=known)
            assert sorted(float(row["value"]) for row in here) == expected
            assert {(row["realtime_start"], row["realtime_end"]) for row in here} == {(known, known)}
            compared += len(here)
    assert compared > 8


def test_real_time_periods_hold_both_their_days_and_are_open_to_the_end_of_time(record: TestClient) -> None:
    def periods(**asked: Any) -> list[tuple[str, str, str]]:
        return [(row["date"][:4], row["realtime_start"], row["realtime_end"]) for row in rows(record, **asked)]

    assert periods(**ALL) == [
        ("2018", "2020-04-14", "9999-12-31"), ("2019", "2020-04-14", "2020-10-12"), ("2019", "2020-10-13", "9999-12-31")]
    assert periods(realtime_start="2020-10-12", realtime_end="2020-10-13") == [
        ("2018", "2020-10-12", "2020-10-13"), ("2019", "2020-10-12", "2020-10-12"), ("2019", "2020-10-13", "2020-10-13")]
    assert [row["realtime_start"] for row in rows(record)] == ["2026-01-31"] * 2  # today, where it is left out


def test_nothing_tells_of_what_was_known_after_the_real_time_period(record: TestClient) -> None:
    before: dict[str, Any] = {"realtime_start": "2019-01-01", "realtime_end": "2020-04-13"}
    assert ask(record, "series", 400, series_id=GROWTH, **before)["error_message"] == "Bad Request.  The series does not exist."
    assert ask(record, "series/search", search_text="gdp growth", **before)["seriess"][0]["id"] == f"{GROWTH}.FORECAST"
    earlier: dict[str, Any] = {"realtime_start": "2020-05-01", "realtime_end": "2020-05-01"}
    (info,) = ask(record, "series", series_id=GROWTH, **earlier)["seriess"]
    assert info["last_updated"] == "2020-04-14 23:59:59+00"
    days = ask(record, "series/vintagedates", series_id=GROWTH, realtime_end="2020-10-12")["vintage_dates"]
    assert days == ["2020-04-14"]


def test_recording_what_was_known_later_changes_no_byte_of_an_earlier_real_time_period(core: Tarikh, client: TestClient) -> None:
    def observed(publisher: str, value: float, known: str, record_id: str, type_: str = "indicator.observed") -> Any:
        told = event("indicator:exports", type_, record_id, "2019-01-01", known, name="exports", value=value, unit="barrels", publisher=publisher,
                     publisher_name=publisher, period="2019")
        return {**told, "until": "2020-01-01"}

    def record(*events: Any) -> None:
        response = client.post("/v1/events", json={"events": events})
        assert response.status_code == 201, response.text

    def everything() -> list[bytes]:
        asked = {"series_id": "EXPORTS", "realtime_start": "2020-01-01", "realtime_end": "2020-06-30"}
        paths = ["series", "series/observations", "series/vintagedates"]
        found = [client.get(f"/fred/{path}", params=asked) for path in paths]
        found += [client.get("/fred/series/observations", params={**asked, "output_type": n}) for n in (2, 3, 4)]
        found += [client.get("/fred/series/observations", params={**asked, "series_id": name}) for name in ("INCIDENTS_TO_DATE", "CLAIMS_ALLEGED")]
        assert [response.status_code for response in found] == [200] * len(found)
        return [response.content for response in found]

    record(observed("eia", 2.0, "2020-03-01", "a"),
           event("incident:i", "incident.occurred", "i", "2020-02-01", "2020-02-01", name="I", type="killing"))
    before = everything()
    record(observed("eia", 3.0, "2020-07-01", "b", "indicator.revised"), observed("iea", 4.0, "2020-08-01", "c"),
           event("incident:j", "incident.occurred", "j", "2020-02-15", "2020-07-01", name="J", type="killing"))
    assert everything() == before
    pinned = {"series_id": "EXPORTS", "realtime_start": "2020-12-31", "realtime_end": "2020-12-31", "file_type": "json"}
    first = answer(client, "/v1/events", limit=1)["events"][0]["recorded_at"]
    assert [row["value"] for row in client.get("/fred/series/observations", params={**pinned, "recorded_at": first}).json()["observations"]] == ["2"]
    assert "is not one series but 2" in client.get("/fred/series/observations", params=pinned).json()["error_message"]


# ---------------------------------------------------------------- forms
def test_vintages_stand_in_columns_and_may_be_named(record: TestClient) -> None:
    a, b = f"{GROWTH}_20200414", f"{GROWTH}_20201013"
    assert rows(record, output_type=2, **ALL) == [{"date": "2018-01-01", a: "-5.4", b: "-5.4"}, {"date": "2019-01-01", a: "-7.6", b: "-6.5"}]
    assert rows(record, output_type=3, **ALL) == [{"date": "2018-01-01", a: "-5.4"}, {"date": "2019-01-01", a: "-7.6", b: "-6.5"}]
    c, d = f"{GROWTH}_20200501", f"{GROWTH}_20210101"
    named: dict[str, Any] = {"vintage_dates": "2021-01-01,2020-05-01"}
    assert rows(record, output_type=2, **named) == [{"date": "2018-01-01", c: "-5.4", d: "-5.4"}, {"date": "2019-01-01", c: "-7.6", d: "-6.5"}]
    assert [(row["date"], row["realtime_start"], row["realtime_end"], row["value"]) for row in rows(record, **named)] == [
        ("2018-01-01", "2020-05-01", "2020-05-01", "-5.4"), ("2018-01-01", "2021-01-01", "2021-01-01", "-5.4"),
        ("2019-01-01", "2020-05-01", "2020-05-01", "-7.6"), ("2019-01-01", "2021-01-01", "2021-01-01", "-6.5")]
    assert [row["value"] for row in rows(record, output_type=4, **ALL)] == ["-5.4", "-7.6"]


def test_what_a_vintage_does_not_have_is_a_point(record: TestClient) -> None:
    series_id = "IRAN_URANIUM_ENRICHED_TO_60.IAEA.LEVEL"
    (first, second) = rows(record, series_id, output_type=2, **ALL)
    assert (first[f"{series_id}_20250531"], second[f"{series_id}_20250531"]) == ("408.6", ".")
    assert door._value(Vintage(1, 1, 1, 2, None)) == "."  # and so is a day on which several figures stood at once


def test_a_figure_that_is_a_bound_says_so(record: TestClient) -> None:
    (exact, upper) = rows(record, "IRAN_OIL_EXPORTS_CRUDE_AND_CONDENSATE.EIA.A")
    assert (exact["value"], upper["value"]) == ("2.5", "0.4")
    assert "bound" not in exact
    assert upper["bound"] == "upper"


def test_xml_and_json_say_the_same(record: TestClient) -> None:
    asked: dict[str, Any]
    for path, asked in (("series", {}), ("series/observations", ALL), ("series/vintagedates", {}), ("series/search", {"search_text": "growth"})):
        asked = {"series_id": GROWTH, **asked} if path != "series/search" else asked
        said = ask(record, path, **asked)
        response = record.get(f"/fred/{path}", params=asked)
        assert response.headers["content-type"] == "text/xml; charset=utf-8"
        root = ET.fromstring(response.content)
        listed = said.pop(root.tag)
        said.pop("file_type", None)
        assert {name: value for name, value in root.attrib.items() if name != "file_type"} == {name: str(value) for name, value in said.items()}
        assert [child.text or child.attrib for child in root] == [
            row if isinstance(row, str) else {name: str(value) for name, value in row.items()} for row in listed]
        assert {child.tag for child in root} == {root.tag.removesuffix("s")}


def test_pages_and_orders(record: TestClient) -> None:
    assert [row["value"] for row in rows(record, sort_order="desc", **ALL)] == ["-7.6", "-6.5", "-5.4"]
    assert [row["value"] for row in rows(record, limit=1, offset=1, **ALL)] == ["-7.6"]
    paged = ask(record, "series/observations", series_id=GROWTH, limit=1, **ALL)
    assert (paged["count"], paged["limit"], len(paged["observations"])) == (3, 1, 1)
    assert ask(record, "series/vintagedates", series_id=GROWTH, sort_order="desc", limit=1)["vintage_dates"] == ["2020-10-13"]


@pytest.mark.parametrize(("path", "asked", "said"), [
    ("series", {}, "series_id: Field required"),
    ("series/observations", {"series_id": GROWTH, "realtime_start": "2020"}, "realtime_start: '2020' is not a day"),
    ("series/observations", {"series_id": GROWTH, "realtime_start": "2027-01-01"}, "The real-time period ends before it begins"),
    ("series/observations", {"series_id": GROWTH, "units": "pch"}, "units: Input should be 'lin'"),
    ("series/observations", {"series_id": GROWTH, "frequency": "m"}, "are not aggregated"),
    ("series/observations", {"series_id": GROWTH, "vintage_dates": "2020-01-01,x"}, "vintage_dates: 'x' is not a day"),
    ("series/observations", {"series_id": GROWTH, "limit": "0"}, "limit: Input should be greater than or equal to 1"),
    ("series/observations", {"series_id": "x\0y"}, "NUL character"),
])
def test_what_is_wrong_is_told_as_fred_tells_it(record: TestClient, path: str, asked: dict[str, Any], said: str) -> None:
    error = ask(record, path, 400, **asked)
    assert error["error_code"] == 400
    assert error["error_message"].startswith("Bad Request.  ")
    assert said in error["error_message"]
    root = ET.fromstring(record.get(f"/fred/{path}", params=asked).content)
    assert (root.tag, root.attrib) == ("error", {"code": "400", "message": error["error_message"]})


def test_a_frequency_that_is_the_series_own_may_be_asked_for(record: TestClient) -> None:
    assert rows(record, frequency="a") == rows(record)


# ---------------------------------------------------------------- keys
def test_the_key_in_the_address_counts_where_reads_are_closed(fresh: Callable[[], str]) -> None:
    tarikh = Tarikh(replace(Settings(), database_url=fresh(), api_key=KEY, reads_closed=True), today=lambda: TODAY)
    with TestClient(create_app(tarikh)) as http:
        asked = {"search_text": "incidents", "file_type": "json"}
        assert [i["id"] for i in http.get("/fred/series/search", params={**asked, "api_key": KEY}).json()["seriess"]] == ["INCIDENTS_TO_DATE"]
        for wrong in ({}, {"api_key": "wrong"}):
            refused = http.get("/fred/series/search", params={**asked, **wrong})
            assert (refused.status_code, json.loads(refused.content)["error_code"]) == (401, 401)
            assert refused.headers["www-authenticate"].startswith("Bearer")
        assert http.get("/v1/series", params={"api_key": KEY}).status_code in (400, 401)  # nowhere else
    tarikh.close()
