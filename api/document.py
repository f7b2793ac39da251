"""What FastAPI cannot know of the OpenAPI document: forms of parameters, what a body holds, what is refused, what an answer leads to."""

from __future__ import annotations

from typing import Any

from api.access import PROBLEM
from api.wiring import CATALOGUE
from domain.event import Event
from projections.series import STEPS

Json = dict[str, Any]

_REF = "#/components/schemas/"
_DAY: Json = {"type": "string", "format": "date"}
_INSTANT: Json = {"anyOf": [{"type": "string", "format": "date-time"}, _DAY]}  # a day means its last microsecond in UTC
_LISTS = [family.plural for family in CATALOGUE.families.values() if not family.recorded_alone]
PARAMETERS: dict[str, Json] = {  # by name, in whichever path they stand; by path and name where they differ
    **dict.fromkeys(("as_of", "known_at", "from", "to", "from_known_at", "to_known_at"), _DAY),
    **dict.fromkeys(("recorded_at", "from_recorded_at", "to_recorded_at"), _INSTANT),
    "family": {"type": "string", "enum": _LISTS}, "step": {"type": "string", "enum": list(STEPS)},
    "/v1/subjects family": {"type": "string", "enum": [*_LISTS, *(CATALOGUE.by_plural[name].name for name in _LISTS)]},
}
_EVENT: Json = {"$ref": _REF + "EventBody"}
_EVENTS: Json = {"type": "array", "items": _EVENT, "minItems": 1}
_BATCH: Json = {
    "type": "object", "required": ["events"], "additionalProperties": False, "properties": {
        "events": _EVENTS, "expected_version": {"type": "object", "additionalProperties": {"type": "integer", "minimum": 0}}}}


def tell_exactly(document: Json) -> None:
    """Puts right, in place, what FastAPI wrote."""
    _tell_events(document)
    _tell_links(document)
    for path, methods in document["paths"].items():
        for operation in methods.values():
            for parameter in operation.get("parameters", []):
                parameter["schema"] = _exact(path, parameter["name"], parameter["schema"])
            for status, phrase in {"400": "Bad Request", **({"413": "Content Too Large"} if "requestBody" in operation else {})}.items():
                operation["responses"].setdefault(status, {"description": phrase, "content": PROBLEM})


def _tell_events(document: Json) -> None:
    """An event as it is sent, which the routes take as any JSON so that the catalogue can say what is wrong with it."""
    schemas = document["components"]["schemas"]
    body = Event.model_json_schema(ref_template=_REF + "{model}")
    for name, schema in body.pop("$defs").items():
        schemas.setdefault(name, schema)
    body["properties"]["data"] = {"type": "object", "description": "what its type says: GET /v1/schemas/{type}"}
    schemas["EventBody"] = {**body, "title": "EventBody", "description": "An event, as it is sent."}
    supposed = schemas["WhatIf"]["properties"]
    supposed["add"]["items"] = _EVENT
    for name in ("as_of", "known_at", "recorded_at"):
        supposed[name]["anyOf"] = [PARAMETERS[name], {"type": "null"}]
    content = document["paths"]["/v1/events"]["post"]["requestBody"]["content"]["application/json"]
    content["schema"] = {"anyOf": [_EVENT, _EVENTS, _BATCH]}


def _tell_links(document: Json) -> None:
    """What an answer leads to: a recorded event to itself, a page to the next one."""
    paths = document["paths"]
    recorded = {"operationId": paths["/v1/events/{event_id}"]["get"]["operationId"], "parameters": {"event_id": "$response.body#/ids/0"}}
    for status in ("200", "201"):
        paths["/v1/events"]["post"]["responses"][status]["links"] = {"event": recorded}
    for methods in paths.values():
        for operation in methods.values():
            if any(parameter["name"] == "cursor" for parameter in operation.get("parameters", ())):
                following = {"operationId": operation["operationId"], "parameters": {"cursor": "$response.body#/next"}}
                operation["responses"]["200"]["links"] = {"next": following}


def _exact(path: str, name: str, schema: Json) -> Json:
    """The schema of a parameter: never null, for an address has no null, and in the form that its name stands for."""
    kinds = [kind for kind in schema.get("anyOf", ()) if kind != {"type": "null"}]
    form = PARAMETERS.get(f"{path} {name}") or PARAMETERS.get(name) or (kinds[0] if len(kinds) == 1 else None)
    if form is None:
        return schema
    return {key: value for key, value in schema.items() if key not in ("anyOf", "type")} | form
