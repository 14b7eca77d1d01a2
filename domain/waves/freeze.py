"""Freezing a wave's list: everybody who joined is looked at again, and who stays in is committed to.

In small transactions: ``screen_some`` until it gives 0, then ``freeze``. What a crash interrupts is gone on with.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from importlib.metadata import version
from typing import Any

from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.functions import Count
from tortoise.transactions import in_transaction

from domain.audit import record
from domain.clock import day_of
from domain.errors import DomainError
from domain.programme import GENERAL, Eligibility, Programme
from domain.verification.actions import lists
from domain.verification.rules.nik import age_on
from domain.waves.actions import lists_of, move, strata_of, wave_numbered
from domain.waves.keys import row
from domain.waves.publication import ENTRANTS_HEAD, rules_toml
from domain.waves.rules import CARRIED, LIVE, WAITING, WITHDRAWN, round_at, time_of_round
from models import crypto
from models.draws import DrawTables
from models.enums import Employment, Layer, LayerState, ListKind, Randomness, WaveStatus
from models.person import Person
from models.verification import LayerOutcome, VerificationTask
from models.wave import Entry, FrozenBlock, Place, Wave, WaveEvent

UNDRAWN = [WaveStatus.CLOSED, WaveStatus.FROZEN, WaveStatus.DRAWN]
CHUNK = 2_000  # entries a transaction
BLOCK = 10_000  # rows of entrants.csv a stored block
LEASE = timedelta(minutes=2)
LIVE_LAYERS = frozenset({Layer.LISTS, Layer.AGE, Layer.EMPLOYMENT, Layer.HOUSEHOLD})  # judged anew at the freeze

Progress = Callable[[int], object]
Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What is known at the freeze of somebody who joined. ``states`` are the layers' last outcomes."""

    birth_date: date
    employment: Employment
    states: Mapping[Layer, LayerState]
    excluded: bool
    served: int
    had_place: bool
    withdrawn: bool = False


def reason_out(standing: Standing, eligibility: Eligibility, layers: Sequence[Layer], cap: int, today: date) -> str:
    """Why somebody is left out of the draw, "" where they are in it. "waiting" carries over to the next wave."""
    if standing.withdrawn:
        return WITHDRAWN
    states = standing.states
    failed = [layer for layer in layers if layer not in LIVE_LAYERS and states.get(layer) == LayerState.FAILED]
    if failed:
        return failed[0].value
    if any(states.get(layer) != LayerState.PASSED for layer in layers if layer not in LIVE_LAYERS):
        return WAITING
    if standing.had_place:
        return "had_place"
    found = {
        Layer.AGE: not eligibility.min_age <= age_on(standing.birth_date, today) <= eligibility.max_age,
        Layer.EMPLOYMENT: standing.employment in eligibility.refused_employment,
        Layer.LISTS: standing.excluded,
    }
    for layer in layers:
        if found.get(layer):
            return layer.value
    return Layer.HOUSEHOLD.value if cap and standing.served >= cap else ""


async def claim(wave: Wave, status: WaveStatus, now: datetime) -> None:
    """Be the one who freezes or draws; refused while somebody else does. Who dies loses the claim with its lease."""
    if wave.status != status:
        raise DomainError("staff.wave_order", wave=wave.number, status=wave.status)
    free, until = Wave.filter(id=wave.id, status=status), now + LEASE
    if not (
        await free.filter(lease_until__isnull=True).update(lease_until=until)
        or await free.filter(lease_until__lt=now).update(lease_until=until)
    ):
        raise DomainError("staff.wave_busy", wave=wave.number)
    wave.lease_until = until


async def keep_claim(wave: Wave, status: WaveStatus, now: datetime) -> None:
    """Renew the claim, first of all in a transaction; refused where the wave has moved on without us, or is somebody
    else's by now: a claim after ours ends later than ours.
    """
    ours = Wave.filter(id=wave.id, status=status, lease_until__lte=wave.lease_until)
    if wave.lease_until is None or not await ours.update(lease_until=now + LEASE):
        raise DomainError("staff.wave_busy", wave=wave.number)
    wave.lease_until = now + LEASE


