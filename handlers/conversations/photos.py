"""ID-card photo and selfie: what to say to them, at once or when the slow work is done.

A photo that is here (browser, terminal) is judged in the turn; one that its platform still holds (Telegram) is fetched
by a task first. Comparing faces is always a task. Both come back as an outcome, which may find the person elsewhere.
"""

from collections.abc import Callable
from typing import TypeAlias

from domain.errors import DomainError
from domain.verification.actions.photos import start_photo_task
from domain.verification.rules.faces import check_card
from handlers.conversation import (
    Act,
    Choice,
    Done,
    Go,
    Outcome,
    PhotoOutcome,
    RemotePhoto,
    Say,
    Stay,
    Turn,
)
from models.enums import Channel, FaceVerdict, PhotoKind

On: TypeAlias = Callable[..., Go]
"""The flow's way on: (turn, *replies, **answers) to the next open question."""


def take_card(turn: Turn, on: On) -> Outcome:
    """A card photo that is here is judged at once; one that is not is fetched."""
    photo = turn.inbound.photo
    if isinstance(photo, RemotePhoto):
        return _work(turn, PhotoKind.CARD, "registration.card_checking", remote=photo.file_id)
    if photo is None:
        raise DomainError("photo.need_card")
    check_card(photo.facts)
    return on(turn, card_photo=photo.id)


def take_selfie(turn: Turn) -> Outcome:
    """A selfie is looked at and compared by a task."""
    photo = turn.inbound.photo
    if photo is None:
        raise DomainError("photo.need_selfie")
    if isinstance(photo, RemotePhoto):
        return _work(turn, PhotoKind.SELFIE, "registration.selfie_checking", remote=photo.file_id)
    return _work(turn, PhotoKind.SELFIE, "registration.selfie_checking", photo_id=photo.id)


def take_outcome(turn: Turn, on: On) -> Outcome:
    """What a task found, on whatever step the person is by now: only somebody who waits for it is answered."""
    outcome = turn.inbound.outcome
    assert outcome is not None
    step = "registration.card_photo" if outcome.kind == PhotoKind.CARD else "registration.selfie"
    waits = turn.step == step
    if outcome.kind == PhotoKind.SELFIE and outcome.card_photo != turn.draft.get("card_photo"):
        return Stay()  # compared with a card that was taken back since
    try:
        found = _judge(turn, outcome, on)
    except DomainError as error:
        return Stay((Say(error.code, error.params, _retry_choices(error.code), ask="photo"),) if waits else ())
    return found if waits else Stay(draft=found.draft)


def _judge(turn: Turn, outcome: PhotoOutcome, on: On) -> Go:
    if outcome.error:
        raise DomainError(outcome.error)
    assert outcome.photo is not None
    if outcome.kind == PhotoKind.CARD:
        check_card(outcome.photo.facts)
        return on(turn, card_photo=outcome.photo.id)
    if outcome.verdict == FaceVerdict.DIFFERENT:
        raise DomainError("registration.selfie_different")
    return on(turn, Say("registration.selfie_accepted"), selfie=outcome.photo.id)


def _retry_choices(code: str) -> tuple[Choice, ...]:
    if code != "registration.selfie_different":
        return ()
    return (Choice("new_card", "registration.new_card"), Choice("!person", "help.person"))


def _work(turn: Turn, kind: PhotoKind, key: str, *, remote: str | None = None, photo_id: str | None = None) -> Act:
    async def action() -> Done:
        await start_photo_task(
            turn.conversation_id,
            kind,
            Channel(turn.inbound.channel),
            turn.now,
            remote=remote,
            photo_id=photo_id,
            card_photo_id=turn.draft.get("card_photo") if kind == PhotoKind.SELFIE else None,
        )
        return Stay((Say(key),))

    return Act(action)
