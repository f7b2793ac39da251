"""Exports through the doors: other people's programs read what the API answers, in every format."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd  # type: ignore[import-untyped]
import polars as pl
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.dataset  # type: ignore[import-untyped]
import pytest
from fastapi.testclient import TestClient
from httpx2 import Response
from typer.testing import CliRunner, Result

from adapters.checkpoint import Verifier
from api import cli
from api.http import create_app
from api.routes.exports import AT_ONCE, _place
from api.wiring import FORMATS, Settings, Tarikh
from domain.catalogue import CATALOGUE
from projections.panel import COLUMNS
from tests import analytics
from tests.api.ask import HERE, answer, concluded, items, problem, withdrew
from tests.conftest import TODAY

DAY = {"as_of": "2021-01-12", "known_at": "2021-01-12"}
PANEL = {"from": "2018-01-01", "to": "2020-12-31", "step": "year"}
ASKED: dict[str, dict[str, str]] = {"events": {}, "facts": {}, "state": DAY, "panel": {"as_of": "2020-12-31", **PANEL}}
LISTS = [family.plural for family in CATALOGUE.families.values() if not family.recorded_alone]


ON_SQLITE = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)  # what does not depend on where the rows come from


# ---------------------------------------------------------------- readers
def by_duckdb(path: Path) -> dict[str, list[Any]]:
    read: dict[str, Callable[[str], duckdb.DuckDBPyRelation]] = {
        ".parquet": duckdb.read_parquet, ".csv": duckdb.read_csv, ".ndjson": duckdb.read_json,
        ".arrow": lambda p: duckdb.from_arrow(pyarrow.dataset.dataset(p, format="ipc"))}
    # as Arrow: to Python itself DuckDB gives instants only where pytz is installed
    columns: dict[str, list[Any]] = read[path.suffix](str(path)).to_arrow_table().to_pydict()
    return columns


def by_pandas(path: Path) -> dict[str, list[Any]]:
    read: dict[str, Callable[[Path], Any]] = {
        ".parquet": pd.read_parquet, ".arrow": pd.read_feather, ".csv": lambda p: pd.read_csv(p, dtype_backend="pyarrow"),
        ".ndjson": lambda p: pd.read_json(p, lines=True, dtype=False)}
    frame = read[path.suffix](path).astype(object)
    columns: dict[str, list[Any]] = frame.where(frame.notna(), None).to_dict("list")
    return columns


def by_polars(path: Path) -> dict[str, list[Any]]:
    read: dict[str, Callable[[Path], pl.DataFrame]] = {
        ".parquet": pl.read_parquet, ".arrow": pl.read_ipc, ".csv": lambda p: pl.read_csv(p, infer_schema_length=None),
        ".ndjson": lambda p: pl.read_ndjson(p, infer_schema_length=None)}
    return read[path.suffix](path).to_dict(as_series=False)


READERS = {"duckdb": by_duckdb, "pandas": by_pandas, "polars": by_polars}


@pytest.fixture(scope="module")
def files(loaded: Tarikh, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The record's exports in every format, as they come over HTTP."""
    folder = tmp_path_factory.mktemp("exports")
    with TestClient(create_app(loaded)) as http:
        for what, asked in ASKED.items():
            for form in FORMATS:
                (folder / f"{what}.{form}").write_bytes(export(http, what, format=form, **asked).content)
    return folder


@pytest.fixture(scope="module")
def told(record: TestClient) -> dict[str, list[Any]]:
    """What the API answers where the exports were made."""
    panel = {"as_of": "2020-12-31", "from_": "2018-01-01", "to": "2020-12-31", "step": "year"}
    return {"state": [fact for plural in LISTS for fact in items(record, plural, **DAY)],
            "events": answer(record, "/v1/events", limit=1000)["events"], "panel": answer(record, "/v1/panel", **panel)["items"]}


