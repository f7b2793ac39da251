# mypy: disable-error-code="import-not-found, import-untyped"
"""MariaDB: a system-versioned table with an application-time period, on a server of its own with all of its rows in memory.

Recorded is the period for SYSTEM_TIME and asked with AS OF; valid is the application-time period, of which a table may have one; known is
two columns. Each of two indexes begins with an end of the valid period, and holds all other ends too, so that rows are looked at only
where they match. Statistics are taken of every column. MariaDB has no index for intervals beside these.

It is asked in two ways. As planned: the optimizer chooses, and reads the table, for it reckons that a quarter of it will match. By hand:
the better of the two indexes is named, which whoever writes the statement must know for each question.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import pymysql

from bench.data import DENSE, Point, instant
from bench.measure import Absent
from bench.process import wait_for
from domain.calendar import FOREVER
from domain.family import RELATION
from projections.boxes import OPEN, Span

OLDEST = "10.11"  # system_versioning_insert_history, without which nothing can have been recorded before today
_COLUMNS = "subject, family, `key`, kind, status, body"
_TABLE = """CREATE TABLE fact (
    id INT UNSIGNED NOT NULL PRIMARY KEY, subject VARCHAR(200) NOT NULL, family VARCHAR(40) NOT NULL, relation VARCHAR(40) NOT NULL,
    `key` VARCHAR(200) NOT NULL, kind VARCHAR(40) NOT NULL, status VARCHAR(40) NOT NULL, valid_from DATE NOT NULL, valid_to DATE NOT NULL,
    known_from DATE NOT NULL, known_to DATE NOT NULL, body BLOB NOT NULL,
    row_start TIMESTAMP(6) GENERATED ALWAYS AS ROW START, row_end TIMESTAMP(6) GENERATED ALWAYS AS ROW END,
    PERIOD FOR valid (valid_from, valid_to), PERIOD FOR SYSTEM_TIME (row_start, row_end)
) WITH SYSTEM VERSIONING ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"""
_WHERE = "relation = %s AND valid_from <= %s AND valid_to > %s AND known_from <= %s AND known_to > %s"


@contextmanager
def server(folder: Path) -> Iterator[Path]:
    """A server with its data in a folder; its socket. Raises Absent where there is none."""
    where = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"))  # where servers are, and not everybody looks
    daemon, install = shutil.which("mariadbd", path=where), shutil.which("mariadb-install-db", path=where)
    if daemon is None or install is None:
        raise Absent(f"no MariaDB server is installed: mariadbd and mariadb-install-db, {OLDEST} or newer, are needed")
    data, socket, user = folder / "data", folder / "socket", ["--user=root"] if os.geteuid() == 0 else []
    made = subprocess.run([install, "--no-defaults", f"--datadir={data}", "--auth-root-authentication-method=normal", "--skip-test-db", *user],
                          capture_output=True, text=True, check=False)
    if made.returncode:
        raise Absent(f"mariadb-install-db failed: {(made.stdout + made.stderr)[-500:]}")
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(
            [daemon, "--no-defaults", f"--datadir={data}", f"--socket={socket}", f"--pid-file={folder / 'pid'}", "--skip-networking",
             "--innodb-buffer-pool-size=2G", "--innodb-log-file-size=512M", "--local-infile=1", "--default-time-zone=+00:00", *user],
            stdout=output, stderr=output, start_new_session=True)
    try:
        wait_for("the MariaDB server", process, socket.exists, folder / "output")
        yield socket
    finally:
        process.terminate()
        process.wait()


class MariaDB:
    """The spans in a table of such a server."""

    def __init__(self, socket: Path, spans: Iterable[Span]) -> None:
        self._connection: Any = pymysql.connect(unix_socket=str(socket), user="root", autocommit=True, local_infile=True)
        self._cursor: Any = self._connection.cursor()
        version = self._one("SELECT version()")
        if [int(part) for part in version.split("-")[0].split(".")] < [int(part) for part in OLDEST.split(".")]:
            raise Absent(f"MariaDB {version} is too old: {OLDEST} or newer can be told what was recorded before")
        for statement in ("CREATE DATABASE bench", "USE bench", "SET system_versioning_insert_history = 1",
                          "SET system_versioning_alter_history = KEEP", "CREATE TABLE probe (id INT) WITH SYSTEM VERSIONING",
                          "INSERT INTO probe VALUES (1)", _TABLE):
            self._cursor.execute(statement)
        file, now = socket.with_name("rows"), self._one("SELECT CAST(row_end AS CHAR) FROM probe")
        with file.open("w", encoding="utf-8") as lines:
            for number, span in enumerate(spans):
                lines.write("\t".join(map(str, (number, *_values(span.row), instant(span.opened).replace(tzinfo=None),
                                                instant(span.closed).replace(tzinfo=None) if span.closed < OPEN else now))) + "\n")
        self._cursor.execute(f"LOAD DATA LOCAL INFILE '{file}' INTO TABLE fact CHARACTER SET utf8mb4 FIELDS ESCAPED BY '' (id, subject, family, "
                             "relation, `key`, kind, status, valid_from, valid_to, known_from, known_to, body, row_start, row_end)")
        file.unlink()
        for axis in ("valid_from, valid_to", "valid_to, valid_from"):
            self._cursor.execute(f"CREATE INDEX {axis.partition(',')[0]} ON fact (relation, {axis}, known_from, known_to, row_start, row_end)")
        self._cursor.execute("ANALYZE TABLE fact PERSISTENT FOR ALL")

    def planned(self, point: Point, position: int) -> list[Any]:
        """What is told of a point, as recorded by a position; the optimizer chooses the index."""
        return self._asked(point, position, "")

    def by_hand(self, point: Point, position: int) -> list[Any]:
        """The same with an index named: that on the end of the period which fewer rows pass."""
        return self._asked(point, position, f"FORCE INDEX ({'valid_to' if point.as_of >= DENSE[0] else 'valid_from'})")

    def _asked(self, point: Point, position: int, index: str) -> list[Any]:
        as_of, known_at = _day(point.as_of), _day(point.known_at)
        self._cursor.execute(f"SELECT {_COLUMNS} FROM fact FOR SYSTEM_TIME AS OF TIMESTAMP'{instant(position):%Y-%m-%d %H:%M:%S}' {index} "
                             f"WHERE {_WHERE}", (RELATION, as_of, as_of, known_at, known_at))
        return list(self._cursor.fetchall())

    def close(self) -> None:
        self._connection.close()

    def _one(self, statement: str) -> str:
        self._cursor.execute(statement)
        return str(self._cursor.fetchone()[0])


def _values(row: Any) -> tuple[Any, ...]:
    return (*row[:6], *map(_day, row[6:10]), row.body.decode())


def _day(day: int) -> date:
    return date.max if day == FOREVER else date.fromordinal(day)
