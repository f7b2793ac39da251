"""OFSI's list in its two layouts: which rows are one entry, and what is refused."""

from __future__ import annotations

import csv
import io

import pytest

from adapters.lists import uk
from adapters.lists.model import Damaged, Snapshot
from domain.errors import Invalid

CHIEF = {"Name 6": "EXAMPLE", "Name 1": "Ali", "Name 2": "Reza", "Title": "Dr", "DOB": "00/00/1961", "Country of Birth": "Iran",
         "Nationality": "Iran", "Position": "Head of the works", "Address 1": "1 Any Street", "Address 6": "Tehran", "Country": "Iran",
         "Passport Number": "X123", "Passport Details": "issued in Iran", "Name Non-Latin Script": "علی",
         "Other Information": "(UK Sanctions List Ref):IHR0999. (UN Ref): IRi.999. Of the works.", "Group Type": "Individual",
         "Alias Type": "Primary name", "Regime": "Iran (Human Rights)", "Listed On": "12/10/2011", "Last Updated": "31/12/2020",
         "Group ID": "12174"}
ALIAS = {**CHIEF, "Name 1": "Aly", "Alias Type": "Primary name variation", "Name Non-Latin Script": "", "DOB": "00/00/1962", "Address 1": ""}
SHIP = {"Name 6": "EXAMPLE STAR", "Group Type": "Ship", "Alias Type": "Primary name", "Regime": "Iran (Nuclear)", "Listed On": "01/02/2024",
        "Last Updated": "01/02/2024", "Other Information": "IMO number: 9999999.", "Group ID": "16001"}
OLD_CHIEF = {k: v for k, v in CHIEF.items() if k in uk.OLD} | {"Alias Type": "Prime Alias", "Regime": "Iran (human rights)",
                                                               "Other Information": "UN Ref IRi.999"}


def table(*rows: dict[str, str], header: tuple[str, ...] = uk.NEW, top: str = "Last Updated,03/06/2026") -> bytes:
    out = io.StringIO()
    writer = csv.DictWriter(out, header, lineterminator="\r\n", restval="")
    writer.writeheader()
    writer.writerows(rows)
    return f"{top}\r\n{out.getvalue()}".encode()


def read(data: bytes, published: str | None = None) -> Snapshot:
    return uk.read({"conlist.csv": data}, published)


def test_rows_with_the_same_group_id_are_one_entry() -> None:
    snapshot = read(table(ALIAS, SHIP, CHIEF))
    assert (snapshot.list, snapshot.day, set(snapshot.entries)) == ("UK", "2026-06-03", {"12174", "16001"})
    entry = snapshot.entries["12174"]
    assert (entry.name, entry.type, entry.programs) == ("Ali Reza EXAMPLE", "individual", ("Iran (Human Rights)",))
    assert entry.aliases == ("Aly Reza EXAMPLE", "علی")
    assert entry.addresses == ("1 Any Street, Tehran, Iran", "Tehran, Iran")
    assert entry.identifiers == ("Passport: X123 issued in Iran", "UK Sanctions List: IHR0999", "UN: IRi.999")
    assert (entry.countries, entry.listed_on) == (("Iran",), "2011-10-12")
    assert entry.remarks is not None
    assert entry.remarks.startswith("Born: 00/00/1961; 00/00/1962 | Place of birth: Iran | Title: Dr | Position: Head of the works | Other: (UK")


def test_a_ship_is_a_vessel_with_its_imo_number() -> None:
    ship = read(table(SHIP)).entries["16001"]
    assert (ship.name, ship.type, ship.identifiers) == ("EXAMPLE STAR", "vessel", ("IMO: 9999999",))


def test_the_order_of_the_rows_does_not_matter() -> None:
    assert read(table(CHIEF, ALIAS, SHIP)).entries == read(table(SHIP, ALIAS, CHIEF)).entries


