"""Looking for a training, buying it, finishing and reviewing it: the conversations, as they read."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.transactions import in_transaction

from domain import regions
from domain.errors import DomainError
from domain.money.actions import problems, training_balance
from domain.programme import Programme
from domain.trainings import listings, purchases, redemption, reviews
from handlers import i18n
from handlers.conversation import Photo, RemotePhoto
from handlers.engine import Engine
from handlers.flows import STEPS
from models.enums import Channel, PhotoKind, PlaceStatus
from models.notice import Notice
from models.person import Person as Row
from models.person import PhotoTask
from models.training import CertificateCheck, Purchase, Review, Training
from models.wave import Place, Wave
from tests.handlers.account import institution_says
from tests.handlers.talk import GOOD, NOON, Clock, Person, engine_on
from tests.trainings import COFFEE, KEPT_HERE, PROGRAMME, catalogue, first_incentive_paid, line, place_for, store

FROM_SEARCH_TO_REVIEW = """
orang: pelatihan
bot:   trainings.list
orang: barsita
bot:   trainings.list
orang: Barista Dasar
bot:   trainings.card
orang: beli
bot:   trainings.confirm
orang: tidak
bot:   trainings.card
orang: 1
bot:   trainings.confirm
orang: ya
bot:   trainings.bought
bot:   trainings.purchase
orang: kode
bot:   trainings.codes
orang: lanjut
bot:   trainings.purchase
lembaga: commit
lembaga: completion
orang: periksa lagi
bot:   trainings.purchase
orang: beri bintang
bot:   trainings.ask_stars
orang: 1
bot:   trainings.ask_words
orang: hubungi 0812 3456 7890
bot:   trainings.review_personal
orang: bagus
bot:   trainings.review_short
orang: Pengajarnya sabar dan alatnya lengkap
bot:   trainings.reviewed
bot:   money.link_for_incentive
bot:   trainings.purchase
orang: menu
bot:   help.text
"""


@asynccontextmanager
async def selected(
    db: BaseDBAsyncClient, clock: Clock | None = None, programme: Programme = KEPT_HERE
) -> AsyncIterator[tuple[Person, Engine]]:
    """Somebody who was selected, in front of the menu, and a catalogue."""
    regions.load()
    await store(COFFEE, NOON, {1: (40, 188), 2: (3, 15)})
    async with engine_on(db, clock) as engine:
        engine.catalogue = await catalogue(NOON)
        person = await Person(engine, "1").reach("home.menu")
        row = await Row.first()
        assert row is not None
        await place_for(row.id, NOON, programme=programme)
        yield person, engine


async def provider_does(what: str, number: int = 1) -> None:
    """What the provider's system calls."""
    purchase = await Purchase.get(id=number)
    async with in_transaction():
        if what == "commit":
            await redemption.commit(purchase.provider_id, purchase.code, NOON)
        else:
            await redemption.complete(purchase.provider_id, purchase.code, 100, "S-1", 90.0, NOON)


async def talk(person: Person, transcript: str) -> None:
    keys: list[str] = []
    for spoken in transcript.strip().splitlines():
        who, _, what = spoken.partition(":")
        what = what.strip()
        if who == "bot":
            assert keys
            assert keys.pop(0) == what, spoken
        elif who == "lembaga":
            await provider_does(what)
        else:
            assert keys == [], spoken
            keys = await person.say(what)
    assert keys == []


async def test_from_a_mistyped_word_to_a_review(db: BaseDBAsyncClient) -> None:
    async with selected(db) as (person, _):
        await talk(person, FROM_SEARCH_TO_REVIEW)
        row = await Row.all().get()
        place = await Place.get(person_id=row.id)
        assert place.status == PlaceStatus.ACCEPTED
        assert await training_balance(row.id) == 550_000
        review = await Review.get(purchase_id=1)
        assert (review.stars, review.words) == (5, "Pengajarnya sabar dan alatnya lengkap")
        training = await Training.get(id=1)
        assert (training.reviews, training.stars) == (41, 193)
        assert await problems(db) == []


