"""Scripts that work as staff do: on the staff page's JSON, and on a Telegram Bot API server on loopback."""

import asyncio
import itertools
import re
import secrets
import sqlite3
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pyotp

from bot.settings import Settings
from domain import clock
from models.database import database
from models.enums import Channel
from tests.e2e.server import Server
from tests.e2e.test_draws import gelombang
from tests.peers.telegram import TelegramPeer
from tests.staff.crowd import crowd

_numbers = itertools.count(5_000)


async def invitation(server: Server, name: str, *roles: str) -> str:
    """Add a member by the command; gives the token of the link it prints."""
    options = [part for role in roles for part in ("--role", role)]
    code, said = await gelombang(server, "staff", "add", name, *options, "--staff", "operator")
    assert code == 0, said
    found = re.search(r"/staff#([\w-]+)", said)
    assert found, said
    return found[1]


def secret_in(text: str) -> str:
    """The secret of a code generator, as the bot shows it."""
    found = re.search(r"secret=([A-Z2-7]+)", text)
    assert found, text
    return found[1]


class StaffChat:
    """A member on the staff page's JSON."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self.session, self.url, self.chat = session, url, secrets.token_hex(16)
        self.last: list[dict[str, Any]] = []
        self.secret = ""

    async def post(self, **content: Any) -> list[str]:
        body = {"id": secrets.token_hex(8), **content}
        async with self.session.post(
            f"{self.url}/staff/api/messages", json=body, headers={"X-Chat": self.chat}
        ) as answer:
            assert answer.status == 200, await answer.text()
            self.last = (await answer.json())["messages"]
        return [message["key"] for message in self.last]

    async def get(self, path: str) -> tuple[int, bytes]:
        async with self.session.get(f"{self.url}/staff/api/messages{path}", headers={"X-Chat": self.chat}) as answer:
            return answer.status, await answer.read()

    async def enter(self, token: str) -> None:
        assert await self.post(choice=f"!enter_{token}") == ["staff.enrol", "staff.ask_code"]
        self.secret = secret_in(self.last[0]["text"])
        assert await self.post(text=pyotp.TOTP(self.secret).now()) == ["staff.home"]

    async def press(self, choice: str) -> list[str]:
        buttons = [button["id"] for message in self.last for button in message["choices"]]
        return await self.post(choice=next(button for button in buttons if button.startswith(choice)))

    async def say(self, *texts: str) -> list[str]:
        heard: list[str] = []
        for text in texts:
            heard = await self.post(text=text)
        return heard

    @property
    def text(self) -> str:
        return "\n".join(message["text"] for message in self.last)


class StaffPhone:
    """A member on Telegram."""

    def __init__(self, peer: TelegramPeer, chat: int) -> None:
        self.peer, self.chat = peer, chat
        self.secret = ""

    @property
    def heard(self) -> list[dict[str, Any]]:
        return [message for message in self.peer.sent if message["chat_id"] == str(self.chat)]

    async def send(self, **content: Any) -> None:
        count, number = len(self.heard), next(_numbers)
        person = {"id": self.chat, "is_bot": False, "first_name": "Sari"}
        chat = {"id": self.chat, "type": "private"}
        if "data" in content:
            message = {"message_id": 1, "date": 1, "chat": chat}
            body = {"id": f"q{number}", "from": person, "chat_instance": "c", "message": message, **content}
            self.peer.post({"update_id": number, "callback_query": body})
        else:
            body = {"message_id": number, "date": 1, "from": person, "chat": chat, **content}
            self.peer.post({"update_id": number, "message": body})
        await self.peer.until(lambda: len(self.heard) > count)

    async def say(self, text: str, then: str) -> str:
        """Write, and wait for the bot's words."""
        return await self._and_hear(then, text=text)

    async def press(self, label: str, then: str) -> str:
        """Press the last button of this label, and wait for the bot's words."""
        rows = [message["reply_markup"].get("inline_keyboard", []) for message in self.heard[-3:]]
        buttons = [button for markup in rows for row in markup for button in row]
        return await self._and_hear(
            then, data=next(b["callback_data"] for b in reversed(buttons) if label in b["text"])
        )

    async def _and_hear(self, words: str, **content: Any) -> str:
        count = len(self.heard)
        await self.send(**content)
        await self.peer.until(lambda: any(words in message["text"] for message in self.heard[count:]))
        await asyncio.sleep(0.2)  # what follows it
        text: str = next(message["text"] for message in self.heard[count:] if words in message["text"])
        return text

    async def enter(self, token: str) -> None:
        self.secret = secret_in(await self.say(f"/start {token}", "secret="))
        await self.say(pyotp.TOTP(self.secret).now(), "Mau mengerjakan apa?")


async def put_people(server: Server, count: int, channel: Channel) -> list[str]:
    """A crowd in a server's database, which its process must not have open."""
    settings = Settings(
        database_url=server.environment["GELOMBANG_DATABASE_URL"], key_file=Path(f"{server.folder}/keys")
    )
    settings.use_keys()
    async with database(settings.database_url):
        return await crowd(count, clock.now(), channel)


def counted(server: Server, statement: str) -> list[tuple[object, ...]]:
    """Rows of a server's database."""
    connection = sqlite3.connect(f"{server.folder}/test.db")
    try:
        return connection.execute(statement).fetchall()
    finally:
        connection.close()


def by_status(server: Server) -> Counter[str]:
    rows = counted(server, "SELECT status, COUNT(*) FROM broadcast_recipient GROUP BY status")
    return Counter({str(status): int(str(number)) for status, number in rows})


async def until(condition: Callable[[], object], seconds: float = 60) -> None:
    """Wait for something to be true of a server's database."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - of another process's database
            await asyncio.sleep(0.1)
