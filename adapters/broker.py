"""The log, followed into a message broker: each event at least once, in order within its subject, with an id to drop repeats by.

A broker is anything with `publish`. What was acknowledged is noted in `tracking`, so that a follower resumes where it was. The broker
holds a copy for others to consume; it is never the log.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Protocol

import nats
from eventsourcing.persistence import IntegrityError, PersistenceError, Tracking
from nats.js.api import StreamConfig
from nats.js.errors import NotFoundError

from adapters.log import LogTrackingRecorder
from adapters.reader import LogReader
from domain.event import Logged
from projections.events import ONE, cloudevent
from projections.state import dumps

LOG = logging.getLogger("tarikh.broker")
PAGE = 500  # events read at once, and published before the position is noted
ELECTIONS = 12  # times that a stream is asked for once more, each for as long as `timeout`


class Broker(Protocol):
    """Where events go. A Kafka producer would fill this too: key by subject, idempotent, acks from all."""

    async def publish(self, events: Sequence[Logged]) -> None:
        """Publishes events of different subjects. Returns once all of them are kept; raises where that is not sure."""


class JetStream:
    """A NATS JetStream stream: `<stream>.<event type>`, with `Nats-Msg-Id` for the server to drop repeats by."""

    def __init__(self, servers: Sequence[str], stream: str = "tarikh", replicas: int = 1, window: float = 3600, timeout: float = 5) -> None:
        self.servers, self.stream, self.replicas, self.window, self.timeout = list(servers), stream, replicas, window, timeout

    async def __aenter__(self) -> JetStream:
        async def said(error: Exception) -> None:
            LOG.warning("nats: %s", error or type(error).__name__)

        self._client = await nats.connect(
            self.servers, error_cb=said, max_reconnect_attempts=-1, reconnect_time_wait=0.2, connect_timeout=5, name="tarikh", allow_reconnect=True)
        self._js = self._client.jetstream(timeout=self.timeout)
        for patience in range(ELECTIONS, -1, -1):
            try:
                await self._ensure_stream()
                break
            except (nats.errors.Error, TimeoutError) as error:  # no leader just now: a server was lost, and another is being elected
                if not patience:
                    await self._client.close()
                    raise TimeoutError(str(error)) from None
        return self

    async def _ensure_stream(self) -> None:
        try:
            await self._js.stream_info(self.stream)
        except NotFoundError:
            await self._js.add_stream(StreamConfig(
                name=self.stream, subjects=[f"{self.stream}.>"], num_replicas=self.replicas, duplicate_window=self.window,
                description="Tarikh: policy events as CloudEvents"))

    async def __aexit__(self, *_: object) -> None:
        await self._client.close()

    async def publish(self, events: Sequence[Logged]) -> None:
        results = await asyncio.gather(*(self._one(item) for item in events), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result

    async def _one(self, item: Logged) -> None:
        told = cloudevent(item)
        body = dumps(told)
        if len(body) > self._client.max_payload - 1024:  # what is too long is referred to (CloudEvents' dataref extension)
            del told["data"]
            body = dumps({**told, "dataref": f"/v1/events/{item.id}"})
        await self._js.publish(f"{self.stream}.{item.event.type}", body, stream=self.stream,
                               headers={"Nats-Msg-Id": item.id, "Content-Type": ONE})


def waves(events: Sequence[Logged]) -> Iterator[list[Logged]]:
    """Cuts a page into runs in which no subject occurs twice: within a run the order of arrival does not matter."""
    wave: list[Logged] = []
    for item in events:
        if any(item.event.subject == other.event.subject for other in wave):
            yield wave
            wave = []
        wave.append(item)
    if wave:
        yield wave


async def follow(reader: LogReader, tracked: LogTrackingRecorder, broker: Broker, name: str, stop: asyncio.Event, poll: float = 0.2) -> int:
    """Publishes what comes after the tracked position until `stop` is set. Returns how many events were acknowledged."""
    done = 0
    while not stop.is_set():
        try:
            after = await asyncio.to_thread(tracked.max_tracking_id, name) or 0
            page = await asyncio.to_thread(reader.feed, after, PAGE)
        except PersistenceError as error:
            LOG.warning("broker: the database does not answer: %s", error)
            await asyncio.sleep(1)
            continue
        sent = 0
        for wave in waves(page):
            if not await _insist(broker, wave, stop):
                break
            sent += len(wave)
        if sent:
            done += sent
            try:
                await asyncio.to_thread(tracked.insert_tracking, Tracking(name, page[sent - 1].position))
            except IntegrityError:
                LOG.warning("broker: another publisher by the name of %s is ahead; repeats are dropped by their id", name)
            except PersistenceError as error:  # it will be published again, and dropped by its id
                LOG.warning("broker: the position cannot be noted: %s", error)
        if not page:
            await _pause(stop, poll)
    return done


async def _insist(broker: Broker, wave: list[Logged], stop: asyncio.Event) -> bool:
    """Publishes a wave, again and again until it is acknowledged: what comes later must not overtake it. False: stopped before."""
    wait = 0.1
    while not stop.is_set():
        try:
            await broker.publish(wave)
        except Exception as error:  # whatever the client of a broker raises, nothing is sure
            LOG.warning("broker: %s: %s", type(error).__name__, error)
            await _pause(stop, wait)
            wait = min(wait * 2, 5)
        else:
            return True
    return False


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)