async def release(wave: Wave) -> None:
    """Be done with it, where it is still ours."""
    if wave.lease_until is not None:
        await Wave.filter(id=wave.id, lease_until__lte=wave.lease_until).update(lease_until=None)


async def start_freeze(number: int, now: datetime) -> Wave:
    """Claim a closed wave for freezing; refused while it can be joined, or with a clock that was moved back."""
    wave = await wave_numbered(number)
    # Somebody in two lists at once could be selected twice.
    if await Wave.filter(number__lt=number, status__in=UNDRAWN).exists():
        raise DomainError("staff.wave_earlier", wave=wave.number)
    await claim(wave, WaveStatus.CLOSED, now)
    last = await Entry.filter(wave_id=wave.id).order_by("-id").first()
    if now < wave.closes_at or (last is not None and now < last.joined_at):
        await release(wave)
        raise DomainError("staff.clock", wave=wave.number)
    return wave


async def screen_some(db: BaseDBAsyncClient, wave: Wave, programme: Programme, now: datetime) -> int:
    """Look at the next people who joined; gives how many, 0 when all were looked at. One transaction."""
    async with in_transaction() as connection:
        await keep_claim(wave, WaveStatus.CLOSED, now)
        entries = await DrawTables(connection).entries(connection, wave.id, wave.screened_to, CHUNK)
        if not entries:
            return 0
        last = entries[-1].id
        # Whoever has looked at these people in the meantime has moved this mark.
        if not await Wave.filter(id=wave.id, status=WaveStatus.CLOSED, screened_to=wave.screened_to).update(
            screened_to=last, lease_until=now + LEASE
        ):
            raise DomainError("staff.wave_busy", wave=wave.number)
        people = {person.id: person for person in await Person.filter(id__in=[entry.person_id for entry in entries])}
        standings = await standings_of(connection, wave, people)
        priority = await _priority(connection, wave, people)
        layers = layers_of(wave, programme)
        today = day_of(now)
        eligibility = programme.eligibility_on(today)
        tag = household_tags(wave)
        # A NIK has one chance: the first who has proven to be its owner. Who only typed it takes it from nobody.
        entered = await _entered(wave, people)
        changes = []
        for entry in entries:
            person, standing = people[entry.person_id], standings[entry.person_id]
            reason = reason_out(standing, eligibility, layers, wave.household_cap, today)
            if not reason and bytes(person.nik_index) in entered:
                reason = "same_nik"
            elif not reason:
                entered.add(bytes(person.nik_index))
            stratum = priority.get(person.id, GENERAL)
            changes.append([entry.id, reason, stratum, tag(bytes(person.kk_index)), min(standing.served, 9)])
        await _write(connection, changes)
    wave.screened_to = last
    return len(entries)


def layers_of(wave: Wave, programme: Programme) -> tuple[Layer, ...]:
    """The layers that a wave asks for; those of the day it opens where none were planned, never none at all."""
    planned = tuple(Layer(name) for name in wave.layers.split(",") if name)
    asked = programme.layers_on(day_of(wave.opens_at))
    return planned or tuple(layer for layer in asked.ask if layer not in asked.optional)


def household_tags(wave: Wave) -> Callable[[bytes], str]:
    """The wave's own tag of a family card: keyed, so that nobody finds a card by trying numbers, or in two waves."""
    index = crypto.ring().indexer(f"household.{wave.number}")
    if not wave.household_cap:
        return lambda kk_index: "0" * 16  # nothing hangs on households: nothing is said of them
    return lambda kk_index: index(kk_index.hex())[:8].hex()


async def _write(db: BaseDBAsyncClient, changes: Sequence[Sequence[Any]]) -> None:
    mark = "$" if db.capabilities.dialect == "postgres" else "?"
    await db.execute_many(
        f"UPDATE entry SET reason = {mark}2, stratum = {mark}3, household = {mark}4, used = {mark}5 "  # noqa: S608
        f"WHERE id = {mark}1",
        [list(change) for change in changes],
    )


