"""What providers are owed for redeemed codes: put down in dues, each with its trainings, and told in statements."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from tortoise.functions import Count, Sum

from domain.money import rules
from domain.money.accounts import account_of
from domain.money.actions import balance
from models.database import writing
from models.enums import DueKind, DueStatus, Payee
from models.payout import Due, PayeeAccount, Payment, SettlementLine
from models.payouts import DueRow, PayoutTables
from models.training import Provider, Purchase

PORTION = 2_000  # trainings a due: one transaction each


async def owe(now: datetime) -> int:
    """Put down everything that is redeemed and in no due yet; gives how many dues that makes.

    Doing it again, or twice at once, adds nothing: a training is part of one due.
    """
    made = 0
    for provider in await Provider.all().order_by("id"):
        while await _owe_some(provider.id, now):
            made += 1
    return made


async def _owe_some(provider_id: int, now: datetime) -> int:
    async with writing() as db:
        # The lock: one who puts down what this provider is owed after the other.
        await Provider.filter(id=provider_id).select_for_update().first()
        rows = await PayoutTables(db).unsettled(db, provider_id, PORTION)
        if not rows:
            return 0
        key = f"settlement:{provider_id}:{rows[0][0]}"
        amount = sum(price for _, price in rows)
        due = DueRow(key, DueKind.SETTLEMENT, Payee.PROVIDER, provider_id, 0, amount, now)
        await PayoutTables(db).add_dues(db, [due], now)
        made = await Due.get(key=key)
        await SettlementLine.bulk_create(
            [SettlementLine(purchase_id=number, due_id=made.id) for number, _ in rows], batch_size=500
        )
        return len(rows)


@dataclass(frozen=True)
class Owed:
    """A provider's money, in rupiah: ``open`` is owed and in no batch that was sent. ``account``: where it goes."""

    provider: Provider
    redeemed: int
    open: int
    paid: int
    account: PayeeAccount | None


async def owed() -> list[Owed]:
    """What each provider with a redeemed code is owed and was paid."""
    counts = dict(
        await Purchase.filter(redeemed_at__isnull=False)
        .annotate(count=Count("id"))
        .group_by("provider_id")
        .values_list("provider_id", "count")
    )
    settled = Due.filter(kind=DueKind.SETTLEMENT, status=DueStatus.PAID)
    paid = dict(await settled.annotate(total=Sum("amount")).group_by("payee_id").values_list("payee_id", "total"))
    return [
        Owed(
            provider=each,
            redeemed=int(counts[each.id]),
            open=await balance(rules.owed_to(each.id)),
            paid=int(paid.get(each.id) or 0),
            account=await account_of(Payee.PROVIDER, each.id),
        )
        for each in await Provider.filter(id__in=list(counts)).order_by("code")
    ]


@dataclass(frozen=True)
class Line:
    """A redeemed training on a provider's statement, and the payment that brought its price, if one did."""

    purchase: Purchase
    due: Due | None
    payment: Payment | None


async def statement(provider_id: int, since: datetime, until: datetime) -> AsyncIterator[Line]:
    """Everything a provider redeemed in a period, oldest first. The person is not in it."""
    after = 0
    while True:
        found = Purchase.filter(provider_id=provider_id, redeemed_at__gte=since, redeemed_at__lt=until, id__gt=after)
        rows = await found.order_by("id").limit(PORTION).prefetch_related("training")
        if not rows:
            return
        lines = await SettlementLine.filter(purchase_id__in=[row.id for row in rows])
        part_of = {line.purchase_id: line.due_id for line in lines}
        dues = {due.id: due for due in await Due.filter(id__in=sorted(set(part_of.values())))}
        payments = await Payment.filter(due_id__in=list(dues)).order_by("due_id", "id")
        last = {due: list(some)[-1] for due, some in groupby(payments, lambda each: each.due_id)}
        for row in rows:
            due = dues.get(part_of.get(row.id, 0))
            yield Line(row, due, last.get(due.id) if due else None)
        after = rows[-1].id
