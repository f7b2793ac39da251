"""The log in a message broker: every event once, in the order of its subject, whichever server or publisher is killed on the way."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.broker import follow, waves
from adapters.log import LogTrackingRecorder
from api.wiring import Settings, Tarikh
from domain.event import Logged
from tests.api.ask import concluded, withdrew
from tests.conftest import TODAY
from tests.jetstream import Cluster

ROOT = Path(__file__).parents[2]


@pytest.fixture
def core(fresh: Callable[[], str]) -> Iterator[Tarikh]:
    tarikh = Tarikh(Settings(database_url=fresh()), today=lambda: TODAY)
    yield tarikh
    tarikh.close()


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    with Cluster() as servers:
        yield servers


def record(core: Tarikh, *slugs: str) -> None:
    core.writer.record(core.events_from([event for slug in slugs for event in (concluded(slug), withdrew(slug))]))


def in_order(kept: Sequence[tuple[str, dict[str, Any]]], core: Tarikh) -> None:
    """Everything that is in the log, nothing twice, each subject in the order of the log."""
    assert sorted(id_ for id_, _ in kept) == sorted(item.id for item in core.reader.feed(0, 10**6))
    by_subject = defaultdict(list)
    for _, event in kept:
        by_subject[event["subject"]].append(event["sequence"])
    assert all(found == sorted(found) for found in by_subject.values())


class Flaky:
    """A broker that keeps what it was given and then, now and then, does not say so."""

    def __init__(self) -> None:
        self.kept: dict[str, Logged] = {}
        self.calls = 0

    async def publish(self, events: Sequence[Logged]) -> None:
        self.calls += 1
        for item in events:
            self.kept.setdefault(item.id, item)
        if self.calls % 3 == 1:
            raise TimeoutError("no acknowledgment came")


def test_what_is_not_acknowledged_is_published_again_before_anything_later(core: Tarikh) -> None:
    record(core, "a", "b", "a2")
    broker = Flaky()

    async def run() -> int:
        stop = asyncio.Event()
        following = asyncio.create_task(follow(core.reader, LogTrackingRecorder(core.database), broker, "f", stop, poll=0.01))
        while LogTrackingRecorder(core.database).max_tracking_id("f") != 6:
            assert not following.done()
            await asyncio.sleep(0.02)
        stop.set()
        return await following

    assert asyncio.run(run()) == 6
    assert [item.position for item in broker.kept.values()] == [1, 2, 3, 4, 5, 6]


@given(st.lists(st.integers(0, 5)))
def test_a_wave_holds_no_subject_twice_and_the_waves_together_are_the_page(subjects: list[int]) -> None:
    page = [_logged(f"agreement:s{n}", i) for i, n in enumerate(subjects, 1)]
    cut = list(waves(page))
    assert [item for wave in cut for item in wave] == page
    assert all(len({item.event.subject for item in wave}) == len(wave) for wave in cut)


def _logged(subject: str, position: int) -> Logged:
    from api.wiring import CATALOGUE

    return Logged(CATALOGUE.event(concluded() | {"subject": subject, "record_id": str(position)}), 1, position, position, position)


def publisher(core: Tarikh, cluster: Cluster, stream: str) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "TARIKH_DATABASE_URL": core.database.engine.url.render_as_string(hide_password=False)}
    command = [sys.executable, "-c", "from api.cli import main; main()", "publish", *cluster.urls, "--stream", stream, "--replicas", "3"]
    return subprocess.Popen(command, env=environment, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def tracked(core: Tarikh, stream: str) -> int:
    return LogTrackingRecorder(core.database).max_tracking_id(f"nats:{stream}") or 0


async def until(true: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    while not true():
        assert process.poll() is None, process.communicate()
        await asyncio.sleep(0.02)


def test_kills_of_publisher_and_server_lose_double_and_disorder_nothing(core: Tarikh, cluster: Cluster, request: pytest.FixtureRequest) -> None:
    stream = f"s-{request.node.callspec.id}"
    record(core, *(f"n{i}" for i in range(100)))
    first = publisher(core, cluster, stream)
    asyncio.run(until(lambda: tracked(core, stream) >= 200, first))
    record(core, *(f"m{i}" for i in range(400)))
    first.kill()  # somewhere on its way through the new ones
    first.communicate()
    cluster.kill(1)
    second = publisher(core, cluster, stream)
    try:
        asyncio.run(until(lambda: tracked(core, stream) == 1000, second))
    finally:
        cluster.start(1)
    second.send_signal(signal.SIGTERM)
    assert b"events published" in second.communicate()[0]
    assert second.returncode == 0
    in_order(asyncio.run(cluster.kept(stream, 1000)), core)
