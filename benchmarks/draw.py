"""A draw at the size of the country. Run by `make bench-draw`.

PEOPLE=n (7,600,000) applicants have joined a wave and 50.8 % of them are eligible (3,860,000), three to a family card
and at most two seats each, a tenth of them on a priority list for half of the 200,000 seats. The frozen list is drawn,
the ranking and the places are written, the files are published and checked, each in a process of its own, on SQLite and
PostgreSQL (DATABASES=sqlite,postgres).

Claims: from the frozen list to the written result within 15 s and 600 MB; at least three times as fast as the naive
way, which loads every row into Python (same run, same winners); published within a minute; check_draw.py verifies the
published files within two.
"""

import asyncio
import hashlib
import hmac
import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.backends.base.executor import EXECUTOR_CACHE
from tortoise.transactions import in_transaction

from benchmarks.harness import Claim, close, peak_megabytes
from bot.draws import Draws, keys_on_all_cores
from bot.gateways.beacon import Drand
from bot.settings import new_key
from domain import clock, programme
from domain.waves import check_draw, drawing, freeze
from domain.waves.actions import Plan, close_now, open_now, plan_wave, strata_of, wave_numbered
from models import crypto
from models.database import database, migrate
from models.enums import WaveStatus
from models.wave import Place, Wave

PEOPLE = int(os.environ.get("PEOPLE", "7600000"))
SEATS = int(os.environ.get("SEATS", "200000"))
SERVER = os.environ.get("GELOMBANG_TEST_POSTGRES", "postgres://postgres@127.0.0.1:5432/postgres")
DATABASES = os.environ.get("DATABASES", "sqlite,postgres").split(",")
ELIGIBLE = 508  # of a thousand
LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
CHUNK = 200_000


async def fill(db: BaseDBAsyncClient, wave: Wave) -> None:
    """People, and what a freeze has found of them, without their data: nothing of it is read in a draw."""
    postgres = db.capabilities.dialect == "postgres"
    numbers = (
        "SELECT n FROM generate_series($1::bigint, $2::bigint) n" if postgres
        else "WITH RECURSIVE s(n) AS (SELECT ?1 UNION ALL SELECT n + 1 FROM s WHERE n < ?2) SELECT n FROM s"
    )  # fmt: skip
    mixed = f"((n * 982451653) % {1 << 40})"  # odd: no two numbers give the same
    letters = " || ".join(f"substr('{LETTERS}', CAST(({mixed} / {32**at}) % 32 AS INTEGER) + 1, 1)" for at in range(8))
    ticket = f"'G1-' || substr(x, 1, 4) || '-' || substr(x, 5, 4) FROM (SELECT n, {letters} AS x FROM ({numbers}) g) h"
    now = "now()" if postgres else "'2026-11-24 05:00:00+00:00'"
    blob = "decode('00', 'hex')" if postgres else "x'00'"
    hexed = "lpad(to_hex(n / 3), 16, '0')" if postgres else "printf('%016x', n / 3)"
    index = "decode(lpad(to_hex(n), 32, '0'), 'hex')" if postgres else "CAST(printf('%016d', n) AS BLOB)"
    people = (
        "INSERT INTO person (id, nik, nik_index, kk, kk_index, name, birth_date, sex, phone, phone_index, region_code, "
        "address, education, employment, interest, warnings, declared_at, created_at) "
        f"SELECT n, {blob}, {index}, {blob}, {index}, {blob}, {blob}, '', {blob}, {index}, '', {blob}, '', '', '', '', "
        f"{now}, {now} FROM ({numbers}) g"
    )
    entries = (
        "INSERT INTO entry (id, wave_id, person_id, ticket, joined_at, carried, reason, stratum, household, used) "
        f"SELECT n, {wave.id}, n, t, {now}, false, CASE WHEN n % 1000 < {ELIGIBLE} THEN '' ELSE 'waiting' END, "
        f"CASE WHEN n % 10 = 0 THEN 'priority' ELSE 'general' END, {hexed}, CASE WHEN n % 37 = 0 THEN 1 ELSE 0 END "
        f"FROM (SELECT n, {ticket.replace(' FROM', ' AS t FROM', 1)}) k"
    )
    # A household's seats of the past are the same for all its members.
    entries = entries.replace("n % 37 = 0", "(n / 3) % 37 = 0")
    for start in range(1, PEOPLE + 1, CHUNK):
        end = min(start + CHUNK - 1, PEOPLE)
        async with in_transaction() as connection:
            await connection.execute_query(people, [start, end])
            await connection.execute_query(entries, [start, end])
        print(f"\r{end:,} applicants", end="", file=sys.stderr, flush=True)


