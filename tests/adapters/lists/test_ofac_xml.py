"""OFAC's XML formats: each gives what the CSV gives."""

from __future__ import annotations

import copy
import csv
import io
import re
import tarfile
from collections.abc import Callable
from dataclasses import replace
from zlib import crc32

import pytest
from lxml import etree

from adapters.lists import ofac_csv
from adapters.lists.model import Damaged, Entry, Snapshot
from adapters.lists.ofac_xml import read
from domain.errors import Invalid
from tests.conftest import needs_shared

# The same three entries in all formats. CHAOS has two aliases, one weak; ARTA has what vessels have.
SDN_CSV = """901,"EXAMPLE WORKS COMPANY",-0- ,"IRAN] [CAATSA - IRAN] [IFSR",-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,"Website www.example.ir; Additional \
Sanctions Information - Subject to Secondary Sanctions; Tax ID No. 12345 (Iran); a.k.a. 'EWC'; Linked To: NOBODY."
902,"CHAOS, Lazar Reza","individual","SDGT",-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,"DOB 20 May 1954; nationality Iran; citizen Iraq; Gender Male; \
Passport A0181988 (Iran)."
903,"ARTA","vessel","IRAN",-0- ,"T2EU4","Tug","99","56","Panama",-0- ,"Vessel Registration Identification IMO 9187629; MMSI 572469210."
"""
ALT_CSV = '901,1,"aka","EXAMPLE WORKS CO.",-0- \n902,2,"fka","CHAOS, Lazar R.",-0- \n'
ADD_CSV = """901,5,"1 Works Road, Block 2","Richardson, TX 75083","United States",-0- 
902,6,-0- ,-0- ,"Region: Gaza",-0- 
903,7,-0- ,-0- ,-0- ,-0- 
"""

LEGACY = """<sdnEntry><uid>901</uid><lastName>EXAMPLE WORKS COMPANY</lastName><sdnType>Entity</sdnType><remarks>(Linked To: NOBODY)</remarks>
<programList><program>IRAN</program><program>CAATSA - IRAN</program><program>IFSR</program></programList><idList>
<id><uid>1</uid><idType>Website</idType><idNumber>www.example.ir</idNumber></id>
<id><uid>2</uid><idType>Additional Sanctions Information -</idType><idNumber>Subject to Secondary Sanctions</idNumber></id>
<id><uid>3</uid><idType>Tax ID No.</idType><idNumber>12345</idNumber><idCountry>Iran</idCountry></id></idList><akaList>
<aka><uid>1</uid><type>a.k.a.</type><category>strong</category><lastName>EXAMPLE WORKS Co. </lastName></aka>
<aka><uid>2</uid><type>a.k.a.</type><category>weak</category><lastName>EWC</lastName></aka></akaList>
<addressList><address><uid>5</uid><address1>1 Works Road</address1><address2>Block 2</address2><city>Richardson</city>
<stateOrProvince>TX</stateOrProvince><postalCode>75083</postalCode><country>United States</country></address></addressList></sdnEntry>
<sdnEntry><uid>902</uid><firstName>Lazar Reza</firstName><lastName>CHAOS</lastName><sdnType>Individual</sdnType>
<programList><program>SDGT</program></programList><idList>
<id><uid>4</uid><idType>Passport</idType><idNumber>A0181988</idNumber><idCountry>Iran</idCountry></id>
<id><uid>5</uid><idType>Gender</idType><idNumber>Male</idNumber></id></idList>
<akaList><aka><uid>3</uid><type>f.k.a.</type><category>strong</category><lastName>CHAOS</lastName><firstName>Lazar R.</firstName></aka></akaList>
<addressList><address><uid>6</uid><country>Region: Gaza</country></address></addressList>
<nationalityList><nationality><country>Iran</country><mainEntry>true</mainEntry></nationality></nationalityList>
<citizenshipList><citizenship><country>Iraq</country><mainEntry>true</mainEntry></citizenship></citizenshipList></sdnEntry>
<sdnEntry><uid>903</uid><lastName>ARTA</lastName><sdnType>Vessel</sdnType><programList><program>IRAN</program></programList><idList>
<id><idType>Vessel Registration Identification</idType><idNumber>IMO 9187629</idNumber></id>
<id><idType>MMSI</idType><idNumber>572469210</idNumber></id></idList>
<vesselInfo><callSign>T2EU4</callSign><vesselType>Tug</vesselType><vesselFlag>Panama</vesselFlag></vesselInfo></sdnEntry>"""


