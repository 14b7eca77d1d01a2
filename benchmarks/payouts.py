"""A wave's transfers, all of them. Run by `make bench-payouts`.

PAYOUTS=n (168,111) balances of Rp1,000,000 go through the sandbox bank, a process of its own over HTTP: 100 ms latency,
1 % accepted and never answered, 1 % refused, every settled payment called back. Prepared, checked, approved, handed
over by one worker process, settled, and reconciled with the bank's statement; what was refused goes out in further
batches. Then POSTINGS=n (10,000,000) postings on a million accounts are proved, on SQLite and on PostgreSQL
(DATABASES=sqlite,postgres; the payouts run on the first of them).

Claims: everything is final and reconciled within ten minutes, where the programme took three to five hours; the bank's
book and our ledger agree to the rupiah; the worker's memory grows by a fifth at most after its first tenth; the ledger
is proved within a minute.
"""

import asyncio
import os
import resource
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.backends.base.executor import EXECUTOR_CACHE
from tqdm import tqdm

from benchmarks.harness import Claim, close, cpu_seconds, peak_megabytes
from benchmarks.people import register
from bot.gateways.payouts.sandbox import SandboxGateway
from bot.settings import new_key
from domain import clock
from domain.money import batches, reconciling, settling
from domain.money.actions import problems
from domain.money.paying import spoken
from models import crypto
from models.database import database, migrate
from models.enums import AccountKind, Channel, PaymentStatus
from models.money import LedgerAccount
from models.payout import Difference, Payment, PayoutBatch
from tests.payouts.bank import PROGRAMME, SECRET, link_all, sandbox_bank, summary, wave_of
from tools.cluster import free_port

PAYOUTS = int(os.environ.get("PAYOUTS", "168111"))
POSTINGS = int(os.environ.get("POSTINGS", "10000000"))
SIDE_BY_SIDE = int(os.environ.get("SIDE_BY_SIDE", "150"))
SERVER = os.environ.get("GELOMBANG_TEST_POSTGRES", "postgres://postgres@127.0.0.1:5432/postgres")
DATABASES = os.environ.get("DATABASES", "sqlite,postgres").split(",")
ACCOUNTS = 1_000_000
HEARD = 500


@asynccontextmanager
async def fresh(kind: str, folder: Path) -> AsyncIterator[str]:
    """The address of an empty, migrated database; a PostgreSQL one is dropped at the end."""
    EXECUTOR_CACHE.clear()  # Tortoise keeps statements by name of the connection, whatever its dialect
    if kind == "sqlite":
        url = f"sqlite://{folder}/bench.db"
        async with database(url) as db:
            await migrate(db)
        yield url
        return
    import asyncpg

    name = f"gelombang_bench_{os.getpid()}"
    server = await asyncpg.connect(SERVER)
    await server.execute(f"CREATE DATABASE {name}")
    try:
        url = SERVER.rsplit("/", 1)[0] + f"/{name}"
        async with database(url) as db:
            await migrate(db)
        yield url
    finally:
        await server.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        await server.close()


async def send(db: BaseDBAsyncClient, worker_pid: int) -> tuple[PayoutBatch, dict[str, float]]:
    """A batch from what is due to all final; gives the seconds of each part, and the worker's memory on the way."""
    begun = time.monotonic()
    made = await batches.prepare(db, "balance", 1, "sandbox", "ani", clock.now(), 1)
    prepared = time.monotonic()
    found = await batches.check(db, made.batch, PROGRAMME, "ani", clock.now())
    assert not found.problems, found.problems
    batch = await batches.batch_numbered(made.batch.id)
    await batches.approve(db, batch, PROGRAMME, "budi", clock.now())
    checked = time.monotonic()
    await batches.start(batch, "budi", clock.now())
    early = 0.0
    with tqdm(total=found.count, unit="payment", unit_scale=True, desc="paying", disable=None) as bar:
        while True:
            await asyncio.sleep(1)
            state = await batches.progress(db, await batches.batch_numbered(batch.id), clock.now())
            bar.update(state.done - bar.n)
            bar.set_postfix_str(spoken(state))
            if not early and state.share >= 0.1:
                early = peak_megabytes(worker_pid)
            if state.done == state.total:
                break
    return await batches.batch_numbered(batch.id), {
        "prepare_s": prepared - begun,
        "check_and_approve_s": checked - prepared,
        "pay_s": time.monotonic() - checked,
        "early_mb": early,
    }


