"""Everything that was said in a conversation is found, in whichever block of messages it stands."""

from typing import Any

from tortoise.backends.base.client import BaseDBAsyncClient

from domain import clock
from models.message import Outbox
from models.turns import TurnTables

AT = (1, 1023, 1024, 1025, 5_000, 2_000_000)  # ids at the edges of blocks, and blocks with nothing in them between


async def talk(db: BaseDBAsyncClient, name: bytes) -> int:
    found = await TurnTables(db).begin(db, [(name * 16, "browser", "x", "registration.name")], "id", clock.now())
    return next(iter(found.values())).conversation.id


async def test_messages_are_found_in_every_block(db: BaseDBAsyncClient) -> None:
    ours, others = await talk(db, b"a"), await talk(db, b"b")
    row: dict[str, Any] = {
        "address_id": 1, "channel": "telegram", "inbound_id": 0, "position": 0, "key": "k", "step": "s",
        "language": "id",
        "body": b"", "status": "sent", "created_at": clock.now(),
    }  # fmt: skip
    for number in AT:
        await Outbox.create(id=number, conversation_id=ours, **row)
        await Outbox.create(id=number + 10, conversation_id=others, **row)
    tables = TurnTables(db)
    assert await tables.said_in(db, [ours]) == list(AT)
    assert await tables.said_in(db, [others, ours]) == sorted([*AT, *(number + 10 for number in AT)])


async def test_nothing_is_found_where_nothing_was_said(db: BaseDBAsyncClient) -> None:
    assert await TurnTables(db).said_in(db, [await talk(db, b"a")]) == []