async def test_saldo_says_what_is_left_until_when_and_what_it_was_spent_on(db: BaseDBAsyncClient) -> None:
    async with selected(db) as (person, engine):
        assert await person.say("saldo") == ["money.statement"]
        assert "Rp1.000.000" in person.text
        assert "paling lambat" in person.text
        row = await Row.all().get()
        async with in_transaction():
            await purchases.buy(row.id, 3, 250_000, NOON)
        await person.say("saldo")
        assert "Microsoft Excel: Rp250.000" in person.text
        assert "paling lambat" not in person.text
        other = await Person(engine, "2").reach("home.menu", phone="0812 9999 888")
        assert await other.say("saldo") == ["money.none"]


async def test_two_taps_buy_once(db: BaseDBAsyncClient) -> None:
    async with selected(db) as (person, _):
        await person.say("pelatihan")
        await person.press("t3")
        await person.press("buy")
        button = next(c.id for m in person.last for c in m.render().choices if c.id.startswith("yes"))
        await asyncio.gather(*(person.send(choice=button) for _ in range(3)))
        assert await Purchase.all().count() == 1
        row = await Row.all().get()
        assert await training_balance(row.id) == 750_000
        async with in_transaction():
            again = await purchases.buy(row.id, 3, 250_000, NOON)
        assert not again.new
        assert await training_balance(row.id) == 750_000


async def test_never_dearer_than_the_balance(db: BaseDBAsyncClient) -> None:
    async with selected(db) as (person, _):
        row = await Row.all().get()
        await person.say("pelatihan")
        await person.say("jahit")
        await person.press("t5")
        assert "tidak cukup" in person.text
        assert not [c for m in person.last for c in m.render().choices if c.id.startswith("buy")]
        with pytest.raises(DomainError, match=r"trainings\.too_dear"):
            async with in_transaction():
                await purchases.buy(row.id, 5, 1_200_000, NOON)
        assert await Purchase.all().count() == 0
        assert (await Training.get(id=5)).seats_taken == 0
        assert (await Place.get(person_id=row.id)).status == PlaceStatus.NOTIFIED


async def test_of_two_who_want_the_last_seat_one_gets_it(db: BaseDBAsyncClient) -> None:
    async with selected(db) as (_, engine):
        await Person(engine, "2").reach("home.menu", phone="0812 9999 888")
        people = [row.id for row in await Row.all().order_by("id")]
        await place_for(people[1], NOON, 98)

        async def want(number: int) -> str:
            try:
                async with in_transaction():
                    await purchases.buy(number, 2, 900_000, NOON)
            except DomainError as error:
                return error.code
            return "bought"

        assert sorted(await asyncio.gather(*(want(number) for number in people))) == ["bought", "trainings.full"]
        assert (await Training.get(id=2)).seats_taken == 1
        assert await problems(db) == []


async def test_who_was_not_selected_looks_but_does_not_buy(db: BaseDBAsyncClient) -> None:
    await store(COFFEE, NOON)
    async with engine_on(db) as engine:
        engine.catalogue = await catalogue(NOON)
        person = Person(engine, "1")
        await person.say("halo")
        await person.reach("registration.phone")
        assert await person.say("pelatihan") == ["trainings.register_first"]
        await person.reach("home.menu")
        await person.say("pelatihan")
        await person.press("t3")
        assert "Hanya peserta terpilih" in person.text
        row = await Row.all().get()
        with pytest.raises(DomainError, match=r"waves\.no_place"):
            async with in_transaction():
                await purchases.buy(row.id, 3, 250_000, NOON)


async def test_taken_back_in_time_the_clock_runs_again(db: BaseDBAsyncClient) -> None:
    clock = Clock()
    async with selected(db, clock) as (person, _):
        row = await Row.all().get()
        async with in_transaction():
            await purchases.buy(row.id, 2, 900_000, NOON)
        await Wave.filter(number=99).update(status="ended")
        await person.say("pelatihan saya")
        await person.press("cancel")
        assert await person.press("yes") == ["trainings.cancelled", "home.menu"]
        assert await training_balance(row.id) == 1_000_000
        assert (await Training.get(id=2)).seats_taken == 0
        assert (await Place.get(person_id=row.id)).status == PlaceStatus.NOTIFIED
        assert (await Wave.get(number=99)).status == "announced"  # so that the place may lapse
        async with in_transaction():
            await purchases.buy(row.id, 2, 900_000, NOON)
        clock.forward(days=40)
        await person.say("pelatihan saya")
        await person.press("cancel")
        assert await person.press("yes") == ["waves.place_kept"]
        await provider_does("commit", 2)
        assert await person.press("yes") == ["trainings.code_used"]
        assert await problems(db) == []


