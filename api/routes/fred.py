"""A read that FRED's clients understand (the web service of the Federal Reserve Bank of St. Louis): indicators and counts, with vintages.

FRED's real-time period is the known clock. Answers and errors have FRED's shapes, as XML or JSON; docs/fred.md says what differs.
"""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from bisect import bisect_left
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from http import HTTPStatus
from itertools import islice
from typing import Annotated, Any, Literal, NamedTuple

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response
from fastapi.routing import APIRoute

from api.access import Needs, given_key
from api.asking import Core, Instant
from api.wiring import Key, Tarikh
from domain.calendar import FIRST_DAY, FOREVER, LAST_DAY, format_day
from domain.errors import BadQuestion, NotFound
from domain.text import fold_text
from projections.basis import Basis
from projections.coverage import coverage
from projections.panel import periods
from projections.ports import Boxed
from projections.question import day
from projections.series import COUNTS, MOST, Count, step_end
from projections.state import dumps
from projections.vintages import Series, Vintage, counted_series, latest, measured_series

FIRST, LAST = "1776-07-04", "9999-12-31"  # FRED's earliest and latest day
NAMES = {"D": "Daily", "W": "Weekly", "M": "Monthly", "Q": "Quarterly", "A": "Annual"}
CELLS = 500_000  # values of one answer
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


# ---------------------------------------------------------------- the door
@dataclass(frozen=True)
class _NeedsKey(Needs):
    """FRED's clients send a key in the address, whether there is need of one or not: it is read where it is needed."""

    async def __call__(self, request: Request) -> Key | None:
        sent = request.query_params.get("api_key")
        request.state  # made here, so that the request that is read instead has the same  # noqa: B018
        if sent and self.enforced(request.app.state.tarikh.settings.reads_closed) and not given_key(request.headers):
            headers = [*request.scope["headers"], (b"x-api-key", sent.encode("utf-8", "replace"))]
            request = Request({**request.scope, "headers": headers})
        return await super().__call__(request)


class _AsFred(APIRoute):
    """Tells of errors as FRED does: `<error code="400" message="Bad Request.  ..."/>`, or `{"error_code", "error_message"}`."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        inner = super().get_route_handler()

        async def handler(request: Request) -> Response:
            try:
                return await inner(request)
            except Exception as error:
                known = (request.app.exception_handlers.get(cls) for cls in type(error).__mro__ if cls is not Exception)
                tell = next((found for found in known if found), None)
                if tell is None:
                    raise
                return _error(request, await tell(request, error))

        return handler


def _error(request: Request, problem: Response) -> Response:
    """A problem document in FRED's words. What is not there is 400, as there."""
    status = 400 if problem.status_code == 404 else problem.status_code
    message = f"{HTTPStatus(status).phrase}.  {json.loads(bytes(problem.body))['detail']}"
    body, media = ((dumps({"error_code": status, "error_message": message}), "application/json") if request.query_params.get("file_type") == "json"
                   else (_xml(ET.Element("error", code=str(status), message=_clean(message))), "text/xml"))
    kept = {name: value for name, value in problem.headers.items() if name in ("retry-after", "www-authenticate")}
    return Response(body, status, kept, media)


router = APIRouter(prefix="/fred", route_class=_AsFred, dependencies=[Depends(_NeedsKey("read"))], include_in_schema=False)


# ---------------------------------------------------------------- what is asked
class Asked(NamedTuple):
    """What every path of FRED's takes: the real-time period, both days included, and the log as it stood."""

    core: Tarikh
    basis: Basis  # known_at: the end of the real-time period
    start: int
    end: int
    json: bool

    def answer(self, head: Mapping[str, Any], name: str, rows: Sequence[Any]) -> Response:
        """`rows` under the name of FRED's list; each is an object, or a text."""
        whole = {"realtime_start": format_day(self.start), "realtime_end": format_day(self.end), **head}
        headers = {"Cache-Control": "no-cache"}
        if self.json:
            return Response(dumps({**whole, name: rows}), headers=headers, media_type="application/json")
        root = ET.Element(name, _texts(whole))
        for row in rows:
            child = ET.SubElement(root, name[:-1], {} if isinstance(row, str) else _texts(row))
            child.text = row if isinstance(row, str) else None
        return Response(_xml(root), headers=headers, media_type="text/xml")


def _texts(values: Mapping[str, Any]) -> dict[str, str]:
    return {name: _clean(str(value)) for name, value in values.items()}


def _clean(text: str) -> str:
    return _NOT_XML.sub("\ufffd", text)


