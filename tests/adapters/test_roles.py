"""Who may do what to the log: the owner migrates, the application adds and reads, and nobody changes what was recorded."""

from __future__ import annotations

import hashlib
import hmac
import json
import sqlite3
from base64 import b64decode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from eventsourcing.persistence import PersistenceError, ProgrammingError
from psycopg.errors import UniqueViolation
from typer.testing import CliRunner

from adapters import roles
from adapters.database import Database, code_of
from adapters.keys import Keys
from adapters.schema import REVISION, log, metadata
from api.cli import app
from api.wiring import Settings, Tarikh
from tests.api.ask import concluded, withdrew
from tests.conftest import TODAY
from tests.databases import Files, Server, path_of

OWNER, APP = "keeper", roles.DEFAULT
EVENTS = [concluded(), withdrew(), concluded("other")]
COLUMNS = ", ".join(log.c.keys())


def tarikh(url: str, **settings: Any) -> Tarikh:
    return Tarikh(Settings(database_url=url, **settings), today=lambda: TODAY)


def acting_as(url: str, role: str) -> str:
    """The same database, entered as another role."""
    return sa.make_url(url).set(username=role).render_as_string(hide_password=False)


# ---------------------------------------------------------------- PostgreSQL
@pytest.fixture(scope="session")  # a worker may come back to this module, and roles are the server's
def admin(postgresql: Server) -> Iterator[sa.Engine]:
    """A superuser of the server, each statement a transaction of its own; and an owner who is none."""
    engine = sa.create_engine(postgresql.postgres.url(), isolation_level="AUTOCOMMIT")
    do(engine, f"CREATE ROLE {OWNER} LOGIN CREATEROLE")
    yield engine
    engine.dispose()


def do(engine: sa.Engine, *statements: str) -> None:
    with engine.connect() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def ask(engine: sa.Engine, query: str, **values: Any) -> Any:
    with engine.connect() as connection:
        return connection.execute(sa.text(query), values).scalar()


@pytest.fixture
def bare(postgresql: Server, admin: sa.Engine) -> Iterator[Callable[..., str]]:
    """Makes the owner's URL of a new database without tables, which is his."""
    made: list[str] = []

    def make(owner: str = OWNER) -> str:
        made.append(postgresql.bare())
        do(admin, f"ALTER DATABASE {sa.make_url(made[-1]).database} OWNER TO {owner}")
        return acting_as(made[-1], owner)

    yield make
    for url in made:
        postgresql.drop(url)


def set_up(url: str, **settings: Any) -> list[str]:
    core = tarikh(url, **settings)
    try:
        return core.init()
    finally:
        core.close()


@pytest.fixture(scope="module")
def standing(postgresql: Server, admin: sa.Engine) -> Iterator[str]:
    """The owner's URL of a database that was set up and holds three events: for tests that must not change it."""
    url = postgresql.bare()
    do(admin, f"ALTER DATABASE {sa.make_url(url).database} OWNER TO {OWNER}")
    set_up(acting_as(url, OWNER))
    core = tarikh(acting_as(url, APP))
    core.writer.record(core.events_from(EVENTS))
    core.close()
    yield acting_as(url, OWNER)
    postgresql.drop(url)


_GUARDS = """SELECT (SELECT jsonb_agg(to_jsonb(l) ORDER BY position) FROM public.log l)::text,
    (SELECT jsonb_agg(to_jsonb(t) ORDER BY oid) FROM pg_trigger t)::text, (SELECT jsonb_agg(to_jsonb(r) ORDER BY oid) FROM pg_rewrite r)::text,
    (SELECT jsonb_agg(to_jsonb(c) - '{relpages,reltuples,relallvisible,relallfrozen,relfrozenxid,relminmxid,relhasindex}'::text[] ORDER BY oid)
        FROM pg_class c WHERE relnamespace = 'public'::regnamespace)::text,
    (SELECT jsonb_agg(to_jsonb(p) ORDER BY oid) FROM pg_proc p WHERE pronamespace = 'public'::regnamespace)::text,
    (SELECT jsonb_agg(to_jsonb(m) ORDER BY oid) FROM pg_auth_members m)::text, (SELECT jsonb_agg(nspname ORDER BY nspname) FROM pg_namespace
        WHERE nspname !~ '^pg_')::text"""


