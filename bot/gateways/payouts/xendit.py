"""domain.ports.PayoutGateway over Xendit Payouts v2, by their own client in threads (it is synchronous).

Answers are read from their JSON, not by the client's models: those refuse whatever a later version of the API adds.

Statuses, failure codes and events: docs.xendit.co, "Create a Payout" and "Payout Webhook". Xendit credits and never
takes back, so it carries no restricted balances.
"""

import asyncio
import hmac
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from typing import Any

import msgspec

from bot.gateways.payouts.inquiry import HttpInquiry
from bot.gateways.payouts.pace import Pace, portion
from bot.web import NO_JSON
from domain.ports import AccountAnswer, AccountQuestion, GatewayUnavailableError, PaymentAnswer, PaymentOrder
from models.enums import Institution, PaymentOutcome

OUTCOMES = {
    "ACCEPTED": PaymentOutcome.ACCEPTED,
    "REQUESTED": PaymentOutcome.ACCEPTED,
    "LOCKED": PaymentOutcome.ACCEPTED,
    "SUCCEEDED": PaymentOutcome.PAID,
    "FAILED": PaymentOutcome.FAILED,
    "CANCELLED": PaymentOutcome.FAILED,
    "REVERSED": PaymentOutcome.BOUNCED,
}
# Their failure codes in our words (domain.money.paying); every other one stays for staff to look at.
REASONS = {
    "INSUFFICIENT_BALANCE": "not_enough_funds",
    "INVALID_DESTINATION": "account_absent",
    "REJECTED_BY_CHANNEL": "account_refused",
    "TEMPORARY_TRANSFER_ERROR": "institution_down",
    "TRANSFER_ERROR": "institution_down",
}
REFUSED = "400"  # nothing was made of it, and never will be
MOST_RUPIAH = 10**15
WALLETS = frozenset({Institution.LINKAJA, Institution.OVO, Institution.GOPAY})


class _Payout(msgspec.Struct):
    id: str
    reference_id: str
    status: str
    amount: float
    failure_code: str | None = None

    def answer(self) -> PaymentAnswer:
        outcome = OUTCOMES.get(self.status, PaymentOutcome.UNKNOWN)
        reason = REASONS.get(self.failure_code or "", (self.failure_code or "").lower())
        moved = int(self.amount) if self.amount.is_integer() and 0 <= self.amount <= MOST_RUPIAH else 0
        return PaymentAnswer(self.reference_id, outcome, moved, self.id, reason, f"{self.id}:{self.status}")


class _Payouts(msgspec.Struct):
    data: list[_Payout]


class _Transaction(msgspec.Struct):
    id: str
    reference_id: str
    status: str
    cashflow: str
    amount: float


class _Page(msgspec.Struct):
    data: list[_Transaction]
    has_more: bool = False


class _Event(msgspec.Struct):
    event: str
    data: _Payout


