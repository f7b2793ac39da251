"""Memento (RFC 7089): the states of the relation, and of each subject, by time.

A memento is the ordinary answer with `as_of` and `known_at` on one day, pinned by `recorded_at`: what held at the end of that day (UTC), as
public by then. It is reconstructed from the record and was never captured. A day that is not over has none.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from datetime import UTC, date, datetime, time
from email.utils import format_datetime
from typing import Annotated, Any, NamedTuple

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import Response

from api import models
from api.access import READ
from api.asking import Core, Instant, Relation
from api.wiring import Tarikh
from domain.calendar import format_day
from domain.errors import BadQuestion, NotFound
from projections.question import Asked

router = APIRouter(tags=["memento"], dependencies=[READ])
LINK_FORMAT = "application/link-format"
SAYS = "reconstructed from the record, not captured"
PAGE = 1000  # mementos to a TimeMap
_PROBLEMS: dict[int | str, dict[str, Any]] = {code: {"model": models.ProblemShape} for code in (400, 404)}
_FOUND: dict[int | str, dict[str, Any]] = {302: {"description": "The memento is at Location; Link names the others"}, **_PROBLEMS}
_MAP: dict[int | str, dict[str, Any]] = {
    200: {"description": "The TimeMap", "content": {LINK_FORMAT: {"schema": {"type": "string"}}}}, **_PROBLEMS}
AcceptDatetime = Annotated[str | None, Header(description="RFC 1123 in GMT: its day in UTC is asked for", examples=["Tue, 08 May 2018 12:00:00 GMT"])]
Number = Annotated[int, Query(ge=1, le=10**6, description="page of the TimeMap")]


class Times(NamedTuple):
    """The days of a resource's mementos."""

    changes: list[int]  # a fact is not told as on the day before
    newest: int  # the last day that is over

    @property
    def listed(self) -> list[int]:
        """The days of the TimeMap. Every day between them is that of a memento too, which tells what the one before it told."""
        return self.changes if self.changes[-1] == self.newest else [*self.changes, self.newest]


# ---------------------------------------------------------------- addresses
def linked(request: Request, asked: Asked, response: Response) -> Response:
    """The ordinary answer of a resource, with where its states are found; of a day as known on that day and pinned: a memento."""
    path = request.url.path
    links = [_link(request, _gate(path), "timegate"), _link(request, _map(path), "timemap", type=LINK_FORMAT)]
    basis, core = asked.basis, request.app.state.tarikh
    if asked.immutable and basis.as_of == basis.known_at < core.answers.today():
        response.headers["Memento-Datetime"] = http_date(basis.as_of)
        links = [_link(request, path, "original"), *links, _memento(request, path, asked, basis.as_of, "memento", title=SAYS)]
    response.headers["Link"] = ", ".join(links)
    return response


def http_date(day: int) -> str:
    """The end of a day, as HTTP writes it."""
    return format_datetime(datetime.combine(date.fromordinal(day), time(23, 59, 59), UTC), usegmt=True)


def _gate(path: str) -> str:
    return path.replace("/v1/", "/v1/timegate/", 1)


def _map(path: str) -> str:
    return path.replace("/v1/", "/v1/timemap/", 1)


def _address(path: str, asked: Asked, day: int) -> str:
    on = format_day(day)
    return f"{path}?as_of={on}&known_at={on}&recorded_at={asked.basis.echo()['recorded_at']}"


def _whole(request: Request, address: str) -> str:
    """With scheme and host: clients of Memento read no relative addresses."""
    return f"{request.url.scheme}://{request.url.netloc}{address}"


def _link(request: Request, address: str, rel: str, **more: str) -> str:
    return "; ".join([f"<{_whole(request, address)}>", f'rel="{rel}"', *(f'{name.rstrip("_")}="{value}"' for name, value in more.items())])


def _memento(request: Request, path: str, asked: Asked, day: int, rel: str, **more: str) -> str:
    return _link(request, _address(path, asked, day), rel, datetime=http_date(day), **more)


# ---------------------------------------------------------------- days
def _times(core: Tarikh, asked: Asked, subject: str | None) -> Times:
    """Raises NotFound where nothing was known of it on any day that is over."""
    relation = core.answers.relation if subject is None else None
    newest = core.answers.today() - 1
    days = core.facts.days_of_change(asked.basis.position, relation, subject)
    changes = days[: bisect_right(days, newest)]
    if not changes:
        raise NotFound(f"nothing is known of {subject or core.answers.relation} on any day that is over, so that it has no memento")
    return Times(changes, newest)


