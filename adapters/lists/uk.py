"""The UK's consolidated list of financial sanctions targets (OFSI, ConList.csv). Rows with the same Group ID are one entry.

Two layouts were published: 29 columns (`sanctionsconlist.csv`, to 2021, `Prime Alias`), and 36 (`2022format/ConList.csv`, with scripts
and designation dates, `Primary name`). An entry has a row for each pair of a name, a birth date and an address.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Iterable
from datetime import datetime

from adapters.lists.model import Damaged, Entry, Files, Snapshot
from domain.calendar import BadDay, parse_day
from domain.errors import Invalid
from domain.source import Source

_NAMES = ("Name 1", "Name 2", "Name 3", "Name 4", "Name 5", "Name 6")  # the last is the family name, or the whole name of an entity
_ADDRESS = (*(f"Address {n}" for n in range(1, 7)), "Post/Zip Code", "Country")
_HEAD = ("Name 6", *_NAMES[:5], "Title")
OLD = (*_HEAD, "DOB", "Town of Birth", "Country of Birth", "Nationality", "Passport Details", "NI Number", "Position", *_ADDRESS,
       "Other Information", "Group Type", "Alias Type", "Regime", "Listed On", "Last Updated", "Group ID")
NEW = (*_HEAD, "Name Non-Latin Script", "Non-Latin Script Type", "Non-Latin Script Language", "DOB", "Town of Birth", "Country of Birth",
       "Nationality", "Passport Number", "Passport Details", "National Identification Number", "National Identification Details", "Position",
       *_ADDRESS, "Other Information", "Group Type", "Alias Type", "Alias Quality", "Regime", "Listed On", "UK Sanctions List Date Designated",
       "Last Updated", "Group ID")
TYPES = {"individual": "individual", "entity": "entity", "ship": "vessel"}
PRIMARY = {"primary name", "prime alias"}
_REFERENCES = (("UK Sanctions List", re.compile(r"\(UK Sanctions List Ref\):\s*([A-Z]{3}\d{4})")),
               ("UN", re.compile(r"\b([A-Z]{2}[ie]\.\d{3})\b")), ("IMO", re.compile(r"\bIMO(?: number)?\W{0,4}(\d{7})\b")))

Row = dict[str, str]


def read(files: Files, published: str | None) -> Snapshot:
    """The list as one snapshot; its day is `published`, or the one on its first line. Raises Damaged and Invalid."""
    tables = [(name, data) for name, data in files.items() if name.endswith(".csv")]
    if len(tables) != 1:
        raise Damaged(f"{len(tables)} .csv files instead of one: the UK list is read from ConList.csv")
    name, data = tables[0]
    rows, updated, notes = _rows(name, data)
    day = _day(published, updated)
    groups: dict[str, list[Row]] = {}
    for line, row in rows:
        _check(f"{name}, line {line}", row)
        groups.setdefault(row["Group ID"], []).append(row)
    source = Source(publisher="HM Treasury, Office of Financial Sanctions Implementation",
                    title="Consolidated List of Financial Sanctions Targets in the UK", date=day, locator=name)
    entries = {number: _entry(name, number, group, notes) for number, group in groups.items()}
    return Snapshot("UK", day, entries, source, hashlib.sha256(data).hexdigest(), tuple(notes))


def _text(name: str, data: bytes, notes: list[str]) -> str:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if ",".join(NEW).encode() in data:  # it has names in Arabic script: Windows-1252 cannot be meant
            raise Damaged(f"{name}: not UTF-8 at byte {error.start}") from None
        try:
            text = data.decode("cp1252")
        except UnicodeDecodeError:
            raise Damaged(f"{name}: neither UTF-8 nor Windows-1252") from None
        if "â€" in text or "Ã" in text:
            raise Damaged(f"{name}: UTF-8 with a damaged byte at {error.start}") from None
        notes.append("read as Windows-1252, which it was saved in")
    if "\ufffd" in text or "\0" in text:
        raise Damaged(f"{name}: characters were lost when it was converted")
    if not text.endswith("\n"):
        raise Damaged(f"{name}: {'empty' if not text else 'its last line does not end, so that the file may be cut'}")
    return text


def _rows(name: str, data: bytes) -> tuple[list[tuple[int, Row]], str | None, list[str]]:
    """Rows with their lines, the day of the first line, and what was unusual."""
    notes: list[str] = []
    reader = csv.reader(io.StringIO(_text(name, data, notes), newline=""), strict=True)
    try:
        top = next(reader)
        updated = _date(f"{name}, line 1", top[1]) if top[:1] == ["Last Updated"] and len(top) > 1 else None
        header = tuple(top if updated is None else next(reader, ()))
        if header not in (OLD, NEW):
            raise Damaged(f"{name}: the header is of neither layout (29 or 36 columns): it begins {','.join(header)[:60]!r}")
        if updated is None:
            notes.append("the first line, with the day of the last update, is missing")
        rows = []
        for row in reader:
            if len(row) != len(header):
                raise Damaged(f"{name}, line {reader.line_num}: {len(row)} fields instead of {len(header)}")
            fields = zip(header, row, strict=True)
            rows.append((reader.line_num, {k: " ".join(v.split()) for k, v in fields}))
    except csv.Error as error:
        raise Damaged(f"{name}, line {reader.line_num}: {error}") from None
    if not rows:
        raise Damaged(f"{name}: it has a header and no entry")
    return rows, updated, notes


def _check(place: str, row: Row) -> None:
    if not re.fullmatch(r"[0-9]+", row["Group ID"]):
        raise Damaged(f"{place}: Group ID {row['Group ID']!r} is not a number")
    if row["Group Type"].lower() not in TYPES:
        raise Damaged(f"{place}: unknown Group Type {row['Group Type']!r}: expected Individual, Entity or Ship")
    if not (row["Regime"] and (_name(row) or row.get("Name Non-Latin Script"))):
        raise Damaged(f"{place}: the name or the Regime is empty")
    for column in ("Listed On", "Last Updated"):
        _date(place, row[column])


def _entry(file: str, number: str, rows: list[Row], notes: list[str]) -> Entry:
    if len(types := {TYPES[row["Group Type"].lower()] for row in rows}) > 1:
        raise Damaged(f"{file}: Group ID {number} is of several types: {', '.join(sorted(types))}")
    primary = [row for row in rows if row["Alias Type"].lower() in PRIMARY and _name(row)]
    if not primary:
        notes.append(f"Group ID {number} has no primary name; its first name is taken")
    name = next(filter(None, map(_name, primary or rows)), rows[0].get("Name Non-Latin Script", ""))
    listed = sorted(day for row in rows if (day := _date(file, row["Listed On"])))
    return Entry(
        number=number, name=name, type=types.pop(), programs=_distinct(row["Regime"] for row in rows), remarks=_remarks(rows),
        aliases=_distinct(n for row in rows for n in (_name(row), row.get("Name Non-Latin Script", "")) if n != name),
        addresses=_distinct(", ".join(filter(None, (row[c] for c in _ADDRESS))) for row in rows if any(row[c] for c in _ADDRESS[:-1])),
        identifiers=_distinct(i for row in rows for i in _identifiers(row)),
        countries=_distinct(row[c] for row in rows for c in ("Country", "Nationality")), listed_on=listed[0] if listed else None)


def _name(row: Row) -> str:
    return " ".join(filter(None, (row[c] for c in _NAMES)))


def _distinct(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({v for v in values if v}))


def _identifiers(row: Row) -> Iterable[str]:
    for label, number, details in (("Passport", "Passport Number", "Passport Details"), ("National ID", "NI Number", ""),
                                   ("National ID", "National Identification Number", "National Identification Details")):
        if value := " ".join(filter(None, (row.get(number, ""), row.get(details, "")))):
            yield f"{label}: {value}"
    for label, pattern in _REFERENCES:
        for found in pattern.findall(row["Other Information"]):
            yield f"{label}: {found}"


def _remarks(rows: list[Row]) -> str | None:
    told = {"Born": _distinct(row["DOB"] for row in rows),
            "Place of birth": _distinct(", ".join(filter(None, (row["Town of Birth"], row["Country of Birth"]))) for row in rows),
            "Title": _distinct(row["Title"] for row in rows), "Position": _distinct(row["Position"] for row in rows),
            "Other": _distinct(row["Other Information"] for row in rows)}
    return " | ".join(f"{label}: {'; '.join(values)}" for label, values in told.items() if values) or None


def _date(place: str, text: str) -> str | None:
    if not text:
        return None
    try:
        return datetime.strptime(text, "%d/%m/%Y").date().isoformat()  # noqa: DTZ007
    except ValueError:
        raise Damaged(f"{place}: {text!r} is not a day DD/MM/YYYY") from None


def _day(published: str | None, updated: str | None) -> str:
    day = published or updated
    if day is None:
        raise Invalid("the file does not say when it was published: give --published YYYY-MM-DD")
    try:
        parse_day(day)
    except BadDay as error:
        raise Invalid(f"--published: {error}") from None
    if updated and day < updated:
        raise Invalid(f"--published {day} is before {updated}, the last update that the file states")
    return day
