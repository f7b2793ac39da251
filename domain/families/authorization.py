"""What sanctions allow after all: waivers, exceptions, general licenses, wind-down periods."""

from __future__ import annotations

from typing import assert_never

from pydantic import Field

from domain.event import Day, Payload, Slug, Slugs, Text, Texts
from domain.family import Family, Kind, State, Step, drop, merge, put


class _Grant(Payload):
    name: Text
    by: Slug = Field("USA", description="who grants it")
    allows: Text | None = Field(None, description="what it lets whom do")
    legal_authority: Texts = Field((), description="citations")
    signed: Day | None = None
    last_day: Day | None = Field(None, description="last day on which it may be used, as stated")


class WaiverIssued(_Grant):
    """A statutory waiver was issued."""

    TYPE = "authorization.waiver_issued"


class ExceptionGranted(_Grant):
    """An exception was granted, to each beneficiary on its own where they are named."""

    TYPE = "authorization.exception_granted"
    beneficiaries: Slugs = Field((), description="ISO 3166 alpha-3")


class LicenseIssued(_Grant):
    """A general license was issued."""

    TYPE = "authorization.license_issued"


class WindDownOpened(_Grant):
    """A period began in which old business may be wound down."""

    TYPE = "authorization.wind_down_opened"


class Renewed(Payload):
    """Renewed; the event's `until` is the new end, where it has one."""

    TYPE = "authorization.renewed"
    by: Slug = "USA"
    statement: Text | None = Field(None, description="what was said on renewing it")
    next_due: Text | None = None


class AuthorizationChanged(Payload):
    """Widened, narrowed or replaced by a later text."""

    TYPE = "authorization.changed"
    change: Text
    name: Text | None = Field(None, description="its name from then on, where that changed")
    superseded_by: Text | None = None


class NonRenewalAnnounced(Payload):
    """It was announced that it will not be renewed, or that it will end; until then it holds."""

    TYPE = "authorization.non_renewal_announced"
    by: Slug = "USA"
    ends: Day | None = Field(None, description="first day on which it will no longer hold, as announced")


class Lapsed(Payload):
    """It ran out."""

    TYPE = "authorization.lapsed"
    beneficiaries: Slugs = Field((), description="for whom; for all where empty")
    reason: Text | None = None


class AuthorizationRevoked(Payload):
    """It was taken back."""

    TYPE = "authorization.revoked"
    by: Slug = "USA"
    reason: Text | None = None


class WindDownClosed(Payload):
    """The wind-down period is over."""

    TYPE = "authorization.wind_down_closed"


AuthorizationEvent = (
    WaiverIssued | ExceptionGranted | LicenseIssued | WindDownOpened | Renewed | AuthorizationChanged | NonRenewalAnnounced
    | Lapsed | AuthorizationRevoked | WindDownClosed
)
_ALL = ("authorization", "exception:*", "non_renewal")


def _in_force(state: State) -> bool:
    return any(key == "authorization" or key.startswith("exception:") for key in state)


def _each(state: State, step: Step[AuthorizationEvent], new_term: bool) -> State:
    for key, fact in list(state.items()):
        if key == "authorization" or key.startswith("exception:"):
            state = merge(state, key, step, fact.kind, fact.status, new_term=new_term)
    return state


def evolve(state: State, step: Step[AuthorizationEvent]) -> State:
    e = step.data
    match e:
        case WaiverIssued():
            return put(drop(state, "non_renewal"), "authorization", step, "waiver", "in_force")
        case LicenseIssued():
            return put(drop(state, "non_renewal"), "authorization", step, "license", "in_force")
        case WindDownOpened():
            return put(state, "authorization", step, "wind_down", "in_force")
        case ExceptionGranted():
            if not e.beneficiaries:
                return put(drop(state, "non_renewal"), "authorization", step, "exception", "in_force")
            for party in e.beneficiaries:
                state = put(state, f"exception:{party}", step, "exception", "in_force", beneficiaries=None, beneficiary=party)
            return drop(state, "non_renewal")
        case Renewed():
            return _each(drop(state, "non_renewal"), step, new_term=True)
        case AuthorizationChanged():
            return _each(state, step, new_term=False)
        case NonRenewalAnnounced():
            return put(state, "non_renewal", step, "notice", "announced")
        case Lapsed():
            if not e.beneficiaries:
                return drop(state, *_ALL)
            rest = drop(state, *(f"exception:{party}" for party in e.beneficiaries))
            return rest if _in_force(rest) else drop(rest, *_ALL)
        case AuthorizationRevoked() | WindDownClosed():
            return drop(state, *_ALL)
        case _:
            assert_never(e)


def refuse(state: State, step: Step[AuthorizationEvent]) -> str | None:
    e = step.data
    match e:
        case WaiverIssued() | LicenseIssued() | WindDownOpened() if "authorization" in state:
            return "it is already in force: record a renewal or a change"
        case Renewed() | AuthorizationChanged() | NonRenewalAnnounced() | Lapsed() | AuthorizationRevoked() | WindDownClosed():
            if not _in_force(state):
                return "it is not in force then: record when it was granted first, or check the day"
    return None


FAMILY = Family[AuthorizationEvent](
    name="authorization",
    plural="authorizations",
    title="Waivers, exceptions, licenses and wind-downs",
    subjects="an authorization (`authorization:significant-reduction-exceptions`)",
    events=(WaiverIssued, ExceptionGranted, LicenseIssued, WindDownOpened, Renewed, AuthorizationChanged, NonRenewalAnnounced,
            Lapsed, AuthorizationRevoked, WindDownClosed),
    kinds=(
        Kind("waiver", "authorization", "a statutory waiver", {"in_force": "in force"}),
        Kind("license", "authorization", "a general license", {"in_force": "in force"}),
        Kind("exception", "authorization, or exception:<beneficiary>", "an exception, one fact for each beneficiary",
             {"in_force": "in force"}),
        Kind("wind_down", "authorization", "a wind-down period", {"in_force": "open"}),
        Kind("notice", "non_renewal", "that it will not be renewed", {"announced": "announced; still in force"}),
    ),
    evolve=evolve,
    refuse=refuse,
    adds={"beneficiary": "whose exception it is, ISO 3166 alpha-3"},
)
