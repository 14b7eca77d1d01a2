"""As an attacker would: forged, replayed, oversized, reordered and broken requests at every edge of a running server.

Nothing is gained, everything is counted, and somebody who writes meanwhile notices nothing.
"""

import asyncio
import io
import sqlite3
from pathlib import Path

import aiohttp

from tests.e2e.server import Chat, Server
from tests.e2e.test_telegram import SECRET, update
from tests.e2e.test_whatsapp import NUMBER, PUBLIC, house
from tests.peers.telegram import TelegramPeer
from tests.peers.twilio import TwilioPeer

HEADER = "X-Telegram-Bot-Api-Secret-Token"
JSON = {"content-type": "application/json"}
FORM = {"content-type": "application/x-www-form-urlencoded"}
# Edge, headers of a forged request, body, and what it is answered with.
FORGED = [
    ("/webhooks/telegram", JSON, b'{"update_id": 1}', 403),
    ("/webhooks/telegram", {**JSON, HEADER: "guess"}, b'{"update_id": 1}', 403),
    ("/webhooks/telegram", {**JSON, HEADER: "\xff\xfe"}, b'{"update_id": 1}', 403),
    ("/webhooks/twilio/whatsapp", FORM, b"From=whatsapp:%2B62812&Body=halo", 403),
    ("/webhooks/twilio/status", {**FORM, "X-Twilio-Signature": "AAAA"}, b"MessageStatus=failed&MessageSid=1", 403),
    ("/webhooks/twilio/sms", {**FORM, "X-Twilio-Signature": "\xff"}, b"Body=x", 403),
    ("/partners/kyc/attestations", {}, b"eyJhbGciOiJub25lIn0.e30.", 401),
    ("/api/v1/integration/payment/redeem-code/commit", {**JSON, "client_code": "x", "timestamp": "1"}, b"{}", 401),
    ("/my-data/file", JSON, b'{"token": "guess", "birth_date": "15-08-1990"}', 403),
]
BROKEN = [
    ("/webhooks/telegram", {**JSON, HEADER: SECRET}, b"[" * 100_000),
    ("/webhooks/telegram", {**JSON, HEADER: SECRET}, b"\xff" * 100),
    ("/webhooks/telegram", {**JSON, HEADER: SECRET}, b"x" * (2 << 20)),
    ("/webhooks/twilio/whatsapp", {"content-type": "application/x-www-form-urlencoded; charset=punycode"}, b"a=b"),
    ("/webhooks/twilio/whatsapp", FORM, b"&".join(b"a%d=b" % number for number in range(5_000))),
    ("/chat/api/messages", JSON, b'{"b":' + b"[" * 50_000),
    ("/chat/api/messages", JSON, b'{"chat": "short", "id": "1", "text": "x"}'),
    ("/chat/api/messages", {"content-type": "multipart/form-data; boundary=x"}, b"--x\r\n\r\n" * 2_000),
    ("/staff/api/messages", {**JSON, "X-Chat": "c" * 32}, b"{}"),
    ("/staff/api/messages", {"content-type": "multipart/form-data; boundary=x", "X-Chat": "c" * 32}, b"--x--"),
    ("/my-data/file", JSON, b"{" * 70_000),
]


def stored(folder: Path, sql: str) -> list[tuple[object, ...]]:
    with sqlite3.connect(folder / "test.db") as db:
        return db.execute(sql).fetchall()


async def post(http: aiohttp.ClientSession, server: Server, path: str, headers: dict[str, str], body: bytes) -> int:
    async with http.post(server.url + path, data=io.BytesIO(body), headers=headers) as answer:
        words = await answer.text()
        assert "Traceback" not in words
        assert "nosniff" in answer.headers["X-Content-Type-Options"]
        assert "Server" not in answer.headers
        return answer.status


async def honest(http: aiohttp.ClientSession, server: Server, telegram: TelegramPeer) -> None:
    """Somebody writes, and is answered."""
    before = len(telegram.sent)
    async with http.post(
        f"{server.url}/webhooks/telegram", json=update(text="/start"), headers={HEADER: SECRET}
    ) as answer:
        assert answer.status == 200
    await telegram.until(lambda: len(telegram.sent) > before)


