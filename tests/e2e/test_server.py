"""The real server over HTTP, with real photos: registration, bad input, and kill -9."""

import asyncio
import io
import json
import secrets
import signal
import sqlite3
import zlib
from pathlib import Path

import aiohttp
import pytest
from PIL import Image

from tests.conftest import needs_faces
from tests.e2e.people import SITI, card, head, selfie, stranger
from tests.e2e.server import Chat, Server, serving


@needs_faces
async def test_two_photos_of_one_face_register_and_two_people_do_not(tmp_path: Path) -> None:
    async with serving(tmp_path, FRESH="yes") as server, aiohttp.ClientSession() as session:
        chat = Chat(session, server.url)
        assert await chat.register() == ["registration.ask_selfie"]
        assert await chat.photo(stranger()) == ["registration.selfie_checking"]
        assert chat.step == "registration.selfie"
        assert await chat.wait() == ["registration.selfie_different"]
        await chat.photo(selfie())
        accepted, asked = await chat.wait()
        assert accepted == "registration.selfie_accepted"
        assert asked in {"registration.ask_turn_left", "registration.ask_turn_right"}
        assert await chat.turn_head() == ["registration.turn_accepted", "registration.summary"]
        assert await chat.post(choice=chat.last[-1]["choices"][0]["id"]) == ["registration.joined", "home.menu"]
        assert await chat.post(text="status") == ["home.status"]
        for photo in (tmp_path / "media").rglob("*.bin"):
            assert not photo.read_bytes().startswith(b"\xff\xd8"), "a photo lies there in plain"
        for secret in (SITI.nik, SITI.name, SITI.address, chat.chat):
            assert secret not in server.log


