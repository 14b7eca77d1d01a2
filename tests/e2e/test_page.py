"""The chat page in a real Chromium: a whole registration, with the keyboard and on a phone's screen.

Set GELOMBANG_SCREENSHOTS to a folder to look at what was shown.
"""

import os
import re
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import FilePayload, Page, async_playwright, expect

from tests.conftest import needs_faces
from tests.e2e.people import card, head, selfie
from tests.e2e.server import serving

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: apt-get install chromium")


@pytest.fixture(params=[(390, 844), (1280, 900)], ids=["phone", "desk"])
async def page(request: pytest.FixtureRequest) -> AsyncIterator[Page]:
    width, height = request.param
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        context = await browser.new_context(viewport={"width": width, "height": height})
        opened = await context.new_page()
        opened.on("pageerror", lambda error: pytest.fail(str(error)))
        yield opened
        await browser.close()


def photo(name: str, content: bytes) -> FilePayload:
    return {"name": f"{name}.jpg", "mimeType": "image/jpeg", "buffer": content}


async def picture(page: Page, name: str) -> None:
    folder = os.environ.get("GELOMBANG_SCREENSHOTS")
    if folder and page.viewport_size:
        await page.screenshot(path=Path(folder) / f"{page.viewport_size['width']}-{name}.png")


async def answer(page: Page, text: str, then: str) -> None:
    """Type with the keyboard and wait for the bot's words."""
    await page.locator("#text").fill(text)
    await page.keyboard.press("Enter")
    await hears(page, then)


async def hears(page: Page, words: str) -> None:
    await expect(page.locator(".row:not(.mine) .bubble", has_text=words).last).to_be_visible(timeout=20_000)


async def press(page: Page, label: str, then: str) -> None:
    await page.locator(".choices:not(.old) button", has_text=label).click()
    await hears(page, then)


async def register(page: Page) -> None:
    """A whole registration, as short as it goes, from the first hello to the ticket."""
    await hears(page, "Halo!")
    await picture(page, "1-welcome")
    await press(page, "Setuju, mulai", "Nomor HP Anda?")
    await answer(page, "0812 3456 7890", "Kode 6 angka")
    await expect(page.locator("#outbox-list li")).to_have_count(1)
    found = re.search(r"\b\d{6}\b", await page.locator("#outbox-list li").first.text_content() or "")
    assert found
    await picture(page, "2-code")
    await answer(page, found[0], "Kirim foto KTP")
    await page.locator("#file").set_input_files(photo("ktp", card()))
    await hears(page, "Ini yang kami baca")
    await picture(page, "3-card")
    await press(page, "Semua benar", "Nomor Kartu Keluarga")
    await answer(page, "3171010101990001", "Pendidikan terakhir")
    await press(page, "SMA/SMK", "keadaan kerja")
    await press(page, "Kena PHK", "paling Anda minati")
    await press(page, "Komputer", "Sekarang selfie")
    await page.locator("#camera").set_input_files(photo("selfie", selfie()))
    await hears(page, "Satu selfie lagi")
    await picture(page, "4-turn")
    left = await page.locator(".bubble", has_text="ke KIRI Anda").count() > 0
    await page.locator("#camera").set_input_files(photo("menoleh", head(left)))
    await hears(page, "Periksa data Anda")
    await picture(page, "5-summary")
    await press(page, "Benar, gabung", "Nomor undian Anda")


@needs_faces
@needs_chromium
async def test_register_in_the_browser_and_come_back(page: Page, tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        await page.goto(server.url)
        await register(page)
        again = await page.context.new_page()
        await page.close()
        await again.goto(server.url)
        await press(again, "Lihat status", "Pemeriksaan data")
        await picture(again, "6-status")


@needs_chromium
async def test_the_page_can_be_used_without_a_mouse_or_eyes(page: Page, tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        await page.goto(server.url)
        await hears(page, "Halo!")
        await expect(page.get_by_role("log")).to_have_attribute("aria-live", "polite")
        for name in ("Kirim", "Kirim foto dari galeri", "Ambil foto"):
            await expect(page.get_by_role("button", name=name, exact=True)).to_be_visible()
        await expect(page.get_by_label("Tulis pesan")).to_be_visible()
        await page.get_by_role("button", name="English").focus()
        await page.keyboard.press("Enter")
        await hears(page, "Hello!")
        await expect(page.locator("html")).to_have_attribute("lang", "en")
        await expect(page.get_by_label("Write a message")).to_be_visible()


@needs_chromium
async def test_an_answer_written_while_the_server_is_away_arrives_once(page: Page, tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        await page.goto(server.url)
        await hears(page, "Halo!")
        await server.stop()
        await page.locator("#text").fill("setuju")
        await page.keyboard.press("Enter")
        await expect(page.locator("#offline")).to_be_visible()
        await server.start()
        await hears(page, "Nomor HP Anda?")
        await expect(page.locator("#offline")).to_be_hidden()
        await expect(page.locator(".row:not(.mine) .bubble", has_text="Nomor HP Anda?")).to_have_count(1)


@needs_chromium
async def test_a_link_of_an_sms_that_is_over_says_so_and_the_chat_goes_on(page: Page, tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        await page.goto(f"{server.url}/l#ABCDEFGHJK")
        await hears(page, "Tautan itu sudah dipakai")
        await hears(page, "Halo!")
        assert page.url == f"{server.url}/"
        await picture(page, "7-link-over")
