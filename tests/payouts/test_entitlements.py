"""What people are entitled to, when it ends, who is owed it, and the report of it all."""

import csv
import dataclasses
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.transactions import in_transaction

from bot.exports import each, export
from bot.money_report import report
from bot.surveys import Surveys
from domain.errors import DomainError
from domain.money import batches, dues, rules, sending, settling
from domain.money.accounts import link_provider
from domain.money.actions import balance, problems, training_balance
from domain.ports import PaymentAnswer
from domain.trainings import listings, purchases, redemption, reviews, settlement
from domain.waves import places
from models.database import writing
from models.enums import DueStatus, Payee, PaymentOutcome, PlaceStatus
from models.money import Posting
from models.payout import Due, Payment
from models.training import Provider, Purchase
from models.wave import Place, Wave
from tests.domain.test_purchases import people
from tests.handlers.talk import NOON
from tests.payouts.bank import PROGRAMME, link_all
from tests.trainings import place_for
from tests.waves import Applicant, join

AFTER = NOON + timedelta(days=31)


async def selected(db: BaseDBAsyncClient, *, linked: bool = True) -> Place:
    """Somebody with a place whose balance is to be credited."""
    await people(0)
    await join(db, await Wave.all().get(), [Applicant(1)], NOON)
    place = await place_for(1, NOON, 500, PROGRAMME)
    if linked:
        await link_all([1], NOON)
    return place


async def credit(db: BaseDBAsyncClient, now: datetime, outcome: PaymentOutcome = PaymentOutcome.PAID) -> None:
    """The transfer of it, to its end."""
    batch = (await batches.prepare(db, "balance", 0, "file", "ani", now)).batch
    assert (await batches.check(db, batch, PROGRAMME, "ani", now)).problems == []
    batch = await batches.batch_numbered(batch.id)
    await batches.approve(db, batch, PROGRAMME, "budi", now)
    await batches.start(batch, "budi", now)
    taken = await sending.take(batch, 500, now)
    assert taken is not None
    answers = [PaymentAnswer(each.reference, outcome, each.amount) for each in taken.orders]
    await settling.hear("file", answers, "callback", now)


async def lapse(db: BaseDBAsyncClient, place: Place, now: datetime) -> Place:
    await places.lapse_some(db, await Wave.get(id=place.wave_id), now)
    return await Place.get(id=place.id)


async def test_nobody_loses_a_place_because_a_transfer_is_late(db: BaseDBAsyncClient) -> None:
    place = await selected(db)
    place = await lapse(db, place, AFTER)  # linked in time, never paid: ours to answer for
    assert place.status == PlaceStatus.NOTIFIED
    assert place.due_at is not None
    assert place.due_at >= AFTER + timedelta(days=7)
    await credit(db, AFTER + timedelta(days=6))
    place = await lapse(db, place, place.due_at + timedelta(minutes=1))  # it came a day ago
    assert place.status == PlaceStatus.NOTIFIED
    assert place.due_at is not None
    place = await lapse(db, place, place.due_at + timedelta(minutes=1))
    assert place.status == PlaceStatus.LAPSED
    assert await balance(rules.wave_fund(place.wave_id)) == 3_550_000
    taken = await Due.get(kind="collection")
    assert (taken.key, taken.amount) == (f"collect:lapse:{place.id}", 1_000_000)
    assert await problems(db) == []


async def test_who_never_says_where_to_loses_the_place_and_nothing_is_paid(db: BaseDBAsyncClient) -> None:
    place = await lapse(db, await selected(db, linked=False), AFTER)
    assert place.status == PlaceStatus.LAPSED
    await link_all([1], AFTER)
    assert (await batches.prepare(db, "balance", 0, "file", "ani", AFTER)).added == 0
    assert await balance(rules.credit_of(1)) == 0
    assert await problems(db) == []


async def test_what_is_left_at_the_end_of_the_year_goes_back_to_the_state(db: BaseDBAsyncClient) -> None:
    await people(2)  # kept in the ledger; granted in November, so with their thirty days in December
    await purchases.buy(1, 3, 250_000, NOON)
    for moment, done in ((datetime(2026, 12, 31, 16, 59, tzinfo=UTC), 0), (datetime(2026, 12, 31, 17, tzinfo=UTC), 2)):
        assert await places.expire_some(db, PROGRAMME, moment) == done
    assert await places.expire_some(db, PROGRAMME, datetime(2027, 6, 1, tzinfo=UTC)) == 0
    assert [await training_balance(number) for number in (1, 2)] == [0, 0]
    returned = rules.expired(0, 0, 2026, "", 1).target
    assert await balance(returned) == 750_000 + 1_000_000
    async with writing():  # its training is no longer offered, so the purchase may be taken back
        await listings.suspend_training(3, AFTER, suspended=True)
        await purchases.cancel(1, 1, datetime(2027, 1, 9, tzinfo=UTC))
    assert await training_balance(1) == 250_000
    assert await places.expire_some(db, PROGRAMME, datetime(2027, 1, 10, tzinfo=UTC)) == 1
    assert await balance(returned) == 2_000_000
    assert await problems(db) == []


async def test_a_balance_of_late_december_lives_for_another_year(db: BaseDBAsyncClient) -> None:
    await people(1)
    await Posting.filter(key__startswith="grant:").exists()
    assert await places.expire_some(db, PROGRAMME, datetime(2026, 12, 20, tzinfo=UTC)) == 0
    late = dataclasses.replace(PROGRAMME.waves, accept_days=60)  # sixty days from November end in January
    assert (
        await places.expire_some(db, dataclasses.replace(PROGRAMME, waves=late), datetime(2027, 6, 1, tzinfo=UTC)) == 0
    )
    assert await training_balance(1) == 1_000_000


