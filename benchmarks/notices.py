"""Notices: created, drained and paced. Run by `make bench-notices`.

Claim: 200,000 notices are created at least 15 times (SQLite) and 3.5 times (PostgreSQL) as fast as through the ORM's
bulk_create in the same run; drained against a sender that takes all at once at least 100 times as fast as row by row
through the ORM; and paced at 30 a second for a minute at least 99.5 % of that leave, in no second more than 30, while
replies to people who write meanwhile keep their 99th percentile under a second. PEOPLE=n changes the 200,000.
"""

import asyncio
import os
import random
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.backends.base.executor import EXECUTOR_CACHE
from tortoise.transactions import in_transaction

from benchmarks.harness import Claim, close
from benchmarks.lists import postgres
from benchmarks.people import register
from bot.channel import SendError, Sent
from bot.delivery import Delivery
from bot.notices import Notices
from bot.settings import new_key
from domain import clock, programme
from domain.notices.actions import announce
from handlers.conversation import Inbound
from handlers.engine import Engine
from handlers.i18n import Rendered
from models import crypto
from models.conversation import Address, Conversation
from models.database import database, migrate
from models.enums import Channel, NoticeStatus, OutboxStatus
from models.message import Outbox
from models.notice import Notice
from models.notices import NoticeTables

PEOPLE = int(os.environ.get("PEOPLE", "200000"))
ROWS = 500  # of the row-by-row peer
PACE, SECONDS = 30.0, 60
PARAMS = {"wave": 3, "deadline_date": "2026-12-24"}


class Sink:
    """A platform that takes everything at once."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.replies: dict[str, float] = {}

    async def send(self, to: str, message: Rendered, number: int) -> Sent | SendError:
        now = time.perf_counter()
        if "terpilih" in message.text:
            self.times.append(now)
        else:
            self.replies.setdefault(to, now)
        return Sent("id")


@asynccontextmanager
async def working(db: BaseDBAsyncClient, pace: float) -> AsyncIterator[tuple[Engine, Delivery, Notices, Sink]]:
    sink = Sink()
    engine = Engine(db, programme.load(), clock.now, lambda: None)
    delivery = Delivery(db, {Channel.TELEGRAM: sink}, clock.now)
    notices = Notices(db, delivery, {Channel.TELEGRAM: pace}, dict, clock.now)
    delivery.on_settled = notices.settled
    async with asyncio.TaskGroup() as group:
        work = [group.create_task(each.run()) for each in (engine, delivery, notices)]
        yield engine, delivery, notices, sink
        for task in work:
            task.cancel()


async def created(db: BaseDBAsyncClient) -> dict[str, float]:
    """Notices a second, ours and by bulk_create."""
    people = list(range(1, PEOPLE + 1))
    began = time.perf_counter()
    assert await announce(db, "selected", 1, people, clock.now(), params=PARAMS) == PEOPLE
    ours = PEOPLE / (time.perf_counter() - began)
    now = clock.now()
    sealed = crypto.ring().seal(b"x", b"notice.params")
    rows = [
        Notice(
            kind="selected", subject_id=2, person_id=number, params=sealed, priority=1, due_at=now,
            expires_at=now + timedelta(days=30), created_at=now, status=NoticeStatus.EXPIRED,
        )
        for number in people
    ]  # fmt: skip
    began = time.perf_counter()
    await Notice.bulk_create(rows, batch_size=5_000)
    orm = PEOPLE / (time.perf_counter() - began)
    await Notice.filter(subject_id=2).delete()
    return {"created_per_second": ours, "orm_created_per_second": orm, "created_times": ours / orm}


async def row_by_row() -> float:
    """Notices a second told row by row through the ORM, in transactions of their own as a crash asks for."""
    sink, now = Sink(), clock.now()
    began = time.perf_counter()
    for _ in range(ROWS):
        async with in_transaction():
            notice = (
                await Notice.filter(status=NoticeStatus.NEW).order_by("priority", "due_at").select_for_update().first()
            )
            assert notice is not None
            talk = await Conversation.filter(person_id=notice.person_id).get()
            address = await Address.get(id=talk.last_address_id)
            row = await Outbox.create(
                conversation_id=talk.id, address_id=address.id, channel=address.channel, inbound_id=0, position=0,
                key="notice.selected", step=talk.step, language=talk.language, body=b"", created_at=now,
                status=OutboxStatus.ATTEMPTING, notice_id=notice.id,
            )  # fmt: skip
            notice.status = NoticeStatus.SENDING
            await notice.save()
        await sink.send(address.value, Rendered("Anda terpilih"), row.id)
        async with in_transaction():
            row.status, row.sent_at = OutboxStatus.SENT, now
            await row.save()
            notice.status = NoticeStatus.TOLD
            await notice.save()
    return ROWS / (time.perf_counter() - began)


async def drained(db: BaseDBAsyncClient) -> dict[str, float]:
    """Notices a second from the announcement's rows to all of them told."""
    peer = await row_by_row()
    left = await Notice.filter(status=NoticeStatus.NEW).count()
    async with working(db, 1e9) as (_, _, notices, sink):
        began, before = time.perf_counter(), time.process_time()
        notices.wake()
        while await Notice.filter(status=NoticeStatus.TOLD).count() < left + ROWS:
            await asyncio.sleep(0.5)
            print(f"\r{len(sink.times):,} of {left:,} told", end="", file=sys.stderr, flush=True)
        spent, cpu = time.perf_counter() - began, time.process_time() - before
    print(file=sys.stderr)
    assert len(sink.times) == left
    return {
        "drained_per_second": left / spent,
        "cpu_us_a_notice": cpu / left * 1e6,
        "orm_drained_per_second": peer,
        "drained_times": left / spent / peer,
    }


