"""Paying: batches that were approved are handed to the gateway, asked about, settled; accounts are asked about.

Everything is rows: whatever process dies, another goes on when its lease has run out.
"""

import asyncio
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta

from aiohttp import web
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.transactions import in_transaction

from bot.channel import Receive
from bot.gateways.payouts import sandbox, xendit
from bot.tasks import Work, again_and_again, apart, unless_cancelled
from bot.web import UNREADABLE, guarded, limited_body
from domain.money import accounts, batches, sending, settling
from domain.ports import GatewayUnavailableError, PaymentAnswer, PayoutGateway
from handlers.conversation import AccountOutcome, Inbound
from models.enums import AccountVerdict, BatchStatus, Channel, PaymentOutcome
from models.payout import AccountInquiry, PayoutBatch

log = logging.getLogger(__name__)

SWEEP_SECONDS = 3.0
BATCH_LEASE = timedelta(minutes=1)
KEEP_SECONDS = 15.0
LATE_SECONDS = 60.0  # from taking payments to sending them; far less than sending.GIVEN_UP
SLICES = 3  # handed over side by side, so that the slowest payment of one holds nobody up
ASKED = 200  # payments asked about at a time
GATHER_SECONDS = 0.05
MOST = 500  # answers a transaction
MAX_CALLBACK = 16_384
STATEMENT_SECONDS = 6 * 3600.0


async def hear_statement(gateway: PayoutGateway, clock: Callable[[], datetime]) -> int:
    """Hear a gateway's statement, as far back as matters; gives how many lines. Raises GatewayUnavailableError."""
    count, some = 0, list[PaymentAnswer]()
    async for line in gateway.statement(await batches.statement_since(gateway.name, clock())):
        some.append(line)
        if len(some) == MOST:
            await settling.hear(gateway.name, some, "statement", clock())
            count, some = count + len(some), []
    if some:
        await settling.hear(gateway.name, some, "statement", clock())
    return count + len(some)


class Ear:
    """Hears a gateway's answers in groups: those that come together share a transaction. ``take`` returns when what it
    brought is committed, so that a callback is acknowledged only then.
    """

    def __init__(self, gateway: str, clock: Callable[[], datetime], wake: Callable[[], None]) -> None:
        self._gateway, self._clock, self._wake = gateway, clock, wake
        self._waiting: list[tuple[PaymentAnswer, str, asyncio.Future[None]]] = []
        self._arrived = asyncio.Event()

    async def take(self, answers: Sequence[PaymentAnswer], by: str) -> None:
        """Bring answers; raises what the database raises."""
        loop = asyncio.get_running_loop()
        futures = [loop.create_future() for _ in answers]
        self._waiting += [(answer, by, future) for answer, future in zip(answers, futures, strict=True)]
        self._arrived.set()
        await asyncio.gather(*futures)

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            await self._arrived.wait()
            await asyncio.sleep(GATHER_SECONDS)
            self._arrived.clear()
            while self._waiting:
                group, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
                for by in sorted({by for _, by, _ in group}):
                    await self._hear([each for each in group if each[1] == by], by)

    async def _hear(self, group: list[tuple[PaymentAnswer, str, "asyncio.Future[None]"]], by: str) -> None:
        error: Exception | None = None
        try:
            heard = await settling.hear(self._gateway, [answer for answer, _, _ in group], by, self._clock())
            if heard.differences:
                log.error("payouts: %d differences noted: gelombang payouts differences", heard.differences)
            if heard.told:
                self._wake()
        except Exception as failed:  # noqa: BLE001 - whoever brought it gets it, and brings it again
            log.warning("payouts: answers not taken: %s", type(failed).__name__)
            error = failed
        for _, _, future in group:
            if future.done():
                continue
            if error is None:
                future.set_result(None)
            else:
                future.set_exception(error)


