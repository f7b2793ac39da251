"""The one place that wires adapters to the doors, and the settings that they take from the environment."""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from eventsourcing.persistence import PersistenceError
from sqlalchemy.exc import SQLAlchemyError

from adapters import chronology, orders, series
from adapters.checkpoint import Checkpoint, Signer, Verifier, make_key, take
from adapters.facts import VERSION, FactStore, ensure_pointer, written_version
from adapters.lists.containers import Unreachable
from adapters.lists.importer import Summary
from adapters.lists.model import Damaged
from adapters.lists.run import LISTS, import_list
from adapters.log import Log
from adapters.reader import LogReader
from adapters.rebuild import Verdict, rebuild, verify
from adapters.series import Columns
from adapters.writer import Once, Outcome, Replayed, Writer, digest_of
from domain.catalogue import CATALOGUE
from domain.errors import BadQuestion, Invalid, TarikhError, Unavailable
from domain.event import Event
from projections.answers import Answers
from projections.basis import format_instant

__all__ = ["CATALOGUE", "LISTS", "UNUSABLE", "Columns", "Damaged", "Once", "Outcome", "PersistenceError", "Replayed", "Settings", "Summary", "Tarikh",
           "Unreachable", "Verdict", "digest_of"]

UNUSABLE = (PersistenceError, SQLAlchemyError, OSError)  # what a database or a file system may say
DEFAULT_URL = "sqlite:///tarikh.sqlite"


def _whole_number(name: str, default: int) -> int:
    text = os.environ.get(name, str(default))
    if not re.fullmatch("[0-9]{1,18}", text):
        raise BadQuestion(f"{name} is {text!r}: it must be a whole number")
    return int(text)


