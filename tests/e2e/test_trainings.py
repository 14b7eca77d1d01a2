"""From the first search to the provider's report: the page in a real Chromium, the commands, a partner's client."""

import asyncio
import re
import sys
from datetime import date
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from tests.conftest import needs_faces
from tests.e2e.server import ROOT, Server, serving, with_bank
from tests.e2e.test_draws import gelombang
from tests.e2e.test_page import answer, hears, needs_chromium, page, picture, press, register

__all__ = ["page"]


async def link_account(page: Page) -> None:
    """REKENING: a wallet with one's own number, a code by SMS."""
    await answer(page, "rekening", "Ke mana uang Anda dikirim?")
    await picture(page, "money-1-where")
    await press(page, "OVO", "Ketik nomor HP")
    await page.locator(".choices:not(.old) button", has_text="Nomor saya").click()
    await hears(page, "Kami kirim kode lewat SMS")
    await picture(page, "money-2-code")
    await expect(page.locator("#outbox-list li")).to_have_count(2)  # the newest is on top
    sent = await page.locator("#outbox-list li").all_text_contents()
    found = re.findall(r"\b\d{6}\b", " ".join(sent))
    await answer(page, found[0], "Uang Anda akan kami kirim")
    await picture(page, "money-3-linked")


async def pay(server: Server, number: int, kind: str, *which: str) -> None:
    """A batch from beginning to end, by two members of staff; one process gives all commands."""
    commands = [
        ["payouts", "prepare", kind, *which, "--staff", "ani"],
        *(["payouts", step, str(number), "--staff", by] for step, by in (("check", "ani"), ("approve", "budi"))),
        ["payouts", "start", str(number), "--staff", "budi"],
        ["payouts", "watch", str(number)],
        *(["payouts", step, str(number), "--staff", "ani"] for step in ("reconcile", "close")),
    ]
    program = f"import sys\nfrom bot.cli import main\nsys.exit(sum(main(each) for each in {commands!r}))"
    code, said = await python(server, "-c", program)
    assert code == 0, said
    for words in (f"added to batch {number}", "all are final", "closed"):
        assert words in said, said


async def partner(server: Server, *arguments: str) -> tuple[int, str]:
    """The example of a partner's client, as a process of its own."""
    return await python(server, str(ROOT / "examples" / "training_provider.py"), *arguments)


async def python(server: Server, *arguments: str) -> tuple[int, str]:
    """A Python process beside a server: its exit code and what it says."""
    environment = {**server.environment, "GELOMBANG_PUBLIC_URL": server.url}
    process = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, env=environment, cwd=server.folder,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await process.communicate()
    return process.returncode or 0, said.decode()


