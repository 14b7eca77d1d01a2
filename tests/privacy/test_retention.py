"""Data go when they were kept long enough, and not before; what was destroyed is written down and verified."""

import tomllib
from datetime import timedelta
from pathlib import Path

import pytest
from tortoise import Tortoise
from tortoise.backends.base.client import BaseDBAsyncClient

from bot.gateways.media import MediaFolder
from bot.privacy_cli import RECORD, record_table
from domain.notices.actions import announce
from domain.privacy import erasure, retention
from domain.verification.actions import review
from models.conversation import Address, AddressCode, Conversation, HelpMessage, HelpRequest
from models.enums import Layer, LayerState, TaskStatus
from models.message import Inbound, Outbox
from models.notice import Notice
from models.person import Photo
from models.privacy import Destruction
from models.staff import StaffFile
from models.verification import LayerOutcome, ReviewCase, VerificationTask
from tests.handlers.talk import NOON, Clock, Person, engine_on
from tests.privacy.test_rights import files, keep_photos, rights
from tests.trainings import PROGRAMME

DAYS = PROGRAMME.retention


async def decided(state: LayerState = LayerState.PASSED) -> None:
    """The checks of person 1 have come to an end."""
    await LayerOutcome.create(
        person_id=1, layer=Layer.FACE, state=state, reason="", rules="", evidence=b"", decided_at=NOON
    )
    await VerificationTask.filter(person_id=1).update(due_at=None)


async def test_photos_go_after_the_checks_and_the_time_that_was_said(db: BaseDBAsyncClient, tmp_path: Path) -> None:
    clock = Clock()
    async with engine_on(db, clock) as engine:
        siti = await Person(engine, "1").reach("home.menu")
        await keep_photos(tmp_path, siti.conversation_id)
        work = rights(db, engine, clock, tmp_path)
        clock.forward(days=DAYS.photos + 1)
        assert (await work.keep_to_the_days())["photo"] == 0  # nothing was decided yet
        await decided()
        case = await ReviewCase.create(
            person_id=1, layer=Layer.FACE, reason="x", evidence=b"", opened_at=NOON, status=TaskStatus.PENDING
        )
        assert (await work.keep_to_the_days())["photo"] == 0  # staff still look
        await ReviewCase.filter(id=case.id).update(status=TaskStatus.DONE)
        assert (await retention.due(db, DAYS, clock()))["photo"] == 3
        assert len(files(tmp_path)) == 3  # a dry run destroys nothing
        assert (await work.keep_to_the_days())["photo"] == 3
        assert files(tmp_path) == []
        assert await Photo.filter(destroyed_at__isnull=True).count() == 0
        [row] = await Destruction.filter(kind="photo.kept")
        assert (row.count, row.verified_at) == (3, clock())
        assert await erasure.still_there(MediaFolder(tmp_path), row) == []
        await MediaFolder(tmp_path).save("c" * 32, b"back from a backup")
        assert await erasure.still_there(MediaFolder(tmp_path), row) == ["c" * 32]


async def test_a_day_less_and_the_photos_stay(db: BaseDBAsyncClient, tmp_path: Path) -> None:
    clock = Clock()
    async with engine_on(db, clock) as engine:
        siti = await Person(engine, "1").reach("home.menu")
        await keep_photos(tmp_path, siti.conversation_id)
        await decided()
        clock.forward(days=DAYS.photos - 1)
        assert (await rights(db, engine, clock, tmp_path).keep_to_the_days())["photo"] == 0
        assert len(files(tmp_path)) == 3


async def test_a_crash_between_the_row_and_the_file_leaves_no_file(db: BaseDBAsyncClient, tmp_path: Path) -> None:
    clock = Clock()
    async with engine_on(db, clock) as engine:
        siti = await Person(engine, "1").reach("home.menu")
        await keep_photos(tmp_path, siti.conversation_id)
        await erasure.destroy_photos(["c" * 32, "s" * 32], "kept", clock())  # and here it dies
        assert len(files(tmp_path)) == 3
        await rights(db, engine, clock, tmp_path).sweep()
        assert [path.stem for path in files(tmp_path)] == ["t" * 32]


