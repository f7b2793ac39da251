"""What `decide` refuses, family by family, and what it takes; record ids; the limit of a scope."""

from __future__ import annotations

from typing import Any

import pytest

from domain.catalogue import CATALOGUE
from domain.decide import SCOPE_LIMIT, judge, new_events, objection
from domain.errors import Conflict, Invalid, Refused, WrongVersion
from domain.event import Event
from tests.build import amend, refusal, retract, say, stream, told

D1, D2, D3 = "2020-01-01", "2020-02-01", "2020-03-01"


def refused(words: str, *events: Event) -> bool:
    """Whether the last of these events is refused in words that contain these, and name its record."""
    said = refusal(*events)
    return said is not None and words in said and events[-1].record_id in said and events[-1].subject in said


# ---------------------------------------------------------------- relations
def test_severed_relations_cannot_be_severed_again() -> None:
    assert refused("already severed", say("relations.severed", D1), say("relations.severed", D2))
    assert refusal(say("relations.established", D1), say("relations.severed", D2)) is None


def test_established_relations_cannot_be_established_again() -> None:
    assert refused("already established", say("relations.established", D1), say("relations.established", D2))
    assert refusal(say("relations.established", D1), say("relations.severed", D2), say("relations.established", D3)) is None


def test_the_level_of_no_relations_cannot_change() -> None:
    assert refused("no relations are established", say("relations.severed", D1), say("relations.level_changed", D2))


def test_relations_that_stand_need_no_restoration() -> None:
    assert refused("nothing to restore", say("relations.established", D1), say("relations.restoration_agreed", D2))


# ---------------------------------------------------------------- office
def test_whoever_holds_an_office_cannot_assume_it_again() -> None:
    assert refused("already holds the office", say("office.assumed", D1, person="A"), say("office.assumed", D2, person="A"))


def test_a_second_holder_ends_the_tenure_of_the_first() -> None:
    events = [say("office.assumed", D1, person="A"), say("office.assumed", D2, person="B")]
    assert refusal(*events) is None
    assert {held.key for held in told(events, D2) if held.fact.kind == "holder"} == {"holder:B"}


def test_nobody_leaves_an_office_that_he_does_not_hold() -> None:
    assert refused("does not hold the office", say("office.assumed", D1, person="A"), say("office.left", D2, person="B"))


def test_an_acting_holder_may_assume_the_office_but_not_begin_to_act_again() -> None:
    acting = say("office.acting_began", D1, person="A")
    assert refusal(acting, say("office.assumed", D2, person="A")) is None
    assert refused("already acts", acting, say("office.acting_began", D2, person="A"))


def test_a_resignation_that_was_not_offered_cannot_be_rejected() -> None:
    offered = [say("office.assumed", D1, person="A"), say("office.resignation_offered", D2, person="A")]
    assert refused("offered no resignation", offered[0], say("office.resignation_rejected", D3, person="A"))
    assert refusal(*offered, say("office.resignation_rejected", D3, person="A")) is None


def test_an_election_that_is_not_recorded_cannot_be_confirmed() -> None:
    assert refused("no election", say("office.election_confirmed", D1))


def test_an_office_is_abolished_once() -> None:
    assert refused("already abolished", say("office.abolished", D1), say("office.abolished", D2))


# ---------------------------------------------------------------- agreement
def test_a_party_that_is_no_participant_cannot_withdraw() -> None:
    concluded = say("agreement.concluded", D1, parties=["IRN"])
    assert refused("USA is not a participant", concluded, say("agreement.participant_withdrew", D2, party="USA"))
    assert refusal(concluded, say("agreement.participant_withdrew", D2, party="IRN")) is None


def test_a_party_cannot_withdraw_before_it_took_part() -> None:
    concluded = say("agreement.concluded", D2, parties=["IRN"])
    assert refused("is not a participant", concluded, say("agreement.participant_withdrew", D1, party="IRN"))


def test_a_participant_cannot_rejoin() -> None:
    assert refused("already a participant", say("agreement.concluded", D1, parties=["IRN"]),
                   say("agreement.participant_rejoined", D2, party="IRN"))


def test_an_agreement_is_concluded_once_and_terminated_once() -> None:
    concluded, terminated = say("agreement.concluded", D1), say("agreement.terminated", D2)
    assert refused("already concluded", concluded, say("agreement.concluded", D2))
    assert refused("no agreement in being", concluded, terminated, say("agreement.terminated", D3))


