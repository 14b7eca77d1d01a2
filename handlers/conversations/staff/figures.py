"""/angka: the programme in figures, as text and as charts."""

from domain import audit
from domain.clock import day_of
from domain.privacy import actions as data_requests
from domain.staff import figures
from domain.staff.rules import Member, Permission
from handlers.charts import KINDS, NATIONAL, name_of
from handlers.conversation import Act, Choice, Done, File, Go, Outcome, Say, Step, Turn, pressed
from handlers.conversations.staff import door
from handlers.conversations.staff.home import MENU


def come_in(turn: Turn) -> Outcome:
    """The funnel, in lines and as a chart."""
    return Act(lambda: _show(turn, "funnel"))


async def _show(turn: Turn, kind: str) -> Done:
    member = turn.staff
    assert member is not None
    row = await figures.latest()
    if row is None:
        return Go("staff.home", {}, (Say("staff.not_counted"),))
    others = [
        Choice(name, f"staff.chart_{name}")
        for name in KINDS
        if name != kind and not (member.regions and name in NATIONAL)
    ]
    screen = Say(
        "staff.figures",
        {"stage_lines": await _lines(member), "counted_time": row.taken_at.isoformat()},
        (*others, MENU),
        files=(_chart(row.id, kind, turn.language, member),),
    )
    if kind != "funnel":
        params = {"counted_time": row.taken_at.isoformat(), "chart_label": f"staff.chart_{kind}"}
        screen = Say("staff.one_chart", params, screen.choices, files=screen.files)
    return Go("staff.figures", door.as_view(screen))


def _chart(number: int, kind: str, language: str, member: Member) -> File:
    return File("chart", name_of(number, kind, language, member.regions), f"{kind}.png")


async def _lines(member: Member) -> list[object]:
    row = await figures.latest()
    assert row is not None
    counted = figures.opened(row)
    stages, focus = counted.stages(member.regions), counted.stages(member.regions, focus=True)
    yesterday = await figures.before(row.taken_at.replace(hour=0, minute=0))
    new = figures.change(stages, figures.opened(yesterday).stages(member.regions)) if yesterday else {}
    whole = next(iter(stages.values()), 0)
    lines: list[object] = []
    for name, number in stages.items():
        params = {
            "stage_label": f"staff.stage_{name}",
            "count_number": number,
            "share_decimal": 100 * number / whole if whole else 0.0,
            "focus_number": focus.get(name, 0),
            "new_number": new.get(name, 0),
        }
        lines.append([("staff.funnel_line" if name in focus else "staff.funnel_first"), params])
    return lines


def take(turn: Turn) -> Outcome:
    """Another chart."""
    kind = pressed(turn) or ""
    assert turn.staff is not None
    if kind not in KINDS or (turn.staff.regions and kind in NATIONAL):
        return come_in(turn)
    return Act(lambda: _show(turn, kind))


async def summary(member: Member, turn: Turn) -> Say | None:
    """What is told once a day; None before anything was counted. Auditors and admins get the log's head with it, so
    that copies of it are where nobody can change them.
    """
    row = await figures.latest()
    if row is None:
        return None
    lines = await _lines(member)
    if Permission.PEOPLE in member.permissions:
        running, late = await data_requests.counts(turn.now)
        lines.append(["staff.rights_line", {"running_number": running, "late_number": late}])
    if Permission.AUDIT in member.permissions:
        published = await audit.heads()
        lines += [
            ["staff.head_line", {"day_date": day.isoformat(), "number": number, "hash": head}]
            for day, number, head in published[:1]
        ]
    params = {"stage_lines": lines, "day_date": day_of(turn.now).isoformat()}
    files = (_chart(row.id, "funnel", turn.language, member),)
    return Say("staff.daily_summary", params, (Choice("!figures", "staff.figures_button"),), files=files)


STEPS = (Step("staff.figures", door.drawn, take, permission=Permission.FIGURES),)
