"""The fact table as an export: every box with its life on the recorded axis, or the facts of one basis."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from hashlib import sha256
from struct import pack
from typing import Any

from adapters.exports.columns import Column, day
from adapters.facts import FactStore, StoredFact
from adapters.reader import LogReader
from domain.calendar import FOREVER
from domain.family import RELATION
from projections.basis import Basis
from projections.boxes import OPEN

_WHO = (
    Column("subject", "text", "what it is about: `family:slug`"),
    Column("family", "text", "family of the subject, for instance agreement"),
)
_TOLD = (
    Column("key", "text", "the fact's key within its subject: docs/families.md lists the keys"),
    Column("kind", "text", "kind of fact"),
    Column("status", "text", "status; `scheduled` where it is announced and has not begun"),
    Column("certainty", "text", "certain, or possible: it holds on some of the days that an imprecise day allows"),
    Column("since", "text", "first day of the unbroken run of this key and status", "EDTF", "valid"),
    Column("until", "text", "first day on which that run no longer holds; null where no end is known", "EDTF", "valid"),
)
_WHY = (
    Column("attributes", "text", "what else the fact says: docs/families.md lists the attributes", "JSON object"),
    Column("because", "texts", "ids of the events that made it so"),
)
FACTS = (
    *_WHO, Column("relation", "text", "the relation that the fact is part of; null where it is of none (coverage)"), *_TOLD,
    Column("valid_from", "day", "first day on which it is told in these words", "day", "valid"),
    Column("valid_to", "day", "first day on which it is not; null: no end", "day", "valid"),
    Column("known_from", "day", "first day on which that was known; 0001-01-01 for what is not filtered on this clock", "day", "known"),
    Column("known_to", "day", "first day on which it was known otherwise; null: not by the basis's known_at", "day", "known"),
    Column("recorded_from", "integer", "position of the batch that recorded it", "log position", "recorded"),
    Column("recorded_to", "integer", "position of the batch that recorded it otherwise; null: not by the basis's position", "log position",
           "recorded"),
    *_WHY, Column("box", "text", "id of the row: the same in every export, whatever became of it later"),
)
OP = Column("op", "text", "opened: a new row; closed: the row with this `box` of an earlier export has got its recorded_to")
STATE = (*_WHO, *_TOLD, *_WHY)

# The end of a stored body, as projections.boxes.body_of writes it. Its names cannot be met inside of a JSON string: their quotes are escaped.
_BODY = re.compile(r'"since":(?:null|"([^"]*)"),"until":(?:null|"([^"]*)"),"certainty":"([a-z]+)","attributes":(\{.*\}),"because":\[(.*)\]\}',
                   re.DOTALL)
SUBJECTS = 500  # looked up at once


def fact_rows(reader: LogReader, store: FactStore, basis: Basis, after: int | None = None) -> Iterator[tuple[Any, ...]]:
    """Every box of the basis's log that begins by `as_of`, in the order in which its subjects came into the log; what it became after the
    position, and after `known_at`, is not told. With `after`: those opened or closed after that position, and which of the two."""
    for subjects in reader.subjects(reader.whole(after or 0), basis.position, SUBJECTS):  # rows are opened where their batch ends
        for boxes in store.of_subjects(subjects, basis):
            for box in _projected(boxes, basis):
                row = _fact(box)
                if after is None:
                    yield row
                elif box.opened > after:
                    yield (*row, "opened")
                elif after < box.closed < OPEN:
                    yield (*row, "closed")


def state_rows(reader: LogReader, store: FactStore, basis: Basis) -> Iterator[tuple[Any, ...]]:
    """The facts of the relation on a basis, in the order in which their subjects came into the log."""
    for subjects in reader.subjects(0, basis.position, SUBJECTS):
        for boxes in store.of_subjects(subjects, basis, RELATION):
            for box in sorted(boxes, key=lambda box: (box.key, box.kind, box.status, box.body)):
                since, until, certainty, attributes, because = _parts(box.body.decode())
                yield (box.subject, box.family, box.key, box.kind, box.status, certainty, since, until, attributes, because)


def _fact(box: StoredFact) -> tuple[Any, ...]:
    since, until, certainty, attributes, because = _parts(box.body.decode())
    id_ = sha256(pack(">4q", box.opened, box.valid_from, box.valid_to, box.known_from) + box.body).hexdigest()[:24]
    return (box.subject, box.family, box.relation or None, box.key, box.kind, box.status, certainty, since, until,
            day(box.valid_from), None if box.valid_to == FOREVER else day(box.valid_to),
            day(box.known_from), None if box.known_to == FOREVER else day(box.known_to),
            box.opened, None if box.closed == OPEN else box.closed, attributes, because, id_)


def _parts(body: str) -> tuple[str | None, str | None, str, str, list[str]]:
    """(since, until, certainty, attributes as JSON, because) of a stored body: a tenth of the time that reading its JSON takes."""
    found = _BODY.search(body)
    assert found is not None, body
    since, until, certainty, attributes, because = found.groups()
    return since, until, certainty, attributes, because[1:-1].split('","') if because else []


def _projected(boxes: list[StoredFact], basis: Basis) -> list[StoredFact]:
    """The boxes of one subject as they stood at the basis, in order: what was recorded or known later has not closed them yet."""
    position, known_at = basis.position, basis.known_at
    recorded_later = any(position < box.closed < OPEN for box in boxes)
    known_later = any(known_at < box.known_to < FOREVER for box in boxes)
    if recorded_later or known_later:
        boxes = [box._replace(closed=box.closed if box.closed <= position else OPEN,
                              known_to=box.known_to if box.known_to <= known_at else FOREVER) for box in boxes]
    return _joined(sorted(boxes)) if known_later else sorted(boxes)


def _joined(boxes: Iterable[StoredFact]) -> list[StoredFact]:
    """Ordered boxes that only what was known after the basis cuts on the recorded axis, put together again."""
    out: list[StoredFact] = []
    for box in boxes:
        if out and out[-1].closed == box.opened and out[-1][:-2] == box[:-2]:
            out[-1] = out[-1]._replace(closed=box.closed)
        else:
            out.append(box)
    return out
