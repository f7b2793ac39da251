"""Vintages: what is told of a figure on each known day is what the fold tells on that day."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.calendar import FOREVER, format_day, parse_day, parse_edtf_day
from domain.event import Event, Logged
from domain.family import RELATION
from domain.timeline import SCHEDULED
from projections.ports import Boxed, Found
from projections.series import COUNTS, counted
from projections.vintages import Series, Vintage, counted_series, frequency, latest, measured_series
from tests.adapters.store import Basis3, found, recorded
from tests.build import amend, retract, say, stream
from tests.histories import DAY0, DAYS, SEEDS, logs, points, share, valid_days
from tests.projections.naive import boxes_of, held

URLs = Callable[[], str]
COUNTED = sorted({spec.family for spec in COUNTS.values()})


# ---------------------------------------------------------------- the naive way
def naive_figures(log: Sequence[Logged], known: int, position: int) -> dict[Any, set[Any]]:
    """(subject, publisher, forecast, first day of the period) -> the figures that the fold tells on any day."""
    out: dict[Any, set[Any]] = defaultdict(set)
    for day in valid_days(log):
        for subject, one in held(log, day, known, position):
            if one.fact.status != SCHEDULED:
                told, level = dict(one.fact.attributes), one.key.startswith("level:")
                first = parse_edtf_day(told["period"]).lo if "period" in told else parse_day(one.key[-10:]) if level else one.since[0]
                out[subject, told["publisher"], one.fact.kind == "forecast", first].add((told["value"], told["unit"], told["bound"]))
    return out


# ---------------------------------------------------------------- properties
@share(3)
@given(logs(["indicator"], max_subjects=2, max_events=9), SEEDS)
def test_a_vintage_tells_the_one_figure_that_the_fold_tells_on_its_known_days(log: list[Logged], seed: int) -> None:
    for _, known, position in points(log, seed, 3):
        told: dict[Any, set[Any]] = defaultdict(set)
        for series, some in measured_series(boxes_of(log, position, "indicator")).items():
            for v in some:
                if v.known_from <= known < v.known_to:
                    told[series.subject, series.publisher, series.forecast, v.first].add(v.figure and v.figure[:3])
        expected = naive_figures(log, known, position)
        assert told.keys() == expected.keys()
        assert {key: some for key, some in told.items() if len(some) == 1 and None not in some} == {
            key: some for key, some in expected.items() if len(some) == 1}


@share(3)
@given(logs(COUNTED, max_subjects=3, max_events=10), SEEDS, st.sampled_from(sorted(COUNTS)))
def test_a_count_as_of_a_vintage_is_the_count_on_that_basis(log: list[Logged], seed: int, name: str) -> None:
    spec, position = COUNTS[name], log[-1].batch
    days = list(range(DAY0 - 1, DAY0 + DAYS + 4, 3))
    vintages = counted_series(spec, boxes_of(log, position, spec.family), [(day, day) for day in days])
    assert [v.first for v in vintages if v.known_from == v.first] == days  # each is there from its own day on, and goes on for ever
    assert [v.first for v in vintages if v.known_to == FOREVER] == days
    for _, known, _ in points(log, seed, 4):
        told = {v.first: v.figure.value for v in vintages if v.known_from <= known < v.known_to and v.figure}
        assert told == {day: counted(spec, found(held(log, day, known, position)), day)["value"] for day in days if day <= known}


@share(15)
@given(logs(max_subjects=3, max_events=9), SEEDS)
def test_the_boxes_of_a_family_are_those_of_its_subjects_at_the_position(fresh: URLs, log: list[Logged], seed: int) -> None:
    with recorded(fresh(), log) as store:
        subject = log[seed % len(log)].event.subject
        family = subject.partition(":")[0]
        for _, _, position in points(log, seed, 2):
            expected = boxes_of(log, position, family)
            assert store.facts.boxes_of(position, RELATION, family) == expected
            assert store.facts.boxes_of(position, RELATION, family, subject) == [box for box in expected if box.found.subject == subject]


@share(15)
@given(logs(max_subjects=3, max_events=9))
def test_the_days_of_change_are_those_on_which_the_fold_tells_otherwise_than_on_the_day_before(fresh: URLs, log: list[Logged]) -> None:
    with recorded(fresh(), log) as store:
        position = log[-1].batch
        days = range(DAY0 - 6, DAY0 + DAYS + 20)

        def changes(tell: Callable[[Basis3], list[Found]]) -> list[int]:
            told = {day: sorted(set(tell((day, day, position)))) for day in (days[0] - 1, *days)}
            return [day for day in days if told[day] != told[day - 1]]

        def among(some: list[int]) -> list[int]:
            return [day for day in some if day in days]

        assert among(store.facts.days_of_change(position, RELATION)) == changes(store.folded)
        for subject, events in store.streams.items():
            heard = [] if subject.startswith("coverage:") else [min(item.event.known_day for item in events)]
            assert among(store.facts.days_of_change(position, None, subject)) == sorted(
                {*changes(lambda basis, subject=subject: store.of(subject, basis)), *among(heard)})  # type: ignore[misc]


# ---------------------------------------------------------------- by example
@pytest.mark.parametrize(("period", "letter"), [
    ("2019", "A"), ("2019-02", "M"), ("2019-05-06", "D"), ("[2019-04-01..2019-06-30]", "Q"), ("[2019-05-06..2019-05-12]", "W"),
    ("[2019-05-07..2019-05-13]", "NA"), ("[2019-05-01..2019-06-30]", "NA")])
def test_the_frequency_of_a_figure_is_the_calendar_period_that_it_is_of(period: str, letter: str) -> None:
    assert frequency(*parse_edtf_day(period)) == letter


YEAR: dict[str, Any] = {"period": "2019", "publisher": "imf", "publisher_name": "IMF", "unit": "percent", "name": "growth"}


def series_of(*events: Event) -> dict[Series, list[Vintage]]:
    return measured_series(boxes_of(stream(*events), len(events), "indicator"))


def vintages_of(*events: Event) -> list[tuple[str, str, float | None]]:
    """(known from, known to, value) of the only series."""
    (some,) = series_of(*events).values()
    return [(format_day(v.known_from), "" if v.known_to == FOREVER else format_day(v.known_to), v.figure and v.figure.value) for v in some]


def test_a_revision_ends_one_vintage_and_begins_the_next() -> None:
    told = vintages_of(say("indicator.observed", "2019-01-01", "2020-04-14", until="2020-01-01", value=-7.6, **YEAR),
                       say("indicator.revised", "2019-01-01", "2020-10-13", until="2020-01-01", value=-6.5, **YEAR))
    assert told == [("2020-04-14", "2020-10-13", -7.6), ("2020-10-13", "", -6.5)]


def test_what_says_the_same_is_no_new_vintage() -> None:
    told = vintages_of(say("indicator.observed", "2019-01-01", "2020-04-14", until="2020-01-01", value=-7.6, **YEAR),
                       say("indicator.revised", "2019-01-01", "2020-10-13", until="2020-01-01", value=-7.6, **YEAR))
    assert told == [("2020-04-14", "", -7.6)]


def test_a_figure_that_was_taken_back_ends() -> None:
    told = vintages_of(say("indicator.observed", "2019-01-01", "2020-04-14", id="o", until="2020-01-01", value=-7.6, **YEAR),
                       retract("o", "2020-05-01", subject="indicator:a"))
    assert told == [("2020-04-14", "2020-05-01", -7.6)]


def test_our_own_mistake_leaves_no_vintage() -> None:
    told = vintages_of(say("indicator.observed", "2019-01-01", "2020-04-14", id="o", until="2020-01-01", value=76.0, **YEAR),
                       amend("o", "indicator.observed", "2019-01-01", "2020-04-14", until="2020-01-01", value=-7.6, **YEAR))
    assert told == [("2020-04-14", "", -7.6)]


def test_publishers_periods_and_forecasts_are_series_of_their_own() -> None:
    month = {**YEAR, "period": "2019-01"}
    told = series_of(
        say("indicator.observed", "2019-01-01", "2020-04-14", id="a", until="2020-01-01", value=1.0, **YEAR),
        say("indicator.observed", "2019-01-01", "2020-04-14", id="b", until="2020-01-01", value=2.0, **{**YEAR, "publisher": "cbi"}),
        say("indicator.observed", "2019-01-01", "2020-04-14", id="c", until="2019-02-01", value=3.0, **month),
        say("indicator.forecast", "2019-01-01", "2018-10-01", id="d", until="2020-01-01", value=4.0, **YEAR))
    assert {series[1:]: some[0].figure and some[0].figure.value for series, some in told.items()} == {
        ("imf", "A", False): 1.0, ("cbi", "A", False): 2.0, ("imf", "M", False): 3.0, ("imf", "A", True): 4.0}


def test_the_latest_figure_is_of_the_last_period_that_had_begun_and_was_told_of() -> None:
    vintages = series_of(*(say("indicator.observed", day, known, publisher="p", value=value) for day, known, value in (
        ("2020-01-01", "2020-01-01", 1.0), ("2020-02-01", "2020-03-15", 2.0), ("2020-04-01", "2020-04-01", 3.0))))[
        Series("indicator:a", "p", "LEVEL", False)]

    def value(as_of: str, known_at: str) -> float | None:
        last = latest(vintages, parse_day(as_of), parse_day(known_at))
        return last.figure.value if last and last.figure else None

    assert value("2020-03-01", "2020-03-01") == 1.0
    assert value("2020-03-15", "2020-03-15") == 2.0
    assert value("2020-03-15", "2020-12-31") == 2.0
    assert value("2020-12-31", "2020-03-01") == 1.0
    assert value("2019-12-31", "2020-12-31") is None


def test_a_key_that_is_certain_though_its_words_are_not_is_counted() -> None:
    """A count does not fall where one of two tellings of the same incident must hold."""
    facts: list[dict[str, Any]] = [
        {"status": status, "since": since, "until": until, "certainty": "possible", "attributes": {}}
        for status, since, until in (("reported", "2020-01-01", "[2020-01-05..2020-01-09]"), ("occurred", "[2020-01-05..2020-01-09]", None))]
    day = parse_day("2020-01-07")
    boxes = [Boxed(day - 9, day + 9, day - 9, FOREVER, Found("incident:a", "incident", "incident", "incident", f["status"],
                                                             json.dumps(f).encode())) for f in facts]
    assert [v.figure and v.figure.value for v in counted_series(COUNTS["incidents_to_date"], boxes, [(day, day)])] == [1.0]
