"""The programme's money: every movement through one ledger. Verbs post in the caller's transaction; none commits.

Posting is by business key: doing any of it again, after a crash or twice at once, changes nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.expressions import Q
from tortoise.functions import Count, Sum

from domain.clock import day_of
from domain.errors import DomainError
from domain.money import rules
from domain.programme import Programme
from models.enums import AccountKind
from models.ledger import LedgerTables
from models.money import LedgerAccount, Posting
from models.movement import Account, Movement, OverdrawnError
from models.payout_proofs import PayoutProofs


async def post(db: BaseDBAsyncClient, movements: Sequence[Movement], now: datetime) -> set[str]:
    """Post movements; gives the keys that are new. Refused with money.not_enough where an account has too little."""
    try:
        return await LedgerTables(db).record(db, movements, now)
    except OverdrawnError as error:
        raise DomainError("money.not_enough") from error


async def balance(account: Account) -> int:
    """Rupiah on an account; nothing where there is none yet."""
    row = await LedgerAccount.get_or_none(kind=account.kind, subject_id=account.subject_id)
    return row.balance if row else 0


async def training_balance(person_id: int) -> int:
    """Rupiah that a participant may still spend on trainings."""
    return await balance(rules.balance_of(person_id))


async def hold(db: BaseDBAsyncClient, person_ids: Sequence[int]) -> dict[int, int]:
    """Training balances of people, which nobody else changes before the caller's transaction ends.

    Whoever changes places, seats and balances together holds the balances first: locks are taken in one order.
    """
    return await _held(db, [rules.balance_of(person) for person in person_ids])


async def hold_credits(db: BaseDBAsyncClient, person_ids: Sequence[int]) -> dict[int, int]:
    """The same of balances that are still to be credited to people's accounts; held before those that can be spent."""
    return await _held(db, [rules.credit_of(person) for person in person_ids])


async def _held(db: BaseDBAsyncClient, accounts: Sequence[Account]) -> dict[int, int]:
    held = await LedgerTables(db).hold(db, accounts)
    return {account.subject_id: amount for account, amount in held.items()}


async def allot(db: BaseDBAsyncClient, wave_id: int, quota: int, programme: Programme, now: datetime) -> None:
    """Fund a wave: for each place all that a participant may come to get. Refused with staff.budget_short."""
    movements = [rules.authorised(each.since.isoformat(), each.amount) for each in programme.budget_until(day_of(now))]
    await post(db, movements, now)
    each = programme.money_on(day_of(now)).whole(len(programme.surveys))
    try:
        await LedgerTables(db).record(db, [rules.allotted(wave_id, quota * each)], now)
    except OverdrawnError as error:
        raise DomainError("staff.budget_short") from error


# --- proof


@dataclass(frozen=True)
class Line:
    """A line of a statement: when, which business event, what it changed and what was there then, in rupiah."""

    at: datetime
    key: str
    account: str
    amount: int
    balance: int


async def problems(db: BaseDBAsyncClient) -> list[str]:
    """Everything that is wrong with the ledger, in words for an auditor; an empty list proves it right."""
    tables, found = LedgerTables(db), []
    if total := await tables.total(db):
        found.append(f"all balances together are {total:,}, not 0")
    found += [
        f"{kind} {subject}: the balance says {kept:,}, its postings add up to {summed:,}"
        for kind, subject, kept, summed in await tables.differing(db)
    ]
    overdrawn = LedgerAccount.filter(balance__lt=0).exclude(kind=AccountKind.TREASURY)
    found += [f"{row.kind} {row.subject_id} is overdrawn: {row.balance:,}" for row in await overdrawn]
    unbacked, payments = await tables.unbacked(db), PayoutProofs(db)
    found += [f"purchase {number}: its price and status do not fit its postings" for number in unbacked]
    found += [f"payment {number}: it does not stand as its postings say" for number in await payments.unposted(db)]
    found += [f"due {key}: {what}" for key, what in await payments.undue(db)]
    found += [
        f"{kind} {number}: {owed:,} are owed, its open dues add up to {due:,}"
        for kind, number, owed, due in await payments.owed_otherwise(db)
    ]
    return found + [
        f"person {number}: {credited:,} were credited to their account, {accounted:,} are accounted for"
        for number, credited, accounted in await payments.misplaced(db)
    ]


async def totals() -> list[tuple[str, int, int]]:
    """Each kind of account: how many there are, and what they hold together."""
    rows = (
        await LedgerAccount.annotate(count=Count("id"), total=Sum("balance"))
        .group_by("kind")
        .values_list("kind", "count", "total")
    )
    order = [kind.value for kind in AccountKind]
    found = [(str(kind), int(str(count)), int(str(total))) for kind, count, total in rows]
    return sorted(found, key=lambda row: order.index(row[0]))


async def statement(person_id: int) -> list[Line]:
    """Everything that ever moved on a person's accounts, oldest first."""
    own = (AccountKind.BALANCE_PAYABLE, AccountKind.TRAINING_BALANCE, AccountKind.INCENTIVE_PAYABLE)
    accounts = {row.id: row.kind for row in await LedgerAccount.filter(kind__in=list(own), subject_id=person_id)}
    postings = await Posting.filter(Q(source_id__in=list(accounts)) | Q(target_id__in=list(accounts)))
    left, lines = dict.fromkeys(accounts, 0), []
    for posting in sorted(postings, key=lambda each: each.id):
        sides = ((posting.source_id, -posting.amount), (posting.target_id, posting.amount))
        for account, amount in sides:
            if account in accounts:
                left[account] += amount
                lines.append(Line(posting.at, posting.key, accounts[account], amount, left[account]))
    return lines
