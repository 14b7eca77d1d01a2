"""Freezing, drawing and publishing a wave, outside any turn; what a crash broke off is gone on with."""

import asyncio
import hashlib
import logging
import os
import tomllib
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import IO, Any

import msgspec
from jinja2 import Environment, PackageLoader, select_autoescape
from tortoise.backends.base.client import BaseDBAsyncClient
from tqdm import tqdm

from domain.clock import WIB
from domain.errors import DomainError
from domain.ports import Beacon, BeaconUnavailableError
from domain.programme import Programme
from domain.waves import check_draw, drawing, freeze, places
from domain.waves.actions import strata_of, wave_numbered
from domain.waves.draw import cut_offs
from domain.waves.publication import ENTRANTS_HEAD, RESERVE_HEAD, WINNERS_HEAD, round_json
from domain.waves.rules import round_at, ticket_length
from handlers import i18n
from models.enums import Randomness, WaveStatus
from models.wave import Entry, RankBlock, Wave

log = logging.getLogger(__name__)

CLOCK_ROUNDS = 40  # two minutes: further off, and either our clock or the beacon's is wrong
PAGE = Path(__file__).with_name("draw_page")
SAME_IN_EVERY_DRAW = (Path(check_draw.__file__), PAGE / "README.md", PAGE / "page.css", PAGE / "page.js")
_PAGES = Environment(loader=PackageLoader("bot", "draw_page"), autoescape=select_autoescape())
LINES = 50_000
NOTICE = timedelta(hours=23)  # a list is public at least so long before its randomness
MANY = 300_000  # entrants


