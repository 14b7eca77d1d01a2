"""In a real Chromium: a bank vouches instead of a selfie, the civil registry disagrees, an appeal is granted."""

import asyncio
import re
import sys
from pathlib import Path

import aiohttp
import pytest
from playwright.async_api import Page

from tests.e2e.people import SITI, card
from tests.e2e.server import ROOT, Server, serving
from tests.e2e.staff import StaffChat, invitation
from tests.e2e.test_page import answer, hears, needs_chromium, page, photo, picture, press

__all__ = ["page"]


async def run(server: Server, *command: str, typed: str = "") -> str:
    """An example or a command beside the server, to its end."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command, cwd=server.folder, env={**server.environment, "GELOMBANG_PUBLIC_URL": server.url},
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    said, _ = await process.communicate(typed.encode())
    return said.decode()


async def code_beside(page: Page) -> str:
    found = re.search(r"\b\d{6}\b", await page.locator("#outbox-list li").first.text_content() or "")
    assert found
    return found[0]


@pytest.mark.parametrize("page", [(390, 844)], indirect=True, ids=["phone"])
@needs_chromium
async def test_a_bank_vouches_and_an_appeal_is_granted(page: Page, tmp_path: Path) -> None:
    example = str(ROOT / "examples" / "kyc_partner.py")
    (tmp_path / "registry.csv").write_text(
        f"nik,kk,name,birth_date\n{SITI.nik},3171010101990009,ORANG LAIN,1980-01-01\n"
    )
    server = Server(tmp_path, REGISTRY_CSV=f"{tmp_path}/registry.csv")
    await run(server, example, "keys")
    partners = f"{tmp_path}/var/example-bank/partners.toml"
    async with serving(tmp_path, REGISTRY_CSV=f"{tmp_path}/registry.csv", KYC_PARTNERS=partners) as server:
        await page.goto(server.url)
        await hears(page, "Halo!")
        await press(page, "Setuju, mulai", "Nomor HP Anda?")
        await answer(page, "0812 3456 7890", "Kode 6 angka")
        await answer(page, await code_beside(page), "Kirim foto KTP")
        await page.locator("#file").set_input_files(photo("ktp", card()))
        await hears(page, "Ini yang kami baca")
        await press(page, "Semua benar", "Nomor Kartu Keluarga")
        await answer(page, "3171010101990001", "Pendidikan terakhir")
        await press(page, "SMA/SMK", "keadaan kerja")
        await press(page, "Kena PHK", "paling Anda minati")
        await press(page, "Komputer", "Sekarang selfie")
        await press(page, "Lewat bank", "Di mana Anda sudah punya akun")
        await press(page, "Bank Contoh", "masukkan kode ini")
        await picture(page, "kyc-reference")
        shown = page.locator(".row:not(.mine) .bubble", has_text="masukkan kode ini").last
        said = await shown.text_content() or ""
        reference = re.search(r"[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4}", said)
        assert reference
        assert "200" in await run(server, example, "vouch", typed=f"{reference[0]}\n{SITI.nik}\n")
        await hears(page, "Periksa data Anda")
        await press(page, "Benar, gabung", "Nomor undian Anda")
        await hears(page, "Ada kabar tentang pemeriksaan")
        await picture(page, "kyc-registry-fails")
        await press(page, "Minta diperiksa lagi", "Permintaan Anda dicatat")
        await staff_accepts(server)
        await hears(page, "Petugas sudah memeriksa")
        await picture(page, "kyc-appeal-granted")


async def staff_accepts(server: Server) -> None:
    """A member of staff decides the case in their bot."""
    async with aiohttp.ClientSession() as session:
        ani = StaffChat(session, server.url)
        await ani.enter(await invitation(server, "ani", "reviewer"))
        assert await ani.say("/periksa") == ["staff.case"]
        assert await ani.press("accept") == ["staff.decided", "staff.no_cases"]