async def test_nothing_is_gained_and_everything_is_counted(tmp_path: Path) -> None:
    async with house(tmp_path) as (server, telegram, twilio), aiohttp.ClientSession() as http:
        await honest(http, server, telegram)
        before = stored(tmp_path, "SELECT COUNT(*) FROM inbound")
        for path, headers, body, status in FORGED:
            assert await post(http, server, path, headers, body) == status, path
        for path, headers, body in BROKEN:
            assert 400 <= await post(http, server, path, headers, body) < 500, (path, body[:20])
        assert stored(tmp_path, "SELECT COUNT(*) FROM inbound") == before
        await honest(http, server, telegram)
        await replayed_and_reordered(http, server, telegram, twilio)
        await flood(http, server)
        await asyncio.sleep(11)
        kinds = {row[0] for row in stored(tmp_path, "SELECT kind FROM alarm")}
        assert {"forged", "flood"} <= kinds
        assert sum(int(str(row[0])) for row in stored(tmp_path, "SELECT count FROM alarm WHERE kind = 'forged'")) >= 9
        for secret in (SECRET, NUMBER, "guess"):
            assert secret not in server.log
        await honest(http, server, telegram)


async def replayed_and_reordered(
    http: aiohttp.ClientSession, server: Server, telegram: TelegramPeer, twilio: TwilioPeer
) -> None:
    """A message that comes again is the same message; one that comes late counts all the same."""
    first, second = update(text="/start"), update(text="bantuan")
    count = len(telegram.sent)
    for body in (second, first, second, first, second):
        async with http.post(f"{server.url}/webhooks/telegram", json=body, headers={HEADER: SECRET}) as answer:
            assert answer.status == 200
    await telegram.until(lambda: len(telegram.sent) >= count + 2)
    await asyncio.sleep(0.3)
    assert len(telegram.sent) == count + 2
    form = twilio.message(NUMBER, "Halo")
    for _ in range(3):
        assert await twilio.post(PUBLIC, "/webhooks/twilio/whatsapp", form, at=server.url) == 200
    altered = {**form, "Body": "tarik"}
    signed = twilio.signed(f"{PUBLIC}/webhooks/twilio/whatsapp", form)
    async with http.post(f"{server.url}/webhooks/twilio/whatsapp", data=altered, headers=signed) as answer:
        assert answer.status == 403  # signed, but not for this


async def flood(http: aiohttp.ClientSession, server: Server) -> None:
    """One chat writes faster than people do: it is told so once, and loses nothing it has said before."""
    chat = Chat(http, server.url)
    assert await chat.post(text="halo") == ["registration.welcome"]
    said = [await chat.post(text="x") for _ in range(70)]
    assert said.count(["limits.too_fast"]) == 1
    assert said[-1] == []


async def test_every_answer_is_hardened_and_codes_are_not_shown_to_the_world(tmp_path: Path) -> None:
    async with house(tmp_path) as (server, _, _), aiohttp.ClientSession() as http:
        for path in ("/l#ABCDEFGHJK", "/chat", "/staff", "/my-data", "/nothing", "/audit/heads.csv", "/health"):
            async with http.get(server.url + path) as answer:
                assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"], path
                assert answer.headers["Referrer-Policy"] == "no-referrer"
                assert answer.headers["Strict-Transport-Security"]
                assert "Server" not in answer.headers
        chat = Chat(http, server.url)
        await chat.post(text="halo")
        async with http.get(f"{server.url}/chat/api/outbox", headers={"X-Chat": chat.chat}) as answer:
            assert answer.status == 404


async def test_one_address_does_not_begin_chat_after_chat(tmp_path: Path) -> None:
    async with house(tmp_path, NEW_CHATS_AN_HOUR="3") as (server, telegram, _), aiohttp.ClientSession() as http:
        known = Chat(http, server.url)
        await known.post(text="halo")
        statuses = []
        for number in range(5):
            body = {"chat": f"{number}" * 16, "id": "1", "text": "halo"}
            async with http.post(f"{server.url}/chat/api/messages", json=body) as answer:
                statuses.append(answer.status)
        assert statuses == [200, 200, 429, 429, 429]
        assert await known.post(text="setuju") == ["registration.ask_phone"]  # who was here before goes on
        await honest(http, server, telegram)
