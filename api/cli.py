"""The command line: `tarikh`. Tables for people, `--json` for programs, exit codes for scripts."""

from __future__ import annotations

import gc
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from os import cpu_count
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from api import cli_export, cli_keys, cli_publish, cli_webhooks, tables
from api.terminal import opened, out, print_json, progress_bar, tell_faults
from api.wiring import CATALOGUE, LISTS, Columns, Tarikh, settle
from domain.errors import BadQuestion, Invalid, NotFound, TarikhError
from domain.family import slug
from projections.question import Resolved

HELP = """The point-in-time record of US-Iran policy.

Every question takes three clocks: --as-of (when it holds), --known-at (when it was public), --recorded-at (when this log took it
in). A day means its end.

Settings: TARIKH_DATABASE_URL (default sqlite:///tarikh.sqlite), TARIKH_API_KEY (a key that reads and records over HTTP; others: `tarikh keys`),
TARIKH_READS (open, the default, or closed: then reads need a key too),
TARIKH_REQUIRE_VERSION=1 (writes over HTTP must name the version they saw), TARIKH_BODY_LIMIT (bytes, default 5242880),
TARIKH_BATCH_LIMIT (events to a request, default 1000),
TARIKH_RATE_LIMIT (requests a second for each key or address, default 0: any number), TARIKH_RATE_BURST (at once, default twice that),
TARIKH_CONCURRENCY (reads at work at once, default 2; of writes a quarter), TARIKH_QUEUE (reads that may wait, default 32; of writes
a quarter), TARIKH_QUEUE_CROWDED (the same while more come than can be served, default 3), TARIKH_QUEUE_SECONDS (how long at most, default 5),
TARIKH_KEPT_BYTES (of answers that may be asked for again, default 67108864; 0: none are kept),
TARIKH_FACT_BYTES (of facts held in memory, default 134217728; 0: none are held),
TARIKH_SIGNING_KEY (file of the Ed25519 key that signs checkpoints; `init` makes it; default beside an SQLite file),
TARIKH_APP_ROLE and TARIKH_APP_PASSWORD (PostgreSQL: the service's role, which `init` sets up; default tarikh_app),
TARIKH_WEBHOOK_PRIVATE=1 (webhooks may go to http and private addresses), TARIKH_WEBHOOK_RETRIES (seconds between attempts, with commas),
TARIKH_STREAMS (event streams at once, default 200), TARIKH_HEARTBEAT (seconds, default 15),
TARIKH_LOG_LEVEL (of `serve`: debug, info, warning or error; default info).

Exit codes: 0 done, 1 a fault was found (verify) or the database does not answer, 2 wrong usage or a malformed question,
3 not there on this basis, 4 refused by the record (impossible timeline, conflict, wrong version), 5 an import file is damaged or not there.
"""
LINES = (".ndjson", ".jsonl")
app = typer.Typer(help=HELP, no_args_is_help=True, rich_markup_mode=None, pretty_exceptions_enable=False)
app.add_typer(cli_keys.app, name="keys")
app.add_typer(cli_webhooks.app, name="webhooks")
app.command()(cli_publish.publish)
app.command()(cli_export.export)

AsOf = Annotated[str | None, typer.Option(help="the day in the world, YYYY-MM-DD (default: today)")]
KnownAt = Annotated[str | None, typer.Option(help="as known at the end of this day (default: all that is known)")]
RecordedAt = Annotated[str | None, typer.Option(help="the log as it stood at this instant (default: now)")]
Json = Annotated[bool, typer.Option("--json", help="print the answer as JSON")]


def _asked(core: Tarikh, as_of: str | None, known_at: str | None, recorded_at: str | None) -> Resolved:
    return core.answers.basis(as_of, known_at, recorded_at)


@app.command()
def init() -> None:
    """Create the tables, or bring them to the newest revision. PostgreSQL: run by the owner, it sets up the application's role too."""
    with opened(fresh=True) as core:
        told = core.init()
        at = f"tables are at the newest revision: {core.database.engine.url.render_as_string()}"
        out.print(at, *told, sep="\n", highlight=False, soft_wrap=True)


