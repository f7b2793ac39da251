"""The UN consolidated list."""

from __future__ import annotations

import re

import pytest

from adapters.lists.model import Damaged, Entry, Snapshot
from adapters.lists.un import read
from domain.errors import Invalid
from tests.conftest import needs_shared

INDIVIDUAL = """<INDIVIDUAL><DATAID>100</DATAID><VERSIONNUM>1</VERSIONNUM><FIRST_NAME> ALI  REZA </FIRST_NAME><SECOND_NAME>EXAMPLE</SECOND_NAME>
<THIRD_NAME/><UN_LIST_TYPE>Iran</UN_LIST_TYPE><REFERENCE_NUMBER> IRi.901 </REFERENCE_NUMBER><LISTED_ON>2007-03-24</LISTED_ON>
<NAME_ORIGINAL_SCRIPT>علی رضا نمونه</NAME_ORIGINAL_SCRIPT><COMMENTS1>Head of a
works. [Old Reference # I.1]</COMMENTS1><NATIONALITY><VALUE>Iran (Islamic Republic of)</VALUE><VALUE/></NATIONALITY>
<LIST_TYPE><VALUE>UN List</VALUE></LIST_TYPE>
<INDIVIDUAL_ALIAS><QUALITY>Good</QUALITY><ALIAS_NAME>Ali Exampel; A. R.
Example</ALIAS_NAME></INDIVIDUAL_ALIAS><INDIVIDUAL_ALIAS><QUALITY>Low</QUALITY><ALIAS_NAME>Haj Ali</ALIAS_NAME></INDIVIDUAL_ALIAS>
<INDIVIDUAL_ALIAS><QUALITY>Good</QUALITY><ALIAS_NAME>علی (Ali; Aly)</ALIAS_NAME></INDIVIDUAL_ALIAS>
<INDIVIDUAL_ALIAS><QUALITY/><ALIAS_NAME/></INDIVIDUAL_ALIAS>
<INDIVIDUAL_ADDRESS><STREET>1 Works Road</STREET><CITY>Esfahan</CITY><COUNTRY>Iran (Islamic Republic of)</COUNTRY></INDIVIDUAL_ADDRESS>
<INDIVIDUAL_ADDRESS><COUNTRY/></INDIVIDUAL_ADDRESS><INDIVIDUAL_DOCUMENT><TYPE_OF_DOCUMENT>Passport</TYPE_OF_DOCUMENT>
<NUMBER> 008 </NUMBER><COUNTRY_OF_ISSUE>Iran</COUNTRY_OF_ISSUE></INDIVIDUAL_DOCUMENT><INDIVIDUAL_DOCUMENT/></INDIVIDUAL>"""
ENTITY = """<ENTITY><DATAID>200</DATAID><FIRST_NAME>EXAMPLE WORKS (EW)</FIRST_NAME><UN_LIST_TYPE>Iran</UN_LIST_TYPE>
<REFERENCE_NUMBER>IRe.902</REFERENCE_NUMBER><LISTED_ON>2008-03-03-05:00</LISTED_ON><COMMENTS1/>
<ENTITY_ALIAS><QUALITY>a.k.a.</QUALITY><ALIAS_NAME>EW Co.</ALIAS_NAME></ENTITY_ALIAS>
<ENTITY_ALIAS><QUALITY>f.k.a.</QUALITY><ALIAS_NAME>Old Works</ALIAS_NAME></ENTITY_ALIAS><ENTITY_ADDRESS/></ENTITY>"""


def un(*entries: str, generated: str = "2018-06-07T19:03:43.97-04:00") -> bytes:
    people = "".join(e for e in entries if e.startswith("<IND"))
    rest = "".join(e for e in entries if not e.startswith("<IND"))
    return (f'<?xml version="1.0" encoding="UTF-8"?><CONSOLIDATED_LIST dateGenerated="{generated}">\n<INDIVIDUALS>{people}</INDIVIDUALS>\n'
            f"<ENTITIES>{rest}</ENTITIES></CONSOLIDATED_LIST>").encode()


def only(data: bytes) -> Entry:
    [entry] = read(data, None).entries.values()
    return entry


def test_an_individual_has_all_that_the_list_says() -> None:
    assert only(un(INDIVIDUAL)) == Entry(
        "IRi.901", "ALI REZA EXAMPLE", "individual", ("Iran",), "Head of a works. [Old Reference # I.1]",
        aliases=("A. R. Example", "Ali Exampel", "Haj Ali (low quality)", "علی (Ali; Aly)", "علی رضا نمونه"),
        addresses=("1 Works Road, Esfahan, Iran (Islamic Republic of)",), identifiers=("Passport: 008 (Iran)",),
        countries=("Iran (Islamic Republic of)",), listed_on="2007-03-24")


def test_an_entity_has_a_day_without_its_offset_and_says_former_names() -> None:
    assert only(un(ENTITY)) == Entry("IRe.902", "EXAMPLE WORKS (EW)", "entity", ("Iran",), None, aliases=("EW Co.", "Old Works (f.k.a.)"),
                                     addresses=(), identifiers=(), countries=(), listed_on="2008-03-03")


def test_the_whole_list_is_a_snapshot_with_its_source() -> None:
    snapshot = read(un(INDIVIDUAL, ENTITY), None)
    assert (snapshot.list, snapshot.day, list(snapshot.entries), snapshot.notes) == ("UN", "2018-06-07", ["IRi.901", "IRe.902"], ())
    assert snapshot.source.publisher == "United Nations Security Council"
    assert snapshot.source.locator == "dateGenerated 2018-06-07T19:03:43.97-04:00"