def legacy(entries: str = LEGACY, day: str = "07/06/2021", count: int = 3, namespace: str = "http://tempuri.org/sdnList.xsd") -> bytes:
    return (f'<?xml version="1.0" standalone="yes"?>\n<sdnList xmlns="{namespace}"><publshInformation><Publish_Date>{day}</Publish_Date>'
            f"<Record_Count>{count}</Record_Count></publshInformation>\n{entries}</sdnList>").encode()


def _name(full: str, primary: bool = False, low: bool = False, script: str = "Latin") -> str:
    return (f"<name><isPrimary>{str(primary).lower()}</isPrimary><isLowQuality>{str(low).lower()}</isLowQuality><translations><translation>"
            f"<isPrimary>true</isPrimary><script>{script}</script><formattedFullName>{full}</formattedFullName></translation></translations></name>")


def _enhanced(number: int, kind: str, programs: str, names: str, rest: str, lists: str) -> str:
    tags = "".join(f'<sanctionsProgram refId="1" id="2">{p}</sanctionsProgram>' for p in programs.split("|"))
    return (f'<entity id="{number}"><generalInfo><identityId>7</identityId><entityType refId="6">{kind}</entityType></generalInfo>'
            f"<sanctionsLists>{lists}</sanctionsLists><sanctionsPrograms>{tags}</sanctionsPrograms><names>{names}</names>{rest}</entity>\n")


def _feature(kind: str, value: str) -> str:
    return f'<feature id="1"><type featureTypeId="2">{kind}</type><versionId>3</versionId><value>{value}</value></feature>'


def _paper(kind: str, number: str, country: str = "") -> str:
    issued = f"<issuingCountry>{country}</issuingCountry>" if country else ""
    return f"<identityDocument><type>{kind}</type><documentNumber>{number}</documentNumber><isValid>true</isValid>{issued}</identityDocument>"


def _part(kind: str, value: str) -> str:
    return f"<addressPart><type>{kind}</type><value>{value}</value></addressPart>"


ON_SDN = '<sanctionsList refId="1550" id="3" datePublished="2019-05-08">SDN List</sanctionsList>'
ON_CONS = '<sanctionsList refId="91512" id="4" datePublished="2014-10-10">Consolidated List</sanctionsList>'
ON_PLC = '<sanctionsList refId="91243" id="5" datePublished="2006-04-12">Non-SDN Palestinian Legislative Council List</sanctionsList>'


def entities(lists: str = ON_SDN) -> str:
    street = "".join(map(_part, ("ADDRESS1", "ADDRESS2", "CITY", "STATE/PROVINCE", "POSTAL CODE"),
                         ("1 Works Road", "Block 2", "Richardson", "TX", "75083")))
    return (
        _enhanced(901, "Entity", "IRAN|CAATSA - IRAN|IFSR",
                  _name("Example Works Company", True) + _name("EXAMPLE WORKS CO.") + _name("EWC", low=True) + _name("شرکت نمونه", script="Arabic"),
                  f"<addresses><address><country>United States</country><translations><translation><addressParts>{street}</addressParts>"
                  f"</translation></translations></address></addresses><features>{_feature('Website', 'www.example.ir')}"
                  f"{_feature('Additional Sanctions Information -', 'Subject to Secondary Sanctions')}</features>"
                  f"<identityDocuments>{_paper('Tax ID No.', '12345', 'Iran')}</identityDocuments>", lists)
        + _enhanced(902, "Individual", "SDGT", _name("CHAOS, Lazar R.") + _name("CHAOS, Lazar Reza", True),
                    f"<addresses><address><translations><translation><addressParts>{_part('REGION', 'Gaza')}</addressParts></translation>"
                    f"</translations></address></addresses><features>{_feature('Nationality Country', 'Iran')}"
                    f"{_feature('Citizenship Country', 'Iraq')}{_feature('Gender', 'Male')}</features>"
                    f"<identityDocuments>{_paper('Passport', 'A0181988', 'Iran')}</identityDocuments>", lists)
        + _enhanced(903, "Vessel", "IRAN", _name("Arta", True),
                    f"<features>{_feature('Vessel Call Sign', 'T2EU4')}{_feature('Vessel Flag', 'Panama')}</features><identityDocuments>"
                    f"{_paper('Vessel Registration Identification', 'IMO 9187629')}{_paper('MMSI', '572469210')}</identityDocuments>", lists))