def _png_bomb() -> bytes:
    """A small file that says it is 20,000 x 20,000."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    head = (20_000).to_bytes(4, "big") * 2 + bytes((8, 2, 0, 0, 0))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    )


def _jpeg(size: tuple[int, int], colour: str = "white") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, "JPEG")
    return buffer.getvalue()


async def test_photos_that_are_none_get_words(tmp_path: Path) -> None:
    async with serving(tmp_path) as server, aiohttp.ClientSession() as session:
        chat = Chat(session, server.url)
        await chat.post(text="halo")
        await chat.post(text="setuju")
        await chat.post(text="081234567890")
        await chat.post(text=await chat.code())
        for content, key in (
            (b"%PDF-1.7 not a photo", "photo.not_a_photo"),
            (b"", "photo.not_a_photo"),
            (_jpeg((800, 600))[:500], "photo.broken"),
            (_png_bomb(), "photo.too_many_pixels"),
            (_jpeg((40, 40)), "photo.too_small"),
            (_jpeg((800, 600), "black"), "photo.card_no_face"),
            (bytes(11 * 1024 * 1024), "photo.too_big"),
        ):
            assert await chat.photo(content) == [key]
            assert chat.step == "registration.card_photo"


BAD = [
    ("{", 400), ("[]", 400), ("null", 400), ('{"chat": "a"}', 400), ('{"chat": "a", "id": 1, "text": "x"}', 400),
    ('{"chat": "a", "id": "1"}', 400), ('{"chat": "a", "id": "1", "text": "x", "choice": "y"}', 400),
    ('{"chat": "", "id": "1", "text": "x"}', 400), ('{"chat": "a b", "id": "1", "text": "x"}', 400),
    ('{"chat": "a", "id": "1", "location": {"lat": 91, "lon": 0}}', 400),
    ('{"chat": "a", "id": "1", "text": "\\ud800"}', 400), ("x" * 100_000, 413), (b"\xff\xfe\x00", 400),
]  # fmt: skip


async def test_malformed_requests_get_4xx_with_a_reason(tmp_path: Path) -> None:
    async with serving(tmp_path) as server, aiohttp.ClientSession() as session:
        for body, status in BAD:
            headers = {"content-type": "application/json"}
            async with session.post(f"{server.url}/chat/api/messages", data=body, headers=headers) as answer:
                assert answer.status == status, body[:60]
                assert set((await answer.json())["error"]) == {"code", "message"}
        for content_type in ("text/plain", "multipart/form-data", "multipart/form-data; boundary=x"):
            headers = {"content-type": content_type}
            async with session.post(f"{server.url}/chat/api/messages", data=b"junk", headers=headers) as answer:
                assert 400 <= answer.status < 500, content_type
        for query in ("", "?chat=a&after=x", "?chat=a&after=-1", "?chat=a&wait=nan", "?chat=%00"):
            async with session.get(f"{server.url}/chat/api/messages{query}") as answer:
                assert answer.status == 400, query
        chat = Chat(session, server.url)
        for text in (
            "\x00\x01\x02",
            "\u202e\u2066",
            "💥" * 500,
            "'; DROP TABLE inbound;--",
            "<script>alert(1)</script>",
        ):
            assert len(await chat.post(text=text)) == 1
        assert chat.step == "registration.language"


async def test_the_same_id_gives_the_same_messages(tmp_path: Path) -> None:
    async with serving(tmp_path) as server, aiohttp.ClientSession() as session:
        chat = Chat(session, server.url)
        await chat.post("first", text="halo")
        first = chat.last
        await chat.post("first", text="halo")
        assert chat.last == first


@needs_faces
@pytest.mark.parametrize("seed", [1, 2])
async def test_kill_9_loses_no_answer_and_repeats_no_reply(tmp_path: Path, seed: int) -> None:
    """The server is killed at odd moments of a registration; the script sends again, as a page does."""
    server = Server(tmp_path)
    await server.start()
    kills = 0

    async def killer() -> None:
        nonlocal kills
        for round_number in range(4):
            await asyncio.sleep(0.15 + ((seed * 7 + round_number * 13) % 10) / 25)
            await server.stop(signal.SIGKILL)
            kills += 1
            await server.start()

    async with aiohttp.ClientSession() as session:
        chat = Chat(session, server.url)
        task = asyncio.ensure_future(killer())
        for what in ["halo", "setuju", "081234567890", "<code>", "<card>", "ya", "3171010101990001", "sma", "phk",
                     "1", "<selfie>", "<head>"]:  # fmt: skip
            await _until_taken(chat, what)
            await asyncio.sleep(0.08)
            if what in {"<card>", "<selfie>", "<head>"}:
                await _until_told(chat)
        await task
        assert chat.last[-1]["key"] == "registration.summary"
        await _until_taken(chat, "ya")
        assert chat.step == "home.menu"
    assert kills == 4
    await server.stop()
    with sqlite3.connect(tmp_path / "test.db") as db:
        assert db.execute("SELECT count(*) FROM person").fetchone() == (1,)
        repeated = "SELECT count(*) FROM (SELECT inbound_id, position FROM outbox GROUP BY 1, 2 HAVING count(*) > 1)"
        assert db.execute(repeated).fetchone() == (0,)
        assert db.execute("SELECT count(*) FROM outbox WHERE key = 'registration.selfie_accepted'").fetchone() == (1,)
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    db.close()


async def _until_taken(chat: Chat, what: str) -> None:
    """Send until it is taken; a server that is killed again and again takes its time to start on a busy machine."""
    message_id = secrets.token_hex(8)
    async with asyncio.timeout(90):
        while True:
            try:
                await _send(chat, message_id, what)
            except (aiohttp.ClientError, ConnectionError, json.JSONDecodeError):
                await asyncio.sleep(0.05)
            else:
                return


async def _send(chat: Chat, message_id: str, what: str) -> None:
    match what:
        case "<code>":
            await chat.post(message_id, text=await chat.code())
        case "<card>":
            await chat.photo(card(), message_id)
        case "<selfie>":
            await chat.photo(selfie(), message_id)
        case "<head>":
            await chat.photo(head(chat.last[-1]["key"].endswith("left")), message_id)
        case _:
            await chat.post(message_id, text=what)


async def _until_told(chat: Chat) -> None:
    """Wait for what the photo task came to, through restarts."""
    for _ in range(400):
        try:
            if await chat.wait(5):
                return
        except (aiohttp.ClientError, ConnectionError, json.JSONDecodeError):
            await asyncio.sleep(0.05)
    raise TimeoutError


async def test_sigterm_ends_within_seconds(tmp_path: Path) -> None:
    async with serving(tmp_path) as server, aiohttp.ClientSession() as session:
        chat = Chat(session, server.url)
        await chat.post(text="halo")
        poll = asyncio.ensure_future(chat.wait(25))
        await asyncio.sleep(0.3)
        assert await server.stop() == 0
        poll.cancel()
        await asyncio.gather(poll, return_exceptions=True)


async def test_doctor_and_a_wrong_setting(tmp_path: Path) -> None:
    server = Server(tmp_path)

    async def run(*command: str, **settings: str) -> tuple[int, str]:
        environment = {**server.environment, **settings}
        import sys  # noqa: PLC0415

        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bot", *command, env=environment, cwd=tmp_path,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        out, _ = await process.communicate()
        return process.returncode or 0, out.decode()

    code, text = await run("doctor")
    assert (code, "run `gelombang migrate`" in text) == (1, True)
    assert (await run("migrate"))[0] == 0
    code, text = await run("doctor")
    assert (code, "tables up to date" in text, "sface" in text) == (0, True, True)
    code, text = await run("doctor", GELOMBANG_TELEGRAM_TOKEN="1:x", GELOMBANG_TELEGRAM_MODE="webhook")
    assert (code, "GELOMBANG_PUBLIC_URL" in text) == (1, True)
    code, text = await run("serve", GELOMBANG_PORT="many")
    assert (code, "GELOMBANG_PORT" in text, "Traceback" in text) == (2, True, False)
    with sqlite3.connect(tmp_path / "test.db") as writer:
        writer.execute("BEGIN IMMEDIATE")  # somebody else writes, and does not stop
        url = f"sqlite://{tmp_path}/test.db?busy_timeout=100"
        code, text = await run("figures", "--quiet", GELOMBANG_DATABASE_URL=url)
    assert (code, "busy" in text, "Traceback" in text) == (2, True, False)


def _single_requests() -> aiohttp.ClientSession:
    """A client that opens a connection for each request: the server closes those that brought broken bodies."""
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True))


async def test_broken_bodies_and_stalled_uploads_harm_nobody(tmp_path: Path) -> None:
    async with serving(tmp_path) as server, _single_requests() as session:
        url = f"{server.url}/chat/api/messages"
        for content_type in ("application/json", "multipart/form-data; boundary=x"):
            headers = {"content-type": content_type, "content-encoding": "gzip"}
            async with session.post(url, data=b"no gzip", headers=headers, compress=False) as answer:
                assert 400 <= answer.status < 500
        for part in (b"Content-Disposition\0: x", b"X: " + b"y" * 20_000, b"nonsense"):
            headers = {"content-type": "multipart/form-data; boundary=x"}
            async with session.post(url, data=b"--x\r\n" + part + b"\r\n\r\nz\r\n--x--\r\n", headers=headers) as answer:
                assert 400 <= answer.status < 500, part[:20]
        stalled = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(12)]
        for _, writer in stalled:
            writer.write(
                b"POST /chat/api/messages HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n"
                b"Content-Type: multipart/form-data; boundary=x\r\n\r\n--x\r\n"
            )
        chat = Chat(session, server.url)
        await chat.post(text="halo")
        async with asyncio.timeout(5):
            assert await chat.photo(_jpeg((300, 300))) == ["registration.consent_needed"]
        assert not (tmp_path / "media").exists(), "a photo was kept that nobody asked for"
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"GET /chat/api/messages?chat=secret-chat\0 HTTP/1.1\r\nHost: x\r\n\r\n")
        await reader.read(100)
        for _, each in [*stalled, (reader, writer)]:
            each.close()
            await each.wait_closed()
        assert "secret-chat" not in server.log
        assert "Traceback" not in server.log
