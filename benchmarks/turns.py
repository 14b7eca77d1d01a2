"""Webhook to durable reply, beside aiogram's own ways of keeping state. Run by `make bench-turns`.

Claim: at 64 senders, in messages per CPU-second of the server process, at least 5 times (a) aiogram with its in-memory
FSM (which loses everything in a crash), 20 times (b) aiogram with the same state kept through Tortoise on SQLite and 10
times the same on PostgreSQL with synchronous commits; the slowest hundredth in at most a fifth of (b)'s time, with no
more memory. All answer in the webhook's response; ours answers after the commit, with what was said sealed.
ROUNDS=n changes the three.
"""

import asyncio
import itertools
import json
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
from aiohttp import web

from benchmarks.harness import Claim, close, cpu_seconds, median, peak_megabytes
from benchmarks.lists import postgres
from benchmarks.turns_servers import CHATS, PATH, SECRET, SENDERS

FOLDER = Path("var")
ROUNDS = int(os.environ.get("ROUNDS", "3"))
TEXTS = (("Siti Aminah", b"tanggal lahir Anda"), ("kembali", b"Nama lengkap Anda"))  # what is said, what comes back


@dataclass(frozen=True)
class Peer:
    """A server, and where it keeps its state."""

    kind: str
    store: str  # memory, NORMAL or FULL (how hard SQLite syncs), or PostgreSQL
    each: int  # messages a sender, so that a run takes some seconds on each

    @property
    def name(self) -> str:
        """As it stands in the table."""
        return f"{self.kind}, {self.store}"


PEERS = (
    Peer("gelombang", "NORMAL", 700),
    Peer("gelombang", "FULL", 700),
    Peer("gelombang", "PostgreSQL", 700),
    Peer("aiogram", "memory", 150),
    Peer("aiogram", "NORMAL", 30),
    Peer("aiogram", "FULL", 30),
    Peer("aiogram", "PostgreSQL", 30),
)


