"""A person asks for a person: staff take it, the bot keeps silent, both hear each other, and it ends with stars."""

from tortoise.backends.base.client import BaseDBAsyncClient

from domain.staff.actions import TICKET
from handlers.engine import Engine
from handlers.i18n import render
from models.conversation import HelpMessage, HelpRequest
from models.enums import Role
from models.message import Outbox
from tests.handlers.talk import Clock, Person, engine_on
from tests.staff.office import Officer, officer


async def heard(engine: Engine, who: Person) -> list[str]:
    """What has come to a chat since the last look, as words."""
    from handlers.engine import address_lookup, outgoing  # noqa: PLC0415

    _, rows = await engine.tables.mailbox(
        engine.db, address_lookup(who.channel, who.address), getattr(who, "seen", 0), 100
    )
    if rows:
        who.seen = rows[-1].id  # type: ignore[attr-defined]
    return [render(outgoing(row).body.say, row.language).text for row in rows]


async def both(engine: Engine, clock: Clock) -> tuple[Person, Officer]:
    sari = await officer(engine, clock, "sari", [Role.REVIEWER])
    siti = Person(engine, "siti")
    await siti.say("halo")
    return siti, sari


async def test_a_talk_from_the_question_to_the_stars(db: BaseDBAsyncClient) -> None:
    clock = Clock()
    async with engine_on(db, clock) as engine:
        siti, sari = await both(engine, clock)
        assert await siti.say("petugas") == ["help.person_asked", "staff.talk_new"]
        assert (await heard(engine, sari))[-1] == "🙋 Ada orang baru yang minta bicara dengan petugas."
        assert await sari.say("/pertanyaan") == ["staff.talks"]
        await sari.press("take_")
        assert sari.step == "staff.talk_write"
        await heard(engine, siti)
        await heard(engine, sari)

        assert await siti.say("KTP saya hilang, bagaimana?") == ["staff.talk_heard"]
        assert await heard(engine, siti) == []  # the bot keeps silent
        assert (await heard(engine, sari)) == ["💬 #1: KTP saya hilang, bagaimana?"]
        assert await sari.say("Bawa surat kehilangan dari polisi, ya.") == ["help.reply", "staff.talk_sent"]
        assert "Bawa surat kehilangan dari polisi, ya." in (await heard(engine, siti))[-1]
        await sari.press("no_fee")
        assert "GRATIS" in (await heard(engine, siti))[-1]

        assert await sari.press("close") == ["staff.talk_closed", "help.closed", "staff.home"]
        assert "Bagaimana bantuannya?" in (await heard(engine, siti))[-1]
        [request] = await HelpRequest.all()
        assert await siti.send(choice=f"!rate_5_{request.id}") == ["help.rated", "registration.welcome"]
        assert await siti.send(choice=f"!rate_1_{request.id}") == ["registration.welcome"]  # the first word counts
        assert (await HelpRequest.get(id=request.id)).rating == 5
        assert [(row.by, row.text) for row in await HelpMessage.all().order_by("id")][:2] == [
            ("", "KTP saya hilang, bagaimana?"),
            ("sari", "Bawa surat kehilangan dari polisi, ya."),
        ]
        stored = b"".join([bytes(row.body) for row in await Outbox.all()])
        assert b"polisi" not in stored


async def test_the_person_ends_a_talk_and_the_bot_goes_on_where_it_stood(db: BaseDBAsyncClient) -> None:
    clock = Clock()
    async with engine_on(db, clock) as engine:
        siti, sari = await both(engine, clock)
        await siti.say("petugas")
        await sari.say("/pertanyaan")
        await sari.press("take_")
        assert await siti.say("SELESAI") == ["help.closed", "staff.talk_ended"]
        assert await siti.say("halo") == ["registration.consent_needed"]
        assert await sari.say("masih di sana?") == ["staff.no_such_request"]


async def test_a_talk_belongs_to_one_member(db: BaseDBAsyncClient) -> None:
    clock = Clock()
    async with engine_on(db, clock) as engine:
        siti, sari = await both(engine, clock)
        budi = await officer(engine, clock, "budi", [Role.REVIEWER])
        await siti.say("petugas")
        await sari.say("/pertanyaan")
        await budi.say("/pertanyaan")
        await sari.press("take_")
        assert await budi.press("take_") == ["staff.taken"]
        assert await budi.say("/pertanyaan") == ["staff.talks"]
        assert "0 orang" in budi.text


async def test_while_a_talk_goes_on_buttons_and_photos_say_how_to_end_it(db: BaseDBAsyncClient) -> None:
    clock = Clock()
    async with engine_on(db, clock) as engine:
        siti, sari = await both(engine, clock)
        await siti.say("petugas")
        await sari.say("/pertanyaan")
        await sari.press("take_")
        assert await siti.send(choice="agree~1") == ["help.in_talk"]
        assert await siti.send(other="photo") == ["help.in_talk"]
        assert await siti.press("!end_talk") == ["help.closed", "staff.talk_ended"]
        assert TICKET not in str(siti.last[0].body)


async def test_a_member_who_has_left_hears_nothing_more_and_a_colleague_goes_on(db: BaseDBAsyncClient) -> None:
    clock = Clock()
    async with engine_on(db, clock) as engine:
        siti, sari = await both(engine, clock)
        budi = await officer(engine, clock, "budi", [Role.REVIEWER])
        await siti.say("petugas")
        await sari.say("/pertanyaan")
        await sari.press("take_")
        await sari.say("/keluar")
        said = await siti.say("NIK saya 3171011508900001")  # kept for whoever goes on; the bot answers meanwhile
        assert said == ["help.alone", "staff.talk_new"]
        assert await siti.say("status") == ["registration.status", "registration.language"] or siti.step
        await budi.say("/pertanyaan")
        await budi.press("take_")
        assert "NIK saya 3171011508900001" in budi.text
        assert await siti.say("halo?") == ["staff.talk_heard"]
        assert await budi.say("Halo, saya lanjutkan.") == ["help.reply", "staff.talk_sent"]
