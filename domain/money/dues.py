"""What people are to be paid: made once for each business event. Verbs post and save in the caller's transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from tortoise.backends.base.client import BaseDBAsyncClient

from domain.clock import day_of
from domain.money import rules
from domain.money.actions import hold, hold_credits, post
from domain.money.paying import balance_ends, months_after
from domain.programme import MoneyRules, Programme
from models.enums import DueKind, DueStatus, Payee
from models.money import Posting
from models.payout import Due, PayeeAccount, Payment
from models.payouts import DueRow, PayoutTables

CREDIT_GRACE = timedelta(days=7)  # to buy something in, after a balance has come to the account


async def terms_of(wave_id: int, programme: Programme) -> MoneyRules:
    """The amounts that a wave was funded for: those in force when it was."""
    funded = await Posting.get(key=rules.allotted(wave_id, 1).key)
    return programme.money_on(day_of(funded.at))


async def grant(
    db: BaseDBAsyncClient, wave_id: int, places: Sequence[tuple[int, int]], programme: Programme, now: datetime
) -> None:
    """Give people of a wave, as (place, person), their training balance: here, or as something to be credited."""
    terms = await terms_of(wave_id, programme)
    amount = terms.training_balance
    await post(
        db, [rules.granted(wave_id, place, person, amount, held_by=terms.held_by) for place, person in places], now
    )
    if terms.held_by == "account" and places:
        dues = [
            DueRow(f"balance:{place}", DueKind.BALANCE, Payee.PERSON, person, wave_id, amount, now)
            for place, person in places
        ]
        await PayoutTables(db).add_dues(db, dues, now)


FIRST_INCENTIVE = "incentive:1:"  # how the keys of everybody's first one begin


async def balance_until(place_id: int, programme: Programme) -> date | None:
    """The last day on which the training balance of a place can be spent; None where none was granted."""
    granted = await Posting.get_or_none(key=f"grant:{place_id}")
    if granted is None:
        return None
    day = day_of(granted.at)
    return balance_ends(day, programme.waves.accept_days, programme.money_on(day).balance_ends)


def first_incentive(person_id: int) -> str:
    """The key of somebody's first incentive."""
    return f"{FIRST_INCENTIVE}{person_id}"


async def earn_incentive(
    db: BaseDBAsyncClient, wave_id: int, person_id: int, programme: Programme, now: datetime
) -> int:
    """Let somebody have the monthly incentive, the first at once; gives how many payments are new."""
    terms = await terms_of(wave_id, programme)
    new = 0
    for number in range(1, terms.incentive_times + 1):
        due_at = months_after(now, (number - 1) * terms.incentive_months)
        key = f"incentive:{number}:{person_id}"
        due = DueRow(key, DueKind.INCENTIVE, Payee.PERSON, person_id, wave_id, terms.incentive, due_at)
        new += await _earn(db, due, now)
    return new


async def earn_survey(
    db: BaseDBAsyncClient, wave_id: int, survey: str, person_id: int, programme: Programme, now: datetime
) -> int:
    """Let somebody have the incentive of a survey, once; gives its rupiah."""
    amount = (await terms_of(wave_id, programme)).survey_incentive
    row = DueRow(f"survey:{survey}:{person_id}", DueKind.SURVEY, Payee.PERSON, person_id, wave_id, amount, now)
    await _earn(db, row, now)
    return amount


async def _earn(db: BaseDBAsyncClient, due: DueRow, now: datetime) -> int:
    if not await PayoutTables(db).add_dues(db, [due], now):
        return 0
    await post(db, [rules.earned(due.key, due.wave_id, due.payee_id, due.amount)], now)
    return 1


