"""The phone pages of --fake-providers in a real Chromium: begin on Telegram, go on by WhatsApp, a code by SMS."""

from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from tests.e2e.server import serving
from tests.e2e.test_page import needs_chromium, page, picture

__all__ = ["page"]


@pytest.mark.parametrize("page", [(390, 844)], indirect=True, ids=["phone"])
@needs_chromium
async def test_one_conversation_on_two_phones_pages(page: Page, tmp_path: Path) -> None:
    async with serving(tmp_path, "--fake-providers") as server:

        async def hears(words: str) -> None:
            await expect(page.locator(".bubble:not(.mine)", has_text=words).last).to_be_visible(timeout=20_000)

        async def say(text: str, then: str) -> None:
            await page.locator("#text").fill(text)
            await page.keyboard.press("Enter")
            await hears(then)

        await page.goto(f"{server.url}/phones/telegram")
        await say("halo", "Halo!")
        await page.get_by_role("button", name="Setuju, mulai").click()
        await hears("nomor")
        await page.locator(".choices button").last.click()
        await hears("Kirim foto KTP")
        await picture(page, "phones-telegram")
        await page.get_by_role("link", name="WhatsApp").click()
        await say("halo", "Halo!")
        await say("1", "Kirim foto KTP")
        await picture(page, "phones-whatsapp")
        await page.get_by_role("link", name="SMS").click()
        await expect(page.locator("#who")).to_contain_text("+62812")
        await expect(page.locator("#form")).to_be_hidden()
