"""The registration conversation, as it reads."""

import dataclasses

import pytest
from msgspec.structs import replace
from tortoise.backends.base.client import BaseDBAsyncClient

from domain.ports import FaceFacts
from domain.programme import load
from domain.verification.rules.card import CardReading
from handlers.conversation import Contact, Photo
from models.conversation import Consent, Conversation, HelpRequest
from models.enums import Channel, PhotoKind, TurnVerdict
from models.person import FaceCheck
from models.person import Person as PersonRow
from models.verification import CardReading as CardRow
from models.verification import VerificationTask
from models.wave import Entry
from tests.handlers.talk import GOOD, NOON, Clock, Person, engine_on

TYPED_THROUGHOUT = """
orang: halo
bot:   registration.welcome
orang: setuju
bot:   registration.ask_phone
orang: 0812 3456 789
bot:   registration.ask_phone_code
orang: <kode>
bot:   registration.ask_card_photo
orang: <foto ktp buram>
bot:   registration.card_checking
bot:   photo.card_unreadable
orang: <foto ktp buram>
bot:   registration.card_checking
bot:   registration.card_typed
bot:   registration.ask_nik
orang: 3171-0115 0890 0001
bot:   registration.ask_name
orang: siti aminah
bot:   registration.ask_birth_date_likely
orang: 15 agustus 1990
bot:   registration.ask_kk
orang: 3171 0101 0199 0001
bot:   registration.ask_region_likely
orang: beji depok
bot:   registration.ask_address
orang: Jl. Melati 5, RT 02/RW 03, Kukusan
bot:   registration.ask_education
orang: SMA/SMK
bot:   registration.ask_employment
orang: kena phk
bot:   registration.ask_interest
orang: 3
bot:   registration.ask_selfie
orang: <selfie>
bot:   registration.selfie_checking
bot:   registration.selfie_accepted
bot:   registration.ask_turn
orang: <menoleh>
bot:   registration.turn_checking
bot:   registration.turn_accepted
bot:   registration.summary
orang: ya
bot:   registration.joined
bot:   home.menu
"""

READ_FROM_THE_CARD = """
orang: halo
bot:   registration.welcome
orang: setuju
bot:   registration.ask_phone
orang: 0812 3456 789
bot:   registration.ask_phone_code
orang: <kode>
bot:   registration.ask_card_photo
orang: <foto ktp>
bot:   registration.card_checking
bot:   card.proposal
orang: ya
bot:   registration.ask_kk
orang: 3171 0101 0199 0001
bot:   registration.ask_education
orang: SMA/SMK
bot:   registration.ask_employment
orang: kena phk
bot:   registration.ask_interest
orang: 3
bot:   registration.ask_selfie
orang: <selfie>
bot:   registration.selfie_checking
bot:   registration.selfie_accepted
bot:   registration.ask_turn
orang: <menoleh>
bot:   registration.turn_checking
bot:   registration.turn_accepted
bot:   registration.summary
orang: ya
bot:   registration.joined
bot:   home.menu
"""

READING = CardReading(
    found=True,
    nik="3171011508900001",
    name="SITI AMINAH",
    birth_date="1990-08-15",
    sex="male",
    address="Jl. Melati 5, RT 002/RW 003, Kukusan",
    region="32.76.06",
)


async def talk_through(person: Person, transcript: str) -> int:
    """Say what the person says and compare what the bot says; gives the number of the person's messages."""
    keys: list[str] = []
    said = 0
    for line in transcript.strip().splitlines():
        who, _, what = line.partition(":")
        what = what.strip()
        if who == "bot":
            heard = keys.pop(0)
            assert heard.removesuffix("_left").removesuffix("_right") == what, line
            continue
        assert keys == []
        said += 1
        match what:
            case "<kode>":
                keys = await person.say(person.codes[-1])
            case "<foto ktp>":
                keys = await person.card(READING)
            case "<foto ktp buram>":
                keys = await person.card()
            case "<selfie>":
                keys = await person.send(photo=Photo("s" * 32, GOOD))
                keys += await person.verdict(person.conversation_id)
            case "<menoleh>":
                keys = await person.turn_head()
            case _:
                keys = await person.say(what)
    return said