def enhanced(body: str | None = None, named: str = "SDN List", as_of: str = "2021-07-06T00:00:00", more: str = "") -> bytes:
    return ('<?xml version="1.0" encoding="utf-8"?>\n<sanctionsData xmlns="https://sanctionslistservice.ofac.treas.gov/api/PublicationPreview/'
            f'exports/ENHANCED_XML"><publicationInfo><dataAsOf>{as_of}</dataAsOf><filters><sanctionsLists><sanctionsList refId="1">{named}'
            f"</sanctionsList></sanctionsLists>{more}</filters></publicationInfo>\n<entities>{entities() if body is None else body}</entities>"
            "</sanctionsData>").encode()


CODES = {
    "Country": ["Iran", "Iraq", "Panama", "United States"], "IDRegDocType": ["Passport", "Tax ID No.", "Vessel Registration Identification", "MMSI"],
    "IDRegDocDateType": ["Issue Date", "Expiration Date"], "List": ["SDN List", "Consolidated List", "Sectoral Sanctions Identifications List"],
    "LocPartType": ["ADDRESS1", "ADDRESS2", "CITY", "STATE/PROVINCE", "POSTAL CODE", "REGION"], "SanctionsType": ["Program", "Block"],
    "NamePartType": ["Last Name", "First Name", "Middle Name", "Nickname", "Entity Name", "Vessel Name"], "Script": ["Latin", "Arabic"],
    "FeatureType": ["Location", "Website", "Nationality Country", "Citizenship Country", "Vessel Call Sign", "Vessel Flag", "Gender"],
    "DetailReference": ["Male"], "PartyType": ["Individual", "Entity", "Location", "Transport"],
}


def code(kind: str, value: str) -> str:
    return str(CODES[kind].index(value))


def _codes() -> str:
    sets = "".join(f"<{k}Values>" + "".join(f'<{k} ID="{i}">{v}</{k}>' for i, v in enumerate(vs)) + f"</{k}Values>" for k, vs in CODES.items())
    types = [("Vessel", 3), ("Aircraft", 3), ("Unknown", 1), ("Unknown", 0), ("Unknown", 2)]
    sub = "".join(f'<PartySubType ID="{i}" PartyTypeID="{of}">{name}</PartySubType>' for i, (name, of) in enumerate(types))
    return f"<ReferenceValueSets>{sets}<PartySubTypeValues>{sub}</PartySubTypeValues></ReferenceValueSets>\n"


def _location(number: int, country: str = "", **parts: str) -> str:
    where = f'<LocationCountry CountryID="{code("Country", country)}" CountryRelevanceID="1"/>' if country else ""
    inside = "".join(f'<LocationPart LocPartTypeID="{code("LocPartType", kind)}"><LocationPartValue Primary="true"><Comment/><Value>{value}</Value>'
                     "</LocationPartValue></LocationPart>" for kind, value in parts.items())
    return f'<Location ID="{number}"><LocationAreaCode AreaCodeID="1"/>{where}{inside}</Location>'


def _document(owner: int, kind: str, number: str, country: str = "", dates: str = "") -> str:
    issued = f' IssuedBy-CountryID="{code("Country", country)}"' if country else ""
    return (f'<IDRegDocument ID="1" IDRegDocTypeID="{code("IDRegDocType", kind)}" IdentityID="{owner}"{issued}><Comment/>'
            f"<IDRegistrationNo>{number}</IDRegistrationNo>{dates}</IDRegDocument>")


def _dated(kind: str, first: str, last: str) -> str:
    return (f'<DocumentDate IDRegDocDateTypeID="{code("IDRegDocDateType", kind)}"><DatePeriod><Start><From>{_ymd(first)}</From><To>{_ymd(first)}</To>'
            f"</Start><End><From>{_ymd(last)}</From><To>{_ymd(last)}</To></End></DatePeriod></DocumentDate>")


def _ymd(day: str) -> str:
    return "".join(f"<{k}>{int(v)}</{k}>" for k, v in zip(("Year", "Month", "Day"), day.split("-"), strict=True))


def _alias(*parts: tuple[str, str], primary: bool = False, low: bool = False, script: str = "Latin") -> tuple[str, str]:
    """The alias, and the groups of its parts."""
    groups = [(str(crc32(repr((parts, i, script)).encode())), kind) for i, (kind, _) in enumerate(parts)]
    values = "".join(f'<DocumentedNamePart><NamePartValue NamePartGroupID="{group}" ScriptID="{code("Script", script)}">{value}</NamePartValue>'
                     "</DocumentedNamePart>" for (group, _), (_, value) in zip(groups, parts, strict=True))
    return (f'<Alias AliasTypeID="1" Primary="{str(primary).lower()}" LowQuality="{str(low).lower()}"><DocumentedName ID="1">{values}'
            "</DocumentedName></Alias>",
            "".join(f'<MasterNamePartGroup><NamePartGroup ID="{group}" NamePartTypeID="{code("NamePartType", kind)}"/></MasterNamePartGroup>'
                    for group, kind in groups))


