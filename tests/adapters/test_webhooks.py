"""Webhooks: every event that is asked for arrives, signed, in the order of its subject; what cannot arrive waits, and is not lost."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from threading import Event as Signal
from threading import Thread
from typing import Any

import pytest

from adapters.outbound import Sender
from adapters.webhooks import SECOND, Subscription, Webhooks, Worker
from api.wiring import CATALOGUE, Settings, Tarikh
from domain.errors import BadQuestion, NotFound
from tests.api.ask import concluded, withdrew
from tests.conftest import TODAY
from tests.receiver import Receiver


class Clock:
    """Moves when it is told to."""

    def __init__(self) -> None:
        from time import time_ns

        self.now = time_ns() // 1000

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def core(fresh: Callable[[], str]) -> Iterator[Tarikh]:
    tarikh = Tarikh(Settings(database_url=fresh(), webhook_private=True), today=lambda: TODAY)
    yield tarikh
    tarikh.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def webhooks(core: Tarikh, clock: Clock) -> Webhooks:
    return Webhooks(core.database, CATALOGUE, private=True, clock=clock)


@pytest.fixture
def worker(core: Tarikh, webhooks: Webhooks) -> Iterator[Worker]:
    sender = Sender(private=True, seconds=5)
    yield Worker(webhooks, core.reader, sender, schedule=(1, 1))
    sender.close()


def record(core: Tarikh, *slugs: str) -> None:
    core.writer.record(core.events_from([event for slug in slugs for event in (concluded(slug), withdrew(slug))]))


def subscribed(webhooks: Webhooks, receiver: Receiver, **asked: Any) -> Subscription:
    made = webhooks.create(receiver.url, **asked)
    receiver.secrets = list(made.secrets)
    return made


def ids(events: list[dict[str, Any]]) -> list[str]:
    return [event["id"] for event in events]


def test_every_event_arrives_signed_and_in_log_order(core: Tarikh, webhooks: Webhooks, worker: Worker) -> None:
    record(core, "a", "b", "c")
    with Receiver() as receiver:
        made = subscribed(webhooks, receiver)
        assert worker.work(made.id) == 6
        assert worker.work(made.id) == 0
        record(core, "d")
        assert worker.work(made.id) == 2
    assert [int(event["sequence"]) for event in receiver.once()] == list(range(1, 9))
    assert receiver.refused == 0
    assert webhooks.get(made.id).position == 8


def test_only_what_is_asked_for_is_sent(core: Tarikh, webhooks: Webhooks, worker: Worker) -> None:
    record(core, "a", "b")
    with Receiver() as receiver:
        by_type = subscribed(webhooks, receiver, types=["agreement.participant_withdrew.v1"])
        worker.work(by_type.id)
        by_subject = subscribed(webhooks, receiver, subjects=["agreement:b"], after=3)
        worker.work(by_subject.id)
    assert ids(receiver.once()) == ["agreement:a@2", "agreement:b@2", "agreement:b@2"]
    assert webhooks.get(by_type.id).position == 4


def test_what_fails_is_tried_again_and_later_events_of_its_subject_wait_behind_it(
    core: Tarikh, webhooks: Webhooks, worker: Worker, clock: Clock,
) -> None:
    record(core, "a", "b")
    down = {"agreement:a@1"}
    with Receiver(lambda event: 500 if event["id"] in down else 200) as receiver:
        made = subscribed(webhooks, receiver)
        worker.work(made.id)
        assert ids(receiver.once()) == ["agreement:b@1", "agreement:b@2"]
        assert [row["event_id"] for row in webhooks.waiting(made.id, dead=False)] == ["agreement:a@1", "agreement:a@2"]
        down.clear()
        assert worker.work(made.id) == 0  # it is not due yet
        clock.now += 2 * SECOND
        assert worker.work(made.id) == 2
    assert ids(receiver.once()) == ["agreement:b@1", "agreement:b@2", "agreement:a@1", "agreement:a@2"]
    assert webhooks.waiting(made.id, dead=False) == []


def test_what_fails_for_good_is_a_dead_letter_that_can_be_sent_again(core: Tarikh, webhooks: Webhooks, worker: Worker, clock: Clock) -> None:
    record(core, "a")
    down = {"agreement:a@1"}
    with Receiver(lambda event: 500 if event["id"] in down else 200) as receiver:
        made = subscribed(webhooks, receiver)
        for _ in range(4):
            worker.work(made.id)
            clock.now += 10 * SECOND
        assert receiver.refused == 3  # the first attempt, and the two of the schedule
        (letter,) = webhooks.waiting(made.id, dead=True)
        assert (letter["event_id"], letter["attempts"], letter["error"]) == ("agreement:a@1", 3, "it answered 500")
        assert ids(receiver.once()) == ["agreement:a@2"]  # what was given up holds up nothing
        down.clear()
        assert webhooks.replay(made.id, [99]) == 0
        assert webhooks.replay(made.id) == 1
        worker.work(made.id)
    assert ids(receiver.once()) == ["agreement:a@2", "agreement:a@1"]
    assert webhooks.waiting(made.id, dead=True) == []


def test_a_receiver_that_is_away_is_not_flooded_when_it_comes_back(core: Tarikh, webhooks: Webhooks, worker: Worker, clock: Clock) -> None:
    record(core, *(f"s{i}" for i in range(150)))
    away = [True]
    with Receiver(lambda _: 503 if away[0] else 200) as receiver:
        made = subscribed(webhooks, receiver)
        worker.work(made.id)
        assert receiver.refused == 100  # one attempt for each subject until so many wait
        assert made.id not in webhooks.with_work(core.reader.last()[0])
        away[0] = False
        clock.now += 2 * SECOND
        assert made.id in webhooks.with_work(core.reader.last()[0])
        worker.work(made.id)
    by_subject = defaultdict(list)
    for event in receiver.once():
        by_subject[event["subject"]].append(int(event["sequence"]))
    assert len(by_subject) == 150
    assert all(found == sorted(found) and len(found) == 2 for found in by_subject.values())


def test_a_receiver_that_is_gone_is_left_alone_until_somebody_says_otherwise(core: Tarikh, webhooks: Webhooks, worker: Worker, clock: Clock) -> None:
    record(core, "a", "b")
    gone = [True]
    with Receiver(lambda _: 410 if gone[0] else 200) as receiver:
        made = subscribed(webhooks, receiver)
        worker.work(made.id)
        clock.now += 100 * SECOND
        assert webhooks.with_work(4) == []
        assert receiver.refused == 1
        assert webhooks.get(made.id).stopped == "it answered 410 Gone"
        gone[0] = False
        webhooks.replay(made.id)
        worker.work(made.id)
    assert sorted(ids(receiver.once())) == ["agreement:a@1", "agreement:a@2", "agreement:b@1", "agreement:b@2"]


def test_a_new_secret_signs_and_the_old_one_as_well_for_a_while(core: Tarikh, webhooks: Webhooks, worker: Worker, clock: Clock) -> None:
    with Receiver() as receiver:
        made = subscribed(webhooks, receiver)
        record(core, "a")
        renewed = webhooks.rotate(made.id, overlap=60)
        assert renewed.secrets[0] != made.secrets[0]
        worker.work(made.id)
        assert len(receiver.accepted) == 2  # by the old secret
        receiver.secrets = [renewed.secrets[0]]
        record(core, "b")
        worker.work(made.id)
        assert len(receiver.accepted) == 4
        clock.now += 61 * SECOND
        receiver.secrets = [made.secrets[0]]
        record(core, "c")
        worker.work(made.id)
        assert len(receiver.accepted) == 4
        assert receiver.refused >= 1


def test_two_workers_do_not_send_the_same(core: Tarikh, webhooks: Webhooks, worker: Worker) -> None:
    with Receiver() as receiver:
        made = subscribed(webhooks, receiver)
        stop = Signal()
        other = Worker(webhooks, core.reader, worker.sender, schedule=(1,))
        threads = [Thread(target=w.run, args=(stop, 0.02)) for w in (worker, other)]
        for thread in threads:
            thread.start()
        for i in range(10):
            record(core, f"x{i}")
        while len(receiver.accepted) < 20:
            assert all(thread.is_alive() for thread in threads)
        stop.set()
        for thread in threads:
            thread.join()
    assert [int(event["sequence"]) for _, event in receiver.accepted] == list(range(1, 21))
    assert webhooks.get(made.id).position == 20


def test_a_worker_that_died_is_followed_by_another_once_its_hold_is_over(core: Tarikh, webhooks: Webhooks, worker: Worker, clock: Clock) -> None:
    record(core, "a")
    with Receiver() as receiver:
        made = subscribed(webhooks, receiver)
        assert worker._hold(made.id) is not None  # and then it dies
        other = Worker(webhooks, core.reader, worker.sender)
        assert other.work(made.id) == 0
        clock.now += worker.hold + 1
        assert other.work(made.id) == 2
    assert len(receiver.accepted) == 2


def test_no_request_goes_to_a_private_address_unless_a_setting_allows_it(core: Tarikh, webhooks: Webhooks) -> None:
    record(core, "a")
    sender = Sender(private=False, seconds=2)
    with Receiver() as receiver:
        made = subscribed(webhooks, receiver)  # made while the setting allowed it
        Worker(webhooks, core.reader, sender).work(made.id)
        assert "not public" in webhooks.waiting(made.id, dead=False)[0]["error"]
    sender.close()
    assert receiver.accepted == []
    assert receiver.refused == 0
    with pytest.raises(BadQuestion, match="https"):
        Webhooks(core.database, CATALOGUE).create(receiver.url)


@pytest.mark.parametrize("asked", [{"types": ["no.such"]}, {"subjects": ["nothing"]}, {"subjects": ["agreement:a b"]}])
def test_a_subscription_to_what_cannot_be_is_refused(webhooks: Webhooks, asked: dict[str, Any]) -> None:
    with pytest.raises(BadQuestion):
        webhooks.create("https://example.org/", **asked)
    assert webhooks.all() == []


def test_what_is_deleted_is_gone(core: Tarikh, webhooks: Webhooks, worker: Worker) -> None:
    record(core, "a")
    with Receiver(lambda _: 500) as receiver:
        made = subscribed(webhooks, receiver)
        worker.work(made.id)
        webhooks.delete(made.id)
    for ask in (webhooks.get, webhooks.delete, webhooks.replay, lambda id_: webhooks.rotate(id_, 1), lambda id_: webhooks.waiting(id_, True)):
        with pytest.raises(NotFound):
            ask(made.id)
