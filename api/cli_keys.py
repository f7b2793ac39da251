"""`tarikh keys`: who may read, record and administer over HTTP."""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any

import typer
from rich.table import Table

from api.terminal import err, opened, out
from api.wiring import SCOPES, Key
from domain.errors import BadQuestion
from projections.basis import format_instant

HOUR = 3600 * 10**6  # microseconds
app = typer.Typer(help="API keys: who may read, record and administer over HTTP.", no_args_is_help=True, rich_markup_mode=None)
Json = Annotated[bool, typer.Option("--json", help="print the answer as JSON")]
Id = Annotated[str, typer.Argument(metavar="ID", help="a key's id, as `list` shows it: what stands between the two underscores of the key")]


@app.command()
def create(
    name: Annotated[str, typer.Option(help="whose key it is, or what for")],
    scope: Annotated[list[str], typer.Option(help=f"{', '.join(SCOPES)}; each holds those before it")],
    expires: Annotated[str | None, typer.Option(metavar="DAYS|DATE", help="in so many days, or at the end of a day in UTC (default: never)")] = None,
    as_json: Json = False,
) -> None:
    """Make a key. It is shown this once, and kept nowhere."""
    with opened(facts=False) as core:
        _show_once(*core.keys.create(name, scope, _instant(expires) if expires else None), as_json)


@app.command(name="list")
def list_(as_json: Json = False) -> None:
    """Every key that was ever made, without the secrets, which nobody has."""
    with opened(facts=False) as core:
        keys, now = core.keys.all(), core.keys.clock()
    if as_json:
        typer.echo(json.dumps({"items": [_told(key) for key in keys]}, indent=2))
        return
    table = Table("id", "name", "scope", "made", "expires", "state", box=None)
    for key in keys:
        state = "stands" if key.stands(now) else "revoked" if key.revoked_at is not None else "expired"
        table.add_row(key.id, key.name, " ".join(key.scopes), _day(key.created_at), _day(key.expires_at), state)
    out.print(table)


@app.command()
def revoke(id_: Id) -> None:
    """End a key, from the next request on and for good."""
    with opened(facts=False) as core:
        key = core.keys.revoke(id_)
    out.print(f"{key.id} ({key.name}) is revoked", highlight=False)


@app.command()
def rotate(
    id_: Id, overlap: Annotated[float, typer.Option(min=0, metavar="HOURS", help="for which the old key stands beside the new one")] = 24,
    as_json: Json = False,
) -> None:
    """Make a key with the same name and scopes, shown this once; the old one expires after the overlap."""
    with opened(facts=False) as core:
        _show_once(*core.keys.rotate(id_, int(overlap * HOUR)), as_json)


def _show_once(key: Key, text: str, as_json: bool) -> None:
    """The key alone on standard output, so that a script can take it."""
    if as_json:
        typer.echo(json.dumps({**_told(key), "key": text}, indent=2))
    else:
        typer.echo(text)
        err.print(f"{key.id} ({key.name}) has scope {' '.join(key.scopes)}; its key is shown this once", highlight=False, soft_wrap=True)


def _told(key: Key) -> dict[str, Any]:
    return {"id": key.id, "name": key.name, "scopes": list(key.scopes)} | {
        at: None if instant is None else format_instant(instant)
        for at, instant in (("created_at", key.created_at), ("expires_at", key.expires_at), ("revoked_at", key.revoked_at))}


def _day(instant: int | None) -> str:
    return "" if instant is None else format_instant(instant)[:16].replace("T", " ")


def _instant(text: str) -> int:
    """Microseconds since 1970: after so many days, or at the end of a day."""
    if re.fullmatch("[0-9]{1,5}", text):
        return int((datetime.now(UTC) + timedelta(days=int(text))).timestamp()) * 10**6
    try:
        end = datetime.combine(date.fromisoformat(text) + timedelta(days=1), time(), UTC)
    except (ValueError, OverflowError):
        raise BadQuestion(f"{text!r} is neither a number of days nor a day (YYYY-MM-DD)") from None
    return int(end.timestamp()) * 10**6
