"""Events: the feed, single events, and recording."""

from __future__ import annotations

import hmac
import json
import re
from typing import Annotated, Any

from fastapi import APIRouter, Body, Header, HTTPException, Query, Request
from fastapi.responses import Response

from api import models
from api.asking import NOT_FOUND, Basis, Core, Limit, documented, told
from api.examples import example
from api.wiring import Once, Outcome, Replayed, digest_of
from domain.errors import BadQuestion, Invalid
from projections.basis import format_instant

router = APIRouter(tags=["events"])


@router.get("/v1/events", responses=documented(models.FeedShape, "events"))
def events(
    request: Request, core: Core, after: Annotated[int, Query(ge=0, le=2**62, description="log position")] = 0, limit: Limit = 100,
    type: Annotated[str | None, Query(description="event type, with or without its version")] = None, subject: str | None = None,
) -> Response:
    """The feed, in log order."""
    page = core.answers.feed(after, limit, subject, [type] if type else ())
    headers = {"Cache-Control": "no-cache"}
    if page.cursor:
        url = request.url.include_query_params(after=page.cursor)
        headers["Link"] = f'<{url.path}?{url.query}>; rel="next"'
    return Response(page.body, headers=headers, media_type="application/json")

@router.get("/v1/events/{event_id}", responses=documented(models.EventShape, "event", NOT_FOUND))
def event(request: Request, core: Core, event_id: str, asked: Basis) -> Response:
    """One event with its sources."""
    return told(request, asked, lambda: core.answers.event(asked, event_id))

@router.post("/v1/events", status_code=201, responses={
    200: {"model": models.RecordedShape, "description": "All of it was recorded before"},
    201: {"model": models.RecordedShape, "description": "Recorded"},
    **{code: {"model": models.ProblemShape} for code in (400, 401, 403, 409, 412, 413, 415, 422, 428, 503, 507)}})
def record(
    core: Core, request: Request, body: Annotated[Any, Body(openapi_examples={"one event": {"value": example("record")}})],
    authorization: Annotated[str | None, Header(description="Bearer and the API key")] = None,
    x_api_key: Annotated[str | None, Header()] = None,
    idempotency_key: Annotated[str | None, Header(min_length=1, max_length=200)] = None,
    if_match: Annotated[str | None, Header(description="the subject's version, for instance \"3\"")] = None,
) -> Response:
    """Records one event, or `{"events": [...], "expected_version": {...}}`: all of it or nothing."""
    try:
        _authorize(core.settings.api_key, authorization, x_api_key)
        if isinstance(body, bytes):
            raise HTTPException(415, "the body is not read as JSON: send it with Content-Type: application/json")
        batch = core.events_from(body)
        expected = _expected(body, if_match, {e.subject for e in batch}, core.settings.require_version)
        digest = digest_of({"body": body, "if_match": if_match})
        outcome = core.writer.record(batch, expected, Once(idempotency_key, digest, _answer) if idempotency_key else None)
    except Replayed as before:
        return Response(before.response, before.status, media_type="application/json", headers={"Idempotency-Replayed": "true"})
    except Exception:
        request.app.state.metrics.rejected.inc()
        raise
    request.app.state.metrics.recorded.inc(outcome.recorded)
    status, response = _answer(outcome)
    headers = {"Location": f"/v1/events/{outcome.ids[0]}"} if len(outcome.ids) == 1 else {}
    if len(outcome.versions) == 1:
        headers["ETag"] = f'"{next(iter(outcome.versions.values()))}"'
    return Response(response, status, headers=headers, media_type="application/json")


def _authorize(api_key: str | None, authorization: str | None, x_api_key: str | None) -> None:
    if api_key is None:
        raise HTTPException(403, "this service takes no events: set TARIKH_API_KEY to let holders of the key record")
    scheme, _, bearer = (authorization or "").partition(" ")
    given = x_api_key or (bearer.strip() if scheme.lower() == "bearer" else "")
    if not given:
        raise HTTPException(401, "no API key: send `Authorization: Bearer <key>`", {"WWW-Authenticate": "Bearer"})
    if not hmac.compare_digest(given.encode(), api_key.encode()):
        raise HTTPException(401, "the API key is not valid", {"WWW-Authenticate": 'Bearer error="invalid_token"'})


def _expected(body: Any, if_match: str | None, subjects: set[str], required: bool) -> dict[str, int]:
    whole = body if isinstance(body, dict) and "events" in body else {}
    if unknown := sorted(set(whole) - {"events", "expected_version"}):
        raise Invalid(f"unknown member {unknown[0]!r} beside events: a batch has events and expected_version")
    expected = whole.get("expected_version", {})
    if not isinstance(expected, dict) or not all(type(v) is int and v >= 0 for v in expected.values()):
        raise Invalid("expected_version must be an object of subjects and version numbers")
    if if_match is not None:
        text = if_match.strip().removeprefix("W/").strip('"')
        if len(subjects) != 1:
            raise BadQuestion("If-Match serves one subject: give expected_version for a batch")
        if not re.fullmatch("[0-9]{1,18}", text):
            raise BadQuestion('If-Match must be the version of the subject, for instance "3"')
        expected = {**expected, next(iter(subjects)): int(text)}
    if required and (missing := sorted(subjects - set(expected))):
        raise HTTPException(428, f"say which version of {missing[0]} you saw: If-Match, or expected_version")
    return expected


def _answer(outcome: Outcome) -> tuple[int, bytes]:
    told = {"ids": outcome.ids, "recorded": outcome.recorded, "skipped": outcome.skipped, "position": outcome.position,
            "recorded_at": format_instant(outcome.recorded_at), "versions": outcome.versions}
    return (201 if outcome.recorded else 200), json.dumps(told).encode()
