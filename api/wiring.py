"""The one place that wires adapters to the doors, and the settings that they take from the environment."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from importlib.metadata import version as package_version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eventsourcing.persistence import PersistenceError
from sqlalchemy.exc import SQLAlchemyError

from adapters import chronology, orders, roles, series
from adapters.backup import Backup, Restored, backup, restore
from adapters.batches import Done, lines, record_batches
from adapters.checkpoint import Checkpoint, Signer, Verifier, make_key, take
from adapters.condition import Condition, condition, place, refuses_writes, unwritten, versions
from adapters.database import trouble
from adapters.exports import FORMATS, as_of_for, format_for
from adapters.fact_cache import HELD
from adapters.facts import VERSION, FactStore, ensure_pointer, written_version
from adapters.keys import ENVIRONMENT, SCOPES, Key, Keys, same, weakness
from adapters.lists.containers import Unreachable
from adapters.lists.importer import Summary
from adapters.lists.model import Damaged
from adapters.lists.run import LISTS, import_list
from adapters.log import Log, LogTrackingRecorder
from adapters.process import settle
from adapters.reader import LogReader
from adapters.rebuild import Verdict, rebuild, verify
from adapters.schema import REVISION
from adapters.series import Columns
from adapters.webhooks import SCHEDULE, Subscription, Webhooks, Worker
from adapters.writer import Once, Outcome, Replayed, Writer, digest_of
from domain.catalogue import CATALOGUE
from domain.errors import BadQuestion, Invalid, NotFound, TarikhError
from domain.event import Event
from projections.answers import Answers
from projections.basis import format_instant

if TYPE_CHECKING:
    import asyncio

    from adapters.exports.opening import Exports

__all__ = ["CATALOGUE", "FORMATS", "LISTS", "SCOPES", "UNUSABLE", "Columns", "Condition", "Damaged", "Key", "Once", "Outcome", "PersistenceError",
           "Replayed", "Settings", "Subscription", "Summary", "Tarikh",
           "Unreachable", "Verdict", "as_of_for", "digest_of", "format_for", "settle", "trouble"]

UNUSABLE = (PersistenceError, SQLAlchemyError, OSError)  # what a database or a file system may say
DEFAULT_URL = "sqlite:///tarikh.sqlite"
TARIKH = package_version("tarikh")


def _whole_number(name: str, default: int) -> int:
    text = os.environ.get(name, str(default))
    if not re.fullmatch("[0-9]{1,18}", text):
        raise BadQuestion(f"{name} is {text!r}: it must be a whole number")
    return int(text)


def _one_of(name: str, default: str, *allowed: str) -> str:
    text = os.environ.get(name) or default
    if text.lower() not in allowed:
        raise BadQuestion(f"{name} is {text!r}: it must be one of {', '.join(allowed)}")
    return text.lower()


def _seconds(name: str, default: float) -> float:
    text = os.environ.get(name, str(default))
    if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", text):
        raise BadQuestion(f"{name} is {text!r}: it must be a number of seconds, for instance 0.5")
    return float(text)


def _numbers(name: str, default: tuple[int, ...]) -> tuple[int, ...]:
    text = os.environ.get(name, "")
    if text and not re.fullmatch("[0-9]{1,9}(,[0-9]{1,9}){0,50}", text):
        raise BadQuestion(f"{name} is {text!r}: it must be whole numbers with commas between")
    return tuple(map(int, text.split(","))) if text else default


@dataclass(frozen=True)
class Settings:
    """Settings by environment variable; see `tarikh --help`."""

    database_url: str = field(default_factory=lambda: os.environ.get("TARIKH_DATABASE_URL", DEFAULT_URL))
    api_key: str | None = field(default_factory=lambda: os.environ.get("TARIKH_API_KEY") or None)
    require_version: bool = field(default_factory=lambda: os.environ.get("TARIKH_REQUIRE_VERSION", "") in ("1", "true"))
    signing_key: str | None = field(default_factory=lambda: os.environ.get("TARIKH_SIGNING_KEY") or None)
    app_role: str = field(default_factory=lambda: os.environ.get("TARIKH_APP_ROLE", roles.DEFAULT))
    app_password: str | None = field(default_factory=lambda: os.environ.get("TARIKH_APP_PASSWORD") or None, repr=False)
    body_limit: int = field(default_factory=lambda: _whole_number("TARIKH_BODY_LIMIT", 5 * 2**20))
    streams: int = field(default_factory=lambda: _whole_number("TARIKH_STREAMS", 200))
    heartbeat: int = field(default_factory=lambda: _whole_number("TARIKH_HEARTBEAT", 15))  # seconds
    webhook_private: bool = field(default_factory=lambda: os.environ.get("TARIKH_WEBHOOK_PRIVATE", "") in ("1", "true"))
    webhook_hold: int = field(default_factory=lambda: _whole_number("TARIKH_WEBHOOK_HOLD", 60))  # seconds
    webhook_retries: tuple[int, ...] = field(default_factory=lambda: _numbers("TARIKH_WEBHOOK_RETRIES", SCHEDULE))  # seconds
    batch_limit: int = field(default_factory=lambda: _whole_number("TARIKH_BATCH_LIMIT", 1000))
    reads_closed: bool = field(default_factory=lambda: _one_of("TARIKH_READS", "open", "open", "closed") == "closed")
    rate_limit: int = field(default_factory=lambda: _whole_number("TARIKH_RATE_LIMIT", 0))  # requests a second; 0: none
    rate_burst: int = field(default_factory=lambda: _whole_number("TARIKH_RATE_BURST", 0))  # 0: what comes in two seconds
    concurrency: int = field(default_factory=lambda: _whole_number("TARIKH_CONCURRENCY", 2))
    queue: int = field(default_factory=lambda: _whole_number("TARIKH_QUEUE", 32))
    queue_crowded: int = field(default_factory=lambda: _whole_number("TARIKH_QUEUE_CROWDED", 3))  # once some had to be refused
    queue_seconds: float = field(default_factory=lambda: _seconds("TARIKH_QUEUE_SECONDS", 5))
    kept_bytes: int = field(default_factory=lambda: _whole_number("TARIKH_KEPT_BYTES", 64 * 2**20))  # of answers that may be asked for again
    fact_bytes: int = field(default_factory=lambda: _whole_number("TARIKH_FACT_BYTES", HELD))  # of facts held in memory
    traced: bool = field(default_factory=lambda: any("OTEL_" in name for name in os.environ))  # OpenTelemetry is set up; FastAPI has spans for it
    log_level: str = field(default_factory=lambda: _one_of("TARIKH_LOG_LEVEL", "info", "debug", "info", "warning", "error"))


def utc_today() -> int:
    """Today in UTC, as an ordinal."""
    return datetime.now(UTC).date().toordinal()


class Tarikh:
    """The application: one database, the writer, the answers."""

    def __init__(self, settings: Settings | None = None, today: Callable[[], int] = utc_today) -> None:
        self.settings = settings or Settings()
        self.log = Log(self.settings.database_url)
        self.database = self.log.database
        self.facts = FactStore(self.database, self.settings.fact_bytes)
        self.reader = LogReader(self.database)
        self.writer = Writer(self.log)
        self.webhooks = Webhooks(self.database, CATALOGUE, self.settings.webhook_private)
        self.keys = Keys(self.database)
        self.answers = Answers(CATALOGUE, self.reader, self.facts, today)

    def init(self) -> list[str]:
        """Brings the schema to the newest revision, and on PostgreSQL sets up the application's role; records nothing.

        Returns what there is to tell. Raises PersistenceError where another role owns the tables.
        """
        roles.require_owner(self.database)
        self.database.migrate()
        with self.database.transaction(write=True) as connection:
            ensure_pointer(connection)
        if self.signing_key is not None:
            make_key(self.signing_key)
        return roles.set_up(self.database, self.settings.app_role, self.settings.app_password)

    def ready(self, facts: bool = True) -> str | None:
        """What keeps the service from answering, or None. `facts`: where they must be as this code writes them."""
        try:
            current = self.database.revision()
            if current is None:
                return "the database has no tables yet: run `tarikh init`"
            if current != REVISION:
                return f"the schema is at {current}, the code at {REVISION}: run `tarikh init`"
            with self.database.transaction() as connection:
                version, lacking = written_version(connection), unwritten(connection)
            if facts and version != VERSION:
                return f"the facts are of projection version {version}, the code is at {VERSION}: run `tarikh rebuild`"
            if facts and lacking:
                return "the log has events, and no facts are written: run `tarikh rebuild`"
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

    def key_of(self, text: str) -> Key | None:
        """The key with this text where it stands: that of TARIKH_API_KEY, or one of the database. Raises PersistenceError."""
        if self.settings.api_key is not None and same(text, self.settings.api_key):
            return ENVIRONMENT
        return self.keys.find(text)

    def has_keys(self) -> bool:
        """Whether there is any way to hold a key. Raises PersistenceError."""
        return self.settings.api_key is not None or self.keys.any()

    def check(self) -> None:
        """Raises BadQuestion where the settings are not fit to serve with."""
        if self.settings.api_key is not None and (why := weakness(self.settings.api_key)):
            raise BadQuestion(f"TARIKH_API_KEY is too weak: {why}. `openssl rand -hex 32` makes a good one")
        if not self.settings.concurrency:
            raise BadQuestion("TARIKH_CONCURRENCY is 0: nothing would ever be answered")

    @property
    def signing_key(self) -> Path | None:
        """The file of the key that signs checkpoints: TARIKH_SIGNING_KEY, or one beside an SQLite file."""
        if self.settings.signing_key:
            return Path(self.settings.signing_key)
        file = self.database.engine.url.database if self.database.sqlite else None
        return Path(f"{file}.signing-key.pem") if file else None

    @cached_property
    def signer(self) -> Signer:
        """Signs checkpoints. Raises NotFound where no key was made, BadQuestion where it cannot be read."""
        path = self.signing_key
        if path is None or not path.exists():
            raise NotFound("there is no key that signs checkpoints: set TARIKH_SIGNING_KEY to a file and run `tarikh init`, which makes it")
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

    @cached_property
    def exports(self) -> Exports:
        """The log, the facts, the state and the panel as files."""
        from adapters.exports.opening import Exports  # pyarrow takes 50 MB and a moment: not before there is something to export

        return Exports(self.reader, self.facts, self.checkpoint)

    async def publish(self, servers: Sequence[str], stream: str, replicas: int, stop: asyncio.Event) -> int:
        """Follows the log into NATS JetStream until `stop` is set. Returns how many events were acknowledged."""
        from adapters.broker import JetStream, follow  # these libraries too: only who publishes waits for them

        async with JetStream(servers, stream, replicas) as broker:
            return await follow(self.reader, LogTrackingRecorder(self.database), broker, f"nats:{stream}", stop)

    def webhook_worker(self) -> Worker:
        """A worker that sends what webhooks ask for."""
        from adapters.outbound import Sender

        return Worker(self.webhooks, self.reader, Sender(self.settings.webhook_private), self.settings.webhook_retries,
                      self.settings.webhook_hold * 10**6)

    def rebuild(self, progress: Callable[[int], None], workers: int = 1) -> int:
        return rebuild(self.database, progress=progress, workers=workers)

    def verify(self, progress: Callable[[int], None], kept: Sequence[Checkpoint] = ()) -> Verdict:
        return verify(self.database, progress=progress, kept=kept)

    def backup(self, path: Path, force: bool, progress: Callable[[str, int], None]) -> Backup:
        """Writes the record, and all else that cannot be worked out again, to a file: see adapters.backup."""
        return backup(self.database, path, force, progress)

    def restore(self, path: Path, progress: Callable[[str, int], None]) -> tuple[Restored, Verdict]:
        """Records a backup into this database, which may be without tables and must be without events; makes the facts; verifies."""
        current = self.database.revision()
        if current is None:
            self.init()
        elif current != REVISION:
            raise BadQuestion(f"the schema is at {current}, the code at {REVISION}: run `tarikh init` first")
        restored = restore(self.database, path, progress)
        rebuild(self.database, progress=lambda n: progress("facts", n))
        return restored, verify(self.database, progress=lambda n: progress("verifying", n))

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

    def record_lines(self, file: Iterable[bytes], size: int, workers: int) -> Iterator[Done]:
        """Records the events of an NDJSON file `size` at a time: see adapters.batches."""
        return record_batches(self.writer, lines(file), size, workers)

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

    def versions(self) -> dict[str, str | bool]:
        """What runs here, without asking the database."""
        return {"tarikh": TARIKH, "python": platform.python_version(), **versions(self.database),
                "schema": REVISION, "projection": str(self.facts.version)}

    def whereabouts(self) -> dict[str, str | None]:
        """Where the database is, its revision, and whether it is used as owner or application; no more than where, if it does not answer."""
        told: dict[str, str | None] = {"url": place(self.database)}
        with suppress(*UNUSABLE):
            told["revision"] = self.database.revision()
            with self.database.transaction() as connection:
                told["role"] = roles.role(connection)
        return told

    def condition(self) -> Condition:
        """How the database fares: for /metrics. Raises PersistenceError."""
        return condition(self.database)

    def refuses_writes(self) -> str | None:
        """Why nothing can be recorded here, or None. Raises PersistenceError."""
        return refuses_writes(self.database)

    def close(self) -> None:
        self.log.close()
