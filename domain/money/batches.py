"""Batches of payments: prepared, checked, approved by a second member of staff, sent, reconciled, closed.

Verbs load, ask the rules and save. Those that go through many rows do portions in transactions of their own, so that
doing them again after a crash goes on where they stopped.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.expressions import F, Q
from tortoise.functions import Sum

from domain.audit import record
from domain.clock import day_of
from domain.errors import DomainError
from domain.money import paying, rules
from domain.money.paying import FOLLOWS, KINDS, WITH_GATEWAY, Progress, digest_of, new_reference, problems
from domain.programme import Programme
from models.database import writing
from models.enums import BatchStatus, DifferenceKind, DueKind, PaymentStatus
from models.money import LedgerAccount
from models.payout import BatchEvent, Difference, Due, PayeeAccount, Payment, PayoutBatch
from models.payouts import PayoutTables

PORTION = 2_000
BACK = timedelta(days=14)
UNDECIDED = frozenset({DifferenceKind.CONTRADICTION, DifferenceKind.AMOUNT, DifferenceKind.NOT_SENT})


async def batch_numbered(number: int) -> PayoutBatch:
    """A batch by its number; refused with staff.no_batch."""
    batch = await PayoutBatch.get_or_none(id=number)
    if batch is None:
        raise DomainError("staff.no_batch", batch=number)
    return batch


def _name(staff: str) -> str:
    """Who a member of staff is, however they write it."""
    return staff.strip().casefold()


async def move(batch: PayoutBatch, status: BatchStatus, by: str, now: datetime, words: str = "") -> None:
    """Bring a batch on; refused with staff.batch_order where that does not come next, or somebody was quicker."""
    if status not in FOLLOWS[BatchStatus(batch.status)] or not await PayoutBatch.filter(
        id=batch.id, status=batch.status
    ).update(status=status):
        current = await batch_numbered(batch.id)
        raise DomainError("staff.batch_order", batch=batch.id, status=current.status)
    before, batch.status = str(batch.status), status
    await BatchEvent.create(batch_id=batch.id, status=status, by=by, words=words[:200], at=now)
    await record(by, f"payouts.{status.value}", f"batch:{batch.id}", now=now, before=before, after=status, words=words)


@dataclass(frozen=True)
class Prepared:
    """A batch, how many payments were added just now, and how many dues wait for their payee's account."""

    batch: PayoutBatch
    added: int
    without_account: int


async def prepare(
    db: BaseDBAsyncClient, kind: str, wave_id: int, gateway: str, by: str, now: datetime, wave_number: int = 0
) -> Prepared:
    """Put everything of a kind that is due by now, and can be paid, into a batch of today.

    A due that has a live payment, in whatever batch, is left out: the database takes no second one. Preparing again
    adds to the batch as long as nobody has checked it; after that a new one begins.
    """
    kinds = [str(each) for each in KINDS[kind]]
    about, tables = f"{kind} wave {wave_number}" if wave_id else kind, PayoutTables(db)
    batch = await _open_batch(kind, about, wave_id, gateway, by, now)
    added = after = 0
    while rows := await tables.payable(db, kinds, wave_id, batch.until, after, PORTION):
        async with writing() as connection:
            if not await PayoutBatch.filter(id=batch.id, status=BatchStatus.PREPARED).update(until=batch.until):
                raise DomainError("staff.batch_order", batch=batch.id, status=(await batch_numbered(batch.id)).status)
            payments = [(due, amount, account, new_reference()) for due, amount, account in rows]
            added += await tables.add_payments(connection, batch.id, payments)
        after = rows[-1][0]
    if added and _name(by) != _name(batch.prepared_by):  # who added to it has prepared it, too
        await BatchEvent.create(batch_id=batch.id, status=BatchStatus.PREPARED, by=by, words=f"{added} added", at=now)
    return Prepared(batch, added, await tables.unaccounted(db, kinds, wave_id, batch.until))


