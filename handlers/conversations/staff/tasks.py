"""Slow work that staff ask for: asked here, done by bot.staff_tasks, told when it is done."""

from typing import Any

from domain.staff import tasks
from handlers.conversation import Act, Done, Go, Say, Turn


def ask(turn: Turn, work: str, **arguments: Any) -> Act:
    """Have something done; the member reads that it has begun."""

    async def action() -> Done:
        return await begin(turn, work, **arguments)

    return Act(action)


async def begin(turn: Turn, work: str, **arguments: Any) -> Done:
    """The same, from within an action."""
    assert turn.staff is not None
    await tasks.ask(turn.staff, turn.conversation_id, work, arguments, turn.now)
    return Go("staff.home", {}, (Say("staff.task_begun", {"task_label": f"staff.task_{work}"}),))
