"""Handing payments over: claimed and posted as in flight before anything is sent, asked about where no answer came.

Verbs load, ask the rules and save.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tortoise.backends.base.client import BaseDBAsyncClient

from domain.money import rules
from domain.money.actions import post
from domain.money.settling import Change, tell
from domain.ports import PaymentAnswer, PaymentOrder
from models.database import writing
from models.enums import (
    BatchStatus,
    DueKind,
    DueStatus,
    PaymentOutcome,
    PaymentStatus,
)
from models.ledger import LedgerTables
from models.movement import Account, Movement
from models.payout import Difference, Due, PayeeAccount, Payment, PayoutBatch
from models.payouts import PaymentRow, PayoutTables

LEASE = timedelta(minutes=2)  # that a payment may take to be answered; then its gateway is asked
GIVEN_UP = timedelta(minutes=10)  # no request is on its way for so long
ASK_AGAIN = timedelta(minutes=1)
COLLECTABLE = frozenset({DueKind.BALANCE, DueKind.COLLECTION})


@dataclass
class Taken:
    """Payments to hand over; none where none of those that came next may be."""

    orders: list[PaymentOrder] = field(default_factory=list)


async def take(batch: PayoutBatch, limit: int, now: datetime) -> Taken | None:
    """The next payments of a batch, posted as in flight and leased to the caller; None where none is left.

    What is not due any more, or goes to an account that was taken out since the check, is not handed over.
    """
    async with writing() as db:
        tables = PayoutTables(db)
        # Paused or stopped meanwhile: nothing more goes out.
        if not await PayoutBatch.filter(id=batch.id, status=BatchStatus.SUBMITTING).update(gateway=batch.gateway):
            return None
        ids = await tables.take(db, batch.id, now + LEASE, limit)
        if not ids:
            return None
        rows = await tables.payments(db, "id", ids, lock=True)
        sources = sorted({each.source for row in rows if (each := _sent(row)) is not None})
        good, bad = await _still_good(rows, await LedgerTables(db).hold(db, sources))
        await post(db, [each for row in good if (each := _sent(row)) is not None], now)
        await tables.change(db, ["sent_at"], [(row.id, now) for row in good])
        for status, reason, some in bad:
            columns = ["status", "reason", "live", "settled_at", "lease_until"]
            await tables.change(db, columns, [(row.id, status, reason, None, now, None) for row in some])
            refused = PaymentAnswer("", PaymentOutcome.FAILED, reason=reason)
            await tell(db, [Change(row).to(PaymentStatus(status), refused, "check", now) for row in some], now)
        return Taken(await _orders(good))


def _sent(row: PaymentRow) -> Movement | None:
    return rules.sent(row.id, DueKind(row.kind), row.payee_id, row.batch_id, row.amount)


async def _still_good(
    rows: Sequence[PaymentRow], held: dict[Account, int]
) -> tuple[list[PaymentRow], list[tuple[str, str, list[PaymentRow]]]]:
    """Payments that may be handed over; the others with their new status and the reason."""
    still_due = {row.id for row in await Due.filter(id__in=[row.due_id for row in rows], status=DueStatus.OPEN)}
    linked = {row.id for row in await PayeeAccount.filter(id__in=[row.account_id for row in rows], live=True)}
    disputed = [row.reference for row in await Difference.filter(explained_at__isnull=True).only("reference")]
    still_due -= (
        {row.due_id for row in await Payment.filter(reference__in=disputed).only("due_id")} if disputed else set()
    )
    good, dropped, unlinked, short = list[PaymentRow](), list[PaymentRow](), list[PaymentRow](), list[PaymentRow]()
    for row in rows:
        movement = _sent(row)
        if row.due_id not in still_due:
            dropped.append(row)
        elif row.account_id not in linked:
            unlinked.append(row)
        elif movement is not None and held[movement.source] < movement.amount:
            short.append(row)  # one whose ledger is short stops nobody else
        else:
            good.append(row)
            if movement is not None:
                held[movement.source] -= movement.amount
    bad = [
        (PaymentStatus.FAILED.value, "not_covered", short),
        (PaymentStatus.DROPPED.value, "not_due", dropped),
        (PaymentStatus.FAILED.value, "account_unlinked", unlinked),
    ]
    return good, bad


async def _orders(rows: Sequence[PaymentRow]) -> list[PaymentOrder]:
    found = {row.id: row for row in await PayeeAccount.filter(id__in=[row.account_id for row in rows])}
    return [
        PaymentOrder(
            reference=row.reference,
            institution=found[row.account_id].institution,
            number=found[row.account_id].number,
            holder=found[row.account_id].holder,
            amount=row.amount,
            restricted=row.kind in COLLECTABLE,
            collect=row.kind == DueKind.COLLECTION,
        )
        for row in rows
    ]


async def to_ask_about(
    db: BaseDBAsyncClient, batch: PayoutBatch, silent: timedelta | None, limit: int, now: datetime
) -> list[str]:
    """References of payments whose gateway has to be asked what became of them, leased to the caller."""
    tables = PayoutTables(db)
    silent_since = now - silent if silent is not None else now - timedelta(days=36_500)
    ids = await tables.due_for_inquiry(db, batch.id, silent_since, now, now + ASK_AGAIN, limit)
    return [row.reference for row in await tables.payments(db, "id", ids)]


async def again(references: Sequence[str], now: datetime) -> list[PaymentOrder]:
    """Payments that their gateway has never heard of, to be handed over once more under the same references."""
    async with writing() as db:
        tables = PayoutTables(db)
        rows = [
            row
            for row in await tables.payments(db, "reference", references, lock=True)
            if row.status == PaymentStatus.UNKNOWN
        ]
        changed = [(row.id, PaymentStatus.SUBMITTING.value, now + LEASE, now) for row in rows]
        await tables.change(db, ["status", "lease_until", "sent_at"], changed)
    return await _orders(rows)


async def given_up(references: Sequence[str], now: datetime) -> list[PaymentAnswer]:
    """Of payments of a stopped batch that their gateway has never heard of, those that can't be on their way to it any
    more: they have failed.
    """
    unknown = Payment.filter(reference__in=list(references), status=PaymentStatus.UNKNOWN)
    long_ago = unknown.filter(sent_at__lte=now - GIVEN_UP)
    return [PaymentAnswer(row.reference, PaymentOutcome.FAILED, reason="stopped") for row in await long_ago]
