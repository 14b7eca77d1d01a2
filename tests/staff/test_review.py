"""Cases in the staff bot: locked to one, decided by two where a face alone speaks, ten in two minutes; certificates."""

import pytest
from tortoise.backends.base.client import BaseDBAsyncClient

from domain import regions
from domain.staff import people
from domain.staff.rules import Member
from domain.verification.actions import review
from models.database import writing
from models.enums import Decision, Layer, Role
from models.person import Person as Row
from models.staff import AuditEntry
from models.verification import ReviewCase, ReviewVote
from tests.handlers.talk import NOON, Clock, engine_on
from tests.staff.crowd import crowd
from tests.staff.office import officer


@pytest.fixture(autouse=True)
def _regions() -> None:
    regions.load()


async def cases(count: int, layer: Layer = Layer.NIK) -> list[int]:
    """So many cases of so many people."""
    await crowd(count, NOON)
    for person in await Row.all().order_by("id"):
        await Row.filter(id=person.id).update(card_photo_id="c" * 32, selfie_photo_id="s" * 32)
        await review.open_case(person.id, layer, f"layer.{layer.value}_review", b"seen", NOON)
    return [case.id for case in await ReviewCase.all().order_by("id")]


async def test_ten_cases_by_digits_only(db: BaseDBAsyncClient) -> None:
    clock = Clock()
    async with engine_on(db, clock) as engine:
        await cases(10)
        sari = await officer(engine, clock, "sari", [Role.REVIEWER])
        assert await sari.say("/periksa") == ["staff.case"]
        assert {file.kind for file in sari.last[0].render().files} == {"photo"}
        for at in range(10):
            clock.forward(seconds=9)
            said = await sari.say("1")
            assert said == ["staff.decided", "staff.case" if at < 9 else "staff.no_cases"]
        assert {case.decision for case in await ReviewCase.all()} == {Decision.ACCEPT}
        assert await sari.press("reviewers") == ["staff.reviewers"]
        assert "10 kasus, 9 detik per kasus, 100,0 %" in sari.text
        assert await AuditEntry.filter(action="case.opened").count() == 10


async def test_cases_one_has_voted_on_hide_no_others(db: BaseDBAsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(review, "LOOKED_AT", 2)
    clock = Clock()
    async with engine_on(db, clock) as engine:
        await cases(5, Layer.FACE)
        sari = await officer(engine, clock, "sari", [Role.REVIEWER])
        await sari.say("/periksa")
        for _ in range(4):  # a rejection on a face waits for a second member of staff
            await sari.press("reject")
            assert await sari.press("other_person") == ["staff.second_needed", "staff.case"]
        await sari.press("reject")
        assert await sari.press("other_person") == ["staff.second_needed", "staff.no_cases"]


async def test_who_corrected_somebody_does_not_decide_on_them(db: BaseDBAsyncClient) -> None:
    clock = Clock()
    async with engine_on(db, clock) as engine:
        [only] = await cases(1)
        sari = await officer(engine, clock, "sari", [Role.REVIEWER])
        person = await Row.get()
        await sari.say("/periksa")
        async with writing():
            member = Member(1, "sari", (Role.REVIEWER,), (), enrolled=True, signed_in=True)
            await people.correct(member, person, "address", "Jl. Mawar 1", "salah ketik", clock())
        assert await sari.press("accept") == ["staff.voted_before"]
        await sari.say("/menu")
        assert await sari.say("/periksa") == ["staff.no_cases"]
        assert (await ReviewCase.get(id=only)).decision is None


async def test_a_case_is_before_one_member_only_and_goes_to_another_when_passed_on(db: BaseDBAsyncClient) -> None:
    clock = Clock()
    async with engine_on(db, clock) as engine:
        [first, second] = await cases(2)
        sari = await officer(engine, clock, "sari", [Role.REVIEWER])
        budi = await officer(engine, clock, "budi", [Role.REVIEWER])
        await sari.say("/periksa")
        await budi.say("/periksa")
        assert f"#{first}" in sari.text
        assert f"#{second}" in budi.text
        assert await budi.press("pass") == ["staff.no_cases"]
        assert await sari.press("pass") == ["staff.case"]
        assert f"#{second}" in sari.text
        await budi.say("/periksa")
        assert f"#{first}" in budi.text
        clock.forward(minutes=16)  # a look lasts a quarter of an hour
        await budi.say("/periksa")
        assert await sari.press("accept") == ["staff.decided", "staff.no_cases"]


async def test_a_rejection_on_a_face_alone_needs_two_and_says_why(db: BaseDBAsyncClient) -> None:
    clock = Clock()
    async with engine_on(db, clock) as engine:
        await cases(1, Layer.FACE)
        sari = await officer(engine, clock, "sari", [Role.REVIEWER])
        budi = await officer(engine, clock, "budi", [Role.REVIEWER])
        await sari.say("/periksa")
        assert await sari.press("reject") == ["staff.ask_words"]
        assert await sari.say("no") == ["staff.no_words"]
        assert await sari.press("other_person") == ["staff.second_needed", "staff.no_cases"]
        assert await sari.say("/periksa") == ["staff.no_cases"]  # not theirs a second time
        assert await budi.say("/periksa") == ["staff.case"]
        assert "sari: ditolak" in budi.text
        await budi.press("reject")
        assert await budi.say("Wajahnya jelas orang lain.") == ["staff.decided", "staff.no_cases"]
        [case] = await ReviewCase.all()
        assert case.decision == Decision.REJECT
        words = [vote.words for vote in await ReviewVote.all().order_by("id")]
        assert words[0].startswith("The selfie is not the person")  # in the language of the person
        assert [row.action for row in await AuditEntry.filter(subject=f"case:{case.id}").order_by("number")] == [
            "case.opened", "case.reject", "case.opened", "case.reject",
        ]  # fmt: skip


async def test_a_member_sees_cases_of_their_provinces_only(db: BaseDBAsyncClient) -> None:
    clock = Clock()
    async with engine_on(db, clock) as engine:
        await cases(6)
        rina = await officer(engine, clock, "rina", [Role.REVIEWER], ["33"])
        seen = []
        said = await rina.say("/periksa")
        while "staff.case" in said:
            seen.append(rina.text)
            said = await rina.press("accept")
        assert len(seen) == 2
        assert all("Jawa Tengah" in text for text in seen)
        assert await rina.send(choice="accept") == ["staff.no_cases"]


async def test_two_votes_at_once_do_not_both_count_as_the_first(db: BaseDBAsyncClient) -> None:
    clock = Clock()
    async with engine_on(db, clock) as engine:
        [number] = await cases(1)
        sari = await officer(engine, clock, "sari", [Role.REVIEWER])
        budi = await officer(engine, clock, "budi", [Role.REVIEWER])
        await sari.say("/periksa")
        clock.forward(minutes=16)
        await budi.say("/periksa")
        assert await sari.press("accept") == ["staff.case_locked"]
        assert await budi.press("accept") == ["staff.decided", "staff.no_cases"]
        assert await sari.send(choice="accept") == ["staff.no_such_case"]
        assert (await ReviewCase.get(id=number)).decision == Decision.ACCEPT
