"""What the benchmarks measure with: data of the record's shape, contestants held to one answer, ratios the right way round."""

from __future__ import annotations

from collections import Counter
from statistics import mean

import pytest

from bench.__main__ import table
from bench.data import CLOSED, CORRECTED, DENSE, POSITIONS, SPARSE, points, spans
from bench.measure import Contestants, agree, at_least, at_most, race
from domain.calendar import FOREVER
from projections.boxes import OPEN, FactRow

COUNT = 20_000


def _rows() -> list[tuple[FactRow, int, int]]:
    return [(span.row, span.opened, span.closed) for span in spans(COUNT) if isinstance(span.row, FactRow)]


def test_generated_facts_have_the_shape_of_the_record() -> None:
    rows = _rows()
    assert len(rows) == pytest.approx(COUNT, rel=0.01)
    assert mean(closed != OPEN for _, _, closed in rows) == pytest.approx(CLOSED, abs=0.02)
    assert mean(row.known_to != FOREVER for row, _, closed in rows if closed == OPEN) == pytest.approx(CORRECTED, abs=0.02)
    assert mean(len(row.body) for row, _, _ in rows) == pytest.approx(600, rel=0.1)
    assert all(row.valid_from < row.valid_to and row.known_from < row.known_to and 0 < opened < closed for row, opened, closed in rows)
    assert max(opened for _, opened, _ in rows) < POSITIONS


@pytest.mark.parametrize(("era", "told"), [(SPARSE, 50), (DENSE, 5000)])
def test_of_a_day_of_an_era_as_many_facts_are_told_as_it_is_for(era: tuple[int, int], told: int) -> None:
    rows = _rows()
    found = [sum(row.valid_from <= p.as_of < row.valid_to and row.known_from <= p.known_at < row.known_to and closed == OPEN
                 for row, _, closed in rows) for p in points(era, 12)]
    assert told / 2 < mean(found) < told * 2


def test_rows_that_were_closed_were_replaced_in_the_same_place() -> None:
    ends = Counter((row.subject, row.known_from, closed) for row, _, closed in _rows() if closed != OPEN)
    begins = Counter((row.subject, row.known_from, opened) for row, opened, _ in _rows())
    assert not ends - begins


def test_nothing_is_timed_of_contestants_that_do_not_agree() -> None:
    right: Contestants[int] = {"one": lambda n: [(n,)], "other": lambda n: [[n]]}
    agree(right, [1, 2])
    with pytest.raises(AssertionError, match="wrong does not answer as one does at 2"):
        agree({**right, "wrong": lambda n: [(1,)]}, [1, 2])
    with pytest.raises(AssertionError, match="one finds nothing"):
        agree({"one": lambda _: [], "other": lambda _: []}, [1])


def test_each_contestant_has_a_turn_at_each_case_in_each_round() -> None:
    turns: list[str] = []
    timed = race({"a": lambda case: turns.append(f"a{case}"), "b": lambda case: turns.append(f"b{case}")}, [1, 2], 3)
    assert turns == ["a1", "b1", "a2", "b2"] * 4  # the first to warm up
    assert all(0 < t.low <= t.median <= t.high for t in timed.values())


def test_a_ratio_of_times_is_met_below_its_goal_and_one_of_rates_above() -> None:
    assert [at_most("x", "sqlite", ratio, 2, "")["met"] for ratio in (1.9, 2.0, 2.1)] == [True, True, False]
    assert [at_least("x", "sqlite", ratio, 0.5, "")["met"] for ratio in (0.4, 0.5, 0.6)] == [False, True, True]
    assert "| **no** |" in table([at_most("x", "sqlite", 3, 2, "")])
