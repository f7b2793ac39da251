"""Contracts: what is published is what is served and committed, and no change may break those who rely on it."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from jsonschema import Draft202012Validator

from api.routes.contracts import published
from api.wiring import CATALOGUE
from domain.schemas import breaks, data_schemas, envelope, event_schema
from tests.api.ask import answer, problem

Json = dict[str, Any]
CONTRACTS = Path(__file__).parents[2] / "api" / "contracts"


def committed(name: str) -> Any:
    return json.loads((CONTRACTS / name).read_text(encoding="utf-8"))


def served(type_: str) -> Json:
    """The schema of an event of this type."""
    return event_schema(published()["event"], type_, published()["types"][type_])


# ---------------------------------------------------------------- drift
def test_the_schemas_of_today_are_those_that_are_committed() -> None:
    assert published() == committed("events.json")
    assert envelope() == published()["event"]
    current = data_schemas(CATALOGUE)
    assert {type_: published()["types"][type_] for type_ in current} == current, "run `make docs`"


def test_the_documents_that_are_served_are_those_that_are_committed(record: TestClient) -> None:
    assert answer(record, "/openapi.json") == committed("openapi.json"), "run `make docs`"
    assert answer(record, "/asyncapi.json") == committed("asyncapi.json"), "run `make docs`"


# ---------------------------------------------------------------- what is served
def test_every_schema_is_served_as_such(record: TestClient) -> None:
    listed = answer(record, "/v1/schemas")["items"]
    assert {item["type"] for item in listed} >= set(CATALOGUE.topics)
    for item in listed:
        response = record.get(item["href"])
        assert response.headers["content-type"] == "application/schema+json"
        assert response.json()["$id"] == item["href"]
        assert response.json() == served(item["type"])


def test_every_schema_is_valid_json_schema() -> None:
    for type_ in published()["types"]:
        Draft202012Validator.check_schema(served(type_))


def test_every_event_of_the_record_is_valid_against_the_schema_that_its_cloudevent_names(record: TestClient) -> None:
    validators: dict[str, Any] = {}
    after, seen = 0, 0
    while True:
        batch = record.get(f"/v1/events?limit=500&after={after}", headers={"Accept": "application/cloudevents-batch+json"}).json()
        if not batch:
            break
        for item in batch:
            if item["dataschema"] not in validators:
                validators[item["dataschema"]] = Draft202012Validator(answer(record, item["dataschema"]))
            assert list(validators[item["dataschema"]].iter_errors(item["data"])) == []
        after, seen = int(batch[-1]["sequence"]), seen + len(batch)
    assert seen > 800


def test_an_event_that_is_wrong_is_not_valid(record: TestClient) -> None:
    told = answer(record, "/v1/events?limit=1")["events"][0]
    validator = Draft202012Validator(answer(record, f"/v1/schemas/{told['type']}"))
    for wrong in ({**told, "type": "agreement.exited.v9"}, {**told, "extra": 1}, {**told, "sources": []}, {**told, "data": {"nonsense": 1}},
                  {name: value for name, value in told.items() if name != "known"}):
        assert list(validator.iter_errors(wrong))


def test_an_unknown_type_has_no_schema(record: TestClient) -> None:
    assert "/v1/schemas" in problem(record.get("/v1/schemas/no.such.v1"), 404)


def test_the_cloudevents_that_go_out_are_those_of_the_asyncapi_document(record: TestClient) -> None:
    schema = committed("asyncapi.json")["components"]["messages"]["event"]["payload"]
    for item in record.get("/v1/events?limit=300", headers={"Accept": "application/cloudevents-batch+json"}).json():
        Draft202012Validator(schema).validate(item)


# ---------------------------------------------------------------- compatibility
OLD: Json = {"type": "object", "additionalProperties": False, "required": ["name"], "$defs": {"d": {"type": "string"}}, "properties": {
    "name": {"type": "string", "maxLength": 10, "description": "a name"}, "kind": {"enum": ["a", "b"]}, "more": {"$ref": "#/$defs/d"}}}


def changed(change: Callable[[Json], object]) -> Json:
    new = copy.deepcopy(OLD)
    change(new)
    return new


@pytest.mark.parametrize("change", [
    lambda s: s["properties"].pop("kind"), lambda s: s["properties"].update(extra={"type": "string"}) or s["required"].append("extra"),
    lambda s: s["required"].append("kind"), lambda s: s["required"].remove("name"), lambda s: s["properties"]["name"].update(maxLength=5),
    lambda s: s["properties"]["name"].update(maxLength=50), lambda s: s["properties"]["name"].update(type="integer"),
    lambda s: s["properties"]["name"].update(pattern="x"), lambda s: s["properties"]["kind"]["enum"].append("c"),
    lambda s: s["properties"]["kind"]["enum"].remove("a"), lambda s: s.update(additionalProperties=True), lambda s: s.pop("additionalProperties"),
    lambda s: s["$defs"].pop("d"), lambda s: s["$defs"]["d"].update(type="number"), lambda s: s["properties"]["name"].pop("maxLength"),
])
def test_a_change_that_breaks_readers_or_writers_is_named(change: Callable[[Json], object]) -> None:
    assert list(breaks(OLD, changed(change)))


@pytest.mark.parametrize("change", [
    lambda s: None, lambda s: s["properties"].update(extra={"type": "string"}), lambda s: s["properties"]["name"].update(description="another"),
    lambda s: s.update(title="T", examples=[1]), lambda s: s["properties"]["name"].pop("description"),
    lambda s: s["$defs"].update(e={"type": "null"}),
])
def test_other_words_and_new_optional_properties_break_nobody(change: Callable[[Json], object]) -> None:
    assert list(breaks(OLD, changed(change))) == []


def test_no_published_schema_is_broken_or_gone() -> None:
    current = data_schemas(CATALOGUE)
    assert [fault for type_, schema in committed("events.json")["types"].items() if type_ in current
            for fault in breaks(schema, current[type_], type_)] == []
    for type_, cls in ((CATALOGUE.topic(cls), cls) for cls in CATALOGUE.types.values()):
        for version in range(1, cls.VERSION):
            assert f"{type_.rpartition('.v')[0]}.v{version}" in committed("events.json")["types"]
