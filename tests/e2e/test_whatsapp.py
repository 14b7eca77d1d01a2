"""A conversation half on Telegram and half on WhatsApp: the real server, real clients, stand-ins on loopback."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from tests.conftest import needs_faces
from tests.e2e.people import SITI, card, head, selfie
from tests.e2e.server import Server, serving
from tests.e2e.test_telegram import SECRET, TOKEN, update
from tests.peers.telegram import TelegramPeer, telegram_peer
from tests.peers.twilio import SID, TwilioPeer, twilio_peer  # fmt: skip
from tests.peers.twilio import TOKEN as AUTH

PUBLIC = "https://bot.example"
NUMBER = "+6281234567890"


@asynccontextmanager
async def house(folder: Path, **more: str) -> AsyncIterator[tuple[Server, TelegramPeer, TwilioPeer]]:
    async with telegram_peer() as telegram, twilio_peer() as twilio:
        settings = {
            "PUBLIC_URL": PUBLIC,
            "TELEGRAM_TOKEN": TOKEN,
            "TELEGRAM_API_URL": telegram.url,
            "TELEGRAM_MODE": "webhook",
            "TELEGRAM_SECRET": SECRET,
            "TWILIO_ACCOUNT_SID": SID,
            "TWILIO_AUTH_TOKEN": AUTH,
            "TWILIO_API_URL": twilio.url,
            "TWILIO_CONTENT_URL": twilio.url,
            "TWILIO_WHATSAPP_FROM": "+62811000000",
            "TWILIO_SMS_FROM": "GELOMBANG",
            **more,
        }
        async with serving(folder, **settings) as server:
            yield server, telegram, twilio


@needs_faces
async def test_half_on_telegram_and_half_on_whatsapp_is_one_registration(tmp_path: Path) -> None:
    async with house(tmp_path) as (server, telegram, twilio):
        headers = {"X-Telegram-Bot-Api-Secret-Token": SECRET}

        async def on_telegram(then: str, **content: object) -> None:
            async with aiohttp.ClientSession() as http:
                url = f"{server.url}/webhooks/telegram"
                async with http.post(url, json=update(**content), headers=headers) as answer:
                    assert answer.status == 200
            await telegram.until(lambda: then in telegram.sent[-1]["text"] if telegram.sent else False)

        async def on_whatsapp(then: str, text: str = "", photo: bytes | None = None) -> None:
            form = twilio.photo(NUMBER, photo) if photo else twilio.message(NUMBER, text)
            for _ in range(2):  # Twilio repeats what it had no answer to
                assert await twilio.post(PUBLIC, "/webhooks/twilio/whatsapp", form, at=server.url) == 200
            await twilio.until(lambda: any(then in said for said in twilio.to(NUMBER)[-2:]))

        await on_telegram("Halo!", text="/start")
        await on_telegram("nomor", data=telegram.sent[-1]["reply_markup"]["inline_keyboard"][0][0]["callback_data"])
        own = {"phone_number": NUMBER[1:], "first_name": "Siti", "user_id": 77}
        await on_telegram("Kirim foto KTP", contact=own)
        telegram.files["card"] = card()
        await on_telegram("yang kami baca", photo=[{"file_id": "card", "file_unique_id": "c", "width": 1, "height": 1}])
        await on_telegram("Kartu Keluarga", text="ya")

        await on_whatsapp("Halo!", "Halo")
        assert not any(SITI.name in said for said in twilio.to(NUMBER))
        await on_whatsapp("Kartu Keluarga", "1")  # the same step: the number is WhatsApp's own
        await on_whatsapp("Pendidikan terakhir", "3171010101990001")
        await on_whatsapp("keadaan kerja", "SMA")
        await on_whatsapp("minati", "2")
        await on_whatsapp("selfie", "1")
        await on_whatsapp("Satu selfie lagi", photo=selfie())
        left = "ke KIRI Anda" in twilio.to(NUMBER)[-1]
        await on_whatsapp("Periksa data Anda", photo=head(left))
        await on_whatsapp("Nomor undian Anda", "1")
        assert twilio.media == {}  # fetched, then deleted there
    with sqlite3.connect(tmp_path / "test.db") as db:
        assert db.execute("SELECT count(*) FROM person").fetchone() == (1,)
        chats = "SELECT channel FROM address WHERE conversation_id = (SELECT id FROM conversation WHERE person_id = 1)"
        assert {row[0] for row in db.execute(chats)} == {"telegram", "whatsapp"}


async def test_a_code_goes_out_by_sms_and_reports_come_back(tmp_path: Path) -> None:
    async with house(tmp_path) as (server, _, twilio):
        chat = {"chat": "c" * 32, "id": "1"}
        async with aiohttp.ClientSession() as http:
            for number, said in enumerate(("halo", "setuju", "0812 3456 7890")):
                async with http.post(
                    f"{server.url}/chat/api/messages", json={**chat, "id": str(number), "text": said}
                ) as answer:
                    assert answer.status == 200
        await twilio.until(lambda: bool(twilio.sent))
        [code] = twilio.sent
        assert (code["to"], code["form"]["From"]) == (NUMBER, "GELOMBANG")
        callback = code["form"]["StatusCallback"].removeprefix(PUBLIC)
        for status in ("delivered", "sent"):
            fields = {"MessageSid": code["sid"], "MessageStatus": status}
            assert await twilio.post(PUBLIC, callback, fields, at=server.url) == 200
        await asyncio.sleep(0.2)
    with sqlite3.connect(tmp_path / "test.db") as db:
        [row] = db.execute("SELECT status FROM outbox WHERE channel = 'sms'").fetchall()
        assert row == ("delivered",)
