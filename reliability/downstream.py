"""Followers that are killed again and again while events are recorded: each event arrives, in the order of its subject, none twice by id."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from random import Random
from subprocess import DEVNULL, Popen
from threading import Event, Thread
from time import monotonic, sleep
from typing import Any

from adapters.log import LogTrackingRecorder
from api.wiring import Settings, Tarikh
from reliability.databases import ENGINES, Databases, databases
from reliability.figures import Figure, figure
from reliability.service import TARIKH, serving
from tests.api.ask import concluded, withdrew
from tests.jetstream import Cluster
from tests.receiver import Receiver

PATIENCE = 120  # seconds that a follower has after the last kill
CLIENT = """
import os, sys
from httpx2 import Client
url, path = sys.argv[1:]
with open(path, "ab+") as file:
    file.seek(0)
    lines = file.read().split(b"\\n")
    file.truncate(file.tell() - len(lines[-1]))  # a line that the kill cut off was not received
    last = lines[-2].split(b" ", 1)[0] if len(lines) > 1 else b"0"
    at = b""
    with Client(timeout=30).stream("GET", url + "/v1/events/stream", headers={"Last-Event-ID": last.decode()}) as response:
        for line in response.iter_lines():
            name, _, value = line.partition(": ")
            if name == "id":
                at = value.encode()
            elif name == "data":
                file.write(at + b" " + value.encode() + b"\\n")
                file.flush()
"""


def run(long: bool) -> Iterator[Figure]:
    """100 kills of each follower, half of them on each engine."""
    kills = 50 if long else 2
    for engine in ENGINES:
        with databases(engine) as on:
            yield _webhooks(on, kills)
            yield _stream(on, kills)
            yield _broker(on, kills)


class Recording:
    """Records an event of a new subject and one each of the two before it, again and again until it is told to stop."""

    def __init__(self, on: Databases) -> None:
        self.url = on.fresh()
        self.core = Tarikh(Settings(database_url=self.url, webhook_private=True))
        self._over = Event()
        self._thread = Thread(target=self._record)
        self._thread.start()

    def _record(self) -> None:
        i = 0
        while not self._over.is_set():
            i += 1
            old = [withdrew(f"s{i - 1}"), withdrew(f"s{i - 2}", party="IRN")] if i > 2 else []
            self.core.writer.record(self.core.events_from([concluded(f"s{i}"), *old]))
            self._over.wait(0.01)

    def stop(self) -> int:
        """How many events there are."""
        self._over.set()
        self._thread.join()
        return self.core.reader.last()[0]


def _killed(start: Callable[[], Popen[bytes]], kills: int, done: Callable[[], bool], recording: Recording, halfway: Callable[[], None]) -> int:
    """Kills a follower so many times while events are recorded, and then lets it come to the end. Returns how many events there are."""
    random = Random(7)
    for i in range(kills):
        process = start()
        sleep(random.uniform(0.8, 1.8))  # it takes about half a second to start
        process.kill()
        process.wait()
        if i == kills // 2:
            halfway()
    total, process = recording.stop(), start()
    until = monotonic() + PATIENCE
    while not done() and monotonic() < until:
        sleep(0.05)
    process.kill()
    process.wait()
    return total


def _told(name: str, on: Databases, recording: Recording, total: int, kills: int, arrived: Sequence[tuple[str, dict[str, Any]]]) -> Figure:
    """What is wrong with what arrived: missing, or out of order within its subject once repeats are dropped."""
    first: dict[str, dict[str, Any]] = {}
    for id_, event in arrived:
        first.setdefault(id_, event)
    by_subject: dict[str, list[int]] = defaultdict(list)
    for event in first.values():
        by_subject[event["subject"]].append(int(event["sequence"]))
    missing = len(set(range(1, total + 1)) - {position for found in by_subject.values() for position in found})
    disorder = sum(found != sorted(found) for found in by_subject.values())
    twice = len(first) - len({event["id"] for event in first.values()})
    recording.core.close()
    return figure(f"{name} killed, {on.engine}: missing, disordered, twice", missing + disorder + twice, "0", missing + disorder + twice == 0,
                  kills=kills, events=total, repeats_dropped_by_id=len(arrived) - len(first))


def _process(recording: Recording, *arguments: str) -> Popen[bytes]:
    environment = {**os.environ, "TARIKH_DATABASE_URL": recording.url, "TARIKH_WEBHOOK_PRIVATE": "1", "TARIKH_WEBHOOK_HOLD": "2"}
    return Popen([str(TARIKH), *arguments], env=environment, stdout=DEVNULL, stderr=DEVNULL)


def _webhooks(on: Databases, kills: int) -> Figure:
    recording = Recording(on)
    with Receiver() as receiver:
        made = recording.core.webhooks.create(receiver.url)
        receiver.secrets = list(made.secrets)
        total = _killed(lambda: _process(recording, "webhooks", "work"), kills,
                        lambda: recording.core.webhooks.get(made.id).position >= recording.core.reader.last()[0], recording, lambda: None)
    return _told("webhook worker", on, recording, total, kills, receiver.accepted)


def _stream(on: Databases, kills: int) -> Figure:
    recording, path = Recording(on), on.folder / "stream"
    path.unlink(missing_ok=True)

    def lines() -> list[bytes]:
        return path.read_bytes().split(b"\n")[:-1] if path.exists() else []

    with serving(recording.url) as (service,):
        url = f"http://127.0.0.1:{service.port}"
        total = _killed(lambda: Popen([sys.executable, "-c", CLIENT, url, str(path)], stderr=DEVNULL), kills,
                        lambda: bool(lines()) and int(lines()[-1].split(b" ")[0]) >= recording.core.reader.last()[0], recording, lambda: None)
    received = [json.loads(line.split(b" ", 1)[1]) for line in lines()]
    return _told("stream client", on, recording, total, kills, [(event["id"], event) for event in received])


def _broker(on: Databases, kills: int) -> Figure:
    recording = Recording(on)
    tracked = LogTrackingRecorder(recording.core.database)
    with Cluster() as cluster:
        total = _killed(
            lambda: _process(recording, "publish", *cluster.urls, "--replicas", "3"), kills,
            lambda: (tracked.max_tracking_id("nats:tarikh") or 0) >= recording.core.reader.last()[0], recording, lambda: cluster.kill(1))
        cluster.start(1)
        kept = asyncio.run(cluster.kept("tarikh", total))
    return _told("publisher", on, recording, total, kills, kept)
