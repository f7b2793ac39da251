"""Proceedings before courts and tribunals."""

from __future__ import annotations

from typing import assert_never

from pydantic import Field

from domain.event import Payload, Slug, Slugs, Text
from domain.family import Family, Kind, State, Step, merge, put


class Filed(Payload):
    """The application was filed."""

    TYPE = "proceeding.filed"
    name: Text
    court: Text
    applicant: Slugs = ()
    respondent: Slugs = ()
    basis: Text | None = Field(None, description="the treaty or law that it rests on")


class MeasuresOrdered(Payload):
    """The court ordered provisional measures."""

    TYPE = "proceeding.measures_ordered"
    measures: Slug
    orders: Text
    court: Text | None = None


class JudgmentGiven(Payload):
    """The court gave a judgment, on jurisdiction or on the merits."""

    TYPE = "proceeding.judgment_given"
    judgment: Slug
    name: Text | None = Field(None, description="the case, where its filing is not recorded")
    court: Text | None = None
    decides: Text = Field(description="what it decides")
    final: bool = Field(False, description="true where the court has nothing more to decide")
    votes_for: int | None = None
    votes_against: int | None = None


class Settled(Payload):
    """The parties settled."""

    TYPE = "proceeding.settled"
    terms: Text | None = None


class ProceedingClosed(Payload):
    """The case was closed or discontinued."""

    TYPE = "proceeding.closed"
    reason: Text | None = None


ProceedingEvent = Filed | MeasuresOrdered | JudgmentGiven | Settled | ProceedingClosed


def evolve(state: State, step: Step[ProceedingEvent]) -> State:
    e = step.data
    match e:
        case Filed():
            return put(state, "proceeding", step, "proceeding", "pending")
        case MeasuresOrdered():
            return put(state, f"measures:{e.measures}", step, "measures", "ordered")
        case JudgmentGiven():
            state = put(state, f"judgment:{e.judgment}", step, "judgment", "given")
            return merge(state, "proceeding", step, "proceeding", "decided" if e.final else "pending",
                         judgment=None, decides=None, final=None, votes_for=None, votes_against=None, note=None)
        case Settled():
            return merge(state, "proceeding", step, "proceeding", "settled")
        case ProceedingClosed():
            return merge(state, "proceeding", step, "proceeding", "closed")
        case _:
            assert_never(e)


def refuse(state: State, step: Step[ProceedingEvent]) -> str | None:
    now = state.get("proceeding")
    match step.data:
        case Filed() if now is not None:
            return f"the case is already {now.status}"
        case Settled() | ProceedingClosed() | MeasuresOrdered() if now is None:
            return "no case is pending then: record its filing first"
        case MeasuresOrdered() | Settled() | ProceedingClosed() | JudgmentGiven() if now is not None and now.status == "closed":
            return "the case is closed"
    return None


FAMILY = Family[ProceedingEvent](
    name="proceeding",
    plural="proceedings",
    title="Legal proceedings",
    subjects="a case (`proceeding:icj-treaty-of-amity`)",
    events=(Filed, MeasuresOrdered, JudgmentGiven, Settled, ProceedingClosed),
    kinds=(
        Kind("proceeding", "proceeding", "the case itself",
             {"pending": "before the court", "decided": "finally decided", "settled": "settled", "closed": "closed"}),
        Kind("measures", "measures:<measures>", "provisional measures", {"ordered": "ordered"}),
        Kind("judgment", "judgment:<judgment>", "a judgment", {"given": "given"}),
    ),
    evolve=evolve,
    refuse=refuse,
)
