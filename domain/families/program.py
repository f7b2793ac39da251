"""Instruments of sanctions: orders, statutes, resolutions, lists of countries, and what they impose."""

from __future__ import annotations

from typing import Any, assert_never

from pydantic import Field

from domain.event import Day, Payload, Slug, Slugs, Text, Texts
from domain.family import Family, Kind, State, Step, drop, merge, put


class _Instrument(Payload):
    name: Text | None = None
    issuer: Slug | None = Field(None, description="who imposes it: USA, UN, EU, FATF, IRN, ...")
    instrument: Slug | None = Field(
        None, description="executive_order, statute, resolution, regulation, proclamation, rule, determination, list, tranche")
    citation: Text | None = Field(None, description="Federal Register or other citation")
    legal_authority: Texts = Field((), description="the laws that it rests on")
    signed: Day | None = None
    imposes: Text | None = Field(None, description="what it does, in a few words")
    gsdb: Slugs = Field((), description="GSDB types: arms, military, trade, financial, travel, other")
    cites_iran: bool | None = Field(None, description="false where the instrument is not about Iran alone")


class InstrumentIssued(_Instrument):
    """Signed, adopted or published, and not yet in force."""

    TYPE = "program.instrument_issued"


class TookEffect(_Instrument):
    """In force from this day."""

    TYPE = "program.took_effect"


class EmergencyDeclared(_Instrument):
    """A national emergency was declared (IEEPA, NEA)."""

    TYPE = "program.emergency_declared"
    continued_every: Text | None = Field(None, description="month in which it is continued each year")


class EmergencyContinued(Payload):
    """A national emergency was continued for a year."""

    TYPE = "program.emergency_continued"
    citation: Text | None = None


class MeasureAdded(_Instrument):
    """The program gained a measure of its own."""

    TYPE = "program.measure_added"
    measure: Slug


class MeasureExpired(Payload):
    """A measure of the program lapsed as foreseen."""

    TYPE = "program.measure_expired"
    measure: Slug
    name: Text
    disputed_by: Slugs = ()


class SectorDetermined(Payload):
    """A sector was determined to be subject to the program."""

    TYPE = "program.sector_determined"
    sector: Slug
    name: Text
    by: Text | None = None
    legal_authority: Texts = Field((), description="citations")


class ProgramAmended(Payload):
    """Widened, narrowed, renamed or replaced in part by another instrument."""

    TYPE = "program.amended"
    by_instrument: Text
    change: Text
    name: Text | None = Field(None, description="its name from then on, where that changed")


class ProgramExtended(Payload):
    """Prolonged; the event's `until` is its new end, where it has one."""

    TYPE = "program.extended"
    by_instrument: Text


class Suspended(Payload):
    """Not applied, wholly or in part, while it stays on the books."""

    TYPE = "program.suspended"
    by: Text
    extent: Text | None = Field(None, description="wholly, or in which part")


class Resumed(Payload):
    """Applied again after a suspension."""

    TYPE = "program.resumed"
    by: Text | None = None
    by_instrument: Text | None = None


class Revoked(Payload):
    """Revoked or terminated."""

    TYPE = "program.revoked"
    by_instrument: Text | None = None
    legal_authority: Texts = Field((), description="citations")


class SubstanceReimposed(Payload):
    """What a revoked instrument imposed was imposed again by another one."""

    TYPE = "program.substance_reimposed"
    by_instrument: Text


class SnapbackNotified(Payload):
    """Notice that starts the clock of a snapback."""

    TYPE = "program.snapback_notified"
    by: Slugs
    legal_authority: Texts = Field((), description="citations")
    takes_effect: Day | None = None


class MeasuresReinstated(_Instrument):
    """Measures that had ended are in force again, in the view of the body that imposes them."""

    TYPE = "program.measures_reinstated"
    contested_by: Slugs = ()
    effective_at: Text | None = Field(None, description="instant, where the day depends on the clock")


class DraftRejected(Payload):
    """A draft failed in the body that decides."""

    TYPE = "program.draft_rejected"
    draft: Slug
    name: Text
    body: Slug
    sponsors: Slugs = ()
    votes_for: int | None = None
    votes_against: int | None = None
    abstentions: int | None = None


class AssertionMade(Payload):
    """Somebody asserted that measures are in force."""

    TYPE = "program.assertion_made"
    by: Slug
    name: Text
    claim: Text
    legal_authority: Texts = Field((), description="citations")


class AssertionContested(Payload):
    """Others held that they are not."""

    TYPE = "program.assertion_contested"
    by: Slugs
    ground: Text | None = None


class AssertionWithdrawn(Payload):
    """Whoever asserted it took it back."""

    TYPE = "program.assertion_withdrawn"
    by: Slug
    effect: Text | None = Field(None, description="what was said of the time before")


ProgramEvent = (
    InstrumentIssued | TookEffect | EmergencyDeclared | EmergencyContinued | MeasureAdded | MeasureExpired | SectorDetermined
    | ProgramAmended | ProgramExtended | Suspended | Resumed | Revoked | SubstanceReimposed | SnapbackNotified
    | MeasuresReinstated | DraftRejected | AssertionMade | AssertionContested | AssertionWithdrawn
)