class Draws:
    """What staff or a date asks for. ``folder`` is where draws are published, one folder a wave."""

    def __init__(
        self, db: BaseDBAsyncClient, programme: Programme, beacon: Beacon, folder: Path, clock: Callable[[], datetime]
    ) -> None:
        self._db, self._programme, self._beacon, self._folder, self._clock = db, programme, beacon, folder, clock

    async def freeze(self, number: int, by: str) -> Wave:
        """Look at everybody again, commit to the list and publish it; a list that is frozen is published, once."""
        wave = await wave_numbered(number)
        if wave.status == WaveStatus.FROZEN and wave.published_at is None and wave.seed is None:
            if wave.draws_at is not None and self._clock() <= wave.draws_at - NOTICE:
                return await self._publish_list(wave)
            await freeze.take_back(wave, by, self._clock())
        if wave.randomness == Randomness.DRAND:
            await self._compare_clocks(wave)
        wave = await freeze.start_freeze(number, self._clock())
        try:
            total = await Entry.filter(wave_id=wave.id).count()
            with tqdm(total=total, unit="entry", desc="looking at everybody again", disable=None) as bar:
                while done := await freeze.screen_some(self._db, wave, self._programme, self._clock()):
                    bar.update(done)
            with tqdm(total=total, unit="row", desc="freezing the list", disable=None) as bar:
                wave = await freeze.freeze(self._db, wave, self._programme, by, self._clock, bar.update)
        except BaseException:
            await freeze.release(wave)
            raise
        return await self._publish_list(wave)

    async def _publish_list(self, wave: Wave) -> Wave:
        await self.publish(wave)
        wave.published_at = self._clock()
        await Wave.filter(id=wave.id).update(published_at=wave.published_at)
        return wave

    async def _compare_clocks(self, wave: Wave) -> None:
        """A round announced by a clock that is slow may exist already: then somebody may know it.

        Refused where nobody can be asked (BeaconUnavailableError): without internet a wave is drawn by dice.
        """
        latest = await self._beacon.latest()
        if abs(latest - round_at(self._clock())) > CLOCK_ROUNDS:
            raise DomainError("staff.clock", wave=wave.number)

    async def dice(self, number: int, staff: str, throws: str) -> bool:
        """See domain.waves.drawing.throw_dice. Refused while the announced round can be had."""
        wave = await wave_numbered(number)
        if wave.round is not None and wave.draws_at is not None and self._clock() >= wave.draws_at:
            try:
                await self._beacon.round(wave.round)
            except BeaconUnavailableError:
                return await drawing.throw_dice(number, staff, throws, self._clock())
            raise DomainError("staff.dice_not_needed", wave=number)
        return await drawing.throw_dice(number, staff, throws, self._clock())

    async def run(self, number: int, by: str) -> Wave:
        """Fetch the announced round, draw, publish, and let everybody be told; what is done already stays."""
        wave = await wave_numbered(number)
        if wave.status == WaveStatus.FROZEN:
            wave = await self._draw(wave, by)
        if wave.status == WaveStatus.DRAWN:
            await self.publish(wave)
            wave = await self._announce(wave)
        elif wave.status not in {WaveStatus.ANNOUNCED, WaveStatus.ENDED}:
            raise DomainError("staff.wave_order", wave=wave.number, status=wave.status)
        return wave

    async def _draw(self, wave: Wave, by: str) -> Wave:
        if wave.seed is None:
            if wave.draws_at is not None and self._clock() < wave.draws_at:
                raise DomainError("staff.draw_early", wave=wave.number, draws_time=wave.draws_at.isoformat())
            if wave.round is None:
                raise DomainError("staff.dice_missing", wave=wave.number)
            wave = await drawing.set_beacon(wave, await self._beacon.round(wave.round), self._clock())
        await freeze.claim(wave, WaveStatus.FROZEN, self._clock())
        try:
            with (
                tqdm(total=wave.entrants, unit="ticket", desc="drawing", disable=None) as bar,
                keys_on_all_cores(wave) as executor,
            ):
                await drawing.draw(self._db, wave, by, self._clock, bar.update, executor)
        except BaseException:
            await freeze.release(wave)
            raise
        return wave

    async def _announce(self, wave: Wave) -> Wave:
        wave = await places.start_announcing(wave, self._programme, self._clock())
        after, total = 0, await Entry.filter(wave_id=wave.id).count()
        with tqdm(total=total, unit="person", desc="announcing", disable=None) as bar:
            while following := await places.announce_some(self._db, wave, self._programme, after, self._clock()):
                after = following
                bar.update(places.ANNOUNCED_PORTION)
        await places.finish_announcing(wave, self._clock())
        return wave

    # --- publishing

    async def publish(self, wave: Wave) -> Path:
        """Write the wave's folder; the same wave gives the same bytes. Each file is whole or not there."""
        if wave.rules is None or wave.frozen_at is None:
            raise DomainError("staff.wave_order", wave=wave.number, status=wave.status)
        folder = self._folder / str(wave.number)
        folder.mkdir(parents=True, exist_ok=True)
        with _whole(folder / "entrants.csv") as file:
            file.write(ENTRANTS_HEAD.encode())
            async for block in drawing.frozen_blocks(wave.id):
                file.write(block)
        commitment = bytes(wave.commitment or b"").hex()
        _write(folder / "rules.toml", wave.rules or "")
        _write(folder / "commitment.txt", f"{commitment}\n")
        for path in SAME_IN_EVERY_DRAW:
            _write(folder / path.name, path.read_text())
        facts: dict[str, Any] = {}
        if wave.drawn_at is not None:
            _write(folder / "round.json", round_json(await drawing.beacon_facts(wave)))
            with keys_on_all_cores(wave) as executor:
                found = await drawing.compute(wave, lambda _: None, executor)
            facts = await asyncio.to_thread(self._write_results, folder, wave, found)
            await self._write_ranks(folder, wave)
        _write_pages(folder, wave, facts)
        return folder

    def _write_results(self, folder: Path, wave: Wave, found: drawing.Drawn) -> dict[str, Any]:
        names = [name for name, _ in strata_of(wave)]
        seats = {seat.rank: names[seat.stratum] for seat in found.seats}
        with _whole(folder / "winners.csv") as won, _whole(folder / "reserve.csv") as reserve:
            won.write(WINNERS_HEAD.encode())
            reserve.write(RESERVE_HEAD.encode())
            for start in range(0, len(found.order), LINES):
                rows = found.order[start : start + LINES]
                letters = found.entrants.tickets[rows].tobytes().decode()
                width = ticket_length(wave.number)
                lines: tuple[list[str], list[str]] = ([], [])
                for at, stratum in enumerate(found.entrants.strata[rows].tolist()):
                    rank, ticket = start + at + 1, letters[at * width : (at + 1) * width]
                    seat = seats.get(rank)
                    lines[seat is None].append(f"{rank},{ticket},{seat or names[stratum]}\n")
                won.write("".join(lines[0]).encode())
                reserve.write("".join(lines[1]).encode())
        cuts = dict(zip(names, cut_offs(found.seats, len(names)), strict=True))
        return {"winners": len(found.seats), "cut_offs": cuts, "seed": bytes(wave.seed or b"").hex()}

    async def _write_ranks(self, folder: Path, wave: Wave) -> None:
        """The ranking in small files, so that a phone finds a ticket without fetching all of it."""
        ranks = folder / "ranks"
        ranks.mkdir(exist_ok=True)
        blocks = []
        ids = await RankBlock.filter(wave_id=wave.id).order_by("first_rank").values_list("id")
        for at, (number,) in enumerate(ids):
            block = await RankBlock.get(id=number)
            blocks.append([block.first_rank, bytes(block.first_key).hex()])
            _write(ranks / f"{at}.txt", block.tickets)
        index = {"width": ticket_length(wave.number), "entrants": wave.entrants, "blocks": blocks}
        _write(ranks / "index.json", msgspec.json.encode(index).decode())


@contextmanager
def keys_on_all_cores(wave: Wave) -> Iterator[Executor | None]:
    """Processes that compute keys, where there are so many that it pays to start some."""
    if (wave.entrants or 0) < MANY:
        yield None
        return
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as executor:
        yield executor


def _write_pages(folder: Path, wave: Wave, facts: dict[str, Any]) -> None:
    rules = tomllib.loads(wave.rules or "")
    files = [
        path for path in sorted(folder.iterdir()) if path.suffix in {".csv", ".toml", ".txt", ".json", ".py", ".md"}
    ]
    said = {
        "wave": wave,
        "wib": WIB,
        "rules": rules,
        "commitment": bytes(wave.commitment or b"").hex(),
        "files": [(path.name, path.stat().st_size, _sha256(path)) for path in files],
        "left_out": sorted(rules["left_out"].items(), key=lambda item: -item[1]),
        "joined": sum(rules["left_out"].values()) + (wave.entrants or 0),
        "drawn": bool(facts),
        **facts,
    }
    for language in i18n.LANGUAGES:
        page = _PAGES.get_template(f"page.{language}.html").render(said)
        _write(folder / ("index.html" if language == i18n.DEFAULT_LANGUAGE else f"{language}.html"), page)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _whole(path: Path) -> Iterator[IO[bytes]]:
    """A file that takes its place when it is complete."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with partial.open("wb") as file:
            yield file
        partial.chmod(0o644)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _write(path: Path, text: str) -> None:
    with _whole(path) as file:
        file.write(text.encode())
