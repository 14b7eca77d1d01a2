"""SQLite for the ORM, with a way to run several statements in one go.

A connection lives in a thread of aiosqlite's. To go there and back costs more than most statements do, so a turn's are
sent together (``at_once``), its BEGIN and COMMIT with them. Everything else is Tortoise's own client.
"""

import asyncio
import sqlite3
from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

import aiosqlite
from tortoise.backends.base.client import ConnectionWrapper, NestedTransactionContext, TransactionContext
from tortoise.backends.sqlite.client import SqliteClient, SqliteTransactionContext, SqliteTransactionWrapper
from tortoise.exceptions import IntegrityError, OperationalError

Rows: TypeAlias = list[tuple[Any, ...]]


class Statement(NamedTuple):
    """SQL and its parameters: one row of them, or ``many`` rows, for each of which it runs (and gives nothing)."""

    sql: str
    args: Sequence[Any]
    many: bool = False


class Client(SqliteClient):
    """Tortoise's client with our kind of transaction."""

    def _in_transaction(self) -> TransactionContext:
        return SqliteTransactionContext(Transaction(self), self._lock)

    async def execute_many(self, query: str, values: list[list[Any]]) -> None:
        """In one trip: who is cancelled on the way leaves all of it or nothing, and no open transaction behind."""
        await self.at_once([Statement(query, values, many=True)])

    async def at_once(self, statements: Sequence[Statement], *, commit: bool = False) -> list[Rows]:
        """The rows of each statement. Outside of a transaction they are one; inside ``commit`` ends it."""
        async with self.acquire_connection() as connection:
            return await self._at_once(connection, statements, begin=True, commit=True)

    async def _at_once(
        self, connection: aiosqlite.Connection, statements: Sequence[Statement], *, begin: bool, commit: bool
    ) -> list[Rows]:
        try:
            # There is no public way to do more than one statement a trip.
            found: list[Rows] = await connection._execute(  # type: ignore[no-untyped-call]
                _run, connection._conn, statements, begin=begin, commit=commit
            )
        except sqlite3.OperationalError as error:
            raise OperationalError(error) from None
        except sqlite3.IntegrityError as error:
            raise IntegrityError(error) from None
        return found


class Transaction(SqliteTransactionWrapper, Client):
    """A transaction whose BEGIN goes with its first statement: until then there is nothing to be isolated."""

    def __init__(self, connection: SqliteClient) -> None:
        super().__init__(connection)
        self._due = True

    def _in_transaction(self) -> TransactionContext:
        return NestedTransactionContext(_Savepoint(self))

    def acquire_connection(self) -> ConnectionWrapper[aiosqlite.Connection]:
        """For the ORM's statements."""
        return _BegunConnection(self._lock, self)

    async def begin(self) -> None:
        """Nothing yet."""

    async def ensure_begun(self) -> None:
        """BEGIN, where that is still due."""
        if self._due:
            await self._connection.execute("BEGIN")
            self._due = False

    async def at_once(self, statements: Sequence[Statement], *, commit: bool = False) -> list[Rows]:
        """See Client."""
        async with self._lock:
            begin, self._due = self._due, False
            found = await self._at_once(self._connection, statements, begin=begin, commit=commit)
            self._finalized = commit
        return found


class _BegunConnection(ConnectionWrapper[aiosqlite.Connection]):
    def __init__(self, lock: asyncio.Lock, transaction: Transaction) -> None:
        super().__init__(lock, transaction)
        self._transaction = transaction

    async def __aenter__(self) -> aiosqlite.Connection:
        connection = await super().__aenter__()
        try:
            await self._transaction.ensure_begun()
        except BaseException:
            self._lock.release()
            raise
        return connection


class _Savepoint(SqliteTransactionWrapper, Client):
    def __init__(self, transaction: Transaction) -> None:
        super().__init__(transaction)
        self._transaction = transaction

    async def savepoint(self) -> None:
        await self._transaction.ensure_begun()
        await super().savepoint()

    async def at_once(self, statements: Sequence[Statement], *, commit: bool = False) -> list[Rows]:
        """See Client; what is inside another transaction does not end it."""
        return await self._transaction.at_once(statements)


def _run(connection: sqlite3.Connection, statements: Sequence[Statement], *, begin: bool, commit: bool) -> list[Rows]:
    """In the connection's thread."""
    cursor = connection.cursor()
    cursor.row_factory = None  # tuples: a Row of each costs as much as reading it
    began = False
    try:
        if begin:
            cursor.execute("BEGIN")
            began = True
        found: list[Rows] = []
        for sql, args, many in statements:
            found.append((cursor.executemany if many else cursor.execute)(sql, args).fetchall())
        if commit:
            connection.commit()
    except BaseException:
        if began and commit:  # nobody else will
            connection.rollback()
        raise
    return found


client_class = Client  # what Tortoise looks for in the module that a configuration names as its engine