def guards(url: str) -> tuple[Any, ...]:
    """The log, and all that guards it: triggers, rules, owners, rights, functions, memberships, schemas."""
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        found = tuple(connection.exec_driver_sql(_GUARDS).one())
    engine.dispose()
    return found


# on the rows: refused to the application for want of rights, and to everybody else by triggers that fire in the replica role too
ON_ROWS = {
    "update": ("UPDATE log SET topic = 'x'",),
    "update from": ("UPDATE log SET topic = p.name FROM projection p",),
    "update of no column's value": ("UPDATE log SET topic = topic WHERE position = 2",),
    "delete": ("DELETE FROM log",),
    "delete using": ("DELETE FROM log USING projection p WHERE log.position > p.generation",),
    "delete in a query": ("WITH gone AS (DELETE FROM log RETURNING *) SELECT count(*) FROM gone",),
    "delete in a block": ("DO $$ BEGIN EXECUTE 'DELETE FROM log'; END $$",),
    "delete under the lock": ("BEGIN; SELECT log_lock(); DELETE FROM log; COMMIT",),
    "truncate": ("TRUNCATE log",),
    "truncate with others": ("TRUNCATE tracking, log RESTART IDENTITY CASCADE",),
    "upsert": (f"INSERT INTO log SELECT {COLUMNS} FROM log ON CONFLICT (position) DO UPDATE SET topic = 'x'",),
    "upsert of a version": (f"INSERT INTO log SELECT {COLUMNS.replace('position', '77', 1)} FROM log WHERE position = 1 "
                            "ON CONFLICT (originator_id, originator_version) DO UPDATE SET topic = 'x'",),
    "merge that updates": ("MERGE INTO log USING projection p ON log.position > p.generation WHEN MATCHED THEN UPDATE SET topic = 'x'",),
    "merge that deletes": ("MERGE INTO log USING projection p ON log.position > p.generation WHEN MATCHED THEN DELETE",),
    "replica role": ("SET session_replication_role = replica", "DELETE FROM log"),
    "a taken position": (f"INSERT INTO log SELECT {COLUMNS.replace('originator_version', '9')} FROM log WHERE position = 2",),
    "a taken version": (f"INSERT INTO log SELECT {COLUMNS.replace('position', '77', 1)} FROM log WHERE position = 2",),
}
# on what guards the rows: these the owner may do, as nobody can keep him from it
ON_GUARDS = {
    "disable all triggers": ("ALTER TABLE log DISABLE TRIGGER ALL", "DELETE FROM log"),
    "disable a trigger": ("ALTER TABLE log DISABLE TRIGGER log_no_change",),
    "drop a trigger": ("DROP TRIGGER log_no_truncate ON log",),
    "trigger of one's own": ("CREATE TRIGGER mine BEFORE INSERT ON log FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()",),
    "rule": ("CREATE RULE mine AS ON INSERT TO log DO INSTEAD NOTHING",),
    "row security": ("ALTER TABLE log ENABLE ROW LEVEL SECURITY",),
    "policy": ("CREATE POLICY mine ON log USING (false)",),
    "drop the table": ("DROP TABLE log",),
    "drop the schema": ("DROP SCHEMA public CASCADE",),
    "drop all that is the owner's": (f"DROP OWNED BY {OWNER}",),
    "take all that is the owner's": (f"REASSIGN OWNED BY {OWNER} TO {APP}",),
    "drop a column": ("ALTER TABLE log DROP COLUMN hash",),
    "add a column": ("ALTER TABLE log ADD COLUMN mine text",),
    "alter a column": ("ALTER TABLE log ALTER COLUMN topic TYPE varchar(1) USING 'x'",),
    "rename": ("ALTER TABLE log RENAME TO old",),
    "inherit": ("ALTER TABLE log INHERIT fact",),
    "have it inherit": ("ALTER TABLE tracking INHERIT log",),
    "take ownership": (f"ALTER TABLE log OWNER TO {APP}",),
    "grant to oneself": (f"GRANT UPDATE, DELETE ON log TO {APP}", "UPDATE log SET topic = 'x'"),
    "become a member of the owner": (f"GRANT {OWNER} TO {APP}",),
    "become the owner": (f"SET ROLE {OWNER}",),
    "become the owner's session": (f"SET SESSION AUTHORIZATION {OWNER}",),
    "default rights": (f"ALTER DEFAULT PRIVILEGES FOR ROLE {OWNER} GRANT ALL ON TABLES TO {APP}",),
    "another trigger function": ("CREATE OR REPLACE FUNCTION log_append_only() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",),
    "another lock function": ("CREATE OR REPLACE FUNCTION log_lock() RETURNS void LANGUAGE sql AS ''",),
    "drop the lock function": ("DROP FUNCTION log_lock()",),
    "a table in the schema": ("CREATE TABLE public.mine (LIKE log)",),
    "a schema before it": ("CREATE SCHEMA mine",),
    "a schema of the role's name": (f"CREATE SCHEMA {APP}",),
    "a temporary table over it": ("CREATE TEMP TABLE log (LIKE public.log)",),
    "a temporary view over it": ("CREATE TEMP VIEW log AS SELECT 1 AS position",),
    "lock rows": ("SELECT * FROM log FOR UPDATE",),
    "lock rows a little": ("SELECT * FROM log FOR KEY SHARE",),
    "lock the table": ("BEGIN; LOCK TABLE log IN ACCESS EXCLUSIVE MODE; COMMIT",),
    "an index": ("CREATE UNIQUE INDEX mine ON log (topic)",),
    "the catalog": ("UPDATE pg_class SET relowner = current_user::regrole WHERE relname = 'log'",),
    "the catalog of triggers": ("DELETE FROM pg_trigger",),
    "the schema's revision": ("UPDATE alembic_version SET version_num = 'x'",),
    "settings of the server": ("ALTER SYSTEM SET session_replication_role = replica",),
    "a file of the server": ("SELECT pg_read_file('postgresql.conf')",),
    "a file of the machine": ("SELECT lo_import('/etc/passwd')",),
    "a program": ("COPY log TO PROGRAM 'cat'",),
    "a copy into a file": ("COPY log TO '/tmp/copy'",),
    "an extension": ("CREATE EXTENSION file_fdw",),
}
REFUSED = {"42501", "23001", "23505"}  # no right to, append-only, taken


