"""/hak: what people asked about their data and the system could not do by itself, each with the hours that are left."""

from typing import Any

from domain.audit import record
from domain.errors import DomainError
from domain.privacy import actions
from domain.privacy.rules import hours_left
from domain.staff.people import masked_name
from domain.staff.rules import Permission
from handlers.conversation import Act, Choice, Done, Go, Outcome, Say, Step, Turn, pressed
from handlers.conversations.staff import door
from handlers.conversations.staff.home import MENU
from models.enums import RequestKind, RequestStatus
from models.person import Person
from models.privacy import DataRequest

SHORTEST = 5
MOST = 500


def come_in(turn: Turn) -> Outcome:
    """Those that are due first."""
    return Act(lambda: _list(turn))


async def _list(turn: Turn, *replies: Say) -> Done:
    assert turn.staff is not None
    rows = await actions.waiting_for(turn.staff.regions)
    running, late = await actions.counts(turn.now)
    choices = [
        Choice(
            f"show_{row.id}",
            "staff.right_choice",
            {"number": row.id, "kind_label": f"privacy.kind_{row.kind}", "hours": hours_left(row.due_at, turn.now)},
        )
        for row in rows
    ]
    screen = Say("staff.rights", {"running_number": running, "late_number": late}, (*choices, MENU))
    return Go("staff.rights", door.as_view(screen), replies)


def take(turn: Turn) -> Outcome:
    """One to see to."""
    number = (pressed(turn) or "").removeprefix("show_")
    if not number.isdecimal() or len(number) > 18:
        raise DomainError("staff.choose")
    return Act(lambda: _show(turn, int(number)))


async def _request(turn: Turn, number: int) -> tuple[DataRequest, Person]:
    """A request that is open, of somebody in the member's provinces; refused with staff.no_such_request."""
    assert turn.staff is not None
    row = await DataRequest.get_or_none(id=number, status=RequestStatus.CASE)
    person = await Person.get_or_none(id=row.person_id) if row is not None else None
    if row is None or person is None or not turn.staff.covers(person.region_code):
        raise DomainError("staff.no_such_request")
    return row, person


async def _show(turn: Turn, number: int) -> Done:
    row, person = await _request(turn, number)
    assert turn.staff is not None
    await record(turn.staff.name, "request.opened", f"person:{person.id}", now=turn.now, words=f"request {number}")
    holds = [name for name in row.holds.split(",") if name]
    lines: list[list[Any]] = [[f"privacy.hold_{name}", {}] for name in holds]
    if row.words:
        lines.append(["staff.right_words", {"words": row.words}])
    params = {
        "number": number,
        "kind_label": f"privacy.kind_{row.kind}",
        "person": person.id,
        "name": masked_name(person.name),
        "due_time": row.due_at.isoformat(),
        "hours": hours_left(row.due_at, turn.now),
        "right_lines": lines or [["staff.nothing", {}]],
    }
    names = ["person"]
    if row.kind == RequestKind.DELETE:
        names += ["carry_out"] if holds == ["review"] else []
    else:
        names.append("done")
    buttons = [Choice(name, f"staff.right_{name}_button") for name in (*names, "refuse")]
    return Go("staff.right", {"request": number, **door.as_view(Say("staff.right", params, (*buttons, MENU)))})


def take_one(turn: Turn) -> Outcome:
    """Look at the person, answer, or let a deletion go on."""
    choice, number, member = pressed(turn) or "", turn.draft["request"], turn.staff
    assert member is not None
    if choice in {"done", "refuse"}:
        return Go("staff.right_write", {"request": number, "answer": choice})

    async def action() -> Done:
        row, person = await _request(turn, number)
        if choice == "person":
            from handlers.conversations.staff import people  # noqa: PLC0415 - which leads here, too

            return await people.show_for(turn, person, f"permintaan data {number}")
        await actions.let_delete(row, member.name, turn.now)
        return await _list(turn, Say("staff.right_let"))

    if choice not in {"person", "carry_out"}:
        raise DomainError("staff.choose")
    return Act(action)


def ask_words(turn: Turn) -> Say:
    """The answer, in words for the person."""
    return Say("staff.ask_right_words", choices=(Choice("!back", "staff.back_button"),))


def take_words(turn: Turn) -> Outcome:
    """The person hears of it, wherever they can be reached."""
    words, member = " ".join((turn.inbound.text or "").split())[:MOST], turn.staff
    assert member is not None
    if len(words) < SHORTEST:
        raise DomainError("staff.no_words")
    status = RequestStatus.DONE if turn.draft["answer"] == "done" else RequestStatus.REFUSED

    async def action() -> Done:
        row, _ = await _request(turn, turn.draft["request"])
        await actions.answer(row.id, member.name, status, words, turn.now)
        return await _list(turn, Say("staff.right_answered", {"number": row.id}))

    return Act(action)


_PERMISSION = Permission.PEOPLE
_CHOICE = frozenset({"choice"})
STEPS = (
    Step("staff.rights", door.drawn, take, accepts=_CHOICE, needs="staff.choose", permission=_PERMISSION),
    Step("staff.right", door.drawn, take_one, accepts=_CHOICE, needs="staff.choose", permission=_PERMISSION),
    Step(
        "staff.right_write",
        ask_words,
        take_words,
        accepts=frozenset({"text"}),
        permission=_PERMISSION,
        back=lambda turn: Go("staff.home", {}),
    ),
)
