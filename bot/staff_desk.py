"""What channels for staff ask of the rest: files of messages, messages that change, and files that were sent in."""

import secrets
from collections.abc import Awaitable, Callable
from datetime import datetime

from tortoise.backends.base.client import BaseDBAsyncClient

from bot.channel import Receive, StaffDesk
from bot.gateways.media import MediaFolder
from bot.staff_files import StaffFiles
from domain.programme import Programme
from domain.staff import members
from handlers import i18n
from handlers.conversation import File, KeptFile
from handlers.conversations.staff import live
from handlers.engine import Engine, Outgoing, address_lookup, outgoing
from handlers.flows import STEPS
from handlers.i18n import Rendered
from models.enums import Channel

Mailbox = Callable[[Channel, str, int], Awaitable[tuple[int | None, list[Outgoing]]]]
NewMail = Callable[[int, float], Awaitable[None]]


class StaffAccess:
    """Gives a chat what belongs to it, as long as its member is signed in."""

    def __init__(
        self,
        db: BaseDBAsyncClient,
        programme: Programme,
        engine: Engine,
        files: StaffFiles,
        media: MediaFolder,
        clock: Callable[[], datetime],
    ) -> None:
        self._db, self._programme, self._engine = db, programme, engine
        self._files, self._media, self._clock = files, media, clock

    async def _message(self, channel: Channel, chat: str, number: int) -> Outgoing | None:
        row = await self._engine.tables.message(self._db, address_lookup(channel, chat), number)
        if row is None:
            return None
        member = await members.at(row.conversation_id, self._clock())
        return outgoing(row) if member is not None and member.signed_in else None

    async def file(self, channel: Channel, chat: str, number: int, at: int) -> tuple[File, bytes] | None:
        """See StaffDesk."""
        message = await self._message(channel, chat, number)
        if message is None or at >= len(message.body.say.files):
            return None
        file = message.body.say.files[at]
        try:
            return file, await self._files.load(file)
        except KeyError:
            return None

    async def live(self, channel: Channel, chat: str, number: int) -> Rendered | None:
        """See StaffDesk."""
        message = await self._message(channel, chat, number)
        if message is None or not message.body.say.live:
            return None
        say = await live(self._db, self._programme, message.body.say.live, self._clock())
        return None if say is None else i18n.render(say, message.row.language)

    async def keep_file(self, channel: Channel, chat: str, name: str, content: bytes) -> KeptFile | None:
        """See StaffDesk. None where the chat's step asks for no file, so that nothing is kept unasked."""
        step = await self._engine.tables.step_at(self._db, address_lookup(channel, chat))
        if step is None or "file" not in STEPS[step][1].accepts:
            return None
        number = secrets.token_hex(16)
        await self._media.save(number, content)
        return KeptFile(number, name)

    def desk(self, receive: Receive, mailbox: Mailbox, new_mail: NewMail) -> StaffDesk:
        """All of it."""
        return StaffDesk(receive, mailbox, new_mail, self.keep_file, self.file, self.live)
