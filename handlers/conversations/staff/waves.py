"""/gelombang: plan, open, close, freeze and draw waves. What changes one asks for a code of the last minutes."""

from datetime import datetime, timedelta
from typing import Any

from domain.clock import WIB
from domain.errors import DomainError
from domain.staff.rules import Permission
from domain.waves import actions
from domain.waves.actions import Plan
from domain.waves.funnel import of_wave
from domain.waves.rules import MOST_THROWS, THROWS
from handlers.conversation import Act, Choice, Done, Go, Outcome, Say, Step, Turn, pressed
from handlers.conversations.staff import door, tasks
from handlers.conversations.staff.home import MENU
from models.enums import Randomness, WaveStatus
from models.wave import Wave

SHOWN = 8
FARTHEST = timedelta(days=3_650)  # ahead that a wave can be planned
MOST_PLACES = 10**9
_BUTTONS = {
    WaveStatus.PLANNED: ("open",),
    WaveStatus.OPEN: ("close",),
    WaveStatus.CLOSED: ("freeze",),
    WaveStatus.FROZEN: ("draw", "dice"),
    WaveStatus.DRAWN: ("draw",),
}


def come_in(turn: Turn) -> Outcome:
    """The last waves."""

    async def action() -> Done:
        rows = await Wave.all().order_by("-number").limit(SHOWN)
        choices = [
            Choice(
                f"show_{row.number}",
                "staff.wave_choice",
                {"wave": row.number, "status_label": f"staff.wave_{row.status}"},
            )
            for row in rows
        ]
        screen = Say("staff.waves", choices=(*choices, Choice("plan", "staff.wave_plan_button"), MENU))
        return Go("staff.waves", door.as_view(screen))

    return Act(action)


def take(turn: Turn) -> Outcome:
    """One to look at, or a new one."""
    if pressed(turn) == "plan":
        return door.proven(turn) or Go("staff.wave_plan_write", {})
    number = (pressed(turn) or "").removeprefix("show_")
    if not number.isdecimal() or len(number) > 6:
        raise DomainError("staff.choose")
    return Act(lambda: _show(turn, int(number)))


async def _show(turn: Turn, number: int, *replies: Say) -> Done:
    wave = await actions.wave_numbered(number)
    status = WaveStatus(wave.status)
    lines: list[list[Any]] = [
        ["staff.wave_stage", {"name_label": _stage(name), "count_number": count, "indent": "  " * depth}]
        for depth, name, count in await _stages(wave)
    ]
    params = {
        "wave": number, "status_label": f"staff.wave_{status.value}", "opens_time": wave.opens_at.isoformat(),
        "closes_time": wave.closes_at.isoformat(), "quota_number": wave.quota, "stage_lines": lines,
        "draws": "-" if wave.draws_at is None else f"{wave.draws_at.astimezone(WIB):%d-%m-%Y %H.%M} WIB",
    }  # fmt: skip
    names = [name for name in _BUTTONS.get(status, ()) if name != "dice" or wave.randomness == Randomness.DICE]
    buttons = [Choice(name, f"staff.wave_{name}_button") for name in names]
    screen = Say("staff.wave", params, (*buttons, Choice("again", "staff.refresh_button"), MENU))
    return Go("staff.wave", {"wave": number, **door.as_view(screen)}, replies)


async def _stages(wave: Wave) -> list[tuple[int, str, int]]:
    """What concerns this wave; how everybody stands is among the figures, counted in the background."""
    if wave.drawn_at is None:
        return []
    return [stage for stage in await of_wave(wave) if stage[1] in _STAGES]


_STAGES = ("joined", "in the draw", "selected", "notified", "accepted", "lapsed", "places held")


def _stage(name: str) -> str:
    return f"staff.wave_stage_{name.replace(' ', '_')}"


def take_one(turn: Turn) -> Outcome:
    """What to do about it."""
    choice, number, member = pressed(turn) or "", turn.draft["wave"], turn.staff
    assert member is not None
    if choice == "again":
        return Act(lambda: _show(turn, number))
    if (first := door.proven(turn)) is not None:
        return first
    match choice:
        case "open" | "close":

            async def action() -> Done:
                change = actions.open_now if choice == "open" else actions.close_now
                await change(number, member.name, turn.now)
                return await _show(turn, number)

            return Act(action)
        case "freeze" | "draw":
            return tasks.ask(turn, f"wave_{choice}", number=number)
        case "dice":
            return Go("staff.dice_write", {"wave": number})
    raise DomainError("staff.choose")


def ask_plan(turn: Turn) -> Say:
    """When it opens, and how many places."""
    rules = turn.programme.waves
    return Say("staff.ask_plan", {"days": rules.open_days, "quota_number": rules.quota}, (MENU,))


def take_plan(turn: Turn) -> Outcome:
    """A date and time, and perhaps a quota; everything else is as the programme says."""
    if (first := door.proven(turn)) is not None:
        return first
    words, member = (turn.inbound.text or "").split(), turn.staff
    assert member is not None
    try:
        opens = datetime.strptime(" ".join(words[:2]).replace(".", ":"), "%d-%m-%Y %H:%M").replace(tzinfo=WIB)
        quota = int(words[2]) if len(words) > 2 else None
        if quota is not None and quota > MOST_PLACES:
            raise ValueError
    except ValueError:
        raise DomainError("staff.plan_unreadable") from None
    if not turn.now <= opens < turn.now + FARTHEST:
        raise DomainError("staff.wave_dates")

    async def action() -> Done:
        plan = Plan(opens_at=opens.astimezone(turn.now.tzinfo), quota=quota)
        wave = await actions.plan_wave(plan, turn.programme, member.name, turn.now)
        return await _show(turn, wave.number)

    return Act(action)


def ask_dice(turn: Turn) -> Say:
    """Dice that were thrown in public."""
    return Say("staff.ask_dice", {"least": THROWS}, (MENU,))


def take_dice(turn: Turn) -> Outcome:
    """The throws, as this member saw them."""
    if (first := door.proven(turn)) is not None:
        return first
    throws = "".join((turn.inbound.text or "").split())
    if not THROWS <= len(throws) <= MOST_THROWS or set(throws) - set("123456"):
        raise DomainError("staff.dice_throws", least=THROWS)
    return tasks.ask(turn, "wave_dice", number=turn.draft["wave"], throws=throws)


_PERMISSION = Permission.WAVES
STEPS = (
    Step("staff.waves", door.drawn, take, accepts=frozenset({"choice"}), needs="staff.choose", permission=_PERMISSION),
    Step(
        "staff.wave", door.drawn, take_one, accepts=frozenset({"choice"}), needs="staff.choose", permission=_PERMISSION
    ),
    Step("staff.wave_plan_write", ask_plan, take_plan, accepts=frozenset({"text"}), permission=_PERMISSION),
    Step("staff.dice_write", ask_dice, take_dice, accepts=frozenset({"text"}), permission=_PERMISSION),
)