@pytest.mark.parametrize(("transcript", "messages"), [(TYPED_THROUGHOUT, 18), (READ_FROM_THE_CARD, 13)])
async def test_a_whole_registration_reads_like_this(db: BaseDBAsyncClient, transcript: str, messages: int) -> None:
    async with engine_on(db) as engine:
        assert await talk_through(Person(engine, "a"), transcript) == messages
        row = await PersonRow.get()
        assert (row.nik, row.name.upper(), row.birth_date) == ("3171011508900001", "SITI AMINAH", "1990-08-15")
        assert (row.region_code, row.education, row.employment, row.interest) == (
            "32.76.06",
            "senior",
            "laid_off",
            "food",
        )
        assert (row.card_photo_id, row.selfie_photo_id, row.turned_photo_id) == ("c" * 32, "s" * 32, "t" * 32)
        assert row.phone == "+628123456789"
        entry = await Entry.get()
        assert entry.ticket.startswith("G1-")
        assert [consent.subject for consent in await Consent.all().order_by("id")] == ["registration", "declaration"]
        assert (await VerificationTask.get()).person_id == row.id


async def test_what_was_misread_is_typed_and_the_rest_is_kept(db: BaseDBAsyncClient) -> None:
    async with engine_on(db) as engine:
        person = await Person(engine, "a").reach("registration.card_photo")
        await CardRow.create(
            conversation_id=person.conversation_id, photo_id="c" * 32, found=True, seconds=1.0, read_at=NOON
        )
        assert await person.card(READING) == ["registration.card_checking", "card.proposal"]
        assert "15 Agustus 1990" in person.text
        assert "Beji, Kota Depok, Jawa Barat" in person.text
        assert await person.press("wrong") == ["card.which_wrong"]
        assert await person.say("kembali") == ["card.proposal"]
        await person.press("wrong")
        assert await person.say("nama") == ["card.proposal"]
        assert "akan kami tanyakan" in person.text
        assert await person.press("yes") == ["registration.ask_name"]
        assert await person.say("Siti Aminah binti Ali") == ["registration.ask_kk"]
        await person.reach("home.menu")
        row = await PersonRow.get()
        assert (row.name, row.nik) == ("Siti Aminah binti Ali", READING.nik)
        measured = await CardRow.get()
        assert (measured.confirmed, measured.corrected) == ("address,birth_date,nik,region", "name")


async def test_another_photo_may_be_sent_instead_of_correcting(db: BaseDBAsyncClient) -> None:
    async with engine_on(db) as engine:
        person = await Person(engine, "a").reach("registration.card_photo")
        await person.card(READING)
        assert await person.say("salah semua") == ["common.choose"]
        better = CardReading(found=True, nik="3276061508900002", name="SITI")
        assert await person.card(better) == ["registration.card_checking", "card.proposal"]
        assert await person.say("ya") == ["registration.ask_birth_date_likely"]
        assert await person.say("kembali") == ["registration.ask_name"]


async def test_a_card_of_somebody_too_old_is_refused_at_once(db: BaseDBAsyncClient) -> None:
    async with engine_on(db) as engine:
        person = await Person(engine, "a").reach("registration.card_photo")
        await person.card(CardReading(found=True, nik="3171011508500001", birth_date="1950-08-15"))
        assert await person.say("ya") == ["registration.too_old"]
        assert person.step == "registration.card_photo"


async def test_a_card_that_says_another_sex_than_the_nik_is_a_warning(db: BaseDBAsyncClient) -> None:
    async with engine_on(db) as engine:
        person = await Person(engine, "a").reach("registration.card_photo")
        await person.card(replace(READING, sex="female"))
        await person.say("ya")
        await person.reach("home.menu")
        assert (await PersonRow.get()).warnings == "sex_differs"


HEAD_TURNS = [
    ("as asked", [TurnVerdict.AS_ASKED], True),
    ("a camera that mirrors", [TurnVerdict.OPPOSITE, TurnVerdict.OPPOSITE], True),
    ("once the wrong way", [TurnVerdict.OPPOSITE, TurnVerdict.AS_ASKED, TurnVerdict.AS_ASKED], True),
    ("not at first", [TurnVerdict.STRAIGHT, TurnVerdict.AS_ASKED], True),
    ("somebody else, then oneself", [TurnVerdict.DIFFERENT, TurnVerdict.AS_ASKED], True),
    ("never", [TurnVerdict.STRAIGHT, TurnVerdict.STRAIGHT, TurnVerdict.STRAIGHT], False),
]


