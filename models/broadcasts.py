"""Broadcasts in sets: recipients are frozen, released and counted with a few statements a thousand."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from tortoise.backends.base.client import BaseDBAsyncClient

from models import crypto
from models.dialect import Tables
from models.enums import BroadcastStatus, NoticeStatus, OutboxStatus, RecipientStatus
from models.notices import PARAMS_CONTEXT

FROZEN, RELEASED, SENT, DELIVERED, FAILED, UNCERTAIN = (
    RecipientStatus.FROZEN.value, RecipientStatus.RELEASED.value, RecipientStatus.SENT.value,
    RecipientStatus.DELIVERED.value, RecipientStatus.FAILED.value, RecipientStatus.UNCERTAIN.value,
)  # fmt: skip
# The talk a person used last.
_TALK = "(SELECT x.id FROM conversation x WHERE x.person_id = p.id ORDER BY x.updated_at DESC, x.id DESC LIMIT 1)"

Where = tuple[str, list[Any]]
"""A condition on ``p`` (person), ``c`` (conversation) and ``a`` (address), with ``{}`` for each of its values."""


class BroadcastTables(Tables):
    """The statements, in the dialect of the connection."""

    def _where(self, conditions: Sequence[Where], first: int) -> tuple[str, list[Any]]:
        text: list[str] = []
        values: list[Any] = []
        for condition, given in conditions:
            text.append(condition.format(*(f"{self._mark}{first + len(values) + at}" for at in range(len(given)))))
            values += given
        return " AND ".join(f"({each})" for each in text), values

    async def freeze(
        self, db: BaseDBAsyncClient, broadcast_id: int, conditions: Sequence[Where], after: int, until: int
    ) -> int:
        """Add those of the people with these numbers whom the conditions mean; gives how many."""
        mark = self._mark
        where, values = self._where(conditions, 4)
        rows = await db.execute_query_dict(
            "INSERT INTO broadcast_recipient (broadcast_id, person_id, channel, language, status, reason) "  # noqa: S608
            f"SELECT {mark}1, p.id, COALESCE(a.channel, ''), c.language, '{FROZEN}', '' FROM person p "
            f"JOIN conversation c ON c.id = {_TALK} LEFT JOIN address a ON a.id = c.last_address_id "
            f"WHERE p.id > {mark}2 AND p.id <= {mark}3 AND {where} ON CONFLICT DO NOTHING RETURNING id",
            [broadcast_id, after, until, *values],
        )
        return len(rows)

    async def matching(self, db: BaseDBAsyncClient, conditions: Sequence[Where], after: int, until: int) -> int:
        """How many of the people with these numbers the conditions mean."""
        mark = self._mark
        where, values = self._where(conditions, 3)
        rows = await db.execute_query_dict(
            f"SELECT COUNT(*) AS number FROM person p JOIN conversation c ON c.id = {_TALK} "  # noqa: S608
            f"LEFT JOIN address a ON a.id = c.last_address_id WHERE p.id > {mark}1 AND p.id <= {mark}2 AND {where}",
            [after, until, *values],
        )
        return int(rows[0]["number"])

    async def last_person(self, db: BaseDBAsyncClient) -> int:
        """The highest number of a person."""
        rows = await db.execute_query_dict("SELECT COALESCE(MAX(id), 0) AS last FROM person")
        return int(rows[0]["last"])

    async def everybody(self, db: BaseDBAsyncClient) -> int:
        """How many people there are."""
        rows = await db.execute_query_dict("SELECT COUNT(*) AS number FROM person")
        return int(rows[0]["number"])

    async def frozen(self, db: BaseDBAsyncClient, broadcast_id: int, after: int, limit: int) -> list[tuple[int, int]]:
        """Recipients in the order of their ids: (id, person)."""
        mark = self._mark
        rows = await db.execute_query_dict(
            f"SELECT id, person_id FROM broadcast_recipient WHERE broadcast_id = {mark}1 AND id > {mark}2 "  # noqa: S608
            f"ORDER BY id LIMIT {mark}3",
            [broadcast_id, after, limit],
        )
        return [(row["id"], row["person_id"]) for row in rows]

    async def shares(self, db: BaseDBAsyncClient, broadcast_id: int) -> list[tuple[str, str, int]]:
        """Recipients by the channel they used last and their language."""
        rows = await db.execute_query_dict(
            "SELECT channel, language, COUNT(*) AS number FROM broadcast_recipient "  # noqa: S608
            f"WHERE broadcast_id = {self._mark}1 GROUP BY channel, language ORDER BY number DESC",
            [broadcast_id],
        )
        return [(row["channel"], row["language"], int(row["number"])) for row in rows]

    async def standing(self, db: BaseDBAsyncClient, broadcast_id: int) -> dict[str, int]:
        """Recipients by status."""
        rows = await db.execute_query_dict(
            "SELECT status, COUNT(*) AS number FROM broadcast_recipient "  # noqa: S608
            f"WHERE broadcast_id = {self._mark}1 GROUP BY status",
            [broadcast_id],
        )
        return {row["status"]: int(row["number"]) for row in rows}

    async def under_way(self, db: BaseDBAsyncClient, broadcast_id: int, now: datetime) -> tuple[int, int]:
        """Recipients that were released and have not come to anything yet, never many; and how many of them could go
        out now: one that waits for another try holds nobody up.
        """
        mark = self._mark
        rows = await db.execute_query_dict(
            "SELECT COUNT(*) AS number, COUNT(n.id) AS queued FROM broadcast_recipient r "  # noqa: S608
            f"LEFT JOIN notice n ON n.id = r.notice_id AND n.due_at <= {mark}2 "
            f"WHERE r.broadcast_id = {mark}1 AND r.status = '{RELEASED}'",
            [broadcast_id, self.moment(now)],
        )
        return int(rows[0]["number"]), int(rows[0]["queued"])

    async def let_go(
        self, db: BaseDBAsyncClient, broadcast_id: int, kind: str, priority: int, now: datetime, until: datetime,
        limit: int,
    ) -> int:  # fmt: skip
        """Make notices for the next recipients, with its trace; in the caller's transaction. Gives how many.

        A person gets one notice of a kind and subject, whatever is done twice: then theirs stays as it is.
        """
        mark = self._mark
        rows = await db.execute_query_dict(
            f"WITH picked AS MATERIALIZED (SELECT id FROM broadcast_recipient WHERE broadcast_id = {mark}1 "  # noqa: S608
            f"AND status = '{FROZEN}' ORDER BY id LIMIT {mark}2"
            + (" FOR UPDATE SKIP LOCKED" if self._postgres else "")
            + f") UPDATE broadcast_recipient SET status = '{RELEASED}' WHERE id IN (SELECT id FROM picked) "  # noqa: S608
            "RETURNING person_id",
            [broadcast_id, limit],
        )
        if not rows:
            return 0
        people = self._values(sorted(row["person_id"] for row in rows))
        params = crypto.ring().seal(msgspec.msgpack.encode({}), PARAMS_CONTEXT)
        source = "unnest($8::bigint[]) AS p(value)" if self._postgres else "json_each(?8) AS p"
        await db.execute_query_dict(
            "INSERT INTO notice (kind, subject_id, person_id, params, priority, status, channel, address_id, template, "  # noqa: S608
            "tried, reason, due_at, expires_at, created_at, trace) "
            f"SELECT {mark}1, {mark}2, p.value, {mark}3, {mark}4, '{NoticeStatus.NEW.value}', '', 0, {mark}5, '', '', "
            f"{mark}6, {mark}7, {mark}6, (SELECT trace FROM broadcast WHERE id = {mark}2) "
            f"FROM {source} WHERE true ON CONFLICT DO NOTHING RETURNING id",
            [kind, broadcast_id, params, priority, False, self.moment(now), self.moment(until), people],
        )
        await db.execute_query(
            f"UPDATE broadcast_recipient SET notice_id = (SELECT n.id FROM notice n WHERE n.kind = {mark}2 "  # noqa: S608
            f"AND n.subject_id = {mark}1 AND n.person_id = broadcast_recipient.person_id) "
            f"WHERE broadcast_id = {mark}1 AND status = '{RELEASED}' AND notice_id IS NULL",
            [broadcast_id, kind],
        )
        return len(rows)

    async def follow(self, db: BaseDBAsyncClient, broadcast_id: int) -> None:
        """Take over what became of released recipients' notices."""
        mark = self._mark
        reached, lost = NoticeStatus.TOLD.value, f"'{NoticeStatus.UNREACHED.value}', '{NoticeStatus.EXPIRED.value}'"
        for status, states in ((SENT, f"'{reached}'"), (FAILED, lost)):
            await db.execute_query(
                f"UPDATE broadcast_recipient SET status = '{status}', "  # noqa: S608
                "reason = (SELECT n.reason FROM notice n WHERE n.id = broadcast_recipient.notice_id) "
                f"WHERE broadcast_id = {mark}1 AND status = '{RELEASED}' AND EXISTS (SELECT 1 FROM notice n "
                f"WHERE n.id = broadcast_recipient.notice_id AND n.status IN ({states}))",
                [broadcast_id],
            )

    async def heard(
        self,
        db: BaseDBAsyncClient,
        sent: Sequence[int],
        delivered: Sequence[int],
        again: Sequence[int],
        uncertain: Sequence[int],
    ) -> None:
        """What came of messages, by their notices: taken by a platform, delivered, refused (another rung follows), or
        nobody knows.
        """
        moves = (
            (sent, SENT, f"'{RELEASED}'"),
            (delivered, DELIVERED, f"'{RELEASED}', '{SENT}'"),
            (again, RELEASED, f"'{SENT}'"),
            (uncertain, UNCERTAIN, f"'{RELEASED}', '{SENT}'"),
        )
        for notices, status, before in moves:
            if notices:
                await db.execute_query(
                    f"UPDATE broadcast_recipient SET status = '{status}' WHERE status IN ({before}) "  # noqa: S608
                    f"AND notice_id IN ({self._list(1, 'bigint')})",
                    [self._values(notices)],
                )

    async def hold(self, db: BaseDBAsyncClient, broadcast_id: int) -> None:
        """Let what was released and is not being sent yet rest."""
        await self._take_back(db, broadcast_id, NoticeStatus.HELD, "paused")
        await self._set(db, broadcast_id, NoticeStatus.HELD, "", [NoticeStatus.NEW, NoticeStatus.ROUTED])

    async def go_on(self, db: BaseDBAsyncClient, broadcast_id: int, due: datetime, until: datetime) -> None:
        """Let what rests be routed anew, from ``due`` on; it is not told after ``until``."""
        mark = self._mark
        await db.execute_query(
            f"UPDATE notice SET due_at = {mark}2, expires_at = {mark}3 WHERE status = '{NoticeStatus.HELD.value}' "  # noqa: S608
            f"AND id IN (SELECT notice_id FROM broadcast_recipient WHERE broadcast_id = {mark}1 "
            f"AND status = '{RELEASED}')",
            [broadcast_id, self.moment(due), self.moment(until)],
        )
        await self._set(db, broadcast_id, NoticeStatus.NEW, "", [NoticeStatus.HELD])

    async def rest(self, db: BaseDBAsyncClient, notice_ids: Sequence[int]) -> None:
        """Of notices that fell from a rung, those of a broadcast that was paused or cancelled climb no other."""
        for before, status, reason in (
            (BroadcastStatus.PAUSED, NoticeStatus.HELD, ""),
            (BroadcastStatus.CANCELLED, NoticeStatus.EXPIRED, "cancelled"),
        ):
            await db.execute_query(
                f"UPDATE notice SET status = '{status.value}', reason = {self._mark}2 "  # noqa: S608
                f"WHERE id IN ({self._list(1, 'bigint')}) AND status = '{NoticeStatus.NEW.value}' AND EXISTS ("
                f"SELECT 1 FROM broadcast b WHERE b.id = notice.subject_id AND b.status = '{before.value}')",
                [self._values(notice_ids), reason],
            )

    async def _take_back(self, db: BaseDBAsyncClient, broadcast_id: int, status: NoticeStatus, reason: str) -> None:
        """Messages that wait for another try, as after a 429, are not tried again: their notices rest or end."""
        mark = self._mark
        rows = await db.execute_query_dict(
            f"UPDATE outbox SET status = '{OutboxStatus.FAILED.value}', error = {mark}2, lease_until = NULL "  # noqa: S608
            f"WHERE status = '{OutboxStatus.QUEUED.value}' AND notice_id IN (SELECT r.notice_id "
            f"FROM broadcast_recipient r WHERE r.broadcast_id = {mark}1 AND r.status = '{RELEASED}') "
            "RETURNING notice_id",
            [broadcast_id, reason],
        )
        if rows:
            await db.execute_query(
                f"UPDATE notice SET status = '{status.value}', channel = '', reason = {mark}2 "  # noqa: S608
                f"WHERE status = '{NoticeStatus.SENDING.value}' AND id IN ({self._list(1, 'bigint')})",
                [self._values(sorted(row["notice_id"] for row in rows)), reason],
            )

    async def drop(self, db: BaseDBAsyncClient, broadcast_id: int) -> None:
        """Never send what is not being sent yet."""
        await self._take_back(db, broadcast_id, NoticeStatus.EXPIRED, "cancelled")
        await self._set(
            db, broadcast_id, NoticeStatus.EXPIRED, "cancelled",
            [NoticeStatus.NEW, NoticeStatus.ROUTED, NoticeStatus.HELD],
        )  # fmt: skip
        await self.follow(db, broadcast_id)

    async def _set(
        self, db: BaseDBAsyncClient, broadcast_id: int, status: NoticeStatus, reason: str, before: list[NoticeStatus]
    ) -> None:
        states = ", ".join(f"'{each.value}'" for each in before)
        mark = self._mark
        await db.execute_query(
            f"UPDATE notice SET status = '{status.value}', channel = '', reason = {mark}2 "  # noqa: S608
            f"WHERE status IN ({states}) AND id IN (SELECT notice_id FROM broadcast_recipient "
            f"WHERE broadcast_id = {mark}1 AND status = '{RELEASED}')",
            [broadcast_id, reason],
        )

    async def about(self, db: BaseDBAsyncClient, person_ids: Sequence[int]) -> dict[int, tuple[str, str, Any]]:
        """What variables stand for, of each of these people: name, last ticket, deadline of their place."""
        rows = await db.execute_query_dict(
            "SELECT p.id, p.name, (SELECT e.ticket FROM entry e WHERE e.person_id = p.id ORDER BY e.id DESC LIMIT 1) "  # noqa: S608
            "AS ticket, (SELECT s.due_at FROM place s WHERE s.person_id = p.id ORDER BY s.id DESC LIMIT 1) AS due_at "
            f"FROM person p WHERE p.id IN ({self._list(1, 'bigint')})",
            [self._values(person_ids)],
        )
        opened = crypto.ring().open
        return {
            row["id"]: (opened(bytes(row["name"]), b"person.name").decode(), row["ticket"] or "", row["due_at"])
            for row in rows
        }

    async def lines(self, db: BaseDBAsyncClient, broadcast_id: int, after: int, limit: int) -> list[dict[str, Any]]:
        """Recipients for the report, in the order of their ids."""
        mark = self._mark
        return await db.execute_query_dict(
            "SELECT r.id, r.person_id, r.language, COALESCE(NULLIF(n.channel, ''), r.channel) AS channel, r.status, "  # noqa: S608
            "r.reason, n.told_at FROM broadcast_recipient r LEFT JOIN notice n ON n.id = r.notice_id "
            f"WHERE r.broadcast_id = {mark}1 AND r.id > {mark}2 ORDER BY r.id LIMIT {mark}3",
            [broadcast_id, after, limit],
        )
