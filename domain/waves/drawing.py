"""Drawing a frozen wave. The seed is fixed once; whatever a crash interrupts, the same seats come out again."""

import asyncio
import hashlib
import tomllib
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import datetime
from itertools import count

import msgspec
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.transactions import in_transaction

from domain.audit import record
from domain.errors import DomainError
from domain.waves.actions import move, strata_of, wave_numbered
from domain.waves.draw import Entrants, Seat, cut_offs, parse, ranking, select
from domain.waves.freeze import Clock, keep_claim
from domain.waves.keys import keyed, seed_of
from domain.waves.publication import ENTRANTS_HEAD, moment
from domain.waves.rules import MOST_THROWS, THROWS, ticket_length
from models.database import writing
from models.draws import DrawTables
from models.enums import Randomness, WaveStatus
from models.wave import DiceThrow, FrozenBlock, Place, RankBlock, Wave

TICKETS = 4_096  # a block of the ranking: what a browser fetches to find one ticket
PLACES = 2_500  # a transaction: 100 ms
AT_ONCE = 8  # blocks that are looked at side by side


@dataclass(frozen=True)
class Drawn:
    """The columns of the frozen list, the ranking (rows in the order of their keys), and who got which seat."""

    entrants: Entrants
    order: Sequence[int]
    seats: list[Seat]


async def set_beacon(wave: Wave, beacon: bytes, now: datetime) -> Wave:
    """Fix the randomness of a frozen wave, and with it the draw. Refused before its time, or for another one than
    before. Whether it is genuine is the caller's to check.
    """
    if wave.seed is not None:
        if bytes(wave.beacon or b"") != beacon:
            raise DomainError("staff.draw_fixed", wave=wave.number)
        return wave
    if wave.status != WaveStatus.FROZEN or wave.frozen_at is None or wave.draws_at is None:
        raise DomainError("staff.wave_order", wave=wave.number, status=wave.status)
    if wave.published_at is None:
        raise DomainError("staff.draw_unpublished", wave=wave.number)
    if now < wave.draws_at:
        raise DomainError("staff.draw_early", wave=wave.number, draws_time=wave.draws_at.isoformat())
    seed = seed_of(bytes(wave.commitment or b""), beacon)
    if not await Wave.filter(id=wave.id, seed__isnull=True, status=WaveStatus.FROZEN).update(beacon=beacon, seed=seed):
        return await set_beacon(await Wave.get(id=wave.id), beacon, now)
    wave.beacon, wave.seed = beacon, seed
    return wave


async def throw_dice(number: int, staff: str, throws: str, now: datetime) -> bool:
    """Dice that a member of staff saw; True once two agree, which fixes the draw.

    Refused before the time that rules.toml announces for dice, with fewer than 50 throws, or where two differ.
    """
    wave = await wave_numbered(number)
    digits = "".join(throws.split())
    if not THROWS <= len(digits) <= MOST_THROWS or set(digits) - set("123456"):
        raise DomainError("staff.dice_throws", least=THROWS)
    if wave.status != WaveStatus.FROZEN or wave.rules is None:
        raise DomainError("staff.wave_order", wave=wave.number, status=wave.status)
    after = tomllib.loads(wave.rules)["randomness"]["dice_after"]
    if now < datetime.fromisoformat(after):
        raise DomainError("staff.dice_early", wave=wave.number, dice_time=after)
    async with writing():
        await DiceThrow.update_or_create(wave_id=wave.id, staff=staff, defaults={"throws": digits, "at": now})
        await record(staff, "wave.dice", f"wave:{wave.number}", now=now, after=digits)
    seen = await DiceThrow.filter(wave_id=wave.id).order_by("id")
    if any(other.throws != digits for other in seen):
        raise DomainError("staff.dice_differ")
    if len({other.staff for other in seen}) < 2:
        return False
    await set_beacon(wave, digits.encode(), now)
    return True


async def draw(
    db: BaseDBAsyncClient,
    wave: Wave,
    by: str,
    clock: Clock,
    progress: Callable[[int], object],
    executor: Executor | None = None,
) -> Drawn:
    """Rank and select; writes ranking and places. The caller has claimed the wave, and its beacon is set.

    ``executor`` computes the keys, of which there are millions: on all cores where it has processes. Refused with
    staff.draw_changed where a row was changed after the freeze.
    """
    assert wave.seed is not None
    found = await compute(wave, progress, executor)
    await _write_ranking(wave, found, clock)
    await _write_places(db, wave, found, clock)
    now = clock()
    names = [name for name, _ in strata_of(wave)]
    cuts = msgspec.json.encode(dict(zip(names, cut_offs(found.seats, len(names)), strict=True))).decode()
    async with in_transaction():
        await move(wave, WaveStatus.DRAWN, by, now)
        await Wave.filter(id=wave.id).update(drawn_at=now, cut_offs=cuts, lease_until=None)
    wave.drawn_at = now
    return found


