"""Catalogues from files: good lines in, bad ones in a report, and a wrong file changes nothing."""

import csv
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook
from tortoise.backends.base.client import BaseDBAsyncClient

from bot import catalogue, sample_catalogue
from bot.catalogue import CatalogueFeed
from bot.catalogue_import import import_catalogue
from domain import regions
from domain.trainings import listings
from domain.trainings.catalogue import Catalogue, Query, Sort
from domain.trainings.rules import HEADINGS
from models.training import Platform, Provider, Training, TrainingVersion
from tests.handlers.talk import NOON, Clock
from tests.trainings import PROGRAMME

PLAIN: dict[str, Any] = {
    "provider": "lpk1", "provider_name": "LPK Kopi", "platform": "pijar", "platform_name": "Pijar", "id": "T1",
    "title": "Barista Dasar", "description": "Belajar kopi dari awal.\nPraktik langsung.", "category": "food",
    "price": 450000, "mode": "offline", "region": "32.76", "hours": 12, "seats": 20, "certificate": "ya",
}  # fmt: skip


def rows(*changes: dict[str, Any]) -> list[dict[str, Any]]:
    return [{**PLAIN, **change} for change in changes]


def as_csv(path: Path, lines: list[dict[str, Any]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(PLAIN))
        writer.writeheader()
        writer.writerows(lines)
    return path


def as_json(path: Path, lines: list[dict[str, Any]]) -> Path:
    path.write_text(json.dumps(lines))
    return path


def as_xlsx(path: Path, lines: list[dict[str, Any]]) -> Path:
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(list(PLAIN))
    for line in lines:
        sheet.append([line[name] for name in PLAIN])
    book.save(path)
    return path


@pytest.mark.parametrize(("write", "suffix"), [(as_csv, "csv"), (as_json, "json"), (as_xlsx, "xlsx")])
async def test_each_kind_of_file_gives_the_same_trainings(
    db: BaseDBAsyncClient, tmp_path: Path, write: Any, suffix: str
) -> None:
    path = write(tmp_path / f"trainings.{suffix}", rows({}, {"id": "T2", "title": "Barista Lanjutan", "seats": ""}))
    report = await import_catalogue(path, tmp_path / "report.csv", Clock())
    assert (report.new, report.changed, report.refused) == (2, 0, [])
    first, second = await Training.all().order_by("code").prefetch_related("provider", "platform")
    assert (first.title, first.price, first.seats, first.provider.name, first.platform.name) == (
        "Barista Dasar", 450_000, 20, "LPK Kopi", "Pijar",
    )  # fmt: skip
    assert first.description == "Belajar kopi dari awal.\nPraktik langsung."
    assert second.seats is None
    assert not (tmp_path / "report.csv").exists()


async def test_what_changed_is_a_new_version_and_the_rest_stays(db: BaseDBAsyncClient, tmp_path: Path) -> None:
    path = as_csv(tmp_path / "a.csv", rows({}, {"id": "T2"}, {"id": "T1", "provider": "lpk2"}))
    await import_catalogue(path, tmp_path / "report.csv", Clock())
    as_csv(path, rows({"price": 500_000}, {"id": "T2"}))
    report = await import_catalogue(path, tmp_path / "report.csv", Clock())
    assert (report.new, report.changed, len(report.lines)) == (0, 1, 2)
    changed = await Training.get(code="T1", provider__code="lpk1")
    assert (changed.version, changed.price) == (2, 500_000)
    prices = [json.loads(row.content)["price"] for row in await TrainingVersion.filter(training_id=changed.id)]
    assert prices == [450_000, 500_000]
    assert await TrainingVersion.all().count() == 4


async def test_refused_lines_are_told_by_number_and_reason(db: BaseDBAsyncClient, tmp_path: Path) -> None:
    good = [{"id": f"G{number}"} for number in range(10)]
    path = as_csv(tmp_path / "a.csv", rows(*good, {"id": "G1"}, {"id": "B2", "price": -5, "title": "<b>x</b>"}))
    report = await import_catalogue(path, tmp_path / "report.csv", Clock())
    # Two lines each: their descriptions have a line of their own.
    assert (tmp_path / "report.csv").read_text().splitlines() == [
        "line,id,reasons", "23,G1,same_id_as_line_5", "25,B2,title_markup price_negative",
    ]  # fmt: skip
    assert str(report) == (
        "10 new, 0 changed, 0 as before, 2 refused (price_negative 1, same_id_as_line_5 1, title_markup 1)"
    )
    assert await Training.all().count() == 10


async def test_a_wrong_file_changes_nothing(db: BaseDBAsyncClient, tmp_path: Path) -> None:
    bad = [{"id": f"B{number}", "price": "?"} for number in range(3)]
    broken = tmp_path / "broken.json"
    broken.write_text("{[")
    words = tmp_path / "words.csv"
    words.write_text("nama,umur\nSiti,30\n")
    listless = tmp_path / "one.json"
    listless.write_text('{"id": "T1"}')
    sheet = tmp_path / "no.xlsx"
    sheet.write_bytes(b"PK no")
    for path in (as_csv(tmp_path / "bad.csv", rows({"id": "G"}, *bad)), broken, words, listless, sheet):
        with pytest.raises(ValueError, match=path.name):
            await import_catalogue(path, tmp_path / "report.csv", Clock())
    for model in (Training, TrainingVersion, Provider, Platform):
        assert await model.all().count() == 0


async def test_fewer_seats_than_are_sold_is_refused(db: BaseDBAsyncClient, tmp_path: Path) -> None:
    path = as_csv(tmp_path / "a.csv", rows(*({"id": f"T{number}"} for number in range(1, 9))))
    await import_catalogue(path, tmp_path / "report.csv", Clock())
    await Training.filter(code="T1").update(seats_taken=7)
    as_csv(path, rows({"seats": 6}, *({"id": f"T{number}"} for number in range(2, 9))))
    report = await import_catalogue(path, tmp_path / "report.csv", Clock())
    assert [reasons for _, _, reasons in report.refused] == [["fewer_seats_than_sold"]]
    assert (await Training.get(code="T1")).seats == 20


async def test_the_sample_is_the_same_every_time_and_every_line_of_it_is_good(
    db: BaseDBAsyncClient, tmp_path: Path
) -> None:
    for name in ("one.csv", "two.csv"):
        sample_catalogue.write(tmp_path / name, 300)
    assert (tmp_path / "one.csv").read_bytes() == (tmp_path / "two.csv").read_bytes()
    report = await import_catalogue(tmp_path / "one.csv", tmp_path / "report.csv", Clock(), sample=True)
    assert (report.new, report.refused) == (300, [])
    assert await Training.filter(sample=True).count() == 300
    assert set(next(sample_catalogue.lines())) == set(HEADINGS)


async def test_every_process_sees_what_changed(db: BaseDBAsyncClient, tmp_path: Path) -> None:
    regions.load()
    clock, seen = Clock(), list[Catalogue]()
    feed = CatalogueFeed(PROGRAMME, clock, seen.append)
    assert await feed.refresh()
    path = as_csv(tmp_path / "a.csv", rows({}, {"id": "T2", "title": "Menjahit Busana"}))
    await import_catalogue(path, tmp_path / "report.csv", Clock())
    assert await feed.refresh()
    assert not await feed.refresh()
    assert [each.title for each in seen[-1].listings] == ["Barista Dasar", "Menjahit Busana"]
    assert seen[-1].listings[0].place == "Kota Depok"
    await Training.filter(code="T1").update(reviews=1, stars=2, changed_at=NOON)
    await Training.filter(code="T2").update(reviews=2, stars=10, changed_at=NOON)
    assert await feed.refresh()
    assert seen[-1].find(Query(sort=Sort.RATING)).ids[0] == (await Training.get(code="T2")).id
    await Training.filter(code="T1").update(suspended=True, changed_at=NOON)
    assert await feed.refresh()
    assert len(seen[-1].listings) == 1
    await Training.filter(code="T2").update(starts_on="2026-11-25", changed_at=NOON)
    assert await feed.refresh()
    clock.forward(days=2)  # it has begun
    assert await feed.refresh()
    assert len(seen[-1].listings) == 0


async def test_what_changed_long_ago_is_not_read_again(
    db: BaseDBAsyncClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    regions.load()
    clock, read = Clock(), list[int]()

    async def counted(since: datetime | None) -> list[dict[str, Any]]:
        found = await listings.changed(since)
        read.append(len(found))
        return found

    monkeypatch.setattr(catalogue, "changed", counted)
    feed = CatalogueFeed(PROGRAMME, clock, lambda _: None)
    await import_catalogue(as_csv(tmp_path / "a.csv", rows({}, {"id": "T2"})), tmp_path / "report.csv", clock)
    for seconds in (0, 30, 61, 1):
        clock.forward(seconds=seconds)
        await feed.refresh()
    assert read == [2, 2, 2, 0]
