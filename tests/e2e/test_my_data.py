"""DATA SAYA as a person sees it: the link from the chat, the birth date, the page and the file, in Chromium."""

import re
from pathlib import Path

import aiohttp
import pytest
from playwright.async_api import Page, expect

from tests.conftest import needs_faces
from tests.e2e.people import SITI, selfie
from tests.e2e.server import Chat, serving
from tests.e2e.test_page import needs_chromium, page, picture

__all__ = ["page"]


@needs_faces
@needs_chromium
@pytest.mark.parametrize("page", [(390, 844)], ids=["phone"], indirect=True)
async def test_somebody_reads_and_keeps_their_data(page: Page, tmp_path: Path) -> None:
    async with serving(tmp_path) as server, aiohttp.ClientSession() as http:
        chat = Chat(http, server.url)
        await chat.register()
        await chat.photo(selfie())
        await chat.wait()
        await chat.turn_head()
        await chat.post(text="ya")
        assert await chat.post(text="data saya") == ["privacy.my_data"]
        assert "Foto yang masih disimpan: 3" in chat.last[0]["text"]
        assert SITI.nik not in chat.last[0]["text"]
        assert await chat.post(text="unduh berkas data saya") == ["privacy.file_ready"]
        link = re.search(r"http://\S+#\S+", chat.last[0]["text"])
        assert link

        await page.goto(link[0])
        await expect(page.locator("#form")).to_be_visible()
        assert "#" not in page.url  # the token leaves the address at once
        await page.fill("#birth", "1-1-1991")
        await page.click("button")
        await expect(page.locator("#said")).to_contain_text("Tanggal lahir tidak cocok")
        await picture(page, "my-data-wrong")
        await page.fill("#birth", f"{SITI.birth_date:%d-%m-%Y}")
        await page.click("button")
        frame = page.frame_locator("#shown")
        await expect(frame.locator("h1")).to_have_text("Data saya")
        text = await frame.locator("body").inner_text()
        for expected in ("Data diri", "Persetujuan Anda", SITI.nik, "Siapa yang melihat"):
            assert expected in text
        assert await frame.locator("img").count() == 3
        width = await frame.locator("img").first.evaluate("image => image.naturalWidth")
        assert width > 100  # the photo itself, sealed on the server
        await picture(page, "my-data")
        async with page.expect_download() as waiting:
            await page.click("#save")
        kept = Path(await (await waiting.value).path()).read_text()  # noqa: ASYNC240
        assert SITI.nik in kept
        assert SITI.nik not in server.log


@needs_faces
async def test_the_page_gives_nothing_to_who_has_no_link(tmp_path: Path) -> None:
    async with serving(tmp_path) as server, aiohttp.ClientSession() as http:
        for body, status in (
            ({"token": "made-up", "birth_date": "15-08-1990"}, 403),
            ({"token": "made-up", "birth_date": "besok"}, 403),
            ({"token": "made-up"}, 400),
            ([], 400),
        ):
            async with http.post(f"{server.url}/my-data/file", json=body) as answer:
                assert answer.status == status
                assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        async with http.get(f"{server.url}/my-data/page/file.html") as answer:
            assert answer.status == 404