@app.command()
def load(folder: Annotated[Path | None, typer.Argument(help="a folder of record files (default: the project's own record)")] = None) -> None:
    """Record the project's own record. What is there already is skipped."""
    with opened() as core, progress_bar() as bar:
        task = bar.add_task("loading", total=None)

        def progress(name: str, done: int, total: int) -> None:
            bar.update(task, completed=done, total=total, description=f"loading {name}")

        if folder is not None and not folder.is_dir():
            raise BadQuestion(f"{folder} is no folder")
        recorded, skipped = core.load(folder, progress) if folder else core.load(progress=progress)
    out.print(f"{recorded} events recorded, {skipped} were there already")


@app.command()
def serve(host: Annotated[str, typer.Option(help="address to listen on")] = "127.0.0.1",
          port: Annotated[int, typer.Option(envvar="PORT", min=1, max=65535, help="port to listen on")] = 8000,
          log_format: Annotated[Literal["json", "console"] | None, typer.Option(
              help="lines on standard error (default: console on a terminal, else json)")] = None) -> None:
    """Serve over HTTP until interrupted."""
    import uvicorn

    from api.http import create_app
    from api.telemetry import configure

    with opened() as core:
        service = create_app(core)
        configure(core.settings.log_level, log_format)  # not before: what cannot be served is told as every command tells it
        out.print(f"serving on http://{host}:{port} (interactive documentation at /docs)", highlight=False, soft_wrap=True)
        gc.collect()
        settle()
        sys.setswitchinterval(0.0005)  # seconds: while threads work, the loop that refuses and streams waits for its turn a tenth as long
        uvicorn.run(service, host=host, port=port, log_config=None, access_log=False,
                    timeout_graceful_shutdown=5)  # streams have no end of their own


@app.command()
def state(as_of: AsOf = None, known_at: KnownAt = None, recorded_at: RecordedAt = None,
          family: Annotated[str | None, typer.Option(help="every fact of this family's list, for instance agreements")] = None,
          everything: Annotated[bool, typer.Option("--all", help="every fact, not one line for each subject")] = False,
          as_json: Json = False) -> None:
    """What stood between Washington and Tehran on a day."""
    with opened() as core:
        asked = _asked(core, as_of, known_at, recorded_at)
        body = core.answers.facts(asked, family, {}, 10**6).body if family else core.answers.state(asked)
        if as_json:
            print_json(body)
        elif family:
            tables.family(out, json.loads(body), family)
        else:
            heads = {f.plural: [kind.name for kind in f.kinds] for f in CATALOGUE.families.values() if not f.recorded_alone}
            tables.state(out, json.loads(body), heads, everything)


@app.command()
def diff(first: Annotated[str, typer.Argument(metavar="FROM", help="the earlier day")],
         last: Annotated[str, typer.Argument(metavar="TO", help="the later day")],
         from_known_at: KnownAt = None, to_known_at: KnownAt = None, from_recorded_at: RecordedAt = None, to_recorded_at: RecordedAt = None,
         as_json: Json = False) -> None:
    """What changed between two days: corrected in the record, learned since, changed in the world."""
    with opened() as core:
        body = core.answers.diff(first, last, from_known_at, to_known_at, from_recorded_at, to_recorded_at)
        print_json(body) if as_json else tables.diff(out, json.loads(body))


@app.command()
def timeline(first: Annotated[str, typer.Argument(metavar="FROM", help="first day")],
             last: Annotated[str, typer.Argument(metavar="TO", help="last day")],
             known_at: KnownAt = None, recorded_at: RecordedAt = None,
             family: Annotated[str | None, typer.Option(help="only this family")] = None, as_json: Json = False) -> None:
    """Events in the order in which they held."""
    with opened() as core:
        page = core.answers.timeline(_asked(core, last, known_at, recorded_at), first, last, 10**6, 0, family)
        print_json(page.body) if as_json else tables.timeline(out, json.loads(page.body))


