"""Retries of one Idempotency-Key, and writers of one stream with If-Match, racing at two processes that serve one database."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from random import random
from typing import Any

from adapters.database import Database
from adapters.reader import LogReader
from adapters.rebuild import verify
from domain.event import Logged
from reliability.databases import ENGINES, databases
from reliability.figures import Figure, figure
from reliability.service import Service, Stubborn, got, posted, serving
from reliability.writers import SOURCES

PROCESSES = 2
AT_ONCE = 24  # of the racing writers: all that read one version race for it, and all but one do so in vain
SUBJECT, ONCE = "indicator:race", "indicator:once"


def run(long: bool) -> Iterator[Figure]:
    """1,000 retries and 500 writers, on each engine."""
    for engine in ENGINES:
        with databases(engine) as on, serving(url := on.fresh(), PROCESSES) as services:
            yield retries(engine, url, services, 1000 if long else 60)
            yield writers(engine, url, services, 500 if long else 16)


def observed(record_id: str, subject: str = SUBJECT) -> dict[str, Any]:
    """An event that may be recorded any number of times: each observation is a scope of its own (see domain.decide.SCOPE_LIMIT)."""
    number = int(record_id)
    period = f"{1000 + number // 12:04d}-{number % 12 + 1:02d}"
    month = 12 * (1000 + number // 12) + number % 12 + 1
    return {"subject": subject, "type": "indicator.observed", "record_id": record_id, "effective": f"{period}-01", "known": "2020-01-01",
            "until": f"{month // 12:04d}-{month % 12 + 1:02d}-01", "sources": SOURCES,
            "data": {"name": "N", "value": number, "unit": "u", "publisher": "p", "publisher_name": "P", "period": period}}


def _logged(url: str, subject: str) -> tuple[list[Logged], list[str]]:
    database = Database(url)
    held, faults = LogReader(database).stream(subject), verify(database).faults
    database.close()
    return held, faults


# ---------------------------------------------------------------- one key
def retries(engine: str, url: str, services: Sequence[Service], count: int) -> Figure:
    """Every client sends the same request with the same key at the same moment, over a connection of its own."""
    answers, refused = asyncio.run(_retry([service.port for service in services], count))
    held, faults = _logged(url, ONCE)
    statuses, bodies = Counter(status for status, _ in answers), {body for _, body in answers}
    if len(bodies) != 1 or statuses != {201: count}:
        faults.append(f"the answers differ: {dict(statuses)}, {len(bodies)} bodies")
    return figure(f"racing retries of one key on {engine}, events", len(held), "1, and one answer", len(held) == 1 and not faults,
                  retries=count, refused_for_a_while=refused, faults=faults)


async def _retry(ports: Sequence[int], count: int) -> tuple[list[tuple[int, bytes]], int]:
    clients = [Stubborn(ports[i % len(ports)]) for i in range(count)]
    answers = await asyncio.gather(*(client.send(posted(observed("0", ONCE), idempotency_key="one")) for client in clients))
    for client in clients:
        client.close()
    return [(answer.status, answer.body) for answer in answers], sum(client.refused for client in clients)


# ---------------------------------------------------------------- one stream
def writers(engine: str, url: str, services: Sequence[Service], count: int) -> Figure:
    """Every writer records one event of the stream, and reads the version anew where another took it first."""
    taken, lost_races = asyncio.run(_write([service.port for service in services], count))
    held, faults = _logged(url, SUBJECT)
    versions = Counter(taken)
    once = sum(number == 1 for number in versions.values())
    if sorted(versions) != list(range(1, count + 1)) or [item.version for item in held] != list(range(1, count + 1)):
        faults.append("the versions are not 1..n")
    return figure(f"racing writers of one stream on {engine}, versions taken once", once, f"{count}", once == count and not faults,
                  writers=count, answers_412=lost_races, faults=faults)


async def _write(ports: Sequence[int], count: int) -> tuple[list[int], int]:
    turns, lost_races = asyncio.Semaphore(AT_ONCE), 0

    async def write(i: int) -> int:
        nonlocal lost_races
        client = Stubborn(ports[i % len(ports)])
        try:
            while True:
                async with turns:
                    seen = await client.send(got(f"/v1/subjects/{SUBJECT}"))
                    version = seen.json()["version"] if seen.status == 200 else 0
                    answer = await client.send(posted(observed(str(i)), if_match=f'"{version}"'))
                if answer.status == 201:
                    versions: dict[str, int] = answer.json()["versions"]
                    if versions[SUBJECT] != version + 1:
                        raise AssertionError(f"version {version} was seen, and {versions} recorded")
                    return version + 1
                if answer.status != 412:
                    raise AssertionError(f"{answer.status}: {answer.body[:500]!r}")
                lost_races += 1
                await asyncio.sleep(random() * 0.1)  # lets another have the turn
        finally:
            client.close()

    return await asyncio.gather(*(write(i) for i in range(count))), lost_races
