"""The fact store on a real database answers as the naive fold does, on any basis; rebuild and verify hold it to the log."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.facts import (
    VERSION,
    claim_generation,
    current_generation,
    ensure_pointer,
    rows_to_store,
    stored_generations,
    stored_rows,
)
from adapters.rebuild import rebuild, spans_of, verify
from adapters.schema import cube, fact, log, metadata, projection
from adapters.stab import IDS, WORDS, nodes, statement
from domain.calendar import FOREVER, LAST_DAY, format_day, parse_day
from domain.catalogue import CATALOGUE
from domain.errors import Busy
from domain.event import Logged
from domain.family import RELATION
from domain.timeline import SCHEDULED, bounds, fold, records, timelines
from projections.answers import decode_cursor
from projections.basis import Basis, format_instant
from projections.boxes import OPEN
from projections.cube import month_end
from projections.events import event_json
from projections.series import COUNTS, Count, step_days
from tests.adapters.store import Basis3, Store, recorded
from tests.build import say
from tests.databases import Files
from tests.histories import DAY0, NAMES, SEEDS, logs, points, share

URLs = Callable[[], str]
COUNTED = sorted({spec.family for spec in COUNTS.values()})
FACTS = [name for name in NAMES if not CATALOGUE.families[name].recorded_alone]


# ---------------------------------------------------------------- questions
@share(3)
@given(logs(max_events=10), SEEDS)
def test_a_stab_finds_what_the_fold_gives(fresh: URLs, log: list[Logged], seed: int) -> None:
    with recorded(fresh(), log) as store:
        for basis in points(log, seed, 30):
            asked = store.ask(*basis)
            assert store.answers.stab(asked) == store.folded(basis), basis
            assert store.facts.stab(asked.basis, "another-relation") == []


@share(5)
@given(logs(max_events=10), SEEDS)
def test_the_facts_of_a_subject_are_those_of_the_fold(fresh: URLs, log: list[Logged], seed: int) -> None:
    with recorded(fresh(), log) as store:
        for basis in points(log, seed, 15):
            for subject in store.streams:
                assert store.facts.of_subject(store.ask(*basis).basis, subject) == store.of(subject, basis), basis


@share(5)
@given(logs(FACTS, max_events=10), SEEDS, st.integers(0, 12))
def test_what_held_between_two_days_is_what_held_on_any_of_them(fresh: URLs, log: list[Logged], seed: int, width: int) -> None:
    with recorded(fresh(), log) as store:
        for basis in points(log, seed, 4):
            first, last = basis[0], basis[0] + width
            for name in {subject.partition(":")[0] for subject in store.streams}:
                days = [store.folded((day, *basis[1:])) for day in range(first, last + 1)]
                naive = sorted({item for day in days for item in day if item.family == name})
                assert store.facts.between(store.ask(*basis).basis, RELATION, name, first, last) == naive


def test_a_fact_that_is_possible_before_and_after_it_is_certain_is_listed_once_each_way(fresh: URLs) -> None:
    store = Store(fresh())
    store.append([say("agreement.participant_rejoined", "[2020-01-05..2020-01-10]", party="IRN"),
                  say("agreement.participant_withdrew", "[2020-01-20..2020-01-25]", party="IRN")])
    basis = store.ask(parse_day("2020-03-01"), parse_day("2020-03-01"), 2).basis
    between = store.facts.between(basis, RELATION, "agreement", basis.as_of - 90, basis.as_of)
    past = store.facts.past_of_subject(basis, "agreement:a")
    store.log.close()
    for found in (between, past):
        told = [json.loads(item.body)["certainty"] for item in found if item.kind == "participant"]
        assert sorted(told) == ["certain", "possible"]


@share(5)
@given(logs(FACTS, max_events=10), SEEDS)
def test_a_diff_tells_every_key_that_is_told_otherwise_first_corrected_then_learned_then_changed(
    fresh: URLs, log: list[Logged], seed: int
) -> None:
    with recorded(fresh(), log) as store:
        for one, other in zip(points(log, seed, 8), points(log, seed + 1, 8), strict=True):
            told = json.loads(store.answers.diff(
                format_day(one[0]), format_day(other[0]), format_day(one[1]), format_day(other[1]),
                format_instant(store.instants[one[2]]), format_instant(store.instants[other[2]])))
            path = [one, (one[0], one[1], other[2]), (one[0], other[1], other[2]), other]
            assert (told["from"]["position"], told["to"]["position"]) == (one[2], other[2])
            for name, before, after in zip(("corrected", "learned", "changed"), path, path[1:], strict=False):
                assert {(e["subject"], e["key"]): (_list(e["before"]), _list(e["after"])) for e in told[name]} == _naive_diff(
                    store, before, after), (name, before, after)


def _list(told: Any) -> list[Any]:
    return [] if told is None else told if isinstance(told, list) else [told]


def _naive_diff(store: Store, before: Basis3, after: Basis3) -> dict[tuple[str, str], Any]:
    sides = [store.folded(before), store.folded(after)]
    keys = {(item.subject, item.key) for side in sides for item in side}
    told = {key: tuple([json.loads(i.body) for i in sorted(side) if (i.subject, i.key) == key] for side in sides) for key in keys}
    return {key: tuple(sorted(side, key=_words) for side in both) for key, both in told.items() if _set(both[0]) != _set(both[1])}


def _words(told: Any) -> bytes:
    return json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()


def _set(told: list[Any]) -> list[bytes]:
    return sorted(map(_words, told))


# ---------------------------------------------------------------- series
@share(5)
@given(logs(COUNTED, max_events=10),
       SEEDS, st.booleans(), st.sampled_from(["day", "week", "month"]))
def test_a_series_counts_what_the_fold_gives_at_the_end_of_each_step(
    fresh: URLs, log: list[Logged], seed: int, point_in_time: bool, step: str
) -> None:
    with recorded(fresh(), log) as store:
        (first, known_at, position), = points(log, seed, 1)
        asked = store.ask(first, known_at, position)
        for name, spec in COUNTS.items():
            told = json.loads(store.answers.series(asked, name, format_day(first), format_day(first + 9), step, point_in_time))
            assert [item["day"] for item in told["items"]] == [format_day(day) for day in step_days(first, first + 9, step)]
            for item, day in zip(told["items"], step_days(first, first + 9, step), strict=True):
                known = min(day, known_at) if point_in_time else known_at
                assert (item["value"], item["possible"], item["by"]) == _naive_count(store, spec, (day, known, position))


@share(4)
@given(logs(COUNTED, max_events=10), SEEDS, st.booleans(), st.sampled_from(["month", "quarter"]))
def test_the_ends_of_months_are_counted_by_the_cube_where_the_log_has_not_gone_on(
    fresh: URLs, log: list[Logged], seed: int, point_in_time: bool, step: str
) -> None:
    with recorded(fresh(), log) as store:
        for (_, known_at, position), name in zip([(0, log[-1].event.known_day + 400, log[-1].batch), *points(log, seed, 3)], COUNTS, strict=False):
            days = step_days(DAY0 - 70, DAY0 + 130, step)
            steps = [(day, min(day, known_at) if point_in_time else known_at) for day in days]
            asked = store.ask(DAY0, known_at, position)
            told = json.loads(store.answers.series(asked, name, format_day(days[0]), format_day(days[-1]), step, point_in_time))["items"]
            assert [(item["value"], item["possible"], item["by"]) for item in told] == [
                _naive_count(store, COUNTS[name], (*day, position)) for day in steps]
            ends = [(day, known) for day, known in steps if day == month_end(day)]
            cube = store.facts.counts(asked.basis, RELATION, name, ends)
            assert (cube is None) == (position < log[-1].batch)
            assert cube in (None, [{key: item[key] for key in ("value", "possible", "by")} for item, (day, _) in zip(told, steps, strict=True)
                                   if day == month_end(day)])


def test_facts_of_another_version_are_counted_without_the_cube(fresh: URLs) -> None:
    store = Store(fresh())
    store.append([say("campaign.launched", "2020-01-10")])
    asked, steps = store.ask(DAY0 + 60, DAY0 + 60, 1), [(DAY0 + 30, DAY0 + 60)]
    assert store.facts.counts(asked.basis, RELATION, "campaigns_active", steps) == [{"value": 1, "possible": 0, "by": {"X": 1}}]
    with store.database.transaction(write=True) as connection:
        ensure_pointer(connection)
        connection.execute(projection.update().values(version=VERSION - 1))
        connection.execute(cube.delete())
    assert store.facts.counts(asked.basis, RELATION, "campaigns_active", steps) is None
    told = json.loads(store.answers.series(asked, "campaigns_active", "2020-01-01", "2020-01-31", "month", False))
    store.log.close()
    assert told["items"][0]["value"] == 1


@pytest.mark.parametrize("name", [
    "".join(chr(0x4E00 + number * 7 % 20000) for number in range(4000)),  # as long as a text may be, and nothing to compress
    '"', "[", "=", "!", "?", '["a","b"]', "\\u0041 \\", "a\u007fb\u2028c", "𐎠𐎼𐎹"])
def test_an_item_may_be_any_text(fresh: URLs, name: str) -> None:
    store = Store(fresh())
    store.append([say("campaign.launched", "2020-01-10", name=name)])
    told = json.loads(store.answers.series(store.ask(DAY0, DAY0 + 60, 1), "campaigns_active", "2020-01-01", "2020-01-31", "month", False))
    store.log.close()
    assert told["items"][0]["by"] == {name: 1}


def _naive_count(store: Store, spec: Count, basis: Basis3) -> tuple[int, int, dict[str, int]]:
    """By the possible states of the day: a key is certain if all have it, and counts under what they all say."""
    certain, possible, by = 0, 0, Counter[str]()
    for subject, stream in store.streams.items():
        family = CATALOGUE.family(subject)
        for steps in timelines(family, records(family, stream), *basis[1:]).values() if family.name == spec.family else ():
            early, late = bounds(steps)
            states = fold(family, steps)[sum(d <= basis[0] for d in late[:-1]):sum(d <= basis[0] for d in early[:-1]) + 1]
            for key in {key for state in states for key in state}:
                facts = [f for state in states if (f := state.get(key)) and f.kind in spec.kinds and f.status in spec.statuses]
                certain += len(facts) == len(states)
                possible += 0 < len(facts) < len(states)
                if spec.by and len(facts) == len(states):
                    by.update(set.intersection(*(_items(f.get(spec.by)) for f in facts)))
    return certain, possible, dict(by)


def _items(value: Any) -> set[str]:
    return set() if value is None else set(value) if isinstance(value, tuple) else {str(value)}


@share(5)
@given(logs(["indicator"], 1, max_events=8), SEEDS, st.booleans())
def test_an_indicator_has_a_value_where_exactly_one_observation_holds(fresh: URLs, log: list[Logged], seed: int, point_in_time: bool) -> None:
    name = log[0].event.subject
    with recorded(fresh(), log) as store:
        for first, known_at, position in points(log, seed, 5):
            asked = store.ask(first, known_at, position)
            if not store.facts.heard_of(asked.basis, name):
                continue
            told = json.loads(store.answers.series(asked, name, format_day(first), format_day(first + 6), "day", point_in_time))
            for i, item in enumerate(told["items"]):
                known = min(first + i, known_at) if point_in_time else known_at
                figures = [h for _, h in store.held((first + i, known, position)) if h.fact.status != SCHEDULED]
                observed = [h for h in figures if h.fact.kind != "forecast"]
                assert item["value"] == (observed[0].fact.get("value") if len(observed) == 1 else None)
                assert sorted((f["key"], f["value"], f["certainty"]) for f in item["figures"]) == sorted(
                    (h.key, h.fact.get("value"), h.certainty) for h in figures)


# ---------------------------------------------------------------- lists and pages
@share(5)
@given(logs(max_events=10), SEEDS, st.integers(0, 20), st.integers(1, 4))
def test_a_timeline_lists_the_standing_events_whose_day_may_lie_between(fresh: URLs, log: list[Logged], seed: int, width: int, limit: int) -> None:
    with recorded(fresh(), log) as store:
        for basis in points(log, seed, 4):
            first, last = basis[0], basis[0] + width
            naive = _naive_timeline(store, basis, first, last)
            items: list[Any] = []
            offset, told = 0, {"next": ""}
            while told["next"] is not None:
                page = store.answers.timeline(store.ask(*basis), format_day(first), format_day(last), limit, offset)
                told = json.loads(page.body)
                assert told["total"] == len(naive)
                items += told["items"]
                offset = decode_cursor(told["next"])[3] if told["next"] else offset
            assert items == naive


def _naive_timeline(store: Store, basis: Basis3, first: int, last: int) -> list[Any]:
    found = []
    for subject, stream in store.streams.items():
        family = CATALOGUE.family(subject)
        if family.recorded_alone:
            continue
        for steps in timelines(family, records(family, stream), *basis[1:]).values():
            for step in steps:
                if not step.ends and step.lo <= last and step.hi >= first:
                    root, item = stream[step.root - 1], stream[step.version - 1]
                    order = item.event.order
                    found.append(((step.lo, step.hi, order, root.event.known_day, root.position), event_json(item)))
    return [event for _, event in sorted(found, key=lambda pair: pair[0])]


@share(5)
@given(logs(FACTS, max_events=10), SEEDS, st.integers(1, 4))
def test_the_pages_of_a_list_are_the_facts_of_the_family_in_one_order(fresh: URLs, log: list[Logged], seed: int, limit: int) -> None:
    with recorded(fresh(), log) as store:
        for basis in points(log, seed, 4):
            for name in {subject.partition(":")[0] for subject in store.streams}:
                naive = [json.loads(item.body) for item in store.folded(basis) if item.family == name]
                items: list[Any] = []
                asked, offset = store.ask(*basis), 0
                cursor: str | None = ""
                while cursor is not None:
                    page = store.answers.facts(asked, CATALOGUE.families[name].plural, {}, limit, offset)
                    told, cursor = json.loads(page.body), page.cursor
                    assert told["total"] == len(naive)
                    assert told["basis"] == asked.basis.echo()
                    items += told["items"]
                    if cursor:
                        *times, offset = decode_cursor(cursor)
                        asked = store.answers.basis(*times)
                assert items == naive


@share(5)
@given(logs(max_events=10), SEEDS)
def test_a_subject_is_listed_from_its_first_known_day_with_the_names_that_are_known_on_the_basis(
    fresh: URLs, log: list[Logged], seed: int
) -> None:
    with recorded(fresh(), log) as store:
        for basis in points(log, seed, 10):
            told = json.loads(store.answers.subjects(store.ask(*basis), None, "", 1000).body)
            naive = {s: _naive_names(s, stream, basis) for s, stream in sorted(store.streams.items()) if not s.startswith("coverage:")}
            assert [(i["subject"], sorted(i["names"])) for i in told["items"]] == [
                (s, sorted(names)) for s, names in naive.items() if names is not None]
            assert told["total"] == len(told["items"])


def _naive_names(subject: str, stream: list[Logged], basis: Basis3) -> list[str] | None:
    """The names that a subject's standing events give it; None for one that nobody had heard of."""
    family = CATALOGUE.family(subject)
    if not any(item.batch <= basis[2] and item.event.known_day <= basis[1] for item in stream):
        return None
    steps = [s for line in timelines(family, records(family, stream), *basis[1:]).values() for s in line]
    return sorted({name for s in steps for name in (getattr(s.data, "name", None), *getattr(s.data, "aliases", ())) if name})