async def paced(db: BaseDBAsyncClient) -> dict[str, float]:
    """What leaves in a minute at 30 a second, and how long people who write meanwhile wait for their answer."""
    people = list(range(1, int(PACE * SECONDS * 1.5)))
    await announce(db, "selected", 9, people, clock.now(), params=PARAMS)
    waited, rng = [], random.Random(5)
    async with working(db, PACE) as (engine, delivery, notices, sink):
        notices.wake()
        while not sink.times:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        first = sink.times[0]
        number = PEOPLE
        while time.perf_counter() < first + SECONDS + 1:
            await asyncio.sleep(rng.expovariate(5))
            number += 1
            began = time.perf_counter()
            inbound = Inbound(channel=Channel.TELEGRAM, address=f"new{number}", external_id=f"b{number}", text="halo")
            delivery.post((await engine.take_turn(inbound)).replies)
            waited.append((f"new{number}", began))
        await asyncio.sleep(1)
    times = [at - first for at in sink.times]
    replies = sorted(sink.replies[chat] - began for chat, began in waited)
    used = len([chat for chat, began in waited if first <= sink.replies[chat] < first + SECONDS])
    bulk = sum(at < SECONDS for at in times)
    busiest = max(sum(start <= at < start + 1 for at in times) for start in times)
    return {
        "sent_in_a_minute": bulk,
        "replies_in_a_minute": used,
        "percent_of_the_limit": (bulk + used) / (PACE * SECONDS) * 100,
        "busiest_second": busiest,
        "reply_p99_ms": replies[int(len(replies) * 0.99)] * 1000,
    }


async def measure(url: str) -> dict[str, Any]:
    EXECUTOR_CACHE.clear()
    async with database(url) as db:
        await migrate(db)
        await register(db, [Channel.TELEGRAM] * PEOPLE)
        if NoticeTables(db)._postgres:
            await db.execute_script(
                "SELECT setval('conversation_id_seq', 1000000); SELECT setval('address_id_seq', 1000000); ANALYZE"
            )
        return {**await created(db), **await drained(db), **await paced(db)}


async def run() -> None:
    """Measure and print."""
    crypto.use(crypto.Keyring.parse(f"1:{new_key()}", new_key()))
    figures: dict[str, Any] = {"people": PEOPLE}
    claims = []
    with tempfile.TemporaryDirectory() as folder:
        async with postgres() as server:
            for kind, url, times in (("sqlite", f"sqlite://{folder}/notices.db", 15), ("postgres", server, 3.5)):
                if url is None:
                    print(f"{kind}: not measured, no server answers")
                    continue
                found = figures[kind] = await measure(url)
                print(kind, {name: round(value, 1) for name, value in found.items()})
                claims += [
                    Claim(f"{kind}: created, times the ORM's bulk_create", found["created_times"], times),
                    Claim(f"{kind}: drained, times row by row", found["drained_times"], 100),
                    Claim(f"{kind}: percent of the limit used", found["percent_of_the_limit"], 99.5),
                    Claim(f"{kind}: notices in the busiest second", found["busiest_second"], PACE, at_least=False),
                    Claim(f"{kind}: replies meanwhile, p99 in ms", found["reply_p99_ms"], 1000, at_least=False),
                ]
    close("notices", figures, claims)


if __name__ == "__main__":
    sys.exit(asyncio.run(run()))
