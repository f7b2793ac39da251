"""`tarikh export`: the log, the facts, the state and the panel as files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from api.exporting import WHAT, Format, Mode, Opened, Step, What
from api.terminal import opened, out, print_json, progress_bar
from api.wiring import as_of_for, format_for


def export(
    what: Annotated[What, typer.Argument(help=WHAT)],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="a new file; FILE.manifest.json goes beside it")],
    form: Annotated[Format | None, typer.Option("--format", help="default: what the file's name tells")] = None,
    as_of: Annotated[str | None, typer.Option(help="the day in the world, YYYY-MM-DD (default: today; events and facts: every day)")] = None,
    known_at: Annotated[str | None, typer.Option(help="as known at the end of this day (default: all that is known)")] = None,
    recorded_at: Annotated[str | None, typer.Option(help="the log as it stood at this instant (default: now)")] = None,
    after: Annotated[int | None, typer.Option(min=0, help="events and facts: only what has come since this log position")] = None,
    first: Annotated[str | None, typer.Option("--from", help="panel: the first day")] = None,
    last: Annotated[str | None, typer.Option("--to", help="panel: the last day (default: --as-of)")] = None,
    step: Annotated[Step | None, typer.Option(help="panel: its periods (default: month)")] = None,
    mode: Annotated[Mode | None, typer.Option(help="panel: each row as known at its own end, or all with hindsight (default: point_in_time)")] = None,
    force: Annotated[bool, typer.Option(help="put it in the place of a file that is there")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print the manifest")] = False,
) -> None:
    """Write rows on a basis to a file, and what they are to a manifest beside it. An interrupted export leaves no file."""
    told = form or format_for(output.name)
    if told is None:
        raise typer.BadParameter(f"{output.name} tells no format: give --format, or name it *.parquet, *.arrow, *.csv or *.ndjson")
    if not output.parent.is_dir():
        raise typer.BadParameter(f"{output.parent} is no folder")
    with opened() as core, progress_bar() as bar:
        core.database.read_once()
        asked = core.answers.basis(as_of_for(what, as_of), known_at, recorded_at)
        task = bar.add_task(f"exporting {what}", total=None)
        chosen = Opened(core, what, asked, known_at, after, first, last, step, mode)
        manifest = core.exports.write(chosen.export, told, output, force, lambda rows: bar.advance(task, rows))
    if as_json:
        print_json(json.dumps(manifest).encode())
    else:
        out.print(f"{output}\n{manifest['rows']} rows as {told}, {manifest['bytes']} bytes, at position {manifest['position']}\n"
                  f"SHA-256  {manifest['sha256']}\ncontent  {manifest['content_sha256']}", highlight=False, soft_wrap=True)
