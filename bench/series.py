"""What a series of 300 months by 100 programs costs: against one as-of query of a month in the same table."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import islice

from api.wiring import Settings, Tarikh
from bench.data import DENSE, POSITIONS, basis, fill, points
from bench.measure import Target, at_most, race
from domain.calendar import format_day, parse_day
from domain.family import RELATION
from projections.basis import format_instant
from projections.boxes import FactRow
from projections.series import COUNTS, counted
from reliability.databases import ENGINES, databases, owned

ROWS, QUICK = 1_000_000, 20_000
PROGRAMS = 100
FIRST, LAST = "2004-01-01", "2028-12-31"  # 300 months of the dense era
NAME = "designations_in_force"


def listing(number: int, valid_from: int, valid_to: int, known_from: int, known_to: int, told: int) -> FactRow:
    """The row of a listing under two of the programs."""
    subject, key = f"designation:generated-{number}", "listing:OFAC-SDN"
    body = json.dumps({
        "subject": subject, "key": key, "kind": "listing", "status": "listed", "since": format_day(valid_from), "until": format_day(valid_to),
        "certainty": "certain", "attributes": {
            "name": f"PARTY {number}", "list": "OFAC-SDN", "programs": [f"P-{number % PROGRAMS}", f"P-{told * 7 % PROGRAMS}"], "remarks": "x" * 300},
        "because": [f"{subject}@1"]}, separators=(",", ":")).encode()
    return FactRow(subject, "designation", RELATION, key, "listing", "listed", valid_from, valid_to, known_from, known_to, body)


def run(quick: bool) -> Iterator[Target]:
    """On both engines: as known on the newest day, each month as known on its own last day, and as known on an earlier day."""
    for engine in ENGINES:
        with databases(engine) as on, closing(Tarikh(Settings(database_url=owned(on.fresh())))) as core:
            fill(core, QUICK if quick else ROWS, listing)
            yield from _compared(engine, core)


def _compared(engine: str, core: Tarikh) -> Iterator[Target]:
    asked, days = core.answers.basis(), points(DENSE, 8)
    earlier = core.answers.basis(None, format_day(parse_day(LAST)), format_instant(asked.basis.recorded_at))
    ways: dict[str, Callable[[], bytes]] = {
        "as known on the newest day": lambda: core.answers.series(asked, NAME, FIRST, LAST, "month", False),
        "each month as known on its last day": lambda: core.answers.series(asked, NAME, FIRST, LAST, "month", True),
        "as known on an earlier day": lambda: core.answers.series(earlier, NAME, FIRST, LAST, "month", False)}
    for ask in ways.values():
        _agree(core, json.loads(ask()))
    one = race({"as-of": lambda point: core.facts.stab(basis(point, POSITIONS), RELATION)}, days, 5)["as-of"]
    for name, ask in ways.items():
        whole = race({"series": lambda _, ask=ask: ask()}, [None], 5)["series"]  # type: ignore[misc]
        yield at_most(f"series of 300 months by {PROGRAMS} programs, {name}, against one as-of query", engine, whole.median / one.median, 10,
                      f"{whole} and {one}")


def _agree(core: Tarikh, told: dict[str, list[dict[str, str]]]) -> None:
    """Some months are counted one by one."""
    assert len(told["items"]) == 300
    for item in islice(told["items"], 0, None, 60):
        day, known = parse_day(item["day"]), parse_day(item["known_at"])
        found = core.facts.stab(core.answers.basis().basis.on(day, known), RELATION)
        expected = counted(COUNTS[NAME], found, day)
        assert len(expected["by"]) == PROGRAMS or expected["value"] < PROGRAMS
        assert expected == {name: item[name] for name in expected}, day