@dataclass(frozen=True)
class Settings:
    """Settings by environment variable; see `tarikh --help`."""

    database_url: str = field(default_factory=lambda: os.environ.get("TARIKH_DATABASE_URL", DEFAULT_URL))
    api_key: str | None = field(default_factory=lambda: os.environ.get("TARIKH_API_KEY") or None)
    require_version: bool = field(default_factory=lambda: os.environ.get("TARIKH_REQUIRE_VERSION", "") in ("1", "true"))
    signing_key: str | None = field(default_factory=lambda: os.environ.get("TARIKH_SIGNING_KEY") or None)
    body_limit: int = field(default_factory=lambda: _whole_number("TARIKH_BODY_LIMIT", 5 * 2**20))


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
        with self.database.transaction(write=True) as connection:
            ensure_pointer(connection)
        if self.signing_key is not None:
            make_key(self.signing_key)

    def ready(self) -> str | None:
        """What keeps the service from answering, or None."""
        try:
            current, newest = self.database.revision()
            if current is None:
                return "the database has no tables yet: run `tarikh init`"
            if current != newest:
                return f"the schema is at {current}, the code at {newest}: run `tarikh init`"
            with self.database.transaction() as connection:
                written = written_version(connection)
            if written != VERSION:
                return f"the facts are of projection version {written}, the code is at {VERSION}: run `tarikh rebuild`"
        except Exception as error:  # whatever the driver says is the reason
            return f"the database cannot be read: {error}"
        return None

    def load(self, folder: Path = chronology.FOLDER, progress: Callable[[str, int, int], None] = lambda *_: None) -> tuple[int, int]:
        """Records the project's own record, a file at a time. Returns (recorded, skipped); the second load records nothing."""
        recorded = skipped = 0
        files = chronology.record_files(folder)
        if not files:
            raise BadQuestion(f"{folder} holds no record files (*.toml)")
        batches = [(path.name, chronology.read_file(path, CATALOGUE)) for path in files]
        for i, (name, events) in enumerate(batches, 1):
            outcome = self.writer.record(events)
            recorded, skipped = recorded + outcome.recorded, skipped + outcome.skipped
            progress(name, i, len(batches))
        return recorded, skipped

    @property
    def signing_key(self) -> Path | None:
        """The file of the key that signs checkpoints: TARIKH_SIGNING_KEY, or one beside an SQLite file."""
        if self.settings.signing_key:
            return Path(self.settings.signing_key)
        file = self.database.engine.url.database if self.database.sqlite else None
        return Path(f"{file}.signing-key.pem") if file else None

    @cached_property
    def signer(self) -> Signer:
        """Signs checkpoints. Raises Unavailable where no key was made, BadQuestion where it cannot be read."""
        path = self.signing_key
        if path is None or not path.exists():
            raise Unavailable("there is no key that signs checkpoints: set TARIKH_SIGNING_KEY to a file and run `tarikh init`, which makes it")
        return Signer.of_file(path)

    def checkpoint(self, position: int | None = None) -> dict[str, Any]:
        """The signed head of the log, or its head as it was at a position. Raises NotFound, and what `signer` raises."""
        signer = self.signer
        with self.database.transaction() as connection:
            taken = take(connection, position)
        return {"log": signer.verifier.name, "position": taken.position, "recorded_at": format_instant(taken.recorded_at),
                "hash": taken.hash.hex(), "note": signer.sign(taken), "key": str(signer.verifier)}

    def kept(self, notes: Sequence[str], key: str | None) -> list[Checkpoint]:
        """Checkpoints from their texts, by this log's key or a given one. Raises Invalid where one was not signed by it."""
        verifier = Verifier.parse(key) if key else self.signer.verifier if notes else None
        return [verifier.read(note) for note in notes] if verifier else []

    def rebuild(self, progress: Callable[[int], None]) -> int:
        return rebuild(self.database, progress=progress)

    def verify(self, progress: Callable[[int], None], kept: Sequence[Checkpoint] = ()) -> Verdict:
        return verify(self.database, progress=progress, kept=kept)

    def import_list(
        self, kind: str, paths: Sequence[str], published: str | None = None, everything: bool = False, force: bool = False,
        cache: Path | None = None, progress: Callable[[str, object], None] = lambda *_: None,
    ) -> Summary:
        """Records snapshots of a sanctions list: see adapters.lists.run."""
        return import_list(self.writer, self.reader, kind, paths, published, everything, force, cache, progress)

    def import_orders(self, folder: Path) -> Summary:
        """Records executive orders that concern Iran and are not in the record yet."""
        recorded = {s.subject for s in self.facts.subjects(self.answers.basis().basis, "program")}
        found = orders.read_orders(folder)
        raw, skipped = orders.order_events(found, recorded)
        return self._import(Summary("executive orders", entries=len(found), skipped=skipped), raw)

    def import_indicator(self, path: Path, **about: Any) -> Summary:
        """Records a measured series from CSV; periods that an earlier vintage of the publisher has are revised."""
        key = f"{about['publisher']}/"
        before = [i.event.record_id for i in self.reader.stream(about["subject"]) if i.event.record_id.startswith(key)]
        parts = [rid.removeprefix(key).partition("/") for rid in before]
        recorded = {period for period, _, vintage in parts if vintage != about["vintage"]}
        raw = series.indicator_events(path.read_bytes(), recorded=recorded, **about)
        return self._import(Summary(about["subject"], entries=len(raw)), raw)

    def _import(self, summary: Summary, raw: Sequence[Any]) -> Summary:
        if raw:
            events = self.events_from(list(raw))
            outcome = self.writer.record(events)
            summary.skipped["recorded before"] += outcome.skipped
            summary.recorded["events"] += outcome.recorded
        return summary

    def events_from(self, raw: Any) -> list[Event]:
        """Events from JSON values: one object, a list, or `{"events": [...]}`. Raises Invalid, also where there is none."""
        items = raw["events"] if isinstance(raw, dict) and "events" in raw else raw if isinstance(raw, list) else [raw]
        if not isinstance(items, list):
            raise Invalid("events must be a list of events")
        if not items:
            raise Invalid("no events: send at least one")
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
