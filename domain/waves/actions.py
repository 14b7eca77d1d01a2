"""Opening waves and joining them."""

from datetime import datetime

from domain.errors import DomainError
from domain.waves.rules import new_ticket
from models.enums import WaveStatus
from models.wave import Entry, Wave


async def open_wave(number: int, quota: int, opens_at: datetime, closes_at: datetime) -> Wave:
    """A wave that can be joined; the existing one where the number is taken."""
    wave, _ = await Wave.get_or_create(
        number=number,
        defaults={"status": WaveStatus.OPEN, "quota": quota, "opens_at": opens_at, "closes_at": closes_at},
    )
    return wave


async def current_wave(now: datetime) -> Wave | None:
    """The wave that can be joined now."""
    return await Wave.filter(status=WaveStatus.OPEN, opens_at__lte=now, closes_at__gt=now).order_by("number").first()


async def join(person_id: int, now: datetime) -> tuple[Wave, Entry]:
    """Join the open wave; joining twice gives the same ticket. Refused with waves.none_open."""
    wave = await current_wave(now)
    if wave is None:
        raise DomainError("waves.none_open")
    entry = await Entry.filter(wave_id=wave.id, person_id=person_id).first()
    if entry is None:
        entry = await Entry.create(wave_id=wave.id, person_id=person_id, ticket=new_ticket(wave.number), joined_at=now)
    return wave, entry


async def last_entry(person_id: int) -> tuple[Wave, Entry] | None:
    """The wave a person joined last, with the entry."""
    entry = await Entry.filter(person_id=person_id).order_by("-id").prefetch_related("wave").first()
    return None if entry is None else (entry.wave, entry)
