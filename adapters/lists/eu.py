"""The annexes of the EU's Iran regulations, one CSV table per regulation; the tables given together are one snapshot.

An entry's number is `<CELEX>/<annex>/<number in the annex>`, as the EU itself cites one. The number alone starts again in each annex,
and a name gets corrected; a number that was struck out stays free (the annexes have gaps), so that it keeps meaning the same entry.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Iterator
from datetime import datetime

from adapters.lists.model import Damaged, Entry, Files, Snapshot
from domain.calendar import BadDay, parse_day
from domain.errors import Invalid
from domain.source import Source

COLUMNS = (
    "celex", "recordId", "programKey", "annex", "measure", "startDate", "reason", "schema", "name", "alias", "weakAlias", "previousName",
    "country", "nationality", "jurisdiction", "birthDate", "birthPlace", "position", "passportNumber", "gender", "appearance", "ethnicity",
    "fatherName", "motherName", "incorporationDate", "legalForm", "sector", "registrationNumber", "taxNumber", "idNumber", "innCode", "ogrnCode",
    "kppCode", "okpoCode", "leiCode", "swiftBic", "ticker", "imoNumber", "mmsi", "flag", "address", "phone", "email", "website", "notes",
)
TYPES = {"Person": "individual", "LegalEntity": "entity", "Organization": "entity", "Company": "entity", "PublicBody": "entity",
         "Vessel": "vessel", "Airplane": "aircraft"}
IDENTIFIERS = {"Passport": "passportNumber", "National ID": "idNumber", "Registration": "registrationNumber", "Tax": "taxNumber",
               "INN": "innCode", "OGRN": "ogrnCode", "KPP": "kppCode", "OKPO": "okpoCode", "LEI": "leiCode", "SWIFT/BIC": "swiftBic",
               "Ticker": "ticker", "IMO": "imoNumber", "MMSI": "mmsi"}
REMARKS = {"Born": "birthDate", "Place of birth": "birthPlace", "Position": "position", "Gender": "gender", "Legal form": "legalForm",
           "Incorporated": "incorporationDate", "Previous name": "previousName", "Phone": "phone", "Email": "email", "Website": "website",
           "Reason": "reason", "Notes": "notes"}


def read(files: Files, published: str | None) -> Snapshot:
    """All tables as one snapshot; they do not say when they were published, so that `published` must. Raises Damaged and Invalid."""
    tables = {name: data for name, data in sorted(files.items()) if name.endswith(".csv")}
    if not tables:
        raise Damaged("no .csv file: the EU list is read from the tables of its regulations, for instance eu_opensanctions_32012R0267.csv")
    entries: dict[str, Entry] = {}
    for name, data in tables.items():
        for line, row in _rows(name, data):
            entry = _entry(f"{name}, line {line}", row)
            if entry.number in entries:
                raise Damaged(f"{name}, line {line}: {entry.number} is there twice")
            entries[entry.number] = entry
    day = _day(published, max((e.listed_on for e in entries.values() if e.listed_on), default=None))
    acts = ", ".join(sorted({e.programs[0] for e in entries.values()}))
    source = Source(publisher="Council of the European Union (tables by OpenSanctions)", title="Annexes of the EU regulations on Iran",
                    date=day, locator=f"CELEX {acts}", second_hand=True)
    digest = hashlib.sha256(b"".join(sorted(hashlib.sha256(data).digest() for data in tables.values()))).hexdigest()
    return Snapshot("EU", day, entries, source, digest, (f"regulations in it: {acts}",))


def _rows(name: str, data: bytes) -> Iterator[tuple[int, dict[str, str]]]:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Damaged(f"{name}: not UTF-8 at byte {error.start}") from None
    if "\ufffd" in text:
        raise Damaged(f"{name}: characters were lost when it was converted (U+FFFD)")
    if not text.endswith("\n"):
        raise Damaged(f"{name}: {'empty' if not text else 'its last line does not end, so that the file may be cut'}")
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        if (header := tuple(next(reader))) != COLUMNS:
            raise Damaged(f"{name}: the header is not that of the table: it begins {','.join(header)[:60]!r}, not {','.join(COLUMNS)[:40]!r}")
        for row in reader:
            if len(row) != len(COLUMNS):
                raise Damaged(f"{name}, line {reader.line_num}: {len(row)} fields instead of {len(COLUMNS)}")
            yield reader.line_num, {k: " ".join(v.split()) for k, v in zip(COLUMNS, row, strict=True)}
    except csv.Error as error:
        raise Damaged(f"{name}, line {reader.line_num}: {error}") from None
    if reader.line_num == 1:
        raise Damaged(f"{name}: it has a header and no entry")


def _entry(place: str, row: dict[str, str]) -> Entry:
    if not re.fullmatch(r"3\d{4}[RD]\d{4}", row["celex"]):
        raise Damaged(f"{place}: celex {row['celex']!r} is not the number of a regulation")
    if not (row["annex"] and row["recordId"] and row["name"]):
        raise Damaged(f"{place}: annex, recordId or name is empty")
    if row["schema"] not in TYPES:
        raise Damaged(f"{place}: unknown schema {row['schema']!r}: expected {', '.join(TYPES)}")
    return Entry(
        number=f"{row['celex']}/{row['annex']}/{row['recordId']}", name=row["name"], type=TYPES[row["schema"]], programs=(row["celex"],),
        remarks=" | ".join(f"{label}: {row[key]}" for label, key in REMARKS.items() if row[key]) or None,
        aliases=_parts(row, "alias", "weakAlias", "previousName"), addresses=_parts(row, "address"),
        identifiers=tuple(sorted(f"{label}: {part}" for label, key in IDENTIFIERS.items() for part in _parts(row, key))),
        countries=_parts(row, "country", "nationality", "jurisdiction", "flag"), listed_on=_date(place, row["startDate"]))


def _parts(row: dict[str, str], *columns: str) -> tuple[str, ...]:
    return tuple(sorted({part for key in columns for part in (p.strip() for p in row[key].split("; ")) if part}))


def _date(place: str, text: str) -> str | None:
    for form in ("%d.%m.%Y", "%d %B %Y"):  # the second stands once in Annex VIII of 267/2012
        try:
            return datetime.strptime(text, form).date().isoformat()  # noqa: DTZ007
        except ValueError:
            continue
    if text:
        raise Damaged(f"{place}: startDate {text!r} is not D.M.YYYY")
    return None


def _day(published: str | None, latest: str | None) -> str:
    if published is None:
        raise Invalid(f"the EU tables do not say when they were published: give --published YYYY-MM-DD (not before {latest})")
    try:
        parse_day(published)
    except BadDay as error:
        raise Invalid(f"--published: {error}") from None
    if latest and published < latest:
        raise Invalid(f"--published {published} is before {latest}, on which the tables have an entry listed")
    return published
