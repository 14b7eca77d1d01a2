"""What people may type at any step, and how a typed answer is matched with a button."""

import re
from collections.abc import Callable, Mapping

import msgspec

from domain.errors import DomainError
from domain.notices.actions import genuine
from domain.notices.links import start_links, use_link
from domain.staff.actions import open_help_request
from handlers import i18n
from handlers.conversation import Act, Choice, Done, Draft, Flow, Go, Outcome, Say, Stay, Step, Turn, pressed
from handlers.conversations import account, balance, privacy, purchases, surveys, talk, trainings, waves
from handlers.conversations.codes import send_code
from models.conversation import Conversation
from models.enums import Channel

_WORDS = {
    "help": "bantuan bantu help tolong menu",
    "language": "bahasa language",
    "language_en": "english inggris",
    "language_id": "indonesia|bahasa indonesia",
    "back": "kembali back balik mundur",
    "restart": "ulang ulangi restart|mulai ulang|ulang dari awal|start again|start over",
    "stop": "berhenti stop",
    "start": "mulai start",
    "resume": "lanjut lanjutkan resume continue",
    "person": "petugas operator admin agent|bicara dengan petugas|talk to a person",
    "privacy": "privasi privacy",
    "status": "status",
    "draw": "cek check undian|cek undian|cek hasil|nomor undian|check draw|check the draw",
    "trainings": "pelatihan training trainings kursus|cari pelatihan|pilih pelatihan|find a training",
    "mine": "|pelatihan saya|my trainings|my training",
    "codes": "kode code kodeku|kode redeem|kode saya|redeem code|my code",
    "balance": "saldo balance uang|saldo saya|my balance",
    "account": "rekening account dompet|rekening saya|ganti rekening|hubungkan rekening|my account",
    "survey": "survei survey survai",
    "my_data": "datasaya|data saya|my data|data ku",
    "correct": "koreksi|perbaiki data|correct my data",
    "withdraw": "tarik|tarik persetujuan|withdraw consent",
    "delete": "hapus|hapus data|hapus data saya|delete my data",
    "other_person": "|orang lain|saya orang lain|somebody else|i am somebody else",
}


def _spread(words: str) -> list[str]:
    singles, *phrases = words.split("|")
    return [*singles.split(), *phrases]


KEYWORDS = {word: name for name, words in _WORDS.items() for word in _spread(words)}
LINK = "!link_"  # what a page that was opened by a link in an SMS says first
ANY_TIME = frozenset(
    {"!status", "!help", "!privacy", "!draw", "!trainings", "!mine", "!codes", "!survey", "!balance", "!account"}
)  # buttons that are never too old
# What is the programme's to answer while a member of staff talks: rights don't wait.
THROUGH_A_TALK = frozenset({"stop", "privacy", "my_data", "withdraw", "delete"})
AFFIRMATIVE = frozenset(["ya", "y", "iya", "yes", "ok", "oke", "okay", "setuju", "agree", "benar", "betul"])
AFFIRMATIVE_CHOICES = frozenset({"agree", "yes", "join", "!restart_yes", "!agree_notice"})
NEGATIONS = frozenset(["tidak", "belum", "bukan", "never", "no", "not"])
FILLERS = frozenset(["saya", "sudah", "tamat", "lulus", "lulusan", "punya", "i", "am", "have"])
_CHECK = re.compile(r"(?:asli|genuine) ([a-z0-9 ]{6,12})")
_NOT_WORD = re.compile(r"[^\w\s]+")


def normal(text: str) -> str:
    """Lower case without signs, pictures and extra spaces."""
    return " ".join(_NOT_WORD.sub(" ", text.casefold()).split())


def keyword(turn: Turn, step: Step, known: Mapping[str, str] | None = None) -> str | None:
    """The name of the keyword a message is, if it is one here; buttons of keywords begin with an exclamation mark."""
    if turn.inbound.choice is not None:
        choice = pressed(turn) or ""
        return choice[1:] if choice.startswith("!") else None
    if turn.inbound.text is None or len(turn.inbound.text) > 40:
        return None
    typed = turn.inbound.text.strip()
    if typed.startswith("/"):
        typed = (typed[1:].partition("@")[0].split() or [""])[0]
    words = normal(typed)
    if known is not None:
        return known.get(words)
    name = "genuine" if _CHECK.fullmatch(words) else KEYWORDS.get(words)
    return None if name in step.reads else name


