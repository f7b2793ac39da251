"""What the service says of itself: one line for each request, in its own words and in nobody else's."""

from __future__ import annotations

import http.client
import io
import json
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from threading import Event
from typing import Any
from urllib.parse import quote
from uuid import UUID

import httpx2
import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from api import cli, telemetry
from api.http import create_app
from api.wiring import Settings, Tarikh
from tests.api.ask import HERE, concluded, withdrew
from tests.api.test_cli import wait_for
from tests.conftest import KEY
from tests.databases import Files
from tests.postgres import free_port
from tests.serving import serving

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"
Line = dict[str, Any]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@contextmanager
def logged(level: str = "info", form: Any = "json", to: io.StringIO | None = None) -> Iterator[io.StringIO]:
    """What is logged meanwhile; the process is left as it was."""
    root, ours, stream = logging.getLogger(), logging.getLogger("tarikh"), to or io.StringIO()
    before = root.handlers[:], root.level, ours.level
    telemetry.configure(level, form, stream)
    try:
        yield stream
    finally:
        logging.captureWarnings(False)
        root.handlers[:], root.level, _ = before
        ours.setLevel(before[2])


def read(stream: io.StringIO, event: str | None = None) -> list[Line]:
    """The lines as JSON, each of them an object."""
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    return [line for line in lines if event in (None, line["event"])]


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    with logged() as stream:
        yield stream


@pytest.fixture
def frail(sqlite: Files) -> Iterator[TestClient]:
    """A service with a route that fails, and one whose statement fails; both are given words."""
    core = Tarikh(Settings(database_url=sqlite.fresh(), api_key=KEY))
    app = create_app(core)

    def fail(said: str) -> None:
        raise RuntimeError(said)

    def ask(said: str) -> None:
        with core.database.engine.connect() as connection:
            connection.execute(sa.text("SELECT no_such_function(:said)"), {"said": said})

    app.get("/fail")(fail)
    app.get("/ask")(ask)
    with TestClient(app, raise_server_exceptions=False) as http:
        yield http
    core.close()


# ---------------------------------------------------------------- a line for each request
def test_a_request_is_one_line_that_tells_who_asked_what_and_what_came_of_it(lines: io.StringIO, client: TestClient) -> None:
    response = client.get(f"{HERE}/agreements", params={"subject": "agreement:secret-plan"}, headers={"X-Request-ID": "a.b-C_9"})
    (line,) = read(lines, "request")
    assert datetime.fromisoformat(line.pop("timestamp")).tzname() == "UTC"
    assert 0 < line.pop("milliseconds") < 60_000
    assert line == {
        "event": "request", "level": "info", "request_id": "a.b-C_9", "method": "GET", "route": "/v1/relations/{relation}/{family}",
        "path": f"{HERE}/agreements", "status": 200, "bytes": len(response.content), "client": "testclient", "key": "environment"}


def test_whatever_is_asked_is_one_line(lines: io.StringIO, client: TestClient) -> None:
    asked = [("GET", "/health", "/health", 200), ("HEAD", HERE, "/v1/relations/{relation}", 200), ("GET", "/none", "unmatched", 404),
             ("PUT", "/v1/events", "/v1/events", 405), ("GET", "/docs", "/docs", 200), ("POST", "/v1/events", "/v1/events", 400)]
    for method, path, _, _ in asked:
        client.request(method, path)
    told = [(line["method"], line["path"], line["route"], line["status"]) for line in read(lines, "request")]
    assert told == [(method, path, route, status) for method, path, route, status in asked]
    assert read(lines, "request")[1]["bytes"] == 0, "HEAD has no body"


def test_starting_and_stopping_are_told(lines: io.StringIO, sqlite: Files) -> None:
    url = sqlite.fresh()
    core = Tarikh(Settings(database_url=url))
    with TestClient(create_app(core)):
        pass
    core.close()
    start, stop = read(lines)
    assert (start["event"], start["url"], start["revision"], start["role"]) == ("start", url, start["schema"], "owner")
    assert {"tarikh", "python", "database", "sqlite", "projection"} <= start.keys()
    assert (stop["event"], stop["seconds"] >= 0) == ("stop", True)


