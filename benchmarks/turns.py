"""Webhook to durable reply, beside aiogram's own ways of keeping state. Run by `make bench-turns`.

Claim: at 64 senders, in messages per CPU-second of the server process, at least 3 times (a) aiogram with its in-memory
FSM (which loses everything in a crash) and 10 times (b) aiogram with the same state kept through Tortoise on SQLite,
with no more memory than (b). All three answer in the webhook's response; ours answers after the commit.
"""

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from benchmarks.harness import Claim, close, cpu_seconds, median, peak_megabytes
from benchmarks.turns_servers import PATH, SECRET, SENDERS

ROUNDS = 3
TEXTS = ("Siti Aminah", "kembali")


@dataclass(frozen=True)
class Peer:
    """A server, and how hard its database syncs."""

    kind: str
    synchronous: str
    each: int  # messages a sender, so that a run takes some seconds on each

    @property
    def name(self) -> str:
        """As it stands in the table."""
        return self.kind if self.kind == "aiogram-memory" else f"{self.kind} {self.synchronous}"


PEERS = (
    Peer("gelombang", "NORMAL", 600),
    Peer("gelombang", "FULL", 600),
    Peer("aiogram-memory", "-", 100),
    Peer("aiogram-tortoise", "NORMAL", 30),
    Peer("aiogram-tortoise", "FULL", 30),
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


async def send(port: int, sender: int, first: int, count: int, times: list[float]) -> None:
    """One sender: post, wait for the answer, post the next."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for at in range(count):
        start = time.perf_counter()
        writer.write(request(first + at, sender, TEXTS[at % 2]))
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(head.split(b"\r\n")[0].decode())
        lower = head.lower()
        if b"content-length: " in lower:
            answer = await reader.readexactly(int(lower.split(b"content-length: ")[1].split(b"\r\n")[0]))
        else:  # chunked, as aiogram writes its multipart answers
            answer = await reader.readuntil(b"0\r\n\r\n")
        if b"sendMessage" not in answer:
            raise RuntimeError("no reply in the response")
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
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        server = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "benchmarks.turns_servers", peer.kind, folder, str(port), api.url, peer.synchronous
        )
        try:
            await _listening(port, server)
            if peer.kind == "gelombang":  # the helper that registers the webhook has done so and is gone
                await asyncio.wait_for(api.registered.wait(), 60)
                await asyncio.sleep(1)
            times: list[float] = []
            await _load(port, senders, 0, 20, [])
            cpu, start = cpu_seconds(server.pid), time.perf_counter()
            await _load(
                port, senders, 1_000_000, peer.each * SENDERS // senders if senders > 1 else peer.each * 4, times
            )
            wall, cpu = time.perf_counter() - start, cpu_seconds(server.pid) - cpu
            memory = peak_megabytes(server.pid)
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
    }


async def _load(port: int, senders: int, first: int, count: int, times: list[float]) -> None:
    async with asyncio.TaskGroup() as group:
        for sender in range(senders):
            group.create_task(send(port, 1000 + sender, first + sender * 100_000, count, times))


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

    def rate(name: str) -> float:
        return median(rows[name, SENDERS], "per_cpu_second")

    claims = []
    for synchronous in ("NORMAL", "FULL"):
        ours, tortoise = f"gelombang {synchronous}", f"aiogram-tortoise {synchronous}"
        claims += [
            Claim(f"{ours} / aiogram in memory, messages per CPU-second", rate(ours) / rate("aiogram-memory"), 3),
            Claim(f"{ours} / {tortoise}, messages per CPU-second", rate(ours) / rate(tortoise), 10),
            Claim(
                f"{ours} / {tortoise}, peak memory",
                median(rows[ours, SENDERS], "peak_mb") / median(rows[tortoise, SENDERS], "peak_mb"),
                1,
                at_least=False,
            ),
        ]
    close("turns", figures, claims)


if __name__ == "__main__":
    asyncio.run(main())
