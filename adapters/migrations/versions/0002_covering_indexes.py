"""The interval tree of SQLite answers which rows hold from its indexes alone: `opened` and `closed` stand in them."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

OPEN = 2**63 - 1
LIVES = (("open", f"closed = {OPEN}", ("opened",)), ("closed", f"closed < {OPEN}", ("opened", "closed")))


def _indexed(more: bool) -> None:
    if op.get_bind().dialect.name != "sqlite":
        return
    for part, condition, life in LIVES:
        for axis, side, other in (("vnode", "valid", "known"), ("knode", "known", "valid")):
            for end in ("from", "to"):
                name = f"ix_fact_{part}_{side}_{end}"
                columns = ("generation", "relation", axis, f"{side}_{end}", f"{other}_from", f"{other}_to", *(life if more else ()))
                op.execute(f"DROP INDEX {name}")
                op.execute(f"CREATE INDEX {name} ON fact ({', '.join(columns)}) WHERE {condition} AND {axis} IS NOT NULL")


def upgrade() -> None:
    _indexed(more=True)


def downgrade() -> None:
    _indexed(more=False)