@pytest.mark.parametrize("page", [(390, 844)], indirect=True, ids=["phone"])
@needs_faces
@needs_chromium
async def test_a_barista_course_from_search_to_report(page: Page, tmp_path: Path) -> None:  # noqa: PLR0915 - one way
    async with serving(tmp_path, **with_bank()) as server:
        await page.goto(server.url)
        await register(page)
        code, said = await gelombang(server, "sample", "--select")
        assert (code, "1 selected" in said) == (0, True), said
        await hears(page, "Selamat, Anda terpilih")
        await link_account(page)
        await pay(server, 1, "balance", "--wave", "2")
        await hears(page, "sudah masuk ke rekening Anda")
        await answer(page, "saldo", "Saldo pelatihan: Rp1.000.000")
        await picture(page, "money-4-balance")
        await answer(page, "pelatihan", "1.500 pelatihan")
        await picture(page, "trainings-1-list")
        await answer(page, "barsita", "Paling cocok dulu")
        await press(page, "🔎 Saring", "Saring menurut apa?")
        await press(page, "Online atau tatap muka", "Online atau tatap muka:")
        await press(page, "tatap muka", "tatap muka · saldo")
        await press(page, "Urutkan", "Tidak ada yang bisa membayar")
        await picture(page, "trainings-2-sort")
        await press(page, "Terdekat dulu", "Terdekat dulu")
        await picture(page, "trainings-3-near")
        await page.locator(".choices:not(.old) button", has_text="Barista").first.click()
        await hears(page, "Data contoh")
        await picture(page, "trainings-4-card")
        await press(page, "Beli", "Sisa saldo")
        await picture(page, "trainings-5-confirm")
        await press(page, "Ya, beli", "Kode redeem")
        await picture(page, "trainings-6-bought")
        bubbles = " ".join(await page.locator(".bubble").all_text_contents())
        found = re.search(r"Kode redeem:\s+([A-Z0-9-]{19})", bubbles)
        assert found
        code, said = await gelombang(server, "certificates", "list")
        assert (code, said) == (0, "")
        provider = await _provider_of(server)
        code, said = await gelombang(server, "providers", "add", provider)
        assert code == 0, said
        key = re.search(r"sign_key +(\S+)", said)
        assert key
        code, said = await partner(server, "status", provider, key[1], found[1].lower())
        assert (code, '"status": 0' in said) == (0, True), said
        code, said = await partner(server, "commit", provider, key[1], found[1])
        assert (code, '"status": 1' in said) == (0, True), said
        done = ("progress=100", "certificate_number=S-1", "score=90")
        code, said = await partner(server, "completion", provider, key[1], found[1], *done)
        assert code == 0, said
        assert (await partner(server, "commit", provider, "wrong", found[1]))[0] == 1
        await hears(page, "Beri bintang dan ulasan sekarang")
        await answer(page, "pelatihan saya", "Selesai")
        await press(page, "Beri bintang dan ulasan", "Berapa bintang")
        await press(page, "Sangat baik", "Sekarang tulis ulasan")
        await answer(page, "Pengajarnya sabar, alat kopinya lengkap", "Ulasan Anda sudah dihitung")
        await hears(page, "insentif Anda sekarang berjalan")
        await picture(page, "trainings-7-reviewed")
        await answer(page, "saldo", "dengan pembayaran berikutnya")
        await pay(server, 2, "incentive")
        await hears(page, "Rp600.000 sudah masuk")
        await answer(page, "saldo", "✅ Rp600.000 insentif")
        await picture(page, "money-5-incentive")
        await answer(page, "survei", "Seberapa berguna")
        for text, then in (("5", "Seberapa jelas"), ("4", "berlatih langsung"), ("sering", "menyulitkan")):
            await answer(page, text, then)
        await press(page, "Tidak ada", "menyulitkan")
        await picture(page, "trainings-8-survey")
        await press(page, "Sudah, lanjut", "menyarankan")
        await answer(page, "ya", "Rp50.000")
        await pay(server, 3, "incentive")
        await hears(page, "Rp50.000 sudah masuk")
        code, said = await gelombang(
            server, "settlement", "account", provider, "--institution", "bca", "--number", "1234567890",
            "--holder", "PT Lembaga",
        )  # fmt: skip
        assert (code, "bca ••••7890" in said) == (0, True), said
        await pay(server, 4, "settlement")
        code, said = await gelombang(server, "settlement", "owed")
        assert (code, "1 redeemed" in said, "owed Rp               0" in said) == (0, True, True), said
        await pay(server, 5, "collection")
        today = date.today().isoformat()  # noqa: DTZ011 - a day more or less does not matter
        first, last = f"{today[:4]}-01-01", f"{today[:4]}-12-31"
        folder = tmp_path / "report"
        code, said = await gelombang(
            server, "providers", "report", "--first", first, "--last", last, "--out", str(folder)
        )
        assert code == 0, said
        assert provider.removeprefix("lp0").lstrip("0") in (folder / "providers.csv").read_text()
        code, said = await gelombang(server, "ledger", "check")
        assert (code, said.strip()) == (0, "the ledger is right: every balance is the sum of its postings")
        code, said = await gelombang(server, "surveys", "export", "1-after-training", str(tmp_path / "one.parquet"))
        assert (code, "1 answers" in said) == (0, True), said
        assert found[1].replace("-", "") not in server.log
        assert key[1] not in server.log
        await expect(page.locator("#offline")).to_be_hidden()


async def _provider_of(server: Server) -> str:
    """The provider of what was bought, as an operator would look it up."""
    program = (
        "import asyncio\n"
        "from bot.settings import Settings\n"
        "from models import crypto\n"
        "from models.database import database\n"
        "from models.training import Purchase\n"
        "async def main():\n"
        "    settings = Settings()\n"
        "    crypto.use(settings.keyring())\n"
        "    async with database(settings.database_url):\n"
        "        print((await Purchase.all().prefetch_related('training__provider'))[0].training.provider.code)\n"
        "asyncio.run(main())\n"
    )
    return (await python(server, "-c", program))[1].strip()
