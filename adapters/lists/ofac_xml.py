"""OFAC's three XML formats, each giving what the CSV of the same day gives: SDN.XML/consolidated.xml, ENHANCED_XML, ADVANCED_XML.

In all three the entry's number (uid, entity id, profile id) is the CSV's ent_num. An identifier is written as the remarks of the CSV
write it and read by the CSV's own rule. Names in other scripts are left out: the CSV has none, and a list that is read from CSV on one
day and from XML on the next would seem changed. `remarks` is None: the CSV makes one text of them and of much that is data here.

Established for ENHANCED_XML (from public readers of the file and cuts of real files of 2026; the XSD itself was not at hand): root
sanctionsData; publicationInfo with dataAsOf (a time, with or without offset) and filters/sanctionsLists/sanctionsList; entities/entity
@id with generalInfo/entityType, sanctionsLists/sanctionsList @datePublished, sanctionsPrograms/sanctionsProgram, names/name (isPrimary,
isLowQuality, translations/translation with isPrimary, script, formattedFullName), features/feature (type, value), identityDocuments/
identityDocument (type, documentNumber, issuingCountry), addresses/address (country, translations/translation/addressParts/addressPart
with type and value). A delta file has the same root, with @action: it is refused.
Not established: whether formattedFullName always has the family name in capitals (it is put so here); how documents are dated (an
identifier then lacks "issued … expires …", which the CSV has); the names of other filters (a file with any is refused); whether every
list of an entity is dated (listed_on is None where not). ADVANCED_XML: whether the family name of the CSV holds patronymics and
matronymics (taken to: they stand before the comma); whether CONS_ADVANCED.XML holds SDN entries of the same parties (it may).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import NamedTuple

from adapters.lists.model import Damaged, Entry, Snapshot
from adapters.lists.ofac_csv import _identifier as identifier_in
from adapters.lists.xml import Element, add, collapse, day_of, digest, elements, every, is_day, line, local, root, text, texts
from domain.calendar import BadDay, format_day, parse_day
from domain.source import Source

SDN, NON_SDN = "OFAC-SDN", "OFAC-NONSDN"
TITLES = {SDN: "Specially Designated Nationals and Blocked Persons List", NON_SDN: "Consolidated (non-SDN) sanctions list"}
TYPES = ("individual", "entity", "vessel", "aircraft")
FAMILY_NAMES = ("Last Name", "Patronymic", "Matronymic")
NATIONAL = ("Nationality Country", "Citizenship Country", "Vessel Flag")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_OF_NON_SDN = re.compile(r"NS-.*|FSE-.*|561.*|CMIC.*|CCMC.*|CAPTA.*")  # programs that only the non-SDN lists have, but for a few entries
_SHARE = 0.05  # of entries with such a program: 0.01% of SDN.XML, a third of consolidated.xml


@dataclass
class Found:
    """What a reader of one format found."""

    of: str
    day: str  # as the file says it; "" where it does not
    entries: dict[str, Entry] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def read(data: bytes, published: str | None, name: str = "") -> Snapshot:
    """The whole list. `name` is the file's: only SDN.XML and consolidated.xml need it, and they are told apart by programs without it."""
    kind = root(data)
    reader = {"sdnList": _legacy, "sanctionsData": _enhanced, "Sanctions": _advanced}.get(kind)
    if reader is None:
        raise Damaged(f"its root is {kind!r}: not SDN.XML (sdnList), ENHANCED_XML (sanctionsData) or ADVANCED_XML (Sanctions) of OFAC")
    found = reader(data, _hinted(name))
    if not found.entries:
        raise Damaged("the list has no entries")
    day, notes = day_of(found.day, published, "the file")
    source = Source(publisher="US Treasury, Office of Foreign Assets Control", title=TITLES[found.of], date=day)
    return Snapshot(found.of, day, found.entries, source, digest(data), (*found.notes, *notes))


def _hinted(name: str) -> str:
    lower = name.lower()
    return NON_SDN if "cons" in lower or "non" in lower else SDN if "sdn" in lower else ""