async def test_answers_nobody_goes_on_with_go_with_their_chat(db: BaseDBAsyncClient, tmp_path: Path) -> None:
    clock = Clock()
    async with engine_on(db, clock) as engine:
        idle = await Person(engine, "1").reach("registration.name")
        clock.forward(days=DAYS.drafts - 1)
        busy = await Person(engine, "2").reach("registration.name", phone="0812 3456 780")
        work = rights(db, engine, clock, tmp_path)
        assert (await work.keep_to_the_days())["draft"] == 0
        clock.forward(days=2)
        assert (await work.keep_to_the_days())["draft"] == 1
        assert await Address.filter(conversation_id=idle.conversation_id).count() == 0
        assert await Address.filter(conversation_id=busy.conversation_id).count() == 1
        assert await idle.say("Siti Aminah") == ["registration.welcome"]
        assert await busy.say("Siti Aminah") == ["registration.ask_birth_date_likely"]


async def test_what_was_said_is_thinned_and_what_must_stay_stays(db: BaseDBAsyncClient, tmp_path: Path) -> None:
    clock = Clock()
    async with engine_on(db, clock) as engine:
        siti = await Person(engine, "1").reach("home.menu")
        await announce(db, "wave_open", 1, [1], clock(), params={"wave": 1, "closes_time": NOON.isoformat()})
        request = await HelpRequest.create(conversation_id=siti.conversation_id, step="x", opened_at=NOON)
        await HelpMessage.create(request_id=request.id, by="sari", text="Halo", said_at=NOON)
        await StaffFile.create(id="f" * 32, stored_at=NOON)
        await MediaFolder(tmp_path).save("f" * 32, b"a list")
        work = rights(db, engine, clock, tmp_path)
        clock.forward(days=3)
        assert (await work.keep_to_the_days())["code"] == 1
        assert await AddressCode.all().count() == 0
        clock.forward(days=DAYS.staff_files)
        assert (await work.keep_to_the_days())["staff_file"] == 1
        assert files(tmp_path) == []
        clock.forward(days=DAYS.messages)
        await siti.say("status")
        before = await Outbox.all().count()
        found = await work.keep_to_the_days()
        assert found["message"] > 5
        assert found["inbound"] > 5
        assert 0 < await Outbox.all().count() < before
        assert await Inbound.all().count() == 1
        assert found["notice"] == 1
        notice = await Notice.get()
        assert (notice.kind, len(notice.params) <= 30) == ("wave_open", True)  # that there was one stays
        assert (await work.keep_to_the_days())["notice"] == 0
        clock.forward(days=DAYS.talks)
        assert (await work.keep_to_the_days())["talk"] == 1
        assert await HelpRequest.all().count() == 1
        assert (await Conversation.get()).person_id == 1


async def test_a_pass_goes_on_beyond_what_may_not_go(
    db: BaseDBAsyncClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "WINDOW", 2)
    clock = Clock()
    async with engine_on(db, clock) as engine:
        for number in range(5):
            person = await Person(engine, str(number)).reach("registration.name", phone=f"0812 3456 78{number}")
            if number == 1:
                await person.reach("home.menu")
        await review.open_case(1, Layer.FACE, "x", b"", NOON)
        clock.forward(days=DAYS.drafts + 1)
        found = await rights(db, engine, clock, tmp_path).keep_to_the_days()
        assert found["draft"] == 4
        assert await Conversation.filter(version__gt=0).count() == 1


async def test_one_process_at_a_time_makes_a_pass(db: BaseDBAsyncClient, tmp_path: Path) -> None:
    clock = Clock()
    async with engine_on(db, clock) as engine:
        await Person(engine, "1").reach("registration.name")
        clock.forward(days=DAYS.drafts + 1)
        one, other = rights(db, engine, clock, tmp_path), rights(db, engine, clock, tmp_path)
        await one.sweep()
        assert await Destruction.filter(kind="draft").count() == 1
        await Person(engine, "2").reach("registration.name", phone="0812 3456 780")
        clock.forward(hours=1)
        await other.sweep()
        clock.forward(days=DAYS.drafts + 1)
        assert (clock() - NOON) > timedelta(days=2 * DAYS.drafts)
        await other.sweep()
        assert await Destruction.filter(kind="draft").count() == 2


async def test_every_table_stands_in_the_record_of_processing(db: BaseDBAsyncClient) -> None:
    recorded = [table for each in tomllib.loads(RECORD.read_text())["activity"] for table in each["tables"]]
    assert len(recorded) == len(set(recorded))
    tables = {model._meta.db_table for model in (Tortoise.apps or {})["models"].values()}
    assert set(recorded) == tables | {"list_digest"}


def test_the_documentation_has_the_record_as_it_is() -> None:
    assert record_table() in (Path(__file__).parents[2] / "docs" / "privacy.md").read_text()
