"""Who may ask what: every route and method, with every kind of key, where reads are open and where they are closed."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import product
from time import time_ns
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from fastapi.testclient import TestClient
from typer.testing import CliRunner, Result

from api.access import needs_of
from api.cli import app as command
from api.http import create_app
from api.wiring import Settings, Tarikh
from tests.api.ask import HERE, answer, concluded, position, problem
from tests.conftest import KEY
from tests.databases import Files

EVENTS = "/v1/events"
HOUR = 3600 * 10**6  # microseconds
HOLDS = {"read": {"read"}, "record": {"read", "record"}, "environment": {"read", "record"}, "admin": {"read", "record", "admin"}}
DEAD = ("malformed", "expired", "revoked")


@dataclass
class Door:
    """A service, and one key of each kind."""

    http: TestClient
    core: Tarikh
    keys: dict[str, str] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)

    def make(self, kind: str, scope: str, expires_at: int | None = None) -> None:
        key, self.keys[kind] = self.core.keys.create(kind, [scope], expires_at)
        self.ids[kind] = key.id

    def ask(self, kind: str, method: str, path: str, **more: Any) -> Any:
        given = {"Authorization": f"Bearer {self.keys[kind]}"} if kind != "nobody" else {}
        return self.http.request(method, path, headers=given, **more)


def door(url: str, reads_closed: bool = False, api_key: str | None = KEY) -> Iterator[Door]:
    core = Tarikh(Settings(database_url=url, api_key=api_key, reads_closed=reads_closed))
    with TestClient(create_app(core), follow_redirects=False) as http:
        yield Door(http, core)
    core.close()


@pytest.fixture(params=["open", "closed"])
def everybody(request: pytest.FixtureRequest, sqlite: Files) -> Iterator[tuple[Door, bool]]:
    """A door with a key of each kind, and whether its reads are closed."""
    closed = request.param == "closed"
    for made in door(sqlite.fresh(), closed):
        for scope in ("read", "record", "admin"):
            made.make(scope, scope)
        made.make("revoked", "admin")
        made.core.keys.revoke(made.ids["revoked"])
        made.core.keys.clock = lambda: time_ns() // 1000 - HOUR
        made.make("expired", "admin", time_ns() // 1000 - HOUR // 2)
        made.core.keys.clock = lambda: time_ns() // 1000
        made.keys |= {"environment": KEY, "malformed": made.keys["admin"][:-1]}
        yield made, closed


@pytest.fixture
def closed(fresh: Callable[[], str]) -> Iterator[Door]:
    yield from door(fresh(), reads_closed=True)


# ---------------------------------------------------------------- every route, every key
def needed(method: str, path: str) -> str | None:
    """What the design says: the scope that a request needs, None for nobody's business but everybody's."""
    if path in ("/health", "/ready"):
        return None
    if path == "/metrics":
        return "watch"
    if path.startswith("/v1/webhooks"):
        return "admin"
    if method in ("GET", "HEAD") or path.endswith("/what-if"):
        return "read"
    assert (method, path) == ("POST", EVENTS), f"{method} {path} changes something: say here which scope it needs"
    return "record"


def expected(scope: str | None, kind: str, reads_closed: bool) -> int:
    """401, 403, or 0 for whatever the route itself answers."""
    enforced = scope in ("record", "admin") or (scope is not None and reads_closed)
    if scope is None:
        return 0
    if kind in DEAD:
        return 401
    if not enforced:
        return 0
    if kind == "nobody":
        return 401
    return 0 if {"watch": "admin"}.get(scope, scope) in HOLDS[kind] else 403


def operations(app: FastAPI) -> list[tuple[str, str]]:
    """Every method of every route, HEAD included."""
    found = [(method, str(route.path)) for route in iter_route_contexts(app.routes) for method in route.methods or ()]
    return sorted({*found, *(("HEAD", path) for method, path in found if method == "GET")})


def filled(path: str) -> str:
    """An address of the route that costs nothing to answer; the stream without end is asked for what is not there yet."""
    path = path.replace("{entry_number:path}", "1")
    while "{" in path:
        path = path[: path.index("{")] + "x" + path[path.index("}") + 1 :]
    return path + "?after=99999999" if path == "/v1/events/stream" else path


def test_every_route_lets_in_whom_it_should_and_nobody_else(everybody: tuple[Door, bool]) -> None:
    made, reads_closed = everybody
    app: Any = made.http.app
    kinds = ("nobody", *DEAD, "read", "record", "environment", "admin")
    seen: Counter[int] = Counter()
    for (method, path), kind in product(operations(app), kinds):
        body: dict[str, Any] = {"json": {}} if method == "POST" else {}
        status = made.ask(kind, method, filled(path), **body).status_code
        told, wanted = status if status in (401, 403) else 0, expected(needed(method, path), kind, reads_closed)
        assert told == wanted, (method, path, kind, status)
        assert status < 500, (method, path, kind, status)
        seen[told] += 1
    assert seen[0] > 100
    assert seen[401] > 100
    assert seen[403] > 10


def undeclared(app: FastAPI) -> list[str | None]:
    return [route.path for route in iter_route_contexts(app.routes) if needs_of(route) is None]


def test_every_route_declares_its_scope(record: TestClient) -> None:
    app: Any = record.app
    assert len(operations(app)) > 30
    assert undeclared(app) == []


def test_a_route_that_declares_none_does_not_pass_unseen(core: Tarikh) -> None:
    app = create_app(core)
    app.get("/v1/new")(lambda: None)
    app.mount("/files", FastAPI())
    assert undeclared(app)[-2:] == ["/v1/new", "/files"]


# ---------------------------------------------------------------- what is told to whom
def test_a_dead_key_is_told_from_no_other(everybody: tuple[Door, bool]) -> None:
    made, _ = everybody
    made.keys |= {"unknown": f"tarikh_{'0' * 12}_{'A' * 43}", "made up": "6Zq0wXcR3nVbJ8sLpT2y"}
    told = [made.ask(kind, "POST", EVENTS, json=concluded()) for kind in (*DEAD, "unknown", "made up")]
    assert {problem(response, 401) for response in told} == {"the API key is not valid"}
    assert {response.headers["WWW-Authenticate"] for response in told} == {'Bearer error="invalid_token"'}


def test_a_key_that_lacks_the_scope_is_told_which(everybody: tuple[Door, bool]) -> None:
    made, _ = everybody
    response = made.ask("read", "POST", EVENTS, json=concluded())
    assert "needs scope record" in problem(response, 403)
    assert response.headers["WWW-Authenticate"] == 'Bearer error="insufficient_scope", scope="record"'
    assert position(made.http) == 0


def test_a_key_may_come_in_either_header(closed: Door) -> None:
    closed.make("reader", "read")
    text = closed.keys["reader"]
    for headers in ({"Authorization": f"Bearer {text}"}, {"authorization": f"bearer  {text}"}, {"X-API-Key": text}):
        assert closed.http.get(EVENTS, headers=headers).status_code == 200
    for headers in ({"Authorization": text}, {"Authorization": f"Basic {text}"}, {"X-API-Key": ""}):
        assert "no API key" in problem(closed.http.get(EVENTS, headers=headers), 401)


def test_where_no_key_was_made_it_is_told_how_to_make_one(fresh: Callable[[], str]) -> None:
    for made in door(fresh(), api_key=None):
        for headers in ({}, {"X-API-Key": "6Zq0wXcR3nVbJ8sLpT2y"}):
            said = problem(made.http.post(EVENTS, json=concluded(), headers=headers), 403)
            assert "tarikh keys create" in said
            assert "TARIKH_API_KEY" in said
        made.make("writer", "record")
        problem(made.ask("nobody", "POST", EVENTS, json=concluded()), 401)
        assert made.ask("writer", "POST", EVENTS, json=concluded()).status_code == 201


def test_a_revocation_holds_from_the_next_request_on(closed: Door) -> None:
    closed.make("reader", "read")
    assert closed.ask("reader", "GET", HERE).status_code == 200
    elsewhere = Tarikh(Settings(database_url=closed.core.settings.database_url))
    elsewhere.keys.revoke(closed.ids["reader"])
    elsewhere.close()
    problem(closed.ask("reader", "GET", HERE), 401)


def test_answers_that_need_a_key_are_not_for_shared_caches(closed: Door, client: TestClient) -> None:
    closed.make("writer", "record")
    asked = {"as_of": "2016-01-01", "known_at": "2016-01-01"}
    for http, headers, whose in ((closed.http, {"X-API-Key": closed.keys["writer"]}, "private"), (client, {}, "public")):
        at = http.post(EVENTS, json=concluded(), headers=headers).json()["recorded_at"]
        kept = http.get(HERE, params={**asked, "recorded_at": at}, headers=headers).headers["Cache-Control"]
        assert kept == f"{whose}, max-age=86400, immutable"


def test_nobody_is_told_what_another_recorded_under_the_same_idempotency_key(closed: Door) -> None:
    closed.make("a", "record")
    closed.make("b", "record")
    first = closed.http.post(EVENTS, json=concluded(), headers={"X-API-Key": closed.keys["a"], "Idempotency-Key": "k"})
    other = closed.http.post(EVENTS, json=concluded("other"), headers={"X-API-Key": closed.keys["b"], "Idempotency-Key": "k"})
    again = closed.http.post(EVENTS, json=concluded(), headers={"X-API-Key": closed.keys["a"], "Idempotency-Key": "k"})
    assert [first.status_code, other.status_code, again.status_code] == [201, 201, 201]
    assert again.content == first.content
    assert other.json()["ids"] == ["agreement:other@1"]
    assert "Idempotency-Replayed" not in other.headers


# ---------------------------------------------------------------- the OpenAPI document
@pytest.mark.parametrize("reads_closed", [False, True])
def test_the_document_says_which_key_an_operation_takes(sqlite: Files, reads_closed: bool) -> None:
    for made in door(sqlite.fresh(), reads_closed):
        made.make("reader", "read")
        document = made.ask("reader", "GET", "/openapi.json").json()
        assert {scheme["type"] for scheme in document["components"]["securitySchemes"].values()} == {"http", "apiKey"}
        for path, methods in document["paths"].items():
            for method, operation in methods.items():
                scope = needed(method.upper(), path)
                told, codes = operation.get("security", []), operation["responses"].keys()
                assert ({} in told) == (expected(scope, "nobody", reads_closed) == 0 and scope is not None), (method, path)
                assert {held for way in told for held in next(iter(way.values()), [])} == ({{"watch": "admin"}.get(scope, scope)} if scope else set())
                assert ("401" in codes) == (scope is not None), (method, path)
                assert ("403" in codes) == (expected(scope, "read", reads_closed) == 403 or (bool(scope) and {} not in told)), (method, path)


# ---------------------------------------------------------------- settings
@pytest.mark.parametrize("weak", ["short", "changeme-changeme", "a" * 30])
def test_a_weak_key_is_no_key_to_start_with(fresh: Callable[[], str], weak: str, monkeypatch: pytest.MonkeyPatch) -> None:
    url = fresh()
    monkeypatch.setenv("TARIKH_DATABASE_URL", url)
    monkeypatch.setenv("TARIKH_API_KEY", weak)
    result = CliRunner().invoke(command, ["serve"])
    assert result.exit_code == 2
    assert "TARIKH_API_KEY is too weak" in result.stderr
    assert weak not in result.output


@pytest.mark.parametrize(("name", "value"), [
    ("TARIKH_READS", "shut"), ("TARIKH_RATE_LIMIT", "-1"), ("TARIKH_QUEUE_SECONDS", "soon"), ("TARIKH_CONCURRENCY", "0"),
    ("TARIKH_BATCH_LIMIT", "many")])
def test_a_setting_that_means_nothing_is_refused(fresh: Callable[[], str], name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TARIKH_DATABASE_URL", fresh())
    monkeypatch.setenv(name, value)
    result = CliRunner().invoke(command, ["serve"])
    assert result.exit_code == 2
    assert name in result.stderr


# ---------------------------------------------------------------- tarikh keys
Run = Callable[..., Result]


@pytest.fixture
def keys(closed: Door, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The command on the database of the closed door."""
    monkeypatch.setenv("TARIKH_DATABASE_URL", closed.core.settings.database_url)

    def run(*args: str, code: int = 0) -> Result:
        result = CliRunner().invoke(command, ["keys", *args])
        assert result.exit_code == code, (result.output, result.exception)
        return result

    return run


