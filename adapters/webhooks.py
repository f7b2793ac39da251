"""Webhooks: who wants which events, and the worker that sends them (Standard Webhooks).

Each subscription has a position in the log, and rows only for what could not be sent. Events of one subject go out in log order: while one
waits to be tried again, later ones of its subject wait behind it, and other subjects go on. A worker holds a subscription for a while
(`held_until`); if it dies, another takes over and sends again what it had not noted: at least once, with the same `webhook-id`.
"""

from __future__ import annotations

import base64
import logging
import secrets
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from random import uniform
from threading import Event as Signal
from time import time_ns
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from eventsourcing.persistence import PersistenceError
from standardwebhooks import Webhook as Signature

from adapters.database import Database
from adapters.reader import LogReader
from adapters.schema import delivery, webhook
from domain.catalogue import Catalogue
from domain.errors import BadQuestion, NotFound
from domain.event import SUBJECT, Logged
from projections.events import ONE, cloudevent
from projections.state import dumps

if TYPE_CHECKING:
    from adapters.outbound import Reply, Sender

LOG = logging.getLogger("tarikh.webhooks")
SECOND = 10**6  # instants are microseconds since 1970
SCHEDULE = (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)  # seconds between attempts, as Standard Webhooks has them
HOLD = 60 * SECOND  # how long a worker holds a subscription; much longer than one attempt may take
WAITING = 100  # subjects whose events may wait for a receiver; while so many do, it is down, and nothing new is tried
WAITING_EVENTS = 10_000  # and so many events in all
PAGE = 100  # events read at once, and sent before the position is noted


@dataclass(frozen=True, slots=True)
class Subscription:
    """Who wants what. Instants are microseconds since 1970."""

    id: str
    url: str
    types: tuple[str, ...]  # event types without their version; none: all
    subjects: tuple[str, ...]  # none: all
    secrets: tuple[str, ...]  # the newest first
    retired_at: int | None  # when the older secret is used no more
    created_at: int
    position: int
    stopped: str | None

    def wants(self, item: Logged) -> bool:
        type_ = item.event.type.rpartition(".v")[0]
        return (not self.types or type_ in self.types) and (not self.subjects or item.event.subject in self.subjects)


def _subscription(row: Any) -> Subscription:
    return Subscription(row.id, row.url, tuple(row.types.split()), tuple(row.subjects.split()), tuple(row.secrets.split()), row.retired_at,
                        row.created_at, row.position, row.stopped)


def _now() -> int:
    return time_ns() // 1000


def _secret() -> str:
    return f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}"