async def return_balance(
    db: BaseDBAsyncClient,
    wave_id: int,
    places: Sequence[tuple[int, int]],
    now: datetime,
    *,
    ended: int | None = None,
) -> int:
    """Take back what is left of the training balances of places, as (place, person): to the wave where they lapsed, to
    the state where they ``ended`` with a year. What was not credited yet is not paid any more; what lies in an account
    is collected from it. Gives how many postings that makes.
    """
    people, day = [person for _, person in places], day_of(now).isoformat()
    uncredited, left = await hold_credits(db, people), await hold(db, people)
    movements, collect = [], []
    for place, person in places:
        if amount := left.get(person):
            gone = (
                rules.lapsed(wave_id, place, person, amount)
                if ended is None
                else rules.expired(place, person, ended, day, amount)
            )
            movements.append(gone)
            collect.append((f"collect:{gone.key}", person, amount))
        if amount := uncredited.get(person):
            movements.append(
                rules.lapsed_uncredited(wave_id, place, person, amount)
                if ended is None
                else rules.expired_uncredited(place, person, ended, day, amount)
            )
    new = await post(db, movements, now)
    dropped = Due.filter(key__in=[f"balance:{place}" for place, _ in places], status=DueStatus.OPEN)
    await dropped.update(status=DueStatus.DROPPED)
    await collect_from(db, wave_id, collect, now)
    return len(new)


async def collect_from(
    db: BaseDBAsyncClient, wave_id: int, takings: Sequence[tuple[str, int, int]], now: datetime
) -> None:
    """What was spent or given back, as (key, person, amount), is to be taken from accounts that it was credited to."""
    people = [person for _, person, _ in takings]
    paid = Due.filter(kind=DueKind.BALANCE, payee=Payee.PERSON, payee_id__in=people, status=DueStatus.PAID)
    credited = {int(person) for (person,) in await paid.values_list("payee_id")}
    dues = [
        DueRow(key, DueKind.COLLECTION, Payee.PERSON, person, wave_id, amount, now)
        for key, person, amount in takings
        if person in credited
    ]
    if dues:
        await PayoutTables(db).add_dues(db, dues, now)


async def crediting(person_ids: Sequence[int], now: datetime) -> dict[int, datetime]:
    """Of these people, those whose training balance is on its way to them or has just come, and until when their place
    must not lapse for it: nobody loses a place because a transfer is late.
    """
    rows = await Due.filter(kind=DueKind.BALANCE, payee=Payee.PERSON, payee_id__in=list(person_ids))
    linked = {
        int(number)
        for (number,) in await PayeeAccount.filter(
            payee=Payee.PERSON, payee_id__in=list(person_ids), live=True
        ).values_list("payee_id")
    }
    under_way = Payment.filter(due_id__in=[row.id for row in rows], sent_at__isnull=False, live=True)
    sent = {int(number) for (number,) in await under_way.values_list("due_id")}
    until = {}
    for row in rows:
        if row.status == DueStatus.OPEN and (row.payee_id in linked or row.id in sent):
            until[row.payee_id] = now + CREDIT_GRACE
        elif row.paid_at is not None and row.paid_at + CREDIT_GRACE > now:
            until[row.payee_id] = row.paid_at + CREDIT_GRACE
    return until


@dataclass(frozen=True)
class Coming:
    """A due of a person as they see it. ``sent``: it is on its way by now."""

    kind: DueKind
    key: str
    amount: int
    status: DueStatus
    due_at: datetime
    paid_at: datetime | None
    sent: bool


async def dues_of(person_id: int) -> list[Coming]:
    """Everything that a person was or is to be paid, in the order it is due."""
    own = Due.filter(payee=Payee.PERSON, payee_id=person_id).exclude(kind=DueKind.COLLECTION)
    rows = await own.order_by("due_at", "id")
    under_way = Payment.filter(due_id__in=[row.id for row in rows], sent_at__isnull=False, live=True)
    sent = {int(number) for (number,) in await under_way.values_list("due_id")}
    return [
        Coming(DueKind(row.kind), row.key, row.amount, DueStatus(row.status), row.due_at, row.paid_at, row.id in sent)
        for row in rows
    ]


async def paid_since(person_id: int, key: str) -> datetime | None:
    """When a due was paid; None where it was not, or never was one."""
    due = await Due.get_or_none(key=key, payee=Payee.PERSON, payee_id=person_id, status=DueStatus.PAID)
    return due.paid_at if due else None
