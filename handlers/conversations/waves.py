"""Joining a wave."""

from domain.waves.actions import join
from handlers.conversation import Draft, Go, Say, Turn


async def join_wave(turn: Turn, person_id: int, draft: Draft) -> Go:
    """Join the open wave and show the ticket; refused with waves.none_open."""
    wave, entry = await join(person_id, turn.now)
    params = {"wave": wave.number, "ticket": entry.ticket, "closes_time": wave.closes_at.isoformat()}
    return Go("home.menu", {**draft, "ticket": entry.ticket}, (Say("registration.joined", params),))