@pytest.mark.parametrize(("label", "verdicts", "seen"), HEAD_TURNS, ids=[each[0] for each in HEAD_TURNS])
async def test_a_head_turned_as_asked(
    db: BaseDBAsyncClient, label: str, verdicts: list[TurnVerdict], seen: bool
) -> None:
    async with engine_on(db) as engine:
        person = await Person(engine, "a").reach("registration.turned")
        for verdict in verdicts:
            assert person.step == "registration.turned"
            heard = await person.turn_head(verdict)
        assert heard[-1] == "registration.summary"
        assert ("registration.turn_accepted" in heard) == seen
        await person.reach("home.menu")
        assert ((await PersonRow.get()).turned_photo_id is not None) == seen


async def test_status_after_coming_back_days_later(db: BaseDBAsyncClient) -> None:
    clock = Clock()
    async with engine_on(db, clock) as engine:
        person = await Person(engine, "a").reach("registration.kk")
        clock.forward(days=5)
        assert await person.say("halo lagi") == ["registration.kk_not_digits"]
        assert await person.say("/start") == ["registration.ask_kk"]
        assert await person.say("STATUS") == ["registration.status", "registration.ask_kk"]
        await person.reach("home.menu")
        assert await person.say("status") == ["home.status"]
        assert (await Entry.get()).ticket in person.text


REFUSALS = [
    ("registration.language", "mungkin", "registration.consent_needed"),
    ("registration.phone", "delapan", "registration.phone_not_digits"),
    ("registration.phone", "021 5551234", "registration.phone_not_mobile"),
    ("registration.phone", "0812", "registration.phone_length"),
    ("registration.phone_code", "12 34", "registration.code_unreadable"),
    ("registration.phone_code", "000000", "code.wrong"),
    ("registration.card_photo", "ini fotonya", "photo.need_card"),
    ("registration.nik", "31710115", "registration.nik_length"),
    ("registration.nik", "٣١٧١٠١١٥٠٨٩٠٠٠٠١", "registration.nik_not_digits"),
    ("registration.nik", "9971011508900001", "registration.nik_region"),
    ("registration.nik", "3171013108900000", "registration.nik_serial"),
    ("registration.nik", "3171013013900001", "registration.nik_date"),
    ("registration.name", "S1ti", "registration.name_digits"),
    ("registration.name", "<b>Robert'); DROP TABLE person;--</b>", "registration.name_signs"),
    ("registration.name", "\u202egnorw\u202c", "registration.ask_birth_date_likely"),
    ("registration.birth_date", "kemarin", "registration.birth_date_unreadable"),
    ("registration.birth_date", "31 februari 1990", "registration.birth_date_impossible"),
    ("registration.birth_date", "1-1-2015", "registration.too_young"),
    ("registration.birth_date", "1-1-1950", "registration.too_old"),
    ("registration.kk", "3171011508900001", "registration.kk_is_nik"),
    ("registration.region", "zzzzzz", "registration.region_unknown"),
    ("registration.address", "x", "registration.address_short"),
    ("registration.education", "Masih sekolah", "registration.in_education"),
    ("registration.employment", "astronot", "common.choose"),
    ("registration.selfie", "nanti", "photo.need_selfie"),
    ("registration.summary", "hmm", "common.choose"),
    ("registration.email", "siti di contoh", "registration.email_unreadable"),
]


@pytest.mark.parametrize(("step", "typed", "key"), REFUSALS)
async def test_a_wrong_answer_is_refused_in_words_and_the_person_stays(
    db: BaseDBAsyncClient, step: str, typed: str, key: str
) -> None:
    async with engine_on(db) as engine:
        person = await Person(engine, "a").reach(step)
        assert (await person.say(typed))[0] == key
        if not key.startswith("registration.ask"):
            assert person.step == step
        assert person.text


async def test_birth_date_that_differs_from_the_nik_is_a_warning(db: BaseDBAsyncClient) -> None:
    async with engine_on(db) as engine:
        person = await Person(engine, "a").reach("registration.birth_date")
        assert await person.say("17/8/90") == ["registration.birth_date_differs", "registration.ask_kk"]
        await person.reach("home.menu")
        assert (await PersonRow.get()).warnings == "birth_date_differs"


