"""A CSV series: periods, the day on which a figure was public, vintages, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from adapters.lists.model import Damaged
from adapters.series import Columns, indicator_events
from api.wiring import Tarikh
from domain.catalogue import CATALOGUE
from domain.errors import Invalid, Refused
from tests.conftest import needs_shared


def series(text: str, **more: Any) -> list[dict[str, Any]]:
    given: dict[str, Any] = {"subject": "indicator:rial", "name": "Open-market rial", "unit": "rials per US dollar", "publisher": "tgju",
                             "publisher_name": "TGJU", "vintage": "2026-08-07"}
    return indicator_events(text.encode(), **{**given, **more})


def test_a_daily_figure_is_of_a_period_of_one_day_and_known_on_it() -> None:
    first, second = series("date,value\n2020/05/13,170000\n2020-05-12,165000.5\n")
    assert (first["effective"], first["until"], first["known"]) == ("2020-05-12", "2020-05-13", "2020-05-12")
    assert (first["record_id"], first["type"]) == ("tgju/2020-05-12/2026-08-07", "indicator.observed")
    assert first["data"] == {"name": "Open-market rial", "value": 165000.5, "unit": "rials per US dollar", "publisher": "tgju",
                             "publisher_name": "TGJU", "vintage": "2026-08-07", "period": "2020-05-12"}
    assert second["data"]["period"] == "2020-05-13"
    assert CATALOGUE.event(first).summary is None


@pytest.mark.parametrize(("written", "period", "effective", "until"), [
    ("2020-05-12", "2020-05-12", "2020-05-12", "2020-05-13"),
    ("2020/5/2", "2020-05-02", "2020-05-02", "2020-05-03"),
    ("2.5.2020", "2020-05-02", "2020-05-02", "2020-05-03"),
    ("2020-02", "2020-02", "2020-02-01", "2020-03-01"),
    ("2019", "2019", "2019-01-01", "2020-01-01"),
])
def test_dates_are_read_in_the_forms_that_are_used(written: str, period: str, effective: str, until: str) -> None:
    event = CATALOGUE.event(series(f"date,value\n{written},1\n", known="2021-01-01")[0])
    assert (event.content()["data"]["period"], event.effective, event.until, event.known) == (period, effective, until, "2021-01-01")


def test_the_columns_can_be_named() -> None:
    text = "\ufeffPeriod,Low,Close,Out\n2019,1,2,2020-03-04\n2020-01,3,4,4.3.2020\n"
    found = series(text, columns=Columns("Period", "Close", "Out"))
    assert [(e["data"]["value"], e["known"]) for e in found] == [(2, "2020-03-04"), (4, "2020-03-04")]


def test_a_figure_of_a_month_is_not_known_by_itself() -> None:
    with pytest.raises(Damaged, match=r"line 2: 2020-05 is not a day.*--known"):
        series("date,value\n2020-05,1\n")


def test_a_period_that_was_not_over_is_forecast() -> None:
    found = series("date,value\n2019,1\n2020,2\n2021,3\n", known="2020-10-13", vintage="2020-10")
    assert [e["type"] for e in found] == ["indicator.observed", "indicator.forecast", "indicator.forecast"]


def test_a_later_vintage_revises_what_is_recorded_and_adds_the_rest(core: Tarikh) -> None:
    core.writer.record(core.events_from(series("date,value\n2018,1\n2019,2\n", known="2020-04-14", vintage="2020-04")))
    later = series("date,value\n2019,2.5\n2020,3\n", known="2021-04-06", vintage="2021-04", recorded={"2018", "2019"})
    assert [e["type"] for e in later] == ["indicator.revised", "indicator.observed"]
    assert core.writer.record(core.events_from(later)).recorded == 2
    with pytest.raises(Refused, match="no figure for 2017"):
        core.writer.record(core.events_from(series("date,value\n2017,1\n", known="2021-04-06", recorded={"2017"})))


def test_the_same_series_twice_is_recorded_once(core: Tarikh) -> None:
    events = series("date,value\n2020-05-12,1\n2020-05-13,2\n")
    assert core.writer.record(core.events_from(events)).recorded == 2
    assert core.writer.record(core.events_from(events)).recorded == 0


@pytest.mark.parametrize(("text", "why"), [
    ("", "no columns 'date': it has nothing"),
    ("date,value\n", "empty"),
    ("day,value\n2020,1\n", "no columns 'date'"),
    ("date,value,value\n2020,1,1\n", "2 columns 'value'"),
    ("2020-05-12,1\n2020-05-13,2\n", "no columns 'date'"),
    ("date,value\n2020-05-12,1\n2020-05-13,18", "may be cut"),
    ("date,value\n2020-05-12,1\n2020-05-13,n/a\n", "line 3: 'n/a' is not a number"),
    ("date,value\n2020-05-12,nan\n", "line 2: 'nan' is not a number"),
    ('date,value\n2020-05-12,"1,880"\n', "line 2: '1,880' is not a number"),
    ("date,value\n2020-05-12,\n", "line 2: the value is empty"),
    ("date,value\n,1\n", "line 2: the date is empty"),
    ("date,value\n2020-05-12,1\n\n2020-05-13,1\n", "line 3: 0 fields instead of 2"),
    ("date,value\n2020-05-12,1,2\n", "line 2: 3 fields instead of 2"),
    ("date,value\n2020-05-12,1\n2020-05-11,1\n12.5.2020,1\n", "line 4: 2020-05-12 stands on line 2 too"),
    ("date,value\n2020-02-30,1\n2020-13,2\n", "line 2: .*; line 3: "),
    ("date,value\n05/12/2020,1\n", "line 2: '05/12/2020' is not a date"),
    ("date,value\n1399/02/23x,1\n", "is not a date"),
    ('date,value\n2020-05-12,"1\n', "line 2: unexpected end of data"),
    ("date,value\n" + "2020-05-12,x\n" * 9, "and 4 more"),
])
def test_a_damaged_series_is_refused_whole(text: str, why: str) -> None:
    with pytest.raises(Damaged, match=why):
        series(text, known="2026-08-07")


def test_what_is_not_a_day_or_a_vintage_is_refused() -> None:
    with pytest.raises(Damaged, match="not the day on which"):
        series("date,value,out\n2020-05-12,1,2020-05\n", columns=Columns(known="out"))
    with pytest.raises(Invalid, match="vintage"):
        series("date,value\n2020,1\n", vintage="October 2020")
    with pytest.raises(Invalid, match="--known"):
        series("date,value\n2020,1\n", known="October 2020")
    with pytest.raises(Damaged, match="not UTF-8"):
        indicator_events(b"\xff\xfe", subject="indicator:a", name="a", unit="a", publisher="a", publisher_name="a", vintage="a")


def test_the_real_rial_has_a_figure_for_each_of_its_days() -> None:
    text = needs_shared("data/economy/usd_irr_tgju_daily.csv").read_text(encoding="utf-8")
    found = series(text, columns=Columns("Gregorian Date", "Close Price"))
    assert len(found) == 3921 == len({CATALOGUE.event(event).record_id for event in found})
    assert (found[0]["effective"], found[0]["data"]["value"]) == ("2011-11-26", 13700)
    assert (found[-1]["effective"], found[-1]["data"]["value"]) == ("2026-08-06", 1880200)
