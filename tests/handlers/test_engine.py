"""The engine's promises, held on the real conversation: once, in turn, nothing lost, nothing readable stored."""

import asyncio
from typing import Any

import pytest
from tortoise.backends.base.client import BaseDBAsyncClient

from handlers import i18n
from handlers.conversation import Contact, Inbound, Photo
from handlers.engine import Engine
from models.enums import Channel
from models.message import Inbound as InboundRow
from models.message import Outbox
from models.person import Person as PersonRow
from tests.handlers.talk import GOOD, Person, engine_on


@pytest.mark.parametrize(
    "content",
    [
        {"other": "voice"},
        {"photo": Photo("x" * 32, GOOD)},
        {"text": "y" * 10_000},
        {"text": "   "},
        {"contact": Contact("0812", proven=False)},
        {"location": (1.0, 2.0)},
        {"choice": "nonsense"},
        {"problem": "photo.broken"},
    ],
    ids=str,
)
async def test_what_no_step_takes_is_answered_kindly(db: BaseDBAsyncClient, content: dict[str, Any]) -> None:
    async with engine_on(db) as engine:
        for step in ("registration.language", "registration.name", "registration.education", "home.menu"):
            person = await Person(engine, step).reach(step, phone=f"0812{abs(hash(step)) % 10**8:08}")
            keys = await person.send(**content)
            assert len(keys) == 1
            assert not keys[0].startswith("common.failed")
            assert person.step == step


async def test_a_stale_button_gets_the_current_screen(db: BaseDBAsyncClient) -> None:
    async with engine_on(db) as engine:
        person = Person(engine, "a")
        await person.say("halo")
        old = person.last[0].render().choices[0].id
        await person.reach("registration.phone")
        assert await person.send(choice=old) == ["registration.ask_phone"]


async def test_a_repeated_message_is_answered_once(db: BaseDBAsyncClient) -> None:
    async with engine_on(db) as engine:
        person = await Person(engine, "a").reach("registration.name")
        first = await person.say("Siti Aminah", "same-id")
        ids = [message.row.id for message in person.last]
        again = await person.say("Siti Aminah", "same-id")
        assert again == first
        assert [message.row.id for message in person.last] == ids
        join = await person.reach("registration.summary")
        answers = await asyncio.gather(*(join.engine.take_turn(_joining(join)) for _ in range(5)))
        assert len({tuple(m.row.id for m in answer.replies) for answer in answers}) == 1
        assert await PersonRow.all().count() == 1


def _joining(person: Person) -> Inbound:
    return Inbound(channel=person.channel, address=person.address, external_id="join-once", text="ya")


async def test_two_messages_at_the_same_instant_are_taken_one_after_the_other(db: BaseDBAsyncClient) -> None:
    async with engine_on(db) as engine:
        person = await Person(engine, "a").reach("registration.nik")
        other = await Person(engine, "b").reach("registration.nik", phone="0812 9999 999")
        await asyncio.gather(
            person.say("3171011508900001"), person.say("Siti Aminah"), other.say("3171011508900002"), other.say("Budi")
        )
        drafts = [(await person.say("status"), person.step), (await other.say("status"), other.step)]
        assert [step for _, step in drafts] == ["registration.birth_date", "registration.birth_date"]


async def test_a_message_waits_for_the_one_before_that_needs_the_tables(db: BaseDBAsyncClient) -> None:
    async with engine_on(db) as engine:
        person = Person(engine, "a")
        await person.say("halo")
        answers = await asyncio.gather(person.say("setuju"), person.say("0812 3456 789"))
        assert list(answers) == [["registration.ask_phone"], ["registration.ask_phone_code"]]


