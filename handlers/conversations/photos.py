"""ID-card photo, selfie and turned head: what to say to them when the slow work on them is done.

A photo that is here (browser, terminal) gets a first look in the turn; one that its platform still holds (Telegram) is
fetched by the task. Reading and comparing are always a task, whose outcome may find the person elsewhere.
"""

from collections.abc import Callable

import msgspec

from domain.errors import DomainError
from domain.verification.actions.photos import start_photo_task
from domain.verification.rules.card import CardReading
from domain.verification.rules.faces import pick_side, portrait_problem
from handlers.conversation import (
    Act,
    Choice,
    Done,
    Draft,
    Go,
    On,
    Outcome,
    PhotoOutcome,
    RemotePhoto,
    Say,
    Stay,
    Turn,
    without,
)
from handlers.conversations.card import readable
from models.enums import Channel, FaceVerdict, PhotoKind, Side, TurnVerdict

CARD_TRIES = 2
TURN_TRIES = 3
STEPS = {
    PhotoKind.CARD: "registration.card_photo",
    PhotoKind.SELFIE: "registration.selfie",
    PhotoKind.TURNED: "registration.turned",
}
# What belongs to a photo and goes with it when it is taken anew.
ABOUT_SELFIE = ("selfie", "kyc", "kyc_reference", "turn_to", "turned", "mirrored", "turn_tries")
ABOUT_CARD = ("card_photo", "card_tries", "card_sex", "card_wrong", "proposed", "reading", "misread", *ABOUT_SELFIE)


def take_card(turn: Turn) -> Outcome:
    """A card photo is read by a task; the first that shows no portrait is refused at once where it is here."""
    photo = turn.inbound.photo
    if photo is None:
        raise DomainError("photo.need_card")
    if not isinstance(photo, RemotePhoto) and (problem := portrait_problem(photo.facts)) and _tries_left(turn):
        return _card_again(turn, problem)
    return _work(turn, PhotoKind.CARD, "registration.card_checking")


def take_selfie(turn: Turn) -> Outcome:
    """A selfie is looked at and compared with the card by a task."""
    if turn.inbound.photo is None:
        raise DomainError("photo.need_selfie")
    return _work(turn, PhotoKind.SELFIE, "registration.selfie_checking")


def elsewhere(turn: Turn) -> tuple[Choice, ...]:
    """On WhatsApp photos may go by the page instead, which nobody else sees."""
    by_page = turn.inbound.channel == Channel.WHATSAPP and turn.programme.chat_url
    return (Choice("!page", "registration.photo_by_page"),) if by_page else ()


def ask_turned(turn: Turn) -> Say:
    """Where to turn the head to, as the person sees it."""
    side = Side(turn.draft.get("turn_to", Side.LEFT))
    key = "registration.ask_turn_left" if side == Side.LEFT else "registration.ask_turn_right"
    return Say(key, ask="photo")


def take_turned(turn: Turn) -> Outcome:
    """A second selfie is compared with the first by a task."""
    if turn.inbound.photo is None:
        raise DomainError("photo.need_selfie")
    return _work(turn, PhotoKind.TURNED, "registration.turn_checking")


def take_outcome(turn: Turn, outcome: PhotoOutcome, on: On) -> Outcome:
    """What a task found, on whatever step the person is by now: only somebody who waits for it is answered."""
    waits = turn.step == STEPS[outcome.kind]
    if outcome.kind == PhotoKind.SELFIE and outcome.card_photo != turn.draft.get("card_photo"):
        return Stay()  # compared with a card that was taken back since
    if outcome.kind == PhotoKind.TURNED and (
        outcome.selfie_photo != turn.draft.get("selfie") or outcome.asked != turn.draft.get("turn_to")
    ):
        return Stay()  # another selfie, or sent before the other side was asked for
    if not waits and "selfie" in turn.draft:
        return Stay()  # the first one counted, and the side was asked for
    if not waits and outcome.kind != PhotoKind.SELFIE:
        return Stay()  # a second card photo, or a head turned twice: the first one counted
    try:
        found = _JUDGES[outcome.kind](turn, outcome, on)
    except DomainError as error:
        retry = Stay((Say(error.code, error.params, _retry_choices(error.code), ask="photo"),))
        return retry if waits else Stay()
    return found if waits else Stay(draft=found.draft)


