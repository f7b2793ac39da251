"""A fact store without an index: every question is answered by the one definition, from a log in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from adapters.facts import FactStore
from domain.event import Logged
from domain.family import RELATION
from domain.timeline import Held, facts_on, records
from projections.basis import Basis
from projections.boxes import rows_of
from projections.ports import Boxed, Found, Stretch
from tests.adapters.store import found
from tests.histories import family_of, streams


def held(log: Sequence[Logged], day: int, known: int, position: int) -> Iterator[tuple[str, Held]]:
    """The facts of the relation."""
    for subject, events in streams(log).items():
        family = family_of(events)
        for one in facts_on(family, records(family, events), day, known, position):
            if family.concerns(one.fact):
                yield subject, one


def boxes_of(log: Sequence[Logged], position: int, family: str) -> list[Boxed]:
    """What the store should hold of a family at a position."""
    rows = [row for subject, events in streams(item for item in log if item.batch <= position).items() if subject.startswith(f"{family}:")
            for row in rows_of(family_of(events), subject, events, RELATION).facts if row.relation == RELATION]
    return sorted(Boxed(r.valid_from, r.valid_to, r.known_from, r.known_to, Found(r.subject, r.family, r.key, r.kind, r.status, r.body))
                  for r in rows)


class Folded(FactStore):
    """What the panel asks of a fact store, answered by folding."""

    def __init__(self, log: Sequence[Logged]) -> None:
        self.log = log

    def stab(self, basis: Basis, relation: str) -> list[Found]:
        return found(held(self.log, basis.as_of, basis.known_at, basis.position))

    def along(self, bases: Sequence[Basis], relation: str, family: str | None = None) -> Iterator[Stretch]:
        for place, basis in enumerate(bases):
            yield from (Stretch(place, place + 1, item) for item in self.stab(basis, relation) if family in (None, item.family))

    def boxes_of(self, position: int, relation: str, family: str, subject: str | None = None) -> list[Boxed]:
        return [box for box in boxes_of(self.log, position, family) if subject in (None, box.found.subject)]

    def recorded_alone(self, basis: Basis, family: str, kind: str) -> list[Found]:
        return []
