"""How an input becomes another: changes of bytes, of words, of lines, and of values in JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

LONGEST = 2**16  # bytes of an input
Change = Callable[[bytes, Random, Sequence[bytes]], bytes]

_TOKEN = re.compile(rb"[A-Za-z0-9_.-]+|[^A-Za-z0-9_.-]")
_VALUES: tuple[Any, ...] = (None, True, 0, -1, 2**63, 1e308, 1.5, "", "x" * 5000, [], {}, [[]], {"a": 1}, "2020-02-30", "9999-12-31", float("nan"))
_TEXTS = (  # that are hard for something: quoting, markup, encodings, numbers, paths, days
    "", "\0", "\x1a", "\r", "\n", "\r\n", '"', "'", ",", ";", "; ", "|", "@", "&", "<", ">", "&amp;", "&#0;", "&#x110000;", "<!DOCTYPE a>",
    "<!--", "]]>", "<![CDATA[", "<?xml version='1.0' encoding='utf-16'?>", " ", "\t", "\u00a0", "\u2028", "\ufeff", "\ufffd", "\ud800",
    "\U0001f600", "é", "ﷺ", "٣", "²", "İ", "-0- ", "-0-", "+5", "-1", "0", "00", "1", "007", "9" * 30, "9" * 5000, "1e999", "NaN",
    "Infinity", "-Infinity", "0x10", "1_000", "null", "true", "{}", "[]", "[[", '{"a":', '""', "../", "/etc/passwd", "C:\\", "%00", "%ff",
    "%2e%2e%2f", "2020-02-30", "0000-00-00", "0001-01-01", "9999-12-31", "9999-12-30", "10000-01-01", "[2020-01-01..2020-01-01]",
    "[2021-01-01..2020-01-01]", "[..2020]", "[2020..]", "201X", "2020-21", "-2020", "2020~", "31/12/9999", "00/00/0000", "30.2.2020",
    "12/31/2020", "2020-01-01T25:61:61Z", "0001-01-01T00:00:00+23:59", "a" * 5000)
_WORDS = [text.encode("utf-8", "surrogatepass") for text in _TEXTS]


def mutate(data: bytes, random: Random, seeds: Sequence[bytes]) -> bytes:
    """Another input: one to five changes, most often one."""
    for _ in range(random.choice((1, 1, 1, 2, 3, 5))):
        change = _json if data[:1] in (b"{", b"[") and random.random() < 0.7 else random.choice(_CHANGES)
        data = change(data, random, seeds)[:LONGEST]
    return data


def _part(data: bytes, random: Random) -> tuple[int, int]:
    at = random.randrange(len(data) + 1)
    return at, min(len(data), at + random.choice((1, 2, 4, 8, 16, 64, 256)))


def _flip(data: bytes, random: Random, _: Sequence[bytes]) -> bytes:
    at = random.randrange(len(data) or 1)
    return data[:at] + bytes(byte ^ (1 << random.randrange(8)) for byte in data[at : at + 1]) + data[at + 1 :]


def _drop(data: bytes, random: Random, _: Sequence[bytes]) -> bytes:
    a, b = _part(data, random)
    return data[:a] + data[b:]


def _repeat(data: bytes, random: Random, _: Sequence[bytes]) -> bytes:
    a, b = _part(data, random)
    at = random.randrange(len(data) + 1)
    return data[:at] + data[a:b] * random.choice((1, 1, 2, 30)) + data[at:]


def _cut(data: bytes, random: Random, _: Sequence[bytes]) -> bytes:
    return data[: random.randrange(len(data) + 1)]


def _insert(data: bytes, random: Random, _: Sequence[bytes]) -> bytes:
    at = random.randrange(len(data) + 1)
    return data[:at] + random.choice(_WORDS) + data[at:]


def _word(data: bytes, random: Random, _: Sequence[bytes]) -> bytes:
    """A hard word, or another of the same text, in the place of one."""
    found = list(_TOKEN.finditer(data))
    if not found:
        return data
    old = random.choice(found)
    new = random.choice(_WORDS) if random.random() < 0.6 else random.choice(found)[0]
    return data[: old.start()] + new + data[old.end() :]


def _line(data: bytes, random: Random, seeds: Sequence[bytes]) -> bytes:
    """A line of its own or of a seed, before or in the place of one."""
    lines = data.splitlines(keepends=True)
    others = random.choice(seeds).splitlines(keepends=True) if random.random() < 0.3 else lines
    if not lines or not others:
        return data
    at = random.randrange(len(lines))
    return b"".join([*lines[:at], random.choice(others), *lines[at + random.choice((0, 1)) :]])


def _json(data: bytes, random: Random, seeds: Sequence[bytes]) -> bytes:
    """Another value, name or depth somewhere in a JSON text, which a first line may precede."""
    head, mark, body = data.partition(b"\n") if b"\n" in data else (b"", b"", data)
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return _word(data, random, seeds)
    places = list(_places(value))
    if not places:
        return data
    (inside, key), (other, name) = random.choice(places), random.choice(places)
    match random.randrange(5):
        case 0:
            del inside[key]
        case 1:
            inside[key] = random.choice(_VALUES)
        case 2:
            inside[key] = random.choice(_TEXTS)
        case 3:
            inside[key] = random.choice([[inside[key]], {"data": inside[key]}, {str(name): inside[key]}])
        case _:
            inside[key] = json.loads(json.dumps(other[name]))
    return head + mark + json.dumps(value, ensure_ascii=random.random() < 0.5).encode("utf-8", "surrogatepass")


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Every (object or list, name or index) inside a JSON value."""
    out: list[tuple[Any, Any]] = []
    stack = [value]
    while stack:
        inside = stack.pop()
        for key in inside if isinstance(inside, dict) else range(len(inside)) if isinstance(inside, list) else ():
            out.append((inside, key))
            stack.append(inside[key])
    return out


_CHANGES: tuple[Change, ...] = (_flip, _drop, _repeat, _cut, _insert, _word, _word, _word, _line, _line)