async def test_an_exception_in_a_step_loses_nothing_and_blocks_nobody(
    db: BaseDBAsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with engine_on(db) as engine:
        broken = await Person(engine, "a").reach("registration.name")
        fine = await Person(engine, "b").reach("registration.name", phone="0812 9999 999")
        from domain.registration import rules  # noqa: PLC0415

        right = rules.read_name

        def fail(text: str) -> str:
            if text == "Siti":
                raise RuntimeError(text)
            return right(text)

        monkeypatch.setattr(rules, "read_name", fail)
        keys = await asyncio.gather(broken.say("Siti"), fine.say("Budi Santoso"))
        assert keys[0] == ["common.failed"]
        assert keys[1] == ["registration.ask_birth_date_likely"]
        failed = await db.execute_query_dict("SELECT step, error, inbound_id FROM failed_turn")
        assert [(row["step"], row["error"].split(" at ")[0]) for row in failed] == [
            ("registration.name", "RuntimeError")
        ]
        assert await InboundRow.filter(id=failed[0]["inbound_id"]).exists()
        monkeypatch.setattr(rules, "read_name", right)
        assert await broken.say("Siti") == ["registration.ask_birth_date_likely"]


async def test_words_and_numbers_mean_the_message_shown_last(db: BaseDBAsyncClient) -> None:
    async with engine_on(db) as engine:
        person = await Person(engine, "a").reach("registration.employment")
        assert await person.say("bantuan") == ["help.text"]
        assert await person.say("1") == ["registration.ask_employment"]
        assert await person.say("ulang") == ["common.restart_confirm"]
        yes = person.last[0].render().choices[0].id
        assert await person.say("2") == ["registration.ask_employment"]
        assert await person.send(choice=yes) == ["registration.ask_employment"]  # the question is no longer open
        await person.reach("registration.summary")
        assert await person.say("ulang") == ["common.restart_confirm"]
        assert await person.say("ya") == ["common.restarted", "registration.ask_card_photo"]


async def test_nothing_readable_is_stored(db: BaseDBAsyncClient) -> None:
    async with engine_on(db) as engine:
        person = Person(engine, "secret-chat")
        await person.reach("registration.email_code")
        await person.say(person.codes[-1])
    for table in ("inbound", "outbox", "conversation", "address", "person", "consent", "address_code", "entry"):
        rows = await db.execute_query_dict(f"SELECT * FROM {table}")
        stored = b" ".join(
            bytes(value) if isinstance(value, bytes | memoryview) else str(value).encode()
            for row in rows
            for value in row.values()
        )
        for secret in (
            b"3171011508900001",
            b"3171010101990001",
            b"Aminah",
            b"8123456789",
            b"siti@",
            b"Melati",
            b"1990-08-15",
        ):
            assert secret not in stored, (table, secret)


async def test_the_words_of_every_step_on_every_channel_in_every_language(db: BaseDBAsyncClient) -> None:
    from bot.channels.telegram import layout as telegram_layout  # noqa: PLC0415
    from bot.channels.terminal import layout as terminal_layout  # noqa: PLC0415
    from bot.chat_api import message_json  # noqa: PLC0415
    from handlers.flows import STEPS  # noqa: PLC0415

    drawn: set[tuple[str, str, str]] = set()
    early = [
        name for name in STEPS if not name.startswith(("trainings.", "surveys.", "account.", "staff.", "privacy."))
    ]  # those: test_trainings, tests/staff, tests/privacy
    async with engine_on(db) as engine:
        for channel in (Channel.BROWSER, Channel.TELEGRAM):
            person = Person(engine, f"42{len(drawn)}", channel)
            await person.say("halo")
            for step in [name for name in early if not (channel == Channel.TELEGRAM and name.endswith("phone_code"))]:
                await person.reach(step, phone=f"0812 {len(drawn):07}1")
                for language in ("inggris", "indonesia"):
                    await person.say(language)
                    message = person.last[-1]
                    shown = message_json(message)
                    assert shown["text"]
                    assert all(choice["label"] for choice in shown["choices"])
                    assert terminal_layout(message)
                    sent = telegram_layout("42", message.render(), "kirim nomor")
                    assert len(sent["text"]) <= 4096
                    rows = sent["reply_markup"].get("inline_keyboard", [])
                    assert all(len(b["callback_data"].encode()) <= 64 for row in rows for b in row)
                    drawn.add((channel, message.row.step, message.row.language))
    steps = len(early) * len(i18n.LANGUAGES)
    assert len(drawn) == 2 * steps - len(i18n.LANGUAGES)


async def test_outbox_rows_are_as_many_as_the_replies(db: BaseDBAsyncClient) -> None:
    async with engine_on(db) as engine:
        engine_ = engine
        assert isinstance(engine_, Engine)
        await Person(engine, "a").reach("home.menu")
        assert await Outbox.filter(status="attempting").count() == 1  # the code by SMS; the browser fetches the rest
