"""DATA SAYA, KOREKSI, TARIK, HAPUS in chat: what is said, what stops, what is gone, and by when."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.transactions import in_transaction

from bot.data_rights import DataRights
from bot.gateways.media import MediaFolder
from domain import audit, regions
from domain.errors import DomainError
from domain.money.actions import problems, training_balance
from domain.notices.actions import announce, route
from domain.privacy import actions, own_data
from domain.privacy.own_data import WrongBirthDateError
from domain.privacy.rules import CLOCK, NOTICE_VERSION
from domain.verification.actions import review
from domain.verification.actions.layers import ask_for_verification
from domain.waves import freeze, places
from handlers.engine import Engine
from models import crypto
from models.conversation import Address, Consent, Conversation
from models.database import writing
from models.enums import (
    Channel,
    DueKind,
    DueStatus,
    Layer,
    LayerState,
    Payee,
    PlaceStatus,
    RequestKind,
    RequestStatus,
    Role,
)
from models.message import Outbox
from models.notice import Notice
from models.payout import Due
from models.person import Person as Row
from models.person import Photo
from models.privacy import DataRequest, Destruction
from models.staff import AuditEntry, StaffMember
from models.turns import DRAFT_CONTEXT
from models.verification import LayerOutcome, VerificationTask
from models.wave import Place, PlaceEvent, Wave
from tests.handlers.talk import NOON, Clock, Person, engine_on
from tests.handlers.test_trainings import selected, talk
from tests.staff.office import officer
from tests.trainings import PROGRAMME

SEE_AND_THINK = """
orang: data saya
bot:   privacy.my_data
orang: tarik persetujuan
bot:   privacy.withdraw_confirm
orang: tidak jadi
bot:   home.menu
"""
STOP_AND_GO_ON = """
orang: TARIK
bot:   privacy.withdraw_confirm
orang: ya, tarik persetujuan
bot:   privacy.withdrawn
orang: pelatihan
bot:   privacy.withdrawn
orang: data saya
bot:   privacy.my_data
orang: lanjut
bot:   privacy.withdrawn
orang: Setuju lagi, lanjutkan
bot:   privacy.back_again
bot:   home.menu
"""
DELETE_AND_CALL_OFF = """
orang: hapus data saya
bot:   privacy.delete_confirm
orang: ya, hapus data saya
bot:   privacy.deleting
orang: status
bot:   privacy.deleting
orang: batal
bot:   privacy.back_again
bot:   home.menu
"""
CORRECTION = """
orang: koreksi
bot:   registration.fix_which
orang: Hal lain (petugas membantu)
bot:   privacy.ask_correction
orang: salah
bot:   privacy.correction_short
orang: Nama ibu saya di kartu salah ketik
bot:   privacy.correction_asked
bot:   home.menu
orang: koreksi
bot:   registration.fix_which
orang: Hal lain (petugas membantu)
bot:   privacy.ask_correction
orang: Sekali lagi: nama salah ketik
bot:   privacy.asked_before
"""
BEFORE_REGISTERING = """
orang: data saya
bot:   privacy.my_draft
orang: koreksi
bot:   privacy.correct_in_draft
orang: hapus
bot:   privacy.draft_confirm
orang: tidak jadi
bot:   registration.name
orang: hapus
bot:   privacy.draft_confirm
orang: 1
bot:   privacy.draft_erased
"""


def rights(db: BaseDBAsyncClient, engine: Engine, clock: Clock, folder: Path) -> DataRights:
    return DataRights(db, PROGRAMME, MediaFolder(folder), clock, engine.take_turn)


@asynccontextmanager
async def registered(db: BaseDBAsyncClient, clock: Clock) -> AsyncIterator[tuple[Person, Engine]]:
    async with engine_on(db, clock) as engine:
        yield await Person(engine, "1").reach("home.menu"), engine


async def keep_photos(folder: Path, conversation_id: int) -> None:
    """The photos of ``Person.reach`` as they would lie in the media folder."""
    for letter in "cst":
        await MediaFolder(folder).save(letter * 32, b"JPEG " + letter.encode())
        await Photo.create(
            id=letter * 32, conversation_id=conversation_id, sha256=letter.encode(), width=1, height=1, facts="{}",
            stored_at=NOON,
        )  # fmt: skip


def files(folder: Path) -> list[Path]:
    return list(folder.rglob("*.bin"))


# --- seeing and correcting


async def test_a_person_sees_what_is_held_and_who_has_seen_it(db: BaseDBAsyncClient) -> None:
    clock = Clock()
    async with registered(db, clock) as (siti, _):
        await StaffMember.create(id=7, name="sari", roles="reviewer", invited_by="operator", created_at=NOON)
        async with writing():
            await audit.record("sari", "person.looked_up", "person:1", now=NOON, words="bertanya lewat telepon")
            await audit.record("sari", "person.looked_up", "person:2", now=NOON, words="orang lain")
        await talk(siti, "orang: data saya\nbot: privacy.my_data")
        assert "mencari data Anda (petugas 7)" in siti.text
        assert siti.text.count("petugas 7") == 1
        assert "3171011508900001" not in siti.text  # the phone may be in somebody else's hand
        assert "Aminah" not in siti.text
        await talk(siti, "orang: lanjut\nbot: home.menu" + SEE_AND_THINK)


async def test_the_file_needs_the_link_and_the_birth_date(db: BaseDBAsyncClient) -> None:
    clock = Clock()
    async with registered(db, clock) as (siti, _):
        await siti.say("data saya")
        assert await siti.press("!data_file") == ["privacy.file_ready"]
        token = siti.text.partition("#")[2].split()[0]
        assert (await DataRequest.get()).kind == RequestKind.ACCESS
        found = await own_data.everything(1)
        assert found["person"][0]["nik"] == "3171011508900001"
        assert found["consents"]
        link = await own_data.open_link(token, "1990-08-15", clock())
        assert link.person_id == 1
        for _ in range(3):
            async with in_transaction():
                with pytest.raises(WrongBirthDateError):
                    await own_data.open_link(token, "1990-08-16", clock())
        with pytest.raises(DomainError, match=r"privacy\.link_over"):
            await own_data.open_link(token, "1990-08-15", clock())
        with pytest.raises(DomainError, match=r"privacy\.link_over"):
            await own_data.open_link("made-up", "1990-08-15", clock())


async def test_what_one_can_not_correct_oneself_staff_answer_in_time(db: BaseDBAsyncClient) -> None:
    clock = Clock()
    async with registered(db, clock) as (siti, _):
        await talk(siti, CORRECTION)
        row = await DataRequest.get()
        assert (row.status, row.due_at - row.opened_at) == (RequestStatus.CASE, CLOCK)
        assert [each.id for each in await actions.waiting_for(["31"])] == [row.id]
        assert await actions.waiting_for(["32"]) == []
        async with writing():
            await actions.answer(row.id, "sari", RequestStatus.DONE, "Sudah kami perbaiki.", clock())
            with pytest.raises(DomainError, match=r"staff\.no_such_request"):
                await actions.answer(row.id, "budi", RequestStatus.REFUSED, "Tidak.", clock())
        await siti.press("cancel")
        await siti.say("data saya")
        assert "memperbaiki data: selesai" in siti.text
        assert "Jawaban: Sudah kami perbaiki." in siti.text


async def test_correcting_oneself_is_a_right_that_was_used(db: BaseDBAsyncClient) -> None:
    clock = Clock()
    async with registered(db, clock) as (siti, _):
        await siti.say("koreksi")
        await siti.press("fix_address")
        await siti.say("Jl. Mawar 9")
        assert await siti.say("ya") == ["registration.corrected", "home.menu"]
        row = await DataRequest.get()
        assert (row.kind, row.status) == (RequestKind.CORRECT, RequestStatus.DONE)


# --- withdrawing


async def test_everything_stops_in_the_moment_consent_is_withdrawn_and_goes_on_when_it_is_given_again(
    db: BaseDBAsyncClient,
) -> None:
    clock = Clock()
    async with registered(db, clock) as (siti, _):
        before = await Consent.all().count()
        first, second = STOP_AND_GO_ON.split("orang: pelatihan")
        await talk(siti, first)
        person = await Row.get()
        assert person.withdrawn_at == clock()
        assert (await Conversation.get()).paused
        assert (await VerificationTask.get()).due_at is None
        for layer in Layer:
            await LayerOutcome.create(
                person_id=1, layer=layer, state=LayerState.PASSED, reason="", rules="", evidence=b"", decided_at=NOON
            )
        standing = (await freeze.standings_of(db, await Wave.get(number=1), {1: person}))[1]
        assert freeze.reason_out(standing, PROGRAMME.eligibility_on(NOON.date()), (), 0, NOON.date()) == "withdrawn"
        await talk(siti, f"orang: pelatihan{second}")
        person = await Row.get()
        assert person.withdrawn_at is None
        assert not (await Conversation.get()).paused
        assert (await VerificationTask.get()).due_at is not None
        assert await Consent.all().count() == before + 1


async def test_who_took_consent_back_hears_of_what_is_owed_to_them_only(db: BaseDBAsyncClient) -> None:
    clock = Clock()
    async with registered(db, clock) as (siti, _):
        await siti.say("tarik")
        await siti.press("!withdraw_yes")
        await announce(db, "wave_open", 2, [1], clock(), params={"wave": 2, "closes_time": NOON.isoformat()})
        await announce(db, "lapsed", 1, [1], clock(), params={"wave": 1, "deadline_date": "2026-11-24"})
        await announce(db, "payment_sent", 1, [1], clock(), params={"amount_number": 50_000})
        while await route(db, {}, clock()):
            pass
        stand = {row.kind: (row.status, row.reason) for row in await Notice.all()}
        assert stand["wave_open"] == stand["lapsed"] == ("unreached", "withdrawn")
        assert stand["payment_sent"] == ("routed", "")


async def test_a_place_that_was_not_taken_up_goes_back_and_the_ledger_is_right(db: BaseDBAsyncClient) -> None:
    clock = Clock()
    async with selected(db, clock) as (siti, _):
        assert await training_balance(1) == 1_000_000
        await siti.say("tarik")
        await siti.press("!withdraw_yes")
        assert await places.lapse_some(db, await Wave.get(number=99), clock()) == 1
        assert (await Place.get()).status == PlaceStatus.LAPSED
        assert "withdrawn" in {event.reason for event in await PlaceEvent.all()}
        assert await training_balance(1) == 0
        assert await problems(db) == []


# --- deleting


async def test_a_deletion_can_be_called_off_for_a_day(db: BaseDBAsyncClient, tmp_path: Path) -> None:
    clock = Clock()
    async with registered(db, clock) as (siti, engine):
        await talk(siti, DELETE_AND_CALL_OFF)
        [row] = await DataRequest.all()
        assert row.status == RequestStatus.CANCELLED
        sms = await Outbox.get(channel=Channel.SMS, key="privacy.delete_sms")
        assert sms.address_id == 0  # to the number itself: whoever writes may not be who it belongs to
        clock.forward(days=3)
        await rights(db, engine, clock, tmp_path).sweep()
        assert (await Row.get()).erased_at is None


async def test_after_a_day_nothing_that_names_the_person_is_left(db: BaseDBAsyncClient, tmp_path: Path) -> None:
    clock = Clock()
    async with registered(db, clock) as (siti, engine):
        await keep_photos(tmp_path, siti.conversation_id)
        work = rights(db, engine, clock, tmp_path)
        await siti.say("hapus")
        await siti.press("!delete_yes")
        row = await DataRequest.get()
        assert row.due_at - row.opened_at == timedelta(hours=72)
        clock.forward(hours=23)
        await work.sweep()
        assert (await Row.get()).name == "Siti Aminah"
        clock.forward(hours=2)
        await work.sweep()
        await work.sweep()
        person, talk_row = await Row.get(), await Conversation.get()
        assert {person.nik, person.kk, person.name, person.phone, person.address} == {"-"}
        assert person.region_code == "31"
        assert (talk_row.person_id, talk_row.phone_index, talk_row.version) == (None, None, 0)
        assert [message.key for message in await Outbox.all()] == ["privacy.erased"]
        assert not files(tmp_path)
        gone = await Destruction.all().order_by("id")
        assert {each.kind for each in gone} == {"photo.erased", "person"}
        assert all(each.verified_at for each in gone)
        assert (await DataRequest.get()).status == RequestStatus.DONE
        # The chat itself goes when the last words have arrived.
        assert await Address.all().count() == 1
        clock.forward(hours=2)
        await work.sweep()
        assert await Address.all().count() == 0
        assert await Outbox.all().count() == 0
        # Whoever writes from there is somebody new.
        assert await siti.say("halo") == ["registration.welcome"]
        assert await Conversation.all().count() == 2


async def test_who_begins_anew_before_the_chat_is_forgotten_keeps_it(db: BaseDBAsyncClient, tmp_path: Path) -> None:
    clock = Clock()
    async with registered(db, clock) as (siti, engine):
        work = rights(db, engine, clock, tmp_path)
        await siti.say("hapus")
        await siti.press("!delete_yes")
        clock.forward(hours=25)
        await work.sweep()
        assert await siti.say("halo") == ["registration.welcome"]
        assert await siti.say("setuju") == ["registration.ask_phone"]
        clock.forward(hours=2)
        await work.sweep()
        assert await siti.say("0812 3456 789") == ["registration.ask_phone_code"]


async def test_money_under_way_holds_a_deletion_up_until_it_is_settled(db: BaseDBAsyncClient, tmp_path: Path) -> None:
    clock = Clock()
    async with registered(db, clock) as (siti, engine):
        due = await Due.create(
            key="survey:1:1", kind=DueKind.SURVEY, payee=Payee.PERSON, payee_id=1, amount=50_000, due_at=NOON,
            made_at=NOON,
        )  # fmt: skip
        await siti.say("hapus")
        assert await siti.press("!delete_yes") == ["privacy.deleting_case"]
        assert "pembayaran yang masih harus diselesaikan" in siti.text
        work = rights(db, engine, clock, tmp_path)
        clock.forward(hours=30)
        await work.sweep()
        assert (await Row.get()).erased_at is None
        await Due.filter(id=due.id).update(status=DueStatus.PAID)
        await work.sweep()
        assert (await Row.get()).erased_at is not None


async def test_who_had_a_place_leaves_a_number_in_the_ledger_and_no_second_chance(
    db: BaseDBAsyncClient, tmp_path: Path
) -> None:
    clock = Clock()
    async with selected(db, clock) as (siti, engine):
        index = bytes((await Row.get()).nik_index)
        await siti.say("hapus")
        await siti.press("!delete_yes")
        clock.forward(hours=25)
        await rights(db, engine, clock, tmp_path).sweep()
        person = await Row.get()
        assert person.name == "-"
        assert bytes(person.nik_index) == index  # one place for each NIK, whoever asks
        assert (await Place.get()).status == PlaceStatus.LAPSED
        assert await training_balance(1) == 0
        assert await problems(db) == []


async def test_who_never_had_a_place_can_not_be_found_again(db: BaseDBAsyncClient, tmp_path: Path) -> None:
    clock = Clock()
    async with registered(db, clock) as (siti, engine):
        index = bytes((await Row.get()).nik_index)
        await siti.say("hapus")
        await siti.press("!delete_yes")
        clock.forward(hours=25)
        await rights(db, engine, clock, tmp_path).sweep()
        assert bytes((await Row.get()).nik_index) != index


async def test_answers_that_were_not_sent_off_go_at_once(db: BaseDBAsyncClient, tmp_path: Path) -> None:
    clock = Clock()
    async with engine_on(db, clock) as engine:
        siti = await Person(engine, "1").reach("registration.name")
        await keep_photos(tmp_path, siti.conversation_id)
        await talk(siti, BEFORE_REGISTERING.replace("registration.name", "registration.ask_name"))
        await rights(db, engine, clock, tmp_path).sweep()
        assert not files(tmp_path)
        assert (await Conversation.get()).phone_index is None
        clock.forward(hours=2)
        await rights(db, engine, clock, tmp_path).sweep()
        assert await Address.all().count() == 0


# --- a notice that has changed


async def test_a_changed_notice_asks_again_wherever_one_is_and_rights_work_meanwhile(db: BaseDBAsyncClient) -> None:
    clock = Clock()
    async with engine_on(db, clock) as engine:
        siti = await Person(engine, "1").reach("registration.name")
        await _agreed_before(siti.conversation_id)
        assert await siti.say("Siti Aminah") == ["privacy.changed"]
        assert await siti.say("privasi") == ["privacy.notice"]
        assert await siti.say("data saya") == ["privacy.my_draft"]
        assert await siti.say("Siti Aminah") == ["privacy.changed"]
        assert await siti.say("setuju") == ["registration.ask_name"]
        assert (await Consent.filter(subject="notice").get()).text_version == NOTICE_VERSION
        await siti.reach("home.menu")
        await _agreed_before(siti.conversation_id)
        assert await siti.say("status") == ["privacy.changed"]
        assert await siti.say("1") == ["home.menu"]


async def _agreed_before(conversation_id: int) -> None:
    """As if the notice had been version 2 when they agreed."""
    row = await Conversation.get(id=conversation_id)
    draft = msgspec.msgpack.decode(crypto.ring().open(bytes(row.draft), DRAFT_CONTEXT))
    sealed = crypto.ring().seal(msgspec.msgpack.encode({**draft, "notice": "2"}), DRAFT_CONTEXT)
    await Conversation.filter(id=conversation_id).update(draft=sealed)


async def test_who_is_withdrawn_is_not_checked_until_they_are_back(db: BaseDBAsyncClient) -> None:
    clock = Clock()
    async with registered(db, clock) as (siti, _):
        await siti.say("tarik")
        await siti.press("!withdraw_yes")
        await ask_for_verification(1, clock())
        assert (await VerificationTask.get()).due_at is None


# --- staff


async def test_staff_see_the_clock_answer_and_let_a_held_deletion_go_on(db: BaseDBAsyncClient, tmp_path: Path) -> None:
    regions.load()
    clock = Clock()
    async with registered(db, clock) as (siti, engine):
        sari = await officer(engine, clock, "sari", [Role.REVIEWER])
        await review.open_case(1, Layer.UNIQUE, "nik_known", b"seen", NOON, hidden=True)
        await siti.say("hapus")
        assert await siti.press("!delete_yes") == ["privacy.deleting_case"]
        clock.forward(hours=25)
        await sari.say("/hak")
        await sari.prove()
        assert await sari.say("/hak") == ["staff.rights"]
        assert await sari.press("show_") == ["staff.right"]
        assert "46 jam lagi" in sari.text
        assert "Siti" not in sari.text
        assert await sari.press("person") == ["staff.person"]
        await sari.say("/hak")
        await sari.press("show_")
        assert await sari.press("carry_out") == ["staff.right_let", "staff.rights"]
        await rights(db, engine, clock, tmp_path).sweep()
        assert (await Row.get()).erased_at is not None
        done = {row.action for row in await AuditEntry.filter(by="sari")}
        assert {"request.opened", "request.let", "person.looked_up"} <= done


async def test_a_correction_is_answered_by_staff_and_told(db: BaseDBAsyncClient) -> None:
    regions.load()
    clock = Clock()
    async with registered(db, clock) as (siti, engine):
        sari = await officer(engine, clock, "sari", [Role.REVIEWER])
        rina = await officer(engine, clock, "rina", [Role.REVIEWER], ["32"])
        await talk(siti, CORRECTION.partition("bot:   home.menu")[0] + "bot:   home.menu")
        await rina.say("/hak")
        assert await rina.send(choice="show_1") == ["staff.no_such_request"]  # lives in another province
        await sari.say("/hak")
        await sari.press("show_")
        assert "Nama ibu saya di kartu salah ketik" in sari.text
        await sari.press("done")
        assert await sari.say("ok") == ["staff.no_words"]
        assert await sari.say("Nama ibu tidak kami simpan.") == ["staff.right_answered", "staff.rights"]
        assert (await Notice.get(kind="data_answered")).person_id == 1
        await siti.say("data saya")
        assert "Jawaban: Nama ibu tidak kami simpan." in siti.text
