"""Delivery: order, pauses, leases and giving up, with a sender that does what it is told."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest
from tortoise.backends.base.client import BaseDBAsyncClient

import bot.delivery
from bot.channel import GiveUp, Retry, SendError, Sent, Trouble, what_next
from bot.delivery import Delivery, Settled
from handlers.conversation import Inbound
from handlers.engine import LEASE, Engine, outgoing
from handlers.i18n import Rendered
from models.enums import Channel
from models.message import Outbox
from models.turns import TurnTables
from tests.handlers.talk import Clock, engine_on


class ScriptedSender:
    """Answers with what stands in the script, then takes everything."""

    def __init__(self, *script: Sent | SendError) -> None:
        self.script = list(script)
        self.sent: list[str] = []

    async def send(self, to: str, message: Rendered, number: int) -> Sent | SendError:
        result = self.script.pop(0) if self.script else Sent("id")
        if isinstance(result, Sent):
            self.sent.append(f"{to}: {message.text[:20]}")
        return result


@asynccontextmanager
async def delivering(db: BaseDBAsyncClient, sender: ScriptedSender, clock: Clock) -> AsyncIterator[Delivery]:
    delivery = Delivery(db, {Channel.TELEGRAM: sender}, clock)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(delivery.run())
        yield delivery
        running.cancel()


async def say(engine: Engine, delivery: Delivery, number: int, text: str) -> None:
    inbound = Inbound(channel=Channel.TELEGRAM, address="77", external_id=str(number), text=text)
    delivery.post((await engine.take_turn(inbound)).replies)


async def two_messages(engine: Engine, delivery: Delivery) -> None:
    for number, text in enumerate(("halo", "bantuan")):
        await say(engine, delivery, number, text)


async def statuses(expected: list[str]) -> None:
    async with asyncio.timeout(10):
        while [row.status for row in await Outbox.all().order_by("id")] != expected:  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_messages_of_a_chat_go_out_in_their_order(db: BaseDBAsyncClient) -> None:
    clock, sender = Clock(), ScriptedSender(SendError(Trouble.BUSY, "429", 0.2))
    async with engine_on(db, clock) as engine, delivering(db, sender, clock) as delivery:
        await two_messages(engine, delivery)
        await statuses(["sent", "sent"])
    assert [line[:10] for line in sender.sent] == ["77: Halo! ", "77: ❓ Anda"]


async def test_a_long_pause_postpones_all_that_wait_and_none_is_sent_twice(db: BaseDBAsyncClient) -> None:
    clock, sender = Clock(), ScriptedSender(SendError(Trouble.BUSY, "429", 300))
    async with engine_on(db, clock) as engine, delivering(db, sender, clock) as delivery:
        await two_messages(engine, delivery)
        await statuses(["queued", "queued"])
        tables = TurnTables(db)
        assert await tables.stranded(db, clock(), LEASE, 10) == []
        clock.forward(seconds=301)
        delivery._paused_until.clear()
        delivery._put_back.clear()
        rows = await tables.stranded(db, clock(), LEASE, 10)
        assert await tables.stranded(db, clock(), LEASE, 10) == []
        delivery.post([outgoing(row) for row in rows])
        await statuses(["sent", "sent"])
    assert len(sender.sent) == 2


async def test_a_message_put_back_keeps_those_behind_it_back(
    db: BaseDBAsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.delivery.what_next", lambda error, attempts, once: Retry(60))  # longer than a lease
    clock, sender = Clock(), ScriptedSender(SendError(Trouble.FAULT, "network"))
    async with engine_on(db, clock) as engine, delivering(db, sender, clock) as delivery:
        await two_messages(engine, delivery)
        await statuses(["queued", "queued"])
        await say(engine, delivery, 3, "status")  # said when the others were put back already
        await statuses(["queued", "queued", "queued", "queued"])
    assert sender.sent == []


@pytest.mark.parametrize("steps", range(8))
async def test_ending_while_outcomes_are_written_back_loses_none_of_them(
    db: BaseDBAsyncClient, steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, sender, writing = Clock(), ScriptedSender(), asyncio.Event()
    async with engine_on(db, clock) as engine:
        delivery = Delivery(db, {Channel.TELEGRAM: sender}, clock)
        settle = delivery._tables.settle

        async def settling(*args: Any) -> None:
            writing.set()
            await settle(*args)

        monkeypatch.setattr(delivery._tables, "settle", settling)
        async with asyncio.TaskGroup() as group:
            running = group.create_task(delivery.run())
            await two_messages(engine, delivery)
            await writing.wait()
            for _ in range(steps):
                await asyncio.sleep(0)
            running.cancel()
    assert [row.status for row in await Outbox.all().order_by("id")] == ["sent", "sent"]
    assert len(sender.sent) == 2


class SlowSender(ScriptedSender):
    """One whose platform has the message before it says so."""

    async def send(self, to: str, message: Rendered, number: int) -> Sent | SendError:
        result = await super().send(to, message, number)
        await asyncio.sleep(0.3)
        return result


async def test_what_is_under_way_when_the_process_ends_is_sent_once_and_the_rest_is_left(db: BaseDBAsyncClient) -> None:
    clock, sender = Clock(), SlowSender()
    async with engine_on(db, clock) as engine:
        async with delivering(db, sender, clock) as delivery:
            await two_messages(engine, delivery)
            async with asyncio.timeout(5):
                while not sender.sent:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
        assert len(sender.sent) == 1
        assert [row.status for row in await Outbox.all().order_by("id")] == ["sent", "queued"]
        clock.forward(seconds=1)
        async with delivering(db, sender, clock):  # the next process need not wait for a lease
            await statuses(["sent", "sent"])
    assert [line[:10] for line in sender.sent] == ["77: Halo! ", "77: ❓ Anda"]


async def test_outcomes_that_the_database_does_not_take_are_tried_again(
    db: BaseDBAsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.delivery.AGAIN_SECONDS", 0.05)
    clock, sender, failed = Clock(), ScriptedSender(), list[str]()
    async with engine_on(db, clock) as engine, delivering(db, sender, clock) as delivery:
        settle = delivery._tables.settle

        async def settling(*args: Any) -> None:
            if len(failed) < 2:
                failed.append("x")
                raise OSError("away")
            await settle(*args)

        monkeypatch.setattr(delivery._tables, "settle", settling)
        await say(engine, delivery, 1, "halo")
        await statuses(["sent"])
    assert (len(failed), len(sender.sent)) == (2, 1)


async def test_an_outcome_that_can_not_be_kept_harms_no_other(
    db: BaseDBAsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, sender = Clock(), ScriptedSender()
    async with engine_on(db, clock) as engine:
        delivery = Delivery(db, {Channel.TELEGRAM: sender}, clock)
        save, refused = delivery._save, list[int]()

        async def saving(settled: Sequence[Settled]) -> None:
            if any(each.row.key == "registration.welcome" for each in settled):
                refused.append(len(settled))
                raise ValueError("too long")
            await save(settled)

        monkeypatch.setattr(delivery, "_save", saving)
        async with asyncio.TaskGroup() as group:
            running = group.create_task(delivery.run())
            await two_messages(engine, delivery)
            await statuses(["sent", "sent"])
            running.cancel()
    assert refused[-1] == 1
    assert len(sender.sent) == 2


async def test_what_must_reach_nobody_twice_is_not_sent_once_its_lease_is_over(db: BaseDBAsyncClient) -> None:
    clock, sender = Clock(), ScriptedSender(SendError(Trouble.BUSY, "429", 1.0))
    said = Inbound(channel=Channel.TELEGRAM, address="77", external_id="1", text="halo")
    async with engine_on(db, clock) as engine, delivering(db, sender, clock) as delivery:
        replies = (await engine.take_turn(said)).replies
        replies[0].row.key = "notice.broadcast"
        delivery.post(replies)
        await asyncio.sleep(0.3)  # the platform asked to wait a second, and this process stood still meanwhile
        await Outbox.all().update(lease_until=clock() - timedelta(seconds=1))
        await asyncio.sleep(1.2)
    assert (sender.script, sender.sent) == ([], [])


async def test_a_message_that_comes_too_late_to_be_sent_is_left_to_who_sweeps(db: BaseDBAsyncClient) -> None:
    clock, sender = Clock(), ScriptedSender()
    said = Inbound(channel=Channel.TELEGRAM, address="77", external_id="1", text="halo")
    async with engine_on(db, clock) as engine, delivering(db, sender, clock) as delivery:
        delivery.post((await engine.take_turn(said)).replies, asyncio.get_running_loop().time() - 1)
        await asyncio.sleep(0.2)
        assert [row.status for row in await Outbox.all()] == ["attempting"]
    assert sender.sent == []


async def test_an_unreachable_chat_is_noted_and_no_more_is_tried(db: BaseDBAsyncClient) -> None:
    clock, sender = Clock(), ScriptedSender(SendError(Trouble.UNREACHABLE, "403"))
    async with engine_on(db, clock) as engine, delivering(db, sender, clock) as delivery:
        await two_messages(engine, delivery)
        await statuses(["failed", "sent"])
    rows = await db.execute_query_dict("SELECT error FROM outbox ORDER BY id")
    assert [row["error"] for row in rows] == ["403", None]


@pytest.mark.parametrize(
    ("error", "attempts", "move"),
    [
        (SendError(Trouble.BUSY, "429", 7), 99, Retry(7)),
        (SendError(Trouble.BUSY, "429", 0), 1, Retry(1)),
        (SendError(Trouble.FAULT, "network"), 1, Retry(2)),
        (SendError(Trouble.FAULT, "network"), 9, Retry(300)),
        (SendError(Trouble.FAULT, "network"), 24, GiveUp()),
        (SendError(Trouble.UNREACHABLE, "403"), 1, GiveUp()),
        (SendError(Trouble.INVALID, "400"), 1, GiveUp()),
    ],
)
def test_what_next(error: SendError, attempts: int, move: Retry | GiveUp) -> None:
    assert what_next(error, attempts) == move


class AskedSender(ScriptedSender):
    """One whose platform can be asked for a message, and has it."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0

    async def find(self, to: str, message: Rendered, since: datetime) -> str | None:
        self.asked += 1
        return "known"


