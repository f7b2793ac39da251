"""Every family and every event type, by its stable public name; reading and writing stored events, old versions included."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError, create_model

from domain.calendar import parse_day
from domain.errors import Invalid
from domain.event import Amended, Event, Payload, Retracted
from domain.families import (
    agreement,
    allegation,
    authorization,
    campaign,
    coverage,
    designation,
    incident,
    indicator,
    negotiation,
    office,
    pledge,
    proceeding,
    program,
    relations,
    report,
)
from domain.family import Family
from domain.members import unpack

Upcast = Callable[[dict[str, Any]], dict[str, Any]]
CORRECTIONS: tuple[type[Payload], ...] = (Amended, Retracted)
_EVENT, _TYPE = TypeAdapter(Event), {"type"}
_VERSION = re.compile(r"[1-9][0-9]{0,5}")


class Catalogue:
    """Families by name, event types by name, and how data of an older version becomes data of the next."""

    def __init__(self, families: Iterable[Family[Any]], upcasts: Mapping[tuple[str, int], Upcast] | None = None) -> None:
        self.families = {family.name: family for family in families}
        self.by_plural = {family.plural: family for family in self.families.values()}
        self.types: dict[str, type[Payload]] = {cls.TYPE: cls for cls in CORRECTIONS}
        self.family_of: dict[str, str] = {}
        for family in self.families.values():
            for cls in family.events:
                if cls.TYPE in self.types or not cls.TYPE.startswith(f"{family.name}."):
                    raise ValueError(f"event type {cls.TYPE!r} is taken, or is not named after its family {family.name!r}")
                self.types[cls.TYPE] = cls
                self.family_of[cls.TYPE] = family.name
        self.upcasts = dict(upcasts or {})
        self._current = {self.topic(cls): cls for cls in self.types.values() if cls is not Amended}
        self._topics = {name: topic for topic, cls in self._current.items() for name in (topic, cls.TYPE)}
        self._readers: dict[str, type[Event]] = {}

    def family(self, subject: str) -> Family[Any]:
        """The family of a subject. Raises Invalid."""
        name = subject.partition(":")[0]
        if name not in self.families:
            raise Invalid(f"subject {subject!r} is of no known family: use one of {', '.join(self.families)}")
        return self.families[name]

    def topic(self, cls: type[Payload]) -> str:
        """The stored name of a type: `agreement.concluded.v1`."""
        return f"{cls.TYPE}.v{cls.VERSION}"

    @property
    def topics(self) -> tuple[str, ...]:
        return tuple(self.topic(cls) for cls in self.types.values())

    def payload(self, topic: str, data: Any, replacement: bool = False) -> Payload:
        """Data of a type, of any version that was ever stored. A name without version means the current one. Raises Invalid."""
        name, versioned, version = topic.rpartition(".v")
        if not versioned:
            name = topic
        cls = self.types.get(name)
        if cls is None:
            raise Invalid(f"unknown event type {topic!r}: GET /v1/catalogue or docs/families.md lists the types")
        at = cls.VERSION if not versioned else int(version) if _VERSION.fullmatch(version) else 0
        if not 1 <= at <= cls.VERSION:
            raise Invalid(f"event type {name!r} has no version {version[:20]!r}: the current one is {self.topic(cls)}")
        if replacement and cls in CORRECTIONS:
            raise Invalid("an amendment replaces an event, not another correction: retract the correction instead")
        if not isinstance(data, dict):
            raise Invalid(f"data of {topic} must be an object")
        for step in range(at, cls.VERSION):
            data = self.upcasts[name, step](data)
        if cls is Amended:
            data = {**data, "data": self.payload(str(data.get("type")), data.get("data", {}), replacement=True)}
            data["type"] = self.topic(type(data["data"]))
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            raise Invalid(f"data of {topic}: {_explain(error)}") from None

    def event(self, raw: Any, stored: bool = False) -> Event:
        """An event from JSON values. Raises Invalid, and says what to put right. What is `stored` was judged when it was recorded."""
        if not isinstance(raw, dict):
            raise Invalid("an event must be an object with subject, type, record_id, effective, known, data and sources")
        if not isinstance(raw.get("type"), str):
            raise Invalid("type is missing: name the event type, for instance agreement.participant_withdrew")
        event = self._at_once(raw) or self._in_steps(raw)
        if self._of_its_family(event) is coverage.FAMILY and not stored:
            self._coverage_fits(event)
        return event

    def _at_once(self, raw: dict[str, Any]) -> Event | None:
        """An event of a current type in one pass; None where `_in_steps` says what is wrong with it, or can read it."""
        topic = self._topics.get(raw["type"])
        if topic is None or not isinstance(raw.get("data"), dict):
            return None
        try:
            return _plain(self._reader(topic).model_validate({**raw, "type": topic}))
        except ValidationError:
            return None

    def _in_steps(self, raw: dict[str, Any]) -> Event:
        payload = self.payload(raw["type"], raw.get("data", {}))
        try:
            return Event.model_validate({**raw, "type": self.topic(type(payload)), "data": payload})
        except ValidationError as error:
            raise Invalid(_explain(error)) from None

    def _of_its_family(self, event: Event) -> Family[Any]:
        family = self.family(event.subject)
        meant = event.data.data if type(event.data) is Amended else event.data
        if self.family_of.get(type(meant).TYPE, family.name) != family.name:
            raise Invalid(f"{type(meant).TYPE} is not an event of {event.subject}: its family has {_names(family)}")
        return family

    def _coverage_fits(self, event: Event) -> None:
        """What is covered must be a family, and nobody can speak of days that are not over. Raises Invalid."""
        data = event.data.data if isinstance(event.data, Amended) else event.data
        if isinstance(data, coverage.Declared | coverage.SnapshotTaken):
            last = data.last_day if isinstance(data, coverage.Declared) else data.day
            if data.family not in self.families:
                raise Invalid(f"family {data.family!r} is not one of {', '.join(self.families)}")
            if parse_day(last) > event.known_day:
                raise Invalid(f"it speaks of {last}, and is known {event.known}: nobody can speak of a day before it is over")
        if isinstance(data, coverage.SnapshotTaken) and data.members is not None:
            try:
                count = len(unpack(data.members))
            except ValueError as error:
                raise Invalid(str(error)) from None
            if count != data.entries:
                raise Invalid(f"members holds {count} numbers, and entries is {data.entries}")

    def dump(self, event: Event) -> bytes:
        """The stored form of an event: JSON without defaults, and without its type. `load` gives the event back."""
        return _EVENT.dump_json(event, exclude_defaults=True, exclude=_TYPE)

    def load(self, topic: str, stored: bytes) -> Event:
        """The event of a stored form, of any version. Raises Invalid."""
        if topic in self._current:
            try:
                event: Event = self._reader(topic).model_validate_json(stored)
            except ValidationError:
                pass  # `event` says what is wrong with it
            else:
                if event.type == topic:
                    self._of_its_family(event)
                    return _plain(event)
        return self.event({**json.loads(stored), "type": topic}, stored=True)

    def _reader(self, topic: str) -> type[Event]:
        """Reads events of one type, payload and all, in one pass."""
        if topic not in self._readers:
            self._readers[topic] = create_model("Stored", __base__=Event, data=(self._current[topic], ...), type=(str, topic))
        return self._readers[topic]


def _plain(event: Event) -> Event:
    """What a reader has read: it has nothing that an Event has not."""
    object.__setattr__(event, "__class__", Event)
    return event


def _names(family: Family[Any]) -> str:
    return ", ".join(cls.TYPE for cls in family.events)


def _explain(error: ValidationError) -> str:
    parts = []
    for item in error.errors(include_url=False, include_context=False):
        where = ".".join(str(part) for part in item["loc"])
        message = str(item["msg"]).removeprefix("Value error, ")
        parts.append(f"{where}: {message}" if where else message)
    return "; ".join(parts[:5]) + (f"; and {len(parts) - 5} more" if len(parts) > 5 else "")


CATALOGUE = Catalogue(module.FAMILY for module in (
    relations, office, agreement, program, designation, authorization, campaign, allegation, incident, negotiation, pledge,
    proceeding, indicator, report, coverage,
))
