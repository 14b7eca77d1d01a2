"""Broadcasts from the form to what people read: who may, whom it reaches, and that it reaches nobody twice."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.transactions import in_transaction

from bot import delivery as delivering
from bot.broadcasts import Broadcasts
from bot.channel import Sender, SendError, Sent, Trouble
from bot.delivery import Delivery, Settled
from bot.notices import Notices
from domain import regions
from domain.errors import DomainError
from domain.staff import broadcasts, segments
from domain.staff.segments import Segment
from handlers.conversation import Inbound
from handlers.engine import Engine, TurnResult
from handlers.i18n import Rendered
from models import trace
from models.broadcast import Broadcast, BroadcastRecipient
from models.broadcasts import BroadcastTables
from models.enums import BroadcastStatus, Channel, OutboxStatus, RecipientStatus, Role
from models.message import Outbox
from models.notice import Notice
from models.outbox import OutboxRow
from models.staff import AuditEntry
from models.verification import LayerOutcome
from models.wave import Entry, Wave
from tests.handlers.talk import NOON, Clock, engine_on
from tests.staff.crowd import crowd
from tests.staff.office import Officer, officer


@pytest.fixture(autouse=True)
def _regions() -> None:
    regions.load()


class Phone:
    """A sender that keeps what was said, and fails as told."""

    def __init__(self) -> None:
        self.said: list[tuple[str, str]] = []
        self.answer: Callable[[str], SendError | None] = lambda to: None

    async def send(self, to: str, message: Rendered, number: int) -> Sent | SendError:
        error = self.answer(to)
        if error is None or error.maybe:
            self.said.append((to, message.text))
        return error or Sent(str(len(self.said)))


class Station:
    """Everything that sends, of one process; its loops are called by hand."""

    def __init__(self, db: BaseDBAsyncClient, engine: Engine, clock: Clock, phone: Sender) -> None:
        senders = {Channel.TELEGRAM: phone}
        self.delivery = Delivery(db, senders, clock)
        self.notices = Notices(db, self.delivery, {}, dict, clock)
        self.notices._wake[Channel.TELEGRAM] = asyncio.Event()  # without a pace
        self.delivery.on_settled = self.notices.settled
        self.work = Broadcasts(db, clock, self.receive, self.notices.wake, (8, 20))
        self.engine = engine

    async def receive(self, inbound: Inbound) -> TurnResult:
        result = await self.engine.take_turn(inbound)
        self.delivery.post(result.replies)
        return result

    async def settle(self) -> None:
        """Release, route and send until nothing is left to do now."""
        while True:
            before = await standing()
            await self.work.release()
            while await self.notices._route():
                pass
            for channel in (Channel.BROWSER, Channel.TELEGRAM):
                while await self.notices.send_some(channel):
                    pass
            await asyncio.sleep(0.05)
            for _ in range(300):  # what is under way is written back when the machine comes to it
                if not await Outbox.filter(status=OutboxStatus.ATTEMPTING).exists():
                    break
                await asyncio.sleep(0.01)
            if await standing() == before:
                return


async def standing() -> Counter[str]:
    return Counter([row.status for row in await BroadcastRecipient.all().only("status")])


@asynccontextmanager
async def station(db: BaseDBAsyncClient, engine: Engine, clock: Clock, phone: Phone) -> AsyncIterator[Station]:
    found = Station(db, engine, clock, phone)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(found.delivery.run())
        yield found
        running.cancel()


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivering, "SWEEP_SECONDS", 0.05)


async def write(
    sari: Officer, *fields: tuple[str, str], texts: tuple[str, ...] = ("Halo {nama}!", "Hello {nama}!")
) -> list[str]:
    """The whole form."""
    await sari.say("/siaran")
    await sari.press("new")
    for name, value in fields:
        await sari.press(f"field_{name}")
        await sari.say(value)
    assert await sari.press("write") == ["staff.ask_text"]
    said = []
    for text in texts:
        said = await sari.say(text)
    return said


async def approved(sari: Officer, budi: Officer, work: Broadcasts) -> int:
    """Look recipients up, submit, and let the other one approve; gives its number."""
    await work.freeze()
    row = await Broadcast.all().order_by("-id").first()
    assert row is not None
    await sari.press("show_")
    assert await sari.press("submit") == ["staff.broadcast_card"]
    await budi.say("/siaran")
    await budi.press(f"show_{row.id}")
    assert await budi.press("approve") == ["staff.broadcast_card"]
    number: int = row.id
    return number


async def test_a_broadcast_in_two_languages_reaches_everybody_of_its_segment_once(db: BaseDBAsyncClient) -> None:
    clock, phone = Clock(), Phone()
    async with engine_on(db, clock) as engine, station(db, engine, clock, phone) as sending:
        chats = await crowd(30, NOON, Channel.TELEGRAM)
        sari = await officer(engine, clock, "sari", [Role.BROADCASTER])
        budi = await officer(engine, clock, "budi", [Role.BROADCASTER])
        assert await write(sari, ("regions", "31, 32")) == ["staff.broadcast_card"]
        number = await approved(sari, budi, sending.work)
        trace.begin("staff_telegram", "43:7")
        assert await budi.press("start") == ["staff.broadcast_card"]
        trace.go_on("")
        await sending.settle()
        assert {row.trace for row in await Notice.all()} == {trace.trace_of("staff_telegram", "43:7")}
        meant = [chat for at, chat in enumerate(chats, 1) if at % 3 in {0, 1}]
        assert Counter(to for to, _ in phone.said) == Counter(meant)
        texts = dict(phone.said)
        assert texts["700000" if "700000" in texts else meant[0]].split("!")[0] in {
            "📣 News from Gelombang: Hello Siti",
            "📣 Kabar dari Gelombang: Halo Siti",
        }
        assert {text.split(":")[1].split()[0] for text in texts.values()} == {"Hello", "Halo"}
        row = await Broadcast.get(id=number)
        assert (row.status, row.count, row.approved_by) == (BroadcastStatus.DONE, 20, "budi")
        done = [
            f"{entry.by}: {entry.action}"
            for entry in await AuditEntry.filter(subject=f"broadcast:{number}").order_by("number")
        ]
        assert done == [
            "sari: broadcast.written", "sari: broadcast.ready", "sari: broadcast.submitted", "budi: broadcast.approved",
            "budi: broadcast.running",
        ]  # fmt: skip


async def test_who_wrote_it_can_not_approve_it_and_of_two_who_do_one_is_told(db: BaseDBAsyncClient) -> None:
    clock = Clock()
    async with engine_on(db, clock) as engine, station(db, engine, clock, Phone()) as sending:
        await crowd(4, NOON)
        sari = await officer(engine, clock, "sari", [Role.BROADCASTER])
        budi = await officer(engine, clock, "budi", [Role.BROADCASTER])
        rina = await officer(engine, clock, "rina", [Role.BROADCASTER])
        await write(sari, ("language", "id"))
        await sending.work.freeze()
        await sari.press("show_")
        await sari.press("submit")
        [row] = await Broadcast.all()
        assert await sari.send(choice=f"approve_{row.id}") == ["staff.same_staff"]
        for colleague in (budi, rina):
            await colleague.say("/siaran")
            await colleague.press(f"show_{row.id}")
        both = await asyncio.gather(budi.press("approve"), rina.press("approve"))
        assert sorted(both) == [["staff.broadcast_card"], ["staff.broadcast_order"]]
        refused = [(row.by, row.words) for row in await AuditEntry.filter(action="refused").order_by("number")]
        assert ("sari", "staff.same_staff") in refused
        assert len(refused) == 2


async def test_pause_holds_what_was_released_resume_goes_on_and_cancel_ends_it(db: BaseDBAsyncClient) -> None:
    clock, phone = Clock(), Phone()
    async with engine_on(db, clock) as engine, station(db, engine, clock, phone) as sending:
        chats = await crowd(40, NOON, Channel.TELEGRAM)
        sari = await officer(engine, clock, "sari", [Role.BROADCASTER])
        budi = await officer(engine, clock, "budi", [Role.BROADCASTER])
        await write(sari, ("stage", "not_joined"), ("channel", "telegram"), ("language", "id"))
        number = await approved(sari, budi, sending.work)
        await budi.press("start")
        await sending.work.release()  # notices are there; nothing was sent yet
        assert await budi.press("pause") == ["staff.broadcast_card"]
        await sending.settle()
        assert phone.said == []
        assert await budi.send(choice=f"pause_{number}~1") == [
            "staff.broadcast_card"
        ]  # an old one: what holds is shown
        assert await budi.press("resume") == ["staff.broadcast_card"]
        await sending.settle()
        assert Counter(to for to, _ in phone.said) == Counter(chats[1::2])
        assert (await Broadcast.get(id=number)).status == BroadcastStatus.DONE
        assert await budi.send(choice=f"cancel_{number}") == ["staff.broadcast_order"]


async def test_a_cancelled_broadcast_sends_nothing_more(db: BaseDBAsyncClient) -> None:
    clock, phone = Clock(), Phone()
    async with engine_on(db, clock) as engine, station(db, engine, clock, phone) as sending:
        await crowd(10, NOON, Channel.TELEGRAM)
        sari = await officer(engine, clock, "sari", [Role.BROADCASTER])
        budi = await officer(engine, clock, "budi", [Role.BROADCASTER])
        await write(sari, ("language", "id"))
        await approved(sari, budi, sending.work)
        await budi.press("start")
        await sending.work.release()
        await budi.press("cancel")
        await sending.settle()
        assert phone.said == []
        assert await standing() == Counter({RecipientStatus.FAILED: 5})


async def test_two_processes_look_recipients_up_and_nobody_is_lost(
    db: BaseDBAsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each has read the row before the other moves on, portion after portion."""
    monkeypatch.setattr(broadcasts, "WINDOW", 3)
    clock, phone = Clock(), Phone()
    async with engine_on(db, clock) as engine, station(db, engine, clock, phone) as sending:
        chats = await crowd(10, NOON, Channel.TELEGRAM)
        sari = await officer(engine, clock, "sari", [Role.BROADCASTER])
        budi = await officer(engine, clock, "budi", [Role.BROADCASTER])
        await write(sari, ("language", "id"))
        one, other = [await Broadcast.get() for _ in range(2)]
        for _ in range(10):
            await broadcasts.freeze_some(db, one, clock())
            await broadcasts.freeze_some(db, other, clock())
        row = await Broadcast.get()
        assert (row.status, row.count) == (BroadcastStatus.READY, 5)
        await approved(sari, budi, sending.work)
        await budi.press("start")
        await sending.settle()
        assert Counter(to for to, _ in phone.said) == Counter(chats[1::2])


