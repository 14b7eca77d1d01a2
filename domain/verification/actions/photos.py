"""Photos and the slow work on them. Verbs load, ask the rules and save; they never commit."""

from datetime import datetime, timedelta

import msgspec

from domain.errors import DomainError
from domain.ports import FaceFacts, Prepared
from models.enums import Channel, PhotoKind, TaskStatus
from models.person import Photo, PhotoTask

MOST_AN_HOUR = 30  # photos of one chat: honest people need three to ten
LEASE = timedelta(minutes=1)  # longer than the work: who waits for a photo that a crash broke off waits so long


async def keep_photo(photo_id: str, conversation_id: int, prepared: Prepared, digest: bytes, now: datetime) -> None:
    """Record a photo of a conversation, whose file is put into the media folder."""
    await Photo.create(
        id=photo_id,
        conversation_id=conversation_id,
        sha256=digest,
        width=prepared.facts.width,
        height=prepared.facts.height,
        facts=msgspec.json.encode(prepared.facts).decode(),
        stored_at=now,
    )


async def start_photo_task(  # noqa: PLR0913 - what the work is about
    conversation_id: int,
    kind: PhotoKind,
    channel: Channel,
    now: datetime,
    *,
    remote: str | None = None,
    photo_id: str | None = None,
    card_photo_id: str | None = None,
    selfie_photo_id: str | None = None,
    asked: str | None = None,
) -> None:
    """Ask for slow work on a photo; bot.tasks does it after the commit and feeds the outcome back as a message.

    Refused with photo.too_many where a chat has sent its share of the hour: the others wait behind it.
    """
    lately = PhotoTask.filter(conversation_id=conversation_id, created_at__gt=now - timedelta(hours=1))
    if await lately.count() >= MOST_AN_HOUR:
        raise DomainError("photo.too_many")
    await PhotoTask.create(
        conversation_id=conversation_id,
        kind=kind,
        channel=channel,
        remote=remote,
        photo_id=photo_id,
        card_photo_id=card_photo_id,
        selfie_photo_id=selfie_photo_id,
        asked=asked,
        lease_until=now,
        created_at=now,
    )


async def claim_photo_task(now: datetime) -> PhotoTask | None:
    """Take the oldest piece of work that nobody is at; another worker may have it again when the lease runs out."""
    while True:
        task = await PhotoTask.filter(status=TaskStatus.PENDING, lease_until__lte=now).order_by("id").first()
        if task is None:
            return None
        # The old lease in the condition is what two workers race for: only one of them changes a row.
        claimed = await PhotoTask.filter(id=task.id, status=TaskStatus.PENDING, lease_until=task.lease_until).update(
            lease_until=now + LEASE, attempts=task.attempts + 1
        )
        if claimed:
            task.attempts += 1
            return task


async def photo_arrived(task: PhotoTask, photo_id: str) -> None:
    """Note that a task's photo is here, so that another try does not fetch it again."""
    task.photo_id = photo_id
    await PhotoTask.filter(id=task.id).update(photo_id=photo_id)


async def finish_photo_task(task: PhotoTask) -> None:
    """The outcome was fed back: nothing is left to do."""
    await PhotoTask.filter(id=task.id).update(status=TaskStatus.DONE)


async def retry_photo_task(task: PhotoTask, at: datetime) -> None:
    """Let the work be tried again from a moment on."""
    await PhotoTask.filter(id=task.id).update(lease_until=at)


async def photo_facts(photo_id: str) -> FaceFacts:
    """What the detector saw on a stored photo."""
    photo = await Photo.get(id=photo_id)
    return msgspec.json.decode(photo.facts, type=FaceFacts)