async def _open_batch(kind: str, about: str, wave_id: int, gateway: str, by: str, now: datetime) -> PayoutBatch:
    async with writing() as connection:
        await PayoutTables(connection).lock_batches(connection)
        kinds = " ".join(KINDS[kind])
        waiting = PayoutBatch.filter(kinds=kinds, wave_id=wave_id, gateway=gateway, status=BatchStatus.PREPARED)
        if batch := await waiting.order_by("id").first():
            batch.until = now
            return batch
        name = f"{about} {day_of(now).isoformat()}"
        same = await PayoutBatch.filter(name__startswith=name).count()
        batch = await PayoutBatch.create(
            name=f"{name} no. {same + 1}",
            kinds=kinds,
            wave_id=wave_id,
            until=now,
            gateway=gateway,
            prepared_by=by,
            prepared_at=now,
        )
        await BatchEvent.create(batch_id=batch.id, status=BatchStatus.PREPARED, by=by, at=now)
        await record(by, "payouts.prepared", f"batch:{batch.id}", now=now, after=name)
        return batch


# --- checking and approving


@dataclass(frozen=True)
class Checked:
    """What a check came to; ``problems`` in words, an empty list lets the batch be approved."""

    count: int
    amount: int
    digest: bytes
    problems: list[str] = field(default_factory=list)


async def check(db: BaseDBAsyncClient, batch: PayoutBatch, programme: Programme, by: str, now: datetime) -> Checked:
    """Look at every payment of a batch: totals, limits, accounts, owners, and that the ledger covers it."""
    found = await _looked_through(db, batch, programme)
    if not found.problems:
        async with writing():
            await move(batch, BatchStatus.CHECKED, by, now, f"{found.count} payments, Rp{found.amount:,}")
            await PayoutBatch.filter(id=batch.id).update(count=found.count, amount=found.amount, digest=found.digest)
    return found


async def _looked_through(db: BaseDBAsyncClient, batch: PayoutBatch, programme: Programme) -> Checked:
    tables, count, total, after, digest = PayoutTables(db), 0, 0, 0, b""
    least, most = programme.payouts.most_batch, 0
    while rows := await tables.content(db, batch.id, after, PORTION):
        after = rows[-1][0]
        amounts = [row[2] for row in rows]
        count, total = count + len(rows), total + sum(amounts)
        least, most = min(least, *amounts), max(most, *amounts)
        digest = digest_of([row[1:] for row in rows], digest)
    wanting = await tables.wanting(db, batch.id)
    kind = next(name for name, kinds in KINDS.items() if " ".join(kinds) == batch.kinds)
    if await _unfunded(batch):
        wanting.append(("unfunded", count))
    return Checked(count, total, digest, problems(kind, [least, most], count, total, wanting, programme.payouts))


async def _unfunded(batch: PayoutBatch) -> bool:
    """Whether what the ledger owes to everybody of these kinds is less than what would be paid and is on its way."""
    if batch.kinds == DueKind.COLLECTION:
        return False
    account = rules.sent(0, DueKind(batch.kinds.split()[0]), 0, 0, 1)
    assert account is not None
    rows = await LedgerAccount.filter(kind=account.source.kind).annotate(total=Sum("balance")).values_list("total")
    prepared = Payment.filter(batch_id=batch.id, status=PaymentStatus.PREPARED)
    waiting = await prepared.annotate(total=Sum("amount")).values_list("total")
    return sum(int(total or 0) for (total,) in waiting) > sum(int(total or 0) for (total,) in rows)


async def refuse_who_prepared(batch_id: int, by: str) -> None:
    """Four eyes: refused with staff.batch_same_staff for whoever prepared a batch or added to it."""
    prepared = await BatchEvent.filter(batch_id=batch_id, status=BatchStatus.PREPARED)
    if _name(by) in {_name(event.by) for event in prepared}:
        raise DomainError("staff.batch_same_staff", batch=batch_id)


