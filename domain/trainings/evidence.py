"""Gathering what providers' participants did and said, and what staff decide about it."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from domain.audit import record
from domain.errors import DomainError
from domain.programme import EvaluationRules
from domain.trainings.evaluation import Evidence, Judged, ReviewFact
from domain.trainings.listings import suspend_provider, suspend_training
from models.enums import PurchaseStatus
from models.survey import SurveyResponse
from models.training import EvaluationStep, Provider, Purchase, Review, Training

PORTION = 5_000
DAY = 86_400


class _Found:
    """Evidence of providers and of their trainings, by id."""

    def __init__(self, providers: Sequence[Provider], trainings: Sequence[Training]) -> None:
        self.providers = {row.id: Evidence(row.id, row.name) for row in providers}
        self.trainings = {row.id: Evidence(row.provider_id, row.title, row.id) for row in trainings}

    def of(self, provider: int, training: int) -> tuple[Evidence, Evidence]:
        return self.providers[provider], self.trainings[training]


async def gather(since: datetime, until: datetime, rules: EvaluationRules) -> tuple[list[Evidence], list[Evidence]]:
    """Evidence of each provider, and of each training: bought, reviewed and asked about from a moment to another."""
    found = _Found(await Provider.all(), await Training.all().only("id", "provider_id", "title"))
    await _purchases(found, since, until, until - timedelta(days=rules.completion_days))
    await _reviews(found, since, until)
    await _surveys(found, since, until, rules)

    def some(every: dict[int, Evidence]) -> list[Evidence]:
        return [each for each in every.values() if each.participants or each.reviews]

    return some(found.providers), some(found.trainings)


async def _purchases(found: _Found, since: datetime, until: datetime, expected: datetime) -> None:
    """``expected``: who began by then has had time to finish."""
    after = 0
    while True:
        bought = Purchase.filter(id__gt=after, bought_at__gte=since, bought_at__lt=until)
        kept = bought.exclude(status=PurchaseStatus.CANCELLED).order_by("id").limit(PORTION)
        rows = await kept.values_list("id", "provider_id", "training_id", "redeemed_at", "finished_at")
        for _, provider, training, redeemed, finished in rows:
            for each in found.of(provider, training):
                each.participants += 1
                each.redeemed += finished is not None or (redeemed is not None and redeemed <= expected)
                if finished is not None:
                    each.finished += 1
                    each.days.append((finished - (redeemed or finished)).total_seconds() / DAY)
        if len(rows) < PORTION:
            return
        after = rows[-1][0]


async def _reviews(found: _Found, since: datetime, until: datetime) -> None:
    after = 0
    while True:
        written = Review.filter(id__gt=after, written_at__gte=since, written_at__lt=until)
        rows = await written.order_by("id").limit(PORTION)
        for row in rows:
            for each in found.of(row.provider_id, row.training_id):
                each.reviews.append(ReviewFact(row.training_id, row.stars, row.words, row.written_at))
        if len(rows) < PORTION:
            return
        after = rows[-1].id


async def _surveys(found: _Found, since: datetime, until: datetime, rules: EvaluationRules) -> None:
    """Answers count for the training that a person reviewed first: that one the survey asks about."""
    after = 0
    while True:
        answered = SurveyResponse.filter(
            id__gt=after, survey=rules.survey, finished_at__gte=since, finished_at__lt=until
        )
        rows = await answered.order_by("id").limit(PORTION)
        people = [row.person_id for row in rows]
        reviews = Review.filter(purchase__person_id__in=people).order_by("-id")
        written = await reviews.values_list("purchase__person_id", "provider_id", "training_id")
        # The last in, which was written first, stays.
        first = {int(person): (int(provider), int(training)) for person, provider, training in written}
        for row in rows:
            if row.person_id in first:
                for each in found.of(*first[row.person_id]):
                    _count(each, msgspec.json.decode(row.answers), rules)
        if len(rows) < PORTION:
            return
        after = rows[-1].id


def _count(each: Evidence, answers: dict[str, object], rules: EvaluationRules) -> None:
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
                training_id=each.figures.training_id,
                period=period,
                what=each.proposal,
                defaults={"reasons": "; ".join(each.reasons)[:300], "proposed_at": now},
            )
    return await EvaluationStep.filter(agreed__isnull=True).order_by("id")


async def decide(number: int, *, agree: bool, by: str, now: datetime) -> EvaluationStep:
    """Staff agree to a proposal, which suspends the provider or training where it says so, or dismiss it. Refused with
    staff.no_proposal.
    """
    done = await EvaluationStep.filter(id=number, agreed__isnull=True).update(agreed=agree, by=by, decided_at=now)
    if not done:
        raise DomainError("staff.no_proposal", proposal=number)
    step = await EvaluationStep.get(id=number)
    await record(by, f"evaluation.{'agreed' if agree else 'dismissed'}", f"proposal:{number}", now=now, after=step.what)
    if agree and step.what == "suspension" and step.training_id:
        await suspend_training(step.training_id, now, suspended=True)
    elif agree and step.what == "suspension":
        await suspend_provider(await Provider.get(id=step.provider_id), now, suspended=True)
    return step
