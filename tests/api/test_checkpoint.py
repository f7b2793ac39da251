"""Checkpoints over HTTP and on the command line, and answers with the checkpoint that they stand on."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from adapters.checkpoint import Verifier
from api.cli import app
from api.http import create_app
from api.wiring import Settings, Tarikh
from tests.api.ask import HERE, answer, concluded, problem, withdrew
from tests.conftest import TODAY


@pytest.fixture
def core(fresh: Callable[[], str], tmp_path: Path) -> Iterator[Tarikh]:
    tarikh = Tarikh(Settings(database_url=fresh(), signing_key=str(tmp_path / "signing.pem")), today=lambda: TODAY)
    tarikh.init()
    tarikh.writer.record(tarikh.events_from(concluded()))
    tarikh.writer.record(tarikh.events_from(withdrew()))
    yield tarikh
    tarikh.close()


@pytest.fixture
def http(core: Tarikh) -> Iterator[TestClient]:
    with TestClient(create_app(core)) as client:
        yield client


def test_the_head_of_the_log_is_told_with_a_signature_that_its_key_verifies(http: TestClient) -> None:
    told = answer(http, "/v1/checkpoint")
    read = Verifier.parse(told["key"]).read(told["note"])
    assert (read.position, read.hash.hex()) == (told["position"], told["hash"])
    assert told["position"] == 2
    assert told["recorded_at"] == answer(http, "/ready")["recorded_at"]


def test_a_checkpoint_of_an_earlier_position_is_what_was_told_then(http: TestClient, core: Tarikh) -> None:
    then = answer(http, "/v1/checkpoint")
    core.writer.record(core.events_from(concluded(subject="agreement:z")))
    assert answer(http, "/v1/checkpoint?position=2") == then
    assert answer(http, "/v1/checkpoint") != then
    problem(http.get("/v1/checkpoint?position=4"), 404)


def test_an_answer_comes_with_the_checkpoint_that_it_stands_on(http: TestClient, core: Tarikh) -> None:
    for path in (HERE, f"{HERE}/agreements", "/v1/subjects", f"{HERE}/timeline?from=2015-01-01&to=2018-12-31"):
        plain = answer(http, path)
        more = "&" if "?" in path else "?"
        told = answer(http, f"{path}{more}checkpoint=true")
        assert told.pop("checkpoint") == answer(http, f"/v1/checkpoint?position={plain['basis']['position']}")
        assert told == plain
    instant = answer(http, "/v1/checkpoint?position=1")["recorded_at"]
    assert answer(http, f"{HERE}?recorded_at={instant}&checkpoint=true")["checkpoint"]["position"] == 1


def test_without_a_key_there_is_no_checkpoint_and_it_says_what_to_do(fresh: Callable[[], str], tmp_path: Path) -> None:
    core = Tarikh(Settings(database_url=fresh(), signing_key=str(tmp_path / "none.pem")))
    with TestClient(create_app(core)) as client:
        assert "tarikh init" in problem(client.get("/v1/checkpoint"), 404)
        assert "tarikh init" in problem(client.get(f"{HERE}?checkpoint=true"), 404)
        assert client.get(HERE).status_code == 200
    core.close()


def test_a_server_that_has_not_come_so_far_says_so(http: TestClient) -> None:
    assert answer(http, HERE, min_position=2) == answer(http, HERE)
    response = http.get(HERE, params={"min_position": 3})
    assert "position 2" in problem(response, 409)
    assert response.headers["Retry-After"]


def test_on_the_command_line_a_kept_checkpoint_is_held_against_the_log(
    core: Tarikh, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:
    url = core.database.engine.url.render_as_string(hide_password=False)
    monkeypatch.setenv("TARIKH_DATABASE_URL", url)
    monkeypatch.setenv("TARIKH_SIGNING_KEY", str(core.signing_key))
    run = CliRunner().invoke
    kept = tmp_path / "kept.txt"
    assert run(app, ["checkpoint", "-o", str(kept)]).exit_code == 0
    assert kept.read_text() == run(app, ["checkpoint"]).stdout
    key = run(app, ["checkpoint", "--key"]).stdout.strip()
    held = run(app, ["verify", "--checkpoint", str(kept), "--key", key])
    assert held.exit_code == 0
    assert "holds to 1 checkpoint" in held.stdout
    forged = kept.read_text().replace("\n2\n", "\n3\n", 1)
    kept.write_text(forged)
    refused = run(app, ["verify", "--checkpoint", str(kept)])
    assert refused.exit_code == 2
    assert "signature" in refused.stderr


def test_the_openapi_document_knows_the_checkpoint(http: TestClient) -> None:
    document = json.loads(http.get("/openapi.json").content)
    assert "/v1/checkpoint" in document["paths"]
    names = {p["name"] for p in document["paths"]["/v1/relations/{relation}"]["get"]["parameters"]}
    assert {"checkpoint", "min_position"} <= names