async def compute(wave: Wave, progress: Callable[[int], object], executor: Executor | None = None) -> Drawn:
    """The draw from the frozen rows, which are checked against the commitment; nothing is written."""
    seed, names = bytes(wave.seed or b""), [name for name, _ in strata_of(wave)]
    rules, loop = (wave.rules or "").encode(), asyncio.get_running_loop()
    digest = hashlib.sha256(ENTRANTS_HEAD.encode())
    entrants, filled = Entrants.room_for(wave.entrants or 0, ticket_length(wave.number)), 0
    jobs: deque[asyncio.Future[Entrants]] = deque()
    try:
        async for block in frozen_blocks(wave.id):
            digest.update(block)
            jobs.append(loop.run_in_executor(executor, parse, block, names, seed))
            if len(jobs) == AT_ONCE:
                filled = entrants.put(before := filled, await jobs.popleft())
                progress(filled - before)
        for job in jobs:
            filled = entrants.put(filled, await job)
    except ValueError:
        raise DomainError("staff.draw_changed", wave=wave.number) from None
    committed = tomllib.loads(rules.decode())["entrants_sha256"]
    fits = digest.hexdigest() == committed and hashlib.sha256(rules).digest() == bytes(wave.commitment or b"")
    if not fits or filled != wave.entrants:
        raise DomainError("staff.draw_changed", wave=wave.number)
    order = ranking(entrants, seed)
    seats = select(
        entrants.strata, entrants.households, entrants.used, order, [number for _, number in strata_of(wave)],
        wave.household_cap,
    )  # fmt: skip
    return Drawn(entrants, order, seats)  # type: ignore[arg-type]


async def frozen_blocks(wave_id: int) -> AsyncIterator[bytes]:
    """The published rows, block by block, without the header."""
    for number in count():
        block = await FrozenBlock.get_or_none(wave_id=wave_id, number=number)
        if block is None:
            return
        yield bytes(block.rows)


async def _write_ranking(wave: Wave, found: Drawn, clock: Clock) -> None:
    key = keyed(bytes(wave.seed or b""))
    async with in_transaction():
        await keep_claim(wave, WaveStatus.FROZEN, clock())
        await RankBlock.filter(wave_id=wave.id).delete()
    for start in range(0, len(found.order), TICKETS * 16):
        rows = []
        for first in range(start, min(start + TICKETS * 16, len(found.order)), TICKETS):
            some = found.entrants.tickets[found.order[first : first + TICKETS]]
            rows.append(
                RankBlock(
                    wave_id=wave.id,
                    first_rank=first + 1,
                    first_key=key(some[0].tobytes()),
                    tickets=some.tobytes().decode(),
                )
            )
        async with in_transaction() as db:
            await keep_claim(wave, WaveStatus.FROZEN, clock())
            await RankBlock.bulk_create(rows, using_db=db)


async def _write_places(db: BaseDBAsyncClient, wave: Wave, found: Drawn, clock: Clock) -> None:
    names = [name for name, _ in strata_of(wave)]
    starts = range(0, len(found.seats), PLACES)
    for pair in zip(starts[::2], (*starts[1::2], None), strict=False):  # PostgreSQL has more than one core
        await keep_claim(wave, WaveStatus.FROZEN, clock())
        some = [found.seats[start : start + PLACES] for start in pair if start is not None]
        rows = [[(found.entrants.ticket(seat.row), seat.rank, names[seat.stratum]) for seat in part] for part in some]
        await asyncio.gather(*(_write_some(db, wave, part, clock()) for part in rows))


async def _write_some(db: BaseDBAsyncClient, wave: Wave, rows: Sequence[tuple[str, int, str]], now: datetime) -> None:
    tables = DrawTables(db)
    async with in_transaction() as connection:
        if not await tables.hold(connection, wave.id, WaveStatus.FROZEN):
            raise DomainError("staff.wave_busy", wave=wave.number)
        if await Place.filter(ticket=rows[0][0]).exists():
            return  # of a draw that was broken off: a portion is there as a whole
        if await tables.add_places(connection, wave.id, rows, "drawn", now) != len(rows):
            raise DomainError("staff.draw_changed", wave=wave.number)  # an entrant's row is gone


async def beacon_facts(wave: Wave) -> Mapping[str, object]:
    """What round.json says of a wave's randomness."""
    beacon, time = bytes(wave.beacon or b""), moment(wave.draws_at)
    if wave.randomness == Randomness.DRAND and wave.round and not _is_dice(beacon):
        randomness = hashlib.sha256(beacon).hexdigest()
        return {
            "source": "drand",
            "round": wave.round,
            "time": time,
            "signature": beacon.hex(),
            "randomness": randomness,
        }
    throws = await DiceThrow.filter(wave_id=wave.id).order_by("id")
    staff = sorted({each.staff for each in throws})
    return {"source": "dice", "throws": beacon.decode(), "time": moment(throws[-1].at), "staff": staff}


def _is_dice(beacon: bytes) -> bool:
    return not beacon.strip(b"123456")
