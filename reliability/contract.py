"""The OpenAPI document, held to the service by schemathesis: every operation that it has, in every phase, with a key that may do all.

No answer may be a fault of the service, or other than the document says: its status, media type, headers and shape; what the document
allows is taken, and what it forbids is refused.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import schemathesis
from fastapi import FastAPI
from hypothesis import strategies as st
from schemathesis.config import GenerationConfig, HealthCheck, ProjectConfig, ProjectsConfig, SchemathesisConfig
from schemathesis.core.result import Ok
from schemathesis.engine import events, from_schema
from schemathesis.engine.recorder import CheckNode, ScenarioRecorder
from schemathesis.specs.openapi.formats import unregister_string_format

from adapters import chronology
from api.http import create_app
from api.wiring import CATALOGUE, Settings, Tarikh
from domain.event import Payload
from tests.conftest import KEY, TODAY
from tests.databases import Files, Server

SEED = 20210112
SLICE = ("agreement", "coverage", "indicator", "relations")  # of the record: every path has something to tell, and little of it
SHORT = ("agreement.concluded", "agreement.participant_withdrew", "correction.retracted", "coverage.snapshot_taken")  # types of events

AT_ONCE = 40  # types of events that a document spells out: of one with all 142 schemathesis makes no cases

# What a document cannot forbid: what fits by itself, but not with the rest of the question or with the record.
MEANT = re.compile("|".join((
    r"is before", r"more than \d+ (steps|rows)", r"only a panel has", r"a panel needs", r"If-Match", r"cursor is not one", r"is no parameter",
    r"unknown event type", r"is no event type", r"is not one of", r"is not an event of", r"is no earlier event", r"effective is missing",
    r"until .* is not after", r"nobody can speak of", r"members (holds|cannot)", r"data of [a-z_.]+\d*: ", r"is not over yet", r"is at version",
    r"url: ", r"is not as RFC 1123", r"is no subject", r"is beyond it", r"has no increments",
    r"less than or equal to 4611686018427387904",  # the last: beyond 2**53 schemathesis counts in floats
)))


@dataclass
class Told:
    """What came of the cases."""

    cases: Counter[str] = field(default_factory=Counter)  # by phase
    statuses: Counter[int] = field(default_factory=Counter)
    operations: Counter[str] = field(default_factory=Counter)
    meant: int = 0  # that were refused for what they mean
    transitions: int = 0
    failures: dict[str, dict[str, str]] = field(default_factory=dict)


def service(url: str, names: tuple[str, ...] = ()) -> Tarikh:
    """The application on a migrated database, with these files of the record and a key; today is 31 January 2026."""
    core = Tarikh(Settings(database_url=url, api_key=KEY, log_level="error"), today=lambda: TODAY)
    core.init()
    for name in names:
        core.writer.record(chronology.read_file(chronology.FOLDER / f"{name}.toml", CATALOGUE))
    return core


# ---------------------------------------------------------------- the document
def narrowed(document: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    """The document with the data of each type of event spelt out, which it leaves to the catalogue; so that some are recorded."""
    document = json.loads(json.dumps(document))
    schemas = document["components"]["schemas"]
    body = schemas["EventBody"]
    schemas["EventBody"] = {"anyOf": [_typed(body, CATALOGUE.types[name]) for name in names]}
    return document


def _typed(body: dict[str, Any], cls: type[Payload]) -> dict[str, Any]:
    families = [CATALOGUE.family_of[cls.TYPE]] if cls.TYPE in CATALOGUE.family_of else ["agreement", "indicator"]
    data = cls.model_json_schema()
    data.pop("$defs", None)
    if "data" in data["properties"]:  # of an amendment: that of the event which it puts in the place of another
        data["properties"]["data"] = {"type": "object"}
    own = {"type": {"enum": [cls.TYPE, CATALOGUE.topic(cls)]}, "data": data,
           "subject": {"type": "string", "pattern": f"^({'|'.join(families)}):[a-c]$"}}
    return {**body, "properties": {**body["properties"], **own}, "required": [*body["required"], "effective"]}


@contextmanager
def _days_of_the_record() -> Iterator[None]:
    """Within it most days that schemathesis draws are of the years that the slice of the record speaks of, and EDTF is drawn at all."""
    near = st.dates(date(2012, 1, 1), date(2025, 12, 31))
    day = st.one_of(near, near, near, st.dates()).map(str)
    span = st.tuples(near, near).map(lambda two: f"[{min(two)}..{max(two)}]")
    forms = {"date": day, "edtf": st.one_of(day, day, day, near.map(lambda at: f"{at:%Y-%m}"), near.map(lambda at: f"{at:%Y}"), span)}
    for name, strategy in forms.items():
        schemathesis.openapi.format(name, strategy)
    try:
        yield
    finally:
        for name in forms:
            unregister_string_format(name)


# ---------------------------------------------------------------- a run
def hold(core: Tarikh, document: dict[str, Any], app: FastAPI, phases: list[str], told: Told, examples: int | None = None) -> None:
    """Asks all that a document has words for, with every check that schemathesis has; `examples` to an operation and phase."""
    _, key = core.keys.create("contract", ("read", "record", "admin"))
    generation = GenerationConfig(max_examples=examples, database="none", no_shrink=True, allow_x00=False)  # no text may hold a NUL: see fuzz
    project = ProjectConfig(headers={"Authorization": f"Bearer {key}"}, continue_on_failure=True, generation=generation)
    project.phases.update(phases=phases)
    config = SchemathesisConfig(seed=SEED, suppress_health_check=list(HealthCheck), projects=ProjectsConfig(default=project))
    schema = schemathesis.openapi.from_dict(document, config=config)
    schema.app = app
    told.operations.update({found.ok().label: 0 for found in schema.get_all_operations() if isinstance(found, Ok)})
    with _days_of_the_record():
        for event in from_schema(schema).execute():
            if isinstance(event, events.ScenarioFinished):
                _count(event, told)
            elif isinstance(event, events.PhaseStarted) and event.payload is not None:
                told.transitions = event.payload.transitions_selected
            elif isinstance(event, events.NonFatalError):
                told.failures[f"error {event.label} {event.info.title}"] = {"says": event.info.message[:2000]}
            elif isinstance(event, events.FatalError):
                raise event.exception


def _count(event: events.ScenarioFinished, told: Told) -> None:
    for case_id, interaction in event.recorder.interactions.items():
        told.cases[event.phase.value] += 1
        told.operations[event.recorder.cases[case_id].value.operation.label] += 1
        if interaction.response is not None:
            told.statuses[interaction.response.status_code] += 1
    for case_id, checks in event.recorder.checks.items():
        for check in checks:
            if check.failure_info is not None:
                _failed(event.recorder, case_id, check, told)


def _failed(recorder: ScenarioRecorder, case_id: str, check: CheckNode, told: Told) -> None:
    assert check.failure_info is not None
    failure = check.failure_info.failure
    response = recorder.interactions[failure.case_id or case_id].response
    answer = "" if response is None else response.content.decode("utf-8", "replace")
    if check.name == "positive_data_acceptance" and MEANT.search(answer):
        told.meant += 1
        return
    says = re.sub(r"\d+|'[^']*'", "_", failure.message)[:300]
    told.failures.setdefault(f"{check.name} {failure.operation} {says}", {
        "says": f"{check.name}: {failure.message}"[:1000], "request": check.failure_info.code_sample[:2000], "answer": answer[:1000]})


def _held(url: str, names: tuple[str, ...], examples: int, told: Told, coverage: bool) -> None:
    """One database. The phase of coverage goes through each field of the document; the others take events whose data are spelt out."""
    core = service(url, SLICE)
    app = create_app(core)
    if coverage:
        hold(core, app.openapi(), app, ["coverage"], told)
    for some in (names[i : i + AT_ONCE] for i in range(0, len(names), AT_ONCE)):
        hold(core, narrowed(app.openapi(), some), app, ["examples", "fuzzing", "stateful"], told, max(examples * len(some) // len(names), 1))
    if faults := core.verify(lambda _: None).faults:
        told.failures["verify"] = {"says": "; ".join(map(str, faults[:10]))}
    core.close()


def run(long: bool) -> dict[str, object]:
    """The figures: cases (requests that were answered) by phase, statuses, transitions between operations, failures, seconds."""
    began = time.monotonic()
    told = Told()
    with tempfile.TemporaryDirectory() as folder:
        _held(Files(Path(folder)).fresh(), *((tuple(CATALOGUE.types), 350, told, True) if long else (SHORT, 3, told, False)))
    if long:
        server = Server()
        try:
            _held(server.fresh(), tuple(CATALOGUE.types), 150, told, True)
        finally:
            server.stop()
    return {"cases": told.cases.total(), "phases": dict(told.cases), "operations": dict(told.operations), "transitions": told.transitions,
            "statuses": {str(status): count for status, count in sorted(told.statuses.items())}, "refused_for_what_they_mean": told.meant,
            "seed": SEED, "failures": list(told.failures.values()), "seconds": round(time.monotonic() - began, 1)}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(run("--short" not in sys.argv), indent=2, ensure_ascii=False) + "\n")
