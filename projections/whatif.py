"""The state with events left out or added. Nothing is stored: the subjects concerned are folded again from the log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from domain.catalogue import Catalogue
from domain.decide import SCOPE_LIMIT, new_events, objection
from domain.errors import Invalid, NotFound
from domain.event import Event, Logged, parse_event_id
from domain.timeline import facts_on, records, timelines
from projections.basis import Basis
from projections.boxes import body_of
from projections.ports import EventLog, Found

SUPPOSED = 10**6  # versions of supposed events begin after it: they say nothing of how many events there are that are not yet known


class Hypothesis(NamedTuple):
    """The facts of the subjects concerned as they would be, and what `decide` would say to it."""

    subjects: set[str]
    found: list[Found]
    notes: list[str]


def suppose(
    catalogue: Catalogue, log: EventLog, basis: Basis, without: Sequence[str], add: Sequence[Event]
) -> Hypothesis:
    """Leaves events out (by event id) and adds others, as if recorded by the basis's position. Raises NotFound, Conflict."""
    left_out = _by_subject(without)
    added: dict[str, list[Event]] = {}
    for event in add:
        catalogue.family(event.subject)
        added.setdefault(event.subject, []).append(event)
    found: list[Found] = []
    notes: list[str] = []
    subjects = {*left_out, *added}
    for subject in sorted(subjects):
        family = catalogue.family(subject)
        stream = [item for item in log.stream(subject) if item.batch <= basis.position]
        visible = {item.version for item in stream if family.recorded_alone or item.event.known_day <= basis.known_at}
        for version in sorted(left_out.get(subject, ())):
            if version not in visible:
                raise NotFound(f"no event {subject}@{version} is known on the basis")
        kept = [item for item in stream if item.version not in left_out.get(subject, ())]
        new = new_events([item for item in kept if item.version in visible], added.get(subject, ()))  # what is not known may not refuse
        whole = [*kept, *(Logged(event, SUPPOSED + i, basis.position, basis.position, basis.recorded_at) for i, event in enumerate(new, 1))]
        known = {item.event.record_id for item in whole if item.version in visible or item.version > SUPPOSED}
        for event in new:
            if (target := getattr(event.data, "target", None)) is not None and target not in known:
                notes.append(f"{subject}: the target {target!r} of {event.record_id!r} is not there: it corrects nothing")
        said = records(family, whole)
        if any(len(steps) > 2 * SCOPE_LIMIT for steps in timelines(family, said, basis.known_at, basis.position).values()):
            raise Invalid(f"{subject} would have more than {SCOPE_LIMIT} events in one scope")
        problem = objection(family, subject, whole, basis.known_at, basis.position)
        notes += [problem] if problem else []
        for held in facts_on(family, said, basis.as_of, basis.known_at, basis.position):
            if not family.concerns(held.fact) or family.recorded_alone:
                continue
            found.append(Found(subject, family.name, held.key, held.fact.kind, held.fact.status, body_of(subject, held)))
    return Hypothesis(subjects, sorted(found), notes)


def _by_subject(ids: Sequence[str]) -> Mapping[str, set[int]]:
    out: dict[str, set[int]] = {}
    for text in ids:
        parsed = parse_event_id(text)
        if parsed is None:
            raise NotFound(f"{text!r} is no event id: it looks like agreement:jcpoa@3")
        out.setdefault(parsed[0], set()).add(parsed[1])
    return out