async def test_any_single_answer_can_be_corrected(db: BaseDBAsyncClient) -> None:
    async with engine_on(db) as engine:
        person = await Person(engine, "a").reach("registration.summary")
        for choice, step, answer in (
            ("fix_name", "registration.name", "Siti Aminah binti Ali"),
            ("fix_region", "registration.region", "ngaglik sleman"),
            ("fix_address", "registration.address", "Jl. Kaliurang 7"),
            ("fix_interest", "registration.interest", "bahasa asing"),
        ):
            assert await person.press("fix~") == ["registration.fix_which"]
            await person.press(choice)
            assert person.step == step
            assert (await person.say(answer))[-1] == "registration.summary"
        assert "Siti Aminah binti Ali" in person.text
        assert "Ngaglik, Kabupaten Sleman" in person.text
        await person.press("join")
        assert (await PersonRow.get()).address == "Jl. Kaliurang 7"


async def test_back_language_and_start_again(db: BaseDBAsyncClient) -> None:
    async with engine_on(db) as engine:
        person = await Person(engine, "a").reach("registration.birth_date")
        assert await person.say("kembali") == ["registration.ask_name"]
        assert await person.say("kembali") == ["registration.ask_nik"]
        assert await person.say("kembali") == ["registration.ask_card_photo"]
        assert await person.say("kembali") == ["common.no_back"]
        assert await person.say("bahasa") == ["registration.ask_card_photo"]
        assert "Send a photo" in person.text
        assert await person.say("start again") == ["common.restart_confirm"]
        assert await person.press("!restart_yes") == ["common.restarted", "registration.ask_card_photo"]


async def test_stop_and_talk_to_a_person(db: BaseDBAsyncClient) -> None:
    async with engine_on(db) as engine:
        person = await Person(engine, "a").reach("registration.nik")
        assert await person.say("BERHENTI") == ["common.stopped"]
        assert (await Conversation.get()).paused
        assert await person.say("mulai") == ["registration.ask_nik"]
        assert not (await Conversation.get()).paused
        assert await person.say("petugas") == ["help.person_asked"]
        assert await person.say("petugas") == ["help.person_waiting"]
        assert await HelpRequest.all().count() == 1


async def test_a_known_nik_proceeds_exactly_as_any_other(db: BaseDBAsyncClient) -> None:
    async with engine_on(db) as engine:
        await Person(engine, "a").reach("home.menu")
        second = Person(engine, "b")
        await second.reach("registration.nik", phone="0812 9999 999")
        assert await second.say("3171011508900001") == ["registration.ask_name"]
        await second.reach("home.menu")
        assert await PersonRow.all().count() == 2


async def test_the_same_phone_in_another_chat_resumes_where_it_stood(db: BaseDBAsyncClient) -> None:
    async with engine_on(db) as engine:
        await Person(engine, "a").reach("registration.kk")
        telegram = Person(engine, "77", Channel.TELEGRAM)
        await telegram.reach("registration.phone")
        assert await telegram.send(contact=Contact("+628123456789", proven=True)) == [
            "registration.welcome_back",
            "registration.ask_kk",
        ]
        assert await telegram.say("3171010101990001") == ["registration.ask_region_likely"]


async def test_a_contact_of_somebody_else_proves_nothing(db: BaseDBAsyncClient) -> None:
    async with engine_on(db) as engine:
        person = await Person(engine, "77", Channel.TELEGRAM).reach("registration.phone")
        assert await person.send(contact=Contact("", proven=False)) == ["registration.phone_not_yours"]


async def test_wrong_codes_end_in_an_hour_of_waiting(db: BaseDBAsyncClient) -> None:
    clock = Clock()
    async with engine_on(db, clock) as engine:
        person = await Person(engine, "a").reach("registration.phone_code")
        wrong = "000000" if person.codes[-1] != "000000" else "111111"
        assert [(await person.say(wrong))[0] for _ in range(4)] == ["code.wrong"] * 3 + ["code.wait"]
        assert await person.say(person.codes[-1]) == ["code.wait"]
        clock.forward(minutes=61)
        await person.press("again")
        assert await person.say(person.codes[-1]) == ["registration.ask_card_photo"]


