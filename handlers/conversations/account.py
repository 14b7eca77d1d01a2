"""REKENING: the account somebody is paid on. Pick where, type the number, its institution is asked, a code by SMS."""

from typing import Any

from domain.clock import day_of
from domain.errors import DomainError
from domain.money import accounts
from domain.money.paying import masked
from domain.registration import rules
from domain.trainings.incentives import qualify
from domain.verification.actions.codes import check_code
from handlers.conversation import (
    AccountOutcome,
    Act,
    Choice,
    Done,
    Draft,
    Go,
    Outcome,
    Reply,
    Say,
    Stay,
    Step,
    Turn,
    pressed,
    to,
    without,
)
from handlers.conversations.codes import send_code
from models.enums import AccountVerdict, Channel, Institution, Payee
from models.payout import PayeeAccount
from models.person import Person

BACK = Choice("!back", "account.back_button")
MENU = Choice("home", "trainings.home_button")


def kept_of(turn: Turn) -> dict[str, Any]:
    """The account that is being linked, as the draft keeps it (sealed): institution, number, phone, inquiry."""
    kept: dict[str, Any] = turn.draft.get("account", {})
    return kept


def _named(kept: dict[str, Any]) -> dict[str, Any]:
    return {"institution_label": f"account.{kept['institution']}", "number": masked(str(kept["number"]))}


def come_in(turn: Turn, replies: tuple[Reply, ...] = ()) -> Act:
    """To the account there is, or to linking one."""

    async def action() -> Done:
        assert turn.person_id is not None
        account = await accounts.account_of(Payee.PERSON, turn.person_id)
        if account is not None:
            return Go("account.shown", {**without(turn.draft, "account"), "linked": _as_kept(account)}, replies)
        await accounts.may_link(turn.person_id, turn.programme.accounts, turn.now)
        fresh = without(turn.draft, "linked")
        if kept_of(turn).get("good"):  # asked about before; they had gone elsewhere
            return await _send_code(turn, fresh, replies)
        if "inquiry" in kept_of(turn):
            return Go("account.asked", fresh, replies)
        return Go("account.institution", without(fresh, "account"), replies)

    return Act(action)


def _as_kept(account: PayeeAccount) -> Draft:
    since = day_of(account.linked_at).isoformat()
    return {**accounts.shown(account), "since_date": since, "refused": bool(account.refused)}


# --- linking


def ask_institution(turn: Turn) -> Say:
    """Where."""
    choices = tuple(Choice(f"i_{name}", f"account.{name}") for name in turn.programme.accounts.institutions)
    return Say("account.ask_institution", choices=(*choices, MENU))


def take_institution(turn: Turn) -> Outcome:
    """Then the number."""
    choice = pressed(turn) or ""
    if choice == "home":
        return Go("home.menu", turn.draft)
    institution = choice.removeprefix("i_")
    if institution not in turn.programme.accounts.institutions:
        raise DomainError("common.choose")

    async def action() -> Done:
        person = await Person.get(id=turn.person_id)
        return Go("account.number", {**turn.draft, "account": {"institution": institution, "own": person.phone}})

    return Act(action)


def ask_number(turn: Turn) -> Say:
    """A bank's number, or the phone of a wallet."""
    kept = kept_of(turn)
    params = {"institution_label": f"account.{kept['institution']}"}
    if kept["institution"] == Institution.BNI:
        return Say("account.ask_bank_number", params, (BACK,))
    own = Choice("own", "account.own_button", {"number": masked(kept["own"])})
    return Say("account.ask_wallet_number", params, (own, BACK))


def take_number(turn: Turn) -> Outcome:
    """Let the institution be asked whose it is."""
    kept = kept_of(turn)
    institution = Institution(kept["institution"])
    wallet = institution != Institution.BNI
    typed = kept["own"] if wallet and pressed(turn) == "own" else turn.inbound.text or ""
    number = accounts.read_number(institution, typed)

    async def action() -> Done:
        assert turn.person_id is not None
        inquiry = await accounts.ask(
            turn.conversation_id, turn.person_id, institution, number, turn.programme.accounts, turn.now
        )
        phone = f"+{number}" if wallet else kept["own"]
        asked = {**kept, "number": number, "phone": phone, "inquiry": inquiry.id}
        return Go("account.asked", {**turn.draft, "account": asked})

    return Act(action)


def ask_patience(turn: Turn) -> Say:
    """The institution is being asked."""
    return Say("account.asking", _named(kept_of(turn)), (Choice("other", "account.other_button"), MENU))


def take_patience(turn: Turn) -> Outcome:
    """Another account, or elsewhere meanwhile."""
    match pressed(turn):
        case "other":
            return Go("account.institution", without(turn.draft, "account"))
        case "home":
            return Go("home.menu", turn.draft)
    return Stay(again=True)


