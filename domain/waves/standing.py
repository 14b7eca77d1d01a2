"""Where somebody stands in the wave they joined last: for STATUS and CEK."""

from dataclasses import dataclass

import msgspec
from tortoise.backends.base.client import BaseDBAsyncClient

from domain.programme import GENERAL
from domain.waves.keys import keyed
from domain.waves.reserve import rank_of
from domain.waves.rules import LIVE
from models.wave import Entry, Place, Wave


@dataclass(frozen=True)
class Rank:
    """A rank among so many, the last rank that was selected of the person's stratum or of all, and the proof."""

    rank: int
    entrants: int
    cut_off: int
    seed: str
    key: str


@dataclass(frozen=True)
class Standing:
    """The wave joined last; ``place`` and ``rank`` are None before the result is public or where there is none."""

    wave: Wave
    entry: Entry
    place: Place | None = None
    rank: Rank | None = None

    @property
    def public(self) -> bool:
        """Whether the result may be told."""
        return self.wave.announced_at is not None


async def standing_of(db: BaseDBAsyncClient, person_id: int) -> Standing | None:
    """How somebody stands: in the wave that gave them a place, else in the one they joined last; None in none."""
    held = await Place.filter(person_id=person_id, status__in=list(LIVE)).order_by("-id").first()
    entries = Entry.filter(person_id=person_id).prefetch_related("wave").order_by("-id")
    entry = await (entries.filter(ticket=held.ticket) if held else entries).first()
    if entry is None:
        return None
    wave: Wave = entry.wave
    standing = Standing(wave, entry)
    if not standing.public:
        return standing
    place = await Place.get_or_none(ticket=entry.ticket)
    number = await rank_of(db, wave, entry.ticket)
    if number is None:
        return Standing(wave, entry, place)
    cuts = msgspec.json.decode(wave.cut_offs, type=dict[str, int])
    cut = max(cuts.get(entry.stratum, 0), cuts.get(GENERAL, 0))
    seed = bytes(wave.seed or b"")
    key = keyed(seed)(entry.ticket.encode())
    return Standing(wave, entry, place, Rank(number, wave.entrants or 0, cut, seed.hex(), key.hex()))
