"""Statements that go to SQLite together, and transactions that begin with their first statement."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

import pytest
from tortoise.exceptions import IntegrityError, OperationalError
from tortoise.transactions import in_transaction

from models.database import database
from models.sqlite import Client, Statement

PUT = "INSERT INTO pot (id, word) VALUES (?1, ?2)"
ALL = Statement("SELECT word FROM pot ORDER BY id", ())


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[Client]:
    async with database(f"sqlite://{tmp_path}/pot.db") as connection:
        await connection.execute_script("CREATE TABLE pot (id INTEGER PRIMARY KEY, word TEXT NOT NULL)")
        yield cast("Client", connection)


async def words(db: Client) -> list[str]:
    return [row["word"] for row in await db.execute_query_dict("SELECT word FROM pot ORDER BY id")]


async def test_statements_together_give_their_rows(db: Client) -> None:
    put = Statement(PUT, [(1, "satu"), (2, "dua")], many=True)
    assert await db.at_once([put, ALL, Statement("SELECT 1 WHERE 0", ())]) == [[], [("satu",), ("dua",)], []]


async def test_outside_of_a_transaction_they_are_one(db: Client) -> None:
    with pytest.raises(IntegrityError):
        await db.at_once([Statement(PUT, (1, "satu")), Statement(PUT, (1, "lagi"))])
    assert await words(db) == []
    await db.at_once([Statement(PUT, (1, "satu"))])
    assert await words(db) == ["satu"]


async def test_the_last_ones_may_end_the_transaction(db: Client) -> None:
    async with in_transaction() as inside:
        await cast("Client", inside).at_once([Statement(PUT, (1, "satu"))])
        await cast("Client", inside).at_once([Statement(PUT, (2, "dua"))], commit=True)
    assert await words(db) == ["satu", "dua"]


async def test_many_rows_that_are_broken_off_are_there_or_not_and_nothing_stays_open(db: Client) -> None:
    rows, seen = [[number, "satu"] for number in range(300)], set[int]()
    for steps in range(12):
        async with asyncio.TaskGroup() as group:
            writing = group.create_task(db.execute_many(PUT, rows))
            for _ in range(steps):
                await asyncio.sleep(0)
            writing.cancel()
        async with in_transaction() as inside:
            await cast("Client", inside).at_once([Statement(PUT, (1_000, "dua"))])
        there = len(await words(db))
        assert there in {1, 301}
        seen.add(there)
        await db.execute_query("DELETE FROM pot")
    assert seen == {1, 301}


async def test_what_fails_takes_the_transaction_with_it(db: Client) -> None:
    async def fail() -> None:
        async with in_transaction() as inside:
            await cast("Client", inside).at_once([Statement(PUT, (1, "satu"))])
            await cast("Client", inside).at_once([Statement("SELECT no_such_column FROM pot", ())], commit=True)

    with pytest.raises(OperationalError):
        await fail()
    assert await words(db) == []
    await db.at_once([Statement(PUT, (3, "tiga"))])  # nor is the connection left in it
    assert await words(db) == ["tiga"]


@pytest.mark.parametrize("first", ["statement", "many", "at once", "savepoint"])
async def test_whatever_comes_first_begins_the_transaction(db: Client, first: str) -> None:
    async def fail() -> None:
        async with in_transaction() as inside:
            if first == "statement":
                await inside.execute_query(PUT, [1, "satu"])
            elif first == "many":
                await inside.execute_many(PUT, [[1, "satu"]])
            elif first == "at once":
                await cast("Client", inside).at_once([Statement(PUT, (1, "satu"))])
            else:
                async with in_transaction() as deeper:
                    await deeper.execute_query(PUT, [1, "satu"])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert await words(db) == []


async def test_a_savepoint_undoes_its_own(db: Client) -> None:
    async def fail() -> None:
        async with in_transaction() as deeper:
            await cast("Client", deeper).at_once([Statement(PUT, (2, "dua"))], commit=True)
            raise ZeroDivisionError

    async with in_transaction() as inside:
        await inside.execute_query(PUT, [1, "satu"])
        with pytest.raises(ZeroDivisionError):
            await fail()
    assert await words(db) == ["satu"]


async def test_a_transaction_in_which_nothing_is_done_does_nothing(db: Client) -> None:
    async with in_transaction():
        pass
    with pytest.raises(ZeroDivisionError):
        async with in_transaction():
            raise ZeroDivisionError
    assert await words(db) == []
