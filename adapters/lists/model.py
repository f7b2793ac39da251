"""What every parser of a list gives: a snapshot of entries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from domain.errors import TarikhError
from domain.source import Source


class Damaged(TarikhError):
    """A file is not what its list publishes, so that nothing of it may be recorded."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a list. A field that the file set does not carry at all is None; one that is empty is `()` or None in `remarks`."""

    number: str  # the list's own
    name: str
    type: str  # individual, entity, vessel or aircraft
    programs: tuple[str, ...]  # the list's own tags, verbatim, sorted
    remarks: str | None = None  # whole, with its continuation
    aliases: tuple[str, ...] | None = None  # sorted
    addresses: tuple[str, ...] | None = None  # sorted, one line each
    identifiers: tuple[str, ...] | None = None  # sorted, "Passport: X123 (Iran)", "Call sign: ABCD", "IMO: 1234567", ...
    countries: tuple[str, ...] | None = None  # sorted; as the list writes them
    listed_on: str | None = None  # YYYY-MM-DD, where the list states the day of listing


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A whole list as it stood when it was published."""

    list: str  # OFAC-SDN, OFAC-NONSDN, UN, EU, UK
    day: str  # YYYY-MM-DD, publication
    entries: Mapping[str, Entry]  # by number
    source: Source
    digest: str  # SHA-256 of the files, so that the same snapshot is known again
    notes: tuple[str, ...] = ()  # what was unusual and was read all the same
    stamp: str | None = None  # instant in the files' names, which tells two snapshots of one day apart


Files = Mapping[str, bytes]  # the files of one snapshot, by lower-case base name
