"""The EU's tables: what is an entry, and what is refused."""

from __future__ import annotations

import csv
import io

import pytest

from adapters.lists import eu
from adapters.lists.model import Damaged
from domain.errors import Invalid
from tests.conftest import needs_shared

DAY = "2024-02-01"
WORKSHOP = {"celex": "32012R0267", "recordId": "5 (a)", "programKey": "EU-IRN", "annex": "IX.I.B", "measure": "Asset freeze",
            "startDate": "1.12.2011", "schema": "LegalEntity", "name": "Alborz Lathe Works", "alias": "ALW; کارگاه البرز",
            "registrationNumber": "123; 456 (Iran)", "address": "Karaj, Iran; Iran", "reason": "Makes lathes, \"and more\"."}
CHIEF = {"celex": "32011R0359", "recordId": "1", "programKey": "EU-IRN", "annex": "I.A", "measure": "Asset freeze",
         "startDate": "12.4.2011", "schema": "Person", "name": "EXAMPLE  Ali", "nationality": "Iranian", "passportNumber": "X1 (Iran)",
         "birthDate": "1961"}


def table(*rows: dict[str, str], columns: tuple[str, ...] = eu.COLUMNS) -> bytes:
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, lineterminator="\n", restval="")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()


def test_several_tables_are_one_snapshot() -> None:
    snapshot = eu.read({"b.csv": table(WORKSHOP), "a.csv": table(CHIEF), "readme.md": b"not a table"}, DAY)
    assert (snapshot.list, snapshot.day) == ("EU", DAY)
    assert set(snapshot.entries) == {"32011R0359/I.A/1", "32012R0267/IX.I.B/5 (a)"}
    assert snapshot.digest == eu.read({"1.csv": table(CHIEF), "2.csv": table(WORKSHOP)}, DAY).digest
    assert snapshot.notes == ("regulations in it: 32011R0359, 32012R0267",)


def test_an_entry_has_what_the_table_says() -> None:
    entry = eu.read({"a.csv": table(WORKSHOP)}, DAY).entries["32012R0267/IX.I.B/5 (a)"]
    assert (entry.name, entry.type, entry.programs) == ("Alborz Lathe Works", "entity", ("32012R0267",))
    assert entry.listed_on == "2011-12-01"
    assert entry.aliases == ("ALW", "کارگاه البرز")
    assert entry.addresses == ("Iran", "Karaj, Iran")
    assert entry.identifiers == ("Registration: 123", "Registration: 456 (Iran)")
    assert entry.remarks == 'Reason: Makes lathes, "and more".'
    person = eu.read({"a.csv": table(CHIEF)}, DAY).entries["32011R0359/I.A/1"]
    assert (person.name, person.type, person.countries) == ("EXAMPLE Ali", "individual", ("Iranian",))
    assert (person.identifiers, person.remarks) == (("Passport: X1 (Iran)",), "Born: 1961")


def test_the_same_number_in_two_annexes_is_two_entries() -> None:
    assert len(eu.read({"a.csv": table(CHIEF, {**CHIEF, "annex": "I.B"})}, DAY).entries) == 2


def test_a_table_saved_with_crlf_and_a_mark_is_read() -> None:
    data = b"\xef\xbb\xbf" + table(CHIEF).replace(b"\n", b"\r\n")
    assert eu.read({"a.csv": data}, DAY).entries == eu.read({"a.csv": table(CHIEF)}, DAY).entries


def test_the_day_of_publication_must_be_given_and_be_possible() -> None:
    with pytest.raises(Invalid, match="not before 2011-04-12"):
        eu.read({"a.csv": table(CHIEF)}, None)
    with pytest.raises(Invalid, match="is before 2011-04-12"):
        eu.read({"a.csv": table(CHIEF)}, "2011-04-11")
    with pytest.raises(Invalid, match="--published"):
        eu.read({"a.csv": table(CHIEF)}, "12.4.2011")


def test_a_day_in_words_is_read_and_an_impossible_one_refused() -> None:
    assert eu.read({"a.csv": table({**CHIEF, "startDate": "18 April 2012"})}, DAY).entries["32011R0359/I.A/1"].listed_on == "2012-04-18"
    with pytest.raises(Damaged, match=r"a\.csv, line 2: startDate '31\.2\.2011'"):
        eu.read({"a.csv": table({**CHIEF, "startDate": "31.2.2011"})}, DAY)


@pytest.mark.parametrize(("data", "why"), [
    (b"", "empty"),
    (table(), "no entry"),
    (table(CHIEF)[:-1], "may be cut"),
    (table(CHIEF)[:-20] + b"\n", "fields instead of 45"),
    (table(WORKSHOP).replace(b'"', b""), "line 2: 47 fields"),
    (table(WORKSHOP).replace(b'""and more""."', b'""and more"".'), "line 2"),
    (table(CHIEF, columns=(*eu.COLUMNS[1:], eu.COLUMNS[0])), "header"),
    (table(CHIEF).replace(b",", b";"), "header"),
    (table(CHIEF).decode().encode("utf-16"), "not UTF-8"),
    (table({**CHIEF, "name": "Ali\ufffd"}), "lost"),
    (table({**CHIEF, "name": "Zoë"}).decode().encode("latin-1"), "not UTF-8"),
    (table(CHIEF, CHIEF), "twice"),
    (table({**CHIEF, "schema": "Poem"}), "unknown schema"),
    (table({**CHIEF, "celex": "EU-IRN"}), "celex"),
    (table({**CHIEF, "name": ""}), "name is empty"),
])
def test_a_damaged_table_is_refused(data: bytes, why: str) -> None:
    with pytest.raises(Damaged, match=why):
        eu.read({"a.csv": data, "b.csv": table(WORKSHOP)}, DAY)


def test_no_table_is_refused() -> None:
    with pytest.raises(Damaged, match=r"no \.csv file"):
        eu.read({"list.xml": b"<a/>"}, DAY)


def test_the_real_tables_are_read_whole() -> None:
    files = {path.name: path.read_bytes() for path in needs_shared("data/eu").glob("*.csv")}
    lines = sum(len(list(csv.reader(io.StringIO(data.decode(), newline="")))) - 1 for data in files.values())
    snapshot = eu.read(files, "2026-08-07")
    assert len(snapshot.entries) == lines == 709
    assert all(entry.listed_on for entry in snapshot.entries.values())
    assert {entry.programs[0] for entry in snapshot.entries.values()} == {"32011R0359", "32012R0267", "32023R1529"}
