"""After registration: the menu, the status, joining a wave, and the e-mail address that is asked late."""

from domain.registration import rules
from domain.registration.actions import set_email
from domain.verification.actions import check_code, start_code
from domain.waves import actions as waves
from handlers.conversation import (
    Act,
    Choice,
    Direct,
    Done,
    Draft,
    Flow,
    Go,
    Outcome,
    Say,
    Stay,
    Step,
    Turn,
    pressed,
)
from models.enums import Channel


def _ask_menu(turn: Turn) -> Say:
    choices = [Choice("!status", "home.status_button")]
    if "ticket" not in turn.draft:
        choices.append(Choice("join", "home.join_button"))
    if "email_ok" not in turn.draft:
        choices.append(Choice("email", "home.email_button"))
    return Say("home.menu", choices=(*choices, Choice("!help", "home.help_button")))


def _take_menu(turn: Turn) -> Outcome:
    match pressed(turn):
        case "email":
            return Go("registration.email", turn.draft)
        case "join":
            return Act(lambda: _join(turn))
        case _:
            return Stay(again=True)


async def _join(turn: Turn) -> Done:
    assert turn.person_id is not None
    wave, entry = await waves.join(turn.person_id, turn.now)
    joined = Say(
        "registration.joined",
        {"wave": wave.number, "ticket": entry.ticket, "closes_time": wave.closes_at.isoformat()},
    )
    return Go("home.menu", {**turn.draft, "ticket": entry.ticket}, (joined,))


def _status(turn: Turn) -> Outcome:
    screen = FLOW.by_name[turn.step].prompt(turn)

    async def action() -> Done:
        assert turn.person_id is not None
        found = await waves.last_entry(turn.person_id)
        if found is None:
            return Stay((Say("home.status_no_wave", choices=screen.choices),))
        wave, entry = found
        params = {
            "wave": wave.number,
            "ticket": entry.ticket,
            "joined_time": entry.joined_at.isoformat(),
            "closes_time": wave.closes_at.isoformat(),
        }
        return Stay((Say("home.status", params, screen.choices),))

    return Act(action)


# --- e-mail


def _ask_email(turn: Turn) -> Say:
    return Say("registration.ask_email", choices=(Choice("skip", "registration.email_skip"),))


def _take_email(turn: Turn) -> Outcome:
    if pressed(turn) == "skip":
        return Go("home.menu", turn.draft)
    email = rules.read_email(turn.inbound.text or "")
    return _send_code(turn, {**turn.draft, "email": email})


def _send_code(turn: Turn, draft: Draft) -> Act:
    async def action() -> Done:
        code = await start_code(turn.conversation_id, Channel.MAIL, draft["email"], turn.programme.codes, turn.now)
        sent = Say("code.message", {"code": code, "minutes": turn.programme.codes.minutes})
        return Go("registration.email_code", draft, (Direct(Channel.MAIL, draft["email"], sent),))

    return Act(action)


def _ask_email_code(turn: Turn) -> Say:
    return Say(
        "registration.ask_email_code",
        {"minutes": turn.programme.codes.minutes},
        (Choice("again", "code.again"), Choice("skip", "registration.email_skip")),
    )


def _take_email_code(turn: Turn) -> Outcome:
    match pressed(turn):
        case "again":
            return _send_code(turn, turn.draft)
        case "skip":
            return Go("home.menu", {name: value for name, value in turn.draft.items() if name != "email"})
    code = rules.read_code(turn.inbound.text or "")

    async def action() -> Done:
        assert turn.person_id is not None
        rules_, email = turn.programme.codes, turn.draft["email"]
        if not await check_code(turn.conversation_id, Channel.MAIL, email, code, rules_, turn.now):
            return Stay((Say("code.wrong", choices=_ask_email_code(turn).choices),))
        await set_email(turn.person_id, email)
        draft = {name: value for name, value in turn.draft.items() if name != "email"}
        return Go("home.menu", {**draft, "email_ok": True}, (Say("registration.email_done"),))

    return Act(action)


def _no_outcome(turn: Turn) -> Outcome:
    """A photo's outcome that comes after the registration was sent off: nothing waits for it any more."""
    return Stay()


FLOW = Flow(
    "home",
    (
        Step("home.menu", _ask_menu, _take_menu, needs="home.need_choice"),
        Step("registration.email", _ask_email, _take_email, needs="registration.email_unreadable"),
        Step("registration.email_code", _ask_email_code, _take_email_code, needs="registration.code_unreadable"),
    ),
    _status,
    _no_outcome,
)
