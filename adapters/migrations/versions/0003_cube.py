"""The cube of the series that count. It is empty until `tarikh rebuild`, which facts of an older projection version ask for."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    big = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "cube", *(sa.Column(name, kind, primary_key=True, autoincrement=False) for name, kind in (
            ("generation", big), ("relation", sa.Text()), ("series", sa.Text()), ("known", sa.Integer()), ("item", sa.Text()),
            ("valid", sa.Integer()))),
        sa.Column("difference", big, nullable=False), sqlite_with_rowid=False)


def downgrade() -> None:
    op.drop_table("cube")