def test_a_terminated_agreement_does_not_enter_into_force() -> None:
    assert refused("is terminated", say("agreement.concluded", D1), say("agreement.terminated", D2),
                   say("agreement.entered_into_force", D3))


# ---------------------------------------------------------------- program
def test_an_instrument_in_force_does_not_take_effect_again() -> None:
    assert refused("already in force", say("program.took_effect", D1), say("program.took_effect", D2))
    assert refusal(say("program.instrument_issued", D1), say("program.took_effect", D2)) is None


def test_what_is_not_suspended_cannot_resume() -> None:
    assert refused("not suspended", say("program.took_effect", D1), say("program.resumed", D2))
    assert refusal(say("program.took_effect", D1), say("program.suspended", D2), say("program.resumed", D3)) is None


def test_an_emergency_that_was_not_declared_cannot_be_continued() -> None:
    assert refused("no emergency", say("program.emergency_continued", D1))


def test_what_is_revoked_cannot_be_revoked_again() -> None:
    assert refused("nothing is in force", say("program.took_effect", D1), say("program.revoked", D2), say("program.revoked", D3))


def test_an_assertion_that_nobody_made_cannot_be_withdrawn() -> None:
    assert refused("has asserted nothing", say("program.assertion_withdrawn", D1))


# ---------------------------------------------------------------- designation
def test_the_unlisted_cannot_be_delisted() -> None:
    assert refused("not on OFAC-SDN", say("designation.listed", D1, list="FTO"), say("designation.delisted", D2, list="OFAC-SDN"))


def test_a_delisted_party_cannot_be_delisted_again() -> None:
    listed, delisted = say("designation.listed", D1, list="FTO"), say("designation.delisted", D2, list="FTO")
    assert refused("not on FTO", listed, delisted, say("designation.delisted", D3, list="FTO"))


def test_the_listed_cannot_be_relisted() -> None:
    listed, delisted = say("designation.listed", D1, list="FTO"), say("designation.delisted", D2, list="FTO")
    assert refused("cannot be relisted", listed, say("designation.relisted", D2, list="FTO"))
    assert refusal(listed, delisted, say("designation.relisted", D3, list="FTO")) is None


def test_a_party_is_listed_once_on_one_authority_and_again_on_another() -> None:
    first = say("designation.listed", D1, list="FTO", authority="E.O. 1")
    assert refused("already on FTO on that authority", first, say("designation.listed", D2, list="FTO", authority="E.O. 1"))
    assert refusal(first, say("designation.listed", D2, list="FTO", authority="E.O. 2")) is None


def test_an_authority_cannot_be_added_to_the_unlisted() -> None:
    assert refused("not on FTO", say("designation.authority_added", D1, list="FTO"))


# ---------------------------------------------------------------- authorization
def test_what_is_in_force_is_renewed_and_not_issued_again() -> None:
    issued = say("authorization.waiver_issued", D1)
    assert refused("already in force", issued, say("authorization.waiver_issued", D2))
    assert refusal(issued, say("authorization.renewed", D2)) is None


def test_what_lapsed_cannot_be_renewed_or_revoked() -> None:
    issued = say("authorization.waiver_issued", D1, until=D2)
    assert refused("not in force", issued, say("authorization.renewed", D3))
    assert refused("not in force", issued, say("authorization.revoked", D3))


# ---------------------------------------------------------------- campaign
def test_a_campaign_under_way_cannot_be_launched() -> None:
    assert refused("already under way", say("campaign.launched", D1), say("campaign.launched", D2))


def test_a_campaign_that_ended_can_neither_intensify_nor_end() -> None:
    events = say("campaign.launched", D1), say("campaign.ended", D2)
    assert refused("no campaign is under way", *events, say("campaign.intensified", D3))
    assert refused("no campaign is under way", *events, say("campaign.ended", D3))


# ---------------------------------------------------------------- allegation
def test_a_claim_that_nobody_made_cannot_be_denied() -> None:
    assert refused("no claim is recorded", say("allegation.denied", D1))


def test_whoever_said_nothing_has_nothing_to_withdraw() -> None:
    made = say("allegation.made", D1, party="A")
    assert refused("has said nothing", made, say("allegation.withdrawn", D2, party="B"))
    assert refusal(made, say("allegation.withdrawn", D2, party="A")) is None


