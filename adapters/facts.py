"""The fact store: rows opened and closed at batch positions, written in the transaction that appends, read by stabbing."""

from __future__ import annotations

import json
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa

from adapters import cube
from adapters.bulk import insert_rows
from adapters.database import Database
from adapters.fact_cache import HELD, FactCache, in_order
from adapters.log import stream_id
from adapters.schema import fact, log, mark, name, projection
from adapters.stab import GENERATION, IDS, WORDS, nodes, statement
from domain.calendar import FOREVER
from domain.catalogue import CATALOGUE
from domain.text import fold_text
from projections.basis import Basis
from projections.boxes import OPEN, FactRow, MarkRow, NameRow, Rows, Span
from projections.cube import Cell, cells, is_counted, readings, totals
from projections.ports import Boxed, Found, Place, Stretch, SubjectFound

FACTS, REBUILD = "facts", "rebuild"
VERSION = 4  # of the rows: raise it when rows change their meaning, and `rebuild`
READ = 2000  # rows in memory, unless one subject has more
AnyRow = FactRow | MarkRow | NameRow
_TABLES: dict[type[Any], sa.Table] = {FactRow: fact, MarkRow: mark, NameRow: name}


class StoredFact(NamedTuple):
    """A row of the fact table, whole. Sorted, the rows of a subject stand in one order, and pieces of one box beside each other."""

    subject: str
    family: str
    relation: str
    key: str
    kind: str
    status: str
    valid_from: int
    valid_to: int
    known_from: int
    known_to: int
    body: bytes
    opened: int
    closed: int


# ---------------------------------------------------------------- writing
# what is stored of a row beyond its fields: where it is found
_BEYOND: dict[type[Any], tuple[tuple[str, ...], Callable[[Any], tuple[Any, ...]]]] = {
    FactRow: (("vnode", "knode"), lambda row: nodes(row.valid_from, row.valid_to, row.known_from, row.known_to)),
    MarkRow: ((), lambda _: ()),
    NameRow: (("folded",), lambda row: (fold_text(f"{row.subject} {row.name}"),)),
}
_STORED = {cls: (*cls._fields, *names, "generation", "opened", "closed") for cls, (names, _) in _BEYOND.items()}  # the columns of `_stored`


def _stored(row: AnyRow, generation: int, opened: int, closed: int) -> tuple[Any, ...]:
    return (*row, *_BEYOND[type(row)][1](row), generation, opened, closed)


class Filling(NamedTuple):
    """Rows of whole subjects, as they are stored: made before it is anyone's turn to write."""

    rows: dict[type[Any], list[tuple[Any, ...]]]
    sums: Counter[Cell]

    @property
    def total(self) -> int:
        return sum(map(len, self.rows.values()))


def filling(generation: int, spans: Iterable[Span]) -> Filling:
    """Rows with their life on the recorded axis, all those of a subject together, and what the cube is to hold of them."""
    rows: dict[type[Any], list[tuple[Any, ...]]] = {}
    whole = list(spans)
    for row, opened, closed in whole:
        rows.setdefault(type(row), []).append(_stored(row, generation, opened, closed))
    return Filling(rows, cells_of(whole))


def insert_filling(connection: sa.Connection, made: Filling) -> None:
    """Writes rows; the cube is left to whoever writes many."""
    for cls, rows in made.rows.items():
        insert_rows(connection, _TABLES[cls], _STORED[cls], rows)


def insert_spans(connection: sa.Connection, generation: int, spans: Iterable[Span]) -> int:
    """Writes rows and their part of the cube. Returns how many rows."""
    made = filling(generation, spans)
    insert_filling(connection, made)
    cube.add(connection, generation, made.sums)
    return made.total


def cells_of(spans: Iterable[Span]) -> Counter[Cell]:
    """What the cube holds of these rows: it counts those that are open."""
    return cells(span.row for span in spans if span.closed == OPEN and isinstance(span.row, FactRow))


def current_generation(connection: sa.Connection) -> int:
    """The generation that answers questions; 0 in a new database."""
    return connection.scalar(sa.select(projection.c.generation).where(projection.c.name == FACTS)) or 0


class Opening(NamedTuple):
    """The rows of subjects that have none yet, as far as they can be made before the batch has its position."""

    rows: dict[type[Any], list[tuple[Any, ...]]]
    sums: Counter[Cell]


