"""What keeps the service running: /health, /ready, /metrics, and the catalogue for programs."""

from __future__ import annotations

import signal
import socket
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event, Semaphore
from typing import Any

import pytest
import sqlalchemy as sa
from eventsourcing.persistence import Tracking
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families
from typer.testing import CliRunner

from adapters.condition import wal_reset_bug
from adapters.database import IDLE
from adapters.log import LogTrackingRecorder, lock
from adapters.schema import REVISION, fact, mark, projection
from api import cli
from api.http import create_app
from api.wiring import CATALOGUE, Settings, Tarikh
from tests.api.ask import HERE, answer, concluded, problem, withdrew
from tests.conftest import KEY
from tests.databases import Files, path_of
from tests.postgres import Postgres

THREADS = 40  # of anyio, on which the routes run


def metrics(http: TestClient) -> dict[str, float]:
    """Every sample by its name and labels, as Prometheus writes them."""
    page = http.get("/metrics")
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/plain")
    out: dict[str, float] = {}
    for family in text_string_to_metric_families(page.text):
        assert family.documentation
        for sample in family.samples:
            labels = ",".join(f'{name}="{value}"' for name, value in sorted(sample.labels.items()))
            out[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return out


# ---------------------------------------------------------------- /health
def test_health_tells_what_runs(record: TestClient, engine: str) -> None:
    told = answer(record, "/health")
    assert (told["status"], told["database"], told["schema"]) == ("ok", engine, REVISION)
    assert {"tarikh", "python", "projection"} <= told.keys()
    if engine == "sqlite":
        assert (told["sqlite"], told["sqlite_wal_reset_bug"]) == (sqlite3.sqlite_version, wal_reset_bug(sqlite3.sqlite_version_info))
    else:
        assert int(told["server"].split(".")[0]) >= 15
        assert "sqlite_wal_reset_bug" not in told, "no concern of a server"


@pytest.mark.parametrize(("version", "damaged"), [
    ((3, 6, 23), False), ((3, 7, 0), True), ((3, 40, 1), True), ((3, 44, 5), True), ((3, 44, 6), False), ((3, 45, 0), True), ((3, 50, 6), True),
    ((3, 50, 7), False), ((3, 51, 0), True), ((3, 51, 2), True), ((3, 51, 3), False), ((3, 53, 4), False)])
def test_the_versions_of_sqlite_that_may_damage_a_log_are_known(version: tuple[int, ...], damaged: bool) -> None:
    assert wal_reset_bug(version) is damaged


def test_health_and_metrics_wait_for_nobody(sqlite: Files) -> None:
    """Even where every thread of the service waits: for a database that is stuck, say."""
    entered, leave = Semaphore(0), Event()

    def stuck() -> None:
        entered.release()
        leave.wait(20)

    core = Tarikh(Settings(database_url=sqlite.fresh(), concurrency=THREADS))
    app = create_app(core)
    app.get("/stuck")(stuck)
    with TestClient(app) as http, ThreadPoolExecutor(THREADS) as pool:
        try:
            waiting = [pool.submit(http.get, "/stuck") for _ in range(THREADS)]
            assert all(entered.acquire(timeout=20) for _ in waiting)
            assert http.get("/health").status_code == 200
            assert metrics(http)["tarikh_database_up"] == 1
        finally:
            leave.set()
        assert {request.result().status_code for request in waiting} == {200}
    core.close()


def test_a_database_that_never_answers_keeps_neither_health_nor_metrics() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        core = Tarikh(Settings(database_url=f"postgresql+psycopg://127.0.0.1:{silent.getsockname()[1]}/x", api_key=KEY))
        http = TestClient(create_app(core))
        assert answer(http, "/health")["server"] == "not connected yet"
        told = metrics(http)
        assert told["tarikh_database_up"] == 0
        assert "tarikh_log_position" not in told, "what is not known is not told"
        core.close()


# ---------------------------------------------------------------- /ready
def test_ready_tells_where_the_log_stands(client: TestClient) -> None:
    assert answer(client, "/ready") == {"status": "ready", "writes": "yes", "position": 0, "recorded_at": "1970-01-01T00:00:00.000000Z"}
    recorded = client.post("/v1/events", json=concluded()).json()
    assert answer(client, "/ready") == {"status": "ready", "writes": "yes", "position": 1, "recorded_at": recorded["recorded_at"]}


def test_a_database_without_its_tables_is_not_ready(tmp_path: Path) -> None:
    core = Tarikh(Settings(database_url=f"sqlite:///{tmp_path / 'new.sqlite'}", api_key=KEY))
    with TestClient(create_app(core)) as http:
        response = http.get("/ready")
        assert "tarikh init" in problem(response, 503)
        assert response.headers["Retry-After"]
        assert http.get("/health").status_code == 200
        for path in (HERE, f"{HERE}/offices", "/v1/events", "/v1/subjects"):
            assert "tarikh init" in problem(http.get(path), 503)
        problem(http.post("/v1/events", json=concluded(), headers={"X-API-Key": KEY}), 503)
        core.init()
        assert http.get("/ready").status_code == 200
    core.close()


READ_ONLY = {"sqlite": ("PRAGMA query_only=1", "no: attempt to write a readonly database"),
             "postgresql": ("SET default_transaction_read_only = on", "no: transactions are read-only by default")}


def test_a_database_that_cannot_be_written_to_is_ready_for_reads(core: Tarikh, client: TestClient, engine: str) -> None:
    client.post("/v1/events", json=concluded())
    facts = answer(client, f"{HERE}/agreements")["items"]
    statement, said = READ_ONLY[engine]

    def on_connect(dbapi: Any, _: Any) -> None:
        dbapi.execute(statement)
        dbapi.commit()

    core.database.engine.dispose()
    sa.event.listen(core.database.engine, "connect", on_connect)
    told = answer(client, "/ready")
    assert (told["status"], told["writes"], told["position"]) == ("ready", said, 1)
    assert answer(client, f"{HERE}/agreements")["items"] == facts != []
    assert "reads go on" in problem(client.post("/v1/events", json=withdrew()), 503)


def test_another_writer_at_work_makes_no_log_unwritable(core: Tarikh, client: TestClient) -> None:
    with core.database.transaction(write=True) as connection:
        lock(connection)
        assert answer(client, "/ready")["writes"] == "yes"
    assert client.post("/v1/events", json=concluded()).status_code == 201, "and whoever asked has let go of it"


# ---------------------------------------------------------------- facts that lag
def heal(core: Tarikh, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the service says to run."""
    monkeypatch.setenv("TARIKH_DATABASE_URL", core.settings.database_url)
    done = CliRunner().invoke(cli.app, ["rebuild"])
    assert done.exit_code == 0, done.output


def lag(http: TestClient) -> tuple[float, float]:
    told = metrics(http)
    return told["tarikh_projection_current"], told["tarikh_projection_lag"]


def test_facts_of_another_version_lag_until_they_are_rebuilt(core: Tarikh, client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    core.init()
    client.post("/v1/events", json=[concluded(), withdrew()])
    assert lag(client) == (1, 0)
    with core.database.transaction(write=True) as connection:
        connection.execute(projection.update().values(version=-1))
    assert lag(client) == (0, 2)
    assert "tarikh rebuild" in problem(client.get("/ready"), 503)
    heal(core, monkeypatch)
    assert lag(client) == (1, 0)
    assert answer(client, "/ready")["position"] == 2


def test_a_log_that_was_brought_back_without_its_facts_lags(core: Tarikh, client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    client.post("/v1/events", json=concluded())
    facts = answer(client, f"{HERE}/agreements")["items"]
    with core.database.transaction(write=True) as connection:
        connection.execute(fact.delete())
        connection.execute(mark.delete())
    assert lag(client) == (0, 1)
    assert "tarikh rebuild" in problem(client.get("/ready"), 503)
    heal(core, monkeypatch)
    assert lag(client) == (1, 0)
    assert answer(client, f"{HERE}/agreements")["items"] == facts


# ---------------------------------------------------------------- /metrics
def test_metrics_count_what_was_recorded_and_refused(client: TestClient) -> None:
    client.post("/v1/events", json=[concluded(), withdrew()])
    client.post("/v1/events", json=concluded())
    client.post("/v1/events", json=withdrew(party="CHN"))
    client.post("/v1/events", json=concluded(), headers={"Authorization": "Bearer wrong"})
    client.post("/v1/events", content=b"{", headers={"Content-Type": "application/json"})
    told = metrics(client)
    assert told["tarikh_events_recorded_total"] == 2
    assert told["tarikh_append_seconds_count"] == 1, "what was there already is no append"
    assert 0 < told["tarikh_append_seconds_sum"] < 15
    rejected = {name: value for name, value in told.items() if name.startswith("tarikh_writes_rejected_total")}
    assert rejected == {f'tarikh_writes_rejected_total{{status="{status}"}}': 1 for status in (400, 401, 409)}
    assert told["tarikh_log_position"] == 2
    assert told["tarikh_database_bytes"] > 10_000


def test_metrics_count_requests_by_method_template_and_status(client: TestClient) -> None:
    for path in (HERE, f"{HERE}/agreements", f"{HERE}/offices", "/v1/subjects/agreement:none"):
        client.get(path)
    client.head(f"{HERE}/agreements")
    told = metrics(client)
    requests = {name: value for name, value in told.items() if name.startswith("tarikh_http_requests_total")}
    family, subject = "/v1/relations/{relation}/{family}", "/v1/subjects/{subject}"
    assert requests == {
        f'tarikh_http_requests_total{{method="GET",route="{HERE.replace("IRN-USA", "{relation}")}",status="200"}}': 1,
        f'tarikh_http_requests_total{{method="GET",route="{family}",status="200"}}': 2,
        f'tarikh_http_requests_total{{method="HEAD",route="{family}",status="200"}}': 1,
        f'tarikh_http_requests_total{{method="GET",route="{subject}",status="404"}}': 1,
    }
    assert told[f'tarikh_http_request_seconds_count{{route="{family}"}}'] == 3
    assert told['tarikh_as_of_seconds_count{question="state"}'] == 1
    assert told['tarikh_as_of_seconds_count{question="facts"}'] == 3
    assert 'tarikh_as_of_seconds_count{question="subject"}' not in told, "only what was answered is timed"


def test_no_client_can_make_a_series_of_its_own(client: TestClient) -> None:
    before = set(metrics(client))
    for i in range(20):
        client.get(f"/none/{i}")
        client.get(f"/v1/subjects/agreement:a{i}")
        client.request(f"ODD{i}", "/v1/events")
    new = {name for name in set(metrics(client)) - before if name.startswith("tarikh_http_requests_total") and "/metrics" not in name}
    assert new == {'tarikh_http_requests_total{method="GET",route="unmatched",status="404"}',
                   'tarikh_http_requests_total{method="GET",route="/v1/subjects/{subject}",status="404"}',
                   'tarikh_http_requests_total{method="other",route="/v1/events",status="405"}'}


def test_metrics_tell_the_build_and_the_followers(core: Tarikh, client: TestClient) -> None:
    client.post("/v1/events", json=[concluded(), withdrew()])
    LogTrackingRecorder(core.database).insert_tracking(Tracking("webhooks", 1))
    told = metrics(client)
    assert told['tarikh_follower_position{application="webhooks"}'] == 1
    build = next(name for name in told if name.startswith("tarikh_build_info"))
    for name, value in answer(client, "/health").items():
        assert name == "status" or f'{name}="{value}"' in build


def test_metrics_answer_with_what_they_knew_when_the_database_is_gone(sqlite: Files) -> None:
    url = sqlite.fresh()
    core = Tarikh(Settings(database_url=url, api_key=KEY))
    with TestClient(create_app(core)) as http:
        http.post("/v1/events", json=concluded(), headers={"X-API-Key": KEY})
        before = metrics(http)
        assert (before["tarikh_database_up"], before["tarikh_log_position"]) == (1, 1)
        core.database.engine.dispose()
        path_of(url).write_bytes(b"no database" * 1000)
        problem(http.get("/ready"), 503)
        problem(http.get(HERE), 503)
        told = metrics(http)
        assert (told["tarikh_database_up"], told["tarikh_log_position"], told["tarikh_events_recorded_total"]) == (0, 1, 1)
        assert http.get("/health").status_code == 200
    core.close()


# ---------------------------------------------------------------- PostgreSQL
@pytest.fixture
def server() -> Iterator[Postgres]:
    """One of its own: it is to end."""
    postgres = Postgres()
    yield postgres
    postgres.stop()


def halt(server: Postgres) -> None:
    """At once, whoever is connected."""
    assert server.process is not None
    server.process.send_signal(signal.SIGINT)
    server.process.wait(20)


def test_a_replica_is_ready_for_reads_and_its_end_is_no_end_of_metrics(server: Postgres) -> None:
    core = Tarikh(Settings(database_url=server.url(), api_key=KEY))
    core.init()
    with TestClient(create_app(core), headers={"X-API-Key": KEY}) as http:
        told = answer(http, "/health")
        assert http.post("/v1/events", json=concluded()).status_code == 201
        facts = answer(http, f"{HERE}/agreements")["items"]
        assert answer(http, "/ready")["writes"] == "yes"

        with core.database.transaction(write=True) as connection:
            connection.exec_driver_sql("CREATE ROLE reader LOGIN")
            connection.exec_driver_sql("GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader")
        reader = Tarikh(Settings(database_url=server.url().replace("tarikh@", "reader@")))
        assert reader.refuses_writes() == "the role reader may not insert into the log"
        reader.close()

        halt(server)
        core.database.engine.dispose()
        (Path(server.data) / "standby.signal").touch(mode=0o644)
        server.start()
        replica = answer(http, "/ready")
        assert (replica["status"], replica["writes"], replica["position"]) == ("ready", "no: this server is a replica", 1)
        assert answer(http, f"{HERE}/agreements")["items"] == facts != []
        assert "reads go on" in problem(http.post("/v1/events", json=withdrew()), 503)
        assert metrics(http)["tarikh_log_position"] == 1

        halt(server)
        gone = metrics(http)
        assert (gone["tarikh_database_up"], gone["tarikh_log_position"]) == (0, 1)
        assert answer(http, "/health")["server"] == told["server"]
        problem(http.get("/ready"), 503)
    core.close()


# ---------------------------------------------------------------- the rest
def test_an_empty_record_answers_everything(client: TestClient) -> None:
    state = answer(client, HERE)
    assert state["basis"] == {"as_of": "2026-01-31", "known_at": "2026-01-31", "recorded_at": "1970-01-01T00:00:00.000000Z", "position": 0}
    assert state["coverage"] == state["offices"] == []
    assert answer(client, f"{HERE}/timeline")["items"] == answer(client, "/v1/subjects")["items"] == answer(client, "/v1/events")["events"] == []
    assert answer(client, f"{HERE}/diff", from_="2018-01-01", to="2019-01-01")["changed"] == []


def test_the_catalogue_has_every_family_and_type(record: TestClient) -> None:
    told = answer(record, "/v1/catalogue")
    assert {family["name"] for family in told["families"]} == set(CATALOGUE.families)
    types = {event["type"] for family in told["families"] for event in family["events"]}
    assert {name for name in CATALOGUE.topics if not name.startswith("correction.")} <= types


@pytest.mark.parametrize("path", ["/docs", "/openapi.json"])
def test_the_documentation_is_served(record: TestClient, path: str) -> None:
    assert record.get(path).status_code == 200


def test_connections_kept_for_single_selects_are_few_and_go_with_the_engine(core: Tarikh) -> None:
    with ThreadPoolExecutor(10) as pool:
        assert set(pool.map(lambda _: core.reader.last(), range(200))) == {(0, 0)}
    assert 0 < len(core.database._idle) <= IDLE
    core.database._asking.dispose()
    assert not core.database._idle
    assert core.reader.last() == (0, 0)
    core.close()
    assert not core.database._idle