def said(execute: Callable[[str], object], statement: str) -> str | None:
    """With which SQLSTATE a statement is refused, or in which words of SQLite; None where it is not."""
    try:
        execute(statement)
    except sa.exc.DBAPIError as error:
        return str(code_of(error))
    except sqlite3.Error as error:
        return str(error)
    return None


def attack(url: str, statements: tuple[str, ...]) -> None:
    """Each statement for itself, whatever became of those before; the last must be refused."""
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        *first, last = (said(connection.exec_driver_sql, statement) for statement in statements)
    engine.dispose()
    assert last in REFUSED
    assert set(first) <= {None, *REFUSED}


@pytest.mark.parametrize("statements", [*ON_ROWS.values(), *ON_GUARDS.values()], ids=[*ON_ROWS, *ON_GUARDS])
def test_the_application_cannot_change_the_log_nor_what_guards_it(standing: str, statements: tuple[str, ...]) -> None:
    before = guards(standing)
    attack(acting_as(standing, APP), statements)
    assert guards(standing) == before


@pytest.mark.parametrize("who", [OWNER, "tarikh"], ids=["owner", "superuser"])
@pytest.mark.parametrize("statements", ON_ROWS.values(), ids=ON_ROWS)
def test_triggers_refuse_the_owner_and_a_superuser_too(standing: str, who: str, statements: tuple[str, ...]) -> None:
    before = guards(standing)
    attack(acting_as(standing, who), statements)
    assert guards(standing) == before