async def prepare(url: str) -> float:
    """A frozen wave; gives the seconds of the freeze."""
    rules = programme.load()
    async with database(url) as db:
        await migrate(db)
        now = clock.now()
        plan = Plan(now - timedelta(days=1), now + timedelta(days=6), quota=SEATS, household_cap=2)
        wave = await open_now((await plan_wave(plan, rules, "bench", now)).number, "bench", now)
        await fill(db, wave)
        await close_now(wave.number, "bench", clock.now())
        began = time.perf_counter()
        wave = await freeze.start_freeze(wave.number, clock.now())
        await freeze.freeze(db, wave, rules, "bench", clock.now, lambda _: None)
        await Wave.all().update(published_at=clock.now())
        return time.perf_counter() - began


async def draw(url: str) -> dict[str, Any]:
    """From the frozen list to the written result."""
    async with database(url) as db:
        wave = await wave_numbered(1)
        later = (wave.draws_at or clock.now()) + timedelta(seconds=1)
        began = time.perf_counter()
        wave = await drawing.set_beacon(wave, b"b" * 48, later)
        await freeze.claim(wave, WaveStatus.FROZEN, clock.now())
        with keys_on_all_cores(wave) as executor:
            await drawing.draw(db, wave, "bench", clock.now, lambda _: None, executor)
        seconds = time.perf_counter() - began
        return {"seconds": seconds, "winners": await winners()}


async def winners() -> str:
    """A digest of who has which seat."""
    rows = sorted(await Place.filter(wave_id=1).values_list("ticket", "rank", "seat"))
    return f"{len(rows)} {hashlib.sha256(repr(rows).encode()).hexdigest()[:16]}"


async def naive(url: str) -> dict[str, Any]:
    """All rows into Python, sorted and walked through; places by bulk_create."""
    async with database(url) as db:
        wave = await wave_numbered(1)
        seed = bytes(wave.seed or b"")
        await db.execute_query("DELETE FROM place_event")
        await db.execute_query("DELETE FROM place")
        began = time.perf_counter()
        rows = await db.execute_query_dict(
            "SELECT ticket, household, used, stratum, person_id FROM entry WHERE wave_id = 1 AND reason = ''"
        )
        for row in rows:
            row["key"] = hmac.digest(seed, row["ticket"].encode(), "sha256")
        rows.sort(key=lambda row: row["key"])
        seats = walk(rows, strata_of(wave), wave.household_cap)
        now = clock.now()
        await Place.bulk_create(
            [
                Place(
                    wave_id=1, person_id=row["person_id"], ticket=row["ticket"], rank=rank, seat=seat, reserve=False,
                    status="selected", selected_at=now,
                )
                for rank, row, seat in seats
            ],
            batch_size=2_000,
        )  # fmt: skip
        return {"seconds": time.perf_counter() - began, "winners": await winners()}


def walk(
    rows: Sequence[dict[str, Any]], strata: Sequence[tuple[str, int]], cap: int
) -> list[tuple[int, dict[str, Any], str]]:
    """Who gets a seat, the plain way."""
    taken: dict[str, int] = {}
    chosen: dict[str, tuple[int, dict[str, Any], str]] = {}
    left = 0
    for name, own in strata:
        wanted, got = own + (left if name == "general" else 0), 0
        for rank, row in enumerate(rows, 1):
            if got == wanted:
                break
            if row["ticket"] in chosen or name not in {"general", row["stratum"]}:
                continue
            now = taken.get(row["household"], row["used"])
            if now < cap:
                taken[row["household"]] = now + 1
                chosen[row["ticket"]] = rank, row, name
                got += 1
        left += own - got
    return list(chosen.values())


