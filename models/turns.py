"""The hot path's SQL: set statements over the ORM's own connection, for a group of turns at once.

The ORM builds objects and statements for every call, which costs a message more than everything else together; this
module is the one place that goes around it. It holds no rules: it reads and writes rows.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any, cast

import msgspec
from tortoise.backends.base.client import BaseDBAsyncClient, TransactionalDBClient
from tortoise.exceptions import DBConnectionError, OperationalError, TransactionManagementError

from models import crypto, sqlite
from models.enums import Channel, OutboxStatus
from models.sqlite import Statement

DRAFT_CONTEXT = b"conversation.draft"
BODY_CONTEXT = b"outbox.body"
FAILED_CONTEXT = b"failed_turn.body"
ADDRESS_CONTEXT = b"address.value"


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


_SEAT = (
    "c.id AS number, a.id AS address_id, a.channel, a.reachable, c.language, c.step, c.version, c.draft, c.person_id, "
    "c.last_address_id"
)


@cache
def _marks(mark: str, count: int, first: int = 1) -> str:
    return ", ".join([f"{mark}{number}" for number in range(first, first + count)])


@cache
def _row_marks(mark: str, rows: int, width: int) -> str:
    return ", ".join([f"({_marks(mark, width, 1 + at * width)})" for at in range(rows)])


class TurnTables:
    """The statements, in the dialect of ``connection`` (SQLite numbers its parameters ?1, PostgreSQL $1)."""

    def __init__(self, connection: BaseDBAsyncClient) -> None:
        self._postgres = connection.capabilities.dialect == "postgres"
        self._mark = "$" if self._postgres else "?"

    def moment(self, when: datetime) -> Any:
        """A time as the database's driver takes it, the same as the ORM writes it."""
        return when if self._postgres else when.isoformat(sep=" ")

    def _list(self, first: int, kind: str) -> str:
        """The rows of a JSON list (SQLite) or an array (PostgreSQL) that is one parameter."""
        return f"SELECT unnest(${first}::{kind}[])" if self._postgres else f"SELECT value FROM json_each(?{first})"  # noqa: S608

    def _values(self, values: Sequence[int]) -> Any:
        return list(values) if self._postgres else msgspec.json.encode(list(values)).decode()

    def _marks(self, count: int) -> str:
        return _marks(self._mark, count)

    async def _run(
        self, db: BaseDBAsyncClient, statements: Sequence[Statement], *, commit: bool = False
    ) -> list[sqlite.Rows]:
        """The rows of each statement, by position; ``commit``: then the transaction is over."""
        if isinstance(db, sqlite.Client):
            return await db.at_once(statements, commit=commit)
        found: list[sqlite.Rows] = []
        for sql, args, many in statements:
            if many:
                await db.execute_many(sql, list(args))
                found.append([])
            else:  # Tortoise gives the rows of an INSERT as dicts alone
                found.append([tuple(row.values()) for row in await db.execute_query_dict(sql, list(args))])
        if commit:
            await cast("TransactionalDBClient", db).commit()
        return found

    def _rows(self, rows: Sequence[Sequence[Any]]) -> tuple[str, list[Any]]:
        return _row_marks(self._mark, len(rows), len(rows[0])), [value for row in rows for value in row]

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

    async def set_reachable(self, db: BaseDBAsyncClient, address_id: int, *, reachable: bool) -> None:
        """Note that a chat was blocked or unblocked."""
        mark = self._mark
        await db.execute_query_dict(
            f"UPDATE address SET reachable = {mark}1 WHERE id = {mark}2",  # noqa: S608
            [reachable, address_id],
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

    async def address(self, db: BaseDBAsyncClient, address_id: int) -> str:
        """The chat or number behind an address id."""
        rows = await db.execute_query_dict(
            f"SELECT value FROM address WHERE id = {self._mark}1",  # noqa: S608
            [address_id],
        )
        return crypto.ring().open(bytes(rows[0]["value"]), ADDRESS_CONTEXT).decode()

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

    async def seat_at(self, db: BaseDBAsyncClient, lookup: bytes) -> tuple[int, str] | None:
        """The conversation held at an address, and its step."""
        rows = await db.execute_query_dict(
            "SELECT c.id, c.step FROM address a JOIN conversation c ON c.id = a.conversation_id "  # noqa: S608
            f"WHERE a.lookup = {self._mark}1",
            [lookup],
        )
        return (rows[0]["id"], rows[0]["step"]) if rows else None

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

    async def begin_attempt(self, db: BaseDBAsyncClient, row_id: int, attempts: int) -> None:
        """Say how often a message was tried, before it is."""
        mark = self._mark
        await db.execute_query(f"UPDATE outbox SET attempts = {mark}1 WHERE id = {mark}2", [attempts, row_id])  # noqa: S608

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


def when(value: Any) -> datetime:
    """A moment as either driver gives it."""
    return value if isinstance(value, datetime) else datetime.fromisoformat(value)


_TRANSIENT_CLASSES = (
    "08",
    "40",
    "53",
    "55",
    "57",
)  # PostgreSQL: connection, deadlock, resources, locks, shutdown


def is_transient(error: BaseException) -> bool:
    """Whether a database error may be gone at the next try: busy, deadlock, full disk, lost connection."""
    cause = error.args[0] if isinstance(error, OperationalError) and error.args else error
    if state := getattr(cause, "sqlstate", None):
        return str(state).startswith(_TRANSIENT_CLASSES)
    if type(cause).__module__.startswith("asyncpg"):
        return type(cause).__name__ in {"InterfaceError", "ConnectionDoesNotExistError"}
    return isinstance(
        cause,
        sqlite3.OperationalError | DBConnectionError | TransactionManagementError | OSError | TimeoutError,
    )


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


def _outbox(row: dict[str, Any]) -> OutboxRow:
    row["body"] = crypto.ring().open(bytes(row["body"]), BODY_CONTEXT)
    return OutboxRow(**row)


def when_known(value: Any) -> datetime | None:
    """The same for a column that may be empty."""
    return None if value is None else when(value)