def opening(some: Iterable[Rows]) -> Opening:
    """What `update_subjects` writes of these subjects."""
    rows: dict[type[Any], list[tuple[Any, ...]]] = {cls: [] for cls in _TABLES}
    facts: list[FactRow] = []
    for of_subject in some:
        facts += of_subject.facts
        for (cls, (_, beyond)), told in zip(_BEYOND.items(), of_subject, strict=True):
            rows[cls] += [(*row, *beyond(row)) for row in told]
    return Opening(rows, cells(facts))


def update_subjects(connection: sa.Connection, subjects: Mapping[str, Rows], batch: int, new: Opening | None = None) -> None:
    """Closes the rows of these subjects that no longer hold at this batch, and opens those that do, and those of `new` ones."""
    generation = current_generation(connection)
    gained: list[FactRow] = []
    lost: list[FactRow] = []
    for cls, table in _TABLES.items():
        closed: list[dict[str, int]] = []
        opened = [(*row, generation, batch, OPEN) for row in new.rows[cls]] if new else []
        for subject, rows in subjects.items():
            wanted: frozenset[Any] = {FactRow: rows.facts, MarkRow: rows.marks, NameRow: rows.names}[cls]
            held = {row: id_ for id_, row in _open_rows(connection, cls, table, generation, subject)}
            closed += [{"gone": id_} for row, id_ in held.items() if row not in wanted]
            opened += [_stored(row, generation, batch, OPEN) for row in wanted - held.keys()]
            if cls is FactRow:
                changed = wanted ^ held.keys()
                gained += _counted(wanted, changed)
                lost += _counted(held, changed)
        if closed:
            connection.execute(table.update().where(table.c.id == sa.bindparam("gone")).values(closed=batch), closed)
        if opened:
            insert_rows(connection, table, _STORED[cls], opened)
    differences = cells(gained)
    differences.subtract(cells(lost))
    differences.update(new.sums if new else {})
    cube.add(connection, generation, differences)


def _counted(rows: Iterable[AnyRow], changed: Iterable[AnyRow]) -> list[FactRow]:
    """Of these rows those that series count, all of each key that changes: they may be certain together."""
    keys = {row.key for row in changed if isinstance(row, FactRow) and is_counted(row)}
    return [row for row in rows if isinstance(row, FactRow) and row.key in keys] if keys else []


def _open_rows(connection: sa.Connection, cls: type[Any], table: sa.Table, generation: int, subject: str) -> Iterator[tuple[int, AnyRow]]:
    columns = [table.c[c] for c in cls._fields]
    query = sa.select(table.c.id, *columns).where(
        table.c.generation == generation, table.c.subject == subject, table.c.closed == OPEN)
    for row in connection.execute(query):
        yield row[0], cls(*row[1:])


def stored_rows(connection: sa.Connection, generation: int, subject: str) -> Counter[tuple[Any, ...]]:
    """Every row of a subject, closed ones included, with every column but its id."""
    out: Counter[tuple[Any, ...]] = Counter()
    for table in _TABLES.values():
        query = sa.select(*_columns(table)).where(table.c.generation == generation, table.c.subject == subject)
        out.update((table.name, *row) for row in connection.execute(query))
    return out


def rows_to_store(spans: Iterable[Span], generation: int) -> Counter[tuple[Any, ...]]:
    """What `stored_rows` gives where these spans, and nothing else, are stored."""
    out: Counter[tuple[Any, ...]] = Counter()
    for span in spans:
        cls = type(span.row)
        values = dict(zip(_STORED[cls], _stored(span.row, generation, span.opened, span.closed), strict=True))
        out[_TABLES[cls].name, *(values[column.name] for column in _columns(_TABLES[cls]))] += 1
    return out


def _columns(table: sa.Table) -> list[sa.Column[Any]]:
    return [column for column in table.c if column.name != "id"]


def stored_subjects(connection: sa.Connection, generation: int) -> set[str]:
    """The subjects of which there is any row."""
    return {subject for table in _TABLES.values()
            for subject in connection.scalars(sa.select(table.c.subject).where(table.c.generation == generation).distinct())}


def stored_generations(connection: sa.Connection) -> set[int]:
    """The generations that have rows."""
    return cube.generations(connection).union(*(connection.scalars(sa.select(table.c.generation).distinct()) for table in _TABLES.values()))


