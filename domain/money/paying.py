"""Payments: what a gateway's answer makes of one, what stops a batch, how far it is. Pure; times are moments in UTC."""

import hashlib
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from domain.clock import WIB, day_of
from domain.letters import CODE_LETTERS
from domain.programme import PayoutRules
from models.enums import BatchStatus, DifferenceKind, DueKind, PaymentOutcome, PaymentStatus

# What a batch may become; everything else is refused. A stopped one is closed when what was sent is final.
FOLLOWS: Mapping[BatchStatus, frozenset[BatchStatus]] = {
    BatchStatus.PREPARED: frozenset({BatchStatus.CHECKED, BatchStatus.STOPPED}),
    BatchStatus.CHECKED: frozenset({BatchStatus.CHECKED, BatchStatus.APPROVED, BatchStatus.STOPPED}),
    BatchStatus.APPROVED: frozenset({BatchStatus.SUBMITTING, BatchStatus.STOPPED}),
    BatchStatus.SUBMITTING: frozenset({BatchStatus.PAUSED, BatchStatus.STOPPED, BatchStatus.RECONCILED}),
    BatchStatus.PAUSED: frozenset({BatchStatus.SUBMITTING, BatchStatus.STOPPED}),
    BatchStatus.STOPPED: frozenset({BatchStatus.RECONCILED}),
    BatchStatus.RECONCILED: frozenset({BatchStatus.RECONCILED, BatchStatus.CLOSED}),
    BatchStatus.CLOSED: frozenset(),
}
FINAL = frozenset({PaymentStatus.PAID, PaymentStatus.FAILED, PaymentStatus.BOUNCED, PaymentStatus.DROPPED})
WITH_GATEWAY = frozenset({PaymentStatus.SUBMITTING, PaymentStatus.UNKNOWN, PaymentStatus.SUBMITTED})

# Kinds of dues that are paid together, by what staff ask for.
KINDS: Mapping[str, tuple[DueKind, ...]] = {
    "balance": (DueKind.BALANCE,),
    "incentive": (DueKind.INCENTIVE, DueKind.SURVEY),
    "settlement": (DueKind.SETTLEMENT,),
    "collection": (DueKind.COLLECTION,),
}

# Why payments fail. The first lie with the account: another one has to be linked; the others pass, or staff see to it.
ACCOUNT_REASONS = frozenset({"account_closed", "account_absent", "account_refused", "account_unlinked"})
RETURNED = "returned"  # the reason of a payment of which it was only heard that it came back
REFERENCE_LETTERS = 16


def new_reference() -> str:
    """A payment's reference such as "GLB-7KQ4M2XDR9ABCDEF": 16 random letters, made before it is sent."""
    return "GLB-" + "".join(secrets.choice(CODE_LETTERS) for _ in range(REFERENCE_LETTERS))


@dataclass(frozen=True, slots=True)
class Settled:
    """What an answer changes: the payment's new status, a difference to note, or (both None) nothing."""

    status: PaymentStatus | None = None
    difference: DifferenceKind | None = None


NOTHING = Settled()
_CONTRADICTION = Settled(difference=DifferenceKind.CONTRADICTION)
_NOT_SENT = dict.fromkeys((PaymentStatus.PREPARED, PaymentStatus.DROPPED), Settled(difference=DifferenceKind.NOT_SENT))
# What each answer makes of each status; what is not here changes nothing.
_STEPS: Mapping[PaymentOutcome, Mapping[PaymentStatus, Settled]] = {
    PaymentOutcome.PAID: {
        **dict.fromkeys(WITH_GATEWAY, Settled(PaymentStatus.PAID)),
        PaymentStatus.FAILED: _CONTRADICTION,
        **_NOT_SENT,
    },
    PaymentOutcome.BOUNCED: {
        PaymentStatus.PAID: Settled(PaymentStatus.BOUNCED),
        **dict.fromkeys(WITH_GATEWAY, Settled(PaymentStatus.FAILED)),  # that it had arrived was never heard
        **_NOT_SENT,
    },
    PaymentOutcome.FAILED: {
        **dict.fromkeys(WITH_GATEWAY, Settled(PaymentStatus.FAILED)),
        PaymentStatus.PAID: _CONTRADICTION,
    },
    PaymentOutcome.ACCEPTED: dict.fromkeys(
        (PaymentStatus.SUBMITTING, PaymentStatus.UNKNOWN), Settled(PaymentStatus.SUBMITTED)
    ),
    PaymentOutcome.UNKNOWN: {PaymentStatus.SUBMITTING: Settled(PaymentStatus.UNKNOWN)},
    PaymentOutcome.ABSENT: {PaymentStatus.SUBMITTED: _CONTRADICTION},  # it was accepted once
}


def settle(status: PaymentStatus, amount: int, outcome: PaymentOutcome, moved: int, reason: str = "") -> Settled:
    """What an answer makes of a payment of ``amount``; ``moved`` is the amount that the gateway names, ``reason`` why
    the payment failed before.

    Answers come twice, late and in any order: a final status stays, and what contradicts it is a difference.
    """
    if outcome in (PaymentOutcome.PAID, PaymentOutcome.BOUNCED) and moved != amount:
        return Settled(difference=DifferenceKind.AMOUNT)
    if status == PaymentStatus.FAILED and reason == RETURNED and outcome == PaymentOutcome.PAID:
        return NOTHING  # that it had arrived, before it was sent back, is heard late
    return _STEPS[outcome].get(status, NOTHING)


