"""Statements of dues and payments that concern many rows at once, in both dialects. They hold no rules."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from tortoise.backends.base.client import BaseDBAsyncClient

from models.enums import DueStatus, PaymentStatus
from models.turns import TurnTables, when

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


class PayoutTables(TurnTables):
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

    async def take(
        self, db: BaseDBAsyncClient, batch_id: int, before: Sequence[str], after: str, lease: datetime, limit: int
    ) -> list[int]:
        """Move the next payments of a batch on, for whoever calls alone; gives their ids."""
        mark = self._mark
        lock = " FOR UPDATE SKIP LOCKED" if self._postgres else ""
        marks = self._marks_from(5, len(before))
        # Materialized: a mere subquery PostgreSQL may run anew for each row, and find more than the limit.
        rows = await db.execute_query_dict(
            f"WITH picked AS MATERIALIZED (SELECT id FROM payment WHERE batch_id = {mark}3 "  # noqa: S608
            f"AND status IN ({marks}) ORDER BY id LIMIT {mark}4{lock}) "
            f"UPDATE payment SET status = {mark}1, lease_until = {mark}2 "
            f"WHERE id IN (SELECT id FROM picked) AND status IN ({marks}) RETURNING id",
            [after, self.moment(lease), batch_id, limit, *before],
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

    async def unposted(self, db: BaseDBAsyncClient) -> list[int]:
        """Payments whose postings do not fit how they stand: handed over, arrived, failed or sent back."""
        rows = await db.execute_query_dict(
            "SELECT p.id FROM payment p JOIN due d ON d.id = p.due_id "
            "LEFT JOIN posting sent ON sent.key = 'send:' || p.id "
            "LEFT JOIN posting paid ON paid.key = 'paid:' || p.id "
            "LEFT JOIN posting unpaid ON unpaid.key = 'unpaid:' || p.id "
            "LEFT JOIN posting back ON back.key = 'bounced:' || p.id "
            "WHERE d.kind <> 'collection' AND ("
            "(p.sent_at IS NOT NULL) <> (sent.amount IS NOT NULL) OR sent.amount <> p.amount "
            "OR (p.status IN ('paid', 'bounced')) <> (paid.amount IS NOT NULL) OR paid.amount <> p.amount "
            "OR (p.status = 'failed' AND p.sent_at IS NOT NULL AND unpaid.amount IS NULL) "
            "OR (p.status IN ('submitting', 'unknown', 'submitted') AND unpaid.amount IS NOT NULL) "
            "OR unpaid.amount <> p.amount "
            "OR (p.status = 'bounced') <> (back.amount IS NOT NULL) OR back.amount <> p.amount) ORDER BY p.id"
        )
        return [row["id"] for row in rows]

    async def undue(self, db: BaseDBAsyncClient) -> list[tuple[str, str]]:
        """Dues, as (key, what is wrong): paid otherwise than by one payment, or without what made them."""
        rows = await db.execute_query_dict(
            "SELECT d.key, 'it is ' || d.status || ', and its payments are not' AS what FROM due d "
            "LEFT JOIN (SELECT due_id, COUNT(*) AS count, SUM(amount) AS amount FROM payment WHERE status = 'paid' "
            "GROUP BY due_id) p ON p.due_id = d.id WHERE (d.status = 'paid') <> (p.count IS NOT NULL) "
            "OR p.count > 1 OR p.amount <> d.amount "
            "UNION ALL SELECT d.key, 'a payment of it is of another amount' FROM due d "
            "JOIN payment p ON p.due_id = d.id WHERE p.amount <> d.amount "
            "UNION ALL SELECT d.key, 'no posting made it' FROM due d LEFT JOIN posting m ON m.key = "
            "CASE d.kind WHEN 'balance' THEN 'grant:' || substr(d.key, 9) ELSE d.key END "
            "WHERE d.kind IN ('balance', 'incentive', 'survey') AND (m.amount IS NULL OR m.amount <> d.amount) "
            "UNION ALL SELECT d.key, 'its trainings add up to something else' FROM due d "
            "LEFT JOIN (SELECT l.due_id, SUM(b.price) AS amount FROM settlement_line l "
            "JOIN purchase b ON b.id = l.purchase_id GROUP BY l.due_id) s ON s.due_id = d.id "
            "WHERE d.kind = 'settlement' AND (s.amount IS NULL OR s.amount <> d.amount) ORDER BY 1"
        )
        return [(row["key"], row["what"]) for row in rows]

    async def owed_otherwise(self, db: BaseDBAsyncClient) -> list[tuple[str, int, int, int]]:
        """People, as (account, person, owed, due), whose payable is not what their open dues add up to, less what is
        with a gateway.
        """
        rows = await db.execute_query_dict(
            "WITH open_due AS (SELECT CASE d.kind WHEN 'balance' THEN 'balance_payable' ELSE 'incentive_payable' END "
            "AS kind, d.payee_id, SUM(d.amount) AS amount FROM due d "
            "LEFT JOIN payment p ON p.due_id = d.id AND p.live AND p.status IN ('submitting', 'unknown', 'submitted') "
            "WHERE d.kind IN ('balance', 'incentive', 'survey') AND d.status = 'open' AND p.id IS NULL GROUP BY 1, 2), "
            "owed AS (SELECT kind, subject_id, balance FROM ledger_account "
            "WHERE kind IN ('balance_payable', 'incentive_payable')) "
            "SELECT o.kind, o.subject_id AS payee_id, o.balance AS owed, COALESCE(d.amount, 0) AS due FROM owed o "
            "LEFT JOIN open_due d ON d.kind = o.kind AND d.payee_id = o.subject_id "
            "WHERE o.balance <> COALESCE(d.amount, 0) "
            "UNION ALL SELECT d.kind, d.payee_id, 0, d.amount FROM open_due d "
            "LEFT JOIN owed o ON o.kind = d.kind AND o.subject_id = d.payee_id WHERE o.subject_id IS NULL ORDER BY 1, 2"
        )
        return [(row["kind"], int(row["payee_id"]), int(row["owed"]), int(row["due"])) for row in rows]

    async def misplaced(self, db: BaseDBAsyncClient) -> list[tuple[int, int, int]]:
        """People, as (person, credited, accounted for), whose credited balance is not what they have left, have bought
        and not redeemed yet, and what was or is to be collected from their account.
        """
        rows = await db.execute_query_dict(
            "WITH credited AS (SELECT payee_id, SUM(amount) AS amount FROM due "
            "WHERE kind = 'balance' AND status = 'paid' GROUP BY payee_id), "
            "taken AS (SELECT payee_id, SUM(amount) AS amount FROM due "
            "WHERE kind = 'collection' AND status <> 'dropped' GROUP BY payee_id), "
            "bought AS (SELECT person_id, SUM(price) AS amount FROM purchase "
            "WHERE live AND redeemed_at IS NULL GROUP BY person_id), "
            "known AS (SELECT c.payee_id, c.amount AS credited, COALESCE(a.balance, 0) + COALESCE(b.amount, 0) "
            "+ COALESCE(t.amount, 0) AS accounted FROM credited c "
            "LEFT JOIN ledger_account a ON a.kind = 'training_balance' AND a.subject_id = c.payee_id "
            "LEFT JOIN bought b ON b.person_id = c.payee_id LEFT JOIN taken t ON t.payee_id = c.payee_id) "
            "SELECT payee_id, credited, accounted FROM known WHERE credited <> accounted ORDER BY payee_id"
        )
        return [(row["payee_id"], int(row["credited"]), int(row["accounted"])) for row in rows]

    async def wave_figures(self, db: BaseDBAsyncClient) -> list[dict[str, Any]]:
        """What became of each wave's money, in rupiah: see domain.money.report.WaveFigures."""
        kind = "split_part(p.key, ':', 1)" if self._postgres else "substr(p.key, 1, instr(p.key, ':') - 1)"
        rows = await db.execute_query_dict(
            f"WITH fund AS (SELECT id, subject_id, balance FROM ledger_account WHERE kind = 'wave_fund'), "  # noqa: S608
            "moved AS ("
            f"SELECT f.subject_id AS wave_id, {kind} AS what, SUM(p.amount) AS amount FROM fund f "
            "JOIN posting p ON p.source_id = f.id GROUP BY 1, 2 "
            f"UNION ALL SELECT f.subject_id, {kind}, SUM(p.amount) FROM fund f "
            "JOIN posting p ON p.target_id = f.id GROUP BY 1, 2), "
            "held AS (SELECT w.wave_id, "
            "SUM(CASE WHEN a.kind = 'training_balance' THEN a.balance ELSE 0 END) AS spendable, "
            "SUM(CASE WHEN a.kind = 'balance_payable' THEN a.balance ELSE 0 END) AS uncredited, "
            "COUNT(DISTINCT w.id) AS places "
            "FROM place w LEFT JOIN ledger_account a ON a.subject_id = w.person_id "
            "AND a.kind IN ('training_balance', 'balance_payable') GROUP BY w.wave_id), "
            "again AS (SELECT w.wave_id, SUM(p.amount) AS amount FROM place w "
            "JOIN posting p ON p.key = 'grant:' || w.id WHERE w.reserve GROUP BY w.wave_id), "
            "ended AS (SELECT w.wave_id, SUM(p.amount) AS amount FROM ledger_account r "
            "JOIN posting p ON p.target_id = r.id JOIN ledger_account s ON s.id = p.source_id "
            "JOIN place w ON w.person_id = s.subject_id WHERE r.kind = 'returned' GROUP BY w.wave_id), "
            "spent AS (SELECT w.wave_id, "
            "SUM(CASE WHEN b.redeemed_at IS NULL THEN b.price ELSE 0 END) AS bought, "
            "SUM(CASE WHEN b.redeemed_at IS NULL THEN 0 ELSE b.price END) AS redeemed "
            "FROM place w JOIN purchase b ON b.person_id = w.person_id AND b.live GROUP BY w.wave_id), "
            "paid AS (SELECT wave_id, SUM(amount) AS amount FROM due "
            "WHERE kind IN ('incentive', 'survey') AND status = 'paid' GROUP BY wave_id) "
            "SELECT w.number AS wave, COALESCE(h.places, 0) AS places, "
            "COALESCE((SELECT SUM(amount) FROM moved m WHERE m.wave_id = w.id AND what = 'allot'), 0) AS allotted, "
            "COALESCE((SELECT SUM(amount) FROM moved m WHERE m.wave_id = w.id AND what = 'grant'), 0) AS granted, "
            "COALESCE(r.amount, 0) AS reallotted, "
            "COALESCE((SELECT SUM(amount) FROM moved m WHERE m.wave_id = w.id "
            "AND what IN ('lapse', 'lapse-uncredited')), 0) AS lapsed, "
            "COALESCE(e.amount, 0) AS expired, COALESCE(s.bought, 0) AS bought, COALESCE(s.redeemed, 0) AS redeemed, "
            "COALESCE(h.spendable, 0) + COALESCE(h.uncredited, 0) AS unspent, "
            "COALESCE(h.uncredited, 0) AS uncredited, "
            "COALESCE((SELECT SUM(amount) FROM moved m WHERE m.wave_id = w.id "
            "AND what IN ('incentive', 'survey')), 0) AS incentives, "
            'COALESCE(d.amount, 0) AS incentives_paid, f.balance AS "left" '
            "FROM fund f JOIN wave w ON w.id = f.subject_id LEFT JOIN held h ON h.wave_id = w.id "
            "LEFT JOIN again r ON r.wave_id = w.id LEFT JOIN ended e ON e.wave_id = w.id "
            "LEFT JOIN spent s ON s.wave_id = w.id LEFT JOIN paid d ON d.wave_id = w.id ORDER BY w.number"
        )
        return [{name: int(value) for name, value in row.items()} for row in rows]

    async def last_settled(self, db: BaseDBAsyncClient, batch_id: int) -> datetime | None:
        """When the last payment of a batch became final."""
        rows = await db.execute_query_dict(
            f"SELECT MAX(settled_at) AS last FROM payment WHERE batch_id = {self._mark}1",  # noqa: S608
            [batch_id],
        )
        return when(rows[0]["last"]) if rows[0]["last"] else None
