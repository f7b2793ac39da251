"""Snapshots of a list, in any order, any number of times: the same facts for every basis that sees them all."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.lists.importer import MAKERS, Importer
from adapters.lists.model import Damaged, Entry, Snapshot
from api.wiring import Settings, Tarikh
from domain.calendar import format_day, parse_day
from domain.families.designation import concerns_iran
from domain.members import pack, unpack
from domain.source import Source
from tests.conftest import TODAY
from tests.histories import share

URLs = Callable[[], str]
START = parse_day("2020-01-01")
SOURCE = Source(publisher="A list maker", title="A list")


def snapshot(day: int, entries: dict[str, Entry], digest: str = "") -> Snapshot:
    return Snapshot("OFAC-SDN", format_day(START + day), entries, SOURCE, digest or f"{day}{sorted(entries.items())}")


def entry(number: str, programs: Sequence[str] = ("IRAN",), name: str = "A PARTY", **more: Any) -> Entry:
    return Entry(number, name, "entity", tuple(sorted(programs)), **more)


ENTRIES = st.builds(
    Entry, number=st.just(""), name=st.sampled_from(["A", "B"]), type=st.just("entity"),
    programs=st.sets(st.sampled_from(["IRAN", "IFSR", "SDGT"]), min_size=1).map(lambda s: tuple(sorted(s))),
    remarks=st.sampled_from([None, "Passport 1234567"]))
GROUPS = st.one_of(st.none(), st.sampled_from([(), ("x",), ("x", "y")]))


@st.composite
def series(draw: st.DrawFn) -> list[Snapshot]:
    """Up to five snapshots of up to three entries, some of which carry aliases."""
    days = sorted(draw(st.sets(st.integers(0, 30), min_size=1, max_size=5)))
    out = []
    for day in days:
        carries = draw(st.booleans())
        entries = {}
        for number in ("1", "2", "3"):
            shown = draw(st.one_of(st.none(), ENTRIES))
            if shown is not None:
                aliases = (draw(GROUPS) or ()) if carries else None
                entries[number] = Entry(number, shown.name, shown.type, shown.programs, shown.remarks, aliases)
        out.append(snapshot(day, entries or {"1": entry("1")} if not carries else entries or {"1": entry("1", aliases=())}))
    return out


def loaded(url: str, snapshots: Sequence[Snapshot]) -> Tarikh:
    core = Tarikh(Settings(database_url=url), today=lambda: TODAY)
    importer = Importer(core.writer, core.reader, MAKERS["OFAC-SDN"], force=True)
    for item in snapshots:
        importer.take(item)
    importer.link()
    return core


def facts_of(core: Tarikh, days: Sequence[int]) -> dict[tuple[int, int], list[Any]]:
    """Every designation on every pair of days, without what may depend on the order of loading."""
    out = {}
    for day in days:
        for known in days:
            asked = core.answers.basis(format_day(START + day), format_day(START + known))
            items = json.loads(core.answers.facts(asked, "designations", {}, 10**6).body)["items"]
            out[day, known] = sorted(json.dumps({k: v for k, v in i.items() if k != "because"}, sort_keys=True) for i in items)
    return out


@share(4)
@given(series(), st.randoms(use_true_random=False))
def test_any_order_of_loading_gives_the_same_facts(fresh: URLs, snapshots: list[Snapshot], random: Any) -> None:
    shuffled = list(snapshots)
    random.shuffle(shuffled)
    days = sorted({d + e for s in snapshots for d in [parse_day(s.day) - START] for e in (-1, 0, 1)})
    found = []
    for order in (snapshots, shuffled):
        core = loaded(fresh(), order)
        found.append(facts_of(core, days))
        assert core.verify(lambda _: None).faults == []
        core.close()
    assert found[0] == found[1]


@share(4)
@given(series(), st.randoms(use_true_random=False))
def test_on_its_own_day_a_snapshot_is_told_exactly(fresh: URLs, snapshots: list[Snapshot], random: Any) -> None:
    shuffled = list(snapshots)
    random.shuffle(shuffled)
    core = loaded(fresh(), shuffled)
    for item in snapshots:
        asked = core.answers.basis(item.day, item.day)
        facts = json.loads(core.answers.facts(asked, "designations", {"kind": "listing"}, 10**6).body)["items"]
        told = {f["attributes"]["entry_number"]: (f["certainty"], tuple(f["attributes"]["programs"]), f["attributes"]["name"]) for f in facts}
        shown = {n: ("certain", e.programs, e.name) for n, e in item.entries.items() if concerns_iran(e.programs)}
        assert told == shown
    core.close()


def test_a_listing_seen_between_two_snapshots_has_an_imprecise_start(core: Tarikh) -> None:
    importer = Importer(core.writer, core.reader, MAKERS["OFAC-SDN"])
    importer.take(snapshot(0, {"1": entry("1")}))
    importer.take(snapshot(10, {"1": entry("1"), "2": entry("2")}))
    facts = json.loads(core.answers.subject(core.answers.basis("2020-01-05", "2020-01-31"), "designation:ofac-sdn-2"))["facts"]
    assert [(f["since"], f["certainty"]) for f in facts] == [("[2020-01-02..2020-01-11]", "possible")]
    before = json.loads(core.answers.facts(core.answers.basis("2020-01-05", "2020-01-05"), "designations", {}, 10).body)
    assert [f["subject"] for f in before["items"]] == ["designation:ofac-sdn-1"]


def test_a_stated_day_of_listing_narrows_the_start_and_proves_nothing_beyond_the_window(core: Tarikh) -> None:
    importer = Importer(core.writer, core.reader, MAKERS["OFAC-SDN"])
    importer.take(snapshot(0, {"1": entry("1")}))
    importer.take(snapshot(10, {"1": entry("1"), "2": entry("2", listed_on="2020-01-07"), "3": entry("3", listed_on="2008-03-03")}))
    since = {}
    for number in ("2", "3"):
        answer = json.loads(core.answers.subject(core.answers.basis("2020-01-11", "2020-01-31"), f"designation:ofac-sdn-{number}"))
        since[number] = answer["facts"][0]["since"]
    assert since == {"2": "2020-01-07", "3": "[2020-01-02..2020-01-11]"}


def test_an_entry_that_left_and_came_back_has_two_intervals(core: Tarikh) -> None:
    importer = Importer(core.writer, core.reader, MAKERS["OFAC-SDN"], force=True)
    for day, numbers in ((0, "12"), (10, "1"), (20, "12")):
        importer.take(snapshot(day, {n: entry(n) for n in numbers}))
    answer = json.loads(core.answers.history(core.answers.basis("2020-02-01", "2020-02-01"), "designation:ofac-sdn-2"))
    assert [e["type"] for e in answer["items"]] == ["designation.listed.v1", "designation.delisted.v1", "designation.relisted.v1"]
    asked = {d: json.loads(core.answers.entry(core.answers.basis(d, "2020-02-01"), "OFAC-SDN", "2"))["answer"]
             for d in ("2020-01-01", "2020-01-05", "2020-01-11", "2020-01-21", "2020-01-25")}
    assert asked == {"2020-01-01": "yes", "2020-01-05": "not_known", "2020-01-11": "no", "2020-01-21": "yes", "2020-01-25": "not_known"}


def test_absence_is_proved_by_the_snapshots_on_both_sides_also_for_entries_out_of_scope(core: Tarikh) -> None:
    importer = Importer(core.writer, core.reader, MAKERS["OFAC-SDN"])
    for day in (0, 10):
        importer.take(snapshot(day, {"1": entry("1"), "7": entry("7", ["SDGT"])}))
    basis = core.answers.basis("2020-01-05", "2020-02-01")
    absent = json.loads(core.answers.entry(basis, "OFAC-SDN", "9"))
    sides = [(side["snapshot"], side["on_it"], side["because"]) for side in (absent["before"], absent["after"])]
    assert (absent["answer"], sides) == ("no", [("2020-01-01", False, "coverage:OFAC-SDN.2020-01-01@1"),
                                                ("2020-01-11", False, "coverage:OFAC-SDN.2020-01-11@1")])
    assert json.loads(core.answers.entry(basis, "OFAC-SDN", "7"))["answer"] == "yes"


def test_an_entry_leaves_the_state_when_it_loses_its_last_iran_program(core: Tarikh) -> None:
    importer = Importer(core.writer, core.reader, MAKERS["OFAC-SDN"])
    for day, programs in ((0, ["IRAN", "SDGT"]), (10, ["SDGT"]), (20, ["IRGC", "SDGT"])):
        importer.take(snapshot(day, {"1": entry("1", programs)}))
    totals = [json.loads(core.answers.facts(core.answers.basis(d, "2020-02-01"), "designations", {"kind": "listing"}, 10).body)["total"]
              for d in ("2020-01-01", "2020-01-11", "2020-01-21")]
    assert totals == [1, 0, 1]
    assert json.loads(core.answers.entry(core.answers.basis("2020-01-11", "2020-02-01"), "OFAC-SDN", "1"))["answer"] == "yes"


def test_what_the_record_dates_exactly_is_one_fact_with_two_sources(core: Tarikh) -> None:
    core.writer.record(core.events_from({
        "subject": "designation:a-bank", "type": "designation.listed", "record_id": "bank", "effective": "2019-06-03", "known": "2019-06-03",
        "data": {"list": "OFAC-SDN", "entry_number": "5", "name": "A Bank", "type": "entity", "by": "USA", "authority": "E.O. 13382",
                 "programs": ["NPWMD"]}, "sources": [{"publisher": "Treasury", "title": "Press release"}]}))
    importer = Importer(core.writer, core.reader, MAKERS["OFAC-SDN"])
    importer.take(snapshot(0, {"5": entry("5", ["NPWMD", "IFSR"], "A BANK, PLC")}))
    asked = core.answers.basis("2020-01-01", "2020-01-01")
    facts = json.loads(core.answers.facts(asked, "designations", {"kind": "listing"}, 10).body)["items"]
    assert [(f["subject"], f["since"], f["attributes"]["programs"], len(f["because"])) for f in facts] == [
        ("designation:a-bank", "2019-06-03", ["IFSR", "NPWMD"], 2)]


def test_an_entry_that_came_back_under_another_number_is_linked_with_its_evidence(core: Tarikh) -> None:
    importer = Importer(core.writer, core.reader, MAKERS["OFAC-SDN"], force=True)
    ship = {"name": "A SHIP", "remarks": "Vessel Registration Identification IMO 9405942; Executive Order 13846 information"}
    importer.take(snapshot(0, {"1": entry("1", **ship), "2": entry("2", name="OTHER", remarks="Executive Order 13846")}))
    importer.take(snapshot(10, {"8": entry("8", **ship), "9": entry("9", name="OTHER", remarks="Executive Order 13846")}))
    assert importer.link() == 1
    assert importer.link() == 0
    facts = json.loads(core.answers.subject(core.answers.basis("2020-01-11", "2020-02-01"), "designation:ofac-sdn-8"))["facts"]
    link = next(f for f in facts if f["kind"] == "identity")
    assert link["attributes"]["other"] == "ofac-sdn-1"
    assert "9405942" in link["attributes"]["evidence"]


def test_a_snapshot_is_recorded_once_and_another_of_the_same_day_is_refused(core: Tarikh) -> None:
    importer = Importer(core.writer, core.reader, MAKERS["OFAC-SDN"])
    first = snapshot(0, {"1": entry("1")})
    assert importer.take(first) == 2
    assert importer.take(first) == 0
    assert Importer(core.writer, core.reader, MAKERS["OFAC-SDN"]).take(first) == 0
    with pytest.raises(Damaged, match="a day has one snapshot"):
        importer.take(snapshot(0, {"1": entry("1", ["IFSR"])}))


def test_a_snapshot_that_would_delist_too_many_is_refused_unless_forced(core: Tarikh) -> None:
    whole = {str(n): entry(str(n)) for n in range(1, 11)}
    Importer(core.writer, core.reader, MAKERS["OFAC-SDN"]).take(snapshot(0, whole))
    half = snapshot(10, {n: e for n, e in whole.items() if int(n) > 5})
    with pytest.raises(Damaged, match="--force"):
        Importer(core.writer, core.reader, MAKERS["OFAC-SDN"]).take(half)
    assert core.reader.last()[0] == 11
    assert Importer(core.writer, core.reader, MAKERS["OFAC-SDN"], force=True).take(half) == 6


def test_two_scopes_of_one_list_are_kept_apart(core: Tarikh) -> None:
    Importer(core.writer, core.reader, MAKERS["OFAC-SDN"]).take(snapshot(0, {"1": entry("1")}))
    with pytest.raises(Damaged, match="scope"):
        Importer(core.writer, core.reader, MAKERS["OFAC-SDN"], scope="all")


@given(st.sets(st.one_of(st.integers(1, 99999).map(str), st.from_regex(r"[A-Z]{2}i\.\d{3}", fullmatch=True))))
def test_the_members_of_a_list_survive_packing(numbers: set[str]) -> None:
    assert unpack(pack(numbers)) == frozenset(numbers)


def test_of_two_snapshots_of_one_day_the_later_one_stands_in_either_order(fresh: URLs) -> None:
    base = snapshot(0, {"1": entry("1"), "2": entry("2"), "3": entry("3")})
    early = replace(snapshot(10, {"1": entry("1", ["IFSR"]), "2": entry("2", name="B"), "4": entry("4")}, "early"), stamp="20200111T0100Z")
    entries = {"1": entry("1"), "2": entry("2", name="C"), "3": entry("3"), "5": entry("5")}
    late = replace(snapshot(10, entries, "late"), stamp="20200111T1900Z")
    after = snapshot(20, {"1": entry("1"), "2": entry("2", name="C"), "4": entry("4")})
    told = []
    orders = ([base, late, after], [base, early, late, after], [base, late, early, after], [after, early, base, late], [early, after, late, base])
    for order in orders:
        core = loaded(fresh(), order)
        told.append(facts_of(core, [0, 5, 10, 15, 20, 25]))
        assert core.verify(lambda _: None).faults == []
        core.close()
    assert all(facts == told[0] for facts in told)