@pytest.fixture(scope="module")
def totals(record: TestClient) -> dict[str, dict[str, int]]:
    """How many facts of each family there were on some days, as known that day."""
    days = ("1979-11-04", "2018-05-08", "2021-01-12")
    return {day: {plural: answer(record, f"{HERE}/{plural}", as_of=day, known_at=day, limit=1)["total"] for plural in LISTS} for day in days}


def export(http: TestClient, what: str, **asked: Any) -> Response:
    response = http.get(f"/v1/export/{what}", params=asked)
    assert response.status_code == 200, response.text
    return response


def listed(value: Any) -> list[str]:
    """A list of texts, which CSV holds as JSON."""
    return list(json.loads(value)) if isinstance(value, str) else list(value)


@ON_SQLITE
@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("reader", READERS)
def test_the_state_that_a_program_reads_is_the_state_that_the_api_tells(told: dict[str, list[Any]], files: Path, reader: str, form: str) -> None:
    table = READERS[reader](files / f"state.{form}")
    names = ("subject", "key", "kind", "status", "since", "until", "certainty")
    read = [(*(str(v) for v in row[:7]), tuple(listed(row[7])), json.dumps(json.loads(row[8]), sort_keys=True))
            for row in zip(*(table[name] for name in (*names, "because", "attributes")), strict=True)]
    assert Counter(read) == Counter((*(str(fact[name]) for name in names), tuple(fact["because"]), json.dumps(fact["attributes"], sort_keys=True))
                                    for fact in told["state"])
    assert Counter(table["family"]) == Counter(fact["subject"].partition(":")[0] for fact in told["state"])


@ON_SQLITE
@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("reader", READERS)
def test_the_log_that_a_program_reads_is_the_feed(told: dict[str, list[Any]], files: Path, reader: str, form: str) -> None:
    table, feed = READERS[reader](files / f"events.{form}"), told["events"]
    assert table["position"] == [event["position"] for event in feed]
    assert table["id"] == [event["id"] for event in feed]
    assert [json.loads(text) for text in table["data"]] == [event["data"] for event in feed]
    assert [text or None for text in table["summary"]] == [event.get("summary") for event in feed]


@ON_SQLITE
@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("reader", READERS)
def test_a_stab_of_the_facts_that_a_program_reads_is_the_state(
    totals: dict[str, dict[str, int]], files: Path, reader: str, form: str,
) -> None:
    table = READERS[reader](files / f"facts.{form}")
    names = ("valid_from", "valid_to", "known_from", "known_to", "family")
    rows = [row[2:] for row in zip(*(table[name] for name in ("relation", "recorded_to", *names)), strict=True)
            if row[0] == "IRN-USA" and row[1] is None]
    for day, wanted in totals.items():
        held = Counter(CATALOGUE.families[family].plural for *box, family in rows if within(box, day))
        assert held == {plural: total for plural, total in wanted.items() if total}


def within(box: list[Any], day: str) -> bool:
    valid_from, valid_to, known_from, known_to = (str(value)[:10] if value is not None else None for value in box)
    return str(valid_from) <= day < (valid_to or "9999") and str(known_from) <= day < (known_to or "9999")


@ON_SQLITE
@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("reader", READERS)
def test_the_panel_that_a_program_reads_is_the_panel(told: dict[str, list[Any]], files: Path, reader: str, form: str) -> None:
    table = READERS[reader](files / f"panel.{form}")
    for column in COLUMNS:
        wanted = [row[column.name] for row in told["panel"]]
        if column.type not in ("integer", "number"):
            wanted = [value and str(value) for value in wanted]
            table[column.name] = [value and str(value)[:10 if column.type == "day" else None] for value in table[column.name]]
        assert table[column.name] == wanted, column.name


@ON_SQLITE
def test_types_are_kept_where_the_format_has_them(files: Path) -> None:
    for form in ("parquet", "arrow"):
        facts, events = by_duckdb(files / f"facts.{form}"), by_duckdb(files / f"events.{form}")
        assert isinstance(facts["valid_from"][0], date)
        assert events["recorded_at"][0].tzinfo is not None
        assert isinstance(facts["because"][0], list)
    with pa.memory_map(str(files / "facts.arrow")) as mapped:
        before = pa.total_allocated_bytes()
        table = pa.ipc.open_file(mapped).read_all()
        assert pa.total_allocated_bytes() - before < table.nbytes / 10  # read where it lies


