"""After registration: the menu, the status, joining a wave, and the e-mail address that is asked late."""

from domain.registration import rules
from domain.registration.actions import set_email
from domain.verification.actions.codes import check_code
from domain.verification.actions.layers import ask_for_verification
from handlers.conversation import (
    AccountOutcome,
    Act,
    Choice,
    DataOutcome,
    Done,
    Flow,
    Go,
    Outcome,
    PhotoOutcome,
    Say,
    Stay,
    Step,
    Turn,
    VerificationOutcome,
    pressed,
    without,
)
from handlers.conversations import account, privacy, purchases, standing, surveys, trainings
from handlers.conversations.codes import send_code
from handlers.conversations.surveys import survey_button
from handlers.conversations.waves import join_wave, status_lines
from models.enums import Channel, PhotoKind


def _ask_menu(turn: Turn) -> Say:
    choices = [Choice("!trainings", "home.trainings_button")]
    bought = turn.draft.get("wallet", {}).get("count")
    if bought:
        choices.append(Choice("!mine", "home.mine_button"))
    if bought or "has_account" in turn.draft:
        choices.append(Choice("!balance", "home.balance_button"))
    if turn.draft.get("wallet", {}).get("may_buy") and "has_account" not in turn.draft:
        choices.append(Choice("!account", "home.account_button"))
    choices += survey_button(turn)
    choices.append(Choice("!status", "home.status_button"))
    if turn.open_wave and turn.draft.get("wave") != turn.open_wave:
        choices.append(Choice("join", "home.join_button"))
    if "ticket" in turn.draft:
        choices.append(Choice("!draw", "home.draw_button"))
    if "email_ok" not in turn.draft:
        choices.append(Choice("email", "home.email_button"))
    return Say("home.menu", choices=(*choices, Choice("!help", "home.help_button")))


def _take_menu(turn: Turn) -> Outcome:
    match pressed(turn):
        case "email":
            return Go("registration.email", turn.draft)
        case "join":
            assert turn.person_id is not None
            person_id = turn.person_id
            return Act(lambda: join_wave(turn, person_id, turn.draft))
        case "fix":
            return standing.correct(turn)
        case "new_photo":
            return standing.new_photo(turn)
        case "appeal":
            return standing.appeal(turn)
        case _:
            return Stay(again=True)


def _status(turn: Turn) -> Outcome:
    screen = FLOW.by_name[turn.step].prompt(turn)

    async def action() -> Done:
        assert turn.person_id is not None
        layers = await standing.of(turn.person_id, turn.language)
        params = {"standing_lines": await status_lines(turn.person_id), **layers.params}
        return Stay((Say("home.status", params, (*layers.choices, *screen.choices)),))

    return Act(action)


# --- e-mail


def _ask_email(turn: Turn) -> Say:
    return Say("registration.ask_email", choices=(Choice("skip", "registration.email_skip"),))


def _take_email(turn: Turn) -> Outcome:
    if pressed(turn) == "skip":
        return Go("home.menu", turn.draft)
    email = rules.read_email(turn.inbound.text or "")
    return send_code(turn, Channel.MAIL, email, "registration.email_code", {**turn.draft, "email": email})


def _ask_email_code(turn: Turn) -> Say:
    return Say(
        "registration.ask_email_code",
        {"minutes": turn.programme.codes.minutes},
        (Choice("again", "code.again"), Choice("skip", "registration.email_skip")),
    )


def _take_email_code(turn: Turn) -> Outcome:
    match pressed(turn):
        case "again":
            return send_code(turn, Channel.MAIL, turn.draft["email"], "registration.email_code", turn.draft)
        case "skip":
            return Go("home.menu", without(turn.draft, "email"))
    code = rules.read_code(turn.inbound.text or "")

    async def action() -> Done:
        assert turn.person_id is not None
        email: str = turn.draft["email"]
        if not await check_code(turn.conversation_id, Channel.MAIL, email, code, turn.programme.codes, turn.now):
            return Stay((Say("code.wrong", choices=_ask_email_code(turn).choices),))
        await set_email(turn.person_id, email)
        await ask_for_verification(turn.person_id, turn.now)
        return Go("home.menu", {**without(turn.draft, "email"), "email_ok": True}, (Say("registration.email_done"),))

    return Act(action)


def _outcome(turn: Turn) -> Outcome:
    """What verification came to is told at once; a fetched certificate goes to staff. Any other photo's outcome is too
    late after the registration was sent off.
    """
    outcome = turn.inbound.outcome
    if isinstance(outcome, PhotoOutcome) and outcome.kind == PhotoKind.CERTIFICATE:
        return purchases.certificate_outcome(turn, outcome)
    if isinstance(outcome, AccountOutcome):
        return account.take_verdict(turn, outcome)
    if isinstance(outcome, DataOutcome):
        return privacy.outcome(turn)
    return standing.tell(turn) if isinstance(outcome, VerificationOutcome) else Stay()


FLOW = Flow(
    "home",
    (
        Step("home.menu", _ask_menu, _take_menu, needs="home.need_choice"),
        Step("registration.email", _ask_email, _take_email, needs="registration.email_unreadable"),
        Step("registration.email_code", _ask_email_code, _take_email_code, needs="registration.code_unreadable"),
        *trainings.STEPS,
        *purchases.STEPS,
        *surveys.STEPS,
        *account.STEPS,
        privacy.CORRECTION,
    ),
    _status,
    _outcome,
)
