"""How a process is: live, ready, and in figures for Prometheus. No figure carries anything personal."""

import asyncio
import hmac
import time
from bisect import bisect_left
from collections import Counter as Counted
from collections.abc import Callable, Iterable, Mapping
from itertools import accumulate

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Gauge, Metric, generate_latest
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector
from tortoise.backends.base.client import BaseDBAsyncClient

from bot.web import guarded
from domain import clock
from domain.staff import figures
from models.database import pending_migrations
from models.enums import Channel
from models.notice import SenderState

FRESH_SECONDS = 10.0
LOOPBACK = frozenset({"127.0.0.1", "::1"})
FORWARDED = "X-Forwarded-For", "Forwarded", "Via"
# What waits, by name: counted in the database, whichever process asks.
QUEUES = {
    "outbox": "SELECT COUNT(*) AS n FROM outbox WHERE status IN ('queued', 'attempting')",
    "notices": "SELECT COUNT(*) AS n FROM notice WHERE status IN ('new', 'routed', 'sending')",
    "photos": "SELECT COUNT(*) AS n FROM photo_task WHERE status = 'pending'",
    "verifications": "SELECT COUNT(*) AS n FROM verification_task WHERE due_at IS NOT NULL",
    "staff_tasks": "SELECT COUNT(*) AS n FROM staff_task WHERE status = 'pending'",
    "cases": "SELECT COUNT(*) AS n FROM review_case WHERE status = 'pending'",
    "payments": "SELECT COUNT(*) AS n FROM payment WHERE status IN ('prepared', 'submitting', 'unknown')",
    "data_requests": "SELECT COUNT(*) AS n FROM data_request WHERE status IN ('open', 'case')",
}
SENT = "SELECT channel, status, COUNT(*) AS n FROM outbox WHERE id > {} GROUP BY channel, status"
ALARMS = "SELECT kind, SUM(count) AS n FROM alarm GROUP BY kind"
LATELY = 100_000  # messages that the standing of deliveries is counted over


class _Turns(Collector):
    """Turns counted in plain numbers: prometheus_client's own, made for many threads, cost as much as a keyword."""

    BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)

    def __init__(self) -> None:
        self.counts = Counted[tuple[Channel, str]]()
        self._buckets, self._seconds = [0] * (len(self.BUCKETS) + 1), 0.0

    def took(self, seconds: float) -> None:
        """A turn of this length."""
        self._buckets[bisect_left(self.BUCKETS, seconds)] += 1
        self._seconds += seconds

    def collect(self) -> Iterable[Metric]:
        """As they are now."""
        bounds = [*map(str, self.BUCKETS), "+Inf"]
        up_to = list(zip(bounds, accumulate(self._buckets), strict=True))
        yield HistogramMetricFamily("gelombang_turn_seconds", "From a message to its commit", up_to, self._seconds)
        turns = CounterMetricFamily("gelombang_turns", "Messages by channel and outcome", None, ("channel", "outcome"))
        for (channel, outcome), count in self.counts.items():
            turns.add_metric((channel.value, outcome), count)
        yield turns


class Measured:
    """What one process counts by itself."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._turns = _Turns()
        self.registry.register(self._turns)
        self._sent = Counter("gelombang_sent", "Messages that a platform took", ("channel",), registry=self.registry)
        self._errors = Counter(
            "gelombang_send_errors", "Calls to a platform that failed", ("channel", "code"), registry=self.registry
        )
        self._refusals = Counter(
            "gelombang_refusals",
            "Answers that were not taken, by the words they got",
            ("code",),
            registry=self.registry,
        )

    def taken(self, channel: Channel, seconds: float) -> None:
        """A message was taken, so long after it arrived."""
        self._turns.took(seconds)
        self._turns.counts[channel, "taken"] += 1

    def refused(self, code: str) -> None:
        """Somebody's answer was not taken; ``code`` is the key of what they read."""
        self._refusals.labels(code).inc()

    def called(self, channel: str, code: str) -> None:
        """A platform was asked to send a message; ``code`` is its error's, empty where it took it."""
        if code:
            self._errors.labels(channel, code).inc()
        else:
            self._sent.labels(channel).inc()

    def unavailable(self, channel: Channel) -> None:
        """The database could not take a message."""
        self._turns.counts[channel, "unavailable"] += 1


