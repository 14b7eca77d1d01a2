"""How well cards are read: what was read, confirmed and corrected, by the fields' names, never by what they say."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from domain.verification.rules.card import FIELDS, CardReading
from models import crypto
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
            "nik_index": crypto.ring().index("nik", reading.nik) if reading.nik else None,
            "sex": reading.sex,
            "seconds": seconds,
            "read_at": now,
        },
    )


async def record_answers(photo_id: str, confirmed: Iterable[str], corrected: Iterable[str]) -> None:
    """Note which of the fields that were read the person confirmed, and which were corrected."""
    await Row.filter(photo_id=photo_id).update(
        confirmed=",".join(sorted(confirmed)), corrected=",".join(sorted(corrected))
    )


@dataclass(frozen=True)
class Rates:
    """Photos of cards, those that could be read, mean seconds, and (read, confirmed, corrected) by field."""

    cards: int
    found: int
    seconds: float
    fields: dict[str, tuple[int, int, int]]


async def reading_rates() -> Rates:
    """How well cards have been read so far."""
    rows = await Row.all().values_list("found", "was_read", "confirmed", "corrected", "seconds")
    said = {name: [0, 0, 0] for name in FIELDS}
    for _, *columns, _ in rows:
        for at, column in enumerate(columns):
            for name in str(column).split(","):
                if name in said:
                    said[name][at] += 1
    return Rates(
        cards=len(rows),
        found=sum(bool(row[0]) for row in rows),
        seconds=sum(float(str(row[4])) for row in rows) / max(1, len(rows)),
        fields={name: (counts[0], counts[1], counts[2]) for name, counts in said.items()},
    )
