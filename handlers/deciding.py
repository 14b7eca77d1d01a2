"""What a message comes to, without touching anything: a keyword, a button, an answer, or a refusal."""

import msgspec

from domain.errors import DomainError
from domain.staff.actions import TICKET
from handlers import keywords, staff_keywords
from handlers.conversation import Choice, Draft, Flow, Inbound, Outcome, Reply, Say, Stay, Step, Turn, without
from handlers.conversations import privacy, talk
from handlers.flows import STEPS

MAX_TEXT = 1000
MAX_CHOICE = 200  # letters of a button's id, far more than any has
MAX_STAFF_TEXT = 12_000  # 500 tickets
SHOWN = "_shown"  # the draft's field for the buttons of a message that is not the step's own screen


def decide(turn: Turn, version: int) -> Outcome:
    """What the message comes to, without touching anything: keyword, button, answer or refusal (DomainError)."""
    inbound = turn.inbound
    flow, step = STEPS[turn.step]
    if (outcome := _before_the_step(turn, flow, step)) is not None:
        return outcome
    book = staff_keywords if flow.gate is not None else keywords
    # Nothing was said to this person yet, or an old button, or one that was never drawn.
    if version == 0 or len(inbound.choice or "") > MAX_CHOICE or _is_stale(inbound.choice, version, book.ANY_TIME):
        return staff_keywords.stale(turn) if flow.gate is not None else Stay(again=True)
    limit = MAX_TEXT if flow.gate is None else MAX_STAFF_TEXT
    if inbound.text is not None and len(inbound.text) > limit:
        raise DomainError("common.too_long", limit=limit)
    name = book.keyword(turn, step)
    if name is None or name == "language":  # "bahasa" may be an answer: foreign languages
        meant = _meant(turn, step)
        if meant is not None:
            turn, name = keywords.with_choice(turn, meant), meant[1:] if meant.startswith("!") else None
    if flow.gate is None and name not in privacy.WITHOUT_CONSENT and privacy.agreement_due(turn, flow):
        return privacy.ask_again(turn)
    if step.only is not None and name is not None and name not in step.only:
        return Stay(again=True)
    answered: Outcome | None = book.answer(name, turn, flow, step) if name else None
    if answered is not None:
        return answered
    if _kind(turn.inbound) not in step.accepts:
        raise DomainError(inbound.problem if inbound.problem and step.accepts & {"photo", "file"} else step.needs)
    return step.answer(turn)


def _before_the_step(turn: Turn, flow: Flow, step: Step) -> Outcome | None:
    """What is answered whatever step the conversation is at; None for what is the step's."""
    inbound = turn.inbound
    if inbound.outcome is not None:
        return flow.outcome(turn)
    if inbound.reachable is not None:
        return Stay()
    if inbound.problem is not None and inbound.problem.startswith("limits."):
        raise DomainError(inbound.problem)
    if flow.gate is not None:
        return flow.gate(turn, step)
    if inbound.choice is not None and inbound.choice.startswith(keywords.LINK):
        return keywords.open_link(turn)
    if TICKET in turn.draft and keywords.keyword(turn, step) not in keywords.THROUGH_A_TALK:
        return talk.hear(turn)
    return None


def _meant(turn: Turn, step: Step) -> str | None:
    """The button that typed words stand for: of the message shown last, which may be a help text, else of the step."""
    text = turn.inbound.text
    if text is None or turn.inbound.choice is not None:
        return None
    shown = turn.draft.get(SHOWN)
    choices = msgspec.convert(shown, tuple[Choice, ...]) if shown else step.prompt(turn).choices
    return keywords.match_choice(text, choices, turn.language, parts=step.match_parts) if choices else None


def _is_stale(choice: str | None, version: int, any_time: frozenset[str]) -> bool:
    """Whether a button belongs to an earlier screen and would mean something else by now.

    One without a version comes from a script and counts; asking how things stand means the same at any time.
    """
    name, _, pressed_version = (choice or "").partition("~")
    return bool(pressed_version) and pressed_version != str(version) and name not in any_time


def _kind(inbound: Inbound) -> str:
    for name in ("choice", "photo", "contact", "location", "file"):
        if getattr(inbound, name) is not None:
            return name
    return "text" if inbound.text is not None and inbound.text.strip() else "nothing"


def refusal(turn: Turn, error: DomainError) -> Stay:
    """The reason of a refusal with the buttons of the screen it is about, in one message."""
    prompt = STEPS[turn.step][1].prompt(turn)
    return Stay((Say(error.code, error.params, prompt.choices, prompt.ask),))


def prompt_choices(turn: Turn) -> tuple[Choice, ...]:
    """The buttons of the screen, or none."""
    try:
        return STEPS[turn.step][1].prompt(turn).choices
    except Exception:  # noqa: BLE001 - the screen itself may be what failed
        return ()


def with_shown(draft: Draft, replies: list[Reply] | None) -> Draft:
    """The draft with the buttons of a message that is not the step's own screen, so that "1" or "ya" means them."""
    said = [reply for reply in replies or () if isinstance(reply, Say)]
    if said and said[-1].choices:
        return {**draft, SHOWN: msgspec.to_builtins(said[-1].choices)}
    return without(draft, SHOWN) if SHOWN in draft else draft
