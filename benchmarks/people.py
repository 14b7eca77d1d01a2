"""Many registered people in a few seconds, for benchmarks: one sealed value stands for all of them."""

from collections.abc import Sequence

import msgspec
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.transactions import in_transaction

from domain import clock
from handlers.flows import STEPS
from models import crypto
from models.enums import Channel
from models.outbox import ADDRESS_CONTEXT
from models.turns import DRAFT_CONTEXT, TurnTables

CHUNK = 5_000


async def register(db: BaseDBAsyncClient, channels: Sequence[Channel]) -> None:
    """People 1 to n, each with a conversation and one chat on the channel given, named by the number; none for SMS."""
    ring, tables = crypto.ring(), TurnTables(db)
    now = tables.moment(clock.now())
    sealed = {
        name: ring.seal(b"x", f"person.{name}".encode()) for name in ("nik", "kk", "name", "birth_date", "address")
    }
    draft = ring.seal(msgspec.msgpack.encode({}), DRAFT_CONTEXT)
    assert "home.menu" in STEPS
    for start in range(0, len(channels), CHUNK):
        people, talks, chats = [], [], []
        for number, channel in enumerate(channels[start : start + CHUNK], start + 1):
            phone = f"+628{number:09}"
            index = number.to_bytes(16, "big")
            sealed_phone = ring.seal(phone.encode(), b"person.phone")
            people.append(
                (number, *sealed.values(), sealed_phone, index, index, index, "female", "31.71.01", "senior",
                 "laid_off", "computer", "", now, now)
            )  # fmt: skip
            talks.append((number, index, "id", "home.menu", 1, draft, index, number, number, now, False, now, now))
            value = phone if channel == Channel.WHATSAPP else str(number)
            address = ring.seal(value.encode(), ADDRESS_CONTEXT)
            if channel != Channel.SMS:
                chats.append((number, channel.value, index, address, number, True, now))
        async with in_transaction() as connection:
            await _insert(
                connection, "person", "id, nik, kk, name, birth_date, address, phone, nik_index, kk_index, "
                "phone_index, sex, region_code, education, employment, interest, warnings, declared_at, created_at",
                people,
            )  # fmt: skip
            await _insert(
                connection, "conversation", "id, origin, language, step, version, draft, phone_index, person_id, "
                "last_address_id, heard_at, paused, created_at, updated_at", talks,
            )  # fmt: skip
            await _insert(
                connection, "address", "id, channel, lookup, value, conversation_id, reachable, created_at", chats
            )  # fmt: skip


async def _insert(db: BaseDBAsyncClient, table: str, columns: str, rows: Sequence[tuple[object, ...]]) -> None:
    mark = "$" if db.capabilities.dialect == "postgres" else "?"
    marks = ", ".join(f"{mark}{at}" for at in range(1, len(rows[0]) + 1))
    await db.execute_many(f"INSERT INTO {table} ({columns}) VALUES ({marks})", [list(row) for row in rows])
