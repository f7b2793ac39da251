"""Subjects and series."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from api import models
from api.access import READ
from api.asking import Basis, Core, Cursor, Limit, documented, told, turn
from api.routes.memento import linked

router = APIRouter(dependencies=[READ])


@router.get("/v1/subjects", tags=["subjects"], responses=documented(models.SubjectsShape, "subjects"))
def subjects(
    request: Request, core: Core, asked: Basis, family: Annotated[str | None, Query(description="name or list of a family")] = None,
    q: Annotated[str, Query(description="words in the subject or its names")] = "", limit: Limit = 200, cursor: Cursor = None,
) -> Response:
    """Subjects that had been heard of on the basis."""
    page, offset = turn(core, asked, cursor)
    return told(request, page, lambda: core.answers.subjects(page, family, q, limit, offset))

@router.get("/v1/subjects/{subject}", tags=["subjects"], responses=documented(models.SubjectShape, "subject"))
def subject(request: Request, core: Core, subject: str, asked: Basis) -> Response:
    """One subject: what holds on the day, what held before, and its version."""
    return linked(request, asked, told(request, asked, lambda: core.answers.subject(asked, subject)))

@router.get("/v1/subjects/{subject}/history", tags=["subjects"], responses=documented(models.HistoryShape, "history"))
def history(request: Request, core: Core, subject: str, asked: Basis) -> Response:
    """The events of one subject, corrections included, as known and recorded on the basis."""
    return told(request, asked, lambda: core.answers.history(asked, subject))

@router.get("/v1/series", tags=["series"], responses=documented(models.SeriesNamesShape, "series-names"))
def series_names(request: Request, core: Core, asked: Basis) -> Response:
    """The names of the series that had been heard of on the basis."""
    return told(request, asked, lambda: core.answers.series_names(asked))

@router.get("/v1/series/{name}", tags=["series"], responses=documented(models.SeriesShape, "series"))
def series(
    request: Request, core: Core, name: str, asked: Basis, from_: Annotated[str, Query(alias="from", examples=["2018-01-01"])],
    to: Annotated[str, Query(examples=["2018-12-31"])],
    step: Annotated[str, Query(description="day, week, month, quarter or year")] = "month",
    point_in_time: Annotated[bool, Query(description="each step as known on its own last day")] = False,
) -> Response:
    """A number at the end of each step."""
    return told(request, asked, lambda: core.answers.series(asked, name, from_, to, step, point_in_time))
