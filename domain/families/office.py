"""Offices with one seat: who holds it, who acts in it, who is to come, and who has said that he will go."""

from __future__ import annotations

from typing import assert_never

from pydantic import Field

from domain.event import Day, Payload, Slug, Text
from domain.family import Family, Kind, State, Step, drop, merge, put


class _Person(Payload):
    person: Slug = Field(description="the person's slug", examples=["mike-pompeo"])
    name: Text = Field(description="the person's name", examples=["Mike Pompeo"])
    office: Text = Field(description="the office's name", examples=["United States Secretary of State"])
    country: Slug = Field(description="ISO 3166 alpha-3")


class Elected(_Person):
    """Elected, or projected to be, and not yet in office."""

    TYPE = "office.elected"
    basis: Text | None = Field(None, description="on what it rests: projection, count, ...")
    assumes: Day | None = Field(None, description="day on which the office is to be assumed")


class ElectionConfirmed(_Person):
    """A formal step confirmed the election."""

    TYPE = "office.election_confirmed"
    step: Text = Field(description="ascertainment, vote of the electors, count, ...")


class Nominated(_Person):
    """Named for the office, and not yet in it."""

    TYPE = "office.nominated"
    by: Text | None = None


class Assumed(_Person):
    """Took the office, and ended whatever tenure stood before."""

    TYPE = "office.assumed"
    basis: Text | None = Field(None, description="inauguration, succession on death, election by the Assembly of Experts, ...")
    term_ends: Day | None = Field(None, description="day on which the term ends by law")
    legal_authority: Text | None = None


class TermBegan(_Person):
    """The holder began a further term; the tenure is unbroken."""

    TYPE = "office.term_began"
    basis: Text | None = None
    term_ends: Day | None = Field(None, description="day on which the term ends by law")


class ActingBegan(_Person):
    """Began to act in the office."""

    TYPE = "office.acting_began"
    basis: Text | None = None
    legal_authority: Text | None = None


class DutiesDelegated(_Person):
    """The holder handed duties to another and kept the office."""

    TYPE = "office.duties_delegated"
    to: Slug = Field(description="the slug of the person to whom")
    to_name: Text


class DepartureAnnounced(_Person):
    """A departure was announced; the tenure goes on until it ends."""

    TYPE = "office.departure_announced"
    departs: Day | None = Field(None, description="announced day of departure")
    reason: Text | None = None


class ResignationOffered(_Person):
    """A resignation was offered; the tenure goes on."""

    TYPE = "office.resignation_offered"


class ResignationRejected(_Person):
    """A resignation was not accepted."""

    TYPE = "office.resignation_rejected"
    by: Text | None = None


class Left(_Person):
    """The tenure, full or acting, ended; nobody holds the office until somebody assumes it."""

    TYPE = "office.left"
    reason: Text | None = Field(None, description="end of term, resignation, death, ...")


class Abolished(Payload):
    """The office itself ceased to be."""

    TYPE = "office.abolished"
    office: Text = Field(description="the office's name")
    reason: Text | None = None


OfficeEvent = (
    Elected | ElectionConfirmed | Nominated | Assumed | TermBegan | ActingBegan | DutiesDelegated | DepartureAnnounced
    | ResignationOffered | ResignationRejected | Left | Abolished
)


def _vacate(state: State) -> State:
    return drop(state, "holder:*", "vacancy", "departure:*", "resignation:*", "delegation:*")


def evolve(state: State, step: Step[OfficeEvent]) -> State:
    e = step.data
    match e:
        case Elected():
            return put(state, f"elect:{e.person}", step, "elect", "elected")
        case ElectionConfirmed():
            return merge(state, f"elect:{e.person}", step, "elect", "elected")
        case Nominated():
            return put(state, f"nominee:{e.person}", step, "nominee", "nominated")
        case Assumed():
            gone = drop(_vacate(state), f"elect:{e.person}", f"nominee:{e.person}")
            return put(gone, f"holder:{e.person}", step, "holder", "in_office")
        case TermBegan():
            held = state.get(f"holder:{e.person}")
            return state if held is None else merge(state, f"holder:{e.person}", step, "holder", held.status)
        case ActingBegan():
            return put(_vacate(state), f"holder:{e.person}", step, "holder", "acting")
        case DutiesDelegated():
            return put(state, f"delegation:{e.to}", step, "delegation", "delegated")
        case DepartureAnnounced():
            return put(state, f"departure:{e.person}", step, "departure", "announced")
        case ResignationOffered():
            return put(state, f"resignation:{e.person}", step, "resignation", "offered")
        case ResignationRejected():
            return put(state, f"resignation:{e.person}", step, "resignation", "rejected")
        case Left():
            if f"holder:{e.person}" not in state:
                return state
            return put(_vacate(state), "vacancy", step, "vacancy", "vacant", person=None, name=None, former=e.name)
        case Abolished():
            return put(drop(_vacate(state), "elect:*", "nominee:*"), "abolition", step, "abolition", "abolished")
        case _:
            assert_never(e)


def refuse(state: State, step: Step[OfficeEvent]) -> str | None:
    e = step.data
    if "abolition" in state:
        return "the office is already abolished"
    if isinstance(e, Abolished):
        return None
    held = state.get(f"holder:{e.person}")
    match e:
        case Assumed() if held is not None and held.status == "in_office":
            return f"{e.name} already holds the office: record the end of the tenure first"
        case ActingBegan() if held is not None and held.status == "acting":
            return f"{e.name} already acts in the office"
        case TermBegan() | Left() | DepartureAnnounced() | ResignationOffered() | DutiesDelegated() if held is None:
            return f"{e.name} does not hold the office then: record when it was assumed first"
        case ResignationRejected() if f"resignation:{e.person}" not in state:
            return f"{e.name} has offered no resignation that could be rejected"
        case ElectionConfirmed() if f"elect:{e.person}" not in state:
            return f"no election of {e.name} is recorded that could be confirmed"
    return None


FAMILY = Family[OfficeEvent](
    name="office",
    plural="offices",
    title="Offices",
    subjects="an office (`office:us-president`)",
    events=(Elected, ElectionConfirmed, Nominated, Assumed, TermBegan, ActingBegan, DutiesDelegated, DepartureAnnounced,
            ResignationOffered, ResignationRejected, Left, Abolished),
    kinds=(
        Kind("holder", "holder:<person>", "who is in the office", {"in_office": "holds it", "acting": "acts in it"}),
        Kind("elect", "elect:<person>", "who is to hold it by election", {"elected": "elected, not yet in office"}),
        Kind("nominee", "nominee:<person>", "who is named for it", {"nominated": "named, not yet in office"}),
        Kind("vacancy", "vacancy", "the last holder left and nobody has followed", {"vacant": "nobody holds it"}),
        Kind("abolition", "abolition", "the office is no more", {"abolished": "ceased to be"}),
        Kind("departure", "departure:<person>", "a departure to come", {"announced": "announced; still in office"}),
        Kind("resignation", "resignation:<person>", "a resignation", {"offered": "offered", "rejected": "not accepted"}),
        Kind("delegation", "delegation:<person>", "duties that the holder handed over", {"delegated": "handed over"}),
    ),
    evolve=evolve,
    refuse=refuse,
    adds={"former": "name of the holder who left"},
)
