"""Batches through the sandbox bank, a process of its own, over HTTP: to the end, whatever the bank does."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from aiohttp import web
from tortoise.backends.base.client import BaseDBAsyncClient

from bot.gateways.payouts.sandbox import SandboxGateway
from bot.payouts import PayoutDesk, Payouts
from bot.web import application
from domain import clock
from domain.money import batches, reconciling, settling
from domain.money.actions import problems, training_balance
from handlers.conversation import Inbound
from handlers.engine import TurnResult
from models.enums import BatchStatus, DueStatus, PaymentStatus
from models.notice import Notice
from models.payout import Difference, Due, Payment, PayoutBatch
from tests.payouts.bank import PROGRAMME, SECRET, link_all, sandbox_bank, summary, wave_of
from tools.cluster import free_port


async def _nobody(inbound: Inbound) -> TurnResult:
    return TurnResult([])


@asynccontextmanager
async def paying(db: BaseDBAsyncClient, url: str, port: int) -> AsyncIterator[Payouts]:
    """Payouts at work, with the page that the bank calls."""
    gateway = SandboxGateway(url, SECRET, side_by_side=20, a_second=0, seconds=1.0)
    gateway.asks_after = 3.0
    payouts = Payouts(db, gateway, clock.now, _nobody, lambda: None)
    site = application()
    PayoutDesk("sandbox", payouts.ear, SECRET, payouts.find).add_routes(site)
    runner = web.AppRunner(site, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        async with asyncio.TaskGroup() as group:
            work = group.create_task(payouts.run())
            yield payouts
            work.cancel()
    finally:
        await runner.cleanup()
        await gateway.close()


async def send(db: BaseDBAsyncClient, kind: str, wave_id: int, now: datetime) -> PayoutBatch:
    """From what is due to a batch that is on its way."""
    batch = (await batches.prepare(db, kind, wave_id, "sandbox", "ani", now, wave_id)).batch
    assert (await batches.check(db, batch, PROGRAMME, "ani", now)).problems == []
    batch = await batches.batch_numbered(batch.id)
    await batches.approve(db, batch, PROGRAMME, "budi", now)
    await batches.start(batch, "budi", now)
    return batch


async def until_final(batch: PayoutBatch, seconds: float = 120) -> None:
    """Wait until everything of a batch is final."""
    async with asyncio.timeout(seconds):
        while not await reconciling.all_final(batch.id):  # noqa: ASYNC110 - other processes bring it about
            await asyncio.sleep(0.1)


async def take_statement(gateway: SandboxGateway, batch: PayoutBatch) -> None:
    """Hear all of the bank's statement."""
    assert batch.started_at is not None
    lines = [line async for line in gateway.statement(batch.started_at - timedelta(minutes=1))]
    await settling.hear("sandbox", lines, "statement", clock.now())


async def test_a_wave_is_credited_told_reconciled_and_closed(db: BaseDBAsyncClient, tmp_path: Path) -> None:
    now, port = clock.now(), free_port()
    callback = f"http://127.0.0.1:{port}/webhooks/sandbox-bank"
    async with sandbox_bank(tmp_path, callback_url=callback) as url, paying(db, url, port):
        people = await wave_of(db, 40, now)
        await link_all(people[:-1], now)  # one has not said where to
        batch = await send(db, "balance", 1, now)
        await until_final(batch)
        assert await Payment.filter(status=PaymentStatus.PAID).count() == 39
        assert await training_balance(1) == 1_000_000
        assert await training_balance(40) == 0
        assert await Notice.filter(kind="balance_credited").count() == 39
        gateway = SandboxGateway(url, SECRET, side_by_side=5, a_second=0)
        batch = await batches.batch_numbered(batch.id)
        await take_statement(gateway, batch)
        await gateway.close()
        assert await reconciling.reconcile(db, batch, "ani", now) == 0
        await batches.close(await batches.batch_numbered(batch.id), "ani", now)
        assert (await batches.batch_numbered(batch.id)).status == BatchStatus.CLOSED
        book = await summary(url)
        assert book == {"payouts": {"restricted paid": [39, 39_000_000]}, "balance": 0, "restricted": 39_000_000}
        assert await problems(db) == []


async def test_a_bank_at_its_worst_pays_everybody_once(db: BaseDBAsyncClient, tmp_path: Path) -> None:
    now, port = clock.now(), free_port()
    faults: dict[str, Any] = {
        "callback_url": f"http://127.0.0.1:{port}/webhooks/sandbox-bank",
        "hang_share": 0.1,
        "hang_seconds": 2,
        "refuse_share": 0.1,
        "fail_share": 0.1,
        "duplicate_share": 0.3,
        "lost_callback_share": 0.1,
        "a_second": 60,
    }
    async with sandbox_bank(tmp_path, **faults) as url, paying(db, url, port):
        people = await wave_of(db, 150, now)
        await link_all(people, now, p3="0003", p4="0003", p5="0003")
        batch = await send(db, "balance", 1, now)
        await until_final(batch)
        paid = await Payment.filter(status=PaymentStatus.PAID).count()
        failed = {row.reason for row in await Payment.filter(status=PaymentStatus.FAILED)}
        book = await summary(url)
        assert book["payouts"]["restricted paid"] == [paid, paid * 1_000_000]
        assert failed >= {"institution_down", "limit"}
        assert await Due.filter(status=DueStatus.OPEN).count() == 150 - paid
        # Of three whose accounts were closed since the check some may have been refused for another reason before.
        assert {notice.person_id for notice in await Notice.filter(kind="payment_failed")} & {3, 4, 5}
        again = await send(db, "balance", 1, clock.now())
        await until_final(again)
        assert await Difference.all().count() == 0
        assert await problems(db) == []