def test_a_password_of_the_database_is_not_told(lines: io.StringIO) -> None:
    url = f"postgresql+psycopg://tarikh:p4ssw0rd@127.0.0.1:{free_port()}/record?password=p4ssw0rd&sslmode=disable"
    core = Tarikh(Settings(database_url=url))
    with TestClient(create_app(core)) as http:
        assert http.get("/ready").status_code == 503
    core.close()
    assert read(lines)[0]["url"].startswith("postgresql+psycopg://tarikh:***@127.0.0.1:")
    assert "p4ssw0rd" not in lines.getvalue()


# ---------------------------------------------------------------- writes
def test_what_was_recorded_is_told_with_its_request(lines: io.StringIO, client: TestClient) -> None:
    client.post("/v1/events", json=[concluded(), withdrew(), concluded("other")], headers={"X-Request-ID": "w"})
    client.post("/v1/events", json=concluded())
    (append,) = read(lines, "append")
    assert (append["position"], append["events"], append["subjects"], append["request_id"]) == (3, 3, 2, "w")
    assert [line["status"] for line in read(lines, "request")] == [201, 200], "what was there already is no append"


def test_what_was_refused_is_told_with_its_reason(lines: io.StringIO, client: TestClient) -> None:
    json_type = {"Content-Type": "application/json"}
    client.post("/v1/events", json=withdrew())
    client.post("/v1/events", json={**concluded(), "effective": "soon"})
    client.post("/v1/events", content=b"{", headers=json_type)
    client.post("/v1/events", json=concluded(), headers={"Authorization": "Bearer none"})
    client.post("/v1/events", content=b" " * (5 * 2**20 + 1), headers=json_type)
    told = [(line["status"], line["reason"]) for line in read(lines, "rejected")]
    assert told[:4] == [(409, "Refused"), (422, "Invalid"), (400, "Malformed"), (401, "Unauthorized")]
    assert told[4][0] == 413
    assert [line["request_id"] for line in read(lines, "rejected")] == [line["request_id"] for line in read(lines, "request")]


def test_neither_keys_nor_bodies_are_told(lines: io.StringIO, frail: TestClient) -> None:
    """Whatever becomes of a request: recorded, refused by a rule, or by a database that fails."""
    core = frail.app.state.tarikh  # type: ignore[attr-defined]
    said = concluded()
    said["data"]["name"] = "Unspoken Accord"
    for key in (KEY, "a-wrong-key-0123456789"):
        for body in (said, {**said, "record_id": "x", "data": {"name": "Unspoken"}}, ["Unspoken"]):
            frail.post("/v1/events", json=body, headers={"Authorization": f"Bearer {key}", "Idempotency-Key": "unspoken-key"})
            frail.post("/v1/events?api_key=Unspoken", json=body, headers={"X-API-Key": key})
    with core.database.unguarded() as connection:
        connection.exec_driver_sql("CREATE TRIGGER broken BEFORE INSERT ON log BEGIN SELECT no_such_function(); END")
        connection.commit()
    assert frail.post("/v1/events", json=concluded("unspoken"), headers={"X-API-Key": KEY}).status_code == 503
    assert frail.get("/ask", params={"said": "Unspoken"}).status_code == 500
    assert len(read(lines, "append")) == 1
    assert ["exception" in line for line in read(lines, "failed")] == [False, True]
    for text in (KEY, "a-wrong-key", "nspoken", "Press release"):
        assert text not in lines.getvalue()


# ---------------------------------------------------------------- the id of a request
@pytest.mark.parametrize("id_", ["a", "9f0c", "2f6a-1.b_C", "x" * 128])
def test_a_harmless_id_is_taken_over(client: TestClient, id_: str) -> None:
    assert client.get("/health", headers={"X-Request-ID": id_}).headers["X-Request-ID"] == id_


@pytest.mark.parametrize("ids", [[""], ["a b"], ["x" * 129], ["a;b"], ["é"], ["a\tb"], ['{"a":1}'], ["a", "b"], []])
def test_any_other_id_is_replaced(client: TestClient, ids: list[str]) -> None:
    headers = [(b"X-Request-ID", id_.encode()) for id_ in ids]
    given = client.get("/health", headers=headers).headers.get_list("X-Request-ID")
    assert len(given) == 1
    assert str(UUID(given[0])) == given[0]


