"""The panel: each row is the state at its end, and in point-in-time mode knows nothing of what came later."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.wiring import Tarikh
from domain.calendar import format_day, parse_day
from domain.errors import BadQuestion
from domain.event import Event, Logged
from domain.family import RELATION
from domain.timeline import SCHEDULED
from projections.basis import Basis
from projections.panel import COLUMNS, COUNTED, FIGURES, HINDSIGHT, INCIDENTS, LABELS, MOST, POINT_IN_TIME, Row, panel, periods, rows
from projections.ports import Facts
from projections.state import dumps
from projections.vintages import measured_series
from tests.adapters.store import Store
from tests.build import say
from tests.generate import ROOT, between, panel_lines
from tests.histories import DAY0, DAYS, EXACT, NAMES, logs, numbered, share
from tests.projections.naive import Folded, held

URLs = Callable[[], str]
NAMED = [column.name for column in COLUMNS]
PLACES = {"office:a": "office:us-president", "office:b": "office:iran-president", "relations:a": "relations:irn-usa",
          "agreement:a": "agreement:jcpoa"}
MIXED = (*NAMES, "office", "relations", "incident", "incident", "designation", "allegation", "indicator")


def basis(known_at: int, position: int, as_of: int | None = None) -> Basis:
    return Basis(known_at if as_of is None else as_of, known_at, position, 0)


def of(*events: Event, first: str = "2020-01-01", last: str = "2020-12-31", step: str = "month", mode: str = POINT_IN_TIME,
       as_of: str = "2030-01-01", known_at: str = "2030-01-01") -> dict[str, Row]:
    """The rows of a log by period."""
    asked = basis(parse_day(known_at), 10**6, parse_day(as_of))
    return {row["period"]: row for row in rows(Folded(numbered(events)), RELATION, asked, parse_day(first), parse_day(last), step, mode)}


def typed(type_: str, event: Event) -> Event:
    """An event whose data have this type."""
    return Event(**{**dict(event), "data": event.data.model_copy(update={"type": type_})})


def column(name: str, told: dict[str, Row]) -> list[Any]:
    return [row[name] for row in told.values()]


def placed(log: Sequence[Logged]) -> list[Event]:
    """The events of a random log, some of them moved to subjects that the panel names."""
    return [item.event.model_copy(update={"subject": PLACES.get(item.event.subject, item.event.subject)}) for item in log]


def bytes_of(found: Iterator[Row]) -> dict[int, bytes]:
    """The bytes of each row by the day of its end."""
    return {parse_day(row["period_end"]): dumps(row) for row in found}


# ---------------------------------------------------------------- properties
@share(20)
@given(logs(MIXED, max_subjects=4, max_events=10), st.sampled_from([POINT_IN_TIME, HINDSIGHT]), st.sampled_from(["day", "week", "month"]))
def test_a_row_is_what_the_fold_tells(fresh: URLs, log: list[Logged], mode: str, step: str) -> None:
    store, events = Store(fresh()), placed(log)
    store.append(events)
    asked = (RELATION, basis(DAY0 + DAYS, len(events)), DAY0 - 9, DAY0 + DAYS, step, mode)
    assert bytes_of(rows(store.facts, *asked)) == bytes_of(rows(Folded(numbered(events)), *asked))
    store.log.close()


@share(3)
@given(logs(MIXED, max_subjects=4, max_events=10, widths=EXACT), st.integers(0, DAYS))
def test_a_count_is_of_the_keys_that_the_fold_has(log: list[Logged], day: int) -> None:
    """Where all days are exact, so that nothing is merely possible."""
    end = DAY0 + day
    (row,) = rows(Folded(log), RELATION, basis(end, 10**6), end, end, "day")
    facts = [(subject, one) for subject, one in held(log, end, end, 10**6)]
    for count in COUNTED:
        spec = count.spec
        keys = {(subject, one.key): dict(one.fact.attributes) for subject, one in facts
                if subject.startswith(f"{spec.family}:") and one.fact.kind in spec.kinds and one.fact.status in spec.statuses}
        if count.name:
            assert (row[count.name], row[f"{count.name}_possible"]) == (len(keys), 0)
        for name, item in count.items.items():
            said = [attributes.get(str(spec.by)) for attributes in keys.values()]
            assert row[name] == sum(item in value if isinstance(value, tuple) else item == value for value in said)


LATE = (logs(MIXED, max_subjects=4, max_events=12, min_events=4), st.data())
Record = Callable[[Sequence[Event]], Facts]  # records a batch, and gives the store


def unchanged(log: Sequence[Logged], data: st.DataObject, record: Record) -> None:
    """Records part of a log, then the rest, known only after a day; no row up to that day may know of it."""
    events, day = placed(log), DAY0 + data.draw(st.integers(3, DAYS - 4))
    cut = data.draw(st.integers(1, len(events) - 1))
    late = [Event(**{**dict(event), "known": format_day(max(event.known_day, day + 1))}) for event in events[cut:]]

    def asked(store: Facts, position: int, mode: str, known: int) -> dict[int, bytes]:
        return bytes_of(rows(store, RELATION, basis(known, position, DAY0 + DAYS), DAY0 + 3, DAY0 + DAYS - 4, "day", mode))

    store = record(events[:cut])
    live, known, told_to = (asked(store, cut, mode, known) for mode, known in (
        (POINT_IN_TIME, DAY0 + DAYS), (HINDSIGHT, DAY0 + DAYS), (HINDSIGHT, day)))
    store = record(late)
    after = asked(store, len(events), POINT_IN_TIME, DAY0 + DAYS)
    assert len(after) == DAYS - 6
    assert {end: row for end, row in after.items() if end <= day} == {end: row for end, row in live.items() if end <= day}
    assert asked(store, len(events), HINDSIGHT, day) == told_to  # nor does hindsight that ends before it
    assert asked(store, cut, POINT_IN_TIME, DAY0 + DAYS) == live  # pinned by recorded_at: whatever comes
    assert asked(store, cut, HINDSIGHT, DAY0 + DAYS) == known


@share(3)
@given(*LATE)
def test_what_is_known_after_the_end_of_a_row_does_not_change_a_byte_of_it(log: list[Logged], data: st.DataObject) -> None:
    events: list[Event] = []

    def record(more: Sequence[Event]) -> Facts:
        cut = len(events)
        events.extend(more)
        return Folded(numbered(events, [cut] if cut else []))

    unchanged(log, data, record)


@share(30)
@given(*LATE)
def test_nor_does_it_on_a_database(fresh: URLs, log: list[Logged], data: st.DataObject) -> None:
    store = Store(fresh())

    def record(more: Sequence[Event]) -> Facts:
        store.append(more)
        return store.facts

    unchanged(log, data, record)
    store.log.close()


def test_the_property_can_fail() -> None:
    """Hindsight does what point in time must not: a late report changes the rows before it."""
    incident = say("incident.occurred", "2020-08-07", "2020-11-13")
    for mode, told in ((POINT_IN_TIME, [0, 0]), (HINDSIGHT, [1, 1])):
        assert column("incidents_to_date", of(incident, first="2020-08-01", last="2020-09-30", mode=mode)) == told


# ---------------------------------------------------------------- periods
def test_rows_are_whole_periods_of_the_calendar_between_the_days() -> None:
    def told(first: str, last: str, step: str) -> list[tuple[str, str]]:
        return [(format_day(a), format_day(b)) for a, b in periods(parse_day(first), parse_day(last), step)]

    assert told("2020-01-02", "2020-03-31", "month") == [("2020-02-01", "2020-02-29"), ("2020-03-01", "2020-03-31")]
    assert told("2020-01-01", "2020-03-30", "month") == [("2020-01-01", "2020-01-31"), ("2020-02-01", "2020-02-29")]
    assert told("2020-01-01", "2020-01-14", "week") == [("2020-01-06", "2020-01-12")]
    assert told("2020-01-01", "2021-12-30", "year") == [("2020-01-01", "2020-12-31")]
    assert told("2020-01-01", "2020-01-02", "day") == [("2020-01-01", "2020-01-01"), ("2020-01-02", "2020-01-02")]
    assert told("0001-01-01", "0001-03-31", "quarter") == [("0001-01-01", "0001-03-31")]
    assert told("9999-12-01", "9999-12-31", "month") == [("9999-12-01", "9999-12-31")]
    assert told("2020-01-02", "2020-01-30", "month") == []


@pytest.mark.parametrize(("step", "names"), [
    ("day", ["2018-12-31", "2019-01-01"]), ("week", ["2019-W01"]), ("month", ["2018-12"]), ("quarter", ["2018-Q4"]), ("year", ["2018"])])
def test_a_period_is_named_as_iso_8601_does_or_by_its_quarter(step: str, names: list[str]) -> None:
    first, last = {"day": ("2018-12-31", "2019-01-01"), "week": ("2018-12-31", "2019-01-06")}.get(step, ("2018-01-01", "2018-12-31"))
    assert list(of(first=first, last=last, step=step))[-len(names):] == names


def test_a_period_that_is_not_over_on_the_basis_has_no_row() -> None:
    assert list(of(as_of="2020-03-30")) == ["2020-01", "2020-02"]
    assert list(of(as_of="2020-03-31")) == ["2020-01", "2020-02", "2020-03"]
    assert list(of(known_at="2020-03-30")) == ["2020-01", "2020-02"]  # no row could be as known at the end of March
    assert len(of(known_at="2020-03-30", mode=HINDSIGHT)) == 12


def test_a_row_tells_its_clocks_and_its_mode() -> None:
    for mode, known in ((POINT_IN_TIME, "2020-02-29"), (HINDSIGHT, "2030-01-01")):
        row = of(mode=mode)["2020-02"]
        assert {name: row[name] for name in NAMED[1:6]} == {
            "period_start": "2020-02-01", "period_end": "2020-02-29", "as_of": "2020-02-29", "known_at": known, "mode": mode}


def test_what_cannot_be_asked_is_named() -> None:
    for asked, said in (({"step": "decade"}, "step 'decade'"), ({"mode": "prophecy"}, "mode 'prophecy'"), ({"last": "2019-01-01"}, "is before from")):
        with pytest.raises(BadQuestion, match=said):
            of(**asked)
    with pytest.raises(BadQuestion, match=f"more than {MOST} rows"):
        panel(Folded([]), RELATION, basis(parse_day("2030-01-01"), 0), 1, parse_day("2020-01-01"), "month", HINDSIGHT)


# ---------------------------------------------------------------- what the columns say
def test_every_row_has_the_documented_columns_and_no_other() -> None:
    empty = of()["2020-01"]
    full = of(typed("war", say("incident.occurred", "2020-01-05")), say("designation.listed", "2020-01-01", list="EU"))["2020-01"]
    assert list(empty) == list(full) == NAMED
    assert len(set(NAMED)) == len(NAMED)
    kinds = {"day": str, "text": str, "integer": int, "number": float}
    for told in COLUMNS:
        assert isinstance(full[told.name], kinds[told.type] | None)
        assert told.type != "integer" or isinstance(empty[told.name], int)


def test_the_documentation_of_the_columns_is_made_from_them() -> None:
    page, lines = ROOT / "docs" / "panel.md", panel_lines()
    assert page.read_text(encoding="utf-8") == between(page, lines), "run `make docs`"
    assert all(f"- `{told.name}` ({told.type}" in lines and len(told.definition) > 15 for told in COLUMNS)


def test_the_columns_do_not_depend_on_what_is_recorded() -> None:
    """A tag, a type and a party of which no column speaks are counted in the totals alone."""
    row = of(typed("spaceship", say("designation.listed", "2020-01-01", list="NEW-LIST", programs=["NEW-TAG"])),
             say("agreement.concluded", "2020-01-01", parties=["ATL"]), typed("meteor", say("incident.occurred", "2020-01-05")))["2020-01"]
    assert list(row) == NAMED
    told = {name: row[name] for name in NAMED[6:] if row[name] not in (None, 0)}
    assert told == {"listings": 1, "participations": 1, "incidents_to_date": 1, "incidents": 1, "incidents_other": 1}


def test_a_count_of_what_is_possible_stands_beside_the_count_of_what_is_certain() -> None:
    told = of(say("campaign.launched", "[2020-02-20..2020-03-10]"), say("campaign.launched", "2020-01-01", subject="campaign:b"))
    assert column("campaigns", told)[:4] == [1, 1, 2, 2]  # the first is known on 10 March, and not before
    late = of(say("campaign.launched", "[2020-02-20..2020-03-10]", "2020-02-20", id="a"), mode=HINDSIGHT)
    assert column("campaigns", late)[:4] == [0, 0, 1, 1]
    assert column("campaigns_possible", late)[:4] == [0, 1, 0, 0]


def test_a_label_tells_what_is_certain_and_says_where_it_is_not() -> None:
    office = "office:us-president"
    told = of(say("office.assumed", "2020-01-05", id="a", subject=office, person="a", name="A"),
              say("office.assumed", "[2020-03-20..2020-04-10]", "2020-03-20", id="b", subject=office, person="b", name="B"),
              say("office.left", "2020-06-15", id="c", subject=office, person="b", name="B"))
    assert column("us_president", told)[:7] == ["A", "A", "possibly A or B", "B", "B", None, None]


def test_a_withdrawal_is_told_where_the_participation_was() -> None:
    jcpoa = "agreement:jcpoa"
    told = of(say("agreement.concluded", "2020-01-10", subject=jcpoa, parties=["IRN", "USA"]),
              say("agreement.participant_withdrew", "2020-02-08", subject=jcpoa, party="USA"))
    assert column("jcpoa_usa", told)[:3] == ["participant", "withdrawn", "withdrawn"]
    assert column("jcpoa_irn", told)[:3] == ["participant", "participant", "participant"]
    assert column("participations", told)[:2] == [2, 1]


def test_an_incident_is_of_the_period_in_which_it_began_whatever_became_of_it() -> None:
    war = [typed("war", say("incident.began", "2020-02-10", id="a")), say("incident.ended", "2020-04-20", id="b"),
           say("incident.occurred", "[2020-04-20..2020-05-10]", "2020-04-20", id="c", subject="incident:b")]
    told = of(*war)
    assert column("incidents", told)[:6] == [0, 1, 0, 0, 0, 0]
    assert column("incidents_war", told)[:6] == [0, 1, 0, 0, 0, 0]
    assert column("incidents_possible", told)[:6] == [0, 0, 0, 1, 1, 0]  # in April or in May
    assert column("incidents_to_date", told)[:6] == [0, 1, 1, 1, 2, 2]


def test_incidents_by_type_add_up_and_no_type_is_counted_twice() -> None:
    types = [type_ for some in INCIDENTS.values() for type_ in some]
    assert len(set(types)) == len(types)
    told = of(*(typed(type_, say("incident.occurred", "2020-01-05", subject=f"incident:{type_}")) for type_ in (*types, "meteor")))["2020-01"]
    assert {name: told[name] for name in INCIDENTS} == {name: len(some) for name, some in INCIDENTS.items()}
    assert told["incidents_other"] == 1
    assert told["incidents"] == len(types) + 1


def test_a_figure_is_the_last_that_was_public_with_its_period_and_vintage() -> None:
    growth: dict[str, Any] = {"subject": "indicator:iran-gdp-growth", "publisher": "imf", "unit": "percent", "period": "2019", "until": "2020-01-01"}
    events = [say("indicator.observed", "2019-01-01", "2020-04-14", value=-7.6, **growth),
              say("indicator.revised", "2019-01-01", "2020-10-13", value=-6.5, bound="about", **growth)]
    told, known = of(*events), of(*events, mode=HINDSIGHT)
    names = ("gdp_growth", "gdp_growth_bound", "gdp_growth_period", "gdp_growth_vintage")
    assert [told["2020-03"][n] for n in names] == [None] * 4
    assert [told["2020-04"][n] for n in names] == [-7.6, "exact", "2019", "2020-04-14"]
    assert [told["2020-10"][n] for n in names] == [known["2020-01"][n] for n in names] == [-6.5, "about", "2019", "2020-10-13"]


def test_a_figure_in_another_unit_does_not_pretend_to_be_in_the_columns() -> None:
    other = say("indicator.observed", "2020-01-01", subject="indicator:rial-open-market-rate", publisher="bonbast", unit="tomans per US dollar")
    assert of(other)["2020-01"]["rial_open_market"] is None


# ---------------------------------------------------------------- the project's own record
def test_the_columns_name_subjects_and_series_of_the_record(loaded: Tarikh) -> None:
    known = {item.subject for item in loaded.facts.subjects(loaded.answers.basis().basis)}
    position = loaded.reader.last()[0]
    assert {label.subject for label in LABELS} <= known
    series = measured_series(loaded.facts.boxes_of(position, RELATION, "indicator"))
    assert {figure.series for figure in FIGURES} <= series.keys()
    assert all({v.figure.unit for v in series[figure.series] if v.figure} == {figure.unit} for figure in FIGURES)


def test_the_killing_of_august_2020_is_in_its_quarter_only_in_hindsight(loaded: Tarikh) -> None:
    asked = loaded.answers.basis("2021-12-31", "2021-12-31").basis
    first, last = parse_day("2018-04-01"), parse_day("2020-12-31")
    (told, known) = ({row["period"]: row for row in rows(loaded.facts, RELATION, asked, first, last, "quarter", mode)}
                     for mode in (POINT_IN_TIME, HINDSIGHT))
    assert (told["2020-Q3"]["incidents_killing"], known["2020-Q3"]["incidents_killing"]) == (1, 2)
    assert told["2020-Q4"]["incidents_to_date"] == known["2020-Q4"]["incidents_to_date"]
    assert (told["2018-Q2"]["jcpoa_usa"], told["2018-Q2"]["jcpoa_irn"]) == ("withdrawn", "participant")
    assert (told["2020-Q2"]["gdp_growth"], known["2020-Q2"]["gdp_growth"]) == (-7.6, -6.5)
    assert all(b["listings"] >= a["listings"] for a, b in pairwise(told.values()))
    answer = json.loads(panel(loaded.facts, RELATION, asked, first, last, "quarter", POINT_IN_TIME))
    assert answer["items"] == list(told.values())
    assert {c["family"] for c in answer["coverage"]} >= {"incident", "designation", "agreement"}
    assert (answer["basis"]["as_of"], answer["mode"], answer["step"]) == ("2021-12-31", POINT_IN_TIME, "quarter")


def test_the_scheduled_is_no_part_of_the_state(loaded: Tarikh) -> None:
    """The listing of the IRGC as a terrorist organization was announced on 8 April 2019 for the 15th."""
    asked = loaded.answers.basis("2019-12-31", "2019-12-31").basis
    told = {row["period"]: row["listings_on_fto"] for row in rows(
        loaded.facts, RELATION, asked, parse_day("2019-04-08"), parse_day("2019-04-15"), "day")}
    assert told["2019-04-15"] > told["2019-04-14"] == told["2019-04-08"]
    announced = asked.on(parse_day("2019-04-10"), parse_day("2019-04-10"))
    assert ("listing:FTO", SCHEDULED) in {(item.key, item.status) for item in loaded.facts.stab(announced, RELATION)}


def test_rows_at_a_position_hold_what_was_recorded_by_then(fresh: URLs) -> None:
    store = Store(fresh())
    for slug in "ab":
        store.append([say("campaign.launched", "2020-01-05", subject=f"campaign:{slug}")])
    month = parse_day("2020-01-01"), parse_day("2020-01-31"), "month"
    told = [[row["campaigns"] for row in rows(store.facts, RELATION, basis(parse_day("2021-01-01"), at), *month)] for at in (0, 1, 2)]
    assert told == [[0], [1], [2]]
    store.log.close()
