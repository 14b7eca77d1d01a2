"""Delivering committed messages: at once in the process that took the turn, or by the sweep after a crash.

"attempting" is saved by the turn's own transaction, before any call; what happened is written back in small groups.
Messages to one recipient go out in their order; those to different recipients side by side.
"""

import asyncio
import logging
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.transactions import in_transaction

from bot.channel import Ask, GiveUp, Retry, Sender, SendError, Sent, Tracing, Trouble, what_next
from bot.tasks import unless_cancelled
from handlers.engine import LEASE, Outgoing, outgoing
from handlers.i18n import Rendered
from models import trace
from models.dialect import is_transient
from models.enums import Channel, OutboxStatus
from models.notices import NoticeTables
from models.outbox import OutboxRow

log = logging.getLogger(__name__)

SWEEP_SECONDS = 15.0
FLUSH_SECONDS = 0.02
CALL_SECONDS = 20.0  # a call to a platform lasts no longer
NO_SENDER_SECONDS = 300.0
KNOWN_ADDRESSES = 10_000
REPORT_SECONDS = 0.005  # reports that come within it share a transaction
MAX_REPORTS = 100
PAUSES_SECONDS = 2.0  # how soon other processes hear that a sender has to rest
ENDING_SECONDS = 4.0  # how long calls under way may still take when the process ends
AGAIN_SECONDS = 1.0  # until what could not be written back is tried again
ASK_AFTER = timedelta(seconds=60)  # a call without an answer may still be under way at the platform
# Messages that reach nobody twice: where nobody can tell whether one arrived, it is not sent again but counted.
ONCE = frozenset({"notice.broadcast", "notice.broadcast_sms"})
UNREACHABLE = frozenset({Trouble.UNREACHABLE, Trouble.INVALID_NUMBER, Trouble.OPTED_OUT})


@dataclass(frozen=True, slots=True)
class Settled:
    """What came of a message: ``error`` where it failed, ``provider_id`` where the platform took it."""

    row: OutboxRow
    status: OutboxStatus
    provider_id: str | None = None
    error: SendError | None = None

    @property
    def columns(self) -> tuple[int, str, str | None, str | None]:
        """As models.outbox takes it."""
        return self.row.id, self.status.value, self.provider_id, self.error.code[:64] if self.error else None


@dataclass(slots=True, eq=False)
class _Report:
    """What a platform says later about a message, until it is committed."""

    number: int
    status: OutboxStatus
    provider_id: str
    error: SendError | None
    taken: "asyncio.Future[None]"

    def done(self) -> None:
        if not self.taken.done():  # the caller may have gone away
            self.taken.set_result(None)

    def fail(self, error: Exception) -> None:
        if not self.taken.done():
            self.taken.set_exception(error)


class _LostError(Exception):
    """The lease is over: the message is not ours to send, nor to put back. Whoever sweeps has it."""


OnSettled = Callable[[BaseDBAsyncClient, Sequence[Settled]], Awaitable[None]]
"""Takes outcomes of notices in the transaction that writes them down."""


