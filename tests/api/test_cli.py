"""The command line: what it prints, what it leaves as it was, and its exit codes."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from adapters.database import Database
from api.cli import app
from api.wiring import Tarikh
from tests.api.ask import concluded, event, withdrew
from tests.databases import Databases
from tests.postgres import free_port

DAY = ("--as-of", "2021-01-12", "--known-at", "2021-01-12")
MASRI = "incident:al-masri-killing"
Run = Callable[..., Result]


def runner(monkeypatch: pytest.MonkeyPatch, url: str) -> Run:
    monkeypatch.setenv("TARIKH_DATABASE_URL", url)
    monkeypatch.setattr("api.terminal.out.width", 200, raising=False)

    def run(*args: str, stdin: str | None = None, code: int = 0) -> Result:
        result = CliRunner().invoke(app, list(args), input=stdin)
        assert result.exit_code == code, (result.output, result.exception)
        assert "Traceback" not in result.output
        return result

    return run


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, fresh: Callable[[], str]) -> Run:
    """The command on an empty database."""
    return runner(monkeypatch, fresh())


@pytest.fixture
def on_record(monkeypatch: pytest.MonkeyPatch, loaded: Tarikh) -> Iterator[Run]:
    """The command on the project's own record. Whatever it does must leave the log as it is."""
    before = loaded.reader.last()
    yield runner(monkeypatch, loaded.settings.database_url)
    assert loaded.reader.last() == before


@pytest.fixture
def file(tmp_path: Path) -> Callable[[str, Any], str]:
    """Writes a file of JSON values, or of text as it stands."""
    def write(name: str, content: Any) -> str:
        path = tmp_path / name
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        return str(path)

    return write


def told(result: Result) -> Any:
    return json.loads(result.stdout)


# ---------------------------------------------------------------- tables and record
def test_a_database_without_tables_says_what_to_do(monkeypatch: pytest.MonkeyPatch, databases: Databases) -> None:
    run = runner(monkeypatch, databases.bare())
    assert "tarikh init" in run("state", code=1).stderr
    assert "newest revision" in run("init").stdout
    run("init")
    run("state")


def test_the_record_is_loaded_once(cli: Run) -> None:
    assert ", 0 were there already" in cli("load").stdout
    again = cli("load").stdout
    assert again.startswith("0 events recorded, ")
    assert int(again.split()[3]) > 500


def test_a_folder_without_record_files_is_refused(cli: Run, tmp_path: Path) -> None:
    assert "no record files" in cli("load", str(tmp_path), code=2).stderr
    cli("load", str(tmp_path / "nowhere"), code=2)


