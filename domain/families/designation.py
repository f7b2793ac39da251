"""Entries of sanctions lists: who is listed, by whom, under which programs and on which legal authority."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, assert_never

from pydantic import Field

from domain.event import Day, Long, Payload, Slug, Slugs, Text, Texts
from domain.family import Fact, Family, Kind, State, Step, drop, merge, put, slug


class _Entry(Payload):
    list: Slug = Field(description="OFAC-SDN, OFAC-NONSDN, FTO, UN, EU, UK, IRN; BY-ORDER: named by an order, on no list", examples=["OFAC-SDN"])
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
    countries: Texts = Field((), description="as the list writes them")
    identifiers: Texts = ()
    addresses: Texts = ()
    remarks: Long | None = None
    listed_on: Day | None = Field(None, description="day of listing, as the list states it")
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


class EntrySeen(_Entry):
    """A snapshot of the list shows the entry, whose listing another source dates: what it shows replaces what was told."""

    TYPE = "designation.entry_seen"


class LeftScope(Payload):
    """It lost the last program that concerns the record, and is not followed from then on; it is still on the list."""

    TYPE = "designation.left_scope"
    list: Slug
    reason: Text | None = None


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
    countries: Texts = ()
    identifiers: Texts = ()
    addresses: Texts = ()
    remarks: Long | None = None
    listed_on: Day | None = None
    cleared: Slugs = Field((), description="fields that are empty from then on")


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


DesignationEvent = (
    IntentAnnounced | Listed | Relisted | EntrySeen | LeftScope | AuthorityAdded | AuthorityRemoved | Changed | Delisted | SameAs
)


def _authority(state: State, step: Step[DesignationEvent], entries: str, authority: str | None) -> State:
    if authority is None:
        return state
    listing = state.get(f"listing:{entries}")
    about = {"name": listing.get("name"), "type": listing.get("type"), "by": listing.get("by")} if listing else {}
    return put(state, f"authority:{slug(authority)}", step, "authority", "listed", **about, authority=authority, list=entries)


def _off(state: State, entries: str) -> State:
    gone = drop(state, f"listing:{entries}", f"intent:{entries}", f"unfollowed:{entries}")
    return {k: f for k, f in gone.items() if not (f.kind == "authority" and f.get("list") == entries)}


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
            listed = merge(drop(state, f"intent:{e.list}", f"unfollowed:{e.list}"), key, step, "listing", "listed", programs=programs,
                           authority=None, authorities=_authorities(old, add=e.authority))
            return _authority(listed, step, e.list, e.authority)
        case EntrySeen():
            told: dict[str, Any] = {f: None for f in ("aliases", "addresses", "identifiers", "countries", "remarks") if not getattr(e, f)}
            return merge(state, key, step, "listing", "listed", authority=None, **told)
        case LeftScope():
            gone = _off(state, e.list)
            return put(gone, f"unfollowed:{e.list}", step, "unfollowed", "not_followed") if old else gone
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
            cleared: dict[str, Any] = dict.fromkeys((*e.cleared, "cleared"))
            return merge(state, key, step, "listing", "listed", **cleared) if old else state
        case Delisted():
            return _off(state, e.list)
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
        case AuthorityRemoved() if (held := state.get(f"listing:{e.list}")) is not None:
            gone = [p for p in e.programs if p not in (held.get("programs") or ())]
            if e.authority and e.authority not in (held.get("authorities") or ()):
                gone.append(e.authority)
            if gone:
                return f"it is not on {e.list} under {gone[0]} then, which could therefore not be removed"
        case Delisted() if f"unfollowed:{e.list}" in state:
            return None
        case AuthorityAdded() | AuthorityRemoved() | Changed() | Delisted() | LeftScope() | EntrySeen() if f"listing:{e.list}" not in state:
            verb = {"Delisted": "be delisted"}.get(type(e).__name__, "change")
            return f"it is not on {e.list} then, so it cannot {verb}: record the listing first, or check the day"
    return None


_IRAN = re.compile(r"IRAN.*|IFSR|IRGC|HRIT-IR|CAATSA - IRAN|Iran.*|2231|32011R0359|32012R0267|32023R1529")
LISTS = ("OFAC-SDN", "OFAC-NONSDN", "UN", "EU", "UK")


def concerns_iran(programs: Iterable[str]) -> bool:
    """Whether one of a list's program tags is about Iran: OFAC `IRAN*`, `IFSR`, `IRGC`, `HRIT-IR`, `CAATSA - IRAN`; UN, EU and UK regimes."""
    return any(map(_names_iran, programs))


@lru_cache(maxsize=10_000)
def _names_iran(program: str) -> bool:
    return _IRAN.fullmatch(program) is not None


def concerns(fact: Fact) -> bool:
    """An entry of a published list belongs to the relation while it has an Iran program; what was recorded one by one always does."""
    if fact.kind != "listing" or fact.get("entry_number") is None or fact.get("list") not in LISTS or fact.get("authorities"):
        return True
    return concerns_iran(fact.get("programs") or ())


FAMILY = Family[DesignationEvent](
    name="designation",
    plural="designations",
    title="Designations",
    subjects="a listed party, one entry of one list maker (`designation:irgc`)",
    events=(IntentAnnounced, Listed, Relisted, EntrySeen, LeftScope, AuthorityAdded, AuthorityRemoved, Changed, Delisted, SameAs),
    kinds=(
        Kind("listing", "listing:<list>", "the entry on a list, with all its programs and authorities", {"listed": "on the list"}),
        Kind("authority", "authority:<authority>", "one legal authority on which it is listed, with its own days",
             {"listed": "listed on that authority"}),
        Kind("intent", "intent:<list>", "a listing announced for later", {"announced": "announced, not in force"}),
        Kind("unfollowed", "unfollowed:<list>", "it left the scope of the record and was still on the list then",
             {"not_followed": "whether it is still on the list is not recorded"}),
        Kind("identity", "same_as:<other>", "another entry that is the same party", {"linked": "linked, with evidence"}),
    ),
    evolve=evolve,
    refuse=refuse,
    concerns=concerns,
    adds={"authorities": "all legal authorities on which the entry is listed, where they are recorded"},
    filters={"program": ("programs",), "authority": ("authority", "authorities"), "alias": ("aliases",)},
    also="Further filters: `program` (one of the tags), `alias`; `authority` also finds listings by one of their authorities.\n"
         "`authority` keys are slugs: `authority:eo-13224` is E.O. 13224, `authority:ina-s219` is INA s.219 (FTO).",
)
