"""What reaches staff without their asking: slow work is done, a broadcast has come further, the day is over."""

import json

from domain.errors import DomainError
from domain.staff import tasks
from domain.staff.rules import Member, Permission
from handlers.conversation import Act, Choice, Done, File, Outcome, Say, StaffOutcome, Stay, Turn
from handlers.conversations.staff import broadcasts, figures, log
from models.privacy import Alarm
from models.staff import StaffTask


def outcome(turn: Turn) -> Outcome:
    """What the work came to, wherever the member is by now."""
    found = turn.inbound.outcome
    member = turn.staff
    if not isinstance(found, StaffOutcome) or member is None:
        return Stay()

    async def tell() -> Done:
        said = await figures.summary(member, turn)
        return Stay((said,) if said else ())

    match found.kind:
        case "daily":
            return Act(tell) if Permission.FIGURES in member.permissions else Stay()
        case "alarm":
            return Act(lambda: _alarm(found.number)) if _hears(member, Permission.AUDIT) else Stay()
        case "broadcast":
            return Act(lambda: broadcasts.tell(turn, found.number)) if _hears(member, Permission.BROADCAST) else Stay()

    async def action() -> Done:
        row = await StaffTask.get(id=found.number)
        if not _hears(member, tasks.NEEDS[row.kind]):  # who signs in and still may finds it where it was asked for
            return Stay((Say("staff.task_over", {"task_label": f"staff.task_{row.kind}"}),))
        result = json.loads(row.result or "{}")
        if "error" in result:
            raise DomainError(result["error"], **result.get("params", {}))
        files = tuple(File(**each) for each in result.get("files", ()))
        choices = tuple(Choice(each, key) for each, key in result.get("choices", ()))
        params = {"task_label": f"staff.task_{row.kind}", "result_lines": result.get("lines", [])}
        return Stay((Say("staff.task_done", params, choices, files=files),))

    return Act(action)


async def _alarm(number: int) -> Done:
    row = await Alarm.get_or_none(id=number)
    return Stay((Say("staff.alarm", log.alarm_params(row)),) if row else ())


def _hears(member: Member, permission: Permission) -> bool:
    """Whether it may be told in a chat that somebody else may be reading by now."""
    return member.signed_in and permission in member.permissions
