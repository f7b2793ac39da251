"""The paper is true: what it shows is what the code and the record give."""

from __future__ import annotations

import importlib.util
import json
import re
import shlex
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest
from fastapi.testclient import TestClient
from rich.console import Console
from typer.testing import CliRunner

from adapters.facts import FactStore
from adapters.log import Log
from adapters.reader import LogReader
from adapters.writer import Writer
from api import cli, terminal
from api.wiring import CATALOGUE, Tarikh
from domain.catalogue import Catalogue
from projections.answers import Answers
from tests import generate
from tests.conftest import KEY, TODAY
from tests.generate import ROOT

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
GENERATED = [ROOT / "docs" / "families.md", ROOT / "docs" / "events.md"]
WRITTEN = [page for page in PAGES if page not in GENERATED]
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ASKED = re.compile(r"^```sh\n(.*?)^```\n(?:^```(json|text)\n(.*?)^```$)?", re.MULTILINE | re.DOTALL)  # a command, and what it prints
NAMES = [page.relative_to(ROOT).as_posix() for page in PAGES]


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def blocks(name: str, language: str) -> list[str]:
    return [body for kind, body in FENCE.findall(text_of(name)) if kind == language]


# ---------------------------------------------------------------- what is generated
@pytest.fixture(scope="module")
def made() -> dict[Path, str]:
    return generate.pages()


@pytest.mark.parametrize("name", ["docs/families.md", "docs/events.md", "docs/coverage.md", "docs/seed.md", "api/examples.json"])
def test_what_is_generated_is_what_make_docs_would_write(made: dict[Path, str], name: str) -> None:
    assert text_of(name) == made[ROOT / name], "run `make docs`"


def test_every_example_that_the_routes_name_is_there_and_short() -> None:
    named = {name for path in (ROOT / "api" / "routes").glob("*.py")
             for name in re.findall(r'(?:documented\(models\.\w+, |example\()"([\w-]+)"', path.read_text(encoding="utf-8"))}
    assert named == json.loads(text_of("api/examples.json")).keys()
    assert len(text_of("api/examples.json").encode()) < 60_000


def test_the_example_of_recording_is_an_event_of_the_record(record: TestClient) -> None:
    posted = json.loads(text_of("api/examples.json"))["record"]
    answer = record.post("/v1/events", json=posted, headers={"Authorization": f"Bearer {KEY}"})
    assert (answer.status_code, answer.json()["skipped"]) == (200, 1)


# ---------------------------------------------------------------- the README's questions
class Command(NamedTuple):
    """A command of the README, and what it prints there: parts of JSON, or lines."""

    argv: list[str]
    printed: Any


def commands() -> Iterator[Command]:
    for body, kind, printed in ASKED.findall(text_of("README.md")):
        argv = shlex.split(body.replace("\\\n", " "))
        if argv[0] != "make":
            yield Command(argv, json.loads(printed) if kind == "json" else printed.splitlines() if kind == "text" else None)
    for line in re.findall(r"`((?:curl|\.venv/bin/tarikh) [^`]+)`", text_of("README.md")):
        yield Command(shlex.split(line), None)


def _of(program: str) -> list[Command]:
    found = [command for command in commands() if command.argv[0].endswith(program)]
    assert len(found) > 2
    return found


def contained(part: Any, whole: Any) -> bool:
    """Whether every key and item of `part` is in `whole`."""
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(key in whole and contained(value, whole[key]) for key, value in part.items())
    if isinstance(part, list):
        return isinstance(whole, list) and all(any(contained(item, other) for other in whole) for item in part)
    return bool(part == whole)


@pytest.mark.parametrize("command", _of("curl"), ids=lambda c: " ".join(c.argv[2:]))
def test_the_answers_printed_in_the_readme_are_real(record: TestClient, command: Command) -> None:
    url = next(arg for arg in command.argv if arg.startswith("localhost:8000")).removeprefix("localhost:8000")
    given = [command.argv[i + 1].partition("=") for i, arg in enumerate(command.argv) if arg == "-d"]
    answer = record.get(url, params={name: value for name, _, value in given} or None)
    assert answer.status_code == 200, answer.text
    assert contained(command.printed or {}, answer.json())


@pytest.mark.parametrize("command", _of("tarikh"), ids=lambda c: " ".join(c.argv[1:]))
def test_the_commands_of_the_readme_run(loaded: Tarikh, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TARIKH_DATABASE_URL", loaded.settings.database_url)
    for module in (cli, terminal):
        monkeypatch.setattr(module, "out", Console(width=200))
    monkeypatch.setattr(terminal, "err", Console(width=200, stderr=True))
    result = CliRunner().invoke(cli.app, command.argv[1:])
    printed = command.printed or []
    assert result.exit_code == (3 if any(line.startswith("tarikh:") for line in printed) else 0), result.output
    told = " ".join(result.output.split())
    assert all(" ".join(line.split()) in told for line in printed)


# ---------------------------------------------------------------- what the pages name
@pytest.mark.parametrize("name", NAMES)
def test_every_relative_link_resolves(name: str) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text_of(name)):
        if not target.startswith(("https://", "http://")):
            assert ((ROOT / name).parent / target).exists(), target


def test_every_module_that_the_architecture_names_exists() -> None:
    named = re.findall(r"`((?:domain|projections|adapters|api|tests|bench)/[\w./]*)`", text_of("docs/architecture.md"))
    assert len(named) > 30
    assert [module for module in named if not (ROOT / module).exists()] == []


