"""Waves: tickets, what may follow what, seats and clocks. Pure; times are moments in UTC."""

import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime, time, timedelta

from domain.clock import WIB, day_of
from domain.programme import GENERAL, Stratum
from models.enums import PlaceStatus, WaveStatus

# Crockford's base 32: no I, L, O or U, so that a ticket read from a small screen is typed back right.
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
THROWS, MOST_THROWS = 50, 400  # of a die: 129 bits and more

# What a wave may become; everything else is refused.
FOLLOWS: Mapping[WaveStatus, frozenset[WaveStatus]] = {
    WaveStatus.PLANNED: frozenset({WaveStatus.OPEN}),
    WaveStatus.OPEN: frozenset({WaveStatus.CLOSED}),
    WaveStatus.CLOSED: frozenset({WaveStatus.FROZEN}),
    WaveStatus.FROZEN: frozenset({WaveStatus.DRAWN}),
    WaveStatus.DRAWN: frozenset({WaveStatus.ANNOUNCED}),
    WaveStatus.ANNOUNCED: frozenset({WaveStatus.ENDED}),
    WaveStatus.ENDED: frozenset({WaveStatus.ANNOUNCED}),  # somebody took their only training back
}
# Places that count against the quota and the household's seats.
LIVE = frozenset({PlaceStatus.SELECTED, PlaceStatus.NOTIFIED, PlaceStatus.ACCEPTED})
OPEN_PLACES = LIVE - {PlaceStatus.ACCEPTED}  # whose clock runs

# drand's quicknet, from its chain information (https://api.drand.sh/v2/beacons/quicknet/info): a round every three
# seconds since its beginning, whoever asks.
GENESIS, PERIOD = 1_692_803_367, 3

WAITING = "waiting"  # the reason of those who carry over to the next wave
CARRIED = "carried"  # what it becomes when they have
WITHDRAWN = "withdrawn"  # of those who took their consent back


def new_ticket(wave: int) -> str:
    """A ticket such as "G3-7KQ4-M2XD": the wave's number and 40 random bits."""
    letters = "".join(secrets.choice(ALPHABET) for _ in range(8))
    return f"G{wave}-{letters[:4]}-{letters[4:]}"


def ticket_length(wave: int) -> int:
    """Letters of a wave's tickets: they all have the same number."""
    return len(f"G{wave}-XXXX-XXXX")


def round_at(moment: datetime) -> int:
    """The first round of quicknet that is published at a moment or after it."""
    seconds = moment.timestamp() - GENESIS
    return int(-(-seconds // PERIOD)) + 1


def time_of_round(number: int, zone: datetime) -> datetime:
    """When a round is published, in the zone of the moment given."""
    return datetime.fromtimestamp(GENESIS + (number - 1) * PERIOD, zone.tzinfo)


def seats(quota: int, strata: Sequence[Stratum]) -> list[tuple[str, int]]:
    """The seats of each stratum in the order they are filled; the rest is everybody's."""
    own = [(stratum.name, int(quota * stratum.share)) for stratum in strata]
    return [*own, (GENERAL, quota - sum(number for _, number in own))]


def deadline(told_at: datetime, days: int) -> datetime:
    """The end, by the programme's clock, of the day so many days after the notice."""
    day = day_of(told_at) + timedelta(days=days + 1)
    return datetime.combine(day, time(0), WIB).astimezone(told_at.tzinfo)


def last_day(due_at: datetime) -> str:
    """The last day on which a training can be chosen, as an ISO date."""
    return (due_at.astimezone(WIB) - timedelta(seconds=1)).date().isoformat()


def reminder(due_at: datetime, reminded: int | None, days: Sequence[int], now: datetime) -> int | None:
    """The reminder that is due now, as days before the deadline; None where none is, or it was given.

    After a standstill only the latest one counts. ``days``: the longest first.
    """
    left = due_at - now
    if left <= timedelta(0):
        return None
    begun = [each for each in days if left <= timedelta(days=each)]
    if not begun or (reminded is not None and reminded <= begun[-1]):
        return None
    return begun[-1]
