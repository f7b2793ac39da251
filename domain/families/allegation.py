"""Claims, and where each party stands on them. A claim never becomes a fact because it is repeated."""

from __future__ import annotations

from typing import assert_never

from pydantic import Field

from domain.event import Payload, Slug, Slugs, Text
from domain.family import Family, Kind, State, Step, merge, note_party, put


class _Statement(Payload):
    party: Slug = Field(description="slug of whoever speaks", examples=["mike-pompeo"])
    party_name: Text = Field(examples=["Mike Pompeo"])
    capacity: Text | None = Field(None, description="the office in which it was said")
    statement: Text = Field(description="what was said, in own words")
    anonymous: bool | None = Field(None, description="true where the speaker is not named")
    reported_by: Text | None = Field(None, description="who reported it, where that is not the speaker")


class Made(_Statement):
    """The claim was made."""

    TYPE = "allegation.made"
    name: Text = Field(description="the claim, in a few words")
    against: Slugs = Field((), description="whom it accuses")
    about: Text | None = Field(None, description="day or period of what it is about (EDTF)")
    form: Text | None = Field(None, description="accusation, criminal charge, report, assessment, ...")
    evidence: Text | None = Field(None, description="what evidence came with it")


class Repeated(_Statement):
    """The claim was made again, by the same or another party."""

    TYPE = "allegation.repeated"
    form: Text | None = None
    evidence: Text | None = Field(None, description="what evidence came with it")


class EvidenceReleased(_Statement):
    """Material was released that is said to bear on it."""

    TYPE = "allegation.evidence_released"
    evidence: Slug = Field(description="slug of the material")
    name: Text
    reading: Text | None = Field(None, description="how it was read, and by whom")


class Corroborated(_Statement):
    """A party found support for it."""

    TYPE = "allegation.corroborated"


class Doubted(_Statement):
    """A party doubted it, or found no evidence."""

    TYPE = "allegation.doubted"


class Denied(_Statement):
    """A party denied it."""

    TYPE = "allegation.denied"


class Confirmed(_Statement):
    """A party confirmed it, in the part that `confirms` names."""

    TYPE = "allegation.confirmed"
    confirms: Text | None = None


class Discredited(_Statement):
    """A party reported or found it discredited."""

    TYPE = "allegation.discredited"


class Corrected(_Statement):
    """A party corrected its own or another's claim."""

    TYPE = "allegation.corrected"
    correction: Text


class Withdrawn(_Statement):
    """A party took its claim back."""

    TYPE = "allegation.withdrawn"


AllegationEvent = (
    Made | Repeated | EvidenceReleased | Corroborated | Doubted | Denied | Confirmed | Discredited | Corrected | Withdrawn
)
_LISTS = {Made: "claimed_by", Repeated: "claimed_by", Corroborated: "corroborated_by", Doubted: "doubted_by",
          Denied: "denied_by", Confirmed: "confirmed_by", Discredited: "discredited_by"}


def _stand(state: State, step: Step[AllegationEvent], status: str) -> State:
    e = step.data
    state = put(state, f"standing:{e.party}", step, "standing", status)
    name = _LISTS.get(type(e))
    return note_party(state, "claim", step, name, e.party_name) if name else state


def evolve(state: State, step: Step[AllegationEvent]) -> State:
    e = step.data
    match e:
        case Made():
            if "claim" not in state:
                state = put(state, "claim", step, "claim", "alleged")
            return _stand(state, step, "claimed")
        case Repeated():
            return _stand(state, step, "claimed")
        case EvidenceReleased():
            return put(state, f"evidence:{e.evidence}", step, "evidence", "released")
        case Corroborated():
            return _stand(state, step, "corroborated")
        case Doubted():
            return _stand(state, step, "doubted")
        case Denied():
            return _stand(state, step, "denied")
        case Confirmed():
            return _stand(state, step, "confirmed")
        case Discredited():
            return _stand(state, step, "discredited")
        case Corrected():
            return merge(state, f"standing:{e.party}", step, "standing", "corrected")
        case Withdrawn():
            return put(state, f"standing:{e.party}", step, "standing", "withdrawn")
        case _:
            assert_never(e)


def refuse(state: State, step: Step[AllegationEvent]) -> str | None:
    e = step.data
    match e:
        case Made() | EvidenceReleased():
            return None
        case Withdrawn() if f"standing:{e.party}" not in state:
            return f"{e.party_name} has said nothing that could be withdrawn"
        case _ if "claim" not in state:
            return "no claim is recorded then: record who made it first"
    return None


FAMILY = Family[AllegationEvent](
    name="allegation",
    plural="allegations",
    title="Allegations",
    subjects="one claim (`allegation:iran-al-qaeda-link`)",
    events=(Made, Repeated, EvidenceReleased, Corroborated, Doubted, Denied, Confirmed, Discredited, Corrected, Withdrawn),
    kinds=(
        Kind("claim", "claim", "the claim; its status never rises above `alleged`. `claimed_by`, `denied_by`, `doubted_by`, "
             "`confirmed_by`, `corroborated_by`, `discredited_by` name the parties", {"alleged": "made by somebody"}),
        Kind("standing", "standing:<party>", "where one party stands, by its last word",
             {"claimed": "claims it", "corroborated": "found support for it", "doubted": "doubts it or found no evidence",
              "denied": "denies it", "confirmed": "confirmed it, in the part that `confirms` names",
              "discredited": "reported or found it discredited", "corrected": "corrected it", "withdrawn": "took it back"}),
        Kind("evidence", "evidence:<evidence>", "material said to bear on it", {"released": "released"}),
    ),
    evolve=evolve,
    refuse=refuse,
    adds={name: f"names of the parties whose word it was: {name.removesuffix('_by')}" for name in sorted(set(_LISTS.values()))},
)