class Payouts:
    """Works on batches of one gateway, one at a time; several processes share them by leases."""

    def __init__(
        self,
        db: BaseDBAsyncClient,
        gateway: PayoutGateway,
        clock: Callable[[], datetime],
        receive: Receive,
        wake: Callable[[], None],
    ) -> None:
        self._db, self._gateway, self._clock, self._receive = db, gateway, clock, receive
        self._me = secrets.token_hex(8)
        self.ear = Ear(gateway.name, clock, wake)
        self.inquiries = Work("account inquiries", lambda: accounts.claim_inquiry(clock()), self._inquire)

    async def find(self, reference: str) -> PaymentAnswer:
        """What the gateway says became of a payment; raises GatewayUnavailableError."""
        return await self._gateway.find(reference)

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.ear.run())
            group.create_task(self.inquiries.run())
            group.create_task(again_and_again("payouts", self.sweep, lambda: SWEEP_SECONDS))
            group.create_task(again_and_again("statement", self._statement, lambda: STATEMENT_SECONDS))

    async def _statement(self) -> None:
        """What callbacks did not bring, such as a payment that was sent back while this server was away."""
        await hear_statement(self._gateway, self._clock)

    # --- accounts

    async def _verdict(self, inquiry: AccountInquiry) -> AccountVerdict:
        if inquiry.verdict:  # asked before; the person may not have heard of it
            return AccountVerdict(inquiry.verdict)
        return accounts.verdict_of(await self._gateway.inquire(await accounts.question_of(inquiry)))

    async def _inquire(self, inquiry: AccountInquiry) -> None:
        try:
            verdict = await self._verdict(inquiry)
        except GatewayUnavailableError as error:
            log.warning("account inquiry: %s", error)
            if inquiry.attempts < accounts.TRIES:
                return  # its lease ends, and it is asked again
            verdict = AccountVerdict.BUSY
        async with in_transaction():
            await accounts.keep_verdict(inquiry, verdict)
        await self._receive(
            Inbound(
                channel=Channel.INTERNAL,
                address=str(inquiry.conversation_id),
                external_id=f"account:{inquiry.id}",
                outcome=AccountOutcome(inquiry.id, verdict),
            )
        )
        # After it was told: a crash before this asks once more, and the same message is not taken twice.
        await accounts.finish_inquiry(inquiry)

    # --- batches

    async def sweep(self) -> None:
        """Work on each batch that has something to do: one that only waits holds no other up."""
        after = 0
        while batch := await batches.to_work_on(self._gateway.name, after, self._me, self._clock(), BATCH_LEASE):
            after = batch.id
            try:
                await apart(self._work_on(batch))
            except* Exception as errors:  # noqa: BLE001 - the other batches go on; this one is taken up again
                unless_cancelled()
                log.warning("payouts: batch %d: %s", batch.id, type(errors.exceptions[0]).__name__)
            finally:
                await batches.give_back(batch.id, self._me)

    async def _work_on(self, batch: PayoutBatch) -> None:
        """Hand over what there is, ask about what is unknown."""
        async with asyncio.TaskGroup() as group:
            keeping = group.create_task(self._keep(batch))
            try:
                if batch.status == BatchStatus.SUBMITTING:
                    await self._send_all(batch)
                await self._ask(batch)
                if batch.status != BatchStatus.PAUSED and await batches.all_handed_over(batch.id):
                    await self._gateway.finish(batch.name)
            finally:
                keeping.cancel()

    async def _keep(self, batch: PayoutBatch) -> None:
        while True:
            await asyncio.sleep(KEEP_SECONDS)
            if not await batches.keep_lease(batch.id, self._me, self._clock() + BATCH_LEASE):
                raise TimeoutError("another process has taken it over")

    async def _send_all(self, batch: PayoutBatch) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(SLICES):
                group.create_task(self._lane(batch))

    async def _lane(self, batch: PayoutBatch) -> None:
        while True:
            asked = time.time()
            taken = await sending.take(batch, self._gateway.portion, self._clock())
            if not taken:
                return
            if taken.orders:
                _in_time(asked)
                await self._hear(await self._gateway.send(batch.name, taken.orders), "answer")

    async def _hear(self, answers: Sequence[PaymentAnswer], by: str) -> None:
        if answers:
            await self.ear.take(answers, by)

    async def _ask(self, batch: PayoutBatch) -> None:
        """Find out what became of payments that were not answered; what never came is handed over again."""
        silent = None if self._gateway.asks_after is None else timedelta(seconds=self._gateway.asks_after)
        while references := await sending.to_ask_about(self._db, batch, silent, ASKED, self._clock()):
            answers = await asyncio.gather(*(self._gateway.find(each) for each in references), return_exceptions=True)
            found = [each for each in answers if isinstance(each, PaymentAnswer)]
            if len(found) < len(answers):
                log.warning("payouts: %d payments could not be asked about", len(answers) - len(found))
            await self._hear(found, "inquiry")
            absent = [each.reference for each in found if each.outcome == PaymentOutcome.ABSENT]
            match (await batches.batch_numbered(batch.id)).status:
                case BatchStatus.SUBMITTING if absent:
                    asked = time.time()
                    orders = await sending.again(absent, self._clock())
                    _in_time(asked)
                    await self._hear(await self._gateway.send(batch.name, orders), "answer")
                case BatchStatus.STOPPED if absent:
                    await self._hear(await sending.given_up(absent, self._clock()), "inquiry")
            if len(found) < len(answers):
                return  # the gateway is down: leases bring them back in a minute


def _in_time(asked: float) -> None:
    """What was taken long ago is not sent: a process that stood still may have been given up by another, which asks."""
    if time.time() - asked > LATE_SECONDS:
        raise TimeoutError("payments were taken and not sent in time")


class PayoutDesk:
    """What gateways call when something became of a payment.

    Xendit's calls carry a fixed token and no signature. One that says a payment failed or came back would let it be
    paid again: that is believed only once the gateway itself has been asked (``find``).
    """

    def __init__(self, gateway: str, ear: Ear, secret: str, find: Callable[[str], Awaitable[PaymentAnswer]]) -> None:
        self._gateway, self._ear, self._secret, self._find = gateway, ear, secret, find

    def add_routes(self, app: web.Application) -> None:
        """Add the route of the gateway that is set."""
        if self._gateway == "sandbox":
            app.router.add_post("/webhooks/sandbox-bank", guarded(self._sandbox))
        if self._gateway == "xendit":
            app.router.add_post("/webhooks/xendit", guarded(self._xendit))

    async def _sandbox(self, request: web.Request) -> web.Response:
        stamp, sign = request.headers.get("X-Timestamp", ""), request.headers.get("X-Signature", "")
        return await self._take(request, lambda body: sandbox.read_callback(self._secret, stamp, sign, body))

    async def _xendit(self, request: web.Request) -> web.Response:
        token = request.headers.get("x-callback-token", "")
        return await self._take(request, lambda body: xendit.read_callback(token, self._secret, body))

    async def _take(self, request: web.Request, read: Callable[[bytes], PaymentAnswer | None]) -> web.Response:
        try:
            body = await limited_body(request, MAX_CALLBACK)
        except UNREADABLE:
            return web.Response(status=400)
        answer = read(body) if len(body) <= MAX_CALLBACK else None
        if answer is None:
            return web.Response(status=401)
        by = "callback"
        if self._gateway == "xendit" and answer.outcome in {PaymentOutcome.FAILED, PaymentOutcome.BOUNCED}:
            try:
                answer, by = await self._find(answer.reference), "inquiry"
            except GatewayUnavailableError:
                return web.Response(status=503)  # it is sent again
        await self._ear.take([answer], by)
        return web.Response(status=200)
