"""Running the programme by chat: waves and dice, payouts by four eyes, imports, looking up, correcting, assisting."""

import json
from pathlib import Path

import pytest
from openpyxl import Workbook
from tortoise.backends.base.client import BaseDBAsyncClient

from bot import staff_work
from bot.gateways.media import MediaFolder
from bot.settings import Settings
from domain import audit, regions
from domain.errors import DomainError
from domain.staff import members, people, tasks
from domain.verification.actions.layers import verify
from domain.verification.actions.lists import ListTerms, define
from handlers.conversation import Inbound, KeptFile, StaffOutcome
from handlers.engine import Engine
from models.conversation import Consent, Conversation
from models.database import writing
from models.enums import Channel, LayerState, ListKind, Role, WaveStatus
from models.payout import PayoutBatch
from models.person import Person as Row
from models.staff import AuditEntry, StaffTask
from models.verification import LayerOutcome, ListVersion, ReviewCase
from models.wave import Wave
from tests.handlers.talk import NIK, NOON, Clock, engine_on
from tests.staff.crowd import crowd
from tests.staff.office import Officer, officer
from tests.trainings import PROGRAMME


@pytest.fixture(autouse=True)
def _regions() -> None:
    regions.load()


def settings(tmp_path: Path) -> Settings:
    return Settings(media_dir=tmp_path / "media", draws_dir=tmp_path / "draws", payout_gateway="file")


async def work_off(db: BaseDBAsyncClient, engine: Engine, who: Officer, given: Settings) -> list[str]:
    """Do what was asked for, as the worker would, and let the member hear of it."""
    task = await tasks.claim(who.clock())
    assert task is not None
    await tasks.finish(task.id, await staff_work.do(db, given, task.id), who.clock())
    inbound = Inbound(
        channel=Channel.INTERNAL, address=str(task.conversation_id), external_id=f"staff:{task.id}",
        outcome=StaffOutcome("task", task.id),
    )  # fmt: skip
    heard = who._hear(await engine.take_turn(inbound))
    await tasks.told(task.id)
    assert who._hear(await engine.take_turn(inbound)) == heard  # said once, whatever is repeated
    return heard


async def actions(by: str) -> list[str]:
    return [row.action for row in await AuditEntry.filter(by=by).order_by("number")]


# --- waves


async def test_a_wave_is_planned_opened_and_closed_and_a_code_is_asked_for(db: BaseDBAsyncClient) -> None:
    clock = Clock()
    async with engine_on(db, clock) as engine:
        rudi = await officer(engine, clock, "rudi", [Role.WAVE_MANAGER])
        assert await rudi.say("/gelombang") == ["staff.waves"]
        clock.forward(minutes=10)
        assert await rudi.press("plan") == ["staff.ask_code"]
        await rudi.prove()
        assert await rudi.press("plan") == ["staff.ask_plan"]
        assert await rudi.say("besok") == ["staff.plan_unreadable"]
        assert await rudi.say("01-01-2020 09.00") == ["staff.wave_dates"]
        assert await rudi.say("01-12-2026 09.00 1000") == ["staff.wave"]
        wave = await Wave.get(number=2)
        assert (wave.quota, wave.status) == (1000, WaveStatus.PLANNED)
        clock.time = wave.opens_at
        await rudi.say("/gelombang")
        await rudi.prove()
        await rudi.say("/gelombang")
        assert await rudi.press("show_2") == ["staff.wave"]
        assert await rudi.press("open") == ["staff.wave"]
        assert await rudi.send(choice="open") == ["staff.wave_order"]
        assert await rudi.press("close") == ["staff.wave"]
        assert {"wave.planned", "wave.open", "wave.closed", "refused"} <= set(await actions("rudi"))


async def test_the_freeze_is_done_in_the_background_and_its_refusal_is_told(
    db: BaseDBAsyncClient, tmp_path: Path
) -> None:
    clock = Clock()
    async with engine_on(db, clock) as engine:
        rudi = await officer(engine, clock, "rudi", [Role.WAVE_MANAGER])
        await rudi.say("/gelombang")
        await rudi.press("show_1")
        assert await rudi.send(choice="freeze") == ["staff.task_begun", "staff.home"]
        heard = await work_off(db, engine, rudi, settings(tmp_path))
        assert heard in (["staff.wave_order"], ["staff.outside_unavailable"])  # nothing was closed, or no beacon here


