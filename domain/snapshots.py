"""From snapshots of a list to what happened to one entry: a function of the set of snapshots, whatever their order of loading.

An entry is, in each snapshot, absent, present out of scope, or present with its content. Between two neighbouring snapshots a
change has happened on an unknown day: "after the earlier, by the later". `known` is the day of the later one: that it can be proved.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, NamedTuple

from domain.calendar import format_day, format_span, parse_day

GROUPS = ("remarks", "aliases", "addresses", "identifiers", "countries", "listed_on")  # what a file set may lack: then it is unknown, not empty
MAIN = ("name", "type")


class Presence(Enum):
    """How a snapshot shows an entry whose content is not recorded."""

    ABSENT = "absent"
    OUT_OF_SCOPE = "out of scope"


@dataclass(frozen=True, slots=True)
class Content:
    """What a snapshot says of an entry. A group that the files do not carry is None."""

    name: str
    type: str
    programs: tuple[str, ...]
    remarks: str | tuple[()] | None = None
    aliases: tuple[str, ...] | None = None
    addresses: tuple[str, ...] | None = None
    identifiers: tuple[str, ...] | None = None
    countries: tuple[str, ...] | None = None
    listed_on: str | tuple[()] | None = None


Shown = Content | Presence


class Exact(NamedTuple):
    """What another source says happened to the entry on a day: `on`, `off`, or programs gained (`add`) or lost (`remove`)."""

    day: int  # the earliest, where it is not known exactly
    hi: int
    order: int  # within the day
    op: str
    programs: tuple[str, ...] = ()


class Wanted(NamedTuple):
    """An event that follows from the snapshots."""

    record_id: str
    type: str
    lo: int
    hi: int
    known: int
    order: int
    data: dict[str, Any]

    def raw(self, subject: str, source: Mapping[str, Any]) -> dict[str, Any]:
        """As `Catalogue.event` takes it."""
        return {"subject": subject, "type": self.type, "record_id": self.record_id, "effective": format_span(self.lo, self.hi),
                "known": format_day(self.known), "order": self.order, "data": self.data, "sources": [source]}


class ListMaker(NamedTuple):
    """A list: its name in facts, who lists, and the first day that an entry of its first snapshot can date from."""

    name: str
    by: str
    first_day: str


_NOT_TOKEN = re.compile(r"[^A-Za-z0-9._/-]+")


def token(number: str) -> str:
    """An entry number as ids have it: `IX.I.B/5 (a)` gives `IX.I.B/5-a`."""
    return _NOT_TOKEN.sub("-", number).strip("-")


def history_of(maker: ListMaker, number: str, shown: Sequence[tuple[int, Shown]], exact: Sequence[Exact] = ()) -> list[Wanted]:
    """The events of one entry, given every snapshot of its list in order of day.

    A change that another source dates (`exact`) is told by that source; the snapshot then only adds what it shows of the entry.
    """
    return list(_History(maker, number, sorted(exact)).run(shown))


class _History:
    def __init__(self, maker: ListMaker, number: str, exact: list[Exact]) -> None:
        self.maker, self.number, self.exact = maker, number, exact
        self.told: Content | None = None  # what stands, as told so far
        self.known_since: dict[str, str] = {}  # group -> the last snapshot of this run that carried it
        self.gone = False  # it was absent since it was last on the list
        self.out = False  # it was left out of scope and not seen to leave the list
        self.ever = False

    def run(self, shown: Sequence[tuple[int, Shown]]) -> Iterator[Wanted]:
        before: int | None = None
        for day, state in shown:
            yield from self._window(before, day, state)
            before = day

    def _window(self, before: int | None, day: int, state: Shown) -> Iterator[Wanted]:
        first = parse_day(self.maker.first_day) if before is None else before + 1
        first = min(first, day)
        dated = [e for e in self.exact if e.day <= day and not (e.day == day and _early(e, state))]
        self.exact = self.exact[len(dated):]
        began = self._apply(dated)
        lo = max([first, *(e.day for e in dated)])
        window = f"{'first' if before is None else format_day(before)}..{format_day(day)}"
        if isinstance(state, Content):
            yield from self._on(state, day, lo, began, window, format_day(day))
        elif state is Presence.OUT_OF_SCOPE:
            if self.told is not None:
                yield self._event("left-scope", "designation.left_scope", window, lo, day, {"list": self.maker.name}, 4)
                self.told, self.out = None, True
        else:
            if self.told is not None or self.out:
                yield self._event("delisted", "designation.delisted", window, lo, day, {"list": self.maker.name}, 4)
            self.gone, self.told, self.out = self.gone or self.ever, None, False

    def _apply(self, dated: Sequence[Exact]) -> Exact | None:
        """Lets the other source's events of a window happen. Returns the listing that it dates, if that still stands."""
        began: Exact | None = None
        for e in dated:
            if e.op == "on":
                began = e
                self.told = Content("", "", e.programs)
                self.known_since, self.ever, self.out = {}, True, False
            elif e.op == "off":
                began, self.told, self.out, self.gone = None, None, False, True
            elif self.told is not None:
                programs = set(self.told.programs) | set(e.programs) if e.op == "add" else set(self.told.programs) - set(e.programs)
                self.told = replace(self.told, programs=tuple(sorted(programs)))
        return began

    def _on(self, now: Content, day: int, lo: int, began: Exact | None, window: str, snapshot: str) -> Iterator[Wanted]:
        told = self.told
        if told is None or told.name == "":
            if told is not None:  # the other source dates the listing: the snapshot adds the entry's content
                at = began or Exact(lo, lo, 0, "on")
                yield self._event("seen", "designation.entry_seen", window, at.day, at.hi, self._whole(now), at.order + 1, known=day)
            else:
                exact = parse_day(now.listed_on) if now.listed_on else None
                span = (exact, exact) if exact is not None and lo <= exact <= day else (lo, day)
                verb = "relisted" if self.gone else "listed"
                yield self._event(verb, f"designation.{verb}", window, *span, self._whole(now), 0, known=day)
            self.told, self.ever, self.gone, self.out = now, True, False, False
            self.known_since = {g: snapshot for g in GROUPS if getattr(now, g) is not None}
            return
        gained, lost = set(now.programs) - set(told.programs), set(told.programs) - set(now.programs)
        if gained:
            data = {"list": self.maker.name, "by": self.maker.by, "programs": sorted(gained)}
            yield self._event("authority-added", "designation.authority_added", window, lo, day, data, 1)
        if lost:
            data = {"list": self.maker.name, "programs": sorted(lost)}
            yield self._event("authority-removed", "designation.authority_removed", window, lo, day, data, 2)
        yield from self._changed("changed", MAIN, told, now, window, lo, day)
        for group in GROUPS:
            yield from self._group(group, told, now, day, snapshot)
        self.told = replace(now, **{g: getattr(now, g) if getattr(now, g) is not None else getattr(told, g) for g in GROUPS})

    def _group(self, group: str, told: Content, now: Content, day: int, snapshot: str) -> Iterator[Wanted]:
        if getattr(now, group) is None:
            return
        since = self.known_since.get(group)
        self.known_since[group] = snapshot
        if since is None:  # not carried before: what can be proved is that the entry had it on this day
            yield from self._changed(group, (group,), told, now, snapshot, day, day)
        else:
            yield from self._changed(group, (group,), told, now, f"{since}..{snapshot}", parse_day(since) + 1, day)

    def _changed(self, verb: str, names: Sequence[str], told: Content, now: Content, window: str, lo: int, day: int) -> Iterator[Wanted]:
        differing = [n for n in names if (getattr(told, n) or ()) != (getattr(now, n) or ())]
        if differing:
            data: dict[str, Any] = {"list": self.maker.name}
            for name in differing:
                value = getattr(now, name)
                if value:
                    data[name] = _plain(value)
                else:
                    data.setdefault("cleared", []).append(name)
            yield self._event(verb, "designation.changed", window, lo, day, data, 3)

    def _whole(self, now: Content) -> dict[str, Any]:
        data: dict[str, Any] = {
            "list": self.maker.name, "entry_number": self.number, "name": now.name, "type": now.type, "by": self.maker.by,
            "programs": list(now.programs), **{g: _plain(getattr(now, g)) for g in GROUPS}}
        return {name: value for name, value in data.items() if value not in (None, [], "")}

    def _event(self, verb: str, type_: str, window: str, lo: int, hi: int, data: dict[str, Any], order: int, known: int | None = None) -> Wanted:
        known = hi if known is None else known
        return Wanted(f"{self.maker.name}/{token(self.number)}/{window}/{verb}", type_, lo, hi, known, order, data)


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _held(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _early(e: Exact, state: Shown) -> bool:
    """Whether a snapshot was published before what happened on its own day."""
    return (e.op == "on" and state is Presence.ABSENT) or (e.op == "off" and isinstance(state, Content))


# ---------------------------------------------------------------- back from events to snapshots
def shown_by(
    number: str, maker: ListMaker, days: Sequence[int], present: Callable[[int], bool], carried: Mapping[int, frozenset[str]],
    events: Mapping[str, tuple[str, Mapping[str, Any]]], exact: Sequence[Exact] = (),
) -> list[tuple[int, Shown]]:
    """What each snapshot showed of an entry, from its standing events (record_id -> type, data): the inverse of `history_of`."""
    by_day: dict[int, list[tuple[str, Mapping[str, Any]]]] = {}
    prefix = f"{maker.name}/{token(number)}/"
    for record_id, told_by in events.items():
        window = record_id.removeprefix(prefix).partition("/")[0]
        by_day.setdefault(parse_day(window.rpartition("..")[2]), []).append(told_by)
    out: list[tuple[int, Shown]] = []
    told: Content | None = None
    waiting = sorted(exact)
    for day in days:
        shows = present(day)
        while waiting and waiting[0].day <= day and not (waiting[0].day == day and _early(waiting[0], _BOTH[shows])):
            told = _dated(told, waiting.pop(0))
        for type_, data in by_day.get(day, ()):
            told = _applied(told, type_, data)
        if not shows:
            told = None
            out.append((day, Presence.ABSENT))
        elif told is None or told.name == "":
            out.append((day, Presence.OUT_OF_SCOPE))
        else:
            groups: dict[str, Any] = {g: (getattr(told, g) or ()) if g in carried[day] else None for g in GROUPS}
            out.append((day, replace(told, **groups)))
    return out


_BOTH: dict[bool, Shown] = {True: Content("", "", ()), False: Presence.ABSENT}


def _dated(told: Content | None, e: Exact) -> Content | None:
    if e.op == "on":
        return Content("", "", e.programs)
    if e.op == "off" or told is None:
        return None
    programs = set(told.programs) | set(e.programs) if e.op == "add" else set(told.programs) - set(e.programs)
    return replace(told, programs=tuple(sorted(programs)))


def _applied(told: Content | None, type_: str, data: Mapping[str, Any]) -> Content | None:
    verb = type_.partition(".")[2].partition(".")[0]
    if verb in ("listed", "relisted", "entry_seen"):
        groups: dict[str, Any] = {g: _held(data.get(g, ())) for g in GROUPS}
        return Content(data["name"], data["type"], tuple(data.get("programs", ())), **groups)
    if verb in ("delisted", "left_scope") or told is None:
        return None
    if verb == "authority_added":
        return replace(told, programs=tuple(sorted({*told.programs, *data["programs"]})))
    if verb == "authority_removed":
        return replace(told, programs=tuple(sorted({*told.programs} - {*data["programs"]})))
    changes: Any = {n: data[n] for n in MAIN if n in data}
    changes.update({g: _held(data[g]) for g in GROUPS if g in data})
    changes.update({n: () if n in GROUPS else None for n in data.get("cleared", ())})
    return replace(told, **changes)