async def approve(db: BaseDBAsyncClient, batch: PayoutBatch, programme: Programme, by: str, now: datetime) -> None:
    """A second member of staff lets a checked batch be sent. Refused with staff.batch_same_staff, staff.batch_changed
    where it is not what was checked any more, or staff.batch_order; of two who approve at once one is refused.
    """
    await refuse_who_prepared(batch.id, by)
    found = await _looked_through(db, batch, programme)
    if found.problems or batch.digest is None or found.digest != bytes(batch.digest):
        raise DomainError("staff.batch_changed", batch=batch.id)
    async with writing():
        await move(batch, BatchStatus.APPROVED, by, now)
        await PayoutBatch.filter(id=batch.id).update(approved_by=by)


# --- sending


async def start(batch: PayoutBatch, by: str, now: datetime) -> None:
    """Let an approved or paused batch be sent by whichever process serves."""
    async with writing():
        await move(batch, BatchStatus.SUBMITTING, by, now)
        await PayoutBatch.filter(id=batch.id, started_at__isnull=True).update(started_at=now)


async def pause(batch: PayoutBatch, by: str, now: datetime) -> None:
    """Send nothing more for now; what was sent is settled all the same."""
    async with writing():
        await move(batch, BatchStatus.PAUSED, by, now)


async def stop(batch: PayoutBatch, by: str, words: str, now: datetime) -> int:
    """Send nothing more of a batch, ever: what was not sent is due as before, for another batch. Gives how many."""
    async with writing():
        await move(batch, BatchStatus.STOPPED, by, now, words)
        waiting = Payment.filter(batch_id=batch.id, status=PaymentStatus.PREPARED)
        return await waiting.update(status=PaymentStatus.DROPPED, live=None, settled_at=now)


async def to_work_on(gateway: str, after: int, owner: str, now: datetime, lease: timedelta) -> PayoutBatch | None:
    """The next batch with payments to send, to ask about or to wait for, leased to the caller.

    A lease that ends later than any given now is one of a clock that was ahead.
    """
    free = Q(lease_until__isnull=True) | Q(lease_until__lte=now) | Q(lease_until__gt=now + 2 * lease)
    working = [BatchStatus.SUBMITTING, BatchStatus.PAUSED, BatchStatus.STOPPED]
    for batch in await PayoutBatch.filter(free, gateway=gateway, status__in=working, id__gt=after).order_by("id"):
        open_payments = Payment.filter(batch_id=batch.id, status__in=[*WITH_GATEWAY, PaymentStatus.PREPARED])
        if not await open_payments.exists():
            continue
        if await PayoutBatch.filter(free, id=batch.id).update(lease_until=now + lease, lease_by=owner):
            return await PayoutBatch.get(id=batch.id)
    return None


async def keep_lease(batch_id: int, owner: str, until: datetime) -> bool:
    """Go on with a batch; whether it is the caller's still."""
    return bool(await PayoutBatch.filter(id=batch_id, lease_by=owner).update(lease_until=until))


async def all_handed_over(batch_id: int) -> bool:
    """Whether every payment of a batch has been handed to the gateway, or never will be."""
    waiting = [PaymentStatus.PREPARED, PaymentStatus.SUBMITTING, PaymentStatus.UNKNOWN]
    return not await Payment.filter(batch_id=batch_id, status__in=waiting).exists()


async def give_back(batch_id: int, owner: str) -> None:
    """Somebody else may work on it."""
    await PayoutBatch.filter(id=batch_id, lease_by=owner).update(lease_until=None, lease_by="")


async def progress(db: BaseDBAsyncClient, batch: PayoutBatch, now: datetime) -> Progress:
    """How far a batch is."""
    tables = PayoutTables(db)
    last = await tables.last_settled(db, batch.id)
    return paying.progress(await tables.standing(db, batch.id), batch.started_at, last, now)


