"""Figures of where the money went, for reports: waves, batches and differences. All in rupiah."""

from dataclasses import dataclass

from tortoise.backends.base.client import BaseDBAsyncClient

from models.payout import Difference, PayoutBatch
from models.payout_proofs import PayoutProofs
from models.payouts import PayoutTables


@dataclass(frozen=True)
class WaveFigures:
    """A wave's money: ``allotted`` to it, ``granted`` as balances, ``reallotted`` of it to people of the reserve list.

    ``lapsed`` came back to the fund, ``expired`` went back to the state. ``redeemed`` and ``bought`` were spent on
    trainings whose code was used or not yet, ``unspent`` is still in people's balances (``uncredited`` of it is not
    sent to their accounts yet), ``in_flight`` is with the gateway, ``incentives`` were earned and ``incentives_paid``.
    ``left`` is in nobody's hands.
    """

    wave: int
    places: int
    allotted: int
    granted: int
    reallotted: int
    lapsed: int
    expired: int
    bought: int
    redeemed: int
    unspent: int
    uncredited: int
    in_flight: int
    incentives: int
    incentives_paid: int
    left: int


@dataclass(frozen=True)
class BatchFigures:
    """A batch: payments and rupiah ``asked`` for, ``paid``, not paid (``failed``) and not final yet (``open``)."""

    batch: int
    name: str
    gateway: str
    status: str
    prepared_by: str
    approved_by: str
    payments: int
    asked: int
    paid: int
    failed: int
    open: int


@dataclass(frozen=True)
class DifferenceFigures:
    """A difference between our books and a bank's; ``explained`` is what staff said of it, and who."""

    number: int
    batch: int | None
    what: str
    reference: str
    ours: int | None
    theirs: int | None
    explained: str


async def waves(db: BaseDBAsyncClient) -> list[WaveFigures]:
    """Every wave that was funded, by its number."""
    rows = await PayoutProofs(db).wave_figures(db)
    gone = ("lapsed", "expired", "bought", "redeemed", "unspent")
    return [WaveFigures(**row, in_flight=row["granted"] - sum(row[name] for name in gone)) for row in rows]


async def batches(db: BaseDBAsyncClient) -> list[BatchFigures]:
    """Every batch."""
    found, tables = [], PayoutTables(db)
    for batch in await PayoutBatch.all().order_by("id"):
        standing = await tables.standing(db, batch.id)
        sums = {status: amount for status, (_, amount) in standing.items() if status != "dropped"}
        paid, failed = sums.get("paid", 0), sums.get("failed", 0) + sums.get("bounced", 0)
        found.append(
            BatchFigures(
                batch=batch.id,
                name=batch.name,
                gateway=batch.gateway,
                status=batch.status,
                prepared_by=batch.prepared_by,
                approved_by=batch.approved_by,
                payments=sum(count for status, (count, _) in standing.items() if status != "dropped"),
                asked=sum(sums.values()),
                paid=paid,
                failed=failed,
                open=sum(sums.values()) - paid - failed,
            )
        )
    return found


async def differences() -> list[DifferenceFigures]:
    """Every difference, explained or not."""
    return [
        DifferenceFigures(
            number=row.id,
            batch=row.batch_id,
            what=row.what,
            reference=row.reference,
            ours=row.ours,
            theirs=row.theirs,
            explained=f"{row.explained_by}: {row.words}" if row.explained_at else "",
        )
        for row in await Difference.all().order_by("id")
    ]
