"""The catalogue in memory: read at the start, and again what changed, in every process."""

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import date, datetime, timedelta

from bot.tasks import again_and_again
from domain.clock import day_of
from domain.programme import Programme
from domain.trainings.catalogue import Catalogue, Listing
from domain.trainings.listings import changed, listing_of

log = logging.getLogger(__name__)

LOOK_SECONDS, LONGEST = 1.0, 30.0
ALL_AGAIN = timedelta(minutes=10)  # what changed is found by its time; clocks can be wrong
SHARE = 20  # times as long as reading and making a catalogue took is waited before the next one


class CatalogueFeed:
    """Keeps ``use`` supplied with the newest catalogue."""

    def __init__(self, programme: Programme, clock: Callable[[], datetime], use: Callable[[Catalogue], None]) -> None:
        self._programme, self._clock, self._use = programme, clock, use
        self._rows: dict[int, Listing] = {}
        self._seen: datetime | None = None
        self._day: date | None = None
        self._all_again, self._pause = clock(), LOOK_SECONDS

    async def run(self) -> None:
        """Work until cancelled."""
        await again_and_again("catalogue", self.refresh, lambda: self._pause)

    async def refresh(self) -> bool:
        """Read what changed; gives whether there is a new catalogue."""
        began, now = time.perf_counter(), self._clock()
        today = day_of(now)
        everything = today != self._day or now >= self._all_again
        rows = await changed(None if everything else self._seen)
        if everything:
            self._all_again = now + ALL_AGAIN
        first, self._day = self._day is None, today
        different = first
        for row in rows:
            listing = listing_of(row, today)
            if listing is None:
                different |= self._rows.pop(row["id"], None) is not None
            elif self._rows.get(row["id"]) != listing:
                self._rows[row["id"]] = listing
                different = True
        self._seen = now  # not when the last of them changed: those of its minute would be read for ever
        if different:
            weight = self._programme.trainings.rating_weight
            listings = list(self._rows.values())
            self._use(await asyncio.to_thread(lambda: Catalogue(listings, weight).warm()))
        self._pause = max(LOOK_SECONDS, min(LONGEST, SHARE * (time.perf_counter() - began)))
        return different
