"""A bank for trying out: a process of its own that moves no money but in its own book, and misbehaves on request.

Faults are settings (prefix GELOMBANG_BANK_, docs/payouts.md); which payouts they hit depends on the reference alone, so
that a run can be repeated. Account numbers by their end: 0000 is unknown, 0001 is somebody else's, 0002 is closed, 0003
closes before a payment comes, 0004 sends payments back, everything else belongs to whoever asks.
"""

import asyncio
import hashlib
import hmac
import time
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import aiohttp
import msgspec
from aiohttp import web
from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from bot.sandbox_bank.book import Book, OtherPayoutError, Payout
from bot.tasks import again_and_again

SIDE_BY_SIDE = 50  # callbacks
CALLBACK_TRIES = 6
COMMIT_SECONDS = 0.005
WIB = ZoneInfo("Asia/Jakarta")


class BankSettings(BaseSettings):
    """How the bank behaves. Shares are from 0 to 1, times in seconds unless they say otherwise."""

    model_config = SettingsConfigDict(env_prefix="GELOMBANG_BANK_", env_file=".env", extra="ignore")

    book: Path = Path("var/sandbox-bank.db")
    callback_url: str = ""
    latency_ms: float = Field(20.0, ge=0)
    hang_share: float = Field(0.0, ge=0, le=1)
    hang_seconds: float = Field(30.0, ge=0)
    refuse_share: float = Field(0.0, ge=0, le=1)
    fail_share: float = Field(0.0, ge=0, le=1)
    bounce_share: float = Field(0.0, ge=0, le=1)
    settle_seconds: float = Field(2.0, ge=0)
    duplicate_share: float = Field(0.0, ge=0, le=1)
    lost_callback_share: float = Field(0.0, ge=0, le=1)
    stray_share: float = Field(0.0, ge=0, le=1)
    wrong_amount_share: float = Field(0.0, ge=0, le=1)
    twice_share: float = Field(0.0, ge=0, le=1)
    a_second: int = Field(0, ge=0)
    cut_off: str = Field("", pattern=r"^(\d\d:\d\d-\d\d:\d\d)?$")


class Order(msgspec.Struct):
    """What a payout request says."""

    reference: str
    institution: str
    number: str
    holder: str
    amount: int
    way: str = "pay"


class Question(msgspec.Struct):
    """What an inquiry says."""

    institution: str
    number: str
    name: str
    phone: str


