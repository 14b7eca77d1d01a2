"""The servers that `make bench-turns` compares, each started in a process of its own.

All do the same for the same updates: know the sender's step, take a name or go back, keep the new state and the
name, and put the next question with its keyboard into the webhook's response.
"""

import asyncio
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

PATH = "/webhooks/telegram"
SECRET = "benchmark-secret"
TOKEN = "42:benchmark"
SENDERS = 64
CHATS = 20 * SENDERS


def main() -> None:
    """``turns_servers KIND FOLDER PORT API_URL DATABASE_URL``; no DATABASE_URL: state is kept in memory."""
    kind, folder, port, api_url, url = sys.argv[1:6]
    if kind == "gelombang":
        _gelombang(Path(folder), int(port), api_url, url)
    else:
        asyncio.run(_aiogram(int(port), api_url, url))


def _gelombang(folder: Path, port: int, api_url: str, url: str) -> None:
    from bot.cli import main as command
    from bot.settings import Settings

    values = {
        "DATABASE_URL": url,
        "PORT": str(port),
        "PUBLIC_URL": "https://bench.example",
        "KEY_FILE": f"{folder}/keys",
        "MEDIA_DIR": f"{folder}/media",
        "TELEGRAM_TOKEN": TOKEN,
        "TELEGRAM_API_URL": api_url,
        "TELEGRAM_MODE": "webhook",
        "TELEGRAM_SECRET": SECRET,
        "TELEGRAM_REPLY_IN_WEBHOOK": "true",
        "LOG_LEVEL": "WARNING",
    }
    os.environ.update({f"GELOMBANG_{name}": value for name, value in values.items()})
    asyncio.run(_seed(Settings()))
    command(["serve"])


async def _seed(settings: Any) -> None:
    """Conversations at the question for the name, as if everything before had been answered."""
    from domain import clock
    from domain.privacy.rules import NOTICE_VERSION
    from handlers.engine import address_lookup
    from models import crypto
    from models.database import database, migrate
    from models.enums import Channel
    from models.turns import TurnTables

    crypto.use(settings.keyring())
    async with database(settings.database_url) as db:
        await migrate(db)
        tables = TurnTables(db)
        people = [
            (address_lookup(Channel.TELEGRAM, str(chat)), Channel.TELEGRAM.value, str(chat), "registration.name")
            for chat in range(1000, 1000 + CHATS)
        ]
        seats = await tables.begin(db, people, "id", clock.now())
        for seat in seats.values():
            seat.conversation.version = 1
            seat.conversation.draft = {
                "consent": "2026-01-01T00:00:00+00:00",
                "notice": NOTICE_VERSION,
                "phone": "+6281234567890",
                "phone_ok": True,
                "card_photo": "0" * 32,
                "nik": "3171011508900001",
            }
        await tables.save(db, [seat.conversation for seat in seats.values()], clock.now())


async def _aiogram(port: int, api_url: str, url: str) -> None:
    from aiogram import Bot, Dispatcher, Router
    from aiogram.client.session.aiohttp import AiohttpSession
    from aiogram.client.telegram import TelegramAPIServer
    from aiogram.filters import StateFilter
    from aiogram.fsm.context import FSMContext
    from aiogram.fsm.state import State, StatesGroup
    from aiogram.fsm.storage.base import BaseStorage, StorageKey
    from aiogram.fsm.storage.memory import MemoryStorage
    from aiogram.types import InlineKeyboardButton, InlineKeyboardMarkup, Message
    from aiogram.webhook.aiohttp_server import SimpleRequestHandler
    from aiohttp import web

    class Registration(StatesGroup):
        name = State()
        birth_date = State()

    router = Router()
    keyboard = InlineKeyboardMarkup(
        inline_keyboard=[[InlineKeyboardButton(text="Ya, 15 Agustus 1990", callback_data="yes")]]
    )

    @router.message(StateFilter(Registration.birth_date))
    async def back(message: Message, state: FSMContext) -> Any:
        await state.set_state(Registration.name)
        return message.answer("Nama lengkap Anda, sama seperti di KTP?")

    @router.message()
    async def name(message: Message, state: FSMContext) -> Any:
        text = " ".join((message.text or "").split())
        if not 2 <= len(text) <= 100 or any(char.isdigit() for char in text):
            return message.answer("Ketik nama lengkap seperti di KTP.")
        await state.update_data(name=text)
        await state.set_state(Registration.birth_date)
        return message.answer("Apakah tanggal lahir Anda 15 Agustus 1990?", reply_markup=keyboard)

    class TortoiseStorage(BaseStorage):
        """State and data as a row a sender, read and written through the ORM."""

        def _key(self, key: StorageKey) -> dict[str, Any]:
            return {"bot_id": key.bot_id, "chat_id": key.chat_id, "user_id": key.user_id}

        async def set_state(self, key: StorageKey, state: Any = None) -> None:
            value = state.state if isinstance(state, State) else state
            await Row.update_or_create(defaults={"state": value}, **self._key(key))

        async def get_state(self, key: StorageKey) -> str | None:
            row = await Row.get_or_none(**self._key(key))
            return row.state if row else None

        async def set_data(self, key: StorageKey, data: Mapping[str, Any]) -> None:
            await Row.update_or_create(defaults={"data": dict(data)}, **self._key(key))

        async def get_data(self, key: StorageKey) -> dict[str, Any]:
            row = await Row.get_or_none(**self._key(key))
            return dict(row.data) if row else {}

        async def close(self) -> None:
            return

    if url:
        from benchmarks.turns_rows import Row

    session = AiohttpSession(api=TelegramAPIServer.from_base(api_url))
    bot = Bot(TOKEN, session=session)
    dispatcher = Dispatcher(storage=TortoiseStorage() if url else MemoryStorage())
    dispatcher.include_router(router)
    app = web.Application()
    SimpleRequestHandler(dispatcher, bot, handle_in_background=False, secret_token=SECRET).register(app, path=PATH)

    from tortoise.context import TortoiseContext

    async with TortoiseContext() as context:
        if url:
            modules: dict[str, Any] = {"models": ["benchmarks.turns_rows"]}
            await context.init(db_url=url, modules=modules, _enable_global_fallback=True)
            await context.generate_schemas()
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        await asyncio.Event().wait()


if __name__ == "__main__":
    main()
