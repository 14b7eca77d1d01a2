"""What gateways, and staff, say of payments: each answer in the ledger at once, each difference kept.

Verbs load, ask the rules and save.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from tortoise.backends.base.client import BaseDBAsyncClient

from domain.audit import record
from domain.errors import DomainError
from domain.money import accounts, batches, rules
from domain.money.actions import post
from domain.money.paying import ACCOUNT_REASONS, FINAL, RETURNED, WITH_GATEWAY, Settled, decided, settle
from domain.notices.actions import announce
from domain.ports import PaymentAnswer
from models.database import writing
from models.enums import (
    AccountKind,
    DifferenceKind,
    DueKind,
    DueStatus,
    Payee,
    PaymentOutcome,
    PaymentStatus,
)
from models.ledger import LedgerTables
from models.movement import Account, Movement
from models.payout import Difference, Payment
from models.payouts import PaymentRow, PayoutTables

ASK_FIRST = timedelta(seconds=5)  # after a call without an answer
MOVED = frozenset({PaymentOutcome.PAID, PaymentOutcome.BOUNCED, PaymentOutcome.FAILED})


@dataclass
class Heard:
    """What answers came to: differences that are new, and how many people are told."""

    differences: int = 0
    told: int = 0


async def hear(gateway: str, answers: Sequence[PaymentAnswer], by: str, now: datetime) -> Heard:
    """Take what a gateway says of payments, in a transaction of its own; hearing it again changes nothing.
    Only ``gateway``'s own payments are its to speak of.

    ``by``: callback, inquiry, answer or statement. Whoever is paid, or has to do something, is told.
    """
    heard = Heard()
    async with writing() as db:
        tables = PayoutTables(db)
        rows = {
            row.reference: row
            for row in await tables.payments(db, "reference", sorted({each.reference for each in answers}), lock=True)
        }
        changes: dict[int, Change] = {}
        differences: list[tuple[DifferenceKind, PaymentRow | None, PaymentAnswer]] = []
        shown: list[tuple[int, str]] = []
        for answer in answers:
            row = rows.get(answer.reference)
            if row is None or row.gateway != gateway:
                if answer.outcome in MOVED:
                    differences.append((DifferenceKind.STRANGER, None, answer))
                continue
            made = settle(PaymentStatus(row.status), row.amount, answer.outcome, answer.amount, row.reason)
            if by == "statement" and answer.outcome in (PaymentOutcome.PAID, PaymentOutcome.BOUNCED):
                made = _on_statement(row, answer, made, shown)
            if made.difference is not None:
                differences.append((made.difference, row, answer))
            if made.status is not None:
                changes[row.id] = change = changes.get(row.id) or Change(row)
                change.to(made.status, answer, by, now)
                row.status, row.reason = made.status, change.reason
        made_changes = await _post(db, list(changes.values()), differences, now)
        await _save(db, tables, made_changes, now)
        await tables.change(db, ["statement_line"], shown)
        heard.differences = await _note(differences, now)
        heard.told = await tell(db, made_changes, now)
    return heard


def _on_statement(row: PaymentRow, answer: PaymentAnswer, made: Settled, shown: list[tuple[int, str]]) -> Settled:
    """A line of a statement is noted with its payment; a second line of the same payment is a difference."""
    if made.difference is not None or answer.outcome == PaymentOutcome.BOUNCED:
        return made
    if row.statement_line and row.statement_line != answer.line:
        return Settled(difference=DifferenceKind.TWICE)
    if not row.statement_line:
        row.statement_line = answer.line
        shown.append((row.id, answer.line))
    return made


class Change:
    """What becomes of a payment in one go: its steps, as one update."""

    def __init__(self, row: PaymentRow) -> None:
        self.row, self.before = row, PaymentStatus(row.status)
        self.steps: list[PaymentStatus] = []
        self.gateway_id, self.reason, self.by = row.gateway_id, "", ""
        self.settled_at: datetime | None = None

    @property
    def status(self) -> PaymentStatus:
        return self.steps[-1]

    def to(self, status: PaymentStatus, answer: PaymentAnswer, by: str, now: datetime) -> "Change":
        self.steps.append(status)
        self.gateway_id = answer.gateway_id[:64] or self.gateway_id
        came_back = status == PaymentStatus.FAILED and answer.outcome == PaymentOutcome.BOUNCED
        self.reason = RETURNED if came_back else answer.reason[:48]
        if status in FINAL:
            self.by, self.settled_at = by, now
        return self


async def _post(
    db: BaseDBAsyncClient,
    changes: Sequence[Change],
    differences: list[tuple[DifferenceKind, PaymentRow | None, PaymentAnswer]],
    now: datetime,
) -> list[Change]:
    """Post what changed; gives the changes that could be made."""
    movements = []
    for change in changes:
        row = change.row
        for step in change.steps:
            made = {
                # Only staff find that what had failed, or was never handed over, was paid.
                PaymentStatus.PAID: rules.paid if change.before in WITH_GATEWAY else rules.found,
                PaymentStatus.FAILED: rules.unpaid,
                PaymentStatus.BOUNCED: rules.bounced,
            }.get(step)
            movement = made and made(row.id, DueKind(row.kind), row.payee_id, row.batch_id, row.amount)
            if movement:
                movements.append(movement)
    spent = await _spent(db, movements)
    for change in changes:
        if (
            PaymentStatus.BOUNCED in change.steps
            and change.row.payee_id in spent
            and change.row.kind == DueKind.BALANCE
        ):
            # It came back when some of it was spent: staff have to see to it, nothing is adjusted.
            answer = PaymentAnswer(change.row.reference, PaymentOutcome.BOUNCED, change.row.amount)
            differences.append((DifferenceKind.SPENT, change.row, answer))
            change.steps.remove(PaymentStatus.BOUNCED)
    kept = [
        each
        for each in movements
        if not (each.source.kind == AccountKind.TRAINING_BALANCE and each.source.subject_id in spent)
    ]
    await post(db, kept, now)
    return [change for change in changes if change.steps]


async def _spent(db: BaseDBAsyncClient, movements: Sequence[Movement]) -> set[int]:
    """People who have less of their balance than would have to go back, what arrives with these movements included."""
    back = [each for each in movements if each.source.kind == AccountKind.TRAINING_BALANCE]
    held: dict[Account, int] = await LedgerTables(db).hold(db, [each.source for each in back])
    for each in movements:
        if each.target in held:
            held[each.target] += each.amount
    return {each.source.subject_id for each in back if held[each.source] < each.amount}


async def _save(db: BaseDBAsyncClient, tables: PayoutTables, changes: Sequence[Change], now: datetime) -> None:
    final = [change for change in changes if change.status in FINAL]
    columns = ["status", "gateway_id", "reason", "live", "settled_at", "settled_by", "lease_until"]
    rows: list[Any] = []
    for change in final:
        live = True if change.status == PaymentStatus.PAID else None
        rows.append(
            (
                change.row.id, change.status.value, change.gateway_id, change.reason, live,
                change.settled_at, change.by, None,
            )
        )  # fmt: skip
    await tables.change(db, columns, rows)
    going = [change for change in changes if change.status not in FINAL]
    await tables.change(
        db,
        ["status", "gateway_id", "reason", "lease_until"],
        [
            (
                change.row.id, change.status.value, change.gateway_id, change.reason,
                now + ASK_FIRST if change.status == PaymentStatus.UNKNOWN else None,
            )
            for change in going
        ],
    )  # fmt: skip
    paid = [change.row.due_id for change in final if change.status == PaymentStatus.PAID]
    await tables.settle_dues(db, paid, DueStatus.PAID, now)
    back = [change.row.due_id for change in final if change.status == PaymentStatus.BOUNCED]
    await tables.settle_dues(db, back, DueStatus.OPEN, None)
    for reason in sorted({change.reason for change in final if change.reason in ACCOUNT_REASONS}):
        ids = [c.row.account_id for c in final if c.reason == reason and c.status != PaymentStatus.PAID]
        await accounts.refuse(ids, reason, now)


async def _note(
    differences: Iterable[tuple[DifferenceKind, PaymentRow | None, PaymentAnswer]],
    now: datetime,
) -> int:
    new = 0
    for kind, row, answer in differences:
        said = hashlib.sha256((answer.line or str(answer.amount)).encode()).hexdigest()[:16]
        key = f"{kind.value}:{answer.reference[:60]}:{said}"
        _, made = await Difference.get_or_create(
            key=key,
            defaults={
                "what": kind.value,
                "batch_id": row.batch_id if row else None,
                "reference": answer.reference[:80],
                "ours": row.amount if row else None,
                "theirs": answer.amount or None,
                "found_at": now,
            },
        )
        new += made
    return new


async def tell(db: BaseDBAsyncClient, changes: Sequence[Change], now: datetime) -> int:
    """People, once for each payment, of what arrived and of what needs something from them."""
    told = 0
    groups: dict[tuple[str, int], list[PaymentRow]] = defaultdict(list)
    for change in changes:
        row = change.row
        if row.payee != Payee.PERSON or row.kind == DueKind.COLLECTION:
            continue
        if change.status == PaymentStatus.PAID:
            groups["balance_credited" if row.kind == DueKind.BALANCE else "payment_sent", row.amount].append(row)
        elif change.status == PaymentStatus.BOUNCED or change.reason in ACCOUNT_REASONS:
            groups["payment_failed", row.amount].append(row)
    for (kind, amount), rows in sorted(groups.items()):
        payments, people = [row.id for row in rows], [row.payee_id for row in rows]
        told += await announce(db, kind, payments, people, now, params={"amount_number": amount})
    return told


# --- disputes


async def decide(number: int, paid: bool, words: str, by: str, now: datetime) -> None:  # noqa: FBT001 - the answer
    """Staff found out how a payment of a difference ended, and say so; the ledger follows. It is not done by whoever
    prepared the batch. Refused with staff.no_difference, staff.no_words, staff.batch_same_staff,
    staff.payment_reissued where another attempt to pay it is live by now, or staff.balance_spent where what would be
    taken back was spent.
    """
    if not words.strip():
        raise DomainError("staff.no_words")
    async with writing() as db:
        found = await Difference.filter(id=number, explained_at__isnull=True).select_for_update().first()
        rows = await PayoutTables(db).payments(db, "reference", [found.reference], lock=True) if found else []
        if found is None or not rows:
            raise DomainError("staff.no_difference", difference=number)
        [row] = rows
        await batches.refuse_who_prepared(row.batch_id, by)
        if paid and await Payment.filter(due_id=row.due_id, live=True).exclude(id=row.id).exists():
            raise DomainError("staff.payment_reissued", reference=row.reference)
        ended = decided(PaymentStatus(row.status), paid=paid)
        if ended is not None:
            change = Change(row).to(ended, PaymentAnswer(row.reference, PaymentOutcome.UNKNOWN), "staff", now)
            if not await _post(db, [change], [], now):
                raise DomainError("staff.balance_spent")
            await _save(db, PayoutTables(db), [change], now)
            await tell(db, [change], now)
        explained = {"words": f"{'paid' if paid else 'not paid'}: {words}"[:200], "explained_by": by}
        await Difference.filter(id=number).update(**explained, explained_at=now)
        await record(by, "payouts.decided", f"difference:{number}", now=now, before=row.status, after=paid, words=words)
