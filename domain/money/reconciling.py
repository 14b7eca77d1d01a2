"""Comparing a batch with the bank's statement. Verbs load, ask the rules and save."""

from datetime import datetime

from tortoise.backends.base.client import BaseDBAsyncClient

from domain.errors import DomainError
from domain.money.batches import move
from domain.money.paying import FINAL
from models.database import writing
from models.enums import BatchStatus, DifferenceKind
from models.payout import Difference, Payment, PayoutBatch
from models.payouts import PayoutTables


async def all_final(batch_id: int) -> bool:
    """Whether nothing of a batch is open any more."""
    return not await Payment.filter(batch_id=batch_id).exclude(status__in=list(FINAL)).exists()


async def reconcile(db: BaseDBAsyncClient, batch: PayoutBatch, by: str, now: datetime) -> int:
    """Compare a batch with the bank's statement, which was heard by now; gives how many differences are open.

    A paid payment that no statement line shows is a difference. Refused with staff.batch_open while payments are open.
    """
    if not await all_final(batch.id):
        raise DomainError("staff.batch_open", batch=batch.id)
    async with writing() as connection:
        tables, after = PayoutTables(connection), 0
        while rows := await tables.unshown(connection, batch.id, after, 1_000):
            after = rows[-1][0]
            missing = [
                Difference(
                    key=f"{DifferenceKind.MISSING.value}:{reference}", what=DifferenceKind.MISSING.value,
                    batch_id=batch.id, reference=reference, ours=amount, found_at=now,
                )
                for _, reference, amount in rows
            ]  # fmt: skip
            await Difference.bulk_create(missing, ignore_conflicts=True)
        found = await Difference.filter(batch_id=batch.id, explained_at__isnull=True).count()
        await move(batch, BatchStatus.RECONCILED, by, now, f"{found} differences")
    return found
