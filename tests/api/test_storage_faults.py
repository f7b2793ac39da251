"""A disk that is full, a database that may only be read, a server that is gone: writes say so, reads go on, nothing is half written."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from eventsourcing.persistence import InterfaceError
from fastapi.testclient import TestClient
from httpx2 import Response

from api.http import create_app
from api.wiring import Settings, Tarikh
from tests.api.ask import answer, concluded, items, position, problem
from tests.conftest import KEY, TODAY
from tests.databases import Files, Server, path_of
from tests.postgres import NOBODY

LARGE = [concluded(f"large{i}", summary=os.urandom(400).hex()) for i in range(300)]  # more than any page that is begun has room for


@contextmanager
def served(url: str) -> Iterator[tuple[Tarikh, TestClient]]:
    """The service on a database in which one agreement was concluded."""
    core = Tarikh(Settings(database_url=url, api_key=KEY), today=lambda: TODAY)
    try:
        with TestClient(create_app(core), headers={"Authorization": f"Bearer {KEY}"}) as http:
            yield core, http
    finally:
        core.close()


def post(http: TestClient, body: Any, key: str | None = None) -> Response:
    return http.post("/v1/events", json=body, headers={"Idempotency-Key": key} if key else {})


def assert_refused(http: TestClient, response: Response, status: int, retry_after: str | None) -> None:
    """Told as it should be, nothing recorded, and what was recorded before is there to be read."""
    assert "nothing was recorded" in problem(response, status)
    assert response.headers.get("Retry-After") == retry_after
    assert position(http) == 1
    assert [fact["subject"] for fact in items(http, "agreements", key="agreement")] == ["agreement:accord"]
    assert answer(http, "/v1/events/agreement:accord@1")["record_id"] == "concluded"


def assert_sound(core: Tarikh, http: TestClient, key: str | None = None) -> None:
    """Now that there is room the same request is recorded, and the record is whole."""
    assert post(http, LARGE, key).status_code == 201
    assert position(http) == 1 + len(LARGE)
    assert core.verify(lambda _: None).faults == []  # on SQLite, integrity_check is a part of it


# ---------------------------------------------------------------- SQLite, full
@pytest.fixture
def file(sqlite: Files) -> Iterator[tuple[Tarikh, TestClient]]:
    url = sqlite.fresh()
    with served(url) as (core, http):
        assert post(http, concluded()).status_code == 201
        yield core, http
    sqlite.drop(url)


@contextmanager
def on_every_connection(core: Tarikh, statement: str) -> Iterator[None]:
    def say(dbapi: Any, _: Any) -> None:
        dbapi.execute(statement)

    core.database.engine.dispose()
    sa.event.listen(core.database.engine, "connect", say)
    try:
        yield
    finally:
        sa.event.remove(core.database.engine, "connect", say)
        core.database.engine.dispose()


def test_a_file_that_may_not_grow_is_a_full_disk(file: tuple[Tarikh, TestClient]) -> None:
    core, http = file
    with on_every_connection(core, "PRAGMA max_page_count = 1"):  # SQLite takes the present size where that is more
        for _ in range(3):
            assert_refused(http, post(http, LARGE, "key"), 507, None)
    assert_sound(core, http, "key")


def test_a_write_that_the_system_refuses_is_a_full_disk(file: tuple[Tarikh, TestClient]) -> None:
    core, http = file
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    grown = Path(f"{path_of(core.settings.database_url)}-wal").stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (grown + 5000, limits[1]))  # in the middle of a page
    try:
        for _ in range(3):
            assert_refused(http, post(http, LARGE, "key"), 507, None)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert_sound(core, http, "key")


# ---------------------------------------------------------------- a disk that is full indeed
@pytest.fixture
def disk() -> Iterator[Path]:
    """A small disk of its own, where one can be mounted."""
    folder = Path(tempfile.mkdtemp(prefix="tarikh-disk-"))
    options = f"size=48m,mode=700,uid={NOBODY if os.geteuid() == 0 else os.geteuid()}"
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tarikh-test", folder], capture_output=True, check=False)
    if mounted.returncode != 0:
        folder.rmdir()
        pytest.skip("no disk can be mounted here: full disks are tried by SQLite's own limits, and by SQLSTATE")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)
    folder.rmdir()


def fill(disk: Path) -> Path:
    """Takes all the room that is left on the disk."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (2**16, 2**12, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                continue
    assert shutil.disk_usage(disk).free == 0
    return ballast


