"""The sandbox bank's own book: accounts, payouts and the lines of its statement, in an SQLite file of its own."""

import hashlib
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_TABLES = """
CREATE TABLE IF NOT EXISTS account (
    institution TEXT, number TEXT, balance INTEGER NOT NULL DEFAULT 0, restricted INTEGER NOT NULL DEFAULT 0,
    CHECK (balance >= 0 AND restricted >= 0), PRIMARY KEY (institution, number)
);
CREATE TABLE IF NOT EXISTS payout (
    id INTEGER PRIMARY KEY, reference TEXT UNIQUE, institution TEXT, number TEXT, amount INTEGER, way TEXT,
    status TEXT, reason TEXT NOT NULL DEFAULT '', digest TEXT, told INTEGER NOT NULL DEFAULT 0, taken_at TEXT
);
CREATE INDEX IF NOT EXISTS payout_open ON payout (status) WHERE status = 'accepted';
CREATE TABLE IF NOT EXISTS line (
    id INTEGER PRIMARY KEY, reference TEXT, amount INTEGER, outcome TEXT, at TEXT
);
"""


@dataclass(frozen=True)
class Payout:
    """A payout as the bank has it; ``status`` is accepted, paid, failed or bounced."""

    id: int
    reference: str
    institution: str
    number: str
    amount: int
    way: str
    status: str
    reason: str


class OtherPayoutError(Exception):
    """The idempotency key was used for another payout."""


class Book:
    """Reads and writes; ``commit`` makes it last. One process at a time."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.executescript(_TABLES)
        self._db.execute("BEGIN")

    def commit(self) -> None:
        """Everything so far lasts."""
        self._db.execute("COMMIT")
        self._db.execute("BEGIN")

    def close(self) -> None:
        """The end."""
        self._db.execute("COMMIT")
        self._db.close()

    def take(self, reference: str, order: tuple[str, str, int, str], now: str) -> tuple[Payout, bool]:
        """Accept a payout (institution, number, amount, way) once for each reference; whether it is new."""
        digest = hashlib.sha256(repr(order).encode()).hexdigest()
        made = self._db.execute(
            "INSERT INTO payout (reference, institution, number, amount, way, status, digest, taken_at) "
            "VALUES (?, ?, ?, ?, ?, 'accepted', ?, ?) ON CONFLICT DO NOTHING RETURNING id",
            (reference, *order, digest, now),
        ).fetchone()
        found = self._db.execute("SELECT digest FROM payout WHERE reference = ?", (reference,)).fetchone()
        if found[0] != digest:
            raise OtherPayoutError(reference)
        payout = self.find(reference)
        assert payout is not None
        return payout, made is not None

    def find(self, reference: str) -> Payout | None:
        """A payout by its reference."""
        row = self._db.execute(
            "SELECT id, reference, institution, number, amount, way, status, reason FROM payout WHERE reference = ?",
            (reference,),
        ).fetchone()
        return Payout(*row) if row else None

    def open_payouts(self) -> list[str]:
        """References of what is accepted and not final: a bank that was restarted goes on with them."""
        return [
            row[0] for row in self._db.execute("SELECT reference FROM payout WHERE status = 'accepted' ORDER BY id")
        ]

    def settle(self, reference: str, now: str, reason: str = "") -> Payout:
        """Move the money of an accepted payout, or refuse it for a reason; its statement line comes with it."""
        payout = self.find(reference)
        assert payout is not None
        if payout.status != "accepted":
            return payout
        if not reason and not self._move(payout):
            reason = "not_enough_funds"
        status = "failed" if reason else "paid"
        self._db.execute("UPDATE payout SET status = ?, reason = ? WHERE id = ?", (status, reason, payout.id))
        if not reason:
            self._line(payout, "paid", now)
        settled = self.find(reference)
        assert settled is not None
        return settled

    def _move(self, payout: Payout) -> bool:
        account = (payout.institution, payout.number)
        self._db.execute("INSERT INTO account (institution, number) VALUES (?, ?) ON CONFLICT DO NOTHING", account)
        column = "balance" if payout.way == "pay" else "restricted"
        change = -payout.amount if payout.way == "collect" else payout.amount
        try:
            self._db.execute(
                f"UPDATE account SET {column} = {column} + ? WHERE institution = ? AND number = ?",  # noqa: S608
                (change, *account),
            )
        except sqlite3.IntegrityError:  # less there than is to be collected
            return False
        return True

    def bounce(self, reference: str, now: str) -> Payout:
        """Send a payout that was paid back."""
        payout = self.find(reference)
        assert payout is not None
        if payout.status != "paid":
            return payout
        self._db.execute("UPDATE payout SET status = 'bounced', reason = 'account_closed' WHERE id = ?", (payout.id,))
        column = "balance" if payout.way == "pay" else "restricted"
        self._db.execute(
            f"UPDATE account SET {column} = {column} - ? WHERE institution = ? AND number = ?",  # noqa: S608
            (payout.amount, payout.institution, payout.number),
        )
        self._line(payout, "bounced", now)
        bounced = self.find(reference)
        assert bounced is not None
        return bounced

    def _line(self, payout: Payout, outcome: str, now: str) -> None:
        self._db.execute(
            "INSERT INTO line (reference, amount, outcome, at) VALUES (?, ?, ?, ?)",
            (payout.reference, payout.amount, outcome, now),
        )

    def lines(self, since: str, after: int, limit: int) -> list[tuple[int, str, int, str]]:
        """Statement lines, as (line, reference, amount, outcome)."""
        found = self._db.execute(
            "SELECT id, reference, amount, outcome FROM line WHERE id > ? AND at >= ? ORDER BY id LIMIT ?",
            (after, since, limit),
        )
        return [tuple(row) for row in found]

    def summary(self) -> dict[str, Any]:
        """What the bank would answer an auditor: payouts by way and status, and what all accounts hold."""
        rows = self._db.execute("SELECT way, status, COUNT(*), SUM(amount) FROM payout GROUP BY way, status")
        held = self._db.execute("SELECT SUM(balance), SUM(restricted) FROM account").fetchone()
        return {
            "payouts": {f"{way} {status}": [count, amount] for way, status, count, amount in rows},
            "balance": held[0] or 0,
            "restricted": held[1] or 0,
        }
