"""Buying a training, taking it back, and what somebody has bought. Verbs load, ask the rules and save; none commits."""

from dataclasses import dataclass
from datetime import datetime

from tortoise.expressions import F, Q

from domain.clock import day_of
from domain.errors import DomainError
from domain.money import actions as money
from domain.money import rules as accounts
from domain.money.accounts import account_of
from domain.notices.actions import announce
from domain.trainings.rules import MAX_LIVE, may_cancel, new_code
from domain.waves import places
from models import crypto
from models.enums import Payee, PurchaseStatus, TrainingStatus
from models.training import Purchase, PurchaseEvent, Review, Training
from models.wave import Place

PERSON = "participant"


@dataclass(frozen=True)
class Bought:
    """A purchase with the training it is of; ``new`` where it was made just now."""

    purchase: Purchase
    training: Training
    review: Review | None = None
    new: bool = False


def code_index(provider_id: int, code: str) -> bytes:
    """What a redeem code is found by, by its provider: to another it is no row, as one that never was."""
    return crypto.ring().index("redeem_code", f"{provider_id}:{code}")


async def buy(person_id: int, training_id: int, price: int, now: datetime) -> Bought:
    """Buy a training at the price that was shown, once however often it is asked for. The first keeps the place.

    Refused with waves.no_place, waves.place_lapsed, or a trainings.* reason: gone, full, dearer by now, too dear.
    """
    db = Purchase._meta.db
    await money.hold(db, [person_id])  # one purchase of a person after the other
    await places.accept(person_id, now)
    training = await Training.get_or_none(id=training_id).prefetch_related("provider")
    if training is None:
        raise DomainError("trainings.gone")
    known = await Purchase.filter(person_id=person_id, training_id=training_id, live=True).first()
    if known is not None:
        return Bought(known, training)
    _sellable(training, price, now)
    unfinished = Purchase.filter(person_id=person_id, live=True).exclude(status=PurchaseStatus.FINISHED)
    if await unfinished.count() >= MAX_LIVE:
        raise DomainError("trainings.too_many", most=MAX_LIVE)
    await _take_seat(training, now)
    code = new_code()
    purchase = await Purchase.create(
        person_id=person_id,
        training_id=training_id,
        training_version=training.version,
        provider_id=training.provider_id,
        price=price,
        code=code,
        code_index=code_index(training.provider_id, code),
        bought_at=now,
    )
    try:
        await money.post(db, [accounts.bought(purchase.id, person_id, training.provider_id, price)], now)
    except DomainError as error:
        left = await money.training_balance(person_id)
        if not left and await money.balance(accounts.credit_of(person_id)):
            linked = await account_of(Payee.PERSON, person_id) is not None
            raise DomainError("money.on_its_way" if linked else "money.no_account") from error
        raise DomainError("trainings.too_dear", balance_number=left) from error
    await note(purchase, "bought", PERSON, now)
    return Bought(purchase, training, new=True)


def _sellable(training: Training, price: int, now: datetime) -> None:
    if not _offered(training):
        raise DomainError("trainings.gone")
    if training.starts_on is not None and training.starts_on < day_of(now):
        raise DomainError("trainings.begun")
    if training.price != price:
        raise DomainError("trainings.price_changed", price_number=training.price)


def _offered(training: Training) -> bool:
    active = training.status == TrainingStatus.ACTIVE and training.provider.status == TrainingStatus.ACTIVE
    return active and not training.suspended


async def _take_seat(training: Training, now: datetime) -> None:
    free = Q(seats__isnull=True) | Q(seats__gt=F("seats_taken"))
    if not await Training.filter(free, id=training.id).update(seats_taken=F("seats_taken") + 1):
        raise DomainError("trainings.full")
    # With the row locked: whoever suspends it from now on finds this purchase and tells its buyer.
    _sellable(await Training.get(id=training.id).prefetch_related("provider"), training.price, now)
    if training.seats is not None:  # the menus need to know of the last one only
        await Training.filter(id=training.id, seats_taken__gte=F("seats")).update(changed_at=now)


async def cancel(person_id: int, purchase_id: int, now: datetime) -> Bought:
    """Take a purchase back: the money returns to the balance, the seat is free. Without any other purchase the place's
    clock runs again, so it can't be done once that has run out, unless the training is no longer offered. Refused with
    the reason.
    """
    db = Purchase._meta.db
    await money.hold(db, [person_id])
    purchase = await _own(person_id, purchase_id)
    may_cancel(purchase.status)
    training = await Training.get(id=purchase.training_id).prefetch_related("provider")
    others = Purchase.filter(person_id=person_id, live=True).exclude(id=purchase.id)
    if not await others.exists():
        await places.reopen(person_id, now, forgiving=not _offered(training))
    done = await Purchase.filter(id=purchase.id, status=PurchaseStatus.BOUGHT).update(
        status=PurchaseStatus.CANCELLED, live=None
    )
    if not done:  # its code was used meanwhile
        raise DomainError("trainings.code_used")
    was_full = training.seats is not None and training.seats_taken >= training.seats
    await Training.filter(id=training.id).update(seats_taken=F("seats_taken") - 1)
    if was_full:
        await Training.filter(id=training.id).update(changed_at=now)
    provider, price = purchase.provider_id, purchase.price
    await money.post(db, [accounts.cancelled(purchase.id, person_id, provider, price)], now)
    await note(purchase, "cancelled", PERSON, now)
    purchase.status = PurchaseStatus.CANCELLED
    return Bought(purchase, training)


async def _own(person_id: int, purchase_id: int) -> Purchase:
    purchase = await Purchase.get_or_none(id=purchase_id, person_id=person_id)
    if purchase is None:
        raise DomainError("trainings.no_purchase")
    return purchase


async def note(purchase: Purchase, what: str, by: str, now: datetime, sequence: int = 0) -> None:
    """Something happened to a purchase."""
    await PurchaseEvent.create(purchase_id=purchase.id, what=what, sequence=sequence, by=by, at=now)


async def tell(kind: str, purchase: Purchase, subject_id: int, now: datetime) -> None:
    """Let the person of a purchase be told something about its training, which is loaded."""
    params = {"training": purchase.training.title}
    await announce(Purchase._meta.db, kind, subject_id, [purchase.person_id], now, params=params)


async def bought_by(person_id: int) -> list[Bought]:
    """Everything a person has bought and not taken back, the newest first."""
    rows = await Purchase.filter(person_id=person_id, live=True).order_by("-id").prefetch_related("training")
    reviews = {review.purchase_id: review for review in await Review.filter(purchase_id__in=[row.id for row in rows])}
    return [Bought(row, row.training, reviews.get(row.id)) for row in rows]


@dataclass(frozen=True)
class Wallet:
    """What somebody may spend; ``place`` None where they were not selected. ``uncredited``: a balance that is
    still to come to their account.
    """

    balance: int
    place: Place | None
    purchases: int
    uncredited: int


async def wallet_of(person_id: int) -> Wallet:
    """Balance, place, and how many trainings somebody has bought."""
    place = await Place.filter(person_id=person_id).order_by("-id").first()
    count = await Purchase.filter(person_id=person_id, live=True).count()
    uncredited = await money.balance(accounts.credit_of(person_id))
    return Wallet(await money.training_balance(person_id), place, count, uncredited)
