"""A backup is the log: what it holds, how it appears, and that what is brought back is what was recorded."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from threading import Event as Signal
from threading import Thread
from typing import Any

import pytest
import sqlalchemy as sa
from eventsourcing.persistence import PersistenceError, Tracking
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from adapters import chain
from adapters.backup import KEPT, Backup, backup, restore
from adapters.database import Database
from adapters.keys import Keys
from adapters.lists.model import Damaged
from adapters.log import LogTrackingRecorder
from adapters.rebuild import verify
from adapters.schema import REVISION, log, metadata
from api.cli import app
from api.http import create_app
from api.wiring import Settings, Tarikh
from domain.errors import BadQuestion, Refused
from tests.api.ask import concluded, withdrew
from tests.conftest import KEY, TODAY
from tests.databases import Databases, Files, path_of

URLs = Callable[[], str]
EVENTS = [concluded(f"a{i}") for i in range(5)] + [withdrew("a3")]


def tarikh(url: str) -> Tarikh:
    return Tarikh(Settings(database_url=url, api_key=KEY), today=lambda: TODAY)


@pytest.fixture
def used(fresh: URLs) -> Iterator[Tarikh]:
    """A database in use: events in three batches, an answered Idempotency-Key, an API key, a follower."""
    core = tarikh(fresh())
    with TestClient(create_app(core), headers={"Authorization": f"Bearer {KEY}"}) as http:
        for batch, key in ((EVENTS[:2], "first"), (EVENTS[2:5], "second"), (EVENTS[5:], "third")):
            assert http.post("/v1/events", json=batch, headers={"Idempotency-Key": key}).status_code == 201
    Keys(core.database).create("a reader", ["read"])
    LogTrackingRecorder(core.database).insert_tracking(Tracking("follower", 4))
    yield core
    core.close()


@pytest.fixture
def file(used: Tarikh, tmp_path: Path) -> Path:
    """A backup of it."""
    path = tmp_path / "copy.sqlite"
    made = backup(used.database, path)
    assert made.faults == []
    return path


@pytest.fixture
def elsewhere(databases: Databases) -> Iterator[Callable[..., Tarikh]]:
    """Makes applications on databases without tables, or on migrated ones."""
    made: list[Tarikh] = []

    def make(migrated: bool = True) -> Tarikh:
        made.append(tarikh(databases.fresh() if migrated else databases.bare()))
        return made[-1]

    yield make
    for core in made:
        core.close()
        databases.drop(core.settings.database_url)


def rows(core: Tarikh) -> dict[str, list[Any]]:
    """Everything that a backup must hold."""
    with core.database.transaction() as connection:
        return {table.name: list(connection.execute(sa.select(table).order_by(*table.primary_key))) for table in (log, *KEPT)}


def no_progress(stage: str, done: int) -> None:
    """Nobody looks."""


def opened(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None)


# ---------------------------------------------------------------- the file
def test_a_backup_holds_the_log_and_all_else_that_cannot_be_worked_out_again(used: Tarikh, file: Path) -> None:
    with opened(file) as held:
        counts = {name: held.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in metadata.tables}
    expected = {name: len(found) for name, found in rows(used).items()}
    assert counts == {**dict.fromkeys(("fact", "mark", "name", "cube", "projection"), 0), **expected}
    assert min(counts[name] for name in ("log", "idempotency", "api_key", "tracking")) > 0


def test_what_is_no_fact_is_kept_whichever_tables_come() -> None:
    assert {table.name for table in KEPT} == set(metadata.tables) - {"log", "fact", "mark", "name", "cube", "projection"}
    generated = [table.name for table in KEPT for column in table.primary_key if column.autoincrement is True]
    assert generated == [], "a restore must then move the sequence of this table on PostgreSQL too"


def test_a_backup_tells_its_position_its_head_and_its_sha_256(used: Tarikh, tmp_path: Path) -> None:
    with used.database.transaction() as connection:
        position, _, head = chain.head(connection)
    made = backup(used.database, tmp_path / "copy")
    assert made == Backup(position, head, hashlib.sha256((tmp_path / "copy").read_bytes()).hexdigest(), [])
    assert (position, head) == (6, rows(used)["log"][-1].hash)


def test_a_backup_is_one_sound_file_for_its_owner_alone(file: Path) -> None:
    assert os.listdir(file.parent) == [file.name]
    assert file.stat().st_mode & 0o777 == 0o600
    with opened(file) as held:
        assert held.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert held.execute("PRAGMA journal_mode").fetchone() == ("delete",)


def test_a_backup_is_a_database_of_tarikh_that_only_wants_its_facts(used: Tarikh, file: Path) -> None:
    core = tarikh(f"sqlite:///{file}")
    assert core.database.revision() == REVISION
    core.rebuild(lambda _: None)
    assert core.verify(lambda _: None).faults == []
    assert rows(core) == rows(used)
    with pytest.raises(PersistenceError, match="append-only"), core.database.transaction(write=True) as connection:
        connection.exec_driver_sql("DELETE FROM log")
    core.close()


def test_an_empty_log_can_be_backed_up_and_restored(fresh: URLs, elsewhere: Callable[..., Tarikh], tmp_path: Path) -> None:
    database = Database(fresh())
    assert backup(database, tmp_path / "copy")[:2] == (0, chain.GENESIS)
    database.close()
    core = elsewhere()
    restored, verdict = core.restore(tmp_path / "copy", no_progress)
    assert (restored.position, verdict.events, verdict.faults) == (0, 0, [])


def test_a_file_that_is_there_is_not_overwritten_unless_it_is_said(used: Tarikh, tmp_path: Path) -> None:
    path = tmp_path / "copy"
    path.write_text("something dear")
    with pytest.raises(BadQuestion, match="is there already"):
        backup(used.database, path)
    assert path.read_text() == "something dear"
    backup(used.database, path, force=True)
    assert path.read_bytes().startswith(b"SQLite format 3")
    with pytest.raises(BadQuestion, match="is there already"):
        backup(used.database, tmp_path, force=True)


def test_a_database_is_not_overwritten_by_its_own_backup(sqlite: Files, tmp_path: Path) -> None:
    url, link = sqlite.fresh(), tmp_path / "link"
    database = Database(url)
    link.symlink_to(path_of(url))
    for path in (path_of(url), link):
        with pytest.raises(BadQuestion, match="the database itself"):
            backup(database, path, force=True)
    database.close()


def test_a_backup_that_fails_leaves_nothing_and_the_file_of_before(used: Tarikh, tmp_path: Path) -> None:
    path = tmp_path / "copy"
    path.write_text("the backup of yesterday")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64 * 1024, before[1]))  # as a disk that fills up
    try:
        with pytest.raises(PersistenceError, match=r"disk I/O error|full"):
            backup(used.database, path, force=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [p.name for p in tmp_path.iterdir() if "sqlite" not in p.name] == ["copy"]
    assert path.read_text() == "the backup of yesterday"


def test_a_backup_is_one_moment_while_others_write(used: Tarikh, elsewhere: Callable[..., Tarikh], tmp_path: Path) -> None:
    stop, written = Signal(), Signal()

    def write() -> None:
        i = 0
        while not stop.is_set():
            i += 1
            used.writer.record(used.events_from([concluded(f"w{i}-{j}") for j in range(3)]))
            written.set()

    writer = Thread(target=write)
    writer.start()
    try:
        heads: list[int] = []
        for i in range(4):
            written.clear()
            assert written.wait(20)
            made = backup(used.database, tmp_path / f"{i}")
            assert made.faults == []
            heads.append(made.position)
    finally:
        stop.set()
        writer.join()
    assert heads == sorted(set(heads))
    for i, position in enumerate(heads):
        core = elsewhere()
        restored, verdict = core.restore(tmp_path / f"{i}", no_progress)
        assert (restored.position, verdict.events, verdict.faults) == (position, position, [])
        assert position % 3 == 0  # whole batches


def test_a_log_with_faults_is_backed_up_and_they_are_told_but_it_is_not_restored(
    used: Tarikh, elsewhere: Callable[..., Tarikh], tmp_path: Path,
) -> None:
    with used.database.unguarded() as connection, connection.begin():
        connection.exec_driver_sql("DROP TRIGGER log_no_update" if used.database.sqlite else "ALTER TABLE log DISABLE TRIGGER ALL")
        connection.exec_driver_sql("UPDATE log SET recorded_at = recorded_at + 1 WHERE position = 4")
    made = backup(used.database, tmp_path / "copy")
    assert made.position == 6
    assert len(made.faults) == 1
    assert "position 4 (agreement:a3@1) is not what was recorded" in made.faults[0]
    with pytest.raises(Damaged, match=r"position 4 \(agreement:a3@1\)"):
        restore(elsewhere().database, tmp_path / "copy")


# ---------------------------------------------------------------- restore
@pytest.mark.parametrize("migrated", [True, False])
def test_what_is_restored_is_what_was_recorded(used: Tarikh, file: Path, elsewhere: Callable[..., Tarikh], migrated: bool) -> None:
    core = elsewhere(migrated)
    stages: list[str] = []
    restored, verdict = core.restore(file, lambda stage, _: stages.append(stage))
    assert rows(core) == rows(used)
    assert (restored.position, restored.before, verdict.events, verdict.faults) == (6, False, 6, [])
    assert restored.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    assert list(dict.fromkeys(stages)) == ["log", "facts", "verifying"]
    assert _told(core) == _told(used)


def _told(core: Tarikh) -> Any:
    answer = json.loads(core.answers.state(core.answers.basis("2021-01-12", "2021-01-12")))
    return answer


@pytest.mark.parametrize("target", ["sqlite", "postgresql"])
def test_a_record_moves_from_either_engine_to_either(
    used: Tarikh, file: Path, target: str, request: pytest.FixtureRequest, tmp_path: Path,
) -> None:
    databases: Databases = request.getfixturevalue(target)
    core = tarikh(databases.bare())
    core.restore(file, no_progress)
    assert rows(core) == rows(used)
    backup(core.database, tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == file.read_bytes()
    core.close()
    databases.drop(core.settings.database_url)


def test_a_restored_log_goes_on(used: Tarikh, file: Path, elsewhere: Callable[..., Tarikh]) -> None:
    core = elsewhere()
    core.restore(file, no_progress)
    with TestClient(create_app(core), headers={"Authorization": f"Bearer {KEY}"}) as http:
        again = http.post("/v1/events", json=EVENTS[5:], headers={"Idempotency-Key": "third"})
        assert (again.status_code, again.headers["Idempotency-Replayed"]) == (201, "true")
        told = http.post("/v1/events", json=withdrew("a1"), headers={"If-Match": '"1"'})
        assert (told.status_code, told.json()["ids"], told.json()["position"]) == (201, ["agreement:a1@2"], 7)
    found = rows(core)["log"]
    assert found[-1].recorded_at > found[-2].recorded_at
    assert verify(core.database).faults == []


def test_instants_go_on_even_where_the_clock_is_behind(used: Tarikh, file: Path, elsewhere: Callable[..., Tarikh]) -> None:
    core = elsewhere()
    core.restore(file, no_progress)
    core.log.recorder.clock = lambda: 0  # type: ignore[attr-defined]
    core.writer.record(core.events_from(concluded("later")))
    found = rows(core)["log"]
    assert found[-1].recorded_at == found[-2].recorded_at + 1
    assert verify(core.database).faults == []


def test_the_same_backup_again_makes_the_facts_anew_and_records_nothing(used: Tarikh, file: Path, elsewhere: Callable[..., Tarikh]) -> None:
    core = elsewhere()
    core.restore(file, no_progress)
    restored, verdict = core.restore(file, no_progress)
    assert (restored.before, verdict.faults) == (True, [])
    assert rows(core) == rows(used)


def test_a_database_that_holds_anything_else_is_left_as_it_is(file: Path, elsewhere: Callable[..., Tarikh]) -> None:
    other = elsewhere()
    other.writer.record(other.events_from(concluded("other")))
    longer = elsewhere()
    longer.restore(file, no_progress)
    longer.writer.record(longer.events_from(concluded("later")))
    for core in (other, longer):
        before = rows(core)
        with pytest.raises(Refused, match=f"holds {len(before['log'])} events"):
            restore(core.database, file)
        assert rows(core) == before
    keyed = elsewhere()
    Keys(keyed.database).create("a reader", ["read"])
    with pytest.raises(Refused, match="rows of api_key"):
        restore(keyed.database, file)


def _damage(path: Path, *statements: str) -> None:
    with opened(path) as held:
        for name in ("update", "delete", "replace"):
            held.execute(f"DROP TRIGGER log_no_{name}")
        for statement in statements:
            held.execute(statement)
    held.close()


@pytest.mark.parametrize(("statement", "named"), [
    ("UPDATE log SET state = replace(state, 'Accord', 'accord') WHERE position = 3", r"position 3 \(agreement:a2@1\)"),
    ("UPDATE log SET topic = 'agreement.extended' WHERE position = 6", r"position 6 \(agreement:a3@2\)"),
    ("UPDATE log SET latest_known = 0 WHERE position = 1", r"position 1 \(agreement:a0@1\)"),
    ("UPDATE log SET originator_id = replace(originator_id, 'a', 'b') WHERE position = 2", r"position 2 \("),
    ("UPDATE log SET originator_id = 'nonsense' WHERE position = 2", r"position 2 \("),
    ("UPDATE log SET hash = zeroblob(32) WHERE position = 5", r"position 5 \("),
    ("UPDATE log SET state = 5 WHERE position = 4", r"position 4 \("),
    ("DELETE FROM log WHERE position = 1", "position 1 is missing"),
    ("DELETE FROM log WHERE position = 3", "position 3 is missing"),
    ("UPDATE log SET position = position + 1 WHERE position = 6", "position 6 is missing"),
])
def test_a_damaged_backup_is_refused_and_the_event_is_named(
    file: Path, elsewhere: Callable[..., Tarikh], statement: str, named: str,
) -> None:
    _damage(file, statement)
    core = elsewhere()
    with pytest.raises(Damaged, match=named):
        core.restore(file, no_progress)
    assert not any(rows(core).values())


def test_a_file_that_is_torn_is_refused(file: Path, elsewhere: Callable[..., Tarikh]) -> None:
    content, core = file.read_bytes(), elsewhere()
    for cut in range(0, len(content), len(content) // 8):
        file.write_bytes(content[:cut])
        with pytest.raises(Damaged):
            core.restore(file, no_progress)
        assert not any(rows(core).values())


def test_no_damage_of_a_byte_gets_into_the_log(used: Tarikh, file: Path, elsewhere: Callable[..., Tarikh]) -> None:
    content, random, core, refused = file.read_bytes(), Random(4), elsewhere(), 0
    for at in random.sample([i for i, byte in enumerate(content) if byte], 30):  # much of a small file is empty
        file.write_bytes(content[:at] + bytes([content[at] ^ 1 << random.randrange(8)]) + content[at + 1 :])
        try:
            restore(core.database, file)
        except (Damaged, PersistenceError):
            refused += 1
            assert not any(rows(core).values())
        else:  # of no consequence: a page that is not used, or another table
            assert rows(core)["log"] == rows(used)["log"]
            core = elsewhere()
    assert refused > 5


def test_what_is_no_backup_is_said(elsewhere: Callable[..., Tarikh], tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("these are notes, " * 100)
    sqlite3.connect(tmp_path / "other.sqlite").execute("CREATE TABLE log (position)").connection.close()
    core = elsewhere()
    for name, why in (("notes.txt", "no backup"), ("other.sqlite", "no backup"), ("nowhere", "no such file"), (".", "no such file")):
        with pytest.raises(Damaged, match=why):
            restore(core.database, tmp_path / name)


def test_a_backup_of_another_schema_is_refused(file: Path, elsewhere: Callable[..., Tarikh]) -> None:
    with opened(file) as held:
        held.execute("UPDATE alembic_version SET version_num = '0000'")
    with pytest.raises(Damaged, match="its schema is at revision 0000, this code restores 0"):
        restore(elsewhere().database, file)


def test_a_backup_is_only_read(used: Tarikh, file: Path, elsewhere: Callable[..., Tarikh]) -> None:
    before = file.read_bytes()
    elsewhere().restore(file, no_progress)
    assert file.read_bytes() == before
    assert os.listdir(file.parent) == [file.name]


# ---------------------------------------------------------------- killed in the middle
KILLED = """
import os, signal, sys
from pathlib import Path
from adapters import backup
from api.wiring import Settings, Tarikh
backup.CHUNK = 100
wanted, after = sys.argv[3], int(sys.argv[4])
def progress(stage, done):
    global after
    after -= stage == wanted
    if after == 0:
        os.kill(os.getpid(), signal.SIGKILL)
