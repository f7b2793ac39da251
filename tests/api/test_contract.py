"""The OpenAPI document, held to the service by schemathesis: the short form, on SQLite. `python -m reliability.contract` runs the long one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from api.document import PARAMETERS
from api.http import create_app
from reliability import contract
from tests.api.ask import answer
from tests.databases import Files


@pytest.fixture(scope="module")
def figures() -> dict[str, Any]:
    return contract.run(long=False)


@pytest.fixture(scope="module")
def http(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    core = contract.service(Files(tmp_path_factory.mktemp("contract")).fresh())
    with TestClient(create_app(core)) as client:
        yield client
    core.close()


def test_no_answer_is_a_fault_or_other_than_the_document_says(figures: dict[str, Any]) -> None:
    assert figures["failures"] == []
    assert figures["cases"] > 200
    assert not [status for status in figures["statuses"] if status >= "500"]


def test_every_operation_of_the_document_is_asked(figures: dict[str, Any]) -> None:
    assert len(figures["operations"]) > 20
    assert not [operation for operation, cases in figures["operations"].items() if cases == 0]


def test_what_an_answer_leads_to_is_followed_and_some_events_are_recorded(figures: dict[str, Any]) -> None:
    assert figures["phases"]["stateful"] > 20
    assert figures["transitions"] > 10
    assert figures["statuses"]["201"] > 2


def test_no_parameter_of_an_address_can_be_null_and_days_are_days(http: TestClient) -> None:
    document = answer(http, "/openapi.json")
    parameters = [p for methods in document["paths"].values() for operation in methods.values() for p in operation.get("parameters", ())]
    assert len(parameters) > 80
    assert not [p["name"] for p in parameters if {"type": "null"} in p["schema"].get("anyOf", ())]
    assert {p["schema"]["format"] for p in parameters if p["name"] in ("as_of", "known_at", "from", "to")} == {"date"}
    assert {p["name"] for p in parameters} > {name for name in PARAMETERS if " " not in name}


@pytest.mark.parametrize(("path", "allowed"), [
    ("/v1/events", "GET, HEAD, POST"), ("/v1/events/agreement:jcpoa@1", "GET, HEAD"), ("/v1/relations/IRN-USA/what-if", "POST"),
    ("/v1/relations/IRN-USA/agreements", "GET, HEAD")])
def test_a_method_that_is_not_allowed_is_told_which_are(http: TestClient, path: str, allowed: str) -> None:
    response = http.delete(path)
    assert (response.status_code, response.headers["allow"]) == (405, allowed)
