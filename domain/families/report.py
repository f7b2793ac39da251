"""What a source said in its own voice: that it was published, what it claims, assesses or expects, and its corrections."""

from __future__ import annotations

from typing import assert_never

from pydantic import Field

from domain.event import Payload, Slug, Subject, Text, Texts
from domain.family import Family, Kind, State, Step, merge, put


class Published(Payload):
    """The report came out."""

    TYPE = "report.published"
    name: Text = Field(description="the report, in a few words")
    publisher: Text
    authors: Texts = ()
    place: Text | None = None
    language: Slug = "en"
    translation_by: Slug | None = Field(None, description="machine, human or unknown, for a translation")
    translator: Text | None = None
    governing_language: Slug | None = Field(None, description="BCP 47 tag of the version that governs")
    derived_from: Subject | None = Field(None, description="the report that it repeats", examples=["report:reuters-2021-01-11"])
    anonymous_sources: bool | None = None


class ClaimMade(Payload):
    """A statement that the report makes, in own words."""

    TYPE = "report.claim_made"
    claim: Slug
    text: Text
    form: Text | None = Field(None, description="date claim, trend, attributed opinion, forecast, ...")
    attributed_to: Text | None = None
    records: Texts = Field((), description="record_ids of the events that the statement is about")


class ClaimCorrected(Payload):
    """The statement departs from what it rests on, or was put right."""

    TYPE = "report.corrected"
    claim: Slug
    by: Text
    correction: Text


class Assessed(Payload):
    """The report's own judgment."""

    TYPE = "report.assessed"
    assessment: Slug
    text: Text
    about: Text | None = Field(None, description="period that it is about (EDTF interval)")
    records: Texts = Field((), description="record_ids of the events that it rests on")


class Expected(Payload):
    """What the report expects, or says that others expect."""

    TYPE = "report.expected"
    expectation: Slug
    text: Text
    attributed_to: Text | None = None


class ExpectationMet(Payload):
    """What was expected came about."""

    TYPE = "report.expectation_met"
    expectation: Slug
    text: Text | None = None
    records: Texts = Field((), description="record_ids of the events that met it")


ReportEvent = Published | ClaimMade | ClaimCorrected | Assessed | Expected | ExpectationMet


def evolve(state: State, step: Step[ReportEvent]) -> State:
    e = step.data
    match e:
        case Published():
            return put(state, "report", step, "report", "published")
        case ClaimMade():
            return put(state, f"claim:{e.claim}", step, "claim", "claimed")
        case ClaimCorrected():
            return merge(state, f"claim:{e.claim}", step, "claim", "corrected")
        case Assessed():
            return put(state, f"assessment:{e.assessment}", step, "assessment", "stated")
        case Expected():
            return put(state, f"expectation:{e.expectation}", step, "expectation", "expected")
        case ExpectationMet():
            return merge(state, f"expectation:{e.expectation}", step, "expectation", "met")
        case _:
            assert_never(e)


def refuse(state: State, step: Step[ReportEvent]) -> str | None:
    e = step.data
    match e:
        case Published() if "report" in state:
            return "it is already published"
        case Published():
            return None
        case _ if "report" not in state:
            return "no such report is published then: record its publication first"
        case ClaimCorrected() if f"claim:{e.claim}" not in state:
            return f"the report makes no claim {e.claim!r} that could be corrected"
        case ExpectationMet() if f"expectation:{e.expectation}" not in state:
            return f"the report states no expectation {e.expectation!r}"
    return None


FAMILY = Family[ReportEvent](
    name="report",
    plural="reports",
    title="Reports",
    subjects="a publication (`report:reuters-2021-01-11`)",
    events=(Published, ClaimMade, ClaimCorrected, Assessed, Expected, ExpectationMet),
    kinds=(
        Kind("report", "report", "the publication", {"published": "out"}),
        Kind("claim", "claim:<claim>", "a statement that it makes",
             {"claimed": "made", "corrected": "departs from what it rests on; `correction` tells how"}),
        Kind("assessment", "assessment:<assessment>", "its own judgment", {"stated": "stated"}),
        Kind("expectation", "expectation:<expectation>", "what it expects", {"expected": "expected", "met": "came about"}),
    ),
    evolve=evolve,
    refuse=refuse,
)