def _xml(root: ET.Element) -> bytes:
    whole: bytes = ET.tostring(root, "utf-8", xml_declaration=True)
    return whole


Form = Literal["xml", "json"]


def _asked(core: Tarikh, form: Form, start: int, end: int, recorded_at: str | None) -> Asked:
    if start > end:
        raise BadQuestion(f"The real-time period ends before it begins: {format_day(start)} to {format_day(end)}")
    basis = core.answers.basis(None, None, recorded_at).basis
    return Asked(core, basis.on(min(core.answers.today(), end), end), start, end, form == "json")


def now(core: Core, api_key: str | None = None, file_type: Form = "xml", realtime_start: str | None = None, realtime_end: str | None = None,
        recorded_at: Instant = None) -> Asked:
    """The real-time period is today where it is left out."""
    today = core.answers.today()
    return _asked(core, file_type, day("realtime_start", realtime_start) if realtime_start else today,
                  day("realtime_end", realtime_end) if realtime_end else today, recorded_at)


def ever(core: Core, api_key: str | None = None, file_type: Form = "xml", realtime_start: str = FIRST, realtime_end: str = LAST,
         recorded_at: Instant = None) -> Asked:
    """The real-time period is all time where it is left out."""
    return _asked(core, file_type, day("realtime_start", realtime_start), day("realtime_end", realtime_end), recorded_at)


Now = Annotated[Asked, Depends(now)]
Ever = Annotated[Asked, Depends(ever)]
Sort = Literal["asc", "desc"]


# ---------------------------------------------------------------- series
class Told(NamedTuple):
    """A series by FRED's name, as known by the end of the real-time period."""

    id: str
    title: str
    units: str
    frequency: str
    vintages: Sequence[Vintage]  # those that begin by then
    notes: str


def id_of(series: Series) -> str:
    """`IRAN_GDP_GROWTH.IMF.A`: the subject's slug, the publisher, the frequency, and FORECAST where it is one."""
    parts = [series.subject.partition(":")[2], series.publisher, series.frequency, *(["FORECAST"] if series.forecast else [])]
    return ".".join(parts).upper().replace("-", "_")


def _measured(asked: Asked, boxes: Iterable[Boxed]) -> list[Told]:
    out = []
    for series, vintages in measured_series(box for box in boxes if box.known_from <= asked.end).items():
        last = latest(vintages, LAST_DAY, asked.end) or vintages[-1]
        figure = last.figure or next((v.figure for v in reversed(vintages) if v.figure), None)
        if figure is None:
            continue
        said = [figure.definition, "forecasts, each made before its period was over" if series.forecast else None,
                f"published by {figure.publisher}", f"{series.subject} of the record"]
        out.append(Told(id_of(series), figure.name, figure.unit, series.frequency, vintages, "; ".join(part for part in said if part)))
    return out


def _counted(asked: Asked, name: str, spec: Count, first: int = FIRST_DAY, last: int = LAST_DAY) -> Told:
    """A count at the end of each month whose first day lies between two days and which is over by the end of the real-time period."""
    boxes = asked.core.answers.store.boxes_of(asked.basis.position, asked.core.answers.relation, spec.family)
    held = [box for box in boxes if box.known_from <= asked.end and box.found.kind in spec.kinds and box.found.status in spec.statuses]
    earliest = date.fromordinal(min((box.valid_from for box in held), default=LAST_DAY)).replace(day=1).toordinal()
    begins, ends = max(first, earliest), min(step_end(last, "month"), asked.basis.as_of)
    months = list(islice(periods(begins, ends, "month"), MOST + 1)) if begins <= ends else []
    if len(months) > MOST:
        raise BadQuestion(f"There are more than {MOST} months: give observation_start.")
    covered = "; ".join(f"{c['first_day']} to {c['last_day']}: {c['says']}" for c in coverage(asked.core.answers.store, asked.basis, spec.family)
                        if c["topic"] is None)
    notes = f"how many at the end of each month, those that are certain; the record covers {covered}" if covered else "not covered by the record"
    return Told(name.upper(), spec.says.partition(", by ")[0], "facts", "M", counted_series(spec, held, months), notes)