async def test_a_price_that_changed_meanwhile_is_shown_first(db: BaseDBAsyncClient) -> None:
    async with selected(db) as (person, engine):
        await person.say("pelatihan")
        await person.press("t3")
        await person.press("buy")
        await store([line(3, title="Microsoft Excel", category="computer", price=350_000)], NOON)
        assert await person.press("yes") == ["trainings.price_changed"]
        engine.catalogue = await catalogue(NOON)
        assert await person.press("yes") == ["trainings.price_changed", "trainings.card"]
        assert await Purchase.all().count() == 0


async def test_pages_stay_as_they_were_while_they_are_turned(db: BaseDBAsyncClient) -> None:
    await store([line(number, price=100_000 + number) for number in range(1, 18)], NOON)
    async with engine_on(db) as engine:
        engine.catalogue = await catalogue(NOON)
        person = await Person(engine, "1").reach("home.menu")
        await person.say("pelatihan")
        await person.press("sort")
        await person.press("cheap")
        seen = _ids(person)
        await Training.filter(id=17).update(price=1)  # it would be first by now
        engine.catalogue = await catalogue(NOON)
        while any(c.id.startswith("next") for m in person.last for c in m.render().choices):
            await person.press("next")
            seen += _ids(person)
        assert seen == list(range(1, 18))
        await person.say("kembali")
        assert _ids(person) == [11, 12, 13, 14, 15]


def _ids(person: Person) -> list[int]:
    choices = [choice.id for message in person.last for choice in message.render().choices]
    return [int(each[1:].partition("~")[0]) for each in choices if each[0] == "t" and each[1].isdigit()]


async def test_filters_sorting_and_a_place_that_is_sent(db: BaseDBAsyncClient) -> None:
    async with selected(db) as (person, _):
        await person.say("pelatihan")
        await person.press("filter")
        await person.press("max_price")
        await person.press("v500000")
        await person.press("filter")
        await person.press("mode")
        await person.say("tatap muka")
        assert set(_ids(person)) == {1, 7}
        await person.send(location=(-6.92, 107.61))
        assert "Terdekat dulu" in person.text
        await person.press("filter")
        await person.press("clear")
        await person.send(location=(-6.92, 107.61))
        assert _ids(person) == [2, 1, 7]
        await person.say("komputer")
        assert _ids(person) == [3]
        assert await person.say("zzzzzz") == ["trainings.list"] or "Tidak ada" in person.text
        await person.say("inggris")  # a subject here, not a language to switch to
        assert _ids(person) == [4]
        assert person.last[-1].row.language == "id"
        assert await person.say("😀") == ["trainings.need_words"]


async def test_compared_saved_and_read_about(db: BaseDBAsyncClient) -> None:
    async with selected(db) as (person, _):
        await person.say("pelatihan")
        await person.say("barista")
        await person.press("t1")
        await person.press("save")
        assert await person.press("compare") == ["trainings.compare_first", "trainings.list"]
        await person.press("t2")
        assert await person.press("compare") == ["trainings.comparison"]
        assert "Rp450.000" in person.text
        assert "Rp900.000" in person.text
        await person.say("1")
        assert (person.step, "Barista Dasar" in person.text) == ("trainings.card", True)
        await person.press("reviews")
        await person.say("kembali")
        await person.press("clear")
        await person.press("saved")
        assert _ids(person) == [1]


async def test_a_certificate_is_looked_at_by_staff(db: BaseDBAsyncClient) -> None:
    async with selected(db) as (person, _):
        row = await Row.all().get()
        async with in_transaction():
            await purchases.buy(row.id, 3, 250_000, NOON)
        await provider_does("commit")
        await person.say("pelatihan saya")
        await person.press("certificate")
        assert await person.say("ini") == ["trainings.need_certificate"]
        assert await person.send(photo=Photo("c" * 32, GOOD)) == ["trainings.certificate_sent", "trainings.purchase"]
        await person.press("certificate")
        assert await person.send(photo=Photo("d" * 32, GOOD)) == ["trainings.certificate_waits"]
        with pytest.raises(DomainError, match=r"staff\.no_words"):
            await reviews.decide_certificate(1, accept=False, words="", by="tester", now=NOON)
        async with in_transaction():
            await reviews.decide_certificate(1, accept=False, words="Judulnya tidak terbaca.", by="tester", now=NOON)
        with pytest.raises(DomainError, match=r"staff\.no_certificate"):
            await reviews.decide_certificate(1, accept=True, words="", by="tester", now=NOON)
        await person.say("pelatihan saya")
        assert "Judulnya tidak terbaca." in person.text
        await person.press("certificate")
        assert await person.send(photo=RemotePhoto("far")) == ["trainings.certificate_checking"]
        task = await PhotoTask.filter(kind=PhotoKind.CERTIFICATE).get()
        found = {"photo": Photo("e" * 32, GOOD), "asked": task.asked}
        heard = await person.outcome(PhotoKind.CERTIFICATE, task.conversation_id, **found)
        assert heard == ["trainings.certificate_sent", "trainings.purchase"]
        await person.say("saldo")
        await person.say("menu")
        async with in_transaction():
            await reviews.decide_certificate(2, accept=True, words="", by="tester", now=NOON)
        assert (await Purchase.get(id=1)).status == "finished"
        assert await CertificateCheck.filter(accepted=True).count() == 1
        kinds = [notice.kind for notice in await Notice.all().order_by("id")]
        assert kinds == ["certificate_refused", "training_finished"]


async def test_a_photo_that_comes_late_belongs_to_the_training_it_was_sent_for(db: BaseDBAsyncClient) -> None:
    async with selected(db) as (person, _):
        row = await Row.all().get()
        for number, price in ((3, 250_000), (6, 300_000)):
            async with in_transaction():
                await purchases.buy(row.id, number, price, NOON)
        for number in (1, 2):
            await provider_does("commit", number)
        await person.say("pelatihan saya")
        await person.press("p1")
        await person.press("certificate")
        await person.send(photo=RemotePhoto("far"))
        await person.say("pelatihan saya")
        await person.press("p2")  # another one is open by now
        task = await PhotoTask.filter(kind=PhotoKind.CERTIFICATE).get()
        found = {"photo": Photo("e" * 32, GOOD), "asked": task.asked}
        heard = await person.outcome(PhotoKind.CERTIFICATE, task.conversation_id, **found)
        assert (heard, person.step) == (["trainings.certificate_sent"], "trainings.purchase")
        assert (await CertificateCheck.get()).purchase_id == 1


async def test_a_review_is_changed_once(db: BaseDBAsyncClient) -> None:
    async with selected(db) as (person, _):
        row = await Row.all().get()
        async with in_transaction():
            await purchases.buy(row.id, 1, 450_000, NOON)
        with pytest.raises(DomainError, match=r"trainings\.not_finished"):
            async with in_transaction():
                await reviews.review(row.id, 1, 5, "Bagus sekali ini", PROGRAMME.trainings, NOON)
        await provider_does("commit")
        await provider_does("completion")
        for stars, words in ((5, "Bagus sekali ini"), (2, "Ternyata kurang jelas")):
            await person.say("pelatihan saya")
            await person.press("stars")
            await person.press(f"s{stars}")
            await person.say(words)
        assert [c.id for m in person.last for c in m.render().choices if c.id.startswith("stars")] == []
        with pytest.raises(DomainError, match=r"trainings\.review_edited"):
            async with in_transaction():
                await reviews.review(row.id, 1, 5, "Bagus sekali ini", PROGRAMME.trainings, NOON)
        training = await Training.get(id=1)
        assert (training.reviews, training.stars) == (41, 190)


async def test_a_suspended_training_vanishes_and_its_buyers_are_told(db: BaseDBAsyncClient) -> None:
    async with selected(db) as (person, engine):
        row = await Row.all().get()
        async with in_transaction():
            await purchases.buy(row.id, 1, 450_000, NOON)
            await listings.suspend_training(1, NOON, suspended=True)
        engine.catalogue = await catalogue(NOON)
        await person.say("pelatihan")
        await person.say("barista")
        assert _ids(person) == [2]
        assert [(notice.kind, notice.person_id) for notice in await Notice.all()] == [("training_suspended", row.id)]
        await Person(engine, "2", Channel.TELEGRAM).reach("home.menu", phone="0812 9999 888")
        other = await Row.all().order_by("-id").first()
        assert other is not None
        await place_for(other.id, NOON, 97)
        with pytest.raises(DomainError, match=r"trainings\.gone"):
            async with in_transaction():
                await purchases.buy(other.id, 1, 450_000, NOON)


# Where an answer leads; "#" is said as the number of the choice with these words.
NUMBERED = """
account.institution: rekening
account.number: # OVO
account.asked: 0813 1111 2222
account.code: bank
home.menu: kode
account.shown: rekening
account.unlink: # Lepas
account.shown: # Tidak jadi
home.menu: # Menu
trainings.list: pelatihan
trainings.filter: # Saring
trainings.value: # Bidang
trainings.list: # Makanan
trainings.sort: # Urutkan
trainings.list: # Termurah
trainings.card: # Barista Dasar
trainings.list: kembali
trainings.card: # Barista Lanjutan
trainings.card: # Simpan
trainings.list: # Daftar
trainings.saved: # Tersimpan
trainings.card: # Barista Lanjutan
trainings.confirm: # Beli
trainings.purchase: # Ya, beli
trainings.cancel: # Batalkan
trainings.purchase: # Tidak jadi
trainings.purchase: lembaga commit
trainings.certificate: # Kirim sertifikat
trainings.purchase: # Kembali
trainings.purchase: lembaga completion
trainings.stars: # Beri bintang
trainings.review: # Baik
trainings.purchase: Pengajarnya sabar sekali
surveys.question: survei
surveys.question: 5
surveys.question: kembali
home.menu: kembali
home.menu: # Pelatihan saya
"""


@pytest.mark.parametrize("channel", [Channel.TELEGRAM, Channel.WHATSAPP, Channel.TERMINAL])
async def test_every_screen_is_reached_with_numbers_and_fits_every_channel(
    db: BaseDBAsyncClient, channel: Channel
) -> None:
    regions.load()
    await store(COFFEE, NOON, {1: (40, 188), 2: (3, 15)})
    async with engine_on(db) as engine:
        engine.catalogue = await catalogue(NOON)
        person = await Person(engine, "+6281234567890" if channel == Channel.WHATSAPP else "42", channel).reach(
            "home.menu"
        )
        row = await Row.all().get()
        await place_for(row.id, NOON)
        seen = set()
        for spoken in NUMBERED.strip().splitlines():
            step, _, what = spoken.partition(": ")
            if what == "bank":
                await institution_says(person)
                continue
            if what == "kode":
                what = person.codes[-1]
            if what == "survei":
                await first_incentive_paid(row.id, NOON)
            if what.startswith("lembaga "):
                await provider_does(what.removeprefix("lembaga "))
                what = "# Periksa lagi"
            if what.startswith("# "):
                labels = [choice.label for choice in person.last[-1].render().choices]
                what = str(next(at for at, label in enumerate(labels, 1) if what[2:] in label))
            await person.say(what)
            assert (spoken, person.step) == (spoken, step if step != "home.menu" else person.step)
            _fits(person)
            seen.add(person.step)
    wanted = {name for name in STEPS if name.startswith(("trainings.", "surveys.", "account."))}
    wanted -= {"trainings.mine", "account.code"}  # the second is drawn by what the bank says
    assert seen >= wanted


def _fits(person: Person) -> None:
    from bot.channels.telegram import layout  # noqa: PLC0415
    from bot.channels.whatsapp import pieces  # noqa: PLC0415

    for message in person.last:
        for language in i18n.LANGUAGES:
            shown = i18n.render(message.body.say, language)
            listed = layout("42", i18n.with_details(shown), "x")
            assert len(listed["text"]) <= 4096
            rows = listed["reply_markup"].get("inline_keyboard", [])
            assert all(len(button["callback_data"].encode()) <= 64 for row in rows for button in row)
            assert len(shown.choices) <= 10  # a WhatsApp list holds no more
            assert all(len(part) <= 1600 for part in pieces(i18n.numbered(shown)))
