"""/pertanyaan: people who ask for a person; while a member talks with one, the bot passes on what both say."""

from domain.errors import DomainError
from domain.staff import actions
from domain.staff.rules import Permission
from handlers import i18n
from handlers.conversation import Act, Choice, Done, Go, Outcome, Say, Stay, Step, Turn, pressed
from handlers.conversations.staff import door
from handlers.conversations.staff.home import MENU
from handlers.conversations.talk import closed, elsewhere

CANNED = ("hello", "wait", "photo_light", "deadline", "no_fee", "solved")


def come_in(turn: Turn) -> Outcome:
    """Who waits, longest first."""

    async def action() -> Done:
        assert turn.staff is not None
        rows = await actions.waiting_for(turn.staff, turn.now)
        choices = [
            Choice(
                f"take_{row.id}",
                "staff.talk_own" if row.taken_by else "staff.talk_choice",
                {"number": row.id, "since_time": row.opened_at.isoformat(), "step_label": _step_label(row.step)},
            )
            for row in rows
        ]
        return Go("staff.talks", door.as_view(Say("staff.talks", {"count": len(rows)}, (*choices, MENU))))

    return Act(action)


def _step_label(step: str) -> str:
    key = f"staff.step_{step.partition('.')[2]}"
    return key if key in i18n.catalogue(i18n.DEFAULT_LANGUAGE) else "staff.step_other"


def take(turn: Turn) -> Outcome:
    """Take one."""
    number = (pressed(turn) or "").removeprefix("take_")
    if not number.isdecimal() or len(number) > 18:
        return come_in(turn)

    async def action() -> Done:
        assert turn.staff is not None
        request = await actions.take(int(number), turn.staff, turn.conversation_id, turn.now)
        said = [
            ["staff.talk_mine" if row.by else "staff.talk_theirs", {"text": row.text}]
            for row in await actions.said_in(request.id)
        ]
        params = {
            "number": request.id,
            "step_label": _step_label(request.step),
            "said_lines": said or [["staff.nothing", {}]],
        }
        canned = tuple(Choice(name, f"staff.canned_{name}") for name in CANNED)
        screen = Say("staff.talk", params, (*canned, Choice("close", "staff.talk_close_button"), MENU))
        there = await elsewhere(request.conversation_id, Say("help.talk_begun")) if not said else None
        return Go("staff.talk_write", {"ticket": request.id, **door.as_view(screen)}, (there,) if there else ())

    return Act(action)


def take_words(turn: Turn) -> Outcome:
    """What the member says to the person, or that it is over."""
    number, member, choice = turn.draft["ticket"], turn.staff, pressed(turn)
    assert member is not None
    typed = (turn.inbound.text or "").strip()
    if choice is not None and choice not in {*CANNED, "close"}:
        raise DomainError("staff.choose")

    async def action() -> Done:
        if choice == "close":
            request = await actions.close(number, member.name, turn.now)
            there = await elsewhere(request.conversation_id, closed(number))
            return Go("staff.home", {}, (Say("staff.talk_closed", {"number": number}), *((there,) if there else ())))
        seat = await actions.seat_of((await actions.request_of(number, member.name)).conversation_id)
        language = seat.language if seat else i18n.DEFAULT_LANGUAGE
        text = i18n.text(language, f"help.canned_{choice}") if choice else typed
        request = await actions.say(number, member.name, text, turn.now)
        there = await elsewhere(request.conversation_id, Say("help.reply", {"text": text}))
        if there is None:
            raise DomainError("staff.not_reachable")
        return Stay((there, Say("staff.talk_sent", {"number": number, "text": text}, door.drawn(turn).choices)))

    return Act(action)


_PERMISSION = Permission.TALK
STEPS = (
    Step("staff.talks", door.drawn, take, accepts=frozenset({"choice"}), needs="staff.choose", permission=_PERMISSION),
    Step("staff.talk_write", door.drawn, take_words, match_parts=False, permission=_PERMISSION),
)