def lost_events(connection: sa.Connection, generation: int, last: int) -> list[str]:
    """Ids of events that facts were written from after the last position, and that are not there: the log has lost them."""
    later = sa.select(mark.c.subject, mark.c.version).where(mark.c.generation == generation, mark.c.opened > last).distinct()
    lost: list[tuple[str, int]] = []
    for subject, version in connection.execute(later):
        held = sa.select(log.c.position).where(log.c.originator_id == stream_id(subject), log.c.originator_version == version)
        if connection.scalar(held) is None:
            lost.append((subject, version))
    return [f"{subject}@{version}" for subject, version in sorted(lost)]


def delete_rows(connection: sa.Connection, generation: int, subjects: Sequence[str] | None = None) -> None:
    """Forgets a generation, or some subjects of one. Facts are disposable."""
    if subjects is None:
        cube.forget(connection, generation)
    else:
        held = (row for subject in subjects for _, row in _open_rows(connection, FactRow, fact, generation, subject))
        lost = cells(row for row in held if isinstance(row, FactRow))
        cube.add(connection, generation, {cell: -difference for cell, difference in lost.items()})
    for table in _TABLES.values():
        query = table.delete().where(table.c.generation == generation)
        if subjects is not None:
            query = query.where(table.c.subject == sa.bindparam("gone"))
            if subjects:
                connection.execute(query, [{"gone": s} for s in subjects])
        else:
            connection.execute(query)


def flip(connection: sa.Connection, generation: int) -> None:
    """From now on this generation answers questions."""
    _point(connection, FACTS, generation)


def claim_generation(connection: sa.Connection) -> int:
    """A generation that nobody has had, for a rebuild; an earlier rebuild that still runs has lost its claim."""
    generation = max(current_generation(connection), claimed_generation(connection)) + 1
    _point(connection, REBUILD, generation)
    return generation


def claimed_generation(connection: sa.Connection) -> int:
    """The generation that the last rebuild claimed; 0 before the first."""
    return connection.scalar(sa.select(projection.c.generation).where(projection.c.name == REBUILD)) or 0


def ensure_pointer(connection: sa.Connection) -> None:
    """In a new database: the first generation is current, and written by this code."""
    if connection.scalar(sa.select(projection.c.name).where(projection.c.name == FACTS)) is None:
        _point(connection, FACTS, 0)


def written_version(connection: sa.Connection) -> int:
    """The projection version that the current facts were written with; this code's own in a new database."""
    return connection.scalar(sa.select(projection.c.version).where(projection.c.name == FACTS)) or VERSION


def _point(connection: sa.Connection, name: str, generation: int) -> None:
    values = {"generation": generation, "version": VERSION}
    if connection.execute(projection.update().where(projection.c.name == name).values(**values)).rowcount == 0:
        connection.execute(projection.insert().values(name=name, **values))


# ---------------------------------------------------------------- reading
_ALONE = ("SELECT subject, family, key, kind, status, body FROM fact "
          f"WHERE generation = {GENERATION} AND relation = '' AND family = :family AND kind = :kind "
          "AND known_from <= 1 AND known_to > 1 AND opened <= :position AND closed > :position")


_FAMILIES = list(CATALOGUE.families)


