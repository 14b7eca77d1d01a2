"""The page on which staff decide cases, in a real Chromium."""

from pathlib import Path

import pytest
from aiohttp import ClientSession
from aiohttp.test_utils import TestServer
from playwright.async_api import Page, expect
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.transactions import in_transaction

from bot.gateways.media import MediaFolder
from bot.review import ReviewPage
from domain.trainings import purchases
from domain.verification.actions import layers, review
from handlers.conversation import Photo
from models.enums import Decision, Layer
from models.person import Person as PersonRow
from models.verification import ReviewCase, ReviewVote, VerificationTask
from tests.conftest import FACES, needs_faces
from tests.e2e.test_page import needs_chromium, page, picture
from tests.handlers.talk import GOOD, NOON, Person, engine_on
from tests.handlers.test_trainings import provider_does, selected

__all__ = ["page"]


async def two_people_with_one_face(db: BaseDBAsyncClient, media: MediaFolder) -> ReviewCase:
    """Two registrations with photos, and the case about them."""
    async with engine_on(db) as engine:
        for address, phone in (("a", "0812 3456 789"), ("b", "0812 9999 999")):
            person = Person(engine, address)
            person.selfie_photo = address * 32
            await person.reach("home.menu", phone=phone)
    for photo, name in (("a" * 32, "p000_0"), ("b" * 32, "p000_1"), ("c" * 32, "p005_0"), ("t" * 32, "p000_1")):
        await media.save(photo, (FACES / "images" / f"{name}.jpg").read_bytes())
    first, second = await PersonRow.all().order_by("id")
    await review.open_case(second.id, Layer.UNIQUE, "layer.unique_review", b"e", NOON, others=[first.id])
    return await ReviewCase.get()


@needs_faces
@needs_chromium
async def test_a_case_is_looked_at_and_decided_by_two(page: Page, db: BaseDBAsyncClient, tmp_path: Path) -> None:
    media = MediaFolder(tmp_path / "media")
    case = await two_people_with_one_face(db, media)
    for staff, left in (("Ani", 1), ("Budi", 0)):
        desk = ReviewPage(staff, media)
        async with TestServer(desk.application()) as server:
            await page.goto(str(server.make_url(desk.entrance)))
            await expect(page.locator("h1")).to_have_text("1 open case")
            await picture(page, f"review-queue-{staff}")
            await page.get_by_role("link", name=str(case.id), exact=True).click()
            await expect(page.locator("h1")).to_contain_text("registered under another NIK")
            for image in await page.locator("figure img").all():
                assert await image.evaluate("image => image.decode().then(() => image.naturalWidth > 0)")
            assert await page.locator("section.person").count() == 2
            assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
            await page.get_by_role("button", name="Reject").click()
            await expect(page.locator(".said")).to_contain_text("needs words")
            await picture(page, f"review-case-{staff}")
            await page.locator("#words").fill("Wajah ini sudah terdaftar dengan NIK lain.")
            await page.get_by_role("button", name="Reject").click()
            await expect(page.locator(".said")).to_have_text("Your decision is kept.")
            await expect(page.locator("h1")).to_have_text(f"{left} open case{'' if left == 1 else 's'}")
    assert (await ReviewCase.get()).decision == Decision.REJECT
    assert [vote.staff for vote in await ReviewVote.all().order_by("id")] == ["Ani", "Budi"]
    assert (await VerificationTask.get(person_id=case.person_id)).asked == 2
    assert await layers.claim_verification(NOON) is not None


async def test_nothing_is_shown_or_decided_without_the_link(db: BaseDBAsyncClient, tmp_path: Path) -> None:
    desk = ReviewPage("Ani", MediaFolder(tmp_path))
    async with TestServer(desk.application()) as server, ClientSession() as http:
        for method, path in (("GET", "/"), ("GET", "/cases/1"), ("POST", "/cases/1"), ("GET", "/photos/ab"),
                             ("GET", "/enter/guess")):  # fmt: skip
            async with http.request(method, server.make_url(path)) as answer:
                assert answer.status == 403, path
                assert "form-action 'self'" in answer.headers["Content-Security-Policy"]


async def test_a_form_from_elsewhere_or_broken_decides_nothing(db: BaseDBAsyncClient, tmp_path: Path) -> None:
    desk = ReviewPage("Ani", MediaFolder(tmp_path))
    async with TestServer(desk.application()) as server, ClientSession() as http:
        cookie = {"Cookie": f"review={desk.entrance.rpartition('/')[2]}"}
        url = server.make_url("/cases/1")
        for data, status in (
            ({"decision": "accept"}, 403),
            ({"decision": "perhaps", "token": desk.entrance.rpartition("/")[2]}, 400),
            (b"\xff", 400),
        ):
            async with http.post(url, data=data, headers=cookie) as answer:
                assert answer.status == status
        async with http.get(url, headers=cookie) as answer:
            assert answer.status == 404
        async with http.get(server.make_url("/photos/abcdef"), headers=cookie) as answer:
            assert answer.status == 404


@pytest.mark.parametrize("reason", ["nik_known", "card_unread"])
async def test_a_signal_is_rejected_only_by_two_and_then_counts(db: BaseDBAsyncClient, reason: str) -> None:
    async with engine_on(db) as engine:
        await Person(engine, "a").reach("home.menu")
    person = await PersonRow.get()
    await review.open_case(person.id, Layer.UNIQUE, reason, b"e", NOON, hidden=True)
    case = await ReviewCase.get()
    assert await layers.decide(case.id, "Ani", Decision.REJECT, "Data tidak benar.", NOON) is None
    assert await layers.decide(case.id, "Budi", Decision.REJECT, "Data tidak benar.", NOON) == Decision.REJECT
    assert review.decision_on(await review.cases_of(person.id), Layer.UNIQUE, b"anything") == Decision.REJECT


@needs_faces
@needs_chromium
async def test_a_certificate_is_looked_at_and_accepted(page: Page, db: BaseDBAsyncClient, tmp_path: Path) -> None:
    media = MediaFolder(tmp_path / "media")
    await media.save("d" * 32, (FACES / "images" / "p000_0.jpg").read_bytes())
    async with selected(db) as (person, _):
        row = await PersonRow.all().get()
        async with in_transaction():
            await purchases.buy(row.id, 3, 250_000, NOON)
        await provider_does("commit")
        await person.say("pelatihan saya")
        await person.press("certificate")
        await person.send(photo=Photo("d" * 32, GOOD))
        desk = ReviewPage("Ani", media)
        async with TestServer(desk.application()) as server:
            await page.goto(str(server.make_url(desk.entrance)))
            await page.get_by_role("link", name="Certificate 1").click()
            await expect(page.locator("h1")).to_contain_text("Microsoft Excel")
            await expect(page.locator("dl")).to_contain_text("Siti Aminah")
            image = page.locator("figure img")
            assert await image.evaluate("image => image.decode().then(() => image.naturalWidth > 0)")
            await picture(page, "certificate")
            await page.get_by_role("button", name="Reject").click()
            await expect(page.locator(".said")).to_contain_text("needs words")
            await page.get_by_role("button", name="Accept").click()
            await expect(page.locator(".said")).to_have_text("Your decision is kept.")
            async with ClientSession() as stranger:
                for path in ("/certificates/1", "/photos/" + "d" * 32):
                    async with stranger.get(server.make_url(path)) as answer:
                        assert answer.status == 403
        await person.say("pelatihan saya")
        assert "Selesai" in person.text