def test_the_layout_before_2022_is_read() -> None:
    snapshot = read(table({**OLD_CHIEF, "NI Number": "77"}, header=uk.OLD, top="Last Updated,13/04/2018,,,"))
    entry = snapshot.entries["12174"]
    assert (snapshot.day, entry.name, entry.programs) == ("2018-04-13", "Ali Reza EXAMPLE", ("Iran (human rights)",))
    assert entry.identifiers == ("National ID: 77", "Passport: issued in Iran", "UN: IRi.999")


def test_the_old_layout_in_windows_1252_is_read_and_said() -> None:
    data = table({**OLD_CHIEF, "Position": "Chef de l’atelier"}, header=uk.OLD).decode().encode("cp1252")
    snapshot = read(data)
    assert "l’atelier" in (snapshot.entries["12174"].remarks or "")
    assert snapshot.notes == ("read as Windows-1252, which it was saved in",)


def test_a_group_without_a_primary_name_takes_its_first_and_says_so() -> None:
    snapshot = read(table(ALIAS))
    assert snapshot.entries["12174"].name == "Aly Reza EXAMPLE"
    assert snapshot.notes == ("Group ID 12174 has no primary name; its first name is taken",)


def test_a_missing_first_line_is_made_good_by_the_given_day() -> None:
    data = table(CHIEF).partition(b"\r\n")[2]
    with pytest.raises(Invalid, match="--published"):
        read(data)
    assert read(data, "2024-01-02").day == "2024-01-02"
    assert read(table(CHIEF), "2026-06-04").day == "2026-06-04"


def test_a_day_before_the_last_update_is_refused() -> None:
    with pytest.raises(Invalid, match="before 2026-06-03"):
        read(table(CHIEF), "2026-06-02")
    with pytest.raises(Invalid, match="--published"):
        read(table(CHIEF), "3 June")


@pytest.mark.parametrize(("data", "why"), [
    (b"", "empty"),
    (table(), "no entry"),
    (b"Last Updated,03/06/2026\r\n", "header"),
    (table(CHIEF)[:-3], "may be cut"),
    (table(CHIEF)[:-9] + b"\r\n", "35 fields instead of 36"),
    (table({**CHIEF, "Position": "Head, works"}).replace(b'"', b""), "37 fields"),
    (table({**CHIEF, "Position": "Head, works"}).replace(b'works"', b"works"), "line 3"),
    (table(CHIEF, header=(*uk.NEW[1:], uk.NEW[0])), "header"),
    (table(CHIEF, top="Last Updated,2026-06-03"), "not a day"),
    (table(CHIEF, top="A,B"), "header"),
    (table({**CHIEF, "Title": "Zoë"}).decode().encode("latin-1", "replace"), "not UTF-8"),
    (table({**OLD_CHIEF, "Title": "Zoë Zoë"}, header=uk.OLD).replace("ë".encode(), b"\xc3", 1), "damaged byte"),
    (table({**OLD_CHIEF, "Title": "Zoë"}, header=uk.OLD).replace("ë".encode(), b"\x81"), "neither"),
    (table({**CHIEF, "Title": "\ufffd"}), "lost"),
    (table({**CHIEF, "Group ID": "12/10/2011"}), "Group ID"),
    (table({**CHIEF, "Group Type": "Poem"}), "Group Type"),
    (table({**CHIEF, "Regime": ""}), "Regime is empty"),
    (table({**CHIEF, "Listed On": "10/13/2011"}), "line 3: '10/13/2011'"),
    (table(CHIEF, {**SHIP, "Group ID": "12174"}), "several types"),
])
def test_a_damaged_list_is_refused(data: bytes, why: str) -> None:
    with pytest.raises(Damaged, match=why):
        read(data, "2026-06-03")


def test_one_table_is_needed() -> None:
    with pytest.raises(Damaged, match=r"2 \.csv files"):
        uk.read({"a.csv": table(CHIEF), "b.csv": table(SHIP)}, None)
