"""Agreements and the conduct of their parties: who takes part, which commitments were reduced, who disputes what."""

from __future__ import annotations

from typing import assert_never

from pydantic import Field

from domain.event import Day, Payload, Slug, Slugs, Text, Texts
from domain.family import Family, Kind, State, Step, drop, merge, put


class Concluded(Payload):
    """Text agreed or signed; the named participants take part from then on."""

    TYPE = "agreement.concluded"
    name: Text
    parties: Slugs = Field((), description="ISO 3166 alpha-3 codes, or EU, IAEA, ...")
    instrument: Text | None = Field(None, description="treaty, political understanding, company, ...")
    place: Text | None = None
    signed: Day | None = None
    legal_authority: Texts = Field((), description="citations")


class Adopted(Payload):
    """It came into effect in the sense of its own adoption clause."""

    TYPE = "agreement.adopted"
    name: Text | None = None


class EnteredIntoForce(Payload):
    """It entered into force, or took effect."""

    TYPE = "agreement.entered_into_force"
    name: Text | None = None
    parties: Slugs = Field((), description="parties, where the conclusion is not recorded on its own")
    signed: Day | None = None
    legal_authority: Texts = Field((), description="citations")


class ProvisionallyApplied(Payload):
    """Applied before, or without, entry into force."""

    TYPE = "agreement.provisionally_applied"
    name: Text | None = None
    parties: Slugs = ()
    legal_authority: Texts = Field((), description="citations")


class ApplicationEnded(Payload):
    """Provisional application ended; what was signed stays signed."""

    TYPE = "agreement.application_ended"
    by: Slug | None = None
    reason: Text | None = None


class Extended(Payload):
    """Prolonged."""

    TYPE = "agreement.extended"
    to: Text | None = Field(None, description="until when, as stated")


class MilestoneReached(Payload):
    """A day that the agreement or its parties name: Implementation Day, Transition Day, a first transaction."""

    TYPE = "agreement.milestone_reached"
    milestone: Slug
    name: Text
    legal_authority: Texts = Field((), description="citations")


class Certified(Payload):
    """Compliance was certified under a party's own law."""

    TYPE = "agreement.certified"
    by: Slug
    law: Text | None = None


class CertificationWithheld(Payload):
    """Certification under a party's own law was withheld. That is not a withdrawal."""

    TYPE = "agreement.certification_withheld"
    by: Slug
    law: Text | None = None


class ReviewOpened(Payload):
    """A review under a party's own law began."""

    TYPE = "agreement.review_opened"
    by: Text
    law: Text | None = None


class ReviewClosed(Payload):
    """That review ended."""

    TYPE = "agreement.review_closed"
    outcome: Text | None = None


class LawEnacted(Payload):
    """A party enacted a law about its commitments."""

    TYPE = "agreement.law_enacted"
    law: Slug
    name: Text
    by: Slug
    requires: Text | None = None


class CommitmentReduced(Payload):
    """A party stopped keeping a commitment, and said so."""

    TYPE = "agreement.commitment_reduced"
    party: Slug
    reduction: Slug = Field(description="slug of the reduction", examples=["step-1"])
    step: int | None = Field(None, description="number, where the party counted its steps")
    commitment: Text = Field(description="what is no longer kept")
    announced: Day | None = None


class LimitExceeded(Payload):
    """A limit was found exceeded."""

    TYPE = "agreement.limit_exceeded"
    party: Slug
    limit: Slug
    name: Text
    verified_by: Slug | None = None


class FindingReported(Payload):
    """An inspecting body reported what it found."""

    TYPE = "agreement.finding_reported"
    by: Slug
    finding: Slug
    name: Text
    about: Text | None = Field(None, description="day or period of what was found, where it differs")


class ResolutionAdopted(Payload):
    """A governing body adopted a resolution."""

    TYPE = "agreement.resolution_adopted"
    body: Slug
    resolution: Slug
    name: Text
    votes_for: int | None = None
    votes_against: int | None = None
    abstentions: int | None = None


class CooperationSuspended(Payload):
    """A party suspended cooperation under the agreement."""

    TYPE = "agreement.cooperation_suspended"
    party: Slug
    law: Text | None = None


class DisputeTriggered(Payload):
    """A party set the dispute mechanism going."""

    TYPE = "agreement.dispute_triggered"
    by: Slugs
    mechanism: Text | None = None


