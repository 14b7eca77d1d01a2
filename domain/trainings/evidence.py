"""Gathering what providers' participants did and said, and what staff decide about it."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from domain.errors import DomainError
from domain.programme import EvaluationRules
from domain.trainings.evaluation import Evidence, Judged, ReviewFact
from domain.trainings.listings import suspend_provider
from models.enums import PurchaseStatus
from models.survey import SurveyResponse
from models.training import EvaluationStep, Provider, Purchase, Review

PORTION = 5_000
DAY = 86_400


async def gather(since: datetime, until: datetime, rules: EvaluationRules) -> list[Evidence]:
    """Evidence of each provider: trainings bought, reviews written and surveys answered from a moment to another."""
    found = {row.id: Evidence(row.id, row.name) for row in await Provider.all()}
    await _purchases(found, since, until)
    await _reviews(found, since, until)
    await _surveys(found, since, until, rules)
    return [each for each in found.values() if each.participants or each.reviews]


async def _purchases(found: dict[int, Evidence], since: datetime, until: datetime) -> None:
    after = 0
    while True:
        bought = Purchase.filter(id__gt=after, bought_at__gte=since, bought_at__lt=until)
        kept = bought.exclude(status=PurchaseStatus.CANCELLED).order_by("id").limit(PORTION)
        rows = await kept.values_list("id", "provider_id", "redeemed_at", "finished_at")
        for _, provider, redeemed, finished in rows:
            each = found[provider]
            each.participants += 1
            each.redeemed += redeemed is not None
            if finished is not None:
                each.finished += 1
                each.days.append((finished - (redeemed or finished)).total_seconds() / DAY)
        if len(rows) < PORTION:
            return
        after = rows[-1][0]


async def _reviews(found: dict[int, Evidence], since: datetime, until: datetime) -> None:
    after = 0
    while True:
        written = Review.filter(id__gt=after, written_at__gte=since, written_at__lt=until)
        rows = await written.order_by("id").limit(PORTION)
        for row in rows:
            found[row.provider_id].reviews.append(ReviewFact(row.training_id, row.stars, row.words, row.written_at))
        if len(rows) < PORTION:
            return
        after = rows[-1].id


async def _surveys(found: dict[int, Evidence], since: datetime, until: datetime, rules: EvaluationRules) -> None:
    """Answers count for the provider whose training a person reviewed first: that one the survey asks about."""
    after = 0
    while True:
        answered = SurveyResponse.filter(
            id__gt=after, survey=rules.survey, finished_at__gte=since, finished_at__lt=until
        )
        rows = await answered.order_by("id").limit(PORTION)
        people = [row.person_id for row in rows]
        reviews = Review.filter(purchase__person_id__in=people).order_by("-id")
        pairs = await reviews.values_list("purchase__person_id", "provider_id")
        first = {int(person): int(provider) for person, provider in pairs}  # the last in, the first written, stays
        for row in rows:
            if row.person_id in first:
                _count(found[first[row.person_id]], msgspec.json.decode(row.answers), rules)
        if len(rows) < PORTION:
            return
        after = rows[-1].id


def _count(each: Evidence, answers: dict[str, object], rules: EvaluationRules) -> None:
    each.answered += 1
    useful, recommended, trouble = (answers.get(name) for name in (rules.useful, rules.recommend, rules.trouble))
    if isinstance(useful, int):
        each.useful.append(useful)
    if isinstance(recommended, str):
        each.recommended.append(recommended == "yes")
    if isinstance(trouble, list) and rules.asked_money in trouble:
        each.asked_money += 1


# --- decisions


async def propose(judged: Sequence[Judged], period: str, now: datetime) -> list[EvaluationStep]:
    """Keep what the figures propose, once a period; gives what is not decided yet."""
    for each in judged:
        if each.proposal:
            await EvaluationStep.get_or_create(
                provider_id=each.figures.provider_id,
                period=period,
                what=each.proposal,
                defaults={"reasons": "; ".join(each.reasons)[:300], "proposed_at": now},
            )
    return await EvaluationStep.filter(agreed__isnull=True).order_by("id")


async def decide(number: int, *, agree: bool, by: str, now: datetime) -> EvaluationStep:
    """Staff agree to a proposal, which suspends the provider where it says so, or dismiss it. Refused with
    staff.no_proposal.
    """
    done = await EvaluationStep.filter(id=number, agreed__isnull=True).update(agreed=agree, by=by, decided_at=now)
    if not done:
        raise DomainError("staff.no_proposal", proposal=number)
    step = await EvaluationStep.get(id=number)
    if agree and step.what == "suspension":
        await suspend_provider(await Provider.get(id=step.provider_id), now, suspended=True)
    return step
