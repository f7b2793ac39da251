"""New databases of both engines, as a deployment has them: durable, prepared by `tarikh init`, used by the application's role."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import make_url

from adapters.roles import DEFAULT
from api.wiring import Settings, Tarikh
from tests.databases import ENGINES, Files, Server
from tests.postgres import Postgres

__all__ = ["ENGINES", "Databases", "databases", "owned"]


class Databases:
    """Makes new databases of one engine; `server` is there on PostgreSQL alone. `folder` is for whatever else is needed."""

    def __init__(self, engine: str, made: Files | Server, folder: Path) -> None:
        self.engine, self.folder, self._made = engine, folder, made

    @property
    def server(self) -> Postgres | None:
        return self._made.postgres if isinstance(self._made, Server) else None

    def fresh(self) -> str:
        """The URL of a new, empty database, as the application's role."""
        url = self._made.fresh()
        core = Tarikh(Settings(database_url=url))
        core.init()
        core.close()
        return _as(url, DEFAULT)


def owned(url: str) -> str:
    """The same database as its owner."""
    return _as(url, "tarikh")


def _as(url: str, role: str) -> str:
    made = make_url(url)
    return url if made.get_backend_name() == "sqlite" else made.set(username=role).render_as_string(hide_password=False)


@contextmanager
def databases(engine: str) -> Iterator[Databases]:
    """Databases of an engine: SQLite files, or those of a PostgreSQL server of their own with fsync on."""
    with TemporaryDirectory(prefix="tarikh-reliability-") as name:
        folder = Path(name)
        if engine == "sqlite":
            yield Databases(engine, Files(folder), folder)
            return
        server = Server(durable=True)
        try:
            yield Databases(engine, server, folder)
        finally:
            server.stop()