class _Address(NamedTuple):
    parts: Mapping[str, str]
    country: str

    @property
    def where(self) -> str:
        """The country column of add.csv, where a region stands in for a country."""
        region = self.parts.get("REGION", "")
        return self.country or (f"Region: {region}" if region else "")

    @property
    def line(self) -> str:
        """The columns of add.csv, joined: street, "City, State ZIP", country."""
        street = [self.parts.get(f"ADDRESS{n}", "") for n in (1, 2, 3)]
        town = _joined(", ", self.parts.get("CITY", ""), self.parts.get("STATE/PROVINCE", ""))
        return _joined(", ", *street, _joined(" ", town, self.parts.get("POSTAL CODE", "")), self.where)


# ---------------------------------------------------------------- SDN.XML, consolidated.xml
def _legacy(data: bytes, hint: str) -> Found:
    found, said, marked = Found(hint, ""), "", 0
    for kind, element in elements(data, {"publshInformation": "sdnList", "sdnEntry": "sdnList"}):
        if kind == "publshInformation":  # so spelt
            month, _, rest = text(element, "Publish_Date").partition("/")
            found.day = "{2}-{0:0>2}-{1:0>2}".format(month, *rest.partition("/")[::2]) if rest else month
            said = text(element, "Record_Count")
        else:
            entry = _legacy_entry(element)
            marked += any(_OF_NON_SDN.fullmatch(p) for p in entry.programs)
            add(found.entries, entry, line(element))
    by_programs = NON_SDN if marked > _SHARE * len(found.entries) else SDN
    if hint == SDN and by_programs == NON_SDN:
        raise Damaged(f"{marked} of {len(found.entries)} entries have programs of the non-SDN lists: this is not SDN.XML")
    found.of = hint or by_programs
    if said and said != str(len(found.entries)):
        found.notes.append(f"the file says {said} entries, it has {len(found.entries)}")
    return found


def _legacy_entry(element: Element) -> Entry:
    number = text(element, "uid")
    type_ = next((text(e) for e in element if local(e) in ("sdnType", "nspType")), "")  # nspType: Palestinian Legislative Council, 2014
    type_ = _type(type_, number, element)
    papers = [_paper(text(e, "idType"), text(e, "idNumber"), text(e, "idCountry"), text(e, "issueDate"), text(e, "expirationDate"))
              for e in every(element, "idList/id")]
    papers += _feature_papers([("Vessel Call Sign", sign) for sign in texts(element, "vesselInfo/callSign")])
    addresses = [_Address({"ADDRESS1": text(e, "address1"), "ADDRESS2": text(e, "address2"), "ADDRESS3": text(e, "address3"),
                           "CITY": text(e, "city"), "STATE/PROVINCE": text(e, "stateOrProvince"), "POSTAL CODE": text(e, "postalCode")},
                          text(e, "country")) for e in every(element, "addressList/address")]
    national = [t for path in ("nationalityList/nationality/country", "citizenshipList/citizenship/country", "vesselInfo/vesselFlag")
                for t in texts(element, path)]
    aliases = [_legacy_name(e, type_) for e in every(element, "akaList/aka")]
    return _entry(number, _legacy_name(element, type_), type_, texts(element, "programList/program"), aliases, addresses, papers, national)


def _legacy_name(element: Element, type_: str) -> str:
    last, first = text(element, "lastName"), text(element, "firstName")
    return _cased(_joined(", ", last, first), type_)


# ---------------------------------------------------------------- ENHANCED_XML
def _enhanced(data: bytes, hint: str) -> Found:
    found = Found(hint, "")
    listings: dict[str, dict[str, list[str]]] = {}
    wanted = {"publicationInfo": "sanctionsData", "entity": "entities"}
    named: set[str] = set()
    for kind, element in elements(data, wanted):
        if element.get("action") is not None or "DeltaFile" in str(element.tag):
            raise Damaged(f"line {line(element)}: this is a delta file, which holds changes only: give the whole list")
        if kind == "publicationInfo":
            found.day = text(element, "dataAsOf")[:10]
            named = set(texts(element, "filters/sanctionsLists/sanctionsList"))
            for other in (local(f) for filters in every(element, "filters") for f in filters if local(f) != "sanctionsLists"):
                raise Damaged(f"line {line(element)}: the file was filtered ({other}): give the whole list")
        else:
            entry = _enhanced_entry(element)
            add(found.entries, entry, line(element))
            lists = listings.setdefault(entry.number, defaultdict(list))
            for e in every(element, "sanctionsLists/sanctionsList"):
                lists[text(e)] += [day] if (day := _day(e)) else []
    found.of = _of(listings, hint, named)
    _keep(found, listings)
    return found