@app.command()
def why(what: Annotated[str, typer.Argument(help="an event id (agreement:jcpoa@3), a subject, or words of its name")],
        as_of: AsOf = None, known_at: KnownAt = None, recorded_at: RecordedAt = None, as_json: Json = False) -> None:
    """Why we say so: the events behind a subject's facts, and their sources."""
    with opened() as core:
        asked = _asked(core, as_of, known_at, recorded_at)
        if "@" in what:
            body = core.answers.event(asked, what)
            print_json(body) if as_json else tables.event(out, json.loads(body))
            return
        subject = what if ":" in what else _only_subject(core, asked, what)
        facts = json.loads(core.answers.subject(asked, subject))
        history = json.loads(core.answers.history(asked, subject))
        if as_json:
            print_json(json.dumps({**facts, "events": history["items"]}).encode())
        else:
            tables.why(out, facts, history["items"])


def _only_subject(core: Tarikh, asked: Resolved, words: str) -> str:
    found = json.loads(core.answers.subjects(asked, None, words, 20).body)["items"]
    if not found:
        raise NotFound(f"no subject has {words!r} in its name on this basis")
    if exact := [item for item in found if item["subject"].partition(":")[2] == words]:
        found = exact
    if len(found) > 1:
        names = "\n  ".join(f"{item['subject']}  {', '.join(item['names'][:1])}" for item in found)
        raise NotFound(f"{words!r} fits several subjects, name one:\n  {names}")
    return str(found[0]["subject"])


def _read_events(path: str) -> Any:
    try:
        text = sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8")
        if path.endswith(LINES):
            return [json.loads(line) for line in text.splitlines() if line.strip()]
        return json.loads(text)
    except (OSError, ValueError, RecursionError) as error:
        raise Invalid(f"{path}: no JSON to read: {error}") from None


@app.command()
def record(path: Annotated[str, typer.Argument(help="a JSON file (one event, a list, or {\"events\": [...]}), .jsonl, or - for standard input")],
           batch: Annotated[int | None, typer.Option(min=1, max=10_000, help="read an NDJSON file (an event to a line, or - for standard input) "
                                                                             "this many events at a time: each batch all or nothing")] = None,
           workers: Annotated[int, typer.Option(min=1, max=64, help="processes that share the work on batches")] = min(cpu_count() or 1, 4),
           as_json: Json = False) -> None:
    """Record events: all of the file or nothing; with --batch, batch after batch."""
    with opened() as core:
        if batch is not None:
            return _record_lines(core, path, batch, workers, as_json)
        outcome = core.writer.record(core.events_from(_read_events(path)))
        if as_json:
            print_json(json.dumps({"ids": outcome.ids, "recorded": outcome.recorded, "skipped": outcome.skipped,
                                    "position": outcome.position}).encode())
        else:
            out.print(f"{outcome.recorded} recorded, {outcome.skipped} were there already")
            for id_ in outcome.ids:
                out.print(f"  {id_}", highlight=False)


def _record_lines(core: Tarikh, path: str, size: int, workers: int, as_json: bool) -> None:
    if path != "-" and not path.endswith(LINES):
        raise BadQuestion(f"--batch reads a file of lines, each an event: name it {' or '.join(LINES)}, or give - for standard input")
    recorded = skipped = 0
    try:
        with nullcontext(sys.stdin.buffer) if path == "-" else Path(path).open("rb") as file, progress_bar() as bar:
            task = bar.add_task("recording", total=None)
            for done in core.record_lines(file, size, workers):
                recorded, skipped = recorded + done.recorded, skipped + len(done.ids) - done.recorded
                bar.advance(task, len(done.ids))
    except OSError as error:
        raise Invalid(f"{path}: nothing to read: {error}") from None
    except TarikhError as error:
        raise type(error)(f"{error}\n{recorded} events were recorded before, and are skipped when the file is recorded again") from None
    if as_json:
        print_json(json.dumps({"recorded": recorded, "skipped": skipped, "position": core.reader.last()[0]}).encode())
    else:
        out.print(f"{recorded} recorded, {skipped} were there already")


