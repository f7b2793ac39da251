"""Events: the feed, single events, and recording."""

from __future__ import annotations

import json
import re
from time import perf_counter
from typing import Annotated, Any

from fastapi import APIRouter, Body, Header, HTTPException, Query, Request
from fastapi.responses import Response

from api import models
from api.access import READ, Recorder
from api.asking import Basis, Core, Limit, documented, prefers, told
from api.examples import example
from api.following import Streams
from api.telemetry import log
from api.wiring import Once, Outcome, Replayed, digest_of
from domain.errors import BadQuestion, Behind, Invalid
from projections.basis import format_instant
from projections.events import BATCH, ONE, cloudevent, event_json
from projections.state import dumps

router = APIRouter(tags=["events"])
After = Annotated[int, Query(ge=0, le=2**62, description="log position")]
Type = Annotated[str | None, Query(description="event type, with or without its version")]


@router.get("/v1/events", dependencies=[READ],
            responses=documented(models.FeedShape, "events", also={BATCH: {"type": "array", "items": {"type": "object"}}}))
def events(
    request: Request, core: Core, after: After = 0, limit: Limit = 100, type: Type = None, subject: str | None = None,
) -> Response:
    """The feed, in log order; as a batch of CloudEvents where `Accept` prefers that."""
    found = core.answers.feed(after, limit, subject, [type] if type else ())
    headers = {"Cache-Control": "no-cache", "Vary": "Accept"}
    if len(found) == limit:
        url = request.url.include_query_params(after=found[-1].position)
        headers["Link"] = f'<{url.path}?{url.query}>; rel="next"'
    if prefers(request, BATCH):
        return Response(dumps([cloudevent(item) for item in found]), headers=headers, media_type=BATCH)
    return Response(dumps({"events": [event_json(item) for item in found]}), headers=headers, media_type="application/json")

@router.get("/v1/events/stream", dependencies=[READ], include_in_schema=False)  # endless, which OpenAPI has no words for: docs/feeds.md tells of it
def stream(
    request: Request, core: Core, after: After = 0, type: Type = None, subject: str | None = None,
    last_event_id: Annotated[str | None, Header()] = None,
) -> Response:
    """The feed without end, as Server-Sent Events; resumes after `Last-Event-ID`, or after `after`."""
    if last_event_id:
        if not re.fullmatch("[0-9]{1,18}", last_event_id):
            raise BadQuestion(f"Last-Event-ID is {last_event_id[:40]!r}: it must be the position that the stream gave as id")
        after = int(last_event_id)
    if after > (reached := core.reader.last()[0]):
        raise Behind(f"the log is at position {reached} here, and the stream was to go on after {after}: is it another log, or a replica?")
    types = [type] if type else ()
    core.answers.feed(after, 1, subject, types)  # what is wrong with the question is told before the stream begins
    streams: Streams = request.app.state.streams
    return streams.open(lambda at, limit: core.answers.feed(at, limit, subject, types), after)

@router.get("/v1/events/{event_id}", dependencies=[READ], responses=documented(models.EventShape, "event", also={ONE: {"type": "object"}}))
def event(request: Request, core: Core, event_id: str, asked: Basis) -> Response:
    """One event with its sources; as a CloudEvent where `Accept` prefers that."""
    if prefers(request, ONE):
        return told(request, asked, lambda: core.answers.event(asked, event_id, cloudevent), ONE)
    return told(request, asked, lambda: core.answers.event(asked, event_id))

@router.post("/v1/events", status_code=201, responses={
    200: {"model": models.RecordedShape, "description": "All of it was recorded before"},
    201: {"model": models.RecordedShape, "description": "Recorded"},
    **{code: {"model": models.ProblemShape} for code in (400, 409, 412, 413, 415, 422, 428, 503, 507)}})
def record(
    core: Core, request: Request, key: Recorder, body: Annotated[Any, Body(openapi_examples={"one event": {"value": example("record")}})],
    idempotency_key: Annotated[str | None, Header(min_length=1, max_length=200)] = None,
    if_match: Annotated[str | None, Header(description="the subject's version, for instance \"3\"")] = None,
) -> Response:
    """Records one event, or `{"events": [...], "expected_version": {...}}`: all of it or nothing."""
    try:
        if isinstance(body, bytes):
            raise HTTPException(415, "the body is not read as JSON: send it with Content-Type: application/json")
        given = body["events"] if isinstance(body, dict) and "events" in body else body
        if isinstance(given, list) and len(given) > core.settings.batch_limit:
            raise HTTPException(413, f"a batch takes {core.settings.batch_limit} events, and this one has {len(given)}: send fewer at a time "
                                     "(TARIKH_BATCH_LIMIT raises the limit)")
        batch = core.events_from(body)
        expected = _expected(body, if_match, {e.subject for e in batch}, core.settings.require_version)
        digest = digest_of({"body": body, "if_match": if_match})
        started = perf_counter()
        once = Once(f"{key.id}/{idempotency_key}", digest, _answer) if idempotency_key else None  # nobody is told another's answer
        outcome = core.writer.record(batch, expected, once)
    except Replayed as before:
        return Response(before.response, before.status, media_type="application/json", headers={"Idempotency-Replayed": "true"})
    if outcome.recorded:
        request.app.state.metrics.appended(outcome.recorded, perf_counter() - started)
        log.info("append", position=outcome.position, events=outcome.recorded, subjects=len(outcome.versions))
    status, response = _answer(outcome)
    headers = {"Location": f"/v1/events/{outcome.ids[0]}"} if len(outcome.ids) == 1 else {}
    if len(outcome.versions) == 1:
        headers["ETag"] = f'"{next(iter(outcome.versions.values()))}"'
    return Response(response, status, headers=headers, media_type="application/json")


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
