"""What staff had done in the background: each kind is a function here, run by ``gelombang task`` in its own process."""

import csv
import io
import json
import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

from tortoise.backends.base.client import BaseDBAsyncClient

from bot.gateways.media import MediaFolder
from bot.settings import Settings
from domain import audit
from domain.errors import DomainError
from models.broadcasts import BroadcastTables
from models.staff import StaffTask

Result: TypeAlias = dict[str, Any]
"""``lines`` of message keys with parameters, ``files`` (fields of handlers.conversation.File), ``choices``."""


async def _audit_verify(db: BaseDBAsyncClient, settings: Settings, given: Mapping[str, Any]) -> Result:
    found = await audit.verify()
    if found.problems:
        lines = [["staff.audit_problem", {"problem": problem}] for problem in found.problems[:10]]
        return {"lines": [["staff.audit_bad", {"count_number": len(found.problems)}], *lines]}
    return {"lines": [["staff.audit_good", {"count_number": found.entries, "head": found.head.hex()}]]}


async def _audit_export(db: BaseDBAsyncClient, settings: Settings, given: Mapping[str, Any]) -> Result:
    from bot.members_cli import export  # noqa: PLC0415

    file = io.StringIO()
    count = await export(file)
    kept = await keep(settings, file.getvalue().encode(), "audit.csv")
    return {"lines": [["staff.exported", {"count_number": count}]], "files": [kept]}


async def _broadcast_report(db: BaseDBAsyncClient, settings: Settings, given: Mapping[str, Any]) -> Result:
    file, tables, after, count = io.StringIO(), BroadcastTables(db), 0, 0
    lines = csv.writer(file)
    lines.writerow(["person", "language", "channel", "status", "reason", "told_at"])
    while rows := await tables.lines(db, given["number"], after, 5_000):
        after, count = rows[-1]["id"], count + len(rows)
        lines.writerows(
            [[r["person_id"], r["language"], r["channel"], r["status"], r["reason"], r["told_at"] or ""] for r in rows]
        )
    kept = await keep(settings, file.getvalue().encode(), f"broadcast-{given['number']}.csv")
    return {"lines": [["staff.exported", {"count_number": count}]], "files": [kept]}


async def keep(settings: Settings, content: bytes, name: str) -> dict[str, str]:
    """Keep a file, sealed, for whoever asked for it."""
    number = secrets.token_hex(16)
    await MediaFolder(settings.media_dir).save(number, content)
    return {"kind": "kept", "id": number, "name": name}


Do: TypeAlias = Callable[[BaseDBAsyncClient, Settings, Mapping[str, Any]], Awaitable[Result]]

KINDS: dict[str, Do] = {
    "audit_verify": _audit_verify,
    "audit_export": _audit_export,
    "broadcast_report": _broadcast_report,
}


async def do(db: BaseDBAsyncClient, settings: Settings, number: int) -> Result:
    """Do one task; what it refuses is part of what comes of it."""
    task = await StaffTask.get(id=number)
    try:
        return await KINDS[task.kind](db, settings, json.loads(task.arguments))
    except DomainError as error:
        return {"error": error.code, "params": error.params}
