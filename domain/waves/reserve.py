"""The reserve list: a free seat goes to the next of its stratum, then to the next of all, without a new draw."""

from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.functions import Count
from tortoise.queryset import QuerySet
from tortoise.transactions import in_transaction

from domain.clock import day_of
from domain.money import dues
from domain.notices.actions import announce
from domain.programme import GENERAL, Programme
from domain.waves.actions import strata_of
from domain.waves.freeze import UNDRAWN, layers_of, reason_out, standings_of
from domain.waves.keys import keyed
from domain.waves.rules import LIVE, deadline, last_day, ticket_length
from models.draws import DrawTables
from models.enums import WaveStatus
from models.person import Person
from models.wave import Entry, Place, RankBlock, Wave

PORTION = 500  # offers a transaction, and people looked at together


@dataclass(frozen=True, slots=True)
class Offer:
    """A free seat, and whose turn it is."""

    ticket: str
    rank: int
    seat: str
    person_id: int


async def offer_some(db: BaseDBAsyncClient, wave: Wave, programme: Programme, now: datetime) -> int:
    """Hand free seats on, at most a portion; gives how many, 0 when none is free or nobody waits.

    One at a time, of all waves: somebody may wait on two waves' lists, and households are counted over all of them.
    """
    if await Place.filter(wave_id=wave.id, status__in=list(LIVE)).count() >= wave.quota:
        return 0
    async with in_transaction() as connection:
        await DrawTables(connection).lock_offers(connection)
        # An update comes first: that is the lock on SQLite.
        if not await Wave.filter(id=wave.id, status=WaveStatus.ANNOUNCED).update(status=WaveStatus.ANNOUNCED):
            return 0
        row = await Wave.filter(id=wave.id).select_for_update().get()
        line = _Line(connection, row, programme, now)
        for name, number in (await free_seats(row)).items():
            await line.fill(name, number)
        if line.all_served_to > row.reserve_from:
            await Wave.filter(id=wave.id).update(reserve_from=line.all_served_to)
        if not line.offers:
            return 0
        due, tables = deadline(now, programme.waves.accept_days), DrawTables(connection)
        rows = [(offer.ticket, offer.rank, offer.seat) for offer in line.offers]
        await tables.add_places(connection, wave.id, rows, "reserve", now, due)
        params = {"wave": wave.number, "deadline_date": last_day(due)}
        people = [offer.person_id for offer in line.offers]
        tickets = [offer.ticket for offer in line.offers]
        places = await Place.filter(ticket__in=tickets).order_by("id").values_list("id", "person_id")
        found = [(int(place), int(person)) for place, person in places]
        await dues.grant(connection, wave.id, found, programme, now)
        await announce(connection, "reserve_offered", wave.id, people, now, params=params)
        return len(line.offers)


async def free_seats(wave: Wave) -> dict[str, int]:
    """Seats of each stratum that nobody holds now. What a stratum could not fill in the draw is everybody's."""
    drawn = await _by_seat(Place.filter(wave_id=wave.id, reserve=False))
    own = {name: drawn[name] for name, _ in strata_of(wave)}
    own[GENERAL] = wave.quota - sum(number for name, number in own.items() if name != GENERAL)
    held = await _by_seat(Place.filter(wave_id=wave.id, status__in=list(LIVE)))
    return {name: number - held[name] for name, number in own.items()}


async def _by_seat(places: QuerySet[Place]) -> Counter[str]:
    rows = await places.annotate(count=Count("id")).group_by("seat").values_list("seat", "count")
    return Counter({str(seat): int(str(count)) for seat, count in rows})


