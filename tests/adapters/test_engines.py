"""Both engines promise the same: one log, whatever keeps it, is told in the same bytes and chained to the same hash."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import count
from random import Random

import pytest
from hypothesis import given

from adapters.chain import head
from adapters.log import Log, LogRecorder
from api.wiring import Settings, Tarikh
from domain.event import Logged
from tests.adapters.store import Store, recorded
from tests.adapters.test_stability import diffs, everything
from tests.conftest import TODAY
from tests.databases import Files, Server, dropped_after
from tests.histories import INSTANT, SEEDS, logs, points, share, streams

Pair = tuple[Callable[[], str], Callable[[], str]]


@pytest.fixture
def both(sqlite: Files, postgresql: Server) -> Iterator[Pair]:
    """Makes new databases, on SQLite and on PostgreSQL."""
    with dropped_after(sqlite) as one, dropped_after(postgresql) as other:
        yield one, other


def same_clock(log: Log) -> None:
    """Batches are recorded a second after each other, on both engines at the same instants."""
    seconds = count()
    assert isinstance(log.recorder, LogRecorder)
    log.recorder.clock = lambda: INSTANT + next(seconds) * 1_000_000


@share(10)
@given(logs(max_subjects=4, max_events=10), SEEDS)
def test_a_log_is_told_in_the_same_bytes(both: Pair, log: list[Logged], seed: int) -> None:
    bases = points(log, Random(seed).randrange(2**32), 3)
    told = [told_by(make(), log, bases) for make in both]
    assert told[0] == told[1]


def told_by(url: str, log: list[Logged], bases: Sequence[tuple[int, int, int]]) -> list[object]:
    """Every answer on these bases, what differs between them, and the hash of the last event."""
    with recorded(url, log, same_clock) as store:
        answers = [everything(store.answers, store.ask(*basis), list(streams(log))) for basis in bases]
        return [answers, diffs(store, bases[0], bases[-1]), end(store)]


def end(of: Store | Tarikh) -> object:
    with of.database.transaction() as connection:
        return head(connection)


def test_the_record_is_told_in_the_same_bytes_and_is_the_same_after_a_rebuild(both: Pair) -> None:
    told = []
    for make in both:
        core = Tarikh(Settings(database_url=make()), today=lambda: TODAY)
        same_clock(core.log)
        core.load()
        before = [end(core), *states(core)]
        core.rebuild(lambda _: None)
        assert core.verify(lambda _: None).faults == []
        assert [end(core), *states(core)] == before
        told.append(before)
        core.close()
    assert told[0] == told[1]


def states(core: Tarikh) -> Iterator[bytes]:
    for as_of, known_at in (("2021-01-12", "2021-01-12"), ("1950-01-01", "2025-12-31"), ("2018-05-08", "2018-05-08"), ("2100-01-01", "2025-12-31")):
        asked = core.answers.basis(as_of, known_at)
        yield core.answers.state(asked)
        yield core.answers.subjects(asked, None, "", 10_000).body
        yield core.answers.timeline(asked, None, None, 10_000).body