@pytest.mark.parametrize("looks", [4, 5, 6])  # at the clock before the lease is over: a round has two or three
async def test_a_lease_that_ends_during_the_sweep_is_asked_for_and_not_sent_again(
    db: BaseDBAsyncClient, looks: int
) -> None:
    clock, sender = Clock(), AskedSender()
    async with engine_on(db, clock) as engine:
        await engine.take_turn(Inbound(channel=Channel.TELEGRAM, address="77", external_id="1", text="halo"))
    clock.forward(seconds=LEASE.total_seconds() + 0.5 - looks)  # of a process that died

    def moving() -> datetime:  # each look at the clock finds it a second later: whatever lies between two of them does
        clock.forward(seconds=1)
        return clock.time

    delivery = Delivery(db, {Channel.TELEGRAM: sender}, moving)
    with patch_sweep(0.02):
        async with asyncio.TaskGroup() as group:
            running = group.create_task(delivery.run())
            await statuses(["sent"])
            running.cancel()
    assert (sender.sent, sender.asked) == ([], 1)


@contextmanager
def patch_sweep(seconds: float) -> Iterator[None]:
    """Sweep this often."""
    before, bot.delivery.SWEEP_SECONDS = bot.delivery.SWEEP_SECONDS, seconds
    try:
        yield
    finally:
        bot.delivery.SWEEP_SECONDS = before