def _change(state: State, step: Step[ProgramEvent], status: str | None = None, **more: Any) -> State:
    old = state.get("instrument")
    return state if old is None else merge(state, "instrument", step, "instrument", status or old.status, **more)


def evolve(state: State, step: Step[ProgramEvent]) -> State:
    e = step.data
    match e:
        case InstrumentIssued():
            return merge(state, "instrument", step, "instrument", "issued")
        case TookEffect():
            return merge(state, "instrument", step, "instrument", "in_force")
        case EmergencyDeclared():
            return merge(state, "emergency", step, "emergency", "in_force")
        case EmergencyContinued():
            return merge(state, "emergency", step, "emergency", "in_force") if "emergency" in state else state
        case MeasureAdded():
            return put(state, f"measure:{e.measure}", step, "measure", "in_force")
        case MeasureExpired():
            return put(drop(state, f"measure:{e.measure}"), f"expiry:{e.measure}", step, "expiry", "expired")
        case SectorDetermined():
            return put(state, f"sector:{e.sector}", step, "sector", "determined")
        case ProgramAmended():
            return _change(state, step)
        case ProgramExtended():
            return _change(state, step, new_term=True, change=None)
        case Suspended():
            return _change(state, step, "suspended", change=None)
        case Resumed():
            return _change(state, step, "in_force", change=None, extent=None, by=e.by)
        case Revoked():
            return drop(state, "instrument", "emergency", "measure:*", "sector:*")
        case SubstanceReimposed():
            return put(state, "reimposition", step, "reimposition", "reimposed")
        case SnapbackNotified():
            return put(state, "snapback", step, "snapback", "notified")
        case MeasuresReinstated():
            gone = drop(state, "expiry:*")
            again = merge(gone, "instrument", step, "instrument", "in_force", contested_by=None)
            about = dict.fromkeys((*_Instrument.model_fields, "effective_at", "summary"))
            return put(again, "contest", step, "contest", "contested", **about) if e.contested_by else again
        case DraftRejected():
            return put(state, f"draft:{e.draft}", step, "draft", "rejected")
        case AssertionMade():
            return put(state, f"assertion:{e.by}", step, "assertion", "asserted")
        case AssertionContested():
            return put(state, "contest", step, "contest", "contested", contested_by=e.by, by=None)
        case AssertionWithdrawn():
            return drop(state, f"assertion:{e.by}", "contest", "snapback")
        case _:
            assert_never(e)


def refuse(state: State, step: Step[ProgramEvent]) -> str | None:
    e, now = step.data, state.get("instrument")
    match e:
        case InstrumentIssued() if now is not None:
            return f"the instrument is already {now.status}"
        case TookEffect() if now is not None and now.status == "in_force":
            return "the instrument is already in force"
        case EmergencyContinued() if "emergency" not in state:
            return "no emergency is in force that could be continued"
        case ProgramAmended() | ProgramExtended() | Suspended() if now is None:
            return "no instrument is in force then: record that it was issued or took effect first"
        case Resumed() if now is None or now.status != "suspended":
            return "it is not suspended, so it cannot resume"
        case Revoked() if now is None and "emergency" not in state and not any(k.startswith("measure:") for k in state):
            return "nothing is in force that could be revoked"
        case MeasureExpired() if f"expiry:{e.measure}" in state:
            return f"measure {e.measure} has already lapsed"
        case AssertionWithdrawn() if f"assertion:{e.by}" not in state:
            return f"{e.by} has asserted nothing that it could withdraw"
    return None


FAMILY = Family[ProgramEvent](
    name="program",
    plural="programs",
    title="Sanctions programs",
    subjects="an instrument or a body of measures (`program:eo-13846`, `program:reimposed-tranche-1`)",
    events=(InstrumentIssued, TookEffect, EmergencyDeclared, EmergencyContinued, MeasureAdded, MeasureExpired, SectorDetermined,
            ProgramAmended, ProgramExtended, Suspended, Resumed, Revoked, SubstanceReimposed, SnapbackNotified,
            MeasuresReinstated, DraftRejected, AssertionMade, AssertionContested, AssertionWithdrawn),
    kinds=(
        Kind("instrument", "instrument", "the order, statute, resolution or body of measures itself",
             {"issued": "signed or adopted, not yet in force", "in_force": "in force",
              "suspended": "on the books and not applied, wholly or in part"}),
        Kind("emergency", "emergency", "a declared national emergency", {"in_force": "in force"}),
        Kind("measure", "measure:<measure>", "a measure of the program with a life of its own", {"in_force": "in force"}),
        Kind("expiry", "expiry:<measure>", "a measure that lapsed as foreseen", {"expired": "lapsed"}),
        Kind("sector", "sector:<sector>", "a sector determined to be subject to it", {"determined": "determined"}),
        Kind("reimposition", "reimposition", "what was revoked came back through another instrument",
             {"reimposed": "imposed again"}),
        Kind("snapback", "snapback", "notice of a snapback", {"notified": "given"}),
        Kind("draft", "draft:<draft>", "a draft that failed", {"rejected": "failed"}),
        Kind("assertion", "assertion:<by>",
             "what somebody asserts about the measures: that they are in force, or that they ended", {"asserted": "asserted"}),
        Kind("contest", "contest", "who holds the contrary", {"contested": "contested"}),
    ),
    evolve=evolve,
    refuse=refuse,
)
