"""Side by side: contestants that give the same answer, timed in rounds in which they take turns, and told as ratios."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import quantiles
from time import perf_counter
from typing import Any, NamedTuple, TypedDict, TypeVar

Case = TypeVar("Case")
Contestants = Mapping[str, Callable[[Case], Any]]


class Timing(NamedTuple):
    """Seconds: the median, and the quartiles on both sides of it."""

    low: float
    median: float
    high: float

    def __str__(self) -> str:
        unit, times = ("µs", 1e6) if self.median < 1e-3 else ("ms", 1e3) if self.median < 1 else ("s", 1)
        return f"{self.median * times:.3g} {unit} ({self.low * times:.3g} to {self.high * times:.3g})"


class Target(TypedDict):
    """A line of build/bench.json."""

    name: str
    engine: str
    ratio: float
    goal: str
    met: bool
    told: str  # what was measured, in words


class Absent(Exception):
    """A contestant that cannot be asked here; what must be installed."""


def agree(contestants: Contestants[Case], cases: Iterable[Case]) -> None:
    """Raises AssertionError unless all give the same answer to every case."""
    for case in cases:
        answers = {name: sorted(map(tuple, run(case))) for name, run in contestants.items()}
        (first, wanted), *others = answers.items()
        assert wanted, f"{first} finds nothing at {case}"
        for name, answer in others:
            assert answer == wanted, f"{name} does not answer as {first} does at {case}"


def race(contestants: Contestants[Case], cases: Sequence[Case], rounds: int, apart: bool = False) -> dict[str, Timing]:
    """Each case to each contestant in turn, again and again; the first round, which warms up, is left out.

    `apart`: in a round each goes through all cases before the next one does, so that none is timed with what another left in the caches.
    """
    taken: dict[str, list[float]] = {name: [] for name in contestants}
    turns = [(name, case) for case in cases for name in contestants]
    if apart:
        turns.sort(key=lambda turn: list(contestants).index(turn[0]))
    for number in range(rounds + 1):
        for name, case in turns:
            started = perf_counter()
            contestants[name](case)
            if number:
                taken[name].append(perf_counter() - started)
    return {name: Timing(*quantiles(times, n=4)) for name, times in taken.items()}


def at_most(name: str, engine: str, ratio: float, goal: float, told: str) -> Target:
    """A ratio of times: the smaller the better."""
    return Target(name=name, engine=engine, ratio=round(ratio, 3), goal=f"at most {goal:g}", met=ratio <= goal, told=told)


def at_least(name: str, engine: str, ratio: float, goal: float, told: str) -> Target:
    """A ratio of rates: the larger the better."""
    return Target(name=name, engine=engine, ratio=round(ratio, 3), goal=f"at least {goal:g}", met=ratio >= goal, told=told)


def not_measured(name: str, engine: str, goal: str, why: object) -> Target:
    """A goal that could not be looked at here, and so is not met."""
    return Target(name=name, engine=engine, ratio=0, goal=goal, met=False, told=f"not measured: {why}")
