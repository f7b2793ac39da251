"""Turns snapshots of a list into events, one snapshot to a batch: what changed, and from which day that could be known.

The events of an entry are a function of the set of snapshots (domain.snapshots.history_of). A snapshot that is loaded late is put
between its neighbours: events that no longer follow are retracted on their own `known` day, those that now follow are recorded.
"""

from __future__ import annotations

import re
from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import sqlalchemy as sa

from adapters.facts import current_generation
from adapters.lists.identity import links_between, party_of
from adapters.lists.model import Damaged, Entry, Snapshot
from adapters.lists.ofac_csv import Entries
from adapters.reader import LogReader, read_some
from adapters.schema import fact
from adapters.writer import Writer, digest_of
from domain.calendar import format_day, parse_day
from domain.catalogue import Catalogue
from domain.decide import judge
from domain.errors import Refused
from domain.event import Amended, Event, Logged, Retracted
from domain.families.designation import concerns_iran
from domain.members import Members, pack, unpack
from domain.snapshots import GROUPS, Content, Exact, ListMaker, Presence, Shown, Wanted, history_of, shown_by, token

MAKERS = {
    "OFAC-SDN": ListMaker("OFAC-SDN", "USA", "1986-12-10"),  # first published list: 51 FR 44459
    "OFAC-NONSDN": ListMaker("OFAC-NONSDN", "USA", "2010-03-16"),
    "UN": ListMaker("UN", "UN", "1999-10-15"),  # S/RES/1267
    "EU": ListMaker("EU", "EU", "2007-04-20"),  # Regulation (EC) No 423/2007
    "UK": ListMaker("UK", "GBR", "2001-10-12"),
}
_FILE = re.compile(r"^\S+\.\w+: ")  # notes are counted by what they say, not by file
_COUNT = re.compile(r"says \d+ entries, it has \d+")
SAME = "/same-as/"  # in the record_id of a link between two entries
THRESHOLD = 0.35  # of the list's entries that may vanish from one snapshot to the next without --force


@dataclass
class Summary:
    """What an import did."""

    of: str
    snapshots: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    entries: int = 0
    recorded: Counter[str] = field(default_factory=Counter)
    notes: Counter[str] = field(default_factory=Counter)  # what was unusual, and in how many snapshots

    def told(self) -> dict[str, Any]:
        """As JSON values."""
        return {name: dict(value) if isinstance(value, Counter) else value for name, value in vars(self).items()}


@dataclass(frozen=True, slots=True)
class Taken:
    """A snapshot as the log has it."""

    day: int
    digest: str
    stamp: str | None
    carries: frozenset[str]
    members: Members


def said(event: Event) -> Any:
    """What an event says, or what it puts in the place of another."""
    return event.data.data if isinstance(event.data, Amended) else event.data


def taken(event: Event, members: Members) -> Taken:
    """What a `coverage.snapshot_taken` event says."""
    data: Any = said(event)
    return Taken(parse_day(data.day), data.digest, data.stamp, frozenset(data.carries), members)