@share(5)
@given(logs(max_events=10), SEEDS)
def test_the_facts_of_a_filtered_list_are_those_that_pass(fresh: URLs, log: list[Logged], seed: int) -> None:
    with recorded(fresh(), log) as store:
        for basis in points(log, seed, 4):
            for name in {subject.partition(":")[0] for subject in store.streams} - {"coverage"}:
                folded = [item for item in store.folded(basis) if item.family == name]
                for item in folded[:3]:
                    for column in ("subject", "key", "kind", "status"):
                        wanted = getattr(item, column)
                        page = store.answers.facts(store.ask(*basis), CATALOGUE.families[name].plural, {column: wanted}, 1000)
                        assert json.loads(page.body)["items"] == [json.loads(i.body) for i in folded if getattr(i, column) == wanted]


@share(5)
@given(logs(max_events=10), SEEDS)
def test_what_the_log_knows_by_itself_is_all_that_was_known_by_then(fresh: URLs, log: list[Logged], seed: int) -> None:
    with recorded(fresh(), log) as store:
        for position in {item.batch for item in log}:
            known = [i.event.known_day for i in log if i.batch <= position]
            hindsight = store.answers.basis("2020-06-01", None, format_instant(store.instants[position]))
            latest = store.folded((hindsight.basis.as_of, FOREVER - 1, position))
            assert store.answers.stab(hindsight) == latest
            assert store.answers.log.latest_known(position) == max(known, default=0)


