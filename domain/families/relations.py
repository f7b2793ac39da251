"""Diplomatic relations between two states, and who looks after whose interests."""

from __future__ import annotations

from typing import assert_never

from pydantic import Field

from domain.event import Payload, Slug, Slugs, Text
from domain.family import Family, Kind, State, Step, drop, merge, put


class Established(Payload):
    """Diplomatic relations began, or began again."""

    TYPE = "relations.established"
    parties: Slugs = Field(description="ISO 3166 alpha-3 codes")
    level: Text | None = Field(None, description="embassies, legations, ...")


class Severed(Payload):
    """Diplomatic relations were broken off."""

    TYPE = "relations.severed"
    parties: Slugs = Field(description="ISO 3166 alpha-3 codes")
    by: Slug | None = Field(None, description="who broke them off")


class LevelChanged(Payload):
    """The level of the relations changed; that they have relations did not."""

    TYPE = "relations.level_changed"
    parties: Slugs = Field(description="ISO 3166 alpha-3 codes")
    level: Text = Field(description="embassies, legations, ...")


class RestorationAgreed(Payload):
    """The parties agreed to restore relations; they are not yet restored by that."""

    TYPE = "relations.restoration_agreed"
    parties: Slugs = Field(description="ISO 3166 alpha-3 codes")
    place: Text | None = None
    mediator: Slug | None = None


class ProtectingPowerRequested(Payload):
    """A state was asked to look after another's interests."""

    TYPE = "relations.protecting_power_requested"
    power: Slug = Field(description="the protecting power, ISO 3166 alpha-3")
    interests_of: Slug = Field(description="whose interests, ISO 3166 alpha-3")
    in_country: Slug = Field(description="where, ISO 3166 alpha-3")


class ProtectingPowerAppointed(Payload):
    """A state began to look after another's interests."""

    TYPE = "relations.protecting_power_appointed"
    power: Slug = Field(description="the protecting power, ISO 3166 alpha-3")
    interests_of: Slug = Field(description="whose interests, ISO 3166 alpha-3")
    in_country: Slug = Field(description="where, ISO 3166 alpha-3")


RelationsEvent = Established | LevelChanged | Severed | RestorationAgreed | ProtectingPowerRequested | ProtectingPowerAppointed


def evolve(state: State, step: Step[RelationsEvent]) -> State:
    e = step.data
    match e:
        case Established():
            return put(drop(state, "restoration", "protecting_power:*"), "relations", step, "diplomatic_relations", "established")
        case LevelChanged():
            return merge(state, "relations", step, "diplomatic_relations", "established") if "relations" in state else state
        case Severed():
            return put(drop(state, "restoration"), "relations", step, "diplomatic_relations", "severed")
        case RestorationAgreed():
            return put(state, "restoration", step, "restoration", "agreed")
        case ProtectingPowerRequested():
            return put(state, f"protecting_power:{e.interests_of}", step, "protecting_power", "requested")
        case ProtectingPowerAppointed():
            return put(state, f"protecting_power:{e.interests_of}", step, "protecting_power", "appointed")
        case _:
            assert_never(e)


def refuse(state: State, step: Step[RelationsEvent]) -> str | None:
    now = state.get("relations")
    match step.data:
        case Established() if now is not None and now.status == "established":
            return "relations are already established"
        case Severed() if now is not None and now.status == "severed":
            return "relations are already severed"
        case LevelChanged() if now is None or now.status != "established":
            return "no relations are established then, whose level could change"
        case RestorationAgreed() if now is not None and now.status == "established":
            return "relations are established: there is nothing to restore"
    return None


FAMILY = Family[RelationsEvent](
    name="relations",
    plural="relations",
    title="Diplomatic relations",
    subjects="a pair of states (`relations:irn-usa`)",
    events=(Established, LevelChanged, Severed, RestorationAgreed, ProtectingPowerRequested, ProtectingPowerAppointed),
    kinds=(
        Kind("diplomatic_relations", "relations", "whether the two states have relations",
             {"established": "they have", "severed": "broken off"}),
        Kind("restoration", "restoration", "an agreement to restore them", {"agreed": "agreed, not yet carried out"}),
        Kind("protecting_power", "protecting_power:<whose interests>", "who looks after a state's interests",
             {"requested": "asked to", "appointed": "does"}),
    ),
    evolve=evolve,
    refuse=refuse,
)