def request(number: int, sender: int, text: str) -> bytes:
    """One update as Telegram posts it."""
    person = {"id": sender, "is_bot": False, "first_name": "Siti", "language_code": "id"}
    message = {
        "message_id": number,
        "date": 1_770_000_000,
        "from": person,
        "chat": {"id": sender, "type": "private", "first_name": "Siti"},
        "text": text,
    }
    body = json.dumps({"update_id": number, "message": message}).encode()
    head = (
        f"POST {PATH} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
        f"X-Telegram-Bot-Api-Secret-Token: {SECRET}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def send(port: int, chats: range, numbers: Iterator[int], count: int, times: list[float]) -> None:
    """One sender: post, wait for the answer, post the next. In every chat a name and back, then on to the next chat, as
    people write who are many: nobody says more than the limit of a chat allows.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for at in range(count):
        start = time.perf_counter()
        said, expected = TEXTS[at % 2]
        writer.write(request(next(numbers), chats[at // 2 % len(chats)], said))
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(head.split(b"\r\n")[0].decode())
        lower = head.lower()
        if b"content-length: " in lower:
            answer = await reader.readexactly(int(lower.split(b"content-length: ")[1].split(b"\r\n")[0]))
        else:  # chunked, as aiogram writes its multipart answers
            answer = await reader.readuntil(b"0\r\n\r\n")
        if b"sendMessage" not in answer or expected not in answer:
            raise RuntimeError("not the reply that was expected")
        times.append(time.perf_counter() - start)
    writer.close()


@dataclass(frozen=True)
class Telegram:
    """Where the Bot API listens, and whether a server has registered its webhook there."""

    url: str
    registered: asyncio.Event


@asynccontextmanager
async def telegram() -> AsyncIterator["Telegram"]:
    """A Bot API that says yes to everything."""
    registered = asyncio.Event()

    async def yes(request: web.Request) -> web.Response:
        if request.path.endswith("/setWebhook"):
            registered.set()
        return web.json_response({"ok": True, "result": True})

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", yes)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    yield Telegram(f"http://{host}:{port}", registered)
    await runner.cleanup()


async def run(peer: Peer, senders: int, api: Telegram, port: int) -> dict[str, float]:
    """Start a peer, warm it up, load it, and read what it used."""
    api.registered.clear()
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(dir=FOLDER))  # on the disk, not in memory
        url = "" if peer.store == "memory" else f"sqlite://{folder}/bench.db?synchronous={peer.store}"
        if peer.store == "PostgreSQL":
            found = await stack.enter_async_context(postgres())
            if found is None:
                raise RuntimeError("no PostgreSQL server at GELOMBANG_TEST_POSTGRES")
            url = found
        server = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "benchmarks.turns_servers", peer.kind, folder, str(port), api.url, url
        )
        try:
            await _listening(port, server)
            if peer.kind == "gelombang":  # the helper that registers the webhook has done so and is gone
                await asyncio.wait_for(api.registered.wait(), 60)
                await asyncio.sleep(1)
            times: list[float] = []
            numbers = itertools.count(1_000_000)  # Telegram counts a bot's updates one by one
            await _load(port, senders, numbers, 20, [])
            before = await _stored(url)
            cpu, start = cpu_seconds(server.pid), time.perf_counter()
            count = peer.each * SENDERS // senders if senders > 1 else peer.each * 4
            await _load(port, senders, numbers, count, times)
            wall, cpu = time.perf_counter() - start, cpu_seconds(server.pid) - cpu
            memory, stored = peak_megabytes(server.pid), await _stored(url) - before
        finally:
            server.kill()
            await server.wait()
    times.sort()
    return {
        "cpu_us": cpu / len(times) * 1e6,
        "per_cpu_second": len(times) / cpu,
        "per_second": len(times) / wall,
        "p50_ms": times[len(times) // 2] * 1000,
        "p99_ms": times[len(times) * 99 // 100] * 1000,
        "peak_mb": memory,
        **({"bytes": stored / len(times)} if stored else {}),
    }


async def _stored(url: str) -> int:
    """Bytes of a PostgreSQL database with its indices; 0 for others, whose log would be counted with them."""
    if not url.startswith("postgres"):
        return 0
    connection = await asyncpg.connect(url)
    try:
        return int(await connection.fetchval("SELECT pg_database_size(current_database())"))
    finally:
        await connection.close()


async def _load(port: int, senders: int, numbers: Iterator[int], count: int, times: list[float]) -> None:
    each = CHATS // senders
    async with asyncio.TaskGroup() as group:
        for sender in range(senders):
            chats = range(1000 + sender * each, 1000 + (sender + 1) * each)
            group.create_task(send(port, chats, numbers, count, times))


async def _listening(port: int, server: asyncio.subprocess.Process) -> None:
    for _ in range(300):
        if server.returncode is not None:
            raise RuntimeError("the server ended")
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.1)
            continue
        writer.close()
        return
    raise TimeoutError("the server does not listen")


async def main() -> None:
    """All peers in turn, several times, with 64 senders and with one."""
    await asyncio.to_thread(FOLDER.mkdir, exist_ok=True)
    rows: dict[tuple[str, int], list[dict[str, float]]] = {}
    port = 18300
    async with telegram() as api:
        for round_number in range(1, ROUNDS + 1):
            for peer in PEERS:
                for senders in (SENDERS, 1):
                    port += 1
                    print(f"round {round_number}/{ROUNDS}: {peer.name}, {senders} senders", file=sys.stderr)
                    rows.setdefault((peer.name, senders), []).append(await run(peer, senders, api, port))
    print(f"{'':26} senders  CPU us/msg   msg/CPU-s     msg/s   p50 ms   p99 ms  peak MB   (median of {ROUNDS})")
    figures = {}
    for (name, senders), runs in sorted(rows.items(), key=lambda item: -item[0][1]):
        row = {key: median(runs, key) for key in runs[0]}
        figures[f"{name}, {senders}"] = {key: round(value, 2) for key, value in row.items()}
        print(
            f"{name:26} {senders:7} {row['cpu_us']:11.0f} {row['per_cpu_second']:11.0f} {row['per_second']:9.0f} "
            f"{row['p50_ms']:8.2f} {row['p99_ms']:8.2f} {row['peak_mb']:8.0f}"
        )

    def ratio(store: str, peer: str, what: str) -> float:
        return median(rows[f"gelombang, {store}", SENDERS], what) / median(rows[peer, SENDERS], what)

    claims = []
    for store, times in (("NORMAL", 20), ("FULL", 20), ("PostgreSQL", 10)):
        tortoise, words = f"aiogram, {store}", f"gelombang / aiogram + Tortoise, {store}"
        if store != "PostgreSQL":
            most = ratio(store, "aiogram, memory", "per_cpu_second")
            claims.append(Claim(f"gelombang, {store} / aiogram, memory: messages per CPU-second", most, 5))
        claims += [
            Claim(f"{words}: messages per CPU-second", ratio(store, tortoise, "per_cpu_second"), times),
            Claim(f"{words}: p99", ratio(store, tortoise, "p99_ms"), 0.2, at_least=False),
            Claim(f"{words}: peak memory", ratio(store, tortoise, "peak_mb"), 1, at_least=False),
        ]
    close("turns", figures, claims)


if __name__ == "__main__":
    asyncio.run(main())
