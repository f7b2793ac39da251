"""The log as an export: one row for each event, in log order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from adapters.exports.columns import Column, day
from adapters.reader import LogReader
from domain.calendar import parse_edtf_day
from domain.event import Amended, Logged, Retracted
from projections.basis import Basis
from projections.state import dumps

EVENTS = (
    Column("position", "integer", "place in the log, from 1", "log position", "recorded"),
    Column("batch", "integer", "position of the last event that was recorded with it", "log position", "recorded"),
    Column("recorded_at", "instant", "when this log took it in", "UTC, microseconds", "recorded"),
    Column("id", "text", "`subject@version`: what `because` names"),
    Column("subject", "text", "what it is about: `family:slug`"),
    Column("family", "text", "family of the subject, for instance agreement"),
    Column("version", "integer", "number of the event within its subject, from 1"),
    Column("type", "text", "event type and its version: docs/events.md lists them"),
    Column("record_id", "text", "id that whoever recorded it gave, unique in its subject"),
    Column("effective", "text", "from when it holds in the world; null for a retraction without a day of its own", "EDTF", "valid"),
    Column("effective_from", "day", "the earliest day that `effective` allows", "day", "valid"),
    Column("effective_to", "day", "the latest day that `effective` allows, included", "day", "valid"),
    Column("until", "day", "planned end known from the start: the first day on which it no longer holds", "day", "valid"),
    Column("order", "integer", "place within the day, where several things happened on it"),
    Column("known", "text", "when it was first public", "EDTF", "known"),
    Column("known_day", "day", "the day from which it counts as known: the latest that `known` allows", "day", "known"),
    Column("corrects", "text", "record_id of the event of the same subject that this one corrects; null for an original"),
    Column("summary", "text", "one sentence"),
    Column("confidence", "text", "high, medium or low"),
    Column("note", "text", "what is uncertain about it"),
    Column("data", "text", "what it says: docs/events.md lists the fields of each type", "JSON object"),
    Column("sources", "text", "where it can be looked up", "JSON array of objects"),
    Column("hash", "text", "SHA-256 of this event and the hash before it: the log's chain", "hexadecimal"),
)
SIZE = 500  # events to a record batch: a snapshot's event may hold tens of kilobytes


def event_rows(reader: LogReader, basis: Basis, after: int = 0) -> Iterator[tuple[Any, ...]]:
    """Every event of the basis's log that was known by `known_at` and whose earliest day is not after `as_of`, in log order."""
    for page in reader.walk(after, basis.position, SIZE):
        for item, hash_ in page:
            event = item.event
            alone = reader.catalogue.family(event.subject).recorded_alone
            if (alone or event.known_day <= basis.known_at) and (event.effective is None or event.span.lo <= basis.as_of):
                yield _row(item, hash_)


def _row(item: Logged, hash_: bytes) -> tuple[Any, ...]:
    event = item.event
    content = event.content()
    span = parse_edtf_day(event.effective) if event.effective else None
    return (item.position, item.batch, item.recorded_at, item.id, event.subject, event.family, item.version, event.type, event.record_id,
            event.effective, span and day(span.lo), span and day(span.hi), None if event.until_day is None else day(event.until_day),
            event.order, event.known, day(event.known_day), event.data.target if isinstance(event.data, Amended | Retracted) else None,
            event.summary, event.confidence, event.note, dumps(content["data"]).decode(), dumps(content["sources"]).decode(), hash_.hex())
