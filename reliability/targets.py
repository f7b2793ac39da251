"""What the fuzzer reads with, and what must hold of what was read."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import re
import tempfile
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from itertools import count, islice
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote

from fastapi.testclient import TestClient

from adapters import chronology, orders
from adapters.lists import containers
from adapters.lists import run as lists
from adapters.lists.importer import MAKERS
from adapters.lists.model import Snapshot
from adapters.series import Columns, indicator_events
from api.http import create_app
from api.wiring import CATALOGUE, Tarikh
from domain.calendar import BadDay, format_day, format_span, parse_day, parse_edtf_day
from domain.decide import judge, new_events
from domain.errors import BadQuestion, TarikhError
from domain.event import Event, Logged, parse_event_id
from domain.members import pack, unpack
from domain.snapshots import GROUPS, Content, history_of
from domain.timeline import facts_on, records
from projections.answers import decode_cursor
from projections.basis import format_instant, parse_instant
from projections.boxes import body_of
from reliability import seeds
from reliability.contract import SLICE, service
from reliability.seeds import Seeds, unbundle
from tests.conftest import KEY
from tests.databases import Files

WRITES = 50  # after which a database is checked and thrown away
Read = Callable[[bytes], object]


class Broken(AssertionError):
    """What was read does not obey what must hold of it."""


class Target(NamedTuple):
    """Something that reads. `open` gives what reads one input, in a folder of its own: it tells in a word or two what it read, raises
    one of `refuses`, or is at fault."""

    open: Callable[[Path], Read]
    seeds: Callable[[], Seeds]
    runs: int  # executions of the long form
    refuses: tuple[type[Exception], ...] = (TarikhError,)


def must(holds: object, what: str) -> None:
    """Raises Broken."""
    if not holds:
        raise Broken(what)


def whole(event: Event) -> None:
    """An event comes back from the log as it went in."""
    stored = CATALOGUE.dump(event)
    again = CATALOGUE.load(event.type, stored)
    must(again == event and again.content() == event.content(), "an event does not come back from the log as it went in")
    must(CATALOGUE.dump(again) == stored, "an event is stored otherwise the second time")
    must(parse_event_id(f"{event.subject}@1") == (event.subject, 1), "the id of an event cannot be read")
    must(event.span.lo <= event.span.hi, "it ends before it begins")


# ---------------------------------------------------------------- files of lists
def _list(name: str, published: str | None = None) -> Target:
    kind = name.partition(" ")[0]

    def open_(_: Path) -> Read:
        return lambda data: _sound(lists.read(kind, unbundle(data), published))

    return Target(open_, lambda: seeds.files_of(name), 8_000)


def _delimited(_: Path) -> Read:
    """OFAC's delimited files: beside a neighbour, whose lines are taken over, a snapshot is what it is by itself."""
    neighbours = [lists.read("ofac-sdn", unbundle(data), "2021-07-07") for data in seeds.files_of("ofac-sdn csv")[:2]]

    def read(data: bytes) -> object:
        files = unbundle(data)
        kind = "ofac-nonsdn" if data[:1] == b"n" else "ofac-sdn"
        snapshot = lists.read(kind, files, "2021-07-07")
        for neighbour in neighbours:
            beside = lists.read(kind, files, "2021-07-07", before=neighbour)
            must(dict(beside.entries) == dict(snapshot.entries), "beside its neighbour a snapshot is read as another")
        return _sound(snapshot)

    return read


def _sound(snapshot: Snapshot) -> object:
    """A snapshot names its entries once, can be packed, and what follows from it is recorded as it is or refused."""
    day = parse_day(snapshot.day)
    must(snapshot.entries, "a snapshot without entries")
    must(unpack(pack(snapshot.entries)) == frozenset(snapshot.entries), "the numbers of a snapshot do not come back from the log")
    shapes = set()
    for number, entry in snapshot.entries.items():
        must(entry.number == number and number.strip() and entry.name.strip(), "an entry without a number or a name")
        must(entry.type in ("individual", "entity", "vessel", "aircraft"), "an entry of no known type")
        for texts in (entry.programs, entry.aliases, entry.addresses, entry.identifiers, entry.countries):
            must(texts is None or list(texts) == sorted({*texts} - {""}), "a group of fields is not sorted, or has an empty text")
        shapes.add((entry.type, *(bool(getattr(entry, group)) for group in GROUPS)))
        content = Content(entry.name, entry.type, entry.programs, **{group: getattr(entry, group) for group in GROUPS})
        for wanted in history_of(MAKERS[snapshot.list], number, [(day, content)]):
            try:
                event = CATALOGUE.event(wanted.raw("designation:a", snapshot.source.model_dump(mode="json", exclude_defaults=True)))
            except TarikhError:  # a text that no event holds: the importer refuses the snapshot
                continue
            whole(event)
    return snapshot.list, len(snapshot.entries), sorted(shapes), len(snapshot.notes)


