"""Importing a list of ten million people, and looking 200,000 entrants up. Run by `make bench-lists`.

Claim: on SQLite, and on PostgreSQL where GELOMBANG_TEST_POSTGRES or 127.0.0.1:5432 answers, ten million lines of CSV
are checked, digested and stored within 90 seconds, no write transaction lasts over 200 ms, and 200,000 entrants are
looked up within 10 seconds. Peer: a tenth of the lines through the ORM's bulk_create on SQLite, without any check, into
a table that knows a digest once, as ours does.
LINES=n changes the ten million.
"""

import asyncio
import os
import random
import resource
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path
from typing import Any

import asyncpg
from tortoise.backends.base.executor import EXECUTOR_CACHE
from tortoise.context import TortoiseContext

from benchmarks.harness import Claim, close
from benchmarks.lists_rows import Row
from bot.lists import import_list
from bot.settings import new_key
from domain.verification.actions.lists import ListTerms, define
from models import crypto
from models import lists as digests
from models.database import database, migrate
from models.enums import ListKind
from models.verification import PersonList

LINES = int(os.environ.get("LINES", "10000000"))
ENTRANTS = 200_000
SERVER = os.environ.get("GELOMBANG_TEST_POSTGRES", "postgres://postgres@127.0.0.1:5432/postgres")
TERMS = ListTerms("dtks", ListKind.EXCLUDED, "Kemensos", "Penerima bantuan sosial.", "Receives social aid.")


def write_lines(path: Path) -> list[str]:
    """A CSV file of different NIKs, every hundredth of them broken; gives some that are on it."""
    rng, some = random.Random(7), []
    with path.open("w") as file:
        file.write("nama;nik\n")
        for number in range(LINES):
            serial, district = number % 9_999 + 1, number // 9_999
            day, month, year = district % 28 + 1, district // 28 % 12 + 1, district // 336 % 100
            nik = f"3171{district // 33_600 % 99 + 1:02}{day:02}{month:02}{year:02}{serial:04}"
            if number % 100 == 50:
                nik = nik[:-1]
            elif rng.random() < ENTRANTS / LINES / 2:
                some.append(nik)
            file.write(f"ORANG {number};{nik}\n")
    return some


async def measure(url: str, path: Path, some: list[str]) -> dict[str, float]:
    """Import the file into a fresh database and look entrants up."""
    EXECUTOR_CACHE.clear()  # Tortoise keeps finished statements by the connection's name, whatever its dialect
    async with database(url) as db:
        await migrate(db)
        began = time.perf_counter()
        report = await import_list(db, await define(TERMS), path, date(2026, 11, 1), path.with_suffix(".report"))
        imported = time.perf_counter() - began
        index = crypto.ring().indexer("nik")
        entrants = [index(nik) for nik in some] + [os.urandom(16) for _ in range(ENTRANTS - len(some))]
        version = (await PersonList.get(code="dtks")).version_id or 0
        began = time.perf_counter()
        found = await digests.matching(db, version, b"".join(entrants))
        looked_up = time.perf_counter() - began
    assert report.taken == LINES - report.refused
    assert len(found) == len(set(some))
    return {"import_seconds": imported, "longest_write_ms": report.longest_write * 1000, "lookup_seconds": looked_up}


async def orm_peer(folder: Path) -> float:
    """Lines a second of bulk_create, on SQLite."""
    rows = [Row(digest=os.urandom(16)) for _ in range(LINES // 10)]
    async with TortoiseContext() as context:
        apps = {"models": {"models": ["benchmarks.lists_rows"], "default_connection": "default"}}
        await context.init(config={"connections": {"default": f"sqlite://{folder}/orm.db"}, "apps": apps})
        await context.generate_schemas()
        began = time.perf_counter()
        await Row.bulk_create(rows, batch_size=20_000)
        return len(rows) / (time.perf_counter() - began)


@asynccontextmanager
async def postgres() -> AsyncIterator[str | None]:
    """The address of an empty database, None without a server."""
    try:
        server = await asyncpg.connect(SERVER, timeout=3)
    except OSError:
        yield None
        return
    name = f"gelombang_bench_{uuid.uuid4().hex}"
    await server.execute(f"CREATE DATABASE {name}")
    try:
        yield SERVER.rsplit("/", 1)[0] + f"/{name}"
    finally:
        await server.execute(f"DROP DATABASE {name} WITH (FORCE)")
        await server.close()


async def run() -> None:
    """Measure and print."""
    crypto.use(crypto.Keyring.parse(f"1:{new_key()}", new_key()))
    figures: dict[str, Any] = {"lines": LINES}
    claims = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "list.csv"
        some = write_lines(path)
        async with postgres() as server:
            urls = {"sqlite": f"sqlite://{folder}/lists.db", "postgres": server}
            for kind, url in urls.items():
                if url is None:
                    print(f"{kind}: not measured, no server answers")
                    continue
                found = figures[kind] = await measure(url, path, some)
                claims += [
                    Claim(f"{kind}: seconds to import {LINES:,} lines", found["import_seconds"], 90, at_least=False),
                    Claim(f"{kind}: longest write, ms", found["longest_write_ms"], 200, at_least=False),
                    Claim(f"{kind}: seconds to look {ENTRANTS:,} up", found["lookup_seconds"], 10, at_least=False),
                ]
        figures["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        figures["orm_lines_per_second"] = await orm_peer(Path(folder))
    ours = LINES / figures["sqlite"]["import_seconds"]
    claims.append(Claim("times the ORM's bulk_create, checks included", ours / figures["orm_lines_per_second"], 1))
    close("lists", figures, claims)


if __name__ == "__main__":
    sys.exit(asyncio.run(run()))