@pytest.mark.parametrize("who", [OWNER, APP])
def test_a_copy_puts_no_row_in_the_place_of_another(standing: str, who: str) -> None:
    before = guards(standing)
    engine = sa.create_engine(acting_as(standing, who))
    with engine.connect() as connection:
        row = tuple(connection.execute(sa.select(log).where(log.c.position == 2)).one())
        raw: Any = connection.connection.driver_connection
        with pytest.raises(UniqueViolation), raw.cursor() as cursor, cursor.copy(f"COPY log ({COLUMNS}) FROM STDIN") as copy:
            copy.write_row((*row[:6], "forged", *row[7:]))
    engine.dispose()
    assert guards(standing) == before


def test_a_temporary_table_over_the_log_hides_it_from_nobody_else(bare: Callable[..., str], admin: sa.Engine) -> None:
    url = bare()
    set_up(url)
    do(admin, f"GRANT TEMPORARY ON DATABASE {sa.make_url(url).database} TO PUBLIC")  # as where the database is not the owner's
    attacker = sa.create_engine(acting_as(url, APP))
    core = tarikh(acting_as(url, APP))
    with attacker.connect() as connection:
        connection.exec_driver_sql("CREATE TEMP TABLE log (LIKE public.log)")
        connection.commit()
        connection.exec_driver_sql("SELECT log_lock()")
        held = connection.exec_driver_sql("SELECT relation::regclass::text FROM pg_locks WHERE mode = 'ExclusiveLock' AND locktype = 'relation'")
        assert held.scalars().all() == ["public.log"]
        connection.rollback()
        core.writer.record(core.events_from(EVENTS))
        assert connection.exec_driver_sql("SELECT count(*) FROM public.log").scalar() == 3
    assert core.reader.count() == 3
    core.close()
    attacker.dispose()


# ---------------------------------------------------------------- what init gives
def rights(url: str) -> dict[str, set[str]]:
    """What the application may do with each table."""
    engine = sa.create_engine(url)
    kinds = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER")
    told = {table: {kind for kind in kinds if ask(engine, "SELECT has_table_privilege(:app, :t, :kind)", app=APP, t=table, kind=kind)}
            for table in [*metadata.tables, "alembic_version"]}
    engine.dispose()
    return told


def test_the_application_may_insert_and_select_on_the_log_and_use_every_other_table(standing: str) -> None:
    ordinary = {table: {"SELECT", "INSERT", "UPDATE", "DELETE"} for table in metadata.tables}
    assert rights(standing) == ordinary | {"log": {"SELECT", "INSERT"}, "alembic_version": {"SELECT"}}


def test_init_may_be_run_again_and_takes_back_what_was_granted_by_hand(bare: Callable[..., str]) -> None:
    url = bare()
    set_up(url)
    before, first = guards(url), rights(url)
    set_up(url)
    assert guards(url) == before
    owner = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    do(owner, f"GRANT ALL ON log TO {APP}", f"GRANT UPDATE (topic) ON log TO {APP}", f"GRANT CREATE ON SCHEMA public TO {APP}",
       "GRANT ALL ON log TO PUBLIC")
    set_up(url)
    assert rights(url) == first
    assert not ask(owner, "SELECT has_any_column_privilege(:app, 'log', 'UPDATE')", app=APP)
    owner.dispose()


def test_everybody_else_sees_nothing(standing: str, admin: sa.Engine) -> None:
    do(admin, "CREATE ROLE stranger LOGIN")
    stranger = sa.create_engine(acting_as(standing, "stranger"), isolation_level="AUTOCOMMIT")
    for statement in ("SELECT * FROM log", "SELECT * FROM api_key", "INSERT INTO tracking VALUES ('x', 1)", "SELECT log_lock()",
                      "CREATE TABLE mine (x int)"):
        with pytest.raises(sa.exc.ProgrammingError, match="permission denied"):
            do(stranger, statement)
    stranger.dispose()
    do(admin, "DROP ROLE stranger")


