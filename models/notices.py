"""Notices in sets: hundreds of thousands are created, routed and told with a handful of statements a thousand."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec
from tortoise.backends.base.client import BaseDBAsyncClient

from models import crypto, trace
from models.dialect import when_known
from models.enums import NoticeStatus
from models.notice import TRIED_LENGTH
from models.outbox import ADDRESS_CONTEXT, OutboxTables

PARAMS_CONTEXT = b"notice.params"
NEW, ROUTED, SENDING, TOLD = NoticeStatus.NEW, NoticeStatus.ROUTED, NoticeStatus.SENDING, NoticeStatus.TOLD


@dataclass(slots=True)
class NoticeRow:
    """A notice as the ladder sees it; ``tried`` are names of rungs."""

    id: int
    kind: str
    subject_id: int
    person_id: int
    params: dict[str, Any]
    tried: tuple[str, ...]
    channel: str = ""
    address_id: int = 0
    template: bool = False
    trace: str = ""


@dataclass(slots=True)
class RoutedRow:
    """Where a notice stands now: on a rung from ``due_at`` on, or nowhere and why."""

    id: int
    status: NoticeStatus
    due_at: datetime
    channel: str = ""
    address_id: int = 0
    template: bool = False
    reason: str = ""


@dataclass(slots=True)
class TalkRow:
    """A person's conversation, for telling them something.

    ``chats`` are (address, channel, reachable, sealed value).
    """

    id: int
    language: str
    step: str
    paused: bool
    withdrawn: bool
    last_address_id: int | None
    heard_at: datetime | None
    chats: list[tuple[int, str, bool, bytes]]

    def address(self, address_id: int) -> str:
        """The chat or number behind one of the chats."""
        sealed = next(chat[3] for chat in self.chats if chat[0] == address_id)
        return crypto.ring().open(sealed, ADDRESS_CONTEXT).decode()


_NOTICE = "id, kind, subject_id, person_id, params, tried, channel, address_id, template, trace"


class NoticeTables(OutboxTables):
    """The statements, in the dialect of the connection."""

    async def create(  # noqa: PLR0913, PLR0917 - a notice is about all of this
        self,
        db: BaseDBAsyncClient,
        kind: str,
        subject_id: int | Sequence[int],
        person_ids: Sequence[int],
        params: Mapping[str, Any],
        priority: int,
        due_at: datetime,
        expires_at: datetime,
        now: datetime,
    ) -> int:
        """New notices for those of these people who have none of this kind and subject; gives how many are new.

        ``subject_id`` is one for all, or one for each.
        """
        mark, subject = self._mark, f"{self._mark}2"
        people = "unnest($10::bigint[]) AS p(value)" if self._postgres else "json_each(?10) AS p"
        subjects: Any = subject_id
        if not isinstance(subject_id, int):
            subject, subjects = "s.value", self._values(subject_id)
            people = (
                "unnest($10::bigint[], $2::bigint[]) AS s(person, value)"
                if self._postgres
                else "json_each(?10) AS p JOIN json_each(?2) AS s ON s.key = p.key"
            )
        person = "s.person" if self._postgres and not isinstance(subject_id, int) else "p.value"
        where = "" if self._postgres else " WHERE true"
        insert = (
            "INSERT INTO notice (kind, subject_id, person_id, params, priority, status, channel, address_id, template, "  # noqa: S608
            "tried, reason, due_at, expires_at, created_at, trace) "
            f"SELECT {mark}1, {subject}, {person}, {mark}3, {mark}4, {mark}5, '', 0, {mark}6, '', '', {mark}7, "
            f"{mark}8, {mark}9, {mark}11 FROM {people}{where} ON CONFLICT DO NOTHING"
        )
        if self._postgres:
            insert = f"WITH new AS ({insert} RETURNING 1) SELECT count(*) AS new FROM new"  # noqa: S608
        count, rows = await db.execute_query(
            insert,
            [
                kind,
                subjects,
                crypto.ring().seal(msgspec.msgpack.encode(dict(params)), PARAMS_CONTEXT),
                priority,
                NEW.value,
                False,
                self.moment(due_at),
                self.moment(expires_at),
                self.moment(now),
                self._values(person_ids),
                trace.current(),
            ],
        )
        return int(rows[0]["new"] if self._postgres else count)

    async def unrouted(self, db: BaseDBAsyncClient, now: datetime, limit: int) -> list[NoticeRow]:
        """Notices that stand on no rung yet, the most urgent first. Locked until the transaction ends."""
        mark = self._mark
        rows = await db.execute_query_dict(
            f"SELECT {_NOTICE} FROM notice WHERE status = '{NEW}' AND channel = '' AND due_at <= {mark}1 "  # noqa: S608
            f"ORDER BY priority, due_at, id LIMIT {mark}2" + (" FOR UPDATE SKIP LOCKED" if self._postgres else ""),
            [self.moment(now), limit],
        )
        return [_notice(row) for row in rows]

    async def expired(self, db: BaseDBAsyncClient, notice_ids: Sequence[int], now: datetime) -> list[int]:
        """Those of these notices that are too old to be told."""
        rows = await db.execute_query_dict(
            f"SELECT id FROM notice WHERE expires_at < {self._mark}2 "  # noqa: S608
            f"AND id IN ({self._list(1, 'bigint')})",
            [self._values(notice_ids), self.moment(now)],
        )
        return [row["id"] for row in rows]

    async def talks(self, db: BaseDBAsyncClient, person_ids: Sequence[int]) -> dict[int, TalkRow]:
        """The conversation of each of these people that they used last, with its chats."""
        people = self._list(1, "bigint")
        rows = await db.execute_query_dict(
            "SELECT c.person_id, c.id, c.language, c.step, c.paused, c.last_address_id, c.heard_at, "  # noqa: S608
            "p.withdrawn_at IS NOT NULL AS withdrawn, a.id AS address_id, a.channel, a.reachable, a.value "
            "FROM conversation c JOIN person p ON p.id = c.person_id LEFT JOIN address a ON a.conversation_id = c.id "
            f"WHERE c.person_id IN ({people}) "
            "ORDER BY c.updated_at, a.id",
            [self._values(person_ids)],
        )
        talks: dict[int, TalkRow] = {}
        for row in rows:
            talk = talks.get(row["person_id"])
            if talk is None or talk.id != row["id"]:
                talk = talks[row["person_id"]] = TalkRow(
                    id=row["id"],
                    language=row["language"],
                    step=row["step"],
                    paused=bool(row["paused"]),
                    withdrawn=bool(row["withdrawn"]),
                    last_address_id=row["last_address_id"],
                    heard_at=when_known(row["heard_at"]),
                    chats=[],
                )
            if row["address_id"] is not None:
                chat = row["address_id"], row["channel"], bool(row["reachable"]), bytes(row["value"])
                talk.chats.append(chat)
        return talks

    async def route(self, db: BaseDBAsyncClient, rows: Sequence[RoutedRow]) -> None:
        """Write down where notices stand."""
        mark = self._mark
        await db.execute_many(
            f"UPDATE notice SET status = {mark}2, channel = {mark}3, address_id = {mark}4, template = {mark}5, "  # noqa: S608
            f"reason = {mark}6, due_at = {mark}7 WHERE id = {mark}1",
            [
                [
                    row.id,
                    row.status.value,
                    row.channel,
                    row.address_id,
                    row.template,
                    row.reason,
                    self.moment(row.due_at),
                ]
                for row in rows
            ],
        )

    async def claim_due(self, db: BaseDBAsyncClient, channel: str, now: datetime, limit: int) -> list[NoticeRow]:
        """Take notices of one channel that are due, the most urgent first; they are this transaction's."""
        mark = self._mark
        # Materialized: a mere subquery PostgreSQL may run anew for each row, and find more than the limit.
        rows = await db.execute_query_dict(
            f"WITH picked AS MATERIALIZED (SELECT id FROM notice WHERE status = '{ROUTED}' "  # noqa: S608
            f"AND channel = {mark}1 AND due_at <= {mark}2 ORDER BY priority, due_at, id LIMIT {mark}3"
            + (" FOR UPDATE SKIP LOCKED" if self._postgres else "")
            + f") UPDATE notice SET status = '{SENDING}' "  # noqa: S608
            f"WHERE id IN (SELECT id FROM picked) RETURNING {_NOTICE}",
            [channel, self.moment(now), limit],
        )
        return sorted((_notice(row) for row in rows), key=lambda row: row.id)

    async def phones(self, db: BaseDBAsyncClient, person_ids: Sequence[int]) -> dict[int, str]:
        """The numbers of these people, in international form."""
        rows = await db.execute_query_dict(
            f"SELECT id, phone FROM person WHERE id IN ({self._list(1, 'bigint')})",  # noqa: S608
            [self._values(person_ids)],
        )
        return {row["id"]: crypto.ring().open(bytes(row["phone"]), b"person.phone").decode() for row in rows}

    async def told(self, db: BaseDBAsyncClient, notice_ids: Sequence[int], now: datetime) -> None:
        """These were taken by a platform."""
        mark = self._mark
        await db.execute_query(
            f"UPDATE notice SET status = '{TOLD}', told_at = {mark}2, reason = '' "  # noqa: S608
            f"WHERE status = '{SENDING}' AND id IN ({self._list(1, 'bigint')})",
            [self._values(notice_ids), self.moment(now)],
        )

    async def fell(self, db: BaseDBAsyncClient, rows: Sequence[tuple[int, str, str]], now: datetime) -> None:
        """The rungs (notice, rung, reason) failed: these notices have to be routed anew. Where so many were tried that
        no more can be noted, it was enough.
        """
        mark, moment = self._mark, self.moment(now)
        fits = f"LENGTH(tried) + LENGTH(CAST({mark}2 AS TEXT)) < {TRIED_LENGTH}"
        await db.execute_many(
            f"UPDATE notice SET status = CASE WHEN {fits} THEN '{NEW}' ELSE '{NoticeStatus.UNREACHED}' END, "  # noqa: S608
            f"channel = '', told_at = NULL, reason = {mark}3, due_at = {mark}4, "
            f"tried = CASE WHEN {fits} THEN tried || ',' || CAST({mark}2 AS TEXT) ELSE tried END "
            f"WHERE id = {mark}1 AND status IN ('{SENDING}', '{TOLD}')",
            [[number, rung, reason, moment] for number, rung, reason in rows],
        )

    async def uncertain(self, db: BaseDBAsyncClient, notice_ids: Sequence[int]) -> None:
        """Nobody knows whether these arrived, and they must reach nobody twice: they end here."""
        await db.execute_query(
            f"UPDATE notice SET status = '{NoticeStatus.EXPIRED}', reason = 'uncertain' "  # noqa: S608
            f"WHERE status IN ('{SENDING}', '{TOLD}') AND id IN ({self._list(1, 'bigint')})",
            [self._values(notice_ids)],
        )

    async def grant(
        self, db: BaseDBAsyncClient, sender: str, now: datetime, every: timedelta, count: int, used: int
    ) -> datetime | None:
        """Book the next ``count`` places of a sender's pace, after ``used`` ones that went to replies.

        Gives the time of the first place; None while the sender is paused. The row is the pace of all processes.
        """
        rows = await db.execute_query_dict(
            f"SELECT paused_until, next_at FROM sender_state WHERE name = {self._mark}1"  # noqa: S608
            + (" FOR UPDATE" if self._postgres else ""),
            [sender],
        )
        paused = when_known(rows[0]["paused_until"]) if rows else None
        if paused is not None and paused > now:
            return None
        if not rows:  # its first second of all: only what is there can be locked
            await db.execute_query(
                f"INSERT INTO sender_state (name) VALUES ({self._mark}1) ON CONFLICT (name) DO NOTHING",  # noqa: S608
                [sender],
            )
            return await self.grant(db, sender, now, every, count, used)
        free = max(when_known(rows[0]["next_at"]) or now, now)
        start = free + used * every
        await self._put(db, sender, "next_at", start + count * every)
        return start

    async def pause(self, db: BaseDBAsyncClient, sender: str, until: datetime) -> None:
        """Let a sender rest in every process."""
        await self._put(db, sender, "paused_until", until)

    async def paused(self, db: BaseDBAsyncClient) -> dict[str, datetime]:
        """Until when senders rest."""
        rows = await db.execute_query_dict("SELECT name, paused_until FROM sender_state WHERE paused_until IS NOT NULL")
        return {row["name"]: until for row in rows if (until := when_known(row["paused_until"]))}

    async def _put(self, db: BaseDBAsyncClient, sender: str, column: str, moment: datetime) -> None:
        mark = self._mark
        await db.execute_query(
            f"INSERT INTO sender_state (name, {column}) VALUES ({mark}1, {mark}2) "  # noqa: S608
            f"ON CONFLICT (name) DO UPDATE SET {column} = excluded.{column}",
            [sender, self.moment(moment)],
        )


def _notice(row: dict[str, Any]) -> NoticeRow:
    row["params"] = msgspec.msgpack.decode(crypto.ring().open(bytes(row["params"]), PARAMS_CONTEXT))
    row["tried"] = tuple(name for name in row["tried"].split(",") if name)
    row["template"] = bool(row["template"])
    return NoticeRow(**row)
