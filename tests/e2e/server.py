"""The real command as a process of its own, and a client of its browser chat."""

import asyncio
import atexit
import fcntl
import io
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any

import aiohttp

from domain.programme import DEFAULT
from tests.e2e.people import card, head
from tools.cluster import free_port

ROOT = Path(__file__).parents[2]


SHARED = "GELOMBANG_TEST_FOLDER"  # a folder of all processes that test (tests/conftest.py)


@cache
def prepared() -> Path:
    """A database with tables and sample data, to be copied: making one takes longer than most tests."""
    if SHARED not in os.environ:
        os.environ[SHARED] = tempfile.mkdtemp(prefix="gelombang-prepared-")
        atexit.register(shutil.rmtree, os.environ[SHARED])
    folder = Path(os.environ[SHARED]) / "prepared"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "test.db").exists():
            environment = Server(folder, FRESH="yes").environment
            environment["GELOMBANG_DATABASE_URL"] = f"sqlite://{folder}/being-made.db?journal_mode=DELETE"
            for command in ("migrate", "sample"):
                subprocess.run([sys.executable, "-m", "bot", command], env=environment, cwd=folder, check=True)
            (folder / "being-made.db").rename(folder / "test.db")
    return folder / "test.db"


class Server:
    """``gelombang serve`` in a folder; it can be killed and started again. FRESH=yes: it makes its tables itself."""

    def __init__(self, folder: Path, *options: str, **settings: str) -> None:
        self.fresh = bool(settings.pop("FRESH", "")) or "DATABASE_URL" in settings
        self.folder, self.port, self.options = folder, free_port(), options
        self.url = f"http://127.0.0.1:{self.port}"
        values = {
            "DATABASE_URL": f"sqlite://{folder}/test.db",
            "PORT": str(self.port),
            "KEY_FILE": f"{folder}/keys",
            "MEDIA_DIR": f"{folder}/media",
            "PAYOUT_GATEWAY": "file",  # no bank beside each server: tests that pay ask for one
            "ACCOUNT_INQUIRY_URL": "http://127.0.0.1:9",
            **settings,
        }
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("GELOMBANG_")},
            **{f"GELOMBANG_{name}": value for name, value in values.items()},
            "PYTHONPATH": str(ROOT),
        }
        self.process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        if not self.fresh and not (self.folder / "test.db").exists():
            shutil.copy(await asyncio.to_thread(prepared), self.folder / "test.db")
        with (self.folder / "serve.log").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "bot", "serve", "--prepare", *self.options, env=self.environment, stdout=log,
                stderr=log, cwd=self.folder,
            )  # fmt: skip
        for _ in range(600):
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", self.port)
            except OSError:
                assert self.process.returncode is None, self.log
                await asyncio.sleep(0.05)
                continue
            writer.close()
            await writer.wait_closed()
            return
        raise TimeoutError(self.log)

    @property
    def log(self) -> str:
        return (self.folder / "serve.log").read_text()

    async def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        assert self.process is not None
        if self.process.returncode is None:
            self.process.send_signal(how)
        return await asyncio.wait_for(self.process.wait(), 15)


@asynccontextmanager
async def serving(folder: Path, *options: str, **settings: str) -> AsyncIterator[Server]:
    server = Server(folder, *options, **settings)
    await server.start()
    try:
        yield server
    finally:
        await server.stop(signal.SIGKILL)


def kept_in_ledger(folder: Path) -> dict[str, str]:
    """Settings of a server whose programme keeps balances itself, so that they can be spent at once."""
    words = DEFAULT.read_text().replace('held_by = "account"', 'held_by = "ledger"')
    (folder / "programme.toml").write_text(words)
    return {"PROGRAMME": str(folder / "programme.toml")}


def with_bank() -> dict[str, str]:
    """Settings of a server that has a sandbox bank of its own beside it, a quick one."""
    url = f"http://127.0.0.1:{free_port()}"
    return {"PAYOUT_GATEWAY": "sandbox", "SANDBOX_BANK_URL": url, "BANK_SETTLE_SECONDS": "0.2", "BANK_LATENCY_MS": "2"}


class Chat:
    """A script that talks to the browser chat's JSON."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self.session, self.url, self.chat = session, url, secrets.token_hex(8)
        self.last: list[dict[str, Any]] = []
        self.after = "0"

    async def post(self, message_id: str = "", **content: Any) -> list[str]:
        body = {"chat": self.chat, "id": message_id or secrets.token_hex(8), **content}
        async with self.session.post(f"{self.url}/chat/api/messages", json=body) as answer:
            assert answer.status == 200, await answer.text()
            return self._hear(await answer.json())

    async def photo(self, content: bytes, message_id: str = "") -> list[str]:
        form = aiohttp.FormData()
        form.add_field("chat", self.chat)
        form.add_field("id", message_id or secrets.token_hex(8))
        form.add_field("photo", io.BytesIO(content), filename="photo.jpg", content_type="image/jpeg")
        async with self.session.post(f"{self.url}/chat/api/messages", data=form) as answer:
            assert answer.status == 200, await answer.text()
            return self._hear(await answer.json())

    async def wait(self, seconds: int = 20) -> list[str]:
        query, headers = {"after": self.after, "wait": str(seconds)}, {"X-Chat": self.chat}
        async with self.session.get(f"{self.url}/chat/api/messages", params=query, headers=headers) as answer:
            assert answer.status == 200
            return self._hear(await answer.json())

    async def code(self) -> str:
        async with self.session.get(f"{self.url}/chat/api/outbox", headers={"X-Chat": self.chat}) as answer:
            sent = await answer.json()
        found = re.search(r"\b\d{6}\b", sent[-1]["text"])
        assert found
        return found[0]

    async def turn_head(self) -> list[str]:
        """Send the second selfie as it was asked for, and hear what comes of it."""
        assert await self.photo(head(self.last[-1]["key"].endswith("left"))) == ["registration.turn_checking"]
        return await self.wait()

    async def register(self) -> list[str]:
        """Answer everything up to the selfie, the card being read."""
        await self.post(text="halo")
        await self.post(text="setuju")
        await self.post(text=f"0812{secrets.randbelow(10**8):08}")
        await self.post(text=await self.code())
        assert await self.photo(card()) == ["registration.card_checking"]
        assert await self.wait() == ["card.proposal"]
        for text in ("ya", "3171010101990001", "sma", "phk"):
            await self.post(text=text)
        return await self.post(text="1")

    def _hear(self, answer: dict[str, Any]) -> list[str]:
        self.last = answer["messages"]
        if self.last:
            self.after = self.last[-1]["id"]
        return [message["key"] for message in self.last]

    @property
    def step(self) -> str:
        step: str = self.last[-1]["step"]
        return step