# --- payouts


async def test_payouts_are_prepared_checked_and_approved_by_two(db: BaseDBAsyncClient, tmp_path: Path) -> None:
    clock, given = Clock(), settings(tmp_path)
    async with engine_on(db, clock) as engine:
        ani = await officer(engine, clock, "ani", [Role.FINANCE])
        budi = await officer(engine, clock, "budi", [Role.FINANCE])
        await ani.say("/pembayaran")
        assert await ani.press("new_incentive") == ["staff.task_begun", "staff.home"]
        assert await work_off(db, engine, ani, given) == ["staff.task_done"]
        await ani.say("/pembayaran")
        assert await ani.press("show_") == ["staff.batch"]
        assert await ani.press("check") == ["staff.task_begun", "staff.home"]
        await work_off(db, engine, ani, given)
        assert "0 pembayaran" in ani.text  # nothing is due in this little world
        await budi.say("/pembayaran")
        await budi.press("show_")
        assert await budi.send(choice="approve") == ["staff.task_begun", "staff.home"]
        assert await work_off(db, engine, budi, given) == ["staff.batch_changed"]
        await ani.say("/pembayaran")
        await ani.press("show_")
        assert await ani.send(choice="start") == ["staff.batch_order"]


async def test_money_is_not_for_a_viewer_nor_for_one_province(db: BaseDBAsyncClient) -> None:
    clock = Clock()
    async with engine_on(db, clock) as engine:
        viewer = await officer(engine, clock, "vera", [Role.VIEWER])
        local = await officer(engine, clock, "lina", [Role.FINANCE], ["31"])
        for each in (viewer, local):
            assert await each.say("/pembayaran") == ["staff.not_allowed", "staff.home"]
            assert await each.send(choice="new_incentive") == ["staff.choose"]
            assert await each.send(choice="approve_1~1") == ["staff.home"]
        refused = [row.words for row in await AuditEntry.filter(action="refused", by="vera").order_by("number")]
        assert refused == ["no permission: payouts", "staff.choose", "old button"]
        assert await StaffTask.all().count() == 0


async def test_work_that_was_asked_for_is_not_done_for_who_has_lost_the_role(
    db: BaseDBAsyncClient, tmp_path: Path
) -> None:
    clock, given = Clock(), settings(tmp_path)
    async with engine_on(db, clock) as engine:
        ani = await officer(engine, clock, "ani", [Role.FINANCE])
        await ani.say("/pembayaran")
        await ani.press("new_incentive")
        async with writing():
            await members.add("ani", [Role.VIEWER], [], "operator", clock())
        task = await tasks.claim(clock())
        assert task is not None
        assert await staff_work.do(db, given, task.id) == {"error": "staff.not_allowed"}
        assert await PayoutBatch.all().count() == 0


async def test_who_is_not_signed_in_any_more_hears_only_that_work_is_over(
    db: BaseDBAsyncClient, tmp_path: Path
) -> None:
    clock, given = Clock(), settings(tmp_path)
    async with engine_on(db, clock) as engine:
        tuti = await officer(engine, clock, "tuti", [Role.AUDITOR])
        await tuti.say("/audit")
        await tuti.press("verify")
        await tuti.say("/keluar")
        assert await work_off(db, engine, tuti, given) == ["staff.task_over"]


# --- imports


async def send_file(who: Officer, given: Settings, name: str, content: bytes) -> list[str]:
    await MediaFolder(given.media_dir).save("f" * 32, content)
    return await who.send(file=KeptFile("f" * 32, name))


async def at_the_list(who: Officer) -> None:
    await who.say("/impor")
    await who.press("list_dtks")


