"""`tarikh import`, as it is typed: what it records, what it says, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from api.cli import app

ROW = '{number},"{name}",-0- ,"{programs}",-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,-0- \r\n'


@pytest.fixture
def run(fresh: Callable[[], str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Runs the command on a database of its own."""
    monkeypatch.setenv("TARIKH_DATABASE_URL", fresh())
    return lambda *words: CliRunner().invoke(app, [*words])


def sdn(folder: Path, day: str, *numbers: int, programs: str = "IRAN] [SDGT") -> str:
    """A hand-written sdn.csv of a day."""
    path = folder / f"sdn_{day}.csv"
    path.write_bytes("".join(ROW.format(number=n, name=f"PARTY {n}", programs=programs) for n in numbers).encode() + b"\x1a")
    return str(path)


def test_an_import_ends_with_what_it_read_and_recorded(run: Callable[..., Result], tmp_path: Path) -> None:
    done = run("import", "ofac-sdn", sdn(tmp_path, "20200101", 1, 2), sdn(tmp_path, "20200201", 1, 2, 3), "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert (told["snapshots"], told["entries"], told["recorded"]) == (2, 5, {"listed": 3})
    again = json.loads(run("import", "ofac-sdn", sdn(tmp_path, "20200101", 1, 2), "--json").stdout)
    assert (again["recorded"], again["skipped"]) == ({}, {"snapshots recorded before": 1})


def test_what_was_imported_is_asked_for_by_list_program_and_name(run: Callable[..., Result], tmp_path: Path) -> None:
    run("import", "ofac-sdn", sdn(tmp_path, "20200101", 1, 2))
    told = json.loads(run("state", "--as-of", "2020-01-01", "--family", "designations", "--json").stdout)
    shown = [(f["attributes"]["entry_number"], f["attributes"]["programs"]) for f in told["items"]]
    assert shown == [("1", ["IRAN", "SDGT"]), ("2", ["IRAN", "SDGT"])]


def test_only_what_concerns_iran_is_recorded_unless_all_is_asked_for(run: Callable[..., Result], tmp_path: Path) -> None:
    path = sdn(tmp_path, "20200101", 1, 2, programs="CUBA")
    assert json.loads(run("import", "ofac-sdn", path, "--json").stdout)["recorded"] == {}


@pytest.mark.parametrize(("kind", "content", "says"), [
    ("ofac-sdn", b"", "empty"),
    ("ofac-sdn", b'1,"A",-0- ,"IRAN",-0- ,-0- \r\n', "columns"),
    ("un", b"<CONSOLIDATED_LIST dateGenerated='2020-01-01T00:00:00'>", "line"),
])
def test_a_damaged_file_is_refused_and_nothing_is_recorded(run: Callable[..., Result], tmp_path: Path, kind: str, content: bytes, says: str) -> None:
    path = tmp_path / ("sdn_20200101.csv" if kind == "ofac-sdn" else "list.xml")
    path.write_bytes(content)
    done = run("import", kind, str(path))
    assert done.exit_code == 5
    assert says in done.stderr
    assert "0 events" in run("verify").stdout


def test_an_unknown_kind_and_a_missing_file_are_told_apart(run: Callable[..., Result], tmp_path: Path) -> None:
    assert run("import", "ofac", "x").exit_code == 2
    assert run("import", "ofac-sdn", str(tmp_path / "absent.csv")).exit_code == 5
    assert run("import", "indicator", str(tmp_path)).exit_code == 2


def test_a_series_is_imported_and_its_next_vintage_revises_it(run: Callable[..., Result], tmp_path: Path) -> None:
    path = tmp_path / "rial.csv"
    about = ("--subject", "indicator:rial", "--name", "Rial", "--unit", "rials per US dollar", "--publisher", "Bazaar")
    path.write_text("date,value\n2020-01-01,100\n2020-01-02,110\n", encoding="utf-8")
    assert run("import", "indicator", str(path), *about, "--vintage", "a").exit_code == 0
    path.write_text("date,value\n2020-01-01,105\n", encoding="utf-8")
    assert run("import", "indicator", str(path), *about, "--vintage", "b", "--known", "2020-02-01").exit_code == 0
    told = json.loads(run("state", "--as-of", "2020-01-01", "--family", "indicators", "--json").stdout)["items"]
    assert [(f["status"], f["attributes"]["value"]) for f in told] == [("revised", 105.0)]
    before = json.loads(run("state", "--as-of", "2020-01-01", "--known-at", "2020-01-15", "--family", "indicators", "--json").stdout)["items"]
    assert [(f["status"], f["attributes"]["value"]) for f in before] == [("observed", 100.0)]