# ---------------------------------------------------------------- containers
def _container(folder: Path) -> Read:
    """Archives: snapshots in order of days, whose files have plain names. The headers of a tar get the checksums that they need."""
    packed: dict[str, Callable[[bytes], bytes]] = {"xz": lzma.compress, "gz": gzip.compress, "bz2": bz2.compress}

    def read(data: bytes) -> object:
        first, _, body = data.partition(b"\n")
        how, _, name = first.decode("utf-8", "replace").partition(" ")
        plain = re.sub(r"[^\w.-]", "", name)[:60]
        path = folder / (plain if plain.strip(".") else "file")
        path.write_bytes(packed.get(how, bytes)(_summed(body)))
        said: list[str] = []
        try:
            taken = list(containers.snapshots(str(path), say=said.append))
        finally:
            path.unlink()
        for label, files, day in taken:
            must(label and files, "a snapshot without a file")
            must(day is None or parse_day(day), "a snapshot of no day")
            must(all("/" not in file for file in files), "a file of a snapshot is named by a path")
        days = [day for *_, day in taken if day]
        must(days == sorted({*days}), "snapshots are not in order of days")
        return len(taken), len(said)

    return read


def _summed(tar: bytes) -> bytes:
    out = bytearray(tar)
    for at in range(0, len(out) - 511, 512):
        if out[at + 257 : at + 262] == b"ustar":
            out[at + 148 : at + 156] = b" " * 8
            out[at + 148 : at + 156] = b"%06o\0 " % sum(out[at : at + 512])
    return bytes(out)


# ---------------------------------------------------------------- other files
def _order(folder: Path) -> Read:
    """Executive orders: each is an event, or counted."""

    def read(data: bytes) -> object:
        (folder / "order.md").write_bytes(data)
        found = orders.read_orders(folder)
        raw, skipped = orders.order_events(found, set())
        must(len(found) == len(raw) + skipped.total(), "an order is neither taken nor counted")
        for event in raw:
            whole(CATALOGUE.event(event))
        return len(raw), [bool(value) for order in found for value in order.values()]

    return read


def _series(_: Path) -> Read:
    """A measured series: each period once, in order."""
    about: dict[str, Any] = {"subject": "indicator:a", "name": "a", "unit": "a", "publisher": "a", "publisher_name": "a", "vintage": "2026"}

    def read(data: bytes) -> object:
        first, _, body = data.partition(b"\n")
        names = first.decode("utf-8", "replace").split(" ")[:3]
        raw = indicator_events(body, **about, columns=Columns(*names), known="2025-12-31" if len(names) < 3 else None, recorded={"2019"})
        events = [CATALOGUE.event(event) for event in raw]
        must(len({event.record_id for event in events}) == len(events), "a period is there twice")
        must([e.span.lo for e in events] == sorted(e.span.lo for e in events), "periods are not in order")
        for event in events:
            whole(event)
        return len(events), sorted({event.type for event in events})

    return read


def _record(folder: Path) -> Read:
    """A file of a record, as `tarikh load` takes it."""

    def read(data: bytes) -> object:
        path = folder / "record.toml"
        path.write_bytes(data)
        events = chronology.read_file(path, CATALOGUE)
        for event in events:
            whole(event)
        return sorted({event.type for event in events})

    return read


