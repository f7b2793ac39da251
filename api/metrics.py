"""What this process counts and times, and how the database fares, in Prometheus form. Each process counts for itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from threading import Lock

from anyio import CapacityLimiter, move_on_after, to_thread
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, disable_created_metrics, generate_latest
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from api.wiring import UNUSABLE, Condition

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0)
PATIENCE = 2.0  # seconds that a page waits for the database
Versions = Callable[[], Mapping[str, str | bool]]
Read = Callable[[], Condition]

disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series to each, that nobody asks for


class Metrics:
    """One registry to an application. Labels are bounded: templates of paths, never paths."""

    def __init__(self, versions: Versions) -> None:
        self.registry = registry = CollectorRegistry()
        self.requests = Counter("tarikh_http_requests", "Requests answered", ("method", "route", "status"), registry=registry)
        self.seconds = Histogram("tarikh_http_request_seconds", "Time from request to answer", ("route",), buckets=SECONDS, registry=registry)
        self.append = Histogram("tarikh_append_seconds", "Time of a recorded write", buckets=SECONDS, registry=registry)
        self.as_of = Histogram("tarikh_as_of_seconds", "Time to answer a question about a day", ("question",), buckets=SECONDS, registry=registry)
        self.recorded = Counter("tarikh_events_recorded", "Events recorded by this process", registry=registry)
        self.refused = Counter("tarikh_writes_rejected", "Writes refused by this process", ("status",), registry=registry)
        self.up = Gauge("tarikh_database_up", "1 where the database answered this scrape", registry=registry)
        ProcessCollector(registry=registry)
        self._database = _Database(versions)
        registry.register(self._database)
        self._asking = Lock()
        self._answered: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """A request; status 0 where it came to none."""
        method = method if method in METHODS else "other"
        series = self._answered.get((method, route, status))
        if series is None:
            series = self.requests.labels(method, route, str(status) if status else "none"), self.seconds.labels(route)
            self._answered[method, route, status] = series
        series[0].inc()
        series[1].observe(seconds)

    def turned_away(self, method: str, status: int) -> None:
        """A request that was refused before anybody looked at it."""
        self.requests.labels(method if method in METHODS else "other", "any", str(status)).inc()

    def appended(self, events: int, seconds: float) -> None:
        """A write that recorded events."""
        self.recorded.inc(events)
        self.append.observe(seconds)

    def rejected(self, status: int) -> None:
        """A write that was refused."""
        self.refused.labels(str(status)).inc()

    async def page(self, read: Read) -> bytes:
        """All of it. Where the database does not answer in time, what was last known of it, and `tarikh_database_up` 0."""
        up = False
        with move_on_after(PATIENCE):  # on a thread of its own: those of the service may all be waiting for the database
            up = await to_thread.run_sync(self._ask, read, abandon_on_cancel=True, limiter=CapacityLimiter(1))
        self.up.set(up)
        return generate_latest(self.registry)

    def _ask(self, read: Read) -> bool:
        if not self._asking.acquire(blocking=False):
            return False  # an earlier scrape still waits
        try:
            self._database.condition = read()
        except UNUSABLE:
            return False
        finally:
            self._asking.release()
        return True


class _Database(Collector):
    """What runs, and the last condition of the database that was read: nothing before the first."""

    def __init__(self, versions: Versions) -> None:
        self.versions = versions
        self.condition: Condition | None = None

    def collect(self) -> Iterator[Metric]:
        yield InfoMetricFamily("tarikh_build", "What runs here", {name: str(value) for name, value in self.versions().items()})
        told = self.condition
        if told is None:
            return
        yield GaugeMetricFamily("tarikh_log_position", "Position of the last event", told.position)
        yield GaugeMetricFamily("tarikh_projection_current", "1 where the facts are written, by this version of the projection", told.current)
        yield GaugeMetricFamily("tarikh_projection_lag", "Events that the facts lack until a rebuild", told.lag)
        yield GaugeMetricFamily("tarikh_database_bytes", "Size of the database", told.size)
        followers = GaugeMetricFamily("tarikh_follower_position", "Position that a follower of the log has come to", labels=("application",))
        for name, position in told.followers.items():
            followers.add_metric((name,), position)
        yield followers
