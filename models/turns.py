"""The hot path's SQL: set statements over the ORM's own connection, for a group of turns at once.

The ORM builds objects and statements for every call, which costs a message more than everything else together. No rules
here: rows are read and written.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec
from tortoise.backends.base.client import BaseDBAsyncClient

from models import crypto, sqlite
from models.outbox import ADDRESS_CONTEXT, OutboxRow, OutboxTables
from models.sqlite import Statement

DRAFT_CONTEXT = b"conversation.draft"
FAILED_CONTEXT = b"failed_turn.body"


@dataclass(slots=True)
class ConversationRow:
    """A conversation as the engine holds it.

    ``last_address_id`` is the chat its person used last, ``heard`` whether they wrote just now.
    """

    id: int
    last_address_id: int
    language: str
    step: str
    version: int
    draft: dict[str, Any]
    person_id: int | None
    heard: bool = False


@dataclass(slots=True)
class Seat:
    """Where a turn takes place: an address and the conversation held there, which several seats may share."""

    address_id: int
    channel: str
    reachable: bool
    conversation: ConversationRow


_SEAT = (
    "c.id AS number, a.id AS address_id, a.channel, a.reachable, c.language, c.step, c.version, c.draft, c.person_id, "
    "c.last_address_id"
)


class TurnTables(OutboxTables):
    """A group of turns: what is claimed, where it takes place, what it leaves."""

    async def claim(
        self,
        db: BaseDBAsyncClient,
        keys: Iterable[tuple[str, str]],
        lookups: Iterable[bytes],
        ids: Iterable[int],
        now: datetime,
    ) -> tuple[dict[tuple[str, str], int], dict[bytes | int, Seat]]:
        """Take messages: ids of those that were not taken before, and the seats they are from (see ``lock``). Sorted,
        so that two processes never deadlock.
        """
        moment = self.moment(now)
        values, args = self._rows([(channel, external, moment) for channel, external in sorted(keys)])
        claiming = Statement(
            f"INSERT INTO inbound (channel, external_id, received_at) VALUES {values} "  # noqa: S608
            "ON CONFLICT DO NOTHING RETURNING id, channel, external_id",
            args,
        )
        locking = self._locking(lookups, ids)
        rows, *found = await self._run(db, [claiming, *locking])
        return {(channel, external): number for number, channel, external in rows}, self._seats(found)

    async def release(self, db: BaseDBAsyncClient, ids: Sequence[int]) -> None:
        """Give messages back that this transaction claimed but leaves to another one."""
        await db.execute_query_dict(f"DELETE FROM inbound WHERE id IN ({self._marks(len(ids))})", list(ids))  # noqa: S608

    async def move(self, db: BaseDBAsyncClient, address_id: int, conversation_id: int) -> None:
        """Let an address belong to another conversation."""
        mark = self._mark
        await db.execute_query_dict(
            f"UPDATE address SET conversation_id = {mark}1 WHERE id = {mark}2",  # noqa: S608
            [conversation_id, address_id],
        )

    async def record_failure(
        self, db: BaseDBAsyncClient, inbound_id: int, step: str, error: str, body: bytes, now: datetime
    ) -> None:
        """Keep a message whose step failed, sealed, for somebody to look at."""
        values, args = self._rows(
            [(inbound_id, step, error, crypto.ring().seal(body, FAILED_CONTEXT), self.moment(now))]
        )
        await db.execute_query_dict(
            f"INSERT INTO failed_turn (inbound_id, step, error, body, failed_at) VALUES {values} RETURNING id",  # noqa: S608
            args,
        )

    async def taken(self, db: BaseDBAsyncClient, channel: str, external_id: str) -> int | None:
        """The id of a message that was taken before."""
        rows = await db.execute_query_dict(
            f"SELECT id FROM inbound WHERE channel = {self._mark}1 AND external_id = {self._mark}2",  # noqa: S608
            [channel, external_id],
        )
        return rows[0]["id"] if rows else None

    async def lock(
        self, db: BaseDBAsyncClient, lookups: Sequence[bytes], ids: Sequence[int]
    ) -> dict[bytes | int, Seat]:
        """The conversations held at these addresses or with these ids, locked in the order of their ids."""
        return self._seats(await self._run(db, self._locking(lookups, ids)))

    def _locking(self, lookups: Iterable[bytes], ids: Iterable[int]) -> list[Statement]:
        """By address first, then by id; neither where there is nothing to look up."""
        tail = "ORDER BY c.id FOR UPDATE OF c" if self._postgres else ""  # SQLite has one writer at a time
        found = []
        if by_address := sorted(lookups):
            found.append(
                Statement(
                    f"SELECT a.lookup, {_SEAT} FROM address a JOIN conversation c ON c.id = a.conversation_id "  # noqa: S608
                    f"WHERE a.lookup IN ({self._marks(len(by_address))}) {tail}",
                    by_address,
                )
            )
        if by_id := sorted(ids):
            found.append(
                Statement(
                    f"SELECT c.id, {_SEAT} FROM conversation c JOIN address a ON a.id = c.last_address_id "  # noqa: S608
                    f"WHERE c.id IN ({self._marks(len(by_id))}) {tail}",
                    by_id,
                )
            )
        return found

    def _seats(self, found: Iterable[sqlite.Rows]) -> dict[bytes | int, Seat]:
        """Seats by what they were looked up by: a lookup is bytes, an id a number."""
        shared: dict[int, ConversationRow] = {}
        return {row[0]: _seat(row, shared) for rows in found for row in rows}

    async def begin(
        self,
        db: BaseDBAsyncClient,
        people: Sequence[tuple[bytes, str, str, str]],
        language: str,
        now: datetime,
    ) -> dict[bytes | int, Seat]:
        """New conversations for (lookup, channel, address, first step) that have none, with their addresses."""
        moment = self.moment(now)
        empty = crypto.ring().seal(msgspec.msgpack.encode({}), DRAFT_CONTEXT)
        values, args = self._rows(
            [(lookup, language, step, 0, empty, False, moment, moment) for lookup, _, _, step in sorted(people)]
        )
        rows = await db.execute_query_dict(
            "INSERT INTO conversation (origin, language, step, version, draft, paused, created_at, updated_at) "  # noqa: S608
            f"VALUES {values} ON CONFLICT (origin) DO NOTHING RETURNING id, origin",
            args,
        )
        ids = {bytes(row["origin"]): row["id"] for row in rows}
        addresses = [
            (channel, lookup, crypto.ring().seal(value.encode(), ADDRESS_CONTEXT), ids[lookup], True, moment)
            for lookup, channel, value, _ in people
            if lookup in ids
        ]
        if addresses:
            values, args = self._rows(addresses)
            await db.execute_query_dict(
                "INSERT INTO address (channel, lookup, value, conversation_id, reachable, created_at) "  # noqa: S608
                f"VALUES {values} RETURNING id",
                args,
            )
        # Another process may have begun one of them in the meantime: the second look finds its row.
        return await self.lock(db, [lookup for lookup, *_ in people], [])

    async def save(self, db: BaseDBAsyncClient, rows: Sequence[ConversationRow], now: datetime) -> None:
        """Write conversations back."""
        await self._run(db, [self._saving(rows, now)])

    async def finish(
        self,
        db: BaseDBAsyncClient,
        conversations: Sequence[ConversationRow],
        messages: Sequence[OutboxRow],
        now: datetime,
        lease: timedelta,
    ) -> None:
        """Write back conversations, insert messages (see ``post``), and end the transaction."""
        statements = [self._saving(conversations, now)] if conversations else []
        if messages:
            statements += self._posting(messages, now, lease)
        found = await self._run(db, statements, commit=True)
        if messages:
            self._number(messages, found[-1])

    def _saving(self, rows: Sequence[ConversationRow], now: datetime) -> Statement:
        """Step, version, draft, language, last address and when the person was heard."""
        moment, ring, mark = self.moment(now), crypto.ring(), self._mark
        kind = "::timestamptz" if self._postgres else ""
        return Statement(
            f"UPDATE conversation SET step = {mark}1, version = {mark}2, draft = {mark}3, language = {mark}4, "  # noqa: S608
            f"last_address_id = {mark}5, updated_at = {mark}6, heard_at = COALESCE({mark}8{kind}, heard_at) "
            f"WHERE id = {mark}7",
            [
                [
                    row.step,
                    row.version,
                    ring.seal(msgspec.msgpack.encode(row.draft), DRAFT_CONTEXT),
                    row.language,
                    row.last_address_id,
                    moment,
                    row.id,
                    moment if row.heard else None,
                ]
                for row in rows
            ],
            many=True,
        )

    async def seat_at(self, db: BaseDBAsyncClient, lookup: bytes) -> tuple[int, str] | None:
        """The conversation held at an address, and its step."""
        rows = await db.execute_query_dict(
            "SELECT c.id, c.step FROM address a JOIN conversation c ON c.id = a.conversation_id "  # noqa: S608
            f"WHERE a.lookup = {self._mark}1",
            [lookup],
        )
        return (rows[0]["id"], rows[0]["step"]) if rows else None


def _seat(row: Sequence[Any], shared: dict[int, ConversationRow]) -> Seat:
    """``row`` as ``_SEAT`` names it, after what it was looked up by."""
    _, number, address_id, channel, reachable, language, step, version, draft, person_id, last = row
    # Two addresses of one person share one row, so that the second turn sees what the first one did.
    conversation = shared.get(number)
    if conversation is None:
        opened = msgspec.msgpack.decode(crypto.ring().open(bytes(draft), DRAFT_CONTEXT))
        conversation = shared[number] = ConversationRow(
            number, last or address_id, language, step, version, opened, person_id
        )
    return Seat(address_id, channel, bool(reachable), conversation)
