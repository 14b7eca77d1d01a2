"""Places of a wave: told, reminded, accepted, lapsed (domain.waves.reserve hands them on).

Each verb does a portion in a transaction of its own and gives how much it did; 0 means that nothing is due.
"""

from collections.abc import Iterable
from datetime import datetime, time, timedelta

from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.expressions import F
from tortoise.transactions import in_transaction

from domain.audit import SYSTEM
from domain.clock import WIB, day_of
from domain.errors import DomainError
from domain.money import actions as money
from domain.money import dues
from domain.money.paying import expired_before
from domain.notices.actions import announce
from domain.programme import Programme
from domain.waves.actions import move
from domain.waves.rules import CARRIED, LIVE, OPEN_PLACES, WAITING, deadline, last_day, reminder
from models.draws import DrawTables
from models.enums import PlaceStatus, WaveStatus
from models.person import Person
from models.wave import Place, Wave

PORTION = 500
TOLD_BY = ("selected", "reserve_offered")  # the notices that begin a place's clock
ANNOUNCED_PORTION = 5_000
GRANTED_PORTION = 1_000
# Reasons of the freeze in words of their own; every other one is a layer that failed.
REASON_LABELS = {
    "": "notice.reason_quota",
    WAITING: "notice.reason_waiting",
    CARRIED: "notice.reason_waiting",
    "had_place": "notice.reason_had_place",
    "same_nik": "notice.reason_same_nik",
}


# --- announcing


async def start_announcing(wave: Wave, programme: Programme, now: datetime) -> Wave:
    """Fund the wave and fix the day from which the clocks of the selected run. Refused with staff.budget_short."""
    async with in_transaction() as connection:
        await Wave.filter(id=wave.id, announced_at__isnull=True).update(announced_at=now)
        await money.allot(connection, wave.id, wave.quota, programme, now)
    wave = await Wave.get(id=wave.id)
    assert wave.announced_at is not None
    due = deadline(wave.announced_at, programme.waves.accept_days)
    await Place.filter(wave_id=wave.id, due_at__isnull=True).update(due_at=due)
    return wave


async def announce_some(db: BaseDBAsyncClient, wave: Wave, programme: Programme, after: int, now: datetime) -> int:
    """Let the next people of a drawn wave be told what came of it; gives the last entry looked at, 0 at the end."""
    assert wave.announced_at is not None
    entries = await DrawTables(db).entries(db, wave.id, after, ANNOUNCED_PORTION)
    if not entries:
        return 0
    people = [entry.person_id for entry in entries]
    rows = await Place.filter(wave_id=wave.id, reserve=False, person_id__in=people).values_list("id", "person_id")
    places = sorted((int(place), int(person)) for place, person in rows)
    selected = {person for _, person in places}
    for start in range(0, len(places), GRANTED_PORTION):  # before they hear of it
        async with in_transaction() as connection:
            await dues.grant(connection, wave.id, places[start : start + GRANTED_PORTION], programme, now)
    day = last_day(deadline(wave.announced_at, programme.waves.accept_days))
    params = {"wave": wave.number, "deadline_date": day}
    await announce(db, "selected", wave.id, sorted(selected), now, params=params)
    by_label: dict[str, list[int]] = {}
    for entry in entries:
        if entry.person_id not in selected:
            label = REASON_LABELS.get(entry.reason or "", "notice.reason_layers")
            by_label.setdefault(label, []).append(entry.person_id)
    for label, some in sorted(by_label.items()):
        params = {"wave": wave.number, "reason_label": label}
        await announce(db, "not_selected", wave.id, some, now, params=params)
    return entries[-1].id


async def finish_announcing(wave: Wave, now: datetime) -> None:
    """Everybody will be told; from now on places lapse and are handed on."""
    async with in_transaction():
        await move(wave, WaveStatus.ANNOUNCED, SYSTEM, now)


# --- the clocks of places


async def note_told(db: BaseDBAsyncClient, wave: Wave, programme: Programme, after: int) -> int:
    """Selected people who were told by now: their days count from the notice where that came later.

    Gives the last place looked at, 0 at the end.
    """
    tables = DrawTables(db)
    told, last = await tables.told(db, wave.id, TOLD_BY, after, PORTION)
    if told:
        async with in_transaction() as connection:
            ids = [number for number, _ in told]
            latest = max(moment for _, moment in told)
            before = [PlaceStatus.SELECTED]
            await tables.move_places(connection, ids, before, PlaceStatus.NOTIFIED, "told", latest)
            for number, told_at in told:
                due = deadline(told_at, programme.waves.accept_days)
                await Place.filter(id=number, due_at__lt=due).update(due_at=due)
    return last


