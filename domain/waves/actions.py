"""Planning, opening, closing and joining waves. Verbs load, ask the rules and save; they never commit."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec
from tortoise.backends.base.client import BaseDBAsyncClient

from domain.audit import SYSTEM, record
from domain.clock import day_of
from domain.errors import DomainError
from domain.notices.actions import announce
from domain.programme import GENERAL, Programme
from domain.waves.rules import CARRIED, FOLLOWS, new_ticket, seats
from models.draws import DrawTables
from models.enums import Layer, ListKind, Randomness, WaveStatus
from models.person import Person
from models.verification import PersonList
from models.wave import Entry, Place, Wave, WaveEvent

MOST_SEATS = 9  # of a household: one digit in entrants.csv


@dataclass(frozen=True)
class Plan:
    """What staff may say of a wave; what they leave open comes from the programme's rules. Moments in UTC."""

    opens_at: datetime
    closes_at: datetime | None = None
    freezes_at: datetime | None = None
    quota: int | None = None
    strata: tuple[tuple[str, int], ...] | None = None
    layers: tuple[Layer, ...] | None = None
    lists: tuple[str, ...] | None = None
    household_cap: int | None = None
    randomness: Randomness = Randomness.DRAND


async def plan_wave(plan: Plan, programme: Programme, by: str, now: datetime, number: int | None = None) -> Wave:
    """A new wave; a planned one of this number is changed. Refused once it is open, or where it makes no sense."""
    wave = await Wave.get_or_none(number=number) if number else None
    if wave is not None and wave.status != WaveStatus.PLANNED:
        raise DomainError("staff.wave_not_planned", wave=wave.number, status=wave.status)
    wave = wave or Wave(number=number or await _next_number(), status=WaveStatus.PLANNED)
    rules, day = programme.waves, day_of(plan.opens_at)
    asked = programme.layers_on(day)
    quota = rules.quota if plan.quota is None else plan.quota
    own = seats(quota, rules.strata) if plan.strata is None else list(plan.strata)
    closes_at = plan.closes_at or plan.opens_at + timedelta(days=rules.open_days)
    cap = programme.eligibility_on(day).household_seats if plan.household_cap is None else plan.household_cap
    layers = plan.layers or tuple(layer for layer in asked.ask if layer not in asked.optional)
    terms = {
        "quota": quota,
        "opens_at": plan.opens_at,
        "closes_at": closes_at,
        "freezes_at": plan.freezes_at or closes_at + timedelta(hours=rules.freeze_hours),
        "strata": msgspec.json.encode(own).decode(),
        "layers": ",".join(layers),
        "lists": "*" if plan.lists is None else ",".join(plan.lists),
        "household_cap": cap,
        "randomness": plan.randomness.value,
    }
    wave.update_from_dict(terms)
    await _refuse_nonsense(wave)
    if wave.id is None:
        await wave.save()
    elif not await Wave.filter(id=wave.id, status=WaveStatus.PLANNED).update(**terms):
        raise DomainError("staff.wave_not_planned", wave=wave.number, status=WaveStatus.OPEN)
    await WaveEvent.create(wave_id=wave.id, status=WaveStatus.PLANNED, by=by, at=now)
    await record(by, "wave.planned", f"wave:{wave.number}", now=now, after={**terms, "opens_at": str(plan.opens_at)})
    return wave


async def _next_number() -> int:
    last = await Wave.all().order_by("-number").first()
    return last.number + 1 if last else 1


async def _refuse_nonsense(wave: Wave) -> None:
    own = strata_of(wave)
    if wave.closes_at <= wave.opens_at or (wave.freezes_at or wave.closes_at) < wave.closes_at:
        raise DomainError("staff.wave_dates")
    if sum(number for _, number in own) != wave.quota or min(number for _, number in own) < 0 or wave.quota < 1:
        raise DomainError("staff.wave_seats", quota=wave.quota)
    if not 0 <= wave.household_cap <= MOST_SEATS:
        raise DomainError("staff.wave_household", most=MOST_SEATS)
    names = [name for name, _ in own]
    if len(set(names)) != len(names) or names[-1] != GENERAL:
        raise DomainError("staff.wave_general")
    named = [*(name for name, _ in own[:-1] if name != ListKind.PRIORITY), *(set(lists_of(wave) or ()))]
    for code in named:
        if not await PersonList.filter(code=code).exists():
            raise DomainError("staff.wave_list", list=code)


def strata_of(wave: Wave) -> list[tuple[str, int]]:
    """Names and seats in the order they are filled."""
    return msgspec.json.decode(wave.strata, type=list[tuple[str, int]]) or [(GENERAL, wave.quota)]


def lists_of(wave: Wave) -> tuple[str, ...] | None:
    """Codes of the exclusion lists that apply; None for all there are."""
    return None if wave.lists == "*" else tuple(code for code in wave.lists.split(",") if code)


