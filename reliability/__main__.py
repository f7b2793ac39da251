"""Measures what is promised, and holds each figure to its goal: `python -m reliability [--short] [PART ...]`.

The long form takes about three quarters of an hour on two idle cores. Exit code 1 where a goal is missed.
"""

from __future__ import annotations

import argparse
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from reliability import chain, contract, downstream, followers, fuzz, kills, overload, races, suites
from reliability.figures import Figure, figure, line, write

Part = Callable[[bool], Iterable[Figure]]


def _at_least(name: str, run: Callable[[bool], dict[str, Any]], unit: str, least: int) -> Part:
    """A part that counts cases, of which none may fail."""

    def part(long: bool) -> Iterator[Figure]:
        told = run(long)
        done, failures = told.pop(unit), told.pop("failures")
        goal = least if long else 1
        yield figure(name, len(failures), f"0 in at least {goal:,} {unit}", not failures and done >= goal, **{unit: done}, failures=failures, **told)

    return part


PARTS: dict[str, Part] = {
    "library": suites.library, "roles": suites.roles, "followers": followers.run, "chain": chain.run, "races": races.run, "kills": kills.run,
    "downstream": downstream.run,
    "contract": _at_least("schemathesis over the OpenAPI document, failures", contract.run, "cases", 20_000),
    "fuzz": _at_least("fuzzing of importers and event bodies, failures", fuzz.run, "executions", 100_000),
    "overload": overload.run,
}


def measured(names: Iterable[str], long: bool) -> Iterator[Figure]:
    """The figures of some parts, one after the other; a part that fails is a goal that is missed."""
    for name in names:
        try:
            yield from PARTS[name](long)
        except Exception as error:
            traceback.print_exc()
            yield figure(name, "failed", "an end", False, error=f"{type(error).__name__}: {error}"[:500])


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m reliability", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)}; all of them where none is named")
    parser.add_argument("--short", action="store_true", help="a few cycles of each")
    asked = parser.parse_args()
    if unknown := set(asked.parts) - set(PARTS):
        parser.error(f"no such part: {min(unknown)}")
    figures: list[Figure] = []
    for told in measured(asked.parts or PARTS, not asked.short):
        figures.append(told)
        print(line(told), flush=True)
        write(figures)  # what is measured is kept, whatever becomes of the rest
    missed = sum(not told["met"] for told in figures)
    print(f"{len(figures) - missed} of {len(figures)} goals are met")
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