async def standings_of(db: BaseDBAsyncClient, wave: Wave, people: Mapping[int, Person]) -> dict[int, Standing]:
    """What is known now of each of these people who joined a wave."""
    ids = list(people)
    states: dict[int, dict[Layer, LayerState]] = {number: {} for number in ids}
    for person_id, layer, state in await LayerOutcome.filter(person_id__in=ids, replaced_at=None).values_list(
        "person_id", "layer", "state"
    ):
        states[person_id][Layer(layer)] = LayerState(state)
    for (person_id,) in await VerificationTask.filter(person_id__in=ids, due_at__isnull=False).values_list("person_id"):
        states[person_id] = {layer: state for layer, state in states[person_id].items() if state == LayerState.FAILED}
    had_place = await _niks_with_place(people)
    served = await seats_had(db, {bytes(person.kk_index) for person in people.values()})
    excluded = await _excluded(db, wave, people)
    return {
        number: Standing(
            birth_date=date.fromisoformat(person.birth_date),
            employment=Employment(person.employment),
            states=states[number],
            excluded=bytes(person.nik_index) in excluded,
            served=served.get(bytes(person.kk_index), 0),
            had_place=bytes(person.nik_index) in had_place,
            withdrawn=person.withdrawn_at is not None,
        )
        for number, person in people.items()
    }


async def _niks_with_place(people: Mapping[int, Person]) -> set[bytes]:
    """Those of these people's NIKs that have had a place, by whatever registration."""
    rows = await Person.filter(nik_index__in=list(_niks(people))).values_list("id", "nik_index")
    niks = {int(number): bytes(nik) for number, nik in rows}
    placed = await Place.filter(person_id__in=list(niks)).values_list("person_id")
    return {niks[number] for (number,) in placed}


async def seats_had(db: BaseDBAsyncClient, cards: set[bytes]) -> dict[bytes, int]:
    """Seats that family cards have had: as the lists of households say, and places of waves that are not lost."""
    had = await lists.served_by(db, cards)
    rows = await Person.filter(kk_index__in=list(cards)).values_list("id", "kk_index")
    card_of = {int(number): bytes(card) for number, card in rows}
    for (number,) in await Place.filter(person_id__in=list(card_of), status__in=list(LIVE)).values_list("person_id"):
        had[card_of[number]] = had.get(card_of[number], 0) + 1
    return had


async def _excluded(db: BaseDBAsyncClient, wave: Wave, people: Mapping[int, Person]) -> set[bytes]:
    found: set[bytes] = set()
    for code, digests in (await lists.standing_on(db, ListKind.EXCLUDED, _niks(people))).items():
        applies = lists_of(wave)
        if applies is None or code in applies:
            found |= digests
    return found


async def _priority(db: BaseDBAsyncClient, wave: Wave, people: Mapping[int, Person]) -> dict[int, str]:
    """The first stratum of each person who stands on its list."""
    on = await lists.standing_on(db, ListKind.PRIORITY, _niks(people))
    everybody = set().union(*on.values())
    strata: dict[int, str] = {}
    for name, _ in reversed(strata_of(wave)[:-1]):
        listed = everybody if name == ListKind.PRIORITY else on.get(name, set())
        strata |= {number: name for number, person in people.items() if bytes(person.nik_index) in listed}
    return strata


def _niks(people: Mapping[int, Person]) -> set[bytes]:
    return {bytes(person.nik_index) for person in people.values()}


async def _entered(wave: Wave, people: Mapping[int, Person]) -> set[bytes]:
    """Those of these people's NIKs that are in the draw already."""
    rows = await Person.filter(nik_index__in=list(_niks(people))).values_list("id", "nik_index")
    niks = {int(number): bytes(nik) for number, nik in rows}
    entered = await Entry.filter(wave_id=wave.id, person_id__in=list(niks), reason="").values_list("person_id")
    return {niks[number] for (number,) in entered}


