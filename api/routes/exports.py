"""Exports: the log, the facts and the state as files for other people's programs, streamed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from threading import BoundedSemaphore
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Path, Query, Request
from fastapi.responses import Response, StreamingResponse
from pydantic import Field

from api.access import READ
from api.asking import Core, Day, Instant, documented, resolved, told, unchanged, validators
from api.exporting import WHAT, Format, Mode, Opened, Step, What
from api.models import BasisShape, CheckpointShape, ProblemShape, Shape
from api.wiring import FORMATS, as_of_for
from projections.state import dumps

AT_ONCE = 2  # to a process: an export keeps a processor busy, and a client that takes it slowly must not keep others from asking
router = APIRouter(tags=["exports"])
Form = Annotated[Format, Query(alias="format", description="arrow is the file format of Arrow IPC")]
_places = BoundedSemaphore(AT_ONCE)


class ColumnShape(Shape):
    """A column of an export."""

    name: str
    type: str = Field(description="Arrow type")
    unit: str | None
    clock: str | None = Field(description="valid, known or recorded")
    description: str


class ManifestShape(Shape):
    """What an export is: its basis, its size and its hashes."""

    what: str
    format: str
    media_type: str
    basis: BasisShape
    position: int = Field(description="of the basis: the `after` of the next increment")
    after: int | None
    projection: int = Field(description="version of the projection that made the facts")
    rows: int
    bytes: int
    sha256: str = Field(description="of the export in this format")
    content_sha256: str = Field(description="of the export as NDJSON: the same in every format")
    columns: list[ColumnShape]
    checkpoint: CheckpointShape | None = Field(description="signed head of the log at the position; null where the log has no key")


def _opened(
    request: Request, core: Core, what: Annotated[What, Path(description=WHAT)], as_of: Day = None, known_at: Day = None,
    recorded_at: Instant = None,
    after: Annotated[int | None, Query(ge=0, le=2**62, description="events and facts: only what has come since this log position")] = None,
    from_: Annotated[str | None, Query(alias="from", description="panel: the first day")] = None,
    to: Annotated[str | None, Query(description="panel: the last day (default: `as_of`)")] = None,
    step: Annotated[Step | None, Query(description="panel: month where it is left out")] = None,
    mode: Annotated[Mode | None, Query(description="panel: point_in_time where it is left out")] = None,
    min_position: Annotated[int, Query(ge=0, le=2**62, description="409 unless the log has come to this position (for replicas)")] = 0,
) -> Opened:
    asked = resolved(core, as_of_for(what, as_of), known_at, recorded_at, min_position)
    return Opened(core, what, asked, known_at, after, from_, to, step, mode)


Export = Annotated[Opened, Depends(_opened)]
_FILE: dict[str, Any] = {kind.media_type: {"schema": {"type": "string", "format": "binary"}} for kind in FORMATS.values()}


@router.get("/v1/export/{what}", dependencies=[READ], response_class=StreamingResponse, responses={
    200: {"content": _FILE, "description": "The export; `Link: rel=\"describedby\"` names its manifest"},
    **{code: {"model": ProblemShape} for code in (400, 404, 409, 503)}})
def export(request: Request, core: Core, opened: Export, what: str, form: Form = "parquet") -> Response:
    """Rows on a basis, as a file. `as_of` left out of events and facts means every day."""
    kind, asked = FORMATS[form], opened.asked
    headers = validators(request, asked, kind.media_type)
    if unchanged(request, headers):
        return Response(status_code=304, headers=headers)
    chunks = _in_turn(core.exports.encoded(opened.export, form))
    first = next(chunks, b"")  # what is wrong is told before the answer begins
    echo = asked.basis.echo()
    manifest = request.url.replace(path=f"/v1/export/{what}/manifest").include_query_params(
        **{name: echo[name] for name in ("as_of", "known_at", "recorded_at")})
    headers |= {"Link": f'<{manifest.path}?{manifest.query}>; rel="describedby"; type="application/json"',
                "Content-Disposition": f'attachment; filename="{what}-{asked.basis.position}{kind.suffixes[0]}"'}
    return StreamingResponse(chain((first,), chunks), headers=headers, media_type=kind.media_type)


@contextmanager
def _place() -> Iterator[None]:
    """One of the few places, for as long as it is held. Raises 503 where there is none."""
    if not _places.acquire(blocking=False):
        raise HTTPException(503, f"{AT_ONCE} exports are under way: come back when one is done", {"Retry-After": "10"})
    try:
        yield
    finally:
        _places.release()


def _in_turn(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """The same, in a place that is held until all of it is taken or the client has gone."""
    with _place():
        yield from chunks


@router.get("/v1/export/{what}/manifest", dependencies=[READ], responses=documented(ManifestShape, "", {503: {"model": ProblemShape}}))
def manifest(request: Request, core: Core, opened: Export, form: Form = "parquet") -> Response:
    """What the export with these parameters is: its basis and checkpoint, rows, bytes, hashes and columns. It is made for this."""
    def made() -> bytes:
        with _place():
            return dumps(core.exports.manifest(opened.export, form))

    return told(request, opened.asked, made)
