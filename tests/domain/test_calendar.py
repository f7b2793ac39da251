"""Days as they are written and read: EDTF in and out, and what is refused."""

from __future__ import annotations

from datetime import date

import pytest
from edtf import parse_edtf
from hypothesis import given
from hypothesis import strategies as st

from domain.calendar import FOREVER, LAST_DAY, BadDay, Span, format_day, format_span, parse_day, parse_edtf_day
from tests.build import one, say
from tests.histories import share

DAYS = st.integers(date(1900, 1, 1).toordinal(), date(2100, 12, 31).toordinal())


@given(DAYS)
def test_a_day_is_read_as_it_is_written(day: int) -> None:
    assert parse_day(format_day(day)) == day
    assert parse_edtf_day(format_day(day)) == (day, day)


@share(3)
@given(DAYS, st.integers(0, 800))
def test_a_span_is_read_as_it_is_written(lo: int, width: int) -> None:
    text = format_span(lo, lo + width)
    assert text is not None
    assert parse_edtf_day(text) == (lo, lo + width)


@share(3)
@given(st.integers(1900, 2100), st.integers(1, 12))
def test_whole_months_and_years_are_written_short(year: int, month: int) -> None:
    for text in (f"{year}", f"{year}-{month:02d}"):
        assert format_span(*parse_edtf_day(text)) == text


@pytest.mark.parametrize(("text", "first", "last"), [
    ("2018-05-08", "2018-05-08", "2018-05-08"),
    ("2020-02", "2020-02-01", "2020-02-29"),
    ("2018", "2018-01-01", "2018-12-31"),
    ("[2018-05-01..2018-05-04]", "2018-05-01", "2018-05-04"),
    ("[2018-05-01,2018-05-09]", "2018-05-01", "2018-05-09"),
    ("[2021-02..2021-05]", "2021-02-01", "2021-05-31"),
    ("2018-05-XX", "2018-05-01", "2018-05-31"),
    ("201X", "2010-01-01", "2019-12-31"),
])
def test_an_imprecise_day_has_an_earliest_and_a_latest(text: str, first: str, last: str) -> None:
    assert parse_edtf_day(text) == Span(parse_day(first), parse_day(last))


@pytest.mark.parametrize("text", [
    "2021-02-29", "[2021-02-27..2021-02-29]", "2018-02-30", "2018-13-01", "2018-00-10", "0000-01-01", "2018-13", "2018-00",
])
def test_a_day_that_no_calendar_has_is_refused(text: str) -> None:
    with pytest.raises(BadDay):
        parse_edtf_day(text)


@pytest.mark.parametrize("text", [
    "[2018-05-01..]", "[..2018-05-01]", "2018-05-01/..", "../2018-05-01", "2018/2019", "2018~", "2018?", "XXXX", "{2018,2019}",
])
def test_what_has_no_definite_bounds_is_refused(text: str) -> None:
    with pytest.raises(BadDay, match=r"definite bounds|not an EDTF day"):
        parse_edtf_day(text)


@pytest.mark.parametrize("text", ["", "8 May 2018", "2018-5-8", "20180508", "2018-05-08T12:00:00Z", "٢٠١٨-٠٥-٠٨", "y170000", "tomorrow"])
def test_what_is_no_day_is_refused_with_a_hint(text: str) -> None:
    with pytest.raises(BadDay, match=r"YYYY-MM-DD|calendar"):
        parse_edtf_day(text)


@pytest.mark.parametrize("text", ["2018-05", "2018", "[2018-05-01..2018-05-04]", "2018-05-08 ", "2018-05-8"])
def test_a_question_asks_for_a_full_day(text: str) -> None:
    with pytest.raises(BadDay):
        parse_day(text)


def test_a_set_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(BadDay, match="ends before it begins"):
        parse_edtf_day("[2018-05-04..2018-05-01]")


def test_no_end_is_written_as_nothing_and_an_end_not_before_a_day_as_an_open_set() -> None:
    assert format_span(FOREVER, FOREVER) is None
    assert format_span(LAST_DAY, LAST_DAY) is None
    assert format_span(parse_day("2018-05-08"), FOREVER) == "[2018-05-08..]"


def test_a_day_includes_what_took_effect_on_it_and_a_planned_end_is_the_first_day_without() -> None:
    waiver = [say("authorization.waiver_issued", "2018-01-12", until="2018-05-12")]
    held = {day: one(waiver, "authorization", day) is not None
            for day in ("2018-01-11", "2018-01-12", "2018-05-11", "2018-05-12")}
    assert held == {"2018-01-11": False, "2018-01-12": True, "2018-05-11": True, "2018-05-12": False}


def test_a_set_of_two_days_is_read_as_the_library_reads_it() -> None:
    for text in ("[2018-05-01..2018-05-04]", "[1986-12-10..2015-01-17]", "[2020-02-29..2020-02-29]"):
        parsed = parse_edtf(text)
        lower, upper = (date(*bound[:3]).toordinal() for bound in (parsed.lower_strict(), parsed.upper_strict()))
        assert parse_edtf_day(text) == (lower, upper)