@pytest.mark.parametrize("name", NAMES)
def test_every_event_type_that_a_page_names_is_in_the_catalogue(name: str) -> None:
    families = "|".join([*CATALOGUE.families, "correction"])
    for found in re.findall(rf"`((?:{families})\.[a-z_]+)(?:\.v\d+)?`", text_of(name)):
        assert found in CATALOGUE.types or found.endswith(".toml")


@pytest.mark.parametrize("name", [name for name in NAMES if name != "CONTRIBUTING.md"])
def test_every_subject_and_event_that_a_page_names_is_in_the_record(record: TestClient, name: str) -> None:
    for subject, version in re.findall(rf"`((?:{'|'.join(CATALOGUE.families)}):[A-Za-z0-9._-]+)(@\d+)?`", text_of(name)):
        if not subject.startswith("coverage:"):
            path = f"/v1/events/{subject}{version}" if version else f"/v1/subjects/{subject}"
            assert record.get(path).status_code == 200, f"{subject}{version}"


def test_the_list_of_families_is_whole() -> None:
    assert re.findall(r"^## .*: `(\w+)`$", text_of("docs/families.md"), re.MULTILINE) == list(CATALOGUE.by_plural)


def test_every_make_target_that_a_page_names_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", text_of("Makefile"), re.MULTILINE))
    named = {target for name in NAMES for target in re.findall(r"(?:`|^)make ([a-z-]+)", text_of(name), re.MULTILINE)}
    assert {"run", "test"} <= named <= targets


def test_decisions_are_numbered_and_have_the_same_parts() -> None:
    pages = sorted((ROOT / "docs" / "adr").glob("*.md"))
    assert [page.name[:4] for page in pages] == [f"{i:04d}" for i in range(1, len(pages) + 1)]
    for i, page in enumerate(pages, 1):
        text = page.read_text(encoding="utf-8")
        assert text.startswith(f"# {i}. ")
        assert re.findall(r"^## (\w+)$", text, re.MULTILINE) == ["Context", "Decision", "Consequences"]


@pytest.mark.parametrize("name", [*NAMES, "requirements.lock", "requirements-dev.lock", "api/examples.json"])
def test_no_page_names_a_path_of_a_machine_or_a_registry(name: str) -> None:
    assert re.findall(r"(?<![\w.])/(?:work|tmp|home|root|Users)/|shared/|pypi\.|pythonhosted", text_of(name)) == []


@pytest.mark.parametrize("page", WRITTEN, ids=lambda p: p.name)
def test_lines_are_at_most_130_characters(page: Path) -> None:
    lines = page.read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if len(line) > 130 and not line.startswith("| ")] == []  # a row of a table cannot be wrapped


# ---------------------------------------------------------------- what CONTRIBUTING shows
@pytest.fixture
def visit(tmp_path: Path) -> Iterator[ModuleType]:
    """The family of CONTRIBUTING as a module."""
    path = tmp_path / "visit.py"
    path.write_text(blocks("CONTRIBUTING.md", "python")[0], encoding="utf-8")
    spec = importlib.util.spec_from_file_location("visit", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["visit"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["visit"]


def test_the_family_of_contributing_passes_the_tests_of_contributing(visit: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.build.CATALOGUE", Catalogue([*CATALOGUE.families.values(), visit.FAMILY]))
    shown: dict[str, Any] = {}
    exec(blocks("CONTRIBUTING.md", "python")[1], shown)
    tests = [thing for name, thing in shown.items() if name.startswith("test_")]
    assert len(tests) == 2
    for test in tests:
        test()


def test_the_family_of_contributing_is_recorded_and_answered(visit: ModuleType, fresh: Callable[[], str]) -> None:
    catalogue = Catalogue([*CATALOGUE.families.values(), visit.FAMILY])
    log = Log(fresh())
    event = catalogue.event({
        "subject": "visit:zarif-new-york-2019", "type": "visit.began", "record_id": "a", "effective": "2019-07-14",
        "known": "2019-07-14", "until": "2019-07-22", "data": {"visitor": "mohammad-javad-zarif", "name": "Zarif in New York"},
        "sources": [{"publisher": "p", "title": "t"}]})
    Writer(log, catalogue).record([event])
    answers = Answers(catalogue, LogReader(log.database, catalogue), FactStore(log.database), lambda: TODAY)
    answer = json.loads(answers.facts(answers.basis("2019-07-21"), "visits", {"visitor": "mohammad-javad-zarif"}, 10).body)
    assert [(fact["key"], fact["status"], fact["until"]) for fact in answer["items"]] == [("visit", "under_way", "2019-07-22")]
    assert json.loads(answers.state(answers.basis("2019-07-22")))["visits"] == []
    log.close()


def test_the_fact_and_the_correction_of_contributing_can_be_loaded(core: Tarikh, client: TestClient, tmp_path: Path) -> None:
    (tmp_path / "record").mkdir()
    (tmp_path / "record" / "agreement.toml").write_text("\n".join(blocks("CONTRIBUTING.md", "toml")), encoding="utf-8")
    assert core.load(tmp_path / "record") == (2, 0)
    assert core.load(tmp_path / "record") == (0, 2)
    answer = client.get("/v1/relations/IRN-USA/agreements", params={"kind": "agreement", "as_of": "2015-04-02"}).json()
    assert [fact["attributes"]["place"] for fact in answer["items"]] == ["Lausanne"]