async def test_what_a_platform_refuses_after_the_end_climbs_no_other_rung(db: BaseDBAsyncClient) -> None:
    clock, phone = Clock(), Phone()
    async with engine_on(db, clock) as engine, station(db, engine, clock, phone) as sending:
        await crowd(6, NOON, Channel.TELEGRAM)
        sari = await officer(engine, clock, "sari", [Role.BROADCASTER])
        budi = await officer(engine, clock, "budi", [Role.BROADCASTER])
        await write(sari, ("language", "id"))
        number = await approved(sari, budi, sending.work)
        await budi.press("start")
        await sending.work.release()
        await sending.notices._route()
        claimed = await sending.notices._tables.claim_due(db, Channel.TELEGRAM, clock(), 10)  # on its way
        await budi.press("cancel")
        rows = [
            OutboxRow(0, 0, 0, "telegram", 0, 0, "notice.broadcast", "", "id", b"", notice_id=n.id) for n in claimed
        ]
        error = SendError(Trouble.UNREACHABLE, "403")
        async with in_transaction() as connection:
            await sending.notices.settled(connection, [Settled(row, OutboxStatus.FAILED, None, error) for row in rows])
        await sending.settle()
        assert {(each.status, each.reason) for each in await Notice.filter(subject_id=number)} == {
            ("expired", "cancelled")
        }
        assert phone.said == []