def match_choice(typed: str, choices: tuple[Choice, ...], language: str, *, parts: bool = True) -> str | None:
    """The button that a typed answer means: its number, its label, whole words of only one label, or a plain yes.

    A label that says no ("Belum pernah bekerja") is meant only by an answer that says no as well. ``parts=False``
    leaves out the words, where the answer itself may look like a part of a label (dates, places).
    """
    words = normal(typed)
    if not words:
        return None
    if words.isdecimal() and len(words) <= 2:
        at = int(words) - 1
        return choices[at].id if 0 <= at < len(choices) else None
    labels = {choice.id: normal(i18n.text(language, choice.key, choice.params)) for choice in choices}
    for choice_id, label in labels.items():
        if words == label:
            return choice_id
    if words in AFFIRMATIVE and (yes := [choice_id for choice_id in labels if choice_id in AFFIRMATIVE_CHOICES]):
        return yes[0]
    meant = frozenset(words.split()) - FILLERS
    if not parts or not meant:
        return None
    found = [
        choice_id
        for choice_id, label in labels.items()
        if meant <= (known := frozenset(label.split())) and not (known & NEGATIONS) - meant
    ]
    return found[0] if len(found) == 1 else None


def answer(name: str, turn: Turn, flow: Flow, step: Step) -> Outcome | None:
    """What a keyword does; None for a name that is none."""
    if name.startswith(talk.RATE):
        return talk.rated(name, turn)
    handler = _HANDLERS.get(name)
    return handler(turn, flow, step) if handler else None


def _resume(key: str) -> Choice:
    return Choice("!resume", key)


def _help(turn: Turn, flow: Flow, step: Step) -> Outcome:
    return Stay((Say("help.text", choices=(_resume("help.resume"), Choice("!person", "help.person"))),))


def _status(turn: Turn, flow: Flow, step: Step) -> Outcome:
    return flow.status(turn)


def _draw(turn: Turn, flow: Flow, step: Step) -> Outcome:
    return waves.check(turn)


def _at_home(come_in: Callable[[Turn], Outcome]) -> Callable[[Turn, Flow, Step], Outcome]:
    """For those who have registered; the others are told to go on with it."""

    def handle(turn: Turn, flow: Flow, step: Step) -> Outcome:
        if turn.person_id is None or flow.name != "home":
            raise DomainError("trainings.register_first")
        return come_in(turn)

    return handle


def _language(turn: Turn, flow: Flow, step: Step) -> Outcome:
    return Stay(again=True, language=i18n.following(turn.language))


def _language_en(turn: Turn, flow: Flow, step: Step) -> Outcome:
    return Stay(again=True, language="en")


def _language_id(turn: Turn, flow: Flow, step: Step) -> Outcome:
    return Stay(again=True, language="id")


def _go_on(turn: Turn, flow: Flow, step: Step) -> Outcome:
    return Stay(again=True)


def _back(turn: Turn, flow: Flow, step: Step) -> Outcome:
    return flow.back(turn, step)


def _restart(turn: Turn, flow: Flow, step: Step) -> Outcome:
    if turn.person_id is not None:
        raise DomainError("common.restart_registered")
    yes, no = Choice("!restart_yes", "common.restart_yes"), _resume("common.restart_no")
    return Stay((Say("common.restart_confirm", choices=(yes, no)),))


def _restart_yes(turn: Turn, flow: Flow, step: Step) -> Outcome:
    if turn.person_id is not None:
        raise DomainError("common.restart_registered")
    # The proven phone and the consent stay: they were given, whatever else is typed anew.
    kept: Draft = {name: turn.draft[name] for name in ("consent", "notice", "phone", "phone_ok") if name in turn.draft}
    if "phone_ok" not in kept:
        kept.pop("phone", None)
    return Go(flow.next_step(kept), kept, (Say("common.restarted"),))