# ---------------------------------------------------------------- events, days, cursors
def _event(folder: Path) -> Read:
    """The body of POST /v1/events: what is judged possible has facts, in JSON and with a reason, and none of them raises."""
    core = service(Files(folder).fresh())

    def read(data: bytes) -> object:
        try:
            raw = json.loads(data)
        except (ValueError, RecursionError) as error:  # as the door has it
            raise BadQuestion(f"no JSON: {error}") from None
        events = core.events_from(raw)
        for event in events:
            whole(event)
        for subject in dict.fromkeys(event.subject for event in events):
            _fold(subject, new_events([], [e for e in events if e.subject == subject]))
        return [event.type for event in events]

    return read


def _fold(subject: str, events: Iterable[Event]) -> None:
    family, new = CATALOGUE.family(subject), list(events)
    judge(family, [], new)
    said = records(family, [Logged(event, i, i, i, 0) for i, event in enumerate(new, 1)])
    known = max(event.known_day for event in new)
    for day in {day for e in new for day in (*e.span, e.until_day) if day}:
        for held in facts_on(family, said, day, known, len(new)):
            told = json.loads(body_of(subject, held))
            must(told["because"] and told["certainty"] in ("certain", "possible"), "a fact without a reason")


def _day(_: Path) -> Read:
    """A day in EDTF has two bounds in order, and what is told of them means the same days."""

    def read(data: bytes) -> object:
        text = data.decode("utf-8", "surrogateescape")
        span = parse_edtf_day(text)
        must(span.lo <= span.hi, "it ends before it begins")
        told = format_span(*span)
        must(told is not None and parse_edtf_day(told) == span, "the days are told as others")
        must(span.lo < span.hi or format_day(span.lo) == told, "a day is told as another")
        return len(text), min(span.hi - span.lo, 400)

    return read


def _cursor(_: Path) -> Read:
    """Cursors, and instants after an @: an instant is told as it was meant."""

    def read(data: bytes) -> object:
        text = data.decode("utf-8", "surrogateescape")
        if not text.startswith("@"):
            *_, offset = decode_cursor(text)
            must(0 <= offset <= 10**9, "an offset out of range")
            return "cursor"
        instant = parse_instant(text[1:])
        must(instant < 0 or parse_instant(format_instant(instant)) == instant, "an instant is told as another")
        return "instant", len(text)

    return read