def test_the_same_file_has_the_same_digest_and_another_has_not() -> None:
    assert read(un(INDIVIDUAL), None).digest == read(un(INDIVIDUAL), "2018-06-08").digest != read(un(ENTITY), None).digest


@pytest.mark.parametrize(("generated", "day"), [
    ("2018-06-07T19:03:43.97-04:00", "2018-06-07"), ("2018-06-08T03:03:43Z", "2018-06-07"), ("2020-11-25T04:30:00.000Z", "2020-11-24"),
    ("2020-11-24T23:59:59-05:00", "2020-11-24"), ("2018-06-07", "2018-06-07"),
])
def test_the_day_is_that_of_new_york(generated: str, day: str) -> None:
    assert read(un(INDIVIDUAL, generated=generated), None).day == day


def test_an_entry_without_a_reference_number_goes_by_its_dataid() -> None:
    snapshot = read(un(INDIVIDUAL.replace(" IRi.901 ", " ")), None)
    assert list(snapshot.entries) == ["100"]
    assert "DATAID" in snapshot.notes[0]


def test_a_name_that_is_only_in_its_own_script_is_the_name() -> None:
    named = re.sub("<FIRST_NAME>.*?</SECOND_NAME>", "", INDIVIDUAL, flags=re.S)
    assert only(un(named)).name == "علی رضا نمونه"


def test_a_document_without_a_number_is_what_describes_it() -> None:
    card = INDIVIDUAL.replace("<NUMBER> 008 </NUMBER>", "<TYPE_OF_DOCUMENT2>card 44323</TYPE_OF_DOCUMENT2>")
    assert only(un(card)).identifiers == ("Passport: card 44323 (Iran)",)


@pytest.mark.parametrize(("data", "why"), [
    (b"<sdnList/>", "sdnList"), (un(), "no entries"), (un(INDIVIDUAL, INDIVIDUAL), "twice"), (un(INDIVIDUAL)[:-40], "line"),
    (un(INDIVIDUAL, generated="lately"), "not a time"), (un(INDIVIDUAL.replace("2007-03-24", "2007-13-24")), "LISTED_ON"),
    (un(INDIVIDUAL.replace("<UN_LIST_TYPE>Iran</UN_LIST_TYPE>", "")), "UN_LIST_TYPE"),
    (un(ENTITY.replace("EXAMPLE WORKS (EW)", " ")), "a name"),
    (un(re.sub("<DATAID>.*?</DATAID>|<REFERENCE_NUMBER>.*?</REFERENCE_NUMBER>", "", ENTITY)), "a number"),
    (b"<!DOCTYPE x>" + un(INDIVIDUAL).partition(b"?>")[2], "DTD"), (b"", "empty"),
], ids=["another list", "no entries", "an entry twice", "cut", "no time", "no day", "no regime", "no name", "no number", "DTD", "empty"])
def test_a_damaged_list_is_refused_whole(data: bytes, why: str) -> None:
    with pytest.raises(Damaged, match=why):
        read(data, None)


def test_a_list_without_a_day_needs_one() -> None:
    with pytest.raises(Invalid, match="--published"):
        read(un(INDIVIDUAL, generated=""), None)
    assert read(un(INDIVIDUAL, generated=""), "2018-06-08").day == "2018-06-08"


# ---------------------------------------------------------------- the real ones
DAYS = {"20170620": "2017-06-20", "20170703": "2017-07-03", "20180608": "2018-06-07", "20180622": "2018-06-21", "20180827": "2018-08-24",
        "20181030": "2018-10-29", "20201124": "2020-11-24"}


@pytest.fixture(scope="module", params=DAYS)
def real(request: pytest.FixtureRequest) -> tuple[str, str, Snapshot]:
    [path] = needs_shared("data/un").glob(f"un_{request.param}_*.xml")
    data = path.read_bytes()
    return DAYS[request.param], data.decode(), read(data, None)


def test_a_real_list_has_its_84_iran_entries_and_as_many_entries_as_the_text(real: tuple[str, str, Snapshot]) -> None:
    day, plain, snapshot = real
    assert snapshot.day == day
    iran = {n for n, e in snapshot.entries.items() if e.programs == ("Iran",)}
    assert len(iran) == 84 == plain.count("<UN_LIST_TYPE>Iran</UN_LIST_TYPE>")
    assert iran == {n for n in snapshot.entries if n.startswith(("IRi.", "IRe."))}
    assert len(snapshot.entries) == plain.count("<DATAID>")
    assert set(snapshot.entries) == {m.strip() for m in re.findall(r"<REFERENCE_NUMBER>([^<]*)<", plain)}


def test_a_real_list_dates_and_names_every_entry(real: tuple[str, str, Snapshot]) -> None:
    _, plain, snapshot = real
    assert all(e.listed_on and e.name for e in snapshot.entries.values())
    assert sum(e.type == "individual" for e in snapshot.entries.values()) == plain.count("</INDIVIDUAL>")
    assert snapshot.entries["IRi.039"].name == "QASEM SOLEIMANI"
    assert "Sardar Soleimani (low quality)" in (snapshot.entries["IRi.039"].aliases or ())
