"""DATA SAYA, KOREKSI, TARIK, HAPUS: what is held about somebody, and what they may do about it, each with its clock."""

from collections.abc import Callable
from typing import Any

from domain.errors import DomainError
from domain.notices.links import start_links
from domain.privacy import actions, own_data
from domain.privacy.erasure import erase_conversation, erase_person, forget_chats
from domain.privacy.rules import NOTICE_VERSION
from handlers import i18n
from handlers.conversation import (
    Act,
    Choice,
    DataOutcome,
    Direct,
    Done,
    Draft,
    Flow,
    Go,
    Outcome,
    Reply,
    Say,
    Stay,
    Step,
    Turn,
    pressed,
    without,
)
from handlers.conversations import standing
from models.enums import Channel, RequestKind, RequestStatus
from models.person import Person, Photo
from models.privacy import DataRequest

FIRST_STEP = "registration.language"
KEEP = Choice("!resume", "privacy.keep")
SHORTEST = 10
KEPT = ("notice", "email_ok")
_RUNNING = {RequestStatus.OPEN, RequestStatus.CASE}
# What is answered to somebody who has not agreed (again): their rights, and help.
WITHOUT_CONSENT = frozenset(
    {
        "my_data", "data_file", "withdraw", "withdraw_yes", "delete", "delete_yes", "privacy", "help", "person",
        "language", "language_en", "language_id", "genuine", "stop", "agree_notice",
    }
)  # fmt: skip


# --- DATA SAYA


def my_data(turn: Turn, flow: Flow, step: Step) -> Outcome:
    """What is held, masked, who has seen it, and what was asked for."""
    if turn.person_id is None:
        return Act(lambda: _my_draft(turn))
    person_id = turn.person_id

    async def action() -> Done:
        params = await own_data.summary(person_id)
        looks = await own_data.looks_of(person_id, await own_data.talks_of(person_id))
        seen = [["privacy.look_line", _look(look)] for look in looks]
        asked = [line for row in await actions.requests_of(turn.conversation_id) for line in _request_lines(row)]
        params |= {
            "look_lines": seen or [["privacy.no_looks", {}]],
            "request_lines": asked or [["privacy.no_requests", {}]],
        }
        return Stay((Say("privacy.my_data", params, _buttons(step)),))

    return Act(action)


def _look(look: own_data.Look) -> dict[str, Any]:
    return {"when_time": look.at.isoformat(), "what_label": look.key, "member": look.member}


def _request_lines(row: DataRequest) -> list[list[Any]]:
    running = row.status in _RUNNING
    params = {
        "kind_label": f"privacy.kind_{row.kind}",
        "status_label": f"privacy.status_{row.status}",
        **({"due_time": row.due_at.isoformat()} if running else {}),
    }
    lines: list[list[Any]] = [["privacy.request_line_open" if running else "privacy.request_line", params]]
    return [*lines, ["privacy.answer_line", {"words": row.answer}]] if row.answer else lines


def _buttons(step: Step) -> tuple[Choice, ...]:
    file, delete = Choice("!data_file", "privacy.file_button"), Choice("!delete", "privacy.delete_button")
    if step.name == "privacy.withdrawn":
        return file, delete, Choice("!resume", "help.resume")
    correct = Choice("!correct", "privacy.correct_button")
    withdraw = Choice("!withdraw", "privacy.withdraw_button")
    return file, correct, withdraw, delete, Choice("!resume", "help.resume")


async def _my_draft(turn: Turn) -> Done:
    photos = await Photo.filter(conversation_id=turn.conversation_id, destroyed_at__isnull=True).count()
    answers = sum(not name.startswith("_") for name in turn.draft)
    params = {"answers": answers, "photos_number": photos, "days": turn.programme.retention.drafts}
    buttons = (Choice("!delete", "privacy.delete_draft_button"), Choice("!resume", "help.resume"))
    return Stay((Say("privacy.my_draft", params, buttons),))


def data_file(turn: Turn, flow: Flow, step: Step) -> Outcome:
    """A link to the whole file. The token stands behind the #, which no server and no log ever sees."""
    person_id = turn.person_id
    if person_id is None:
        return my_data(turn, flow, step)

    async def action() -> Done:
        token, until = await own_data.make_link(person_id, turn.language, turn.now)
        await actions.note_request(RequestKind.ACCESS, turn.conversation_id, person_id, turn.now)
        link = f"{turn.programme.site_url}/my-data#{token}"
        said = Say(
            "privacy.file_ready", {"link": link, "until_time": until.isoformat()}, (Choice("!resume", "help.resume"),)
        )
        return Stay((said,))

    return Act(action)