def take_verdict(turn: Turn, outcome: AccountOutcome) -> Outcome:
    """What the institution said: a code to the account's phone, or what is wrong with it."""
    kept = kept_of(turn)
    if kept.get("inquiry") != outcome.inquiry_id:
        return Stay()  # about an account they have given up
    if outcome.verdict != AccountVerdict.GOOD:
        said = Say(f"account.{_told(outcome.verdict, kept)}", _named(kept))
        given_up = without(turn.draft, "account")
        here = turn.step.startswith("account.")
        return Go("account.institution", given_up, (said,)) if here else Stay((said,), draft=given_up)
    draft = {**turn.draft, "account": {**kept, "good": True}}
    if turn.step != "account.asked":
        found = Say("account.found", _named(kept), (Choice("!account", "account.go_on_button"),))
        return Stay((found,), draft=draft)
    return Act(lambda: _send_code(turn, draft))


def _told(verdict: str, kept: dict[str, Any]) -> str:
    """What somebody hears: of a number that is not their own phone only that it can't be used, so that nobody learns
    here who has an account where.
    """
    if verdict == AccountVerdict.BUSY or kept["number"] == kept["own"].lstrip("+"):
        return verdict
    return AccountVerdict.OTHER_PERSON


async def _send_code(turn: Turn, draft: Draft, replies: tuple[Reply, ...] = ()) -> Go:
    """On to the code, also where none can be sent just now: the screen offers another try."""
    try:
        sent = await send_code(turn, Channel.SMS, draft["account"]["phone"], "account.code", draft).action()
        return Go("account.code", draft, (*replies, *sent.replies))
    except DomainError as error:
        return Go("account.code", draft, (*replies, Say(error.code, error.params)))


def ask_code(turn: Turn) -> Say:
    """The code that was sent to the account's phone."""
    kept = kept_of(turn)
    params = {**_named(kept), "phone": masked(kept["phone"]), "minutes": turn.programme.codes.minutes}
    return Say("account.ask_code", params, (Choice("again", "code.again"), Choice("other", "account.other_button")))


def take_code(turn: Turn) -> Outcome:
    """The right code links it."""
    kept = kept_of(turn)
    match pressed(turn):
        case "again":
            return send_code(turn, Channel.SMS, kept["phone"], "account.code", turn.draft)
        case "other":
            return Go("account.institution", without(turn.draft, "account"))
    code = rules.read_code(turn.inbound.text or "")

    async def action() -> Done:
        assert turn.person_id is not None
        if not await check_code(turn.conversation_id, Channel.SMS, kept["phone"], code, turn.programme.codes, turn.now):
            return Stay((Say("code.wrong", choices=ask_code(turn).choices),))
        try:
            account = await accounts.link(turn.person_id, kept["inquiry"], turn.programme.accounts, turn.now)
        except DomainError as error:  # it can't be this one
            return Go("account.institution", without(turn.draft, "account"), (Say(error.code, error.params),))
        earned = await qualify(PayeeAccount._meta.db, turn.person_id, turn.programme, turn.now)
        said: tuple[Reply, ...] = (Say("account.linked", accounts.shown(account)),)
        if earned:
            said = (*said, Say("money.earned", {"count": earned}))
        return Go("home.menu", {**without(turn.draft, "account"), "has_account": True}, said)

    return Act(action)


# --- the one there is


def ask_shown(turn: Turn) -> Say:
    """The account, masked."""
    linked = turn.draft["linked"]
    if linked.get("refused"):
        params = without(linked, "since_date", "refused")
        return Say("account.shown_refused", params, (Choice("!person", "help.person"), MENU))
    return Say("account.shown", without(linked, "refused"), (Choice("unlink", "account.unlink_button"), MENU))


def take_shown(turn: Turn) -> Outcome:
    """Take it out, after a question."""
    match pressed(turn):
        case "unlink":
            return Go("account.unlink", turn.draft)
        case "home":
            return Go("home.menu", without(turn.draft, "linked"))
    raise DomainError("common.choose")


def ask_unlink(turn: Turn) -> Say:
    """Is it meant?"""
    linked = without(turn.draft["linked"], "since_date", "refused")
    params = {**linked, "days": turn.programme.accounts.cooling_days}
    return Say(
        "account.confirm_unlink", params, (Choice("yes", "account.yes_unlink"), Choice("no", "account.no_unlink"))
    )


def take_unlink(turn: Turn) -> Outcome:
    """Take it out, or not."""
    if pressed(turn) == "no":
        return Go("account.shown", turn.draft)
    if pressed(turn) != "yes":
        raise DomainError("common.choose")

    async def action() -> Done:
        assert turn.person_id is not None
        account = await accounts.unlink(turn.person_id, turn.now)
        said = Say("account.unlinked", {**accounts.shown(account), "days": turn.programme.accounts.cooling_days})
        return Go("home.menu", without(turn.draft, "linked", "has_account"), (said,))

    return Act(action)


STEPS = (
    Step("account.institution", ask_institution, take_institution, needs="common.choose", back=to("home.menu")),
    Step(
        "account.number", ask_number, take_number, needs="account.need_number", match_parts=False,
        back=to("account.institution"),
    ),
    Step("account.asked", ask_patience, take_patience, needs="common.choose", back=to("account.institution")),
    Step("account.code", ask_code, take_code, needs="registration.code_unreadable", back=to("account.institution")),
    Step("account.shown", ask_shown, take_shown, needs="common.choose", back=to("home.menu")),
    Step("account.unlink", ask_unlink, take_unlink, needs="common.choose", back=to("account.shown")),
)  # fmt: skip
