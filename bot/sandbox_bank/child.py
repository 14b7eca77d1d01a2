"""The sandbox bank beside a server that uses it, where none is running yet."""

import asyncio
import logging
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from yarl import URL

from bot.settings import Settings

log = logging.getLogger(__name__)

START_SECONDS = 15.0
LOOPBACK = frozenset({"127.0.0.1", "localhost"})


@asynccontextmanager
async def bank_beside(settings: Settings) -> AsyncIterator[None]:
    """A bank at the address that the settings name, for as long as this lasts; nothing where another gateway is set."""
    url = URL(settings.sandbox_bank_url)
    if settings.payout_gateway != "sandbox" or url.host not in LOOPBACK or await _answers(url):
        yield
        return
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bot", "sandbox-bank", "--port", str(url.port), "--parent", str(os.getpid()),
        stdout=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        for _ in range(int(START_SECONDS / 0.1)):
            if child.returncode is not None or await _answers(url):
                break
            await asyncio.sleep(0.1)
        log.info("sandbox bank: %s (no money moves)", url)
        yield
    finally:
        if child.returncode is None:
            child.terminate()
            await child.wait()


async def _answers(url: URL) -> bool:
    try:
        async with (
            aiohttp.ClientSession() as http,
            http.get(url / "health", timeout=aiohttp.ClientTimeout(total=2)) as answer,
        ):
            return bool((await answer.json()).get("bank") == "sandbox")
    except (aiohttp.ClientError, TimeoutError, ValueError):
        return False