class NoticeOfTermination(Payload):
    """A party gave notice; the agreement holds until the notice takes effect."""

    TYPE = "agreement.notice_of_termination"
    by: Slug
    takes_effect: Day | None = None


class ParticipantWithdrew(Payload):
    """A participant left; the others stay."""

    TYPE = "agreement.participant_withdrew"
    party: Slug
    instrument: Text | None = None


class ParticipantRejoined(Payload):
    """A participant came in, or came back."""

    TYPE = "agreement.participant_rejoined"
    party: Slug


class ProvisionExpired(Payload):
    """A provision lapsed as foreseen."""

    TYPE = "agreement.provision_expired"
    provision: Slug
    name: Text


class TerminationDeclared(Payload):
    """Some declared it ended; whether it is, is in dispute."""

    TYPE = "agreement.termination_declared"
    by: Slugs
    disputed_by: Slugs = ()
    ground: Text | None = None


class Terminated(Payload):
    """It ended."""

    TYPE = "agreement.terminated"
    by: Slugs = ()
    reason: Text | None = None


AgreementEvent = (
    Concluded | Adopted | EnteredIntoForce | ProvisionallyApplied | ApplicationEnded | Extended | MilestoneReached
    | Certified | CertificationWithheld | ReviewOpened | ReviewClosed | LawEnacted | CommitmentReduced | LimitExceeded
    | FindingReported | ResolutionAdopted | CooperationSuspended | DisputeTriggered | NoticeOfTermination
    | ParticipantWithdrew | ParticipantRejoined | ProvisionExpired | TerminationDeclared | Terminated
)


def _join(state: State, step: Step[AgreementEvent], parties: Slugs) -> State:
    for party in parties:
        if f"participant:{party}" not in state:
            state = put(drop(state, f"withdrawal:{party}"), f"participant:{party}", step, "participant", "participant",
                        party=party, parties=None)
    return state


def evolve(state: State, step: Step[AgreementEvent]) -> State:
    e = step.data
    match e:
        case Concluded():
            return _join(merge(state, "agreement", step, "agreement", "concluded"), step, e.parties)
        case Adopted():
            return merge(state, "agreement", step, "agreement", "adopted")
        case EnteredIntoForce():
            return _join(merge(state, "agreement", step, "agreement", "in_force"), step, e.parties)
        case ProvisionallyApplied():
            return _join(merge(state, "agreement", step, "agreement", "provisionally_applied", by=None, reason=None), step, e.parties)
        case ApplicationEnded():
            return merge(state, "agreement", step, "agreement", "concluded") if "agreement" in state else state
        case Extended():
            old = state.get("agreement")
            return state if old is None else merge(state, "agreement", step, "agreement", old.status, new_term=True, to=None, extended_to=e.to)
        case MilestoneReached():
            return put(state, f"milestone:{e.milestone}", step, "milestone", "reached")
        case Certified():
            return put(state, f"certification:{e.by}", step, "certification", "certified")
        case CertificationWithheld():
            return put(state, f"certification:{e.by}", step, "certification", "withheld")
        case ReviewOpened():
            return put(state, "review", step, "review", "open")
        case ReviewClosed():
            return merge(state, "review", step, "review", "closed")
        case LawEnacted():
            return put(state, f"law:{e.law}", step, "law", "enacted")
        case CommitmentReduced():
            return put(state, f"reduction:{e.reduction}", step, "reduction", "in_effect")
        case LimitExceeded():
            return put(state, f"breach:{e.limit}", step, "breach", "exceeded")
        case FindingReported():
            return put(state, f"finding:{e.finding}", step, "finding", "reported")
        case ResolutionAdopted():
            return put(state, f"resolution:{e.resolution}", step, "resolution", "adopted")
        case CooperationSuspended():
            return put(state, f"suspension:{e.party}", step, "suspension", "suspended")
        case DisputeTriggered():
            return put(state, "dispute", step, "dispute", "triggered")
        case NoticeOfTermination():
            return put(state, f"notice:{e.by}", step, "notice", "given")
        case ParticipantWithdrew():
            gone = drop(state, f"participant:{e.party}", f"certification:{e.party}")
            return put(gone, f"withdrawal:{e.party}", step, "withdrawal", "withdrawn")
        case ParticipantRejoined():
            return _join(state, step, (e.party,))
        case ProvisionExpired():
            return put(state, f"provision:{e.provision}", step, "provision", "expired")
        case TerminationDeclared():
            return put(state, "termination", step, "termination", "declared")
        case Terminated():
            gone = drop(state, "participant:*", "notice:*", "suspension:*", "dispute", "certification:*")
            return merge(gone, "agreement", step, "agreement", "terminated")
        case _:
            assert_never(e)


