"""Executive orders of the United States from markdown files (`# Executive Order 13846: ...`), as events of sanctions programs.

An order is dated by two days: it is issued on the day of its signature, and it counts as known from the day that the file proves to be
public: publication in the Federal Register (the day in its address), or, before 2003, filing for public inspection as the text notes it.
Often the White House gave the text out on the day of signature, but not always (E.O. 13553, 13599 and 13606 came a day later), and the
file does not tell which; a day too early would show a fact before anybody could know it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Container, Iterable
from datetime import datetime
from pathlib import Path
from string import capwords
from typing import Any

from adapters.lists.model import Damaged

_TITLE = re.compile(r"^# Executive Order (\d+)(?:—|: )(.+)$", re.M)
_SIGNED = re.compile(r"^\*\*(?:Date|Signed):\*\* (.+)$", re.M)
_FIELD = r"^- {}: (.+)$"
_ADDRESS = re.compile(r"^- \[Federal Register[^\]]*\]\((https?://[^)\s]+)\)$", re.M)
_PUBLISHED = re.compile(r"federalregister\.gov/documents/(\d{4})/(\d\d)/(\d\d)/([^/]+)/")
_BODY = re.compile(r"^## Executive Order \d+\s*$", re.M)
_FILED = re.compile(r"\[Filed with the Office of the Federal Register,? [\d:]+ [ap]\.m\.,? (\w+ \d+, \d{4})\]")
_ENACTS = re.compile(r"\bhereby (?:order(?:ed)?|prescribe)\b|(?:###|\n) ?(?:Section|SEC\.?)[. ]+1\b", re.I)
_IRAN = re.compile(r"\bIran", re.I)
_POWERS = re.compile(r"Emergenc(?:y|ies) (?:Economic Powers )?Act|Immigration and Nationality Act|International Security and Development", re.I)


def read_orders(folder: Path) -> list[dict[str, Any]]:
    """The orders of a folder by number, each with `number`, `title`, `signed`, `published`, `citation` and `document`.

    `published` is the day in the Federal Register, `filed` that of filing, and both None where the file has none. Raises Damaged."""
    orders = [_order(path) for path in sorted(folder.glob("*.md"))]
    if not orders:
        raise Damaged(f"{folder}: no executive order (*.md) in it")
    if twice := [n for n, times in Counter(o["number"] for o in orders).items() if times > 1]:
        raise Damaged(f"{folder}: E.O. {twice[0]} is there twice")
    return sorted(orders, key=lambda order: int(order["number"]))


def _order(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise Damaged(f"{path.name}: not UTF-8") from None
    title, signed, address, body = _TITLE.search(text), _SIGNED.search(text), _ADDRESS.search(text), _BODY.search(text)
    if title is None or signed is None or address is None or body is None:
        raise Damaged(f"{path.name}: no title, day, address or text of an executive order in it")
    if _field(text, "Executive Order Number") != title[1]:
        raise Damaged(f"{path.name}: the order number in the title, {title[1]}, is not that of its details")
    order: dict[str, Any] = {
        "number": title[1], "title": " ".join(title[2].split()), "signed": _day(path, signed[1]), "published": None, "filed": None,
        "citation": _field(text, "Citation"), "document": _field(text, "Document Number"), "address": address[1]}
    if at := _PUBLISHED.search(address[1]):
        order["published"] = "-".join(at.groups()[:3])
        if at[4] != order["document"] or order["published"] < order["signed"]:
            raise Damaged(f"{path.name}: its address in the Federal Register contradicts its document number or its day")
    if filed := _FILED.search(text):
        order["filed"] = _day(path, filed[1])
    order["heading"], order["authority"] = _opening(text[body.end():])
    return order


def _field(text: str, name: str) -> str | None:
    found = re.search(_FIELD.format(re.escape(name)), text, re.M)
    return None if found is None or found[1].strip() == "None" else found[1].strip()


def _day(path: Path, text: str) -> str:
    try:
        return datetime.strptime(text.strip(), "%B %d, %Y").date().isoformat()  # noqa: DTZ007
    except ValueError:
        raise Damaged(f"{path.name}: {text!r} is not a day such as August 06, 2018") from None


def _opening(body: str) -> tuple[str | None, str]:
    """The heading in capitals that an old order has under its title, and the text before the words that enact it."""
    lines = [line.strip() for line in body.strip().splitlines()]
    first_other = next((n for n, line in enumerate(lines) if not line.isupper()), len(lines))
    enacts = _ENACTS.search(body)
    return " ".join(lines[:first_other]) or None, " ".join(body[:enacts.start() if enacts else 0].split())


def why_not(order: dict[str, Any], recorded: Container[str]) -> str | None:
    """Why an order is not recorded, or None. It concerns Iran where its title names it, or where its authority section does and rests
    on emergency, trade or entry powers; a list of countries further down does not make it an order on Iran."""
    if f"program:eo-{order['number']}" in recorded:
        return "already in the record"
    if _IRAN.search(order["title"]) or (_IRAN.search(order["authority"]) and _POWERS.search(order["authority"])):
        return None
    return "neither its title nor its authority section concerns Iran"


def order_events(orders: Iterable[dict[str, Any]], recorded: Container[str]) -> tuple[list[dict[str, Any]], Counter[str]]:
    """Events for orders on Iran whose subject is not among those `recorded`, and how many orders were skipped by reason."""
    events, skipped = [], Counter[str]()
    for order in orders:
        if reason := why_not(order, recorded):
            skipped[reason] += 1
        else:
            events.append(_event(order))
    return events, skipped


def _event(order: dict[str, Any]) -> dict[str, Any]:
    number, title = order["number"], order["title"]
    name = f"E.O. {number}, {capwords(order['heading']) if order['heading'] else title}"
    known = order["published"] or order["filed"]
    data = {"name": name, "issuer": "USA", "instrument": "executive_order", "citation": order["citation"], "signed": order["signed"]}
    unproved = {"confidence": "medium", "note": "No day of publication or filing is stated; it counts as known from its signature."}
    return {
        "subject": f"program:eo-{number}", "type": "program.instrument_issued",
        "record_id": f"fr/{order['document']}" if order["document"] else f"eo/{number}",
        "effective": order["signed"], "known": known or order["signed"], "summary": f"The President signed {name}.",
        "data": {k: v for k, v in data.items() if v is not None}, "sources": [_source(order)], **({} if known else unproved)}


def _source(order: dict[str, Any]) -> dict[str, Any]:
    if order["published"]:
        return {"publisher": "Federal Register", "title": f"E.O. {order['number']}, {order['title']}", "date": order["published"],
                "locator": order["citation"] or order["address"]}
    return {"publisher": "The American Presidency Project", "title": f"Executive Order {order['number']}, {order['title']}",
            "date": order["signed"], "locator": re.sub(r"^https?://(www\.)?", "", order["address"])}
