"""XML from outside, read safely: no DTD, no entity, no network, bounded memory; what cannot be read is `Damaged`, with its line.

A DTD is refused before anything is parsed, so that there is no entity to expand or to fetch (billion laughs, quadratic blow-up,
external entities). libxml2 without `huge_tree` refuses the rest: more than 256 levels, a text of more than 10 MB.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterator, Mapping
from datetime import date
from functools import cache
from typing import Any

from lxml import etree

from adapters.lists.model import Damaged, Entry
from domain.errors import Invalid

Element = etree._Element

_DECLARED = re.compile(rb"""\s*<\?xml[^>]*?\sencoding\s*=\s*["']([^"']*)["']""")
_READ = {"utf-8", "utf8", "us-ascii", "ascii"}  # what a DTD cannot hide in; every list is published in UTF-8


def root(data: bytes) -> str:
    """The name of the root, without its namespace: tells the formats apart."""
    _refuse(data)
    for _, element in _parse(data, ("start",), None):
        return local(element)
    raise Damaged("it has no element")


def elements(data: bytes, wanted: Mapping[str, str]) -> Iterator[tuple[str, Element]]:
    """The elements of the wanted names (name -> name of its parent), each alone in memory; they are gone when the next one comes."""
    _refuse(data)
    for _, element in _parse(data, ("end",), [f"{{*}}{name}" for name in wanted]):
        parent = element.getparent()
        name = local(element)
        if parent is None or local(parent) != wanted[name]:
            continue
        yield name, element
        element.clear()
        while element.getprevious() is not None:
            del parent[0]


def local(element: Element) -> str:
    """An element's name without its namespace: the lists change theirs."""
    return str(element.tag).rpartition("}")[2]


def every(element: Element, path: str) -> list[Element]:
    """All elements at a path of plain names ("names/name"), in any namespace."""
    found = [element]
    for step in _anywhere(path):
        found = [child for parent in found for child in parent.iterchildren(step)]
    return found


@cache
def _anywhere(path: str) -> list[str]:
    return [f"{{*}}{name}" for name in path.split("/")]


def text(element: Element, path: str = "") -> str:
    """The text at a path, blanks collapsed; "" where the element is absent or empty."""
    found = every(element, path) if path else [element]
    return collapse(found[0].text) if found else ""


def line(element: Element) -> int:
    """The line that the element begins on; 0 where it is not known."""
    found: Any = element.sourceline
    return int(found or 0)


def texts(element: Element, path: str) -> list[str]:
    """The texts at a path that are not empty."""
    return [t for t in (collapse(e.text) for e in every(element, path)) if t]


def collapse(value: str | None) -> str:
    """Blanks and line ends as one blank, none at the ends."""
    return " ".join((value or "").split())


def digest(data: bytes) -> str:
    """SHA-256 of the file."""
    return hashlib.sha256(data).hexdigest()


def day_of(own: str, published: str | None, what: str) -> tuple[str, tuple[str, ...]]:
    """The day of a snapshot, and what is to be noted: `published` where it is given, else what the file says of itself."""
    if own and not is_day(own):
        raise Damaged(f"{what} says that it is of {own!r}, which is not a day")
    if published is None:
        if not own:
            raise Invalid(f"{what} does not say when it was published: give --published YYYY-MM-DD")
        return own, ()
    if not is_day(published):
        raise Invalid(f"--published: {published!r} is not a day: give YYYY-MM-DD")
    if published < own:
        raise Invalid(f"{what} says that it is of {own}: it cannot have been published on {published}")
    return published, (f"the file says {own}, read as published on {published}",) if own and own != published else ()


def is_day(value: str) -> bool:
    """Whether it is a day, as YYYY-MM-DD."""
    try:
        return date.fromisoformat(value).isoformat() == value
    except ValueError:
        return False


def add(entries: dict[str, Entry], entry: Entry, at: int) -> None:
    """Puts an entry into a list that must have it once and must be able to name it."""
    if entry.number in entries:
        raise Damaged(f"line {at}: entry {entry.number} is there twice")
    if not (entry.number and entry.name):
        raise Damaged(f"line {at}: an entry without {'a name' if entry.number else 'a number'} ({entry.number or entry.name!r})")
    entries[entry.number] = entry


def _refuse(data: bytes) -> None:
    if not data.strip():
        raise Damaged("the file is empty")
    if b"\0" in data or data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise Damaged("it is not UTF-8")
    declared = _DECLARED.match(data.removeprefix(b"\xef\xbb\xbf"))
    if declared and declared[1].decode("latin-1").lower() not in _READ:
        raise Damaged(f"its encoding is {declared[1].decode('latin-1')!r}, not UTF-8")
    for forbidden in (b"<!DOCTYPE", b"<!ENTITY"):
        if (at := data.find(forbidden)) >= 0:
            row = data.count(b"\n", 0, at) + 1
            raise Damaged(f"line {row}: it has a DTD ({forbidden.decode()}), which no list has and which can hide an XML bomb")


def _parse(data: bytes, events: tuple[str, ...], tags: list[str] | None) -> Iterator[tuple[str, Element]]:
    parser = etree.iterparse(io.BytesIO(data), events=events, tag=tags, resolve_entities=False, load_dtd=False, dtd_validation=False,
                             attribute_defaults=False, no_network=True, huge_tree=False, remove_comments=True, remove_pis=True)
    try:
        yield from parser
    except etree.XMLSyntaxError as error:
        told = [(e.line, e.message) for e in parser.error_log if e.level > 1] or [(error.lineno or 0, error.msg)]
        raise Damaged(f"line {told[0][0]}: not well-formed XML, damaged or cut: {collapse(told[0][1])}") from None
