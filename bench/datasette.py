"""Datasette: the same rows over HTTP, by our own SQL and index, and by a table's page as its users ask it.

It serves copies, as immutable, which is how Datasette is fastest. There are two ways to ask:

- A canned query, which is the statement of `adapters/stab.py` on a copy of our database: with our index, so that what is compared is all
  that comes after.
- The page of a plain table of facts, with a filter for each clock. Its ordinary index has all columns that are filtered by, the one
  that is compared for equality first: of those tried (none, an index on each column, other orders, with and without ANALYZE) it alone was
  used, and it takes 4 ms instead of 35 at k about 50; at 5,000 it costs a tenth.

Either answers with an array of bodies and, on the table's page, their ids, which cannot be left out; all columns would take up to twice as
long. Bodies are texts, for it would encode blobs in base64. Left out are the designations, which our state tells as counts. On the page
nothing is counted, no facets are made or suggested, and all rows are on one page: its limits on time and rows are lifted.
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

from adapters.stab import WORDS, statement
from bench.data import POSITIONS, Point
from bench.measure import Absent
from bench.process import wait_for
from domain.family import RELATION
from tests.postgres import free_port

SETTINGS = {"max_returned_rows": 100_000, "sql_time_limit_ms": 60_000, "suggest_facets": "off"}
_PLAIN = """
CREATE TABLE plain.fact (id INTEGER PRIMARY KEY, subject TEXT, family TEXT, relation TEXT, key TEXT, kind TEXT, status TEXT, valid_from INTEGER,
    valid_to INTEGER, known_from INTEGER, known_to INTEGER, opened INTEGER, closed INTEGER, body TEXT);
INSERT INTO plain.fact SELECT id, subject, family, relation, key, kind, status, valid_from, valid_to, known_from, known_to, opened, closed,
    CAST(body AS TEXT) FROM main.fact;
CREATE INDEX plain.fact_clocks ON fact (relation, valid_from, valid_to, known_from, known_to);
"""


@contextmanager
def serving(database: Path, folder: Path, cpu: int) -> Iterator[int]:
    """Datasette on one core, with copies of the database; its port. Raises Absent where it is not installed."""
    if importlib.util.find_spec("datasette") is None:
        raise Absent("datasette is not installed: install Tarikh with its extra `bench`")
    bench, plain = folder / "bench.db", folder / "plain.db"
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("VACUUM INTO ?", (str(bench),))
        connection.execute("ATTACH ? AS plain", (str(plain),))
        connection.executescript(_PLAIN)
    (folder / "metadata.json").write_text(json.dumps({"databases": {"bench": {"queries": {"state": {"sql": _sql()}}}}}), encoding="utf-8")
    port, settings = free_port(), [word for name, value in SETTINGS.items() for word in ("--setting", name, str(value))]
    with (folder / "output").open("wb") as output:
        process = Popen([sys.executable, "-m", "datasette", "serve", "-i", str(bench), "-i", str(plain), "-m", str(folder / "metadata.json"),
                         "-p", str(port), *settings], stdout=output, stderr=output, start_new_session=True)
    try:
        os.sched_setaffinity(process.pid, {cpu})  # before it has threads, which take it over
        wait_for("datasette", process, lambda: _ready(port), folder / "output")
        yield port
    finally:
        process.terminate()
        process.wait()


def by_statement(point: Point) -> str:
    """The address of what is told of a point, by our statement."""
    return f"/bench/state.json?_shape=array&as_of={point.as_of}&known_at={point.known_at}"


def by_table(point: Point) -> str:
    """The same of the plain table's page."""
    return (f"/plain/fact.json?_shape=array&_col=body&_size=max&_nocount=1&_nofacet=1&_nosuggest=1&relation={RELATION}&family__not=designation"
            f"&valid_from__lte={point.as_of}&valid_to__gt={point.as_of}&known_from__lte={point.known_at}&known_to__gt={point.known_at}"
            f"&opened__lte={POSITIONS}&closed__gt={POSITIONS}")


def _sql() -> str:
    """The stab, on the newest position. Datasette gives parameters as texts, which compare as texts where no column is beside them."""
    stab = statement(True, WORDS).replace(":relation", f"'{RELATION}'").replace(":position", str(POSITIONS))
    for day in ("as_of", "known_at"):
        stab = stab.replace(f":{day}", f"CAST(:{day} AS INTEGER)")
    return f"SELECT CAST(body AS TEXT) AS body FROM ({stab}) WHERE family <> 'designation'"


def _ready(port: int) -> bool:
    try:
        with urlopen(f"http://127.0.0.1:{port}/-/versions.json", timeout=5) as answer:
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False
