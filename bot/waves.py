"""What dates bring about: waves open and close, are frozen and drawn; places lapse and are handed on."""

import asyncio
import logging
import sys
from collections.abc import Awaitable, Callable
from datetime import date, datetime, timedelta

from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.expressions import F
from tortoise.transactions import in_transaction

from bot.tasks import again_and_again
from domain.audit import SYSTEM
from domain.clock import day_of
from domain.errors import DomainError
from domain.programme import Programme
from domain.waves import places
from domain.waves.actions import carry_over, current_wave, follow_dates, move, tell_open
from domain.waves.freeze import UNDRAWN
from domain.waves.reserve import offer_some
from domain.waves.rules import OPEN_PLACES
from models.enums import PlaceStatus, WaveStatus
from models.wave import Place, Wave

log = logging.getLogger(__name__)

SWEEP_SECONDS = 15.0
LOOK_AGAIN = timedelta(minutes=5)
AGAIN_SECONDS = 60.0  # after a draw that could not be


class Waves:
    """Looks at all waves again and again; each step is small, and done once however many processes look."""

    def __init__(
        self,
        db: BaseDBAsyncClient,
        programme: Programme,
        clock: Callable[[], datetime],
        wave_is_open: Callable[[int], None],
        wake: Callable[[], None],
    ) -> None:
        self._db, self._programme, self._clock = db, programme, clock
        self._wave_is_open, self._wake = wave_is_open, wake
        self._look_again: dict[int, datetime] = {}
        self._expired_on: date | None = None

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            for work in (self.sweep, self._freeze_and_draw):
                group.create_task(again_and_again("waves", work, lambda: SWEEP_SECONDS))

    def watcher(self) -> "OpenWave":
        """For a process that changes no wave, and only has to know which can be joined."""
        return OpenWave(self._clock, self._wave_is_open)

    async def sweep(self) -> None:
        """Everything that is due now, in small transactions."""
        now = self._clock()
        async with in_transaction():
            for wave in await follow_dates(now):
                log.info("wave %d is %s", wave.number, wave.status)
        wave_open = await current_wave(now)
        self._wave_is_open(wave_open.number if wave_open else 0)
        if wave_open is not None:
            await self._all(lambda: self._carry_over(wave_open))
            if await self._all(lambda: self._tell_open(wave_open)):
                self._wake()
        if day_of(now) != self._expired_on:  # once a day: it looks at every balance
            await self._all(lambda: places.expire_some(self._db, self._programme, self._clock()))
            self._expired_on = day_of(now)
        for wave in await Wave.filter(status=WaveStatus.ANNOUNCED).order_by("number"):
            try:
                await self._places(wave)
            except DomainError as error:  # no money, say: the other waves' clocks go on
                log.error("wave %d: %s", wave.number, error.code)

    async def _carry_over(self, wave: Wave) -> int:
        async with in_transaction() as db:
            if not await Wave.filter(id=wave.id, status=WaveStatus.OPEN).update(status=WaveStatus.OPEN):
                return 0  # it has closed; the update is the lock, on SQLite too
            return await carry_over(db, wave, self._clock())

    async def _tell_open(self, wave: Wave) -> int:
        async with in_transaction() as db:
            if not await Wave.filter(id=wave.id, status=WaveStatus.OPEN).update(status=WaveStatus.OPEN):
                return 0
            return await tell_open(db, wave, self._clock())

    async def _places(self, wave: Wave) -> None:
        db, programme, clock = self._db, self._programme, self._clock
        after = 0
        while after := await places.note_told(db, wave, programme, after):
            pass
        found = await self._all(lambda: places.remind(db, wave, programme, clock()))
        found += await self._all(lambda: places.lapse_some(db, wave, clock()))
        offered = 0
        if found or clock() >= self._look_again.get(wave.id, clock()):
            offered = await self._all(lambda: offer_some(db, wave, programme, clock()))
            # Where nobody fits now, somebody may later: but that needs no look down the whole list at every sweep.
            self._look_again[wave.id] = clock() + LOOK_AGAIN
        if found + offered:
            self._wake()
        if not offered and await self._is_over(wave):
            async with in_transaction():
                # Looked at once more, the wave locked: somebody may have taken their training back meanwhile.
                await Wave.filter(id=wave.id).update(quota=F("quota"))
                if await self._is_over(wave):
                    await move(wave, WaveStatus.ENDED, SYSTEM, clock())

    async def _is_over(self, wave: Wave) -> bool:
        """Every place is accepted; or some are free, and nobody is left who could have them, today or soon."""
        if await Place.filter(wave_id=wave.id, status__in=list(OPEN_PLACES)).exists():
            return False
        if await Place.filter(wave_id=wave.id, status=PlaceStatus.ACCEPTED).count() >= wave.quota:
            return True
        # Who waits for a later draw, or for a check, may come back: not before the first deadlines are over.
        first = (wave.announced_at or self._clock()) + timedelta(days=self._programme.waves.accept_days)
        later = Wave.filter(number__gt=wave.number, status__in=UNDRAWN)
        return self._clock() >= first and not await later.exists()

    async def _all(self, portion: Callable[[], Awaitable[int]]) -> int:
        done = 0
        while some := await portion():
            done += some
        return done

    async def _freeze_and_draw(self) -> None:
        """Let what is due be done by the command, in a process of its own: it needs seconds of work and memory."""
        now = self._clock()
        closed = Wave.filter(status=WaveStatus.CLOSED, freezes_at__lte=now)
        unpublished = Wave.filter(status=WaveStatus.FROZEN, published_at__isnull=True)
        frozen = Wave.filter(
            status__in=[WaveStatus.FROZEN, WaveStatus.DRAWN], draws_at__lte=now, published_at__isnull=False
        )
        for what, due in (("freeze", unpublished), ("freeze", closed), ("run", frozen)):
            for wave in await due.order_by("number"):
                if what == "run" and wave.seed is None and wave.round is None:
                    continue  # dice have to be thrown first
                child = await asyncio.create_subprocess_exec(
                    sys.executable, "-m", "bot", "draw", what, str(wave.number), "--staff", SYSTEM
                )
                try:
                    if await child.wait():
                        await asyncio.sleep(AGAIN_SECONDS)
                finally:
                    if child.returncode is None:
                        child.kill()


class OpenWave:
    """Knows which wave can be joined."""

    def __init__(self, clock: Callable[[], datetime], wave_is_open: Callable[[int], None]) -> None:
        self._clock, self._wave_is_open = clock, wave_is_open

    async def run(self) -> None:
        """Look again and again until cancelled."""
        await again_and_again("open wave", self.look, lambda: SWEEP_SECONDS)

    async def look(self) -> None:
        """Look once."""
        wave = await current_wave(self._clock())
        self._wave_is_open(wave.number if wave else 0)