def _find(asked: Asked, series_id: str, first: int = FIRST_DAY, last: int = LAST_DAY) -> Told:
    """The series of an id, or the only one whose id begins with it. Raises NotFound, BadQuestion."""
    wanted, answers = series_id.upper(), asked.core.answers
    if (spec := COUNTS.get(wanted.lower())) is not None:
        return _counted(asked, wanted, spec, first, last)
    found: list[Told] = []
    for item in answers.store.subjects(asked.basis, "indicator"):
        slug = item.subject.partition(":")[2].upper().replace("-", "_")
        if f"{wanted}.".startswith(f"{slug}."):
            found += _measured(asked, answers.store.boxes_of(asked.basis.position, answers.relation, "indicator", item.subject))
    exact = [told for told in found if told.id == wanted]
    short = exact or [told for told in found if told.id.startswith(f"{wanted}.") and not told.id.endswith(".FORECAST")]
    if not short:
        raise NotFound("The series does not exist.")
    if len(short) > 1:
        raise BadQuestion(f"{series_id} is not one series but {len(short)}: ask for one of {', '.join(told.id for told in short)}")
    return short[0]


def _info(asked: Asked, told: Told) -> dict[str, Any]:
    known = [v for v in told.vintages if v.known_from <= asked.end]
    frequency = NAMES.get(told.frequency, "Not Applicable")
    short = told.frequency if told.frequency in NAMES else "NA"
    return {
        "id": told.id, "realtime_start": format_day(asked.start), "realtime_end": format_day(asked.end), "title": told.title,
        "observation_start": format_day(min(v.first for v in known)) if known else FIRST,
        "observation_end": format_day(max(v.first for v in known)) if known else FIRST, "frequency": frequency, "frequency_short": short,
        "units": told.units, "units_short": told.units, "seasonal_adjustment": "Not Seasonally Adjusted", "seasonal_adjustment_short": "NSA",
        "last_updated": f"{format_day(max((v.known_from for v in known), default=asked.start))} 23:59:59+00", "popularity": 0, "notes": told.notes}


# ---------------------------------------------------------------- vintages as rows
def _value(vintage: Vintage) -> str:
    """A figure as FRED writes it; a point where none can be told."""
    if vintage.figure is None:
        return "."
    value = vintage.figure.value
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)


def _row(vintage: Vintage, start: int, end: int) -> dict[str, str]:
    """An observation, its real-time period cut to the one asked for. `bound`, which FRED does not have, says where it is not exact."""
    bound = vintage.figure.bound if vintage.figure else "exact"
    return {"realtime_start": format_day(max(vintage.known_from, start)), "realtime_end": format_day(min(vintage.known_to - 1, end, LAST_DAY)),
            "date": format_day(vintage.first), "value": _value(vintage), **({} if bound == "exact" else {"bound": bound})}


def vintage_days(vintages: Sequence[Vintage], start: int, end: int) -> list[int]:
    """The known days on which a figure was new, revised or taken back."""
    days = {known for v in vintages for known in (v.known_from, v.known_to) if known < FOREVER}
    return sorted(known for known in days if start <= known <= end)


def _by_period(vintages: Sequence[Vintage], start: int, end: int) -> list[dict[str, str]]:
    return [_row(v, start, end) for v in vintages if v.known_from <= end and v.known_to > start]


def _at_vintages(vintages: Sequence[Vintage], days: Sequence[int]) -> list[dict[str, str]]:
    seen = [(v, known) for v in vintages for known in days if v.known_from <= known < v.known_to]
    return [_row(v, known, known) for v, known in seen]


def _first_releases(vintages: Sequence[Vintage], start: int, end: int) -> list[dict[str, str]]:
    first: dict[int, Vintage] = {}
    for v in vintages:
        first.setdefault(v.first, v)
    return [_row(v, start, end) for v in first.values() if start <= v.known_from <= end]


def _across(told: Told, days: Sequence[int], new_alone: bool) -> list[dict[str, str]]:
    """A row for each period and a column for each vintage; with `new_alone` only what was new or revised on that day."""
    rows: dict[int, dict[str, str]] = {}
    named = frozenset(days)
    for v in told.vintages:
        row = rows.setdefault(v.first, {} if new_alone else {_column(told, known): "." for known in days})
        new = [v.known_from] if v.known_from in named else []
        for known in new if new_alone else days[bisect_left(days, v.known_from) : bisect_left(days, v.known_to)]:
            row[_column(told, known)] = _value(v)
    return [{"date": format_day(first), **row} for first, row in rows.items() if any(value != "." for value in row.values())]


def _column(told: Told, known: int) -> str:
    return f"{told.id}_{format_day(known).replace('-', '')}"


# ---------------------------------------------------------------- paths
@router.get("/series")
def series(asked: Now, series_id: str) -> Response:
    """What a series is."""
    return asked.answer({}, "seriess", [_info(asked, _find(asked, series_id))])


