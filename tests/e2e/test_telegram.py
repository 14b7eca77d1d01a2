"""Telegram end to end: the real server and the real client against a Bot API server on loopback."""

import asyncio
import io
import itertools
import signal
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from tests.conftest import needs_faces
from tests.e2e.people import SITI, card, head, selfie
from tests.e2e.server import Server, kept_in_ledger, serving
from tests.e2e.test_draws import gelombang
from tests.peers.telegram import TelegramPeer, failed, telegram_peer

TOKEN = "42:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
SECRET = "a-secret_1"
_numbers = itertools.count(1)


def update(**content: Any) -> dict[str, Any]:
    person = {"id": 77, "is_bot": False, "first_name": "Siti"}
    number = next(_numbers)
    if "data" in content:
        return {
            "update_id": number,
            "callback_query": {"id": f"q{number}", "from": person, "chat_instance": "c", **content},
        }
    chat = {"id": 77, "type": "private"}
    return {"update_id": number, "message": {"message_id": number, "date": 1, "from": person, "chat": chat, **content}}


async def converse(peer: TelegramPeer, post: Callable[[dict[str, Any]], Any]) -> None:
    """A whole registration, each message after the reply to the one before."""

    async def send(**content: Any) -> None:
        count = len(peer.sent)
        result = post(update(**content))
        if asyncio.iscoroutine(result):
            await result
        await peer.until(lambda: len(peer.sent) > count)
        await asyncio.sleep(0.05)

    def says(words: str) -> bool:
        return any(words in message["text"] for message in peer.sent)

    await send(text="/start")
    await send(data=peer.sent[-1]["reply_markup"]["inline_keyboard"][0][0]["callback_data"])
    assert peer.sent[-1]["reply_markup"]["keyboard"][0][0]["request_contact"] is True
    await send(contact={"phone_number": "6281234567890", "first_name": "Siti", "user_id": 77})
    await send(photo=[{"file_id": "card", "file_unique_id": "c", "width": 250, "height": 250}])
    await peer.until(lambda: says("yang kami baca"))
    for text in ("ya", "3171010101990001", "sma", "phk", "1"):
        await send(text=text)
    await send(photo=[{"file_id": "selfie", "file_unique_id": "s", "width": 250, "height": 250}])
    await peer.until(lambda: says("Satu selfie lagi"))
    side = "left" if says("ke KIRI Anda") else "right"
    await send(photo=[{"file_id": side, "file_unique_id": side, "width": 250, "height": 250}])
    await peer.until(lambda: says("Periksa data Anda"))
    join = next(m for m in peer.sent if "Periksa data Anda" in m["text"])["reply_markup"]["inline_keyboard"][0][0]
    await send(data=join["callback_data"])
    await peer.until(lambda: says("Nomor undian"))


def photos(peer: TelegramPeer) -> None:
    peer.files |= {"card": card(), "selfie": selfie(), "left": head(to_the_left=True), "right": head(to_the_left=False)}


async def choose_a_training(peer: TelegramPeer, server: Server) -> None:
    """Somebody who was selected looks for a barista course near home and buys it, by words, buttons and a location."""

    async def hear(words: str, **content: Any) -> None:
        count = len(peer.sent)
        peer.post(update(**content))
        await peer.until(lambda: any(words in message["text"] for message in peer.sent[count:]))

    def button(label: str) -> str:
        rows = peer.sent[-1]["reply_markup"]["inline_keyboard"]
        return next(str(each["callback_data"]) for row in rows for each in row if label in each["text"])

    code, said = await gelombang(server, "sample", "--select")
    assert code == 0, said
    await peer.until(lambda: any("Selamat, Anda terpilih" in message["text"] for message in peer.sent))
    await hear("1.500 pelatihan", text="pelatihan")
    await hear("Paling cocok dulu", text="barsita")
    await hear("Terdekat dulu", location={"latitude": -6.4, "longitude": 106.82})
    assert "\n1. Barista" in peer.sent[-1]["text"]
    await hear("Saldo Anda Rp1.000.000", data=button("1. Barista"))
    await hear("Sisa saldo", data=button("Beli"))
    await hear("Kode redeem", data=button("Ya, beli"))
    await hear("Berikan hanya kepada lembaga", text="/kode")


@needs_faces
async def test_register_by_long_polling(tmp_path: Path) -> None:
    async with telegram_peer() as peer:
        photos(peer)
        settings = {"TELEGRAM_TOKEN": TOKEN, "TELEGRAM_API_URL": peer.url, **kept_in_ledger(tmp_path)}
        async with serving(tmp_path, **settings) as server:
            await converse(peer, peer.post)
            pressed = [params for method, params in peer.calls if method == "answerCallbackQuery"]
            assert len(pressed) == 2
            assert SITI.nik not in server.log
            assert TOKEN not in server.log
            await choose_a_training(peer, server)


