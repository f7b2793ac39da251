"""Which facts hold at a point of valid x known, as of a log position: the index behind every question.

PostgreSQL has GiST on a box. SQLite has no such thing, so each box is kept in a relational interval tree on its shorter axis
(Kriegel, Potke, Seidl: "Managing Intervals Efficiently in Object-Relational Databases", VLDB 2000). The fork node of [lo, hi) is
the highest node of an implicit binary tree over the days that lies in the interval; a day meets the interval exactly if the fork
node is one of the day's ancestors and the day is on the right side of one of the ends. So a question reads, for each of the 22
ancestors of its day, one short range of an index: the cost is that of the answer, not of the table.
"""

from __future__ import annotations

from domain.calendar import FOREVER
from projections.boxes import OPEN

LEVELS = 22  # the last day, 9999-12-31, is below 2**22, and so is each end of a box's shorter axis
EVERYWHERE = -1  # the node of boxes without an end on either axis


def fork(lo: int, hi: int) -> int:
    """The fork node of the half-open interval [lo, hi), 1 <= lo < hi <= 2**30."""
    last = hi - 1
    height = ((lo - 1) ^ last).bit_length() - 1
    return (last >> height) << height


def nodes(valid_from: int, valid_to: int, known_from: int, known_to: int) -> tuple[int | None, int | None]:
    """(vnode, knode) of a box: exactly one is set, on the axis where the box is shorter. Boxes of day 0 count from day 1."""
    if valid_to == FOREVER and known_to == FOREVER:
        return EVERYWHERE, None
    if valid_to - valid_from <= known_to - known_from:
        return fork(max(valid_from, 1), valid_to), None
    return None, fork(max(known_from, 1), known_to)


IDS, WORDS = "f.id", "f.subject, f.family, f.key, f.kind, f.status, f.body"
GENERATION = "coalesce((SELECT generation FROM projection WHERE name = 'facts'), 0)"
_OF = f"f.generation = {GENERATION} AND f.relation = :relation"
_LEVELS = "level(h) AS (VALUES " + ", ".join(f"({h})" for h in range(LEVELS)) + ")"


def _ancestor(day: str) -> str:
    return f"(((:{day} >> (h + 1)) << (h + 1)) | (1 << h))"


def _branches(columns: str, part: str, before: str, life: str) -> list[str]:
    """SELECTs whose rows one index finds by itself, and reads only for columns beyond the id. Of the axis of a tree one end is compared:
    the day and the other end lie on the two sides of the node, or it has none."""
    out = [f"SELECT {columns} FROM {before} fact f INDEXED BY ix_fact_{part}_valid_from WHERE {_OF} AND f.vnode = {EVERYWHERE} "
           f"AND f.valid_from <= :as_of AND f.known_from <= :known_at AND {life} AND f.vnode IS NOT NULL"]
    for axis, side, day, other, at in (("vnode", "valid", "as_of", "known", "known_at"), ("knode", "known", "known_at", "valid", "as_of")):
        node = _ancestor(day)
        for end, where, within in (("to", f"{node} <= :{day}", f"f.{side}_to > :{day}"), ("from", f"{node} > :{day}", f"f.{side}_from <= :{day}")):
            out.append(
                f"SELECT {columns} FROM {before} level CROSS JOIN fact f INDEXED BY ix_fact_{part}_{side}_{end} WHERE {where} AND {_OF} "
                f"AND f.{axis} = {node} AND {within} AND f.{other}_from <= :{at} AND f.{other}_to > :{at} AND {life} AND f.{axis} IS NOT NULL")
    return out


# A row is closed after the position only where the log has gone on since; else the closed rows are not looked at.
_NOW = f"f.closed = {OPEN} AND f.opened <= :position"
_THEN = f"f.closed < {OPEN} AND f.closed > :position AND f.opened <= :position"
_GONE_ON = "(SELECT max(position) FROM log) > :position"
_LATER = f"later(x) AS (SELECT 1 WHERE {_GONE_ON})"  # asked before anything else: SQLite would ask on each level


def statement(sqlite: bool, columns: str = IDS) -> str:
    """The SELECT of a stab, by `relation`, `as_of`, `known_at` and `position`: a single statement, and so on a single state of the log.

    `IDS` are in the indexes themselves; `WORDS` are read row by row."""
    if sqlite:
        selects = [*_branches(columns, "open", "", _NOW), *_branches(columns, "closed", "later CROSS JOIN", _THEN)]
        return f"WITH {_LEVELS}, {_LATER} {' UNION ALL '.join(selects)}"
    box = "box(point(f.valid_from, f.known_from), point(f.valid_to - 1, f.known_to - 1))"
    point = "box(point(:as_of, :known_at), point(:as_of, :known_at))"
    return " UNION ALL ".join(f"SELECT {columns} FROM fact f WHERE {box} @> {point} AND {_OF} AND {life}"
                              for life in (_NOW, f"{_THEN} AND {_GONE_ON}"))