async def test_a_list_comes_in_by_a_file_and_what_is_no_list_is_refused(db: BaseDBAsyncClient, tmp_path: Path) -> None:
    clock, given = Clock(), settings(tmp_path)
    async with engine_on(db, clock) as engine:
        await define(ListTerms("dtks", ListKind.EXCLUDED, "Kemensos", "penerima bantuan", "gets other aid"))
        rudi = await officer(engine, clock, "rudi", [Role.WAVE_MANAGER])
        await at_the_list(rudi)
        assert await rudi.say("ini berkasnya") == ["staff.need_file"]
        assert await rudi.send(problem="staff.file_too_big") == ["staff.file_too_big"]
        assert await send_file(rudi, given, "foto.exe", b"MZ") == ["staff.file_kind"]
        good = f"nik\n{NIK}\n3171011508900002\n".encode()
        assert await send_file(rudi, given, "dtks.csv", good) == ["staff.task_begun", "staff.home"]
        assert await work_off(db, engine, rudi, given) == ["staff.task_done"]
        assert "2 taken" in rudi.text
        book = Workbook()
        book.active.append(["nik"])  # type: ignore[union-attr]
        book.active.append(["=1+1"])  # type: ignore[union-attr]
        book.save(tmp_path / "formula.xlsx")
        refused = [
            ("a.csv", b'nik\n"=HYPERLINK(1)"\n', "staff.file_formulas"),
            ("b.xlsx", (tmp_path / "formula.xlsx").read_bytes(), "staff.file_formulas"),
            ("c.xlsx", b"not a sheet", "staff.file_unreadable"),
            ("d.csv", b"nama\nSiti\n", "staff.import_refused"),
            ("e.csv", b"nik\nbukan nik\n", "staff.import_refused"),
        ]
        for name, content, code in refused:
            await at_the_list(rudi)
            await send_file(rudi, given, name, content)
            assert await work_off(db, engine, rudi, given) == [code], name
        assert await ListVersion.filter(taken=2).count() == 1
        assert "imported" in await actions("rudi")
        assert (await actions("rudi")).count("refused") >= 7


# --- people


async def test_looking_somebody_up_needs_a_reason_and_shows_them_masked(db: BaseDBAsyncClient) -> None:
    clock = Clock()
    async with engine_on(db, clock) as engine:
        await crowd(3, NOON, wave=await Wave.get(number=1))
        sari = await officer(engine, clock, "sari", [Role.REVIEWER])
        assert await sari.say("/cari") == ["staff.ask_reason"]
        assert await sari.say("ya") == ["staff.reason_needed"]
        assert await sari.say("bertanya lewat telepon") == ["staff.ask_whom"]
        assert await sari.say("G9-XXXX-0000") == ["staff.nobody_found", "staff.ask_whom"]
        assert await sari.say("+62 8000 0000 01") == ["staff.person"]
        assert "S••• N•••• 1" in sari.text
        assert "3171011508900001" not in sari.text
        looked = await AuditEntry.filter(action="person.looked_up").order_by("number")
        assert [(row.subject, row.words) for row in looked] == [
            ("nobody", "bertanya lewat telepon"),
            ("person:1", "bertanya lewat telepon"),
        ]


async def test_a_correction_shows_before_and_after_and_the_log_tells_neither(db: BaseDBAsyncClient) -> None:
    clock = Clock()
    async with engine_on(db, clock) as engine:
        await crowd(1, NOON)
        sari = await officer(engine, clock, "sari", [Role.REVIEWER])
        await sari.say("/cari")
        await sari.say("nama salah ketik")
        await sari.say("08000000001")
        assert await sari.press("correct") == ["staff.ask_field"]
        assert await sari.press("name") == ["staff.ask_new_value"]
        assert await sari.say("123") == ["registration.name_digits"]
        assert await sari.say("Siti Aminah") == ["staff.confirm_correction"]
        assert "Sebelum: Siti Nomor 1" in sari.text
        assert await sari.press("yes") == ["staff.corrected", "staff.person"]
        assert (await Row.get(id=1)).name == "Siti Aminah"
        entry = await AuditEntry.get(action="person.corrected_name")
        assert entry.before is not None
        assert bytes(entry.before) != bytes(entry.after or b"")
        assert "Aminah" not in json.dumps([str(value) for value in audit.columns(entry)])


async def test_only_who_was_found_can_be_opened_and_what_is_shown_in_full_is_recorded(db: BaseDBAsyncClient) -> None:
    clock = Clock()
    async with engine_on(db, clock) as engine:
        await crowd(3, NOON)
        sari = await officer(engine, clock, "sari", [Role.REVIEWER])
        await sari.say("/cari")
        await sari.say("pertanyaan warga")
        await sari.say("08000000001")
        assert await sari.send(choice="person_2") == ["staff.choose"]  # made up: nobody looked for them
        await sari.press("correct")
        await sari.press("address")
        assert await sari.say("Jl. Mawar 1") == ["staff.confirm_correction"]
        assert await sari.say("/menu") == ["staff.home"]  # seen, and not changed
        assert "person.shown_address" in await actions("sari")


