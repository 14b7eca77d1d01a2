"""People who ask for a person, and the talks that come of it. Verbs load, ask the rules and save; they never commit."""

from dataclasses import dataclass
from datetime import datetime

from tortoise import connections
from tortoise.expressions import Q

from domain.audit import record
from domain.errors import DomainError
from domain.staff import members
from domain.staff.rules import Member
from models.conversation import Address, Conversation, HelpMessage, HelpRequest
from models.enums import TaskStatus
from models.person import Person
from models.turns import TurnTables

TICKET = "_ticket"  # the field of a person's draft for the talk that goes on with them


async def open_help_request(conversation_id: int, step: str, now: datetime) -> bool:
    """Ask for a person to answer in this conversation; False where one is asked for already."""
    if await HelpRequest.filter(conversation_id=conversation_id, status=TaskStatus.PENDING).exists():
        return False
    await HelpRequest.create(conversation_id=conversation_id, step=step, opened_at=now)
    return True


async def open_help_requests() -> list[HelpRequest]:
    """Requests nobody has answered yet, oldest first."""
    return await HelpRequest.filter(status=TaskStatus.PENDING).order_by("id")


async def close_help_request(number: int, now: datetime) -> int:
    """Mark a request as answered and give its conversation; refused with staff.no_such_request."""
    closed = await HelpRequest.filter(id=number, status=TaskStatus.PENDING).update(
        status=TaskStatus.DONE, closed_at=now
    )
    if not closed:
        raise DomainError("staff.no_such_request")
    return (await HelpRequest.get(id=number)).conversation_id


# --- talking


@dataclass(frozen=True)
class Seat:
    """Where somebody is told something: the chat they used last, in their language."""

    conversation_id: int
    address_id: int
    channel: str
    language: str
    step: str


async def seat_of(conversation_id: int) -> Seat | None:
    """The chat of a conversation that was used last; None where it has none."""
    conversation = await Conversation.get_or_none(id=conversation_id)
    address = await Address.get_or_none(id=conversation.last_address_id) if conversation else None
    if conversation is None or address is None:
        return None
    return Seat(conversation.id, address.id, address.channel, conversation.language, conversation.step)


async def waiting_for(member: Member, now: datetime, limit: int = 8) -> list[HelpRequest]:
    """Requests that this member may take, their own talks before all, then the oldest; those of colleagues who are not
    signed in any more, too.
    """
    others = [name for name in await members.names_on_duty(now) if name != member.name]
    free = HelpRequest.filter(status=TaskStatus.PENDING).exclude(taken_by__in=[*others, "-"])
    if member.regions:
        theirs = Q()
        for code in member.regions:
            theirs |= Q(conversation__person__region_code__startswith=code)
        free = free.filter(theirs | Q(conversation__person_id=None))
    rows = await free.order_by("id").limit(10 * limit)
    return sorted(rows, key=lambda row: (row.taken_by != member.name, row.id))[:limit]


async def take(number: int, member: Member, conversation_id: int, now: datetime) -> HelpRequest:
    """Let a member talk with a person, in this chat of theirs; a talk of somebody who is not signed in any more goes
    over. Refused with staff.no_such_request or staff.taken.
    """
    request = await HelpRequest.get_or_none(id=number, status=TaskStatus.PENDING).prefetch_related("conversation")
    if request is None:
        raise DomainError("staff.no_such_request")
    person = await Person.get_or_none(id=request.conversation.person_id)
    if person is not None and not member.covers(person.region_code):
        raise DomainError("staff.other_region")
    if request.taken_by not in {"", member.name} and request.taken_by in await members.names_on_duty(now):
        raise DomainError("staff.taken")
    free = HelpRequest.filter(id=number, status=TaskStatus.PENDING, taken_by=request.taken_by)
    if not await free.update(taken_by=member.name, taken_in=conversation_id, taken_at=request.taken_at or now):
        raise DomainError("staff.taken")
    if request.taken_by != member.name:
        await record(member.name, "talk.taken", f"request:{number}", now=now, before=request.taken_by)
    await _hold(request.conversation_id, number, now)
    return await HelpRequest.get(id=number)


async def _hold(conversation_id: int, ticket: int | None, now: datetime) -> None:
    """Let the bot keep silent in a conversation while a member of staff talks there (None: not any more)."""
    db = connections.get("default")
    tables = TurnTables(db)
    seat = (await tables.lock(db, [], [conversation_id])).get(conversation_id)
    if seat is None:
        return
    row = seat.conversation
    row.draft = {name: value for name, value in row.draft.items() if name != TICKET}
    if ticket is not None:
        row.draft[TICKET] = ticket
    await tables.save(db, [row], now)


async def request_of(number: int, by: str) -> HelpRequest:
    """A talk that this member has; refused with staff.no_such_request."""
    request = await HelpRequest.get_or_none(id=number, status=TaskStatus.PENDING, taken_by=by)
    if request is None:
        raise DomainError("staff.no_such_request")
    return request


async def say(number: int, by: str, text: str, now: datetime) -> HelpRequest:
    """Add to a talk that is going on; ``by`` is empty for the person. Refused with staff.no_such_request."""
    request = await HelpRequest.get_or_none(id=number, status=TaskStatus.PENDING)
    if request is None or (by and request.taken_by != by):
        raise DomainError("staff.no_such_request")
    await HelpMessage.create(request_id=number, by=by, text=text, said_at=now)
    if by:
        await record(by, "talk.said", f"request:{number}", now=now, after=text)
    return request


async def let_go(number: int) -> None:
    """Let anybody take a talk whose member is gone."""
    await HelpRequest.filter(id=number, status=TaskStatus.PENDING).update(taken_by="", taken_in=None)


async def close(number: int, by: str, now: datetime) -> HelpRequest:
    """End a talk; ``by`` is empty where the person ended it. Refused with staff.no_such_request."""
    request = HelpRequest.filter(id=number, status=TaskStatus.PENDING)
    if by:
        request = request.filter(taken_by=by)
    if not await request.update(status=TaskStatus.DONE, closed_at=now):
        raise DomainError("staff.no_such_request")
    ended = await HelpRequest.get(id=number)
    if by:
        await record(by, "talk.closed", f"request:{number}", now=now)
        await _hold(ended.conversation_id, None, now)
    return ended


async def rate(number: int, conversation_id: int, stars: int) -> bool:
    """What the person thought of a talk, 1 to 5; whether it counts: theirs, ended, and the first word on it."""
    ended = HelpRequest.filter(id=number, conversation_id=conversation_id, status=TaskStatus.DONE, rating=None)
    return bool(1 <= stars <= 5 and await ended.update(rating=stars))


async def said_in(number: int, limit: int = 20) -> list[HelpMessage]:
    """The last of what was said in a talk, in its order."""
    return (await HelpMessage.filter(request_id=number).order_by("-id").limit(limit))[::-1]


async def home_of(person_id: int | None) -> str:
    """Where somebody lives, as a district's code; empty for who has not registered."""
    person = await Person.get_or_none(id=person_id) if person_id is not None else None
    return person.region_code if person else ""