@app.command(name="import")
def import_(
    kind: Annotated[str, typer.Argument(help="ofac-sdn, ofac-nonsdn, un, eu, uk, executive-orders or indicator")],
    paths: Annotated[list[str], typer.Argument(help="files, folders, tar or zip archives, or addresses")],
    published: Annotated[str | None, typer.Option(help="day of publication, where neither names nor contents tell it")] = None,
    everything: Annotated[bool, typer.Option("--all", help="record the whole list, not only what concerns Iran")] = False,
    force: Annotated[bool, typer.Option(help="record a snapshot even if it would delist a great part of the list")] = False,
    cache: Annotated[Path | None, typer.Option(help="file that keeps ETag and date of addresses, so that nothing is fetched twice")] = None,
    subject: Annotated[str | None, typer.Option(help="indicator: its subject, for instance indicator:rial-open-market-rate")] = None,
    name: Annotated[str | None, typer.Option(help="indicator: what is measured")] = None,
    unit: Annotated[str | None, typer.Option(help="indicator: its unit")] = None,
    publisher: Annotated[str | None, typer.Option(help="indicator: who publishes it, in words")] = None,
    vintage: Annotated[str | None, typer.Option(help="indicator: edition of the publication")] = None,
    known: Annotated[str | None, typer.Option(help="indicator: day on which the figures were public")] = None,
    date_column: Annotated[str, typer.Option(help="indicator: heading of the days or periods")] = "date",
    value_column: Annotated[str, typer.Option(help="indicator: heading of the values")] = "value",
    known_column: Annotated[str | None, typer.Option(help="indicator: heading of the days on which each was public")] = None,
    as_json: Json = False,
) -> None:
    """Import sanctions lists snapshot by snapshot, executive orders, or a measured series."""
    with opened() as core, progress_bar() as bar:
        task = bar.add_task(kind, total=None)
        if kind in LISTS:
            summary = core.import_list(kind, paths, published, everything, force, cache,
                                       lambda text, _: bar.update(task, advance=1, description=text))
        elif kind == "executive-orders":
            summary = core.import_orders(_one(paths, Path.is_dir, "a folder of orders"))
        elif kind == "indicator":
            about = {"subject": subject, "name": name, "unit": unit, "publisher_name": publisher, "vintage": vintage}
            if missing := [option.removesuffix("_name") for option, value in about.items() if not value]:
                raise BadQuestion(f"import indicator needs --{missing[0]}")
            summary = core.import_indicator(_one(paths, Path.is_file, "a CSV file"), **about, publisher=slug(str(publisher)), known=known,
                                            columns=Columns(date_column, value_column, known_column))
        else:
            raise BadQuestion(f"{kind!r} is not one of {', '.join([*LISTS, 'executive-orders', 'indicator'])}")
    if as_json:
        print_json(json.dumps(summary.told()).encode())
    else:
        tables.summary(out, summary.of, summary.told())


def _one(paths: list[str], right: Callable[[Path], bool], what: str) -> Path:
    if len(paths) != 1 or not right(Path(paths[0])):
        raise BadQuestion(f"give {what}")
    return Path(paths[0])


@app.command()
def replay(as_of: AsOf = None, known_at: KnownAt = None, recorded_at: RecordedAt = None,
           without: Annotated[list[str] | None, typer.Option(help="id of an event to leave out; may be given again")] = None,
           add: Annotated[str | None, typer.Option(help="file of events to add, as `record` reads it")] = None, as_json: Json = False) -> None:
    """Replay the log with events left out or added, and print what that changes. Nothing is stored."""
    with opened() as core:
        events = core.events_from(_read_events(add)) if add else []
        body = core.answers.what_if(_asked(core, as_of, known_at, recorded_at), without or [], events)
        print_json(body) if as_json else tables.replay(out, json.loads(body))