# --- KOREKSI


def correct(turn: Turn, flow: Flow, step: Step) -> Outcome:
    """By oneself where that goes, else by staff."""
    if turn.person_id is None or flow.name != "home":
        return Stay((Say("privacy.correct_in_draft", choices=(Choice("!resume", "help.resume"),)),))
    return standing.correct(turn)


def _ask_correction(turn: Turn) -> Say:
    return Say("privacy.ask_correction", choices=(Choice("cancel", "privacy.keep"),))


def _take_correction(turn: Turn) -> Outcome:
    kept = {name: turn.draft[name] for name in turn.draft if name != "correcting"}
    if pressed(turn) == "cancel":
        return Go("home.menu", kept)
    words = " ".join((turn.inbound.text or "").split())
    if len(words) < SHORTEST:
        raise DomainError("privacy.correction_short")
    assert turn.person_id is not None
    person_id = turn.person_id

    async def action() -> Done:
        row = await actions.ask_correction(turn.conversation_id, person_id, words, turn.now)
        return Go("home.menu", kept, (Say("privacy.correction_asked", {"due_time": row.due_at.isoformat()}),))

    return Act(action)


# --- TARIK


def withdraw(turn: Turn, flow: Flow, step: Step) -> Outcome:
    """What it means, and whether it is meant."""
    if turn.person_id is None:
        return delete(turn, flow, step)
    if step.name == "privacy.withdrawn":
        return Stay(again=True)
    return Stay((Say("privacy.withdraw_confirm", choices=(Choice("!withdraw_yes", "privacy.withdraw_yes"), KEEP)),))


def withdraw_yes(turn: Turn, flow: Flow, step: Step) -> Outcome:
    """All processing stops in this moment."""
    if turn.person_id is None:
        return delete(turn, flow, step)
    person_id = turn.person_id

    async def action() -> Done:
        await actions.withdraw(turn.conversation_id, person_id, turn.now)
        return Go("privacy.withdrawn", {**_kept(turn), "withdrawn": turn.now.isoformat()})

    return Act(action)


def _kept(turn: Turn) -> Draft:
    return {name: turn.draft[name] for name in (*KEPT, "ticket", "wave", "has_account", "wallet") if name in turn.draft}


def _ask_withdrawn(turn: Turn) -> Say:
    draft = turn.draft
    delete_it = Choice("!delete", "privacy.delete_button")
    if "deletion" not in draft:
        return Say(
            "privacy.withdrawn",
            {"since_time": draft["withdrawn"]},
            (Choice("again", "privacy.agree_again"), Choice("!my_data", "privacy.file_button"), delete_it),
        )
    asked = draft["deletion"]
    key = "privacy.deleting_case" if asked["holds"] else "privacy.deleting"
    holds = [[f"privacy.hold_{name}", {}] for name in asked["holds"]]
    params = {"acts_time": asked["acts"], "due_time": asked["due"]}
    return Say(key, {**params, "hold_lines": holds} if holds else params, (Choice("again", "privacy.call_off"),))


def _take_withdrawn(turn: Turn) -> Outcome:
    """Consent is given again; a deletion is called off with it."""
    calls_off = "deletion" in turn.draft and _says_cancel(turn)
    if pressed(turn) != "again" and not calls_off:
        return Stay(again=True)
    assert turn.person_id is not None
    person_id = turn.person_id

    async def action() -> Done:
        await _agree(turn)
        await actions.give_consent_again(person_id, turn.now)
        return Go("home.menu", {**_kept(turn), "notice": NOTICE_VERSION}, (Say("privacy.back_again"),))

    return Act(action)


def _says_cancel(turn: Turn) -> bool:
    return (turn.inbound.text or "").strip().casefold() in {"batal", "cancel", "batal hapus"}


# --- HAPUS


def delete(turn: Turn, flow: Flow, step: Step) -> Outcome:
    """What it means, and whether it is meant."""
    key = "privacy.draft_confirm" if turn.person_id is None else "privacy.delete_confirm"
    if "deletion" in turn.draft:
        return Stay(again=True)
    return Stay((Say(key, choices=(Choice("!delete_yes", "privacy.delete_yes"), KEEP)),))


