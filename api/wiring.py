"""The one place that wires adapters to the doors, and the settings that they take from the environment."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from eventsourcing.persistence import PersistenceError

from adapters import chronology
from adapters.facts import FactStore
from adapters.log import Log
from adapters.reader import LogReader
from adapters.rebuild import Verdict, rebuild, verify
from adapters.writer import Once, Outcome, Replayed, Writer, digest_of
from domain.catalogue import CATALOGUE
from domain.errors import TarikhError
from domain.event import Event
from projections.answers import Answers

__all__ = ["CATALOGUE", "Once", "Outcome", "PersistenceError", "Replayed", "Settings", "Tarikh", "Verdict", "digest_of"]

DEFAULT_URL = "sqlite:///tarikh.sqlite"


@dataclass(frozen=True)
class Settings:
    """Settings by environment variable; see `tarikh --help`."""

    database_url: str = field(default_factory=lambda: os.environ.get("TARIKH_DATABASE_URL", DEFAULT_URL))
    api_key: str | None = field(default_factory=lambda: os.environ.get("TARIKH_API_KEY") or None)
    require_version: bool = field(default_factory=lambda: os.environ.get("TARIKH_REQUIRE_VERSION", "") in ("1", "true"))
    body_limit: int = field(default_factory=lambda: int(os.environ.get("TARIKH_BODY_LIMIT", str(5 * 2**20))))


def utc_today() -> int:
    """Today in UTC, as an ordinal."""
    return datetime.now(UTC).date().toordinal()


class Tarikh:
    """The application: one database, the writer, the answers."""

    def __init__(self, settings: Settings | None = None, today: Callable[[], int] = utc_today) -> None:
        self.settings = settings or Settings()
        self.log = Log(self.settings.database_url)
        self.database = self.log.database
        self.facts = FactStore(self.database)
        self.reader = LogReader(self.database)
        self.writer = Writer(self.log)
        self.answers = Answers(CATALOGUE, self.reader, self.facts, today)

    def init(self) -> None:
        """Brings the schema to the newest revision; records nothing."""
        self.database.migrate()

    def ready(self) -> str | None:
        """What keeps the service from answering, or None."""
        try:
            current, newest = self.database.revision()
            self.reader.last()
        except Exception as error:  # whatever the driver says is the reason
            return f"the database cannot be read: {error}"
        return None if current == newest else f"the schema is at {current}, the code at {newest}: run `tarikh init`"

    def load(self, folder: Path = chronology.FOLDER, progress: Callable[[str, int, int], None] = lambda *_: None) -> tuple[int, int]:
        """Records the project's own record, a file at a time. Returns (recorded, skipped); the second load records nothing."""
        recorded = skipped = 0
        files = chronology.record_files(folder)
        batches = [(path.name, chronology.read_file(path, CATALOGUE)) for path in files]
        for i, (name, events) in enumerate(batches, 1):
            outcome = self.writer.record(events)
            recorded, skipped = recorded + outcome.recorded, skipped + outcome.skipped
            progress(name, i, len(batches))
        return recorded, skipped

    def rebuild(self, progress: Callable[[int], None]) -> int:
        return rebuild(self.database, progress=progress)

    def verify(self, progress: Callable[[int], None]) -> Verdict:
        return verify(self.database, progress=progress)

    def events_from(self, raw: Any) -> list[Event]:
        """Events from JSON values: one object, a list, or `{"events": [...]}`. Raises Invalid."""
        items: Sequence[Any] = raw["events"] if isinstance(raw, dict) and "events" in raw else raw if isinstance(raw, list) else [raw]
        return list(self._events(items))

    def _events(self, items: Sequence[Any]) -> Iterator[Event]:
        for i, item in enumerate(items):
            try:
                yield CATALOGUE.event(item)
            except TarikhError as error:
                where = "" if len(items) == 1 else f"event {i + 1} of {len(items)}: "
                raise type(error)(f"{where}{error}") from None

    def versions(self) -> dict[str, str]:
        """What runs here: for /health."""
        return {"database": self.database.engine.dialect.name, "sqlite": sqlite3.sqlite_version, "projection": str(self.facts.version)}

    def close(self) -> None:
        self.log.close()
