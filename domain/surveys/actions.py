"""Opening surveys and keeping answers. Verbs load, ask the rules and save in the caller's transaction; none commits."""

from datetime import datetime, timedelta
from typing import Any

import msgspec
from tortoise.expressions import Q, Subquery

from domain.clock import day_of
from domain.errors import DomainError
from domain.money import dues
from domain.notices.actions import announce
from domain.programme import Programme
from domain.questions import INCENTIVE, REVIEWED, Survey
from domain.waves.rules import last_day
from models.enums import DueStatus
from models.payout import Due
from models.survey import SurveyInvitation, SurveyResponse
from models.training import Review
from models.wave import Place

PORTION = 500
GRACE = timedelta(days=7)  # to finish a survey that was begun before it closed


def survey_called(programme: Programme, code: str) -> Survey | None:
    """A survey by its code."""
    return next((survey for survey in programme.surveys if survey.code == code), None)


async def open_due(person_id: int, programme: Programme, now: datetime) -> list[SurveyInvitation]:
    """Open what one person may answer by now; gives what is new."""
    opened = []
    for survey in programme.surveys:
        if await SurveyInvitation.filter(person_id=person_id, survey=survey.code).exists():
            continue
        since = await _begun(person_id, survey)
        if since is not None and now >= since + timedelta(days=survey.wait_days):
            opened.append(await _open(person_id, survey, now))
    return opened


async def _begun(person_id: int, survey: Survey) -> datetime | None:
    """When what opens a survey happened."""
    if survey.after == REVIEWED:
        review = await Review.filter(purchase__person_id=person_id).order_by("id").first()
        return review.written_at if review else None
    if survey.after == INCENTIVE:
        return await dues.paid_since(person_id, dues.first_incentive(person_id))
    before = await SurveyResponse.get_or_none(person_id=person_id, survey=survey.after)
    if before is not None:
        return before.finished_at
    missed = await SurveyInvitation.get_or_none(person_id=person_id, survey=survey.after)
    return missed.closes_at + GRACE if missed else None  # one that was missed does not shut out of the others


async def _open(person_id: int, survey: Survey, now: datetime) -> SurveyInvitation:
    closes = now + timedelta(days=survey.open_days)
    row, _ = await SurveyInvitation.get_or_create(
        person_id=person_id, survey=survey.code, defaults={"opened_at": now, "closes_at": closes}
    )
    return row


async def open_some(programme: Programme, now: datetime) -> int:
    """Open later surveys for those who answered the one before long enough ago, and tell them; gives how many."""
    opened = 0
    for survey in programme.surveys:
        if survey.after == REVIEWED:
            continue
        if survey.after == INCENTIVE:
            people = await _incentive_paid(survey, now)
            opened += await _open_for_all(survey, people, programme, now)
            continue
        opened_before = Subquery(SurveyInvitation.filter(survey=survey.code).values("person_id"))
        since = now - timedelta(days=survey.wait_days)
        answered = SurveyResponse.filter(survey=survey.after, finished_at__lte=since)
        missed = SurveyInvitation.filter(survey=survey.after, closes_at__lte=since - GRACE)
        people = []
        for rows in (answered, missed):
            waiting = rows.exclude(person_id__in=opened_before).order_by("id").limit(PORTION)
            people += [int(person) for (person,) in await waiting.values_list("person_id")]
        opened += await _open_for_all(survey, sorted(set(people)), programme, now)
    return opened


async def _incentive_paid(survey: Survey, now: datetime) -> list[int]:
    """People whose first incentive was paid long enough ago for a survey, and who were not invited yet."""
    opened_before = Subquery(SurveyInvitation.filter(survey=survey.code).values("person_id"))
    since = now - timedelta(days=survey.wait_days)
    paid = Due.filter(key__startswith=dues.FIRST_INCENTIVE, status=DueStatus.PAID, paid_at__lte=since)
    waiting = paid.exclude(payee_id__in=opened_before).order_by("id").limit(PORTION)
    return sorted({int(person) for (person,) in await waiting.values_list("payee_id")})


async def _open_for_all(survey: Survey, people: list[int], programme: Programme, now: datetime) -> int:
    if not people:
        return 0
    closes = now + timedelta(days=survey.open_days)
    await SurveyInvitation.bulk_create(
        [SurveyInvitation(person_id=person, survey=survey.code, opened_at=now, closes_at=closes) for person in people],
        ignore_conflicts=True,
    )
    number = programme.surveys.index(survey) + 1
    amount = programme.money_on(day_of(now)).survey_incentive
    params = {"amount_number": amount, "deadline_date": last_day(closes)}
    return await announce(SurveyInvitation._meta.db, "survey_open", number, people, now, params=params)


def _in_time(started_at: datetime, now: datetime) -> Q:
    """Invitations that can be answered: open still, or begun before they closed, for a week."""
    return Q(closes_at__gt=max(started_at, now - GRACE))


async def open_for(
    person_id: int, programme: Programme, now: datetime, begun: tuple[str, datetime] | None = None
) -> Survey | None:
    """The survey that a person is to answer now; None where there is none. ``begun``: the one in the middle of which
    they are, and since when.
    """
    answered = {code for (code,) in await SurveyResponse.filter(person_id=person_id).values_list("survey")}
    opened = Q(closes_at__gt=now)
    if begun is not None:
        opened |= Q(_in_time(begun[1], now), survey=begun[0])
    for row in await SurveyInvitation.filter(opened, person_id=person_id).order_by("id"):
        if row.survey not in answered and (survey := survey_called(programme, row.survey)):
            return survey
    return None


async def finish(
    person_id: int,
    survey: Survey,
    answers: dict[str, Any],
    language: str,
    started_at: datetime,
    programme: Programme,
    now: datetime,
) -> int:
    """Keep a finished survey, which earns its incentive once; gives the rupiah, 0 where it was answered before.

    Refused with surveys.closed where it is not open for this person.
    """
    opened = SurveyInvitation.filter(_in_time(started_at, now), person_id=person_id, survey=survey.code)
    if not await opened.update(survey=survey.code):  # which is the lock, on SQLite too
        raise DomainError("surveys.closed")
    if await SurveyResponse.filter(person_id=person_id, survey=survey.code).exists():
        return 0
    await SurveyResponse.create(
        person_id=person_id,
        survey=survey.code,
        version=survey.version,
        language=language,
        answers=msgspec.json.encode(survey.counted(answers)).decode(),
        started_at=started_at,
        finished_at=now,
    )
    place = await Place.filter(person_id=person_id).order_by("-id").first()
    assert place is not None  # whoever was invited has bought a training
    db = SurveyResponse._meta.db
    return await dues.earn_survey(db, place.wave_id, survey.code, person_id, programme, now)
