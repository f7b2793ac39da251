"""What facts say, by their ids: those that were told last are held in memory.

A stab finds ids, in an index alone. The words of a row never change (only the position at which it is closed does), and from one day to
the next most facts are the same. So what was read once need not be read again: of a large answer it is the greater part.

An id is given once. SQLite would give the highest ones again after their rows were deleted; but rows of a generation that answers
questions are deleted only when those of the next one stand above them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from operator import itemgetter
from sys import intern
from threading import Lock
from typing import Any

from adapters.database import Database
from projections.ports import Found

HELD = 128 * 2**20  # bytes
AROUND = 600  # bytes that a fact takes beside its body
Held = tuple[str, Found]  # its place among others as one text, which Python compares in a third of the time; and the fact

_WORDS = "SELECT id, subject, family, key, kind, status, body FROM fact WHERE id"
_SQLITE = f"{_WORDS} IN (SELECT value FROM json_each(:ids))"
_POSTGRESQL = f"{_WORDS} = ANY(:ids)"
_FOUND: Callable[[Any], Found] = partial(tuple.__new__, Found)  # a third of the time of Found._make
_place, _fact = itemgetter(0), itemgetter(1)


def in_order(rows: list[tuple[Any, ...]]) -> list[Found]:
    """Rows of a fact's words as facts, in order of subject and key."""
    rows.sort()  # while they are plain tuples: of those, Python compares thousands in half the time
    return list(map(_FOUND, rows))


class FactCache:
    """Facts by id. Some `size` bytes of them are held, in two halves: those used since the older half was last let go, and the others.

    One instance serves many threads: a half is only ever added to, until a new one takes its place.
    """

    def __init__(self, database: Database, size: int = HELD) -> None:
        self.size = size
        self._database = database
        self._young: dict[int, Held] = {}
        self._old: dict[int, Held] = {}
        self._weight = 0
        self._turn = Lock()

    def found(self, ids: Sequence[int]) -> list[Found] | None:
        """The facts of these ids, in order of subject and key. None where one is gone: another generation answers by now."""
        young = self._young
        try:
            held = list(map(young.__getitem__, ids))
        except KeyError:
            more = self._more([id_ for id_ in ids if id_ not in young])
            if len(more) + sum(id_ in young for id_ in ids) < len(ids):
                return None
            held = [more[id_] if id_ in more else young[id_] for id_ in ids]
        held.sort(key=_place)
        if len(set(map(_place, held))) < len(held):  # one key, told in several possible words: in the order of those
            held.sort()
        return list(map(_fact, held))

    def _more(self, ids: Iterable[int]) -> dict[int, Held]:
        """Those of these ids that are there. They are in the young half from now on."""
        old = self._old
        more: dict[int, Held] = {}
        unread: list[int] = []
        for id_ in ids:
            if (held := old.get(id_)) is not None:
                more[id_] = held
            else:
                unread.append(id_)
        if unread:
            more.update(self._read(unread))
        with self._turn:
            self._young.update(more)
            self._weight += sum(AROUND + len(fact.body) for _, fact in more.values())
            if self._weight > self.size // 2:
                self._old, self._young, self._weight = self._young, {}, 0
        return more

    def _read(self, ids: Sequence[int]) -> dict[int, Held]:
        sqlite = self._database.sqlite
        rows = self._database.select(_SQLITE if sqlite else _POSTGRESQL, {"ids": json.dumps(ids) if sqlite else ids})
        return {id_: (f"{subject}\0{key}\0{kind}\0{status}", _FOUND((subject, intern(family), intern(key), intern(kind), intern(status), body)))
                for id_, subject, family, key, kind, status, body in rows}
