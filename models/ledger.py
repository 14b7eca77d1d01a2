"""The ledger's SQL: movements posted in sets, each once, with the balances they lead to."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from tortoise.backends.base.client import BaseDBAsyncClient

from models.dialect import Tables
from models.enums import AccountKind
from models.movement import Account, Movement, OverdrawnError

PORTION = 2_000  # movements a statement: PostgreSQL takes 32,767 parameters


class LedgerTables(Tables):
    """Posting and proving, in the dialect of the connection."""

    async def record(self, db: BaseDBAsyncClient, movements: Sequence[Movement], now: datetime) -> set[str]:
        """Post what was not posted before; gives the keys that are new. In the caller's transaction.

        Raises OverdrawnError before anything is written that would overdraw an account.
        """
        new: set[str] = set()
        for start in range(0, len(movements), PORTION):
            new |= await self._record(db, movements[start : start + PORTION], now)
        return new

    async def hold(self, db: BaseDBAsyncClient, accounts: Sequence[Account]) -> dict[Account, int]:
        """Balances that nobody else changes before the transaction ends, locked in the order of their ids."""
        if not accounts:
            return {}
        return {account: balance for account, (_, balance) in (await self._locked(db, set(accounts))).items()}

    async def _record(self, db: BaseDBAsyncClient, movements: Sequence[Movement], now: datetime) -> set[str]:
        accounts = await self._locked(db, {account for each in movements for account in (each.source, each.target)})
        ids = {account: number for account, (number, _) in accounts.items()}
        moment = self.moment(now)
        unique = {each.key: each for each in movements}
        values, args = self._rows(
            [(each.key, ids[each.source], ids[each.target], each.amount, moment) for each in unique.values()]
        )
        rows = await db.execute_query_dict(
            f"INSERT INTO posting (key, source_id, target_id, amount, at) VALUES {values} "  # noqa: S608
            "ON CONFLICT (key) DO NOTHING RETURNING key",
            args,
        )
        new = {row["key"] for row in rows}
        change: Counter[Account] = Counter()
        for key in new:
            change[unique[key].source] -= unique[key].amount
            change[unique[key].target] += unique[key].amount
        for account, amount in change.items():
            if account.kind != AccountKind.TREASURY and accounts[account][1] + amount < 0:
                raise OverdrawnError(account)
        await self._move(db, {ids[account]: amount for account, amount in change.items() if amount})
        return new

    async def _locked(self, db: BaseDBAsyncClient, accounts: set[Account]) -> dict[Account, tuple[int, int]]:
        """Ids and balances, locked in the order of their ids; accounts that are new are made."""
        ordered = sorted(accounts)
        values, args = self._rows([(kind.value, subject, 0) for kind, subject in ordered])
        await db.execute_query_dict(
            f"INSERT INTO ledger_account (kind, subject_id, balance) VALUES {values} "  # noqa: S608
            "ON CONFLICT (kind, subject_id) DO NOTHING RETURNING id",
            args,
        )
        found: dict[Account, tuple[int, int]] = {}
        by_kind: dict[AccountKind, list[int]] = {}
        for kind, subject in ordered:
            by_kind.setdefault(kind, []).append(subject)
        lock = " FOR UPDATE" if self._postgres else ""
        for kind, subjects in by_kind.items():
            rows = await db.execute_query_dict(
                f"SELECT id, subject_id, balance FROM ledger_account WHERE kind = {self._mark}1 "  # noqa: S608
                f"AND subject_id IN ({self._list(2, 'bigint')}) ORDER BY id{lock}",
                [kind.value, self._values(subjects)],
            )
            found |= {Account(kind, row["subject_id"]): (row["id"], row["balance"]) for row in rows}
        return found

    async def _move(self, db: BaseDBAsyncClient, change: dict[int, int]) -> None:
        if not change:
            return
        values, args = self._rows(sorted(change.items()))
        if self._postgres:
            values = values.replace("($1, $2)", "($1::bigint, $2::bigint)", 1)
        await db.execute_query_dict(
            f"WITH change (account_id, amount) AS (VALUES {values}) "  # noqa: S608
            "UPDATE ledger_account SET balance = balance + (SELECT amount FROM change WHERE account_id = id) "
            "WHERE id IN (SELECT account_id FROM change) RETURNING id",
            args,
        )

    async def differing(self, db: BaseDBAsyncClient) -> list[tuple[str, int, int, int]]:
        """Accounts whose kept balance is not the sum of their postings: kind, subject, kept, summed."""
        rows = await db.execute_query_dict(
            "WITH movement (account_id, amount) AS ("
            "  SELECT target_id, SUM(amount) FROM posting GROUP BY target_id"
            "  UNION ALL SELECT source_id, -SUM(amount) FROM posting GROUP BY source_id"
            "), summed (account_id, amount) AS (SELECT account_id, SUM(amount) FROM movement GROUP BY account_id) "
            "SELECT a.kind, a.subject_id, a.balance, COALESCE(s.amount, 0) AS sum"
            " FROM ledger_account a LEFT JOIN summed s ON s.account_id = a.id WHERE a.balance <> COALESCE(s.amount, 0) "
            "UNION ALL SELECT 'unknown', s.account_id, 0, s.amount"
            " FROM summed s LEFT JOIN ledger_account a ON a.id = s.account_id WHERE a.id IS NULL"
        )
        return [(row["kind"], int(row["subject_id"]), int(row["balance"]), int(row["sum"])) for row in rows]

    async def total(self, db: BaseDBAsyncClient) -> int:
        """The sum of all balances: what one account has, another gave."""
        rows = await db.execute_query_dict("SELECT COALESCE(SUM(balance), 0) AS total FROM ledger_account")
        return int(rows[0]["total"])

    async def unbacked(self, db: BaseDBAsyncClient) -> list[int]:
        """Purchases whose price was not posted as they say, or whose money went on otherwise than their status says."""
        rows = await db.execute_query_dict(
            "SELECT p.id FROM purchase p "
            "LEFT JOIN posting paid ON paid.key = 'purchase:' || p.id "
            "LEFT JOIN posting back ON back.key = 'cancel:' || p.id "
            "LEFT JOIN posting used ON used.key = 'redeem:' || p.id "
            "WHERE paid.amount IS NULL OR paid.amount <> p.price "
            "OR (p.status = 'cancelled') <> (back.amount IS NOT NULL) OR back.amount <> p.price "
            "OR (p.redeemed_at IS NOT NULL) <> (used.amount IS NOT NULL) OR used.amount <> p.price ORDER BY p.id"
        )
        return [row["id"] for row in rows]