class XenditGateway:
    """Hands payouts to Xendit."""

    name = "xendit"
    restricts = False

    def __init__(
        self,
        key: str,
        inquiry: HttpInquiry,
        *,
        side_by_side: int,
        a_second: float,
        url: str = "",
        seconds: float = 20.0,
    ) -> None:
        self._key, self._url, self._seconds, self._inquiry = key, url, seconds, inquiry
        self._pace, self._side_by_side, self.portion = Pace(a_second), side_by_side, portion(200, a_second)
        self._threads = ThreadPoolExecutor(side_by_side, thread_name_prefix="xendit")
        self._made: tuple[Any, Any] | None = None
        self.asks_after: float | None = 600.0

    def _apis(self) -> tuple[Any, Any]:
        """Payouts and transactions; their client is loaded when it is first needed."""
        if self._made is None:
            import xendit  # noqa: PLC0415
            from xendit.apis import PayoutApi, TransactionApi  # noqa: PLC0415

            logging.getLogger("xendit").setLevel(logging.WARNING)  # it writes whole answers at a lower level
            config = xendit.Configuration(host=self._url or None)
            config.api_key = self._key
            config.retries = False  # a call that was not answered is asked about, never blindly repeated
            config.disabled_client_side_validations = "pattern"  # theirs fails on their own TransactionId (7.0.0)
            config.connection_pool_maxsize = self._side_by_side
            client = xendit.ApiClient(config)
            self._made = PayoutApi(client), TransactionApi(client)
        return self._made

    async def _call(self, work: Callable[[], Any]) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    async def inquire(self, question: AccountQuestion) -> AccountAnswer:
        """Xendit's client has no inquiry: the programme's own service is asked."""
        return await self._inquiry.ask(question)

    async def send(self, batch: str, orders: Sequence[PaymentOrder]) -> list[PaymentAnswer]:
        """Hand payments over, side by side and at the agreed pace."""
        return list(await asyncio.gather(*(self._send(batch, order) for order in orders)))

    async def _send(self, batch: str, order: PaymentOrder) -> PaymentAnswer:
        if order.restricted or order.collect:
            return PaymentAnswer(order.reference, PaymentOutcome.FAILED, reason="not_possible")
        await self._pace.slot()
        answer: PaymentAnswer = await self._call(lambda: self._create(batch, order))
        return answer

    def _create(self, batch: str, order: PaymentOrder) -> PaymentAnswer:
        from xendit.exceptions import OpenApiException, XenditSdkException  # noqa: PLC0415
        from xendit.payout.model import CreatePayoutRequest, DigitalPayoutChannelProperties  # noqa: PLC0415

        payouts, _ = self._apis()
        number = f"0{order.number[2:]}" if order.institution in WALLETS else order.number
        try:
            request = CreatePayoutRequest(
                reference_id=order.reference,
                channel_code=f"ID_{order.institution.upper()}",
                channel_properties=DigitalPayoutChannelProperties(
                    account_number=number, account_holder_name=order.holder[:100]
                ),
                amount=float(order.amount),
                currency="IDR",
                description=batch[:100],
            )
            made = payouts.create_payout(
                idempotency_key=order.reference,
                create_payout_request=request,
                _request_timeout=self._seconds,
                _preload_content=False,
            )
            return msgspec.json.decode(made.data, type=_Payout).answer()
        except XenditSdkException as error:
            status, code = str(error.status), str(error.errorCode).lower()[:40]
            refused = status == REFUSED and "duplicate" not in code
            outcome = PaymentOutcome.FAILED if refused else PaymentOutcome.UNKNOWN
            return PaymentAnswer(order.reference, outcome, reason=code)
        except (OpenApiException, msgspec.MsgspecError, ValueError, TypeError) as error:
            return PaymentAnswer(order.reference, PaymentOutcome.UNKNOWN, reason=type(error).__name__)
        except Exception as error:  # noqa: BLE001 - urllib3's errors, of a connection that may have carried it
            return PaymentAnswer(order.reference, PaymentOutcome.UNKNOWN, reason=type(error).__name__)

    async def find(self, reference: str) -> PaymentAnswer:
        """What became of a payment; raises GatewayUnavailableError."""
        answer: PaymentAnswer = await self._call(lambda: self._find(reference))
        return answer

    def _find(self, reference: str) -> PaymentAnswer:
        payouts, _ = self._apis()
        try:
            found = payouts.get_payouts(reference_id=reference, _request_timeout=self._seconds, _preload_content=False)
            rows = [each.answer() for each in msgspec.json.decode(found.data, type=_Payouts).data]
        except Exception as error:  # noqa: BLE001 - whatever it is, it is no answer
            raise GatewayUnavailableError(type(error).__name__) from None
        mine = [each for each in rows if each.reference == reference]
        return mine[0] if mine else PaymentAnswer(reference, PaymentOutcome.ABSENT)

    async def finish(self, batch: str) -> None:
        """Nothing to do: each payment was handed over by itself."""

    async def statement(self, since: datetime) -> AsyncIterator[PaymentAnswer]:
        """Transactions of the account: disbursements that succeeded, by their own ids."""
        after = ""
        while True:
            page: _Page = await self._call(partial(self._page, since, after))
            for row in page.data:
                if row.status == "SUCCESS":
                    outcome = PaymentOutcome.PAID if row.cashflow == "MONEY_OUT" else PaymentOutcome.BOUNCED
                    yield PaymentAnswer(row.reference_id, outcome, int(row.amount), line=row.id)
            if not page.data or not page.has_more:
                return
            after = page.data[-1].id

    def _page(self, since: datetime, after: str) -> _Page:
        from xendit.balance_and_transaction.model import (  # noqa: PLC0415
            DateRangeFilter,
            TransactionId,
            TransactionTypes,
        )

        _, transactions = self._apis()
        more = {"after_id": TransactionId(after)} if after else {}
        try:
            found = transactions.get_all_transactions(
                types=[TransactionTypes("DISBURSEMENT")],
                created=DateRangeFilter(gte=since, lte=datetime.now(UTC)),
                limit=50.0,
                _request_timeout=self._seconds,
                _preload_content=False,
                **more,
            )
            return msgspec.json.decode(found.data, type=_Page)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is no statement
            raise GatewayUnavailableError(type(error).__name__) from None

    async def close(self) -> None:
        """End the threads."""
        await self._inquiry.close()
        self._threads.shutdown(wait=False, cancel_futures=True)


def read_callback(token: str, expected: str, body: bytes) -> PaymentAnswer | None:
    """What a callback says; None where its token or its content is not right. The token is Xendit's own signature."""
    if not expected or not hmac.compare_digest(token.encode("utf-8", "replace"), expected.encode()):
        return None
    try:
        event = msgspec.json.decode(body, type=_Event)
    except NO_JSON:
        return None
    return event.data.answer() if event.event.startswith("payout.") else None
