"""The sandbox bank as a process of its own, people with accounts, and something to pay them."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.transactions import in_transaction

from domain.money import actions as money
from domain.money import dues
from domain.money.accounts import number_index
from domain.programme import load
from models.enums import Payee
from models.payout import PayeeAccount

PROGRAMME = load()
SECRET = "known to the bank and the tests"


@asynccontextmanager
async def sandbox_bank(folder: Path, port: int = 0, **faults: object) -> AsyncIterator[str]:
    """A bank with these faults (bot.sandbox_bank.server.BankSettings); gives its address. Its book is in the folder."""
    said = {"book": folder / "bank.db", "settle_seconds": 0.2, "latency_ms": 2, **faults}
    environment = {**os.environ, **{f"GELOMBANG_BANK_{name.upper()}": str(value) for name, value in said.items()}}
    environment["GELOMBANG_SANDBOX_BANK_SECRET"] = SECRET
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bot", "sandbox-bank", "--port", str(port), "--parent", str(os.getpid()),
        stdout=asyncio.subprocess.PIPE, env=environment,
    )  # fmt: skip
    assert child.stdout is not None
    try:
        line = await asyncio.wait_for(child.stdout.readline(), 20)
        yield f"http://127.0.0.1:{int(line.split()[-1])}"
    finally:
        if child.returncode is None:
            child.terminate()
            await child.wait()


async def summary(url: str) -> dict[str, Any]:
    """What the bank's own book says."""
    headers = {"Authorization": f"Bearer {SECRET}"}
    async with aiohttp.ClientSession() as http, http.get(f"{url}/summary", headers=headers) as answer:
        found: dict[str, Any] = await answer.json()
        return found


async def link_all(payee_ids: Sequence[int], now: datetime, payee: Payee = Payee.PERSON, **ends: str) -> None:
    """An account for each; ``ends`` are the last digits of somebody's, such as p3="0003"."""
    rows = []
    for number in payee_ids:
        digits = f"62812{number:05}{ends.get(f'p{number}', '1111')}"
        index = number_index("ovo", digits)
        rows.append(
            PayeeAccount(
                payee=payee, payee_id=number, institution="ovo", number=digits, number_index=index, holder="Siti",
                live=True, checked_at=now, linked_at=now,
            )
        )  # fmt: skip
    async with in_transaction():
        await PayeeAccount.bulk_create(rows, batch_size=500)


async def wave_of(db: BaseDBAsyncClient, count: int, now: datetime, wave_id: int = 1) -> list[int]:
    """So many people of a wave with their balance to be credited; place and person have the same number."""
    people = list(range(1, count + 1))
    async with in_transaction() as connection:
        await money.allot(connection, wave_id, count, PROGRAMME, now)
        for start in range(0, count, 1_000):
            places = [(number, number) for number in people[start : start + 1_000]]
            await dues.grant(connection, wave_id, places, PROGRAMME, now)
    return people
