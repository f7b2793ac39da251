"""Every table and index. Alembic migrates to exactly this (`alembic check` is part of the tests).

`log` and only `log` is the record: append-only, enforced by triggers (see the migrations). The rest is disposable or operational.
"""

from __future__ import annotations

from collections.abc import Iterator

import sqlalchemy as sa

from projections.boxes import OPEN

REVISION = "0003"  # the newest of adapters/migrations: what this code needs

metadata = sa.MetaData()
_Big = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

log = sa.Table(
    "log", metadata,
    sa.Column("position", _Big, primary_key=True, autoincrement=False),
    sa.Column("batch", _Big, nullable=False),  # position of the last event of the transaction
    sa.Column("recorded_at", _Big, nullable=False),  # microseconds since 1970, one instant for a batch, strictly increasing
    sa.Column("latest_known", _Big, nullable=False),  # the latest known day of any event up to and with this batch, an ordinal
    sa.Column("originator_id", sa.Uuid(), nullable=False),
    sa.Column("originator_version", _Big, nullable=False),
    sa.Column("topic", sa.Text, nullable=False),
    sa.Column("state", sa.LargeBinary, nullable=False),
    sa.Column("hash", sa.LargeBinary, nullable=False),  # SHA-256 over this row and the hash before it: see adapters.chain
    sa.UniqueConstraint("originator_id", "originator_version", name="uq_log_originator"),
    sa.Index("ix_log_recorded_at", "recorded_at"),
)

tracking = sa.Table(
    "tracking", metadata,
    sa.Column("application_name", sa.Text, primary_key=True),
    sa.Column("position", _Big, nullable=False),
)

snapshot = sa.Table(  # of applications of the eventsourcing library that keep their events in this log: Tarikh itself takes none
    "snapshot", metadata,
    sa.Column("originator_id", sa.Uuid(), primary_key=True),
    sa.Column("originator_version", _Big, primary_key=True, autoincrement=False),
    sa.Column("topic", sa.Text, nullable=False),
    sa.Column("state", sa.LargeBinary, nullable=False),
)

projection = sa.Table(
    "projection", metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("generation", _Big, nullable=False),  # which rows of fact, mark, name and cube answer questions
    sa.Column("version", sa.Integer, nullable=False),  # of the code that wrote them
)

