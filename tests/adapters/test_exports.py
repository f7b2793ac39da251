"""Exports say what the record says on their basis, and nothing later; the same basis gives the same bytes."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.exports import FORMATS
from adapters.exports.columns import TYPES, Column, Export, batched
from adapters.exports.events import event_rows
from adapters.exports.facts import FACTS, fact_rows
from adapters.exports.formats import Part
from adapters.exports.opening import Exports
from adapters.exports.writing import Counted, write
from adapters.rebuild import rebuild
from domain.calendar import FOREVER, LAST_DAY
from domain.errors import BadQuestion, NotFound
from domain.event import Event, Logged
from domain.family import RELATION, Fact
from projections.basis import Basis
from projections.boxes import Run, body_of
from tests.adapters.store import Store, recorded
from tests.build import amend, say
from tests.histories import SEEDS, known_days, logs, points, share

EVERY = LAST_DAY - 1
Row = dict[str, Any]


# ---------------------------------------------------------------- what a test asks for
def exports(store: Store) -> Exports:
    def unsigned(position: int) -> dict[str, Any]:
        raise NotFound("no key")

    return Exports(store.reader, store.facts, unsigned)


def on(store: Store, position: int, known_at: int | None = None, as_of: int = EVERY) -> Basis:
    return Basis(as_of, (store.reader.latest_known(position) or EVERY) if known_at is None else known_at, position, store.instants[position])


def rows(store: Store, what: str, basis: Basis, after: int | None = None) -> list[Row]:
    export = exports(store).open(what, basis, after)
    return [row for batch in export.batches(export.schema) for row in batch.to_pylist()]


def written(store: Store, what: str, form: str, basis: Basis, after: int | None = None) -> bytes:
    return b"".join(exports(store).encoded(exports(store).open(what, basis, after), form))


def positions(log: Sequence[Logged]) -> list[int]:
    return sorted({item.batch for item in log})


def frozen(row: Row) -> tuple[Any, ...]:
    return tuple(tuple(value) if isinstance(value, list) else value for value in row.values())


def facts_at(table: list[Row], as_of: int, known_at: int, position: int) -> Counter[str]:
    """A stab of exported boxes, by whoever has only the file: the facts as the doors tell them."""
    def held(row: Row, clock: str, at: Any) -> bool:
        return bool(row[f"{clock}_from"] <= at and (row[f"{clock}_to"] is None or at < row[f"{clock}_to"]))

    return Counter(fact_of(row) for row in table if row["relation"] == RELATION and held(row, "recorded", position) and held(
        row, "valid", date.fromordinal(as_of)) and held(row, "known", date.fromordinal(known_at)))


def fact_of(row: Row) -> str:
    names = ("subject", "key", "kind", "status", "since", "until", "certainty")
    told = {**{name: row[name] for name in names}, "attributes": json.loads(row["attributes"]), "because": row["because"]}
    return json.dumps(told, sort_keys=True)


def folded(store: Store, basis: tuple[int, int, int]) -> Counter[str]:
    return Counter(json.dumps(json.loads(item.body), sort_keys=True) for item in store.folded(basis))


# ---------------------------------------------------------------- what the rows say
@given(st.data())
@share(6)
def test_exported_boxes_and_states_tell_the_facts_of_the_fold_on_every_basis(fresh: Callable[[], str], data: st.DataObject) -> None:
    log = data.draw(logs())
    with recorded(fresh(), log) as store:
        basis = on(store, data.draw(st.sampled_from(positions(log))), data.draw(st.sampled_from([None, *known_days(log)])))
        table = rows(store, "facts", basis)
        for as_of, known_at, position in points(log, data.draw(SEEDS), 8):
            point = (as_of, min(known_at, basis.known_at), min(position, basis.position))
            wanted = folded(store, point)
            assert facts_at(table, *point) == wanted
            assert Counter(map(fact_of, rows(store, "state", on(store, point[2], point[1], as_of)))) == wanted


@given(st.data())
@share(6)
def test_an_export_and_its_increment_are_the_later_export(fresh: Callable[[], str], data: st.DataObject) -> None:
    log = data.draw(logs(min_events=3))
    with recorded(fresh(), log) as store:
        known = data.draw(st.sampled_from([None, *known_days(log)]))
        later = on(store, max(store.instants), known)
        facts, events = rows(store, "facts", later), rows(store, "events", later)
        for after in range(later.position + 1):  # anywhere, also within a batch: its rows are opened where it ends
            earlier = on(store, max(end for end in store.instants if end <= after), known)
            held = {row["box"]: row for row in rows(store, "facts", earlier)}
            for row in rows(store, "facts", later, after):
                op = row.pop("op")
                assert op == "closed" if row["box"] in held else op == "opened"
                assert op == "opened" or {**row, "recorded_to": None} == held[row["box"]]
                held[row["box"]] = row
            assert Counter(map(frozen, held.values())) == Counter(map(frozen, facts))
            assert rows(store, "events", earlier) + rows(store, "events", later, earlier.position) == events


@given(st.data())
@share(6)
def test_what_became_known_later_leaves_no_trace_even_where_it_was_recorded(fresh: Callable[[], str], data: st.DataObject) -> None:
    log = data.draw(logs(min_events=3))
    known = data.draw(st.sampled_from(known_days(log)))
    early = [item.event for item in log if item.event.known_day <= known or item.event.family == "coverage"]
    late = [item.event for item in log if item.event not in early]
    store = Store(fresh())
    try:
        for batch in filter(None, (early, late)):
            store.append(batch)
        ends = sorted(store.instants)
        told = [[rows(store, what, on(store, end, known)) for what in ("facts", "events")] for end in ends[1:] or ends]
        assert told[0] == told[-1] or not early
    finally:
        store.log.close()


@given(st.data())
@share(6)
def test_the_same_basis_gives_the_same_bytes_whatever_is_recorded_later(fresh: Callable[[], str], data: st.DataObject) -> None:
    log = data.draw(logs(min_events=3))
    cut = data.draw(st.sampled_from(positions(log)))
    with recorded(fresh(), [item for item in log if item.batch <= cut]) as store:
        asked = [(what, form, on(store, cut, None, EVERY if what != "state" else log[0].event.known_day))
                 for what in ("events", "facts", "state") for form in ("parquet", "csv")]
        then = [written(store, *question) for question in asked]
        for end in positions([item for item in log if item.batch > cut]):
            store.append([item.event for item in log if item.batch == end])
        assert [written(store, *question) for question in asked] == then
        rebuild(store.database)
        assert [written(store, *question) for question in asked] == then


def test_as_of_leaves_out_what_begins_later(fresh: Callable[[], str]) -> None:
    store = Store(fresh())
    day = date(2018, 5, 8).toordinal()
    store.append([say("agreement.concluded", "2015-07-14", parties=["IRN", "USA"]), say("agreement.participant_withdrew", "2018-05-08", party="USA")])
    keys = [{row["key"] for row in rows(store, "facts", on(store, 2, as_of=at))} for at in (day - 1, day)]
    assert keys[1] - keys[0] == {"withdrawal:USA"}
    assert [len(rows(store, "events", on(store, 2, as_of=at))) for at in (day - 1, day)] == [1, 2]
    store.log.close()


def test_a_correction_names_what_it_corrects_and_keeps_its_own_row(fresh: Callable[[], str]) -> None:
    store = Store(fresh())
    store.append([say("agreement.concluded", "[2015-07-14..2015-07-16]", "2015-07-14", id="first", parties=["IRN", "USA"])])
    store.append([amend("first", "agreement.concluded", "2015-07-14", "2015-07-20", parties=["IRN"])])
    first, second = rows(store, "events", on(store, 2))
    assert (first["corrects"], second["corrects"], second["subject"], second["version"]) == (None, "first", "agreement:a", 2)
    assert (first["effective_from"], first["effective_to"]) == (date(2015, 7, 14), date(2015, 7, 16))
    assert (first["known_day"], first["id"], first["batch"]) == (date(2015, 7, 14), "agreement:a@1", 1)
    assert json.loads(first["data"])["parties"] == ["IRN", "USA"]
    assert json.loads(first["sources"]) == [{"publisher": "p", "title": "t"}]
    assert (second["recorded_at"] - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1e6 == store.instants[2]
    store.log.close()


# ---------------------------------------------------------------- reading in pieces
@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything is read one at a time, so that a reader is in the midst of it."""
    for name in ("adapters.facts.READ", "adapters.exports.facts.SUBJECTS", "adapters.exports.events.SIZE"):
        monkeypatch.setattr(name, 1)