def _card(turn: Turn, outcome: PhotoOutcome, on: On) -> Stay | Go:
    """What was read is proposed. A card that can't be read, or whose portrait can't be used, is asked for once more;
    then the photo is kept for staff, and the person types what was not read.
    """
    if outcome.photo is None:
        raise DomainError(outcome.error)
    photo, reading = outcome.photo.id, outcome.reading or CardReading()
    read = reading.found and reading.nik
    problem = portrait_problem(outcome.photo.facts) or ("" if read else "photo.card_unreadable")
    if problem and _tries_left(turn):
        return _card_again(turn, problem)
    if not read:
        return on(turn, Say("registration.card_typed"), card_photo=photo)
    proposed = {"photo": photo, "reading": readable(reading)}
    return Go(turn.step, {**turn.draft, "proposed": proposed, "misread": []})


def _tries_left(turn: Turn) -> bool:
    tries: int = turn.draft.get("card_tries", 0)
    return tries + 1 < CARD_TRIES


def _card_again(turn: Turn, problem: str) -> Stay:
    tries = turn.draft.get("card_tries", 0) + 1
    return Stay((Say(problem, ask="photo"),), draft={**turn.draft, "card_tries": tries})


def _selfie(turn: Turn, outcome: PhotoOutcome, on: On) -> Stay | Go:
    if outcome.error:
        raise DomainError(outcome.error)
    assert outcome.photo is not None
    if outcome.verdict == FaceVerdict.DIFFERENT:
        raise DomainError("registration.selfie_different")
    # One side a registration: who takes another selfie is not asked for one that fits a picture made ahead.
    side = turn.draft.get("turn_side") or pick_side().value
    answers: Draft = {"selfie": outcome.photo.id, "turn_side": side, "turn_to": side}
    if not turn.programme.layers_on(turn.today).liveness:
        answers = {"selfie": outcome.photo.id, "turned": None}
    turn = msgspec.structs.replace(turn, draft=without(turn.draft, "mirrored", "turn_tries"))
    return on(turn, Say("registration.selfie_accepted"), **answers)


def _turned(turn: Turn, outcome: PhotoOutcome, on: On) -> Stay | Go:
    """The head must turn as asked. A front camera may mirror, so somebody who turns to the other side is asked for the
    opposite one: whoever is then "wrong" again has such a camera, and does what was asked.
    """
    if outcome.error:
        raise DomainError(outcome.error)
    assert outcome.photo is not None
    mirrored = bool(turn.draft.get("mirrored"))
    right = TurnVerdict.OPPOSITE if mirrored else TurnVerdict.AS_ASKED
    if outcome.verdict == right:
        return on(turn, Say("registration.turn_accepted"), turned=outcome.photo.id)
    tries = turn.draft.get("turn_tries", 0) + 1
    if tries >= TURN_TRIES:  # somebody looks at the photos instead
        return on(turn, Say("registration.turn_for_staff"), turned=None)
    draft = {**turn.draft, "turn_tries": tries}
    if outcome.verdict in {TurnVerdict.STRAIGHT, TurnVerdict.DIFFERENT}:
        straight = outcome.verdict == TurnVerdict.STRAIGHT
        key = "registration.turn_not_seen" if straight else "registration.turn_different"
        return Stay((Say(key, ask="photo"),), draft=draft)
    other = Side.RIGHT if turn.draft["turn_to"] == Side.LEFT else Side.LEFT
    draft = {**draft, "turn_to": other.value, "mirrored": not mirrored}
    return Go(turn.step, draft, (Say("registration.turn_other_side"),))


_JUDGES: dict[PhotoKind, Callable[[Turn, PhotoOutcome, On], Stay | Go]] = {
    PhotoKind.CARD: _card,
    PhotoKind.SELFIE: _selfie,
    PhotoKind.TURNED: _turned,
}


def without_selfie(draft: Draft) -> Draft:
    """The answers without the selfie and all that rests on it."""
    return without(draft, *ABOUT_SELFIE)


def _retry_choices(code: str) -> tuple[Choice, ...]:
    if code != "registration.selfie_different":
        return ()
    return (Choice("new_card", "registration.new_card"), Choice("!person", "help.person"))


def _work(turn: Turn, kind: PhotoKind, key: str) -> Act:
    photo = turn.inbound.photo
    assert photo is not None

    async def action() -> Done:
        await start_photo_task(
            turn.conversation_id,
            kind,
            Channel(turn.inbound.channel),
            turn.now,
            remote=photo.file_id if isinstance(photo, RemotePhoto) else None,
            photo_id=None if isinstance(photo, RemotePhoto) else photo.id,
            card_photo_id=turn.draft.get("card_photo") if kind == PhotoKind.SELFIE else None,
            selfie_photo_id=turn.draft.get("selfie") if kind == PhotoKind.TURNED else None,
            asked=turn.draft.get("turn_to") if kind == PhotoKind.TURNED else None,
        )
        return Stay((Say(key),))

    return Act(action)
