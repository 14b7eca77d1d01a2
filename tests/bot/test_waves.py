"""A wave from planning to its end, on both databases, with a beacon that is told what to say."""

import asyncio
import hashlib
import json
import shutil
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.transactions import in_transaction

from bot.draws import Draws
from bot.waves import Waves
from domain import programme as programmes
from domain.errors import DomainError
from domain.ports import BeaconUnavailableError
from domain.programme import Programme
from domain.verification.actions import lists
from domain.waves import check_draw, drawing, freeze, places, reserve
from domain.waves.actions import Plan, close_now, follow_dates, open_now, plan_wave, wave_numbered
from domain.waves.funnel import funnel
from domain.waves.rules import LIVE, round_at, time_of_round
from domain.waves.standing import standing_of
from models import lists as digests
from models.draws import DrawTables
from models.enums import Channel, Layer, LayerState, ListKind, PlaceStatus, Randomness, WaveStatus
from models.notice import Notice
from models.person import Person
from models.verification import VerificationTask
from models.wave import Entry, FrozenBlock, Place, PlaceEvent, RankBlock, Wave, WaveEvent
from tests.conftest import empty_database, needs_postgres
from tests.handlers.talk import Clock, engine_on
from tests.handlers.talk import Person as Talker
from tests.waves import Applicant, join, ticket_of

DICE = "3141562653" * 5
# A genuine round of drand's quicknet; the waves of these tests are frozen a day before it.
ROUND = 657413
SIGNATURE = bytes.fromhex(
    "b713718a38ae728dfd477991af2822e08d2f305e47718cef9f7848ce4050e7be41076862b98fad56e91a6b85b89cd97b"
)
NOON = time_of_round(ROUND, datetime.now(UTC)) - timedelta(hours=25)


