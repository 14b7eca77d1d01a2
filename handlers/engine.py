"""Taking turns: a message in, its effect and the replies in the database, all in one transaction.

Turns that arrive together share a transaction; one that needs the tables (``Act``) or that stands behind such a one of
the same person gets its own, right after. ``take_turn`` returns when the turn is committed: only then may a message be
acknowledged. See docs/decisions/0002-one-message-one-transaction.md.
"""

import asyncio
import logging
import re
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeAlias

import msgspec
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.transactions import in_transaction

from domain.audit import record
from domain.errors import DomainError
from domain.programme import Programme
from domain.staff import members
from domain.staff.rules import Member
from handlers import i18n
from handlers.conversation import (
    NO_TRAININGS,
    Act,
    Choice,
    Direct,
    Done,
    Go,
    Inbound,
    Reply,
    Resume,
    Say,
    Stay,
    Turn,
)
from handlers.deciding import decide, prompt_choices, refusal, with_shown
from handlers.flows import FIRST_STEP, STAFF_FIRST_STEP, STEPS
from models import crypto, trace
from models.dialect import is_transient
from models.enums import Channel, OutboxStatus
from models.outbox import OutboxRow
from models.turns import ConversationRow, Seat, TurnTables

log = logging.getLogger(__name__)

MAX_GROUP = 64
BUSY_GROUP = 8
GATHER_SECONDS = 0.004
LEASE = timedelta(seconds=60)
# Messages on these channels are fetched by the reader; the row in the database is the delivery.
PULLED = frozenset({Channel.BROWSER, Channel.STAFF_BROWSER, Channel.TERMINAL})
STAFF = frozenset({Channel.STAFF_BROWSER, Channel.STAFF_TELEGRAM})
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")
SENT, ATTEMPTING = OutboxStatus.SENT.value, OutboxStatus.ATTEMPTING.value


class Body(msgspec.Struct, frozen=True, omit_defaults=True):
    """What an outbox row says; ``to`` names the recipient where it is no chat of the person, ``template`` the
    provider's id of the approved template that says it. ``trace`` is of the message that it came of (models.trace), for
    who sends it later.
    """

    say: Say
    to: str = ""
    template: str = ""
    trace: str = ""


@dataclass(slots=True)
class Outgoing:
    """A message that was committed: its row, and what it says."""

    row: OutboxRow
    body: Body

    def render(self) -> i18n.Rendered:
        """In words, in the language the person had when it was said."""
        rendered = i18n.render(self.body.say, self.row.language)
        if not self.body.template:
            return rendered
        words = i18n.formatted(self.row.language, self.body.say.params)
        variables = {name: " ".join(word.split()) for name, word in words.items()}  # a template's take no line breaks
        return msgspec.structs.replace(rendered, template=self.body.template, variables=variables)


@dataclass(slots=True)
class TurnResult:
    """The replies to one message; ``repeated`` when it had been taken before."""

    replies: list[Outgoing]
    repeated: bool = False


@dataclass(slots=True, eq=False)
class _Ticket:
    """A turn that waits for its commit."""

    inbound: Inbound
    key: tuple[str, str]
    lookup: bytes
    done: "Settled"
    begun: trace.Begun
    inbound_id: int = 0
    replies: list[Outgoing] = field(default_factory=list)

    def settle(self, result: "TurnResult | TurnUnavailableError") -> None:
        try:
            self.done(result)
        except Exception as error:  # noqa: BLE001 - the turn counts all the same, and the next ones wait
            trace.go_on(self.begun)
            log.error("a turn was taken and could not be answered: %s", _where(error))


class TurnUnavailableError(Exception):
    """The database could not take the turn; nothing of it is stored and the platform should send it again."""


Settled: TypeAlias = Callable[[TurnResult | TurnUnavailableError], None]
"""Hears what became of a turn, once, after its commit."""


