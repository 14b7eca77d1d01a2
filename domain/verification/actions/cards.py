"""How well cards are read: what was read, confirmed and corrected, by the fields' names, never by what they say."""

from collections.abc import Iterable
from datetime import datetime

from domain.verification.rules.card import FIELDS, CardReading
from models.person import PhotoTask
from models.verification import CardReading as Row


async def record_reading(task: PhotoTask, reading: CardReading, seconds: float, now: datetime) -> None:
    """Note which fields were read on a photo."""
    await Row.update_or_create(
        photo_id=task.photo_id,
        defaults={
            "conversation_id": task.conversation_id,
            "found": reading.found,
            "was_read": ",".join(name for name in FIELDS if getattr(reading, name)),
            "seconds": seconds,
            "read_at": now,
        },
    )


async def record_answers(photo_id: str, confirmed: Iterable[str], corrected: Iterable[str]) -> None:
    """Note which of the fields that were read the person confirmed, and which were corrected."""
    await Row.filter(photo_id=photo_id).update(
        confirmed=",".join(sorted(confirmed)), corrected=",".join(sorted(corrected))
    )