def test_a_claim_stays_alleged_whoever_confirms_it() -> None:
    events = [say("allegation.made", D1, party="A"), say("allegation.confirmed", D2, party="B"), say("allegation.repeated", D3, party="A")]
    assert refusal(*events) is None
    assert {held.fact.status for held in told(events, D3) if held.key == "claim"} == {"alleged"}


# ---------------------------------------------------------------- incident
def test_what_occurred_cannot_occur_again_but_what_was_reported_can_prove_true() -> None:
    assert refused("already recorded as occurred", say("incident.occurred", D1), say("incident.occurred", D2))
    assert refusal(say("incident.reported", D1), say("incident.occurred", D2)) is None


def test_what_did_not_begin_cannot_end() -> None:
    assert refused("not going on", say("incident.occurred", D1), say("incident.ended", D2))


def test_what_did_not_happen_can_be_attributed_to_nobody() -> None:
    assert refused("no incident is recorded", say("incident.attributed", D1))


def test_confirming_a_death_does_not_confirm_who_did_it() -> None:
    events = [say("incident.reported", D1, by="nyt"), say("incident.attributed", D1, by="nyt", to="A"), say("incident.confirmed", D2, by="B")]
    assert refusal(*events) is None
    assert {held.key: held.fact.status for held in told(events, D2) if held.fact.kind in ("incident", "attribution")} == {
        "incident": "reported", "attribution:A:nyt": "attributed"}


# ---------------------------------------------------------------- negotiation
def test_open_talks_cannot_be_opened_and_closed_ones_cannot_be_closed() -> None:
    opened = say("negotiation.opened", D1)
    assert refused("already open", opened, say("negotiation.opened", D2))
    assert refused("no talks are open", opened, say("negotiation.closed", D2), say("negotiation.closed", D3))


def test_a_round_that_was_not_set_cannot_be_called_off() -> None:
    assert refused("was not set", say("negotiation.opened", D1), say("negotiation.round_cancelled", D2, round="1"))


def test_a_round_is_held_once() -> None:
    assert refused("already held", say("negotiation.round_held", D1, round="1"), say("negotiation.round_held", D2, round="1"))
    assert refused("already cancelled", say("negotiation.round_scheduled", D1, round="1"),
                   say("negotiation.round_cancelled", D2, round="1"), say("negotiation.round_held", D3, round="1"))


# ---------------------------------------------------------------- pledge
def test_a_pledge_that_stands_is_reaffirmed_and_not_made_again() -> None:
    made = say("pledge.made", D1)
    assert refused("stands already", made, say("pledge.made", D2))
    assert refusal(made, say("pledge.reaffirmed", D2)) is None


def test_a_broken_pledge_cannot_be_fulfilled() -> None:
    assert refused("no such pledge stands", say("pledge.made", D1), say("pledge.broken", D2), say("pledge.fulfilled", D3))


# ---------------------------------------------------------------- proceeding
def test_a_case_is_filed_once() -> None:
    assert refused("already pending", say("proceeding.filed", D1), say("proceeding.filed", D2))


def test_a_case_that_was_not_filed_has_no_measures_and_no_settlement() -> None:
    assert refused("no case is pending", say("proceeding.measures_ordered", D1))
    assert refused("the case is closed", say("proceeding.filed", D1), say("proceeding.closed", D2), say("proceeding.settled", D3))


# ---------------------------------------------------------------- indicator
def test_a_figure_that_was_not_published_cannot_be_revised() -> None:
    period: dict[str, Any] = {"period": "2019", "until": "2020-01-01", "publisher": "imf"}
    assert refused("no figure for 2019", say("indicator.revised", "2019-01-01", **period))
    assert refusal(say("indicator.observed", "2019-01-01", **period), say("indicator.revised", "2019-01-01", **period)) is None


def test_a_figure_of_a_period_holds_in_it_and_on_no_other_day() -> None:
    for effective, until in (("2019-02-01", "2020-01-01"), ("2019-01-01", "2019-12-31"), ("2019-01-01", None)):
        assert refused("holds in it", say("indicator.observed", effective, period="2019", until=until))


# ---------------------------------------------------------------- report
def test_a_report_is_published_once_and_says_nothing_before() -> None:
    assert refused("already published", say("report.published", D1), say("report.published", D2))
    assert refused("no such report", say("report.claim_made", D1))


def test_a_claim_that_the_report_does_not_make_cannot_be_corrected() -> None:
    published = say("report.published", D1)
    assert refused("makes no claim 'A'", published, say("report.corrected", D2, claim="A"))
    assert refused("states no expectation 'A'", published, say("report.expectation_met", D2, expectation="A"))


