"""From which day to which the record speaks. Without it an empty answer could read as "nothing happened"."""

from __future__ import annotations

from typing import assert_never

from pydantic import Field, model_validator

from domain.calendar import parse_day
from domain.event import Day, Long, Payload, Slug, Slugs, Text
from domain.family import Family, Kind, State, Step, put


class Declared(Payload):
    """The record speaks of a family, or of a list or topic in it, from one day to another."""

    TYPE = "coverage.declared"
    family: Slug = Field(description="the family that is covered")
    topic: Slug | None = Field(None, description="a list or a subject, where the statement is narrower than the family")
    first_day: Day
    last_day: Day = Field(description="last day that the record speaks of")
    says: Text = Field(description="what is covered, and what is not")

    @model_validator(mode="after")
    def _in_order(self) -> Declared:
        if parse_day(self.last_day) < parse_day(self.first_day):
            raise ValueError(f"last_day {self.last_day} is before first_day {self.first_day}")
        return self


class SnapshotTaken(Payload):
    """A whole list was seen as it stood on a day."""

    TYPE = "coverage.snapshot_taken"
    family: Slug
    topic: Slug = Field(description="the list")
    day: Day
    entries: int = Field(ge=0, description="how many entries the whole list had")
    scope: Slug = Field("iran", description="iran: only what concerns Iran was recorded; all: the whole list")
    carries: Slugs = Field((), description="groups of fields that the files carried: aliases, addresses, identifiers, countries")
    stamp: Text | None = Field(None, description="instant in the files' names: of several snapshots of a day the last one stands")
    digest: Text | None = Field(None, description="SHA-256 of the files")
    members: Long | None = Field(None, description="the numbers of all entries, zlib and base64: proof of who was not on the list")


CoverageEvent = Declared | SnapshotTaken


def scope(data: CoverageEvent) -> str:
    return data.day if isinstance(data, SnapshotTaken) else ""


def evolve(state: State, step: Step[CoverageEvent]) -> State:
    e = step.data
    match e:
        case Declared():
            return put(state, f"span:{e.topic or e.family}", step, "span", "covered")
        case SnapshotTaken():
            return put(state, f"snapshot:{e.topic}:{e.day}", step, "snapshot", "taken", members=None)
        case _:
            assert_never(e)


FAMILY = Family[CoverageEvent](
    name="coverage",
    plural="coverage",
    title="Coverage",
    subjects="what is covered: a family, or a list or topic in it (`coverage:agreement`)",
    events=(Declared, SnapshotTaken),
    kinds=(
        Kind("span", "span:<topic or family>", "the days of which the record speaks", {"covered": "covered"}),
        Kind("snapshot", "snapshot:<list>:<day>", "a list as it stood on a day", {"taken": "seen whole"}),
    ),
    evolve=evolve,
    scope=scope,
    concerns=lambda _: False,  # it is told beside the facts, not among them
    recorded_alone=True,
)