# ---------------------------------------------------------------- HTTP
@pytest.mark.parametrize("form", FORMATS)
def test_an_export_says_its_type_and_links_the_manifest_of_exactly_these_bytes(record: TestClient, form: str) -> None:
    response = export(record, "facts", format=form)
    assert response.headers["content-type"] == FORMATS[form].media_type
    assert response.headers["content-disposition"].endswith(f'-{answer(record, "/ready")["position"]}{FORMATS[form].suffixes[0]}"')
    link = response.links["describedby"]["url"]
    assert "recorded_at=" in link
    told = answer(record, link)
    assert (told["sha256"], told["bytes"]) == (sha256(response.content).hexdigest(), len(response.content))
    assert told["content_sha256"] == sha256(export(record, "facts", format="ndjson").content).hexdigest()
    assert (told["what"], told["format"], told["after"], told["basis"]["as_of"]) == ("facts", form, None, "9999-12-30")


def test_an_explicit_basis_may_be_kept_for_good_and_is_not_sent_twice(record: TestClient) -> None:
    echo = answer(record, HERE)["basis"]
    asked = {"known_at": "2021-01-12", "recorded_at": echo["recorded_at"], "format": "csv"}
    response = export(record, "events", **asked)
    assert "immutable" in response.headers["cache-control"]
    again = record.get("/v1/export/events", params=asked, headers={"If-None-Match": response.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert export(record, "events", **{**asked, "format": "ndjson"}).headers["etag"] != response.headers["etag"]
    assert "immutable" not in export(record, "events").headers["cache-control"]


@ON_SQLITE
@pytest.mark.parametrize(("path", "status", "says"), [
    ("/v1/export/things", 404, "panel"),
    ("/v1/export/facts?format=xlsx", 400, "parquet"),
    ("/v1/export/facts?after=999999", 400, "beyond"),
    ("/v1/export/facts?after=-1", 400, "after"),
    ("/v1/export/state?after=1", 400, "no increments"),
    ("/v1/export/facts?known_at=2021-02-29", 400, "known_at"),
    ("/v1/export/facts?step=year", 400, "only a panel"),
    ("/v1/export/panel", 400, "from"),
    ("/v1/export/panel?from=2018-01-01&step=decade", 400, "step"),
    ("/v1/export/panel?from=2018-01-01&to=2017-01-01", 400, "before"),
    ("/v1/export/facts?since=1", 400, "unknown parameter"),
    ("/v1/export/facts?min_position=999999", 409, "position"),
])
def test_what_cannot_be_exported_is_a_problem_document(record: TestClient, path: str, status: int, says: str) -> None:
    assert says in problem(record.get(path), status)
    head, _, query = path.partition("?")
    assert says in problem(record.get(f"{head}/manifest?{query}"), status)


@ON_SQLITE
def test_so_many_exports_at_once_and_no_more(record: TestClient) -> None:
    with ExitStack() as held:
        for _ in range(AT_ONCE):
            held.enter_context(_place())
        for path in ("/v1/export/events", "/v1/export/events/manifest"):
            response = record.get(path)
            assert "under way" in problem(response, 503)
            assert response.headers["retry-after"]
    for _ in range(AT_ONCE + 1):  # a place is given back, whether the export was taken, refused, or not wanted
        export(record, "events", format="csv")
        problem(record.get("/v1/export/panel?from=2018-01-01&to=2017-01-01"), 400)


# ---------------------------------------------------------------- the command line
@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, loaded: Tarikh) -> Callable[..., Result]:
    monkeypatch.setenv("TARIKH_DATABASE_URL", loaded.settings.database_url)
    return lambda *args: CliRunner().invoke(cli.app, ["export", *map(str, args)])


def test_the_command_writes_what_http_gives_with_its_manifest(run: Callable[..., Result], record: TestClient, tmp_path: Path) -> None:
    for what, form in (("state", "parquet"), ("panel", "arrow")):
        path = tmp_path / f"{what}.{form}"
        options = [f"--{name.replace('_', '-')}={value}" for name, value in ASKED[what].items()]
        done = run(what, "-o", path, *options)
        assert done.exit_code == 0, done.output
        assert path.read_bytes() == export(record, what, format=form, **ASKED[what]).content
        told = json.loads((tmp_path / f"{path.name}.manifest.json").read_text(encoding="utf-8"))
        assert told == answer(record, f"/v1/export/{what}/manifest", format=form, **{n.replace("from", "from_"): v for n, v in ASKED[what].items()})
        assert told["sha256"] in done.stdout


def test_an_increment_is_asked_for_by_position(run: Callable[..., Result], tmp_path: Path) -> None:
    for name, more in (("all.ndjson", ()), ("since.ndjson", ("--after", "800"))):
        done = run("events", "-o", tmp_path / name, *more, "--json")
        assert json.loads(done.stdout)["after"] == (800 if more else None)
    lines = (tmp_path / "all.ndjson").read_text(encoding="utf-8").splitlines()
    assert (tmp_path / "since.ndjson").read_text(encoding="utf-8").splitlines() == lines[800:]


@ON_SQLITE
@pytest.mark.parametrize(("args", "says"), [
    (("things", "-o", "x.csv"), "things"), (("facts", "-o", "x.xlsx"), "--format"), (("facts", "-o", "x", "--format", "xlsx"), "xlsx"),
    (("facts", "-o", "absent/x.csv"), "no folder"), (("facts", "-o", "there.csv"), "--force"),
    (("facts", "-o", "x.csv", "--after", "999999"), "beyond"),
    (("state", "-o", "x.csv", "--after", "1"), "no increments"), (("state", "-o", "x.csv", "--as-of", "never"), "as_of"),
    (("panel", "-o", "x.csv"), "from"), (("events", "-o", "x.csv", "--mode", "hindsight"), "only a panel"),
])
def test_wrong_usage_has_its_exit_code_and_leaves_no_file(
    run: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, args: tuple[str, ...], says: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("there.csv").write_text("kept", encoding="utf-8")
    done = run(*args)
    assert done.exit_code == 2, done.output
    assert says in done.stderr
    assert [(path.name, path.read_text(encoding="utf-8")) for path in tmp_path.iterdir()] == [("there.csv", "kept")]


# ---------------------------------------------------------------- checkpoint
@pytest.fixture
def signed(fresh: Callable[[], str], tmp_path: Path) -> Iterator[Tarikh]:
    tarikh = Tarikh(Settings(database_url=fresh(), signing_key=str(tmp_path / "signing.pem")), today=lambda: TODAY)
    tarikh.init()
    tarikh.writer.record(tarikh.events_from(concluded()))
    yield tarikh
    tarikh.close()


def test_a_manifest_has_the_signed_checkpoint_of_its_position_and_a_later_export_goes_on_from_there(signed: Tarikh) -> None:
    with TestClient(create_app(signed)) as http:
        then = answer(http, "/v1/export/facts/manifest", format="csv")
        signed.writer.record(signed.events_from(withdrew()))
        assert Verifier.parse(then["checkpoint"]["key"]).read(then["checkpoint"]["note"]).position == then["position"] == 1
        assert answer(http, "/v1/export/facts/manifest", format="csv", recorded_at=then["basis"]["recorded_at"]) == then
        since = export(http, "facts", format="ndjson", after=then["position"]).text.splitlines()
        assert Counter(json.loads(line)["op"] for line in since).keys() == {"opened", "closed"}


# ---------------------------------------------------------------- the page
@ON_SQLITE
def test_what_the_page_on_analytics_prints_is_what_its_blocks_give(loaded: Tarikh, tmp_path: Path) -> None:
    page = analytics.PAGE.read_text(encoding="utf-8")
    assert analytics.run(page, loaded.settings.database_url, tmp_path) == page, "run `python -m tests.analytics`"
