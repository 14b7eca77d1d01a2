"""Who has earned the incentive: the first training finished, with certificate, rating and review, and an account."""

from datetime import datetime

from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.expressions import Subquery

from domain.money import dues
from domain.money.accounts import account_of
from domain.programme import Programme
from models.enums import DueKind, Payee, PlaceStatus
from models.payout import Due, PayeeAccount
from models.training import Purchase, Review
from models.wave import Place

PORTION = 200


async def missing(person_id: int) -> list[str]:
    """What a person still has to do for the incentive, in order: finish, certificate, review, account."""
    lacking = await _missing_of_trainings(person_id)
    if await account_of(Payee.PERSON, person_id) is None:
        lacking.append("account")
    return lacking


async def _missing_of_trainings(person_id: int) -> list[str]:
    """Of the training that is nearest to it."""
    finished = await Purchase.filter(person_id=person_id, live=True, finished_at__isnull=False)
    if not finished:
        return ["finish", "certificate", "review"]
    reviewed = {row.purchase_id for row in await Review.filter(purchase_id__in=[each.id for each in finished])}
    lacking = []
    for purchase in finished:
        certificate = [] if purchase.certified_at else ["certificate"]
        lacking.append([*certificate, *([] if purchase.id in reviewed else ["review"])])
    return min(lacking, key=len)


async def qualify(db: BaseDBAsyncClient, person_id: int, programme: Programme, now: datetime) -> int:
    """Let somebody have the incentive who has done everything for it, once; gives how many payments that makes."""
    if await Due.filter(key=dues.first_incentive(person_id)).exists() or await missing(person_id):
        return 0
    place = await Place.filter(person_id=person_id, status=PlaceStatus.ACCEPTED).order_by("-id").first()
    if place is None:
        return 0
    return await dues.earn_incentive(db, place.wave_id, person_id, programme, now)


async def who_may_qualify() -> list[int]:
    """People with a finished, certified and reviewed training and an account, who have no incentive yet."""
    served = Subquery(Due.filter(kind=DueKind.INCENTIVE).values("payee_id"))
    linked = Subquery(PayeeAccount.filter(payee=Payee.PERSON, live=True).values("payee_id"))
    reviewed = Subquery(Review.all().values("purchase_id"))
    done = Purchase.filter(
        finished_at__isnull=False, certified_at__isnull=False, id__in=reviewed, person_id__in=linked
    ).exclude(person_id__in=served)
    return sorted({int(person) for (person,) in await done.order_by("id").limit(PORTION).values_list("person_id")})
