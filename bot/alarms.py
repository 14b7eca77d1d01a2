"""Telling admins and auditors who are signed in what looks like an attack, each alarm once."""

from collections.abc import Callable
from datetime import datetime

from bot.channel import Receive
from bot.tasks import again_and_again
from domain import alarms
from domain.staff import members
from domain.staff.rules import Permission
from handlers.conversation import Inbound, StaffOutcome
from models.enums import Channel

LOOK_SECONDS = 15.0


class Alarms:
    """Any number of processes may look: an alarm's message has its number and the chat in its id."""

    def __init__(self, clock: Callable[[], datetime], receive: Receive) -> None:
        self._clock, self._receive = clock, receive

    async def run(self) -> None:
        """Work until cancelled."""
        await again_and_again("alarms", self.tell, lambda: LOOK_SECONDS)

    async def tell(self) -> None:
        """Tell what nobody has heard of; where nobody is there it waits for who signs in."""
        now = self._clock()
        rows = await alarms.untold()
        chats = await members.on_duty(Permission.AUDIT, "", now) if rows else []
        for row in rows if chats else []:
            for chat in chats:
                await self._receive(
                    Inbound(
                        channel=Channel.INTERNAL,
                        address=str(chat),
                        external_id=f"alarm:{row.id}:{chat}",
                        outcome=StaffOutcome("alarm", row.id),
                    )
                )
        if chats:
            await alarms.told(rows, now)
