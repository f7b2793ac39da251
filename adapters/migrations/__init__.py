"""Alembic, and what it does here. It takes a quarter of a second to import: only who migrates imports this."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config


def config(connection: sa.Connection) -> Config:
    """What Alembic is to know: where the revisions are, and which connection to use."""
    made = Config()
    made.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    made.attributes["connection"] = connection
    return made


def upgrade(connection: sa.Connection) -> None:
    """Brings the schema of any connection to the newest revision; the caller commits."""
    command.upgrade(config(connection), "head")