def test_a_record_file_with_a_fault_is_named_and_nothing_of_it_is_recorded(cli: Run, tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text('[[event]]\nrecord_id = "x"\nsubject = "office:x"\ntype = "office.exploded"\n', encoding="utf-8")
    error = cli("load", str(tmp_path), code=2).stderr
    assert "a.toml: x" in error
    assert "office.exploded" in error


# ---------------------------------------------------------------- questions
def test_the_state_is_a_table_for_people(on_record: Run) -> None:
    text = on_record("state", *DAY).stdout
    assert text.startswith("US-Iran relations as of 2021-01-12, as known on 2021-01-12")
    for word in ("relations", "offices", "Donald Trump", "severed", "1980-04-07", "designations", "INA s.219"):
        assert word in text


def test_the_state_is_json_for_programs(on_record: Run) -> None:
    answer = told(on_record("state", *DAY, "--json"))
    assert (answer["basis"]["as_of"], answer["basis"]["known_at"]) == ("2021-01-12", "2021-01-12")
    assert {"relations", "offices", "designations", "coverage"} <= answer.keys()
    offices = told(on_record("state", "--as-of", "2018-04-10", "--family", "offices", "--json"))["items"]
    assert ("us-secretary-of-state", "acting") in {(f["subject"].partition(":")[2], f["status"]) for f in offices}
    assert "acting" in on_record("state", "--as-of", "2018-04-10", "--family", "offices").stdout


def test_a_day_outside_the_record_says_so(on_record: Run) -> None:
    assert "27029 days beyond" in on_record("state", "--as-of", "2100-01-01").stdout
    early = on_record("state", "--as-of", "1950-01-01").stdout
    assert "does not reach back" in early
    assert "program (from 1979-11-14)" in " ".join(early.split())


def test_the_difference_of_two_days(on_record: Run) -> None:
    days = ("diff", "2018-05-07", "2018-05-08", "--from-known-at", "2018-05-08")
    text = on_record(*days).stdout
    assert "changed in the world" in text
    assert "withdrawal:USA" in text
    changed = {(c["subject"], c["key"]) for c in told(on_record(*days, "--json"))["changed"]}
    assert {("agreement:jcpoa", "participant:USA"), ("agreement:jcpoa", "withdrawal:USA")} <= changed


@pytest.mark.parametrize("width", [80, 100, 160])
def test_no_word_of_a_sentence_is_broken_on_a_narrow_terminal(on_record: Run, monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    monkeypatch.setattr("api.terminal.out.width", width, raising=False)
    for args in (("diff", "2018-05-07", "2018-05-08", "--from-known-at", "2018-05-08"), ("timeline", "2018-05-08", "2018-05-08"),
                 ("why", "agreement:jcpoa", "--as-of", "2018-05-08")):
        text = on_record(*args).stdout
        assert "President" in text
        assert max(map(len, text.splitlines())) <= width
    state = on_record("state", *DAY).stdout
    assert "1980-04-07" in state
    assert max(map(len, state.splitlines())) <= width


def test_the_timeline_is_in_valid_order(on_record: Run) -> None:
    days = ("timeline", "2018-05-01", "2018-05-31")
    listed = told(on_record(*days, "--json"))["items"]
    assert len(listed) > 3
    assert [item["effective"][:7] for item in listed] == ["2018-05"] * len(listed)
    assert [item["effective"] for item in listed] == sorted(item["effective"] for item in listed)
    assert "agreement.participant_withdrew" in on_record(*days, "--family", "agreements").stdout
    assert {item["subject"].partition(":")[0] for item in told(on_record(*days, "--family", "agreements", "--json"))["items"]} == {"agreement"}


def test_why_tells_of_an_event_with_its_sources(on_record: Run) -> None:
    text = on_record("why", f"{MASRI}@1").stdout
    assert text.startswith(f"{MASRI}@1  incident.")
    assert "\n  - " in text
    assert told(on_record("why", f"{MASRI}@1", "--json"))["sources"]


def test_why_tells_of_a_subject_by_name_or_by_words(on_record: Run) -> None:
    for what in (MASRI, "al-masri KILLING"):
        text = on_record("why", what, *DAY).stdout
        assert text.startswith(f"{MASRI} as of 2021-01-12")
        assert "because" in text
        assert f"{MASRI}@1" in text
        assert "New York Times" in text
    answer = told(on_record("why", MASRI, *DAY, "--json"))
    assert {"facts", "events", "basis"} <= answer.keys()


def test_words_that_fit_several_subjects_list_them(on_record: Run) -> None:
    error = on_record("why", "masri", code=3).stderr
    assert MASRI in error
    assert "allegation:al-masri-killed-in-tehran" in error


def test_what_was_not_known_is_not_there(on_record: Run) -> None:
    assert MASRI in on_record("why", MASRI, "--known-at", "2020-10-01", code=3).stderr
    on_record("why", "zzz", code=3)
    on_record("why", f"{MASRI}@999", code=3)
    on_record("state", "--family", "treaties", code=3)


# ---------------------------------------------------------------- record
def test_events_are_recorded_from_a_file_or_from_standard_input(cli: Run, file: Callable[[str, Any], str]) -> None:
    one, batch = file("one.json", concluded("a")), file("batch.json", {"events": [concluded("b"), withdrew("b")]})
    lines = file("many.jsonl", "\n".join(json.dumps(concluded(letter)) for letter in "cd") + "\n\n")
    assert cli("record", one).stdout.split() == ["1", "recorded,", "0", "were", "there", "already", "agreement:a@1"]
    assert told(cli("record", batch, "--json"))["ids"] == ["agreement:b@1", "agreement:b@2"]
    assert "2 recorded" in cli("record", lines).stdout
    assert "1 recorded" in cli("record", "-", stdin=json.dumps([concluded("e")])).stdout
    assert "0 recorded, 1 were there already" in cli("record", one).stdout
    assert "5 subjects" in cli("verify").stdout


def test_a_file_of_lines_is_recorded_in_batches(cli: Run, file: Callable[[str, Any], str]) -> None:
    path = file("many.ndjson", "\n".join(json.dumps(concluded(letter)) for letter in "abcde") + "\n\n")
    assert cli("record", path, "--batch", "2", "--workers", "2").stdout == "5 recorded, 0 were there already\n"
    more = "\n".join(json.dumps(concluded(letter)) for letter in "def")
    assert told(cli("record", "-", "--batch", "2", "--workers", "1", "--json", stdin=more)) == {"recorded": 1, "skipped": 2, "position": 6}
    assert "6 subjects" in cli("verify").stdout


def test_of_a_file_of_lines_the_batches_before_a_fault_are_recorded_and_it_says_so(cli: Run, file: Callable[[str, Any], str]) -> None:
    path = file("many.ndjson", "\n".join([*(json.dumps(concluded(letter)) for letter in "abc"), "{", json.dumps(concluded("d"))]))
    said = cli("record", path, "--batch", "2", "--workers", "1", code=2).stderr
    assert "tarikh: line 4: no JSON: EOF while parsing an object at line 1 column 1\n" in said
    assert "2 events were recorded before, and are skipped when the file is recorded again" in said
    assert "2 subjects" in cli("verify").stdout


@pytest.mark.parametrize("name", ["many.json", "none.ndjson"])
def test_batches_are_read_from_a_file_of_lines_that_is_there(cli: Run, file: Callable[[str, Any], str], tmp_path: Path, name: str) -> None:
    file("many.json", [concluded("a")])
    assert cli("record", str(tmp_path / name), "--batch", "2", code=2).stderr.startswith("tarikh: ")


@pytest.mark.parametrize("content", ["{", "[]", "5", "", "\ud800".encode("utf-8", "surrogatepass").decode("latin-1"),
                                     [event("agreement:x", "agreement.exploded", "x", "2018-01-01")], [concluded(day="2018-02-30")]])
def test_a_file_that_is_not_well_formed_is_wrong_usage(cli: Run, file: Callable[[str, Any], str], content: Any) -> None:
    assert cli("record", file("bad.json", content), code=2).stderr.startswith("tarikh: ")
    assert "0 events" in cli("verify").stdout


def test_a_file_that_is_not_there_is_wrong_usage(cli: Run, tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nowhere.json"):
        assert str(path) in cli("record", str(path), code=2).stderr


def test_what_the_record_refuses_has_its_own_exit_code(cli: Run, file: Callable[[str, Any], str]) -> None:
    cli("record", file("a.json", concluded()))
    assert "CHN" in cli("record", file("b.json", [concluded("b"), withdrew(party="CHN")]), code=4).stderr
    assert "record_id" in cli("record", file("c.json", concluded(day="2015-07-15")), code=4).stderr
    assert "1 events" in cli("verify").stdout


# ---------------------------------------------------------------- replay
def test_a_replay_tells_what_an_event_changed_and_stores_nothing(on_record: Run, file: Callable[[str, Any], str]) -> None:
    [exit_] = [item["id"] for item in told(on_record("timeline", "2018-05-08", "2018-05-08", "--family", "agreements", "--json"))["items"]
               if item["type"] == "agreement.participant_withdrew.v1"]
    answer = told(on_record("replay", "--as-of", "2018-05-08", "--without", exit_, "--json"))
    assert ("participant:USA", None) in [(c["key"], c["before"]) for c in answer["diff"]]
    assert "withdrawal:USA" in on_record("replay", "--as-of", "2018-05-08", "--without", exit_).stdout
    added = file("add.json", concluded("accord", "2020-01-01"))
    assert "agreement:accord" in on_record("replay", "--as-of", "2021-01-12", "--add", added).stdout
    assert "changes nothing" in on_record("replay", "--as-of", "2019-12-31", "--known-at", "2019-12-31", "--add", added).stdout
    on_record("why", "agreement:accord", code=3)
    assert "note: " in on_record("replay", "--add", file("bad.json", withdrew("jcpoa", party="JPN"))).stdout


def test_a_replay_of_what_is_not_there_is_refused(on_record: Run, file: Callable[[str, Any], str]) -> None:
    on_record("replay", "--without", "agreement:jcpoa@999", code=3)
    on_record("replay", "--without", "nonsense", code=3)
    on_record("replay", "--add", file("bad.json", "{"), code=2)


# ---------------------------------------------------------------- rebuild and verify
def test_verify_finds_a_fact_that_was_tampered_with_and_rebuild_mends_it(cli: Run, file: Callable[[str, Any], str]) -> None:
    cli("record", file("a.json", [concluded(), withdrew(), concluded("b")]))
    assert "3 events of 2 subjects" in cli("verify").stdout
    database = Database(os.environ["TARIKH_DATABASE_URL"])
    with database.transaction(write=True) as connection:
        connection.exec_driver_sql(
            "UPDATE fact SET status = 'terminated' WHERE id = (SELECT id FROM fact WHERE subject = 'agreement:b' LIMIT 1)")
    database.close()
    error = cli("verify", code=1).stderr
    assert "agreement:b" in error
    assert "rebuild" in error
    assert "agreement:accord" not in error
    assert "rows written" in cli("rebuild").stdout
    cli("verify")


# ---------------------------------------------------------------- usage
@pytest.mark.parametrize("args", [
    ("nonsense",), ("state", "--as_of", "2018-01-01"), ("state", "--as-of", "today"), ("state", "--as-of", "2018-02-30"),
    ("state", "--known-at", "x"), ("state", "--as-of", "[/red]"), ("state", "--recorded-at", "yesterday"), ("diff", "2018-01-01"),
    ("diff", "x", "2018-01-01"), ("timeline", "2018-02-01", "2018-01-01"),
    ("record",), ("why",), ("serve", "--port", "99999"), ("serve", "--port", "x")])
def test_wrong_usage_is_2(cli: Run, args: tuple[str, ...]) -> None:
    assert cli(*args, code=2).stderr


@pytest.mark.parametrize(("name", "value", "code"), [
    ("TARIKH_DATABASE_URL", "nonsense", 1), ("TARIKH_DATABASE_URL", "nosuch://x", 1), ("TARIKH_DATABASE_URL", "sqlite:////proc/nowhere/x.sqlite", 1),
    ("TARIKH_BODY_LIMIT", "many", 2)])
def test_a_setting_that_cannot_be_used_is_named(cli: Run, monkeypatch: pytest.MonkeyPatch, name: str, value: str, code: int) -> None:
    monkeypatch.setenv(name, value)
    error = cli("state", code=code).stderr
    assert error.startswith("tarikh: ")
    assert name in error


def test_a_file_that_is_no_database_is_said(monkeypatch: pytest.MonkeyPatch, file: Callable[[str, Any], str]) -> None:
    run = runner(monkeypatch, f"sqlite:///{file('notes.txt', 'these are notes, ' * 100)}")
    for command in ("init", "state", "load", "verify"):
        assert "not a database" in run(command, code=1).stderr


def test_what_is_printed_is_not_taken_for_markup(cli: Run, file: Callable[[str, Any], str]) -> None:
    cli("record", file("a.json", concluded("b", summary="It [/bold] was [sic] agreed :b:")))
    for args in (("state",), ("state", "--family", "agreements"), ("why", "agreement:b"), ("why", "agreement:b@1"),
                 ("timeline", "2015-01-01", "2016-01-01"), ("diff", "2015-01-01", "2016-01-01"), ("replay", "--without", "agreement:b@1")):
        assert "It [/bold] was [sic] agreed :b:" in cli(*args).stdout, args
    assert "[sic]" in cli("why", "[sic]", "--known-at", "2014-01-01", code=3).stderr


def test_help_names_every_command_setting_and_exit_code() -> None:
    text = CliRunner().invoke(app, ["--help"]).stdout
    for word in ("init", "load", "serve", "state", "diff", "timeline", "why", "record", "replay", "rebuild", "verify", "TARIKH_DATABASE_URL",
                 "TARIKH_API_KEY", "TARIKH_REQUIRE_VERSION", "TARIKH_BODY_LIMIT", "--install-completion", "Exit codes"):
        assert word in text, word


# ---------------------------------------------------------------- serve
def wait_for(url: str, seconds: float = 20) -> bytes:
    deadline = time.monotonic() + seconds
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5) as response:
                body = response.read()
                assert isinstance(body, bytes)
                return body
        except (urllib.error.URLError, ConnectionError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_the_service_answers_and_stops_when_told_to(fresh: Callable[[], str], how: signal.Signals) -> None:
    port = free_port()
    environment = {**os.environ, "TARIKH_DATABASE_URL": fresh(), "PORT": str(port)}
    service = subprocess.Popen([sys.executable, "-c", "from api.cli import main; main()", "serve"], env=environment, cwd=Path(__file__).parents[2],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert json.loads(wait_for(f"http://127.0.0.1:{port}/health"))["status"] == "ok"
        service.send_signal(how)
        out, err = service.communicate(timeout=20)
    finally:
        service.kill()
    assert f"http://127.0.0.1:{port}" in out
    assert {json.loads(line)["level"] for line in err.splitlines()} == {"info"}
    assert service.returncode in (0, 128 + how, -how)


def test_a_port_that_is_taken_is_said(fresh: Callable[[], str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        service = subprocess.run([sys.executable, "-c", "from api.cli import main; main()", "serve", "--port", port], timeout=30, check=False,
                                 env={**os.environ, "TARIKH_DATABASE_URL": fresh()}, cwd=Path(__file__).parents[2], capture_output=True, text=True)
    assert service.returncode != 0
    assert "in use" in service.stderr
    assert "Traceback" not in service.stderr


def test_a_question_does_not_wait_for_what_it_does_not_need(fresh: Callable[[], str]) -> None:
    """Each of these takes a tenth of a second and more to import."""
    asked = """
import sys
from typer.testing import CliRunner
from api.cli import app
assert CliRunner().invoke(app, ["state", "--as-of", "2021-01-12"]).exit_code == 0
print(*sorted({"alembic", "edtf", "fastapi", "httpcore2", "httpx2", "nats", "pyarrow", "uvicorn"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", asked], env={**os.environ, "TARIKH_DATABASE_URL": fresh()}, cwd=Path(__file__).parents[2],
                          timeout=30, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "\n", "")
