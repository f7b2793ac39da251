"""What it costs to export a million facts as Parquet, against pyarrow writing the same rows straight from the file's table.

`python -m bench.exports`. Both run in processes of their own, so that time (CPU) and memory (RSS) are theirs alone.
"""

from __future__ import annotations

import json
import os
import sqlite3
import sys
import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import sqlalchemy as sa

from adapters.facts import insert_spans
from api.wiring import CATALOGUE, Settings, Tarikh
from domain.calendar import FOREVER, format_day, parse_day
from domain.event import Event
from domain.family import RELATION
from projections.boxes import OPEN, FactRow, Span

FACTS, BOXES, BATCH = 1_000_000, 40, 500  # facts; of a subject; subjects to a batch of the log
MEMORY, TIMES = 300, 4.0  # goals: MB, and times the CPU of the floor
ROWS = 4096
DAY = parse_day("2018-11-05")


def run(facts: int = FACTS) -> list[dict[str, Any]]:
    """Ratios of time and memory, with their goals."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bench.sqlite"
        _generate(path, facts)
        floor, _ = _measured("floor", path, Path(folder) / "floor.parquet")
        ours, memory = _measured("export", path, Path(folder) / "facts.parquet")
        told = json.loads((Path(folder) / "facts.parquet.manifest.json").read_text(encoding="utf-8"))
        assert told["rows"] == facts + 1 == pq.read_metadata(Path(folder) / "floor.parquet").num_rows
    print(f"exports: {facts} facts, pyarrow {floor:.1f} s, export {ours:.1f} s CPU ({facts / ours:,.0f} facts a second), {memory} MB")
    return [_line(f"export of {facts} facts against pyarrow", ours / floor, TIMES),
            _line(f"memory of that export, of {MEMORY} MB", memory / MEMORY, 1.0)]


def _line(name: str, ratio: float, goal: float) -> dict[str, Any]:
    return {"name": name, "ratio": round(ratio, 3), "goal": goal, "met": ratio <= goal}


def _measured(what: str, database: Path, out: Path) -> tuple[float, int]:
    """(CPU seconds, megabytes of memory at most) of one way to write the file."""
    command = ["-m", "bench.exports", "floor", str(database), str(out)] if what == "floor" else [
        "-c", "from api.cli import main; main()", "export", "facts", "-o", str(out)]
    child = os.posix_spawn(sys.executable, [sys.executable, *command], {**os.environ, "TARIKH_DATABASE_URL": f"sqlite:///{database}"})
    _, status, used = os.wait4(child, 0)
    if status:
        sys.exit(f"{what} failed")
    return used.ru_utime + used.ru_stime, used.ru_maxrss // 1024


def _generate(path: Path, facts: int) -> None:
    """A log of listings, and for each as many boxes as a busy one has: amended again and again."""
    core = Tarikh(Settings(database_url=f"sqlite:///{path}"))
    core.init()
    core.writer.record([_event(facts)])  # with its fact: a log without any is not exported
    for first in range(0, facts // BOXES, BATCH):
        events = [_event(number) for number in range(first, min(first + BATCH, facts // BOXES))]

        def in_transaction(connection: sa.Connection, batch: int, _: int, events: list[Event] = events) -> None:
            insert_spans(connection, 0, (span for event in events for span in _spans(event.subject, batch)))

        core.log.append([(event, 1) for event in events], in_transaction)
    core.close()


def _event(number: int) -> Event:
    return CATALOGUE.event({
        "subject": f"designation:ofac-sdn-{number}", "type": "designation.listed", "record_id": "listed", "effective": format_day(DAY),
        "known": format_day(DAY), "data": {"name": f"Party {number}", "type": "entity", "list": "OFAC-SDN", "by": "USA"},
        "sources": [{"publisher": "US Treasury", "title": "SDN List"}]})


def _spans(subject: str, batch: int) -> list[Span]:
    out = []
    for i in range(BOXES):
        since, last = DAY + 30 * i, i == BOXES - 1
        body = json.dumps({
            "subject": subject, "key": "listing:OFAC-SDN", "kind": "listing", "status": "listed", "since": format_day(DAY), "until": None,
            "certainty": "certain", "attributes": {
                "aliases": [f"Alias {i} of {subject}", "Bank \"Sepah\""], "entry_number": subject.rpartition("-")[2], "list": "OFAC-SDN",
                "name": f"PARTY {subject} {i}", "programs": ["IFSR", "IRAN", "NPWMD"], "type": "entity"},
            "because": [f"{subject}@{n}" for n in range(1, i % 5 + 2)]}, ensure_ascii=False, separators=(",", ":")).encode()
        row = FactRow(subject, "designation", RELATION, "listing:OFAC-SDN", "listing", "listed", since, FOREVER if last else since + 30,
                      DAY, FOREVER, body)
        out.append(Span(row, batch, OPEN))
    return out


def _floor(database: Path, out: Path) -> None:
    """The table's columns as they stand, by sqlite3 and pyarrow alone."""
    names = ("subject", "family", "relation", "key", "kind", "status", "valid_from", "valid_to", "known_from", "known_to", "opened", "closed", "body")
    schema = pa.schema([(name, pa.string() if name in names[:6] else pa.binary() if name == "body" else pa.int64()) for name in names])
    cursor = sqlite3.connect(database).execute(f"SELECT {', '.join(names)} FROM fact")
    group: list[pa.RecordBatch] = []
    with pq.ParquetWriter(out, schema, compression="zstd") as writer:
        while rows := cursor.fetchmany(ROWS):
            group.append(pa.record_batch([pa.array(c, f.type) for c, f in zip(zip(*rows, strict=True), schema, strict=True)], schema=schema))
            if len(group) == 16:
                writer.write_table(pa.Table.from_batches(group))
                group = []
        if group:
            writer.write_table(pa.Table.from_batches(group))


if __name__ == "__main__":
    if sys.argv[1:2] == ["floor"]:
        _floor(Path(sys.argv[2]), Path(sys.argv[3]))
    else:
        run(*map(int, sys.argv[1:]))