# ---------------------------------------------------------------- the interval tree
day = st.one_of(st.integers(1, 40), st.integers(2**19, 2**19 + 9), st.sampled_from([2**k + d for k in range(1, 21) for d in (-1, 0, 1)]))


BOX = ("valid_from", "valid_to", "known_from", "known_to", "vnode", "knode")


@st.composite
def boxes(draw: st.DrawFn) -> tuple[int, int, int, int]:
    out: list[int] = []
    for _ in range(2):
        lo, width, far = draw(st.tuples(day, st.integers(1, 9), day))
        out += [lo, draw(st.sampled_from([FOREVER, lo + width, max(far, lo + 1)]))]
    return out[0], out[1], out[2], out[3]


@share(3)
@given(st.lists(boxes(), min_size=1, max_size=25), st.lists(st.tuples(day, day), max_size=10), st.booleans())
def test_a_box_is_found_at_every_point_in_it_and_at_none_outside(
    fresh: URLs, drawn: list[tuple[int, int, int, int]], more: list[tuple[int, int]], newest: bool
) -> None:
    store = Store(fresh())
    with store.database.transaction(write=True) as connection:
        connection.execute(fact.insert(), [
            {"generation": 0, "subject": f"s:{i}", "family": "f", "relation": RELATION, "key": "k", "kind": "k", "status": "s", "body": b"",
             "opened": 1, "closed": OPEN if i % 2 or newest else 5, **dict(zip(BOX, (*box, *nodes(*box)), strict=True))}
            for i, box in enumerate(drawn)])
        connection.execute(log.insert(), {column.name: 5 for column in log.c} | {  # by which some of them were closed
            "originator_id": UUID(int=5), "topic": "t", "state": b"", "hash": b""})
    corners = [(x, y) for a, b, c, d in drawn[:6] for x in (a - 1, a, b - 1, b) for y in (c - 1, c, d - 1, d)]
    for as_of, known_at in {(min(x, LAST_DAY), min(y, LAST_DAY)) for x, y in [*corners, *more] if x > 0 and y > 0}:
        found = store.facts.stab(Basis(as_of, known_at, 3, 0), RELATION)
        inside = [f"s:{i}" for i, (a, b, c, d) in enumerate(drawn) if a <= as_of < b and c <= known_at < d]
        assert sorted(item.subject for item in found) == sorted(inside)
    store.log.close()


