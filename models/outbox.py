"""Statements about messages to people: posting them, reading them again, and what became of each."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from tortoise.backends.base.client import BaseDBAsyncClient

from models import crypto, sqlite
from models.dialect import Tables, when
from models.enums import Channel, OutboxStatus
from models.sqlite import Statement

BODY_CONTEXT = b"outbox.body"
ADDRESS_CONTEXT = b"address.value"


@dataclass(slots=True)
class OutboxRow:
    """A message to a person; ``body`` is msgpack of what is said, sealed in the table."""

    id: int
    conversation_id: int
    address_id: int
    channel: str
    inbound_id: int
    position: int
    key: str
    step: str
    language: str
    body: bytes
    status: str = OutboxStatus.QUEUED
    attempts: int = 0
    notice_id: int | None = None


_OUTBOX = (
    "id, conversation_id, address_id, channel, inbound_id, position, key, step, language, body, status, attempts, "
    "notice_id"
)

_UNSETTLED = ", ".join(f"'{each}'" for each in (OutboxStatus.QUEUED, OutboxStatus.ATTEMPTING, OutboxStatus.UNKNOWN))
# From which states a provider's report moves a message on. Reports come late, twice and in any order.
BEFORE = {
    OutboxStatus.SENT: (OutboxStatus.QUEUED, OutboxStatus.ATTEMPTING, OutboxStatus.UNKNOWN),
    OutboxStatus.DELIVERED: (
        OutboxStatus.QUEUED, OutboxStatus.ATTEMPTING, OutboxStatus.UNKNOWN, OutboxStatus.SENT,
    ),
    OutboxStatus.READ: (
        OutboxStatus.QUEUED, OutboxStatus.ATTEMPTING, OutboxStatus.UNKNOWN, OutboxStatus.SENT, OutboxStatus.DELIVERED,
    ),
    OutboxStatus.FAILED: (
        OutboxStatus.QUEUED, OutboxStatus.ATTEMPTING, OutboxStatus.UNKNOWN, OutboxStatus.SENT,
    ),
}  # fmt: skip


class OutboxTables(Tables):
    """Messages, and the addresses they go to."""

    async def post(self, db: BaseDBAsyncClient, rows: Sequence[OutboxRow], now: datetime, lease: timedelta) -> None:
        """Insert messages and set their ids. Those being attempted at once are leased to this process."""
        self._number(rows, (await self._run(db, self._posting(rows, now, lease)))[-1])

    def _posting(self, rows: Sequence[OutboxRow], now: datetime, lease: timedelta) -> list[Statement]:
        """Statements of which the last one gives what ``_number`` takes."""
        moment, until, ring = self.moment(now), self.moment(now + lease), crypto.ring()
        values = [
            (
                row.conversation_id,
                row.address_id,
                row.channel,
                row.inbound_id,
                row.position,
                row.key,
                row.step,
                row.language,
                ring.seal(row.body, BODY_CONTEXT),
                row.status,
                until if row.status == OutboxStatus.ATTEMPTING else None,
                moment,
                row.notice_id,
            )
            for row in rows
        ]
        insert = (
            "INSERT INTO outbox (conversation_id, address_id, channel, inbound_id, position, key, step, language, "
            "body, status, lease_until, created_at, notice_id) VALUES "
        )
        if self._postgres:
            marks, args = self._rows(values)
            return [Statement(f"{insert}{marks} RETURNING id, inbound_id, position", args)]
        return [
            Statement(f"{insert}({self._marks(13)})", values, many=True),
            Statement("SELECT last_insert_rowid()", ()),
        ]

    def _number(self, rows: Sequence[OutboxRow], found: sqlite.Rows) -> None:
        if self._postgres:
            ids = {(inbound_id, position): number for number, inbound_id, position in found}
            for row in rows:
                row.id = ids[row.inbound_id, row.position]
            return
        # SQLite has one writer, who gets one number after the other.
        first = found[0][0] - len(rows) + 1
        for number, row in enumerate(rows, first):
            row.id = number

    async def set_reachable(self, db: BaseDBAsyncClient, address_id: int, *, reachable: bool) -> None:
        """Note that a chat was blocked or unblocked."""
        mark = self._mark
        await db.execute_query_dict(
            f"UPDATE address SET reachable = {mark}1 WHERE id = {mark}2",  # noqa: S608
            [reachable, address_id],
        )

    async def address(self, db: BaseDBAsyncClient, address_id: int) -> str:
        """The chat or number behind an address id."""
        rows = await db.execute_query_dict(
            f"SELECT value FROM address WHERE id = {self._mark}1",  # noqa: S608
            [address_id],
        )
        return crypto.ring().open(bytes(rows[0]["value"]), ADDRESS_CONTEXT).decode()

    async def replies(self, db: BaseDBAsyncClient, inbound_id: int) -> list[OutboxRow]:
        """The messages that answered one inbound message."""
        rows = await db.execute_query_dict(
            f"SELECT {_OUTBOX} FROM outbox WHERE inbound_id = {self._mark}1 ORDER BY id",  # noqa: S608
            [inbound_id],
        )
        return [_outbox(row) for row in rows]

    async def mailbox(
        self, db: BaseDBAsyncClient, lookup: bytes, after: int, limit: int
    ) -> tuple[int | None, list[OutboxRow]]:
        """The address's id, and the messages to it with an id above ``after``."""
        mark = self._mark
        rows = await db.execute_query_dict(
            f"SELECT id, conversation_id, channel FROM address WHERE lookup = {mark}1",  # noqa: S608
            [lookup],
        )
        if not rows:
            return None, []
        address_id: int = rows[0]["id"]
        channel = Channel(rows[0]["channel"]).value  # written out, so that SQLite sees that outbox_mailbox has it
        rows = await db.execute_query_dict(
            f"SELECT {_OUTBOX} FROM outbox WHERE conversation_id = {mark}1 AND id > {mark}2 AND address_id = {mark}3 "  # noqa: S608
            f"AND channel = '{channel}' ORDER BY id LIMIT {mark}4",
            [rows[0]["conversation_id"], after, address_id, limit],
        )
        return address_id, [_outbox(row) for row in rows]

    async def message(self, db: BaseDBAsyncClient, lookup: bytes, number: int) -> OutboxRow | None:
        """One message by its id, where it went to this address."""
        mark = self._mark
        rows = await db.execute_query_dict(
            f"SELECT {_OUTBOX} FROM outbox WHERE id = {mark}1 "  # noqa: S608
            f"AND address_id IN (SELECT id FROM address WHERE lookup = {mark}2)",
            [number, lookup],
        )
        return _outbox(rows[0]) if rows else None

    async def directs(self, db: BaseDBAsyncClient, lookup: bytes, limit: int) -> list[OutboxRow]:
        """The last messages that went to a bare number or e-mail address in the conversation held at ``lookup``."""
        rows = await db.execute_query_dict(
            f"SELECT {_OUTBOX} FROM outbox WHERE address_id = 0 AND conversation_id IN "  # noqa: S608
            f"(SELECT conversation_id FROM address WHERE lookup = {self._mark}1) ORDER BY id DESC LIMIT {self._mark}2",
            [lookup, limit],
        )
        return [_outbox(row) for row in reversed(rows)]

    async def said_in(self, db: BaseDBAsyncClient, conversation_ids: Sequence[int]) -> list[int]:
        """Ids of all messages in these conversations, oldest first. For what is rare: it looks into each block of 1,024
        messages there is.
        """
        if self._postgres:
            blocks = "ANY (ARRAY(SELECT generate_series(0, (SELECT MAX(id) >> 10 FROM outbox))))"
            sql = f"SELECT id FROM outbox WHERE (id >> 10) = {blocks} "  # noqa: S608
        else:
            sql = (
                "WITH RECURSIVE block(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM block "
                "WHERE n < (SELECT MAX(id) >> 10 FROM outbox)) "
                "SELECT outbox.id FROM block JOIN outbox ON (outbox.id >> 10) = block.n WHERE 1 "
            )
        rows = await db.execute_query_dict(
            f"{sql}AND conversation_id IN ({self._marks(len(conversation_ids))}) ORDER BY outbox.id",
            list(conversation_ids),
        )
        return [row["id"] for row in rows]

    async def stranded(self, db: BaseDBAsyncClient, now: datetime, lease: timedelta, limit: int) -> list[OutboxRow]:
        """Claim messages that nobody attempts any more: queued ones, and those whose lease ran out in a crash."""
        mark = self._mark
        # Materialized: a mere subquery PostgreSQL may run anew for each row, and find more than the limit.
        rows = await db.execute_query_dict(
            "WITH picked AS MATERIALIZED (SELECT id FROM outbox "  # noqa: S608
            f"WHERE status IN ('{OutboxStatus.QUEUED}', '{OutboxStatus.ATTEMPTING}') "
            f"AND (lease_until IS NULL OR lease_until < {mark}3) ORDER BY id LIMIT {mark}4"
            + (" FOR UPDATE SKIP LOCKED" if self._postgres else "")
            + f") UPDATE outbox SET status = {mark}1, lease_until = {mark}2 WHERE id IN (SELECT id FROM picked) "  # noqa: S608
            f"RETURNING {_OUTBOX}",
            [OutboxStatus.ATTEMPTING.value, self.moment(now + lease), self.moment(now), limit],
        )
        return sorted((_outbox(row) for row in rows), key=lambda row: row.id)

    async def begin_attempt(self, db: BaseDBAsyncClient, row_id: int, attempts: int, now: datetime) -> bool:
        """Say how often a message was tried, before it is; False where the lease is over, so that it must not be."""
        mark = self._mark
        rows = await db.execute_query_dict(
            f"UPDATE outbox SET attempts = {mark}1 WHERE id = {mark}2 AND status = '{OutboxStatus.ATTEMPTING}' "  # noqa: S608
            f"AND lease_until > {mark}3 RETURNING id",
            [attempts, row_id, self.moment(now)],
        )
        return bool(rows)

    async def take_back_attempt(self, db: BaseDBAsyncClient, row_id: int) -> None:
        """It was tried, and certainly did not go out."""
        await db.execute_query(f"UPDATE outbox SET attempts = 0 WHERE id = {self._mark}1", [row_id])  # noqa: S608

    async def to_give_up(
        self, db: BaseDBAsyncClient, keys: Sequence[str], asked: Sequence[str], now: datetime
    ) -> list[int]:
        """Messages with these keys that a process was sending when it died, on channels other than those that can be
        asked.
        """
        texts, channels = (", ".join(f"'{each}'" for each in some) for some in (keys, [*asked, ""]))
        rows = await db.execute_query_dict(
            f"SELECT id FROM outbox WHERE status = '{OutboxStatus.ATTEMPTING}' AND lease_until < {self._mark}1 "  # noqa: S608
            f"AND attempts > 0 AND key IN ({texts}) AND channel NOT IN ({channels}) ORDER BY id",
            [self.moment(now)],
        )
        return [row["id"] for row in rows]

    async def give_up(self, db: BaseDBAsyncClient, ids: Sequence[int], now: datetime) -> list[OutboxRow]:
        """Let these fail, as long as nobody has taken them up: nobody knows whether they arrived."""
        mark = self._mark
        rows = await db.execute_query_dict(
            f"UPDATE outbox SET status = '{OutboxStatus.FAILED}', error = 'uncertain', sent_at = {mark}1, "  # noqa: S608
            f"lease_until = NULL WHERE status = '{OutboxStatus.ATTEMPTING}' AND lease_until < {mark}1 AND attempts > 0 "
            f"AND id IN ({self._list(2, 'bigint')}) RETURNING {_OUTBOX}",
            [self.moment(now), self._values(ids)],
        )
        return [_outbox(row) for row in rows]

    async def settle(
        self,
        db: BaseDBAsyncClient,
        rows: Sequence[tuple[int, str, str | None, str | None]],
        now: datetime,
        ask: timedelta,
    ) -> None:
        """Move (id, status, provider id, error) forward; what is sent or failed stays so.

        What is unknown is to be asked for after ``ask``.
        """
        mark, moment, later = self._mark, self.moment(now), self.moment(now + ask)
        await db.execute_many(
            f"UPDATE outbox SET status = {mark}1, provider_id = {mark}2, error = {mark}3, sent_at = {mark}4, "  # noqa: S608
            f"lease_until = {mark}6 WHERE id = {mark}5 AND status IN ({_UNSETTLED})",
            [
                [status, provider, error, moment, row_id, later if status == OutboxStatus.UNKNOWN else None]
                for row_id, status, provider, error in rows
            ],
        )

    async def report(
        self, db: BaseDBAsyncClient, row_id: int, status: OutboxStatus, provider: str, error: str | None, now: datetime
    ) -> OutboxRow | None:
        """Take a provider's report about a message; gives its row where it moved, None where that was known."""
        mark = self._mark
        before = ", ".join(f"'{each}'" for each in BEFORE[status])
        rows = await db.execute_query_dict(
            f"UPDATE outbox SET status = {mark}1, provider_id = {mark}2, error = {mark}3, lease_until = NULL, "  # noqa: S608
            f"sent_at = COALESCE(sent_at, {mark}4) WHERE id = {mark}5 AND status IN ({before}) "
            f"AND (provider_id IS NULL OR provider_id = {mark}2) RETURNING {_OUTBOX}",
            [status.value, provider, error, self.moment(now), row_id],
        )
        return _outbox(rows[0]) if rows else None

    async def unanswered(
        self, db: BaseDBAsyncClient, now: datetime, lease: timedelta, limit: int
    ) -> list[tuple[OutboxRow, datetime]]:
        """Claim messages of which nobody knows whether they went out, with the time of their last attempt."""
        mark = self._mark
        rows = await db.execute_query_dict(
            f"WITH picked AS MATERIALIZED (SELECT id FROM outbox WHERE status = '{OutboxStatus.UNKNOWN}' "  # noqa: S608
            f"AND lease_until < {mark}2 ORDER BY id LIMIT {mark}3"
            + (" FOR UPDATE SKIP LOCKED" if self._postgres else "")
            + f") UPDATE outbox SET lease_until = {mark}1 WHERE id IN (SELECT id FROM picked) "  # noqa: S608
            f"RETURNING {_OUTBOX}, sent_at",
            [self.moment(now + lease), self.moment(now), limit],
        )
        times = [when(row.pop("sent_at")) for row in rows]
        return [(_outbox(row), tried) for row, tried in zip(rows, times, strict=True)]

    async def doubt(self, db: BaseDBAsyncClient, channels: Sequence[str], now: datetime) -> None:
        """Messages that a process was sending when it died: nobody knows whether they went out."""
        mark = self._mark
        await db.execute_many(
            f"UPDATE outbox SET status = '{OutboxStatus.UNKNOWN}', sent_at = created_at "  # noqa: S608
            f"WHERE status = '{OutboxStatus.ATTEMPTING}' AND channel = {mark}1 AND lease_until < {mark}2",
            [[channel, self.moment(now)] for channel in channels],
        )

    async def send_again(self, db: BaseDBAsyncClient, row_id: int) -> None:
        """A message that the provider does not have: the sweep takes it up."""
        mark = self._mark
        await db.execute_query_dict(
            f"UPDATE outbox SET status = '{OutboxStatus.QUEUED}', lease_until = NULL "  # noqa: S608
            f"WHERE id = {mark}1 AND status = '{OutboxStatus.UNKNOWN}' RETURNING id",
            [row_id],
        )

    async def postpone(self, db: BaseDBAsyncClient, row_id: int, attempts: int, until: datetime) -> None:
        """Let a message be attempted again from ``until`` on."""
        mark = self._mark
        await db.execute_many(
            f"UPDATE outbox SET status = '{OutboxStatus.QUEUED}', lease_until = {mark}1, attempts = {mark}2 "  # noqa: S608
            f"WHERE id = {mark}3 AND status = '{OutboxStatus.ATTEMPTING}'",
            [[self.moment(until), attempts, row_id]],
        )


def _outbox(row: dict[str, Any]) -> OutboxRow:
    row["body"] = crypto.ring().open(bytes(row["body"]), BODY_CONTEXT)
    return OutboxRow(**row)