@app.command()
def rebuild(workers: Annotated[int, typer.Option(min=1, max=64, help="processes that share the work")] = 1) -> None:
    """Write all facts anew from the log, beside the old ones, and swap at the end."""
    with opened(facts=False) as core, progress_bar() as bar:
        task = bar.add_task("rebuilding", total=core.reader.count())
        rows = core.rebuild(lambda n: bar.advance(task, n), workers)
    out.print(f"{rows} rows written")


@app.command()
def checkpoint(position: Annotated[int | None, typer.Option(min=0, help="the head as it was at this position (default: now)")] = None,
               output: Annotated[Path | None, typer.Option("--output", "-o", help="a new file to write it to")] = None,
               key: Annotated[bool, typer.Option("--key", help="print the public key that verifies checkpoints instead")] = False) -> None:
    """Print the signed head of the log, to be kept outside the database for `verify --checkpoint`."""
    with opened() as core:
        if key:
            out.print(core.checkpoint(0)["key"], highlight=False, soft_wrap=True)
            return
        note = core.checkpoint(position)["note"]
        if output is None:
            sys.stdout.write(note)
            return
        with output.open("x", encoding="utf-8") as file:
            file.write(note)


@app.command()
def verify(kept: Annotated[list[Path] | None, typer.Option("--checkpoint", exists=True, dir_okay=False,
                                                           help="a file with a checkpoint that was kept; may be given again")] = None,
           key: Annotated[str | None, typer.Option(help="the public key of the checkpoints (default: that of this log's own key)")] = None) -> None:
    """Check the log's hash chain, hold it to kept checkpoints, and compare every fact with the fold. Exit code 1 where anything differs."""
    with opened(facts=False) as core, progress_bar() as bar:
        checkpoints = core.kept([path.read_text(encoding="utf-8") for path in kept or ()], key)
        task = bar.add_task("verifying", total=core.reader.count())
        verdict = core.verify(lambda n: bar.advance(task, n), checkpoints)
    tell_faults(verdict.faults)
    held = f" and holds to {len(checkpoints)} checkpoint{'s' * (len(checkpoints) > 1)}" if checkpoints else ""
    out.print(f"{verdict.events} events of {verdict.subjects} subjects: the log is whole{held}, and all {verdict.rows} rows are those of the fold",
              soft_wrap=True)


@app.command()
def backup(path: Annotated[Path, typer.Argument(metavar="FILE", help="a new file, of SQLite's format whatever the database is")],
           force: Annotated[bool, typer.Option(help="put it in the place of a file that is there")] = False) -> None:
    """Write the record to a file, while the service goes on. Exit code 1 where the log has faults; the file is written all the same."""
    with opened(facts=False) as core, _stages({"log": core.reader.count()}) as progress:
        made = core.backup(path, force, progress)
    out.print(f"{path}\nposition {made.position}\nhead     {made.head.hex()}\nSHA-256  {made.sha256}", highlight=False, soft_wrap=True)
    tell_faults(made.faults)


@app.command()
def restore(path: Annotated[Path, typer.Argument(metavar="FILE", help="what `tarikh backup` wrote, of either engine")]) -> None:
    """Bring a backup back into a database without events, make the facts, verify. A damaged backup is refused, and nothing recorded."""
    with opened(fresh=True) as core, _stages({}) as progress:
        restored, verdict = core.restore(path, progress)
    if restored.before:
        out.print("the events were there already: the facts were made anew")
    out.print(f"position {restored.position}\nhead     {restored.head.hex()}\nSHA-256  {restored.sha256}", highlight=False, soft_wrap=True)
    tell_faults(verdict.faults)
    out.print(f"{verdict.events} events of {verdict.subjects} subjects are restored, and verified", soft_wrap=True)


@contextmanager
def _stages(totals: Mapping[str, int]) -> Iterator[Callable[[str, int], None]]:
    """A bar for each stage of what is done."""
    with progress_bar() as bar:
        tasks: dict[str, Any] = {}

        def progress(stage: str, done: int) -> None:
            if stage not in tasks:
                tasks[stage] = bar.add_task(stage, total=totals.get(stage))
            bar.advance(tasks[stage], done)

        yield progress


def main() -> None:
    """The `tarikh` command."""
    app()