class Delivery:
    """Sends what is posted. ``run`` must be running."""

    def __init__(self, db: BaseDBAsyncClient, senders: Mapping[Channel, Sender], clock: Callable[[], datetime]) -> None:
        self._db = db
        self._tables = NoticeTables(db)
        self._senders = senders
        self._clock = clock
        self._queues: dict[str, deque[tuple[Outgoing, float]]] = {}
        self._started: asyncio.Queue[str] = asyncio.Queue()
        # Whose platforms can be asked: after a crash as after a call without an answer, nothing is sent again unasked.
        self._tracing = [channel.value for channel, sender in senders.items() if hasattr(sender, "find")]
        self._reports: list[_Report] = []
        self._reported = asyncio.Event()
        self._settled: list[Settled] = []
        self._used: Counter[str] = Counter()
        self.on_settled: OnSettled | None = None
        self.on_called: Callable[[str, str], None] | None = None  # channel, and the error's code or nothing
        self._flush = asyncio.Event()
        self._ending = asyncio.Event()
        self._paused_until: dict[str, float] = {}
        self._put_back: dict[str, float] = {}
        self._addresses: OrderedDict[int, str] = OrderedDict()
        self._readers: dict[int, set[asyncio.Event]] = defaultdict(set)

    # --- posting

    def post(self, messages: Sequence[Outgoing], deadline: float | None = None) -> None:
        """Deliver committed messages; returns at once. ``deadline``: the end of their lease by the loop's clock."""
        for message in messages:
            row = message.row
            if row.status == OutboxStatus.ATTEMPTING:
                deadline = deadline or asyncio.get_running_loop().time() + LEASE.total_seconds()
                key = f"{row.channel}:{row.address_id or message.body.to}"
                if key in self._queues:
                    self._queues[key].append((message, deadline))
                else:
                    self._queues[key] = deque([(message, deadline)])
                    self._started.put_nowait(key)
            elif self._readers:
                for reader in self._readers.get(row.address_id, ()):
                    reader.set()

    def post_at(self, message: Outgoing, seconds: float) -> None:
        """Deliver a committed message of a bulk at its place in the sender's pace."""
        loop = asyncio.get_running_loop()
        # The lease began when the place was booked: a loop that comes to it late must not send beyond it.
        deadline = loop.time() + seconds + LEASE.total_seconds()
        loop.call_later(max(0.0, seconds), self.post, [message], deadline)

    def take_used(self, channel: Channel) -> int:
        """Replies that were sent on a channel since this was asked last: a bulk leaves them their room."""
        return self._used.pop(channel.value, 0)

    def give_back(self, channel: Channel, used: int) -> None:
        """Replies that were asked for and not made use of."""
        self._used[channel.value] += used

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
        """Send, write back and sweep until cancelled. Even then calls under way come to their end, what came of them is
        written back, and what was not begun is left to other processes.
        """
        try:
            async with asyncio.TaskGroup() as sending:
                try:
                    async with asyncio.TaskGroup() as group:
                        group.create_task(self._write_back())
                        group.create_task(self._sweep())
                        group.create_task(self._hear_of_pauses())
                        group.create_task(self._take_reports())
                        while True:
                            key = await self._started.get()
                            sending.create_task(self._drain(key))
                finally:
                    self._ending.set()
                    while not self._started.empty():
                        sending.create_task(self._drain(self._started.get_nowait()))
                    with suppress(TimeoutError):
                        async with asyncio.timeout(ENDING_SECONDS):
                            while self._queues:  # noqa: ASYNC110 - each of them ends by itself
                                await asyncio.sleep(0.02)
        finally:
            for report in self._reports:
                report.fail(ConnectionError("the process ends"))
            await self._save_settled()

    async def _drain(self, key: str) -> None:
        queue, loop = self._queues[key], asyncio.get_running_loop()
        # Once one has to wait, those behind it wait too, also what is posted later: their order is part of the talk.
        held = self._put_back.pop(key, 0.0) - loop.time()
        later = held if held > 0 else None
        while queue:
            message, deadline = queue[0]
            trace.go_on(message.body.trace)
            try:
                if later is None:
                    later = await self._send(message, deadline)
                if later is not None:
                    await self._postpone(message, later)
            except _LostError:
                log.warning("message %d waited for longer than it was ours", message.row.id)
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
        """Send one message within its lease; gives the seconds after which it is to be tried again, None when done.
        Raises _LostError.
        """
        row = message.row
        sender = self._senders.get(Channel(row.channel))
        if sender is None:
            return NO_SENDER_SECONDS
        to = message.body.to or await self._address(row.address_id)
        rendered = message.render()
        wait = 0.0
        while True:
            if (later := await self._until_free(row.channel, wait, deadline)) is not None:
                return later
            again = await self._attempt(sender, to, rendered, row)
            if again is None:
                return None
            wait = again

    async def _attempt(self, sender: Sender, to: str, rendered: Rendered, row: OutboxRow) -> float | None:
        """Call the platform; gives the seconds after which to try again, None when it came to something."""
        row.attempts += 1
        if row.notice_id is None:
            self._used[row.channel] += 1
        once = row.key in ONCE and row.channel not in self._tracing
        result = await self._call(sender, to, rendered, row, once=once)
        if isinstance(result, Sent):
            self._settle(row, OutboxStatus.SENT, result.provider_id or None)
            return None
        if result.trouble == Trouble.BUSY:  # counts for everything this sender sends, in every process
            await self._pause(row.channel, result.retry_after)
        match what_next(result, row.attempts, once=once):
            case Retry(seconds):
                return seconds
            case Ask():
                self._settle(row, OutboxStatus.UNKNOWN, None, result)
            case GiveUp():
                if self._note_failure(row, result):
                    await self._tables.set_reachable(self._db, row.address_id, reachable=False)
                self._settle(row, OutboxStatus.FAILED, None, result)
        return None

    async def _until_free(self, channel: str, wait: float, deadline: float) -> float | None:
        """Wait until the call may be made; gives the seconds after which somebody else may try, where that is beyond
        the lease or this process ends. Raises _LostError.
        """
        loop = asyncio.get_running_loop()
        while True:
            if loop.time() > deadline:
                raise _LostError
            if self._ending.is_set():
                return 0.0
            wait = max(wait, self._paused_until.get(channel, 0.0) - loop.time())
            if loop.time() + wait > deadline - CALL_SECONDS:  # the lease would run out: another could send it as well
                return wait
            if wait <= 0:
                return None
            with suppress(TimeoutError):
                await asyncio.wait_for(self._ending.wait(), wait)
            wait = 0.0  # it may have taken longer than that

    async def _call(
        self, sender: Sender, to: str, rendered: Rendered, row: OutboxRow, *, once: bool
    ) -> Sent | SendError:
        """What the platform says; raises _LostError."""
        # Said before the call: after a crash nobody takes it for one that was never tried.
        if once and not await self._tables.begin_attempt(self._db, row.id, row.attempts, self._clock()):
            raise _LostError
        result = await sender.send(to, rendered, row.id)
        code = result.code if isinstance(result, SendError) else ""
        if self.on_called is not None:
            self.on_called(row.channel, code)
        log.debug("message %d on %s: %s", row.id, row.channel, code or "sent")
        if once and isinstance(result, SendError) and not result.maybe:
            await self._tables.take_back_attempt(self._db, row.id)
        return result

    async def _postpone(self, message: Outgoing, seconds: float) -> None:
        until = self._clock() + timedelta(seconds=seconds)
        await self._tables.postpone(self._db, message.row.id, message.row.attempts, until)

    async def _pause(self, channel: str, seconds: float) -> None:
        self._paused_until[channel] = asyncio.get_running_loop().time() + seconds
        await self._tables.pause(self._db, channel, self._clock() + timedelta(seconds=seconds))

    async def _hear_of_pauses(self) -> None:
        """A pause that another process was asked for counts here too."""
        while True:
            try:
                now, loop = self._clock(), asyncio.get_running_loop()
                for channel, until in (await self._tables.paused(self._db)).items():
                    if until > now:
                        at = loop.time() + (until - now).total_seconds()
                        self._paused_until[channel] = max(at, self._paused_until.get(channel, 0.0))
            except Exception as error:  # noqa: BLE001 - the database may be back at the next round
                unless_cancelled()
                log.warning("pauses not read: %s", type(error).__name__)
            await asyncio.sleep(PAUSES_SECONDS)

    def _note_failure(self, row: OutboxRow, error: SendError) -> bool:
        """Log it; whether it says that the chat can't be reached any more."""
        level = logging.ERROR if error.trouble == Trouble.FILTERED else logging.WARNING
        log.log(level, "message %d on %s failed: %s", row.id, row.channel, error.code)
        return error.trouble in UNREACHABLE and bool(row.address_id)

    # --- what platforms report later

    async def report(self, number: int, status: OutboxStatus, provider_id: str, error: SendError | None) -> None:
        """Take a platform's report about a message; late and repeated ones change nothing. Returns after the commit."""
        report = _Report(number, status, provider_id, error, asyncio.get_running_loop().create_future())
        self._reports.append(report)
        self._reported.set()
        await report.taken

    async def _take_reports(self) -> None:
        """Reports that come together share a transaction: there are three for each message."""
        while True:
            await self._reported.wait()
            await asyncio.sleep(REPORT_SECONDS)
            self._reported.clear()
            while self._reports:
                some, self._reports = self._reports[:MAX_REPORTS], self._reports[MAX_REPORTS:]
                try:
                    await self._commit_patiently(some)
                except asyncio.CancelledError:
                    self._reports = some + self._reports  # they hear of it at the end
                    raise
                except Exception as error:  # noqa: BLE001 - the platform may send them again
                    unless_cancelled()
                    trace.go_on("")
                    log.warning("%d reports not taken: %s", len(some), type(error).__name__)
                    for report in some:
                        report.fail(error)
                    continue
                for report in some:
                    report.done()

    async def _commit_patiently(self, reports: Sequence["_Report"]) -> None:
        try:
            await self._commit(reports)
        except Exception as error:
            if not is_transient(error):
                raise
            await asyncio.sleep(FLUSH_SECONDS)
            await self._commit(reports)

    async def _commit(self, reports: Sequence["_Report"]) -> None:
        outcomes, unreachable = [], set[int]()
        async with in_transaction() as db:
            for report in sorted(reports, key=lambda each: each.number):  # so that two processes never deadlock
                code = report.error.code[:64] if report.error else None
                row = await self._tables.report(
                    db, report.number, report.status, report.provider_id, code, self._clock()
                )
                if row is None:
                    continue
                trace.go_on(outgoing(row).body.trace)
                log.debug("message %d on %s is %s", row.id, row.channel, report.status)
                if report.error is not None and self._note_failure(row, report.error):
                    unreachable.add(row.address_id)
                if row.notice_id:
                    outcomes.append(Settled(row, report.status, report.provider_id, report.error))
            trace.go_on("")
            for address_id in sorted(unreachable):  # in one order in all processes, as the messages are
                await self._tables.set_reachable(db, address_id, reachable=False)
            if outcomes and self.on_settled:
                await self.on_settled(db, outcomes)

    async def _reconcile(self) -> bool:
        """Ask platforms about messages of which nobody knows whether they went out; whether there were any."""
        rows = await self._tables.unanswered(self._db, self._clock(), ASK_AFTER, limit=50)
        for row, tried_at in rows:
            if row.channel not in self._tracing:  # the provider was taken out of the settings meanwhile
                continue
            sender = cast("Tracing", self._senders[Channel(row.channel)])
            message = outgoing(row)
            trace.go_on(message.body.trace)
            to = message.body.to or await self._address(row.address_id)
            try:
                found = await sender.find(to, message.render(), tried_at)
            except (OSError, TimeoutError) as error:  # asked again when the lease is over
                log.warning("message %d: the platform could not be asked: %s", row.id, type(error).__name__)
                continue
            if found is not None:
                self._settle(row, OutboxStatus.SENT, found)
            else:
                await self._tables.send_again(self._db, row.id)
        return bool(rows)

    async def _address(self, address_id: int) -> str:
        known = self._addresses.get(address_id)
        if known is None:
            known = self._addresses[address_id] = await self._tables.address(self._db, address_id)
            if len(self._addresses) > KNOWN_ADDRESSES:
                self._addresses.popitem(last=False)
        return known

    def _settle(
        self, row: OutboxRow, status: OutboxStatus, provider_id: str | None = None, error: SendError | None = None
    ) -> None:
        self._settled.append(Settled(row, status, provider_id, error))
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
            await self._save(settled)
        except asyncio.CancelledError:  # on the way out: the last round writes them
            self._settled = settled + self._settled
            raise
        except Exception as error:  # noqa: BLE001 - kept for the next round
            unless_cancelled()
            if not is_transient(error):  # one of them is at fault: the others must not wait for it
                await self._save_one_by_one(settled)
                return
            log.warning("%d outcomes not written back yet: %s", len(settled), type(error).__name__)
            self._settled = settled + self._settled
            asyncio.get_running_loop().call_later(AGAIN_SECONDS, self._flush.set)

    async def _save(self, settled: Sequence[Settled]) -> None:
        notices = [each for each in settled if each.row.notice_id and each.status != OutboxStatus.UNKNOWN]
        rows = [each.columns for each in settled]
        if not notices or self.on_settled is None:
            await self._tables.settle(self._db, rows, self._clock(), ASK_AFTER)
            return
        async with in_transaction() as db:
            await self._tables.settle(db, rows, self._clock(), ASK_AFTER)
            await self.on_settled(db, notices)

    async def _save_one_by_one(self, settled: Sequence[Settled]) -> None:
        for each in settled:
            try:
                await self._save([each])
            except Exception as error:  # noqa: BLE001 - it was sent, and must not be sent again
                unless_cancelled()
                log.error("what came of message %d was not taken: %s", each.row.id, type(error).__name__)
                try:
                    await self._tables.settle(self._db, [each.columns], self._clock(), ASK_AFTER)
                except Exception as second:  # noqa: BLE001 - the sweep has it when its lease is over
                    unless_cancelled()
                    log.error("nor was its state: %s", type(second).__name__)

    async def _give_up(self, now: datetime) -> None:
        """Messages that must reach nobody twice, and that a process was sending when it died: nobody knows."""
        found = await self._tables.to_give_up(self._db, sorted(ONCE), self._tracing, now)
        if not found:
            return
        async with in_transaction() as db:
            rows = await self._tables.give_up(db, found, now)
            if rows and self.on_settled:
                error = SendError(Trouble.UNKNOWN, "died while sending", maybe=True)
                await self.on_settled(db, [Settled(row, OutboxStatus.FAILED, None, error) for row in rows])

    async def _sweep(self) -> None:
        """Take over what a crash left behind or what waits for another try."""
        while True:
            try:
                now, deadline = self._clock(), asyncio.get_running_loop().time() + LEASE.total_seconds()
                await self._save_settled()  # what came of messages is not to be forgotten over their lease
                if self._tracing:
                    await self._tables.doubt(self._db, self._tracing, now)
                # As of the same moment: a lease that runs out in between is doubted in the next round, not sent again.
                await self._give_up(now)
                rows = await self._tables.stranded(self._db, now, LEASE, limit=200)
                if rows:
                    known = {each.row.id for each in self._settled}
                    self.post([outgoing(row) for row in rows if row.id not in known], deadline)
                    continue
                if await self._reconcile():
                    continue
            except Exception as error:  # noqa: BLE001 - the database may be back at the next round
                unless_cancelled()
                log.warning("sweep failed: %s", type(error).__name__)
            await asyncio.sleep(SWEEP_SECONDS)