@given(boxes())
def test_a_box_has_one_node_on_its_shorter_axis(box: tuple[int, int, int, int]) -> None:
    vnode, knode = nodes(*box)
    assert (vnode is None) != (knode is None)
    if box[1] != FOREVER or box[3] != FOREVER:
        lo, hi = box[:2] if vnode is not None else box[2:]
        assert lo <= (vnode or knode or 0) < hi
        assert hi - lo <= min(box[1] - box[0], box[3] - box[2])


@pytest.mark.parametrize(("columns", "told"), [(IDS, set()), (WORDS, {"subject", "family", "key", "kind", "status", "body"})])
def test_on_sqlite_the_indexes_alone_say_which_rows_hold(tmp_path: Path, columns: str, told: set[str]) -> None:
    store = Store(Files(tmp_path).fresh())
    root = store.database.select("SELECT rootpage FROM sqlite_master WHERE name = 'fact'", {})[0][0]
    program = store.database.select(f"EXPLAIN {statement(True, columns)}", {"relation": RELATION, "as_of": 1, "known_at": 1, "position": 1})
    opened = {p1 for _, code, p1, p2, *_ in program if code == "OpenRead" and p2 == root}
    read = {p2 for _, code, p1, p2, *_ in program if code == "Column" and p1 in opened}
    names = [row[1] for row in store.database.select("PRAGMA table_info(fact)", {})]
    assert {names[column] for column in read} == told  # no branch looks at a row to find out whether it holds
    store.log.close()