def _day(element: Element) -> str:
    """The day from which an entry is on a list; nothing where it is not told."""
    told = element.get("datePublished", "")[:10]
    try:
        return told and format_day(parse_day(told))
    except BadDay as error:
        raise Damaged(f"line {line(element)}: datePublished: {error}") from None


def _enhanced_entry(element: Element) -> Entry:
    number = element.get("id", "")
    type_ = _type(text(element, "generalInfo/entityType"), number, element)
    name, aliases = "", []
    for e in every(element, "names/name"):
        for translation in every(e, "translations/translation"):
            script = text(translation, "script")
            if script not in ("", "Latin"):
                continue
            full = _cased(text(translation, "formattedFullName"), type_) or _composed(
                [(text(p, "type"), text(p, "value")) for p in every(translation, "nameParts/namePart")], type_)
            if text(e, "isPrimary") == "true" and not name:
                name = full
            else:
                aliases.append(full)
    features = [(text(f, "type"), text(f, "value")) for f in every(element, "features/feature")]
    papers = [_paper(text(e, "type"), text(e, "documentNumber"), text(e, "issuingCountry"))
              for e in every(element, "identityDocuments/identityDocument")]
    addresses = []
    for e in every(element, "addresses/address"):
        parts = [p for t in every(e, "translations/translation")[:1] for p in every(t, "addressParts/addressPart")]
        addresses.append(_Address({text(p, "type").upper(): text(p, "value") for p in parts}, text(e, "country")))
    return _entry(number, name, type_, texts(element, "sanctionsPrograms/sanctionsProgram"), aliases, addresses,
                  [*papers, *_feature_papers(features)], [v for t, v in features if t in NATIONAL])


# ---------------------------------------------------------------- ADVANCED_XML
class _Codes:
    """ReferenceValueSets: what the numbers of the rest mean."""

    def __init__(self, sets: Element | None = None) -> None:
        self.values = {(local(e), e.get("ID", "")): text(e) or e.get("Description", "") for e in (sets.iter("{*}*") if sets is not None else ())}
        self.party = {e.get("ID", ""): e.get("PartyTypeID", "") for e in (sets.iter("{*}PartySubType") if sets is not None else ())}

    def __call__(self, kind: str, number: str | None, element: Element) -> str:
        if (kind, number) not in self.values:
            raise Damaged(f"line {line(element)}: {kind} {number} is not among the ReferenceValueSets")
        return self.values[kind, number or ""]

    def type(self, number: str | None, element: Element) -> str:
        own = self("PartySubType", number, element)
        return own if own.lower() in TYPES else self("PartyType", self.party[number or ""], element)


def _advanced(data: bytes, hint: str) -> Found:
    found, codes = Found(hint, ""), _Codes()
    places: dict[str, _Address] = {}
    papers: dict[str, list[str]] = defaultdict(list)
    listings: dict[str, dict[str, list[str]]] = {}
    programs: dict[tuple[str, str], list[str]] = defaultdict(list)
    for kind, e in elements(data, {"DateOfIssue": "Sanctions", "ReferenceValueSets": "Sanctions", "Location": "Locations",
                                   "IDRegDocument": "IDRegDocuments", "DistinctParty": "DistinctParties", "SanctionsEntry": "SanctionsEntries"}):
        if kind == "DateOfIssue":
            found.day = _date(e)
        elif kind == "ReferenceValueSets":
            codes = _Codes(e)
        elif kind == "Location":
            places[e.get("ID", "")] = _place(e, codes)
        elif kind == "IDRegDocument":
            papers[e.get("IdentityID", "")].append(_document(e, codes))
        elif kind == "DistinctParty":
            add(found.entries, _party(e, codes, places, papers), line(e))
        else:
            number, of = e.get("ProfileID", ""), codes("List", e.get("ListID"), e)
            listings.setdefault(number, defaultdict(list))[of] += [_date(d) for d in every(e, "EntryEvent/Date")]
            programs[number, _side({of})] += [t for m in every(e, "SanctionsMeasure") for t in texts(m, "Comment")
                                              if codes("SanctionsType", m.get("SanctionsTypeID"), m) == "Program"]
    if unknown := sorted(listings.keys() - found.entries.keys(), key=lambda number: (len(number), number)):
        raise Damaged(f"{len(unknown)} sanctions entries are of parties that the file does not have, the first {unknown[0]}: it is not whole")
    found.of = _of(listings, hint, set())
    _keep(found, listings)
    for number, entry in found.entries.items():
        found.entries[number] = replace(entry, programs=_sorted(programs[number, found.of]))
    return found