async def test_an_old_code_is_no_good(db: BaseDBAsyncClient) -> None:
    clock = Clock()
    async with engine_on(db, clock) as engine:
        person = await Person(engine, "a").reach("registration.phone_code")
        clock.forward(minutes=6)
        assert await person.say(person.codes[-1]) == ["code.expired"]


async def test_email_is_asked_after_joining(db: BaseDBAsyncClient) -> None:
    async with engine_on(db) as engine:
        person = await Person(engine, "a").reach("registration.email_code")
        assert await person.say(person.codes[-1]) == ["registration.email_done", "home.menu"]
        assert (await PersonRow.get()).email == "siti@contoh.com"


async def test_card_without_a_face_and_selfies_that_will_not_do(db: BaseDBAsyncClient) -> None:
    async with engine_on(db) as engine:
        person = await Person(engine, "a").reach("registration.card_photo")
        blank = FaceFacts(width=800, height=600)
        assert await person.send(photo=Photo("b" * 32, blank)) == ["photo.card_no_face"]
        assert (await person.card(READING))[-1] == "card.proposal"
        await person.say("ya")
        await person.reach("registration.selfie")
        number = person.conversation_id
        dark = {"error": "photo.too_dark", "card_photo": "c" * 32}
        assert await person.outcome(PhotoKind.SELFIE, number, **dark) == ["photo.too_dark"]
        assert await person.verdict(number, "different") == ["registration.selfie_different"]
        assert person.step == "registration.selfie"
        assert await person.press("new_card") == ["registration.ask_card_photo"]
        # A verdict about a card that was taken back counts for nothing, however it comes in.
        assert await person.verdict(number) == []
        assert (await person.card(READING))[-1] == "card.proposal"
        assert await person.say("ya") == ["registration.ask_selfie"]
        assert await person.verdict(number, card="d" * 32) == []


@pytest.mark.parametrize("eyes", [0.0, 8.0])
async def test_a_card_whose_portrait_is_never_seen_is_kept_for_staff(db: BaseDBAsyncClient, eyes: float) -> None:
    poor = replace(GOOD, faces=int(eyes > 0), eye_distance=eyes)
    refusal = "photo.card_too_small" if eyes else "photo.card_no_face"
    async with engine_on(db) as engine:
        person = await Person(engine, "a", Channel.TELEGRAM).reach("registration.card_photo")
        for heard in (refusal, "card.proposal"):
            found = {"photo": Photo("c" * 32, poor), "reading": READING}
            assert await person.outcome(PhotoKind.CARD, person.conversation_id, **found) == [heard]
        await person.say("ya")
        assert person.step == "registration.kk"


async def test_a_picture_of_the_wrong_side_sent_twice_is_not_taken(db: BaseDBAsyncClient) -> None:
    async with engine_on(db) as engine:
        person = await Person(engine, "a").reach("registration.turned")
        number = person.conversation_id
        asked = person.last[-1].row.key.removeprefix("registration.ask_turn_")
        seen = {"photo": Photo("t" * 32, GOOD), "verdict": "opposite", "selfie_photo": "s" * 32, "asked": asked}
        first = await person.outcome(PhotoKind.TURNED, number, **seen)
        assert first[0] == "registration.turn_other_side"
        assert await person.outcome(PhotoKind.TURNED, number, **seen) == []


async def test_somebody_else_on_the_same_phone_is_helped_by_staff(db: BaseDBAsyncClient) -> None:
    async with engine_on(db) as engine:
        await Person(engine, "+628123456789", Channel.WHATSAPP).reach("registration.card_photo")
        second = Person(engine, "b")
        await second.reach("registration.phone_code", phone="0812 3456 789")
        assert await second.say(second.codes[-1]) == ["registration.welcome_back", "registration.ask_card_photo"]
        assert await second.say("orang lain") == ["registration.other_person"]
        assert (await HelpRequest.get()).step == "assisted"


async def test_photos_may_go_by_the_page_instead_of_whatsapp(db: BaseDBAsyncClient) -> None:
    rules = dataclasses.replace(load(), chat_url="https://bot.example")
    async with engine_on(db, rules=rules) as engine:
        person = await Person(engine, "+628123456789", Channel.WHATSAPP).reach("registration.card_photo")
        assert await person.say("1") == ["registration.page_link"]
        token = person.text.partition("https://bot.example/l#")[2].split()[0]
        page = Person(engine, "page")
        assert await page.send(choice=f"!link_{token}") == ["registration.ask_phone_code"]
        await page.say(page.codes[-1])
        assert page.step == "registration.card_photo"
        await page.card(READING)
        assert (await person.say("ya"))[-1] == "registration.ask_kk"  # and on where one likes


