"""Webhooks: who gets events sent, what waits, what was given up. The events are sent by `tarikh webhooks work`."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from api import models
from api.access import ADMIN
from api.asking import Core, documented
from api.subscriptions import letter, told
from projections.state import dumps

router = APIRouter(tags=["webhooks"], prefix="/v1/webhooks", dependencies=[ADMIN])


class NewWebhook(BaseModel):
    """What is to be sent where."""

    model_config = ConfigDict(extra="forbid")

    url: str = Field(max_length=2000, examples=["https://example.org/hooks/tarikh"])
    types: list[str] = Field(default_factory=list, max_length=200, examples=[["agreement.participant_withdrew"]], description="none: all")
    subjects: list[Annotated[str, Field(max_length=200)]] = Field(default_factory=list, max_length=1000, examples=[["agreement:jcpoa"]],
                                                                    description="none: all")
    after: models.Position | None = Field(None, description="log position after which to begin (default: now)")


class Rotation(BaseModel):
    """How long the old secret signs as well."""

    model_config = ConfigDict(extra="forbid")

    overlap: models.Number = Field(86_400, ge=0, le=30 * 86_400, description="seconds")


class Replay(BaseModel):
    """Which dead letters are to be sent again."""

    model_config = ConfigDict(extra="forbid")

    positions: list[models.Position] = Field(default_factory=list, max_length=10_000, description="none: all")


class WebhookShape(models.Shape):
    id: str
    url: str
    types: list[str]
    subjects: list[str]
    position: int = Field(description="all up to here is sent, waits, or is not asked for")
    created_at: str
    stopped: str | None = Field(description="why nothing is sent any more")


class SecretShape(WebhookShape):
    secret: str = Field(description="signs what is sent (Standard Webhooks); shown this once")


class LettersShape(models.Shape):
    items: list[dict[str, Any]]


class ReplayedShape(models.Shape):
    replayed: int


def _json(body: Any, status: int = 200) -> Response:
    return Response(dumps(body), status, media_type="application/json", headers={"Cache-Control": "no-store"})


@router.post("", status_code=201, responses={
    201: {"model": SecretShape, "description": "Made"}, 400: {"model": models.ProblemShape}, 413: {"model": models.ProblemShape}})
def create(core: Core, body: NewWebhook) -> Response:
    """Subscribes an address. The answer holds the secret, which is not shown again."""
    after = core.reader.last()[0] if body.after is None else body.after
    made = core.webhooks.create(body.url, body.types, body.subjects, after)
    response = _json(told(made, secret=True), 201)
    response.headers["Location"] = f"/v1/webhooks/{made.id}"
    return response

@router.get("", responses=documented(LettersShape, "webhooks"))
def subscriptions(core: Core) -> Response:
    """Every subscription."""
    return _json({"items": [told(item) for item in core.webhooks.all()]})

@router.get("/{id}", responses=documented(WebhookShape, "webhook"))
def subscription(core: Core, id: str) -> Response:
    """One subscription, and how many events wait or were given up."""
    waiting, dead = (len(core.webhooks.waiting(id, dead)) for dead in (False, True))
    return _json(told(core.webhooks.get(id), waiting=waiting, dead=dead))

@router.delete("/{id}", status_code=204, responses={404: {"model": models.ProblemShape}})
def delete(core: Core, id: str) -> Response:
    """Ends a subscription, and forgets what waited for it."""
    core.webhooks.delete(id)
    return Response(status_code=204)

@router.post("/{id}/rotate", responses=documented(SecretShape, "webhook-rotated"))
def rotate(core: Core, id: str, body: Rotation | None = None) -> Response:
    """A new secret. For a while both sign, so that the receiver can change over."""
    return _json(told(core.webhooks.rotate(id, (body or Rotation(overlap=86_400)).overlap), secret=True))

@router.get("/{id}/letters", responses=documented(LettersShape, "letters"))
def letters(core: Core, id: str, dead: Annotated[bool, Query(description="false: those that wait to be tried again")] = True) -> Response:
    """The dead letters: events that could not be sent, and why."""
    return _json({"items": [letter(row) for row in core.webhooks.waiting(id, dead)]})

@router.post("/{id}/replay", responses=documented(ReplayedShape, "replayed"))
def replay(core: Core, id: str, body: Replay | None = None) -> Response:
    """Sends dead letters again, and goes on with a subscription that was stopped."""
    return _json({"replayed": core.webhooks.replay(id, (body or Replay()).positions)})
