"""Statements of waves and draws that concern many rows at once, in both dialects. They hold no rules."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec
from tortoise.backends.base.client import BaseDBAsyncClient

from models.dialect import Tables, when
from models.enums import PlaceStatus, WaveStatus

_ONLY_IN = " AND reason = ''"


@dataclass(slots=True)
class EntryRow:
    """Somebody in a wave, as the freeze reads and writes them."""

    id: int
    person_id: int
    ticket: str
    reason: str | None
    stratum: str
    household: str
    used: int


class DrawTables(Tables):
    """The statements, in the dialect of the connection."""

    async def lock_offers(self, db: BaseDBAsyncClient) -> None:
        """One who hands places on after the other, to the end of the transaction; on SQLite any writer is alone."""
        if self._postgres:
            await db.execute_query_dict("SELECT pg_advisory_xact_lock(hashtext('offers'))::text AS locked")

    async def entries(
        self, db: BaseDBAsyncClient, wave_id: int, after: int, limit: int, *, only_in: bool = False
    ) -> list[EntryRow]:
        """The next entries of a wave in the order of their ids; ``only_in``: those who are in the draw.

        ``wave_id + 0`` keeps both databases from an index on the wave: they would sort all of it for each portion.
        """
        mark = self._mark
        rows = await db.execute_query_dict(
            "SELECT id, person_id, ticket, reason, stratum, household, used FROM entry "  # noqa: S608
            f"WHERE id > {mark}1 AND wave_id + 0 = {mark}2{_ONLY_IN * only_in} "
            f"ORDER BY id LIMIT {mark}3",
            [after, wave_id, limit],
        )
        return [EntryRow(**row) for row in rows]

    async def add_places(
        self,
        db: BaseDBAsyncClient,
        wave_id: int,
        rows: Sequence[tuple[str, int, str]],
        reason: str,
        now: datetime,
        due_at: datetime | None = None,
    ) -> int:
        """Places for (ticket, rank, seat), each with its event; gives how many are new (``reason`` "reserve" marks
        places of the reserve list).
        """
        mark, selected = self._mark, PlaceStatus.SELECTED.value
        if self._postgres:
            given = "unnest($6::text[], $7::int[], $8::text[]) AS t(ticket, rank, seat)"
            values: list[object] = [list(column) for column in zip(*rows, strict=True)]
        else:
            given = (
                "(SELECT json_extract(value, '$[0]') AS ticket, json_extract(value, '$[1]') AS rank, "
                "json_extract(value, '$[2]') AS seat FROM json_each(?6)) AS t"
            )
            values = [msgspec.json.encode(rows).decode()]
        insert = (
            "INSERT INTO place (wave_id, person_id, ticket, rank, seat, reserve, status, selected_at, due_at) "  # noqa: S608
            f"SELECT {mark}1, e.person_id, t.ticket, t.rank, t.seat, {mark}2, {mark}3, {mark}4, {mark}5 "
            f"FROM {given} JOIN entry e ON e.ticket = t.ticket WHERE true "
            "ON CONFLICT (ticket) DO NOTHING RETURNING id"
        )
        params = [wave_id, reason == "reserve", selected, self.moment(now), due_at and self.moment(due_at), *values]
        if self._postgres:  # both tables in one statement: half the time
            [row] = await db.execute_query_dict(
                f"WITH new AS ({insert}), said AS (INSERT INTO place_event (place_id, status, reason, at) "  # noqa: S608
                "SELECT id, $3, $9, $4 FROM new RETURNING 1) SELECT count(*) AS new FROM said",
                [*params, reason],
            )
            return int(row["new"])
        new = await db.execute_query_dict(insert, params)
        await self.add_events(db, [row["id"] for row in new], PlaceStatus.SELECTED, reason, now)
        return len(new)

    async def add_events(
        self, db: BaseDBAsyncClient, places: Sequence[int], status: PlaceStatus, reason: str, now: datetime
    ) -> None:
        """What has become of these places, and why."""
        mark = self._mark
        await db.execute_query(
            f"INSERT INTO place_event (place_id, status, reason, at) SELECT id, {mark}1, {mark}2, {mark}3 "  # noqa: S608
            f"FROM place WHERE id IN ({self._list(4, 'bigint')})",
            [status.value, reason, self.moment(now), self._values(places)],
        )

    async def move_places(
        self,
        db: BaseDBAsyncClient,
        places: Sequence[int],
        before: Sequence[PlaceStatus],
        status: PlaceStatus,
        reason: str,
        now: datetime,
    ) -> list[int]:
        """Move those of these places that are ``before``, each with its event; gives which were moved."""
        allowed, ids = ", ".join(f"'{each.value}'" for each in before), self._list(2, "bigint")
        rows = await db.execute_query_dict(
            f"UPDATE place SET status = {self._mark}1 WHERE id IN ({ids}) AND status IN ({allowed}) RETURNING id",  # noqa: S608
            [status.value, self._values(places)],
        )
        moved = sorted(row["id"] for row in rows)
        if moved:
            await self.add_events(db, moved, status, reason, now)
        return moved

    async def hold(self, db: BaseDBAsyncClient, wave_id: int, status: WaveStatus) -> bool:
        """Whether a wave has this status, and keeps it until this transaction ends; several may hold it at once."""
        lock = " FOR SHARE" if self._postgres else ""  # SQLite has one writer
        rows = await db.execute_query_dict(
            f"SELECT 1 AS one FROM wave WHERE id = {self._mark}1 AND status = {self._mark}2{lock}",  # noqa: S608
            [wave_id, status.value],
        )
        return bool(rows)

    async def rank_block(self, db: BaseDBAsyncClient, wave_id: int, key: bytes) -> tuple[int, str] | None:
        """The block of the ranking in which a key would stand: its first rank and its tickets."""
        mark = self._mark
        rows = await db.execute_query_dict(
            f"SELECT first_rank, tickets FROM rank_block WHERE wave_id = {mark}1 AND first_key <= {mark}2 "  # noqa: S608
            "ORDER BY first_key DESC LIMIT 1",
            [wave_id, key],
        )
        return (rows[0]["first_rank"], rows[0]["tickets"]) if rows else None

    async def told(
        self, db: BaseDBAsyncClient, wave_id: int, kinds: Sequence[str], after: int, limit: int
    ) -> tuple[list[tuple[int, datetime]], int]:
        """Of the next ``limit`` places that do not say that their person was told: those who were, and when; and the
        last place looked at, 0 at the end.
        """
        mark, names = self._mark, ", ".join(f"'{kind}'" for kind in kinds)
        rows = await db.execute_query_dict(
            "SELECT p.id, n.told_at FROM (SELECT id, person_id, wave_id FROM place "  # noqa: S608
            f"WHERE wave_id + 0 = {mark}1 AND status = '{PlaceStatus.SELECTED}' AND id > {mark}2 "
            f"ORDER BY id LIMIT {mark}3) p LEFT JOIN notice n ON n.person_id = p.person_id "
            f"AND n.subject_id = p.wave_id AND n.kind IN ({names}) AND n.told_at IS NOT NULL ORDER BY p.id",
            [wave_id, after, limit],
        )
        return [(row["id"], when(row["told_at"])) for row in rows if row["told_at"]], rows[-1]["id"] if rows else 0

    async def waiting(self, db: BaseDBAsyncClient, before: int, limit: int) -> list[tuple[int, int, bool]]:
        """People whose layers still waited at the freeze of a wave with a number below ``before``: entry, person, and
        whether they have joined a wave since.
        """
        mark = self._mark
        rows = await db.execute_query_dict(
            "SELECT e.id, e.person_id, EXISTS (SELECT 1 FROM entry later WHERE later.person_id = e.person_id "  # noqa: S608
            "AND later.id > e.id) AS joined FROM wave w JOIN entry e ON e.wave_id = w.id AND e.reason = 'waiting' "
            f"WHERE w.number < {mark}1 AND w.frozen_at IS NOT NULL LIMIT {mark}2",
            [before, limit],
        )
        return [(row["id"], row["person_id"], bool(row["joined"])) for row in rows]

    async def expiring(self, db: BaseDBAsyncClient, granted_before: datetime, limit: int) -> list[tuple[int, int, int]]:
        """Places, as (place, wave, person), granted before a moment, of whose balance something is left."""
        mark = self._mark
        rows = await db.execute_query_dict(
            "SELECT p.id, p.wave_id, p.person_id FROM ledger_account a "  # noqa: S608
            "JOIN place p ON p.person_id = a.subject_id JOIN posting g ON g.key = 'grant:' || p.id "
            "WHERE a.kind IN ('training_balance', 'balance_payable') AND a.balance > 0 "
            f"AND g.at < {mark}1 AND p.status <> 'lapsed' ORDER BY p.id LIMIT {mark}2",
            [self.moment(granted_before), limit],
        )
        return sorted({(row["id"], row["wave_id"], row["person_id"]) for row in rows})
