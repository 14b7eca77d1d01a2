"""Figures: what is counted is what is there; charts are drawn; the summary of a day comes once."""

from datetime import timedelta

import msgspec
import pytest
from tortoise.backends.base.client import BaseDBAsyncClient

from bot.figures import FiguresFeed
from bot.gateways.chart_drawing import draw
from domain import audit, regions
from domain.staff import figures
from domain.staff.figures import Counted
from handlers import charts
from handlers.conversation import Inbound
from handlers.engine import TurnResult
from models.enums import Channel, LayerState, PlaceStatus, Role
from models.staff import AuditHead, Figures
from models.verification import LayerOutcome
from models.wave import Place, Wave
from tests.handlers.talk import NOON, Clock, Person, engine_on
from tests.staff.crowd import crowd
from tests.staff.office import officer


@pytest.fixture(autouse=True)
def _regions() -> None:
    regions.load()


async def little_world() -> None:
    """Thirty people on two channels; the first ten hold a place, and the last two failed a layer."""
    wave = await Wave.get(number=1)
    await crowd(20, NOON, Channel.TELEGRAM, wave)
    await crowd(10, NOON)
    for number in range(1, 11):
        await Place.create(
            wave_id=wave.id, person_id=number, ticket=f"G1-P{number:04}", rank=number, seat="general", reserve=False,
            status=PlaceStatus.NOTIFIED, selected_at=NOON,
        )  # fmt: skip
    await LayerOutcome.filter(person_id__gt=28).update(state=LayerState.FAILED, reason="layer.lists_failed")


async def test_every_stage_is_counted_from_the_rows(db: BaseDBAsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(figures, "PORTION", 7)  # several statements
    async with engine_on(db, clock) as engine:
        await little_world()
        await Person(engine, "baru").say("halo")
        seen: list[int] = []
        row = await figures.count(db, clock, seen.append)
        counted = figures.opened(row)
        assert sum(seen) == 30
        assert counted.stages() == {
            "started": 31, "registered": 30, "verified": 28, "joined": 20, "selected": 10, "bought": 0, "finished": 0,
            "paid": 0,
        }  # fmt: skip
        assert counted.stages(["31"])["registered"] == 10
        assert "started" not in counted.stages(["31"])
        # Laid off (three of four) and on no list: 22 of 30, less those who failed at the lists.
        laid_off = [number for number in range(1, 31) if number % 4]
        assert counted.stages(focus=True)["registered"] == len([n for n in laid_off if n <= 28])
        assert {name: stages["registered"] for name, stages in counted.by(1).items()} == {"telegram": 20, "browser": 10}
        assert counted.reasons == {"lists:failed:layer.lists_failed": 2}
        assert counted.steps == {"registration.language": 1}


async def test_old_counts_are_thinned_to_one_a_day(db: BaseDBAsyncClient) -> None:
    clock = Clock()
    for day in range(5):
        for hour in range(3):
            clock.time = NOON + timedelta(days=day, hours=hour)
            await figures.count(db, clock)
    kept = await Figures.all().order_by("taken_at")
    assert [row.taken_at for row in kept[:2]] == [NOON + timedelta(hours=2), NOON + timedelta(days=1, hours=2)]
    assert len(kept) <= 2 + 3 * 3


async def test_a_member_for_one_province_sees_that_province_only(db: BaseDBAsyncClient) -> None:
    clock = Clock()
    async with engine_on(db, clock) as engine:
        await little_world()
        await figures.count(db, clock)
        rina = await officer(engine, clock, "rina", [Role.VIEWER], ["32"])
        assert await rina.say("/angka") == ["staff.figures"]
        assert "Terdaftar: 10" in rina.text
        shown = [choice.id.partition("~")[0] for choice in rina.last[0].render().choices]
        assert shown == ["provinces", "channels", "!menu"]
        assert await rina.send(choice="payouts") == ["staff.figures"]  # not theirs: the funnel again
        [file] = rina.last[0].render().files
        assert file.id.endswith(":32")


async def test_every_chart_is_drawn_in_both_languages(db: BaseDBAsyncClient) -> None:
    clock = Clock()
    async with engine_on(db, clock) as engine:
        await little_world()
        await Person(engine, "baru").say("halo")
    row = await figures.count(db, clock)
    body = figures.opened(row)
    body.payouts = [("incentive", "paid", 10, 6_000_000_000), ("incentive", "open", 5, 3_000_000_000)]
    body.providers = [("Kursus Kita", 12, 55)]
    body.notices = [("telegram", "told", 90), ("sms", "unreached", 4), ("", "new", 6)]
    await Figures.filter(id=row.id).update(body=msgspec.json.encode(body).decode())
    for kind in charts.KINDS:
        for language in ("id", "en"):
            chart = await charts.chart_of(charts.name_of(row.id, kind, language, []))
            assert chart.bars, kind
            assert draw(msgspec.to_builtins(chart)).startswith(b"\x89PNG")
    assert draw({"title": "", "subtitle": "", "bars": [], "legend": [], "overlaid": False}).startswith(b"\x89PNG")
    with pytest.raises(KeyError):
        await charts.chart_of("999:funnel:id:")


async def test_the_summary_of_a_day_comes_once_and_the_head_is_published(db: BaseDBAsyncClient) -> None:
    clock = Clock()  # noon in Jakarta
    async with engine_on(db, clock) as engine:
        told: list[str] = []

        async def receive(inbound: Inbound) -> TurnResult:
            result = await engine.take_turn(inbound)
            told.extend(message.row.key for message in result.replies if not result.repeated)
            return result

        await officer(engine, clock, "auditor", [Role.AUDITOR])
        vera = await officer(engine, clock, "vera", [Role.VIEWER])
        await vera.say("/harian")
        await figures.count(db, clock)
        feed = FiguresFeed(clock, receive, 17)
        await feed.daily()
        assert told == []
        assert await AuditHead.all().count() == 1
        clock.forward(hours=6)
        await feed.daily()
        await feed.daily()
        assert told == ["staff.daily_summary"]  # vera wants none
        clock.forward(days=1)
        await feed.daily()
        assert told == ["staff.daily_summary"] * 2
        assert await AuditHead.all().count() == 2
        assert (await audit.verify()).problems == []


def test_nothing_counted_is_nothing_shown() -> None:
    assert set(Counted().stages().values()) == {0}