# --- the end


async def open_differences(batch_id: int | None = None) -> list[Difference]:
    """Differences that nobody has explained yet, of a batch or of all."""
    rows = Difference.filter(explained_at__isnull=True).order_by("id")
    return await (rows if batch_id is None else rows.filter(batch_id=batch_id))


async def explain(number: int, words: str, by: str, now: datetime) -> None:
    """Say what a difference was; nothing is adjusted. Refused with staff.no_difference, staff.no_words, or
    staff.needs_outcome where it is open how a payment ended: that is domain.money.settling.decide's.
    """
    if not words.strip():
        raise DomainError("staff.no_words")
    open_one = Difference.filter(id=number, explained_at__isnull=True)
    if await open_one.filter(what__in=[each.value for each in UNDECIDED]).exists():
        raise DomainError("staff.needs_outcome", difference=number)
    if not await open_one.update(words=words[:200], explained_by=by, explained_at=now):
        raise DomainError("staff.no_difference", difference=number)
    await record(by, "payouts.explained", f"difference:{number}", now=now, after=words, words=words)


async def close(batch: PayoutBatch, by: str, now: datetime) -> None:
    """Everything of a batch is final and on the bank's statement. Refused with staff.batch_differs while a difference
    is not explained, or staff.batch_order.
    """
    async with writing():
        await PayoutBatch.filter(id=batch.id).update(count=F("count"))  # the lock
        if found := await open_differences(batch.id):
            raise DomainError("staff.batch_differs", batch=batch.id, count=len(found))
        await move(batch, BatchStatus.CLOSED, by, now)


async def statement_since(gateway: str, now: datetime) -> datetime:
    """From when on a statement is wanted: the start of the first batch that is not closed, and two weeks at least,
    since payments of closed ones may still be sent back.
    """
    lately = now - BACK
    waiting = PayoutBatch.filter(gateway=gateway, started_at__isnull=False).exclude(status=BatchStatus.CLOSED)
    first = await waiting.order_by("started_at").first()
    return min(lately, first.started_at) if first and first.started_at else lately


async def note_statement(gateway: str, name: str, digest: bytes, by: str, now: datetime) -> None:
    """Who imported which statement: kept with every batch of its gateway that is not closed."""
    words = f"statement {name[:80]}, SHA-256 {digest.hex()}"
    for batch in await PayoutBatch.filter(gateway=gateway).exclude(status=BatchStatus.CLOSED):
        await BatchEvent.create(batch_id=batch.id, status=batch.status, by=by, words=words, at=now)


# --- following a payment back


@dataclass(frozen=True)
class Trace:
    """A payment from its end to its cause: every attempt to pay the due, and the batches' events."""

    payment: Payment
    due: Due
    account: PayeeAccount
    attempts: list[Payment]
    batch: PayoutBatch
    events: list[BatchEvent]


async def trace(reference: str) -> Trace:
    """Follow a payment back by its reference; refused with staff.no_payment."""
    payment = await Payment.get_or_none(reference=reference)
    if payment is None:
        raise DomainError("staff.no_payment", reference=reference)
    due = await Due.get(id=payment.due_id)
    return Trace(
        payment=payment,
        due=due,
        account=await PayeeAccount.get(id=payment.account_id),
        attempts=await Payment.filter(due_id=due.id).order_by("id"),
        batch=await PayoutBatch.get(id=payment.batch_id),
        events=await BatchEvent.filter(batch_id=payment.batch_id).order_by("id"),
    )


def causes(due: Due) -> Iterator[str]:
    """Postings of the ledger that made a due, by their keys."""
    kind, _, rest = due.key.partition(":")
    match kind:
        case "balance":
            yield f"grant:{rest}"
        case "collect":
            what, _, number = rest.partition(":")
            yield f"{what}:{number}"
        case "incentive" | "survey":
            yield due.key