Tarikh(Settings(database_url=sys.argv[1])).restore(Path(sys.argv[2]), progress)
"""


@pytest.fixture
def long(core: Tarikh, tmp_path: Path) -> Path:
    """A backup of 250 events."""
    core.writer.record(core.events_from([concluded(f"a{i}") for i in range(250)]))
    backup(core.database, tmp_path / "copy")
    return tmp_path / "copy"


@pytest.mark.parametrize(("stage", "after", "there"), [("log", 1, False), ("log", 3, False), ("facts", 1, True), ("verifying", 1, True)])
def test_a_restore_that_is_killed_leaves_nothing_or_all_and_may_be_run_again(
    core: Tarikh, long: Path, elsewhere: Callable[..., Tarikh], stage: str, after: int, there: bool,
) -> None:
    target = elsewhere()
    command = [sys.executable, "-c", KILLED, target.settings.database_url, str(long), stage, str(after)]
    assert subprocess.run(command, cwd=Path(__file__).parents[2], check=False).returncode == -9
    assert target.reader.count() == (250 if there else 0)
    restored, verdict = target.restore(long, no_progress)
    assert (restored.before, verdict.events, verdict.faults) == (there, 250, [])
    assert rows(target) == rows(core)


# ---------------------------------------------------------------- as it is typed
def test_backup_and_restore_as_they_are_typed(
    used: Tarikh, elsewhere: Callable[..., Tarikh], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:
    def run(url: str, *args: str, code: int = 0) -> Any:
        monkeypatch.setenv("TARIKH_DATABASE_URL", url)
        done = CliRunner().invoke(app, list(args))
        assert done.exit_code == code, (done.output, done.exception)
        return done

    path, url = str(tmp_path / "copy"), used.settings.database_url
    text = run(url, "backup", path).stdout
    assert f"position 6\nhead     {rows(used)['log'][-1].hash.hex()}\n" in text
    assert f"SHA-256  {hashlib.sha256(Path(path).read_bytes()).hexdigest()}\n" in text
    assert "is there already" in run(url, "backup", path, code=2).stderr
    run(url, "backup", path, "--force")
    assert "No such file" in run(url, "backup", str(tmp_path / "nowhere" / "copy"), code=1).stderr
    new = elsewhere(migrated=False).settings.database_url
    assert "6 events of 5 subjects are restored, and verified" in run(new, "restore", path).stdout
    assert "were there already" in run(new, "restore", path).stdout
    assert "holds 6 events" in _refused(run, new, tmp_path, elsewhere)
    assert "no such file" in run(new, "restore", str(tmp_path / "nowhere"), code=5).stderr
    shutil.copy(path, tmp_path / "damaged")
    _damage(tmp_path / "damaged", "DELETE FROM log WHERE position = 2")
    empty = elsewhere().settings.database_url
    assert "position 2 is missing" in run(empty, "restore", str(tmp_path / "damaged"), code=5).stderr


def _refused(run: Callable[..., Any], url: str, folder: Path, elsewhere: Callable[..., Tarikh]) -> str:
    other = elsewhere()
    other.writer.record(other.events_from(concluded("other")))
    backup(other.database, folder / "other")
    return str(run(url, "restore", str(folder / "other"), code=4).stderr)