def _party(number: int, sub: int, aliases: list[tuple[str, str]], features: str) -> str:
    return (f'<DistinctParty FixedRef="{number}"><Comment/><Profile ID="{number}" PartySubTypeID="{sub}"><Identity ID="{number}0" Primary="true">'
            + "".join(a for a, _ in aliases) + f"<NamePartGroups>{''.join(g for _, g in aliases)}</NamePartGroups></Identity>{features}"
            "</Profile></DistinctParty>\n")


def _has(kind: str, value: str = "", place: int | None = None, reference: str = "") -> str:
    referring = f' DetailReferenceID="{code("DetailReference", reference)}"' if reference else ""
    detail = f'<VersionDetail DetailTypeID="1"{referring}>{value}</VersionDetail>'
    there = f'<VersionLocation LocationID="{place}"/>' if place is not None else ""
    return f'<Feature ID="1" FeatureTypeID="{code("FeatureType", kind)}"><FeatureVersion ID="2"><Comment/>{detail}{there}</FeatureVersion></Feature>'


def listing(number: int, of: str = "SDN List", programs: str = "IRAN", day: str = "2019-05-08") -> str:
    tags = "".join(f'<SanctionsMeasure ID="1" SanctionsTypeID="{code("SanctionsType", "Program")}"><Comment>{p}</Comment></SanctionsMeasure>'
                   for p in programs.split("|"))
    return (f'<SanctionsEntry ID="{number}" ProfileID="{number}" ListID="{code("List", of)}"><EntryEvent ID="1" EntryEventTypeID="1"><Comment/>'
            f'<Date>{_ymd(day)}</Date></EntryEvent><SanctionsMeasure ID="2" SanctionsTypeID="{code("SanctionsType", "Block")}">'
            f"<Comment>not a program</Comment></SanctionsMeasure>{tags}</SanctionsEntry>\n")


PARTIES = [
    _party(901, 2, [_alias(("Entity Name", "Example Works Company"), primary=True), _alias(("Entity Name", "Example Works Co.")),
                    _alias(("Entity Name", "EWC"), low=True), _alias(("Entity Name", "شرکت نمونه"), script="Arabic")],
           _has("Website", "www.example.ir") + _has("Location", place=25)),
    _party(902, 3, [_alias(("Last Name", "شاوس"), primary=True, script="Arabic"),
                    _alias(("Last Name", "Chaos"), ("First Name", "Lazar"), ("Middle Name", "Reza"), primary=True),
                    _alias(("Last Name", "Chaos"), ("First Name", "Lazar R."))],
           _has("Nationality Country", place=27) + _has("Citizenship Country", place=28) + _has("Location", place=26)
           + _has("Gender", reference="Male")),
    _party(903, 0, [_alias(("Vessel Name", "Arta"), primary=True)], _has("Vessel Call Sign", "T2EU4") + _has("Vessel Flag", place=29)
           + _has("Location", place=30)),
]
LISTINGS = [listing(901, programs="IRAN|IFSR|CAATSA - IRAN"), listing(902, programs="SDGT"), listing(903)]
DOCUMENTS = (_document(9010, "Tax ID No.", "12345", "Iran") + _document(9020, "Passport", "A0181988", "Iran")
             + _document(9030, "Vessel Registration Identification", "IMO 9187629") + _document(9030, "MMSI", "572469210"))
PLACES = (_location(25, "United States", ADDRESS1="1 Works Road", ADDRESS2="Block 2", CITY="Richardson",
                    **{"STATE/PROVINCE": "TX", "POSTAL CODE": "75083"})
          + _location(26, REGION="Gaza") + _location(27, "Iran") + _location(28, "Iraq") + _location(29, "Panama") + _location(30))


def advanced(
    parties: list[str] = PARTIES, listings: list[str] = LISTINGS, documents: str = DOCUMENTS, day: tuple[int, int, int] = (2021, 7, 6),
) -> bytes:
    return ('<?xml version="1.0" encoding="utf-8" standalone="yes"?>\n<Sanctions xmlns="http://www.un.org/sanctions/1.0" Version="3"><DateOfIssue>'
            f"<Year>{day[0]}</Year><Month>{day[1]}</Month><Day>{day[2]}</Day></DateOfIssue>\n{_codes()}<Locations>{PLACES}</Locations>"
            f"<IDRegDocuments>{documents}</IDRegDocuments>\n<DistinctParties>{''.join(parties)}</DistinctParties>\n"
            f"<SanctionsEntries>{''.join(listings)}</SanctionsEntries></Sanctions>").encode()


