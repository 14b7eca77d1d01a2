"""A member of staff answers a person who asked for one."""

import msgspec
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.transactions import in_transaction

from domain import clock
from domain.audit import record
from domain.errors import DomainError
from domain.staff.actions import close_help_request
from handlers.conversation import Say
from handlers.engine import LEASE, PULLED, Body
from models.enums import OutboxStatus
from models.outbox import OutboxRow
from models.turns import TurnTables


async def reply(db: BaseDBAsyncClient, number: int, text: str, staff: str) -> None:
    """Close a request and post the answer to the chat its person used last; ValueError where it is not open."""
    now, tables = clock.now(), TurnTables(db)
    async with in_transaction() as transaction:
        try:
            conversation_id = await close_help_request(number, now)
        except DomainError:
            raise ValueError(f"request {number} is not open") from None
        await record(staff, "talk.replied", f"request:{number}", now=now, after=text)
        seat = (await tables.lock(transaction, [], [conversation_id]))[conversation_id]
        body = Body(Say("help.reply", {"text": text}))
        row = OutboxRow(
            id=0,
            conversation_id=conversation_id,
            address_id=seat.address_id,
            channel=seat.channel,
            inbound_id=0,
            position=0,
            key=body.say.key,
            step=seat.conversation.step,
            language=seat.conversation.language,
            body=msgspec.msgpack.encode(body),
            status=OutboxStatus.SENT if seat.channel in PULLED else OutboxStatus.QUEUED,
        )
        await tables.post(transaction, [row], now, LEASE)