async def move(wave: Wave, status: WaveStatus, by: str, now: datetime, reason: str = "") -> None:
    """Let a wave become what may follow; refused where it may not, or where somebody else was faster."""
    if status not in FOLLOWS[WaveStatus(wave.status)]:
        raise DomainError("staff.wave_order", wave=wave.number, status=wave.status)
    if not await Wave.filter(id=wave.id, status=wave.status).update(status=status):
        raise DomainError("staff.wave_busy", wave=wave.number)
    before, wave.status = str(wave.status), status
    await WaveEvent.create(wave_id=wave.id, status=status, by=by, reason=reason, at=now)
    await record(by, f"wave.{status.value}", f"wave:{wave.number}", now=now, before=before, after=status, words=reason)


async def open_now(number: int, by: str, now: datetime) -> Wave:
    """Open a planned wave before its date; its other dates stay."""
    wave = await wave_numbered(number)
    if wave.closes_at <= now:
        raise DomainError("staff.wave_dates")
    await move(wave, WaveStatus.OPEN, by, now)
    await Wave.filter(id=wave.id).update(opens_at=min(now, wave.opens_at))
    return wave


async def close_now(number: int, by: str, now: datetime) -> Wave:
    """Close an open wave before its date; who has joined stays in."""
    wave = await wave_numbered(number)
    await move(wave, WaveStatus.CLOSED, by, now)
    await Wave.filter(id=wave.id).update(closes_at=min(now, wave.closes_at))
    return wave


async def follow_dates(now: datetime) -> list[Wave]:
    """Open and close what its dates say; gives the waves that were changed."""
    changed = []
    for wave in await Wave.filter(status=WaveStatus.PLANNED, opens_at__lte=now, closes_at__gt=now).order_by("number"):
        await move(wave, WaveStatus.OPEN, SYSTEM, now)
        changed.append(wave)
    for wave in await Wave.filter(status=WaveStatus.OPEN, closes_at__lte=now).order_by("number"):
        await move(wave, WaveStatus.CLOSED, SYSTEM, now)
        changed.append(wave)
    return changed


async def wave_numbered(number: int) -> Wave:
    """A wave by its number; refused with staff.no_wave."""
    wave = await Wave.get_or_none(number=number)
    if wave is None:
        raise DomainError("staff.no_wave", wave=number)
    return wave


async def current_wave(now: datetime) -> Wave | None:
    """The wave that can be joined now."""
    return await Wave.filter(status=WaveStatus.OPEN, opens_at__lte=now, closes_at__gt=now).order_by("number").first()


async def join(person_id: int, now: datetime) -> tuple[Wave, Entry]:
    """Join the open wave; joining twice gives the same ticket. Refused with waves.none_open or waves.have_place."""
    wave = await current_wave(now)
    if wave is None:
        raise DomainError("waves.none_open")
    entry = await Entry.filter(wave_id=wave.id, person_id=person_id).first()
    if entry is None:
        if await Place.filter(person_id=person_id).exists():
            raise DomainError("waves.have_place")
        if not await DrawTables(Wave._meta.db).hold(Wave._meta.db, wave.id, WaveStatus.OPEN):
            raise DomainError("waves.none_open")
        entry = await Entry.create(wave_id=wave.id, person_id=person_id, ticket=new_ticket(wave.number), joined_at=now)
    return wave, entry


async def carry_over(db: BaseDBAsyncClient, wave: Wave, now: datetime, limit: int = 1_000) -> int:
    """Let people whose layers still waited at an earlier freeze take part in this open wave; gives how many were
    looked at, 0 at the end.
    """
    rows = await DrawTables(db).waiting(db, wave.number, limit)
    await Entry.bulk_create(
        [
            Entry(wave_id=wave.id, person_id=person, ticket=new_ticket(wave.number), joined_at=now, carried=True)
            for _, person, joined in rows
            if not joined
        ],
        using_db=db,
    )
    await Entry.filter(id__in=[entry for entry, _, _ in rows]).update(reason=CARRIED)
    return len(rows)


async def tell_open(db: BaseDBAsyncClient, wave: Wave, now: datetime, limit: int = 5_000) -> int:
    """Let the next people hear that this wave is open who registered before and may join it; gives how many were
    looked at, 0 at the end.
    """
    row = await Wave.get(id=wave.id)
    known = Person.filter(id__gt=row.told_to, created_at__lt=row.opens_at)
    ids = [int(number) for (number,) in await known.order_by("id").limit(limit).values_list("id")]
    if not ids:  # whoever has registered since is asked at the end of it anyway
        latest = await Person.all().order_by("-id").limit(1).values_list("id")
        await Wave.filter(id=wave.id).update(told_to=latest[0][0] if latest else 0)
        return 0
    placed = {number for (number,) in await Place.filter(person_id__in=ids).values_list("person_id")}
    joined = {number for (number,) in await Entry.filter(wave_id=wave.id, person_id__in=ids).values_list("person_id")}
    people = [number for number in ids if number not in placed | joined]
    params = {"wave": wave.number, "closes_time": row.closes_at.isoformat()}
    await announce(db, "wave_open", wave.id, people, now, params=params)
    await Wave.filter(id=wave.id).update(told_to=ids[-1])
    return len(ids)