async def test_what_waits_for_another_try_ends_with_the_broadcast(db: BaseDBAsyncClient) -> None:
    clock, phone = Clock(), Phone()
    phone.answer = lambda to: SendError(Trouble.BUSY, "429", 3600)
    async with engine_on(db, clock) as engine, station(db, engine, clock, phone) as sending:
        await crowd(6, NOON, Channel.TELEGRAM)
        sari = await officer(engine, clock, "sari", [Role.BROADCASTER])
        budi = await officer(engine, clock, "budi", [Role.BROADCASTER])
        await write(sari, ("language", "id"))
        await approved(sari, budi, sending.work)
        await budi.press("start")
        await sending.settle()
        assert {row.status for row in await Outbox.filter(key="notice.broadcast")} == {OutboxStatus.QUEUED}
        await budi.press("cancel")
        assert {row.status for row in await Outbox.filter(key="notice.broadcast")} == {OutboxStatus.FAILED}
        assert await standing() == Counter({RecipientStatus.FAILED: 3})


async def test_resumed_at_night_it_goes_on_in_the_morning_however_long_it_rested(db: BaseDBAsyncClient) -> None:
    clock, phone = Clock(), Phone()
    async with engine_on(db, clock) as engine, station(db, engine, clock, phone) as sending:
        chats = await crowd(6, NOON, Channel.TELEGRAM)
        sari = await officer(engine, clock, "sari", [Role.BROADCASTER])
        budi = await officer(engine, clock, "budi", [Role.BROADCASTER])
        await write(sari, ("language", "id"))
        await approved(sari, budi, sending.work)
        await budi.press("start")
        await sending.work.release()
        await budi.press("pause")
        clock.forward(days=5, hours=11)  # 23.00 WIB
        await budi.say("/siaran")
        await budi.prove()
        await budi.say("/siaran")
        await budi.press("show_")
        assert await budi.press("resume") == ["staff.broadcast_card"]
        await sending.settle()
        assert phone.said == []
        clock.forward(hours=10)
        await sending.settle()
        assert Counter(to for to, _ in phone.said) == Counter(chats[1::2])


