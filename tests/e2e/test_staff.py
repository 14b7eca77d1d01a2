"""Staff at work: the real server, the page in a real Chromium, Telegram on loopback, and a kill -9 in a broadcast.

REHEARSAL_PEOPLE sets how many people the broadcasts go to (default: 6,000).
"""

import asyncio
import csv
import hashlib
import json
import os
import re
import signal
import sqlite3
import time
from collections import Counter
from pathlib import Path

import aiohttp
import pyotp
import pytest
from playwright.async_api import Page, expect

from bot.gateways.media import MediaFolder
from bot.settings import Settings
from domain import clock
from domain.verification.actions import review
from models import crypto
from models.database import database
from models.enums import Channel, Layer
from models.person import FaceCheck
from models.person import Person as Row
from tests.conftest import FACES, needs_faces
from tests.e2e.server import Server, serving
from tests.e2e.staff import StaffChat, StaffPhone, invitation, secret_in
from tests.e2e.test_draws import gelombang
from tests.e2e.test_page import answer, hears, needs_chromium, page, picture, press
from tests.peers.telegram import telegram_peer
from tests.staff.crowd import crowd

__all__ = ["page"]

PEOPLE = int(os.environ.get("REHEARSAL_PEOPLE", "6000"))
APPLICANTS, STAFF = "42:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "43:BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB"


async def put_people(server: Server, count: int, channel: Channel) -> list[str]:
    """A crowd in a server's database, which its process must not have open."""
    settings = Settings(
        database_url=server.environment["GELOMBANG_DATABASE_URL"], key_file=Path(f"{server.folder}/keys")
    )
    crypto.use(settings.keyring())
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


async def until(condition: object, seconds: float = 60) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # type: ignore[operator]  # noqa: ASYNC110 - of another process's database
            await asyncio.sleep(0.1)


async def written(sari: StaffChat) -> None:
    """A broadcast in two languages to two of the three provinces that people live in."""
    await sari.say("/siaran")
    await sari.press("new")
    await sari.press("field_regions")
    await sari.say("31 32")
    await sari.press("write")
    assert await sari.say("Halo {nama}, kantor tutup besok.", "Hello {nama}, the office is closed tomorrow.") == [
        "staff.broadcast_card"
    ]


