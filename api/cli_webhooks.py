"""`tarikh webhooks`: who gets events sent, and the worker that sends them."""

from __future__ import annotations

import json
import signal
from contextlib import closing
from threading import Event as Signal
from typing import Annotated, Any

import typer
from rich.table import Table

from api.subscriptions import letter, told
from api.terminal import opened, out

app = typer.Typer(help="Send events to other people's addresses (Standard Webhooks).", no_args_is_help=True, rich_markup_mode=None)
Json = Annotated[bool, typer.Option("--json", help="print the answer as JSON")]
Id = Annotated[str, typer.Argument(help="a webhook's id, as `list` shows it")]


def _print(what: Any, as_json: bool, *columns: str) -> None:
    items = what if isinstance(what, list) else [what]
    if as_json:
        typer.echo(json.dumps(what, indent=2))
    elif not items:
        out.print("none")
    else:
        table = Table(*columns, box=None)
        for item in items:
            cells = (item[column] for column in columns)
            table.add_row(*("" if cell is None else ", ".join(cell) if isinstance(cell, list | tuple) else str(cell) for cell in cells))
        out.print(table)


@app.command()
def create(url: str, type_: Annotated[list[str] | None, typer.Option("--type", help="event type; may be given again (default: all)")] = None,
           subject: Annotated[list[str] | None, typer.Option(help="subject; may be given again (default: all)")] = None,
           after: Annotated[int | None, typer.Option(min=0, help="log position after which to begin (default: now)")] = None,
           as_json: Json = False) -> None:
    """Subscribe an address. The secret is shown this once."""
    with opened() as core:
        made = core.webhooks.create(url, type_ or (), subject or (), core.reader.last()[0] if after is None else after)
        _print(told(made, secret=True), as_json, "id", "secret", "position")


@app.command(name="list")
def list_(as_json: Json = False) -> None:
    """Every subscription."""
    with opened() as core:
        _print([told(item) for item in core.webhooks.all()], as_json, "id", "url", "types", "subjects", "position", "stopped")


@app.command()
def delete(id_: Id) -> None:
    """End a subscription, and forget what waited for it."""
    with opened() as core:
        core.webhooks.delete(id_)


@app.command()
def rotate(id_: Id, overlap: Annotated[int, typer.Option(min=0, help="seconds for which the old secret signs as well")] = 86_400,
           as_json: Json = False) -> None:
    """A new secret, shown this once."""
    with opened() as core:
        _print(told(core.webhooks.rotate(id_, overlap), secret=True), as_json, "id", "secret", "position")


@app.command()
def letters(id_: Id, waiting: Annotated[bool, typer.Option("--waiting", help="those that are to be tried again")] = False,
            as_json: Json = False) -> None:
    """The dead letters: events that could not be sent, and why."""
    with opened() as core:
        _print([letter(row) for row in core.webhooks.waiting(id_, not waiting)], as_json,
               "position", "event", "attempts", "next_at", "dead_at", "error")


@app.command()
def replay(id_: Id, position: Annotated[list[int] | None, typer.Option(help="of a dead letter; may be given again (default: all)")] = None) -> None:
    """Send dead letters again, and go on with a subscription that was stopped."""
    with opened() as core:
        out.print(f"{core.webhooks.replay(id_, position or ())} to be sent again")


@app.command()
def work(once: Annotated[bool, typer.Option("--once", help="send what can be sent now, and end")] = False) -> None:
    """Send events until interrupted. Several workers may run."""
    stop = Signal()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with opened() as core, closing(core.webhook_worker()) as worker:
        if once:
            for id_ in core.webhooks.with_work(core.reader.last()[0]):
                worker.work(id_, stop)
        else:
            worker.run(stop)