fact = sa.Table(
    "fact", metadata,
    sa.Column("id", _Big, primary_key=True, autoincrement=True),
    sa.Column("generation", _Big, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("family", sa.Text, nullable=False),
    sa.Column("relation", sa.Text, nullable=False),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("valid_from", sa.Integer, nullable=False),
    sa.Column("valid_to", sa.Integer, nullable=False),
    sa.Column("known_from", sa.Integer, nullable=False),
    sa.Column("known_to", sa.Integer, nullable=False),
    sa.Column("opened", _Big, nullable=False),
    sa.Column("closed", _Big, nullable=False),
    sa.Column("vnode", sa.Integer),  # exactly one of vnode and knode is set: see adapters.stab
    sa.Column("knode", sa.Integer),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Index("ix_fact_subject", "generation", "subject", "closed"),
    sa.Index("ix_fact_family", "generation", "relation", "family", "valid_from"),
)

mark = sa.Table(
    "mark", metadata,
    sa.Column("id", _Big, primary_key=True, autoincrement=True),
    sa.Column("generation", _Big, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("family", sa.Text, nullable=False),
    sa.Column("valid_from", sa.Integer, nullable=False),
    sa.Column("valid_to", sa.Integer, nullable=False),
    sa.Column("known_from", sa.Integer, nullable=False),
    sa.Column("known_to", sa.Integer, nullable=False),
    sa.Column("rank", sa.Integer, nullable=False),
    sa.Column("root_known", sa.Integer, nullable=False),
    sa.Column("root", sa.Integer, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("opened", _Big, nullable=False),
    sa.Column("closed", _Big, nullable=False),
    sa.Index("ix_mark_subject", "generation", "subject", "closed"),
    sa.Index("ix_mark_valid", "generation", "valid_from", "valid_to"),
)

name = sa.Table(
    "name", metadata,
    sa.Column("id", _Big, primary_key=True, autoincrement=True),
    sa.Column("generation", _Big, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("family", sa.Text, nullable=False),
    sa.Column("known_from", sa.Integer, nullable=False),
    sa.Column("known_to", sa.Integer, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("folded", sa.Text, nullable=False),  # case and accents folded, for q=
    sa.Column("opened", _Big, nullable=False),
    sa.Column("closed", _Big, nullable=False),
    sa.Index("ix_name_subject", "generation", "subject", "closed"),
)

cube = sa.Table(  # the corners of what series count, gathered by month: see projections.cube; of the newest position alone
    "cube", metadata,
    sa.Column("generation", _Big, primary_key=True, autoincrement=False),
    sa.Column("relation", sa.Text, primary_key=True),
    sa.Column("series", sa.Text, primary_key=True),
    sa.Column("known", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("item", sa.Text, primary_key=True),
    sa.Column("valid", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("difference", _Big, nullable=False),
    sqlite_with_rowid=False,
)

idempotency = sa.Table(
    "idempotency", metadata,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("status", sa.Integer, nullable=False),
    sa.Column("response", sa.LargeBinary, nullable=False),
    sa.Column("recorded_at", _Big, nullable=False),
)

api_key = sa.Table(
    "api_key", metadata,
    sa.Column("id", sa.Text, primary_key=True),  # the public part of the key
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("digest", sa.LargeBinary, nullable=False),  # SHA-256 of the whole key, which is 256 random bits: it is kept nowhere
    sa.Column("scopes", sa.Text, nullable=False),  # of read, record, admin, with blanks between
    sa.Column("created_at", _Big, nullable=False),  # microseconds since 1970, as all instants
    sa.Column("expires_at", _Big),
    sa.Column("revoked_at", _Big),
)

webhook = sa.Table(
    "webhook", metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("types", sa.Text, nullable=False),  # event types without version, with blanks between; none: all
    sa.Column("subjects", sa.Text, nullable=False),  # likewise
    sa.Column("secrets", sa.Text, nullable=False),  # with blanks between, the newest first: signing needs them as they are
    sa.Column("retired_at", _Big),  # when the older secret is used no more
    sa.Column("created_at", _Big, nullable=False),
    sa.Column("position", _Big, nullable=False),  # all up to here is sent, waits in `delivery`, or is not asked for
    sa.Column("stopped", sa.Text),  # why nothing is sent any more
    sa.Column("holder", sa.Text),  # the worker that sends, until
    sa.Column("held_until", _Big, nullable=False),
)

delivery = sa.Table(  # what could not be sent yet; what was sent leaves no row
    "delivery", metadata,
    sa.Column("webhook", sa.Text, primary_key=True),
    sa.Column("position", _Big, primary_key=True, autoincrement=False),
    sa.Column("event_id", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("next_at", _Big, nullable=False),  # not before; and not before earlier ones of its subject
    sa.Column("dead_at", _Big),  # given up: a dead letter
    sa.Column("error", sa.Text, nullable=False),
)


def interval_indexes() -> Iterator[tuple[str, tuple[str, ...], str]]:
    """(name, columns, condition) of the relational interval tree, for open and for closed rows: see adapters.stab."""
    for part, condition, life in (("open", f"closed = {OPEN}", ("opened",)), ("closed", f"closed < {OPEN}", ("opened", "closed"))):
        for axis, side, other in (("vnode", "valid", "known"), ("knode", "known", "valid")):
            for end in ("from", "to"):
                columns = ("generation", "relation", axis, f"{side}_{end}", f"{other}_from", f"{other}_to", *life)
                yield f"ix_fact_{part}_{side}_{end}", columns, f"{condition} AND {axis} IS NOT NULL"


# SQLite only; PostgreSQL has GiST on the box itself, an expression that Alembic cannot compare: the migration makes it.
for _name, _columns, _condition in interval_indexes():
    sa.Index(_name, *(fact.c[c] for c in _columns), sqlite_where=sa.text(_condition), info={"dialect": "sqlite"})