class Probes:
    """``/health`` is in every application; here are ``/ready`` and ``/metrics``."""

    def __init__(
        self,
        db: BaseDBAsyncClient,
        draining: Callable[[], bool],
        token: str,
        measured: Measured,
        pace: Mapping[str, float],
    ) -> None:
        self._db, self._draining, self._token, self._measured = db, draining, token.encode(), measured
        self._migrated = False
        registry = measured.registry
        self._queued = Gauge("gelombang_queue", "What waits, by queue", ("queue",), registry=registry)
        self._delivered = Gauge(
            "gelombang_messages", "The last messages by standing", ("channel", "status"), registry=registry
        )
        self._pace = Gauge(
            "gelombang_pace", "Messages a second that a sender may send", ("channel",), registry=registry
        )
        for channel, rate in pace.items():
            self._pace.labels(channel).set(rate)
        self._paused = Gauge(
            "gelombang_paused_seconds",
            "For how long a platform wants to be left alone",
            ("channel",),
            registry=registry,
        )
        self._booked = Gauge(
            "gelombang_booked_seconds", "How far ahead a sender's pace is booked", ("channel",), registry=registry
        )
        self._funnel = Gauge("gelombang_funnel", "People by stage, as last counted", ("stage",), registry=registry)
        self._alarms = Gauge("gelombang_alarms", "What looks like an attack, ever", ("kind",), registry=registry)
        self._looked, self._looking = -FRESH_SECONDS, asyncio.Lock()

    def add_routes(self, app: web.Application) -> None:
        """Put them into a web application."""
        app.router.add_get("/ready", guarded(self._ready))
        app.router.add_get("/metrics", guarded(self._metrics))

    async def _ready(self, request: web.Request) -> web.Response:
        """503 while it should get no more requests: it is told to end, its database does not answer or is behind."""
        if self._draining():
            return web.json_response({"status": "draining"}, status=503)
        try:
            async with asyncio.timeout(3):
                await self._db.execute_query_dict("SELECT 1 AS one")
                if not self._migrated:
                    self._migrated = not await pending_migrations(self._db)
        except Exception:  # noqa: BLE001 - whatever it is, it is not ready
            return web.json_response({"status": "database"}, status=503)
        status = "ready" if self._migrated else "migrations"
        return web.json_response({"status": status}, status=200 if self._migrated else 503)

    async def _metrics(self, request: web.Request) -> web.Response:
        """For who has the token, or without one for this machine; a proxy on it asks for others."""
        given = request.headers.get("Authorization", "").removeprefix("Bearer ").encode("utf-8", "surrogateescape")
        here = request.remote in LOOPBACK and not any(name in request.headers for name in FORWARDED)
        if not (hmac.compare_digest(given, self._token) if self._token else here):
            return web.Response(status=403)
        async with self._looking:
            if time.monotonic() - self._looked > FRESH_SECONDS:
                await self._look()
                self._looked = time.monotonic()
        return web.Response(
            body=generate_latest(self._measured.registry), headers={"Content-Type": CONTENT_TYPE_LATEST}
        )

    async def _look(self) -> None:
        """Count what is in the database; every process says the same of it."""
        for name, statement in QUEUES.items():
            rows = await self._db.execute_query_dict(statement)
            self._queued.labels(name).set(rows[0]["n"])
        [last] = await self._db.execute_query_dict("SELECT COALESCE(MAX(id), 0) AS n FROM outbox")
        self._delivered.clear()
        for row in await self._db.execute_query_dict(SENT.format(max(0, int(last["n"]) - LATELY))):
            self._delivered.labels(row["channel"], row["status"]).set(row["n"])
        for row in await self._db.execute_query_dict(ALARMS):
            self._alarms.labels(row["kind"]).set(row["n"])
        now = clock.now()
        for sender in await SenderState.all():
            for gauge, until in ((self._paused, sender.paused_until), (self._booked, sender.next_at)):
                gauge.labels(sender.name).set(max(0.0, (until - now).total_seconds()) if until else 0.0)
        counted = await figures.latest()
        for stage, number in (figures.opened(counted).stages() if counted else {}).items():
            self._funnel.labels(stage).set(number)
