"""Counting again and again, in a process of its own, the summary of each day, and the published end of the log."""

import asyncio
import logging
import sys
from collections.abc import Callable
from datetime import datetime

from tortoise import connections
from tortoise.expressions import Q

from bot.channel import Receive
from bot.tasks import again_and_again
from domain import audit
from domain.clock import WIB, day_of
from domain.staff import figures
from handlers.conversation import Inbound, StaffOutcome
from models.enums import Channel
from models.lease import take_lease
from models.staff import StaffChat

log = logging.getLogger(__name__)

LOOK_SECONDS = 10.0


class FiguresFeed:
    """Keeps the figures fresh: at most every ten minutes, and never more than a tenth of the time."""

    def __init__(self, clock: Callable[[], datetime], receive: Receive, summary_hour: int) -> None:
        self._clock, self._receive, self._hour = clock, receive, summary_hour

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            for work in (self._count, self.daily):
                group.create_task(again_and_again("figures", work, lambda: LOOK_SECONDS))

    async def _count(self) -> None:
        row = await figures.latest()
        now = self._clock()
        if row is not None and now < row.taken_at + figures.pause(row):
            return
        if not await take_lease(connections.get("default"), "figures", now + figures.EVERY, now):
            return  # another process counts
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bot", "figures", "--quiet", stdout=asyncio.subprocess.DEVNULL
        )
        try:
            await child.wait()
        finally:
            if child.returncode is None:
                child.kill()

    async def daily(self) -> None:
        """Publish the log's head and tell the summary, once a day; each chat's message has the day in its id."""
        now = self._clock()
        await audit.publish_head(now)
        if now.astimezone(WIB).hour < self._hour:
            return
        day = day_of(now)
        untold = Q(told_on__isnull=True) | Q(told_on__lt=day)
        waiting = StaffChat.filter(untold, member__revoked_at__isnull=True, member__daily=True, ends_at__isnull=False)
        for chat in await waiting.order_by("id"):
            await self._receive(
                Inbound(
                    channel=Channel.INTERNAL,
                    address=str(chat.conversation_id),
                    external_id=f"daily:{day}:{chat.id}",
                    outcome=StaffOutcome("daily", day.toordinal()),
                )
            )
            await StaffChat.filter(id=chat.id).update(told_on=day)
