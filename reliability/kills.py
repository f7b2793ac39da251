"""kill -9 under concurrent writers: what was acknowledged is there, once, and the facts are those of the fold.

A killed process loses what it held in memory and nothing that the kernel holds: these cycles prove the order of commit and
acknowledgment and the recovery after it, not what a disk does when its power fails.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from random import Random
from time import monotonic, sleep

from reliability.databases import ENGINES, Databases, databases
from reliability.figures import Figure, figure
from reliability.service import Answer, Service, Stubborn, posted, serving
from reliability.writers import RETRY_SECONDS, Ack, Audit, Writers, batch
from tests.postgres import Postgres

WRITERS = 4
LIFE = 10  # cycles of one database: every cycle verifies the whole of it
WARM = 2 * WRITERS  # acknowledgments after which a process works at its pace
SECONDS = 0.3  # the moment of a kill is up to so long after that
KILLED = -signal.SIGKILL


def run(long: bool) -> Iterator[Figure]:
    """300 cycles of SQLite's writers, 60 of the PostgreSQL server, 60 of the API process, half of them on each engine."""
    random = Random()
    with databases("sqlite") as files:
        yield _figure("SQLite writers", killed_writers(files, 300 if long else 3, random))
    with databases("postgresql") as served:
        yield _figure("PostgreSQL server", killed_server(served, 60 if long else 2, random))
    for engine in ENGINES:
        with databases(engine) as on:
            yield _figure(f"API process on {engine}", killed_api(on, 30 if long else 2, random))


def _figure(what: str, audit: Audit) -> Figure:
    return figure(f"kill -9: {what}, events lost or doubled", audit.lost + audit.doubled, "0, and facts equal to the fold", audit.clean,
                  cycles=audit.cycles, acknowledged=audit.acknowledged, torn_batches=audit.torn, faults=audit.faults)


# ---------------------------------------------------------------- SQLite: the writers are killed
def killed_writers(on: Databases, cycles: int, random: Random) -> Audit:
    """All writers are killed at one moment, or, in every second cycle, each at its own while the others go on."""
    audit = Audit()
    for cycle in range(cycles):
        if cycle % LIFE == 0:
            url, acks = on.fresh(), list[Ack]()
        writers = Writers(url, WRITERS, first=cycle * 10_000)
        writers.listen(RETRY_SECONDS, until=WARM)
        begun, at_once = monotonic(), random.uniform(0, SECONDS)
        moments = sorted((random.uniform(0, SECONDS) if cycle % 2 else at_once, writer) for writer in range(WRITERS))
        for moment, writer in moments:
            writers.listen(begun + moment - monotonic())
            writers.kill(writer)
        audit.faults += _codes(writers, {KILLED})
        acks += writers.acks
        audit.take(url, acks, len(writers.acks))
    return audit


def _codes(writers: Writers, allowed: set[int]) -> list[str]:
    return [f"a writer ended with {code}" for code in writers.end() if code not in allowed]


# ---------------------------------------------------------------- PostgreSQL: the server is killed
def killed_server(on: Databases, cycles: int, random: Random) -> Audit:
    """The writers outlive the server: each tries what was not acknowledged again, and must find it recorded once."""
    assert on.server is not None
    audit = Audit()
    for cycle in range(cycles):
        if cycle % LIFE == 0:
            url, acks = on.fresh(), list[Ack]()
        writers = Writers(url, WRITERS, first=cycle * 10_000, survive=True)
        writers.listen(RETRY_SECONDS, until=WARM)
        writers.listen(random.uniform(0, SECONDS))
        kill_server(on.server)
        on.server.start()
        writers.terminate()
        audit.faults += _codes(writers, {0, -signal.SIGTERM})  # by the signal itself where it had not begun
        acks += writers.acks
        audit.take(url, acks, len(writers.acks))
    return audit


def kill_server(server: Postgres) -> None:
    """SIGKILL to the postmaster and all of its processes; waits until they are gone, for the data folder is theirs until then."""
    assert server.process is not None
    postmaster = server.process.pid
    os.kill(postmaster, signal.SIGSTOP)  # it starts no others
    children = processes(postmaster)
    for pid in (postmaster, *children):
        os.kill(pid, signal.SIGKILL)
    server.process.wait()
    while any(pid in children for pid, _ in _parents()):
        sleep(0.005)


def processes(parent: int) -> list[int]:
    """The children of a process."""
    return [pid for pid, of in _parents() if of == parent]


def _parents() -> Iterator[tuple[int, int]]:
    """(process, parent) of every process that runs, zombies left out."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = path.read_text().rpartition(")")[2].split()[:2]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if state != "Z":
            yield int(path.parent.name), int(parent)


# ---------------------------------------------------------------- the API process is killed
def killed_api(on: Databases, cycles: int, random: Random) -> Audit:
    """HTTP writers retry with the same Idempotency-Key until they are answered; each answer is then asked for once more."""
    audit = Audit()
    for cycle in range(cycles):
        if cycle % LIFE == 0:
            url, acks = on.fresh(), list[Ack]()
        with serving(url) as (service,):
            new = asyncio.run(api_cycle(service, cycle * 10_000, random.uniform(0, SECONDS), audit))
        acks += new
        audit.take(url, acks, len(new))
    return audit


async def api_cycle(service: Service, first: int, moment: float, audit: Audit) -> list[Ack]:
    """Kills the service so long after the writers are warm, and starts it again; what was acknowledged before and after."""
    begun, acks = asyncio.Event(), list[Ack]()

    async def write(writer: int) -> None:
        client, number = Stubborn(service.port), first
        while True:
            request = posted(batch(writer, number), idempotency_key=f"{writer}.{number}")
            answer = await client.send(request)
            acks.append(_ack(writer, number, answer))
            if len(acks) >= WARM:
                begun.set()
            if client.broken:  # the request that was cut off is through
                break
            number += 1
        again = await client.send(request)
        if (again.status, again.body) != (answer.status, answer.body):
            audit.faults.append(f"a retry was answered otherwise: {answer} and then {again}")
        client.close()

    async with asyncio.TaskGroup() as tasks:
        for writer in range(WRITERS):
            tasks.create_task(write(writer))
        await begun.wait()
        await asyncio.sleep(moment)
        service.kill()
        await asyncio.to_thread(service.start)
    return acks


def _ack(writer: int, number: int, answer: Answer) -> Ack:
    if answer.status != 201:  # a retry is told what the first request was told, or would have been: never that it was there already
        raise AssertionError(f"{answer.status}: {answer.body[:500]!r}")
    return Ack(writer, number, answer.json()["ids"])
