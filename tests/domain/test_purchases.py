"""Buying and taking back beside everything else that moves places, seats and money."""

import asyncio
import contextlib
import dataclasses
import sqlite3
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.transactions import in_transaction

from bot import sample_catalogue
from bot.catalogue import CatalogueFeed
from bot.catalogue_import import import_catalogue
from bot.waves import Waves
from domain import regions
from domain.errors import DomainError
from domain.money.actions import allot, problems, training_balance
from domain.money.dues import grant
from domain.trainings import listings, purchases
from domain.trainings.catalogue import Catalogue
from domain.waves.actions import Plan, open_now, plan_wave
from domain.waves.places import lapse_some
from models.database import database, writing
from models.enums import PlaceStatus, WaveStatus
from models.notice import Notice
from models.training import Purchase, Training
from models.wave import Place, Wave
from tests.handlers.talk import NOON, Clock
from tests.trainings import COFFEE, KEPT_HERE, PROGRAMME, line, place_for, store
from tests.waves import Applicant, join

LATE = NOON + timedelta(days=60)


async def people(count: int) -> None:
    """So many people with a place and their balance, each in a wave of their own."""
    await store(COFFEE, NOON)
    planned = await plan_wave(Plan(NOON, NOON + timedelta(days=7)), PROGRAMME, "t", NOON)
    wave = await open_now(planned.number, "t", NOON)
    await join(wave._meta.db, wave, [Applicant(number) for number in range(1, count + 1)], NOON)
    for number in range(1, count + 1):
        await place_for(number, NOON, 100 + number)


async def _tried(work: Any) -> str:
    try:
        async with in_transaction():
            await work
    except DomainError as error:
        return error.code
    return "done"


async def test_many_buy_take_back_and_lapse_at_once_and_every_rupiah_is_where_it_should_be(
    db: BaseDBAsyncClient,
) -> None:
    await people(6)

    async def restless(number: int) -> list[str]:
        found = []
        for _ in range(4):
            found.append(await _tried(purchases.buy(number, 3, 250_000, NOON)))
            [bought] = await Purchase.filter(person_id=number, live=True)
            found.append(await _tried(purchases.cancel(number, bought.id, NOON)))
        return found

    async def clock() -> None:
        for _ in range(4):
            for wave in await Wave.filter(status=WaveStatus.ANNOUNCED):
                await lapse_some(db, wave, NOON)  # nothing is due; it looks all the same

    *found, _ = await asyncio.gather(*(restless(number) for number in range(1, 7)), clock())
    assert found == [["done"] * 8] * 6
    assert [await training_balance(number) for number in range(1, 7)] == [1_000_000] * 6
    assert (await Training.get(id=3)).seats_taken == 0
    assert await problems(db) == []


async def test_a_place_lapses_or_is_kept_never_both(db: BaseDBAsyncClient) -> None:
    await people(5)
    due = NOON + timedelta(days=31)
    await Place.all().update(due_at=due)

    async def lapse() -> None:
        for wave in await Wave.filter(status=WaveStatus.ANNOUNCED):
            await lapse_some(db, wave, due)

    buying = [_tried(purchases.buy(number, 6, 300_000, due - timedelta(seconds=1))) for number in range(1, 6)]
    *found, _ = await asyncio.gather(*buying, lapse())
    for number, outcome in enumerate(found, 1):
        place = await Place.get(person_id=number)
        kept = place.status == PlaceStatus.ACCEPTED
        assert (kept, outcome) in {(True, "done"), (False, "waves.place_lapsed")}
        assert await training_balance(number) == (700_000 if kept else 0)
    assert await problems(db) == []


async def test_what_is_no_longer_offered_can_be_taken_back_after_the_deadline(db: BaseDBAsyncClient) -> None:
    await people(2)
    for number in (1, 2):
        assert await _tried(purchases.buy(number, 6, 300_000, NOON)) == "done"
    assert await _tried(purchases.cancel(1, 1, LATE)) == "waves.place_kept"
    async with in_transaction():
        await listings.suspend_training(6, LATE, suspended=True)
    assert await _tried(purchases.cancel(1, 1, LATE)) == "done"
    assert (await Place.get(person_id=1)).status == PlaceStatus.ACCEPTED
    assert await _tried(purchases.buy(1, 3, 250_000, LATE)) == "done"
    for day in (0, 1):  # suspended again another day: told again
        async with in_transaction():
            await listings.suspend_training(6, LATE + timedelta(days=day), suspended=True)
    assert await Notice.filter(kind="training_suspended", person_id=2).count() == 2