# ---------------------------------------------------------------- rebuild and verify
@share(5)
@given(logs(max_events=10))
def test_rebuilding_gives_the_rows_of_the_inline_path(fresh: URLs, log: list[Logged]) -> None:
    with recorded(fresh(), log) as store:
        inline = _rows(store)
        assert verify(store.database).faults == []
        rebuild(store.database)
        rebuild(store.database)
        assert _rows(store) == inline
        assert inline == _naive_rows(store)
        assert verify(store.database).faults == []


def _rows(store: Store) -> Counter[Any]:
    """Every row of the current generation, which is told as 0."""
    with store.database.transaction() as connection:
        generation = current_generation(connection)
        rows = [row for subject in store.streams for row in stored_rows(connection, generation, subject).elements()]
    assert {row[1] for row in rows} <= {generation}
    return Counter((row[0], 0, *row[2:]) for row in rows)


def _naive_rows(store: Store) -> Counter[Any]:
    return rows_to_store((span for stream in store.streams.values() for span in spans_of(stream, CATALOGUE)), 0)


@pytest.fixture
def store(fresh: URLs) -> Any:
    made = Store(fresh())
    made.append([say("agreement.concluded", "2015-07-14", parties=["IRN", "USA"])])
    made.append([say("agreement.participant_withdrew", "2018-05-08", party="USA"), say("pledge.made", "2020-01-01")])
    yield made
    made.log.close()


