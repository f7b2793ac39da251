"""The project's own record: whole, sourced, without hindsight, and recorded like anybody's events."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from datetime import date
from pathlib import Path

import pytest

from adapters.chronology import covered_ids, read_file, record_files
from api.wiring import Tarikh
from domain.catalogue import CATALOGUE
from domain.decide import judge
from domain.event import Event
from tests.conftest import needs_shared

COVERAGE = Path(__file__).parents[2] / "docs" / "coverage.md"
ARTICLE = "report:voi-2021-01-12"
# a year to come may be named where it was announced: the end of a term, a day of effect, a deadline, the title of an act
PLANNED = {
    "agr.jpoa/extended-2014-11-24", "des.irisl", "des.irisl/e-sail", "prog.sst/new-basis", "law.ilsa/extended-2001",
    "law.ilsa/extended-2006-09", "law.ilsa/renamed", "law.ilsa/extended-2010", "law.ilsa/extended-2016", "prog.fatf2020/warning",
}
A_PATH = re.compile(r"(?<![\w.])/(?:work|tmp|home|root|Users)/|shared/|\.(?:csv|jsonl?|toml|xml|tar\.xz)\b")


@pytest.fixture(scope="module")
def events() -> list[Event]:
    return [event for path in record_files() for event in read_file(path, CATALOGUE)]


def test_every_fact_of_the_chronology_is_in_the_record_or_listed_as_left_out() -> None:
    lines = needs_shared("facts/chronology.jsonl").read_text(encoding="utf-8").splitlines()
    wanted, covered = {json.loads(line)["id"] for line in lines}, {fact for fact, _ in covered_ids()}
    _, _, left_out = COVERAGE.read_text(encoding="utf-8").partition("## What was left out")
    missing = {fact for fact in wanted - covered if fact not in left_out.partition("\n## ")[0]}
    assert len(wanted) == 284
    assert missing == set()


def test_every_claim_of_the_article_is_in_the_record_and_rests_on_the_facts_that_stand_for_it(events: list[Event]) -> None:
    text = needs_shared("facts/seed_claims.md").read_text(encoding="utf-8")
    rows = {f"{int(cells[1]):02d}": set(re.findall(r"[a-z]+\.[\w.-]+\w", cells[4]))
            for line in text.splitlines() if (cells := line.split("|"))[1:] and cells[1].strip().isdigit()}
    claims = {event.content()["data"]["claim"]: event.content()["data"] for event in events
              if event.subject == ARTICLE and event.data.TYPE == "report.claim_made"}
    assert len(rows) == 28
    assert claims.keys() == rows.keys()
    covered = {fact for fact, _ in covered_ids()}
    for number, facts in rows.items():
        assert facts <= covered, number
        assert facts & set(claims[number].get("records", ())), number


def test_a_claim_names_events_that_are_there(events: list[Event]) -> None:
    ids = {event.record_id for event in events}
    named = {record_id for event in events for record_id in event.content()["data"].get("records", ())}
    assert named - ids == set()


def test_every_source_has_a_publisher_and_a_title(events: list[Event]) -> None:
    assert all(source.publisher.strip() and source.title.strip() for event in events for source in event.sources)


def test_nothing_in_the_record_names_a_file(events: list[Event]) -> None:
    assert [event.record_id for event in events if A_PATH.search(json.dumps(event.content()))] == []


def test_every_source_that_a_file_states_is_cited() -> None:
    for path in record_files():
        text = path.read_text(encoding="utf-8")
        for source in re.findall(r"^\[source\.([\w-]+)\]$", text, re.MULTILINE):
            assert f'"{source}"' in text, f"{path.name}: {source}"


def test_decide_takes_every_event_of_the_record(events: list[Event]) -> None:
    streams: dict[str, list[Event]] = defaultdict(list)
    for event in events:
        streams[event.subject].append(event)
    for subject, stream in streams.items():
        judge(CATALOGUE.family(subject), [], stream)


def test_a_second_load_records_nothing(loaded: Tarikh, events: list[Event]) -> None:
    before = loaded.reader.last()
    assert loaded.load() == (0, len(events))
    assert loaded.reader.last() == before


def test_no_summary_names_a_year_after_it_was_known(events: list[Event]) -> None:
    late = {event.record_id for event in events
            if any(int(year) > date.fromordinal(event.known_day).year
                   for year in re.findall(r"(?<![\d.,-])(1[89]\d\d|20\d\d)(?![\d,])", event.summary or ""))}
    assert late == PLANNED
