"""Delivering committed messages: at once in the process that took the turn, or by the sweep after a crash.

"attempting" is saved by the turn's own transaction, before any call; what happened is written back in small groups.
Messages to one recipient go out in their order; those to different recipients side by side.
"""

import asyncio
import logging
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

from tortoise.backends.base.client import BaseDBAsyncClient

from bot.channel import GiveUp, Retry, Sender, SendError, Sent, Trouble, what_next
from handlers.engine import LEASE, Outgoing, outgoing
from models.enums import Channel, OutboxStatus
from models.turns import TurnTables

log = logging.getLogger(__name__)

SWEEP_SECONDS = 15.0
FLUSH_SECONDS = 0.02
CALL_SECONDS = 20.0  # a call to a platform lasts no longer
NO_SENDER_SECONDS = 300.0
KNOWN_ADDRESSES = 10_000


class Delivery:
    """Sends what is posted. ``run`` must be running."""

    def __init__(self, db: BaseDBAsyncClient, senders: Mapping[Channel, Sender], clock: Callable[[], datetime]) -> None:
        self._db = db
        self._tables = TurnTables(db)
        self._senders = senders
        self._clock = clock
        self._queues: dict[str, deque[tuple[Outgoing, float]]] = {}
        self._started: asyncio.Queue[str] = asyncio.Queue()
        self._settled: list[tuple[int, str, str | None, str | None]] = []
        self._flush = asyncio.Event()
        self._paused_until: dict[str, float] = {}
        self._put_back: dict[str, float] = {}
        self._addresses: OrderedDict[int, str] = OrderedDict()
        self._readers: dict[int, set[asyncio.Event]] = defaultdict(set)

    # --- posting

    def post(self, messages: Sequence[Outgoing]) -> None:
        """Deliver committed messages; returns at once."""
        for message in messages:
            row = message.row
            if row.status == OutboxStatus.ATTEMPTING:
                deadline = asyncio.get_running_loop().time() + LEASE.total_seconds()
                key = f"{row.channel}:{row.address_id or message.body.to}"
                if key in self._queues:
                    self._queues[key].append((message, deadline))
                else:
                    self._queues[key] = deque([(message, deadline)])
                    self._started.put_nowait(key)
            else:
                for reader in self._readers.get(row.address_id, ()):
                    reader.set()

    async def new_mail(self, address_id: int, seconds: float) -> None:
        """Wait until something is posted to a mailbox, at most so long."""
        reader = asyncio.Event()
        self._readers[address_id].add(reader)
        try:
            await asyncio.wait_for(reader.wait(), seconds)
        except TimeoutError:
            pass
        finally:
            self._readers[address_id].discard(reader)
            if not self._readers[address_id]:
                del self._readers[address_id]

    # --- working

    async def run(self) -> None:
        """Send, write back and sweep until cancelled; what was sent is written back even then."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._write_back())
                group.create_task(self._sweep())
                while True:
                    key = await self._started.get()
                    group.create_task(self._drain(key))
        finally:
            await self._save_settled()

    async def _drain(self, key: str) -> None:
        queue, loop = self._queues[key], asyncio.get_running_loop()
        # Once one has to wait, those behind it wait too, also what is posted later: their order is part of the talk.
        held = self._put_back.pop(key, 0.0) - loop.time()
        later = held if held > 0 else None
        while queue:
            message, deadline = queue[0]
            try:
                if later is None:
                    later = await self._send(message, deadline)
                if later is not None:
                    await self._postpone(message, later)
            except Exception as error:  # noqa: BLE001 - one message must not stop the others; the sweep has it later
                log.error("message %d not delivered: %s", message.row.id, type(error).__name__)
            queue.popleft()
        del self._queues[key]
        if later is not None:
            now = loop.time()
            if len(self._put_back) >= KNOWN_ADDRESSES:
                self._put_back = {each: until for each, until in self._put_back.items() if until > now}
            self._put_back[key] = now + later

    async def _send(self, message: Outgoing, deadline: float) -> float | None:
        """Send one message within its lease; gives the seconds after which it is to be tried again, None when done."""
        row = message.row
        sender = self._senders.get(Channel(row.channel))
        if sender is None:
            return NO_SENDER_SECONDS
        to = message.body.to or await self._address(row.address_id)
        rendered = message.render()
        loop = asyncio.get_running_loop()
        wait = 0.0
        while True:
            wait = max(wait, self._paused_until.get(row.channel, 0.0) - loop.time())
            if loop.time() + wait > deadline - CALL_SECONDS:  # the lease would run out: another could send it as well
                return wait
            await asyncio.sleep(wait)
            row.attempts += 1
            result = await sender.send(to, rendered)
            if isinstance(result, Sent):
                self._settle(message, OutboxStatus.SENT, result.provider_id or None, None)
                return None
            if result.trouble == Trouble.BUSY:  # counts for everything this sender sends
                self._paused_until[row.channel] = loop.time() + result.retry_after
            match what_next(result, row.attempts):
                case Retry(seconds):
                    wait = seconds
                case GiveUp():
                    await self._failed(message, result)
                    return None

    async def _postpone(self, message: Outgoing, seconds: float) -> None:
        until = self._clock() + timedelta(seconds=seconds)
        await self._tables.postpone(self._db, message.row.id, message.row.attempts, until)

    async def _failed(self, message: Outgoing, error: SendError) -> None:
        row = message.row
        log.warning("message %d on %s failed: %s", row.id, row.channel, error.code)
        if error.trouble == Trouble.UNREACHABLE and row.address_id:
            await self._tables.set_reachable(self._db, row.address_id, reachable=False)
        self._settle(message, OutboxStatus.FAILED, None, error.code[:64])

    async def _address(self, address_id: int) -> str:
        known = self._addresses.get(address_id)
        if known is None:
            known = self._addresses[address_id] = await self._tables.address(self._db, address_id)
            if len(self._addresses) > KNOWN_ADDRESSES:
                self._addresses.popitem(last=False)
        return known

    def _settle(self, message: Outgoing, status: OutboxStatus, provider: str | None, error: str | None) -> None:
        self._settled.append((message.row.id, status.value, provider, error))
        self._flush.set()

    async def _write_back(self) -> None:
        while True:
            await self._flush.wait()
            await asyncio.sleep(FLUSH_SECONDS)  # so that what was sent together is written together
            self._flush.clear()
            await self._save_settled()

    async def _save_settled(self) -> None:
        settled, self._settled = self._settled, []
        if not settled:
            return
        try:
            await self._tables.settle(self._db, settled, self._clock())
        except asyncio.CancelledError:  # on the way out: the last round writes them
            self._settled = settled + self._settled
            raise
        except Exception as error:  # noqa: BLE001 - kept for the next round
            log.warning("%d outcomes not written back yet: %s", len(settled), type(error).__name__)
            self._settled = settled + self._settled

    async def _sweep(self) -> None:
        """Take over what a crash left behind or what waits for another try."""
        while True:
            try:
                rows = await self._tables.stranded(self._db, self._clock(), LEASE, limit=200)
                if rows:
                    self.post([outgoing(row) for row in rows])
                    continue
            except Exception as error:  # noqa: BLE001 - the database may be back at the next round
                log.warning("sweep failed: %s", type(error).__name__)
            await asyncio.sleep(SWEEP_SECONDS)
