"""domain.ports.PayoutGateway over the sandbox bank's HTTP interface (bot.sandbox_bank)."""

import asyncio
import hmac
import time
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Annotated

import aiohttp
import msgspec

from bot.gateways.payouts.inquiry import HttpInquiry
from bot.gateways.payouts.pace import Pace, portion
from bot.sandbox_bank.server import signature
from bot.web import NO_JSON
from domain.ports import (
    AccountAnswer,
    AccountQuestion,
    GatewayUnavailableError,
    PaymentAnswer,
    PaymentOrder,
)
from models.enums import PaymentOutcome

STATEMENT_PORTION = 5_000
LEEWAY_SECONDS = 300


Rupiah = Annotated[int, msgspec.Meta(ge=0, le=10**15)]


class _Payout(msgspec.Struct):
    id: str
    reference: str
    status: PaymentOutcome
    amount: Rupiah
    reason: str = ""

    def answer(self) -> PaymentAnswer:
        line = f"{self.id}:{self.status.value}"
        return PaymentAnswer(self.reference, self.status, self.amount, self.id, self.reason, line)


class _Line(msgspec.Struct):
    line: str
    reference: str
    amount: Rupiah
    outcome: PaymentOutcome


class _Statement(msgspec.Struct):
    lines: list[_Line]
    last: int


class SandboxGateway:
    """Hands payouts to the sandbox bank."""

    name = "sandbox"
    restricts = True

    def __init__(self, url: str, secret: str, *, side_by_side: int, a_second: float, seconds: float = 10.0) -> None:
        self._url, self._places, self._pace = url.rstrip("/"), asyncio.Semaphore(side_by_side), Pace(a_second)
        self._timeout = aiohttp.ClientTimeout(total=seconds)
        self._side_by_side, self._inquiry = side_by_side, HttpInquiry(url, secret)
        self._secret, self.portion = secret, portion(500, a_second)
        self._http: aiohttp.ClientSession | None = None
        self.asks_after: float | None = 120.0

    def _session(self) -> aiohttp.ClientSession:
        if self._http is None:
            self._http = aiohttp.ClientSession(
                headers={"Authorization": f"Bearer {self._secret}"},
                timeout=self._timeout,
                connector=aiohttp.TCPConnector(limit=self._side_by_side),
            )
        return self._http

    async def close(self) -> None:
        """Give connections back."""
        await self._inquiry.close()
        if self._http is not None:
            await self._http.close()

    async def inquire(self, question: AccountQuestion) -> AccountAnswer:
        """Whose an account is; raises GatewayUnavailableError."""
        return await self._inquiry.ask(question)

    async def send(self, batch: str, orders: Sequence[PaymentOrder]) -> list[PaymentAnswer]:
        """Hand payments over, side by side and at the bank's pace."""
        return list(await asyncio.gather(*(self._send(order) for order in orders)))

    async def _send(self, order: PaymentOrder) -> PaymentAnswer:
        way = "collect" if order.collect else "restricted" if order.restricted else "pay"
        body = msgspec.json.encode(
            {
                "reference": order.reference,
                "institution": order.institution,
                "number": order.number,
                "holder": order.holder,
                "amount": order.amount,
                "way": way,
            }
        )
        headers = {"Idempotency-Key": order.reference, "Content-Type": "application/json"}
        async with self._places:
            await self._pace.slot()
            try:
                async with self._session().post(f"{self._url}/payouts", data=body, headers=headers) as answer:
                    return self._read(order.reference, answer.status, await answer.read())
            except aiohttp.ClientConnectorError:  # nobody heard it: asked about all the same, and sent again then
                return PaymentAnswer(order.reference, PaymentOutcome.UNKNOWN, reason="no_connection")
            except (aiohttp.ClientError, TimeoutError):
                return PaymentAnswer(order.reference, PaymentOutcome.UNKNOWN, reason="no_answer")

    @staticmethod
    def _read(reference: str, status: int, body: bytes) -> PaymentAnswer:
        try:
            if status == 200:
                return msgspec.json.decode(body, type=_Payout).answer()
            code = str(msgspec.json.decode(body)["error"]["code"])
        except (*NO_JSON, KeyError, TypeError):
            return PaymentAnswer(reference, PaymentOutcome.UNKNOWN, reason="unreadable")
        if status == 422:  # refused for good
            return PaymentAnswer(reference, PaymentOutcome.FAILED, reason=code)
        return PaymentAnswer(reference, PaymentOutcome.UNKNOWN, reason=code)

    async def find(self, reference: str) -> PaymentAnswer:
        """What became of a payment; raises GatewayUnavailableError."""
        try:
            async with self._places, self._session().get(f"{self._url}/payouts/{reference}") as answer:
                if answer.status == 404 and self._read(reference, 404, await answer.read()).reason == "absent":
                    return PaymentAnswer(reference, PaymentOutcome.ABSENT)  # the bank says so, not a proxy
                if answer.status != 200:
                    raise GatewayUnavailableError(f"answered {answer.status}")
                return msgspec.json.decode(await answer.read(), type=_Payout).answer()
        except (aiohttp.ClientError, TimeoutError, *NO_JSON) as error:
            raise GatewayUnavailableError(type(error).__name__) from None

    async def finish(self, batch: str) -> None:
        """Nothing to do: each payment was handed over by itself."""

    async def statement(self, since: datetime) -> AsyncIterator[PaymentAnswer]:
        """The bank's book from a moment on."""
        after = 0
        while True:
            params: dict[str, str | int] = {"since": since.isoformat(timespec="milliseconds"), "after": after}
            params["limit"] = STATEMENT_PORTION
            try:
                async with self._session().get(f"{self._url}/statement", params=params) as answer:
                    if answer.status != 200:
                        raise GatewayUnavailableError(f"answered {answer.status}")
                    found = msgspec.json.decode(await answer.read(), type=_Statement)
            except (aiohttp.ClientError, TimeoutError, *NO_JSON) as error:
                raise GatewayUnavailableError(type(error).__name__) from None
            for line in found.lines:
                yield PaymentAnswer(line.reference, line.outcome, line.amount, line=line.line)
            if not found.lines:
                return
            after = found.last


def read_callback(secret: str, timestamp: str, signed: str, body: bytes) -> PaymentAnswer | None:
    """What a callback says; None where its signature, its time or its content is not right."""
    if not (timestamp.isascii() and timestamp.isdigit() and abs(time.time() - int(timestamp[:12])) <= LEEWAY_SECONDS):
        return None
    if not hmac.compare_digest(signature(secret, timestamp, body).encode(), signed.encode("utf-8", "replace")):
        return None
    try:
        return msgspec.json.decode(body, type=_Payout).answer()
    except NO_JSON:
        return None
