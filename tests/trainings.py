"""A small catalogue and people who were selected, put straight into the tables."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from tortoise.transactions import in_transaction

from domain.clock import WIB
from domain.money import actions as money
from domain.money import dues
from domain.programme import Programme, kept_in_ledger, load
from domain.trainings import listings
from domain.trainings.catalogue import Catalogue
from domain.trainings.rules import Line, read_line
from domain.waves.rules import deadline
from models.enums import DueKind, DueStatus, Payee
from models.payout import Due
from models.training import Training
from models.wave import Place, Wave

PROGRAMME = load()
KEPT_HERE = kept_in_ledger(PROGRAMME)


def line(number: int, **said: Any) -> Line:
    """A training; what is not said is plain."""
    cells = {
        "provider": "lpk1", "provider_name": "LPK Kopi", "platform": "pijar", "platform_name": "Pijar",
        "code": f"T{number}", "title": f"Pelatihan nomor {number}", "description": "Belajar bersama dari awal.",
        "category": "food", "price": "400000", "mode": "online", "hours": "12", "certificate": "ya",
    }  # fmt: skip
    return read_line({**cells, **{name: str(value) for name, value in said.items()}})


COFFEE = [
    line(1, title="Barista Dasar", price=450_000, mode="offline", region_code="31.73", skills="kopi, espresso"),
    line(2, title="Barista Lanjutan", price=900_000, mode="offline", region_code="32.73", seats=1),
    line(3, title="Microsoft Excel", category="computer", price=250_000, skills="excel, rumus"),
    line(4, title="Bahasa Inggris untuk Kerja", category="language", price=400_000, language="en"),
    line(5, title="Menjahit Busana", category="beauty_fashion", price=1_200_000, platform="kelas"),
    line(6, title="Hidroponik", category="farming", price=300_000),
    line(7, title="Servis Sepeda Motor", category="technical", price=500_000, mode="hybrid", region_code="31.73"),
]  # fmt: skip


async def store(lines: Sequence[Line], now: datetime, reviews: dict[int, tuple[int, int]] | None = None) -> None:
    """Put trainings into the tables; ``reviews`` are numbers of them and sums of stars, by the training's number."""
    async with in_transaction():
        await listings.store(lines, "test", now)
    for number, (count, stars) in (reviews or {}).items():
        await Training.filter(code=f"T{number}").update(reviews=count, stars=stars)


async def catalogue(now: datetime) -> Catalogue:
    """The catalogue as the tables have it."""
    today = now.astimezone(WIB).date()
    found = [listings.listing_of(row, today) for row in await listings.changed(None)]
    return Catalogue([each for each in found if each], PROGRAMME.trainings.rating_weight)


async def first_incentive_paid(person_id: int, now: datetime) -> None:
    """What opens the surveys, without the payment behind it."""
    paid = {"status": DueStatus.PAID, "paid_at": now}
    about = {"kind": DueKind.INCENTIVE, "payee": Payee.PERSON, "payee_id": person_id, "amount": 600_000}
    await Due.update_or_create(
        defaults={**about, **paid, "due_at": now, "made_at": now}, key=f"incentive:1:{person_id}"
    )


async def place_for(person_id: int, now: datetime, number: int = 99, programme: Programme = KEPT_HERE) -> Place:
    """Let somebody be selected in a wave of their own, told and with their balance, which is kept in the ledger."""
    wave = await Wave.create(
        number=number,
        status="announced",
        quota=1,
        opens_at=now - timedelta(days=9),
        closes_at=now - timedelta(days=2),
        announced_at=now,
    )
    place = await Place.create(
        wave_id=wave.id, person_id=person_id, ticket=f"G{number}-{person_id:04}-XXXX", rank=1, seat="general",
        reserve=False, status="notified", selected_at=now, due_at=deadline(now, PROGRAMME.waves.accept_days),
    )  # fmt: skip
    async with in_transaction() as connection:
        await money.allot(connection, wave.id, 1, programme, now)
        await dues.grant(connection, wave.id, [(place.id, person_id)], programme, now)
    return place