def test_two_databases_of_a_server_share_the_role(bare: Callable[..., str]) -> None:
    for _ in range(2):
        url = bare()
        set_up(url)
        core = tarikh(acting_as(url, APP))
        assert core.writer.record(core.events_from(EVENTS)).recorded == 3
        core.close()


def test_a_connection_tells_whom_it_speaks_for(standing: str, sqlite: Files) -> None:
    for url, expected in ((standing, "owner"), (acting_as(standing, "tarikh"), "owner"), (acting_as(standing, APP), "application"),
                          (sqlite.fresh(), "owner")):
        database = Database(url)
        with database.transaction() as connection:
            assert roles.role(connection) == expected
        database.close()


def test_the_application_is_told_that_the_owner_must_migrate(standing: str) -> None:
    with pytest.raises(ProgrammingError, match=f"belong to {OWNER}, and this is {APP}: run `tarikh init` as {OWNER}"):
        set_up(acting_as(standing, APP))


def test_who_may_create_no_tables_is_told_so_and_nothing_is_made(bare: Callable[..., str], admin: sa.Engine) -> None:
    url = bare()
    do(admin, "CREATE ROLE guest LOGIN")
    with pytest.raises(ProgrammingError, match="guest may create no tables here: run `tarikh init` as the owner"):
        set_up(acting_as(url, "guest"))
    do(admin, "DROP ROLE guest")
    database = Database(url)
    assert database.revision() is None
    database.close()


def test_an_owner_who_may_not_make_roles_migrates_and_is_told_the_sql(bare: Callable[..., str], admin: sa.Engine) -> None:
    do(admin, "CREATE ROLE modest LOGIN")
    url = bare("modest")
    with pytest.raises(ProgrammingError) as told:
        set_up(url, app_role="modest_app")
    sql = str(told.value).rpartition(": ")[2]
    assert sql == 'CREATE ROLE "modest_app" LOGIN PASSWORD \'...\''
    database = Database(url)
    assert database.revision() == REVISION
    database.close()
    do(admin, sql)
    assert "role modest_app: adds to the log" in set_up(url, app_role="modest_app")[0]
    with pytest.raises(ProgrammingError, match='ALTER ROLE "modest_app"'):
        set_up(url, app_role="modest_app", app_password="another")
    core = tarikh(acting_as(url, "modest_app"))
    assert core.writer.record(core.events_from(EVENTS)).recorded == 3
    core.close()


@pytest.mark.parametrize(("given", "why"), [
    ("SUPERUSER", "is a superuser"), ("CREATEROLE", "may make and grant roles"), (f"IN ROLE {OWNER}", "may act as the owner of the tables"),
    ("IN ROLE pg_write_all_data", "may change the log by a right that it inherits"),
    ("IN ROLE pg_execute_server_program", "may write to the files of the server")])
def test_a_role_that_could_change_the_log_all_the_same_is_refused(bare: Callable[..., str], admin: sa.Engine, given: str, why: str) -> None:
    url = bare()
    do(admin, f"CREATE ROLE mighty LOGIN {given}")
    with pytest.raises(ProgrammingError, match=why):
        set_up(url, app_role="mighty")
    owner = sa.create_engine(url)
    assert ask(owner, "SELECT relacl FROM pg_class WHERE relname = 'log'") is None
    owner.dispose()
    do(admin, "DROP ROLE mighty")


def test_the_owner_is_not_taken_for_the_application(bare: Callable[..., str]) -> None:
    with pytest.raises(ProgrammingError, match="may act as the owner"):
        set_up(bare(), app_role=OWNER)


def test_without_a_name_no_role_is_set_up_and_that_is_said(bare: Callable[..., str]) -> None:
    url = bare()
    assert "no role for the application" in set_up(url, app_role="")[0]
    owner = sa.create_engine(url)
    assert ask(owner, "SELECT relacl FROM pg_class WHERE relname = 'log'") is None
    owner.dispose()