async def test_nobody_is_found_outside_ones_provinces(db: BaseDBAsyncClient) -> None:
    clock = Clock()
    async with engine_on(db, clock) as engine:
        await crowd(3, NOON)
        rina = await officer(engine, clock, "rina", [Role.REVIEWER], ["31"])
        await rina.say("/cari")
        await rina.say("pertanyaan warga")
        assert await rina.say("08000000001") == ["staff.nobody_found", "staff.ask_whom"]  # lives in West Java
        assert await rina.say("08000000003") == ["staff.person"]


ANSWERS = (
    "setuju lisan di balai desa", NIK, "Siti Aminah", "15-08-1990", "3171010101990001", "beji",
)  # fmt: skip


async def test_somebody_without_a_phone_is_registered_and_another_member_looks_at_it(db: BaseDBAsyncClient) -> None:
    clock = Clock()
    async with engine_on(db, clock) as engine:
        sari = await officer(engine, clock, "sari", [Role.REVIEWER])
        budi = await officer(engine, clock, "budi", [Role.REVIEWER])
        assert await sari.say("/daftarkan") == ["staff.assist_consent"]
        assert await sari.say("ok") == ["staff.reason_needed"]
        for answer in ANSWERS:
            await sari.say(answer)
        await sari.press("32.76")
        await sari.say("Jl. Melati 5")
        for choice in ("senior", "laid_off", "computer"):
            await sari.press(choice)
        assert await sari.say("0812 3456 789") == ["staff.assist_summary"]
        assert await sari.press("register") == ["staff.assisted", "staff.home"]
        person = await Row.get(id=1)
        assert "G1-" in sari.text
        talk = await Conversation.get(person_id=person.id)
        assert (await Consent.get(conversation_id=talk.id)).subject == "assisted"
        await verify(db, person, (), PROGRAMME, clock())
        assert (await LayerOutcome.get(layer="face", replaced_at=None)).state == LayerState.REVIEW
        assert await ReviewCase.all().count() >= 1
        await sari.say("/periksa")
        assert await sari.send(choice="accept") in (["staff.voted_before"], ["staff.no_cases"])
        clock.forward(minutes=16)
        assert await budi.say("/periksa") == ["staff.case"]
        await budi.press("accept")
        await verify(db, person, (), PROGRAMME, clock())
        assert (await LayerOutcome.get(layer="face", replaced_at=None)).state == LayerState.PASSED
        assert "person.assisted" in await actions("sari")


@pytest.mark.parametrize(
    ("name", "content", "formula"),
    [
        ("plain.csv", "nik;nilai\n3171011508900001;-5\n", False),
        ("phone.csv", "nama,telepon\nSiti,+62 812-3456\n", False),
        ("words.csv", 'judul,uraian\nBarista,"Hubungi kami, @kelaskita"\n', False),
        ("data.jsonl", '{"title": "Belajar, =mudah"}\n', False),
        ("sum.csv", "nik\n=1+1\n", True),
        ("quoted.csv", 'nik\n"=cmd|calc"\n', True),
        ("plus.csv", "nik\n+cmd|calc\n", True),
        ("minus.csv", "nik\n-2+3+cmd|calc\n", True),
        ("at.csv", "nik;x\n1;@SUM(A1)\n", True),
    ],
)
def test_formulas_in_text(tmp_path: Path, name: str, content: str, *, formula: bool) -> None:
    for encoding in ("utf-8", "utf-16"):
        path = tmp_path / name
        path.write_text(content, encoding=encoding)
        if not formula:
            staff_work.refuse_formulas(path)
            continue
        with pytest.raises(DomainError, match=r"staff\.file_formulas"):
            staff_work.refuse_formulas(path)


def test_masks() -> None:
    assert people.masked_nik(NIK) == "31••••••••••••01"
    assert people.masked_name("Siti Aminah") == "S••• A•••••"
