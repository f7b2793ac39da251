"""Incidents. `effective` is the day of the matter, `known` the day of the report: so a killing in August that was reported
in November is there on the August day for whoever knew of the report. Confirming a death does not confirm who did it."""

from __future__ import annotations

from typing import assert_never

from pydantic import Field

from domain.event import Payload, Slug, Slugs, Text
from domain.family import Family, Kind, State, Step, merge, note_party, put


class _What(Payload):
    name: Text
    type: Slug = Field(description="attack, killing, seizure, detention, shootdown, unrest, war, coup, sabotage, strike, ...")
    place: Text | None = None
    countries: Slugs = Field((), description="ISO 3166 alpha-3 of those concerned")
    actors: Slugs = Field((), description="slugs of those whose part is not in dispute")
    victims: Text | None = None
    local_date: Text | None = Field(None, description="the day on another clock, where it differs")


class Occurred(_What):
    """It happened; that it did is not in dispute."""

    TYPE = "incident.occurred"


class Reported(_What):
    """It was reported, and not yet confirmed by anybody who answers for it."""

    TYPE = "incident.reported"
    by: Slug
    by_name: Text
    anonymous: bool | None = Field(None, description="true where the report rests on people whom it does not name")


class Began(_What):
    """It began and goes on."""

    TYPE = "incident.began"


class Ended(Payload):
    """It was over; the event's effective day is the first day after it, or the day of its end."""

    TYPE = "incident.ended"
    outcome: Text | None = None


class _Said(Payload):
    by: Slug
    by_name: Text
    statement: Text | None = None
    anonymous: bool | None = None


class Attributed(_Said):
    """Somebody said who did it; `to` equal to `by` where the doer claims it."""

    TYPE = "incident.attributed"
    to: Slug
    to_name: Text
    on_behalf_of: Slug | None = None


class AttributionDenied(_Said):
    """Somebody denied that `to` did it."""

    TYPE = "incident.attribution_denied"
    to: Slug
    to_name: Text


class IncidentDenied(_Said):
    """Somebody denied that it happened, or that it happened so."""

    TYPE = "incident.denied"


class IncidentConfirmed(_Said):
    """Somebody who answers for it confirmed that it happened, in the part that `confirms` names; not who did it."""

    TYPE = "incident.confirmed"
    confirms: Text


class AccountGiven(_Said):
    """Somebody gave an account of how it happened, or corrected an earlier one."""

    TYPE = "incident.account_given"
    account: Text


class Identified(_Said):
    """Somebody said that this is another incident of the record, or that a victim was somebody else."""

    TYPE = "incident.identified"
    same_as: Slug = Field(description="slug of the other incident")


class CasualtiesRevised(Payload):
    """A count of the dead or injured, as known from the day on which it was given."""

    TYPE = "incident.casualties_revised"
    by: Slug | None = None
    killed: int | None = None
    injured: int | None = None
    captives: int | None = None
    counts: Text | None = Field(None, description="who is counted")


IncidentEvent = (
    Occurred | Reported | Began | Ended | Attributed | AttributionDenied | IncidentDenied | IncidentConfirmed | AccountGiven
    | Identified | CasualtiesRevised
)


def evolve(state: State, step: Step[IncidentEvent]) -> State:
    e = step.data
    match e:
        case Occurred():
            return merge(state, "incident", step, "incident", "occurred")
        case Reported():
            if "incident" not in state:
                state = put(state, "incident", step, "incident", "reported")
                state = put(state, "confirmation", step, "confirmation", "unconfirmed")
            return put(state, f"report:{e.by}", step, "report", "reported")
        case Began():
            return put(state, "incident", step, "incident", "ongoing")
        case Ended():
            return merge(state, "incident", step, "incident", "occurred") if "incident" in state else state
        case Attributed():
            return put(state, f"attribution:{e.to}:{e.by}", step, "attribution", "claimed" if e.to == e.by else "attributed")
        case AttributionDenied():
            return put(state, f"attribution:{e.to}:{e.by}", step, "attribution", "denied")
        case IncidentDenied():
            return note_party(put(state, f"denial:{e.by}", step, "denial", "denied"), "incident", step, "denied_by", e.by_name)
        case IncidentConfirmed():
            state = put(state, "confirmation", step, "confirmation", "confirmed")
            return note_party(state, "incident", step, "confirmed_by", e.by_name)
        case AccountGiven():
            return put(state, f"account:{e.by}", step, "account", "given")
        case Identified():
            return put(state, f"identity:{e.same_as}", step, "identity", "identified")
        case CasualtiesRevised():
            return put(state, "casualties", step, "casualties", "reported")
        case _:
            assert_never(e)


def refuse(state: State, step: Step[IncidentEvent]) -> str | None:
    now = state.get("incident")
    match step.data:
        case Occurred() | Began() if now is not None and now.status != "reported":
            return f"it is already recorded as {now.status}"
        case Ended() if now is None or now.status != "ongoing":
            return "it is not going on then: record that it began first"
        case Occurred() | Reported() | Began():
            return None
        case _ if now is None:
            return "no incident is recorded on that day: record that it occurred or was reported first"
    return None


FAMILY = Family[IncidentEvent](
    name="incident",
    plural="incidents",
    title="Incidents",
    subjects="an incident (`incident:al-masri-killing`)",
    events=(Occurred, Reported, Began, Ended, Attributed, AttributionDenied, IncidentDenied, IncidentConfirmed, AccountGiven,
            Identified, CasualtiesRevised),
    kinds=(
        Kind("incident", "incident", "the incident; `denied_by` and `confirmed_by` name the parties",
             {"reported": "reported, not established", "ongoing": "going on", "occurred": "happened"}),
        Kind("report", "report:<by>", "who reported it", {"reported": "reported"}),
        Kind("confirmation", "confirmation", "whether somebody who answers for it confirmed it",
             {"unconfirmed": "nobody has", "confirmed": "in the part that `confirms` names"}),
        Kind("denial", "denial:<by>", "who denies it", {"denied": "denies it"}),
        Kind("attribution", "attribution:<to>:<by>", "who says who did it",
             {"attributed": "says that `to` did it", "claimed": "says that it did it itself", "denied": "denies that `to` did it"}),
        Kind("account", "account:<by>", "how it happened, by a party's last account", {"given": "given"}),
        Kind("identity", "identity:<other>", "another incident that it is said to be", {"identified": "said to be the same"}),
        Kind("casualties", "casualties", "the last count", {"reported": "reported"}),
    ),
    evolve=evolve,
    refuse=refuse,
    adds={"denied_by": "names of those who denied it", "confirmed_by": "names of those who confirmed it"},
)