@pytest.mark.parametrize(("method", "path", "status"), [
    ("GET", "/none", 404), ("GET", "/v1/subjects/agreement:none", 404), ("PUT", "/v1/events", 405), ("GET", f"{HERE}?as_of=x", 400),
    ("POST", "/v1/events", 401), ("GET", "/fail?said=it", 500), ("POST", f"{HERE}/what-if", 413)])
def test_every_problem_carries_the_id_of_its_request(frail: TestClient, lines: io.StringIO, method: str, path: str, status: int) -> None:
    response = frail.request(method, path, headers={"X-Request-ID": "asked"}, content=b" " * (6 * 2**20) if status == 413 else None)
    assert response.status_code == status
    assert response.headers["X-Request-ID"] == response.json()["request_id"] == "asked"
    assert [line["request_id"] for line in read(lines, "request")] == ["asked"]


@pytest.mark.parametrize(("limits", "status"), [
    ({"rate_limit": 1, "rate_burst": 1}, 429), ({"concurrency": 1, "queue": 1, "queue_seconds": 0.05}, 503)])
def test_who_is_not_let_in_is_given_an_id_as_well(sqlite: Files, lines: io.StringIO, limits: dict[str, Any], status: int) -> None:
    core = Tarikh(Settings(database_url=sqlite.fresh(), **limits))
    app, entered, leave = create_app(core), Event(), Event()

    def occupied() -> None:
        entered.set()
        leave.wait(20)

    app.get("/occupied")(occupied)
    with TestClient(app) as http, ThreadPoolExecutor(1) as pool:
        try:
            pool.submit(http.get, "/occupied")
            assert entered.wait(20)
            asked = (http.get(HERE, headers={"X-Request-ID": f"crowd{i}"}) for i in range(50))
            response = next(answer for answer in asked if answer.status_code != 200)
        finally:
            leave.set()
    core.close()
    assert response.status_code == status
    assert response.headers["X-Request-ID"] == response.json()["request_id"]
    told = [line for line in read(lines, "request") if line["request_id"] == response.headers["X-Request-ID"]]
    assert [(line["route"], line["status"]) for line in told] == [("unmatched", status)]


def test_requests_at_the_same_time_keep_their_lines_apart(lines: io.StringIO, client: TestClient) -> None:
    """Also those that threads write."""
    client.get("/health")  # FastAPI builds its routes at the first request, under warnings.catch_warnings, which no two threads may share

    def write(i: int) -> tuple[str, int]:
        response = client.post("/v1/events", json=concluded(f"a{i}"), headers={"X-Request-ID": f"r{i}"})
        assert response.headers["X-Request-ID"] == f"r{i}"
        return f"r{i}", response.json()["position"]

    with ThreadPoolExecutor(6) as pool:
        written = dict(pool.map(write, range(12)))
    assert {line["request_id"]: line["position"] for line in read(lines, "append")} == written


@pytest.mark.parametrize(("traceparent", "trace"), [
    (f"00-{TRACE}-{SPAN}-01", TRACE), (f"00-{TRACE}-{SPAN}-00", TRACE), (f"cc-{TRACE}-{SPAN}-01-what-comes-later", TRACE),
    (f"cc-{TRACE}-{SPAN}-01", TRACE), (f"00-{TRACE}-{SPAN}-01-more", None), (f"ff-{TRACE}-{SPAN}-01", None), (f"cc-{TRACE}-{SPAN}-01more", None),
    (f"00-{'0' * 32}-{SPAN}-01", None), (f"00-{TRACE}-{'0' * 16}-01", None), (f"00-{TRACE.upper()}-{SPAN}-01", None),
    (f"00-{TRACE}-{SPAN}", None), (f"00-{TRACE[1:]}-{SPAN}-01", None), ("", None)])
def test_the_trace_of_a_well_formed_traceparent_is_told(client: TestClient, lines: io.StringIO, traceparent: str, trace: str | None) -> None:
    client.get("/health", headers={"traceparent": traceparent})
    assert [line.get("trace_id") for line in read(lines, "request")] == [trace]


