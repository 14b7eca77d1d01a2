"""Slow work that staff ask for: asked here, done by bot.staff_tasks, told when it is done."""

import json
from typing import Any

from domain.errors import DomainError
from domain.staff import tasks
from handlers.conversation import Act, Choice, Done, File, Go, Outcome, Say, Stay, StaffOutcome, Turn
from handlers.conversations.staff import figures
from models.staff import StaffTask


def ask(turn: Turn, kind: str, **arguments: Any) -> Act:
    """Have something done; the member reads that it has begun."""

    async def action() -> Done:
        return await begin(turn, kind, **arguments)

    return Act(action)


async def begin(turn: Turn, kind: str, **arguments: Any) -> Done:
    """The same, from within an action."""
    assert turn.staff is not None
    await tasks.ask(turn.staff, turn.conversation_id, kind, arguments, turn.now)
    return Go("staff.home", {}, (Say("staff.task_begun", {"task_label": f"staff.task_{kind}"}),))


def outcome(turn: Turn) -> Outcome:
    """What the work came to, wherever the member is by now."""
    found = turn.inbound.outcome
    member = turn.staff
    if not isinstance(found, StaffOutcome) or member is None:
        return Stay()

    async def tell() -> Done:
        said = await figures.summary(member, turn)
        return Stay((said,) if said else ())

    if found.kind == "daily":
        return Act(tell)

    async def action() -> Done:
        row = await StaffTask.get(id=found.number)
        result = json.loads(row.result or "{}")
        if "error" in result:
            raise DomainError(result["error"], **result.get("params", {}))
        files = tuple(File(**each) for each in result.get("files", ()))
        choices = tuple(Choice(each, key) for each, key in result.get("choices", ()))
        params = {"task_label": f"staff.task_{row.kind}", "result_lines": result.get("lines", [])}
        return Stay((Say("staff.task_done", params, choices, files=files),))

    return Act(action)
