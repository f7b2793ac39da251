"""The log, append-only; the facts; the operational tables."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

OPEN = 2**63 - 1
BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _column(name: str, type_: sa.types.TypeEngine[Any], nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, type_, nullable=nullable)


def _key() -> sa.Column[Any]:
    return sa.Column("id", BIG, primary_key=True, autoincrement=True)


def upgrade() -> None:
    op.create_table(
        "log",
        sa.Column("position", BIG, primary_key=True, autoincrement=False),
        _column("batch", BIG), _column("recorded_at", BIG), _column("latest_known", BIG), _column("originator_id", sa.Uuid()),
        _column("originator_version", BIG), _column("topic", sa.Text()), _column("state", sa.LargeBinary()),
        _column("hash", sa.LargeBinary()),
        sa.UniqueConstraint("originator_id", "originator_version", name="uq_log_originator"),
    )
    op.create_index("ix_log_recorded_at", "log", ["recorded_at"])
    op.create_table("tracking", sa.Column("application_name", sa.Text(), primary_key=True), _column("position", BIG))
    op.create_table(
        "snapshot",
        sa.Column("originator_id", sa.Uuid(), primary_key=True), sa.Column("originator_version", BIG, primary_key=True, autoincrement=False),
        _column("topic", sa.Text()), _column("state", sa.LargeBinary()),
    )
    op.create_table("projection", sa.Column("name", sa.Text(), primary_key=True), _column("generation", BIG),
                    _column("version", sa.Integer()))
    op.create_table(
        "idempotency", sa.Column("key", sa.Text(), primary_key=True), _column("digest", sa.Text()),
        _column("status", sa.Integer()), _column("response", sa.LargeBinary()), _column("recorded_at", BIG),
    )
    op.create_table(
        "api_key", sa.Column("id", sa.Text(), primary_key=True), _column("name", sa.Text()), _column("digest", sa.LargeBinary()),
        _column("scopes", sa.Text()), _column("created_at", BIG), _column("expires_at", BIG, True), _column("revoked_at", BIG, True),
    )
    op.create_table(
        "webhook", sa.Column("id", sa.Text(), primary_key=True), *(_column(n, sa.Text()) for n in ("url", "types", "subjects", "secrets")),
        _column("retired_at", BIG, True), _column("created_at", BIG), _column("position", BIG), _column("stopped", sa.Text(), True),
        _column("holder", sa.Text(), True), _column("held_until", BIG),
    )
    op.create_table(
        "delivery", sa.Column("webhook", sa.Text(), primary_key=True), sa.Column("position", BIG, primary_key=True, autoincrement=False),
        _column("event_id", sa.Text()), _column("subject", sa.Text()), _column("attempts", sa.Integer()), _column("next_at", BIG),
        _column("dead_at", BIG, True), _column("error", sa.Text()),
    )
    about = ("generation", BIG), ("subject", sa.Text()), ("family", sa.Text())
    box = tuple((n, sa.Integer()) for n in ("valid_from", "valid_to", "known_from", "known_to"))
    life = ("opened", BIG), ("closed", BIG)
    _table("fact", *about, ("relation", sa.Text()), ("key", sa.Text()), ("kind", sa.Text()), ("status", sa.Text()), *box, *life,
           ("vnode", None), ("knode", None), ("body", sa.LargeBinary()))
    _table("mark", *about, *box, *((n, sa.Integer()) for n in ("rank", "root_known", "root", "version")), *life)
    _table("name", *about, ("known_from", sa.Integer()), ("known_to", sa.Integer()), ("name", sa.Text()), ("folded", sa.Text()), *life)
    op.create_index("ix_fact_subject", "fact", ["generation", "subject", "closed"])
    op.create_index("ix_fact_family", "fact", ["generation", "relation", "family", "valid_from"])
    op.create_index("ix_mark_subject", "mark", ["generation", "subject", "closed"])
    op.create_index("ix_mark_valid", "mark", ["generation", "valid_from", "valid_to"])
    op.create_index("ix_name_subject", "name", ["generation", "subject", "closed"])
    if op.get_context().dialect.name == "sqlite":
        _sqlite()
    else:
        _postgresql()


def _table(name: str, *columns: tuple[str, sa.types.TypeEngine[Any] | None]) -> None:
    op.create_table(name, _key(), *(_column(n, t) if t is not None else _column(n, sa.Integer(), True) for n, t in columns))


def _sqlite() -> None:
    for part, condition in (("open", f"closed = {OPEN}"), ("closed", f"closed < {OPEN}")):
        for axis, side, other in (("vnode", "valid", "known"), ("knode", "known", "valid")):
            for end in ("from", "to"):
                op.create_index(
                    f"ix_fact_{part}_{side}_{end}", "fact",
                    ["generation", "relation", axis, f"{side}_{end}", f"{other}_from", f"{other}_to"],
                    sqlite_where=sa.text(f"{condition} AND {axis} IS NOT NULL"))
    # INSERT OR REPLACE passes the triggers on UPDATE and DELETE: the third one stops it.
    op.execute("CREATE TRIGGER log_no_update BEFORE UPDATE ON log BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END")
    op.execute("CREATE TRIGGER log_no_delete BEFORE DELETE ON log BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END")
    op.execute(
        "CREATE TRIGGER log_no_replace BEFORE INSERT ON log WHEN EXISTS (SELECT 1 FROM log WHERE position = NEW.position "
        "OR (originator_id = NEW.originator_id AND originator_version = NEW.originator_version)) "
        "BEGIN SELECT RAISE(ABORT, 'UNIQUE constraint failed: the log is append-only'); END")


def _postgresql() -> None:
    for part, condition in (("open", f"closed = {OPEN}"), ("closed", f"closed < {OPEN}")):
        op.execute(f"CREATE INDEX ix_fact_{part}_box ON fact USING gist "
                   f"(box(point(valid_from, known_from), point(valid_to - 1, known_to - 1))) WHERE {condition}")
    op.execute("CREATE FUNCTION log_append_only() RETURNS trigger LANGUAGE plpgsql AS "
               "$$ BEGIN RAISE EXCEPTION 'the log is append-only' USING ERRCODE = 'restrict_violation'; END $$")
    op.execute("CREATE TRIGGER log_no_change BEFORE UPDATE OR DELETE ON log FOR EACH ROW EXECUTE FUNCTION log_append_only()")
    op.execute("CREATE TRIGGER log_no_truncate BEFORE TRUNCATE ON log FOR EACH STATEMENT EXECUTE FUNCTION log_append_only()")
    op.execute("ALTER TABLE log ENABLE ALWAYS TRIGGER log_no_change")
    op.execute("ALTER TABLE log ENABLE ALWAYS TRIGGER log_no_truncate")
    # a role that may only insert and select may not take this lock (error 42501): the function takes it as its owner
    schema = op.get_bind().scalar(sa.text("SELECT quote_ident(current_schema())"))
    op.execute("CREATE FUNCTION log_lock() RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS "
               f"$$ BEGIN LOCK TABLE {schema}.log IN EXCLUSIVE MODE; END $$")
    op.execute("REVOKE ALL ON FUNCTION log_lock() FROM PUBLIC")


def downgrade() -> None:
    for table in ("name", "mark", "fact", "delivery", "webhook", "api_key", "idempotency", "projection", "snapshot", "tracking", "log"):
        op.drop_table(table)
    if op.get_context().dialect.name != "sqlite":
        op.execute("DROP FUNCTION log_lock(), log_append_only()")
