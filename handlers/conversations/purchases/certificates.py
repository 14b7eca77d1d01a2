"""A photo of a certificate, for staff to look at."""

from domain.errors import DomainError
from domain.trainings import reviews
from domain.verification.actions.photos import start_photo_task
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
    Step,
    Turn,
    pressed,
    to,
)
from handlers.conversations.purchases.mine import open_mine, purchase_of
from models.enums import Channel, PhotoKind


def ask_certificate(turn: Turn) -> Say:
    """A photo of the certificate."""
    choices = (Choice("back", "trainings.back_button"),)
    return Say("trainings.ask_certificate", {"title": purchase_of(turn)["title"]}, choices, "photo")


def take_certificate(turn: Turn) -> Outcome:
    """The photo is kept; one that its platform still holds is fetched by a task."""
    photo = turn.inbound.photo
    if pressed(turn) == "back":
        return Go("trainings.purchase", turn.draft)
    if photo is None:
        raise DomainError("trainings.need_certificate")
    if not isinstance(photo, RemotePhoto):
        return keep_certificate(turn, int(purchase_of(turn)["id"]), photo.id)

    async def action() -> Done:
        await start_photo_task(
            turn.conversation_id,
            PhotoKind.CERTIFICATE,
            Channel(turn.inbound.channel),
            turn.now,
            remote=photo.file_id,
            asked=str(purchase_of(turn)["id"]),  # whose certificate it is, whatever is open when it has come
        )
        return Stay((Say("trainings.certificate_checking"),))

    return Act(action)


def keep_certificate(turn: Turn, number: int, photo_id: str) -> Act:
    """Let staff look at the photo of a purchase's certificate."""

    async def action() -> Done:
        assert turn.person_id is not None
        rules = turn.programme.trainings
        await reviews.send_certificate(turn.person_id, number, photo_id, rules, turn.now)
        if turn.step != "trainings.certificate":  # gone on meanwhile: they stay where they are
            return Stay((Say("trainings.certificate_sent"),))
        return await open_mine(turn, number, (Say("trainings.certificate_sent"),))

    return Act(action)


def certificate_outcome(turn: Turn, outcome: PhotoOutcome) -> Outcome:
    """The photo was fetched: it is kept wherever its sender is by now; one who still waits is told of trouble."""
    if outcome.photo is not None:
        return keep_certificate(turn, int(outcome.asked), outcome.photo.id)
    if turn.step != "trainings.certificate":
        return Stay()
    raise DomainError(outcome.error)


STEPS = (
    Step(
        "trainings.certificate",
        ask_certificate,
        take_certificate,
        accepts=frozenset({"photo", "choice"}),
        needs="trainings.need_certificate",
        back=to("trainings.purchase"),
    ),
)
