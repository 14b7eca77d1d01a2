"""Notices from the announcement to what people read: real engine, delivery and database; senders by hand."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.transactions import in_transaction

from bot import delivery as delivering
from bot.channel import Sender, SendError, Sent, Trouble
from bot.delivery import Delivery
from bot.notices import Notices
from domain.notices.actions import announce, check_code
from domain.notices.rules import KINDS
from domain.privacy.erasure import erase_person
from handlers.conversation import Inbound
from handlers.engine import Engine
from handlers.i18n import Rendered
from models import trace
from models.conversation import Address, Conversation
from models.enums import Channel, NoticeStatus, OutboxStatus
from models.message import Outbox
from models.notice import Notice, SenderState
from models.person import Person as PersonRow
from tests.handlers.talk import Clock, Person, engine_on

VALUES = {
    "wave": 3,
    "days": 1,
    "deadline_date": "2026-12-24",
    "closes_time": "2026-12-24T16:00:00+00:00",
    "amount_number": 600_000,
    "reason_label": "notice.reason_quota",
}


class Phone:
    """A sender that keeps what was said, fails as told, and can be asked."""

    def __init__(self) -> None:
        self.said: list[tuple[str, str]] = []
        self.times: list[float] = []
        self.answer: Callable[[str], SendError | None] = lambda to: None
        self.lost: Callable[[str], bool] = lambda to: False

    async def send(self, to: str, message: Rendered, number: int) -> Sent | SendError:
        if (error := self.answer(to)) is not None:
            return error
        self.said.append((to, message.template or message.text))
        self.times.append(time.monotonic())
        if self.lost(to):
            return SendError(Trouble.UNKNOWN, "TimeoutError")
        return Sent(f"sid{len(self.said)}")

    async def find(self, to: str, message: Rendered, since: datetime) -> str | None:
        found = [n for n, (known, text) in enumerate(self.said, 1) if known == to and text == message.text]
        return f"sid{found[-1]}" if found else None

    def heard(self, to: str) -> list[str]:
        return [text for known, text in self.said if known == to]


class House:
    """Engine, delivery and notices at work, with a phone for each channel."""

    def __init__(self, db: BaseDBAsyncClient, engine: Engine, clock: Clock, pace: float) -> None:
        self.db, self.engine, self.clock = db, engine, clock
        self.phones = {channel: Phone() for channel in (Channel.TELEGRAM, Channel.WHATSAPP, Channel.SMS)}
        senders: dict[Channel, Sender] = dict(self.phones)
        self.templates: dict[str, dict[str, str]] = {}
        self.delivery = Delivery(db, senders, clock)
        self.notices = Notices(db, self.delivery, dict.fromkeys(senders, pace), lambda: self.templates, clock)
        self.delivery.on_settled = self.notices.settled

    async def applicant(self, address: str, channel: Channel, phone: str) -> int:
        """Somebody registered on a channel; gives the person's id."""
        await Person(self.engine, address, channel).reach("home.menu", phone=phone)
        return max([int(row.id) for row in await PersonRow.all().only("id")])

    async def announce(self, kind: str, *people: int, subject: int = 3) -> int:
        params = {name: VALUES[name] for name in KINDS[kind].params}
        new = await announce(self.db, kind, subject, list(people), self.clock(), params=params)
        self.notices.wake()
        return new

    async def until(self, status: NoticeStatus, count: int = 1) -> list[Notice]:
        async with asyncio.timeout(20):
            while await Notice.filter(status=status).count() < count:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        return await Notice.filter(status=status).order_by("id")


@asynccontextmanager
async def house_on(db: BaseDBAsyncClient, pace: float = 500.0) -> AsyncIterator[House]:
    clock = Clock()
    async with engine_on(db, clock) as engine, asyncio.TaskGroup() as group:
        house = House(db, engine, clock, pace)
        work = [group.create_task(house.delivery.run()), group.create_task(house.notices.run())]
        yield house
        for task in work:
            task.cancel()


