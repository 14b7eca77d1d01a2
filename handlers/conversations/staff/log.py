"""/audit: the end of the log, and whether the chain holds."""

from typing import Any

from domain import alarms, audit
from domain.clock import in_wib
from domain.staff.rules import Permission
from handlers.conversation import Act, Choice, Done, Go, Outcome, Say, Step, Turn, pressed
from handlers.conversations.staff import door, tasks
from handlers.conversations.staff.home import MENU
from models.privacy import Alarm
from models.staff import AuditEntry

SHOWN = 15


def come_in(turn: Turn) -> Outcome:
    """The last entries and the heads that were published."""

    async def action() -> Done:
        last = await AuditEntry.all().order_by("-number").limit(SHOWN)
        lines = [
            [
                "staff.log_line",
                {
                    "number": row.number,
                    "when": in_wib(row.at),
                    "by": row.by,
                    "what": row.action,
                    "subject": row.subject,
                },
            ]
            for row in reversed(last)
        ]
        published = [
            ["staff.head_line", {"day_date": day.isoformat(), "number": number, "hash": hash_[:16]}]
            for day, number, hash_ in (await audit.heads())[:3]
        ]
        seen = [["staff.alarm_line", alarm_params(row)] for row in await alarms.latest()]
        nothing = [["staff.nothing", {}]]
        screen = Say(
            "staff.log",
            {"entry_lines": lines or nothing, "head_lines": published or nothing, "alarm_lines": seen or nothing},
            (Choice("verify", "staff.verify_button"), Choice("export", "staff.export_button"), MENU),
        )
        return Go("staff.log", door.as_view(screen))

    return Act(action)


def alarm_params(row: Alarm) -> dict[str, Any]:
    """An alarm in words."""
    return {
        "what_label": f"staff.alarm_{row.kind}",
        "count_number": row.count,
        "last_time": row.last_at.isoformat(),
        "subject": row.subject,
    }


def take(turn: Turn) -> Outcome:
    """Verify or export, in the background."""
    if pressed(turn) in {"verify", "export"}:
        return tasks.ask(turn, f"audit_{pressed(turn)}")
    return come_in(turn)


STEPS = (Step("staff.log", door.drawn, take, permission=Permission.AUDIT),)
