"""Who gets in, who does not, what a role allows, and that all of it is in the log."""

import pytest
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.exceptions import IntegrityError

from domain import audit, regions
from domain.audit import Problem
from domain.staff import members
from models.database import writing
from models.enums import Role
from models.staff import AuditEntry, StaffChat, StaffMember
from tests.handlers.talk import NOON, Clock, Person, engine_on
from tests.staff.office import Officer, officer


@pytest.fixture(autouse=True)
def _regions() -> None:
    regions.load()


async def actions() -> list[str]:
    return [f"{row.by}: {row.action} {row.subject}".strip() for row in await AuditEntry.all().order_by("number")]


async def test_strangers_read_one_neutral_sentence_whatever_they_do(db: BaseDBAsyncClient) -> None:
    clock = Clock()
    async with engine_on(db, clock) as engine:
        await officer(engine, clock, "sari", [Role.ADMIN])
        stranger = Officer(engine, "budi", clock)
        said = [
            await stranger.say("halo"),
            await stranger.say("/petugas"),
            await stranger.send(choice="!colleagues"),
            await stranger.send(choice="revoke~3"),
            await stranger.send(choice="!enter_" + "a" * 32),
            await stranger.say("123456"),
        ]
        assert said == [["staff.stranger"]] * 6
        assert await StaffChat.all().count() == 1


async def test_an_applicants_chat_never_leads_to_the_staffs_conversations(db: BaseDBAsyncClient) -> None:
    clock = Clock()
    async with engine_on(db, clock) as engine:
        async with writing():
            await members.add("sari", [Role.ADMIN], [], "operator", clock())
            token = await members.invite("sari", "operator", clock())
        person = Person(engine, "anak")
        await person.say("halo")
        assert (await person.send(choice=f"!enter_{token}"))[0].startswith(("registration.", "common."))
        assert await person.say("/petugas") == ["help.person_asked"]  # to an applicant the word means a person
        assert await Officer(engine, "sari", clock).come(token) == ["staff.home"]


async def test_an_invitation_is_good_once_and_a_code_counts_once(db: BaseDBAsyncClient) -> None:
    clock = Clock()
    async with engine_on(db, clock) as engine:
        async with writing():
            await members.add("sari", [Role.VIEWER], [], "operator", clock())
            token = await members.invite("sari", "operator", clock())
        sari, thief = Officer(engine, "sari", clock), Officer(engine, "maling", clock)
        assert await sari.send(choice=f"!enter_{token}") == ["staff.enrol", "staff.ask_code"]
        assert await thief.send(choice=f"!enter_{token}") == ["staff.stranger"]
        code = await sari.code()
        assert await sari.say("12345") == ["staff.code_unreadable"]
        assert await sari.say(code) == ["staff.home"]
        clock.forward(hours=13)
        assert await sari.say("/angka") == ["staff.session_over", "staff.ask_code"]
        assert await sari.say(code) == ["staff.code_wrong"]
        assert await sari.prove() == ["staff.home"]


async def test_an_invitation_ends_after_a_day(db: BaseDBAsyncClient) -> None:
    clock = Clock()
    async with engine_on(db, clock) as engine:
        async with writing():
            await members.add("sari", [Role.VIEWER], [], "operator", clock())
            token = await members.invite("sari", "operator", clock())
        clock.forward(hours=25)
        assert await Officer(engine, "sari", clock).send(choice=f"!enter_{token}") == ["staff.stranger"]


async def test_five_wrong_codes_shut_the_door_for_a_while(db: BaseDBAsyncClient) -> None:
    clock = Clock()
    async with engine_on(db, clock) as engine:
        sari = await officer(engine, clock, "sari", [Role.VIEWER])
        await sari.say("/keluar")
        wrong = [await sari.say(f"00000{number}") for number in range(5)]
        assert wrong == [["staff.code_wrong"]] * 5
        assert await sari.prove() == ["staff.locked"]
        clock.forward(minutes=16)
        assert await sari.prove() == ["staff.home"]


async def test_who_is_revoked_is_a_stranger_from_that_moment_on(db: BaseDBAsyncClient) -> None:
    clock = Clock()
    async with engine_on(db, clock) as engine:
        boss = await officer(engine, clock, "bos", [Role.ADMIN])
        sari = await officer(engine, clock, "sari", [Role.ADMIN])
        await sari.say("/petugas")
        assert await boss.say("/petugas") == ["staff.colleagues"]
        assert await boss.say("Sari") == ["staff.one_colleague"]
        clock.forward(minutes=6)  # the code of signing in does not stand for this any more
        assert await boss.press("revoke") == ["staff.ask_code"]
        assert await boss.prove() == ["staff.one_colleague"]
        assert await boss.press("revoke") == ["staff.revoked", "staff.home"]
        assert await sari.press("invite") == ["staff.stranger"]
        assert "bos: member.revoked staff:sari" in await actions()