async def test_a_broadcast_is_paused_its_worker_killed_and_resumed_and_everybody_reads_it_once(tmp_path: Path) -> None:
    all_day = {"SMS_FROM_HOUR": "0", "SMS_UNTIL_HOUR": "24"}
    async with serving(tmp_path, **all_day) as server, aiohttp.ClientSession() as session:
        sari, budi = (StaffChat(session, server.url) for _ in range(2))
        await sari.enter(await invitation(server, "sari", "broadcaster"))
        await budi.enter(await invitation(server, "budi", "broadcaster"))
        await server.stop(signal.SIGTERM)
        await put_people(server, PEOPLE, Channel.BROWSER)
        await server.start()
        await written(sari)
        await until(lambda: counted(server, "SELECT 1 FROM broadcast WHERE status = 'ready'"))
        await sari.press("show_1")
        meant = PEOPLE - PEOPLE // 3 if PEOPLE % 3 != 2 else PEOPLE - PEOPLE // 3 - 1
        assert f"{sum(by_status(server).values()):,}".replace(",", ".") in sari.text
        assert abs(sum(by_status(server).values()) - meant) <= 1
        assert await sari.press("submit_1") == ["staff.broadcast_card"]
        await budi.say("/siaran")
        await budi.press("show_1")
        await budi.press("approve_1")
        await budi.press("start_1")
        card = budi.last[-1]["id"]
        await until(lambda: by_status(server)["sent"] > PEOPLE // 10)
        status, live = await budi.get(f"/{card}")
        assert (status, b"\xe2\x96\x88" in live) == (200, True)  # a bar that grows
        await budi.press("pause_1")
        await asyncio.sleep(0.5)
        held = by_status(server)["sent"]
        await server.stop(signal.SIGKILL)
        await server.start()
        await asyncio.sleep(3)
        assert by_status(server)["sent"] == held  # a pause outlives its process
        assert held < sum(by_status(server).values())
        await budi.say("/siaran")
        await budi.press("show_1")
        await budi.press("resume_1")
        await asyncio.sleep(0.3)
        await server.stop(signal.SIGKILL)  # once more, in full flight
        await server.start()
        await until(lambda: counted(server, "SELECT 1 FROM broadcast WHERE status = 'done'"), 120)
        read = counted(
            server,
            "SELECT COUNT(*), COUNT(DISTINCT conversation_id), SUM(language = 'en') FROM outbox "
            "WHERE key = 'notice.broadcast'",
        )
        total = sum(by_status(server).values())
        assert by_status(server) == Counter({"sent": total})
        assert read[0][:2] == (total, total)
        assert abs(int(str(read[0][2])) - total // 2) <= 1
        code, said = await gelombang(server, "audit", "verify")
        assert code == 0, said


async def test_on_telegram_a_kill_in_full_flight_tells_nobody_twice(tmp_path: Path) -> None:
    async with telegram_peer() as peer:
        settings = {
            "TELEGRAM_TOKEN": APPLICANTS, "STAFF_TELEGRAM_TOKEN": STAFF, "TELEGRAM_API_URL": peer.url,
            "TELEGRAM_PACE": "150", "SMS_FROM_HOUR": "0", "SMS_UNTIL_HOUR": "24",
        }  # fmt: skip
        async with serving(tmp_path, **settings) as server:
            sari, budi = StaffPhone(peer, 901), StaffPhone(peer, 902)
            await sari.enter(await invitation(server, "sari", "broadcaster"))
            await budi.enter(await invitation(server, "budi", "broadcaster"))
            await server.stop(signal.SIGTERM)
            chats = await put_people(server, 900, Channel.TELEGRAM)
            await server.start()
            await sari.say("/siaran", "Siaran. Menunggu")
            await sari.press("Siaran baru", "Untuk siapa?")
            await sari.press("Wilayah", "Wilayah?")
            await sari.say("31 32", "Jawa Barat")
            await sari.press("tulis pesan", "Bahasa Indonesia")
            await sari.say("Halo {nama}, besok libur.", "Bahasa Inggris")
            await sari.say("Hello {nama}, tomorrow is a holiday.", "Siaran #1")
            await until(lambda: counted(server, "SELECT 1 FROM broadcast WHERE status = 'ready'"))
            await sari.say("/siaran", "Siaran. Menunggu")
            await sari.press("#1", "siap diajukan")
            await sari.press("Ajukan", "menunggu persetujuan")
            await budi.say("/siaran", "Menunggu persetujuan Anda: 1")
            await budi.press("#1", "menunggu persetujuan")
            await budi.press("Setujui", "disetujui")
            await budi.press("Kirim sekarang", "sedang dikirim")

            def told() -> Counter[str]:
                return Counter(m["chat_id"] for m in peer.sent if "libur" in m["text"] or "holiday" in m["text"])

            await until(lambda: len(told()) > 200)
            assert peer.edits  # the card moves while it is looked at
            await server.stop(signal.SIGKILL)
            await server.start()
            await until(lambda: counted(server, "SELECT 1 FROM broadcast WHERE status = 'done'"), 150)
            found, standing = told(), by_status(server)
            twice = {chat: number for chat, number in found.items() if number > 1 and chat in chats}
            assert twice == {}
            assert standing["sent"] + standing["uncertain"] == sum(standing.values())
            assert standing["uncertain"] <= 20
            assert sum(chat in chats for chat in found) >= standing["sent"]


async def sign_in(page: Page, server: Server, token: str) -> str:
    await page.goto(f"{server.url}/staff#{token}")
    await hears(page, "Selamat datang")
    assert "#" not in page.url
    secret = secret_in(await page.locator(".bubble", has_text="secret=").last.inner_text())
    await answer(page, pyotp.TOTP(secret).now(), "Mau mengerjakan apa?")
    return secret


@needs_faces
@needs_chromium
async def test_ten_cases_in_two_minutes_a_chart_a_colleague_and_an_altered_entry(page: Page, tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        token = await invitation(server, "bos", "admin", "reviewer", "auditor")
        await server.stop(signal.SIGTERM)
        await put_people(server, 40, Channel.BROWSER)
        await ten_cases(server)
        assert (await gelombang(server, "figures"))[0] == 0
        await server.start()
        await sign_in(page, server, token)
        await picture(page, "staff-1-menu")

        await press(page, "Periksa kasus", "Kasus #")
        began = time.monotonic()
        for at in range(10):
            images = page.locator(".row").last.locator("img.photo")
            await expect(images).to_have_count(2)
            await expect(images.first).to_have_attribute("src", re.compile("^blob:"))
            assert await images.first.evaluate("image => image.decode().then(() => image.naturalWidth > 0)")
            if not at:
                await picture(page, "staff-2-case")
            await page.keyboard.press("1")  # a digit is a button
            await hears(page, f"✔ #{at + 1}: diterima")
        assert time.monotonic() - began < 120

        await answer(page, "/angka", "Corong program")
        chart = page.locator(".row").last.locator("img")
        await expect(chart).to_have_count(1)
        await expect(chart).to_have_attribute("src", re.compile("^blob:"), timeout=30_000)
        assert await chart.evaluate("image => image.decode().then(() => image.naturalWidth)") > 1000
        await picture(page, "staff-3-funnel")

        await answer(page, "/petugas", "Petugas:")
        await press(page, "Undang petugas", "Siapa yang diundang")
        await answer(page, "rina", "Peran untuk rina")
        await press(page, "pemeriksa", "pemeriksa\n")
        await press(page, "Selesai", "Untuk provinsi mana")
        await press(page, "Seluruh Indonesia", "Undangan untuk rina")
        await picture(page, "staff-4-invited")

        await answer(page, "/audit", "Catatan audit")
        await press(page, "Periksa rantai", "catatan utuh")
        connection = sqlite3.connect(tmp_path / "test.db", timeout=10)
        connection.execute("UPDATE audit_entry SET action = 'case.reject' WHERE number = 9")
        connection.commit()
        connection.close()
        await answer(page, "/audit", "Catatan audit")
        await press(page, "Periksa rantai", "masalah ditemukan")
        await hears(page, "Catatan 9: diubah setelah ditulis")
        await picture(page, "staff-5-altered")
        code, said = await gelombang(server, "audit", "verify")
        assert code == 1
        assert "Entry 9: changed" in said
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")


async def ten_cases(server: Server) -> None:
    """Ten people whose card and selfie are to be looked at, with photos."""
    settings = Settings(
        database_url=server.environment["GELOMBANG_DATABASE_URL"], key_file=Path(f"{server.folder}/keys")
    )
    crypto.use(settings.keyring())
    media, now = MediaFolder(Path(f"{server.folder}/media")), clock.now()
    async with database(settings.database_url):
        for at, person in enumerate(await Row.all().order_by("id").limit(10)):
            photos = [f"{'cs'[which]}{at:031}" for which in range(2)]
            for which, photo in enumerate(photos):
                await media.save(photo, (FACES / "images" / f"p{at:03}_{which}.jpg").read_bytes())
            await Row.filter(id=person.id).update(card_photo_id=photos[0], selfie_photo_id=photos[1])
            await FaceCheck.create(
                conversation_id=1, card_photo_id=photos[0], selfie_photo_id=photos[1], engine="opencv",
                model_sha256=b"", score=0.41, verdict="review", checked_at=now,
            )  # fmt: skip
            await review.open_case(person.id, Layer.FACE, "layer.face_review", b"seen", now)


@pytest.mark.parametrize("path", ["", "?after=0", "/1", "/1/files/0"])
async def test_without_a_secret_of_their_own_nobody_reads_anything(path: str, tmp_path: Path) -> None:
    async with serving(tmp_path) as server, aiohttp.ClientSession() as session:
        for chat in ("", "short", "x" * 32, "é" * 40):
            async with session.get(
                f"{server.url}/staff/api/messages{path}", headers={"X-Chat": chat} if chat.isascii() else {}
            ) as answer:
                assert answer.status in {200, 400, 404}
                assert b"staff." not in await answer.read()


async def test_commands_are_given_by_members_and_stand_in_the_log_that_anybody_can_compute_again(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path) as server, aiohttp.ClientSession() as session:
        await invitation(server, "sari", "wave_manager")
        code, said = await gelombang(server, "waves", "close", "1", "--staff", "budi")
        assert (code, "no active member of staff called budi" in said) == (2, True)
        code, said = await gelombang(server, "waves", "close", "1", "--staff", "Sari")
        assert code == 0, said
        code, said = await gelombang(server, "audit", "export", "log.csv")
        assert code == 0, said
        with (tmp_path / "log.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        assert [row["action"] for row in rows] == ["member.added", "member.invited", "wave.closed"]
        for row in rows:
            hashed = [int(row["number"]), *(row[name] for name in list(row)[1:9])]
            text = json.dumps(hashed, separators=(",", ":"), ensure_ascii=True)
            assert hashlib.sha256(text.encode()).hexdigest() == row["hash"]
            assert hashlib.sha256(row["words"].encode()).hexdigest() == row["words_sha256"]
        assert [row["previous"] for row in rows[1:]] == [row["hash"] for row in rows[:-1]]
        await until(lambda: counted(server, "SELECT 1 FROM audit_head"), 60)
        async with session.get(f"{server.url}/audit/heads.csv") as answer:
            number, digest, _ = (await answer.text()).strip().split(",")
        assert rows[int(number) - 1]["hash"] == digest
        (tmp_path / "kept.csv").write_text(f"{number},{digest}\n")
        code, said = await gelombang(server, "audit", "verify", "--heads", "kept.csv")
        assert code == 0, said
