"""The fuzzer's short form, and what it found: each fault as the smallest input that showed it."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

import pytest
from fastapi.testclient import TestClient

from adapters import chronology
from adapters.lists import ofac_csv
from domain.calendar import BadDay, parse_edtf_day
from domain.catalogue import CATALOGUE
from domain.errors import Invalid
from domain.members import pack, unpack
from reliability import fuzz
from reliability.mutations import mutate
from reliability.targets import TARGETS, Broken, Target, must
from tests.adapters.lists.test_ofac_csv import DAY, publish, row
from tests.api.ask import concluded, problem


# ---------------------------------------------------------------- the short form
@pytest.fixture(scope="module")
def figures() -> dict[str, Any]:
    return fuzz.run(long=False)


def test_whatever_is_read_is_read_or_refused_with_a_reason(figures: dict[str, Any]) -> None:
    assert figures["failures"] == []
    assert figures["executions"] > 2000


def test_every_target_reads_some_inputs_and_refuses_others(figures: dict[str, Any]) -> None:
    assert set(figures["targets"]) == set(TARGETS)
    assert [name for name, found in figures["targets"].items() if not 0 < found["read"] < found["executions"] or found["answers"] < 5] == []


# ---------------------------------------------------------------- that the fuzzer finds what there is
def _faulty(data: bytes) -> object:
    must(b"-" not in data, "a dash is never read")
    return len(data) // (len(data) - 7)


def test_a_fault_is_told_once_with_the_input_that_shows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TARGETS, "faulty", Target(lambda _: _faulty, lambda: [b"seven77"], 0))
    found = fuzz.short("faulty", 400)
    assert found.executions == 400
    assert sorted(failure["says"].partition(":")[0] for failure in found.failures) == ["Broken", "ZeroDivisionError"]
    assert next(f["input"] for f in found.failures if f["says"].startswith("ZeroDivisionError")) == "b'seven77'"
    with pytest.raises(Broken, match="a dash is never read"):
        _faulty(b"-")


def test_the_same_seed_gives_the_same_inputs() -> None:
    seeds = TARGETS["events"].seeds()
    once, again, other = ([mutate(data, random, seeds) for data in seeds] for random in (Random(1), Random(1), Random(2)))
    assert once == again != other


# ---------------------------------------------------------------- what it found
def test_half_of_a_surrogate_pair_in_a_source_is_no_text(client: TestClient) -> None:
    body = json.dumps({**concluded(), "sources": [{"publisher": "\ud800", "title": "t"}]})
    assert "publisher" in problem(client.post("/v1/events", content=body, headers={"Content-Type": "application/json"}), 422)


def test_no_event_is_of_the_last_day_of_the_calendar() -> None:
    with pytest.raises(BadDay, match="days go to 9999-12-30"):
        parse_edtf_day("9999-12-31")
    assert parse_edtf_day("9999-12-30").lo == parse_edtf_day("9999-12-30").hi


@pytest.mark.parametrize("text", ["a = " + "9" * 5000, "a = " + "[" * 5000, "a = 'b", "[[event]]\nsubject = '\\ud800'\n"])
def test_a_record_that_is_no_toml_for_any_reason_is_refused_by_name(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.toml").write_text(text, encoding="utf-8")
    with pytest.raises(Invalid, match=r"^a\.toml: "):
        chronology.read_file(tmp_path / "a.toml", CATALOGUE)


def test_a_null_with_other_blanks_around_it_is_null() -> None:
    [entry] = ofac_csv.read({"sdn.csv": publish(row(1, "A", "-0- \u00a0", "IRAN"))}, DAY).entries.values()
    assert entry.type == "entity"


@pytest.mark.parametrize("numbers", [{"+5"}, {"+5", "IRi.1"}, {"+2", "1"}, {"1", "5"}, set()])
def test_an_entry_number_that_begins_with_a_plus_comes_back_as_it_was(numbers: set[str]) -> None:
    assert unpack(pack(numbers)) == numbers