async def reconcile(db: BaseDBAsyncClient, gateway: SandboxGateway, batch: PayoutBatch) -> float:
    """Hear the whole statement and compare; gives the seconds."""
    begun = time.monotonic()
    assert batch.started_at is not None
    some = []
    async for line in gateway.statement(batch.started_at - timedelta(minutes=1)):
        some.append(line)
        if len(some) == HEARD:
            await settling.hear("sandbox", some, "statement", clock.now())
            some = []
    await settling.hear("sandbox", some, "statement", clock.now())
    await reconciling.reconcile(db, batch, "ani", clock.now())
    await batches.close(await batches.batch_numbered(batch.id), "ani", clock.now())
    return time.monotonic() - begun


async def pay(folder: Path, kind: str) -> dict[str, Any]:
    """The whole of it on one database."""
    keys, port = (new_key(), new_key()), free_port()
    crypto.use(crypto.Keyring.parse(f"1:{keys[0]}", keys[1]))
    callback = f"http://127.0.0.1:{port}/webhooks/sandbox-bank"
    faults: dict[str, Any] = {
        "latency_ms": 100, "hang_share": 0.01, "hang_seconds": 5, "refuse_share": 0.01, "settle_seconds": 3,
    }  # fmt: skip
    async with fresh(kind, folder) as url, sandbox_bank(folder, callback_url=callback, **faults) as bank:
        environment = {
            **os.environ, "GELOMBANG_DATABASE_URL": url, "GELOMBANG_SECRET_KEYS": f"1:{keys[0]}",
            "GELOMBANG_INDEX_KEY": keys[1], "GELOMBANG_PORT": str(port), "GELOMBANG_SANDBOX_BANK_URL": bank,
            "GELOMBANG_SANDBOX_BANK_SECRET": SECRET, "GELOMBANG_PAYOUT_SIDE_BY_SIDE": str(SIDE_BY_SIDE),
        }  # fmt: skip
        async with database(url) as db:
            await register(db, [Channel.BROWSER] * PAYOUTS)
            await link_all(await wave_of(db, PAYOUTS, clock.now()), clock.now())
            worker = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "benchmarks.payout_worker", "work", env=environment,
                stdout=asyncio.subprocess.PIPE,
            )  # fmt: skip
            assert worker.stdout is not None
            await worker.stdout.readline()
            gateway = SandboxGateway(bank, SECRET, side_by_side=10, a_second=0)
            try:
                first, figures = await send(db, worker.pid)
                figures["reconcile_s"] = await reconcile(db, gateway, first)
                begun, figures["batches"] = time.monotonic(), 1
                while await Payment.filter(status=PaymentStatus.PAID).count() < PAYOUTS:
                    following, _ = await send(db, worker.pid)
                    await reconcile(db, gateway, following)
                    figures["batches"] += 1
                figures["later_batches_s"] = time.monotonic() - begun
                figures["worker_cpu_s"], figures["worker_mb"] = cpu_seconds(worker.pid), peak_megabytes(worker.pid)
            finally:
                worker.kill()
                await worker.wait()
                await gateway.close()
            book = await summary(bank)
            paid = await Payment.filter(status=PaymentStatus.PAID).count()
            held = sum([row.balance for row in await LedgerAccount.filter(kind=AccountKind.TRAINING_BALANCE)])
            begun = time.monotonic()
            faulty = await problems(db)
            return {
                **figures,
                "paid": paid,
                "refused": await Payment.filter(status=PaymentStatus.FAILED).count(),
                "ledger_rupiah": held,
                "bank_rupiah": book["restricted"],
                "differences": await Difference.all().count(),
                "ledger_faults": len(faulty),
                "ledger_check_s": time.monotonic() - begun,
            }