async def test_buyers_of_what_a_file_withdraws_are_told(db: BaseDBAsyncClient) -> None:
    await people(1)
    assert await _tried(purchases.buy(1, 6, 300_000, NOON)) == "done"
    await store([line(6, title="Hidroponik", category="farming", price=300_000, status="withdrawn")], NOON)
    assert [notice.person_id for notice in await Notice.filter(kind="training_suspended")] == [1]
    with pytest.raises(DomainError, match=r"trainings\.gone"):
        await purchases.buy(1, 6, 300_000, NOON) if await Purchase.filter(id=1).update(live=None) else None


async def test_a_wave_gives_what_it_was_funded_with_whatever_the_rules_say_later(db: BaseDBAsyncClient) -> None:
    rule = dataclasses.replace(KEPT_HERE.money[0], since=LATE.date(), training_balance=3_500_000)
    dearer = dataclasses.replace(KEPT_HERE, money=(*KEPT_HERE.money, rule))
    async with in_transaction() as connection:
        await allot(connection, 1, 2, dearer, NOON)
        await grant(connection, 1, [(1, 101)], dearer, NOON)
        await allot(connection, 1, 2, dearer, LATE)  # announced again after a crash
        await grant(connection, 1, [(2, 102)], dearer, LATE)
    assert [await training_balance(number) for number in (101, 102)] == [1_000_000, 1_000_000]
    assert await problems(db) == []


async def test_a_long_import_reaches_those_who_look_meanwhile(db: BaseDBAsyncClient, tmp_path: Path) -> None:
    regions.load()
    clock, seen = Clock(), list[Catalogue]()
    feed = CatalogueFeed(PROGRAMME, clock, seen.append)
    sample_catalogue.write(tmp_path / "a.csv", 1_200)
    await feed.refresh()

    def slow() -> Any:
        clock.forward(minutes=3)  # each portion takes so long
        return clock()

    begun = clock()
    await import_catalogue(tmp_path / "a.csv", tmp_path / "report.csv", slow, sample=True)
    late = await Training.all().order_by("-id").first()
    assert late is not None
    assert late.changed_at > begun + timedelta(minutes=5)
    await feed.refresh()
    assert len(seen[-1].listings) == 1_200


async def test_a_wave_does_not_end_while_somebody_takes_their_training_back(db: BaseDBAsyncClient) -> None:
    await people(1)
    assert await _tried(purchases.buy(1, 3, 250_000, NOON)) == "done"

    class Interrupted(Waves):
        """Somebody takes their only training back between the first look and the end."""

        looked = 0

        async def _is_over(self, wave: Wave) -> bool:
            found = await super()._is_over(wave)
            self.looked += 1
            if self.looked == 1:
                assert found
                assert await _tried(purchases.cancel(1, 1, NOON)) == "done"
            return found

    waves = Interrupted(db, PROGRAMME, lambda: NOON, lambda _: None, lambda: None)
    await waves._places(await Wave.get(number=101))
    assert waves.looked == 2
    assert (await Wave.get(number=101)).status == WaveStatus.ANNOUNCED
    assert (await Place.get(person_id=1)).status == PlaceStatus.NOTIFIED


async def test_a_seat_that_is_sold_during_an_import_sets_its_line_aside(db: BaseDBAsyncClient) -> None:
    await people(1)
    await Training.filter(id=7).update(seats=9, seats_taken=7)
    few = line(
        7, title="Servis Sepeda Motor", category="technical", price=1, mode="hybrid", region_code="31.73", seats=6
    )
    async with writing():
        stored = await listings.store([few, line(8)], "test", NOON)
    assert (stored.new, stored.changed, stored.sold) == (1, 0, frozenset({0}))
    assert (await Training.get(id=7)).seats == 9


async def test_a_transaction_that_reads_first_is_sqlites_only_writer_from_its_beginning(migrated_file: Path) -> None:
    def another_writes() -> None:
        with contextlib.closing(sqlite3.connect(migrated_file, timeout=0)) as other:
            other.execute("DELETE FROM platform")

    async with database(f"sqlite://{migrated_file}?journal_mode=DELETE"):
        async with in_transaction() as connection:
            await connection.execute_query("SELECT 1 FROM platform")
            another_writes()
        async with writing():
            with pytest.raises(sqlite3.OperationalError, match="locked"):
                another_writes()
