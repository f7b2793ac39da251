"""Alembic environment: online only, on the connection that `Database.migrate` hands over or on TARIKH_DATABASE_URL."""

from __future__ import annotations

import os
from typing import Any

import sqlalchemy as sa
from alembic import context

from adapters.schema import metadata


def _belongs(item: Any, name: str | None, kind: str, reflected: bool, compare_to: Any) -> bool:
    """An index may be of one dialect alone; box indexes are expressions, which are not compared."""
    only = getattr(item, "info", {}).get("dialect")
    return only in (None, context.get_context().dialect.name) and not (kind == "index" and (name or "").endswith("_box"))


def _run(connection: sa.Connection) -> None:
    context.configure(connection=connection, target_metadata=metadata, include_object=_belongs, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()


given = context.config.attributes.get("connection")
if given is not None:
    _run(given)
else:
    engine = sa.create_engine(os.environ.get("TARIKH_DATABASE_URL", "sqlite:///tarikh.sqlite"))
    with engine.connect() as opened:
        _run(opened)
        opened.commit()