def test_a_name_is_a_name_whatever_is_in_it(bare: Callable[..., str], admin: sa.Engine) -> None:
    url, name = bare(), 'an "app"; DROP TABLE log; -- %s'
    set_up(url, app_role=name, app_password="'; DROP TABLE log; --")
    core = tarikh(acting_as(url, name))
    assert core.writer.record(core.events_from(EVENTS)).recorded == 3
    core.close()


# ---------------------------------------------------------------- the password
def knows(verifier: str, password: str) -> bool:
    """Whether a SCRAM-SHA-256 verifier (RFC 5803) is that of a password."""
    algorithm, cost, keys = verifier.split("$")
    iterations, salt = cost.split(":")
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), b64decode(salt), int(iterations))
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    return algorithm == "SCRAM-SHA-256" and b64decode(keys.split(":")[0]) == stored


def test_the_password_is_set_and_changed_and_never_told_to_the_server(bare: Callable[..., str], admin: sa.Engine, postgresql: Server) -> None:
    url, name = bare(), "with_password"
    do(admin, f"ALTER DATABASE {sa.make_url(url).database} SET log_statement = 'all'")

    def verifier() -> Any:
        return ask(admin, "SELECT rolpassword FROM pg_authid WHERE rolname = :name", name=name)

    assert "TARIKH_APP_PASSWORD" in set_up(url, app_role=name)[-1]
    assert verifier() is None
    for password in ("first-5XwQz", "second-8KpLm"):
        told = set_up(url, app_role=name, app_password=password)
        assert knows(verifier(), password)
        assert not any("no password" in line for line in told)
    set_up(url, app_role=name)
    assert knows(verifier(), "second-8KpLm")
    assert not knows(verifier(), "first-5XwQz")
    log = (postgresql.postgres.folder / "log").read_text()
    assert f'ALTER ROLE "{name}" PASSWORD' in log
    assert "5XwQz" not in log
    assert "8KpLm" not in log
    assert "second-8KpLm" not in repr(Settings(app_password="second-8KpLm"))


