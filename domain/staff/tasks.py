"""Slow work that staff ask for, as rows: asked, claimed by a worker, finished. Verbs save; they never commit."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from tortoise.expressions import Q

from domain.audit import record
from domain.staff.rules import Member, Permission
from models.enums import TaskStatus
from models.staff import StaffFile, StaffTask

# What a member needs for each kind of work: when they ask for it, when it is done, and to see what came of it.
NEEDS: Mapping[str, Permission] = {
    "audit_verify": Permission.AUDIT,
    "audit_export": Permission.AUDIT,
    "broadcast_report": Permission.BROADCAST,
    "payouts_prepare": Permission.PAYOUTS,
    "payouts_check": Permission.PAYOUTS,
    "payouts_approve": Permission.PAYOUTS,
    "payouts_reconcile": Permission.PAYOUTS,
    "wave_freeze": Permission.WAVES,
    "wave_draw": Permission.WAVES,
    "wave_dice": Permission.WAVES,
    "import": Permission.IMPORT,
}
LEASE = timedelta(minutes=30)  # an import of ten million lines takes two
MOST_TRIES = 3


async def ask(member: Member, conversation_id: int, kind: str, arguments: Mapping[str, Any], now: datetime) -> int:
    """Note something to be done; gives its number."""
    task = await StaffTask.create(
        member_id=member.id,
        conversation_id=conversation_id,
        kind=kind,
        arguments=json.dumps({**arguments, "by": member.name}),
        asked_at=now,
        lease_until=now,
    )
    await record(member.name, f"task.{kind}", f"task:{task.id}", now=now, after=dict(arguments))
    number: int = task.id
    return number


async def claim(now: datetime) -> StaffTask | None:
    """The task that waits longest; a lease that ran out is one of a process that died."""
    while True:
        waiting = StaffTask.filter(Q(lease_until__lte=now), status=TaskStatus.PENDING)
        task = await waiting.order_by("id").first()
        if task is None:
            return None
        mine = StaffTask.filter(id=task.id, lease_until=task.lease_until, status=TaskStatus.PENDING)
        if await mine.update(lease_until=now + LEASE, attempts=task.attempts + 1):
            return await StaffTask.get(id=task.id)


async def finish(task_id: int, result: Mapping[str, Any], now: datetime) -> None:
    """Note what came of it: ``lines`` of message keys with parameters, or an ``error`` with its ``params``."""
    await StaffTask.filter(id=task_id, result=None).update(result=json.dumps(dict(result)), done_at=now)


async def note_file(number: str, now: datetime) -> None:
    """Keep track of a file that is put into the media folder for staff, so that it goes when its time has come."""
    await StaffFile.create(id=number, stored_at=now)


async def told(task_id: int) -> None:
    """The member has heard of it."""
    await StaffTask.filter(id=task_id).update(status=TaskStatus.DONE)