def decided(status: PaymentStatus, *, paid: bool) -> PaymentStatus | None:
    """What a payment becomes where staff found out how it ended; None where it stands so already."""
    if paid:
        return None if status == PaymentStatus.PAID else PaymentStatus.PAID
    if status in WITH_GATEWAY:
        return PaymentStatus.FAILED
    return PaymentStatus.BOUNCED if status == PaymentStatus.PAID else None


# --- batches


def problems(
    kind: str, amounts: Sequence[int], count: int, total: int, wanting: Sequence[tuple[str, int]], rules: PayoutRules
) -> list[str]:
    """Everything that stops a batch from being approved, in words for staff; ``wanting`` are counts by their name."""
    most = rules.most_provider if kind == "settlement" else rules.most_each
    found = []
    if not count:
        found.append("there is nothing to pay")
    if count and max(amounts) > most:
        found.append(f"a payment of Rp{max(amounts):,} is above the limit of Rp{most:,}")
    if count and min(amounts) <= 0:
        found.append("a payment of nothing")
    if total > rules.most_batch:
        found.append(f"all together Rp{total:,} are above the limit of Rp{rules.most_batch:,}")
    says = {
        "unlinked": "payments go to an account that was taken out since: prepare the batch anew",
        "amount": "payments differ from what is due",
        "settled": "payments are for what is not due any more",
        "stranger": "payments go to somebody else's account",
        "unfunded": "payments are not covered by what the ledger owes to their payees",
    }
    return found + [f"{number:,} {says[name]}" for name, number in wanting]


def digest_of(rows: Iterable[tuple[str, int, int, bytes]], before: bytes = b"") -> bytes:
    """SHA-256 over (reference, amount, account, blind index of its number), in order, and ``before``, that of earlier
    rows.
    """
    made = hashlib.sha256(before)
    for reference, amount, account, index in rows:
        made.update(f"{reference},{amount},{account},{index.hex()}\n".encode())
    return made.digest()


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a batch is: payments and rupiah. ``done`` are final; ``left``: the time still needed, None if unknown."""

    total: int
    done: int
    paid: int
    failed: int
    unknown: int
    amount: int
    paid_amount: int
    left: timedelta | None

    @property
    def share(self) -> float:
        """From 0 to 1."""
        return self.done / self.total if self.total else 1.0


def progress(
    standing: Mapping[str, tuple[int, int]], started_at: datetime | None, last: datetime | None, now: datetime
) -> Progress:
    """From counts and rupiah by status; the pace is that since the batch was started."""
    counted = {status: count for status, (count, _) in standing.items() if status != PaymentStatus.DROPPED}
    done = sum(counted.get(status, 0) for status in FINAL)
    total = sum(counted.values())
    left = None
    if started_at is not None and done == total:
        left = timedelta(0)
    elif started_at is not None and done and last is not None and now > started_at:
        left = (max(last, now) - started_at) / done * (total - done)
    return Progress(
        total=total,
        done=done,
        paid=counted.get(PaymentStatus.PAID, 0),
        failed=counted.get(PaymentStatus.FAILED, 0) + counted.get(PaymentStatus.BOUNCED, 0),
        unknown=counted.get(PaymentStatus.UNKNOWN, 0),
        amount=sum(amount for status, (_, amount) in standing.items() if status != PaymentStatus.DROPPED),
        paid_amount=standing.get(PaymentStatus.PAID, (0, 0))[1],
        left=left,
    )


def spoken(state: Progress) -> str:
    """Such as "64,251 of 168,111, Rp64.3 bn, about 1 h 50 left"."""
    words = [f"{state.done:,} of {state.total:,}", f"Rp{short(state.paid_amount)}"]
    if state.failed:
        words.append(f"{state.failed:,} failed")
    if state.unknown:
        words.append(f"{state.unknown:,} being asked about")
    if state.left is None:
        return ", ".join(words)
    if not state.left:
        return ", ".join([*words, "all are final"])
    minutes = max(1, round(state.left.total_seconds() / 60))
    hours, minutes = divmod(minutes, 60)
    return ", ".join([*words, f"about {hours} h {minutes:02} left" if hours else f"about {minutes} min left"])


def short(amount: int) -> str:
    """Rupiah for people in a hurry: "64.3 bn", "1.2 m", "950,000"."""
    for size, name in ((10**12, "tn"), (10**9, "bn"), (10**6, "m")):
        if amount >= size:
            return f"{amount / size:.1f} {name}"
    return f"{amount:,}"


# --- dates


def months_after(moment: datetime, months: int) -> datetime:
    """The beginning of the day so many months later by the programme's clock; the last of a month that is shorter."""
    if not months:
        return moment
    day = day_of(moment)
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    last = (date(year + (month == 11), (month + 1) % 12 + 1, 1) - timedelta(days=1)).day
    return datetime.combine(date(year, month + 1, min(day.day, last)), time(0), WIB).astimezone(UTC)


def balance_ends(granted_on: date, days: int, ends: tuple[int, int]) -> date:
    """The last day of a balance: the first ``ends`` (month, day) that leaves the ``days`` for the first training."""
    first = granted_on + timedelta(days=days)
    this_year = _on(first.year, ends)
    return this_year if first <= this_year else _on(first.year + 1, ends)


def expired_before(today: date, days: int, ends: tuple[int, int]) -> date:
    """Balances that were granted on this day or before it have ended by today."""
    last_end = _on(today.year, ends)
    if last_end >= today:
        last_end = _on(today.year - 1, ends)
    return last_end - timedelta(days=days)


def _on(year: int, ends: tuple[int, int]) -> date:
    month, day = ends
    try:
        return date(year, month, day)
    except ValueError:  # 29 February
        return date(year, month, day - 1)


# --- accounts


def masked(number: str) -> str:
    """An account's number as anybody may see it: its last four digits."""
    return f"••••{number[-4:]}"