def agreements(day: str, names: str = "abcd") -> list[Event]:
    return [say("agreement.concluded", day, id=day, subject=f"agreement:{name}", parties=["IRN", "USA"]) for name in names]


@pytest.mark.usefixtures("small")
def test_whoever_takes_an_export_slowly_holds_no_transaction_and_sees_nothing_of_what_is_recorded_meanwhile(fresh: Callable[[], str]) -> None:
    store = Store(fresh())
    store.append(agreements("2015-07-14"))
    basis = on(store, 4)
    pool: Any = store.database.engine.pool
    ways: list[Callable[[], Iterator[tuple[Any, ...]]]] = [
        lambda: fact_rows(store.reader, store.facts, basis), lambda: event_rows(store.reader, basis)]
    whole = [list(way()) for way in ways]
    idle = pool.checkedout()  # kept for single SELECTs
    slow = [way() for way in ways]
    taken = [list(islice(way, 2)) for way in slow]
    assert pool.checkedout() == idle
    store.append(agreements("2016-01-16", "bdx"))
    rebuild(store.database)
    assert [first + list(way) for first, way in zip(taken, slow, strict=True)] == whole
    assert len(rows(store, "facts", on(store, 7))) > len(whole[0])
    store.log.close()


@pytest.mark.usefixtures("small")
def test_subjects_come_in_the_order_in_which_the_log_met_them(fresh: Callable[[], str]) -> None:
    store = Store(fresh())
    for day, names in (("2015-07-14", "Zb"), ("2016-01-16", "ab"), ("2017-01-16", "Za")):
        store.append(agreements(day, names))
    order = [list(dict.fromkeys(row["subject"] for row in rows(store, "facts", on(store, 6), after))) for after in (None, 2, 4)]
    assert order == [[f"agreement:{name}" for name in names] for names in ("Zba", "abZ", "Za")]
    store.log.close()


