"""What an as-of answer costs: against the same rows by primary key, in a table a hundred times larger, and as of an older log."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from adapters.database import Database
from api.wiring import Settings, Tarikh
from bench.data import DENSE, POSITIONS, SPARSE, Point, basis, fill, points
from bench.measure import Contestants, Target, agree, at_most, race
from domain.family import RELATION
from projections.ports import Found
from reliability.databases import ENGINES, databases, owned

SMALL, LARGE, QUICK = 10_000, 1_000_000, 30_000
OLDER = POSITIONS * 3 // 4  # half of the closed rows, a tenth of all, were closed after it
KEYED = {"sqlite": (2.0, 1.2), "postgresql": (2.3, 1.3)}
GROWTH = {"sqlite": 1.5, "postgresql": 2.0}
_COLUMNS = "subject, family, key, kind, status, body"


def run(quick: bool) -> Iterator[Target]:
    """On both engines."""
    for engine in ENGINES:
        with databases(engine) as on:
            small, large = (_filled(owned(on.fresh()), count) for count in (SMALL, QUICK if quick else LARGE))
            yield from _compared(engine, small, large, 10 if quick else 40)
            small.close()
            large.close()


def _filled(url: str, count: int) -> Tarikh:
    core = Tarikh(Settings(database_url=url))
    fill(core, count)
    return core


def _compared(engine: str, small: Tarikh, large: Tarikh, count: int) -> Iterator[Target]:
    few, many = points(SPARSE, count), points(DENSE, max(count // 4, 4))
    by_key = Keyed(large.database, [*few, *many], lambda point: _stab(large, point))
    keyed: Contestants[Point] = {"as-of": lambda point: _stab(large, point), "by key": by_key}
    agree(keyed, [*few, *many])
    for some, goal, about in ((few, KEYED[engine][0], 50), (many, KEYED[engine][1], 5000)):
        timed = race(keyed, some, 5, apart=True)  # in turns, the second would find the rows in the cache
        told = sum(len(by_key.ids[point]) for point in some) / len(some)
        yield at_most(f"as-of against the same rows by primary key, k about {about}", engine, timed["as-of"].median / timed["by key"].median, goal,
                      f"{told:.0f} rows: as-of {timed['as-of']}, by key {timed['by key']}")
    sizes = race({"small": lambda point: _stab(small, point), "large": lambda point: _stab(large, point)}, few, 5, apart=True)
    yield at_most("as-of in a large table against a small one, k about 50", engine, sizes["large"].median / sizes["small"].median, GROWTH[engine],
                  f"large {sizes['large']}, small {sizes['small']}")
    ages = race({"newest": lambda point: _stab(large, point), "older": lambda point: _stab(large, point, OLDER)}, few, 5, apart=True)
    yield at_most("as-of on an older recorded_at, a tenth of the rows closed, against the newest", engine,
                  ages["older"].median / ages["newest"].median, 3.0, f"older {ages['older']}, newest {ages['newest']}")


def _stab(core: Tarikh, point: Point, position: int = POSITIONS) -> list[Found]:
    return core.facts.stab(basis(point, position), RELATION)


class Keyed:
    """The floor: the rows of each answer by their primary keys, which it was told before."""

    def __init__(self, database: Database, asked: list[Point], stab: Callable[[Point], list[Found]]) -> None:
        self.database = database
        self.ids: dict[Point, list[int]] = {}
        for point in asked:
            wanted = {(item.subject, item.body) for item in stab(point)}
            rows = [row for subject, _ in sorted(wanted) for row in self.database.select(
                "SELECT id, subject, body FROM fact WHERE generation = 0 AND subject = :subject AND closed > 0", {"subject": subject})]
            kept = {(row[1], row[2]): row[0] for row in rows if (row[1], row[2]) in wanted}
            self.ids[point] = sorted(kept.values())

    def __call__(self, point: Point) -> list[Any]:
        ids = self.ids[point]
        if self.database.sqlite:
            return self.database.select(f"SELECT {_COLUMNS} FROM fact WHERE id IN ({','.join(map(str, ids))})", {})
        return self.database.select(f"SELECT {_COLUMNS} FROM fact WHERE id = ANY(:ids)", {"ids": ids})
