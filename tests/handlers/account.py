"""An institution that is asked about an account, in tests of conversations."""

from tortoise.transactions import in_transaction

from domain.money import accounts
from domain.ports import AccountAnswer
from handlers.conversation import AccountOutcome, Inbound
from models.enums import AccountVerdict, Channel, Match
from tests.handlers.talk import Person

GOOD = AccountAnswer(exists=True, name=Match.MATCH, phone=Match.MATCH)


async def institution_says(person: Person, answer: AccountAnswer | None = GOOD) -> list[str]:
    """What the worker does: ask, keep the verdict, bring it into the conversation."""
    clock_now = person.engine._clock()
    inquiry = await accounts.claim_inquiry(clock_now)
    assert inquiry is not None
    verdict = accounts.verdict_of(answer) if answer else AccountVerdict.BUSY
    async with in_transaction():
        await accounts.keep_verdict(inquiry, verdict)
        await accounts.finish_inquiry(inquiry)
    return person._hear(
        await person.engine.take_turn(
            Inbound(
                channel=Channel.INTERNAL,
                address=str(inquiry.conversation_id),
                external_id=f"account:{inquiry.id}",
                outcome=AccountOutcome(inquiry.id, verdict),
            )
        )
    )
