"""`make reliability`, in a few cycles of each part."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from random import Random
from typing import NamedTuple

import pytest

from reliability import chain, followers, kills, overload, races
from reliability.__main__ import PARTS, measured
from reliability.databases import ENGINES, Databases, databases
from reliability.figures import Figure, figure
from reliability.service import Service, serving
from reliability.writers import Ack, Audit, Writers
from tests.conftest import POSTGRESQL_SKIPPED


@pytest.fixture(scope="module", params=ENGINES)
def on(request: pytest.FixtureRequest) -> Iterator[Databases]:
    """Databases that outlive a kill: those of the other tests need not."""
    if request.param == "postgresql" and POSTGRESQL_SKIPPED:
        pytest.skip("TARIKH_TEST_POSTGRESQL=skip")
    with databases(request.param) as made:
        yield made


class Served(NamedTuple):
    url: str
    services: list[Service]


@pytest.fixture(scope="module")
def served(on: Databases) -> Iterator[Served]:
    """A database that two processes serve."""
    url = on.fresh()
    with serving(url, races.PROCESSES) as services:
        yield Served(url, services)


# ---------------------------------------------------------------- kill -9
def test_what_writers_were_told_is_there_after_they_were_killed(on: Databases) -> None:
    audit = (kills.killed_server if on.server else kills.killed_writers)(on, 2, Random())
    assert audit.clean, audit
    assert audit.acknowledged >= 2 * kills.WARM


def test_an_audit_finds_what_is_lost_and_what_is_there_twice(on: Databases) -> None:
    url = on.fresh()
    writers = Writers(url, 1, first=0)
    writers.listen(30, until=2)
    writers.kill(0)
    assert writers.end() == [kills.KILLED]
    number, ids = writers.acks[-1].number, writers.acks[-1].ids
    audit = Audit()
    audit.take(url, [*writers.acks, Ack(7, number, ids)], 1)
    assert (audit.lost, audit.doubled, audit.torn, audit.faults) == (len(ids), 0, 0, [])
    audit.take(url, [Ack(0, number, [f"{id_}0" for id_ in ids])], 1)
    assert audit.lost == 2 * len(ids)
    assert not audit.clean


# ---------------------------------------------------------------- races
def test_racing_retries_at_two_processes_record_one_event(on: Databases, served: Served) -> None:
    told = races.retries(on.engine, *served, 60)
    assert told["met"], told


def test_racing_writers_at_two_processes_take_each_version_once(on: Databases, served: Served) -> None:
    told = races.writers(on.engine, *served, 12)
    assert told["met"], told


def test_a_service_that_was_killed_has_recorded_each_request_once_when_it_is_back(served: Served) -> None:
    audit = Audit()
    acks = asyncio.run(kills.api_cycle(served.services[0], 0, 0.1, audit))
    audit.take(served.url, acks, len(acks))
    assert len(acks) >= kills.WARM
    assert audit.clean, audit


# ---------------------------------------------------------------- overload
def test_what_is_too_much_is_refused_and_told_when_to_come_back(on: Databases, served: Served) -> None:
    """How fast the rest is answered is for `make reliability`, which has the machine to itself."""
    _, astray, *_ = overload.offer(on.engine, served.services[0], 0.6, Random())
    assert astray["met"], astray
    assert astray["refused"] > 0


# ---------------------------------------------------------------- the chain, and who follows the log
def test_what_is_changed_in_the_database_itself_is_found_and_named(on: Databases) -> None:
    told = list(chain.attacks(on, Random(), batches=2, pairs=5, share=0.1))
    assert {one["name"].partition(": ")[2].partition(",")[0] for one in told} >= {"one byte changed", "the tail cut off", "two events swapped"}
    assert [one for one in told if not one["met"]] == []


def test_readers_that_follow_the_log_miss_nothing(on: Databases) -> None:
    told = list(followers.follow(on, 5))
    assert len(told) == len(followers.READERS)
    assert [one for one in told if not one["met"]] == []


# ---------------------------------------------------------------- the runner
def test_a_part_that_fails_is_a_goal_that_is_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: bool) -> Iterator[Figure]:
        yield figure("before", 1, "1", True)
        raise ValueError("no more")

    monkeypatch.setitem(PARTS, "kills", fail)
    monkeypatch.setitem(PARTS, "races", lambda _: [figure("after", 1, "1", True)])
    told = list(measured(["kills", "races"], long=True))
    assert [(one["name"], one["met"]) for one in told] == [("before", True), ("kills", False), ("after", True)]
    assert "no more" in told[1]["error"]
