"""Statements of dues and payments that concern many rows at once, in both dialects. They hold no rules."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from tortoise.backends.base.client import BaseDBAsyncClient

from models.dialect import Tables, when
from models.enums import DueStatus, PaymentStatus

_CASTS = {
    "id": "bigint",
    "live": "boolean",
    "settled_at": "timestamptz",
    "sent_at": "timestamptz",
    "lease_until": "timestamptz",
}


@dataclass(slots=True)
class DueRow:
    """Something to be paid, as it is made: see models.payout.Due."""

    key: str
    kind: str
    payee: str
    payee_id: int
    wave_id: int
    amount: int
    due_at: datetime


@dataclass(slots=True)
class PaymentRow:
    """A payment with what it is for, as it is sent and settled."""

    id: int
    batch_id: int
    gateway: str
    reference: str
    account_id: int
    amount: int
    status: str
    gateway_id: str
    reason: str
    statement_line: str
    due_id: int
    kind: str
    payee: str
    payee_id: int


class PayoutTables(Tables):
    """The statements, in the dialect of the connection."""

    async def lock_batches(self, db: BaseDBAsyncClient) -> None:
        """One who begins a batch after the other, to the end of the transaction; on SQLite any writer is alone."""
        if self._postgres:
            await db.execute_query_dict("SELECT pg_advisory_xact_lock(hashtext('payout_batch'))::text AS locked")

    async def add_dues(self, db: BaseDBAsyncClient, dues: Sequence[DueRow], now: datetime) -> set[str]:
        """Make dues, each key once for ever; gives the keys that are new. At most a few thousand a call."""
        moment, opened = self.moment(now), DueStatus.OPEN.value
        values, args = self._rows(
            [
                (
                    each.key,
                    each.kind,
                    each.payee,
                    each.payee_id,
                    each.wave_id,
                    each.amount,
                    opened,
                    self.moment(each.due_at),
                    moment,
                )
                for each in dues
            ]
        )
        rows = await db.execute_query_dict(
            "INSERT INTO due (key, kind, payee, payee_id, wave_id, amount, status, due_at, made_at) "  # noqa: S608
            f"VALUES {values} ON CONFLICT (key) DO NOTHING RETURNING key",
            args,
        )
        return {row["key"] for row in rows}

    async def payable(
        self, db: BaseDBAsyncClient, kinds: Sequence[str], wave_id: int, until: datetime, after: int, limit: int
    ) -> list[tuple[int, int, int]]:
        """The next dues that can be paid, as (due, amount, account): open, with an account and no other attempt.

        One of whose earlier attempts the gateway has said contradictory things waits until that is explained.
        """
        mark = self._mark
        rows = await db.execute_query_dict(
            "SELECT d.id, d.amount, a.id AS account_id FROM due d "  # noqa: S608
            "JOIN payee_account a ON a.payee = d.payee AND a.payee_id = d.payee_id AND a.live AND a.refused = '' "
            "LEFT JOIN payment p ON p.due_id = d.id AND p.live "
            f"WHERE d.status = 'open' AND d.kind IN ({self._marks_from(5, len(kinds))}) AND d.due_at <= {mark}1 "
            f"AND ({mark}2 = 0 OR d.wave_id = {mark}2) AND d.id > {mark}3 AND p.id IS NULL "
            "AND d.id NOT IN (SELECT q.due_id FROM difference x JOIN payment q ON q.reference = x.reference "
            "WHERE x.explained_at IS NULL) "
            f"ORDER BY d.id LIMIT {mark}4",
            [self.moment(until), wave_id, after, limit, *kinds],
        )
        return [(row["id"], row["amount"], row["account_id"]) for row in rows]

    async def unaccounted(self, db: BaseDBAsyncClient, kinds: Sequence[str], wave_id: int, until: datetime) -> int:
        """How many dues can't be paid because their payee has no account."""
        mark = self._mark
        rows = await db.execute_query_dict(
            "SELECT COUNT(*) AS count FROM due d "  # noqa: S608
            "LEFT JOIN payee_account a ON a.payee = d.payee AND a.payee_id = d.payee_id AND a.live "
            f"WHERE d.status = 'open' AND d.kind IN ({self._marks_from(3, len(kinds))}) AND d.due_at <= {mark}1 "
            f"AND ({mark}2 = 0 OR d.wave_id = {mark}2) AND a.id IS NULL",
            [self.moment(until), wave_id, *kinds],
        )
        return int(rows[0]["count"])

    def _marks_from(self, first: int, count: int) -> str:
        return ", ".join(f"{self._mark}{number}" for number in range(first, first + count))

    async def add_payments(
        self, db: BaseDBAsyncClient, batch_id: int, rows: Sequence[tuple[int, int, int, str]]
    ) -> int:
        """Payments for (due, amount, account, reference); a due with a live one gets no other. Gives how many."""
        values, args = self._rows(
            [
                (due, batch_id, True, reference, account, amount, PaymentStatus.PREPARED.value, "", "", "", "")
                for due, amount, account, reference in rows
            ]
        )
        made = await db.execute_query_dict(
            "INSERT INTO payment (due_id, batch_id, live, reference, account_id, amount, status, gateway_id, reason, "  # noqa: S608
            f"settled_by, statement_line) VALUES {values} ON CONFLICT DO NOTHING RETURNING id",
            args,
        )
        return len(made)

    async def take(self, db: BaseDBAsyncClient, batch_id: int, lease: datetime, limit: int) -> list[int]:
        """Claim the next payments of a batch that are to be handed over; gives their ids."""
        mark, prepared = self._mark, PaymentStatus.PREPARED.value
        lock = " FOR UPDATE SKIP LOCKED" if self._postgres else ""
        # Materialized: a mere subquery PostgreSQL may run anew for each row, and find more than the limit.
        rows = await db.execute_query_dict(
            f"WITH picked AS MATERIALIZED (SELECT id FROM payment WHERE batch_id = {mark}1 "  # noqa: S608
            f"AND status = '{prepared}' ORDER BY id LIMIT {mark}2{lock}) "
            f"UPDATE payment SET status = '{PaymentStatus.SUBMITTING.value}', lease_until = {mark}3 "
            f"WHERE id IN (SELECT id FROM picked) AND status = '{prepared}' RETURNING id",
            [batch_id, limit, self.moment(lease)],
        )
        return sorted(row["id"] for row in rows)

    async def due_for_inquiry(
        self, db: BaseDBAsyncClient, batch_id: int, silent_since: datetime, now: datetime, lease: datetime, limit: int
    ) -> list[int]:
        """Payments whose gateway has to be asked: sent without an answer, or accepted and silent; leased to the caller.

        A lease that ran out is one whose process died.
        """
        mark, too_far = self._mark, now + timedelta(hours=1)
        over = f"(lease_until <= {mark}3 OR lease_until > {mark}6)"  # also one of a clock that was ahead
        rows = await db.execute_query_dict(
            f"WITH picked AS MATERIALIZED (SELECT id FROM payment WHERE batch_id = {mark}2 AND ("  # noqa: S608
            f"(status IN ('submitting', 'unknown') AND {over}) "
            f"OR (status = 'submitted' AND sent_at <= {mark}4 AND (lease_until IS NULL OR {over}))"
            f") ORDER BY id LIMIT {mark}5) "
            f"UPDATE payment SET lease_until = {mark}1, "
            "status = CASE status WHEN 'submitting' THEN 'unknown' ELSE status END "
            f"WHERE id IN (SELECT id FROM picked) AND (lease_until IS NULL OR {over}) "
            "AND status IN ('submitting', 'unknown', 'submitted') RETURNING id",
            [self.moment(lease), batch_id, self.moment(now), self.moment(silent_since), limit, self.moment(too_far)],
        )
        return sorted(row["id"] for row in rows)

    async def payments(
        self, db: BaseDBAsyncClient, column: str, values: Sequence[int | str], *, lock: bool = False
    ) -> list[PaymentRow]:
        """Payments by ``id`` or ``reference``, with what they are for; locked in the order of their ids."""
        if not values:
            return []
        tail = " FOR UPDATE OF p" if lock and self._postgres else ""
        rows = await db.execute_query_dict(
            "SELECT p.id, p.batch_id, b.gateway, p.reference, p.account_id, p.amount, p.status, p.gateway_id, "  # noqa: S608
            "p.reason, p.statement_line, p.due_id, d.kind, d.payee, d.payee_id FROM payment p "
            "JOIN due d ON d.id = p.due_id JOIN payout_batch b ON b.id = p.batch_id "
            f"WHERE p.{column} IN ({self._marks_from(1, len(values))}) ORDER BY p.id{tail}",
            list(values),
        )
        return [PaymentRow(**row) for row in rows]

    async def change(self, db: BaseDBAsyncClient, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Set columns of payments; each row is the payment's id and the values."""
        if not rows:
            return
        made = [[self.moment(value) if isinstance(value, datetime) else value for value in row] for row in rows]
        values, args = self._rows(made)
        if self._postgres:
            kinds = enumerate((_CASTS.get(name, "text") for name in ("id", *columns)), 1)
            head = ", ".join(f"${at}::{kind}" for at, kind in kinds)
            values = f"({head})" + values[values.index(")") + 1 :]
        settings = ", ".join(f"{name} = v.column{at}" for at, name in enumerate(columns, 2))
        await db.execute_query_dict(
            f"UPDATE payment SET {settings} FROM (VALUES {values}) AS v WHERE payment.id = v.column1 RETURNING id",  # noqa: S608
            args,
        )

    async def settle_dues(self, db: BaseDBAsyncClient, ids: Sequence[int], status: str, now: datetime | None) -> None:
        """Dues that are paid, or open again."""
        if not ids:
            return
        await db.execute_query_dict(
            f"UPDATE due SET status = {self._mark}1, paid_at = {self._mark}2 WHERE id IN ({self._list(3, 'bigint')}) "  # noqa: S608
            "RETURNING id",
            [status, self.moment(now) if now else None, self._values(ids)],
        )

    async def standing(self, db: BaseDBAsyncClient, batch_id: int) -> dict[str, tuple[int, int]]:
        """How many payments of a batch stand where, and their rupiah."""
        rows = await db.execute_query_dict(
            "SELECT status, COUNT(*) AS count, SUM(amount) AS amount FROM payment "  # noqa: S608
            f"WHERE batch_id = {self._mark}1 GROUP BY status",
            [batch_id],
        )
        return {row["status"]: (int(row["count"]), int(row["amount"])) for row in rows}

    async def content(
        self, db: BaseDBAsyncClient, batch_id: int, after: int, limit: int
    ) -> list[tuple[int, str, int, int, bytes]]:
        """Payments of a batch in order, as (id, reference, amount, account, blind index of its number)."""
        mark = self._mark
        rows = await db.execute_query_dict(
            "SELECT p.id, p.reference, p.amount, p.account_id, a.number_index FROM payment p "  # noqa: S608
            f"JOIN payee_account a ON a.id = p.account_id WHERE p.batch_id = {mark}1 AND p.id > {mark}2 "
            f"AND p.status <> 'dropped' ORDER BY p.id LIMIT {mark}3",
            [batch_id, after, limit],
        )
        return [
            (row["id"], row["reference"], row["amount"], row["account_id"], bytes(row["number_index"])) for row in rows
        ]

    async def wanting(self, db: BaseDBAsyncClient, batch_id: int) -> list[tuple[str, int]]:
        """What is wrong with payments of a batch that are not sent yet, and how many each concerns."""
        found = await db.execute_query_dict(
            "SELECT SUM(CASE WHEN a.live IS NULL THEN 1 ELSE 0 END) AS unlinked, "  # noqa: S608
            "SUM(CASE WHEN p.amount <> d.amount THEN 1 ELSE 0 END) AS amount, "
            "SUM(CASE WHEN d.status <> 'open' THEN 1 ELSE 0 END) AS settled, "
            "SUM(CASE WHEN a.payee <> d.payee OR a.payee_id <> d.payee_id THEN 1 ELSE 0 END) AS stranger "
            "FROM payment p JOIN due d ON d.id = p.due_id JOIN payee_account a ON a.id = p.account_id "
            f"WHERE p.batch_id = {self._mark}1 AND p.status = 'prepared'",
            [batch_id],
        )
        return [(name, int(count)) for name, count in found[0].items() if count]

    async def unsettled(self, db: BaseDBAsyncClient, provider_id: int, limit: int) -> list[tuple[int, int]]:
        """Redeemed trainings of a provider that are in none of its dues, as (purchase, price)."""
        mark = self._mark
        rows = await db.execute_query_dict(
            "SELECT p.id, p.price FROM purchase p LEFT JOIN settlement_line s ON s.purchase_id = p.id "  # noqa: S608
            f"WHERE p.provider_id = {mark}1 AND p.redeemed_at IS NOT NULL AND s.id IS NULL ORDER BY p.id LIMIT {mark}2",
            [provider_id, limit],
        )
        return [(row["id"], row["price"]) for row in rows]

    async def unshown(self, db: BaseDBAsyncClient, batch_id: int, after: int, limit: int) -> list[tuple[int, str, int]]:
        """The next payments, as (id, reference, amount), that are paid or bounced and on no statement line."""
        mark = self._mark
        rows = await db.execute_query_dict(
            "SELECT id, reference, amount FROM payment "  # noqa: S608
            f"WHERE batch_id = {mark}1 AND status IN ('paid', 'bounced') AND statement_line = '' AND id > {mark}2 "
            f"ORDER BY id LIMIT {mark}3",
            [batch_id, after, limit],
        )
        return [(row["id"], row["reference"], row["amount"]) for row in rows]

    async def last_settled(self, db: BaseDBAsyncClient, batch_id: int) -> datetime | None:
        """When the last payment of a batch became final."""
        rows = await db.execute_query_dict(
            f"SELECT MAX(settled_at) AS last FROM payment WHERE batch_id = {self._mark}1",  # noqa: S608
            [batch_id],
        )
        return when(rows[0]["last"]) if rows[0]["last"] else None
