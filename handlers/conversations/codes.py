"""Proving an address by a code: what registration and e-mail share."""

from domain.errors import DomainError
from domain.verification.actions.codes import start_code
from handlers.conversation import Act, Direct, Done, Draft, Go, Say, Turn
from models.enums import Channel


def send_code(turn: Turn, channel: Channel, target: str, step: str, draft: Draft) -> Act:
    """Send a code to an address and go to the step that asks for it; refused with code.not_sent where none can be."""
    if channel in turn.programme.unsent:
        raise DomainError("code.not_sent")

    async def action() -> Done:
        code = await start_code(turn.conversation_id, channel, target, turn.programme.codes, turn.now)
        sent = Say("code.message", {"code": code, "minutes": turn.programme.codes.minutes})
        return Go(step, draft, (Direct(channel, target, sent),))

    return Act(action)