async def test_an_old_button_of_a_role_that_was_taken_away_does_nothing(db: BaseDBAsyncClient) -> None:
    clock = Clock()
    async with engine_on(db, clock) as engine:
        sari = await officer(engine, clock, "sari", [Role.ADMIN, Role.VIEWER])
        await sari.say("/petugas")
        async with writing():
            await members.add("sari", [Role.VIEWER], [], "operator", clock())
        assert await sari.press("invite") == ["staff.not_allowed", "staff.home"]
        assert [row.words for row in await AuditEntry.filter(action="refused")] == ["no permission: staff"]
        assert await sari.send(choice="!colleagues") == ["staff.not_allowed", "staff.home"]


async def test_inviting_a_colleague_by_chat(db: BaseDBAsyncClient) -> None:
    clock = Clock()
    async with engine_on(db, clock) as engine:
        boss = await officer(engine, clock, "bos", [Role.ADMIN])
        await boss.say("/petugas")
        assert await boss.press("invite") == ["staff.ask_name"]  # a code was typed a moment ago
        assert await boss.say("Rina") == ["staff.ask_roles"]
        assert await boss.press("reviewer") == ["staff.ask_roles"]
        assert await boss.press("done") == ["staff.ask_regions"]
        assert await boss.say("31, 99") == ["staff.no_region"]
        assert await boss.say("31 32") == ["staff.invited", "staff.home"]
        token = boss.last[0].render().text.split("#")[1].split()[0]
        rina = Officer(engine, "rina", clock)
        assert await rina.come(token) == ["staff.home"]
        member = await members.at(rina.conversation_id, clock())
        assert member is not None
        assert member.regions == ("31", "32")
        assert member.covers("31.74.01")
        assert not member.covers("33.01.01")


async def test_nobody_changes_their_own_roles(db: BaseDBAsyncClient) -> None:
    clock = Clock()
    async with engine_on(db, clock) as engine:
        boss = await officer(engine, clock, "bos", [Role.ADMIN])
        await boss.say("/petugas")
        await boss.say("bos")
        assert await boss.press("roles") == ["staff.ask_roles"]
        await boss.press("finance")
        await boss.press("done")
        assert await boss.press("all") == ["staff.not_oneself"]
        assert (await StaffMember.get(name="bos")).roles == "admin"


async def with_the_password(db: BaseDBAsyncClient) -> None:
    """What somebody with the database's own password does first."""
    if db.capabilities.dialect == "postgres":
        await db.execute_script("DROP TRIGGER audit_entry_only_added ON audit_entry")
        return
    for what in ("update", "delete"):
        await db.execute_script(f"DROP TRIGGER audit_entry_no_{what}")


async def test_a_change_a_gap_and_a_swap_in_the_log_are_found(db: BaseDBAsyncClient) -> None:
    async with writing():
        for number in range(6):
            await audit.record("sari", "case.accept", f"case:{number}", now=NOON, after=number, words="jelas")
    assert (await audit.verify()).problems == []
    head = await audit.publish_head(NOON)
    assert head is not None
    third = await AuditEntry.get(number=3)
    with pytest.raises(IntegrityError):  # the database itself refuses it
        await AuditEntry.filter(number=3).update(by="budi")
    with pytest.raises(IntegrityError):
        await AuditEntry.filter(number=3).delete()

    await with_the_password(db)
    await AuditEntry.filter(number=3).update(by="budi")
    assert (await audit.verify()).problems == [Problem("changed", "3")]
    await AuditEntry.filter(number=3).update(by="sari")
    assert (await audit.verify()).problems == []

    await AuditEntry.filter(number=3).delete()
    assert (await audit.verify()).problems == [Problem("missing", "3")]
    await AuditEntry.create(**{name: getattr(third, name) for name in third._meta.db_fields})

    for before, after in ((3, 100), (4, 3), (100, 4)):
        await db.execute_query(f"UPDATE audit_entry SET number = {after} WHERE number = {before}")
    found = (await audit.verify()).problems
    assert {"3", "4"} <= {problem.entry for problem in found}


async def test_a_log_that_was_cut_or_written_anew_does_not_fit_what_was_published(db: BaseDBAsyncClient) -> None:
    async with writing():
        for number in range(4):
            await audit.record("sari", "case.accept", f"case:{number}", now=NOON)
    head = await audit.publish_head(NOON)
    assert head is not None
    kept = {head.number: bytes(head.hash)}
    await with_the_password(db)
    await AuditEntry.filter(number=4).delete()
    assert (await audit.verify()).problems == [Problem("cut", "4")]
    await type(head).all().delete()  # whoever rewrites the log may forget that here, too; not what others kept
    await AuditEntry.all().delete()
    async with writing():
        for number in range(4):
            await audit.record("budi", "case.accept", f"case:{number}", now=NOON)
    assert (await audit.verify()).problems == []
    assert (await audit.verify(kept)).problems == [Problem("not_as_published", "4")]
