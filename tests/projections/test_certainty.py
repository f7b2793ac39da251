"""What is certain of a key although its words are not."""

from __future__ import annotations

from typing import Any

from domain.calendar import parse_day
from projections.certainty import key_is_certain, run_is_certain


def fact(since: str, until: str | None, certainty: str = "possible", status: str = "occurred") -> dict[str, Any]:
    return {"since": since, "until": until, "certainty": certainty, "status": status}


def test_a_run_is_certain_between_its_latest_start_and_its_earliest_end() -> None:
    run = fact("[2020-01-01..2020-01-10]", "[2020-02-01..2020-02-05]")
    days = {day: run_is_certain(run, parse_day(day)) for day in ("2020-01-09", "2020-01-10", "2020-01-31", "2020-02-01")}
    assert days == {"2020-01-09": False, "2020-01-10": True, "2020-01-31": True, "2020-02-01": False}


def test_a_scheduled_start_is_no_certain_run() -> None:
    assert not run_is_certain(fact("2020-01-01", None, status="scheduled"), parse_day("2020-01-05"))


def test_a_key_is_certain_across_runs_that_follow_each_other() -> None:
    runs = [fact("[2020-01-01..2020-01-10]", "[2020-01-05..2020-01-15]", status="reported"), fact("[2020-01-05..2020-01-15]", None)]
    assert key_is_certain(runs, parse_day("2020-01-12"))
    assert not key_is_certain(runs, parse_day("2020-01-07"))


def test_a_key_is_not_certain_across_a_gap() -> None:
    runs = [fact("[2020-01-01..2020-01-10]", "[2020-01-11..2020-01-15]"), fact("[2020-01-12..2020-01-20]", None)]
    assert not key_is_certain(runs, parse_day("2020-01-13"))