def _asked_day(accept_datetime: str | None, times: Times) -> int:
    """The nearest day that has a memento (RFC 7089, 4.5.3); without a header the newest. Raises BadQuestion."""
    if accept_datetime is None:
        return times.newest
    try:
        instant = datetime.strptime(accept_datetime.strip(), "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=UTC)
    except ValueError:
        raise BadQuestion(f"Accept-Datetime {accept_datetime!r} is not as RFC 1123 writes it: Tue, 08 May 2018 12:00:00 GMT") from None
    return min(max(instant.toordinal(), times.changes[0]), times.newest)


# ---------------------------------------------------------------- TimeGates
@router.get("/v1/timegate/relations/{relation}", status_code=302, response_class=Response, responses=_FOUND)
def timegate_of_relation(
    request: Request, core: Core, relation: Relation, accept_datetime: AcceptDatetime = None, recorded_at: Instant = None
) -> Response:
    """Leads to the state of relations at the end of the day of Accept-Datetime, as known then."""
    return _negotiated(request, core, None, accept_datetime, recorded_at)

@router.get("/v1/timegate/subjects/{subject}", status_code=302, response_class=Response, responses=_FOUND)
def timegate_of_subject(
    request: Request, core: Core, subject: str, accept_datetime: AcceptDatetime = None, recorded_at: Instant = None
) -> Response:
    """Leads to one subject at the end of the day of Accept-Datetime, as known then."""
    return _negotiated(request, core, subject, accept_datetime, recorded_at)


def _negotiated(request: Request, core: Tarikh, subject: str | None, accept_datetime: str | None, recorded_at: str | None) -> Response:
    path = request.url.path.replace("/v1/timegate/", "/v1/", 1)
    asked = core.answers.basis(None, None, recorded_at)
    times = _times(core, asked, subject)
    day = _asked_day(accept_datetime, times)
    before, after = bisect_left(times.changes, day), bisect_right(times.changes, day)
    rels: dict[int, list[str]] = {day: []}
    edges = ("first", times.changes[:1]), ("prev", times.changes[:before][-1:]), ("next", times.changes[after:][:1]), ("last", [times.newest])
    for rel, of in edges:
        for found in of:
            rels.setdefault(found, []).append(rel)
    listed = times.listed
    links = [_link(request, path, "original"), _link(request, _gate(path), "timegate"), _span(request, _map(path), "timemap", listed),
             *(_memento(request, path, asked, on, " ".join([*rels[on], "memento"]), **({"title": SAYS} if on == day else {})) for on in sorted(rels))]
    return Response(status_code=302, headers={"Location": _whole(request, _address(path, asked, day)), "Vary": "accept-datetime",
                                              "Link": ", ".join(links), "Cache-Control": "no-cache"})


def _span(request: Request, path: str, rel: str, days: list[int]) -> str:
    """A link to a TimeMap: of which times it lists mementos."""
    return _link(request, path, rel, type=LINK_FORMAT, from_=http_date(days[0]), until=http_date(days[-1]))


# ---------------------------------------------------------------- TimeMaps
@router.get("/v1/timemap/relations/{relation}", response_class=Response, responses=_MAP)
def timemap_of_relation(request: Request, core: Core, relation: Relation, recorded_at: Instant = None, page: Number = 1) -> Response:
    """The days on which a fact of the relation began, ended or was told otherwise, each as known on that day."""
    return _listed(request, core, None, recorded_at, page)

@router.get("/v1/timemap/subjects/{subject}", response_class=Response, responses=_MAP)
def timemap_of_subject(request: Request, core: Core, subject: str, recorded_at: Instant = None, page: Number = 1) -> Response:
    """The days on which a subject was first heard of, or a fact of it began, ended or was told otherwise, each as known on that day."""
    return _listed(request, core, subject, recorded_at, page)


def _listed(request: Request, core: Tarikh, subject: str | None, recorded_at: str | None, page: int) -> Response:
    path = request.url.path.replace("/v1/timemap/", "/v1/", 1)
    asked = core.answers.basis(None, None, recorded_at)
    days = _times(core, asked, subject).listed
    pages = [days[i : i + PAGE] for i in range(0, len(days), PAGE)]
    if page > len(pages):
        raise NotFound(f"the TimeMap has {len(pages)} pages")
    pinned = f"{_map(path)}?recorded_at={asked.basis.echo()['recorded_at']}"  # the pages of one TimeMap
    own = f"{_map(path)}?{request.url.query}" if request.url.query else _map(path)

    def lines() -> Iterable[str]:
        yield _link(request, path, "original", title=SAYS)
        yield _link(request, _gate(path), "timegate")
        for number, some in enumerate(pages, 1):
            yield _span(request, own if number == page else f"{pinned}&page={number}", "self" if number == page else "timemap", some)
        for day in pages[page - 1]:
            rels = [rel for rel, edge in (("first", days[0]), ("last", days[-1])) if day == edge]
            yield _memento(request, path, asked, day, " ".join([*rels, "memento"]))

    return Response(",\n".join(lines()) + "\n", headers={"Cache-Control": "no-cache", "Content-Type": LINK_FORMAT})