class SaidBeacon:
    """A beacon that has what it was given."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.signature: bytes | None = SIGNATURE
        self.ahead = 0

    async def round(self, number: int) -> bytes:
        if self.signature is None:
            raise BeaconUnavailableError("down")
        return self.signature

    async def latest(self) -> int:
        if self.signature is None:
            raise BeaconUnavailableError("down")
        return round_at(self.clock()) + self.ahead


class Office:
    """Staff, clock and beacon."""

    def __init__(self, db: BaseDBAsyncClient, folder: Path, rules: Programme | None = None) -> None:
        self.db, self.folder, self.clock = db, folder, Clock()
        self.clock.time = NOON
        self.programme = rules or programmes.load()
        self.beacon = SaidBeacon(self.clock)
        self.draws = Draws(db, self.programme, self.beacon, folder, self.clock)
        self.open = 0
        self.waves = Waves(db, self.programme, self.clock, self._opened, lambda: None)

    def _opened(self, number: int) -> None:
        self.open = number

    async def wave(self, quota: int = 10, **more: Any) -> Wave:
        """An open wave."""
        plan = Plan(NOON - timedelta(days=1), NOON + timedelta(days=6), quota=quota, **more)
        return await open_now((await plan_wave(plan, self.programme, "ani", self.clock())).number, "ani", self.clock())

    async def frozen(self, applicants: Sequence[Applicant], quota: int = 10, **more: Any) -> Wave:
        wave = await self.wave(quota, **more)
        await join(self.db, wave, applicants, self.clock())
        await close_now(wave.number, "ani", self.clock())
        return await self.freeze()

    async def freeze(self) -> Wave:
        self.clock.time = NOON + timedelta(hours=1)
        return await self.draws.freeze(1, "ani")

    async def drawn(self, applicants: Sequence[Applicant], quota: int = 10, **more: Any) -> Wave:
        wave = await self.frozen(applicants, quota, **more)
        self.clock.forward(hours=25)
        return await self.draws.run(wave.number, "ani")

    async def tell(self) -> None:
        """Every notice that waits is told."""
        await Notice.filter(told_at__isnull=True).update(told_at=self.clock(), status="told")

    async def sweep(self) -> None:
        await self.waves.sweep()

    async def by_status(self) -> dict[str, int]:
        return dict(Counter(place.status for place in await Place.all()))


def people(count: int, **more: Any) -> list[Applicant]:
    return [Applicant(number, **more) for number in range(1, count + 1)]


@pytest.fixture
def office(db: BaseDBAsyncClient, tmp_path: Path) -> Office:
    return Office(db, tmp_path / "draws")


async def test_a_wave_is_drawn_published_and_anybody_can_check_it(office: Office) -> None:
    wave = await office.drawn(people(40), quota=10, strata=(("priority", 0), ("general", 10)))
    assert wave.status == WaveStatus.ANNOUNCED
    folder = office.folder / "1"
    said: list[str] = []
    found = check_draw.check(folder, said.append)
    assert len(found["winners"]) == 10
    assert sorted(found["winners"]) == sorted([place.ticket for place in await Place.all()])
    assert any("winners.csv and reserve.csv are what these files lead to" in line for line in said)
    assert (folder / "commitment.txt").read_text().strip() == hashlib.sha256(
        (folder / "rules.toml").read_bytes()
    ).hexdigest()
    text = "".join(path.read_text() for path in sorted(folder.rglob("*")) if path.is_file())
    for person in await Person.all():
        assert not [secret for secret in (person.nik, person.kk, person.name, person.phone) if secret in text]
    told = Counter([(notice.kind, notice.person_id) for notice in await Notice.all()])
    assert Counter(kind for kind, _ in told) == {"selected": 10, "not_selected": 30}
    assert [event.status for event in await WaveEvent.all().order_by("id")] == [
        "planned", "open", "closed", "frozen", "drawn", "announced",
    ]  # fmt: skip
    assert {event.reason for event in await PlaceEvent.all()} == {"drawn"}
    index = json.loads((folder / "ranks" / "index.json").read_text())
    assert (index["entrants"], index["blocks"][0][0]) == (40, 1)


async def test_a_changed_file_is_noticed_by_the_script(office: Office, capsys: pytest.CaptureFixture[str]) -> None:
    await office.drawn(people(12), quota=3)
    folder = office.folder / "1"
    assert check_draw.main([str(folder), "--ticket", ticket_of(1, 5)]) == 0
    assert f"HMAC-SHA256(seed, {ticket_of(1, 5)}) = " in capsys.readouterr().out
    lies = {
        "entrants.csv": (",0,general", ",1,general"),
        "rules.toml": ("quota = 3", "quota = 4"),
        "commitment.txt": ("", "0"),
        "round.json": ('"signature": "b7', '"signature": "b8'),
        "winners.csv": ("G1-", "G2-"),
        "reserve.csv": ("G1-", "G2-"),
    }
    for name, (truth, lie) in lies.items():
        changed = office.folder / "lie"
        shutil.copytree(folder, changed)
        text = (changed / name).read_text()
        assert truth in text
        (changed / name).write_text(text.replace(truth, lie, 1))
        assert check_draw.main([str(changed)]) == 1, name
        shutil.rmtree(changed)
    assert capsys.readouterr().err.count("WRONG") == len(lies)
    assert check_draw.main([str(office.folder)]) == 2


async def test_the_script_believes_neither_another_key_nor_a_list_frozen_too_late(office: Office) -> None:
    await office.drawn(people(6), quota=2)
    for truth, lie, word in (
        ('frozen = "2023-09-14', 'frozen = "2023-09-15', "a day before"),
        ("round = 657413", "round = 657412", "published at the time"),
    ):
        lied = office.folder / "lied"
        shutil.copytree(office.folder / "1", lied)
        rules = (lied / "rules.toml").read_text()
        assert truth in rules
        (lied / "rules.toml").write_text(rules.replace(truth, lie))
        (lied / "commitment.txt").write_text(hashlib.sha256((lied / "rules.toml").read_bytes()).hexdigest())
        with pytest.raises(check_draw.WrongError, match=word):
            check_draw.check(lied, lambda _: None)
        shutil.rmtree(lied)
    for name, content in (("commitment.txt", ""), ("round.json", "[]"), ("rules.toml", "=")):
        shutil.copytree(office.folder / "1", lied)
        (lied / name).write_text(content)
        assert check_draw.main([str(lied)]) in {1, 2}
        shutil.rmtree(lied)


@needs_postgres
async def test_the_same_people_give_the_same_files_on_both_databases(
    migrated_file: Path, migrated_database: str, tmp_path: Path
) -> None:
    rows = [*[Applicant(number, kk=3) for number in range(1, 26)], *[Applicant(number) for number in range(26, 60)]]
    seen = []
    for template in (migrated_file, migrated_database):
        async with empty_database(template, tmp_path) as db:
            office = Office(db, tmp_path / type(db).__name__)
            await office.drawn(rows, quota=20, household_cap=2)
            files = [path for path in (office.folder / "1").rglob("*") if path.is_file()]
            seen.append({str(path.relative_to(office.folder)): path.read_bytes() for path in files})
    assert seen[0] == seen[1]
    assert {"1/entrants.csv", "1/winners.csv", "1/reserve.csv", "1/index.html", "1/ranks/0.txt"} <= set(seen[0])


async def test_at_the_freeze_everybody_is_looked_at_again_with_a_reason_for_who_is_left_out(office: Office) -> None:
    db = office.db
    wave = await office.wave(household_cap=2)
    review, failed = ((Layer.FACE, LayerState.REVIEW),), ((Layer.FACE, LayerState.FAILED),)
    await join(
        db,
        wave,
        [
            Applicant(1),
            Applicant(2, states=review),
            Applicant(3, states=failed),
            Applicant(4, birth_date="2010-01-01"),
            Applicant(5, employment="state"),
            Applicant(6),  # on a list that came after they were verified
            Applicant(7, nik=1),  # the NIK of the first one
            Applicant(8),  # asked to be looked at again
            Applicant(9, kk=77),  # a family card with two recipients
            Applicant(10),
        ],
        NOON,
    )
    ids = {each.ticket: each.person_id for each in await Entry.all()}
    await VerificationTask.create(person_id=ids[ticket_of(1, 8)], due_at=NOON)
    for code, kind, number, times in (("dtks", ListKind.EXCLUDED, 6, 1), ("dulu", ListKind.SERVED, 9, 2)):
        person = await Person.get(id=ids[ticket_of(1, number)])
        version = await lists.start_version(
            await lists.define(lists.ListTerms(code, kind, "Kemensos", "Bantuan.", "Aid.")), code.encode(),
            NOON.date(), NOON,
        )  # fmt: skip
        digest = person.nik_index if kind == ListKind.EXCLUDED else person.kk_index
        await digests.add(db, version.id, bytes(digest), times)
        async with in_transaction():
            await lists.finish_version(version, 1, 0, 0, NOON)
    await close_now(1, "ani", NOON)
    await office.freeze()
    reasons = {int(entry.ticket[3:7]): entry.reason for entry in await Entry.all()}
    assert reasons == {
        1: "", 2: "waiting", 3: "face", 4: "age", 5: "employment", 6: "lists", 7: "same_nik", 8: "waiting",
        9: "household", 10: "",
    }  # fmt: skip
    rules = (office.folder / "1" / "rules.toml").read_text()
    assert "entrants = 2\n" in rules
    assert "waiting = 2\n" in rules
    stages = {name: count for _, name, count in await funnel(await wave_numbered(1))}
    assert (stages["joined"], stages["left out"], stages["in the draw"]) == (10, 8, 2)


async def test_a_nik_that_somebody_only_typed_takes_the_chance_from_nobody(office: Office) -> None:
    thief = Applicant(1, nik=5, states=((Layer.FACE, LayerState.WAITING),))
    await office.frozen([thief, Applicant(5)])
    assert {entry.ticket: entry.reason for entry in await Entry.all()} == {
        ticket_of(1, 1): "waiting",
        ticket_of(1, 5): "",
    }


async def test_priority_and_households_count_in_the_draw(office: Office) -> None:
    db = office.db
    wave = await office.wave(4, strata=(("priority", 2), ("general", 2)), household_cap=1)
    await join(db, wave, [*people(8, kk=1), *[Applicant(number) for number in range(9, 15)]], NOON)
    listed = [person for person in await Person.all() if int(person.name.split()[1]) in {9, 10, 11}]
    version = await lists.start_version(
        await lists.define(lists.ListTerms("phk", ListKind.PRIORITY, "Kemnaker", "PHK.", "Laid off.")), b"phk",
        NOON.date(), NOON,
    )  # fmt: skip
    for person in listed:
        await digests.add(db, version.id, bytes(person.nik_index), 1)
    async with in_transaction():
        await lists.finish_version(version, 3, 0, 0, NOON)
    await close_now(1, "ani", NOON)
    await office.freeze()
    office.clock.forward(hours=25)
    await office.draws.run(1, "ani")
    seats = [(place.seat, int(place.ticket[3:7])) for place in await Place.all()]
    assert Counter(seat for seat, _ in seats) == {"priority": 2, "general": 2}
    assert {number for seat, number in seats if seat == "priority"} <= {9, 10, 11}
    assert sum(number <= 8 for _, number in seats) <= 1
    check_draw.check(office.folder / "1", lambda _: None)


# --- what must not be


@pytest.mark.parametrize("what", ["early", "twice", "before the freeze", "another signature", "changed row"])
async def test_a_draw_out_of_order_is_refused(office: Office, what: str) -> None:
    if what == "before the freeze":
        await office.wave()
        with pytest.raises(DomainError, match="wave_order"):
            await office.draws.run(1, "ani")
        return
    wave = await office.frozen(people(6), quota=2)
    if what == "early":
        with pytest.raises(DomainError, match="draw_early"):
            await office.draws.run(1, "ani")
        with pytest.raises(DomainError, match="draw_early"):
            await drawing.set_beacon(await wave_numbered(1), b"known too soon", office.clock())
        return
    office.clock.forward(hours=25)
    if what == "changed row":
        block = await FrozenBlock.get()
        block.rows = block.rows.replace(b",0,general", b",1,general", 1)
        await block.save()
        with pytest.raises(DomainError, match="draw_changed"):
            await office.draws.run(1, "ani")
        assert await Place.all().count() == 0
        return
    await office.draws.run(1, "ani")
    before = sorted([(place.ticket, place.rank) for place in await Place.all()])
    if what == "another signature":
        with pytest.raises(DomainError, match="draw_fixed"):
            await drawing.set_beacon(await wave_numbered(1), b"another", office.clock())
    office.beacon.signature = b"another"
    again = await office.draws.run(wave.number, "budi")  # finds everything done
    assert again.status == WaveStatus.ANNOUNCED
    assert sorted([(place.ticket, place.rank) for place in await Place.all()]) == before
    with pytest.raises(DomainError, match="wave_order"):
        await office.draws.freeze(1, "budi")


async def test_two_staff_at_once_are_kept_apart(office: Office) -> None:
    wave = await office.wave()
    await join(office.db, wave, people(5), NOON)
    await close_now(1, "ani", NOON)
    await freeze.start_freeze(1, office.clock())
    with pytest.raises(DomainError, match="wave_busy"):
        await office.draws.freeze(1, "budi")
    office.clock.forward(minutes=3)  # whoever began has died
    await office.draws.freeze(1, "budi")
    office.clock.forward(hours=25)
    outcomes = await asyncio.gather(office.draws.run(1, "ani"), office.draws.run(1, "budi"), return_exceptions=True)
    assert await Place.all().count() == 5
    assert sum(isinstance(outcome, Wave) for outcome in outcomes) >= 1
    assert [event.status for event in await WaveEvent.filter(status="drawn")] == ["drawn"]


@pytest.mark.parametrize("ahead", [1_000_000, -1_000_000])
async def test_a_wrong_clock_freezes_nothing(office: Office, ahead: int) -> None:
    wave = await office.wave()
    await join(office.db, wave, people(3), NOON)
    await close_now(1, "ani", NOON)
    office.beacon.ahead = ahead
    with pytest.raises(DomainError, match="clock"):
        await office.draws.freeze(1, "ani")
    office.beacon.ahead = 0
    office.clock.forward(days=-2)  # before people joined
    with pytest.raises(DomainError, match="clock"):
        await office.draws.freeze(1, "ani")
    assert (await wave_numbered(1)).status == WaveStatus.CLOSED


async def test_a_wave_is_changed_only_while_it_is_planned(office: Office) -> None:
    plan = Plan(NOON + timedelta(days=1), quota=10)
    wave = await plan_wave(plan, office.programme, "ani", NOON)
    changed = await plan_wave(Plan(NOON + timedelta(days=2), quota=20), office.programme, "ani", NOON, wave.number)
    assert (changed.number, changed.quota, await Wave.all().count()) == (1, 20, 1)
    for nonsense, code in (
        (Plan(NOON, NOON - timedelta(days=1)), "wave_dates"),
        (Plan(NOON, quota=5, strata=(("general", 4),)), "wave_seats"),
        (Plan(NOON, quota=5, strata=(("general", 2), ("priority", 3))), "wave_general"),
        (Plan(NOON, quota=5, lists=("nowhere",)), "wave_list"),
    ):
        with pytest.raises(DomainError, match=code):
            await plan_wave(nonsense, office.programme, "ani", NOON, 1)
    await open_now(1, "ani", NOON)
    with pytest.raises(DomainError, match="wave_not_planned"):
        await plan_wave(plan, office.programme, "ani", NOON, 1)


async def test_dates_open_and_close_a_wave(office: Office) -> None:
    await plan_wave(Plan(NOON + timedelta(days=1), NOON + timedelta(days=3)), office.programme, "ani", NOON)
    seen = []
    for _ in range(5):
        await follow_dates(office.clock())
        seen.append((await wave_numbered(1)).status)
        office.clock.forward(days=1)
    assert seen == ["planned", "open", "open", "closed", "closed"]


async def test_dice_are_taken_from_two_who_agree_and_not_before_they_were_announced(office: Office) -> None:
    wave = await office.frozen(people(6), quota=2, randomness=Randomness.DICE)
    assert wave.round is None
    with pytest.raises(DomainError, match="dice_early"):
        await drawing.throw_dice(1, "ani", DICE, office.clock())
    office.clock.forward(hours=25)
    with pytest.raises(DomainError, match="dice_missing"):
        await office.draws.run(1, "ani")
    for throws in ("123456", "7" * 60, DICE[:49]):
        with pytest.raises(DomainError, match="dice_throws"):
            await drawing.throw_dice(1, "ani", throws, office.clock())
    assert not await drawing.throw_dice(1, "ani", DICE, office.clock())
    assert not await drawing.throw_dice(1, "ani", DICE, office.clock())  # one person twice is not two
    with pytest.raises(DomainError, match="dice_differ"):
        await drawing.throw_dice(1, "budi", DICE[::-1], office.clock())
    assert await drawing.throw_dice(1, "budi", f"{DICE[:20]} {DICE[20:]}", office.clock())
    await office.draws.run(1, "ani")
    check_draw.check(office.folder / "1", lambda _: None)


async def test_when_the_beacon_never_comes_dice_take_its_place_as_announced(office: Office) -> None:
    await office.frozen(people(6), quota=2)
    office.beacon.signature = None
    office.clock.forward(hours=25)
    with pytest.raises(BeaconUnavailableError):
        await office.draws.run(1, "ani")
    with pytest.raises(DomainError, match="dice_early"):
        await drawing.throw_dice(1, "ani", DICE, office.clock())
    office.clock.forward(days=7)
    for staff in ("ani", "budi"):
        await drawing.throw_dice(1, staff, DICE, office.clock())
    await office.draws.run(1, "ani")
    check_draw.check(office.folder / "1", lambda _: None)
    found = json.loads((office.folder / "1" / "round.json").read_text())
    assert (found["source"], found["throws"], found["staff"]) == ("dice", DICE, ["ani", "budi"])


@pytest.mark.parametrize("written", [0, 2])
async def test_a_draw_that_was_broken_off_comes_to_the_same(
    office: Office, written: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drawing, "PLACES", 2)
    wave = await office.frozen(people(12), quota=6)
    office.clock.forward(hours=25)
    wave = await drawing.set_beacon(await wave_numbered(1), SIGNATURE, office.clock())
    await freeze.claim(wave, WaveStatus.FROZEN, office.clock())
    expected = [
        (seat.rank, str(found.entrants.ticket(seat.row)))
        for found in [await drawing.compute(wave, int)]
        for seat in found.seats
    ]
    await drawing._write_ranking(wave, found := await drawing.compute(wave, int), office.clock)
    if written:  # then the process died
        await drawing._write_places(
            office.db, wave, drawing.Drawn(found.entrants, found.order, found.seats[:written]), office.clock
        )
    office.clock.forward(minutes=3)  # the claim of whoever died is over
    await office.draws.run(1, "ani")
    assert sorted([(place.rank, place.ticket) for place in await Place.all()]) == expected
    assert await RankBlock.all().count() == 1
    assert await PlaceEvent.all().count() == 6


async def test_who_stood_still_while_another_drew_changes_nothing(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    await office.frozen(people(12), quota=6)
    office.clock.forward(hours=25)
    compute, computed, may_go = drawing.compute, asyncio.Event(), asyncio.Event()

    async def standing_still(*args: Any) -> Any:
        found = await compute(*args)
        if not computed.is_set():
            computed.set()
            await may_go.wait()
        return found

    async def refused() -> None:
        with pytest.raises(DomainError, match="wave_busy"):
            await office.draws.run(1, "ani")

    monkeypatch.setattr(drawing, "compute", standing_still)
    async with asyncio.TaskGroup() as group:
        group.create_task(refused())
        await computed.wait()
        office.clock.forward(minutes=3)
        wave = await wave_numbered(1)
        await freeze.claim(wave, WaveStatus.FROZEN, office.clock())  # another process takes it over, and is half done
        await drawing._write_ranking(wave, await compute(wave, int), office.clock)
        may_go.set()
    assert await RankBlock.all().count() == 1
    assert (await wave_numbered(1)).lease_until == wave.lease_until  # nor was the claim given back for it
    office.clock.forward(minutes=3)
    assert (await office.draws.run(1, "ani")).status == WaveStatus.ANNOUNCED


async def test_two_waves_that_hand_places_on_at_once_give_nobody_two(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    await office.drawn(people(3), quota=1)
    selected = (await Place.get()).person_id
    now = office.clock()
    plan = Plan(now, now + timedelta(days=1), quota=1)
    await open_now((await plan_wave(plan, office.programme, "ani", now)).number, "ani", now)
    second = await wave_numbered(2)
    for person in await Person.exclude(id=selected):
        await Entry.create(wave_id=second.id, person_id=person.id, ticket=ticket_of(2, person.id), joined_at=now)
    await close_now(2, "ani", now)
    office.clock.forward(hours=1)
    await office.draws.freeze(2, "ani")
    office.clock.forward(hours=25)
    await office.draws.run(2, "ani")
    await Place.all().update(status=PlaceStatus.LAPSED)
    add, looked = DrawTables.add_places, list[int]()

    async def when_both_have_looked(tables: DrawTables, *args: Any) -> int:
        looked.append(1)
        for _ in range(20):
            if len(looked) < 2:
                await asyncio.sleep(0.02)
        return await add(tables, *args)

    monkeypatch.setattr(DrawTables, "add_places", when_both_have_looked)
    waves = [await wave_numbered(number) for number in (1, 2)]
    offers = [reserve.offer_some(office.db, wave, office.programme, office.clock()) for wave in waves]
    assert sum(await asyncio.gather(*offers)) == 1
    assert await Place.exclude(status=PlaceStatus.LAPSED).count() == 1


async def test_a_list_that_was_not_published_in_time_is_frozen_anew_with_a_later_round(office: Office) -> None:
    wave = await office.wave(2)
    await join(office.db, wave, people(4), NOON)
    await close_now(1, "ani", NOON)
    office.folder.write_text("no folder")  # nothing can be published there
    with pytest.raises(NotADirectoryError):
        await office.freeze()
    assert (await wave_numbered(1)).status == WaveStatus.FROZEN
    office.clock.forward(hours=25)
    with pytest.raises(DomainError, match="draw_unpublished"):
        await office.draws.run(1, "ani")
    office.folder.unlink()
    first = (await wave_numbered(1)).round
    again = await office.draws.freeze(1, "ani")
    assert (again.round or 0) > (first or 0)
    assert again.published_at == office.clock()
    with pytest.raises(DomainError, match="wave_order"):
        await office.draws.freeze(1, "ani")  # it is known now, and stays


async def test_a_crash_before_the_deadlines_were_written_loses_none(office: Office) -> None:
    wave = await office.frozen(people(4), quota=2)
    office.clock.forward(hours=25)
    wave = await drawing.set_beacon(wave, SIGNATURE, office.clock())
    await freeze.claim(wave, WaveStatus.FROZEN, office.clock())
    await drawing.draw(office.db, wave, "ani", office.clock, int)
    await Wave.all().update(announced_at=office.clock())  # then the process died
    await office.draws.run(1, "ani")
    assert not await Place.filter(due_at__isnull=True).exists()


# --- places


async def test_a_winner_who_does_nothing_is_reminded_and_lapses_and_the_next_in_line_gets_the_place(
    office: Office,
) -> None:
    await office.drawn(people(20), quota=5)
    await office.tell()
    await office.sweep()
    assert await office.by_status() == {"notified": 5}
    first = await Place.get(rank=1)
    for place in await Place.filter(rank__gt=1):
        async with in_transaction():
            await places.accept(place.person_id, office.clock())
    for _ in range(30):
        office.clock.forward(days=1)
        await office.sweep()
    reminders = [notice.kind for notice in await Notice.filter(kind__startswith="deadline").order_by("id")]
    assert reminders == ["deadline_14", "deadline_7", "deadline_3", "deadline_1"]
    assert {notice.person_id for notice in await Notice.filter(kind__startswith="deadline")} == {first.person_id}
    office.clock.forward(days=2)
    await office.sweep()
    assert await office.by_status() == {"accepted": 4, "lapsed": 1, "selected": 1}
    heir = await Place.get(reserve=True)
    assert (heir.rank, heir.seat) == (6, "general")
    assert [(e.status, e.reason) for e in await PlaceEvent.filter(place_id=first.id).order_by("id")] == [
        ("selected", "drawn"), ("notified", "told"), ("lapsed", "deadline"),
    ]  # fmt: skip
    assert await Notice.filter(kind="lapsed", person_id=first.person_id).count() == 1
    assert await Notice.filter(kind="reserve_offered", person_id=heir.person_id).count() == 1
    with pytest.raises(DomainError, match="place_lapsed"):
        await places.accept(first.person_id, office.clock())
    assert heir.due_at is not None
    assert heir.due_at - office.clock() > timedelta(days=30)  # a clock of their own
    async with in_transaction():
        await places.accept(heir.person_id, office.clock())
    await office.sweep()
    assert (await wave_numbered(1)).status == WaveStatus.ENDED


async def test_a_lapsed_place_goes_to_its_stratum_first_then_to_anybody_and_never_beyond_a_household(
    office: Office,
) -> None:
    db = office.db
    wave = await office.wave(3, strata=(("priority", 1), ("general", 2)), household_cap=1)
    await join(db, wave, people(6), NOON)
    await join(db, wave, [Applicant(7, kk=1), Applicant(8, kk=2), Applicant(9, kk=3)], NOON)
    version = await lists.start_version(
        await lists.define(lists.ListTerms("phk", ListKind.PRIORITY, "Kemnaker", "PHK.", "Laid off.")), b"phk",
        NOON.date(), NOON,
    )  # fmt: skip
    for person in await Person.all():
        if int(person.name.split()[1]) in {4, 5}:
            await digests.add(db, version.id, bytes(person.nik_index), 1)
    async with in_transaction():
        await lists.finish_version(version, 2, 0, 0, NOON)
    await close_now(1, "ani", NOON)
    await office.freeze()
    office.clock.forward(hours=25)
    await office.draws.run(1, "ani")
    await office.tell()
    for _ in range(10):  # all of them always let their places lapse, until nobody is left
        office.clock.forward(days=32)
        await office.sweep()
        await office.tell()
        live = [place for place in await Place.all() if place.status in LIVE]
        assert len(live) <= 3
        cards = Counter([(await Person.get(id=place.person_id)).kk for place in live])
        assert not cards or max(cards.values()) == 1
    order = [(place.seat, int(place.ticket[3:7])) for place in await Place.all().order_by("id")]
    priority = [number for seat, number in order if seat == "priority"]
    got_by_priority = {number for seat, number in order if number in {4, 5}}
    assert got_by_priority == {4, 5}
    assert priority[0] in {4, 5}
    assert len({number for _, number in order}) == len(order) == 9
    assert (await wave_numbered(1)).status == WaveStatus.ENDED


async def test_two_processes_hand_a_place_on_once(office: Office) -> None:
    await office.drawn(people(12), quota=4)
    office.clock.forward(days=40)
    await asyncio.gather(office.sweep(), office.sweep(), return_exceptions=True)
    await office.sweep()
    live = [place for place in await Place.all() if place.status in LIVE]
    assert len(live) == 4
    assert await office.by_status() == {"lapsed": 4, "selected": 4}
    assert {event.reason for event in await PlaceEvent.filter(status="lapsed")} == {"not_told"}


async def test_who_has_found_something_wrong_since_is_passed_over(office: Office) -> None:
    await office.drawn(people(6), quota=2)
    ranked = [await standing_of(office.db, entry.person_id) for entry in await Entry.all()]
    waiting = sorted([(s.rank.rank, s.entry.person_id) for s in ranked if s and s.rank and s.place is None])
    await VerificationTask.create(person_id=waiting[0][1], due_at=office.clock())
    office.clock.forward(days=40)
    await office.sweep()
    assert {place.rank for place in await Place.filter(reserve=True)} == {waiting[1][0], waiting[2][0]}


async def test_nobody_gets_a_place_while_a_later_list_with_them_waits_for_its_draw(office: Office) -> None:
    await office.drawn(people(3), quota=1)
    office.clock.forward(days=1)
    plan = Plan(office.clock(), office.clock() + timedelta(days=5), quota=1, randomness=Randomness.DICE)
    second = await plan_wave(plan, office.programme, "ani", office.clock())
    await office.sweep()
    losers = await Entry.exclude(ticket=(await Place.get()).ticket)
    for at, entry in enumerate(losers):
        await Entry.create(
            wave_id=second.id, person_id=entry.person_id, ticket=ticket_of(2, at), joined_at=office.clock()
        )
    await close_now(2, "ani", office.clock())
    await office.draws.freeze(2, "ani")
    await Place.all().update(due_at=office.clock())
    office.clock.forward(hours=1)
    await office.sweep()
    assert await office.by_status() == {"lapsed": 1}  # both others are in the second wave's list
    office.clock.forward(hours=25)
    for staff in ("ani", "budi"):
        await office.draws.dice(2, staff, DICE)
    await office.draws.run(2, "ani")
    await office.sweep()
    assert await office.by_status() == {"lapsed": 1, "selected": 2}
    assert len({place.person_id for place in await Place.all()}) == 3


async def test_a_wave_is_not_frozen_before_an_earlier_one_is_drawn(office: Office) -> None:
    await office.frozen(people(3), quota=1)
    plan = Plan(office.clock(), office.clock() + timedelta(days=5), quota=1, randomness=Randomness.DICE)
    await open_now((await plan_wave(plan, office.programme, "ani", office.clock())).number, "ani", office.clock())
    await close_now(2, "ani", office.clock())
    with pytest.raises(DomainError, match="wave_earlier"):
        await office.draws.freeze(2, "ani")


async def test_who_has_a_place_is_shown_it_and_joins_no_other_wave(office: Office) -> None:
    await office.drawn(people(2), quota=1)
    await plan_wave(Plan(office.clock(), office.clock() + timedelta(days=5), quota=1), office.programme, "ani", NOON)
    await office.sweep()
    number = int((await Place.get()).ticket[3:7])
    async with chatting(office, number) as person:
        await person.say("status")
        assert "Anda terpilih! Pilih pelatihan pertama paling lambat" in person.text
        assert await person.press("join") == ["waves.have_place"]
    assert await Entry.filter(wave__number=2).count() == 0


async def test_who_still_waited_carries_over_to_the_next_wave_by_themselves(office: Office) -> None:
    waiting = Applicant(2, states=((Layer.FACE, LayerState.REVIEW),))
    await office.drawn([Applicant(1), waiting], quota=1)
    told = await Notice.get(kind="not_selected")
    office.clock.forward(days=1)
    plan = Plan(office.clock(), office.clock() + timedelta(days=5), quota=1)
    await plan_wave(plan, office.programme, "ani", office.clock())
    await office.sweep()
    assert office.open == 2
    entry = await Entry.get(wave__number=2)
    assert (entry.carried, entry.person_id, entry.ticket[:3]) == (True, told.person_id, "G2-")
    await office.sweep()
    assert await Entry.filter(wave__number=2).count() == 1
    assert await Notice.filter(kind="wave_open").count() == 0  # the other one has a place, and this one is in it


async def test_who_may_join_hears_of_a_new_wave_once(office: Office) -> None:
    await office.drawn(people(5), quota=1)
    office.clock.forward(days=1)
    plan = Plan(office.clock(), office.clock() + timedelta(days=5), quota=1)
    await plan_wave(plan, office.programme, "ani", office.clock())
    await office.sweep()
    await office.sweep()
    winner = await Place.get()
    told = sorted([notice.person_id for notice in await Notice.filter(kind="wave_open")])
    assert told == sorted([entry.person_id for entry in await Entry.all() if entry.person_id != winner.person_id])


# --- in chat


@asynccontextmanager
async def chatting(office: Office, number: int) -> AsyncIterator[Talker]:
    async with engine_on(office.db, office.clock) as engine:
        engine.open_wave = office.open
        yield Talker(engine, str(number), Channel.BROWSER)


async def test_cek_shows_rank_cut_off_and_how_to_compute_them(office: Office) -> None:
    wave = await office.wave(10)
    await join(office.db, wave, people(40), NOON)
    async with chatting(office, 1) as person:
        assert await person.say("cek") == ["draw.not_frozen"]
        await close_now(1, "ani", NOON)
        await office.freeze()
        assert await person.say("cek") == ["draw.not_drawn"]
        assert bytes((await wave_numbered(1)).commitment or b"").hex() in person.text
        office.clock.forward(hours=25)
        await office.draws.run(1, "ani")
        assert await person.say("CEK") == ["draw.result"]
        found = check_draw.check(office.folder / "1", lambda _: None)
        ticket = ticket_of(1, 1)
        rank = found["ranked"].index(ticket) + 1
        assert f"Peringkat: {rank} dari 40" in person.text
        assert "Terpilih sampai peringkat: 10" in person.text
        assert found["seed"].hex() in person.text
        assert check_draw.key(found["seed"], ticket).hex() in person.text
        await person.say("status")
        assert ("Anda terpilih!" in person.text) == (ticket in found["winners"])


async def test_who_was_not_selected_joins_the_next_wave_with_one_press(office: Office) -> None:
    await office.drawn(people(4), quota=1)
    loser = await Entry.exclude(ticket=(await Place.get()).ticket).first()
    assert loser is not None
    await plan_wave(Plan(office.clock(), office.clock() + timedelta(days=5), quota=1), office.programme, "ani", NOON)
    await office.sweep()
    async with chatting(office, int(loser.ticket[3:7])) as person:
        await person.say("status")
        assert "Belum terpilih: peringkat" in person.text
        assert await person.press("join") == ["waves.joined", "home.menu"]
        assert "nomor undian anda: g2-" in person.text.lower()
        assert all(not choice.id.startswith("join") for choice in person.last[-1].render().choices)
    assert await Entry.filter(wave__number=2).count() == 1
    assert PlaceStatus.SELECTED in await office.by_status()
