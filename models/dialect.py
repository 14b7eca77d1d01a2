"""What all statements have in common, whatever they read and write: the dialect, lists as one parameter, moments.

SQL is written by hand where a set of rows goes to the database at once; for everything else there is the ORM.
"""

import sqlite3
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any, cast

import msgspec
from tortoise.backends.base.client import BaseDBAsyncClient, TransactionalDBClient
from tortoise.exceptions import DBConnectionError, OperationalError, TransactionManagementError

from models import sqlite
from models.sqlite import Statement


@cache
def _marks(mark: str, count: int, first: int = 1) -> str:
    return ", ".join([f"{mark}{number}" for number in range(first, first + count)])


@cache
def _row_marks(mark: str, rows: int, width: int) -> str:
    return ", ".join([f"({_marks(mark, width, 1 + at * width)})" for at in range(rows)])


class Tables:
    """Statements in the dialect of ``connection`` (SQLite numbers its parameters ?1, PostgreSQL $1)."""

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


def when(value: Any) -> datetime:
    """A moment as either driver gives it."""
    return value if isinstance(value, datetime) else datetime.fromisoformat(value)


def when_known(value: Any) -> datetime | None:
    """The same for a column that may be empty."""
    return None if value is None else when(value)


_TRANSIENT_CLASSES = (
    "08",
    "40",
    "53",
    "55",
    "57",
    "25P03",
)  # PostgreSQL: connection, deadlock, resources, locks, shutdown, idle in a transaction


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