async def test_a_second_selfie_under_way_changes_nothing(db: BaseDBAsyncClient) -> None:
    async with engine_on(db) as engine:
        person = await Person(engine, "a").reach("registration.turned")
        number, asked = person.conversation_id, person.last[-1].row.key
        late = {"photo": Photo("z" * 32, GOOD), "verdict": "same", "card_photo": "c" * 32}
        assert await person.outcome(PhotoKind.SELFIE, number, **late) == []
        for _ in range(6):  # whoever takes another selfie is asked for the same side
            await person.say("kembali")
            assert (await person.selfie())[-1] == asked


async def test_another_card_needs_another_selfie(db: BaseDBAsyncClient) -> None:
    async with engine_on(db) as engine:
        person = await Person(engine, "a").reach("registration.summary")
        await person.press("fix~")
        await person.press("fix_nik")
        assert await person.say("kembali") == ["registration.ask_card_photo"]
        assert await person.card() == ["registration.card_checking", "registration.card_typed", "registration.ask_nik"]
        assert await person.say("3171011508900001") == ["registration.ask_selfie"]
        assert await PersonRow.all().count() == 0


async def test_joining_looks_at_the_comparison_itself(db: BaseDBAsyncClient) -> None:
    async with engine_on(db) as engine:
        person = await Person(engine, "a").reach("registration.summary")
        await FaceCheck.all().update(verdict="different")
        assert await person.press("join") == ["registration.ask_selfie"]
        assert await PersonRow.all().count() == 0


TYPED = [
    ("registration.birth_date", "7 agustus 1990", "registration.birth_date_differs"),
    ("registration.birth_date", "1990", "registration.birth_date_unreadable"),
    ("registration.education", "tamat SD", "registration.ask_employment"),
    ("registration.education", "S1", "registration.ask_employment"),
    ("registration.employment", "bekerja", "common.choose"),
    ("registration.region", "ya", "registration.ask_address"),
    ("registration.region", "jakarta", "registration.region_which"),
    ("registration.interest", "bahasa", "registration.ask_selfie"),
    ("registration.name", "/@", "registration.name_short"),
    ("registration.phone", "+852 9123 4567", "registration.phone_not_mobile"),
]


@pytest.mark.parametrize(("step", "typed", "key"), TYPED)
async def test_typed_words_are_never_taken_for_their_opposite(
    db: BaseDBAsyncClient, step: str, typed: str, key: str
) -> None:
    async with engine_on(db) as engine:
        person = await Person(engine, "a").reach(step)
        assert (await person.say(typed))[0] == key
        if typed == "tamat SD":
            assert (await person.reach("registration.summary")).text.count("SD/sederajat") == 1


async def test_a_foreign_contact_is_not_taken_for_an_indonesian_number(db: BaseDBAsyncClient) -> None:
    async with engine_on(db) as engine:
        await Person(engine, "a").reach("registration.kk", phone="0852 9123 4567")
        person = await Person(engine, "77", Channel.TELEGRAM).reach("registration.phone")
        assert await person.phone("85291234567") == ["registration.phone_not_mobile"]
        assert await person.say("0852 9123 4567") == ["registration.phone_use_button"]


async def test_an_old_button_that_asks_how_things_stand_still_answers(db: BaseDBAsyncClient) -> None:
    async with engine_on(db) as engine:
        person = await Person(engine, "a").reach("home.menu")
        status = next(c.id for c in person.last[-1].render().choices if c.id.startswith("!status"))
        assert await person.say("mulai") == ["home.menu"]
        assert await person.send(choice=status) == ["home.status"]


async def test_language_by_its_name_and_a_double_tap(db: BaseDBAsyncClient) -> None:
    async with engine_on(db) as engine:
        person = Person(engine, "a")
        await person.say("halo")
        assert await person.say("indonesia") == ["registration.welcome"]
        assert "Halo!" in person.text
        english = person.last[0].render().choices[2].id
        for _ in range(2):
            await person.send(choice=english)
            assert "Hello!" in person.text
