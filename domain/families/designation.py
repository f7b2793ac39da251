"""Entries of sanctions lists: who is listed, by whom, under which programs and on which legal authority."""

from __future__ import annotations

from typing import assert_never

from pydantic import Field

from domain.event import Payload, Slug, Slugs, Text, Texts
from domain.family import Fact, Family, Kind, State, Step, drop, merge, put, slug


class _Entry(Payload):
    list: Slug = Field(description="OFAC-SDN, OFAC-NONSDN, FTO, UN, EU, UK, IRN; BY-ORDER where an order names the party and no list does", examples=["OFAC-SDN"])
    entry_number: Text | None = Field(None, description="the list's own number of the entry")
    name: Text
    type: Slug = Field(description="individual, entity, vessel, aircraft, or group where one action named many")
    by: Slug = Field(description="who lists: USA, UN, EU, GBR, IRN")
    agency: Text | None = Field(None, description="the office that acted")
    programs: Texts = Field((), description="the list's own program tags, verbatim", examples=[["SDGT", "IRGC"]])
    authority: Text | None = Field(None, description="legal authority of this action", examples=["E.O. 13224"])
    count: int | None = Field(None, description="how many were named, for a group")
    members: Texts = Field((), description="those named, where one action named several")
    aliases: Texts = ()
    countries: Slugs = Field((), description="ISO 3166 alpha-3")
    identifiers: Texts = ()
    addresses: Texts = ()
    remarks: Text | None = None
    reason: Text | None = Field(None, description="stated ground")


class IntentAnnounced(_Entry):
    """A listing was announced that takes effect later."""

    TYPE = "designation.intent_announced"


class Listed(_Entry):
    """Put on a list."""

    TYPE = "designation.listed"


class Relisted(_Entry):
    """Put back on a list."""

    TYPE = "designation.relisted"


class AuthorityAdded(Payload):
    """A listed entry gained a legal basis or a program."""

    TYPE = "designation.authority_added"
    list: Slug
    by: Slug | None = None
    authority: Text | None = None
    programs: Texts = Field((), description="program tags gained")
    reason: Text | None = None


class AuthorityRemoved(Payload):
    """A listed entry lost a legal basis or a program, and stays listed."""

    TYPE = "designation.authority_removed"
    list: Slug
    authority: Text | None = None
    programs: Texts = Field((), description="program tags lost")


class Changed(Payload):
    """The entry's names, addresses, identifiers or remarks changed."""

    TYPE = "designation.changed"
    list: Slug
    name: Text | None = None
    type: Slug | None = None
    aliases: Texts = ()
    countries: Slugs = ()
    identifiers: Texts = ()
    addresses: Texts = ()
    remarks: Text | None = None


class Delisted(Payload):
    """Taken off a list."""

    TYPE = "designation.delisted"
    list: Slug
    reason: Text | None = None


class SameAs(Payload):
    """This entry and another are the same party."""

    TYPE = "designation.same_as"
    other: Slug = Field(description="slug of the other entry's subject")
    evidence: Text


DesignationEvent = IntentAnnounced | Listed | Relisted | AuthorityAdded | AuthorityRemoved | Changed | Delisted | SameAs


def _authority(state: State, step: Step[DesignationEvent], entries: str, authority: str | None) -> State:
    if authority is None:
        return state
    listing = state.get(f"listing:{entries}")
    about = {"name": listing.get("name"), "type": listing.get("type"), "by": listing.get("by")} if listing else {}
    return put(state, f"authority:{slug(authority)}", step, "authority", "listed", **about, authority=authority, list=entries)


def _authorities(old: Fact | None, add: str | None = None, remove: str | None = None) -> tuple[str, ...]:
    now = set(old.get("authorities") or ()) if old else set()
    return tuple(sorted((now | ({add} if add else set())) - ({remove} if remove else set())))


def evolve(state: State, step: Step[DesignationEvent]) -> State:
    e = step.data
    key = f"listing:{e.list}" if not isinstance(e, SameAs) else ""
    old = state.get(key)
    match e:
        case IntentAnnounced():
            return put(state, f"intent:{e.list}", step, "intent", "announced")
        case Listed() | Relisted():
            programs = tuple(sorted({*((old.get("programs") or ()) if old else ()), *e.programs}))
            listed = merge(drop(state, f"intent:{e.list}"), key, step, "listing", "listed", programs=programs,
                           authority=None, authorities=_authorities(old, add=e.authority))
            return _authority(listed, step, e.list, e.authority)
        case AuthorityAdded():
            if old is None:
                return state
            programs = tuple(sorted({*(old.get("programs") or ()), *e.programs}))
            more = merge(state, key, step, "listing", "listed", programs=programs, authority=None,
                         authorities=_authorities(old, add=e.authority))
            return _authority(more, step, e.list, e.authority)
        case AuthorityRemoved():
            if old is None:
                return state
            programs = tuple(p for p in old.get("programs") or () if p not in e.programs)
            gone = drop(state, f"authority:{slug(e.authority)}") if e.authority else state
            return merge(gone, key, step, "listing", "listed", programs=programs, authority=None,
                         authorities=_authorities(old, remove=e.authority))
        case Changed():
            return merge(state, key, step, "listing", "listed") if old else state
        case Delisted():
            gone = drop(state, key, f"intent:{e.list}")
            return {k: f for k, f in gone.items() if not (f.kind == "authority" and f.get("list") == e.list)}
        case SameAs():
            return put(state, f"same_as:{e.other}", step, "identity", "linked")
        case _:
            assert_never(e)


def refuse(state: State, step: Step[DesignationEvent]) -> str | None:
    e = step.data
    match e:
        case Relisted() if f"listing:{e.list}" in state:
            return f"it is on {e.list} then, so it cannot be relisted: record the delisting first, or an added authority"
        case Listed() if (now := state.get(f"listing:{e.list}")) and e.authority in (None, *(now.get("authorities") or ())):
            if e.entry_number == now.get("entry_number") and set(e.programs) <= set(now.get("programs") or ()):
                return f"it is already on {e.list} on that authority"
        case AuthorityAdded() | AuthorityRemoved() | Changed() | Delisted() if f"listing:{e.list}" not in state:
            verb = {"Delisted": "be delisted"}.get(type(e).__name__, "change")
            return f"it is not on {e.list} then, so it cannot {verb}: record the listing first, or check the day"
    return None


FAMILY = Family[DesignationEvent](
    name="designation",
    plural="designations",
    title="Designations",
    subjects="a listed party, one entry of one list maker (`designation:irgc`)",
    events=(IntentAnnounced, Listed, Relisted, AuthorityAdded, AuthorityRemoved, Changed, Delisted, SameAs),
    kinds=(
        Kind("listing", "listing:<list>", "the entry on a list, with all its programs and authorities", {"listed": "on the list"}),
        Kind("authority", "authority:<authority>", "one legal authority on which it is listed, with its own days",
             {"listed": "listed on that authority"}),
        Kind("intent", "intent:<list>", "a listing announced for later", {"announced": "announced, not in force"}),
        Kind("identity", "same_as:<other>", "another entry that is the same party", {"linked": "linked, with evidence"}),
    ),
    evolve=evolve,
    refuse=refuse,
    also={"authority": "`authority` keys are slugs: `authority:eo-13224` is E.O. 13224, `authority:ina-s219` is INA s.219 (FTO)."},
)