class FactStore:
    """Answers to questions on an explicit basis. Implements projections.ports.Facts. `held`: bytes of facts in memory; with 0 none are."""

    version = VERSION

    def __init__(self, database: Database, held: int = HELD) -> None:
        self.database = database
        self._stab = {columns: statement(database.sqlite, columns) for columns in (IDS, WORDS)}
        self._cache = FactCache(database, held)
        self._alone: dict[tuple[str, str], tuple[int, list[Found]]] = {}

    def stab(self, basis: Basis, relation: str) -> list[Found]:
        """The facts of a relation on a basis, in order of subject and key."""
        asked = {"relation": relation, "as_of": basis.as_of, "known_at": basis.known_at, "position": basis.position}
        if not self._cache.size:
            return in_order(self.database.select(self._stab[WORDS], asked))
        while True:
            ids = [id_ for id_, in self.database.select(self._stab[IDS], asked)]
            if (found := self._cache.found(ids)) is not None:
                return found

    def along(self, bases: Sequence[Basis], relation: str, family: str | None = None) -> Iterator[Stretch]:
        """What a stab of each basis finds, in no order. The bases are of one position, and ascend in both days.

        Every box that holds any of them is read once, by an index on where it begins; where as much as that costs each can be asked
        for itself, that is done.
        """
        last = self.stab(bases[-1], relation)
        where = [fact.c.relation == relation, fact.c.family.in_([family] if family else _FAMILIES)]  # an index has the days of each family
        if len(bases) == 1 or self._begin(bases[-1], where, len(bases) * len(last)):
            return self._in_turn(bases, relation, family, last)
        return self._along(bases, *where)

    def of_subject_along(self, bases: Sequence[Basis], subject: str) -> Iterator[Stretch]:
        """What `of_subject` finds on each basis, in no order. The bases are as in `along`."""
        return self._along(bases, fact.c.subject == subject)

    def _begin(self, basis: Basis, where: Sequence[Any], more: int) -> bool:
        """Whether more boxes than so many begin by the day of a basis: no more than one beyond is counted."""
        with self.database.transaction() as connection:
            begun = sa.select(sa.literal(1)).where(
                fact.c.generation == current_generation(connection), *where, fact.c.valid_from <= basis.as_of).limit(more + 1)
            return (connection.scalar(sa.select(sa.func.count()).select_from(begun.subquery())) or 0) > more

    def _in_turn(self, bases: Sequence[Basis], relation: str, family: str | None, last: list[Found]) -> Iterator[Stretch]:
        since: dict[Found, int] = {}
        for place, basis in enumerate(bases):
            found = self.stab(basis, relation) if place < len(bases) - 1 else last
            held = {item: since.get(item, place) for item in found if family in (None, item.family)}
            yield from (Stretch(first, place, item) for item, first in since.items() if item not in held)
            since = held
        yield from (Stretch(first, len(bases), item) for item, first in since.items())

    def _along(self, bases: Sequence[Basis], *where: Any) -> Iterator[Stretch]:
        days, known = [basis.as_of for basis in bases], [basis.known_at for basis in bases]
        query = sa.select(fact.c.valid_from, fact.c.valid_to, fact.c.known_from, fact.c.known_to, fact.c.subject, fact.c.family, fact.c.key,
                          fact.c.kind, fact.c.status, fact.c.body).where(
            *where, fact.c.valid_from <= days[-1], fact.c.valid_to > days[0], fact.c.known_from <= known[-1], fact.c.known_to > known[0],
            *_recorded(fact, bases[0].position))
        with self.database.transaction() as connection:
            query = query.where(fact.c.generation == current_generation(connection)).execution_options(yield_per=READ)
            for valid_from, valid_to, known_from, known_to, *rest in connection.execute(query):
                first = max(bisect_left(days, valid_from), bisect_left(known, known_from))
                after = min(bisect_left(days, valid_to), bisect_left(known, known_to))
                if first < after:
                    yield Stretch(first, after, Found._make(rest))

    def of_subject(self, basis: Basis, subject: str) -> list[Found]:
        """The facts of one subject on a basis."""
        return self._held(basis, fact.c.subject == subject, fact.c.valid_from <= basis.as_of, fact.c.valid_to > basis.as_of)

    def subjects_of_entry(self, basis: Basis, entries: str, number: str) -> list[str]:
        """The subjects that are, or were, this entry of a list, as known on the basis."""
        mark = f'"entry_number":{json.dumps(number, ensure_ascii=False)}'.encode()
        found = self._held(basis, fact.c.family == "designation", fact.c.key == f"listing:{entries}")
        return sorted({item.subject for item in found if mark in item.body})

    def past_of_subject(self, basis: Basis, subject: str) -> list[Found]:
        """Facts of one subject that ended before the basis's day."""
        return self._held(basis, fact.c.subject == subject, fact.c.valid_to <= basis.as_of)

    def counts(self, basis: Basis, relation: str, series: str, steps: Sequence[tuple[int, int]]) -> list[dict[str, Any]] | None:
        """`{"value", "possible", "by"}` of a series that counts, at each (end of a month, known day), both ascending.

        None where the cube cannot tell: the log has gone on since the basis, the facts are of another version, or items are too long.
        """
        with self.database.transaction() as connection:
            last = connection.execute(sa.select(log.c.position, log.c.latest_known).order_by(log.c.position.desc()).limit(1)).first()
            if last is None or last[0] != basis.position or written_version(connection) != VERSION:
                return None
            generation = current_generation(connection)
            read = [(cube.read(connection, generation, relation, series, known, days[-1]), days) for known, days in readings(steps, last[1])]
        told = [totals(found, days) for found, days in read]
        return None if None in told else [count for some in told for count in some or ()]

    def between(self, basis: Basis, relation: str, family: str, first: int, last: int) -> list[Found]:
        """What held at some time from `first` to `last`, both days included, as known on the basis."""
        return self._held(basis, fact.c.relation == relation, fact.c.family == family, fact.c.valid_from <= last, fact.c.valid_to > first)

    def boxes_of(self, position: int, relation: str, family: str, subject: str | None = None) -> list[Boxed]:
        """All boxes of a family, or of one subject of it, as recorded by a position: for who asks of many days at once."""
        with self.database.transaction() as connection:
            query = sa.select(fact.c.valid_from, fact.c.valid_to, fact.c.known_from, fact.c.known_to, fact.c.subject, fact.c.family,
                              fact.c.key, fact.c.kind, fact.c.status, fact.c.body).where(
                fact.c.generation == current_generation(connection), fact.c.relation == relation, fact.c.family == family,
                *_recorded(fact, position))
            if subject is not None:
                query = query.where(fact.c.subject == subject)
            return sorted(Boxed(v1, v2, k1, k2, Found(*rest)) for v1, v2, k1, k2, *rest in connection.execute(query))

    def days_of_change(self, position: int, relation: str | None, subject: str | None = None) -> list[int]:
        """The days on which a fact of a relation, or of one subject, is not told as on the day before, each day as known on that day.

        Of a subject also the day on which it was first heard of. Ascending.
        """
        with self.database.transaction() as connection:
            generation = current_generation(connection)
            start = _later(fact.c.valid_from, fact.c.known_from)
            end = _later(fact.c.valid_to, fact.c.known_to, least=True)
            held = [fact.c.generation == generation, *_recorded(fact, position), start < end]
            held += [fact.c.relation == relation] if relation is not None else []
            held += [fact.c.subject == subject] if subject is not None else []
            edges = sa.union_all(sa.select(start.label("day"), sa.literal(1).label("more"), fact.c.subject, fact.c.key, fact.c.body).where(*held),
                                 sa.select(end, sa.literal(-1), fact.c.subject, fact.c.key, fact.c.body).where(*held)).subquery()
            # words that one box ends with and the next begins with are no change
            told = sa.select(edges.c.day).group_by(edges.c.day, edges.c.subject, edges.c.key, edges.c.body).having(sa.func.sum(edges.c.more) != 0)
            days = set(connection.scalars(told))
            if subject is not None:
                days |= set(connection.scalars(sa.select(sa.func.min(name.c.known_from)).where(
                    name.c.generation == generation, name.c.subject == subject, *_recorded(name, position))))
        return sorted(day for day in days if day is not None and day < FOREVER)

    def recorded_alone(self, basis: Basis, family: str, kind: str) -> list[Found]:
        """Facts of a kind of a family that is filtered on the recorded clock alone, in order of subject and key."""
        position, found = self._alone.get((family, kind), (-1, []))
        if position != basis.position:  # what was recorded by a position never changes, and every answer tells what it covers
            rows = self.database.select(_ALONE, {"family": family, "kind": kind, "position": basis.position})
            found = [Found._make(row) for row in sorted(set(rows))]
            self._alone[family, kind] = basis.position, found
        return found

    def _held(self, basis: Basis, *where: Any) -> list[Found]:
        with self.database.transaction() as connection:
            query = sa.select(fact.c.subject, fact.c.family, fact.c.key, fact.c.kind, fact.c.status, fact.c.body).where(
                fact.c.generation == current_generation(connection), *_visible(fact, basis), *where)
            return sorted({Found(*row) for row in connection.execute(query)})  # possible before and after it is certain: one fact

    def of_subjects(self, subjects: Sequence[str], basis: Basis, relation: str | None = None) -> Iterator[list[StoredFact]]:
        """The rows of each of these subjects, a subject at a time and in the order asked for: those of a relation that hold on the basis,
        else all that the log had opened by its position and that begin by its days. No transaction is open while the caller works."""
        where = [*_visible(fact, basis), fact.c.relation == relation, fact.c.valid_to > basis.as_of] if relation is not None else [
            fact.c.opened <= basis.position, fact.c.known_from <= basis.known_at]
        query = sa.select(*(fact.c[column] for column in StoredFact._fields)).where(fact.c.valid_from <= basis.as_of, *where)
        for some in self._portions(subjects):
            rows: dict[str, list[StoredFact]] = {subject: [] for subject in some}
            with self.database.transaction() as connection:
                of = fact.c.generation == current_generation(connection)
                for row in connection.execute(query.where(of, fact.c.subject.in_(some))).all():
                    rows[row[0]].append(StoredFact._make(row))
            yield from rows.values()

    def _portions(self, subjects: Sequence[str]) -> Iterator[list[str]]:
        """Subjects that have some thousand rows together."""
        with self.database.transaction() as connection:
            counted = sa.select(fact.c.subject, sa.func.count()).group_by(fact.c.subject).where(
                fact.c.generation == current_generation(connection), fact.c.subject.in_(list(subjects)))
            counts: dict[str, int] = {row[0]: row[1] for row in connection.execute(counted)}
        some: list[str] = []
        held = 0
        for subject in subjects:
            if some and held + counts.get(subject, 0) > READ:
                yield some
                some, held = [], 0
            some.append(subject)
            held += counts.get(subject, 0)
        if some:
            yield some

    def places(self, basis: Basis, first: int, last: int, subjects: Sequence[str] = ()) -> list[Place]:
        """Standing events whose effective day may be from `first` to `last`, in the one order."""
        with self.database.transaction() as connection:
            query = sa.select(mark.c.subject, mark.c.version, mark.c.valid_from, mark.c.valid_to, mark.c.rank, mark.c.root_known,
                              mark.c.root).where(
                mark.c.generation == current_generation(connection), *_visible(mark, basis),
                mark.c.valid_from <= last, mark.c.valid_to > first)
            if subjects:
                query = query.where(mark.c.subject.in_(list(subjects)))
            return [Place(*row) for row in connection.execute(query)]

    def subjects(self, basis: Basis, family: str | None = None, text: str = "") -> list[SubjectFound]:
        """Subjects that had been heard of on the basis, with the names that were known then."""
        with self.database.transaction() as connection:
            query = sa.select(name.c.subject, name.c.known_from, name.c.name, name.c.family, name.c.folded).where(
                name.c.generation == current_generation(connection), *_heard(basis))
            if family is not None:
                query = query.where(name.c.family == family)
            rows = sorted(tuple(row) for row in connection.execute(query))  # by code point, whatever the database's collation
        found: dict[str, SubjectFound] = {}
        wanted = [part for part in fold_text(text).split() if part]
        hits: set[str] = set()
        for subject, _, called, of_family, folded in rows:
            entry = found.setdefault(subject, SubjectFound(subject, of_family, []))
            if called and called not in entry.names:  # several events may say the same name, each from its own known day
                entry.names.append(called)
            if all(part in folded for part in wanted):
                hits.add(subject)
        return [entry for subject, entry in found.items() if subject in hits]

    def heard_of(self, basis: Basis, subject: str) -> bool:
        """Whether the subject had been heard of on the basis."""
        with self.database.transaction() as connection:
            query = sa.select(name.c.id).where(
                name.c.generation == current_generation(connection), name.c.subject == subject, *_heard(basis)).limit(1)
            return connection.scalar(query) is not None


def _heard(basis: Basis) -> tuple[Any, ...]:
    return name.c.known_from <= basis.known_at, name.c.known_to > basis.known_at, name.c.opened <= basis.position, name.c.closed > basis.position


def _visible(table: sa.Table, basis: Basis) -> tuple[Any, ...]:
    return (table.c.known_from <= basis.known_at, table.c.known_to > basis.known_at, *_recorded(table, basis.position))


def _recorded(table: sa.Table, position: int) -> tuple[Any, ...]:
    return table.c.opened <= position, table.c.closed > position


def _later(one: Any, other: Any, least: bool = False) -> Any:
    return sa.case((one < other if least else one > other, one), else_=other)