async def test_after_a_crash_in_the_middle_nobody_reads_it_twice(db: BaseDBAsyncClient) -> None:
    """A process dies with messages under way: those that were tried are counted as uncertain, the others still go."""
    clock, phone = Clock(), Phone()
    async with engine_on(db, clock) as engine:
        chats = await crowd(12, NOON, Channel.TELEGRAM)
        sari = await officer(engine, clock, "sari", [Role.BROADCASTER])
        budi = await officer(engine, clock, "budi", [Role.BROADCASTER])
        async with station(db, engine, clock, phone) as sending:
            await write(sari, ("language", "id"))
            await approved(sari, budi, sending.work)
            await budi.press("start")
        dead = Station(db, engine, clock, phone)  # it claims and posts, and never sends: its delivery does not run
        await dead.work.release()
        await dead.notices._route()
        await dead.notices.send_some(Channel.TELEGRAM)
        claimed = await Outbox.filter(key="notice.broadcast").order_by("id")
        assert {row.status for row in claimed} == {OutboxStatus.ATTEMPTING}
        # Two of them it had called the platform for: one arrived, one did not. Nobody can know.
        await Outbox.filter(id__in=[claimed[0].id, claimed[1].id]).update(attempts=1)
        arrived = chats[1]
        clock.forward(minutes=5)
        async with station(db, engine, clock, phone) as alive:
            await alive.settle()
            await asyncio.sleep(0.3)
            await alive.settle()
        assert Counter(to for to, _ in phone.said) == Counter(set(chats[1::2]) - {arrived, chats[3]})
        assert await standing() == Counter({RecipientStatus.SENT: 4, RecipientStatus.UNCERTAIN: 2})
        assert (await Broadcast.all())[0].status == BroadcastStatus.DONE