def opens(closed: Door, text: str) -> bool:
    return closed.http.get(EVENTS, headers={"X-API-Key": text}).status_code == 200


def test_a_key_is_printed_alone_and_once(closed: Door, keys: Run) -> None:
    made = keys("create", "--name", "a reader", "--scope", "read")
    text = made.stdout.strip()
    assert opens(closed, text)
    assert "a reader" in made.stderr
    listed = keys("list").stdout
    assert text.split("_")[1] in listed
    assert text.split("_", 2)[2] not in listed + keys("list", "--json").stdout


def test_keys_are_made_and_listed_for_programs(keys: Run) -> None:
    made = json.loads(keys("create", "--name", "w", "--scope", "record", "--scope", "read", "--expires", "2999-12-31", "--json").stdout)
    assert (made["name"], made["scopes"], made["expires_at"]) == ("w", ["read", "record"], "3000-01-01T00:00:00.000000Z")
    text = made.pop("key")
    assert text.startswith(f"tarikh_{made['id']}_")
    assert json.loads(keys("list", "--json").stdout) == {"items": [made]}


def test_a_key_may_live_for_some_days(closed: Door, keys: Run) -> None:
    made = json.loads(keys("create", "--name", "w", "--scope", "read", "--expires", "30", "--json").stdout)
    [key] = closed.core.keys.all()
    assert key.expires_at is not None
    assert 30 * 24 * HOUR - key.created_at + key.expires_at > 0
    assert abs(key.expires_at - key.created_at - 30 * 24 * HOUR) < HOUR
    assert opens(closed, made["key"])