def refuse(state: State, step: Step[AgreementEvent]) -> str | None:
    e, now = step.data, state.get("agreement")
    ended = now is not None and now.status == "terminated"
    match e:
        case Concluded() if now is not None:
            return f"it is already {now.status}"
        case Adopted() | ApplicationEnded() | Extended() | NoticeOfTermination() if now is None:
            return "no agreement is recorded then: record that it was concluded first"
        case EnteredIntoForce() | ProvisionallyApplied() if ended:
            return "it is terminated: a new agreement is a new subject"
        case ParticipantWithdrew() if f"participant:{e.party}" not in state:
            return f"{e.party} is not a participant then, so it cannot withdraw: record its entry first, or check the day"
        case ParticipantRejoined() if now is None or ended:
            return "there is no agreement in being that could be rejoined"
        case ParticipantRejoined() if f"participant:{e.party}" in state:
            return f"{e.party} is already a participant"
        case ReviewClosed() if "review" not in state:
            return "no review is open"
        case Terminated() if now is None or ended:
            return "there is no agreement in being that could be terminated"
    return None


FAMILY = Family[AgreementEvent](
    name="agreement",
    plural="agreements",
    title="Agreements",
    subjects="an agreement (`agreement:jcpoa`)",
    events=(Concluded, Adopted, EnteredIntoForce, ProvisionallyApplied, ApplicationEnded, Extended, MilestoneReached,
            Certified, CertificationWithheld, ReviewOpened, ReviewClosed, LawEnacted, CommitmentReduced, LimitExceeded,
            FindingReported, ResolutionAdopted, CooperationSuspended, DisputeTriggered, NoticeOfTermination,
            ParticipantWithdrew, ParticipantRejoined, ProvisionExpired, TerminationDeclared, Terminated),
    kinds=(
        Kind("agreement", "agreement", "where the agreement itself stands",
             {"concluded": "agreed or signed", "adopted": "adopted", "in_force": "in force",
              "provisionally_applied": "applied without being in force", "terminated": "ended"}),
        Kind("participant", "participant:<party>", "who takes part", {"participant": "takes part"}),
        Kind("withdrawal", "withdrawal:<party>", "who left", {"withdrawn": "left, and has not come back"}),
        Kind("milestone", "milestone:<milestone>", "named days that were reached", {"reached": "reached"}),
        Kind("certification", "certification:<by>", "certification under a party's own law",
             {"certified": "certified", "withheld": "withheld; the party still takes part"}),
        Kind("review", "review", "review under a party's own law", {"open": "under way", "closed": "ended"}),
        Kind("law", "law:<law>", "a party's law about its commitments", {"enacted": "enacted"}),
        Kind("reduction", "reduction:<reduction>", "a commitment that a party said it no longer keeps",
             {"in_effect": "took effect"}),
        Kind("breach", "breach:<limit>", "a limit found exceeded", {"exceeded": "exceeded"}),
        Kind("finding", "finding:<finding>", "what an inspecting body found", {"reported": "reported"}),
        Kind("resolution", "resolution:<resolution>", "a governing body's resolution", {"adopted": "adopted"}),
        Kind("suspension", "suspension:<party>", "cooperation suspended by a party", {"suspended": "suspended"}),
        Kind("dispute", "dispute", "the dispute mechanism", {"triggered": "set going"}),
        Kind("notice", "notice:<by>", "notice of termination", {"given": "given; the agreement still holds"}),
        Kind("provision", "provision:<provision>", "a provision that lapsed", {"expired": "lapsed"}),
        Kind("termination", "termination", "an end that some declare and others dispute", {"declared": "declared"}),
    ),
    evolve=evolve,
    refuse=refuse,
    adds={"extended_to": "until when it was last prolonged, as stated"},
)