@router.get("/series/observations")
def observations(
    asked: Now, series_id: str, limit: Annotated[int, Query(ge=1, le=100_000)] = 100_000, offset: Annotated[int, Query(ge=0, le=2**31)] = 0,
    sort_order: Sort = "asc", observation_start: str = FIRST, observation_end: str = LAST, units: Literal["lin"] = "lin",
    frequency: str | None = None, aggregation_method: Literal["avg", "sum", "eop"] = "avg", output_type: Annotated[int, Query(ge=1, le=4)] = 1,
    vintage_dates: str | None = None,
) -> Response:
    """The observations that were public in the real-time period (1), or at vintages (2 all, 3 new and revised, 4 first releases)."""
    first, last = day("observation_start", observation_start), day("observation_end", observation_end)
    days = sorted({day("vintage_dates", text) for text in vintage_dates.split(",")}) if vintage_dates else None
    if days:
        asked = asked._replace(start=days[0], end=days[-1], basis=asked.basis.on(min(asked.core.answers.today(), days[-1]), days[-1]))
    told = _find(asked, series_id, first, last)
    told = told._replace(vintages=[v for v in told.vintages if first <= v.first <= last])
    if frequency is not None and frequency.upper() != told.frequency:
        raise BadQuestion(f"Figures are told as they were published ({told.frequency}), and are not aggregated: leave frequency out.")
    known = vintage_days(told.vintages, asked.start, asked.end) if days is None else days
    if output_type == 2 and len(known) * len({v.first for v in told.vintages}) > CELLS:
        raise BadQuestion(f"More than {CELLS} values: give vintage_dates, or a shorter time.")
    rows = (_across(told, known, output_type == 3) if output_type in (2, 3) else
            _first_releases(told.vintages, asked.start, asked.end) if output_type == 4 else
            _by_period(told.vintages, asked.start, asked.end) if days is None else _at_vintages(told.vintages, known))
    rows.sort(key=lambda row: row["date"], reverse=sort_order == "desc")
    head = {"observation_start": observation_start, "observation_end": observation_end, "units": units, "output_type": output_type,
            "file_type": "json" if asked.json else "xml", "order_by": "observation_date", "sort_order": sort_order, "count": len(rows),
            "offset": offset, "limit": limit}
    return asked.answer(head, "observations", rows[offset : offset + limit])


@router.get("/series/vintagedates")
def vintagedates(
    asked: Ever, series_id: str, limit: Annotated[int, Query(ge=1, le=10_000)] = 10_000, offset: Annotated[int, Query(ge=0, le=2**31)] = 0,
    sort_order: Sort = "asc",
) -> Response:
    """The days on which a figure was new, revised or taken back."""
    days = vintage_days(_find(asked, series_id).vintages, asked.start, asked.end)
    told = [format_day(known) for known in sorted(days, reverse=sort_order == "desc")]
    head = {"order_by": "vintage_date", "sort_order": sort_order, "count": len(told), "offset": offset, "limit": limit}
    return asked.answer(head, "vintage_dates", told[offset : offset + limit])


@router.get("/series/search")
def search(
    asked: Now, search_text: str, limit: Annotated[int, Query(ge=1, le=1000)] = 1000, offset: Annotated[int, Query(ge=0, le=2**31)] = 0,
    order_by: Literal["search_rank", "series_id", "title", "units", "frequency", "seasonal_adjustment", "realtime_start", "realtime_end",
                      "last_updated", "observation_start", "observation_end", "popularity"] = "search_rank",
    sort_order: Sort = "asc", filter_variable: Literal["frequency", "units", "seasonal_adjustment"] | None = None,
    filter_value: str | None = None,
) -> Response:
    """The series with these words in their id, title or notes; `search_rank` is the order of ids."""
    answers = asked.core.answers
    words = fold_text(search_text).split()

    def named(*texts: str) -> bool:
        text = fold_text(" ".join(texts).replace("_", " "))
        return all(word in text for word in words)

    told = [t for t in _measured(asked, answers.store.boxes_of(asked.basis.position, answers.relation, "indicator")) if named(t.id, t.title, t.notes)]
    told += [_counted(asked, name, spec) for name, spec in COUNTS.items() if named(name, spec.says)]
    found = [_info(asked, t) for t in told]
    if filter_variable is not None:
        found = [info for info in found if info[filter_variable] == filter_value]
    key = "id" if order_by in ("search_rank", "series_id") else order_by
    found.sort(key=lambda info: (info[key], info["id"]), reverse=sort_order == "desc")
    head = {"order_by": order_by, "sort_order": sort_order, "count": len(found), "offset": offset, "limit": limit}
    return asked.answer(head, "seriess", found[offset : offset + limit])
