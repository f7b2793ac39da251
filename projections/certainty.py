"""Facts put together again: what is certain of a key although its words are not, and runs that were cut into pieces."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any

from domain.calendar import parse_edtf_day
from domain.timeline import SCHEDULED
from projections.ports import Found


def run_is_certain(fact: dict[str, Any], as_of: int) -> bool:
    """Whether key and status hold on the day whatever the uncertain days were: the run began by then, and cannot have ended."""
    if fact["certainty"] == "certain":
        return True
    since, until = fact["since"], fact["until"]
    if fact["status"] == SCHEDULED or since is None or since.endswith("..]"):
        return False
    ends = None if until is None else parse_edtf_day(until.removesuffix("..]").removeprefix("[") if until.endswith("..]") else until).lo
    return parse_edtf_day(since).hi <= as_of and (ends is None or as_of < ends)


def turning_days(fact: dict[str, Any]) -> Iterator[int]:
    """The days between which its run begins, and ends: on them alone it may come to be certain, or cease to be."""
    for text in (fact["since"], fact["until"]):
        if text is not None:
            yield from parse_edtf_day(text.removeprefix("[").removesuffix("..]") if text.endswith("..]") else text)


def key_is_certain(facts: Sequence[dict[str, Any]], as_of: int) -> bool:
    """Whether a key holds on the day under one of these facts, whatever the uncertain days were: one run is certain, or runs that
    follow each other without a gap (reported, then occurred) began by then and cannot have ended."""
    if any(run_is_certain(fact, as_of) for fact in facts):
        return True
    runs = sorted({(str(f["since"]), f["until"] and str(f["until"])) for f in facts}, key=lambda run: parse_edtf_day(run[0]))
    joined = all(one[1] == other[0] for one, other in pairwise(runs))
    return joined and run_is_certain({"certainty": "possible", "status": "", "since": runs[0][0], "until": runs[-1][1]}, as_of)


def whole(found: Iterable[Found]) -> list[Found]:
    """Facts that differ in certainty alone, told once: certain where a piece of the run is."""
    seen: dict[tuple[str, str, str], Found] = {}
    for item in found:
        fact = json.loads(item.body)
        certainty = fact.pop("certainty")
        key = (item.subject, item.key, json.dumps(fact, sort_keys=True))
        if key not in seen or certainty == "certain":
            seen[key] = item
    return sorted(seen.values())


def ended(found: Iterable[Found], as_of: int) -> list[Found]:
    """Runs that were over by the day, each in its last words."""
    runs: dict[tuple[str, str, str], list[tuple[str, Found]]] = defaultdict(list)
    for item in whole(found):
        fact = json.loads(item.body)
        until = fact["until"]
        if fact["status"] != SCHEDULED and until is not None and not until.endswith("..]") and parse_edtf_day(until).hi <= as_of:
            runs[item.key, str(fact["since"]), until].append((max(fact["because"], key=_version), item))
    return sorted(max(pieces, key=lambda piece: _version(piece[0]))[1] for pieces in runs.values())


def _version(event_id: str) -> int:
    return int(event_id.rpartition("@")[2])
