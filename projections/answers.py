"""Every question of the doors, answered on an explicit basis. What an answer says depends on nothing after its basis."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from domain.calendar import FIRST_DAY, format_day
from domain.catalogue import Catalogue
from domain.errors import BadQuestion, Invalid, NotFound
from domain.event import SUBJECT, Event, Logged, parse_event_id
from domain.family import RELATION, Family
from projections.basis import Basis
from projections.certainty import ended, whole
from projections.coverage import coverage
from projections.cube import month_end
from projections.diff import changes
from projections.events import event_json
from projections.lists import on_list, snapshots
from projections.ports import EventLog, Facts, Found
from projections.question import Asked, Resolved, day, resolve
from projections.series import COUNTS, Count, counted_along, held_along, measured, step_days
from projections.state import check_filters, dumps, join, matching, state_json
from projections.whatif import suppose

AsJson = Callable[[Logged], dict[str, Any]]


class Page(NamedTuple):
    """One page of a list, and the cursor of the next."""

    body: bytes
    cursor: str | None


class Answers:
    """Answers questions about one relation from the fact store and the log."""

    def __init__(self, catalogue: Catalogue, log: EventLog, facts: Facts, today: Callable[[], int], relation: str = RELATION) -> None:
        self.catalogue, self.log, self.store, self.today, self.relation = catalogue, log, facts, today, relation

    def basis(self, as_of: str | None = None, known_at: str | None = None, recorded_at: str | None = None) -> Resolved:
        """Resolves the three times of a question. Raises BadQuestion."""
        return resolve(self.log, self.today(), as_of, known_at, recorded_at)

    def family(self, plural: str) -> Family[Any]:
        """A family by the name of its list. Raises NotFound."""
        family = self.catalogue.by_plural.get(plural)
        if family is None or family.recorded_alone:
            names = [f.plural for f in self.catalogue.families.values() if not f.recorded_alone]
            raise NotFound(f"there is no list {plural!r}: ask for one of {', '.join(names)}")
        return family

    # ------------------------------------------------------------ the relation
    def stab(self, asked: Asked) -> list[Found]:
        return self.store.stab(asked.basis, self.relation)

    def state(self, asked: Asked) -> bytes:
        """`{"basis", "relation", one list per family, "coverage"}`."""
        return state_json(self.catalogue, self.relation, asked.basis, self.stab(asked), coverage(self.store, asked.basis))

    def facts(self, asked: Asked, plural: str, filters: Mapping[str, str], limit: int, offset: int = 0,
              first: str | None = None, last: str | None = None) -> Page:
        """`{"basis", "items", "total", "coverage"}`: the facts of a family, filtered."""
        family = self.family(plural)
        check_filters(family, filters)
        if first is None and last is None:
            found = [item for item in self.stab(asked) if item.family == family.name]
        else:
            a, b = self._between(first, last, asked.basis)
            found = whole(self.store.between(asked.basis, self.relation, family.name, a, b))
        kept = matching(found, filters, family.filters)
        page, cursor = _page(kept, limit, offset, asked.basis)
        head = {"basis": asked.basis.echo(), "total": len(kept)}
        body = dumps(head)[:-1] + b',"items":' + join(page) + b',"next":' + dumps(cursor)
        return Page(body + b',"coverage":' + dumps(coverage(self.store, asked.basis, family.name)) + b"}", cursor)

    def _between(self, first: str | None, last: str | None, basis: Basis) -> tuple[int, int]:
        a = FIRST_DAY if first is None else day("from", first)
        b = max(basis.as_of, a) if last is None else day("to", last)
        if b < a:
            raise BadQuestion(f"to {last} is before from {first}: give the earlier day as from")
        return a, b

    def diff(self, first: str, last: str, from_known_at: str | None = None, to_known_at: str | None = None,
             from_recorded_at: str | None = None, to_recorded_at: str | None = None) -> bytes:
        """What changed from one basis to another: first the record was corrected, then more was known, then the day moved."""
        for name, text in (("from", first), ("to", last), ("from_known_at", from_known_at), ("to_known_at", to_known_at)):
            if text is not None:
                day(name, text)
        known, end = from_known_at or to_known_at, self.log.last()  # one end of the log for both sides
        before = resolve(self.log, self.today(), first, known, to_recorded_at if from_recorded_at is None else from_recorded_at, end)
        after = resolve(self.log, self.today(), last, to_known_at or from_known_at, to_recorded_at, end)
        bases = [before.basis, before.basis._replace(position=after.basis.position, recorded_at=after.basis.recorded_at)]
        bases += [bases[1]._replace(known_at=after.basis.known_at), after.basis]
        stabs = [self.store.stab(b, self.relation) for b in bases]
        corrected, learned, changed = (changes(a, b) for a, b in pairwise(stabs))
        out = {"from": before.basis.echo(), "to": after.basis.echo(), "corrected": corrected, "learned": learned, "changed": changed,
               "coverage": coverage(self.store, after.basis)}
        return dumps(out)

    def timeline(self, asked: Asked, first: str | None, last: str | None, limit: int, offset: int = 0, family: str | None = None,
                 subject: str | None = None) -> Page:
        """`{"basis", "items", "total"}`: the standing events whose effective day may lie from `first` to `last`, in valid order."""
        a, b = self._between(first, last, asked.basis)
        places = [p for p in self.store.places(asked.basis, a, b, [subject] if subject else ())
                  if self._told(p.subject) and (family is None or p.subject.startswith(self.family(family).name + ":"))]
        roots = self.log.positions([(p.subject, p.root) for p in places])
        places.sort(key=lambda p: (p.valid_from, p.valid_to, p.rank, p.root_known, roots[p.subject, p.root]))
        page, cursor = _page(places, limit, offset, asked.basis)
        items = [event_json(item) for item in self.log.events([(p.subject, p.version) for p in page])]
        return Page(dumps({"basis": asked.basis.echo(), "total": len(places), "items": items, "next": cursor,
                           "coverage": coverage(self.store, asked.basis, family and self.family(family).name)}), cursor)

    def _told(self, subject: str) -> bool:
        return not self.catalogue.family(subject).recorded_alone

    # ------------------------------------------------------------ subjects and events
    def subjects(self, asked: Asked, family: str | None, text: str, limit: int, offset: int = 0) -> Page:
        """`{"basis", "items": [{subject, family, names}]}`: what had been heard of on the basis."""
        name = family if family is None or family in self.catalogue.families else self.family(family).name
        found = [s for s in self.store.subjects(asked.basis, name, text) if self._told(s.subject)]
        page, cursor = _page(found, limit, offset, asked.basis)
        items = [{**s._asdict(), "href": f"/v1/subjects/{s.subject}"} for s in page]
        return Page(dumps({"basis": asked.basis.echo(), "total": len(found), "items": items, "next": cursor}), cursor)

    def _heard_of(self, basis: Basis, subject: str) -> None:
        try:
            self.catalogue.family(subject)
        except Invalid as error:
            raise NotFound(str(error)) from None
        if not SUBJECT.fullmatch(subject) or not self.store.heard_of(basis, subject):
            raise NotFound(f"{subject} is not known on this basis: GET /v1/subjects?q=... finds subjects")

    def _visible(self, basis: Basis, subject: str) -> list[Logged]:
        alone = self.catalogue.family(subject).recorded_alone
        return [i for i in self.log.stream(subject)
                if i.batch <= basis.position and (alone or i.event.known_day <= basis.known_at)]

    def subject(self, asked: Asked, subject: str) -> bytes:
        """`{"basis", "subject", "version", "facts", "past"}`: what holds on the day, and what held before it."""
        self._heard_of(asked.basis, subject)
        visible = self._visible(asked.basis, subject)
        family = subject.partition(":")[0]
        head = {"basis": asked.basis.echo(), "subject": subject, "family": family, "version": max(item.version for item in visible)}
        facts, past = self.store.of_subject(asked.basis, subject), self.store.past_of_subject(asked.basis, subject)
        told = ended(past, asked.basis.as_of)
        tail = {"history": f"/v1/subjects/{subject}/history", "coverage": coverage(self.store, asked.basis, family)}
        return dumps(head)[:-1] + b',"facts":' + join(facts) + b',"past":' + join(told) + b"," + dumps(tail)[1:]

    def history(self, asked: Asked, subject: str) -> bytes:
        """`{"basis", "subject", "items"}`: its events as known and recorded on the basis, corrections included, in log order."""
        self._heard_of(asked.basis, subject)
        items = [event_json(item) for item in self._visible(asked.basis, subject)]
        return dumps({"basis": asked.basis.echo(), "subject": subject, "items": items})

    def event(self, asked: Asked, text: str, as_json: AsJson = event_json) -> bytes:
        """One event. Raises NotFound, also where it was not yet known or recorded on the basis."""
        parsed = parse_event_id(text)
        found = self.log.events([parsed]) if parsed else []
        if not found or found[0] not in self._visible(asked.basis, found[0].event.subject):
            raise NotFound(f"there is no event {text!r} on this basis: an event id looks like agreement:jcpoa@3")
        return dumps(as_json(found[0]))

    def feed(self, after: int, limit: int, subject: str | None = None, types: Sequence[str] = ()) -> list[Logged]:
        """Up to `limit` events after a position, in log order. Raises BadQuestion."""
        topics = [t for t in self.catalogue.topics if any(t == x or t.rpartition(".v")[0] == x for x in types)]
        if types and not topics:
            raise BadQuestion(f"unknown event type {types[0]!r}: docs/events.md lists the types")
        return self.log.feed(after, limit, subject, topics)

    # ------------------------------------------------------------ lists
    def lists(self, asked: Asked) -> bytes:
        """`{"basis", "lists": {name: [{day, entries, scope}]}}`: the snapshots that the record has of each list."""
        return dumps({"basis": asked.basis.echo(), "lists": snapshots(self.store, asked.basis)})

    def entry(self, asked: Asked, name: str, number: str) -> bytes:
        """Whether an entry was on a list on the day: `{"basis", "list", "entry_number", "answer", "before", "after", "facts"}`."""
        subjects = self.store.subjects_of_entry(asked.basis, name, number)
        held = [item for s in subjects for item in self.store.of_subject(asked.basis, s)]
        answer = on_list(self.store, self.log, asked.basis, name, number, held)
        head = {"basis": asked.basis.echo(), "list": name, "entry_number": number, "subjects": subjects, **answer}
        return dumps(head)[:-1] + b',"facts":' + join(held) + b"}"

    # ------------------------------------------------------------ series and what-if
    def series_names(self, asked: Asked) -> bytes:
        """`{"basis", "items": [{name, says, unit}]}`: the counts, and the indicators that had been heard of on the basis."""
        items = [{"name": name, "says": spec.says, "unit": "facts"} for name, spec in COUNTS.items()]
        items += [{"name": s.subject, "says": ", ".join(s.names) or s.subject, "unit": "see figures"}
                  for s in self.store.subjects(asked.basis, "indicator")]
        return dumps({"basis": asked.basis.echo(), "items": items})

    def series(self, asked: Asked, name: str, first: str, last: str, step: str, point_in_time: bool) -> bytes:
        """`{"basis", "series", "items": [{day, known_at, value, ...}]}`: each step at its end.

        With `point_in_time` each step is as known on its own day, and so never knows what came later.
        """
        days = step_days(day("from", first), day("to", last), step)
        spec = COUNTS.get(name)
        if spec is None and (not name.startswith("indicator:") or not self.store.heard_of(asked.basis, name)):
            raise NotFound(f"there is no series {name!r} on this basis: GET /v1/series lists them")
        known = asked.basis.known_at
        bases = [asked.basis.on(at, min(at, known) if point_in_time else known) for at in days]
        told = self._counted(name, spec, bases) if spec else map(measured, held_along(self.store.of_subject_along(bases, name), len(bases)))
        items = [{"day": format_day(b.as_of), "known_at": format_day(b.known_at), **value} for b, value in zip(bases, told, strict=True)]
        return dumps({"basis": asked.basis.echo(), "series": name, "step": step, "point_in_time": point_in_time, "items": items,
                      "coverage": coverage(self.store, asked.basis, spec.family if spec else "indicator")})

    def _counted(self, name: str, spec: Count, bases: Sequence[Basis]) -> list[dict[str, Any]]:
        """The counts of each basis: ends of months from the cube, all others from the facts that they find."""
        ends = [(b.as_of, b.known_at) for b in bases if b.as_of == month_end(b.as_of)]
        told = self.store.counts(bases[0], self.relation, name, ends) if ends else None
        by_step = dict(zip(ends, told, strict=True)) if told is not None else {}
        if others := [b for b in bases if (b.as_of, b.known_at) not in by_step]:
            days = [b.as_of for b in others]
            counts = counted_along(spec, self.store.along(others, self.relation, spec.family), days)
            by_step |= {(b.as_of, b.known_at): count for b, count in zip(others, counts, strict=True)}
        return [by_step[b.as_of, b.known_at] for b in bases]

    def what_if(self, asked: Asked, without: Sequence[str], add: Sequence[Event]) -> bytes:
        """The state with events left out or added, and its diff from the record. Nothing is stored."""
        basis = asked.basis
        hypothesis = suppose(self.catalogue, self.log, basis, without, add)
        record = self.stab(asked)
        state = sorted([item for item in record if item.subject not in hypothesis.subjects] + hypothesis.found)
        body = state_json(self.catalogue, self.relation, basis, state, coverage(self.store, basis))
        return body[:-1] + b',"diff":' + dumps(changes(record, state)) + b',"notes":' + dumps(hypothesis.notes) + b"}"


def _page(items: Sequence[Any], limit: int, offset: int, basis: Basis) -> tuple[Sequence[Any], str | None]:
    page = items[offset : offset + limit]
    return page, encode_cursor(basis, offset + limit) if offset + limit < len(items) else None


def encode_cursor(basis: Basis, offset: int) -> str:
    """An opaque cursor, pinned to the basis."""
    echo = basis.echo()
    text = json.dumps([echo["as_of"], echo["known_at"], echo["recorded_at"], offset], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode_cursor(text: str) -> tuple[str, str, str, int]:
    """(as_of, known_at, recorded_at, offset). Raises BadQuestion."""
    try:
        as_of, known_at, recorded_at, offset = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        if isinstance(offset, int) and 0 <= offset <= 10**9 and all(isinstance(t, str) for t in (as_of, known_at, recorded_at)):
            return as_of, known_at, recorded_at, offset
    except (ValueError, TypeError, RecursionError):
        pass
    raise BadQuestion("cursor is not one that this service gave: follow `next` as it stands")