# ---------------------------------------------------------------- what fails
def test_a_failed_request_is_told_with_its_traceback(frail: TestClient, lines: io.StringIO) -> None:
    response = frail.get("/fail?said=sea", headers={"X-Request-ID": "f"})
    assert (response.status_code, response.json()["detail"]) == (500, "this is a fault of the service (RuntimeError); nothing was recorded")
    failed, request = read(lines)
    assert (failed["event"], failed["level"], failed["request_id"], failed["route"]) == ("failed", "error", "f", "/fail")
    assert failed["exception"].startswith("Traceback (most recent call last):")
    assert failed["exception"].endswith("RuntimeError: sea")
    assert (request["event"], request["level"], request["status"], request["reason"]) == ("request", "warning", 500, "RuntimeError")


def test_a_failed_request_is_not_told_twice(frail: TestClient, lines: io.StringIO) -> None:
    """uvicorn would tell of it as well, without its request."""
    with serving(frail.app) as url:  # type: ignore[arg-type]
        assert httpx2.get(f"{url}/fail?said=sea").status_code == 500
    assert [line["event"] for line in read(lines) if "exception" in line] == ["failed"]


def test_what_the_database_says_is_told_to_the_operator_alone(core: Tarikh, client: TestClient, lines: io.StringIO) -> None:
    with core.database.unguarded() as connection:
        connection.exec_driver_sql("DROP TABLE name")
        connection.commit()
    response = client.get("/v1/subjects")
    (failed,) = read(lines, "failed")
    assert response.status_code == 503
    assert "name" in failed["error"]
    assert failed["error"] not in response.text


# ---------------------------------------------------------------- nobody can forge a line
forgeries = pytest.mark.parametrize("said", [
    'a\n{"event": "forged"}', "\r\n2026-01-01T00:00:00Z [info     ] forged", "\x1b[2Kforged", "\u2028forged\u202e\x85\x00"])


@forgeries
def test_no_words_of_a_client_begin_a_line_of_json(frail: TestClient, lines: io.StringIO, said: str) -> None:
    frail.get(f"/none/{quote(said)}")
    frail.get("/fail", params={"said": said.replace("\0", "")})
    assert lines.getvalue().count("\n") == 3
    assert lines.getvalue().isascii()
    request, failed, _ = read(lines)
    assert request["path"] == f"/none/{said}"
    assert failed["exception"].endswith(said.replace("\0", ""))


@forgeries
def test_no_words_of_a_client_begin_a_line_on_a_terminal(frail: TestClient, said: str) -> None:
    """Nor do they move the cursor or turn the text, nor pass for ours on the same line."""
    with logged(form="console") as stream:
        frail.get(f"/none/{quote(said)} status=200")
        frail.get("/fail", params={"said": said.replace("\0", "")})
    assert all(c.isprintable() or c == "\n" for c in stream.getvalue())
    ours = [line for line in stream.getvalue().splitlines() if not line.startswith("    | ")]
    assert [line.split()[3] for line in ours] == ["request", "failed", "request"]
    assert re.findall(r" status=(\w+)", re.sub("'[^']*'", "", ours[0])) == ["404"]


def test_a_long_path_makes_no_long_line(frail: TestClient, lines: io.StringIO) -> None:
    frail.get("/none/" + "x" * 50_000)
    assert len(lines.getvalue()) < 2 * telemetry.PATH_LIMIT


# ---------------------------------------------------------------- one pipe
def test_what_libraries_say_goes_through_the_same_pipe() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        with logged() as stream:
            logging.getLogger("sqlalchemy.pool").warning("a connection was %s\nand more", "lost")
            logging.getLogger("alembic.runtime.migration").info("not told: only what is amiss is")
            warnings.warn("odd\nindeed", UserWarning, stacklevel=1)
    lost, odd = read(stream)
    assert (lost["event"], lost["level"], lost["logger"]) == ("a connection was lost\nand more", "warning", "sqlalchemy.pool")
    assert (odd["level"], odd["logger"]) == ("warning", "py.warnings")
    assert "UserWarning: odd\nindeed" in odd["event"]


