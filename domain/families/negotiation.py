"""Talks, open or secret, and what they brought."""

from __future__ import annotations

from typing import assert_never

from pydantic import Field

from domain.event import Day, Payload, Slug, Slugs, Text
from domain.family import Family, Kind, State, Step, drop, merge, put


class Opened(Payload):
    """Talks or an exchange began."""

    TYPE = "negotiation.opened"
    name: Text
    parties: Slugs = Field((), description="ISO 3166 alpha-3 codes, or EU, E3, ...")
    mediators: Slugs = ()
    form: Text | None = Field(None, description="indirect talks, secret channel, prisoner exchange, letters, ...")
    secret: bool | None = Field(None, description="true where it was kept from the public")


class _Round(Payload):
    round: Slug = Field(examples=["6"])
    on: Day | None = Field(None, description="day of the round")
    place: Text | None = None


class RoundScheduled(_Round):
    """A round was set; the event's effective day is the day on which it was set."""

    TYPE = "negotiation.round_scheduled"


class RoundHeld(_Round):
    """A round was held."""

    TYPE = "negotiation.round_held"
    outcome: Text | None = None


class RoundCancelled(_Round):
    """A round was called off, and never held."""

    TYPE = "negotiation.round_cancelled"
    reason: Text | None = None


class ProposalMade(Payload):
    """A text or an offer was put on the table."""

    TYPE = "negotiation.proposal_made"
    proposal: Slug
    name: Text
    by: Slug


class ProposalLapsed(Payload):
    """A text or an offer came to nothing."""

    TYPE = "negotiation.proposal_lapsed"
    proposal: Slug
    reason: Text | None = None


class MessageSent(Payload):
    """One side wrote to the other."""

    TYPE = "negotiation.message_sent"
    message: Slug
    name: Text
    by: Text
    to: Text
    via: Slug | None = None
    delivered: Day | None = None


class Stalled(Payload):
    """They came to a halt and are not closed."""

    TYPE = "negotiation.stalled"
    reason: Text | None = None


class Disclosed(Payload):
    """What had been secret became public."""

    TYPE = "negotiation.disclosed"
    by: Text
    detail: Text | None = None


class OutcomeReached(Payload):
    """They brought a result."""

    TYPE = "negotiation.outcome_reached"
    outcome: Slug
    name: Text
    parties: Slugs = ()
    mediators: Slugs = ()


class NegotiationClosed(Payload):
    """They ended."""

    TYPE = "negotiation.closed"
    outcome: Text | None = None


NegotiationEvent = (
    Opened | RoundScheduled | RoundHeld | RoundCancelled | ProposalMade | ProposalLapsed | MessageSent | Stalled | Disclosed | OutcomeReached
    | NegotiationClosed
)


def evolve(state: State, step: Step[NegotiationEvent]) -> State:
    e = step.data
    match e:
        case Opened():
            return merge(state, "talks", step, "talks", "open")
        case RoundScheduled():
            return put(state, f"round:{e.round}", step, "round", "scheduled_round")
        case RoundHeld():
            return merge(state, f"round:{e.round}", step, "round", "held")
        case RoundCancelled():
            return merge(state, f"round:{e.round}", step, "round", "cancelled")
        case ProposalMade():
            return put(state, f"proposal:{e.proposal}", step, "proposal", "made")
        case ProposalLapsed():
            return drop(state, f"proposal:{e.proposal}")
        case MessageSent():
            return put(state, f"message:{e.message}", step, "message", "sent")
        case Stalled():
            return merge(state, "talks", step, "talks", "stalled") if "talks" in state else state
        case Disclosed():
            return put(state, "disclosure", step, "disclosure", "disclosed")
        case OutcomeReached():
            return put(state, f"outcome:{e.outcome}", step, "outcome", "reached")
        case NegotiationClosed():
            return drop(state, "talks")
        case _:
            assert_never(e)


def refuse(state: State, step: Step[NegotiationEvent]) -> str | None:
    e, now = step.data, state.get("talks")
    match e:
        case Opened() if now is not None and now.status == "open":
            return "they are already open"
        case Stalled() | NegotiationClosed() if now is None:
            return "no talks are open then: record their opening first"
        case ProposalLapsed() if f"proposal:{e.proposal}" not in state:
            return f"no proposal {e.proposal} is on the table"
        case RoundCancelled() if f"round:{e.round}" not in state:
            return f"round {e.round} was not set, so it cannot be called off"
        case RoundScheduled() if f"round:{e.round}" in state:
            return f"round {e.round} is already {state[f'round:{e.round}'].status}: give a new one another name"
        case RoundHeld() if (r := state.get(f"round:{e.round}")) and r.status != "scheduled_round":
            return f"round {e.round} is already {r.status}"
    return None


FAMILY = Family[NegotiationEvent](
    name="negotiation",
    plural="negotiations",
    title="Negotiations",
    subjects="a series of talks or an exchange (`negotiation:us-iran-2025`)",
    events=(Opened, RoundScheduled, RoundHeld, RoundCancelled, ProposalMade, ProposalLapsed, MessageSent, Stalled, Disclosed, OutcomeReached,
            NegotiationClosed),
    kinds=(
        Kind("talks", "talks", "the talks themselves", {"open": "under way", "stalled": "halted, not closed"}),
        Kind("round", "round:<round>", "one round",
             {"scheduled_round": "set for a day, not held", "held": "held", "cancelled": "called off, never held"}),
        Kind("proposal", "proposal:<proposal>", "a text or an offer", {"made": "on the table"}),
        Kind("message", "message:<message>", "a letter from one side to the other", {"sent": "sent"}),
        Kind("disclosure", "disclosure", "that a secret became public", {"disclosed": "disclosed"}),
        Kind("outcome", "outcome:<outcome>", "a result", {"reached": "reached"}),
    ),
    evolve=evolve,
    refuse=refuse,
)