def _party(element: Element, codes: _Codes, places: Mapping[str, _Address], papers: Mapping[str, list[str]]) -> Entry:
    number = element.get("FixedRef", "")
    profile = every(element, "Profile")[:1]
    if not profile:
        raise Damaged(f"line {line(element)}: party {number} has no profile")
    type_ = _type(codes.type(profile[0].get("PartySubTypeID"), element), number, element)
    kinds = {g.get("ID"): codes("NamePartType", g.get("NamePartTypeID"), g) for g in element.iter("{*}NamePartGroup")}
    name, aliases, own = "", [], []
    for identity in every(profile[0], "Identity"):
        own += papers.get(identity.get("ID", ""), [])
        for alias in every(identity, "Alias"):
            for documented in every(alias, "DocumentedName"):
                values = every(documented, "DocumentedNamePart/NamePartValue")
                if any(codes("Script", v.get("ScriptID"), v) != "Latin" for v in values):
                    continue
                full = _composed([(kinds.get(v.get("NamePartGroupID"), ""), text(v)) for v in values], type_)
                if identity.get("Primary") == alias.get("Primary") == "true" and not name:
                    name = full
                else:
                    aliases.append(full)
    features: list[tuple[str, str]] = []
    addresses: list[_Address] = []
    for feature in every(profile[0], "Feature"):
        kind = codes("FeatureType", feature.get("FeatureTypeID"), feature)
        there = [_known(places, v) for v in every(feature, "FeatureVersion/VersionLocation")]
        if kind == "Location":
            addresses += there
        features += [(kind, place.country) for place in there if kind in NATIONAL]
        for detail in every(feature, "FeatureVersion/VersionDetail"):
            reference = detail.get("DetailReferenceID")
            features.append((kind, text(detail) or (codes("DetailReference", reference, detail) if reference else "")))
    return _entry(number, name, type_, (), aliases, addresses, [*own, *_feature_papers(features)], [v for k, v in features if k in NATIONAL])


def _document(element: Element, codes: _Codes) -> str:
    country = element.get("IssuedBy-CountryID")
    days = {codes("IDRegDocDateType", d.get("IDRegDocDateTypeID"), d): _period(d) for d in every(element, "DocumentDate")}
    return _paper(codes("IDRegDocType", element.get("IDRegDocTypeID"), element), text(element, "IDRegistrationNo"),
                  codes("Country", country, element) if country else "", days.get("Issue Date", ""), days.get("Expiration Date", ""))


def _period(element: Element) -> str:
    """A day, a month or a year, as the CSV writes it: "18 Jan 1984", "Jul 1997", "1983"."""
    ends = [*every(element, "DatePeriod/Start/From")[:1], *every(element, "DatePeriod/End/To")[:1]]
    if len(ends) != 2:
        return ""
    first, last = (date.fromisoformat(_date(end)) for end in ends)
    month = f"{MONTHS[first.month - 1]} {first.year}"
    if first == last:
        return f"{first.day:02} {month}"
    if (first.month, first.day, last.month, last.day) == (1, 1, 12, 31) and first.year == last.year:
        return str(first.year)
    if first.day == 1 and (last + timedelta(1)).day == 1 and (first.year, first.month) == (last.year, last.month):
        return month
    return f"{first.day:02} {month} to {last.day:02} {MONTHS[last.month - 1]} {last.year}"


def _place(element: Element, codes: _Codes) -> _Address:
    parts = {codes("LocPartType", p.get("LocPartTypeID"), p): text(p, "LocationPartValue/Value") for p in every(element, "LocationPart")}
    country = [codes("Country", c.get("CountryID"), c) for c in every(element, "LocationCountry")]
    return _Address(parts, country[0] if country else "")