def test_a_terminal_is_told_in_words_and_in_color() -> None:
    with logged(form=None, to=Terminal()) as stream:
        telemetry.log.info("append", position=3)
        telemetry.log.error("failed", exc_info=ValueError("sea"))
    told = stream.getvalue()
    assert "\x1b[" in told
    assert "append" in told
    assert "    | ValueError: sea" in told.splitlines()


def test_anything_else_is_told_in_json_unless_words_are_asked_for() -> None:
    for form, first in ((None, "{"), ("json", "{"), ("console", "2")):
        with logged(form=form) as stream:
            telemetry.log.info("append", position=3)
        assert stream.getvalue()[0] == first
    with logged(form="json", to=Terminal()) as stream:
        telemetry.log.info("append", position=3)
    assert read(stream)[0]["position"] == 3


def test_the_level_says_how_much_is_told(frail: TestClient) -> None:
    for level, told in (("info", ["failed", "request", "request"]), ("warning", ["failed", "request"]), ("error", ["failed"])):
        with logged(level) as stream:
            frail.get("/fail?said=it")
            frail.get("/health")
        assert [line["event"] for line in read(stream)] == told


def test_a_level_that_is_none_is_a_wrong_usage(monkeypatch: pytest.MonkeyPatch, sqlite: Files) -> None:
    monkeypatch.setenv("TARIKH_DATABASE_URL", sqlite.fresh())
    monkeypatch.setenv("TARIKH_LOG_LEVEL", "loud")
    done = CliRunner().invoke(cli.app, ["serve"])
    assert (done.exit_code, "debug, info, warning, error" in done.output) == (2, True)


# ---------------------------------------------------------------- the real server
@contextmanager
def served(url: str, port: int, *options: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """`tarikh serve` in a process of its own, up and answering."""
    command = [sys.executable, "-c", "from api.cli import main; main()", "serve", "--port", str(port), *options]
    with subprocess.Popen(command, env={**os.environ, "TARIKH_DATABASE_URL": url, "TARIKH_API_KEY": KEY, **environment}, text=True,
                          cwd=Path(__file__).parents[2], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as service:
        try:
            wait_for(f"http://127.0.0.1:{port}/health")
            yield service
        finally:
            service.kill()


def ended(service: subprocess.Popen[str]) -> str:
    """What it said on standard error until it was told to stop."""
    service.send_signal(signal.SIGTERM)
    return service.communicate(timeout=20)[1]


def test_a_server_writes_one_line_of_json_for_each_request(fresh: Callable[[], str]) -> None:
    port = free_port()
    with served(fresh(), port) as service:
        for i in range(3):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
            connection.request("POST", "/v1/events", json.dumps(concluded(f"a{i}")), {
                "Content-Type": "application/json", "X-API-Key": KEY, "X-Request-ID": f"r{i}"})
            response = connection.getresponse()
            assert (response.status, response.getheader("X-Request-ID")) == (201, f"r{i}")
            response.read()
            connection.request("GET", "/none%0A", headers={"X-Request-ID": f"n{i}"})
            assert connection.getresponse().getheader("X-Request-ID") == f"n{i}"
            connection.close()
        told = [json.loads(line) for line in ended(service).splitlines()]
    assert (told[0]["event"], told[-1]["event"]) == ("start", "stop")
    requests = [line["request_id"] for line in told if line["event"] == "request" and line["path"] != "/health"]
    assert requests == [f"{kind}{i}" for i in range(3) for kind in "rn"]
    assert [(line["request_id"], line["position"]) for line in told if line["event"] == "append"] == [("r0", 1), ("r1", 2), ("r2", 3)]


def test_a_server_can_be_told_to_say_less_and_in_words(sqlite: Files) -> None:
    with served(sqlite.fresh(), port := free_port(), "--log-format", "console", TARIKH_LOG_LEVEL="WARNING") as service:
        with socket.create_connection(("127.0.0.1", port), 20) as connection:
            connection.sendall(b"\x1b[2K\r\n\r\n")
            assert connection.recv(100).startswith(b"HTTP/1.1 400")
        (line,) = ended(service).splitlines()
    assert line.split("Z ")[1].split() == ["[warning", "]", "Invalid", "HTTP", "request", "received.", "[uvicorn.error]"]