class Webhooks:
    """The subscriptions of a database, and what of theirs waits or was given up."""

    def __init__(self, database: Database, catalogue: Catalogue, private: bool = False, clock: Callable[[], int] = _now) -> None:
        self.database, self.catalogue, self.private, self.clock = database, catalogue, private, clock

    def create(self, url: str, types: Sequence[str] = (), subjects: Sequence[str] = (), after: int = 0) -> Subscription:
        """A new subscription to events after a position. Raises BadQuestion."""
        from adapters.outbound import check_url  # an HTTP client takes a moment to import, and few make a subscription

        check_url(url, self.private)
        names = sorted({type_.rpartition(".v")[0] or type_ for type_ in types})
        if unknown := [name for name in names if name not in self.catalogue.types]:
            raise BadQuestion(f"types: {unknown[0]!r} is no event type: docs/events.md lists them")
        if wrong := [subject for subject in subjects if not SUBJECT.fullmatch(subject)]:
            raise BadQuestion(f"subjects: {wrong[0][:100]!r} is no subject: one looks like agreement:jcpoa")
        made = Subscription(f"wh_{secrets.token_hex(8)}", url, tuple(names), tuple(sorted(set(subjects))), (_secret(),), None, self.clock(),
                            after, None)
        with self.database.transaction(write=True) as connection:
            connection.execute(webhook.insert().values(
                id=made.id, url=url, types=" ".join(made.types), subjects=" ".join(made.subjects), secrets=made.secrets[0],
                created_at=made.created_at, position=after, held_until=0))
        return made

    def all(self) -> list[Subscription]:
        """Every subscription, the oldest first."""
        with self.database.transaction() as connection:
            return [_subscription(row) for row in connection.execute(sa.select(webhook).order_by(webhook.c.created_at, webhook.c.id))]

    def get(self, id_: str) -> Subscription:
        """One subscription. Raises NotFound."""
        with self.database.transaction() as connection:
            return _one(connection, id_)

    def delete(self, id_: str) -> None:
        """Ends a subscription and forgets what waited for it. Raises NotFound."""
        with self.database.transaction(write=True) as connection:
            _one(connection, id_)
            connection.execute(delivery.delete().where(delivery.c.webhook == id_))
            connection.execute(webhook.delete().where(webhook.c.id == id_))

    def rotate(self, id_: str, overlap: int) -> Subscription:
        """A new secret; for `overlap` seconds messages are signed with the old one too. Raises NotFound."""
        with self.database.transaction(write=True) as connection:
            old = _one(connection, id_)
            connection.execute(webhook.update().where(webhook.c.id == id_).values(
                secrets=f"{_secret()} {old.secrets[0]}", retired_at=self.clock() + overlap * SECOND))
            return _one(connection, id_)

    def with_work(self, last: int) -> list[str]:
        """The subscriptions for which something can be done now, where the log ends at `last`; nothing is written to find out."""
        earlier = delivery.alias()
        heads = sa.select(delivery.c.webhook).where(
            delivery.c.dead_at.is_(None), delivery.c.next_at <= self.clock(), ~sa.exists().where(
                earlier.c.webhook == delivery.c.webhook, earlier.c.subject == delivery.c.subject, earlier.c.dead_at.is_(None),
                earlier.c.position < delivery.c.position))
        held = sa.and_(delivery.c.webhook == webhook.c.id, delivery.c.dead_at.is_(None))
        behind = sa.and_(
            webhook.c.position < last, sa.select(sa.func.count(delivery.c.subject.distinct())).where(held).scalar_subquery() < WAITING,
            sa.select(sa.func.count()).where(held).scalar_subquery() < WAITING_EVENTS)
        with self.database.transaction() as connection:
            return list(connection.scalars(sa.select(webhook.c.id).where(webhook.c.stopped.is_(None), sa.or_(behind, webhook.c.id.in_(heads)))))

    def waiting(self, id_: str, dead: bool) -> list[dict[str, Any]]:
        """What waits to be tried again, or the dead letters, in log order. Raises NotFound."""
        with self.database.transaction() as connection:
            _one(connection, id_)
            query = sa.select(delivery).where(delivery.c.webhook == id_, delivery.c.dead_at.is_not(None) if dead else delivery.c.dead_at.is_(None))
            return [dict(row) for row in connection.execute(query.order_by(delivery.c.position)).mappings()]

    def replay(self, id_: str, positions: Sequence[int] = ()) -> int:
        """Puts dead letters back to be sent, those at some positions or all, and a stopped subscription to work. Returns how many."""
        with self.database.transaction(write=True) as connection:
            _one(connection, id_)
            query = delivery.update().where(delivery.c.webhook == id_, delivery.c.dead_at.is_not(None))
            query = query.where(delivery.c.position.in_(list(positions))) if positions else query
            connection.execute(webhook.update().where(webhook.c.id == id_).values(stopped=None))
            return connection.execute(query.values(dead_at=None, attempts=0, next_at=0)).rowcount


def _one(connection: sa.Connection, id_: str) -> Subscription:
    row = connection.execute(sa.select(webhook).where(webhook.c.id == id_)).first()
    if row is None:
        raise NotFound(f"there is no webhook {id_[:100]!r}: `tarikh webhooks list` has them all")
    return _subscription(row)


