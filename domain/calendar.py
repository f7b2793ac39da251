"""Days. A day is the END of that day; days are proleptic Gregorian ordinals (`date.toordinal`), intervals half-open.

Imprecise days are written in EDTF (ISO 8601-2:2019) and stand for one unknown day between two known ones.
"""

from __future__ import annotations

import re
from datetime import date, timedelta
from functools import lru_cache
from typing import NamedTuple

FOREVER = 2**31 - 1  # "no end", on the valid and the known axis
FIRST_DAY = date.min.toordinal()
LAST_DAY = date.max.toordinal()

LONGEST = 64  # characters of an EDTF day
_READ = re.compile(r"\[.*\]|[0-9X]{4}(-[0-9X]{2}(-[0-9X]{2})?)?")  # no seasons, no significant digits: they say less than they seem to
_BETWEEN = re.compile(r"\[(\d{4}-\d{2}-\d{2})\.\.(\d{4}-\d{2}-\d{2})\]")
_FULL = re.compile(r"\d{4}-\d{2}-\d{2}")
_HINT = "write YYYY-MM-DD, YYYY-MM, YYYY, or one of a set of days such as [2018-05-01..2018-05-04] (EDTF)"


class BadDay(ValueError):
    """A day that cannot be, or is not written in a form that Tarikh reads."""


class Span(NamedTuple):
    """Earliest and latest possible day, both included; equal where the day is certain."""

    lo: int
    hi: int


def parse_day(text: str) -> int:
    """A full calendar day `YYYY-MM-DD` as an ordinal. Raises BadDay."""
    if not _FULL.fullmatch(text):
        raise BadDay(f"{text!r} is not a day: write YYYY-MM-DD, for instance 2018-05-08")
    try:
        return date.fromisoformat(text).toordinal()
    except ValueError as error:
        raise BadDay(f"{text!r} is not a day of the calendar: {error}") from None


@lru_cache(maxsize=65536)
def parse_edtf_day(text: str) -> Span:
    """The earliest and latest day that an EDTF text allows (ISO 8601-2:2019, levels 0 to 2). Raises BadDay.

    Only forms with two definite bounds are taken: an open or approximate one does not say between which days.
    """
    if _FULL.fullmatch(text) and (day := parse_day(text)) < LAST_DAY:
        return Span(day, day)
    if two := _BETWEEN.fullmatch(text):  # what importers write by the thousand; the parser takes 20 ms for it
        span = Span(parse_day(two[1]), parse_day(two[2]))
        if span.lo <= span.hi < LAST_DAY:
            return span
    if len(text) > LONGEST:
        raise BadDay(f"an EDTF day of {len(text)} characters is too long: {_HINT}")  # the parser takes seconds for a long list
    if not _READ.fullmatch(text):
        raise BadDay(f"{text!r} is not an EDTF day, or has no definite bounds: {_HINT}")
    for part in _FULL.findall(text):
        parse_day(part)  # the EDTF parser accepts 2021-02-29
    span = _read(text)
    if span.lo > span.hi:
        raise BadDay(f"{text!r} ends before it begins: {_HINT}")
    if span.hi >= LAST_DAY:
        raise BadDay(f"{text!r} ends on the last day of the calendar: days go to 9999-12-30")
    return span


def _read(text: str) -> Span:
    from edtf import parse_edtf  # it builds its grammar for a third of a second: not before there is something to read
    from edtf.parser.edtf_exceptions import EDTFParseException
    from edtf.parser.parser_classes import Date, OneOfASet, Unspecified

    try:
        parsed = parse_edtf(text)
        if not isinstance(parsed, Date | OneOfASet | Unspecified):
            raise BadDay(f"{text!r} has no definite bounds: {_HINT}")
        lower, upper = parsed.lower_strict(), parsed.upper_strict()
        return Span(date(*lower[:3]).toordinal(), date(*upper[:3]).toordinal())
    except EDTFParseException:
        raise BadDay(f"{text!r} is not an EDTF day: {_HINT}") from None
    except (ValueError, TypeError, AttributeError, OverflowError) as error:
        raise error if isinstance(error, BadDay) else BadDay(f"{text!r} has no definite bounds: {_HINT}") from None


def format_day(day: int) -> str:
    """`YYYY-MM-DD` of an ordinal."""
    return date.fromordinal(day).isoformat()


@lru_cache(maxsize=65536)
def format_span(lo: int, hi: int) -> str | None:
    """The shortest EDTF text of one day between two; None where there is no day (an end that is not known)."""
    if lo >= LAST_DAY:
        return None
    if lo == hi:
        return format_day(lo)
    if hi >= LAST_DAY:
        return f"[{format_day(lo)}..]"
    first, after = date.fromordinal(lo), date.fromordinal(hi) + timedelta(days=1)
    if first.day == 1 and after.day == 1:
        if first.month == 1 and after == date(first.year + 1, 1, 1):
            return f"{first.year:04d}"
        if (after.year * 12 + after.month) - (first.year * 12 + first.month) == 1:
            return f"{first.year:04d}-{first.month:02d}"
    return f"[{format_day(lo)}..{format_day(hi)}]"
