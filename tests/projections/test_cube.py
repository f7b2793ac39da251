"""The cube: sums of differences are the counts that the fold gives at the end of each period, as known on any day."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.calendar import LAST_DAY, parse_day
from domain.event import Logged
from domain.family import RELATION
from projections.boxes import FactRow, rows_of
from projections.cube import ANY, LONGEST, SEEN, Cell, cells, is_counted, month_end, readings, totals, year_end
from projections.series import COUNTS, counted
from tests.adapters.store import found
from tests.build import say, stream
from tests.histories import DAY0, DAYS, SEEDS, family_of, logs, points, share, streams
from tests.projections.naive import held

LATEST = parse_day("2021-03-01")
COUNTED = sorted({spec.family for spec in COUNTS.values()})
Steps = Sequence[tuple[int, int]]


def rows(log: Sequence[Logged]) -> list[FactRow]:
    """The rows of a log that are open at its end."""
    return [row for subject, events in streams(log).items() for row in rows_of(family_of(events), subject, events, RELATION).facts]


def asked(cube: Counter[Cell], name: str, steps: Steps, latest: int) -> list[dict[str, Any]] | None:
    """What the store does in SQL."""
    out = []
    for ranges, days in readings(steps, latest):
        told = totals([(item, valid, difference) for (_, series, known, item, valid), difference in cube.items()
                       if series == name and any(a <= known <= b for a, b in ranges) and valid <= days[-1]], days)
        if told is None:
            return None
        out += told
    return out


def naive(log: Sequence[Logged], name: str, steps: Steps) -> list[dict[str, Any]]:
    return [counted(COUNTS[name], found(held(log, day, known, log[-1].batch)), day) for day, known in steps]


def ends(width: int) -> Callable[[int], int]:
    """Periods of some days instead of months."""
    return lambda day: day + (DAY0 - day) % width


# ---------------------------------------------------------------- properties
@share(2)
@given(logs(COUNTED, max_subjects=3, max_events=10), SEEDS, st.sampled_from([1, 4]))
def test_the_cube_counts_what_the_fold_gives_at_the_end_of_each_period(log: list[Logged], seed: int, width: int) -> None:
    latest = max(item.event.known_day for item in log)
    cube = cells(rows(log), ends(width))
    days = [day for day in range(DAY0 - 8, DAY0 + DAYS + 24) if ends(width)(day) == day]
    known = points(log, seed, 1)[0][1]
    for name in COUNTS:
        for at in (known, latest, latest + 3):
            for steps in ([(day, at) for day in days], [(day, min(day, at)) for day in days]):
                assert asked(cube, name, steps, latest) == naive(log, name, steps), (name, at, steps)


@share(2)
@given(logs(COUNTED, max_subjects=3, max_events=10))
def test_the_cells_of_some_rows_are_those_of_each_key_together(log: list[Logged]) -> None:
    apart = Counter[Cell]()
    for key in {(row.subject, row.key) for row in rows(log)}:
        apart.update(cells(row for row in rows(log) if (row.subject, row.key) == key))
    whole = cells(rows(log))
    assert all(apart[cell] == whole[cell] for cell in apart.keys() | whole.keys())


# ---------------------------------------------------------------- rules
def test_a_month_ends_on_its_last_day() -> None:
    assert [month_end(parse_day(day)) for day in ("2020-02-01", "2020-02-29", "2021-02-10", "0001-01-01", "9999-12-30")] == [
        *(date.fromisoformat(day).toordinal() for day in ("2020-02-29", "2020-02-29", "2021-02-28", "0001-01-31")), LAST_DAY]


YEAR = parse_day("2020-12-31")


def test_a_year_ends_on_its_last_day() -> None:
    assert year_end(parse_day("2020-02-29")) == year_end(YEAR) == YEAR


@pytest.mark.parametrize(("steps", "read"), [
    ([(10, LATEST), (20, LATEST)], [([(ANY, ANY)], [10, 20])]),  # all that is known
    ([(10, 10), (20, 20)], [([(SEEN, SEEN)], [10, 20])]),  # each as known on its own day
    ([(10, 10), (LATEST + 9, LATEST)], [([(SEEN, SEEN)], [10]), ([(ANY, ANY)], [LATEST + 9])]),
    ([(10, YEAR + 5), (20, YEAR + 5)], [([(-YEAR, -2), (YEAR + 1, YEAR + 5)], [10, 20])]),  # whole years, and days of the last
    ([(10, LAST_DAY), (LAST_DAY, LAST_DAY)], [([(ANY, ANY)], [10, LAST_DAY])]),
    ([(10, 1), (20, 1)], [([(0, -2), (1, 1)], [10, 20])]),  # nothing lies between the first two
    ([(10, YEAR + 1), (20, YEAR + 1)], [([(-YEAR, -2), (YEAR + 1, YEAR + 1)], [10, 20])]),
    ([(10, YEAR), (20, YEAR)], [([(-YEAR, -2), (YEAR + 1, YEAR)], [10, 20])]),
    ([(10, 10), (YEAR + 9, YEAR + 5)], [([(SEEN, SEEN)], [10]), ([(-YEAR, -2), (YEAR + 1, YEAR + 5)], [YEAR + 9])]),
])
def test_what_is_read_depends_on_what_is_known(steps: Steps, read: Any) -> None:
    assert list(readings(steps, LATEST)) == read


def test_a_box_without_an_end_is_never_taken_back() -> None:
    log = stream(say("campaign.launched", "2020-01-10", known="2020-03-02", name="Pressure"))
    assert cells(rows(log)) == {
        (RELATION, "campaigns_active", known, item, parse_day(day)): 1
        for known, day in ((-YEAR, "2020-01-31"), (ANY, "2020-01-31"), (SEEN, "2020-03-31")) for item in ("", "=Pressure")} | {
        (RELATION, "campaigns_active", parse_day("2020-03-02"), '["Pressure"]', parse_day("2020-01-31")): 1}


def test_what_no_series_counts_has_no_cells() -> None:
    log = stream(say("pledge.made", "2020-01-10", by="USA"))
    assert [is_counted(row) for row in rows(log)] == [False]
    assert cells(rows(log)) == {}


def test_where_an_item_is_too_long_to_be_told_the_cube_does_not_answer() -> None:
    log = stream(say("campaign.launched", "2020-01-10", name="x" * (LONGEST + 1)))
    before, after = parse_day("2019-12-31"), parse_day("2020-01-31")
    assert asked(cells(rows(log)), "campaigns_active", [(before, LATEST)], LATEST) == [{"value": 0, "possible": 0, "by": {}}]
    assert asked(cells(rows(log)), "campaigns_active", [(before, LATEST), (after, LATEST)], LATEST) is None