class TurnFuture(asyncio.Future[TurnResult]):
    """A turn to be waited for."""

    def settle(self, result: TurnResult | TurnUnavailableError) -> None:
        """See Settled."""
        if self.done():  # the caller went away; the turn counts all the same
            return
        if isinstance(result, TurnResult):
            self.set_result(result)
        else:
            self.set_exception(result)


def outgoing(row: OutboxRow) -> Outgoing:
    """A stored message with its content."""
    return Outgoing(row, msgspec.msgpack.decode(row.body, type=Body))


class Engine:
    """Takes turns on one database connection. ``run`` must be running for ``take_turn`` to return.

    ``on_act`` is called after turns that wrote to the tables and may have left slow work. The replies are the caller's
    to deliver. ``open_wave`` is what screens say of the wave that can be joined, ``catalogue`` the trainings they show:
    whoever knows better sets them. ``on_refused`` hears of each answer that was not taken.
    """

    def __init__(
        self,
        db: BaseDBAsyncClient,
        programme: Programme,
        clock: Callable[[], datetime],
        on_act: Callable[[], None],
    ) -> None:
        self.db = db
        self.tables = TurnTables(db)
        self._programme = programme
        self._clock = clock
        self._on_act = on_act
        self.open_wave = 0
        self.catalogue = NO_TRAININGS
        self.on_refused: Callable[[str], None] | None = None
        self._waiting: list[_Ticket] = []
        self._arrived = asyncio.Event()

    async def take_turn(self, inbound: Inbound) -> TurnResult:
        """Take one message; returns after the commit. Raises TurnUnavailableError when the database can't."""
        turn = TurnFuture()
        self.submit(inbound, turn.settle, trace.begun())
        return await turn

    def submit(self, inbound: Inbound, done: Settled, begun: trace.Begun) -> None:
        """The same for who can't wait: ``done`` is called after the commit. ``begun``: what the turn belongs to."""
        key = inbound.channel, inbound.external_id
        self._waiting.append(_Ticket(inbound, key, lookup(inbound), done, begun))
        self._arrived.set()

    async def replay(self, channel: Channel, external_id: str) -> TurnResult | None:
        """The replies to a message that was taken before, else None; spares work on repeated photos."""
        inbound_id = await self.tables.taken(self.db, channel.value, external_id)
        if inbound_id is None:
            return None
        return TurnResult([outgoing(row) for row in await self.tables.replies(self.db, inbound_id)], repeated=True)

    async def run(self) -> None:
        """Take turns until cancelled: what arrives during a commit is the next group."""
        busy = False
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while self._waiting:
                if busy:  # those who were just answered write back within a moment: one larger group costs less
                    await asyncio.sleep(GATHER_SECONDS)
                group, self._waiting = self._waiting[:MAX_GROUP], self._waiting[MAX_GROUP:]
                for ticket in await self._take(group, acts=len(group) == 1):
                    await self._take([ticket], acts=True)
                busy = len(group) >= BUSY_GROUP

    async def _take(self, group: list[_Ticket], *, acts: bool) -> list[_Ticket]:
        """Commit a group, once more after a passing fault; gives those that need a transaction of their own."""
        for attempt in (1, 2):
            try:
                left, work = await self._commit(group, acts=acts)
                break
            except Exception as error:  # noqa: BLE001 - whatever it is, every ticket must get its answer
                if is_transient(error):
                    if attempt == 1:
                        continue
                    log.warning("turns not taken: %s", _where(error))
                    for ticket in group:
                        ticket.settle(TurnUnavailableError(type(error).__name__))
                    return []
                if len(group) > 1:  # one of them is at fault: alone, it harms nobody else
                    return group
                await self._record_poison(group[0], error)
                return []
        if work is not None:
            self._committed(work)
        await self._answer([ticket for ticket in group if ticket not in left])
        return left

    async def _answer(self, done: list[_Ticket]) -> None:
        for ticket in done:
            if ticket.inbound_id:
                ticket.settle(TurnResult(ticket.replies))
                continue
            try:
                ticket.settle(
                    await self.replay(ticket.inbound.channel, ticket.inbound.external_id)
                    or TurnResult([], repeated=True)
                )
            except Exception as error:  # noqa: BLE001 - the caller gets it
                ticket.settle(TurnUnavailableError(type(error).__name__))

    async def _record_poison(self, ticket: _Ticket, error: Exception) -> None:
        """Keep a message that the database refuses, apologise, and let the platform forget it."""
        try:
            await self._commit([ticket], acts=False, poison=error)
            await self._answer([ticket])
        except Exception as second:  # noqa: BLE001 - the caller gets it
            trace.go_on(ticket.begun)
            log.error("turn could not be recorded: %s", _where(second))
            ticket.settle(TurnUnavailableError(type(second).__name__))

    async def _commit(
        self, group: list[_Ticket], *, acts: bool, poison: Exception | None = None
    ) -> tuple[list[_Ticket], "_Work | None"]:
        """One transaction; gives the turns that are left to another, and what was done (nothing, where all were taken
        before). ``poison`` is the error of an earlier try, to be recorded instead of trying again.
        """
        now = self._clock()
        trace.go_on("")  # of all of them together
        for ticket in group:
            ticket.inbound_id, ticket.replies = 0, []
        async with in_transaction() as db:
            lookups = {ticket.lookup for ticket in group if ticket.inbound.channel != Channel.INTERNAL}
            ids = {int(ticket.inbound.address) for ticket in group if ticket.inbound.channel == Channel.INTERNAL}
            taken, seats = await self.tables.claim(db, {ticket.key for ticket in group}, lookups, ids, now)
            fresh = []
            for ticket in group:
                if claimed := taken.pop(ticket.key, 0):
                    ticket.inbound_id = claimed
                    fresh.append(ticket)
            if not fresh:
                return [], None
            if unknown := lookups - seats.keys():
                seats |= await self._begin(db, [ticket for ticket in fresh if ticket.lookup in unknown], now)
            work = _Work(self, db, now, seats, acts=acts, poison=poison)
            for ticket in fresh:
                await work.take(ticket)
            await work.save()
        # A repeat of a turn that is left to another transaction is left with it.
        keys = {ticket.key for ticket in work.left}
        again = [ticket for ticket in group if not ticket.inbound_id and ticket.key in keys]
        return work.left + again, work

    def _committed(self, work: "_Work") -> None:
        """What others hear of, now that it is kept."""
        if work.acted:
            self._on_act()
        if self.on_refused is not None:
            for code in work.refused:
                self.on_refused(code)

    async def _begin(self, db: BaseDBAsyncClient, strangers: list[_Ticket], now: datetime) -> dict[bytes | int, Seat]:
        people = [
            (key, inbound.channel.value, inbound.address, STAFF_FIRST_STEP if inbound.channel in STAFF else FIRST_STEP)
            for key, inbound in sorted({ticket.lookup: ticket.inbound for ticket in strangers}.items())
        ]
        return await self.tables.begin(db, people, i18n.DEFAULT_LANGUAGE, now) if people else {}

    def turn(self, inbound: Inbound, row: ConversationRow, now: datetime, staff: Member | None = None) -> Turn:
        """What a step sees."""
        return Turn(
            inbound=inbound,
            draft=row.draft,
            language=row.language,
            now=now,
            programme=self._programme,
            conversation_id=row.id,
            person_id=row.person_id,
            step=row.step,
            open_wave=self.open_wave,
            catalogue=self.catalogue,
            staff=staff,
        )


