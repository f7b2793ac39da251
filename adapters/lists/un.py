"""The UN Security Council's consolidated list, as its XML publishes it (root CONSOLIDATED_LIST).

Iran entries have the UN_LIST_TYPE `Iran` and numbers IRi.… (individuals) and IRe.… (entities). LISTED_ON is the day of the first
listing; an entry that left and came back keeps it, so that it does not prove a continuous listing.
"""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from adapters.lists.model import Damaged, Entry, Snapshot
from adapters.lists.xml import Element, add, collapse, day_of, digest, elements, every, is_day, line, local, root, text, texts
from domain.source import Source

NEW_YORK = ZoneInfo("America/New_York")  # where the list is generated and published
TYPES = {"INDIVIDUAL": "individual", "ENTITY": "entity"}
QUALITY = {"low": " (low quality)", "f.k.a.": " (f.k.a.)"}  # Good, a.k.a. and none need no saying


def read(data: bytes, published: str | None) -> Snapshot:
    """The whole list. Raises Damaged where the file is not one, Invalid where `published` cannot be."""
    if (name := root(data)) != "CONSOLIDATED_LIST":
        raise Damaged(f"its root is {name!r}, not CONSOLIDATED_LIST: this is not the UN consolidated list")
    entries: dict[str, Entry] = {}
    generated = ""
    for kind, element in elements(data, {"INDIVIDUAL": "INDIVIDUALS", "ENTITY": "ENTITIES"}):
        generated = generated or element.getroottree().getroot().get("dateGenerated", "")
        add(entries, _entry(kind, element), line(element))
    if not entries:
        raise Damaged("the UN list has no entries")
    day, notes = day_of(_day(generated), published, "the UN list")
    source = Source(publisher="United Nations Security Council", title="Consolidated list", date=day,
                    locator=f"dateGenerated {generated}" if generated else None)
    unnumbered = sum(entry.number.isdigit() for entry in entries.values())
    if unnumbered:
        notes = (*notes, f"{unnumbered} entries without a REFERENCE_NUMBER go by their DATAID")
    return Snapshot("UN", day, entries, source, digest(data), notes)


def _day(generated: str) -> str:
    if not generated:
        return ""
    try:
        at = datetime.fromisoformat(generated)
    except ValueError:
        raise Damaged(f"dateGenerated {generated!r} is not a time") from None
    return (at.astimezone(NEW_YORK) if at.tzinfo else at).date().isoformat()


def _entry(kind: str, element: Element) -> Entry:
    number = "".join(text(element, "REFERENCE_NUMBER").split()) or text(element, "DATAID")
    program = text(element, "UN_LIST_TYPE")
    listed_on = text(element, "LISTED_ON")[:10]  # some have an offset after the day
    if not program or (listed_on and not is_day(listed_on)):
        what = f"LISTED_ON {listed_on!r} is not a day" if program else "no UN_LIST_TYPE"
        raise Damaged(f"line {line(element)}, entry {number}: {what}")
    addresses, documents = every(element, f"{kind}_ADDRESS"), every(element, f"{kind}_DOCUMENT")
    name = collapse(" ".join(text(element, f"{part}_NAME") for part in ("FIRST", "SECOND", "THIRD", "FOURTH")))
    return Entry(
        number, name or text(element, "NAME_ORIGINAL_SCRIPT"), TYPES[kind], (program,),
        remarks=" ".join(t for e in element if local(e).startswith("COMMENTS") and (t := collapse(e.text))) or None,
        aliases=_sorted([*_aliases(every(element, f"{kind}_ALIAS")), *texts(element, "NAME_ORIGINAL_SCRIPT")]),
        addresses=_sorted([_address(a) for a in addresses]),
        identifiers=_sorted([_document(d) for d in documents]),
        countries=_sorted(texts(element, "NATIONALITY/VALUE")),
        listed_on=listed_on or None)


def _aliases(elements_: list[Element]) -> list[str]:
    """One name each: some hold several, joined by semicolons; those inside brackets belong to the name before them."""
    out = []
    for element in elements_:
        names = text(element, "ALIAS_NAME")
        quality = QUALITY.get(text(element, "QUALITY").lower(), "")
        out += [name.strip() + quality for name in (names.split(";") if "(" not in names else [names]) if name.strip()]
    return out


def _address(element: Element) -> str:
    return ", ".join(t for part in ("STREET", "CITY", "STATE_PROVINCE", "ZIP_CODE", "COUNTRY", "NOTE") for t in texts(element, part))


def _document(element: Element) -> str:
    """"Passport: 008827 (Iran (Islamic Republic of))"; a document without a number is described by its second type or its note."""
    kind, second = text(element, "TYPE_OF_DOCUMENT"), text(element, "TYPE_OF_DOCUMENT2")
    number = text(element, "NUMBER") or second or text(element, "NOTE")
    country = text(element, "ISSUING_COUNTRY") or text(element, "COUNTRY_OF_ISSUE")
    return f"{kind or second or 'Document'}: {number}{f' ({country})' if country else ''}" if number else ""


def _sorted(values: list[str]) -> tuple[str, ...]:
    return tuple(sorted({value for value in values if value}))
