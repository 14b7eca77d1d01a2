"""The menu of a member of staff."""

from domain.errors import DomainError
from handlers.conversation import Act, Choice, Done, Outcome, Say, Stay, Turn
from models.staff import StaffMember

MENU = Choice("!menu", "staff.menu_button")


def ask(turn: Turn) -> Say:
    """What this member may do."""
    from handlers.conversations.staff import AREAS  # noqa: PLC0415 - the areas lead back here

    member = turn.staff
    assert member is not None
    areas = [
        Choice(f"!{name}", f"staff.{name}_button")
        for name, area in AREAS.items()
        if area.permission in member.permissions
    ]
    roles = [[f"staff.role_{role.value}", {}] for role in member.roles]
    return Say(
        "staff.home", {"name": member.name, "role_labels": roles}, (*areas, Choice("!leave", "staff.leave_button"))
    )


def take(turn: Turn) -> Outcome:
    """Only buttons and keywords mean something here; one that this screen never had is recorded."""
    if turn.inbound.choice is not None and turn.step == "staff.home":
        raise DomainError("staff.choose")
    return Stay(again=True)


def toggle_summary(turn: Turn) -> Outcome:
    """The summary of each day: wanted, or not any more."""

    async def action() -> Done:
        assert turn.staff is not None
        row = await StaffMember.get(id=turn.staff.id)
        await StaffMember.filter(id=row.id).update(daily=not row.daily)
        return Stay((Say("staff.daily_off" if row.daily else "staff.daily_on"),))

    return Act(action)
