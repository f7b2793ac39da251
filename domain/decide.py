"""Whether a batch may be recorded: strict, on the whole final timeline of each subject."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from domain.calendar import FOREVER, format_span
from domain.errors import Conflict, Invalid, Refused, WrongVersion
from domain.event import Amended, Event, Logged, Retracted
from domain.family import Family, Step
from domain.timeline import Folded, Record, fold, records, timelines

SCOPE_LIMIT = 500
NEVER = 2**62  # a position after every other


def new_events(stream: Sequence[Logged], events: Sequence[Event]) -> list[Event]:
    """Of the events of one subject, those that are not recorded yet. Raises Conflict for an id with other content."""
    known = {item.event.record_id: item.event for item in stream}
    new: list[Event] = []
    for event in events:
        before = known.get(event.record_id)
        if before is None:
            known[event.record_id] = event
            new.append(event)
        elif before.content() != event.content():
            raise Conflict(
                f"record_id {event.record_id!r} of {event.subject} is taken by an event with other content: "
                "choose another record_id, or record a correction (correction.amended) that targets it")
    return new


def judge(family: Family[Any], stream: Sequence[Logged], events: Sequence[Event], expected_version: int | None = None,
          subject: str | None = None) -> tuple[list[Record], dict[str, Folded]]:
    """Whether `events` may follow `stream`, one subject: the records of the whole, and the timeline of each scope with its states.
    Raises WrongVersion, Invalid or Refused if not."""
    subject, version = subject or events[0].subject, len(stream)
    if expected_version is not None and expected_version != version:
        raise WrongVersion(f"{subject} is at version {version}, not {expected_version}: read it again and decide anew")
    known = {item.event.record_id for item in stream}
    for event in events:
        data = event.data
        if isinstance(data, Amended | Retracted) and data.target not in known:
            raise Invalid(f"{event.record_id}: target {data.target!r} is no earlier event of {subject}: give its record_id")
        known.add(event.record_id)
    whole = [*stream, *(Logged(event, version + i, NEVER, NEVER, 0) for i, event in enumerate(events, 1))]
    said = records(family, whole)
    return said, _accepted(family, subject, whole, timelines(family, said, FOREVER, NEVER))


def objection(family: Family[Any], subject: str, stream: Sequence[Logged], known_at: int, position: int) -> str | None:
    """The first thing in a subject's timeline on a basis that cannot be, in words; None if there is none."""
    try:
        _accepted(family, subject, stream, timelines(family, records(family, stream), known_at, position))
    except Refused as refusal:
        return str(refusal)
    return None


def _accepted(family: Family[Any], subject: str, stream: Iterable[Logged], lines: Mapping[str, list[Step[Any]]]) -> dict[str, Folded]:
    """These timelines with their states. Raises Refused."""
    folded: dict[str, Folded] = {}
    for scope, steps in lines.items():
        if len(steps) > SCOPE_LIMIT and (events := sum(not step.ends for step in steps)) > SCOPE_LIMIT:
            raise Refused(f"{subject} has {events} events in scope {scope!r}: more than {SCOPE_LIMIT} is a modelling error; "
                          "split the subject")
        states = fold(family, steps)
        for state, step in zip(states, steps, strict=False):
            if not step.ends and (problem := family.refuse(state, step)):
                name, day = type(step.data).TYPE, format_span(step.lo, step.hi)
                record_id = next(item.event.record_id for item in stream if item.version == step.version)
                raise Refused(f"{subject}: {name} ({record_id}) on {day} is refused: {problem}")
        folded[scope] = steps, states
    return folded
