"""JSON Schemas (2020-12) of events, and which changes of a published one would break those who rely on it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from domain.catalogue import Catalogue
from domain.event import Amended, Event, Payload

Json = dict[str, Any]
DIALECT = "https://json-schema.org/draft/2020-12/schema"
_WORDS = frozenset({"title", "description", "examples", "default", "$comment"})  # annotations: they constrain nothing


def data_schemas(catalogue: Catalogue) -> dict[str, Json]:
    """The schema of `data`, by event type with its version."""
    return {catalogue.topic(cls): _data(cls) for cls in catalogue.types.values()}


def _data(cls: type[Payload]) -> Json:
    schema = cls.model_json_schema(mode="validation")
    if cls is Amended:
        del schema["$defs"]
        schema["properties"]["data"] = {"type": "object", "description": "data of the replacement, by its type"}
    return schema


def envelope() -> Json:
    """The schema of what surrounds `data`, and of what the log adds when it tells an event."""
    schema = Event.model_json_schema(mode="validation")
    added: Json = {
        "id": {"type": "string", "description": "the event's id: subject@version"},
        "position": {"type": "integer", "minimum": 1, "description": "its place in the log"},
        "recorded_at": {"type": "string", "format": "date-time", "description": "recorded clock: when this log took it in"}}
    return {**schema, "properties": {**added, **schema["properties"]}}


def event_schema(around: Json, type_: str, data: Json) -> Json:
    """The whole schema of an event of one type, as the feed tells it and as POST /v1/events takes it."""
    inner = {name: value for name, value in data.items() if name != "$defs"}
    schema = {**around, "$schema": DIALECT, "$id": f"/v1/schemas/{type_}", "title": type_, "description": data.get("description", "")}
    schema["properties"] = {**around["properties"], "type": {"const": type_}, "data": inner}
    schema["$defs"] = {**around.get("$defs", {}), **data.get("$defs", {})}
    schema["$defs"].pop("Payload", None)
    return schema


def breaks(old: Any, new: Any, path: str = "") -> Iterator[str]:
    """What in a new schema would break those who rely on the old one, writers or readers; the rest is compatible.

    Compatible are other words (title, description, examples, default) and new properties that may be left out. All else takes a new version.
    """
    if not (isinstance(old, dict) and isinstance(new, dict)):
        if old != new:
            yield f"{path}: was {old!r}, is {new!r}"
        return
    for name in sorted((old.keys() | new.keys()) - _WORDS):
        at = f"{path}/{name}"
        if name in ("properties", "$defs"):
            before, after = old.get(name, {}), new.get(name, {})
            for key in sorted(before):
                if key not in after:
                    yield f"{at}/{key}: is gone"
                else:
                    yield from breaks(before[key], after[key], f"{at}/{key}")
            if added := sorted((after.keys() - before.keys()) & set(new.get("required", ()))):
                yield f"{at}/{added[0]}: is new, and required"
        elif name == "required":
            if more := sorted(set(new.get(name, ())) - set(old.get(name, ()))):
                yield f"{at}: {more[0]} became required"
            if less := sorted(set(old.get(name, ())) - set(new.get(name, ()))):
                yield f"{at}: {less[0]} may now be missing"
        elif name not in new:
            yield f"{at}: is gone"
        elif name not in old:
            yield f"{at}: is new"
        elif isinstance(old[name], list) and isinstance(new[name], list) and len(old[name]) == len(new[name]):
            for i, (before, after) in enumerate(zip(old[name], new[name], strict=True)):
                yield from breaks(before, after, f"{at}/{i}")
        else:
            yield from breaks(old[name], new[name], at)