async def freeze(
    db: BaseDBAsyncClient, wave: Wave, programme: Programme, by: str, clock: Clock, progress: Progress
) -> Wave:
    """Commit to the list: its rows are stored as they will be published, and nothing in it can be changed after."""
    if await Entry.filter(wave_id=wave.id, reason__isnull=True).exists():
        raise DomainError("staff.wave_busy", wave=wave.number)  # somebody joined in the last moment: look again
    lines = await _lines(db, wave, clock, progress)
    digest = hashlib.sha256(ENTRANTS_HEAD.encode())
    async with in_transaction():
        await keep_claim(wave, WaveStatus.CLOSED, clock())
        await FrozenBlock.filter(wave_id=wave.id).delete()
    for number, start in enumerate(range(0, len(lines), BLOCK)):
        block = "".join(lines[start : start + BLOCK]).encode()
        digest.update(block)
        async with in_transaction():
            await keep_claim(wave, WaveStatus.CLOSED, clock())
            await FrozenBlock.create(wave_id=wave.id, number=number, rows=block)
    now = clock()
    draws_at = now + timedelta(hours=programme.waves.notice_hours)
    drand = wave.randomness == Randomness.DRAND
    wave.round = round_at(draws_at) if drand else None
    wave.draws_at = time_of_round(wave.round, now) if wave.round else draws_at.replace(microsecond=0)
    wave.frozen_at, wave.entrants = now, len(lines)
    dice_after = wave.draws_at + timedelta(days=programme.waves.dice_days) if drand else wave.draws_at
    rules = rules_toml(
        wave, strata_of(wave), await left_out(wave.id), digest.hexdigest(), dice_after, programme.version,
        version("gelombang"),
    )  # fmt: skip
    wave.rules, wave.commitment = rules, hashlib.sha256(rules.encode()).digest()
    async with in_transaction():
        await move(wave, WaveStatus.FROZEN, by, now)
        await Wave.filter(id=wave.id).update(
            round=wave.round,
            draws_at=wave.draws_at,
            frozen_at=now,
            entrants=wave.entrants,
            rules=rules,
            commitment=wave.commitment,
            lease_until=None,
        )
    return wave


async def take_back(wave: Wave, by: str, now: datetime) -> None:
    """Undo a freeze that was never published, and of which nobody could know: it is frozen anew with a later round."""
    async with in_transaction():
        unknown = Wave.filter(id=wave.id, status=WaveStatus.FROZEN, published_at__isnull=True, seed__isnull=True)
        if not await unknown.update(status=WaveStatus.CLOSED):
            raise DomainError("staff.wave_busy", wave=wave.number)
        reason = "frozen but not published in time"
        await WaveEvent.create(wave_id=wave.id, status=WaveStatus.CLOSED, by=by, reason=reason, at=now)
        await record(by, "wave.closed", f"wave:{wave.number}", now=now, before=WaveStatus.FROZEN, words=reason)


async def _lines(db: BaseDBAsyncClient, wave: Wave, clock: Clock, progress: Progress) -> list[str]:
    """Rows of entrants.csv in the order of the tickets. Sorted here: databases sort letters by their own rules."""
    lines: list[str] = []
    tables, last = DrawTables(db), 0
    while rows := await tables.entries(db, wave.id, last, BLOCK, only_in=True):
        last = rows[-1].id
        lines += [row(each.ticket, each.household, each.used, each.stratum) for each in rows]
        await keep_claim(wave, WaveStatus.CLOSED, clock())
        progress(len(rows))
    return sorted(lines)


async def left_out(wave_id: int) -> dict[str, int]:
    """How many were left out for each reason; who waited and is in a later wave by now still counts as waiting."""
    rows = (
        await Entry.filter(wave_id=wave_id, reason__not_in=[""])
        .annotate(count=Count("id"))
        .group_by("reason")
        .values_list("reason", "count")
    )
    counts: Counter[str] = Counter()
    for reason, count in sorted(rows):
        counts[WAITING if reason == CARRIED else str(reason)] += int(str(count))
    return dict(counts)
