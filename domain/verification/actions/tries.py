"""Who sends many identity numbers to be checked: what comes back of a check must not serve to find out about others."""

from datetime import datetime, timedelta

from domain.alarms import AlarmKind, raise_alarm
from domain.errors import DomainError
from models import crypto
from models.privacy import IdentityTry

DAY = timedelta(days=1)
PREFIX = 12  # digits of district and day of birth: in real life hardly ever shared by two applicants of one day
MOST_OF_CHAT = 5
MOST_OF_PREFIX = 12


async def note_try(conversation_id: int, nik: str, now: datetime) -> None:
    """Count a NIK that is about to be checked; the same one again counts once.

    Refused with limits.too_many_niks where the chat, or all chats together for one district and day of birth, have sent
    too many. The words are the same, and nothing is said of any number.
    """
    ring = crypto.ring()
    index, prefix = ring.index("nik", nik), ring.index("nik prefix", nik[:PREFIX])
    of_chat = {
        bytes(row.nik_index)
        for row in await IdentityTry.filter(conversation_id=conversation_id, at__gt=now - DAY).only("nik_index")
    }
    of_prefix = {
        bytes(row.nik_index)
        for row in await IdentityTry.filter(prefix_index=prefix, at__gt=now - DAY).only("nik_index")
    }
    if len(of_chat | {index}) > MOST_OF_CHAT or len(of_prefix | {index}) > MOST_OF_PREFIX:
        raise DomainError("limits.too_many_niks")
    await IdentityTry.create(conversation_id=conversation_id, nik_index=index, prefix_index=prefix, at=now)
    # Raised with the last one that is let through: what is refused leaves nothing behind.
    if len(of_chat | {index}) == MOST_OF_CHAT and index not in of_chat:
        await raise_alarm(AlarmKind.MANY_NIKS, f"conversation {conversation_id}", now)
    if len(of_prefix | {index}) == MOST_OF_PREFIX and index not in of_prefix:
        await raise_alarm(AlarmKind.NIK_SERIES, prefix.hex(), now)
