"""Conversations walked at random: real buttons, altered buttons and odd words at every step, on a real database."""

import logging
import re
from pathlib import Path
from random import Random
from typing import Any

import pytest

from domain import regions
from handlers.conversation import Contact
from handlers.conversations.staff import AREAS
from models.enums import Role
from tests.conftest import empty_database
from tests.fuzz.budget import SECONDS
from tests.fuzz.messages import ODD_TEXTS, WORDS
from tests.handlers.talk import Clock, Person, engine_on
from tests.handlers.test_trainings import selected
from tests.staff.office import Officer, officer

STEPS = 500  # of each walk in the tests
MENUS = ("menu", "pelatihan", "pelatihan saya", "saldo", "rekening", "survei", "kode", "status", "kembali")
STAFF_MENUS = ("/menu", *(f"/{area.words.split()[0]}" for area in AREAS.values()))
NUMBERS = ("9" * 5_000, "9" * 25, "²", "٣", "", "0", "-1", "1e9", "inf", "nan", "\x00")
TYPED = (
    "24-12-2026 09.00",
    "31-12-9999 23.59",
    "01-01-0001 00.00",
    "inf",
    "1e400",
    "-5",
    "24-12-2026 09:00 " + "9" * 30,
)
PLACES = ((-6.2, 106.8), (4.6, -74.1), (90.0, 180.0), (-90.0, -180.0))


def altered(buttons: list[str], random: Random) -> str:
    """A button's id with other numbers in it; the version it carries stays, so that it is not too old."""
    numbered = [each for each in buttons if re.search(r"\d", each.partition("~")[0])]
    name, mark, version = random.choice(numbered or buttons).partition("~")
    if not numbered:
        name += random.choice(["", "_", *NUMBERS])
    return re.sub(r"\d+", lambda _: random.choice(NUMBERS), name) + mark + version


async def walk(person: Person, random: Random, words: tuple[str, ...], steps: int) -> None:
    """Take steps; every answer is an answer."""
    for _ in range(steps):
        if isinstance(person, Officer) and person.step == "staff.code":
            await person.prove()
        buttons = [choice.id for message in person.last for choice in message.render().choices]
        match random.randrange(12):
            case 0 | 1 | 2 if buttons:
                what: dict[str, Any] = {"choice": random.choice(buttons)}
            case 3 | 4 | 5 | 6 if buttons:
                what = {"choice": altered(buttons, random)}
            case 7:
                what = {"location": random.choice(PLACES)}
            case 8:
                what = {"contact": Contact(random.choice(ODD_TEXTS), proven=False)}
            case _:
                what = {"text": random.choice([*words, *words, *TYPED, *random.choice([ODD_TEXTS, WORDS])])}
        await person.send(**what)


def rounds() -> list[int]:
    """Seeds: one in the tests, more where there is time."""
    return list(range(1 + SECONDS // 20))


@pytest.mark.parametrize("seed", rounds())
async def test_applicants_press_and_type_anything(
    seed: int, migrated_file: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    async with empty_database(migrated_file, tmp_path) as db, selected(db) as (person, engine):
        await walk(person, Random(seed), MENUS, STEPS)
        await walk(Person(engine, "2"), Random(seed), MENUS, STEPS)
    assert [record.getMessage() for record in caplog.records] == []


@pytest.mark.parametrize("seed", rounds())
async def test_staff_press_and_type_anything(
    seed: int, migrated_file: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    regions.load()
    clock = Clock()
    async with empty_database(migrated_file, tmp_path) as db, engine_on(db, clock) as engine:
        member = await officer(engine, clock, "sari", list(Role))
        await walk(member, Random(seed), STAFF_MENUS, STEPS)
    assert [record.getMessage() for record in caplog.records] == []