class Worker:
    """Sends what subscriptions ask for. Any number of workers may run, in any number of processes."""

    def __init__(self, webhooks: Webhooks, reader: LogReader, sender: Sender, schedule: Sequence[int] = SCHEDULE, hold: int = HOLD) -> None:
        self.webhooks, self.reader, self.sender, self.schedule, self.hold = webhooks, reader, sender, schedule, hold
        self.database, self.clock, self.name = webhooks.database, webhooks.clock, secrets.token_hex(8)

    def close(self) -> None:
        self.sender.close()

    def run(self, stop: Signal, poll: float = 0.5, threads: int = 16) -> None:
        """Works until `stop` is set."""
        at_work: dict[str, Future[int]] = {}
        with ThreadPoolExecutor(threads) as pool:
            while not stop.is_set():
                try:
                    for id_ in [id_ for id_, work in at_work.items() if work.done()]:
                        at_work.pop(id_).result()
                    for id_ in self.webhooks.with_work(self.reader.last()[0]):
                        if id_ not in at_work:
                            at_work[id_] = pool.submit(self.work, id_, stop)
                except PersistenceError as error:  # the database is away: it will be back
                    LOG.warning("webhooks: %s", error)
                    stop.wait(5)
                stop.wait(poll)

    def work(self, id_: str, stop: Signal | None = None) -> int:
        """Sends what one subscription lacks, as far as it can be sent now. Returns how many were sent; 0 also where another worker has it."""
        subscription = self._hold(id_)
        if subscription is None:
            return 0
        stop, sent = stop or Signal(), 0
        try:
            sent += self._again(subscription, stop)
            while subscription is not None and subscription.stopped is None and not stop.is_set():
                done = self._onward(subscription, stop)
                if done is None:
                    break
                sent, subscription = sent + done, self._hold(id_)
        finally:
            with self.database.transaction(write=True) as connection:
                connection.execute(webhook.update().where(webhook.c.id == id_, webhook.c.holder == self.name).values(held_until=0))
        return sent

    # ------------------------------------------------------------ holding
    def _hold(self, id_: str) -> Subscription | None:
        """Takes or keeps the subscription; None where another worker has it, or it is gone."""
        now = self.clock()
        with self.database.transaction(write=True) as connection:
            taken = connection.execute(webhook.update().where(
                webhook.c.id == id_, sa.or_(webhook.c.held_until <= now, webhook.c.holder == self.name)).values(
                    holder=self.name, held_until=now + self.hold))
            return _one(connection, id_) if taken.rowcount else None

    # ------------------------------------------------------------ sending
    def _again(self, subscription: Subscription, stop: Signal) -> int:
        """Tries again what is due: the first that waits of each subject, and then those behind it."""
        sent = 0
        while not stop.is_set():
            heads: dict[str, dict[str, Any]] = {}
            for row in self.webhooks.waiting(subscription.id, dead=False):
                heads.setdefault(row["subject"], row)
            due = [row for row in heads.values() if row["next_at"] <= self.clock()]
            if not due or self._hold(subscription.id) is None:
                return sent
            events = {item.position: item for row in due for item in self.reader.feed(row["position"] - 1, 1)}
            for row in due:
                reply = self._post(subscription, events[row["position"]])
                if 200 <= reply.status < 300:
                    sent += 1
                    with self.database.transaction(write=True) as connection:
                        connection.execute(_row(subscription, row["position"]))
                else:
                    self._failed(subscription, events[row["position"]], row["attempts"], reply)
                if reply.status == 410 or stop.is_set():
                    return sent
        return sent

    def _onward(self, subscription: Subscription, stop: Signal) -> int | None:
        """Sends a page of events after the position, and moves it. None: there is nothing more to do now."""
        waiting = self.webhooks.waiting(subscription.id, dead=False)
        page = self.reader.feed(subscription.position, PAGE)
        blocked, sent, upto = {row["subject"] for row in waiting}, 0, subscription.position
        if not page or len(blocked) >= WAITING or len(waiting) >= WAITING_EVENTS:
            return None
        noted = {row["position"] for row in waiting}  # by a worker that died before it moved the position
        until = self.clock() + self.hold // 2
        for item in page:
            if stop.is_set() or self.clock() > until:
                break
            if subscription.wants(item) and item.position not in noted:
                if item.event.subject in blocked:
                    self._wait(subscription, item, 0, 0, "waits for an earlier event of its subject")
                else:
                    reply = self._post(subscription, item)
                    if 200 <= reply.status < 300:
                        sent += 1
                    else:
                        if self._failed(subscription, item, 0, reply):
                            blocked.add(item.event.subject)
                        if reply.status == 410 or len(blocked) >= WAITING:
                            upto = item.position
                            break
            upto = item.position
        with self.database.transaction(write=True) as connection:
            connection.execute(webhook.update().where(webhook.c.id == subscription.id, webhook.c.holder == self.name).values(position=upto))
        return sent

    def _post(self, subscription: Subscription, item: Logged) -> Reply:
        body, now = dumps(cloudevent(item)), self.clock()
        id_, at = f"{subscription.id}_{item.position}", datetime.fromtimestamp(now // SECOND, UTC)
        old = subscription.secrets[1:] if subscription.retired_at is not None and now < subscription.retired_at else ()
        signatures = [Signature(secret).sign(id_, at, body.decode()) for secret in (subscription.secrets[0], *old)]
        return self.sender.post(subscription.url, body, {
            "content-type": ONE, "user-agent": "tarikh", "webhook-id": id_, "webhook-timestamp": str(now // SECOND),
            "webhook-signature": " ".join(signatures)})

    def _failed(self, subscription: Subscription, item: Logged, before: int, reply: Reply) -> bool:
        """Notes an attempt that failed, and when the next one may be made. Returns whether there is to be one."""
        if reply.status == 410:  # Standard Webhooks: the receiver is gone for good
            with self.database.transaction(write=True) as connection:
                connection.execute(webhook.update().where(webhook.c.id == subscription.id).values(stopped="it answered 410 Gone"))
        attempts = before + 1
        if attempts > len(self.schedule):
            self._wait(subscription, item, attempts, 0, reply.said, dead=True)
            return False
        wait = max(self.schedule[before] * uniform(0.8, 1.2), reply.retry_after)
        self._wait(subscription, item, attempts, self.clock() + int(wait * SECOND), reply.said)
        return True

    def _wait(self, subscription: Subscription, item: Logged, attempts: int, next_at: int, error: str, dead: bool = False) -> None:
        with self.database.transaction(write=True) as connection:
            connection.execute(_row(subscription, item.position))
            connection.execute(delivery.insert().values(
                webhook=subscription.id, position=item.position, event_id=item.id, subject=item.event.subject, attempts=attempts,
                next_at=next_at, dead_at=self.clock() if dead else None, error=error))


def _row(subscription: Subscription, position: int) -> sa.Delete:
    return delivery.delete().where(delivery.c.webhook == subscription.id, delivery.c.position == position)