def _tamper(store: Store, statement: str) -> list[str]:
    with store.database.transaction(write=True) as connection:
        assert connection.exec_driver_sql(statement).rowcount == 1
    return verify(store.database).faults


def _names(table: str) -> list[str]:
    return [column.name for column in metadata.tables[table].c if column.name != "id"]


_COLUMNS = ", ".join(_names("fact"))


@pytest.mark.parametrize("change", [
    "body = (SELECT body FROM fact WHERE key = 'participant:USA' LIMIT 1)", "valid_from = valid_from + 1", "valid_to = valid_to - 1",
    "known_from = known_from - 1", "opened = opened + 1", "closed = closed - 1", "status = 'gone'", "key = 'participant:FRA'", "relation = 'X-Y'",
    "vnode = 3, knode = NULL", "subject = 'agreement:b'", "generation = generation + 1",
])
def test_verify_finds_a_fact_that_was_changed_by_hand(store: Store, change: str) -> None:
    assert verify(store.database).faults == []
    faults = _tamper(store, f"UPDATE fact SET {change} WHERE id = (SELECT min(id) FROM fact WHERE key = 'participant:IRN')")
    assert any("agreement:a" in fault and "rebuild" in fault for fault in faults)


def test_verify_finds_a_fact_that_was_removed_by_hand(store: Store) -> None:
    faults = _tamper(store, "DELETE FROM fact WHERE id = (SELECT min(id) FROM fact WHERE key = 'participant:USA')")
    assert len(faults) == 1
    assert "1 missing" in faults[0]


def test_verify_finds_a_fact_that_was_added_by_hand(store: Store) -> None:
    faults = _tamper(store, f"INSERT INTO fact ({_COLUMNS}) SELECT {_COLUMNS.replace('key,', chr(39) + 'participant:FRA' + chr(39) + ',')} "
                            "FROM fact WHERE key = 'participant:IRN' LIMIT 1")
    assert len(faults) == 1
    assert "1 rows that the fold does not give" in faults[0]


