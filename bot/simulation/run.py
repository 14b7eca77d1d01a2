"""``gelombang simulate``: virtual people go through waves on the real engine and domain, on a simulated clock.

People chat, send photos, mistype, give up, block the bot, ignore their places. Only what stands outside is synthetic:
what looks at photos, the civil registry, and the platforms. Dice, which are published like real ones, replace drand.
The same seed gives the same figures: before a freeze, tickets are replaced by ones made from the seed.
"""

import asyncio
import base64
import hashlib
import hmac
import json
import logging
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.transactions import in_transaction
from tqdm import tqdm

from bot import sample_catalogue
from bot.app import App
from bot.draws import Draws
from bot.gateways.beacon import Drand
from bot.gateways.payouts.bank_file import BankFileGateway
from bot.gateways.payouts.inquiry import HttpInquiry
from bot.payouts import Payouts
from bot.photos import Photos, Remote
from bot.settings import Settings
from bot.simulation import people, straight
from bot.simulation.people import Character, character
from bot.verifications import Verifications
from domain import programme as programmes
from domain import regions
from domain.errors import DomainError
from domain.money.actions import problems
from domain.programme import Programme, kept_in_ledger
from domain.trainings import listings, purchases
from domain.trainings.rules import read_line
from domain.waves import check_draw, drawing
from domain.waves.actions import Plan, close_now, plan_wave, wave_numbered
from domain.waves.funnel import funnel
from domain.waves.reserve import offer_some
from domain.waves.rules import ALPHABET, LIVE
from handlers.conversation import Inbound
from handlers.engine import address_lookup
from models import crypto
from models.database import database, migrate
from models.enums import (
    AccountKind,
    Channel,
    NoticeStatus,
    OutboxStatus,
    PlaceStatus,
    Randomness,
    TaskStatus,
    WaveStatus,
)
from models.message import Outbox
from models.money import LedgerAccount
from models.notice import Notice
from models.person import Person, PhotoTask
from models.training import Training
from models.verification import VerificationTask
from models.wave import Entry, Place, Wave

START = datetime(2026, 1, 5, 5, 0, tzinfo=UTC)  # noon in Jakarta, so that an SMS may be sent
DAY = timedelta(days=1)
OPEN_DAYS = 7
SIDE_BY_SIDE = 64
UNPACED = 1e6  # messages a second: only the clock is simulated, not the platforms' patience
MOST_TRIES = 4  # at one question, then somebody gives up
STAFF = ("staff one", "staff two")


@dataclass(frozen=True)
class Terms:
    """What is simulated."""

    people: int
    waves: int
    seed: int
    quota: int
    straight: bool = False