def _known(places: Mapping[str, _Address], element: Element) -> _Address:
    if (number := element.get("LocationID", "")) not in places:
        raise Damaged(f"line {line(element)}: location {number} is not in the file")
    return places[number]


def _date(element: Element) -> str:
    day = "-".join(text(element, part).zfill(2) for part in ("Year", "Month", "Day"))
    if not is_day(day):
        raise Damaged(f"line {line(element)}: {day!r} is not a day")
    return day


# ---------------------------------------------------------------- what the formats have in common
def _entry(number: str, name: str, type_: str, programs: Iterable[str], aliases: Iterable[str], addresses: Iterable[_Address],
           papers: Iterable[str], national: Iterable[str]) -> Entry:
    places = list(addresses)
    countries = {*national, *(place.where for place in places)} - {"None Identified"}
    return Entry(number, name, type_, _sorted(programs), None, _sorted(alias for alias in aliases if alias != name),
                 _sorted(place.line for place in places), _sorted(papers), _sorted(countries))


def _joined(by: str, *parts: str) -> str:
    return by.join(filter(None, parts))


def _sorted(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({collapse(v).replace("’", "'") for v in values} - {""}))


def _type(given: str, number: str, element: Element) -> str:
    if given.lower() not in TYPES:
        raise Damaged(f"line {line(element)}, entry {number}: the type {given!r} is none of {', '.join(TYPES)}")
    return given.lower()


def _cased(name: str, type_: str) -> str:
    """Family names, and all names but people's, in capitals, as the CSV has them; a nickname without a comma stays."""
    last, comma, first = name.replace("’", "'").partition(", ")
    return name.replace("’", "'").upper() if type_ != "individual" else last.upper() + comma + first if comma else last


def _composed(parts: Iterable[tuple[str, str]], type_: str) -> str:
    """"LASTNAME, First Middle" from named parts."""
    known = list(parts)
    if type_ != "individual":
        return _cased(" ".join(value for _, value in known), type_)
    last = " ".join(value for kind, value in known if kind in FAMILY_NAMES).upper()
    first = " ".join(value for kind, value in known if kind not in FAMILY_NAMES)
    return _joined(", ", last, first).replace("’", "'")


def _paper(kind: str, number: str, country: str = "", issued: str = "", expires: str = "") -> str:
    """An identifier as the CSV gives it; "" for what identifies nobody, which SDN.XML has among its ids."""
    piece = _joined(" ", kind, number, country and f"({country})", issued and f"issued {issued}", expires and f"expires {expires}")
    return identifier_in(piece.replace("’", "'")) or ""


def _feature_papers(features: Iterable[tuple[str, str]]) -> list[str]:
    return [f"Call sign: {value}" if kind == "Vessel Call Sign" and value else _paper(kind, value) for kind, value in features]


def _side(lists: Iterable[str]) -> str:
    return SDN if "SDN List" in lists else NON_SDN


def _of(listings: Mapping[str, Mapping[str, object]], hint: str, named: set[str]) -> str:
    """Which list the file is: the one it names, or else the one that all its entries are on. An entry can be on both."""
    sides = [{_side({of}) for of in (named or lists)} for lists in ([named] if named else listings.values())]
    on_all = set.intersection(*sides) if sides else set()
    if hint and (hint in on_all or not on_all):
        return hint
    if len(on_all) != 1:
        raise Damaged("its entries are not all on one list: give the file the name that OFAC gives it (SDN… or CONS…)")
    if hint:
        raise Damaged(f"its name says {hint}, its entries are on {on_all.pop()}")
    return on_all.pop()


def _keep(found: Found, listings: Mapping[str, Mapping[str, list[str]]]) -> None:
    """Leaves the entries of the file's own list, each with the first day that one of its dates gives."""
    on = {number: [day for of, days in lists.items() if _side({of}) == found.of for day in days]
          for number, lists in listings.items() if any(_side({of}) == found.of for of in lists)}
    if gone := len(found.entries.keys() - on.keys()):
        found.notes.append(f"left out: {gone} parties of the file are not on this list")
    found.entries = {n: replace(e, listed_on=min(on[n], default=None)) for n, e in found.entries.items() if n in on}