def test_verify_finds_a_fact_that_was_doubled_by_hand(store: Store) -> None:
    faults = _tamper(store, f"INSERT INTO fact ({_COLUMNS}) SELECT {_COLUMNS} FROM fact WHERE key = 'participant:IRN' LIMIT 1")
    assert len(faults) == 1
    assert "1 rows that the fold does not give" in faults[0]


@pytest.mark.parametrize("table", ["fact", "mark", "name"])
def test_verify_finds_rows_of_a_subject_that_has_no_events(store: Store, table: str) -> None:
    names = _names(table)
    values = ", ".join("'pledge:nobody'" if name == "subject" else name for name in names)
    faults = _tamper(store, f"INSERT INTO {table} ({', '.join(names)}) SELECT {values} FROM {table} LIMIT 1")
    assert faults == ["pledge:nobody: facts without events: rebuild"]


@pytest.mark.parametrize("table", ["mark", "name"])
def test_verify_finds_a_mark_or_a_name_that_was_removed_by_hand(store: Store, table: str) -> None:
    faults = _tamper(store, f"DELETE FROM {table} WHERE id = (SELECT min(id) FROM {table})")
    assert len(faults) == 1
    assert "1 missing" in faults[0]


@pytest.mark.parametrize("statement", [
    "UPDATE cube SET difference = difference + 1 WHERE known > 0", "DELETE FROM cube WHERE item = '' AND known = 0",
    "UPDATE cube SET valid = valid + 1 WHERE item = '' AND known = 0", "UPDATE cube SET item = '=FRA' WHERE item = '=IRN' AND known = -1",
])
def test_verify_finds_a_count_that_was_changed_by_hand(fresh: URLs, statement: str) -> None:
    store = Store(fresh())
    store.append([say("agreement.concluded", "2015-07-14", parties=["IRN"])])
    assert verify(store.database).faults == []
    assert _tamper(store, statement) == ["agreement_participants: its counts by month are not those of the facts: rebuild"]
    rebuild(store.database)
    assert verify(store.database).faults == []
    store.log.close()


def test_rebuilding_puts_right_what_verify_found(store: Store) -> None:
    before = _rows(store)
    assert _tamper(store, "UPDATE fact SET status = 'gone' WHERE id = (SELECT min(id) FROM fact)")
    rebuild(store.database)
    assert verify(store.database).faults == []
    assert _rows(store) == before


def test_processes_that_share_a_rebuild_write_what_one_writes(store: Store) -> None:
    before, done = _rows(store), list[int]()
    assert rebuild(store.database, progress=done.append, workers=2) == sum(before.values())
    assert sum(done) == sum(map(len, store.streams.values()))
    assert _rows(store) == before


def test_a_rebuild_that_another_one_overtook_stops_and_its_processes_too(store: Store) -> None:
    def overtake(_: int) -> None:
        with store.database.transaction(write=True) as connection:
            claim_generation(connection)

    before = _rows(store)
    with pytest.raises(Busy, match="another rebuild began after this one"):
        rebuild(store.database, progress=overtake, workers=2)
    assert _rows(store) == before


def test_a_rebuild_that_died_leaves_nothing_behind(store: Store) -> None:
    before = _rows(store)
    with store.database.transaction(write=True) as connection:  # all that it had come to write are a mark, a name and a count
        generation = claim_generation(connection)
        for table in ("mark", "name", "cube"):
            names = _names(table)
            values = ", ".join(str(generation) if name == "generation" else name for name in names)
            connection.exec_driver_sql(f"INSERT INTO {table} ({', '.join(names)}) SELECT {values} FROM {table} LIMIT 1")
    rebuild(store.database)
    assert _rows(store) == before
    with store.database.transaction() as connection:
        assert stored_generations(connection) == {current_generation(connection)}


def test_what_is_appended_during_a_rebuild_is_in_the_new_facts(store: Store) -> None:
    late = iter([[say("pledge.broken", "2020-02-01"), say("campaign.launched", "2020-02-01")], [say("campaign.ended", "2020-03-01")]])

    def meanwhile(_: int) -> None:
        for batch in late:
            store.append(batch)

    rebuild(store.database, progress=meanwhile)
    assert verify(store.database).faults == []
    assert _rows(store) == _naive_rows(store)