# ---------------------------------------------------------------- formats
TEXTS = st.text(st.characters(codec="utf-8"), max_size=12) | st.sampled_from(["", "\n", '"', "\\", "a,b", "\x00\x1f\x7f", "null", "تاریخ"])
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "text": TEXTS, "texts": st.lists(TEXTS, max_size=3), "integer": st.integers(-2**63, 2**63 - 1), "truth": st.booleans(),
    "number": st.floats(allow_nan=False, allow_infinity=False), "day": st.dates(),
    "instant": st.datetimes(min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30), timezones=st.just(UTC))}  # noqa: DTZ001
EVERY_TYPE = [Column(name, name, f"a {name}") for name in TYPES]


def plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%S.%fZ").zfill(27)
    return value.isoformat() if isinstance(value, date) else value


@share(2)
@given(st.lists(st.tuples(*(st.none() | VALUES[column.type] for column in EVERY_TYPE)), min_size=1, max_size=5))
def test_canonical_lines_are_the_json_of_the_rows(table: list[tuple[Any, ...]]) -> None:
    export = Export(EVERY_TYPE, {}, lambda schema: batched(schema, table))
    lines = b"".join(Part(batch).lines for batch in export.batches(export.schema))
    wanted = [json.dumps(dict(zip(TYPES, map(plain, row), strict=True)), ensure_ascii=False, separators=(",", ":")) for row in table]
    assert lines.decode().removesuffix("\n").split("\n") == wanted


def test_what_is_no_number_is_refused_and_not_written_as_one() -> None:
    export = Export([Column("x", "number", "a number")], {}, lambda schema: batched(schema, [(float("nan"),)]))
    with pytest.raises(ValueError, match="JSON"):
        b"".join(Part(batch).lines for batch in export.batches(export.schema))


@share(2)
@given(st.dictionaries(TEXTS, TEXTS | st.lists(TEXTS, max_size=2) | st.none(), max_size=3), TEXTS)
def test_a_stored_body_is_taken_apart_whatever_its_texts_hold(attributes: dict[str, Any], key: str) -> None:
    from adapters.exports.facts import _parts

    nasty = {**attributes, 'x","because":["y"]}': '"since":"2018","until":null,"attributes":{"a":1},"because":["z@1"]}'}
    run = Run(key, Fact("k", "s", tuple(nasty.items()), (1, 12)), (1, 1), (FOREVER, FOREVER), "possible", 1, 2)
    body = body_of("agreement:a", run).decode()
    told = json.loads(body)
    since, until, certainty, text, because = _parts(body)
    assert (since, until, certainty, json.loads(text), because) == tuple(
        told[name] for name in ("since", "until", "certainty", "attributes", "because"))


