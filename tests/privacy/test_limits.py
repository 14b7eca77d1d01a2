"""Who tries numbers by the dozen is stopped and seen; who just registers notices nothing."""

import asyncio

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from hypothesis import given
from hypothesis import strategies as st
from tortoise.backends.base.client import BaseDBAsyncClient

from bot.alarms import Alarms
from bot.limits import Bucket, Limits, Rate, address_of
from domain import alarms
from domain.alarms import AlarmKind
from domain.errors import DomainError
from domain.verification.actions import photos
from domain.verification.actions.layers import as_told
from domain.verification.actions.tries import MOST_OF_CHAT, MOST_OF_PREFIX, note_try
from models.enums import Channel, Layer, LayerState, PhotoKind, Role
from models.person import PhotoTask
from models.privacy import Alarm, IdentityTry
from models.verification import LayerOutcome
from tests.handlers.talk import NOON, Clock, Person, engine_on
from tests.staff.office import officer

SERIES = "317101550890"


async def test_one_chat_sends_a_few_niks_and_staff_hear_of_the_last(db: BaseDBAsyncClient) -> None:
    for number in range(MOST_OF_CHAT):
        await note_try(1, f"31710{number}5508900001", NOON)
        await note_try(1, f"31710{number}5508900001", NOON)  # the same one again counts once
    with pytest.raises(DomainError, match=r"limits\.too_many_niks"):
        await note_try(1, "3271015508900001", NOON)
    await note_try(2, "3271015508900001", NOON)  # somebody else goes on
    [alarm] = await Alarm.all()
    assert (alarm.kind, alarm.subject) == (AlarmKind.MANY_NIKS, "conversation 1")
    stored = await db.execute_query_dict("SELECT * FROM identity_try")
    assert not any(b"31710" in bytes(row["nik_index"]) for row in stored)


async def test_numbers_in_a_series_are_stopped_from_whatever_chats(db: BaseDBAsyncClient) -> None:
    for number in range(MOST_OF_PREFIX):
        await note_try(100 + number, f"{SERIES}{number + 1:04}", NOON)
    with pytest.raises(DomainError, match=r"limits\.too_many_niks"):
        await note_try(999, f"{SERIES}9999", NOON)
    assert await alarms.untold()
    assert {row.kind for row in await Alarm.all()} == {AlarmKind.NIK_SERIES}
    assert SERIES not in (await Alarm.get()).subject


async def test_a_new_day_a_new_try(db: BaseDBAsyncClient) -> None:
    clock = Clock()
    for number in range(MOST_OF_CHAT):
        await note_try(1, f"31710{number}5508900001", clock())
    clock.forward(hours=25)
    await note_try(1, "3271015508900001", clock())
    assert await IdentityTry.all().count() == MOST_OF_CHAT + 1


async def test_registering_and_correcting_stay_within_the_limits(db: BaseDBAsyncClient) -> None:
    async with engine_on(db) as engine:
        siti = await Person(engine, "1").reach("home.menu")
        for _ in range(3):
            await siti.say("koreksi")
            await siti.press("fix_address")
            await siti.say("Jl. Mawar 9")
            assert await siti.say("ya") == ["registration.corrected", "home.menu"]
    assert await Alarm.all().count() == 0


async def test_guesses_of_a_code_count_for_the_number_whatever_chat_they_come_from(db: BaseDBAsyncClient) -> None:
    clock = Clock()
    async with engine_on(db, clock) as engine:
        for chat in range(3):
            guesser = await Person(engine, f"guess{chat}").reach("registration.phone_code")
            for _ in range(3):
                assert await guesser.say("000001") == ["code.wrong"]
        fourth = await Person(engine, "guess9").reach("registration.phone")
        assert await fourth.say("0812 3456 789") == ["code.wait"]
        assert {row.kind for row in await Alarm.all()} == {AlarmKind.CODES}
        clock.forward(minutes=61)
        await fourth.say("0812 3456 789")
        await fourth.say(fourth.codes[-1])
        assert fourth.step != "registration.phone_code"


async def test_photos_of_one_chat_do_not_take_everybodys_turn(db: BaseDBAsyncClient) -> None:
    async def send(at: Clock) -> None:
        await photos.start_photo_task(1, PhotoKind.CARD, Channel.BROWSER, at(), photo_id="c" * 32)

    clock = Clock()
    async with engine_on(db, clock) as engine:
        await Person(engine, "1").say("halo")
        for _ in range(photos.MOST_AN_HOUR):
            await send(clock)
        with pytest.raises(DomainError, match=r"photo\.too_many"):
            await send(clock)
        clock.forward(hours=2)
        await send(clock)
        assert await PhotoTask.all().count() == photos.MOST_AN_HOUR + 1


