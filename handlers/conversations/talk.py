"""Talking with a member of staff: while it lasts the bot keeps silent and passes on what is said."""

from domain.errors import DomainError
from domain.staff import actions, members
from domain.staff.actions import TICKET
from domain.staff.rules import Permission
from handlers.conversation import Act, Choice, Done, Elsewhere, Outcome, Say, Stay, Turn, pressed, without
from models.conversation import HelpRequest
from models.enums import Channel

RATE = "rate_"
MOST_TOLD = 5
_DONE = frozenset({"selesai", "done", "tutup", "/selesai", "/done"})


def hear(turn: Turn) -> Outcome:
    """Pass on what the person says."""
    ticket: int = turn.draft[TICKET]
    text = (turn.inbound.text or "").strip()
    if text.casefold() in _DONE or pressed(turn) == "!end_talk":
        return Act(lambda: _end(turn, ticket))
    if not text:
        return Stay((Say("help.in_talk", choices=(Choice("!end_talk", "help.end_talk"),)),))
    return Act(lambda: _pass_on(turn, ticket, text))


async def _pass_on(turn: Turn, ticket: int, text: str) -> Done:
    try:
        request = await actions.say(ticket, "", text[:1000], turn.now)
    except DomainError:  # ended meanwhile: what was said goes to the bot as ever
        return Stay(draft=without(turn.draft, TICKET), again=True)
    heard = await _to_staff(turn, request, Say("staff.talk_heard", {"number": ticket, "text": text[:1000]}))
    if heard:
        return Stay(heard)
    # Nobody is there any more: the bot answers again, and somebody else may take over what was said.
    await actions.let_go(ticket)
    told = await tell_staff(turn)
    return Stay((Say("help.alone", choices=(Choice("!resume", "help.resume"),)), *told), without(turn.draft, TICKET))


async def _end(turn: Turn, ticket: int) -> Done:
    draft = without(turn.draft, TICKET)
    try:
        request = await actions.close(ticket, "", turn.now)
    except DomainError:
        return Stay(draft=draft, again=True)
    return Stay((closed(ticket), *await _to_staff(turn, request, Say("staff.talk_ended", {"number": ticket}))), draft)


async def _to_staff(turn: Turn, request: HelpRequest, say: Say) -> tuple[Elsewhere, ...]:
    """Into the chat of the member who talks, as long as they are signed in there; what was said is kept either way."""
    member = await members.at(request.taken_in or 0, turn.now)
    if member is None or not member.signed_in or member.name != request.taken_by:
        return ()
    if Permission.TALK not in member.permissions:
        return ()
    there = await elsewhere(request.taken_in or 0, say)
    return (there,) if there else ()


def closed(ticket: int) -> Say:
    """The end of a talk, with stars to give."""
    stars = tuple(Choice(f"!{RATE}{number}_{ticket}", f"trainings.stars_{number}") for number in range(5, 0, -1))
    return Say("help.closed", choices=(*stars, Choice("!resume", "help.resume")))


def rated(name: str, turn: Turn) -> Outcome:
    """What the person thought of it."""
    stars, _, ticket = name.removeprefix(RATE).partition("_")

    async def action() -> Done:
        good = stars.isdecimal() and ticket.isdecimal() and len(ticket) < 18
        if good and await actions.rate(int(ticket), turn.conversation_id, int(stars)):
            return Stay((Say("help.rated"),), again=True)
        return Stay(again=True)

    return Act(action)


async def elsewhere(conversation_id: int, say: Say) -> Elsewhere | None:
    """A message into another conversation, to the chat that was used last there."""
    seat = await actions.seat_of(conversation_id)
    if seat is None:
        return None
    return Elsewhere(seat.conversation_id, seat.address_id, Channel(seat.channel), seat.language, seat.step, say)


async def tell_staff(turn: Turn) -> tuple[Elsewhere, ...]:
    """Members who are signed in and answer people hear of a new request; a few of them, those who came last."""
    chats = await members.on_duty(Permission.TALK, await actions.home_of(turn.person_id), turn.now)
    say = Say("staff.talk_new", choices=(Choice("!talks", "staff.talks_button"),))
    return tuple([there for chat in chats[:MOST_TOLD] if (there := await elsewhere(chat, say)) is not None])