async def prove(folder: Path, kind: str) -> dict[str, Any]:
    """Prove a ledger of ten million postings, which is put there by the database itself."""
    async with fresh(kind, folder) as url, database(url) as db:
        begun = time.monotonic()
        await _fill(db)
        filled = time.monotonic()
        faulty = await problems(db)
        seconds = time.monotonic() - filled
        # And it does find what is wrong: one balance is changed.
        await LedgerAccount.filter(id=ACCOUNTS // 2).update(balance=1)
        found = await problems(db)
    assert faulty == [], faulty
    assert found, "a changed balance was not found"
    return {"fill_s": filled - begun, "check_s": seconds}


async def _fill(db: BaseDBAsyncClient) -> None:
    """Everybody is granted their balance by the treasury, then gives and gets in a circle, each the same sum."""
    postgres = db.capabilities.dialect == "postgres"
    numbers = (
        "SELECT n FROM generate_series({first}, {last}) n" if postgres
        else "WITH RECURSIVE s(n) AS (SELECT {first} UNION ALL SELECT n + 1 FROM s WHERE n < {last}) SELECT n FROM s"
    )  # fmt: skip
    now = "now()" if postgres else "datetime('now')"
    await db.execute_script(
        f"INSERT INTO ledger_account (id, kind, subject_id, balance) SELECT n, 'training_balance', n, 1000000 "
        f"FROM ({numbers.format(first=1, last=ACCOUNTS)}) AS s"
    )
    await db.execute_script(
        f"INSERT INTO ledger_account (id, kind, subject_id, balance) VALUES ({ACCOUNTS + 1}, 'treasury', 0, "
        f"-1000000 * CAST({ACCOUNTS} AS BIGINT))"
    )
    for first in range(1, POSTINGS, ACCOUNTS):
        last = min(first + ACCOUNTS - 1, POSTINGS)
        source, target = f"((n - 1) % {ACCOUNTS}) + 1", f"(n % {ACCOUNTS}) + 1"
        if first == 1:
            source, target = str(ACCOUNTS + 1), "n"
        amount = 1_000_000 if first == 1 else 1_000
        await db.execute_script(
            f"INSERT INTO posting (key, source_id, target_id, amount, at) SELECT 'grant:' || n, {source}, {target}, "
            f"{amount}, {now} FROM ({numbers.format(first=first, last=last)}) AS s"
        )


def main() -> None:
    """Payouts on the first database, proof on all of them, in a temporary folder."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print(f"{PAYOUTS:,} payouts on {DATABASES[0]}, {SIDE_BY_SIDE} side by side", flush=True)
        paid = asyncio.run(pay(folder, DATABASES[0]))
        print({key: round(value, 1) for key, value in paid.items()}, flush=True)
        proofs = {}
        for kind in DATABASES:
            print(f"{POSTINGS:,} postings on {kind}", flush=True)
            (folder / kind).mkdir()
            proofs[kind] = asyncio.run(prove(folder / kind, kind))
            print(proofs[kind], flush=True)
    parts = ("prepare_s", "check_and_approve_s", "pay_s", "reconcile_s", "later_batches_s")
    whole = sum(paid[part] for part in parts)
    claims = [
        Claim(f"seconds from what is due to reconciled, {PAYOUTS:,} payouts", whole, 600, at_least=False),
        Claim("times as fast as the programme's four hours", 4 * 3600 / whole, 24),
        Claim("rupiah by which book and ledger differ",
              abs(paid["ledger_rupiah"] - paid["bank_rupiah"]), 0, at_least=False),
        Claim("balances that did not arrive", PAYOUTS - paid["paid"], 0, at_least=False),
        Claim("differences and faults", paid["differences"] + paid["ledger_faults"], 0, at_least=False),
        Claim("worker's memory at the end, times that after a tenth",
              paid["worker_mb"] / paid["early_mb"], 1.2, at_least=False),
        *(Claim(f"seconds to prove {POSTINGS:,} postings, {kind}", proofs[kind]["check_s"], 60, at_least=False)
          for kind in DATABASES),
    ]  # fmt: skip
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    close("bench-payouts", {"payouts": paid, "proofs": proofs, "own_mb": round(own)}, claims)


if __name__ == "__main__":
    main()