class Importer:
    """Records snapshots of one list. Keeps the last one in memory, so that snapshots in order cost what differs."""

    def __init__(self, writer: Writer, reader: LogReader, maker: ListMaker, scope: str = "iran", force: bool = False) -> None:
        self.writer, self.reader, self.maker, self.scope, self.force = writer, reader, maker, scope, force
        self.catalogue: Catalogue = writer.catalogue
        self.summary = Summary(maker.name)
        self.taken = self._taken()
        self.subjects, self.exact, self.followed = self._recorded()
        self._last: Snapshot | None = None

    # ------------------------------------------------------------ what the log has
    def _taken(self) -> list[Taken]:
        out = []
        for event in self._coverage_events():
            data: Any = said(event)
            if data.scope != self.scope:
                raise Damaged(f"{self.maker.name} was recorded in another scope than {self.scope!r} in this database: import it in the same "
                              "scope, or into a new database")
            out.append(taken(event, Members(unpack(data.members))))
        return sorted(out, key=lambda t: t.day)

    def _coverage_events(self) -> list[Event]:
        like = f"coverage:{self.maker.name}.%"
        with self.reader.database.transaction() as connection:
            query = sa.select(fact.c.subject).where(
                fact.c.generation == current_generation(connection), fact.c.family == "coverage", fact.c.subject.like(like)).distinct()
            streams = read_some(connection, list(connection.scalars(query)), self.catalogue)
        return [stream[-1].event for stream in streams.values()]  # an amendment stands for the snapshot that it replaced

    def _recorded(self) -> tuple[dict[str, str], dict[str, list[Exact]], set[str]]:
        """Subjects by entry number, what other sources date, and the entries that were ever in scope."""
        own = f"designation:{self.maker.name.lower()}-"
        subjects: dict[str, str] = {}
        exact: dict[str, list[Exact]] = {}
        followed: set[str] = set()
        with self.reader.database.transaction() as connection:
            query = sa.select(fact.c.subject).where(
                fact.c.generation == current_generation(connection), fact.c.family == "designation").distinct()
            found = list(connection.scalars(query))
            followed |= {s.removeprefix(own) for s in found if s.startswith(own)}
            streams = read_some(connection, [s for s in found if not s.startswith("designation:ofac-") and not s.startswith(own)],
                                self.catalogue)
        for subject, stream in streams.items():
            for number, happened in self._dated(stream).items():
                subjects[number], exact[number] = subject, happened
                followed.add(number)
        return subjects, exact, followed

    def _dated(self, stream: Sequence[Logged]) -> dict[str, list[Exact]]:
        """What events recorded one by one say happened on this list, by entry number."""
        out: dict[str, list[Exact]] = {}
        number: str | None = None
        own = f"{self.maker.name}/"
        dated = [i.event for i in stream if getattr(i.event.data, "list", None) == self.maker.name and not i.event.record_id.startswith(own)]
        for event in sorted(dated, key=lambda e: (e.span, e.order)):
            data: Any = event.data
            verb = data.TYPE.partition(".")[2]
            number = getattr(data, "entry_number", None) or number
            op = {"listed": "on", "relisted": "on", "delisted": "off", "authority_added": "add", "authority_removed": "remove"}.get(verb)
            if number is not None and op is not None and getattr(data, "type", "") != "group":
                if op == "on" and out.get(number) and out[number][-1].op != "off":
                    op = "add"
                out.setdefault(number, []).append(Exact(*event.span, event.order, op, tuple(getattr(data, "programs", ()))))
        return out

    def subject(self, number: str) -> str:
        """The subject of an entry: that of the record where it has one, else one of its own."""
        return self.subjects.get(number) or f"designation:{self.maker.name.lower()}-{token(number).lower().replace('/', '.')}"

    def in_scope(self, snapshot: Snapshot, number: str) -> bool:
        return self.scope == "all" or number in self.exact or concerns_iran(programs_of(snapshot, number))

    # ------------------------------------------------------------ one snapshot
    def take(self, snapshot: Snapshot) -> int:
        """Records one snapshot, all of it or nothing. Returns the number of events; 0 where it was recorded before."""
        day = parse_day(snapshot.day)
        at = bisect_left([t.day for t in self.taken], day)
        if at < len(self.taken) and self.taken[at].day == day:
            if not self._replaces(snapshot, self.taken[at]):
                return 0
            return self._take(snapshot, day, at, replaced=self.taken[at])
        return self._take(snapshot, day, at)

    def _replaces(self, snapshot: Snapshot, recorded: Taken) -> bool:
        """Whether a snapshot is a later one of a day that is recorded: a day means its end. Raises Damaged where that cannot be told."""
        if recorded.digest == snapshot.digest:
            self.summary.skipped["snapshots recorded before"] += 1
            return False
        if snapshot.stamp is None or recorded.stamp is None or snapshot.stamp == recorded.stamp:
            raise Damaged(f"another snapshot of {self.maker.name} of {snapshot.day} is recorded, with other content: a day has one "
                          "snapshot, and the names do not tell which is the later; give --published if the day is wrong")
        if snapshot.stamp < recorded.stamp:
            self.summary.skipped["snapshots before a later one of the same day"] += 1
            return False
        return True

    def _take(self, snapshot: Snapshot, day: int, at: int, replaced: Taken | None = None) -> int:
        self._sane(snapshot, at)
        last = parse_day(self._last.day) if self._last is not None else None
        fast = replaced is None and at == len(self.taken) > 0 and self.taken[-1].day == last
        carries = carried_by(snapshot)
        numbers = self._candidates_in_order(snapshot, carries) if fast else self._candidates(snapshot)
        events = self._plan(snapshot, day, numbers, carries)
        coverage = self._coverage(snapshot, carries, replaced)
        outcome = self.writer.record([*events, coverage])
        if replaced is not None:
            self.taken.remove(replaced)
        insort(self.taken, taken(coverage, Members(snapshot.entries)), key=lambda t: t.day)
        if at == len(self.taken) - 1:
            self._last = snapshot
        self.summary.snapshots += 1
        self.summary.entries += len(snapshot.entries)
        self.summary.notes.update(_FILE.sub("", note) for note in snapshot.notes)
        self.summary.recorded.update(event.type.partition(".")[2].rpartition(".v")[0] for event in events)
        return outcome.recorded

    def _sane(self, snapshot: Snapshot, at: int) -> None:
        if not snapshot.entries:
            raise Damaged(f"the snapshot of {snapshot.day} has no entries")
        if self.force:
            return
        if cut := [note for note in snapshot.notes if _COUNT.search(note)]:
            raise Damaged(f"the snapshot of {snapshot.day} may be cut: {cut[0]}; --force records it all the same")
        if at == 0:
            return
        before = self.taken[at - 1].members
        if self._last is not None and self.taken[at - 1].day == parse_day(self._last.day):
            gone = len(set(self._last.entries) - set(snapshot.entries))
        else:
            gone = before.count - sum(number in before for number in snapshot.entries)
        if gone > THRESHOLD * before.count:
            raise Damaged(f"the snapshot of {snapshot.day} lacks {gone} of the {before.count} entries of {format_day(self.taken[at - 1].day)}: "
                          "it may be damaged; --force records it all the same")

    def _candidates(self, snapshot: Snapshot) -> list[str]:
        """Every entry that may differ: those followed, and those in scope now."""
        return sorted(self.followed | {n for n in snapshot.entries if self.in_scope(snapshot, n)})

    def _candidates_in_order(self, snapshot: Snapshot, carries: frozenset[str]) -> list[str]:
        """Only what differs from the snapshot before."""
        last = self._last
        assert last is not None
        if carries != carried_by(last):
            return self._candidates(snapshot)
        differing = differing_between(last, snapshot)
        return sorted(n for n in differing if n in self.followed or (n in snapshot.entries and self.in_scope(snapshot, n)))

    def _plan(self, snapshot: Snapshot, day: int, numbers: Sequence[str], carries: frozenset[str]) -> list[Event]:
        with self.reader.database.transaction() as connection:
            streams = read_some(connection, sorted({self.subject(n) for n in numbers if n in self.followed}), self.catalogue)
        days = [t.day for t in self.taken]
        carried = {t.day: t.carries for t in self.taken}
        presence = self._presence(numbers)
        source = snapshot.source.model_dump(mode="json", exclude_defaults=True)
        events: list[Event] = []
        for number in numbers:
            mine = self._standing(streams.get(self.subject(number), ()), number)
            exact = self.exact.get(number, [])
            standing = {rid: (e.type, e.data.model_dump(mode="json", exclude_defaults=True)) for rid, e in mine.items()}
            shown = shown_by(number, self.maker, days, lambda d, n=number: d in presence[n], carried, standing, exact)  # type: ignore[misc]
            shown = [pair for pair in shown if pair[0] != day]
            insort(shown, (day, self._shown(snapshot, number, carries)), key=lambda pair: pair[0])
            new = self._corrections(number, mine, history_of(self.maker, number, shown, exact), source)
            if new and number in self.exact and self._contradicts(streams.get(self.subject(number), []), new):
                continue
            events += new
            if new:
                self.followed.add(number)
        return events

    def _contradicts(self, stream: Sequence[Logged], new: Sequence[Event]) -> bool:
        """Whether what the list shows of an entry cannot be squared with what the record says of it; the record then stands."""
        subject = new[0].subject
        try:
            judge(self.catalogue.family(subject), stream, new, None, subject)
        except Refused as error:
            self.summary.skipped["entries of which the record says otherwise"] += 1
            self.summary.notes[f"the record stands: {error}"] += 1
            return True
        return False

    def _presence(self, numbers: Sequence[str]) -> Mapping[str, set[int]]:
        """On which recorded snapshots each entry is."""
        return {number: {t.day for t in self.taken if number in t.members} for number in numbers}

    def _shown(self, snapshot: Snapshot, number: str, carries: frozenset[str]) -> Shown:
        if number not in snapshot.entries:
            return Presence.ABSENT
        if not self.in_scope(snapshot, number):
            return Presence.OUT_OF_SCOPE
        e: Entry = snapshot.entries[number]
        groups: dict[str, Any] = {g: getattr(e, g) or () for g in GROUPS if g in carries}
        return Content(e.name, e.type, e.programs, **groups)

    def _standing(self, stream: Sequence[Logged], number: str) -> dict[str, Event]:
        """The importer's own events of an entry that are not retracted."""
        prefix = f"{self.maker.name}/{token(number)}/"
        mine = {i.event.record_id: i.event for i in stream if i.event.record_id.startswith(prefix) and SAME not in i.event.record_id}
        dead = {e.data.target for e in mine.values() if isinstance(e.data, Retracted)}
        standing = {rid: e for rid, e in mine.items() if rid not in dead and not isinstance(e.data, Amended | Retracted)}
        for e in mine.values():  # in order of version
            if isinstance(e.data, Amended) and e.data.target in standing:
                told = {"type": e.data.type, "data": e.data.data, "effective": e.effective, "order": e.order}
                standing[e.data.target] = standing[e.data.target].model_copy(update=told)
        return standing

    def _corrections(self, number: str, mine: Mapping[str, Event], wanted: Sequence[Wanted], source: Mapping[str, Any]) -> list[Event]:
        subject, keep = self.subject(number), {w.record_id for w in wanted}
        raw: list[dict[str, Any]] = [
            {"subject": subject, "type": "correction.retracted", "record_id": f"{rid}/retracted", "known": e.known, "sources": [source],
             "data": {"target": rid, "reason": "a snapshot between was recorded later"}}
            for rid, e in mine.items() if rid not in keep]
        for w in wanted:
            event = w.raw(subject, source)
            if w.record_id not in mine:
                raw.append(event)
            elif not self._says(mine[w.record_id], event):
                digest = digest_of([event["effective"], event["data"]])[:12]
                raw.append({**event, "type": "correction.amended", "record_id": f"{w.record_id}/amended-{digest}",
                            "data": {"target": w.record_id, "type": w.type, "data": w.data, "reason": "a later snapshot of the same day"}})
        return [self.catalogue.event(item) for item in raw]

    def _says(self, event: Event, raw: Mapping[str, Any]) -> bool:
        """Whether an event says what raw values say."""
        return event.effective == raw["effective"] and event.data == self.catalogue.payload(raw["type"], raw["data"])

    def _coverage(self, snapshot: Snapshot, carries: frozenset[str], replaced: Taken | None) -> Event:
        event = self._snapshot_taken(snapshot, carries)
        if replaced is None:
            return event
        return self.catalogue.event(stored=True, raw={
            **event.model_dump(mode="json", exclude_defaults=True), "type": "correction.amended",
            "record_id": f"{event.record_id}/{snapshot.stamp}",
            "data": {"target": event.record_id, "type": "coverage.snapshot_taken", "reason": "a later snapshot of the same day",
                     "data": event.data.model_dump(mode="json", exclude_defaults=True)}})

    def _snapshot_taken(self, snapshot: Snapshot, carries: frozenset[str]) -> Event:
        return self.catalogue.event(stored=True, raw={
            "subject": f"coverage:{self.maker.name}.{snapshot.day}", "type": "coverage.snapshot_taken",
            "record_id": f"{self.maker.name}/{snapshot.day}", "effective": snapshot.day, "known": snapshot.day,
            "sources": [snapshot.source.model_dump(mode="json", exclude_defaults=True)],
            "data": {"family": "designation", "topic": self.maker.name, "day": snapshot.day, "entries": len(snapshot.entries),
                     "scope": self.scope, "carries": sorted(carries), "digest": snapshot.digest, "stamp": snapshot.stamp,
                     "members": pack(snapshot.entries)}})


    # ------------------------------------------------------------ entries that came back under another number
    def link(self) -> int:
        """Links entries that came back under another number, by name and identifiers; takes back what no longer follows."""
        numbers = sorted(self.followed)
        with self.reader.database.transaction() as connection:
            streams = read_some(connection, sorted({self.subject(n) for n in numbers}), self.catalogue)
        presence = self._presence(numbers)
        parties, recorded = [], dict[str, Event]()
        for number in numbers:
            stream = streams[self.subject(number)]
            links = {i.event.record_id: i.event for i in stream if i.event.record_id.startswith(f"{self.maker.name}/{token(number)}{SAME}")}
            dead = {e.data.target for e in links.values() if isinstance(e.data, Retracted)}
            recorded |= {rid: e for rid, e in links.items() if rid not in dead and not isinstance(e.data, Retracted)}
            parties.append(party_of(number, self._standing(stream, number).values(), presence[number]))
        found = {f"{self.maker.name}/{token(link.number)}{SAME}{link.id}": link for link in links_between(parties)}
        raw: list[dict[str, Any]] = [
            {"subject": e.subject, "type": "correction.retracted", "record_id": f"{rid}/retracted", "known": e.known,
             "sources": [s.model_dump(mode="json", exclude_defaults=True) for s in e.sources],
             "data": {"target": rid, "reason": "a snapshot between was recorded later"}}
            for rid, e in recorded.items() if rid not in found]
        source = {"publisher": "Tarikh", "title": f"Comparison of the entries of {self.maker.name} across its snapshots"}
        raw += [
            {"subject": self.subject(link.number), "type": "designation.same_as", "record_id": rid, "effective": format_day(link.day),
             "known": format_day(link.day), "order": 5, "sources": [source],
             "data": {"other": self.subject(link.other).partition(":")[2], "evidence": link.evidence}}
            for rid, link in found.items() if rid not in recorded and self.subject(link.number) != self.subject(link.other)]
        if not raw:
            return 0
        outcome = self.writer.record([self.catalogue.event(item) for item in raw])
        self.summary.recorded["same_as"] += outcome.recorded
        return outcome.recorded


# ---------------------------------------------------------------- snapshots that are parsed lazily
def programs_of(snapshot: Snapshot, number: str) -> tuple[str, ...]:
    """An entry's programs, without parsing the rest of it where the parser can."""
    quick: Callable[[str], tuple[str, ...]] | None = getattr(snapshot.entries, "programs_of", None)
    return quick(number) if quick is not None else snapshot.entries[number].programs


def differing_between(before: Snapshot, after: Snapshot) -> set[str]:
    """Numbers that only one of two snapshots has, or whose content differs, without parsing the entries where the parser can."""
    if isinstance(before.entries, Entries) and isinstance(after.entries, Entries):
        return after.entries.differing(before.entries)
    both = before.entries.keys() & after.entries.keys()
    return (before.entries.keys() ^ after.entries.keys()) | {n for n in both if before.entries[n] != after.entries[n]}


def carried_by(snapshot: Snapshot) -> frozenset[str]:
    """The groups of fields that the files of a snapshot carry."""
    known: frozenset[str] | None = getattr(snapshot.entries, "carries", None)
    if known is not None:
        return known
    some = [snapshot.entries[number] for number in islice(snapshot.entries, 500)]
    return frozenset(g for g in GROUPS if any(getattr(entry, g) is not None for entry in some))


