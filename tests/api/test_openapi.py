"""The OpenAPI document is valid and true, and no documented parameter, whatever its value, breaks the service."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from openapi_spec_validator import OpenAPIV31SpecValidator

from tests.api.ask import PROBLEM, answer

WORDS = ["IRN-USA", "agreements", "offices", "incidents", "designations", "indicators", "agreement:jcpoa", "incident:al-masri-killing",
         "agreement:jcpoa@1", "indicator:iran-gdp-growth", "programs_in_force", "agreement", "participant", "USA", "OFAC-SDN", "day", "week",
         "year", "jcpoa", "true", "0", "1", "10"]
DAYS = st.dates().map(str)
INSTANTS = st.datetimes().map(lambda at: at.isoformat() + "Z")
VALUES = st.one_of(st.sampled_from(WORDS), DAYS, INSTANTS, st.integers(-10, 10**20).map(str), st.text(max_size=20))


@pytest.fixture(scope="module")
def document(record: TestClient) -> Any:
    return answer(record, "/openapi.json")


def operations(document: Any) -> list[tuple[str, str, Any]]:
    return [(path, method, operation) for path, methods in document["paths"].items() for method, operation in methods.items()]


def test_the_document_is_valid_openapi_3_1(document: Any) -> None:
    assert document["openapi"].startswith("3.1")
    OpenAPIV31SpecValidator(document).validate()


def test_every_door_of_the_design_is_documented(document: Any) -> None:
    relation = "/v1/relations/{relation}"
    doors = {("get", relation), ("get", relation + "/{family}"), ("get", relation + "/diff"), ("get", relation + "/timeline"),
             ("post", relation + "/what-if"), ("get", "/v1/subjects"), ("get", "/v1/subjects/{subject}"), ("get", "/v1/subjects/{subject}/history"),
             ("get", "/v1/series"), ("get", "/v1/series/{name}"), ("get", "/v1/events"), ("get", "/v1/events/{event_id}"), ("post", "/v1/events"),
             ("get", "/v1/catalogue"), ("get", "/health"), ("get", "/ready"), ("get", "/metrics")}
    assert doors <= {(method, path) for path, method, _ in operations(document)}


def test_every_operation_says_what_it_does(document: Any) -> None:
    assert all(operation.get("description") or operation.get("summary") for _, _, operation in operations(document))


def test_no_operation_promises_an_answer_that_is_never_given(document: Any) -> None:
    """FastAPI documents its own 422 for parameters; here a malformed parameter is 400."""
    for path, method, operation in operations(document):
        for status, response in operation["responses"].items():
            schemas = str(response.get("content", {}))
            assert "HTTPValidationError" not in schemas, (method, path, status)


def test_problems_are_documented_as_problem_documents(document: Any) -> None:
    for path, method, operation in operations(document):
        for status, response in operation["responses"].items():
            if int(status) >= 400:
                assert list(response.get("content", {})) == [PROBLEM], (method, path, status)


@given(st.data())
def test_no_value_of_a_documented_parameter_breaks_the_service(record: TestClient, document: Any, data: st.DataObject) -> None:
    reads = [(path, operation) for path, method, operation in operations(document) if method == "get"]
    path, operation = data.draw(st.sampled_from(reads))
    asked: dict[str, str] = {}
    for parameter in operation.get("parameters", []):
        name = parameter["name"]
        if parameter["in"] == "path":
            word = data.draw(st.one_of(st.sampled_from(WORDS), st.text("abc:@.-%é ", min_size=1, max_size=10)))
            path = path.replace("{" + name + "}", word.replace("%", "%25").replace(" ", "%20"))
        elif parameter["in"] == "query" and (parameter.get("required") or data.draw(st.booleans())):
            asked[name] = data.draw(DAYS if name in ("from", "to", "as_of", "known_at") and data.draw(st.booleans()) else VALUES)
    response = record.get(path, params=asked)
    needs_key = {} not in operation.get("security", [{}])
    assert response.status_code in (200, 400, 404, 409, *([401] if needs_key else [])), (path, asked, response.text)
    if response.status_code == 200:
        documented = operation["responses"].get("200", {}).get("content", ())  # a TimeGate leads to an answer that another path documents
        assert path == "/metrics" or response.headers["content-type"] in ("application/json", *documented), (path, response.headers)
    else:
        assert response.headers["content-type"] == PROBLEM
        assert response.json()["detail"]