async def test_a_call_without_an_answer_is_not_made_again(db: BaseDBAsyncClient) -> None:
    clock, phone = Clock(), Phone()
    async with engine_on(db, clock) as engine, station(db, engine, clock, phone) as sending:
        chats = await crowd(6, NOON, Channel.TELEGRAM)
        sari = await officer(engine, clock, "sari", [Role.BROADCASTER])
        budi = await officer(engine, clock, "budi", [Role.BROADCASTER])
        await write(sari, ("language", "id"))
        await approved(sari, budi, sending.work)
        lost = chats[1]
        phone.answer = lambda to: SendError(Trouble.FAULT, "TimeoutError", maybe=True) if to == lost else None
        await budi.press("start")
        await sending.settle()
        await asyncio.sleep(0.2)
        await sending.settle()
        assert Counter(to for to, _ in phone.said) == Counter(chats[1::2])
        assert (await standing())[RecipientStatus.UNCERTAIN] == 1
        assert "uncertain" in {notice.reason for notice in await Notice.all()}


async def test_what_a_segment_may_not_be_and_what_a_text_may_not_say(db: BaseDBAsyncClient) -> None:
    clock = Clock()
    async with engine_on(db, clock) as engine, station(db, engine, clock, Phone()) as sending:
        await crowd(6, NOON)
        sari = await officer(engine, clock, "sari", [Role.BROADCASTER])
        await sari.say("/siaran")
        await sari.press("new")
        assert await sari.send(choice="write") == ["staff.choose"]
        await sari.press("field_wave")
        assert await sari.say("tiga") == ["staff.field_unreadable"]
        assert await sari.say("77") == ["staff.ask_segment"]
        assert await sari.press("sms") == ["staff.ask_segment"]
        await sari.press("write")
        assert await sari.say("Halo {nik}") == ["staff.unknown_variable"]
        assert await sari.say("Halo {nama") == ["staff.stray_brace"]
        assert await sari.say("Halo {nama!r}") == ["staff.unknown_variable"]
        assert await sari.say("Halo 🌊") == ["staff.text_not_sms"]
        assert await sari.say("a" * 500) == ["staff.text_too_long_sms"]
        assert await sari.say("a" * 950) == ["staff.text_too_long"]
        assert await sari.say("Halo {nama}") == ["staff.ask_text"]
        assert await sari.press("skip") == ["staff.broadcast_card"]
        await sending.work.freeze()  # nobody is in wave 77
        assert [row.status for row in await Broadcast.all()] == [BroadcastStatus.CANCELLED]
        refused = {row.words for row in await AuditEntry.filter(action="refused")}
        assert {"staff.unknown_variable", "staff.text_too_long"} <= refused
        assert await Notice.all().count() == 0


async def test_everybody_is_no_segment_however_it_is_said(db: BaseDBAsyncClient) -> None:
    clock = Clock()
    async with engine_on(db, clock) as engine, station(db, engine, clock, Phone()) as sending:
        await crowd(6, NOON)
        sari = await officer(engine, clock, "sari", [Role.BROADCASTER])
        await write(sari, ("stage", "not_joined"))
        await sending.work.freeze()
        [row] = await Broadcast.all()
        assert row.status == BroadcastStatus.CANCELLED
        said = [entry.words for entry in await AuditEntry.filter(action="broadcast.cancelled")]
        assert said == ["segment means everybody"]


async def test_a_member_for_some_provinces_writes_to_those_only(db: BaseDBAsyncClient) -> None:
    clock = Clock()
    async with engine_on(db, clock) as engine, station(db, engine, clock, Phone()) as sending:
        await crowd(30, NOON)
        rina = await officer(engine, clock, "rina", [Role.BROADCASTER], ["32"])
        assert await write(rina, ("regions", "31")) == ["staff.other_region"]
        await rina.say("/menu")
        assert await write(rina, ("language", "id")) == ["staff.broadcast_card"]
        await sending.work.freeze()
        [row] = await Broadcast.all()
        assert row.count == 5  # ten live in province 32, half of them read Indonesian


async def test_variables_without_a_value_leave_people_out_and_say_so(db: BaseDBAsyncClient) -> None:
    clock, phone = Clock(), Phone()
    async with engine_on(db, clock) as engine, station(db, engine, clock, phone) as sending:
        wave = await Wave.get(number=1)
        await crowd(4, NOON, Channel.TELEGRAM, wave)
        await crowd(6, NOON)
        sari = await officer(engine, clock, "sari", [Role.BROADCASTER])
        budi = await officer(engine, clock, "budi", [Role.BROADCASTER])
        await write(sari, ("language", "id"), texts=("Nomor undian Anda {tiket}.", "Your ticket is {tiket}."))
        await approved(sari, budi, sending.work)
        [row] = await Broadcast.all()
        assert (row.count, row.left_out) == (2, 3)
        await budi.press("start")
        await sending.settle()
        assert all("Nomor undian Anda G1-" in text for _, text in phone.said)