FORMATS: dict[str, Callable[[], bytes]] = {"SDN.XML": legacy, "ENHANCED_XML": enhanced, "ADVANCED_XML": advanced}


# ---------------------------------------------------------------- one list in every format
def only(snapshot: Snapshot) -> Entry:
    [entry] = snapshot.entries.values()
    return entry


@pytest.mark.parametrize("make", FORMATS.values(), ids=FORMATS)
def test_every_format_gives_the_entries_of_the_csv_but_for_what_the_csv_lacks(make: Callable[[], bytes]) -> None:
    files = {"sdn.csv": SDN_CSV, "alt.csv": ALT_CSV, "add.csv": ADD_CSV}
    plain = ofac_csv.read({name: text.replace("\n", "\r\n").encode() + b"\x1a" for name, text in files.items()}, "2021-07-06")
    snapshot = read(make(), None)
    assert (snapshot.list, snapshot.day) == (plain.list, plain.day)
    assert set(snapshot.entries) == set(plain.entries)
    for number, entry in snapshot.entries.items():
        assert entry.remarks is None
        assert replace(entry, listed_on=None) == replace(plain.entries[number], remarks=None)


@pytest.mark.parametrize("make", [enhanced, advanced])
def test_the_newer_formats_date_the_listing(make: Callable[[], bytes]) -> None:
    assert {e.listed_on for e in read(make(), None).entries.values()} == {"2019-05-08"}
    assert {e.listed_on for e in read(legacy(), None).entries.values()} == {None}