def test_whether_a_face_is_known_is_said_only_to_whom_it_belongs() -> None:
    def rows(face: LayerState) -> list[LayerOutcome]:
        return [
            LayerOutcome(layer=Layer.FACE, state=face, reason="layer.face"),
            LayerOutcome(layer=Layer.UNIQUE, state=LayerState.REVIEW, reason="layer.unique_review"),
        ]

    assert {reason for _, _, reason, _ in as_told(rows(LayerState.REVIEW))} == {"layer.face", "layer.unique_waiting"}
    assert {reason for _, _, reason, _ in as_told(rows(LayerState.PASSED))} == {"layer.face", "layer.unique_review"}


async def test_admins_who_are_signed_in_hear_of_an_alarm_once(db: BaseDBAsyncClient) -> None:
    clock = Clock()
    async with engine_on(db, clock) as engine:
        tuti = await officer(engine, clock, "tuti", [Role.AUDITOR])
        await officer(engine, clock, "vera", [Role.VIEWER])
        heard: list[str] = []

        async def receive(inbound: object) -> object:
            result = await engine.take_turn(inbound)  # type: ignore[arg-type]
            heard.extend(message.row.key for message in result.replies if not result.repeated)
            return result

        work = Alarms(clock, receive)  # type: ignore[arg-type]
        await alarms.raise_alarm(AlarmKind.FORGED, "/webhooks/telegram", clock(), 3)
        await work.tell()
        assert heard == []  # three are noise
        await alarms.raise_alarm(AlarmKind.FORGED, "/webhooks/telegram", clock(), 30)
        await work.tell()
        await work.tell()
        assert heard == ["staff.alarm"]
        await tuti.say("/audit")
        assert "tanda tangan atau token palsu: 33 kali" in tuti.text


# --- what one process counts


@given(st.lists(st.floats(0, 30), min_size=1, max_size=60))
def test_a_bucket_never_lets_more_through_than_its_rate(pauses: list[float]) -> None:
    now = [0.0]
    bucket, let = Bucket(Rate(5, 10), lambda: now[0]), []
    for pause in pauses:
        now[0] += pause
        wait = bucket.take("x")
        assert wait >= 0
        if not wait:
            let.append(now[0])
    for begin in let:
        within = [moment for moment in let if begin <= moment < begin + 10]
        assert len(within) <= 10  # five at once, and five more as the seconds pass


def test_keys_do_not_share_a_bucket_and_the_longest_silent_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.limits.KNOWN", 2)
    bucket = Bucket(Rate(1, 60), lambda: 0.0)
    assert bucket.take("a") == 0
    assert bucket.take("a") > 0
    assert bucket.take("b") == bucket.take("c") == 0
    assert bucket.take("a") == 0


@pytest.mark.parametrize(
    ("proxies", "forwarded", "address"),
    [
        (0, "6.6.6.6", "127.0.0.1"),  # anybody can write that
        (1, "6.6.6.6, 10.1.1.1", "10.1.1.1"),
        (2, "6.6.6.6, 9.9.9.9, 10.1.1.1", "9.9.9.9"),
        (1, "no address", "127.0.0.1"),
        (2, "9.9.9.9", "127.0.0.1"),  # it came round the proxies
        (1, "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
    ],
)
def test_the_address_that_counts(proxies: int, forwarded: str, address: str) -> None:
    class Transport(asyncio.Transport):
        def get_extra_info(self, name: str, default: object = None) -> object:
            return ("127.0.0.1", 1) if name == "peername" else default

    request = make_mocked_request("GET", "/", headers={"X-Forwarded-For": forwarded}, transport=Transport())
    assert address_of(request, proxies) == address


async def test_a_flood_is_told_once_a_minute_and_counted(db: BaseDBAsyncClient) -> None:
    limits = Limits(lambda: NOON, 10, 2, 0)
    said = [limits.chat("telegram:1") for _ in range(63)]
    assert said == [None] * 60 + [True, False, False]
    request = make_mocked_request("POST", "/chat/api/messages")
    assert [limits.new_chat(request) for _ in range(3)] == [True, True, False]
    await limits.flush()
    await limits.flush()
    assert {(row.kind, row.count) for row in await Alarm.all()} == {(AlarmKind.FLOOD, 3), (AlarmKind.NEW_CHATS, 1)}


async def test_requests_of_one_address_are_limited_and_signed_edges_count_what_does_not_fit() -> None:
    limits = Limits(lambda: NOON, 3, 2, 0)

    async def refuse(request: web.Request) -> web.StreamResponse:
        return web.Response(status=403)

    async def take(request: web.Request) -> web.StreamResponse:
        return web.Response()

    page = make_mocked_request("GET", "/chat")
    assert [(await limits.middleware(page, take)).status for _ in range(4)] == [200, 200, 200, 429]
    hook = make_mocked_request("POST", "/webhooks/telegram")
    assert {(await limits.middleware(hook, take)).status for _ in range(100)} == {200}
    forged = [(await limits.middleware(hook, refuse)).status for _ in range(70)]
    assert forged[:60] == [403] * 60
    assert set(forged[60:]) == {429}
