"""An event: what happened, on which day, known from which day, and who says so."""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SerializeAsAny, StringConstraints, model_validator

from domain.calendar import Span, parse_day, parse_edtf_day
from domain.source import Source

SUBJECT = re.compile(r"[a-z_]+:[A-Za-z0-9._-]+")
EVENT_ID = re.compile(r"([a-z_]+:[A-Za-z0-9._-]+)@([1-9][0-9]{0,17})")


def _edtf(text: str) -> str:
    parse_edtf_day(text)
    return text


def _day(text: str) -> str:
    parse_day(text)
    return text


def _no_nul(text: str) -> str:
    if "\0" in text:
        raise ValueError("a text may not hold a NUL character")
    return text


Edtf = Annotated[str, AfterValidator(_edtf), Field(examples=["2018-05-08", "2018-05", "[2018-05-01..2018-05-04]"],
                                                   json_schema_extra={"format": "edtf"})]
Day = Annotated[str, AfterValidator(_day), Field(examples=["2018-05-08"], json_schema_extra={"format": "date"})]
Text = Annotated[str, StringConstraints(min_length=1, max_length=4000), AfterValidator(_no_nul)]
Long = Annotated[str, StringConstraints(min_length=1, max_length=200_000), AfterValidator(_no_nul)]
Slug = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=120)]
Texts = tuple[Text, ...]
Slugs = tuple[Slug, ...]
Subject = Annotated[str, StringConstraints(pattern=rf"^{SUBJECT.pattern}$", max_length=200)]
RecordId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/:@+-]*$", max_length=200)]


class Payload(BaseModel):
    """What an event says beyond its days and sources. Field names are the stored format: never rename one."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True, allow_inf_nan=False)  # JSON has neither

    TYPE: ClassVar[str] = ""
    VERSION: ClassVar[int] = 1


class Amended(Payload):
    """Replaces what an earlier event of the subject says. The event's effective, until and order are the replacement's."""

    TYPE = "correction.amended"
    target: RecordId = Field(description="record_id of the event that is corrected")
    type: Text = Field(description="event type of the replacement", examples=["indicator.revised"])
    data: SerializeAsAny[Payload] = Field(description="data of the replacement")
    reason: Text | None = None


class Retracted(Payload):
    """Takes back an earlier event of the subject, or an earlier correction of one."""

    TYPE = "correction.retracted"
    target: RecordId = Field(description="record_id of the event that is taken back")
    reason: Text


class Event(BaseModel):
    """One event on its way into the log. `data` is the payload of its type."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)

    subject: Subject = Field(description="`family:slug`", examples=["agreement:jcpoa"])
    type: str = Field(description="event type", examples=["agreement.participant_withdrew.v1"])
    record_id: RecordId = Field(description="chosen by whoever records; unique among the subject's events")
    effective: Edtf | None = Field(None, description="valid clock: the day from which it holds in the world (EDTF)")
    known: Edtf = Field(description="known clock: the first day it was public (EDTF; an imprecise one counts from its latest day)")
    until: Day | None = Field(None, description="planned end known from the start: the first day on which it no longer holds")
    order: int = Field(0, ge=-1000, le=1000, description="place within the day, where several things happened on it")
    data: SerializeAsAny[Payload]
    summary: Text | None = Field(None, description="one sentence that tells nothing later than `known`")
    sources: tuple[Source, ...] = Field(min_length=1)
    confidence: Literal["high", "medium", "low"] = "high"
    note: Text | None = Field(None, description="what is uncertain about it, and why")

    @model_validator(mode="after")
    def _days_fit(self) -> Event:
        if self.effective is None:
            if not isinstance(self.data, Retracted):
                raise ValueError("effective is missing: give the day from which it holds (EDTF)")
        elif self.until is not None and parse_day(self.until) <= parse_edtf_day(self.effective).hi:
            raise ValueError(f"until {self.until} is not after effective {self.effective}: it is the first day on which it no longer holds")
        return self

    @property
    def family(self) -> str:
        return self.subject.partition(":")[0]

    @property
    def known_day(self) -> int:
        """The ordinal from which it counts as known."""
        return parse_edtf_day(self.known).hi

    @property
    def span(self) -> Span:
        """Earliest and latest effective day; meaningless for a retraction."""
        return parse_edtf_day(self.effective) if self.effective else Span(0, 0)

    @property
    def until_day(self) -> int | None:
        return None if self.until is None else parse_day(self.until)

    def content(self) -> dict[str, Any]:
        """The event as JSON values, without what is at its default: what is stored and compared."""
        return self.model_dump(mode="json", exclude_defaults=True)


class Logged(NamedTuple):
    """An event and its place in the log. `batch` is the position of the last event of its transaction."""

    event: Event
    version: int
    position: int
    batch: int
    recorded_at: int  # microseconds since 1970-01-01T00:00:00Z

    @property
    def id(self) -> str:
        return event_id(self.event.subject, self.version)


def event_id(subject: str, version: int) -> str:
    return f"{subject}@{version}"


def parse_event_id(text: str) -> tuple[str, int] | None:
    """Subject and version of `{subject}@{version}`, or None."""
    match = EVENT_ID.fullmatch(text)
    return (match[1], int(match[2])) if match else None
