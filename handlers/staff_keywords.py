"""What staff may type at any step; buttons of these begin with an exclamation mark."""

from collections.abc import Callable

from domain.audit import record
from domain.staff.members import sign_out
from domain.staff.rules import Permission
from handlers import i18n, keywords
from handlers.conversation import Act, Done, Flow, Go, Outcome, Say, Stay, Step, Turn
from handlers.conversations.staff import AREAS, door, home

_WORDS = {
    "menu": "menu start mulai home batal cancel /batal",
    "leave": "keluar logout",
    "back": "kembali back",
    "resume": "lanjut resume",
    "language": "bahasa language",
    "summary": "harian daily",
} | {name: area.words for name, area in AREAS.items()}

KNOWN = {word: name for name, words in _WORDS.items() for word in words.split()}
ANY_TIME = frozenset({"!menu", "!leave", *(f"!{name}" for name in AREAS)})


def keyword(turn: Turn, step: Step) -> str | None:
    """The name of the keyword a message is; see handlers.keywords."""
    name = keywords.keyword(turn, step, KNOWN)
    typed = (turn.inbound.text or "").strip()
    # Plain words are words where something is to be written; with a slash they are meant.
    return name if turn.inbound.choice is not None or typed.startswith("/") or "text" not in step.accepts else None


def stale(turn: Turn) -> Outcome:
    """An old button, or one that was made up: the screen, and a line in the log."""
    if turn.staff is None or turn.inbound.choice is None:
        return Stay(again=True)
    member = turn.staff

    async def action() -> Done:
        await record(member.name, "refused", turn.step, now=turn.now, words="old button")
        return Stay(again=True)

    return Act(action)


def answer(name: str, turn: Turn, flow: Flow, step: Step) -> Outcome | None:
    """What a keyword does; None for a name that is none."""
    if name in AREAS:
        return door.allowed(turn, AREAS[name].permission) or AREAS[name].come_in(turn)
    handler = _HANDLERS.get(name)
    return handler(turn, flow, step) if handler else None


def _leave(turn: Turn, flow: Flow, step: Step) -> Outcome:
    async def action() -> Done:
        assert turn.staff is not None
        await sign_out(turn.staff, turn.conversation_id, turn.now)
        return Go("staff.code", {}, (Say("staff.left"),))

    return Act(action)


def _menu(turn: Turn, flow: Flow, step: Step) -> Outcome:
    return Go("staff.home", {})


def _back(turn: Turn, flow: Flow, step: Step) -> Outcome:
    return flow.back(turn, step)


def _resume(turn: Turn, flow: Flow, step: Step) -> Outcome:
    return Stay(again=True)


def _language(turn: Turn, flow: Flow, step: Step) -> Outcome:
    return Stay(again=True, language=i18n.following(turn.language))


def _summary(turn: Turn, flow: Flow, step: Step) -> Outcome:
    return door.allowed(turn, Permission.FIGURES) or home.toggle_summary(turn)


_HANDLERS: dict[str, Callable[[Turn, Flow, Step], Outcome]] = {
    "menu": _menu,
    "leave": _leave,
    "back": _back,
    "resume": _resume,
    "language": _language,
    "summary": _summary,
}
