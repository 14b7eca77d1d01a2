"""Staff at work on their page: the real server and a real Chromium; commands, and the log they leave."""

import csv
import hashlib
import json
import re
import signal
import sqlite3
import time
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
from tests.e2e.staff import counted, invitation, put_people, secret_in, until
from tests.e2e.test_draws import gelombang
from tests.e2e.test_page import answer, hears, needs_chromium, page, picture, press

__all__ = ["page"]


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
        with pytest.raises(sqlite3.IntegrityError):  # the database itself refuses it
            connection.execute("DELETE FROM audit_entry WHERE number = 9")
        connection.execute("DROP TRIGGER audit_entry_no_update")  # as whoever has its password may
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
