"""What proves dues and payments, and what reports count of them: statements over whole tables, in both dialects."""

from typing import Any

from tortoise.backends.base.client import BaseDBAsyncClient

from models.dialect import Tables


class PayoutProofs(Tables):
    """The statements, in the dialect of the connection."""

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
