"""A measured series from CSV, as events of an indicator: a figure for each day, month or year, of one publisher and one vintage."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Container
from dataclasses import dataclass
from typing import Any

from adapters.lists.model import Damaged
from domain.calendar import BadDay, format_day, parse_day, parse_edtf_day
from domain.errors import Invalid

_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_FORMS = ((re.compile(r"([0-9]{4})([-/])([0-9]{1,2})\2([0-9]{1,2})"), (1, 3, 4)), (re.compile(r"([0-9]{1,2})\.([0-9]{1,2})\.([0-9]{4})"), (3, 2, 1)),
          (re.compile(r"([0-9]{4})-([0-9]{2})"), (1, 2)), (re.compile(r"([0-9]{4})"), (1,)))
_SAID = 5  # faults that are named


@dataclass(frozen=True, slots=True)
class Columns:
    """Headings of the columns. Without `known`, a column of the day on which each figure was public, no such column is read."""

    date: str = "date"
    value: str = "value"
    known: str | None = None


def indicator_events(
    data: bytes, *, subject: str, name: str, unit: str, publisher: str, publisher_name: str, vintage: str,
    columns: Columns | None = None, known: str | None = None, title: str | None = None, recorded: Container[str] = frozenset(),
) -> list[dict[str, Any]]:
    """Raw events, earliest period first. Raises Damaged, with the lines at fault, and then nothing of the series is given.

    A figure is public on the day `known`, or on that of its `known` column, or on its own day, which only a daily figure can be.
    A period among those `recorded` (by this publisher, of this subject, in an earlier vintage) is revised. One that was not over when
    its figure was public is a forecast."""
    if not re.fullmatch(r"[A-Za-z0-9._-]+", vintage):
        raise Invalid(f"vintage {vintage!r} must be of letters, digits, '.', '_' and '-', for instance 2026-08-07")
    if known is not None:
        _day(known, "--known")
    events: list[tuple[int, dict[str, Any]]] = []
    for period, value, own in _figures(data, columns or Columns(), known):
        span = parse_edtf_day(period)
        forecast = span.hi > parse_day(own)
        events.append((span.lo, {
            "subject": subject, "record_id": f"{publisher}/{period}/{vintage}",
            "type": "indicator." + ("forecast" if forecast else "revised" if period in recorded else "observed"),
            "effective": format_day(span.lo), "until": format_day(span.hi + 1), "known": own,
            "data": {"name": name, "value": value, "unit": unit, "publisher": publisher, "publisher_name": publisher_name,
                     "vintage": vintage, "period": period},
            "sources": [{"publisher": publisher_name, "title": title or name, "date": own, "locator": f"vintage {vintage}"}]}))
    return [event for _, event in sorted(events, key=lambda pair: pair[0])]


def _figures(data: bytes, columns: Columns, known: str | None) -> list[tuple[str, float, str]]:
    """(period, value, day on which it was public) of each line."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Damaged(f"not UTF-8 at byte {error.start}") from None
    if text and not text.endswith("\n"):
        raise Damaged("the last line does not end, so that the file may be cut within its last figure")
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    figures: list[tuple[str, float, str]] = []
    faults: list[str] = []
    seen: dict[str, int] = {}
    try:
        header = next(reader, [])
        places = _places(header, columns)
        for row in reader:
            line = reader.line_num
            try:
                if len(row) != len(header):
                    raise Damaged(f"{len(row)} fields instead of {len(header)}")
                figure = _figure(*(row[place].strip() for place in places), known=known)
                if figure[0] in seen:
                    raise Damaged(f"{figure[0]} stands on line {seen[figure[0]]} too")
                seen[figure[0]] = line
                figures.append(figure)
            except Damaged as fault:
                faults.append(f"line {line}: {fault}")
    except csv.Error as error:
        faults.append(f"line {reader.line_num}: {error}")
    if faults:
        more = f"; and {len(faults) - _SAID} more" if len(faults) > _SAID else ""
        raise Damaged(f"the series is refused: {'; '.join(faults[:_SAID])}{more}")
    if not figures:
        raise Damaged("the series is empty: it has no line below its header")
    return figures


def _places(header: list[str], columns: Columns) -> list[int]:
    heads = [head.strip() for head in header]
    wanted = [c for c in (columns.date, columns.value, columns.known) if c is not None]
    for column in wanted:
        if heads.count(column) != 1:
            raise Damaged(f"the header has {heads.count(column) or 'no'} columns {column!r}: it has {', '.join(heads) or 'nothing'}"
                          " (set --date-column, --value-column and --known-column)")
    return [heads.index(column) for column in wanted]


def _figure(date: str, value: str, public: str | None = None, *, known: str | None) -> tuple[str, float, str]:
    if not date or not value:
        raise Damaged(f"the {'value' if date else 'date'} is empty")
    period = _period(date)
    if not _NUMBER.fullmatch(value):
        raise Damaged(f"{value!r} is not a number such as 1880200 or -3.5 (no thousands separators, no unit)")
    if public is not None:
        own = _period(public)
        if len(own) != len("2020-05-12"):
            raise Damaged(f"{public!r} is not the day on which the figure was public")
    elif known is not None:
        own = known
    elif len(period) == len("2020-05-12"):
        own = period
    else:
        raise Damaged(f"{period} is not a day, and its figure was not public on a day of its own: give --known or --known-column")
    return period, float(value), own


def _period(text: str) -> str:
    """`2020-05-12`, `2020-05` or `2020`."""
    for form, groups in _FORMS:
        if found := form.fullmatch(text):
            parts = [found[group] for group in groups]
            period = "-".join((parts[0], *(part.zfill(2) for part in parts[1:])))
            try:
                parse_edtf_day(period)
            except BadDay as error:
                raise Damaged(str(error)) from None
            return period
    raise Damaged(f"{text!r} is not a date: write YYYY-MM-DD, YYYY/MM/DD, D.M.YYYY, YYYY-MM or YYYY")


def _day(text: str, option: str) -> None:
    try:
        parse_day(text)
    except BadDay as error:
        raise Invalid(f"{option}: {error}") from None