# ---------------------------------------------------------------- coverage
def test_coverage_cannot_end_before_it_begins() -> None:
    with pytest.raises(Invalid, match="is before first_day"):
        say("coverage.declared", D1, first_day="2020-01-02", last_day="2020-01-01")


def test_a_later_declaration_takes_the_place_of_an_earlier_one_on_every_day() -> None:
    events = [say("coverage.declared", day, id=says, family="agreement", says=says) for day, says in ((D2, "old"), (D1, "new"))]
    assert refusal(*events) is None
    assert {held.fact.get("says") for held in told(events, "1900-01-01", "1900-01-01")} == {"new"}


# ---------------------------------------------------------------- corrections, and the whole timeline
def test_an_event_that_makes_a_later_one_impossible_is_refused() -> None:
    events = [say("agreement.concluded", D1, parties=["IRN"]), say("agreement.participant_withdrew", D3, party="IRN", id="exit")]
    said = refusal(*events, say("agreement.participant_withdrew", D2, party="IRN", id="earlier-exit"))
    assert said is not None
    assert "exit" in said


def test_what_others_rest_on_cannot_be_retracted() -> None:
    events = [say("agreement.concluded", D1, parties=["IRN"], id="c"), say("agreement.participant_withdrew", D2, party="IRN", id="exit")]
    assert "exit" in (refusal(*events, retract("c", D3)) or "")
    assert refusal(*events, retract("exit", D3)) is None


def test_an_amendment_is_judged_by_what_it_makes_of_the_timeline() -> None:
    events = [say("agreement.concluded", D1, parties=["IRN"], id="c"), say("agreement.participant_withdrew", D2, party="IRN", id="exit")]
    assert "is not a participant" in (refusal(*events, amend("c", "agreement.concluded", D1, D3, parties=["USA"])) or "")


def test_a_correction_needs_an_earlier_event_of_its_subject() -> None:
    with pytest.raises(Invalid, match="no earlier event"):
        judge(CATALOGUE.families["agreement"], [], [retract("nothing", D1)])
    judge(CATALOGUE.families["agreement"], [], [say("agreement.adopted", D1, id="a"), retract("a", D1)])


def test_a_subject_at_another_version_than_expected_is_not_written() -> None:
    family, first = CATALOGUE.families["pledge"], say("pledge.made", D1)
    judge(family, stream(first), [say("pledge.reaffirmed", D2)], expected_version=1)
    with pytest.raises(WrongVersion, match="at version 1, not 0"):
        judge(family, stream(first), [say("pledge.reaffirmed", D2)], expected_version=0)


# ---------------------------------------------------------------- record ids
def test_what_is_recorded_already_is_skipped() -> None:
    first, second = say("pledge.made", D1), say("pledge.reaffirmed", D2)
    assert new_events(stream(first), [first, second, second]) == [second]


def test_a_record_id_with_other_content_is_a_conflict() -> None:
    first, other = say("pledge.made", D1, id="x"), say("pledge.made", D2, id="x")
    for known, batch in ((stream(first), [other]), ([], [first, other])):
        with pytest.raises(Conflict, match="'x' of pledge:a is taken"):
            new_events(known, batch)


def test_a_record_id_belongs_to_its_subject_alone() -> None:
    first = say("pledge.made", D1, id="x")
    other = say("pledge.made", D2, id="x", subject="pledge:b")
    assert new_events([], [first]) + new_events([], [other]) == [first, other]


# ---------------------------------------------------------------- scopes
def test_a_scope_of_too_many_events_is_a_modelling_error() -> None:
    family = CATALOGUE.families["indicator"]
    events = [say("indicator.observed", D1, id=f"r{i}") for i in range(SCOPE_LIMIT + 1)]
    judge(family, [], events[:-1])
    with pytest.raises(Refused, match="modelling error"):
        judge(family, stream(*events[:-1]), events[-1:])


def test_scopes_are_counted_apart() -> None:
    year = [say("indicator.observed", "2019-01-01", id=f"y{i}", period="2019", until="2020-01-01") for i in range(SCOPE_LIMIT)]
    level = [say("indicator.observed", D1, id=f"l{i}") for i in range(SCOPE_LIMIT)]
    family = CATALOGUE.families["indicator"]
    assert objection(family, "indicator:a", stream(*year, *level), 2**31, 2**31) is None
