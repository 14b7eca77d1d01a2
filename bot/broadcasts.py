"""Sending broadcasts: looks recipients up, lets them be told portion by portion, and says when it is done."""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime

from tortoise.backends.base.client import BaseDBAsyncClient

from bot.channel import Receive
from bot.tasks import again_and_again
from domain.staff import broadcasts
from handlers.conversation import Inbound, StaffOutcome
from models.broadcast import Broadcast
from models.enums import BroadcastStatus, Channel

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0


class Broadcasts:
    """Any number of processes may look: each portion is one's own."""

    def __init__(
        self,
        db: BaseDBAsyncClient,
        clock: Callable[[], datetime],
        receive: Receive,
        wake: Callable[[], None],
        hours: tuple[int, int],
    ) -> None:
        self._db, self._clock, self._receive, self._wake, self._hours = db, clock, receive, wake, hours

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            for work in (self.freeze, self.release):
                group.create_task(again_and_again("broadcasts", work, lambda: LOOK_SECONDS))

    async def freeze(self) -> None:
        """Look up the recipients of what was written."""
        for row in await broadcasts.to_freeze():
            while await broadcasts.freeze_some(self._db, row, self._clock()):
                pass
            await self._tell(row.id)

    async def release(self) -> None:
        """Let the next ones be told."""
        for row in await broadcasts.running():
            while await broadcasts.release_some(self._db, row, self._clock(), self._hours):
                self._wake()
            if (await broadcasts.numbered(row.id)).status == BroadcastStatus.DONE:
                await self._tell(row.id)

    async def _tell(self, number: int) -> None:
        """Show its preparer how it stands; the message has the status in its id, so that it comes once."""
        row = await Broadcast.get(id=number)
        conversation_id = await broadcasts.preparers_chat(row)
        if conversation_id is not None:
            await self._receive(
                Inbound(
                    channel=Channel.INTERNAL,
                    address=str(conversation_id),
                    external_id=f"broadcast:{number}:{row.status}",
                    outcome=StaffOutcome("broadcast", number),
                )
            )
