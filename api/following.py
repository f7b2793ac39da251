"""Following the log: Server-Sent Events, one reader for each client and one look at the database for all of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from time import monotonic

import anyio
from anyio.to_thread import run_sync
from fastapi import HTTPException
from fastapi.responses import StreamingResponse

from domain.event import Logged
from projections.events import cloudevent
from projections.state import dumps

PAGE = 100  # events read at once for a client, and held until it has taken them: that is the back-pressure
LOOK = 0.2  # seconds between looks at the log while somebody waits for more
RETRY = 2000  # milliseconds after which a client that was cut off comes back


class Tail:
    """Knows how far the log has come, and looks again only while somebody waits."""

    def __init__(self, last: Callable[[], int], clock: Callable[[], float] = monotonic) -> None:
        self._last, self._clock, self._seen, self._at, self._looking = last, clock, 0, float("-inf"), anyio.Lock()

    async def position(self) -> int:
        """The position of the last event, at most `LOOK` seconds old."""
        async with self._looking:
            if self._clock() - self._at >= LOOK:
                self._seen = await run_sync(self._last)
                self._at = self._clock()
            return self._seen

    async def beyond(self, position: int, seconds: float) -> bool:
        """Waits until the log goes beyond a position; False where it did not in that time."""
        until = self._clock() + seconds
        while await self.position() <= position:
            if self._clock() >= until:
                return False
            await anyio.sleep(LOOK)
        return True


Read = Callable[[int, int], Sequence[Logged]]  # (after, limit): events of a feed, in log order


async def sse(tail: Tail, read: Read, after: int, heartbeat: float) -> AsyncIterator[bytes]:
    """The feed as Server-Sent Events (WHATWG HTML, 9.2) without end; `id` is the position and `data` a CloudEvent.

    A heartbeat is an id alone: it keeps the connection alive, and a client whose filter lets little through resumes near the end.
    """
    yield b"retry: %d\n\n" % RETRY
    while True:
        reached = await tail.position()  # before reading: what is not read up to here is not there
        page = await run_sync(read, after, PAGE)
        for item in page:
            yield b"id: %d\ndata: %s\n\n" % (item.position, dumps(cloudevent(item)))
        after = page[-1].position if len(page) == PAGE else max(after, reached, *(item.position for item in page))
        if len(page) < PAGE and not await tail.beyond(after, heartbeat):
            yield b"id: %d\n\n" % after


class Streams:
    """The streams of this process, at most so many at once."""

    def __init__(self, tail: Tail, most: int, heartbeat: float) -> None:
        self.tail, self.most, self.heartbeat, self.now = tail, most, heartbeat, 0

    def open(self, read: Read, after: int) -> StreamingResponse:
        """A stream from after a position. Raises 503 where there are too many."""
        if self.now >= self.most:
            raise HTTPException(503, f"{self.most} streams are open: page through /v1/events, or come back (TARIKH_STREAMS)", {"Retry-After": "10"})
        return StreamingResponse(self._counted(sse(self.tail, read, after, self.heartbeat)), media_type="text/event-stream",
                                 headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})

    async def _counted(self, stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        self.now += 1
        try:
            async for part in stream:
                yield part
        finally:
            self.now -= 1
