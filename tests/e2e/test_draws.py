"""A draw by the real command in a real process, killed in the middle, and its page in a real Chromium."""

import asyncio
import json
import os
import shutil
import signal
import sys
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from playwright.async_api import Page, expect

from bot.settings import Settings
from bot.simulation import straight
from bot.simulation.people import character
from domain import clock
from domain.programme import load
from domain.waves import check_draw, drawing
from domain.waves.actions import Plan, close_now, plan_wave
from models import crypto
from models.database import database
from models.enums import Randomness, WaveStatus
from models.notice import Notice
from models.wave import Place, PlaceEvent, Wave
from tests.bot.test_waves import DICE, NOON, Office
from tests.e2e.server import Server, serving
from tests.e2e.test_page import needs_chromium, page, picture

__all__ = ["page"]


async def gelombang(server: Server, *arguments: str) -> tuple[int, str]:
    """Run a command on a server's database: its exit code and what it says."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bot", *arguments, env=server.environment, cwd=server.folder,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await process.communicate()
    return process.returncode or 0, said.decode()


class Town:
    """A simulation that was run to its end: what it found, and its published draws."""

    def __init__(self, migrated: Path, folder: Path, seed: int) -> None:
        self.draws, self.file = folder / "draws", folder / "found.json"
        shutil.copy(migrated, folder / "town.db")
        self.code, self.said = asyncio.run(
            gelombang(
                Server(folder), "simulate", "--people", "600", "--waves", "1", "--seed", str(seed), "--quota", "120",
                "--database", f"sqlite://{folder}/town.db", "--straight", "--draws", str(self.draws),
                "--json", str(self.file),
            )
        )  # fmt: skip

    @property
    def found(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.file.read_text())
        return found


@pytest.fixture(scope="module")
def town(migrated_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Town:
    return Town(migrated_file, tmp_path_factory.mktemp("town"), 5)


@pytest.mark.parametrize("page", [(390, 844), (1280, 800)], indirect=True, ids=["phone", "desk"])
@needs_chromium
async def test_on_the_page_of_a_draw_a_phone_computes_a_ticket_s_rank(page: Page, town: Town, tmp_path: Path) -> None:
    draws = town.draws
    found = check_draw.check(draws / "1", lambda _: None)
    async with serving(tmp_path, DRAWS_DIR=str(draws)) as server:
        await page.goto(f"{server.url}/draws/1")
        await expect(page.locator("h1")).to_have_text("Undian gelombang 1")
        for rank in (1, 119, len(found["ranked"])):
            ticket = found["ranked"][rank - 1]
            await page.locator("input").fill(ticket.lower().replace("0", "o"))
            await page.keyboard.press("Enter")
            dots = f"{rank:,}".replace(",", ".")
            await expect(page.locator(".big")).to_contain_text(f"Peringkat {dots} dari")
            await expect(page.locator("output")).to_contain_text(check_draw.key(found["seed"], ticket).hex())
            won = "Terpilih" if ticket in found["winners"] else "Belum terpilih"
            await expect(page.locator("output")).to_contain_text(won)
        await picture(page, "draw")
        await page.locator("input").fill("G1-0000-0000")
        await page.keyboard.press("Enter")
        await expect(page.locator(".big")).to_have_text("Nomor ini tidak ada dalam undian.")
        await page.get_by_role("link", name="English").click()
        await expect(page.locator("h1")).to_have_text("The draw of wave 1")
        async with page.expect_download() as download:
            await page.evaluate(
                "() => { const a = Object.assign(document.createElement('a'), {href: 'winners.csv', download: ''});"
                "document.body.append(a); a.click(); }"
            )
        saved = await (await download.value).path()
        assert saved.read_bytes() == (draws / "1" / "winners.csv").read_bytes()


async def test_only_what_is_published_is_served(town: Town, tmp_path: Path) -> None:
    draws = town.draws
    (draws / "1" / "secret.key").write_text("x")
    async with serving(tmp_path, DRAWS_DIR=str(draws)) as server, aiohttp.ClientSession() as http:
        for path, status in {
            "1/": 200, "1/entrants.csv": 200, "1/ranks/0.txt": 200, "1/check_draw.py": 200, "1/README.md": 200,
            "1/secret.key": 404, "1/../../keys": 404, "1/..%2f..%2fkeys": 404, "1/ranks/": 404, "2/": 404,
            "1/.entrants.csv.1": 404, "x/": 404,
        }.items():  # fmt: skip
            async with http.get(f"{server.url}/draws/{path}", allow_redirects=False) as answer:
                assert answer.status == status, path
                if status == 200:
                    assert "max-age" in answer.headers["Cache-Control"]
                    assert "default-src 'self'" in answer.headers["Content-Security-Policy"]


def test_two_simulations_with_one_seed_give_the_same_figures_and_another_seed_does_not(
    town: Town, migrated_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    assert (town.code, "chat, photos and checks are not simulated" in town.said) == (0, True)
    assert all(town.found["invariants"].values())
    again, other = [Town(migrated_file, tmp_path_factory.mktemp("again"), seed) for seed in (5, 6)]
    seen = [(each.found["funnel"], (each.draws / "1" / "winners.csv").read_bytes()) for each in (town, again, other)]
    assert seen[0] == seen[1] != seen[2]


async def test_a_server_freezes_what_is_due_and_shows_it(migrated_file: Path, tmp_path: Path) -> None:
    crypto.use(Settings(_env_file=None, key_file=tmp_path / "keys").keyring())
    shutil.copy(migrated_file, tmp_path / "test.db")
    async with database(f"sqlite://{tmp_path}/test.db") as db:
        now, rules = clock.now(), load()
        plan = Plan(now - timedelta(days=3), now - timedelta(days=2), now, quota=5, randomness=Randomness.DICE)
        wave = await plan_wave(plan, rules, "ani", now)
        await straight.join(db, wave, [character(5, number, 1) for number in range(30)], rules, now)
        await Wave.all().update(status=WaveStatus.CLOSED)
    draws = tmp_path / "draws"
    async with serving(tmp_path, DRAWS_DIR=str(draws)) as server, aiohttp.ClientSession() as http:
        async with asyncio.timeout(30):
            while not (draws / "1" / "index.html").exists():  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        async with http.get(f"{server.url}/draws/1/") as answer:
            assert "Undian belum dilakukan" in await answer.text()


async def test_virtual_people_chat_their_way_through_two_waves(migrated_file: Path, tmp_path: Path) -> None:
    shutil.copy(migrated_file, tmp_path / "town.db")
    code, said = await gelombang(
        Server(tmp_path), "simulate", "--people", "60", "--waves", "2", "--seed", "4", "--json", "found.json",
        "--database", f"sqlite://{tmp_path}/town.db",
    )  # fmt: skip
    assert code == 0, said
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["chatted"]
    assert all(found["invariants"].values())
    first, second = found["funnel"]["1"], found["funnel"]["2"]
    assert first["registered"] + sum(found["gave_up_at"].values()) == 60
    assert first["accepted"] == first["quota"] == 6
    assert second["carried over"] == first["waiting"]
    assert "holds  nobody_lost" in said


# Where a draw is killed: as soon as this is true.
KILLED_ONCE = (
    "SELECT lease_until IS NOT NULL FROM wave",
    "SELECT count(*) FROM rank_block",
    "SELECT count(*) > 0 FROM place",
    "SELECT status = 'drawn' FROM wave",
    "SELECT count(*) > 0 FROM notice",
)


async def frozen_town(migrated: Path, folder: Path, count: int) -> Path:
    """A database with a wave that was frozen long ago and has its dice; its keys lie beside it."""
    crypto.use(Settings(_env_file=None, key_file=folder / "keys").keyring())
    file = folder / "test.db"
    shutil.copy(migrated, file)
    async with database(f"sqlite://{file}") as db:
        office = Office(db, folder / "draws")
        wave = await office.wave(count // 5, randomness=Randomness.DICE)
        people = [character(5, number, 1) for number in range(count)]
        await straight.join(db, wave, people, office.programme, NOON)
        await close_now(1, "ani", NOON)
        await office.freeze()
        office.clock.forward(hours=25)
        for staff in ("ani", "budi"):
            await drawing.throw_dice(1, staff, DICE, office.clock())
    return file


async def test_a_draw_that_is_killed_again_and_again_comes_to_the_same(migrated_file: Path, tmp_path: Path) -> None:
    file = await frozen_town(migrated_file, tmp_path, 4_000)
    results, kills = [], 0
    for name, points in (("alone", []), ("killed", KILLED_ONCE)):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "test.db").write_bytes(file.read_bytes())
        (folder / "keys").write_text((tmp_path / "keys").read_text())
        server = Server(folder, DRAWS_DIR=str(folder / "draws"))
        for point in (*points, ""):
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "bot", "draw", "run", "1", env=server.environment, cwd=folder,
                stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
            )  # fmt: skip
            async with database(f"sqlite://{folder}/test.db") as db:
                while process.returncode is None:
                    if point and (await db.execute_query_dict(f"SELECT ({point}) AS now"))[0]["now"]:
                        os.kill(process.pid, signal.SIGKILL)
                        kills += 1
                        await process.wait()
                    await asyncio.sleep(0.002)
                if point:  # two minutes go by
                    await Wave.all().update(lease_until=None)
        async with database(f"sqlite://{folder}/test.db"):
            assert (await Wave.get()).status == WaveStatus.ANNOUNCED
            places = sorted(await Place.all().values_list("rank", "ticket", "seat"))
            told = Counter([kind for (kind,) in await Notice.all().values_list("kind")])
            events = Counter([status for (status,) in await PlaceEvent.all().values_list("status")])
        files = {path.name: path.read_bytes() for path in (folder / "draws" / "1").glob("*.csv")}
        results.append((places, told, events, files))
    assert results[0] == results[1]
    assert kills >= 3
    assert results[0][1] == {"selected": 800, "not_selected": 3_200}
    check_draw.check(tmp_path / "killed" / "draws" / "1", lambda _: None)