async def test_one_trace_leads_from_a_message_to_the_notice_that_came_of_it(db: BaseDBAsyncClient) -> None:
    heard = _Traces()
    logging.getLogger("bot.delivery").addHandler(heard)
    async with house_on(db) as house:
        person = await house.applicant("77", Channel.TELEGRAM, "0812 3456 789")
        trace.begin("telegram", "42:1001")  # what was bought, say, by the message with this id
        await house.announce("selected", person)
        await house.until(NoticeStatus.TOLD, 1)
        trace.go_on("")
        await house.announce("selected", person, subject=4)  # what nobody's message began has no trace
        await house.until(NoticeStatus.TOLD, 2)
    logging.getLogger("bot.delivery").removeHandler(heard)
    notices = {row.id for row in await Outbox.filter(notice_id__isnull=False)}
    assert [said for number, said in heard.sent if number in notices] == [trace.trace_of("telegram", "42:1001"), ""]


async def test_what_platforms_say_is_counted_by_code(db: BaseDBAsyncClient) -> None:
    async with house_on(db) as house:
        called: list[tuple[str, str]] = []
        house.delivery.on_called = lambda channel, code: called.append((channel, code))
        person = await house.applicant("77", Channel.TELEGRAM, "0812 3456 789")
        house.phones[Channel.TELEGRAM].answer = lambda to: SendError(Trouble.UNREACHABLE, "403")
        await house.announce("selected", person)
        await house.until(NoticeStatus.TOLD)  # by SMS, where the chat could not be reached
    assert ("telegram", "403") in called
    assert ("sms", "") in called


