"""Sanctions lists: their snapshots, and whether an entry was on one on a day."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request
from fastapi.responses import Response

from api import models
from api.access import READ
from api.asking import Basis, Core, documented, told

router = APIRouter(tags=["lists"], dependencies=[READ])


@router.get("/v1/lists", responses=documented(models.ListsShape, "lists"))
def lists(request: Request, core: Core, asked: Basis) -> Response:
    """The snapshots that are recorded of each list, as published by `known_at`."""
    return told(request, asked, lambda: core.answers.lists(asked))


@router.get("/v1/lists/{name}/{entry_number:path}", responses=documented(models.OnListShape, "on-list"))
def entry(
    request: Request, core: Core, asked: Basis, name: Annotated[str, Path(description="the list", examples=["OFAC-SDN"])],
    entry_number: Annotated[str, Path(description="the list's own number of the entry", examples=["9649"])],
) -> Response:
    """Was this entry on the list on the day? `yes`, `no` with the snapshots on both sides that prove it, or `not_known`."""
    return told(request, asked, lambda: core.answers.entry(asked, name, entry_number))
