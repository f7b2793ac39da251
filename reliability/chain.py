"""Attacks on the log by somebody who may do anything in the database, and does not have the kept checkpoint.

Each is made in the database itself, is looked for with what `tarikh verify` looks with, must be found and its event be named, and is
then rolled back. Some are committed and looked for by the command itself.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, NamedTuple
from uuid import UUID

import sqlalchemy as sa

from adapters import chain
from adapters.checkpoint import Checkpoint, contradictions, make_key, take
from adapters.schema import log
from api.wiring import Settings, Tarikh
from reliability.databases import ENGINES, Databases, databases, owned
from reliability.figures import Figure, figure
from reliability.service import TARIKH
from reliability.writers import events

BATCHES = 14
KEEP_EVERY = 10  # a checkpoint is kept after so many events, and one of the head
PAIRS = 200
Row = tuple[Any, ...]
COLUMNS = [column.name for column in log.c]
_NAMED = re.compile(r"positions? (\d+)(?: to (\d+))?")


def run(long: bool) -> Iterator[Figure]:
    """Every attack on each engine."""
    for engine in ENGINES:
        with databases(engine) as on:
            yield from attacks(on, Random(), BATCHES if long else 2, PAIRS if long else 20, by_command=long)


class Attack(NamedTuple):
    """`positions`: of the events of which one must be named. `kept`: it is found by a kept checkpoint alone."""

    kind: str
    positions: Sequence[int]
    rows: Sequence[Row]  # the log as the attacker leaves it
    kept: bool = False
    one: int | None = None  # `rows` is one row, which stands in the place of this position


@dataclass
class Tried:
    """Attacks of one kind."""

    tried: int = 0
    missed: list[str] = field(default_factory=list)


def attacks(on: Databases, random: Random, batches: int, pairs: int, share: float = 1.0, by_command: bool = False) -> Iterator[Figure]:
    """A figure for each kind of attack, and one for those that the command looked for; `share` of the bytes are changed."""
    url = on.fresh()
    key = on.folder / f"{url.rpartition('/')[2]}.pem"
    make_key(key)
    core = Tarikh(Settings(database_url=url, signing_key=str(key)))
    for number in range(batches):
        core.writer.record(events(0, number))
    note = core.checkpoint()["note"]
    tried: dict[str, Tried] = {}
    with unguarded(url) as connection:
        whole = list(chain.walk(connection))
        kept = [take(connection, position) for position in (*range(KEEP_EVERY, len(whole), KEEP_EVERY), len(whole))]
        if found := [*chain.faults(whole), *contradictions(connection, kept)]:
            raise AssertionError(f"the log is at fault before it was attacked: {found}")
        every = [attack for attack in _attacks(whole, random, pairs) if attack.one is None or random.random() < share]
        for attack in every:
            of = tried.setdefault(attack.kind, Tried())
            of.tried += 1
            if missed := _missed(connection, attack, kept, whole):
                of.missed.append(missed)
    for kind, result in tried.items():
        found_ = result.tried - len(result.missed)
        yield figure(f"chain on {on.engine}: {kind}, found and named", f"{100 * found_ / result.tried:g} %", "100 %", not result.missed,
                     tried=result.tried, missed=result.missed[:20])
    if by_command:
        yield _by_command(on, core, note, [random.choice([attack for attack in every if attack.kind == kind]) for kind in tried])
    core.close()


# ---------------------------------------------------------------- what an attacker does
def _attacks(whole: Sequence[Row], random: Random, pairs: int) -> Iterator[Attack]:
    n = len(whole)
    for i, row in enumerate(whole):
        for column, value in enumerate(row):
            for changed in changes(value, random, whole if column in (0, 5) else ()):
                yield Attack("one byte changed", [i + 1], [_with(row, column, changed)], one=i + 1)
    for i in range(n - 1):  # without the last it is a cut tail
        yield Attack("an event removed", [i + 1], [*whole[:i], *whole[i + 1 :]])
        yield Attack("an event removed, the rest moved up", [i + 1],
                     [*whole[:i], *(_with(row, 0, row[0] - 1) for row in whole[i + 1 :])])
    neighbors = [(i, i + 1) for i in range(n - 1)]
    for i, j in [*neighbors, *(sorted(random.sample(range(n), 2)) for _ in range(pairs))]:
        yield Attack("two events swapped", [i + 1, j + 1], _swapped(whole, i, j))
    for cut in range(n):
        yield Attack("the tail cut off", [cut + 1], whole[:cut], kept=True)
    for i in range(n):
        yield Attack("the chain rewritten whole", [i + 1], forged(whole, i), kept=True)


def _with(row: Row, column: int, value: Any) -> Row:
    return (*row[:column], value, *row[column + 1 :])


def _swapped(whole: Sequence[Row], i: int, j: int) -> list[Row]:
    places = {i: j, j: i}
    return [_with(whole[places.get(at, at)], 0, row[0]) for at, row in enumerate(whole)]


def changes(value: Any, random: Random, taken: Sequence[Row]) -> Iterator[Any]:
    """A stored value with each of its bytes changed in one bit; numbers as 8 bytes. None that would collide with a row of `taken`."""
    if isinstance(value, int):
        numbers = {row[0] for row in taken} | {row[5] for row in taken}
        for byte in range(8):
            bits = random.sample(range(8 * byte, 8 * byte + 8), 8)
            changed = (int.from_bytes((value ^ 1 << bit).to_bytes(9, "big")[1:], "big", signed=True) for bit in bits)
            yield next(number for number in changed if number not in numbers)
    elif isinstance(value, UUID):
        yield from (UUID(bytes=raw) for raw in _flipped(value.bytes, random, range(8)))
    elif isinstance(value, str):  # PostgreSQL takes no other text than UTF-8 without NUL
        for i, char in enumerate(value):
            bits = random.sample(range(7), 7)
            yield next(value[:i] + chr(ord(char) ^ 1 << bit) + value[i + 1 :] for bit in bits if ord(char) != 1 << bit)
    else:
        yield from _flipped(value, random, range(8))


def _flipped(value: bytes, random: Random, bits: Sequence[int]) -> Iterator[bytes]:
    for i, byte in enumerate(value):
        yield value[:i] + bytes([byte ^ 1 << random.choice(bits)]) + value[i + 1 :]


def forged(whole: Sequence[Row], i: int) -> list[Row]:
    """The log with another content of one event, and every hash from it on made anew."""
    changed = _with(whole[i], 7, whole[i][7].replace(b'"p"', b'"q"'))
    if changed == whole[i]:
        raise AssertionError("the forger changed nothing")
    out = list(whole[:i])
    before = out[-1][8] if out else chain.GENESIS
    for position, of_batch, recorded_at, latest_known, stream, version, topic, state, _ in (changed, *whole[i + 1 :]):
        of = stream if isinstance(stream, UUID) else UUID(stream)
        before = chain.link(before, position, of_batch, recorded_at, latest_known, of.bytes, version, topic, state)
        out.append((position, of_batch, recorded_at, latest_known, stream, version, topic, state, before))
    return out


# ---------------------------------------------------------------- in the database
@contextmanager
def unguarded(url: str) -> Iterator[sa.Connection]:
    """A transaction of the database's owner, by no code of ours, that has taken away what keeps the log append-only."""
    engine = sa.create_engine(owned(url))
    if engine.dialect.name == "sqlite":  # the driver would begin late and commit early
        sa.event.listen(engine, "connect", lambda dbapi, _: setattr(dbapi, "isolation_level", None))
        sa.event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    with engine.begin() as connection:
        _unguard(connection)
        yield connection
    engine.dispose()