class _Traces(logging.Handler):
    """The traces of messages that were sent."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[tuple[int, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.getMessage().endswith("on telegram: sent"):
            self.sent.append((int(record.getMessage().split()[1]), trace.current()))


async def test_a_notice_is_told_once_in_the_chat_used_last(db: BaseDBAsyncClient) -> None:
    async with house_on(db) as house:
        person = await house.applicant("77", Channel.TELEGRAM, "0812 3456 789")
        assert await house.announce("selected", person) == 1
        assert await house.announce("selected", person) == 0
        assert await house.announce("selected", person, subject=4) == 1
        first, second = await house.until(NoticeStatus.TOLD, 2)
        texts = house.phones[Channel.TELEGRAM].heard("77")
        assert len(texts) == 2
        assert "gelombang 3" in texts[0]
        assert "24 Desember 2026" in texts[0]
        assert check_code(first.id) in texts[0]
        assert check_code(first.id) != check_code(second.id)
        row = await Outbox.get(notice_id=first.id)
        assert (row.status, row.key, row.provider_id) == (OutboxStatus.SENT, "notice.selected", "sid1")


async def test_a_notice_climbs_until_somebody_takes_it_and_every_reason_is_kept(db: BaseDBAsyncClient) -> None:
    async with house_on(db) as house:
        person = await house.applicant("+628111111111", Channel.WHATSAPP, "0811 1111 111")
        house.templates = {"id": {"selected": "HX1"}}
        whatsapp = house.phones[Channel.WHATSAPP]
        whatsapp.answer = lambda to: SendError(Trouble.OUTSIDE_WINDOW, "63016")
        await house.announce("selected", person)
        async with asyncio.timeout(20):
            while await Outbox.filter(error="63016").count() < 1:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        [notice] = await house.until(NoticeStatus.TOLD)
        rungs = await Outbox.filter(notice_id=notice.id).order_by("id")
        assert [(row.channel, row.status, row.error) for row in rungs] == [
            ("whatsapp", "failed", "63016"), ("whatsapp", "failed", "63016"), ("sms", "sent", None),
        ]  # fmt: skip
        [text] = house.phones[Channel.SMS].heard("+628111111111")
        assert text.startswith("GELOMBANG: ")


async def test_the_template_goes_where_the_window_is_closed(db: BaseDBAsyncClient) -> None:
    async with house_on(db) as house:
        person = await house.applicant("+628111111111", Channel.WHATSAPP, "0811 1111 111")
        house.templates = {"id": {"selected": "HX1"}}
        house.clock.forward(minutes=25 * 60)
        await house.announce("selected", person)
        [notice] = await house.until(NoticeStatus.TOLD)
        assert house.phones[Channel.WHATSAPP].heard("+628111111111") == ["HX1"]
        assert notice.template


async def test_a_blocked_chat_is_left_for_the_number_and_stays_left(db: BaseDBAsyncClient) -> None:
    async with house_on(db) as house:
        person = await house.applicant("77", Channel.TELEGRAM, "0812 3456 789")
        house.phones[Channel.TELEGRAM].answer = lambda to: SendError(Trouble.UNREACHABLE, "403")
        await house.announce("selected", person)
        await house.until(NoticeStatus.TOLD)
        assert not (await Address.get(channel="telegram")).reachable
        await house.announce("selected", person, subject=4)
        await house.until(NoticeStatus.TOLD, 2)
        assert len(house.phones[Channel.SMS].said) == 2
        assert await Outbox.filter(error="403").count() == 1


async def test_who_can_not_be_reached_is_listed_with_the_reason(db: BaseDBAsyncClient) -> None:
    async with house_on(db) as house:
        person = await house.applicant("77", Channel.TELEGRAM, "0812 3456 789")
        for phone in house.phones.values():
            phone.answer = lambda to: SendError(Trouble.UNREACHABLE, "30005")
        await house.announce("selected", person)
        await house.announce("wave_open", person)
        chosen, opened = await house.until(NoticeStatus.UNREACHED, 2)
        assert (chosen.reason, opened.reason) == ("all tried", "no chat left")
        await Conversation.all().update(paused=True)
        await house.announce("survey_open", person)
        assert (await house.until(NoticeStatus.UNREACHED, 3))[2].reason == "stopped"


async def test_a_call_without_an_answer_is_asked_for_and_not_repeated(
    db: BaseDBAsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivering, "SWEEP_SECONDS", 0.05)
    async with house_on(db) as house:
        taken = await house.applicant("+628111111111", Channel.WHATSAPP, "0811 1111 111")
        lost = await house.applicant("+628222222222", Channel.WHATSAPP, "0822 2222 222")
        whatsapp = house.phones[Channel.WHATSAPP]
        whatsapp.lost = lambda to: to == "+628111111111"
        whatsapp.answer = lambda to: SendError(Trouble.UNKNOWN, "TimeoutError") if to == "+628222222222" else None
        await house.announce("selected", taken, lost)
        async with asyncio.timeout(20):
            while await Outbox.filter(status=OutboxStatus.UNKNOWN).count() < 2:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        whatsapp.answer = lambda to: None
        house.clock.forward(minutes=2)
        await house.until(NoticeStatus.TOLD, 2)
        told = [text for to in ("+628111111111", "+628222222222") for text in whatsapp.heard(to) if "terpilih" in text]
        assert len(told) == 2


async def test_reports_come_late_twice_and_in_any_order(db: BaseDBAsyncClient) -> None:
    async with house_on(db) as house:
        person = await house.applicant("+628111111111", Channel.WHATSAPP, "0811 1111 111")
        await house.announce("selected", person)
        [notice] = await house.until(NoticeStatus.TOLD)
        row = await Outbox.get(notice_id=notice.id)
        for status in (OutboxStatus.READ, OutboxStatus.DELIVERED, OutboxStatus.SENT, OutboxStatus.READ):
            await house.delivery.report(row.id, status, "sid1", None)
        failure = SendError(Trouble.UNREACHABLE, "63024")
        await house.delivery.report(row.id, OutboxStatus.FAILED, "sid1", failure)
        assert (await Outbox.get(id=row.id)).status == OutboxStatus.READ
        await house.announce("selected", person, subject=4)
        await house.until(NoticeStatus.TOLD, 2)
        second = await Outbox.filter(notice_id__not=notice.id, notice_id__isnull=False).get()
        await house.delivery.report(second.id, OutboxStatus.FAILED, "another id", failure)  # of an earlier attempt
        assert (await Outbox.get(id=second.id)).status == OutboxStatus.SENT
        for _ in range(2):
            await house.delivery.report(second.id, OutboxStatus.FAILED, "sid2", failure)
        async with asyncio.timeout(20):
            while not house.phones[Channel.SMS].said:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        await house.until(NoticeStatus.TOLD, 2)
        assert len(house.phones[Channel.SMS].said) == 1


async def test_a_pause_counts_for_every_process(db: BaseDBAsyncClient) -> None:
    async with house_on(db) as house:
        person = await house.applicant("77", Channel.TELEGRAM, "0812 3456 789")
        await SenderState.create(name="telegram", paused_until=house.clock() + timedelta(hours=1))
        await house.announce("selected", person)
        await asyncio.sleep(0.5)
        assert house.phones[Channel.TELEGRAM].said == []
        house.clock.forward(minutes=61)
        house.notices._wake[Channel.TELEGRAM].set()
        await house.until(NoticeStatus.TOLD)


async def test_no_sms_at_night_and_old_news_is_not_told(db: BaseDBAsyncClient) -> None:
    async with house_on(db) as house:
        person = await house.applicant("77", Channel.TELEGRAM, "0812 3456 789")
        await Address.all().update(reachable=False)
        house.clock.forward(minutes=10 * 60)  # 22.00 WIB
        await house.announce("deadline_1", person)
        async with asyncio.timeout(20):
            while (waiting := await Notice.get()).due_at <= house.clock():  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        assert (waiting.status, waiting.due_at.astimezone(UTC).hour) == (NoticeStatus.NEW, 1)  # 08.00 WIB
        async with in_transaction():
            await Notice.all().update(
                expires_at=house.clock() - timedelta(minutes=1),
                status=NoticeStatus.NEW,
                channel="",
                due_at=house.clock(),
            )
        house.notices.wake()
        [old] = await house.until(NoticeStatus.EXPIRED)
        assert old.reason == "too old"


@asynccontextmanager
async def waiting(house: House, channel: Channel, *news: tuple[str, int]) -> AsyncIterator[None]:
    """News that stands on its rung and waits for its turn; afterwards the turn comes."""
    await SenderState.create(name=channel.value, paused_until=house.clock() + timedelta(minutes=5))
    for kind, person in news:
        await house.announce(kind, person)
    await house.until(NoticeStatus.ROUTED, len(news))
    yield
    house.clock.forward(minutes=6)
    house.notices._wake[channel].set()


async def test_who_says_stop_while_news_waits_is_not_told(db: BaseDBAsyncClient) -> None:
    async with house_on(db) as house:
        person = await house.applicant("77", Channel.TELEGRAM, "0812 3456 789")
        async with waiting(house, Channel.TELEGRAM, ("not_selected", person)):
            await Person(house.engine, "77", Channel.TELEGRAM).say("berhenti")
        [notice] = await house.until(NoticeStatus.UNREACHED)
        assert (notice.reason, house.phones[Channel.TELEGRAM].said) == ("stopped", [])


async def test_news_that_grows_old_while_it_waits_is_not_told(db: BaseDBAsyncClient) -> None:
    async with house_on(db) as house:
        person = await house.applicant("77", Channel.TELEGRAM, "0812 3456 789")
        async with waiting(house, Channel.TELEGRAM, ("not_selected", person)):
            house.clock.forward(days=20)
        [notice] = await house.until(NoticeStatus.EXPIRED)
        assert (notice.reason, house.phones[Channel.TELEGRAM].said) == ("too old", [])


async def test_an_sms_that_waits_into_the_night_goes_out_in_the_morning(db: BaseDBAsyncClient) -> None:
    async with house_on(db) as house:
        person = await house.applicant("77", Channel.TELEGRAM, "0812 3456 789")
        await Address.all().update(reachable=False)
        house.clock.forward(hours=7, minutes=55)  # 19.55 WIB
        async with waiting(house, Channel.SMS, ("selected", person)):
            pass
        morning = house.clock().replace(hour=1, minute=0) + timedelta(days=1)  # 8.00 WIB
        async with asyncio.timeout(20):  # put back first, routed anew then
            while not await Notice.filter(status=NoticeStatus.NEW, due_at=morning).exists():  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        assert house.phones[Channel.SMS].said == []
        house.clock.forward(hours=12)
        house.notices.wake()
        await house.until(NoticeStatus.TOLD)
        assert len(house.phones[Channel.SMS].said) == 1


async def test_who_is_erased_while_news_waits_holds_nobody_up(
    db: BaseDBAsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with house_on(db) as house:
        gone = await house.applicant("77", Channel.TELEGRAM, "0812 3456 789")
        monkeypatch.setattr("tests.handlers.talk.NIK", "3171011508900002")
        other = await house.applicant("78", Channel.TELEGRAM, "0812 3456 780")
        async with (
            waiting(house, Channel.TELEGRAM, ("selected", gone), ("selected", other)),
            in_transaction() as inside,
        ):
            await erase_person(inside, gone, "registration.language", house.clock())
        [notice] = await house.until(NoticeStatus.TOLD)
        assert (notice.person_id, len(house.phones[Channel.TELEGRAM].heard("78"))) == (other, 1)
        assert (await Notice.get(person_id=gone)).reason == "erased"


async def test_a_talk_that_is_gone_without_its_news_holds_nobody_up_either(db: BaseDBAsyncClient) -> None:
    async with house_on(db) as house:
        person = await house.applicant("77", Channel.TELEGRAM, "0812 3456 789")
        async with waiting(house, Channel.TELEGRAM, ("selected", person)):
            await Conversation.all().update(person_id=None)
        [notice] = await house.until(NoticeStatus.UNREACHED)
        assert notice.reason == "no conversation"


async def test_a_rung_more_than_can_be_noted_is_the_last_one(db: BaseDBAsyncClient) -> None:
    async with house_on(db) as house:
        person = await house.applicant("77", Channel.TELEGRAM, "0812 3456 789")
        house.phones[Channel.TELEGRAM].answer = lambda to: SendError(Trouble.UNREACHABLE, "403")
        async with waiting(house, Channel.TELEGRAM, ("selected", person)):
            await Notice.all().update(tried=",".join(f"whatsapp.{number}" for number in range(1_000))[:390])
        [notice] = await house.until(NoticeStatus.UNREACHED)
        assert notice.reason == "403"


async def test_bulk_keeps_its_pace_and_replies_do_not_wait(db: BaseDBAsyncClient) -> None:
    async with house_on(db, pace=20.0) as house:
        people = [await house.applicant(str(n), Channel.TELEGRAM, f"0812 3456 {n}") for n in range(700, 740)]
        await house.announce("selected", *people)
        await house.until(NoticeStatus.TOLD, 5)
        began = time.monotonic()
        inbound = await house.engine.take_turn(_status("700"))
        house.delivery.post(inbound.replies)
        phone = house.phones[Channel.TELEGRAM]
        async with asyncio.timeout(5):
            while not any("Nomor undian" in text for text in phone.heard("700")):  # noqa: ASYNC110
                await asyncio.sleep(0.005)
        assert time.monotonic() - began < 1
        await house.until(NoticeStatus.TOLD, 40)
        bulk = sorted(at for at, (_, text) in zip(phone.times, phone.said, strict=True) if "terpilih" in text)
        in_a_second = max(sum(start <= at < start + 1 for at in bulk) for start in bulk)
        assert in_a_second <= 21


def _status(address: str) -> Inbound:
    return Inbound(channel=Channel.TELEGRAM, address=address, external_id="s:1", text="status")


async def test_the_link_of_an_sms_leads_back_into_the_conversation_once_and_only_with_the_phone(
    db: BaseDBAsyncClient,
) -> None:
    async with house_on(db) as house:
        person = await house.applicant("77", Channel.TELEGRAM, "0812 3456 789")
        await Address.all().update(reachable=False)
        await house.announce("selected", person)
        await house.until(NoticeStatus.TOLD)
        [text] = house.phones[Channel.SMS].heard("+628123456789")
        token = text.partition("/l#")[2].split()[0]
        reader = Person(house.engine, "browser")
        assert await reader.send(choice=f"!link_{token}") == ["registration.ask_phone_code"]
        assert "Siti" not in reader.text
        assert (await reader.say("000000"))[0] == "code.wrong"
        assert (await reader.say(reader.codes[-1]))[0] == "registration.welcome_back"
        assert reader.step == "home.menu"
        thief = Person(house.engine, "thief")
        for used in (token, "ABCDEFGHJK"):
            assert await thief.send(choice=f"!link_{used}") == ["link.over", "registration.welcome"]


async def test_is_this_really_from_you(db: BaseDBAsyncClient) -> None:
    async with house_on(db) as house:
        person = await house.applicant("77", Channel.TELEGRAM, "0812 3456 789")
        await house.announce("selected", person)
        [notice] = await house.until(NoticeStatus.TOLD)
        code = check_code(notice.id)
        reader, stranger = Person(house.engine, "77", Channel.TELEGRAM), Person(house.engine, "88", Channel.TELEGRAM)
        assert await reader.say(f"ASLI {code.lower()}") == ["notice.genuine"]
        assert "Anda terpilih" in reader.text
        assert await reader.say("asli ABCDEF") == ["notice.not_genuine"]
        await stranger.say("halo")
        assert await stranger.say(f"asli {code}") == ["notice.not_genuine"]


async def test_a_chat_without_a_provider_is_passed_over(db: BaseDBAsyncClient) -> None:
    async with house_on(db) as house:
        person = await house.applicant("77", Channel.TELEGRAM, "0812 3456 789")
        await Address.all().update(channel="whatsapp")
        del house.notices._wake[Channel.WHATSAPP]
        await house.announce("selected", person)
        await house.until(NoticeStatus.TOLD)
        assert house.phones[Channel.SMS].said
