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
from domain.staff.rules import Member, Permission
from domain.staff.tasks import note_file
from handlers import i18n
from handlers.conversation import File, KeptFile
from handlers.conversations.staff import live
from handlers.engine import Engine, Outgoing, address_lookup, outgoing
from handlers.flows import STEPS
from handlers.i18n import Rendered
from models.enums import Channel

Mailbox = Callable[[Channel, str, int], Awaitable[tuple[int | None, list[Outgoing]]]]
NewMail = Callable[[int, float], Awaitable[None]]

DOOR = frozenset({"staff.door", "staff.code"})
# What a member needs to see a file or a message that changes.
NEEDS = {
    "photo": Permission.REVIEW,
    "chart": Permission.FIGURES,
    "broadcast": Permission.BROADCAST,
    "payout": Permission.PAYOUTS,
}


class StaffAccess:
    """Gives a chat what belongs to it, as long as its member is signed in."""

    _mailbox: Mailbox

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

    async def _message(self, channel: Channel, chat: str, number: int) -> tuple[Outgoing, Member] | None:
        row = await self._engine.tables.message(self._db, address_lookup(channel, chat), number)
        if row is None:
            return None
        member = await members.at(row.conversation_id, self._clock())
        return (outgoing(row), member) if member is not None and member.signed_in else None

    async def file(self, channel: Channel, chat: str, number: int, at: int) -> tuple[File, bytes] | None:
        """See StaffDesk. A photo of a case is gone with the role."""
        found = await self._message(channel, chat, number)
        if found is None or at >= len(found[0].body.say.files):
            return None
        file = found[0].body.say.files[at]
        needs = Permission(file.needs) if file.needs else NEEDS.get(file.kind)
        if needs is None or needs not in found[1].permissions:
            return None
        try:
            return file, await self._files.load(file)
        except KeyError:
            return None

    async def live(self, channel: Channel, chat: str, number: int) -> Rendered | None:
        """See StaffDesk."""
        found = await self._message(channel, chat, number)
        if found is None or not found[0].body.say.live:
            return None
        message, member = found
        if NEEDS[message.body.say.live.partition(":")[0]] not in member.permissions:
            return None
        say = await live(self._db, self._programme, message.body.say.live, self._clock())
        return None if say is None else i18n.render(say, message.row.language)

    async def mailbox(self, channel: Channel, chat: str, after: int) -> tuple[int | None, list[Outgoing]]:
        """Messages of a chat with an id above ``after``; to who is not signed in only what the door says, and the key
        of a code generator to nobody: it was in the answer to the invitation.
        """
        address_id, messages = await self._mailbox(channel, chat, after)
        if not messages:
            return address_id, messages
        member = await members.at(messages[0].row.conversation_id, self._clock())
        inside = member is not None and member.signed_in
        return address_id, [m for m in messages if m.row.key != "staff.enrol" and (inside or m.row.step in DOOR)]

    async def keep_file(self, channel: Channel, chat: str, name: str, content: bytes) -> KeptFile | None:
        """See StaffDesk. None where the chat's step asks for no file, so that nothing is kept unasked."""
        if not await self.takes_file(channel, chat):
            return None
        number = secrets.token_hex(16)
        await note_file(number, self._clock())
        await self._media.save(number, content)
        return KeptFile(number, name)

    async def takes_file(self, channel: Channel, chat: str) -> bool:
        """See StaffDesk."""
        found = await self._engine.tables.seat_at(self._db, address_lookup(channel, chat))
        if found is None or "file" not in STEPS[found[1]][1].accepts:
            return False
        member = await members.at(found[0], self._clock())
        return member is not None and member.signed_in and STEPS[found[1]][1].permission in member.permissions

    def desk(self, receive: Receive, mailbox: Mailbox, new_mail: NewMail) -> StaffDesk:
        """All of it."""
        self._mailbox = mailbox
        return StaffDesk(receive, self.mailbox, new_mail, self.takes_file, self.keep_file, self.file, self.live)