def _unguard(connection: sa.Connection) -> None:
    if connection.dialect.name == "sqlite":
        for trigger in connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'log'").scalars().all():
            connection.exec_driver_sql(f"DROP TRIGGER {trigger}")
    else:
        connection.exec_driver_sql("ALTER TABLE log DISABLE TRIGGER ALL")


def do(connection: sa.Connection, attack: Attack) -> None:
    """Leaves the log as the attacker wants it."""
    if attack.one is not None:
        places = ", ".join(f"{name} = :{name}" for name in COLUMNS)
        connection.execute(sa.text(f"UPDATE log SET {places} WHERE position = :at"), {**_values(attack.rows[0]), "at": attack.one})
        return
    connection.exec_driver_sql("DELETE FROM log")
    if attack.rows:
        values = ", ".join(f":{name}" for name in COLUMNS)
        connection.execute(sa.text(f"INSERT INTO log ({', '.join(COLUMNS)}) VALUES ({values})"), [_values(row) for row in attack.rows])


def _values(row: Row) -> dict[str, Any]:
    return dict(zip(COLUMNS, row, strict=True))


def _missed(connection: sa.Connection, attack: Attack, kept: Sequence[Checkpoint], whole: Sequence[Row]) -> str | None:
    """Makes the attack, looks for it and takes it back. What was wrong with what was found, or None."""
    savepoint = connection.begin_nested()
    do(connection, attack)
    found = list(contradictions(connection, kept) if attack.kept else chain.faults(chain.walk(connection)))
    savepoint.rollback()
    return None if named(found, attack, whole) else f"{attack.kind} at {attack.positions}: {found}"


def named(faults: Sequence[str], attack: Attack, whole: Sequence[Row]) -> bool:
    """Whether the faults name an event that was attacked: by its position, a range of positions that holds it, or its id."""
    said = "\n".join(faults)
    ranges = [(int(first), int(last or first)) for first, last in _NAMED.findall(said)]
    return any(first <= position <= last for first, last in ranges for position in attack.positions) or any(
        f"({json.loads(whole[position - 1][7])['subject']}@{whole[position - 1][5]})" in said for position in attack.positions)


# ---------------------------------------------------------------- by the command
def _by_command(on: Databases, core: Tarikh, note: str, sample: Sequence[Attack]) -> Figure:
    """Attacks that are committed, and looked for by `tarikh verify --checkpoint`; the log is put back after each."""
    path = on.folder / "kept.txt"
    path.write_text(note, encoding="utf-8")
    with core.database.transaction() as connection:
        whole = list(chain.walk(connection))
    missed = [f"a sound log: {said}" for code, said in [_verify(core, path)] if code]
    for attack in sample:
        for change in (attack, Attack("put back", [], whole)):
            with unguarded(core.settings.database_url) as connection:
                do(connection, change)
            if change is attack:
                code, said = _verify(core, path)
                if code != 1 or not named([said], attack, whole):
                    missed.append(f"{attack.kind} at {attack.positions}: exit code {code}, {said[-500:]}")
    return figure(f"chain on {on.engine}: by tarikh verify, missed", len(missed), "0", not missed, tried=len(sample), missed=missed)


def _verify(core: Tarikh, kept: Path) -> tuple[int, str]:
    environment = {**os.environ, "TARIKH_DATABASE_URL": core.settings.database_url, "TARIKH_SIGNING_KEY": str(core.settings.signing_key)}
    done = subprocess.run([TARIKH, "verify", "--checkpoint", kept], env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr
