"""REKENING and SALDO in chat: linking an account, what goes wrong on the way, taking it out, what money is coming."""

from datetime import timedelta

import pytest
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.transactions import in_transaction

from domain.errors import DomainError
from domain.money import accounts, batches, dues, sending, settling
from domain.money.actions import problems, training_balance
from domain.ports import AccountAnswer, PaymentAnswer
from domain.trainings import purchases
from models.enums import AccountVerdict, DueStatus, Institution, Match, Payee, PaymentOutcome
from models.payout import AccountInquiry, Due, PayeeAccount, Payment
from models.person import Person as Row
from models.training import Purchase
from models.wave import Place
from tests.handlers.account import institution_says
from tests.handlers.talk import NOON, Clock, Person
from tests.handlers.test_trainings import provider_does, selected, talk
from tests.trainings import PROGRAMME

LINKING = """
orang: rekening
bot:   account.ask_institution
orang: ovo
bot:   account.ask_wallet_number
orang: nomornya lupa
bot:   account.unreadable_wallet
orang: 0813 1111 2222
bot:   account.asking
"""


UNLINKING = """
orang: lepas rekening ini
bot:   account.confirm_unlink
orang: tidak jadi
bot:   account.shown
orang: 1
bot:   account.confirm_unlink
orang: ya
bot:   account.unlinked
bot:   home.menu
"""
FINDING = """
orang: pelatihan
bot:   trainings.list
orang: barsita
bot:   trainings.list
orang: Barista Dasar
bot:   trainings.card
orang: beli
bot:   trainings.confirm
"""
FINDING_AGAIN = FINDING.replace("orang: barsita\nbot:   trainings.list\n", "")


async def link(person: Person) -> list[str]:
    """The whole way to a linked account."""
    await talk(person, LINKING)
    assert await institution_says(person) == ["account.ask_code"]
    return await person.say(person.codes[-1])


async def pay(db: BaseDBAsyncClient, kind: str, wave_id: int = 0, clock: Clock | None = None) -> int:
    """A batch from beginning to end, with a gateway that pays at once; gives how many payments."""
    now = clock() if clock else NOON
    batch = (await batches.prepare(db, kind, wave_id, "file", "ani", now)).batch
    assert (await batches.check(db, batch, PROGRAMME, "ani", now)).problems == []
    batch = await batches.batch_numbered(batch.id)
    await batches.approve(db, batch, PROGRAMME, "budi", now)
    await batches.start(batch, "budi", now)
    taken = await sending.take(batch, 500, now)
    assert taken is not None
    answers = [
        PaymentAnswer(each.reference, PaymentOutcome.PAID, each.amount, line=f"L{each.reference}")
        for each in taken.orders
    ]
    await settling.hear("file", answers, "statement", now)
    return len(taken.orders)


async def test_an_account_is_linked_shown_masked_and_changed_after_a_while(db: BaseDBAsyncClient) -> None:
    clock = Clock()
    async with selected(db, clock) as (person, _):
        assert await link(person) == ["account.linked", "home.menu"]
        assert "••••2222" in person.text
        row = await PayeeAccount.all().get()
        assert (row.institution, row.number, row.live) == ("ovo", "6281311112222", True)
        assert await person.say("rekening") == ["account.shown"]
        assert "6281311112222" not in person.text
        assert "1111" not in person.text
        await talk(person, UNLINKING)
        assert await person.say("rekening") == ["account.cooling"]
        clock.forward(days=7, minutes=1)
        assert await person.say("rekening") == ["account.ask_institution"]


@pytest.mark.parametrize(
    ("answer", "key"),
    [
        (AccountAnswer(exists=False), "account.other_person"),
        (AccountAnswer(exists=True, is_open=False), "account.other_person"),
        (AccountAnswer(exists=True, name=Match.MISMATCH), "account.other_person"),
        (AccountAnswer(exists=True, name=Match.MATCH, phone=Match.MISMATCH), "account.other_person"),
        (AccountAnswer(exists=True), "account.other_person"),
        (None, "account.busy"),
    ],
)
async def test_an_account_that_is_not_theirs_or_not_there_is_refused_with_the_reason(
    db: BaseDBAsyncClient, answer: AccountAnswer | None, key: str
) -> None:
    async with selected(db) as (person, _):
        await talk(person, LINKING)
        assert await institution_says(person, answer) == [key, "account.ask_institution"]
        assert not await PayeeAccount.exists()


async def test_three_wrong_codes_mean_an_hour(db: BaseDBAsyncClient) -> None:
    clock = Clock()
    async with selected(db, clock) as (person, _):
        await talk(person, LINKING)
        await institution_says(person)
        wrong = "000000" if person.codes[-1] != "000000" else "111111"
        assert [await person.say(wrong) for _ in range(4)] == [["code.wrong"]] * 3 + [["code.wait"]]
        assert await person.say(person.codes[-1]) == ["code.wait"]
        clock.forward(minutes=61)
        await person.press("again")
        assert await person.say(person.codes[-1]) == ["account.linked", "home.menu"]


async def test_whoever_goes_elsewhere_meanwhile_goes_on_where_they_were(db: BaseDBAsyncClient) -> None:
    async with selected(db) as (person, _):
        await talk(person, LINKING)
        await person.say("pelatihan")
        assert await institution_says(person) == ["account.found"]
        assert await person.press("!account") == ["account.ask_code"]
        assert await person.say(person.codes[-1]) == ["account.linked", "home.menu"]


async def test_an_account_has_one_owner_and_a_day_has_five_inquiries(db: BaseDBAsyncClient) -> None:
    async with selected(db) as (person, engine):
        await link(person)
        other = await Person(engine, "2").reach("home.menu", phone="0812 9999 888")
        await talk(other, LINKING)
        assert await institution_says(other) == ["account.ask_code"]
        assert await other.say(other.codes[-1]) == ["account.not_yours", "account.ask_institution"]
        for _ in range(4):
            row = await Row.get(id=2)
            await accounts.ask(1, row.id, Institution.OVO, "628131111333", PROGRAMME.accounts, NOON)
        await other.say("ovo")
        assert await other.say("0813 1111 3333") == ["account.too_many"]


async def test_a_balance_is_credited_before_it_can_be_spent_and_collected_when_a_code_is_used(
    db: BaseDBAsyncClient,
) -> None:
    async with selected(db, programme=PROGRAMME) as (person, _):
        assert await person.say("saldo") == ["money.statement"]
        assert "menunggu rekening Anda" in person.text
        await talk(person, FINDING)
        assert await person.say("ya") == ["money.no_account", "account.ask_institution"]
        await link(person)
        await talk(person, FINDING_AGAIN)
        assert await person.say("ya") == ["money.on_its_way"]
        row = await Row.all().get()
        assert await pay(db, "balance") == 1
        assert await training_balance(row.id) == 1_000_000
        assert await person.say("rekening") == ["account.shown"]
        await person.press("unlink")
        assert await person.say("ya") == ["account.holds_balance"]
        await talk(person, FINDING_AGAIN)
        assert await person.say("ya") == ["trainings.bought", "trainings.purchase"]
        bought = await Purchase.all().get()
        await provider_does("commit", bought.id)
        taken = await Due.get(kind="collection")
        assert (taken.key, taken.amount) == (f"collect:redeem:{bought.id}", 450_000)
        assert await pay(db, "collection") == 1
        assert await training_balance(row.id) == 550_000
        assert await problems(db) == []


INCENTIVE = """
orang: pelatihan saya
bot:   trainings.purchase
orang: beri bintang
bot:   trainings.ask_stars
orang: 1
bot:   trainings.ask_words
orang: Pengajarnya sabar dan alatnya lengkap
bot:   trainings.reviewed
bot:   money.link_for_incentive
bot:   trainings.purchase
"""


async def test_saldo_says_what_is_missing_then_what_is_coming_and_when(db: BaseDBAsyncClient) -> None:
    clock = Clock()
    async with selected(db, clock) as (person, _):
        await person.say("saldo")
        assert "sampai 31 Desember 2026" in person.text
        assert "4 x Rp600.000" in person.text
        assert "selesaikan satu pelatihan" in person.text
        await talk(person, FINDING)
        await person.say("ya")
        await provider_does("commit")
        await provider_does("completion")
        await talk(person, INCENTIVE)
        await person.say("saldo")
        assert "rekening Anda (balas REKENING)" in person.text
        assert "selesaikan" not in person.text
        assert await link(person) == ["account.linked", "money.earned", "home.menu"]
        await person.say("saldo")
        assert person.text.count("Rp600.000") == 4
        assert "dengan pembayaran berikutnya" in person.text
        assert "mulai 24 Desember 2026" in person.text
        assert "mulai 24 Februari 2027" in person.text
        assert await pay(db, "incentive") == 1
        await person.say("saldo")
        assert "✅ Rp600.000 insentif, masuk 24 November 2026" in person.text
        clock.forward(days=31)
        assert await pay(db, "incentive", clock=clock) == 1
        assert await Due.filter(status=DueStatus.PAID).count() == 2
        assert await problems(db) == []


async def test_two_surveys_of_one_person_on_one_day_are_both_paid(db: BaseDBAsyncClient) -> None:
    async with selected(db) as (person, _):
        await link(person)
        row = await Row.all().get()
        place = await Place.get(person_id=row.id)
        async with in_transaction() as connection:
            for survey in ("one", "two"):
                for _ in range(2):  # sent off twice
                    await dues.earn_survey(connection, place.wave_id, survey, row.id, PROGRAMME, NOON)
        assert await pay(db, "incentive") == 2
        assert [payment.amount for payment in await Payment.filter(status="paid")] == [50_000, 50_000]
        assert await problems(db) == []


async def test_an_inquiry_of_somebody_who_gave_up_changes_nothing(db: BaseDBAsyncClient) -> None:
    async with selected(db) as (person, _):
        await talk(person, LINKING)
        assert await person.press("other") == ["account.ask_institution"]
        assert await institution_says(person) == []
        row = await Row.all().get()
        inquiry = await AccountInquiry.all().get()
        with pytest.raises(DomainError, match=r"account\.gone"):
            await accounts.link(row.id, inquiry.id + 1, PROGRAMME.accounts, NOON + timedelta(days=1))
        assert await accounts.account_of(Payee.PERSON, row.id) is None


async def test_an_institution_is_asked_again_where_its_answer_was_lost_in_a_crash(db: BaseDBAsyncClient) -> None:
    clock = Clock()
    async with selected(db, clock) as (person, _):
        await talk(person, LINKING)
        inquiry = await accounts.claim_inquiry(clock())
        assert inquiry is not None
        await accounts.keep_verdict(inquiry, AccountVerdict.GOOD)  # and the process dies
        assert await accounts.claim_inquiry(clock()) is None
        clock.forward(minutes=3)
        assert await institution_says(person) == ["account.ask_code"]
        assert await accounts.claim_inquiry(clock()) is None


async def test_of_their_own_number_people_hear_exactly_what_is_wrong(db: BaseDBAsyncClient) -> None:
    async with selected(db) as (person, _):
        for answer, key in (
            (AccountAnswer(exists=False), "account.absent"),
            (AccountAnswer(exists=True, is_open=False), "account.closed"),
        ):
            await person.say("rekening")
            await person.say("gopay")
            await person.press("own")
            assert await institution_says(person, answer) == [key, "account.ask_institution"]


async def test_a_code_that_cannot_be_sent_just_now_leaves_nobody_stuck(db: BaseDBAsyncClient) -> None:
    clock = Clock()
    async with selected(db, clock) as (person, _):
        await talk(person, LINKING)
        await institution_says(person)
        for _ in range(3):
            await person.say("000000" if person.codes[-1] != "000000" else "111111")
        assert await person.press("other") == ["account.ask_institution"]
        await person.say("ovo")
        await person.say("0813 1111 2222")
        assert await institution_says(person) == ["code.wait", "account.ask_code"]
        clock.forward(minutes=61)
        assert await person.press("again") == ["account.ask_code"]
        assert await person.say(person.codes[-1]) == ["account.linked", "home.menu"]


async def test_an_answer_is_good_for_a_day_and_then_asked_for_anew(db: BaseDBAsyncClient) -> None:
    clock = Clock()
    async with selected(db, clock) as (person, _):
        await talk(person, LINKING)
        await institution_says(person)
        clock.forward(days=2)
        await person.press("again")
        assert await person.say(person.codes[-1]) == ["account.gone", "account.ask_institution"]


@pytest.mark.parametrize(
    ("institution", "typed", "kept"),
    [
        (Institution.OVO, "0812 3456 7890", "6281234567890"),
        (Institution.OVO, "81234567890", "6281234567890"),
        (Institution.OVO, "+62 (812) 3456-7890", "6281234567890"),
        (Institution.OVO, "0812–3456–7890", "6281234567890"),
        (Institution.OVO, "62 0812 3456 7890", "6281234567890"),
        (Institution.OVO, "0062812 3456 7890", "6281234567890"),
        (Institution.OVO, "021 555 1234", None),
        (Institution.OVO, "0812", None),
        (Institution.OVO, "٠812345678", None),
        (Institution.BNI, "8810 0812 3456 7890", "8810081234567890"),
        (Institution.BNI, "+628123456789", None),
        (Institution.BNI, "0000000000", None),
        (Institution.BNI, "12345", None),
    ],
)
def test_numbers_are_read_as_people_type_them(institution: Institution, typed: str, kept: str | None) -> None:
    if kept is None:
        with pytest.raises(DomainError, match="unreadable"):
            accounts.read_number(institution, typed)
    else:
        assert accounts.read_number(institution, typed) == kept


async def test_what_was_bought_and_not_redeemed_still_lies_in_the_account(db: BaseDBAsyncClient) -> None:
    async with selected(db, programme=PROGRAMME) as (person, _):
        await link(person)
        await pay(db, "balance")
        row = await Row.all().get()
        async with in_transaction():
            await purchases.buy(row.id, 1, 450_000, NOON)
        await person.say("rekening")
        await person.press("unlink")
        assert await person.say("ya") == ["account.holds_balance"]
        # A payment can't reach it any more: nothing goes there, and staff are pointed to.
        account = await PayeeAccount.all().get()
        await accounts.refuse([account.id], "account_closed", NOON)
        assert await person.say("rekening") == ["account.shown_refused"]