class _Work:
    """The turns of one transaction, in memory until ``save``."""

    def __init__(
        self,
        engine: Engine,
        db: BaseDBAsyncClient,
        now: datetime,
        seats: dict[bytes | int, Seat],
        *,
        acts: bool,
        poison: Exception | None,
    ) -> None:
        self._engine, self._db, self._now, self._seats = engine, db, now, seats
        self._acts, self._poison = acts, poison
        self._changed: dict[int, ConversationRow] = {}
        self._blocked: set[int] = set()
        self._rows: list[OutboxRow] = []
        self._failures: list[tuple[_Ticket, str, Exception]] = []
        self.left: list[_Ticket] = []
        self.acted = False
        self.refused: list[str] = []

    async def take(self, ticket: _Ticket) -> None:
        """Let the current step answer one message."""
        trace.go_on(ticket.begun)
        inbound = ticket.inbound
        seat = self._seat(ticket)
        if seat is None:
            return
        row = seat.conversation
        if row.id in self._blocked:
            self.left.append(ticket)
            return
        if seat.channel in STAFF:
            turn = await self._staff_turn(inbound, seat)
        else:
            turn = self._engine.turn(inbound, row, self._now)
        try:
            if self._poison is not None:
                raise self._poison
            if inbound.reachable is not None or not seat.reachable:
                await self._heard_from(inbound, seat)
            outcome = decide(turn, row.version)
            if isinstance(outcome, Act):
                if not self._acts:
                    self._blocked.add(row.id)
                    self.left.append(ticket)
                    return
                outcome = await self._act(outcome)
        except DomainError as error:
            outcome = await self._refused(turn, error)
        except Exception as error:  # noqa: BLE001 - it is recorded, or raised again
            outcome = self._failed(ticket, turn, error)
        await self._apply(ticket, seat, turn, outcome)

    def _failed(self, ticket: _Ticket, turn: Turn, error: Exception) -> Stay:
        # A file or a peer that a step misses is the step's fault, and would be at the next try: others must not wait.
        if self._poison is None and is_transient(error) and not isinstance(error, OSError):
            raise error
        log.error("step %s failed: %s", turn.step, _where(error))
        self._failures.append((ticket, turn.step, error))
        return Stay((Say("common.failed", choices=prompt_choices(turn)),))

    async def _act(self, outcome: Act) -> Done:
        self.acted = True
        async with in_transaction():  # a savepoint: a refusal keeps the inbound row and the reply
            return await outcome.action()

    def _seat(self, ticket: _Ticket) -> Seat | None:
        """Where a message was said; None for an internal one to a conversation that is gone."""
        if ticket.inbound.channel == Channel.INTERNAL:
            return self._seats.get(int(ticket.inbound.address))
        return self._seats.get(ticket.lookup)

    async def _staff_turn(self, inbound: Inbound, seat: Seat) -> Turn:
        """Who is staff is looked up for each message, so that being revoked counts at once."""
        if inbound.text is not None:  # some of it is kept in plain columns, which take no control characters
            inbound = msgspec.structs.replace(inbound, text=_CONTROL.sub("", inbound.text))
        staff = await members.at(seat.conversation.id, self._now)
        return self._engine.turn(inbound, seat.conversation, self._now, staff)

    async def _heard_from(self, inbound: Inbound, seat: Seat) -> None:
        """A chat was blocked or unblocked, or somebody writes whom nothing reached."""
        if inbound.channel != Channel.INTERNAL:
            reachable = inbound.reachable is not False
            await self._engine.tables.set_reachable(self._db, seat.address_id, reachable=reachable)

    async def _refused(self, turn: Turn, error: DomainError) -> Stay:
        self.refused.append(error.code)
        if turn.staff is not None and error.code.startswith("staff."):
            await record(turn.staff.name, "refused", turn.step, now=self._now, words=error.code)
        return refusal(turn, error)

    async def _apply(self, ticket: _Ticket, seat: Seat, turn: Turn, outcome: Done) -> None:
        row = seat.conversation
        replies: list[Reply] = list(outcome.replies)
        again = isinstance(outcome, Stay) and outcome.again
        if isinstance(outcome, Resume):
            found = await self._engine.tables.lock(self._db, [], [outcome.conversation_id])
            row = seat.conversation = found[outcome.conversation_id].conversation
            await self._engine.tables.move(self._db, seat.address_id, row.id)
            row.version, again = row.version + 1, True
        elif isinstance(outcome, Go):
            row.step, row.draft, again = outcome.step, outcome.draft, not outcome.silent
            row.version = 0 if outcome.silent else row.version + 1
        else:
            row.draft = row.draft if outcome.draft is None else outcome.draft
            row.language = outcome.language or row.language
        if isinstance(outcome, Stay) and again:
            row.version += 1  # drawn anew: a button of the message before, or a second tap, is an old one
        row.draft = with_shown(row.draft, None if again else replies)
        if ticket.inbound.channel != Channel.INTERNAL:
            row.last_address_id, row.heard = seat.address_id, True
        if again:
            inbound = turn.inbound
            if inbound.channel != seat.channel:
                inbound = msgspec.structs.replace(inbound, channel=Channel(seat.channel))
            replies.append(STEPS[row.step][1].prompt(self._engine.turn(inbound, row, self._now, turn.staff)))
        self._changed[row.id] = row
        # The platform repeats a message when it did not get the response, and then gets the same reply again. Of
        # several replies none is carried: they would arrive out of order.
        carried = ticket.inbound.carries_reply and len([reply for reply in replies if isinstance(reply, Say)]) == 1
        for position, reply in enumerate(replies):
            ticket.replies.append(self._outgoing(ticket, seat, reply, position, carried=carried))

    def _outgoing(self, ticket: _Ticket, seat: Seat, reply: Reply, position: int, *, carried: bool) -> Outgoing:
        conversation = seat.conversation
        channel, address_id, to, there = seat.channel, seat.address_id, "", None
        if isinstance(reply, Say):
            say = reply
        elif isinstance(reply, Direct):
            channel, address_id, to, say = reply.channel.value, 0, reply.to, reply.say
        else:
            channel, address_id, there, say = reply.channel.value, reply.address_id, reply, reply.say
        if say.choices and there is None:
            mark = f"~{conversation.version}"
            marked = tuple([Choice(each.id + mark, each.key, each.params, each.detail) for each in say.choices])
            say = Say(say.key, say.params, marked, say.ask, say.files, say.live)
        answered = address_id and ((carried and there is None) or channel in PULLED)
        body = Body(say, to, trace="" if answered else trace.current())
        row = OutboxRow(
            id=0,
            conversation_id=there.conversation_id if there else conversation.id,
            address_id=address_id,
            channel=channel,
            inbound_id=ticket.inbound_id,
            position=position,
            key=say.key,
            step=there.step if there else conversation.step,
            language=there.language if there else conversation.language,
            body=msgspec.msgpack.encode(body),
            status=SENT if answered else ATTEMPTING,
        )
        self._rows.append(row)
        return Outgoing(row, body)

    async def save(self) -> None:
        """Write everything and end the transaction."""
        tables = self._engine.tables
        if self.left:
            await tables.release(self._db, [ticket.inbound_id for ticket in self.left])
        for ticket, step, error in self._failures:
            body = msgspec.msgpack.encode(ticket.inbound)
            await tables.record_failure(self._db, ticket.inbound_id, step, _where(error), body, self._now)
        changed = [self._changed[number] for number in sorted(self._changed)]
        await tables.finish(self._db, changed, self._rows, self._now, LEASE)


def lookup(inbound: Inbound) -> bytes:
    """The blind index an address is found by."""
    if inbound.channel == Channel.INTERNAL:
        return b""
    return address_lookup(inbound.channel, inbound.address)


def address_lookup(channel: Channel, address: str) -> bytes:
    """The blind index of a chat on a channel."""
    return crypto.ring().index("address", channel + ":" + address)


def _where(error: BaseException) -> str:
    """Kind and place of an error without its message, which may quote what somebody typed."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f"{frames[-1].filename.rsplit('/', 1)[-1]}:{frames[-1].lineno}" if frames else "?"
    return f"{type(error).__name__} at {place}"[:200]
