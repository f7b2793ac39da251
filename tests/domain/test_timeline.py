"""The one definition of time: imprecise days, corrections, planned ends, and what is announced."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from domain.calendar import FOREVER, format_span
from domain.event import Event, Logged
from domain.family import Fact, Family, State, Step, end_term
from domain.timeline import SCHEDULED, fold, held_on, records, timelines
from tests.build import amend, one, retract, say, told
from tests.histories import EXACT, NAMES, NARROW, family_of, histories, known_days, share, valid_days

each_family = pytest.mark.parametrize("name", NAMES)


# ---------------------------------------------------------------- properties
def _worlds(steps: Sequence[Step[Any]], first: int = 0) -> Iterator[tuple[int, ...]]:
    """Every assignment of days to steps that keeps their order."""
    if not steps:
        yield ()
        return
    for day in range(max(steps[0].lo, first), steps[0].hi + 1):
        for rest in _worlds(steps[1:], day):
            yield (day, *rest)


def _naive_states(family: Family[Any], steps: Sequence[Step[Any]]) -> list[State]:
    states: list[State] = [{}]
    for step in steps:
        states.append(end_term(states[-1], step) if step.ends else family.evolve(states[-1], step))
    return states


@each_family
@share(4)
@given(data=st.data())
def test_what_is_certain_holds_in_every_possible_world_and_what_is_possible_in_some(name: str, data: st.DataObject) -> None:
    history = data.draw(histories(name, max_events=5, widths=NARROW))
    family = family_of(history)
    for steps in timelines(family, records(family, history), FOREVER, FOREVER).values():
        worlds = list(_worlds(steps))
        states = _naive_states(family, steps)
        assert worlds, "the order of events leaves no world"
        for day in sorted({day for step in steps for day in range(step.lo - 1, step.hi + 2)}):
            reached = {sum(at <= day for at in world) for world in worlds}
            facts = [set(states[i].items()) for i in reached]
            every, some = set.intersection(*facts), set.union(*facts)
            held = {(h.key, h.fact, h.certainty) for h in held_on(family, steps, day) if h.fact.status != SCHEDULED}
            assert held == {(*f, "certain") for f in every} | {(*f, "possible") for f in some - every}


@each_family
@share(4)
@given(data=st.data())
def test_evolve_takes_any_history_and_makes_only_the_facts_that_its_family_declares(name: str, data: st.DataObject) -> None:
    history = data.draw(histories(name))
    family = family_of(history)
    for known in known_days(history)[::3]:
        for steps in timelines(family, records(family, history), known, FOREVER).values():
            for state in fold(family, steps):
                for key, fact in state.items():
                    assert _declared(family, key, fact), (key, fact)


def _declared(family: Family[Any], key: str, fact: Fact) -> bool:
    return any(kind.name == fact.kind and fact.status in kind.statuses and any(
        re.fullmatch(re.sub("<[^>]+>", ".+", pattern), key) for pattern in kind.key.split(", or ")) for kind in family.kinds)


@share(1)
@given(histories())
def test_nothing_is_scheduled_but_a_start_that_is_known_and_still_to_come(history: list[Logged]) -> None:
    family = family_of(history)
    for steps in timelines(family, records(family, history), FOREVER, FOREVER).values():
        starts = {step.version: step for step in steps if not step.ends}
        for day in valid_days(history)[::2]:
            for held in held_on(family, steps, day):
                if held.fact.status == SCHEDULED:
                    step = starts[held.fact.because[0]]
                    assert step.announced <= day < step.lo == held.since[0]
                    assert held.until == (FOREVER, FOREVER)
                    assert held.fact.get("becomes")


@share(1)
@given(histories(widths=EXACT))
def test_where_every_day_is_exact_every_fact_is_certain(history: list[Logged]) -> None:
    family = family_of(history)
    for steps in timelines(family, records(family, history), FOREVER, FOREVER).values():
        for day in valid_days(history):
            assert all(held.certainty == "certain" for held in held_on(family, steps, day))


@share(1)
@given(histories(), st.randoms(use_true_random=False))
def test_without_corrections_the_order_of_recording_changes_no_fact_where_days_differ(history: list[Logged], random: Any) -> None:
    events = [item.event for item in history if not item.event.type.startswith("correction.")]
    assume(events and events[0].family != "coverage")  # which is filtered, and ordered, on the recorded clock alone
    assume(len({(e.span, e.order, e.known_day) for e in events}) == len(events))
    shuffled = random.sample(events, len(events))
    days = [format_span(day, day) or "" for day in valid_days(history)[::3]]
    assert [_facts(events, day) for day in days] == [_facts(shuffled, day) for day in days]


def _facts(events: list[Event], day: str) -> set[tuple[Any, ...]]:
    return {(h.key, h.fact.kind, h.fact.status, h.fact.attributes, h.since, h.until, h.certainty) for h in told(events, day)}


# ---------------------------------------------------------------- imprecise days, by hand
JOINED, LEFT = "agreement.participant_rejoined", "agreement.participant_withdrew"


def _membership(events: list[Event], day: str, known: str | None = None, party: str = "A") -> str | None:
    """How certain it is that a party takes part on a day; None where it does not."""
    found = {held.certainty for held in told(events, day, known) if held.key == f"participant:{party}" and held.fact.status != SCHEDULED}
    assert len(found) < 2, found
    return found.pop() if found else None


def _joined(effective: str, known: str = "2020-01-01", **more: Any) -> Event:
    return say(JOINED, effective, known, id=more.pop("id", "joined"), party="A", **more)


def _left(effective: str, known: str = "2020-01-01", **more: Any) -> Event:
    return say(LEFT, effective, known, id=more.pop("id", "left"), party="A", **more)


def test_a_party_that_joined_10_to_30_and_left_20_to_40_is_possibly_in_on_day_25() -> None:
    events = [_joined("[2020-03-10..2020-03-30]"), _left("[2020-03-20..2020-04-09]")]
    days = ("2020-03-09", "2020-03-10", "2020-03-25", "2020-04-08", "2020-04-09")
    assert [_membership(events, day) for day in days] == [None, "possible", "possible", "possible", None]


def test_a_party_that_joined_in_2020_and_left_in_june_2020_is_out_for_good() -> None:
    events = [_joined("2020"), _left("2020-06")]
    days = ("2019-12-31", "2020-01-01", "2020-06-29", "2020-06-30", "2033-01-01")
    assert [_membership(events, day) for day in days] == [None, "possible", "possible", None, None]


def test_a_later_event_that_is_certain_makes_an_earlier_imprecise_one_certain() -> None:
    events = [_joined("2020-01-01"), _left("[2020-01-11..2020-02-10]"), _joined("[2020-01-21..2020-01-31]", id="again")]
    assert _membership(events, "2020-03-01") == "certain"
    assert _membership(events, "2020-01-31") == "certain"
    assert _membership(events, "2020-01-25") == "possible"


def test_between_its_latest_start_and_its_earliest_end_a_fact_is_certain() -> None:
    events = [_joined("[2020-01-05..2020-01-10]"), _left("[2020-01-20..2020-01-25]")]
    days = ("2020-01-09", "2020-01-10", "2020-01-19", "2020-01-20", "2020-01-24", "2020-01-25")
    assert [_membership(events, day) for day in days] == ["possible", "certain", "certain", "possible", "possible", None]


def test_since_and_until_tell_the_uncertain_days_of_the_run() -> None:
    held = one([_joined("[2020-01-05..2020-01-10]"), _left("[2020-01-20..2020-01-25]")], "participant:A", "2020-01-15")
    assert held is not None
    assert (format_span(*held.since), format_span(*held.until)) == ("[2020-01-05..2020-01-10]", "[2020-01-20..2020-01-25]")


def test_an_imprecise_known_day_counts_from_its_latest_day() -> None:
    events = [_joined("2020-01-05", "[2020-02-01..2020-02-10]")]
    assert [_membership(events, "2020-03-01", known) for known in ("2020-02-09", "2020-02-10")] == [None, "certain"]


def test_a_change_of_attributes_does_not_break_the_run() -> None:
    events = [say("campaign.launched", "2020-01-05", name="one"), say("campaign.intensified", "2020-01-10", change="more"),
              say("campaign.intensified", "2020-01-20", change="yet more")]
    held = one(events, "intensity", "2020-02-01")
    assert held is not None
    assert format_span(*held.since) == "2020-01-10"
    assert held.fact.get("change") == "yet more"
    assert held.fact.because == (2, 3)


def test_a_change_of_status_begins_a_new_run() -> None:
    events = [say("campaign.launched", "2020-01-05"), say("campaign.intensified", "2020-01-10"), say("campaign.eased", "2020-01-20")]
    before, after = one(events, "intensity", "2020-01-19"), one(events, "intensity", "2020-01-20")
    assert before is not None
    assert after is not None
    assert format_span(*before.until) == format_span(*after.since) == "2020-01-20"
    assert after.fact.because == (3,)


# ---------------------------------------------------------------- the order of a day
def test_on_one_day_the_stated_order_decides_before_the_order_of_recording() -> None:
    assert _membership([_left("2020-01-05", order=1), _joined("2020-01-05", order=0)], "2020-01-05") is None
    assert _membership([_left("2020-01-05", order=-1), _joined("2020-01-05")], "2020-01-05") == "certain"


def test_on_one_day_without_a_stated_order_what_was_known_first_came_first() -> None:
    events = [_left("2020-01-05", "2020-01-07"), _joined("2020-01-05", "2020-01-06")]
    assert _membership(events, "2020-01-05") is None


def test_on_one_day_and_known_together_what_was_recorded_first_came_first() -> None:
    assert _membership([_joined("2020-01-05"), _left("2020-01-05")], "2020-01-05") is None
    assert _membership([_left("2020-01-05"), _joined("2020-01-05")], "2020-01-05") == "certain"


# ---------------------------------------------------------------- corrections, by hand
def test_an_amendment_says_otherwise_from_the_day_on_which_it_was_known() -> None:
    events = [_joined("2020-01-05", "2020-01-05"), amend("joined", JOINED, "2020-03-01", "2020-02-01", party="A")]
    assert [_membership(events, "2020-01-20", known) for known in ("2020-01-31", "2020-02-01")] == ["certain", None]
    assert _membership(events, "2020-03-01") == "certain"


def test_because_names_the_version_that_stands() -> None:
    events = [_joined("2020-01-05"), amend("joined", JOINED, "2020-01-06", "2020-02-01", party="A")]
    before, after = one(events, "participant:A", "2020-03-01", "2020-01-31"), one(events, "participant:A", "2020-03-01")
    assert [held and held.fact.because for held in (before, after)] == [(1,), (2,)]


def test_what_is_retracted_did_not_happen_as_known_from_that_day_on() -> None:
    events = [_joined("2020-01-05", "2020-01-05"), retract("joined", "2020-02-01")]
    assert [_membership(events, "2020-01-20", known) for known in ("2020-01-31", "2020-02-01")] == ["certain", None]


def test_a_retracted_amendment_vanishes_and_the_original_stands_again() -> None:
    events = [_joined("2020-01-05", "2020-01-05"), amend("joined", JOINED, "2020-03-01", "2020-02-01", party="A"),
              retract("amendment", "2020-04-01")]
    assert [_membership(events, "2020-01-20", known) for known in ("2020-01-31", "2020-03-31", "2020-04-01")] == ["certain", None, "certain"]


def test_a_retracted_retraction_brings_the_original_back() -> None:
    events = [_joined("2020-01-05", "2020-01-05"), retract("joined", "2020-02-01"), retract("retraction", "2020-03-01", id="back")]
    assert [_membership(events, "2020-01-20", known) for known in ("2020-01-31", "2020-02-29", "2020-03-01")] == ["certain", None, "certain"]


def test_a_retraction_of_a_retraction_of_an_amendment_lets_the_amendment_stand() -> None:
    events = [_joined("2020-01-05", "2020-01-05"), amend("joined", JOINED, "2020-03-01", "2020-02-01", party="A"),
              retract("amendment", "2020-02-10", id="no"), retract("no", "2020-02-20", id="yes")]
    assert [_membership(events, "2020-01-20", known) for known in ("2020-02-05", "2020-02-15", "2020-02-25")] == [None, "certain", None]


def test_an_amendment_of_an_amendment_replaces_the_original() -> None:
    events = [_joined("2020-01-05", "2020-01-05"), amend("joined", JOINED, "2020-02-01", "2020-01-10", party="A"),
              amend("amendment", JOINED, "2020-03-01", "2020-01-20", id="second", party="A")]
    starts = []
    for known in ("2020-01-09", "2020-01-19", "2020-01-20"):
        held = one(events, "participant:A", "2020-04-01", known)
        assert held is not None
        starts.append(format_span(*held.since))
    assert starts == ["2020-01-05", "2020-02-01", "2020-03-01"]


def test_a_retracted_first_amendment_does_not_take_the_second_with_it() -> None:
    events = [_joined("2020-01-05", "2020-01-05"), amend("joined", JOINED, "2020-02-01", "2020-01-10", party="A"),
              amend("amendment", JOINED, "2020-03-01", "2020-01-20", id="second", party="A"), retract("amendment", "2020-01-30")]
    held = one(events, "participant:A", "2020-04-01")
    assert held is not None
    assert format_span(*held.since) == "2020-03-01"


def test_the_correction_that_was_known_later_wins_whatever_the_order_of_recording() -> None:
    first = say("indicator.observed", "2019-01-01", "2020-01-10", id="v1", until="2020-01-01", period="2019", publisher="imf", value=-7.6)
    later = amend("v1", "indicator.revised", "2019-01-01", "2020-01-30", id="v3", until="2020-01-01", period="2019", publisher="imf", value=-6.5)
    sooner = amend("v1", "indicator.revised", "2019-01-01", "2020-01-20", id="v2", until="2020-01-01", period="2019", publisher="imf", value=-7.0)
    for events in ([first, later, sooner], [first, sooner, later]):
        values = []
        for known in ("2020-01-05", "2020-01-15", "2020-01-25", "2020-02-05"):
            held = one(events, "period:imf:2019", "2019-06-01", known)
            values.append(held and held.fact.get("value"))
        assert values == [None, -7.6, -7.0, -6.5]


def test_of_two_corrections_known_on_one_day_the_one_recorded_last_wins() -> None:
    events = [_joined("2020-01-05"), amend("joined", JOINED, "2020-02-01", "2020-01-10", party="A"), retract("joined", "2020-01-10")]
    assert _membership(events, "2020-03-01") is None
    assert _membership([events[0], events[2], events[1]], "2020-03-01") == "certain"


def test_an_amendment_known_after_a_retraction_stands() -> None:
    events = [_joined("2020-01-05"), retract("joined", "2020-01-10"), amend("joined", JOINED, "2020-02-01", "2020-01-20", party="A")]
    assert [_membership(events, "2020-03-01", known) for known in ("2020-01-15", "2020-01-20")] == [None, "certain"]


def test_an_amendment_that_was_public_before_its_target_counts_from_its_own_day() -> None:
    events = [_joined("[2020-01-11..2020-01-30]", "2020-01-30"), amend("joined", JOINED, "[2020-01-11..2020-01-20]", "2020-01-20", party="A")]
    assert [_membership(events, "2020-01-20", known) for known in ("2020-01-19", "2020-01-20", "2020-02-10")] == [None, "certain", "certain"]


def test_a_retraction_that_was_public_before_its_target_lets_it_never_be_told() -> None:
    events = [_joined("2020-01-05", "2020-01-30"), retract("joined", "2020-01-20")]
    assert [_membership(events, "2020-03-01", known) for known in ("2020-01-25", "2020-02-10")] == [None, None]


def test_an_amendment_keeps_its_originals_place_in_the_day() -> None:
    events = [_joined("2020-01-05"), _left("2020-01-05"), amend("joined", JOINED, "2020-01-05", "2020-02-01", party="A")]
    assert [_membership(events, "2020-01-06", known) for known in ("2020-01-31", "2020-02-01")] == [None, None]


def test_an_amendment_brings_its_own_order_and_planned_end() -> None:
    waiver = say("authorization.waiver_issued", "2020-01-05", until="2020-02-05", id="waiver")
    longer = amend("waiver", "authorization.waiver_issued", "2020-01-05", "2020-01-10", until="2020-03-05")
    assert one([waiver, longer], "authorization", "2020-03-04") is not None
    assert one([waiver, longer], "authorization", "2020-03-05") is None
    assert one([waiver, longer], "authorization", "2020-03-04", "2020-01-09") is None


def test_an_amendment_may_move_an_event_to_another_scope() -> None:
    wrong = say("indicator.observed", "2019-01-01", "2020-01-10", id="v1", until="2020-01-01", period="2019", publisher="imf")
    right = amend("v1", "indicator.observed", "2018-01-01", "2020-01-20", until="2019-01-01", period="2018", publisher="imf")
    assert one([wrong, right], "period:imf:2019", "2019-06-01") is None
    assert one([wrong, right], "period:imf:2018", "2018-06-01") is not None


def test_our_own_mistake_leaves_no_day_on_which_it_was_known() -> None:
    events = [_joined("2020-01-05", "2020-01-05"), retract("joined", "2020-01-05")]
    assert [_membership(events, "2020-01-20", known) for known in ("2020-01-05", "2020-02-01")] == [None, None]


# ---------------------------------------------------------------- planned ends and announced starts, by hand
def test_a_planned_end_is_voided_by_a_later_term() -> None:
    waiver = say("authorization.waiver_issued", "2020-01-05", until="2020-05-05")
    renewed = say("authorization.renewed", "2020-04-05", until="2020-08-05")
    assert one([waiver], "authorization", "2020-05-05") is None
    assert one([waiver, renewed], "authorization", "2020-05-05") is not None
    assert one([waiver, renewed], "authorization", "2020-08-05") is None


def test_a_change_without_a_term_of_its_own_leaves_the_planned_end() -> None:
    events = [say("authorization.waiver_issued", "2020-01-05", until="2020-05-05"), say("authorization.changed", "2020-02-01")]
    assert one(events, "authorization", "2020-05-04") is not None
    assert one(events, "authorization", "2020-05-05") is None


def test_an_end_that_came_early_is_not_repeated_by_the_planned_one() -> None:
    events = [say("authorization.waiver_issued", "2020-01-05", until="2020-05-05"), say("authorization.revoked", "2020-02-01"),
              say("authorization.waiver_issued", "2020-03-01", id="anew")]
    assert one(events, "authorization", "2020-02-15") is None
    assert one(events, "authorization", "2020-06-01") is not None


def test_an_announced_start_is_scheduled_until_it_begins() -> None:
    events = [say("designation.listed", "2019-04-15", "2019-04-08", list="FTO")]
    found = {day: [h.fact.status for h in told(events, day) if h.key == "listing:FTO"]
             for day in ("2019-04-07", "2019-04-08", "2019-04-14", "2019-04-15")}
    assert found == {"2019-04-07": [], "2019-04-08": ["scheduled"], "2019-04-14": ["scheduled"], "2019-04-15": ["listed"]}


def test_a_scheduled_start_says_what_it_becomes_and_from_which_day() -> None:
    held = one([say("designation.listed", "2019-04-15", "2019-04-08", list="FTO")], "listing:FTO", "2019-04-10")
    assert held is not None
    assert held.fact.get("becomes") == "listed"
    assert (format_span(*held.since), format_span(*held.until)) == ("2019-04-15", None)


def test_a_start_that_became_known_afterwards_was_never_scheduled() -> None:
    events = [say("incident.reported", "2020-08-07", "2020-11-13")]
    assert told(events, "2020-08-06") == set()
    assert {h.fact.status for h in told(events, "2020-08-07")} == {"reported", "unconfirmed"}
    assert told(events, "2020-10-01", "2020-11-12") == set()


def test_a_later_change_of_the_same_status_is_not_scheduled() -> None:
    events = [say("authorization.waiver_issued", "2020-01-05"), say("authorization.renewed", "2020-06-01", "2020-03-01")]
    assert [h.fact.status for h in told(events, "2020-04-01")] == ["in_force"]


def test_what_was_not_yet_recorded_is_not_told() -> None:
    events = [_joined("2020-01-05"), _left("2020-01-10")]
    assert [bool(told(events, "2020-02-01", position=at)) for at in (0, 1)] == [False, True]
    assert {h.key for h in told(events, "2020-02-01", position=2)} == {"withdrawal:A"}
