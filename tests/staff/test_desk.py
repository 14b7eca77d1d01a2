"""What a chat of staff may fetch: the door only before a code, never the key again, no photo without the role."""

from pathlib import Path

from tortoise.backends.base.client import BaseDBAsyncClient

from bot.gateways.media import MediaFolder
from bot.staff_desk import StaffAccess
from bot.staff_files import StaffFiles
from domain import regions
from domain.staff import members
from handlers.engine import Engine, Outgoing, TurnResult, address_lookup, outgoing
from models.database import writing
from models.enums import Channel, Role
from models.staff import StaffFile
from tests.handlers.talk import Clock, engine_on
from tests.staff.office import Officer, officer
from tests.staff.test_review import cases
from tests.trainings import PROGRAMME

PHOTO = b"JPEG"


def access(db: BaseDBAsyncClient, engine: Engine, clock: Clock, folder: Path) -> StaffAccess:
    async def draw(name: str) -> bytes:
        return b"PNG"

    async def mailbox(channel: Channel, chat: str, after: int) -> tuple[int | None, list[Outgoing]]:
        address, rows = await engine.tables.mailbox(db, address_lookup(channel, chat), after, 100)
        return address, [outgoing(row) for row in rows]

    async def nothing(*_: object) -> TurnResult:
        raise NotImplementedError

    async def no_mail(number: int, seconds: float) -> None:
        return None

    media = MediaFolder(folder)
    found = StaffAccess(db, PROGRAMME, engine, StaffFiles(media, draw), media, clock)
    found.desk(nothing, mailbox, no_mail)
    return found


async def keys(found: StaffAccess, who: Officer) -> list[str]:
    _, messages = await found.mailbox(who.channel, who.address, 0)
    return [message.row.key for message in messages]


async def test_the_key_of_a_code_generator_is_shown_once_and_the_rest_after_a_code(
    db: BaseDBAsyncClient, tmp_path: Path
) -> None:
    clock = Clock()
    async with engine_on(db, clock) as engine:
        found = access(db, engine, clock, tmp_path)
        async with writing():
            await members.add("sari", [Role.REVIEWER], [], "operator", clock())
            token = await members.invite("sari", "operator", clock())
        sari = Officer(engine, "sari", clock)
        assert await sari.send(choice=f"!enter_{token}") == ["staff.enrol", "staff.ask_code"]
        assert await keys(found, sari) == ["staff.ask_code"]
        await sari.prove()
        assert await keys(found, sari) == ["staff.ask_code", "staff.home"]
        await sari.say("/keluar")
        assert "staff.home" not in await keys(found, sari)


async def test_a_photo_is_gone_with_the_role_and_was_never_another_chats(db: BaseDBAsyncClient, tmp_path: Path) -> None:
    regions.load()
    clock = Clock()
    async with engine_on(db, clock) as engine:
        found = access(db, engine, clock, tmp_path)
        await cases(1)
        await MediaFolder(tmp_path).save("c" * 32, PHOTO)
        sari = await officer(engine, clock, "sari", [Role.REVIEWER])
        budi = await officer(engine, clock, "budi", [Role.REVIEWER])
        await sari.say("/periksa")
        number = sari.last[0].row.id
        mine = await found.file(sari.channel, sari.address, number, 0)
        assert mine is not None
        assert mine[1] == PHOTO
        assert await found.file(budi.channel, budi.address, number, 0) is None
        assert await found.file(sari.channel, sari.address, number, 9) is None
        assert await found.file(sari.channel, sari.address, number, 1) is None  # its file is not there
        async with writing():
            await members.add("sari", [Role.VIEWER], [], "operator", clock())
        assert await found.file(sari.channel, sari.address, number, 0) is None
        async with writing():
            await members.revoke("sari", "operator", clock())
        assert await keys(found, sari) == ["staff.ask_code"]


async def test_a_file_is_kept_only_where_one_is_asked_for(db: BaseDBAsyncClient, tmp_path: Path) -> None:
    clock = Clock()
    async with engine_on(db, clock) as engine:
        found = access(db, engine, clock, tmp_path)
        rudi = await officer(engine, clock, "rudi", [Role.WAVE_MANAGER])
        assert await found.keep_file(rudi.channel, rudi.address, "a.csv", b"nik") is None
        await rudi.say("/impor")
        await rudi.press("catalogue")
        kept = await found.keep_file(rudi.channel, rudi.address, "a.csv", b"nik")
        assert kept is not None
        assert await StaffFile.filter(id=kept.id).exists()  # so that it goes when its time has come
        assert await MediaFolder(tmp_path).load(kept.id) == b"nik"
        assert await found.keep_file(rudi.channel, "stranger" * 5, "a.csv", b"nik") is None
        clock.forward(hours=13)  # the session is over: whoever holds the phone now sends nothing in
        assert await found.keep_file(rudi.channel, rudi.address, "a.csv", b"nik") is None