async def remind(db: BaseDBAsyncClient, wave: Wave, programme: Programme, now: datetime) -> int:
    """Remind those whose deadline comes near and who have not chosen yet."""
    days = programme.waves.reminder_days
    found = 0
    for at, threshold in enumerate(days):
        following = days[at + 1] if at + 1 < len(days) else 0
        places = await _to_remind(wave, threshold, following, now)
        found += len(places)
        due = [place for place in places if reminder(_due(place), place.reminded, days, now) == threshold]
        for day, some in _by_day(due).items():
            async with in_transaction():
                ids = [place.id for place in some]
                params = {"wave": wave.number, "days": threshold, "deadline_date": day}
                people = [place.person_id for place in some]
                await announce(db, f"deadline_{threshold}", wave.id, people, now, params=params)
                await Place.filter(id__in=ids).update(reminded=threshold)
    return found


async def _to_remind(wave: Wave, threshold: int, following: int, now: datetime) -> list[Place]:
    open_places = Place.filter(
        wave_id=wave.id,
        status__in=list(OPEN_PLACES),
        due_at__gt=now + timedelta(days=following),
        due_at__lte=now + timedelta(days=threshold),
    )
    new, older = open_places.filter(reminded__isnull=True), open_places.filter(reminded__gt=threshold)
    return [*await new.order_by("id").limit(PORTION), *await older.order_by("id").limit(PORTION)]


async def lapse_some(db: BaseDBAsyncClient, wave: Wave, now: datetime) -> int:
    """Take back places whose deadline has passed, with their balances, and tell it. A place whose balance is still on
    its way to the account, or came too late to be used, gets the days it needs.
    """
    late = (
        await Place.filter(wave_id=wave.id, status__in=list(OPEN_PLACES), due_at__lte=now).order_by("id").limit(PORTION)
    )
    if not late:
        return 0
    async with in_transaction() as connection:
        people = [place.person_id for place in late]
        await money.hold_credits(connection, people)
        await money.hold(connection, people)
        later = await dues.crediting(people, now)
        for place in late:
            if place.person_id in later:
                due = deadline(later[place.person_id], 0)
                await Place.filter(id=place.id, due_at__lt=due).update(due_at=due)
        late_now = [place for place in late if place.person_id not in later]
        withdrawn = await _withdrawn(people)
        for reason, before in (
            ("withdrawn", PlaceStatus.SELECTED),
            ("withdrawn", PlaceStatus.NOTIFIED),
            ("not_told", PlaceStatus.SELECTED),
            ("deadline", PlaceStatus.NOTIFIED),
        ):
            theirs = [place for place in late_now if (place.person_id in withdrawn) == (reason == "withdrawn")]
            ids = [place.id for place in theirs if place.status == before]
            moved = set(
                await DrawTables(connection).move_places(connection, ids, [before], PlaceStatus.LAPSED, reason, now)
            )
            places = [place for place in late_now if place.id in moved]
            await dues.return_balance(connection, wave.id, [(place.id, place.person_id) for place in places], now)
            for day, some in _by_day(places).items():
                params = {"wave": wave.number, "deadline_date": day}
                people = [place.person_id for place in some]
                await announce(connection, "lapsed", wave.id, people, now, params=params)
    return len(late)


async def _withdrawn(people: list[int]) -> set[int]:
    gone = Person.filter(id__in=people, withdrawn_at__isnull=False)
    return {int(number) for (number,) in await gone.values_list("id")}


async def expire_some(db: BaseDBAsyncClient, programme: Programme, now: datetime) -> int:
    """Take back what is left of balances whose year is over; gives how many."""
    today = day_of(now)
    last = expired_before(today, programme.waves.accept_days, programme.money_on(today).balance_ends)
    ended = datetime.combine(last + timedelta(days=1), time(0), WIB).astimezone(now.tzinfo)
    rows = await DrawTables(db).expiring(db, ended, PORTION)
    if not rows:
        return 0
    new = 0
    async with in_transaction() as connection:
        people = [person for _, _, person in rows]
        await money.hold_credits(connection, people)
        await money.hold(connection, people)
        year = (last + timedelta(days=programme.waves.accept_days)).year
        for wave_id in sorted({wave for _, wave, _ in rows}):
            places = [(place, person) for place, wave, person in rows if wave == wave_id]
            new += await dues.return_balance(connection, wave_id, places, now, ended=year)
    return new