def test_every_column_of_a_file_says_what_it_is_and_on_which_clock(fresh: Callable[[], str], tmp_path: Path) -> None:
    store = Store(fresh())
    store.append(agreements("2015-07-14"))
    files = {}
    for form in ("parquet", "arrow"):
        files[form] = tmp_path / form
        files[form].write_bytes(written(store, "facts", form, on(store, 4), 0))
    for schema in (pq.read_schema(files["parquet"]), pa.ipc.open_file(files["arrow"]).schema):
        told = {key.decode(): value.decode() for key, value in schema.metadata.items() if key.startswith(b"tarikh.")}
        assert json.loads(told["tarikh.basis"]) == on(store, 4).echo()
        assert (told["tarikh.what"], told["tarikh.position"], told["tarikh.after"]) == ("facts", "4", "0")
        columns = {column["name"]: column for column in json.loads(told["tarikh.columns"])}
        assert list(columns) == schema.names == [*(column.name for column in FACTS), "op"]
        for field in schema:
            said = {key.decode(): value.decode() for key, value in field.metadata.items() if not key.startswith(b"PARQUET")}
            assert said == {name: columns[field.name][name] for name in ("description", "unit", "clock") if columns[field.name][name]}
        clocks = {name: columns[name]["clock"] for name in ("valid_from", "known_to", "recorded_from", "since", "subject")}
        assert clocks == {"valid_from": "valid", "known_to": "known", "recorded_from": "recorded", "since": "valid", "subject": None}
    store.log.close()


# ---------------------------------------------------------------- files
@pytest.fixture
def store(fresh: Callable[[], str]) -> Iterator[Store]:
    made = Store(fresh())
    made.append(agreements("2015-07-14"))
    yield made
    made.log.close()


def test_the_manifest_counts_and_hashes_what_was_written_and_its_content_hash_is_that_of_every_format(store: Store, tmp_path: Path) -> None:
    content = set()
    for form in FORMATS:
        path = tmp_path / f"facts.{form}"
        told = exports(store).write(exports(store).open("facts", on(store, 4)), form, path)
        data = path.read_bytes()
        assert (told["bytes"], told["sha256"]) == (len(data), sha256(data).hexdigest())
        assert json.loads((tmp_path / f"facts.{form}.manifest.json").read_text()) == told
        assert told == exports(store).manifest(exports(store).open("facts", on(store, 4)), form)
        assert (told["rows"], told["position"], told["checkpoint"]) == (len(rows(store, "facts", on(store, 4))), 4, None)
        content.add(told["content_sha256"])
    assert content == {sha256((tmp_path / "facts.ndjson").read_bytes()).hexdigest()}


def test_a_file_that_is_there_is_kept_unless_force_is_given(store: Store, tmp_path: Path) -> None:
    export = exports(store).open("facts", on(store, 4))
    for name in ("facts.csv", "facts.csv.manifest.json"):
        kept = tmp_path / name
        kept.write_text("kept")
        with pytest.raises(BadQuestion, match="force"):
            exports(store).write(export, "csv", tmp_path / "facts.csv")
        assert [path.read_text() for path in tmp_path.iterdir()] == ["kept"]
        exports(store).write(export, "csv", tmp_path / "facts.csv", force=True)
        assert len(list(tmp_path.iterdir())) == 2
        assert kept.read_text() != "kept"
        for path in tmp_path.iterdir():
            path.unlink()
    (tmp_path / "folder").mkdir()
    with pytest.raises(BadQuestion):
        exports(store).write(export, "csv", tmp_path / "folder", force=True)


@pytest.mark.parametrize("form", FORMATS)
def test_an_export_that_is_interrupted_leaves_nothing(tmp_path: Path, form: str) -> None:
    def rows() -> Iterator[tuple[Any, ...]]:
        yield ("a",)
        raise KeyboardInterrupt

    export = Export([Column("x", "text", "a text")], {}, lambda schema: batched(schema, rows(), size=1))
    with pytest.raises(KeyboardInterrupt):
        write(Counted(export, form), tmp_path / "x", None)
    assert list(tmp_path.iterdir()) == []


def test_an_empty_log_is_exported_as_no_rows_with_their_columns(fresh: Callable[[], str], tmp_path: Path) -> None:
    store = Store(fresh())
    for form in FORMATS:
        assert exports(store).write(exports(store).open("facts", Basis(EVERY, EVERY, 0, 0)), form, tmp_path / form)["rows"] == 0
    assert pq.read_schema(tmp_path / "parquet").names == [column.name for column in FACTS]
    assert (tmp_path / "csv").read_text().count("\n") == 1
    store.log.close()


@pytest.mark.parametrize(("what", "after", "says"), [("state", 1, "no increments"), ("facts", 5, "beyond"), ("things", None, "no export")])
def test_what_cannot_be_exported_is_refused_before_anything_is_read(store: Store, what: str, after: int | None, says: str) -> None:
    with pytest.raises(BadQuestion, match=says):
        exports(store).open(what, on(store, 4), after)


