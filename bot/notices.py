"""Telling people what they have to know: notices climb their ladders, paced by what each sender may send.

Routing puts a notice on a rung; each channel then takes what is due at its own pace and makes it a message of the
outbox, in one transaction. From there on it is sent like any reply. What came of it comes back by ``settled``, in the
transaction that writes the message's own outcome: a crash between any two lines neither loses nor repeats a rung.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial

import msgspec
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.transactions import in_transaction

from bot.channel import SendError, Trouble
from bot.delivery import ONCE, Delivery, Settled
from bot.tasks import unless_cancelled
from domain.notices.actions import check_code, misrouted, route
from domain.notices.links import start_links
from domain.notices.rules import SMS_HOURS, rung_name, soft_name, words_key
from domain.staff import broadcasts
from handlers.conversation import Say
from handlers.engine import LEASE, PULLED, Body, Outgoing, outgoing
from models.broadcasts import BroadcastTables
from models.enums import Channel, NoticeStatus, OutboxStatus
from models.notices import NoticeRow, NoticeTables, RoutedRow, TalkRow
from models.outbox import OutboxRow

log = logging.getLogger(__name__)

IDLE_SECONDS = 5.0
SLICE = timedelta(seconds=1)  # of a sender's pace that is booked and sent at a time
MARGIN = 0.002  # so that clocks that are not quite even never make a second too full
UNPACED = 500  # messages at a time where nothing limits them, or hardly anything

BROADCASTS = frozenset({broadcasts.KIND, broadcasts.KIND_SMS})

Templates = Mapping[str, Mapping[str, str]]
"""Ids of approved WhatsApp templates, by language and kind."""


class _PausedError(Exception):
    """The sender rests: what was taken is given back."""


class Notices:
    """Routes notices and takes them up, channel by channel. ``pace``: messages a second; a channel without is free."""

    def __init__(
        self,
        db: BaseDBAsyncClient,
        delivery: Delivery,
        pace: Mapping[Channel, float],
        templates: Callable[[], Templates],
        clock: Callable[[], datetime],
        sms_hours: tuple[int, int] = SMS_HOURS,
        public_url: str = "",
    ) -> None:
        self._links = f"{public_url.rstrip('/')}/l#"
        self._sms_hours = sms_hours
        self._db, self._delivery, self._pace, self._templates, self._clock = db, delivery, pace, templates, clock
        self._tables = NoticeTables(db)
        self._wake = {channel: asyncio.Event() for channel in (*pace, *PULLED)}
        self._new = asyncio.Event()
        self._texts: dict[int, dict[str, str]] = {}  # of broadcasts: they never change once they are sent

    def wake(self) -> None:
        """There may be new notices."""
        self._new.set()

    async def run(self) -> None:
        """Route and send until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._patiently("routing", self._new, self._route))
            for channel, event in self._wake.items():
                group.create_task(self._patiently(channel.value, event, partial(self.send_some, channel)))

    async def _patiently(self, name: str, event: asyncio.Event, work: Callable[[], Awaitable[int]]) -> None:
        while True:
            event.clear()
            try:
                if await work():
                    continue
            except Exception as error:  # noqa: BLE001 - the database may be back at the next round
                unless_cancelled()
                log.warning("notices: %s: %s", name, type(error).__name__)
            try:
                await asyncio.wait_for(event.wait(), IDLE_SECONDS)
            except TimeoutError:
                continue

    def _kinds(self) -> dict[str, frozenset[str]]:
        return {language: frozenset(by_kind) for language, by_kind in self._templates().items()}

    async def _route(self) -> int:
        async with in_transaction() as db:
            found = await route(db, self._kinds(), self._clock(), self._sms_hours, frozenset(self._wake))
        if found:
            for event in self._wake.values():
                event.set()
        return found

    async def send_some(self, channel: Channel) -> int:
        """Take what one slice of the channel's pace allows and post it; returns when the slice is over."""
        rate = self._pace.get(channel)
        limit = min(UNPACED, max(1, round(rate * SLICE.total_seconds()))) if rate else UNPACED
        every = timedelta(seconds=(1 + MARGIN) / rate) if rate else timedelta(0)
        now = self._clock()
        used = self._delivery.take_used(channel)
        try:
            async with in_transaction() as db:
                rows = await self._tables.claim_due(db, channel.value, now, limit)
                if not rows:
                    return 0
                talks = await self._tables.talks(db, [row.person_id for row in rows])
                if back := await self._put_back(db, rows, talks, now):
                    rows = [row for row in rows if row.id not in back]
                    if not rows:
                        return len(back)
                start = await self._tables.grant(db, channel.value, now, every, len(rows), used) if rate else now
                if start is None:
                    raise _PausedError
                messages = await self._messages(db, channel, rows, talks)
                last = start + len(rows) * every
                await self._tables.post(db, [message.row for message in messages], now, last - now + LEASE)
                if channel in PULLED:
                    await self._tables.told(db, [row.id for row in rows], now)
        except _PausedError:
            self._delivery.give_back(channel, used)
            return 0
        wait = (start - now).total_seconds()
        for at, message in enumerate(messages):
            self._delivery.post_at(message, wait + at * every.total_seconds())
        # Back a little early, so that the next slice is booked before this one is over.
        await asyncio.sleep(max(0.0, wait + (len(messages) - 1) * every.total_seconds() - 0.1))
        return len(messages)

    async def _put_back(
        self, db: BaseDBAsyncClient, rows: Sequence[NoticeRow], talks: Mapping[int, TalkRow], now: datetime
    ) -> set[int]:
        """Let those be routed anew for which their rung is no longer right; gives their ids."""
        back = await misrouted(db, rows, talks, self._kinds(), now, self._sms_hours, frozenset(self._wake))
        if back:
            await self._tables.route(db, [RoutedRow(number, NoticeStatus.NEW, now) for number in sorted(back)])
            self._new.set()
        return back

    async def _messages(
        self, db: BaseDBAsyncClient, channel: Channel, rows: Sequence[NoticeRow], talks: Mapping[int, TalkRow]
    ) -> list[Outgoing]:
        await self._fill(db, rows, talks)
        templates = self._templates()
        if channel != Channel.SMS:
            return [_in_chat(channel, row, at, talks[row.person_id], templates) for at, row in enumerate(rows)]
        known = await self._tables.phones(db, [row.person_id for row in rows])
        phones = [known[row.person_id] for row in rows]
        links = [self._links + token for token in await start_links(phones, self._clock())]
        return [
            _by_sms(row, at, talks[row.person_id], phone, link)
            for at, (row, phone, link) in enumerate(zip(rows, phones, links, strict=True))
        ]

    async def _fill(self, db: BaseDBAsyncClient, rows: Sequence[NoticeRow], talks: Mapping[int, TalkRow]) -> None:
        """The words of broadcasts, which are written by staff."""
        own = [row for row in rows if row.kind in BROADCASTS]
        if own:
            asked = [(row.subject_id, row.person_id, talks[row.person_id].language) for row in own]
            for row, text in zip(own, await broadcasts.texts_for(db, asked, self._texts), strict=True):
                row.params = {**row.params, "text": text}

    async def settled(self, db: BaseDBAsyncClient, outcomes: Sequence[Settled]) -> None:
        """What came of rungs, in the transaction that writes it down."""
        now = self._clock()
        told, fell, lost = [], [], []
        for outcome in outcomes:
            number = outcome.row.notice_id
            if number and outcome.error is not None and outcome.error.maybe and outcome.row.key in ONCE:
                lost.append(number)
            elif number and outcome.error is None:
                told.append(number)
            elif number and outcome.error is not None:
                fell.append((number, _left(outcome.row, outcome.error), outcome.error.code[:64]))
        if told:
            await self._tables.told(db, told, now)
        if fell:
            await self._tables.fell(db, fell, now)
            self._new.set()
        if lost:
            await self._tables.uncertain(db, lost)
        own = [outcome for outcome in outcomes if outcome.row.key in ONCE and outcome.row.notice_id]
        if own:
            arrived = {OutboxStatus.DELIVERED, OutboxStatus.READ}
            await BroadcastTables(db).heard(
                db,
                [o.row.notice_id or 0 for o in own if o.error is None and o.status not in arrived],
                [o.row.notice_id or 0 for o in own if o.error is None and o.status in arrived],
                [number for number, _, _ in fell],
                lost,
            )
            if fell:
                await BroadcastTables(db).rest(db, [number for number, _, _ in fell])


