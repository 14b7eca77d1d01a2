"""What the law wants done in time: deletions that people asked for, data that was kept long enough, files destroyed."""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.transactions import in_transaction

from bot.channel import Receive
from bot.gateways.media import MediaFolder
from bot.tasks import again_and_again
from domain.privacy import actions, erasure, retention
from domain.programme import Programme
from domain.waves.places import give_up_some
from handlers.conversation import DataOutcome, Inbound
from handlers.flows import FIRST_STEP
from models.enums import Channel
from models.lease import take_lease

log = logging.getLogger(__name__)

LOOK_SECONDS = 20.0
PASS_EVERY = timedelta(hours=24)


class DataRights:
    """Any number of processes may look; a pass of retention is one's own."""

    def __init__(
        self,
        db: BaseDBAsyncClient,
        programme: Programme,
        media: MediaFolder,
        clock: Callable[[], datetime],
        receive: Receive,
    ) -> None:
        self._db, self._programme, self._media, self._clock, self._receive = db, programme, media, clock, receive

    async def run(self) -> None:
        """Work until cancelled."""
        await again_and_again("data rights", self.sweep, lambda: LOOK_SECONDS)

    async def sweep(self) -> None:
        """Everything that is due now."""
        now = self._clock()
        await give_up_some(now)
        await actions.look_again(now)
        for row in await actions.due_deletions(now):
            await self._receive(
                Inbound(
                    channel=Channel.INTERNAL,
                    address=str(row.conversation_id),
                    external_id=f"data:{row.id}:{row.acts_at}",
                    outcome=DataOutcome(row.id),
                )
            )
        for row in await actions.to_forget(now):
            async with in_transaction():
                await actions.forget(row, now)
        while await erasure.destroy_files(self._media, self._clock()):
            pass
        if await take_lease(self._db, "retention", now + PASS_EVERY, now):
            await self.keep_to_the_days()

    async def keep_to_the_days(self, progress: Callable[[int], object] = lambda _: None) -> dict[str, int]:
        """One pass of retention; gives how much of each kind was destroyed."""
        days, found = self._programme.retention, {}
        for rule in retention.RULES:
            count, after = 0, retention.beginning(self._db, rule)
            while after is not None:
                now = self._clock()
                ids, after = await retention.look(self._db, rule, days, now, after)
                if ids:
                    async with in_transaction() as db:
                        await retention.destroy(db, rule, ids, days, FIRST_STEP, now)
                    count += len(ids)
                    progress(len(ids))
            found[rule.kind] = count
        while await erasure.destroy_files(self._media, self._clock()):
            pass
        if any(found.values()):
            log.info("kept long enough: %s", ", ".join(f"{kind} {count}" for kind, count in found.items() if count))
        return found