@pytest.mark.parametrize("make", FORMATS.values(), ids=FORMATS)
def test_a_bomb_a_cut_and_an_empty_file_are_refused_in_every_format(make: Callable[[], bytes]) -> None:
    data = make()
    for bad, why in ((b'<!DOCTYPE a [<!ENTITY b "c">]>' + data.partition(b"?>")[2], "DTD"), (data[: len(data) // 2], "line"), (data[:-9], "line"),
                     (b"", "empty"), (data.replace(b"EXAMPLE", b"\xc9XAMPLE").replace(b"Example", b"\xc9xample"), "line")):
        with pytest.raises(Damaged, match=why):
            read(bad, None)


@pytest.mark.parametrize(("bad", "why"), [
    (b"<CONSOLIDATED_LIST/>", "CONSOLIDATED_LIST"), (b"<html><body>Not found</body></html>", "html"), (legacy(""), "no entries"),
    (enhanced(""), "not all on one list|no entries"), (advanced([], []), "not all on one list"),
    (legacy(LEGACY + LEGACY), "901 is there twice"), (enhanced(entities() + entities()), "901 is there twice"),
    (advanced(PARTIES + PARTIES[:1]), "901 is there twice"), (legacy(LEGACY.replace("<uid>901</uid>", "")), "without a number"),
    (legacy(LEGACY.replace("<lastName>EXAMPLE WORKS COMPANY</lastName>", "")), "without a name"),
    (legacy(LEGACY.replace(">Vessel<", ">Submarine<")), "Submarine"), (enhanced(entities().replace(">Vessel<", ">Wallet<")), "Wallet"),
    (advanced([PARTIES[0].replace('PartySubTypeID="2"', 'PartySubTypeID="4"')]), "Location"),
    (legacy(day="31/12/2021"), "not a day"), (enhanced(as_of="soon"), "not a day"), (advanced(day=(2021, 2, 30)), "not a day"),
], ids=lambda value: value if isinstance(value, str) else "")
def test_what_is_not_the_list_is_refused_with_a_reason(bad: bytes, why: str) -> None:
    with pytest.raises(Damaged, match=why):
        read(bad, None)


# ---------------------------------------------------------------- which list
def test_sdn_and_consolidated_xml_are_told_apart_by_name_and_without_one_by_their_programs() -> None:
    plc = LEGACY.replace("<program>IRAN</program>", "<program>NS-PLC</program>")
    assert read(legacy(), None).list == read(legacy(), None, "SDN.XML").list == "OFAC-SDN"
    assert read(legacy(plc), None).list == read(legacy(), None, "CONSOLIDATED.XML").list == read(legacy(), None, "non-sdn.xml").list == "OFAC-NONSDN"
    with pytest.raises(Damaged, match=r"not SDN\.XML"):
        read(legacy(plc), None, "sdn.xml")


def test_an_enhanced_file_is_the_list_that_it_names() -> None:
    snapshot = read(enhanced(entities(ON_PLC + ON_CONS), named="Consolidated List"), None, "CONS_ENHANCED.XML")
    assert snapshot.list == "OFAC-NONSDN"
    assert {e.listed_on for e in snapshot.entries.values()} == {"2006-04-12"}  # the list that came into the consolidated one in 2014
    with pytest.raises(Damaged, match="name says OFAC-SDN"):
        read(enhanced(entities(ON_CONS), named="Consolidated List"), None, "SDN_ENHANCED.XML")


def test_an_entry_on_both_lists_takes_the_day_of_the_files_own() -> None:
    both = entities(ON_PLC + ON_SDN)
    assert {e.listed_on for e in read(enhanced(both), None).entries.values()} == {"2019-05-08"}
    assert {e.listed_on for e in read(enhanced(both, named="Consolidated List"), None).entries.values()} == {"2006-04-12"}


def test_an_advanced_file_is_the_list_that_all_its_parties_are_on() -> None:
    more = listing(901, "Consolidated List", "UKRAINE-EO13662", "2014-07-16")
    snapshot = read(advanced(listings=[*LISTINGS, more]), None)
    assert (snapshot.list, snapshot.entries["901"].programs, snapshot.entries["901"].listed_on) == (
        "OFAC-SDN", ("CAATSA - IRAN", "IFSR", "IRAN"), "2019-05-08")
    sectoral = [listing(n, "Sectoral Sanctions Identifications List", "UKRAINE-EO13662", "2014-07-16") for n in (901, 902, 903)]
    other = read(advanced(listings=[*sectoral, listing(901)]), None)
    assert (other.list, other.entries["901"].programs, other.entries["901"].listed_on) == ("OFAC-NONSDN", ("UKRAINE-EO13662",), "2014-07-16")
    with pytest.raises(Damaged, match="not all on one list"):
        read(advanced(listings=[*LISTINGS, *sectoral]), None)
    assert read(advanced(listings=[*LISTINGS, *sectoral]), None, "cons_advanced.xml").list == "OFAC-NONSDN"


def test_a_party_that_is_on_no_list_is_left_out_and_said() -> None:
    snapshot = read(advanced(listings=LISTINGS[:2]), None)
    assert set(snapshot.entries) == {"901", "902"}
    assert "1 parties" in snapshot.notes[0]


# ---------------------------------------------------------------- each format's own
@pytest.mark.parametrize("namespace", ["http://tempuri.org/sdnList.xsd", "", "https://sanctionslistservice.ofac.treas.gov/api/PublicationPreview/exports/XML"])
def test_the_namespace_of_sdn_xml_does_not_matter(namespace: str) -> None:
    assert set(read(legacy(namespace=namespace), None).entries) == {"901", "902", "903"}


def test_another_record_count_than_the_file_says_is_noted() -> None:
    assert read(legacy(count=3), None).notes == ()
    assert read(legacy(count=5), None).notes == ("the file says 5 entries, it has 3",)


def test_the_type_of_a_palestinian_legislator_stands_in_an_element_of_its_own() -> None:
    person = ("<sdnEntry><uid>9</uid><lastName>A</lastName><nspType>Individual</nspType><programList><program>NS-PLC</program></programList>"
              "</sdnEntry>")
    assert only(read(legacy(person), None)) == Entry("9", "A", "individual", ("NS-PLC",), None, (), (), (), ())


def test_a_document_has_its_dates_as_the_csv_writes_them() -> None:
    dated = LEGACY.replace("<idNumber>A0181988</idNumber><idCountry>Iran</idCountry>", "<idNumber>A0181988</idNumber><idCountry>Iran</idCountry>"
                           "<issueDate>01 Oct 2001</issueDate><expirationDate>23 Jan 2011</expirationDate>")
    assert read(legacy(dated), None).entries["902"].identifiers == ("Passport: A0181988 (Iran) issued 01 Oct 2001 expires 23 Jan 2011",)


@pytest.mark.parametrize(("first", "last", "said"), [
    ("1984-01-18", "1984-01-18", "18 Jan 1984"), ("1997-07-01", "1997-07-31", "Jul 1997"), ("1983-01-01", "1983-12-31", "1983"),
    ("1983-02-03", "1983-04-05", "03 Feb 1983 to 05 Apr 1983"),
])
def test_a_period_in_advanced_xml_is_a_day_a_month_or_a_year(first: str, last: str, said: str) -> None:
    documents = _document(9020, "Passport", "1", dates=_dated("Issue Date", first, last) + _dated("Expiration Date", "2011-01-23", "2011-01-23"))
    assert read(advanced(documents=documents), None).entries["902"].identifiers == (f"Passport: 1 issued {said} expires 23 Jan 2011",)


def test_a_nickname_keeps_its_letters() -> None:
    party = _party(902, 3, [_alias(("Last Name", "Chaos"), primary=True), _alias(("Nickname", "Abu al-Athir"), low=True)], "")
    entry = only(read(advanced([party], [LISTINGS[1]]), None))
    assert (entry.name, entry.aliases) == ("CHAOS", ("Abu al-Athir",))
    named = _enhanced(902, "Individual", "SDGT", _name("CHAOS", True) + _name("Abu al-Athir", low=True), "", ON_SDN)
    assert only(read(enhanced(named), None)).aliases == ("Abu al-Athir",)


def test_a_name_in_parts_is_put_together_where_enhanced_xml_has_no_full_one() -> None:
    named = (("Last Name", "Chaos"), ("First Name", "Lazar"))
    parts = "".join(f"<namePart><type>{kind}</type><value>{value}</value></namePart>" for kind, value in named)
    name = _name("", True).replace("<formattedFullName></formattedFullName>", f"<nameParts>{parts}</nameParts>")
    assert only(read(enhanced(_enhanced(902, "Individual", "SDGT", name, "", ON_SDN)), None)).name == "CHAOS, Lazar"


def test_a_delta_file_is_not_a_list() -> None:
    with pytest.raises(Damaged, match="delta"):
        read(enhanced(entities().replace('<entity id="902"', '<entity action="add" id="902"')), None)
    with pytest.raises(Damaged, match="delta"):
        read(enhanced().replace(b"https://sanctionslistservice.ofac.treas.gov/api/PublicationPreview/exports/ENHANCED_XML",
                                b"https://www.treasury.gov/ofac/DeltaFile/1.0"), None)


def test_a_filtered_file_is_not_a_list() -> None:
    with pytest.raises(Damaged, match="filtered"):
        read(enhanced(more="<sanctionsPrograms><sanctionsProgram>IRAN</sanctionsProgram></sanctionsPrograms>"), None)


def test_a_day_of_listing_that_is_none_is_damage() -> None:
    with pytest.raises(Damaged, match=r"line \d+: datePublished: '201y-05-08' is not a day"):
        read(enhanced(entities().replace("2019-05-08", "201y-05-08")), None)


def test_what_an_advanced_file_refers_to_must_be_in_it() -> None:
    with pytest.raises(Damaged, match="sanctions entries are of parties"):
        read(advanced(PARTIES[:2]), None)
    with pytest.raises(Damaged, match="location 99"):
        read(advanced([PARTIES[0].replace('LocationID="25"', 'LocationID="99"'), *PARTIES[1:]]), None)
    with pytest.raises(Damaged, match="List 99"):
        read(advanced(listings=[LISTINGS[0].replace('ListID="0"', 'ListID="99"')]), None)


def test_a_list_that_was_published_later_than_it_says_is_of_that_day() -> None:
    snapshot = read(enhanced(), "2021-07-07")
    assert (snapshot.day, snapshot.source.date) == ("2021-07-07", "2021-07-07")
    with pytest.raises(Invalid, match="cannot have been published"):
        read(enhanced(), "2021-07-05")
    with pytest.raises(Invalid, match="--published"):
        read(legacy().replace(b"<Publish_Date>07/06/2021</Publish_Date>", b""), None)


# ---------------------------------------------------------------- the real ones
@pytest.mark.parametrize(("name", "of", "day", "count"), [
    ("sdn.xml", "OFAC-SDN", "2014-07-16", 4), ("consolidated.xml", "OFAC-NONSDN", "2014-12-17", 16)])
def test_a_real_file_has_as_many_entries_aliases_and_programs_as_its_text(name: str, of: str, day: str, count: int) -> None:
    data = needs_shared(f"data/ofac/csl-fixtures/{name}").read_bytes()
    plain, snapshot = data.decode(), read(data, None, name)
    assert (snapshot.list, snapshot.day, len(snapshot.entries)) == (of, day, count)
    assert count == plain.count("<sdnEntry>")
    assert sum(len(e.programs) for e in snapshot.entries.values()) == plain.count("<program>")
    assert sum(len(e.aliases or ()) for e in snapshot.entries.values()) == plain.count("<aka>")
    assert sum(len(e.addresses or ()) for e in snapshot.entries.values()) == plain.count("<address>")
    assert read(data, None).list == of


def test_a_real_entry_is_written_as_in_the_csv() -> None:
    entries = read(needs_shared("data/ofac/csl-fixtures/sdn.xml").read_bytes(), None).entries
    assert entries["6982"].name == "JIM'ALE, Ahmed Nur Ali"
    assert entries["6982"].identifiers == ("Passport: A0181988 (Somalia) issued 01 Oct 2001 expires 23 Jan 2011",)
    assert entries["11043"].identifiers == ("IMO: 9051648 (Iran)",)
    assert "Zweierstrasse 35, Zurich CH-8022, Switzerland" in (entries["306"].addresses or ())


def sample() -> etree._Element:
    return etree.fromstring(needs_shared("data/ofac/sdn_advanced_sample.xml").read_bytes())


def whole(tree: etree._Element, parties: list[etree._Element], entries: list[etree._Element]) -> bytes:
    """The sample, cut from two places, made whole: these parties, these sanctions entries, no reference to what was cut away."""
    places = {e.get("ID") for e in tree.iter("{*}Location")}
    for into, things in (("DistinctParties", parties), ("SanctionsEntries", entries)):
        [box] = tree.findall(f"{{*}}{into}")
        box[:] = things
    for feature in [f for f in tree.iter("{*}Feature") if {v.get("LocationID") for v in f.iter("{*}VersionLocation")} - places]:
        above = feature.getparent()
        assert above is not None
        above.remove(feature)
    return etree.tostring(tree)


def rows_of(day: str) -> dict[str, list[str]]:
    with tarfile.open(needs_shared("data/ofac/daily-2021-08-18_2023-06-30.tar.xz")) as archive:
        [name] = [n for n in archive.getnames() if f"sdn_{day}" in n]
        found = archive.extractfile(name)
        assert found is not None
        return {r[0]: r for r in csv.reader(io.StringIO(found.read().decode(errors="replace"), newline="")) if len(r) == 12}


def test_the_advanced_sample_is_refused_because_its_entries_are_not_of_its_parties() -> None:
    with pytest.raises(Damaged, match="is not in the file"):
        read(needs_shared("data/ofac/sdn_advanced_sample.xml").read_bytes(), None)


def test_the_37_parties_of_the_advanced_sample_have_the_names_and_types_of_the_csv() -> None:
    tree, rows = sample(), rows_of("20230629")
    parties, [entry, *_] = list(tree.iter("{*}DistinctParty")), list(tree.iter("{*}SanctionsEntry"))
    entries = [copy.deepcopy(entry) for _ in parties]
    for one, party in zip(entries, parties, strict=True):
        one.set("ProfileID", party.get("FixedRef", ""))
    snapshot = read(whole(tree, parties, entries), None)
    assert (snapshot.list, snapshot.day, len(snapshot.entries)) == ("OFAC-SDN", "2024-02-23", 37)
    known = snapshot.entries.keys() & rows.keys()
    assert len(known) == 36  # one was listed later
    for number in known:
        row = rows[number]
        assert (snapshot.entries[number].name, snapshot.entries[number].type) == (row[1], {"-0- ": "entity"}.get(row[2], row[2]))
    aliases = {e.number: e.aliases for e in snapshot.entries.values()}
    assert aliases["23665"] == ("BLUE LAGOON ALI KANSO GROUP (S.L.) LIMITED", "BLUE LAGOON ALI KANSO GROUP LTD.", "BLUE LAGOON GROUP")


def test_the_67_sanctions_entries_of_the_advanced_sample_have_the_programs_of_the_csv_and_a_day() -> None:
    plain = needs_shared("data/ofac/sdn_advanced_sample.xml").read_text()
    numbers = set(re.findall(r'<SanctionsEntry ID="\d+" ProfileID="(\d+)" ListID="1550"', plain))
    tree, rows = sample(), rows_of("20230629")
    party = next(tree.iter("{*}DistinctParty"))
    parties = [copy.deepcopy(party) for _ in numbers]
    for one, number in zip(parties, sorted(numbers), strict=True):
        one.set("FixedRef", number)
    snapshot = read(whole(tree, parties, list(tree.iter("{*}SanctionsEntry"))), None)
    assert len(numbers) == 67
    assert snapshot.entries.keys() == numbers
    assert all("2015-01-01" < (e.listed_on or "") <= "2024-02-23" for e in snapshot.entries.values())
    known = snapshot.entries.keys() & rows.keys()
    changed = {n for n in known if snapshot.entries[n].programs != ofac_csv.programs(rows[n][3])}
    assert (len(known), changed) == (64, {"18782"})  # which got a program after June 2023