@needs_faces
@pytest.mark.parametrize("in_response", ["false", "true"])
async def test_register_by_webhook(tmp_path: Path, in_response: str) -> None:
    async with telegram_peer() as peer, aiohttp.ClientSession() as session:
        photos(peer)
        settings = {
            "TELEGRAM_TOKEN": TOKEN, "TELEGRAM_API_URL": peer.url, "TELEGRAM_MODE": "webhook",
            "TELEGRAM_SECRET": SECRET, "PUBLIC_URL": "https://bot.example", "TELEGRAM_REPLY_IN_WEBHOOK": in_response,
        }  # fmt: skip
        async with serving(tmp_path, **settings) as server:

            async def post(body: dict[str, Any]) -> None:
                headers = {"X-Telegram-Bot-Api-Secret-Token": SECRET}
                async with session.post(f"{server.url}/webhooks/telegram", json=body, headers=headers) as answer:
                    assert answer.status == 200
                    if answer.content_type == "application/json" and (reply := await answer.json()):
                        assert reply.pop("method") == "sendMessage"
                        peer.sent.append(reply)

            await converse(peer, post)
            await peer.until(lambda: any(method == "setWebhook" for method, _ in peer.calls))


async def test_a_wrong_secret_stores_nothing_and_bad_bodies_get_4xx(tmp_path: Path) -> None:
    async with telegram_peer() as peer, aiohttp.ClientSession() as session:
        settings = {
            "TELEGRAM_TOKEN": TOKEN, "TELEGRAM_API_URL": peer.url, "TELEGRAM_MODE": "webhook",
            "TELEGRAM_SECRET": SECRET, "PUBLIC_URL": "https://bot.example",
        }  # fmt: skip
        async with serving(tmp_path, **settings) as server:
            url, right = f"{server.url}/webhooks/telegram", {"X-Telegram-Bot-Api-Secret-Token": SECRET}
            for headers in (
                {},
                {"X-Telegram-Bot-Api-Secret-Token": "wrong"},
                {"X-Telegram-Bot-Api-Secret-Token": "sécret"},
            ):
                async with session.post(url, json=update(text="halo"), headers=headers) as answer:
                    assert answer.status == 403
            for body, status in ((b"{", 400), (b"\xff", 400), (b"[]", 400), (b'{"update_id": "x"}', 400)):
                async with session.post(url, data=body, headers=right) as answer:
                    assert answer.status == status
            async with session.post(url, data=io.BytesIO(bytes(2 * 1024**2)), headers=right) as answer:
                assert answer.status == 413
            async with session.post(url, json={"update_id": 1, "new_kind": {}}, headers=right) as answer:
                assert answer.status == 200
        with sqlite3.connect(tmp_path / "test.db") as db:
            assert db.execute("SELECT count(*) FROM inbound").fetchone() == (0,)
        db.close()


async def test_429_is_obeyed_and_a_blocked_chat_is_noted(tmp_path: Path) -> None:
    async with telegram_peer() as peer:
        refusals = [failed(429, "Too Many Requests: retry after 1", retry_after=1)]
        times: list[float] = []

        def misbehave(method: str, params: dict[str, Any]) -> web.Response | None:
            if method != "sendMessage":
                return None
            times.append(asyncio.get_running_loop().time())
            if params["chat_id"] == "78":
                return failed(403, "Forbidden: bot was blocked by the user")
            return refusals.pop() if refusals else None

        peer.misbehave = misbehave
        async with serving(tmp_path, TELEGRAM_TOKEN=TOKEN, TELEGRAM_API_URL=peer.url):
            peer.post(update(text="halo"))
            await peer.until(lambda: len(peer.sent) == 1)
            assert times[1] - times[0] >= 1
            other = update(text="halo")
            other["message"]["chat"] = other["message"]["from"] = {"id": 78, "type": "private"}
            peer.post(other)
            await peer.until(lambda: len(times) == 3)
            await asyncio.sleep(0.3)
        with sqlite3.connect(tmp_path / "test.db") as db:
            assert db.execute("SELECT status FROM outbox ORDER BY id").fetchall() == [("sent",), ("failed",)]
            assert db.execute("SELECT reachable FROM address ORDER BY id").fetchall() == [(1,), (0,)]
        db.close()


async def test_kill_9_before_the_reply_went_out_sends_it_after_the_restart(tmp_path: Path) -> None:
    async with telegram_peer() as peer:
        hold = asyncio.Event()
        peer.misbehave = lambda method, params: (
            failed(500, "down") if method == "sendMessage" and not hold.is_set() else None
        )
        server = Server(tmp_path, TELEGRAM_TOKEN=TOKEN, TELEGRAM_API_URL=peer.url)
        await server.start()
        peer.post(update(text="halo"))
        await peer.until(lambda: any(method == "sendMessage" for method, _ in peer.calls))
        await server.stop(signal.SIGKILL)
        hold.set()
        with sqlite3.connect(tmp_path / "test.db") as db:  # the lease of the dead process has run out
            db.execute("UPDATE outbox SET lease_until = '2020-01-01 00:00:00+00:00'")
        db.close()
        await server.start()
        await peer.until(lambda: len(peer.sent) == 1)
        await asyncio.sleep(0.5)
        await server.stop()
        assert len(peer.sent) == 1