def test_on_a_full_disk_a_file_takes_nothing_and_is_sound_afterwards(disk: Path, sqlite: Files) -> None:
    path = shutil.copy(path_of(sqlite.fresh()), disk / "tarikh.sqlite")
    with served(f"sqlite:///{path}") as (core, http):
        assert post(http, concluded()).status_code == 201
        ballast = fill(disk)
        for _ in range(3):
            assert_refused(http, post(http, LARGE, "key"), 507, None)
        ballast.unlink()
        assert_sound(core, http, "key")


def test_on_a_full_disk_a_server_takes_nothing_and_is_sound_afterwards(disk: Path, postgresql: Server) -> None:
    admin = sa.create_engine(postgresql.postgres.url(), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql(f"CREATE TABLESPACE small LOCATION '{disk}'")
        connection.exec_driver_sql("CREATE DATABASE small TABLESPACE small")
    try:
        with served(postgresql.postgres.url("small")) as (core, http):
            core.init()
            assert post(http, concluded()).status_code == 201
            ballast = fill(disk)
            for _ in range(3):
                assert_refused(http, post(http, LARGE, "key"), 507, None)
            ballast.unlink()
            assert_sound(core, http, "key")
    finally:
        with admin.connect() as connection:
            connection.exec_driver_sql("DROP DATABASE small WITH (FORCE)")
            connection.exec_driver_sql("DROP TABLESPACE small")
        admin.dispose()


# ---------------------------------------------------------------- read-only
def test_connections_that_may_only_read(file: tuple[Tarikh, TestClient]) -> None:
    core, http = file
    with on_every_connection(core, "PRAGMA query_only = 1"):
        assert_refused(http, post(http, LARGE, "key"), 503, "60")
        assert answer(http, "/ready")["writes"].startswith("no: ")
    assert_sound(core, http, "key")


def test_a_database_that_is_set_to_read_only(postgresql: Server) -> None:
    url = postgresql.fresh()
    with served(url) as (_, http):
        assert post(http, concluded()).status_code == 201
    _admin(postgresql, f"ALTER DATABASE {sa.make_url(url).database} SET default_transaction_read_only = on")
    with served(url) as (_, http):
        assert_refused(http, post(http, LARGE, "key"), 503, "60")
        assert answer(http, "/ready")["writes"].startswith("no: ")
    _admin(postgresql, f"ALTER DATABASE {sa.make_url(url).database} RESET default_transaction_read_only")
    with served(url) as (core, http):
        assert_sound(core, http, "key")
    postgresql.drop(url)


def _admin(server: Server, *statements: str) -> None:
    engine = sa.create_engine(server.postgres.url(), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
    engine.dispose()


@pytest.fixture
def shelf(sqlite: Files) -> Iterator[Path]:
    """A file with one event, in a folder of its own that belongs to somebody without privileges."""
    folder = Path(tempfile.mkdtemp(prefix="tarikh-shelf-"))
    path = folder / "tarikh.sqlite"
    shutil.copy(path_of(sqlite.fresh()), path)
    with served(f"sqlite:///{path}") as (_, http):
        assert post(http, concluded()).status_code == 201
    if os.geteuid() == 0:
        for item in (folder, *folder.iterdir()):
            os.chown(item, NOBODY, NOBODY)
    yield path
    folder.chmod(0o700)
    shutil.rmtree(folder)


@contextmanager
def unprivileged() -> Iterator[None]:
    """As somebody whom permissions bind: root goes through them."""
    if os.geteuid() != 0:
        yield
        return
    os.setegid(NOBODY)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


def test_a_file_that_may_only_be_read(shelf: Path) -> None:
    shelf.chmod(0o444)
    with unprivileged(), served(f"sqlite:///{shelf}") as (_, http):
        assert_refused(http, post(http, LARGE, "key"), 503, "60")
        assert answer(http, "/ready")["writes"] == "no: attempt to write a readonly database"
    for item in shelf.parent.iterdir():  # SQLite gives -wal and -shm the permissions that the file had
        item.chmod(0o644)
    with unprivileged(), served(f"sqlite:///{shelf}") as (core, http):
        assert_sound(core, http, "key")


def test_a_folder_that_may_only_be_read_serves_as_long_as_somebody_has_the_file_open(shelf: Path) -> None:
    with served(f"sqlite:///{shelf}") as (_, writer):  # root, or whoever else: its -wal and -shm are there
        answer(writer, "/ready")
        for item in shelf.parent.iterdir():
            item.chmod(0o444)
        shelf.parent.chmod(0o555)
        with unprivileged(), served(f"sqlite:///{shelf}") as (_, http):
            assert_refused(http, post(http, LARGE, "key"), 503, "60")


def test_a_folder_that_may_only_be_read_is_said_where_nobody_has_the_file_open(shelf: Path) -> None:
    shelf.chmod(0o444)
    shelf.parent.chmod(0o555)
    with unprivileged(), pytest.raises(InterfaceError, match=r"TARIKH_DATABASE_URL cannot be used: .*readonly database"):
        Tarikh(Settings(database_url=f"sqlite:///{shelf}"))


# ---------------------------------------------------------------- what PostgreSQL says
@pytest.mark.parametrize(("sqlstate", "status", "retry_after", "title"), [
    ("53100", 507, None, "Disk full"),
    ("25006", 503, "60", "The database is read-only"),
    ("55P03", 503, "1", "The database is busy"),  # lock_not_available
    ("40001", 503, "1", "The database is busy"),  # serialization_failure
    ("40P01", 503, "1", "The database is busy"),  # deadlock_detected
    ("53300", 503, "1", "The database is busy"),  # too_many_connections
    ("57P01", 503, "5", "The database does not answer"),  # admin_shutdown
    ("57P03", 503, "5", "The database does not answer"),  # cannot_connect_now
    ("08006", 503, "5", "The database does not answer"),  # connection_failure
    ("58030", 503, "5", "The database does not answer"),  # io_error
])
def test_what_the_server_says_of_itself_is_told_by_its_code(
    postgresql: Server, sqlstate: str, status: int, retry_after: str | None, title: str,
) -> None:
    url = postgresql.fresh()
    with served(url) as (core, http):
        assert post(http, concluded()).status_code == 201
        with core.database.engine.begin() as connection:
            connection.exec_driver_sql("CREATE FUNCTION fault() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'disk is full, "
                                       f"read-only and locked' USING ERRCODE = '{sqlstate}'; END $$")  # the words do not matter
            connection.exec_driver_sql("CREATE TRIGGER fault BEFORE INSERT ON log FOR EACH ROW EXECUTE FUNCTION fault()")
        response = post(http, LARGE, "key")
        assert (response.status_code, response.headers.get("Retry-After"), response.json()["title"]) == (status, retry_after, title)
        assert position(http) == 1
        with core.database.engine.begin() as connection:
            connection.exec_driver_sql("DROP TRIGGER fault ON log")
        assert_sound(core, http, "key")
    postgresql.drop(url)


def test_connections_that_were_cut_are_made_anew(postgresql: Server) -> None:
    url = postgresql.fresh()
    name = sa.make_url(url).database
    with served(url) as (core, http):
        assert post(http, concluded()).status_code == 201
        _admin(postgresql, f"ALTER DATABASE {name} ALLOW_CONNECTIONS false",
               f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{name}'")
        for response in (post(http, LARGE, "key"), http.get("/v1/relations/IRN-USA/agreements"), http.get("/v1/events")):
            problem(response, 503)
            assert response.headers["Retry-After"] == "5"
        problem(http.get("/ready"), 503)
        assert http.get("/health").status_code == 200
        _admin(postgresql, f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        assert position(http) == 1
        assert_sound(core, http, "key")
    postgresql.drop(url)
