"""Declared campaigns of pressure. A campaign is not its instruments: they may outlive it."""

from __future__ import annotations

from typing import assert_never

from pydantic import Field

from domain.event import Payload, Slug, Text, Texts
from domain.family import Family, Kind, State, Step, drop, put


class Launched(Payload):
    """The campaign began."""

    TYPE = "campaign.launched"
    name: Text
    by: Slug = Field(description="ISO 3166 alpha-3")
    actors: Texts = ()
    legal_authority: Texts = Field((), description="citations")
    characterized_by: Text | None = Field(None, description="who calls it a campaign, where its author did not")


class ObjectiveDeclared(Payload):
    """What it is to reach, as declared."""

    TYPE = "campaign.objective_declared"
    objective: Slug
    name: Text
    by: Text | None = None


class Intensified(Payload):
    """Pressure was raised."""

    TYPE = "campaign.intensified"
    change: Text
    by: Text | None = None
    characterized_by: Text | None = None


class Eased(Payload):
    """Pressure was lowered."""

    TYPE = "campaign.eased"
    change: Text
    by: Text | None = None


class CampaignEnded(Payload):
    """The campaign ended; what it put in force may stay."""

    TYPE = "campaign.ended"
    reason: Text | None = None
    outcome: Text | None = None


CampaignEvent = Launched | ObjectiveDeclared | Intensified | Eased | CampaignEnded


def evolve(state: State, step: Step[CampaignEvent]) -> State:
    e = step.data
    match e:
        case Launched():
            return put(state, "campaign", step, "campaign", "active")
        case ObjectiveDeclared():
            return put(state, f"objective:{e.objective}", step, "objective", "declared")
        case Intensified():
            return put(state, "intensity", step, "intensity", "intensified")
        case Eased():
            return put(state, "intensity", step, "intensity", "eased")
        case CampaignEnded():
            return drop(state, "campaign", "objective:*", "intensity")
        case _:
            assert_never(e)


def refuse(state: State, step: Step[CampaignEvent]) -> str | None:
    active = "campaign" in state
    match step.data:
        case Launched() if active:
            return "the campaign is already under way"
        case Intensified() | Eased() | CampaignEnded() if not active:
            return "no campaign is under way then: record its launch first"
    return None


FAMILY = Family[CampaignEvent](
    name="campaign",
    plural="campaigns",
    title="Pressure campaigns",
    subjects="a campaign (`campaign:maximum-pressure-2018`)",
    events=(Launched, ObjectiveDeclared, Intensified, Eased, CampaignEnded),
    kinds=(
        Kind("campaign", "campaign", "the campaign itself", {"active": "under way"}),
        Kind("objective", "objective:<objective>", "a declared aim", {"declared": "declared"}),
        Kind("intensity", "intensity", "the last change of pressure", {"intensified": "raised", "eased": "lowered"}),
    ),
    evolve=evolve,
    refuse=refuse,
)