# ---------------------------------------------------------------- the doors
class _Door:
    """The service on a slice of the record, asked as its server asks it; after some writes it is checked and begun anew."""

    def __init__(self, folder: Path) -> None:
        self._databases = Files(folder)
        self._begin()

    def _begin(self) -> None:
        self._writes = 0
        self.core = service(self._databases.fresh(), SLICE)
        self._client = TestClient(create_app(self.core), raise_server_exceptions=False)
        self._client.__enter__()

    def wrote(self) -> None:
        self._writes += 1
        if self._writes >= WRITES:
            _verified(self.core)
            self._client.__exit__(None, None, None)
            self.core.close()
            self._begin()

    def ask(self, method: str, target: str, headers: Mapping[str, str], body: bytes = b"") -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of the answer to a request with this very target, which no client put in order."""
        path, _, query = target.partition("?")
        given = {"host": "testserver", "authorization": f"Bearer {KEY}", "content-length": str(len(body)), **headers}
        scope = {"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "scheme": "http", "path": unquote(path),
                 "raw_path": path.encode(), "query_string": query.encode(), "root_path": "", "server": ("testserver", 80), "state": {},
                 "client": ("127.0.0.1", 1), "headers": [(name.encode(), value.encode("latin-1")) for name, value in given.items()]}
        messages = iter([{"type": "http.request", "body": body, "more_body": False}])
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            return next(messages, {"type": "http.disconnect"})

        async def send(message: Any) -> None:
            sent.append(message)

        async def asked() -> None:
            await self._client.app(scope, receive, send)

        assert self._client.portal is not None
        self._client.portal.call(asked)
        told = {name.decode("latin-1"): value.decode("latin-1") for name, value in sent[0]["headers"]}
        return sent[0]["status"], told, b"".join(message.get("body", b"") for message in sent[1:])


def _told(status: int, headers: Mapping[str, str], body: bytes) -> None:
    """An answer is what its media type says; an error is a problem document (then BadQuestion is raised) and no fault of the service."""
    must(status < 500, f"status {status}: {body[:200]!r}")
    kind = headers.get("content-type", "")
    if status >= 400:
        must(kind == "application/problem+json", f"an error of type {kind!r}")
        problem = json.loads(body)
        must(problem["status"] == status and problem["title"] and problem["detail"], "a problem document without a status or a reason")
        raise BadQuestion(f"{status} {problem['title']}: {problem['detail']}")
    if kind == "application/json":
        json.loads(body)


def _question(folder: Path) -> Read:
    """GET with any target."""
    door = _Door(folder)

    def read(data: bytes) -> object:
        target = "/" + re.sub(r"[^!-~]", "", data.decode("latin-1")).lstrip("/")  # what a server lets through
        status, headers, body = door.ask("GET", target, {})
        _told(status, headers, body)
        return status, target.partition("?")[0][:40]

    return read


def _body(folder: Path) -> Read:
    """POST with any body and headers: recorded whole, or refused and nothing recorded."""
    door, numbers = _Door(folder), count()

    def read(data: bytes) -> object:
        first, _, body = data.replace(seeds.FRESH, b"n%d" % next(numbers)).partition(b"\n")
        try:
            given = json.loads(first)
            extra = {name: str(given[name]).encode("latin-1", "replace").decode("latin-1")
                     for name in ("content-type", "if-match", "idempotency-key") if name in given}
        except (ValueError, TypeError, RecursionError):
            extra, body = {}, data
        before, _ = door.core.reader.last()
        status, headers, answer = door.ask("POST", "/v1/events", {"content-type": "application/json", **extra}, body)
        after, _ = door.core.reader.last()
        if status == 201:
            must(after == json.loads(answer)["position"] > before, "what was recorded is not there")
            door.wrote()
        else:
            must(after == before, f"what was answered with {status} recorded something")
        _told(status, headers, answer)
        return status, sorted(headers)

    return read


def _import(folder: Path) -> Read:
    """`tarikh import` of a folder with one snapshot: recorded whole, or nothing is recorded."""
    databases, cores, taken = Files(folder), list[Tarikh](), list[int]()

    def read(data: bytes) -> object:
        if len(taken) % WRITES == 0 and len(cores) <= len(taken) // WRITES:
            if cores:
                _verified(cores[-1])
                cores[-1].close()
            cores.append(service(databases.fresh()))
        first, _, body = data.partition(b"\n")
        kind, day, force = [*first.decode("utf-8", "replace").split(" "), "", ""][:3]
        if kind not in lists.LISTS:
            raise BadQuestion(f"there is no list {kind!r}")
        with suppress(BadDay, ValueError):
            day = format_day(parse_day(day) + len(taken) % WRITES)  # a day has one snapshot
        before = cores[-1].reader.last()
        with tempfile.TemporaryDirectory(dir=folder) as place:
            for i, (name, content) in enumerate(islice(unbundle(body).items(), 20)):
                Path(place, re.sub(r"[^\w.-]|^\.+$", "", name)[:60] or f"{i}.csv").write_bytes(content)
            try:
                summary = cores[-1].import_list(kind, [place], day or None, everything=True, force=bool(force))
            except TarikhError:
                must(cores[-1].reader.last() == before, "a snapshot that was refused recorded something")
                raise
        taken.append(1)
        return kind, summary.snapshots, sorted(summary.recorded)

    return read


def _verified(core: Tarikh) -> None:
    must(core.verify(lambda _: None).faults == [], "the log is not whole, or the facts are not those of the fold")


TARGETS: dict[str, Target] = {
    "ofac-sdn csv": Target(_delimited, lambda: seeds.files_of("ofac-sdn csv"), 12_000),
    **{name: _list(name, "2024-02-01" if name == "eu csv" else None) for name in seeds.LISTS if name != "ofac-sdn csv"},
    "containers": Target(_container, seeds.archives, 10_000),
    "orders": Target(_order, seeds.executive_orders, 8_000),
    "series": Target(_series, seeds.series, 8_000),
    "records": Target(_record, seeds.record_files, 3_000),
    "events": Target(_event, seeds.events, 12_000),
    "days": Target(_day, seeds.days, 12_000, (BadDay,)),
    "cursors": Target(_cursor, seeds.cursors, 6_000, (TarikhError, ValueError)),
    "questions": Target(_question, seeds.questions, 8_000),
    "bodies": Target(_body, seeds.posts, 4_000),
    "imports": Target(_import, seeds.imports, 1_500),
}
