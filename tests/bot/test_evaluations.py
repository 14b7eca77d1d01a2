"""The evaluation of providers from the tables to the page, and what staff decide."""

import csv
import random
from datetime import date, timedelta
from pathlib import Path

import pytest
from tortoise.backends.base.client import BaseDBAsyncClient

from bot.evaluations import report
from domain.errors import DomainError
from domain.trainings.evidence import decide
from domain.waves.actions import Plan, open_now, plan_wave
from models.survey import SurveyResponse
from models.training import EvaluationStep, Provider, Purchase, Review, Training
from tests.handlers.talk import NOON
from tests.trainings import PROGRAMME, line, store
from tests.waves import Applicant, join

FIRST, LAST = date(2026, 11, 1), date(2026, 12, 31)
# Provider -> how many of 30 finish, and the stars they give.
PROVIDERS = {"lpkA": (29, (5, 4, 5)), "lpkB": (18, (4, 3)), "lpkC": (2, (1, 2)), "lpkD": (24, (5,))}
COPIED = "Pelatihan terbaik yang pernah saya ikuti, sangat direkomendasikan"


async def fill(people: int = 30) -> None:
    """Providers of each sort, with their participants, reviews and surveys."""
    await store(
        [line(at, provider=code, provider_name=f"LPK {code[-1]} & Co", title=f"Pelatihan {code}") for at, code in
         enumerate(PROVIDERS, 1)],
        NOON,
    )  # fmt: skip
    wave = await open_now(
        (await plan_wave(Plan(NOON, NOON + timedelta(days=7)), PROGRAMME, "t", NOON)).number, "t", NOON
    )
    await join(wave._meta.db, wave, [Applicant(number) for number in range(1, people + 1)], NOON)
    dice = random.Random(4)
    for code, (finish, stars) in PROVIDERS.items():
        training = await Training.get(provider__code=code)
        for person in range(1, people + 1):
            done = person <= finish
            purchase = await Purchase.create(
                person_id=person, training_id=training.id, training_version=1, provider_id=training.provider_id,
                price=400_000, code="x", code_index=f"{code}{person}".encode(), bought_at=NOON,
                status="finished" if done else "redeemed", redeemed_at=NOON,
                finished_at=NOON + timedelta(days=dice.randrange(2, 6)) if done else None,
            )  # fmt: skip
            if done:
                words = COPIED if code == "lpkD" else f"Ulasan {person} {dice.random()} {code}"
                at = NOON + timedelta(minutes=person if code == "lpkD" else person * 1_000)
                await Review.create(
                    purchase_id=purchase.id, training_id=training.id, provider_id=training.provider_id,
                    stars=stars[person % len(stars)], words=words, written_at=at - timedelta(days=5),
                )  # fmt: skip
    for person in (1, 2):
        await SurveyResponse.create(
            person_id=person, survey="1-after-training", version="1", language="id", started_at=NOON, finished_at=NOON,
            answers='{"useful": 5, "recommend": "yes", "trouble": ["asked_money"]}',
        )  # fmt: skip


async def test_a_period_is_evaluated_told_and_decided(db: BaseDBAsyncClient, tmp_path: Path) -> None:
    await fill()
    judged, trainings = await report(tmp_path, FIRST, LAST, PROGRAMME, NOON)
    assert [each.figures.name for each in trainings][:2] == ["Pelatihan lpkA", "Pelatihan lpkB"]
    assert [(each.figures.name[:5], each.proposal) for each in judged] == [
        ("LPK A", ""), ("LPK B", ""), ("LPK D", "warning"), ("LPK C", "suspension"),
    ]  # fmt: skip
    best = judged[0].figures
    assert (best.useful, best.complaints) == (5.0, 2)  # the survey is about what each reviewed first
    html = (tmp_path / "index.html").read_text()
    assert "<svg" in html
    assert "LPK A &amp; Co" in html
    assert "LPK A & Co" not in html
    assert "24 reviews with the same words" in html
    with (tmp_path / "providers.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["rank"] for row in rows] == ["1", "2", "3", "4"]
    assert rows[3]["finished"] == "2"
    await report(tmp_path, FIRST, LAST, PROGRAMME, NOON)  # again: nothing is proposed twice
    steps = await EvaluationStep.all().order_by("id")
    assert [(step.what, bool(step.training_id)) for step in steps] == [
        ("warning", False), ("suspension", False), ("warning", True), ("suspension", True),
    ]  # fmt: skip
    await decide(steps[0].id, agree=False, by="tester", now=NOON)
    await decide(steps[1].id, agree=True, by="tester", now=NOON)
    await decide(steps[3].id, agree=True, by="tester", now=NOON)
    assert (await Training.get(provider__code="lpkC")).suspended
    with pytest.raises(DomainError, match=r"staff\.no_proposal"):
        await decide(steps[1].id, agree=False, by="another", now=NOON)
    assert (await Provider.get(code="lpkC")).status == "suspended"
    assert (await Provider.get(code="lpkD")).status == "active"


async def test_a_period_without_anything_is_a_page_too(db: BaseDBAsyncClient, tmp_path: Path) -> None:
    assert await report(tmp_path, FIRST, LAST, PROGRAMME, NOON) == ([], [])
    assert "Nothing: no provider" in (tmp_path / "index.html").read_text()
