"""/pembayaran: prepare, check, approve, send and watch batches of payments. Everything asks for a recent code."""

from datetime import datetime
from typing import Any

from tortoise.backends.base.client import BaseDBAsyncClient

from domain.errors import DomainError
from domain.money import batches
from domain.money.paying import KINDS
from domain.programme import Programme
from domain.staff.rules import Permission
from handlers.conversation import Act, Choice, Done, Go, Outcome, Say, Step, Turn, pressed
from handlers.conversations.staff import door, tasks
from handlers.conversations.staff.home import MENU
from models.enums import BatchStatus
from models.payout import PayoutBatch

SHOWN = 8
BAR = 20
_BUTTONS = {
    BatchStatus.PREPARED: ("check",),
    BatchStatus.CHECKED: ("approve", "stop"),
    BatchStatus.APPROVED: ("start", "stop"),
    BatchStatus.SUBMITTING: ("pause", "stop", "reconcile"),
    BatchStatus.PAUSED: ("start", "stop"),
    BatchStatus.STOPPED: ("reconcile",),
    BatchStatus.RECONCILED: ("reconcile", "close"),
}
_TASKS = frozenset({"check", "approve", "reconcile"})  # they go through every payment


def come_in(turn: Turn) -> Outcome:
    """The last batches."""

    async def action() -> Done:
        rows = await PayoutBatch.all().order_by("-id").limit(SHOWN)
        choices = [
            Choice(
                f"show_{row.id}", "staff.batch_choice", {"name": row.name, "status_label": f"staff.batch_{row.status}"}
            )
            for row in rows
        ]
        new = [Choice(f"new_{kind}", f"staff.payouts_new_{kind}") for kind in KINDS]
        return Go("staff.payouts", door.as_view(Say("staff.payouts", choices=(*choices, *new, MENU))))

    return Act(action)


def take(turn: Turn) -> Outcome:
    """One to look at, or a kind to prepare."""
    what, _, name = (pressed(turn) or "").partition("_")
    if what == "new" and name in KINDS:
        if (first := door.proven(turn)) is not None:
            return first
        if name == "balance":
            return Go("staff.payout_wave_write", {"kind": name})
        return tasks.ask(turn, "payouts_prepare", kind=name, wave=0)
    if what != "show" or not name.isdecimal() or len(name) > 18:
        raise DomainError("staff.choose")
    return Act(lambda: _show(turn, int(name)))


def ask_wave(turn: Turn) -> Say:
    """Balances are credited wave by wave."""
    return Say("staff.ask_payout_wave", choices=(MENU,))


def take_wave(turn: Turn) -> Outcome:
    """The wave's number."""
    typed = (turn.inbound.text or "").strip()
    if not typed.isdecimal() or len(typed) > 4:
        raise DomainError("staff.field_unreadable")
    return door.proven(turn) or tasks.ask(turn, "payouts_prepare", kind=turn.draft["kind"], wave=int(typed))


async def _show(turn: Turn, number: int) -> Done:
    screen = await card(PayoutBatch._meta.db, turn.programme, number, turn.now)
    status = BatchStatus((await batches.batch_numbered(number)).status)
    buttons = [Choice(name, f"staff.batch_{name}_button") for name in _BUTTONS.get(status, ())]
    choices = (*buttons, Choice("again", "staff.refresh_button"), MENU)
    screen = Say(screen.key, screen.params, choices, live=screen.live)
    return Go("staff.batch", {"batch": number, **door.as_view(screen)})


async def card(db: BaseDBAsyncClient, programme: Programme, number: int, now: datetime) -> Say:
    """What is known of a batch at this moment."""
    batch = await batches.batch_numbered(number)
    found = await batches.progress(db, batch, now)
    share = found.done / found.total if found.total else 0.0
    lines: list[list[Any]] = [
        [
            "staff.progress_bar",
            {
                "bar": "█" * round(BAR * share) + "░" * (BAR - round(BAR * share)),
                "share_decimal": 100 * share,
                "done_number": found.done,
                "count_number": found.total,
            },
        ],
        [
            "staff.batch_counts",
            {"paid_number": found.paid, "failed_number": found.failed, "amount_number": found.amount},
        ],
    ]
    differing = await batches.open_differences(number)
    if differing:
        lines.append(["staff.batch_differences", {"count_number": len(differing)}])
    params = {
        "name": batch.name,
        "number": number,
        "status_label": f"staff.batch_{batch.status}",
        "by": batch.prepared_by + (f" / {batch.approved_by}" if batch.approved_by else ""),
        "batch_lines": lines,
    }
    moving = batch.status in {BatchStatus.SUBMITTING, BatchStatus.PAUSED}
    return Say("staff.batch", params, live=f"payout:{number}" if moving else "")


def take_one(turn: Turn) -> Outcome:
    """What to do about it."""
    choice, number, member = pressed(turn) or "", turn.draft["batch"], turn.staff
    assert member is not None
    if choice == "again":
        return Act(lambda: _show(turn, number))
    if (first := door.proven(turn)) is not None:
        return first
    if choice in _TASKS:
        return tasks.ask(turn, f"payouts_{choice}", number=number)
    if choice == "stop":
        return Go("staff.payout_stop_write", {"batch": number})
    changes = {"start": batches.start, "pause": batches.pause, "close": batches.close}
    if choice not in changes:
        raise DomainError("staff.choose")

    async def action() -> Done:
        await changes[choice](await batches.batch_numbered(number), member.name, turn.now)
        return await _show(turn, number)

    return Act(action)


def ask_stop(turn: Turn) -> Say:
    """Why."""
    return Say("staff.ask_stop", choices=(MENU,))


def take_stop(turn: Turn) -> Outcome:
    """Words for the log; what was not sent is due as before."""
    if (first := door.proven(turn)) is not None:
        return first
    words, number, member = " ".join((turn.inbound.text or "").split())[:200], turn.draft["batch"], turn.staff
    assert member is not None
    if len(words) < 5:
        raise DomainError("staff.reason_needed")

    async def action() -> Done:
        await batches.stop(await batches.batch_numbered(number), member.name, words, turn.now)
        return await _show(turn, number)

    return Act(action)


_PERMISSION = Permission.PAYOUTS
STEPS = (
    Step(
        "staff.payouts", door.drawn, take, accepts=frozenset({"choice"}), needs="staff.choose", permission=_PERMISSION
    ),
    Step("staff.payout_wave_write", ask_wave, take_wave, accepts=frozenset({"text"}), permission=_PERMISSION),
    Step(
        "staff.batch", door.drawn, take_one, accepts=frozenset({"choice"}), needs="staff.choose", permission=_PERMISSION
    ),
    Step("staff.payout_stop_write", ask_stop, take_stop, accepts=frozenset({"text"}), permission=_PERMISSION),
)