# ---------------------------------------------------------------- the application at work
def test_every_command_works_as_the_application(bare: Callable[..., str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    url = bare()
    set_up(url)
    events, copy = tmp_path / "events.json", tmp_path / "copy.sqlite"
    events.write_text(json.dumps(EVENTS))
    series = tmp_path / "series.csv"
    series.write_text("date,value\n2020-01-01,5\n2020-02-01,6\n")

    def run(*args: str) -> str:
        done = CliRunner().invoke(app, list(args))
        assert done.exit_code == 0, (args, done.output, done.exception)
        return done.stdout

    monkeypatch.setenv("TARIKH_DATABASE_URL", acting_as(url, APP))
    monkeypatch.setenv("TARIKH_SIGNING_KEY", str(tmp_path / "key.pem"))
    assert "3 recorded" in run("record", str(events))
    assert " 0 were there already" in run("load")
    run("import", "indicator", str(series), "--subject", "indicator:rate", "--name", "a rate", "--unit", "IRR", "--publisher", "A Bank",
        "--vintage", "2020", "--known", "2020-03-01")
    run("state", "--as-of", "2021-01-12")
    run("rebuild")
    assert "the log is whole" in run("verify")
    database = Database(acting_as(url, APP))
    assert Keys(database).create("a reader", ["read"])[0].allows("read")
    database.close()
    assert "SHA-256" in run("backup", str(copy))
    other = bare()
    set_up(other)
    monkeypatch.setenv("TARIKH_DATABASE_URL", acting_as(other, APP))
    assert "are restored, and verified" in run("restore", str(copy))


# ---------------------------------------------------------------- SQLite
@pytest.fixture
def guarded(sqlite: Files) -> Iterator[Tarikh]:
    """An application on a file, with three events."""
    url = sqlite.fresh()
    core = tarikh(url)
    core.writer.record(core.events_from(EVENTS))
    yield core
    core.close()
    sqlite.drop(url)


def content(core: Tarikh) -> tuple[Any, ...]:
    """The log and the schema, as another program sees them, and what else the connection has."""
    outside = sqlite3.connect(path_of(core.settings.database_url))
    rows = outside.execute(f"SELECT rowid, {COLUMNS} FROM log ORDER BY rowid").fetchall()
    schema = outside.execute("SELECT * FROM sqlite_master ORDER BY rowid").fetchall()
    outside.close()
    with core.database.engine.connect() as connection:
        return rows, schema, connection.exec_driver_sql("SELECT name FROM sqlite_temp_master UNION SELECT name FROM pragma_database_list").all()


ON_FILE_ROWS = {
    "update": ("UPDATE log SET state = x'00'",),
    "update or replace": ("UPDATE OR REPLACE log SET position = 1 WHERE position = 2",),
    "update or ignore": ("UPDATE OR IGNORE log SET recorded_at = 0",),
    "update from": ("UPDATE log SET topic = p.name FROM (SELECT 'x' AS name) p",),
    "update of the rowid": ("UPDATE log SET rowid = rowid + 100",),
    "delete": ("DELETE FROM log",),
    "delete one": ("DELETE FROM log WHERE rowid = 2",),
    "delete and return": ("DELETE FROM log RETURNING *",),
    "delete with a query": ("WITH last AS (SELECT max(position) AS p FROM log) DELETE FROM log WHERE position IN (SELECT p FROM last)",),
    "replace": (f"REPLACE INTO log SELECT {COLUMNS.replace('topic', chr(39) + 'x' + chr(39))} FROM log WHERE position = 2",),
    "replace a version": (f"INSERT OR REPLACE INTO log SELECT {COLUMNS.replace('position', '77', 1)} FROM log WHERE position = 1",),
    "replace by rowid": (f"INSERT OR REPLACE INTO log (rowid, {COLUMNS.partition(', ')[2]}) SELECT 2, {COLUMNS.partition(', ')[2]} FROM log "
                         "WHERE position = 1",),
    "replace without recursive triggers": ("PRAGMA recursive_triggers = OFF", f"REPLACE INTO log SELECT {COLUMNS} FROM log WHERE position = 2"),
    "upsert": (f"INSERT INTO log SELECT {COLUMNS} FROM log WHERE position = 1 ON CONFLICT (position) DO UPDATE SET state = x'00'",),
    "upsert of a version": (f"INSERT INTO log SELECT {COLUMNS.replace('position', '77', 1)} FROM log WHERE position = 1 "
                            "ON CONFLICT (originator_id, originator_version) DO UPDATE SET state = x'00'",),
}
ON_FILE_GUARDS = {
    "drop a trigger": ("DROP TRIGGER log_no_update", "UPDATE log SET topic = 'x'"),
    "drop the table": ("DROP TABLE log",),
    "rename": ("ALTER TABLE log RENAME TO old",),
    "rename a column": ("ALTER TABLE log RENAME COLUMN state TO old",),
    "drop a column": ("ALTER TABLE log DROP COLUMN latest_known",),
    "add a column": ("ALTER TABLE log ADD COLUMN mine",),
    "trigger of one's own": ("CREATE TRIGGER mine AFTER INSERT ON log BEGIN DELETE FROM tracking; END",),
    "temporary trigger": ("CREATE TEMP TRIGGER mine BEFORE INSERT ON main.log BEGIN SELECT RAISE(IGNORE); END",),
    "temporary table over it": ("CREATE TEMP TABLE log AS SELECT * FROM main.log WHERE false",),
    "temporary view over it": ("CREATE TEMP VIEW log AS SELECT 1",),
    "the schema's own table": ("PRAGMA writable_schema = ON", "DELETE FROM sqlite_master WHERE type = 'trigger'"),
    "the schema's sql": ("PRAGMA writable_schema = ON", "UPDATE sqlite_schema SET sql = replace(sql, 'append-only', 'x')"),
    "a forged schema": ("PRAGMA writable_schema = RESET", "INSERT INTO sqlite_master VALUES ('trigger', 'mine', 'log', 0, '')"),
    "the schema's version": ("PRAGMA schema_version = 7",),
    "no journal": ("PRAGMA journal_mode = OFF",),
    "another journal": ("PRAGMA journal_mode = MEMORY",),
    "no flush to disk": ("PRAGMA synchronous = OFF",),
    "an exclusive lock": ("PRAGMA locking_mode = EXCLUSIVE",),
    "no checks": ("PRAGMA ignore_check_constraints = ON",),
    "another file": ("ATTACH 'FOLDER/other.sqlite' AS other",),
    "the same file twice": ("ATTACH 'FILE' AS again",),
    "detach": ("DETACH main",),
    "vacuum": ("VACUUM",),
    "vacuum into a file": ("VACUUM INTO 'FOLDER/copy.sqlite'",),
    "an index": ("CREATE UNIQUE INDEX mine ON log (topic)",),
    "drop an index": ("DROP INDEX ix_log_recorded_at",),
    "reindex": ("REINDEX log",),
    "a table": ("CREATE TABLE mine AS SELECT * FROM log",),
    "a virtual table": ("CREATE VIRTUAL TABLE mine USING fts5(a)",),
    "a library": ("SELECT load_extension('mine')",),
    "delete in a savepoint": ("SAVEPOINT mine", "DELETE FROM log"),
}
FILE_REFUSED = {"not authorized", "authorization denied", "the log is append-only", "UNIQUE constraint failed: the log is append-only",
                "not authorized to use function: load_extension", "table sqlite_master may not be modified"}


@pytest.mark.parametrize("statements", [*ON_FILE_ROWS.values(), *ON_FILE_GUARDS.values()], ids=[*ON_FILE_ROWS, *ON_FILE_GUARDS])
def test_sql_of_the_application_cannot_change_the_log_of_a_file_nor_what_guards_it(
    guarded: Tarikh, tmp_path: Path, statements: tuple[str, ...],
) -> None:
    before = content(guarded)
    with guarded.database.engine.connect() as connection:
        raw: Any = connection.connection.driver_connection  # without a transaction of ours around it
        *first, last = (s.replace("FOLDER", str(tmp_path)).replace("FILE", str(path_of(guarded.settings.database_url))) for s in statements)
        assert {said(raw.execute, statement) for statement in first} <= {None, "not authorized"}
        assert said(raw.execute, last) in FILE_REFUSED
    assert content(guarded) == before
    assert list(tmp_path.iterdir()) == []
    assert guarded.writer.record(guarded.events_from(concluded("later"))).position == 4


@pytest.mark.parametrize("statements", ON_FILE_ROWS.values(), ids=ON_FILE_ROWS)
def test_triggers_in_the_file_refuse_who_opens_it_without_the_guard(guarded: Tarikh, statements: tuple[str, ...]) -> None:
    before = content(guarded)
    with guarded.database.unguarded() as connection:
        raw: Any = connection.connection.driver_connection
        *first, last = (said(raw.execute, statement) for statement in statements)
    assert set(first) <= {None}
    assert last in FILE_REFUSED - {"not authorized", "authorization denied"}
    assert content(guarded) == before


def test_what_is_refused_says_why(guarded: Tarikh) -> None:
    with pytest.raises(PersistenceError, match="append-only: this connection changes neither its rows nor the schema"), \
            guarded.database.transaction(write=True) as connection:
        connection.exec_driver_sql("DROP TABLE log")


def test_only_who_migrates_is_without_the_guard_and_only_for_as_long(guarded: Tarikh) -> None:
    with guarded.database.unguarded() as connection:
        connection.exec_driver_sql("CREATE TABLE mine (x)")
        connection.exec_driver_sql("DROP TABLE mine")
    for _ in range(3):  # whichever connection the pool gives
        with guarded.database.engine.connect() as connection, pytest.raises(sa.exc.DatabaseError, match="not authorized"):
            connection.exec_driver_sql("CREATE TABLE mine (x)")
