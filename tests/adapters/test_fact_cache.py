"""Facts that are held in memory are those of the database, whatever is let go of meanwhile and whichever generation answers."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from hypothesis import given

from adapters.fact_cache import AROUND, FactCache
from adapters.facts import FactStore
from adapters.rebuild import rebuild
from domain.calendar import parse_day
from domain.event import Logged
from domain.family import RELATION
from tests.adapters.store import Store, recorded
from tests.build import say
from tests.histories import SEEDS, logs, points, share

URLs = Callable[[], str]
SIZES = (0, 1, 6 * AROUND, 2**20)  # none; one answer; a few facts, in halves that soon give way; all


@share(5)
@given(logs(max_events=10), SEEDS)
def test_whatever_is_held_a_stab_finds_the_same_in_the_same_order(fresh: URLs, log: list[Logged], seed: int) -> None:
    with recorded(fresh(), log) as store:
        stores = [FactStore(store.database, size) for size in SIZES]
        for basis in [*points(log, seed, 15), *points(log, seed, 5)]:
            told = [facts.stab(store.ask(*basis).basis, RELATION) for facts in stores]
            assert told == [store.folded(basis)] * len(SIZES), basis


def _withdrawals(url: str, count: int) -> Store:
    store = Store(url)
    store.append([say("agreement.participant_withdrew", "2018-05-08", subject=f"agreement:a{number}", party="USA") for number in range(count)])
    return store


def test_what_is_held_is_not_read_again(fresh: URLs) -> None:
    store = _withdrawals(fresh(), 5)
    basis = store.ask(parse_day("2020-01-01"), parse_day("2020-01-01"), 5).basis
    found = store.facts.stab(basis, RELATION)
    assert len(found) == 5
    again = store.facts.stab(basis, RELATION)
    assert all(one is other for one, other in zip(found, again, strict=True))
    none_held = FactStore(store.database, 0)
    assert none_held.stab(basis, RELATION) == found
    assert none_held.stab(basis, RELATION)[0] is not none_held.stab(basis, RELATION)[0]
    store.log.close()


def test_no_more_is_held_than_was_allowed_and_one_answer(fresh: URLs) -> None:
    store = _withdrawals(fresh(), 40)
    ids = [row[0] for row in store.database.select("SELECT id FROM fact ORDER BY id", {})]
    cache = FactCache(store.database, 10 * 2 * AROUND)
    for first in range(0, len(ids), 4):
        assert len(cache.found(ids[first : first + 4]) or ()) == 4
        assert len(cache._young) + len(cache._old) <= 24
    store.log.close()


def test_a_fact_that_is_gone_is_told_and_the_next_generation_answers(fresh: URLs) -> None:
    store = _withdrawals(fresh(), 3)
    basis = store.ask(parse_day("2020-01-01"), parse_day("2020-01-01"), 3).basis
    found = store.facts.stab(basis, RELATION)
    ids = [row[0] for row in store.database.select("SELECT id FROM fact ORDER BY id", {})]
    assert FactCache(store.database).found(ids) is not None
    for _ in range(2):
        rebuild(store.database)
        assert FactCache(store.database).found(ids) is None
        assert store.facts.stab(basis, RELATION) == found
    later = [row[0] for row in store.database.select("SELECT id FROM fact ORDER BY id", {})]
    assert min(later) > max(ids)  # no id is given twice while anyone may hold its fact
    store.log.close()


def test_many_threads_find_what_one_does(fresh: URLs) -> None:
    store = _withdrawals(fresh(), 30)
    ids = [row[0] for row in store.database.select("SELECT id FROM fact ORDER BY id", {})]
    cache = FactCache(store.database, 12 * 2 * AROUND)
    asked = [ids[first : first + 7] for first in range(24)] * 20
    alone = [FactCache(store.database).found(some) for some in asked]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(cache.found, asked)) == alone
    store.log.close()
