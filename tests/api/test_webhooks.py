"""Webhooks over HTTP and on the command line: made, seen, renewed, replayed and ended; the secret is shown once."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from api.cli import app
from api.http import create_app
from api.wiring import Settings, Tarikh
from tests.api.ask import answer, concluded, problem, withdrew
from tests.conftest import TODAY
from tests.receiver import Receiver

HOOKS = "/v1/webhooks"


@pytest.fixture
def core(fresh: Callable[[], str]) -> Iterator[Tarikh]:
    tarikh = Tarikh(Settings(database_url=fresh(), webhook_private=True, webhook_retries=()), today=lambda: TODAY)
    yield tarikh
    tarikh.close()


@pytest.fixture
def http(core: Tarikh) -> Iterator[TestClient]:
    """HTTP with a key of scope admin."""
    _, key = core.keys.create("admin", ["admin"])
    with TestClient(create_app(core), headers={"X-API-Key": key}) as client:
        yield client


def test_a_webhook_is_made_seen_and_ended(http: TestClient) -> None:
    made = http.post(HOOKS, json={"url": "https://example.org/hook", "types": ["agreement.concluded"], "subjects": ["agreement:accord"]})
    assert made.status_code == 201, made.text
    told = made.json()
    assert told["secret"].startswith("whsec_")
    assert made.headers["Location"] == f"{HOOKS}/{told['id']}"
    assert made.headers["Cache-Control"] == "no-store"
    seen = answer(http, made.headers["Location"])
    assert "secret" not in seen
    assert (seen["url"], seen["types"], seen["waiting"], seen["dead"]) == ("https://example.org/hook", ["agreement.concluded"], 0, 0)
    assert [item["id"] for item in answer(http, HOOKS)["items"]] == [told["id"]]
    assert http.delete(made.headers["Location"]).status_code == 204
    problem(http.get(made.headers["Location"]), 404)
    problem(http.delete(made.headers["Location"]), 404)


def test_a_webhook_begins_with_what_comes_next_unless_it_is_told_otherwise(http: TestClient, core: Tarikh) -> None:
    core.writer.record(core.events_from(concluded()))
    assert http.post(HOOKS, json={"url": "https://example.org/"}).json()["position"] == 1
    assert http.post(HOOKS, json={"url": "https://example.org/", "after": 0}).json()["position"] == 0


def test_dead_letters_are_shown_and_sent_again(http: TestClient, core: Tarikh) -> None:
    core.writer.record(core.events_from([concluded(), withdrew()]))
    down = [True]
    with Receiver(lambda _: 500 if down[0] else 200) as receiver, closing(core.webhook_worker()) as worker:
        made = http.post(HOOKS, json={"url": receiver.url, "after": 0}).json()
        receiver.secrets = [made["secret"]]
        worker.work(made["id"])
        letters = answer(http, f"{HOOKS}/{made['id']}/letters")["items"]
        assert [letter["event"] for letter in letters] == ["agreement:accord@1", "agreement:accord@2"]
        assert all(letter["error"] == "it answered 500" and letter["dead_at"] for letter in letters)
        down[0] = False
        problem(http.post(f"{HOOKS}/{made['id']}/replay", json={"positions": [2, 2**64]}), 400)
        assert http.post(f"{HOOKS}/{made['id']}/replay", json={"positions": [2]}).json() == {"replayed": 1}
        assert http.post(f"{HOOKS}/{made['id']}/replay").json() == {"replayed": 1}
        worker.work(made["id"])
        renewed = http.post(f"{HOOKS}/{made['id']}/rotate", json={"overlap": 0}).json()
        receiver.secrets = [renewed["secret"]]
        core.writer.record(core.events_from(concluded("other")))
        worker.work(made["id"])
    assert [event["id"] for event in receiver.once()] == ["agreement:accord@1", "agreement:accord@2", "agreement:other@1"]
    assert answer(http, f"{HOOKS}/{made['id']}")["dead"] == 0


@pytest.mark.parametrize("body", [
    {}, {"url": "ftp://example.org/"}, {"url": "https://example.org/", "types": ["no.such"]}, {"url": "https://example.org/", "after": -1},
    {"url": "https://example.org/", "nonsense": 1}, {"url": "https://user:secret@example.org/"}])
def test_a_webhook_that_cannot_be_is_refused_and_nothing_is_kept(http: TestClient, body: dict[str, object]) -> None:
    problem(http.post(HOOKS, json=body), 400)
    assert answer(http, HOOKS)["items"] == []


def test_only_who_administers_sees_webhooks(core: Tarikh) -> None:
    _, key = core.keys.create("recorder", ["record"])
    with TestClient(create_app(core)) as client:
        problem(client.get(HOOKS), 401)
        problem(client.get(HOOKS, headers={"X-API-Key": key}), 403)
        problem(client.post(HOOKS, json={"url": "https://example.org/"}, headers={"X-API-Key": key}), 403)
    assert core.webhooks.all() == []


def test_the_command_line_does_the_same(core: Tarikh, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TARIKH_DATABASE_URL", core.database.engine.url.render_as_string(hide_password=False))
    monkeypatch.setenv("TARIKH_WEBHOOK_PRIVATE", "1")
    monkeypatch.setenv("TARIKH_WEBHOOK_RETRIES", "3600")
    core.writer.record(core.events_from([concluded(), withdrew()]))

    def run(*arguments: str) -> str:
        done = CliRunner().invoke(app, ["webhooks", *arguments])
        assert done.exit_code == 0, done.output
        return done.stdout

    with Receiver(lambda event: 200 if event["id"].endswith("@1") else 500) as receiver:
        made = json.loads(run("create", receiver.url, "--after", "0", "--json"))
        receiver.secrets = [made["secret"]]
        run("work", "--once")
        assert [item["id"] for item in json.loads(run("list", "--json"))] == [made["id"]]
        (letter,) = json.loads(run("letters", made["id"], "--waiting", "--json"))
        assert (letter["event"], letter["attempts"]) == ("agreement:accord@2", 1)
    assert [event["id"] for event in receiver.once()] == ["agreement:accord@1"]
    assert json.loads(run("rotate", made["id"], "--json"))["secret"] != made["secret"]
    assert "0 to be sent again" in run("replay", made["id"])
    run("delete", made["id"])
    assert json.loads(run("list", "--json")) == []
    assert CliRunner().invoke(app, ["webhooks", "delete", made["id"]]).exit_code == 3