@dataclass
class Simulation:
    """A town of virtual people, and what is asserted of the programme all along."""

    app: App
    db: BaseDBAsyncClient
    programme: Programme
    draws: Draws
    folder: Path
    clock: people.Clock
    phones: people.Phones
    terms: Terms
    known: dict[int, Character]
    trainings: list[Training]
    broken: Counter[str] = field(default_factory=Counter)
    _sent: int = 0
    gave_up_at: Counter[str] = field(default_factory=Counter)
    _registered: set[int] = field(default_factory=set)

    # --- people

    async def send(self, person: Character, **content: Any) -> None:
        """A message of somebody."""
        self._sent += 1
        inbound = Inbound(channel=Channel.TELEGRAM, address=person.chat, external_id=str(self._sent), **content)
        await self.app.receive(inbound)

    async def register(self, some: Iterable[Character]) -> None:
        """Let these people answer, a question each a round, until they are done or give up."""
        active, tries = list(some), Counter[tuple[int, str]]()
        await self._side_by_side(self.send(person, text="halo") for person in active)
        for round_ in range(1, 60):
            steps = {person.number: await self._step(person) for person in active}
            going = []
            for person in active:
                step = steps[person.number]
                if step == "home.menu" and person.gives_mail and person.number not in self._registered:
                    self._registered.add(person.number)
                    going.append(person)
                elif step == "home.menu":
                    self._registered.add(person.number)
                elif person.stops_at == round_ or tries[person.number, step] >= MOST_TRIES:
                    self.gave_up_at[step] += 1
                else:
                    going.append(person)
            if not going:
                return
            messages = []
            for person in going:
                step = steps[person.number]
                messages.append(self._answer(person, step, tries[person.number, step]))
                tries[person.number, step] += 1
            await self._side_by_side(messages)
            await self.quiet()
            active = going
        raise RuntimeError(f"{len(active)} people are stuck")

    async def _step(self, person: Character) -> str:
        seat = await self.app.engine.tables.seat_at(self.db, address_lookup(Channel.TELEGRAM, person.chat))
        step = seat[1] if seat else None
        return step or ""

    async def _answer(self, person: Character, step: str, tries: int) -> None:
        screens = self.phones.screens
        screen = screens[person.mail if step == "registration.email_code" else person.chat]
        await self.send(person, **people.answer(person, step, tries, screen))

    async def _side_by_side(self, messages: Iterable[Any]) -> None:
        waiting = list(messages)
        for start in range(0, len(waiting), SIDE_BY_SIDE):
            await asyncio.gather(*waiting[start : start + SIDE_BY_SIDE])

    async def quiet(self) -> None:
        """Wait until all slow work, every message and every notice that is due is done."""
        while True:
            now = self.clock()
            self.app._wake()
            left = (
                await PhotoTask.filter(status=TaskStatus.PENDING, lease_until__lte=now + DAY).count()
                + await VerificationTask.filter(due_at__lte=now).count()
                + await Notice.filter(
                    status__in=[NoticeStatus.NEW, NoticeStatus.ROUTED, NoticeStatus.SENDING], due_at__lte=now
                ).count()
                + await Outbox.filter(status__in=[OutboxStatus.QUEUED, OutboxStatus.ATTEMPTING]).count()
            )
            if not left:
                return
            await asyncio.sleep(0.02)

    # --- days

    async def day(self) -> None:
        """Move on by a day: dates are followed, news is told, people act on it."""
        self.clock.time += DAY
        await self.app.waves.sweep()
        await self.quiet()
        await self.app.waves.sweep()  # who was told just now
        await self._choose()
        await self._watch()

    async def _choose(self) -> None:
        """Selected people who were told buy a training when they come to it, or never do."""
        chosen = []
        for place in await Place.filter(status=PlaceStatus.NOTIFIED).prefetch_related("person"):
            person = self.known[_number(place.person)]
            if person.acts_after is None or place.due_at is None:
                continue
            told = place.due_at - (self.programme.waves.accept_days + 1) * DAY
            if self.clock() >= told + person.acts_after * DAY:
                chosen.append((place.person_id, person.number))
        for person_id, number in chosen:
            training = self.trainings[number % len(self.trainings)]
            async with in_transaction():
                try:
                    await purchases.buy(person_id, training.id, training.price, self.clock())
                except DomainError:
                    self.broken["a told person could not choose in time"] += 1

    async def _watch(self) -> None:
        """What must hold at every moment."""
        cards: Counter[bytes] = Counter()  # over all waves
        for wave in await Wave.filter(drawn_at__isnull=False):
            live = await Place.filter(wave_id=wave.id, status__in=list(LIVE)).prefetch_related("person")
            if len(live) > wave.quota:
                self.broken["quota"] += 1
            cards.update(bytes(place.person.kk_index) for place in live)
            if wave.household_cap and cards and max(cards.values()) > wave.household_cap:
                self.broken["household cap"] += 1

    # --- a wave

    async def wave(self, number: int, bar: Any) -> None:
        """A wave from its opening to the telling of its result."""
        plan = Plan(
            self.clock(), self.clock() + OPEN_DAYS * DAY, quota=self.terms.quota, randomness=Randomness.DICE,
        )  # fmt: skip
        await plan_wave(plan, self.programme, STAFF[0], self.clock())
        await self.app.waves.sweep()
        await self._join_again(number)
        for day in range(OPEN_DAYS):
            today = (number - 1) * OPEN_DAYS + day
            some = [person for person in self.known.values() if person.begins_after // DAY == today]
            if self.terms.straight:
                await straight.join(self.db, await wave_numbered(number), some, self.programme, self.clock())
            else:
                await self.register(some)
            bar.update(len(some))
            for person in some:
                if person.blocks:
                    self.phones.blocked.add(person.chat)
            if day < OPEN_DAYS - 1:
                await self.day()
        await self._tickets(number)
        await close_now(number, STAFF[0], self.clock())
        wave = await self.draws.freeze(number, STAFF[0])
        assert wave.draws_at is not None
        self.clock.time = max(self.clock.time + DAY, wave.draws_at)
        throws = _dice(self.terms.seed, number)
        for staff in STAFF:
            await drawing.throw_dice(number, staff, throws, self.clock())
        await self.draws.run(number, STAFF[0])
        await self.quiet()

    async def _join_again(self, number: int) -> None:
        """Who was not selected presses the button, or does not."""
        if number == 1:
            return
        joined = {person_id for (person_id,) in await Entry.filter(wave__number=number).values_list("person_id")}
        placed = {person_id for (person_id,) in await Place.all().values_list("person_id")}
        again = [
            self.known[_number(person)]
            for person in await Person.all()
            if person.id not in joined | placed and self.known[_number(person)].joins_again
        ]
        await self._side_by_side(self.send(person, choice="join") for person in again if not person.blocks)

    async def _tickets(self, number: int) -> None:
        """Replace random tickets by ones that follow from the seed, so that the run can be repeated."""
        for entry in await Entry.filter(wave__number=number).prefetch_related("person"):
            entry.ticket = seeded_ticket(self.terms.seed, number, _number(entry.person))
            await entry.save(update_fields=["ticket"])

    async def to_the_end(self, bar: Any) -> None:
        """Day by day until every place is accepted or nobody is left for it."""
        for _ in range(400):
            if not await Wave.exclude(status=WaveStatus.ENDED).exists():
                return
            await self.day()
            bar.update(1)

    # --- the end

    async def invariants(self) -> dict[str, bool]:
        """What has to hold, each with whether it did."""
        waves = await Wave.all().order_by("number")
        places_of = Counter([person_id for (person_id,) in await Place.all().values_list("person_id")])
        return {
            "quota_never_exceeded": not self.broken["quota"],
            "household_cap_never_exceeded": not self.broken["household cap"],
            "one_place_a_person": max(places_of.values(), default=0) <= 1,
            "everybody_told_could_choose_in_time": not self.broken["a told person could not choose in time"],
            "every_draw_verifies": all(self._verifies(wave) for wave in waves),
            "every_drawn_person_has_a_valid_rank": all([await self._ranks(wave) for wave in waves]),
            "nobody_lost": await self._nobody_lost(waves),
            "no_place_empty_while_somebody_waits": await self._none_empty(waves),
            "every_rupiah_explained": not await problems(self.db),
            "no_balance_left_where_a_place_lapsed": await self._all_returned(),
            "every_wave_ended": all(wave.status == WaveStatus.ENDED for wave in waves),
        }

    async def _all_returned(self) -> bool:
        lapsed = {n for (n,) in await Place.filter(status=PlaceStatus.LAPSED).values_list("person_id")}
        held = LedgerAccount.filter(kind=AccountKind.TRAINING_BALANCE, balance__gt=0)
        return not lapsed & {n for (n,) in await held.values_list("subject_id")}

    def _verifies(self, wave: Wave) -> bool:
        try:
            check_draw.check(self.folder / str(wave.number), lambda _: None)
        except check_draw.WrongError:
            return False
        return True

    async def _ranks(self, wave: Wave) -> bool:
        found = check_draw.check(self.folder / str(wave.number), lambda _: None)
        rank = {ticket: at for at, ticket in enumerate(found["ranked"], 1)}
        rows = await Place.filter(wave_id=wave.id).values_list("ticket", "rank", "reserve")
        return all(rank.get(ticket) == number for ticket, number, _ in rows) and {
            ticket for ticket, _, reserve in rows if not reserve
        } == set(found["winners"])

    async def _nobody_lost(self, waves: list[Wave]) -> bool:
        """Everybody who finished registering is a person; everybody in a wave has a reason or a rank and a notice."""
        people_known = {_number(person) for person in await Person.all()}
        if not self.terms.straight and people_known != self._registered:
            return False
        if await Entry.filter(wave_id__in=[wave.id for wave in waves], reason__isnull=True).exists():
            return False
        for wave in waves:
            kinds = ["selected", "not_selected"]
            told = {n for (n,) in await Notice.filter(subject_id=wave.id, kind__in=kinds).values_list("person_id")}
            joined = {n for (n,) in await Entry.filter(wave_id=wave.id).values_list("person_id")}
            if told != joined:
                return False
        settled = [NoticeStatus.TOLD, NoticeStatus.UNREACHED, NoticeStatus.EXPIRED]
        return not await Notice.exclude(status__in=settled).exists()

    async def _none_empty(self, waves: list[Wave]) -> bool:
        """Offering once more finds nobody for a place that nobody holds."""
        for wave in waves:
            await Wave.filter(id=wave.id).update(status=WaveStatus.ANNOUNCED)
            offered = await offer_some(self.db, wave, self.programme, self.clock())
            await Wave.filter(id=wave.id).update(status=wave.status)
            if offered:
                return False
        return True


def _number(person: Person) -> int:
    return int(person.phone[-8:])


def seeded_ticket(seed: int, wave: int, number: int) -> str:
    """A ticket that follows from the seed."""
    digest = int.from_bytes(hashlib.sha256(f"ticket:{seed}:{wave}:{number}".encode()).digest(), "big")
    letters = "".join(ALPHABET[digest >> 5 * at & 31] for at in range(8))
    return f"G{wave}-{letters[:4]}-{letters[4:]}"


def _dice(seed: int, wave: int) -> str:
    digest = hmac.digest(str(seed).encode(), f"dice:{wave}".encode(), "sha512") * 2
    return "".join(str(byte % 6 + 1) for byte in digest[:60])


def _keys(seed: int) -> crypto.Keyring:
    """Keys that follow from the seed: nothing in a simulation is anybody's."""
    made = [base64.b64encode(hashlib.sha256(f"key:{seed}:{at}".encode()).digest()).decode() for at in range(2)]
    return crypto.Keyring.parse(f"1:{made[0]}", made[1])


@asynccontextmanager
async def town(terms: Terms, url: str, folder: Path) -> AsyncIterator[Simulation]:
    """Everything that is needed, at work."""
    crypto.use(_keys(terms.seed))
    regions.load()
    clock, phones, programme = people.Clock(START), people.Phones(), kept_in_ledger(programmes.load())
    known = {number: character(terms.seed, number, terms.waves * OPEN_DAYS) for number in range(terms.people)}
    async with AsyncExitStack() as stack:
        db = await stack.enter_async_context(database(url))
        await migrate(db)
        if await Person.exists() or await Wave.exists():
            raise ValueError("a simulation needs an empty database")
        settings = Settings(_env_file=None, database_url=url, draws_dir=folder, telegram_pace=UNPACED, sms_pace=UNPACED)
        app = App(settings, db, programme, {Channel.TELEGRAM: phones, Channel.SMS: phones, Channel.MAIL: phones}, clock)
        remotes = {Channel.TELEGRAM: Remote(people.fetch)}
        faces, cards = people.SyntheticFaces(), people.SyntheticCards(known)
        app.payouts = Payouts(db, BankFileGateway(folder, "csv", HttpInquiry("", "")), clock, app.receive, lambda: None)
        app.photos = Photos(faces, cards, people.MemoryMedia(), programme, clock, remotes, app.receive)
        registry, index = people.SyntheticRegistry(), people.NobodyAlike()
        app.verifications = Verifications(db, registry, index, programme, clock, app.receive)
        group = await stack.enter_async_context(asyncio.TaskGroup())
        work = app.engine, app.delivery, app.notices, app.photos.work, app.verifications.work
        running = [group.create_task(each.run()) for each in work]
        draws = Draws(db, programme, Drand([]), folder, clock)
        try:
            yield Simulation(app, db, programme, draws, folder, clock, phones, terms, known, await _trainings(clock))
        finally:
            for task in running:
                task.cancel()


async def _trainings(now: people.Clock) -> list[Training]:
    """Made-up trainings without a number of seats."""
    lines = [read_line({name: str(value) for name, value in each.items()}) for each in sample_catalogue.lines(200)]
    async with in_transaction():
        await listings.store([line for line in lines if line.seats is None], "simulation", now(), sample=True)
    return await Training.filter(price__lte=1_000_000).order_by("id")


async def simulate(terms: Terms, url: str, folder: Path) -> dict[str, Any]:
    """The whole run; gives its funnel and its invariants."""
    async with town(terms, url, folder) as simulation:
        with tqdm(total=terms.people, unit="person", desc="registering", disable=None) as bar:
            for number in range(1, terms.waves + 1):
                await simulation.wave(number, bar)
        with tqdm(unit="day", desc="places", disable=None) as bar:
            await simulation.to_the_end(bar)
        stages = {
            str(wave.number): {name: count for _, name, count in await funnel(wave)}
            for wave in await Wave.all().order_by("number")
        }
        return {
            "people": terms.people,
            "waves": terms.waves,
            "seed": terms.seed,
            "quota": terms.quota,
            "chatted": not terms.straight,
            "gave_up_at": dict(sorted(simulation.gave_up_at.items())),
            "funnel": stages,
            "invariants": await simulation.invariants(),
        }


def command(terms: Terms, url: str, folder: Path | None, file: Path | None) -> int:
    """Run it, print it, keep it; 1 where an invariant does not hold."""
    logging.getLogger("bot").setLevel(logging.ERROR)  # blocked chats are part of the play
    with tempfile.TemporaryDirectory() as temporary:
        found = asyncio.run(
            simulate(terms, url or f"sqlite://{temporary}/simulation.db", folder or Path(temporary) / "draws")
        )
    for number, stages in found["funnel"].items():
        most = max(stages.values())
        print(f"wave {number}")
        for name, count in stages.items():
            print(f"  {name:<28} {count:>9,}  {'█' * round(30 * count / most)}")
    for name, holds in found["invariants"].items():
        print(f"{'holds' if holds else 'FAILS'}  {name}")
    if file is not None:
        file.write_text(json.dumps(found, indent=2) + "\n")
    failed = [name for name, holds in found["invariants"].items() if not holds]
    if failed:
        print(f"gelombang: {len(failed)} invariants do not hold", file=sys.stderr)
    return int(bool(failed))