def _pause(turn: Turn, reply: Stay, *, paused: bool) -> Act:
    async def action() -> Stay:
        await Conversation.filter(id=turn.conversation_id).update(paused=paused)
        return reply

    return Act(action)


def _stop(turn: Turn, flow: Flow, step: Step) -> Outcome:
    stopped = Say("common.stopped", choices=(Choice("!start", "common.stopped_resume"),))
    return _pause(turn, Stay((stopped,)), paused=True)


def _start(turn: Turn, flow: Flow, step: Step) -> Outcome:
    return _pause(turn, Stay(again=True), paused=False)


def _person(turn: Turn, flow: Flow, step: Step) -> Outcome:
    async def action() -> Stay:
        is_new = await open_help_request(turn.conversation_id, step.name, turn.now)
        key = "help.person_asked" if is_new else "help.person_waiting"
        told = await talk.tell_staff(turn) if is_new else ()
        return Stay((Say(key, choices=(_resume("help.resume"),)), *told))

    return Act(action)


def _other_person(turn: Turn, flow: Flow, step: Step) -> Outcome:
    async def action() -> Stay:
        await open_help_request(turn.conversation_id, "assisted", turn.now)
        return Stay((Say("registration.other_person", choices=(_resume("help.resume"),)),))

    return Act(action)


def _genuine(turn: Turn, flow: Flow, step: Step) -> Outcome:
    found = _CHECK.fullmatch(normal(turn.inbound.text or ""))
    code = found[1] if found else ""

    async def action() -> Stay:
        kind = await genuine(turn.person_id, code) if turn.person_id is not None else None
        if kind is None:
            return Stay((Say("notice.not_genuine", choices=(Choice("!person", "help.person"),)),))
        return Stay((Say("notice.genuine", {"kind_label": f"notice.name_{kind}"}),))

    return Act(action)


def open_link(turn: Turn) -> Outcome:
    """Somebody came by the link of an SMS: a code to that phone, and they go on where they were."""
    token = (pressed(turn) or "").removeprefix(LINK)

    async def action() -> Done:
        phone = await use_link(token, turn.now)
        if phone is None:
            return Stay((Say("link.over"),), again=True)
        return await send_code(turn, Channel.SMS, phone, "registration.phone_code", {"phone": phone}).action()

    return Act(action)


def _page(turn: Turn, flow: Flow, step: Step) -> Outcome:
    """On WhatsApp: a link to the page, for somebody who would rather not send photos through it."""
    phone, url = turn.inbound.sender_phone, turn.programme.chat_url
    if not phone or not url:
        raise DomainError("common.choose")

    async def action() -> Stay:
        [token] = await start_links([phone], turn.now)
        return Stay((Say("registration.page_link", {"link": f"{url}/l#{token}"}),))

    return Act(action)


def _privacy(turn: Turn, flow: Flow, step: Step) -> Outcome:
    rights = () if turn.person_id is None else (Choice("!my_data", "privacy.my_data_button"),)
    return Stay((Say("privacy.notice", choices=(*rights, _resume("help.resume"))),))


_HANDLERS: dict[str, Callable[[Turn, Flow, Step], Outcome]] = {
    "help": _help,
    "status": _status,
    "draw": _draw,
    "trainings": _at_home(trainings.come_in),
    "mine": _at_home(purchases.come_in),
    "codes": _at_home(purchases.codes),
    "balance": _at_home(balance.come_in),
    "survey": _at_home(surveys.come_in),
    "account": _at_home(account.come_in),
    "language": _language,
    "language_en": _language_en,
    "language_id": _language_id,
    "resume": _go_on,
    "back": _back,
    "restart": _restart,
    "restart_yes": _restart_yes,
    "stop": _stop,
    "start": _start,
    "person": _person,
    "privacy": _privacy,
    "other_person": _other_person,
    "genuine": _genuine,
    **privacy.KEYWORDS,
    "page": _page,
}


def with_choice(turn: Turn, choice_id: str) -> Turn:
    """The turn as if the button had been pressed."""
    return msgspec.structs.replace(turn, inbound=msgspec.structs.replace(turn.inbound, choice=choice_id))