def _in_chat(channel: Channel, row: NoticeRow, position: int, talk: TalkRow, templates: Templates) -> Outgoing:
    template = templates.get(talk.language, {}).get(row.kind, "") if row.template else ""
    to = "" if channel in PULLED else talk.address(row.address_id)
    return _outgoing(channel, row, position, talk, Body(_say(channel, row), to, template, row.trace))


def _by_sms(row: NoticeRow, position: int, talk: TalkRow, phone: str, link: str) -> Outgoing:
    return _outgoing(Channel.SMS, row, position, talk, Body(_say(Channel.SMS, row, link=link), phone, trace=row.trace))


def _say(channel: Channel, row: NoticeRow, **more: str) -> Say:
    return Say(words_key(row.kind, channel), {**row.params, "check_code": check_code(row.id), **more})


def _outgoing(channel: Channel, row: NoticeRow, position: int, talk: TalkRow, body: Body) -> Outgoing:
    return Outgoing(
        OutboxRow(
            id=0,
            conversation_id=talk.id,
            address_id=row.address_id,
            channel=channel.value,
            inbound_id=0,
            position=position,
            key=body.say.key,
            step=talk.step,
            language=talk.language,
            body=msgspec.msgpack.encode(body),
            status=(OutboxStatus.SENT if channel in PULLED else OutboxStatus.ATTEMPTING).value,
            notice_id=row.id,
        ),
        body,
    )


def _left(row: OutboxRow, error: SendError) -> str:
    """The names of the rungs that a failure rules out: all of a chat unless only free text was refused."""
    channel = Channel(row.channel)
    free, template = (rung_name(channel, row.address_id, template=each) for each in (False, True))
    if channel == Channel.SMS and error.trouble == Trouble.FAULT:
        return soft_name(free)
    if channel != Channel.WHATSAPP:
        return free
    free_text = not outgoing(row).body.template
    return free if free_text and error.trouble == Trouble.OUTSIDE_WINDOW else f"{free},{template}"
