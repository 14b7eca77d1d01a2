"""Even pace: a slot each 1/n second, so that no second holds more than n."""

import asyncio
import time

SLICE_SECONDS = 10.0


def portion(most: int, a_second: float) -> int:
    """How many payments to take at once: as many as go out in ten seconds, so that pausing and stopping are soon felt
    and no lease runs out while they wait for their turn.
    """
    return min(most, max(1, int(a_second * SLICE_SECONDS))) if a_second else most


class Pace:
    """``slot`` waits for the next one; 0 a second is any number."""

    def __init__(self, a_second: float) -> None:
        self._between = 1 / a_second if a_second else 0.0
        self._next = 0.0

    async def slot(self) -> None:
        """Wait for one's turn."""
        if not self._between:
            return
        now = time.monotonic()
        self._next = max(self._next + self._between, now)
        if self._next > now:
            await asyncio.sleep(self._next - now)
