"""The shapes of answers, for the OpenAPI document. Answers themselves are stored JSON bytes, joined."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, create_model

from domain.catalogue import CATALOGUE
from domain.source import Source


def _number(value: Any) -> Any:
    if isinstance(value, bool | str):  # pydantic would read them as numbers
        raise ValueError("a number is asked for")
    return value


Number = Annotated[int, BeforeValidator(_number)]  # of a JSON body
Position = Annotated[int, Field(ge=0, le=2**62), BeforeValidator(_number)]  # of the log; the bounds come first, or the schema is without them


class Shape(BaseModel):
    model_config = ConfigDict(extra="allow")


class BasisShape(BaseModel):
    """The three clocks of the answer, resolved."""

    as_of: str = Field(examples=["2021-01-12"])
    known_at: str = Field(examples=["2021-01-12"])
    recorded_at: str = Field(examples=["2026-01-31T12:00:00.000000Z"])
    position: int


class CheckpointShape(BaseModel):
    """A head of the log, signed."""

    log: str = Field(description="the log's name, made from its key")
    position: int
    recorded_at: str
    hash: str = Field(description="SHA-256 of the event at this position and all before it, hexadecimal")
    note: str = Field(description="the signed text (C2SP signed note, Ed25519): keep this")
    key: str = Field(description="the public key, name+hash+key")


class CoverageShape(BaseModel):
    """Days of which the record speaks, and how far `as_of` lies outside them."""

    family: str
    topic: str | None
    first_day: str
    last_day: str
    covers_as_of: bool
    days_before: int
    days_stale: int
    says: str


class FactShape(BaseModel):
    subject: str
    key: str
    kind: str
    status: str
    since: str | None = Field(description="first day of the unbroken run of this key and status (EDTF)")
    until: str | None = Field(description="first day on which it no longer holds (EDTF); null where no end is known")
    certainty: str = Field(description="certain or possible")
    attributes: dict[str, Any]
    because: list[str] = Field(description="ids of the events that made it so")


class CountsShape(BaseModel):
    total: int
    groups: int = Field(description="actions that named many parties, which are not counted in the rest")
    by_list: dict[str, int]
    by_program: dict[str, int]
    by_authority: dict[str, int]
    href: str


_LISTS: dict[str, Any] = {
    family.plural: (CountsShape if family.plural == "designations" else list[FactShape], ...)
    for family in CATALOGUE.families.values() if not family.recorded_alone
}
StateShape = create_model(
    "StateShape", __doc__="One list of facts for each family; designations as counts.", basis=(BasisShape, ...), relation=(str, ...),
    coverage=(list[CoverageShape], ...), **_LISTS)


class FactsShape(BaseModel):
    basis: BasisShape
    total: int
    items: list[FactShape]
    next: str | None
    coverage: list[CoverageShape]


class ChangeShape(BaseModel):
    subject: str
    key: str
    before: FactShape | list[FactShape] | None
    after: FactShape | list[FactShape] | None


class DiffShape(BaseModel):
    model_config = ConfigDict(populate_by_name=True)

    from_: BasisShape = Field(alias="from")
    to: BasisShape
    corrected: list[ChangeShape] = Field(description="the record was corrected or extended; day and knowledge fixed")
    learned: list[ChangeShape] = Field(description="more became known; the day fixed")
    changed: list[ChangeShape] = Field(description="the day moved; knowledge fixed")
    coverage: list[CoverageShape]


class EventShape(Shape):
    id: str
    position: int
    recorded_at: str
    subject: str
    type: str
    record_id: str
    known: str
    effective: str | None = None
    data: dict[str, Any] = Field(default_factory=dict)
    sources: list[Source]


class FeedShape(BaseModel):
    events: list[EventShape]


class TimelineShape(BaseModel):
    basis: BasisShape
    total: int
    items: list[EventShape]
    next: str | None
    coverage: list[CoverageShape]


class SubjectFoundShape(BaseModel):
    subject: str
    family: str
    names: list[str]
    href: str


class SubjectsShape(BaseModel):
    basis: BasisShape
    total: int
    items: list[SubjectFoundShape]
    next: str | None


class SubjectShape(BaseModel):
    basis: BasisShape
    subject: str
    family: str
    version: int = Field(description="number of the subject's last event on this basis; what If-Match takes")
    facts: list[FactShape]
    past: list[FactShape] = Field(description="what held before the day and ended")
    history: str
    coverage: list[CoverageShape]


class HistoryShape(BaseModel):
    basis: BasisShape
    subject: str
    items: list[EventShape]


class ListsShape(BaseModel):
    basis: BasisShape
    lists: dict[str, list[dict[str, Any]]] = Field(description="per list, its snapshots in order of day")


class SideShape(BaseModel):
    snapshot: str
    on_it: bool | None
    because: str = Field(description="id of the event that recorded the snapshot")


class OnListShape(BaseModel):
    basis: BasisShape
    list: str
    entry_number: str
    subjects: Sequence[str] = Field(description="the subjects that are, or were, this entry")
    answer: str = Field(description="yes, no or not_known")
    before: SideShape | None = Field(description="the last snapshot up to the day")
    after: SideShape | None = Field(description="the first snapshot after the day")
    facts: Sequence[FactShape]


class SeriesNameShape(BaseModel):
    name: str
    says: str
    unit: str


class SeriesNamesShape(BaseModel):
    basis: BasisShape
    items: list[SeriesNameShape]


class SeriesShape(BaseModel):
    basis: BasisShape
    series: str
    step: str
    point_in_time: bool
    items: list[dict[str, Any]]
    coverage: list[CoverageShape]


class PanelShape(BaseModel):
    basis: BasisShape
    step: str
    mode: str
    items: list[dict[str, Any]] = Field(description="a row for each period; GET /v1/panel/columns defines the columns")
    coverage: list[CoverageShape]


class PanelColumnShape(BaseModel):
    name: str
    type: str = Field(description="day, text, integer or number")
    unit: str | None
    clock: str | None = Field(description="of a day: valid or known")
    definition: str


class PanelColumnsShape(BaseModel):
    columns: list[PanelColumnShape]


WhatIfShape = create_model(
    "WhatIfShape", __base__=StateShape, diff=(list[ChangeShape], ...),
    notes=(list[str], Field(description="what `decide` would say to the timeline as supposed")))


class RecordedShape(BaseModel):
    ids: list[str] = Field(description="event ids, in the order given")
    recorded: int
    skipped: int = Field(description="recorded before, with the same content")
    position: int
    recorded_at: str
    versions: dict[str, int] = Field(description="each subject's version after the batch")


class KindShape(BaseModel):
    kind: str
    key: str
    says: str
    statuses: dict[str, str]


class EventTypeShape(BaseModel):
    type: str
    says: str
    data: dict[str, Any] = Field(description="JSON Schema")


class FamilyShape(BaseModel):
    name: str
    list: str
    title: str
    subjects: str
    kinds: Sequence[KindShape]
    events: Sequence[EventTypeShape]


class CatalogueShape(BaseModel):
    families: list[FamilyShape]
    corrections: list[dict[str, str]]


class ProblemShape(BaseModel):
    """RFC 9457."""

    type: str
    title: str
    status: int
    detail: str
    request_id: str = Field(description="as in X-Request-ID, and in the service's log")