@dataclass
class _Line:
    """Those who wait, in the order of their rank. ``all_served_to``: everybody ranked before it has had a place."""

    db: BaseDBAsyncClient
    wave: Wave
    programme: Programme
    now: datetime
    offers: list[Offer] = field(default_factory=list)
    all_served_to: int = 0
    _taken: Counter[bytes] = field(default_factory=Counter)
    _offered: set[str] = field(default_factory=set)

    async def fill(self, seat: str, number: int) -> None:
        """Find whose turn it is for so many seats of a stratum."""
        if seat != GENERAL and number > 0:
            number -= await self._take(seat, number, self._of_stratum(seat))
        if number > 0:
            await self._take(seat, number, self._of_all())

    async def _take(self, seat: str, number: int, waiting: AsyncIterator[Sequence[tuple[int, Entry]]]) -> int:
        got, cap = 0, self.wave.household_cap
        async for some in waiting:
            fit = await self._still_in([entry for _, entry in some])
            for rank, entry in some:
                if got == number or len(self.offers) == PORTION:
                    return got
                if entry.ticket in self._offered or entry.id not in fit:
                    continue
                card, served = fit[entry.id]
                if cap and served + self._taken[card] >= cap:
                    continue
                self._taken[card] += 1
                self._offered.add(entry.ticket)
                self.offers.append(Offer(entry.ticket, rank or await self._rank(entry.ticket), seat, entry.person_id))
                got += 1
        return got

    async def _still_in(self, entries: Sequence[Entry]) -> dict[int, tuple[bytes, int]]:
        """Those who would be in the draw today, with their family card and the seats it has: looked at anew."""
        people = {person.id: person for person in await Person.filter(id__in=[entry.person_id for entry in entries])}
        standings = await standings_of(self.db, self.wave, people)
        running = await self._in_another_draw(people)
        today = day_of(self.now)
        eligibility, layers = self.programme.eligibility_on(today), layers_of(self.wave, self.programme)
        return {
            entry.id: (bytes(people[entry.person_id].kk_index), standings[entry.person_id].served)
            for entry in entries
            if bytes(people[entry.person_id].kk_index) not in running
            and not reason_out(standings[entry.person_id], eligibility, layers, self.wave.household_cap, today)
        }

    async def _in_another_draw(self, people: Mapping[int, Person]) -> set[bytes]:
        """Family cards with somebody in a later list that waits for its draw: a place here could be one too many."""
        cards = [person.kk_index for person in people.values()]
        rows = await Person.filter(kk_index__in=cards).values_list("id", "kk_index")
        card_of = {int(number): bytes(card) for number, card in rows}
        waves = [wave.id for wave in await Wave.filter(number__gt=self.wave.number, status__in=UNDRAWN).only("id")]
        if not waves:
            return set()
        entered = await Entry.filter(person_id__in=list(card_of), wave_id__in=waves).values_list("person_id")
        return {card_of[number] for (number,) in entered}

    async def _of_stratum(self, name: str) -> AsyncIterator[Sequence[tuple[int, Entry]]]:
        """Everybody of a stratum who has had no place, in portions; ranks are found when they are needed."""
        key = keyed(bytes(self.wave.seed or b""))
        found = await Entry.filter(wave_id=self.wave.id, reason="", stratum=name).values_list("ticket")
        tickets = sorted((str(ticket) for (ticket,) in found), key=lambda ticket: key(ticket.encode()))
        for start in range(0, len(tickets), PORTION):
            yield [(0, entry) for _, entry in await self._waiting(0, tickets[start : start + PORTION])]

    async def _of_all(self) -> AsyncIterator[Sequence[tuple[int, Entry]]]:
        """Everybody who has had no place, in portions."""
        width, all_served = ticket_length(self.wave.number), True
        blocks = await RankBlock.filter(wave_id=self.wave.id).order_by("first_rank").values_list("id", "first_rank")
        following = [first for _, first in blocks[1:]] + [(self.wave.entrants or 0) + 1]
        for (number, first), end in zip(blocks, following, strict=False):
            if end <= self.wave.reserve_from:
                continue
            letters = (await RankBlock.get(id=number)).tickets
            tickets = [letters[at : at + width] for at in range(0, len(letters), width)]
            for start in range(0, len(tickets), PORTION):
                some = tickets[start : start + PORTION]
                waiting = await self._waiting(first + start, some)
                all_served = all_served and not waiting
                if all_served:
                    self.all_served_to = first + start + len(some)
                if waiting:
                    yield waiting

    async def _waiting(self, first_rank: int, tickets: Sequence[str]) -> list[tuple[int, Entry]]:
        served = {ticket for (ticket,) in await Place.filter(ticket__in=list(tickets)).values_list("ticket")}
        entries = {entry.ticket: entry for entry in await Entry.filter(ticket__in=list(tickets))}
        return [
            (first_rank + at, entries[ticket])
            for at, ticket in enumerate(tickets)
            if ticket in entries and ticket not in served
        ]

    async def _rank(self, ticket: str) -> int:
        return await rank_of(self.db, self.wave, ticket) or 0


async def rank_of(db: BaseDBAsyncClient, wave: Wave, ticket: str) -> int | None:
    """A ticket's rank in a drawn wave; None where it is not among the entrants."""
    if wave.seed is None:
        return None
    found = await DrawTables(db).rank_block(db, wave.id, keyed(bytes(wave.seed))(ticket.encode()))
    if found is None:
        return None
    first, letters = found
    width = ticket_length(wave.number)
    tickets = [letters[at : at + width] for at in range(0, len(letters), width)]
    return first + tickets.index(ticket) if ticket in tickets else None