class Bank:
    """Its routes, and the settling of what it accepted."""

    def __init__(
        self, settings: BankSettings, secret: str, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._settings, self._secret, self._clock = settings, secret, clock
        self.book = Book(settings.book)
        self._committed = asyncio.Event()
        self._dirty = False
        self._group: asyncio.TaskGroup | None = None
        self._places = asyncio.Semaphore(SIDE_BY_SIDE)
        self._second, self._in_second = 0, 0
        self.http: aiohttp.ClientSession | None = None

    def add_routes(self, app: web.Application) -> None:
        """Put them into a server."""
        app.router.add_get("/health", self._health)
        app.router.add_post("/accounts/inquiry", self._inquire)
        app.router.add_post("/payouts", self._take)
        app.router.add_get("/payouts/{reference}", self._show)
        app.router.add_get("/statement", self._statement)
        app.router.add_get("/summary", self._summary)

    async def run(self, ready: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Settle and commit until cancelled; what was accepted before a restart is settled, too."""
        async with aiohttp.ClientSession() as self.http, asyncio.TaskGroup() as self._group:
            self._group.create_task(again_and_again("sandbox bank", self._commit, lambda: COMMIT_SECONDS))
            for reference in self.book.open_payouts():
                self._spawn(self._settle(reference))
            self._group.create_task(ready())

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        assert self._group is not None
        self._group.create_task(work)

    async def _commit(self) -> None:
        if self._dirty:
            self._dirty = False
            self.book.commit()
            done, self._committed = self._committed, asyncio.Event()
            done.set()

    async def _lasting(self) -> None:
        self._dirty = True
        await self._committed.wait()

    def _hit(self, fault: str, reference: str, share: float) -> bool:
        """Whether a fault hits a payout: the same for every run."""
        drawn = hashlib.sha256(f"{fault}:{reference}".encode()).digest()[:4]
        return int.from_bytes(drawn, "big") / 2**32 < share

    def _now(self) -> str:
        return self._clock().isoformat(timespec="milliseconds")

    async def _health(self, request: web.Request) -> web.Response:
        return web.json_response({"status": "ok", "bank": "sandbox"})

    async def _inquire(self, request: web.Request) -> web.Response:
        if not self._signed_in(request):
            return _error(401, "token")
        try:
            question = msgspec.json.decode(await request.read(), type=Question)
        except msgspec.MsgspecError:
            return _error(400, "unreadable")
        await asyncio.sleep(self._settings.latency_ms / 1000)
        end = question.number[-4:]
        mismatch = "mismatch" if end == "0001" else "match"
        return web.json_response({"exists": end != "0000", "open": end != "0002", "name": mismatch, "phone": mismatch})

    async def _take(self, request: web.Request) -> web.Response:
        order = await self._order(request)
        if isinstance(order, web.Response):
            return order
        await asyncio.sleep(self._settings.latency_ms / 1000)
        if self._too_fast():
            return _error(429, "busy")
        if self._after_hours():
            return _error(503, "cut_off")
        refused = self._hit("refuse", order.reference, self._settings.refuse_share)
        if refused and self.book.find(order.reference) is None:
            return _error(422, "limit")
        try:
            terms = (order.institution, order.number, order.amount, order.way)
            payout, new = self.book.take(order.reference, terms, self._now())
        except OtherPayoutError:
            return _error(409, "idempotency_key")
        await self._lasting()
        if new:
            self._spawn(self._settle(order.reference))
            if self._hit("hang", order.reference, self._settings.hang_share):
                return await self._hang(request)
        return web.json_response(_shown(payout))

    async def _order(self, request: web.Request) -> Order | web.Response:
        """What a payout request says, or why it is refused."""
        if not self._signed_in(request):
            return _error(401, "token")
        try:
            order = msgspec.json.decode(await request.read(), type=Order)
        except msgspec.MsgspecError:
            return _error(400, "unreadable")
        if order.amount <= 0 or order.way not in ("pay", "restricted", "collect"):
            return _error(400, "unreadable")
        if request.headers.get("Idempotency-Key") != order.reference:
            return _error(400, "idempotency_key")
        return order

    def _signed_in(self, request: web.Request) -> bool:
        return hmac.compare_digest(request.headers.get("Authorization", "").encode(), f"Bearer {self._secret}".encode())

    async def _hang(self, request: web.Request) -> web.Response:
        """Accepted, but the answer never comes."""
        await asyncio.sleep(self._settings.hang_seconds)
        if request.transport is not None:
            request.transport.close()
        return _error(500, "hung")

    def _too_fast(self) -> bool:
        second = int(time.monotonic())
        if second != self._second:
            self._second, self._in_second = second, 0
        self._in_second += 1
        return bool(self._settings.a_second) and self._in_second > self._settings.a_second

    def _after_hours(self) -> bool:
        begins, _, ends = self._settings.cut_off.partition("-")
        now = f"{self._clock().astimezone(WIB):%H:%M}"
        return bool(begins) and (begins <= now < ends if begins < ends else now >= begins or now < ends)

    async def _settle(self, reference: str) -> None:
        settings = self._settings
        drawn = hashlib.sha256(f"wait:{reference}".encode()).digest()[0] / 255
        await asyncio.sleep(settings.settle_seconds * drawn)
        payout = self.book.find(reference)
        assert payout is not None
        reason = ""
        if payout.number.endswith("0003"):
            reason = "account_closed"
        elif self._hit("fail", reference, settings.fail_share):
            reason = "institution_down"
        settled = self.book.settle(reference, self._now(), reason)
        await self._lasting()
        await self._call_back(settled)
        bounces = payout.number.endswith("0004") or self._hit("bounce", reference, settings.bounce_share)
        if settled.status == "paid" and bounces:
            await asyncio.sleep(settings.settle_seconds)
            bounced = self.book.bounce(reference, self._now())
            await self._lasting()
            await self._call_back(bounced)

    async def _call_back(self, payout: Payout) -> None:
        settings = self._settings
        if not settings.callback_url or self._hit("lost", payout.reference, settings.lost_callback_share):
            return
        bodies = [msgspec.json.encode(_shown(payout))]
        if self._hit("duplicate", payout.reference, settings.duplicate_share):
            bodies *= 2
        if self._hit("stray", payout.reference, settings.stray_share):
            stranger = {**_shown(payout), "reference": f"XXX-{payout.id}", "id": f"SB{payout.id}x"}
            bodies.insert(0, msgspec.json.encode(stranger))
        for body in bodies:
            await self._post(body)

    async def _post(self, body: bytes) -> None:
        assert self.http is not None
        for attempt in range(CALLBACK_TRIES):
            moment = str(int(time.time()))
            headers = {"X-Timestamp": moment, "X-Signature": signature(self._secret, moment, body)}
            try:
                async with (
                    self._places,
                    self.http.post(
                        self._settings.callback_url, data=body, headers=headers, timeout=aiohttp.ClientTimeout(total=10)
                    ) as answer,
                ):
                    if answer.status < 500:
                        return
            except (aiohttp.ClientError, TimeoutError):
                pass
            await asyncio.sleep(0.2 * 2**attempt)

    async def _show(self, request: web.Request) -> web.Response:
        if not self._signed_in(request):
            return _error(401, "token")
        await asyncio.sleep(self._settings.latency_ms / 1000)
        payout = self.book.find(request.match_info["reference"])
        return web.json_response(_shown(payout)) if payout else _error(404, "absent")

    async def _statement(self, request: web.Request) -> web.Response:
        if not self._signed_in(request):
            return _error(401, "token")
        try:
            after, limit = int(request.query.get("after", "0")), int(request.query.get("limit", "5000"))
        except ValueError:
            return _error(400, "unreadable")
        settings, lines, last = self._settings, list[dict[str, Any]](), after
        for number, reference, amount, outcome in self.book.lines(request.query.get("since", ""), after, limit):
            wrong = self._hit("wrong", reference, settings.wrong_amount_share)
            line = {"line": f"L{number}", "reference": reference, "amount": amount + wrong, "outcome": outcome}
            lines.append(line)
            last = number
            if self._hit("twice", reference, settings.twice_share):
                lines.append({**line, "line": f"L{number}b"})
        return web.json_response({"lines": lines, "last": last})

    async def _summary(self, request: web.Request) -> web.Response:
        return web.json_response(self.book.summary()) if self._signed_in(request) else _error(401, "token")


def _shown(payout: Payout) -> dict[str, Any]:
    return {
        "id": f"SB{payout.id}",
        "reference": payout.reference,
        "status": payout.status,
        "amount": payout.amount,
        "reason": payout.reason,
    }


def _error(status: int, code: str) -> web.Response:
    return web.json_response({"error": {"code": code}}, status=status)


def signature(secret: str, moment: str, body: bytes) -> str:
    """Hex HMAC-SHA256 of a callback: over the unix seconds, a full stop and the body."""
    return hmac.new(secret.encode(), moment.encode() + b"." + body, hashlib.sha256).hexdigest()


async def serve_bank(settings: BankSettings, secret: str, host: str, port: int, said: Callable[[int], None]) -> None:
    """Serve until cancelled; ``said`` is called with the port when it listens."""
    bank = Bank(settings, secret)
    app = web.Application()
    bank.add_routes(app)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()

    async def ready() -> None:
        site = web.TCPSite(runner, host, port)
        await site.start()
        said(runner.addresses[0][1])

    try:
        await bank.run(ready)
    finally:
        await runner.cleanup()
        bank.book.close()
