"""Letting staff in: an invitation, a code of their code generator, and a session that ends."""

import re

import msgspec

from domain.audit import record
from domain.errors import DomainError
from domain.staff import members
from domain.staff.rules import Member, Permission
from handlers.conversation import Act, Done, Go, Outcome, Say, Stay, Step, Turn, pressed, without

_TOKEN = re.compile(r"(?:/start |!enter_)([\w-]{20,64})", re.ASCII)
THEN = "then"  # the draft's field for where somebody goes on after a code


def gate(turn: Turn, step: Step) -> Outcome | None:
    """Lets in who is signed in and may be where they are; answers everybody else."""
    if turn.inbound.reachable is not None:
        return Stay()
    if found := _TOKEN.fullmatch(turn.inbound.choice or turn.inbound.text or ""):
        return _enter(turn, found[1])
    if turn.staff is None:  # nothing is said of who may, nor whether somebody could once
        return Go("staff.door", {})
    if not turn.staff.signed_in:
        if step.name != "staff.code":
            return Go("staff.code", {**turn.draft, THEN: step.name}, (Say("staff.session_over"),))
        return take_code(turn)
    return allowed(turn, step.permission) if step.permission else None


def allowed(turn: Turn, permission: Permission) -> Outcome | None:
    """None for a member with this permission; the others are sent to the menu, and it is recorded."""
    member = turn.staff
    assert member is not None
    if permission in member.permissions:
        return None

    async def action() -> Done:
        await record(member.name, "refused", turn.step, now=turn.now, words=f"no permission: {permission.value}")
        return Go("staff.home", {}, (Say("staff.not_allowed"),))

    return Act(action)


def proven(turn: Turn) -> Go | None:
    """None for who typed a code within the last minutes; the others type one and come back to where they are."""
    assert turn.staff is not None
    if turn.staff.proven(turn.now):
        return None
    return Go("staff.code", {**turn.draft, THEN: turn.step})


def _enter(turn: Turn, token: str) -> Act:
    async def action() -> Done:
        member = await members.enter(token, turn.conversation_id, turn.now)
        if member is None:
            return Go("staff.door", {}) if turn.staff is None else Stay(again=True)
        if member.totp_used:  # they have a code generator already
            return Go("staff.code", {})
        secret, uri = await members.secret_of(member.id)
        return Go("staff.code", {}, (Say("staff.enrol", {"secret": secret, "uri": uri}),))

    return Act(action)


def ask_stranger(turn: Turn) -> Say:
    """All that strangers ever read."""
    return Say("staff.stranger")


def ask_code(turn: Turn) -> Say:
    """A code, to sign in or before something that weighs."""
    return Say("staff.ask_code")


def take_code(turn: Turn) -> Outcome:
    """The code, or a word of what is wanted."""
    member, text = turn.staff, (turn.inbound.text or "").strip()
    assert member is not None
    if pressed(turn) == "!menu" and member.signed_in:
        return Go("staff.home", {})
    if not re.fullmatch(r"\d{3} ?\d{3}", text, re.ASCII):
        raise DomainError("staff.code_unreadable")

    async def action() -> Done:
        if not await members.prove(member.id, turn.conversation_id, text, turn.now):
            return Stay((Say("staff.code_wrong"),))
        then = turn.draft.get(THEN, "staff.home")
        if then == "staff.home" or not _may_be_at(member, then):
            return Go("staff.home", {})
        return Go(then, without(turn.draft, THEN))

    return Act(action)


def _may_be_at(member: Member, step: str) -> bool:
    from handlers.flows import STEPS  # noqa: PLC0415 - the flows lead back here

    permission = STEPS[step][1].permission
    return permission is None or permission in member.permissions


def as_view(say: Say) -> dict[str, object]:
    """A screen as the draft keeps it."""
    return {"view": msgspec.to_builtins(say)}


def drawn(turn: Turn) -> Say:
    """The screen that was made when the step was entered."""
    return msgspec.convert(turn.draft["view"], Say)