async def finished(person_id: int, training: int, *, certificate: bool = True) -> Purchase:
    """Somebody bought, redeemed, finished and reviewed a training."""
    async with writing():
        bought = (await purchases.buy(person_id, training, 250_000 if training == 3 else 300_000, NOON)).purchase
        await redemption.commit(bought.provider_id, bought.code, NOON)
        await redemption.complete(bought.provider_id, bought.code, 100, "S-1" if certificate else "", 90.0, NOON)
        await reviews.review(person_id, bought.id, 5, "Bagus sekali ini", PROGRAMME.trainings, NOON)
    return bought


async def test_a_certificate_that_comes_after_the_review_brings_the_incentive(db: BaseDBAsyncClient) -> None:
    await people(1)
    await link_all([1], NOON)
    bought = await finished(1, 3, certificate=False)
    work = Surveys(PROGRAMME, lambda: NOON, lambda: None)
    await work.sweep()
    assert not await Due.filter(kind="incentive").exists()
    async with writing():
        await redemption.complete(bought.provider_id, bought.code, 100, "S-1", 90.0, NOON)
    for _ in range(2):
        await work.sweep()
    keys = [row.key for row in await Due.filter(kind="incentive").order_by("id")]
    assert keys == [f"incentive:{number}:1" for number in (1, 2, 3, 4)]
    assert await balance(rules.incentives_of(1)) == 2_400_000
    assert await problems(db) == []


async def test_providers_are_owed_each_redeemed_training_once_and_paid(db: BaseDBAsyncClient) -> None:
    await people(3)
    for person in (1, 2):
        await finished(person, 3)
    assert await settlement.owe(NOON) == 1
    assert await settlement.owe(NOON) == 0
    await finished(3, 6)
    assert await settlement.owe(AFTER) == 1
    assert sorted(row.amount for row in await Due.filter(kind="settlement")) == [300_000, 500_000]
    provider = await Provider.all().first()
    assert provider is not None
    async with writing():
        await link_provider(provider.id, "bca", "1234567890", "LPK Kopi", NOON)
    batch = (await batches.prepare(db, "settlement", 0, "file", "ani", AFTER)).batch
    assert (await batches.check(db, batch, PROGRAMME, "ani", AFTER)).problems == []
    batch = await batches.batch_numbered(batch.id)
    await batches.approve(db, batch, PROGRAMME, "budi", AFTER)
    await batches.start(batch, "budi", AFTER)
    taken = await sending.take(batch, 500, AFTER)
    assert taken is not None
    with pytest.raises(DomainError, match=r"staff\.account_in_use"):
        async with writing():
            await link_provider(provider.id, "bni", "9999999999", "LPK Kopi", NOON)
    answers = [PaymentAnswer(each.reference, PaymentOutcome.PAID, each.amount) for each in taken.orders]
    await settling.hear("file", answers, "callback", AFTER)
    [found] = await settlement.owed()
    assert (found.redeemed, found.open, found.paid) == (3, 0, 800_000)
    lines = [line async for line in settlement.statement(provider.id, NOON - timedelta(days=1), AFTER)]
    assert [(line.purchase.price, line.payment and line.payment.status) for line in lines] == [
        (250_000, "paid"), (250_000, "paid"), (300_000, "paid"),
    ]  # fmt: skip
    assert await problems(db) == []


async def test_the_report_says_where_the_money_went(db: BaseDBAsyncClient, tmp_path: Path) -> None:
    place = await selected(db)
    await credit(db, NOON)
    await finished(1, 3)
    await settling.hear("file", [PaymentAnswer("GLB-NOBODYS", PaymentOutcome.PAID, 7, line="L1")], "statement", NOON)
    assert await report(db, tmp_path, "csv", NOON) == {"waves": 1, "batches": 1, "differences": 1}
    with (tmp_path / "waves.csv").open() as file:
        last = list(csv.DictReader(file))[-1]
    expected = {
        "wave": "500", "allotted": "3550000", "granted": "1000000", "redeemed": "250000", "unspent": "750000",
        "in_flight": "0", "lapsed": "0", "left": "2550000",
    }  # fmt: skip
    assert {name: last[name] for name in expected} == expected
    page = (tmp_path / "index.html").read_text()
    assert "GLB-NOBODYS" in page
    assert "<svg" in page
    assert await report(db, tmp_path, "xlsx", NOON) == {"waves": 1, "batches": 1, "differences": 1}
    assert (tmp_path / "waves.xlsx").read_bytes()[:2] == b"PK"
    assert (await Place.get(id=place.id)).status == PlaceStatus.ACCEPTED


async def test_an_exported_cell_is_never_a_formula(tmp_path: Path) -> None:
    assert await export(tmp_path / "a.csv", ["name"], each([["=1+1"], [5]])) == 2
    assert (tmp_path / "a.csv").read_text().splitlines() == ["name", "'=1+1", "5"]


async def test_an_incentive_is_earned_once_and_paid_month_by_month(db: BaseDBAsyncClient) -> None:
    place = await selected(db)
    for _ in range(2):
        async with in_transaction() as connection:
            await dues.earn_incentive(connection, place.wave_id, 1, PROGRAMME, NOON)
    made = [
        (await batches.prepare(db, "incentive", 0, "file", "ani", NOON + timedelta(days=days))).added
        for days in (0, 1, 29, 30, 61, 300)
    ]
    assert made == [1, 0, 0, 1, 1, 1]
    assert await Payment.all().count() == 4
    assert await Due.filter(payee=Payee.PERSON, status=DueStatus.OPEN, kind="incentive").count() == 4
