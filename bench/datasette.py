"""Datasette: the same rows, by the same SQL, over HTTP.

It serves a copy of the database of which our server serves the original, as immutable, which is how Datasette is fastest. Its canned
query is the statement of `adapters/stab.py`, so that it has our index and what is compared is all that comes after. It answers with an
array of bodies alone; all columns would take it up to twice as long. They are texts, for it would encode blobs in base64. Left out are
the designations, which our state tells as counts. Its limits on time and rows are lifted.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from subprocess import Popen
from urllib.error import URLError
from urllib.request import urlopen

from adapters.stab import statement
from bench.data import POSITIONS, Point
from bench.measure import Absent
from bench.process import wait_for
from domain.family import RELATION
from tests.postgres import free_port

SETTINGS = {"max_returned_rows": 100_000, "sql_time_limit_ms": 60_000}


@contextmanager
def serving(database: Path, folder: Path, cpu: int) -> Iterator[int]:
    """Datasette on one core, with a copy of the database; its port. Raises Absent where it is not installed."""
    if importlib.util.find_spec("datasette") is None:
        raise Absent("datasette is not installed: install Tarikh with its extra `bench`")
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("VACUUM INTO ?", (str(folder / "bench.db"),))
    (folder / "metadata.json").write_text(json.dumps({"databases": {"bench": {"queries": {"state": {"sql": _sql()}}}}}), encoding="utf-8")
    port, settings = free_port(), [word for name, value in SETTINGS.items() for word in ("--setting", name, str(value))]
    with (folder / "output").open("wb") as output:
        process = Popen([sys.executable, "-m", "datasette", "serve", "-i", str(folder / "bench.db"), "-m", str(folder / "metadata.json"),
                         "-p", str(port), *settings], stdout=output, stderr=output, start_new_session=True)
    try:
        os.sched_setaffinity(process.pid, {cpu})  # before it has threads, which take it over
        wait_for("datasette", process, lambda: _ready(port), folder / "output")
        yield port
    finally:
        process.terminate()
        process.wait()


def path(point: Point) -> str:
    """The address of what is told of a point."""
    return f"/bench/state.json?_shape=array&as_of={point.as_of}&known_at={point.known_at}"


def _sql() -> str:
    """The stab, on the newest position. Datasette gives parameters as texts, which compare as texts where no column is beside them."""
    stab = statement(sqlite=True).replace(":relation", f"'{RELATION}'").replace(":position", str(POSITIONS))
    for day in ("as_of", "known_at"):
        stab = stab.replace(f":{day}", f"CAST(:{day} AS INTEGER)")
    return f"SELECT CAST(body AS TEXT) AS body FROM ({stab}) WHERE family <> 'designation'"


def _ready(port: int) -> bool:
    try:
        with urlopen(f"http://127.0.0.1:{port}/-/versions.json", timeout=5) as answer:
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False