async def give_up(person_id: int, now: datetime) -> int:
    """Let somebody's place that was not taken up lapse now: they took their consent back. Its balance goes back with
    it, by the ordinary way (``lapse_some``). Gives how many.
    """
    return await Place.filter(person_id=person_id, status__in=list(OPEN_PLACES), due_at__gt=now).update(due_at=now)


async def give_up_some(now: datetime) -> int:
    """The same for everybody who took their consent back and was given a place since."""
    gone = Place.filter(person__withdrawn_at__isnull=False, status__in=list(OPEN_PLACES), due_at__gt=now)
    ids = await gone.limit(PORTION).values_list("id", flat=True)
    return await Place.filter(id__in=list(ids)).update(due_at=now) if ids else 0


async def end(db: BaseDBAsyncClient, person_id: int, now: datetime) -> None:
    """Take back the place of somebody who is deleted, with what is left of the balance. In the caller's transaction."""
    await money.hold_credits(db, [person_id])
    await money.hold(db, [person_id])
    for place in await Place.filter(person_id=person_id, status__in=list(LIVE)):
        await DrawTables(db).move_places(db, [place.id], sorted(LIVE), PlaceStatus.LAPSED, "deleted", now)
        await dues.return_balance(db, place.wave_id, [(place.id, person_id)], now)


def _due(place: Place) -> datetime:
    assert place.due_at is not None  # set when the wave is announced, before any clock is looked at
    return place.due_at


def _by_day(places: Iterable[Place]) -> dict[str, list[Place]]:
    """Places by the last day on which a training can be chosen."""
    days: dict[str, list[Place]] = {}
    for place in places:
        days.setdefault(last_day(_due(place)), []).append(place)
    return days


async def accept(person_id: int, now: datetime) -> Place:
    """A person keeps their place, by choosing a training. Refused with waves.no_place or waves.place_lapsed.

    In the caller's transaction. Accepting twice changes nothing.
    """
    place = await Place.filter(person_id=person_id).order_by("-id").first()
    if place is None:
        raise DomainError("waves.no_place")
    if place.status == PlaceStatus.ACCEPTED:
        return place
    if place.due_at is None:  # drawn, but nobody was told yet
        raise DomainError("waves.no_place")
    if place.due_at <= now and place.status != PlaceStatus.LAPSED:
        place.due_at = (await dues.crediting([person_id], now)).get(person_id, place.due_at)  # it came late: not theirs
    if place.status == PlaceStatus.LAPSED or place.due_at <= now:
        raise DomainError("waves.place_lapsed", deadline_date=last_day(place.due_at))
    db = Place._meta.db
    if not await DrawTables(db).move_places(db, [place.id], sorted(OPEN_PLACES), PlaceStatus.ACCEPTED, "training", now):
        return await accept(person_id, now)  # it moved meanwhile
    place.status = PlaceStatus.ACCEPTED
    return place


async def reopen(person_id: int, now: datetime, *, forgiving: bool) -> None:
    """Somebody who took back their only training has to choose again, as long as there is time. Where there is none
    it is refused with waves.place_kept, or, ``forgiving``, the place stays theirs. In the caller's transaction.
    """
    place = await Place.filter(person_id=person_id, status=PlaceStatus.ACCEPTED).order_by("-id").first()
    if place is None:
        return
    if _due(place) <= now and forgiving:
        return
    if _due(place) <= now:
        raise DomainError("waves.place_kept", deadline_date=last_day(_due(place)))
    db = Place._meta.db
    await DrawTables(db).move_places(db, [place.id], [PlaceStatus.ACCEPTED], PlaceStatus.NOTIFIED, "cancelled", now)
    await Wave.filter(id=place.wave_id).update(quota=F("quota"))  # the lock: it must not end just now
    wave = await Wave.get(id=place.wave_id)
    if wave.status == WaveStatus.ENDED:
        await move(wave, WaveStatus.ANNOUNCED, SYSTEM, now, "place reopened")
