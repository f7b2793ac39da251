"""Pledges and offers: who promised what on which condition, and what became of it."""

from __future__ import annotations

from typing import assert_never

from pydantic import Field

from domain.event import Payload, Slug, Text
from domain.family import Family, Kind, State, Step, merge, put


class _Word(Payload):
    by: Slug = Field(description="slug of whoever pledges")
    by_name: Text
    capacity: Text | None = Field(None, description="candidate, president-elect, Secretary of State, ...")


class PledgeMade(_Word):
    """A promise or an offer was made."""

    TYPE = "pledge.made"
    name: Text = Field(description="the pledge, in a few words")
    to: Slug | None = None
    condition: Text | None = Field(None, description="on which it depends, as stated")


class Reaffirmed(_Word):
    """It was made again."""

    TYPE = "pledge.reaffirmed"
    statement: Text | None = None


class ConditionStated(_Word):
    """A condition was stated, for this pledge or before any."""

    TYPE = "pledge.condition_stated"
    condition_id: Slug
    condition: Text


class Fulfilled(Payload):
    """It was kept."""

    TYPE = "pledge.fulfilled"
    how: Text | None = None


class PledgeLapsed(Payload):
    """It came to nothing without being broken: the term ended, the condition was not met."""

    TYPE = "pledge.lapsed"
    reason: Text | None = None


class Broken(Payload):
    """It was not kept."""

    TYPE = "pledge.broken"
    reason: Text | None = None


PledgeEvent = PledgeMade | Reaffirmed | ConditionStated | Fulfilled | PledgeLapsed | Broken


def evolve(state: State, step: Step[PledgeEvent]) -> State:
    e = step.data
    match e:
        case PledgeMade():
            return put(state, "pledge", step, "pledge", "standing")
        case Reaffirmed():
            return merge(state, "pledge", step, "pledge", "standing") if "pledge" in state else state
        case ConditionStated():
            return put(state, f"condition:{e.condition_id}", step, "condition", "stated")
        case Fulfilled():
            return merge(state, "pledge", step, "pledge", "fulfilled") if "pledge" in state else state
        case PledgeLapsed():
            return merge(state, "pledge", step, "pledge", "lapsed") if "pledge" in state else state
        case Broken():
            return merge(state, "pledge", step, "pledge", "broken") if "pledge" in state else state
        case _:
            assert_never(e)


def refuse(state: State, step: Step[PledgeEvent]) -> str | None:
    now = state.get("pledge")
    match step.data:
        case PledgeMade() if now is not None and now.status == "standing":
            return "it stands already: record that it was reaffirmed"
        case Reaffirmed() | Fulfilled() | PledgeLapsed() | Broken() if now is None or now.status != "standing":
            return "no such pledge stands then: record that it was made first"
    return None


FAMILY = Family[PledgeEvent](
    name="pledge",
    plural="pledges",
    title="Pledges and offers",
    subjects="a pledge (`pledge:biden-rejoin-jcpoa`)",
    events=(PledgeMade, Reaffirmed, ConditionStated, Fulfilled, PledgeLapsed, Broken),
    kinds=(
        Kind("pledge", "pledge", "the pledge and what became of it",
             {"standing": "made, open", "fulfilled": "kept", "lapsed": "came to nothing", "broken": "not kept"}),
        Kind("condition", "condition:<condition_id>", "a condition that somebody stated", {"stated": "stated"}),
    ),
    evolve=evolve,
    refuse=refuse,
)