async def test_spread_over_hours_and_never_at_night(db: BaseDBAsyncClient) -> None:
    clock, phone = Clock(), Phone()  # noon in Jakarta
    async with engine_on(db, clock) as engine, station(db, engine, clock, phone) as sending:
        await crowd(40, NOON, Channel.TELEGRAM)
        sari = await officer(engine, clock, "sari", [Role.BROADCASTER])
        budi = await officer(engine, clock, "budi", [Role.BROADCASTER])
        await write(sari, ("language", "id"))
        await approved(sari, budi, sending.work)
        await budi.press("spread")
        assert await budi.say("banyak") == ["staff.when_unreadable"]
        assert await budi.say("10") == ["staff.broadcast_card"]
        clock.forward(hours=5)
        await sending.settle()
        assert len(phone.said) == 11  # half of twenty, and the one that is next
        clock.forward(hours=5)  # ten in the evening
        await sending.settle()
        assert len(phone.said) == 11
        clock.forward(hours=10)
        await sending.settle()
        assert len(phone.said) == 20


@given(st.text(max_size=200))
def test_whatever_is_typed_is_a_text_or_refused(text: str) -> None:
    try:
        segments.check_text(text, sms=False)
    except DomainError:
        return
    filled = segments.filled(text, {"nama": "Siti", "tiket": "G1", "tenggat": "1"})
    assert filled.strip()


@given(st.integers(1, 5_000), st.integers(0, 100_000), st.integers(0, 50))
def test_never_more_is_released_than_its_share_of_the_time(count: int, spread: int, hours: int) -> None:
    row = Broadcast(count=count, starts_at=NOON, spread=spread)
    now = NOON + timedelta(hours=hours)
    may = broadcasts.allowed(row, now, (0, 24))
    assert 0 <= may <= count
    assert may <= broadcasts.allowed(row, now + timedelta(minutes=1), (0, 24))
    if now - NOON >= timedelta(seconds=spread):
        assert may == count


def test_a_segment_keeps_its_fields() -> None:
    assert segments.is_empty(Segment())
    assert not segments.is_empty(Segment(wave=1))


async def test_every_field_of_the_form_narrows_the_circle(db: BaseDBAsyncClient) -> None:
    clock = Clock()
    async with engine_on(db, clock):
        await crowd(12, NOON, Channel.TELEGRAM, await Wave.get(number=1))
        await crowd(6, NOON - timedelta(days=9))
    await LayerOutcome.filter(person_id__lte=4).update(state="failed")
    tickets = [entry.ticket for entry in await Entry.all().order_by("id").limit(3)]
    tables = BroadcastTables(db)
    expected = [
        (Segment(stage="joined"), 12),
        (Segment(stage="not_joined"), 6),
        *((Segment(stage=name), 0) for name in ("selected", "choosing", "learning", "finished")),
        (Segment(stage="not_selected"), 12),
        (Segment(wave=1), 12),
        (Segment(wave=2), 0),
        (Segment(regions=("32.76",)), 6),
        (Segment(regions=("31", "33")), 12),
        (Segment(language="en"), 9),
        (Segment(channel="telegram"), 12),
        (Segment(layer="lists"), 4),
        (Segment(idle_days=7), 6),
        (Segment(tickets=tuple(tickets)), 3),
        (Segment(tickets=tuple(tickets), regions=("32",), language="en"), 1),
    ]
    for segment, count in expected:
        own, more = segments.conditions(segment, {"id": "Halo"}, (), tables.moment, NOON)
        assert more == []
        assert await tables.matching(db, own, 0, 100) == count, segment
    _, more = segments.conditions(Segment(language="id"), {"id": "{tiket} {tenggat}"}, ("31",), tables.moment, NOON)
    assert len(more) == 2