def delete_yes(turn: Turn, flow: Flow, step: Step) -> Outcome:
    """Answers go at once; who has registered has a day to think."""
    if turn.person_id is None:
        return Act(lambda: _erase_draft(turn))
    person_id = turn.person_id

    async def action() -> Done:
        row = await actions.ask_deletion(turn.conversation_id, person_id, turn.now)
        phone = (await Person.get(id=person_id)).phone
        warned: tuple[Reply, ...] = ()
        if phone:  # whoever writes here may not be who the data belong to
            [token] = await start_links([phone], turn.now)
            say = Say("privacy.delete_sms", {"link": f"{turn.programme.site_url}/l#{token}"})
            warned = (Direct(Channel.SMS, phone, say),)
        asked = {
            "acts": (row.acts_at or turn.now).isoformat(),
            "due": row.due_at.isoformat(),
            "holds": [name for name in row.holds.split(",") if name],
        }
        draft = {**_kept(turn), "withdrawn": turn.draft.get("withdrawn", turn.now.isoformat()), "deletion": asked}
        return Go("privacy.withdrawn", draft, warned)

    return Act(action)


async def _erase_draft(turn: Turn) -> Done:
    await actions.note_draft_deletion(turn.conversation_id, turn.now)
    await erase_conversation(turn.conversation_id, FIRST_STEP, turn.now)
    return Go(FIRST_STEP, {}, (Say("privacy.draft_erased"),), silent=True)


def outcome(turn: Turn) -> Outcome:
    """The day to think is over: everything goes, and the person reads it once more."""
    found = turn.inbound.outcome
    if not isinstance(found, DataOutcome) or turn.person_id is None:
        return Stay()
    person_id = turn.person_id

    async def action() -> Done:
        if not await actions.carry_out(found.request_id, turn.now):
            return Stay()
        talks = await erase_person(DataRequest._meta.db, person_id, FIRST_STEP, turn.now)
        for number in talks:
            if number != turn.conversation_id:
                await forget_chats(number)
        return Go(FIRST_STEP, {}, (Say("privacy.erased"),), silent=True)

    return Act(action)


# --- a notice that has changed


def agreement_due(turn: Turn, flow: Flow) -> bool:
    """Whether this person agreed to an earlier notice than the one that holds now."""
    if flow.name not in {"registration", "home"} or turn.draft.get("notice") == NOTICE_VERSION:
        return False
    return flow.name == "home" or "consent" in turn.draft


def ask_again(turn: Turn) -> Outcome:
    """What is new; nothing goes on before they have said yes, and their rights work all the same."""
    rules = turn.programme.retention
    return Stay(
        (
            Say(
                "privacy.changed",
                {"photo_days": rules.photos, "draft_days": rules.drafts},
                (
                    Choice("!agree_notice", "privacy.changed_agree"),
                    Choice("!privacy", "registration.consent_read"),
                    Choice("!withdraw", "privacy.withdraw_button"),
                ),
            ),
        )
    )


def agree(turn: Turn, flow: Flow, step: Step) -> Outcome:
    """The new notice is agreed to; on with where they were."""

    async def action() -> Done:
        await _agree(turn)
        return Stay(draft={**turn.draft, "notice": NOTICE_VERSION}, again=True)

    return Act(action)


async def _agree(turn: Turn) -> None:
    text = i18n.text(turn.language, "privacy.notice")
    await actions.record_consent(turn.conversation_id, "notice", text, turn.language, turn.inbound.channel, turn.now)


Handler = Callable[[Turn, Flow, Step], Outcome]
KEYWORDS: dict[str, Handler] = {
    "my_data": my_data,
    "data_file": data_file,
    "correct": correct,
    "withdraw": withdraw,
    "withdraw_yes": withdraw_yes,
    "delete": delete,
    "delete_yes": delete_yes,
    "agree_notice": agree,
}

CORRECTION = Step(
    "privacy.correct_write", _ask_correction, _take_correction, needs="privacy.correction_short",
    back=lambda turn: Go("home.menu", without(turn.draft, "correcting")),
)  # fmt: skip

FLOW = Flow(
    "privacy",
    (Step("privacy.withdrawn", _ask_withdrawn, _take_withdrawn, only=WITHOUT_CONSENT | {"resume"}),),
    lambda turn: Stay(again=True),
    outcome,
)