async def publish(url: str, folder: Path) -> dict[str, Any]:
    """The published files."""
    async with database(url) as db:
        draws = Draws(db, programme.load(), Drand([]), folder, clock.now)
        began = time.perf_counter()
        await draws.publish(await wave_numbered(1))
        return {"seconds": time.perf_counter() - began}


def check(folder: Path) -> dict[str, Any]:
    """The published script on the published files. The beacon is made up: drand's signature is not looked at."""
    sys.modules["drand_verify"] = None  # type: ignore[assignment]
    began = time.perf_counter()
    check_draw.check(folder / "1", lambda _: None)
    return {"seconds": time.perf_counter() - began}


async def child(what: str, url: str, folder: str) -> dict[str, Any]:
    """One step in a process of its own: what it says, and the memory it took."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.draw", what, url, folder, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"{what} failed")
    found: dict[str, Any] = json.loads(said)
    print(f"{what}: {found}", file=sys.stderr)
    return found


def step(what: str, url: str, folder: str) -> None:
    """The child's side."""
    crypto.use(crypto.Keyring.parse(os.environ["BENCH_KEYS"], os.environ["BENCH_INDEX"]))
    match what:
        case "draw":
            found = asyncio.run(draw(url))
        case "naive":
            found = asyncio.run(naive(url))
        case "publish":
            found = asyncio.run(publish(url, Path(folder)))
        case _:
            found = check(Path(folder))
    workers = os.cpu_count() or 1
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024 * workers
    print(json.dumps({**found, "megabytes": peak_megabytes(os.getpid()) + children}))


async def on(name: str, folder: Path) -> tuple[dict[str, Any], list[Claim]]:
    """Everything on one database."""
    import asyncpg

    EXECUTOR_CACHE.clear()  # Tortoise keeps finished statements by the connection's name, whatever its dialect
    url, made = f"sqlite://{folder}/{name}.db", ""
    if name == "postgres":
        made = f"gelombang_bench_{os.getpid()}"
        server = await asyncpg.connect(SERVER)
        await server.execute(f"CREATE DATABASE {made}")
        url = SERVER.rsplit("/", 1)[0] + f"/{made}"
    try:
        frozen = await prepare(url)
        print(f"\n{name}: frozen in {frozen:.0f} s", file=sys.stderr)
        where = str(folder / name)
        drawn = await child("draw", url, where)
        published = await child("publish", url, where)
        checked = await child("check", url, where)
        plain = await child("naive", url, where)
    finally:
        if made:
            await server.execute(f"DROP DATABASE {made} WITH (FORCE)")
            await server.close()
    figures = {"freeze_seconds": frozen, "draw": drawn, "publish": published, "check": checked, "naive": plain}
    same = float(drawn["winners"] == plain["winners"])
    return figures, [
        Claim(f"{name}: seconds from the frozen list to the written result", drawn["seconds"], 15, at_least=False),
        Claim(f"{name}: megabytes of the process that draws", drawn["megabytes"], 600, at_least=False),
        Claim(f"{name}: times as fast as the naive way", plain["seconds"] / drawn["seconds"], 3),
        Claim(f"{name}: the same winners as the naive way", same, 1),
        Claim(f"{name}: seconds to publish", published["seconds"], 60, at_least=False),
        Claim(f"{name}: seconds in which check_draw.py verifies", checked["seconds"], 120, at_least=False),
    ]


async def run() -> int:
    """The benchmark."""
    os.environ["BENCH_KEYS"], os.environ["BENCH_INDEX"] = f"1:{new_key()}", new_key()
    crypto.use(crypto.Keyring.parse(os.environ["BENCH_KEYS"], os.environ["BENCH_INDEX"]))
    figures: dict[str, Any] = {"applicants": PEOPLE, "seats": SEATS}
    claims: list[Claim] = []
    with tempfile.TemporaryDirectory() as folder:
        for name in DATABASES:
            found, said = await on(name, Path(folder))
            figures[name] = found
            claims += said
    close("draw", figures, claims)
    return 0


if __name__ == "__main__":
    if len(sys.argv) > 1:
        step(*sys.argv[1:])
    else:
        sys.exit(asyncio.run(run()))