def test_a_rotated_key_ends_when_it_is_said_to_and_a_revoked_one_now(closed: Door, keys: Run) -> None:
    old = keys("create", "--name", "r", "--scope", "read").stdout.strip()
    new = keys("rotate", old.split("_")[1], "--overlap", "1").stdout.strip()
    assert opens(closed, old)
    assert opens(closed, new)
    closed.core.keys.clock = lambda: time_ns() // 1000 + HOUR
    assert not opens(closed, old)
    assert opens(closed, new)
    assert "is revoked" in keys("revoke", new.split("_")[1]).stdout
    assert not opens(closed, new)
    states = keys("list").stdout
    assert "revoked" in states


@pytest.mark.parametrize(("args", "code"), [
    ("create --name x --scope write", 2), ("create --name= --scope read", 2), ("create --name x", 2), ("create --scope read", 2),
    ("create --name x --scope read --expires 0", 2), ("create --name x --scope read --expires 2001-01-01", 2),
    ("create --name x --scope read --expires soon", 2), ("create --name x --scope read --expires 9999-12-31", 2),
    ("revoke nobody", 3), ("rotate nobody", 3), ("rotate nobody --overlap -1", 2)])
def test_what_cannot_be_done_with_keys_has_its_exit_code(closed: Door, keys: Run, args: str, code: int) -> None:
    keys(*args.split(), code=code)
    assert closed.core.keys.all() == []


def test_documentation_is_served_where_reads_are_open(record: TestClient) -> None:
    assert "/openapi.json" in record.get("/docs").text
    assert answer(record, "/openapi.json")["paths"]
