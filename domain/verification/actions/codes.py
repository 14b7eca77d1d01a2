"""Proving addresses by codes that are sent to them. Verbs load, ask the rules and save; they never commit."""

import hmac
import secrets
from datetime import datetime, timedelta

from domain.alarms import AlarmKind, raise_alarm
from domain.errors import DomainError
from domain.programme import CodeRules
from models import crypto
from models.conversation import AddressCode, Conversation
from models.enums import Channel


def _hash(code: str, target_index: bytes) -> bytes:
    return crypto.ring().index("code", f"{target_index.hex()}:{code}")


async def start_code(conversation_id: int, channel: Channel, target: str, rules: CodeRules, now: datetime) -> str:
    """Make a code for a phone or e-mail address and give it for sending; the older ones end.

    Refused (code.too_many) when the number or the chat had its share of the hour, (code.wait) after wrong tries.
    """
    target_index = crypto.ring().index(channel, target)
    since = now - timedelta(hours=1)
    to_target = AddressCode.filter(target_index=target_index, created_at__gt=since)
    from_chat = AddressCode.filter(conversation_id=conversation_id, channel=channel, created_at__gt=since)
    if max(await to_target.count(), await from_chat.count()) >= rules.per_hour:
        raise DomainError("code.too_many")
    await _check_wait(conversation_id, channel, target_index, rules, now)
    code = f"{secrets.randbelow(10**6):06}"
    await AddressCode.create(
        conversation_id=conversation_id,
        channel=channel,
        target_index=target_index,
        code_hash=_hash(code, target_index),
        created_at=now,
        expires_at=now + timedelta(minutes=rules.minutes),
    )
    return code


async def _check_wait(
    conversation_id: int, channel: Channel, target_index: bytes, rules: CodeRules, now: datetime
) -> None:
    since = now - timedelta(minutes=rules.wait_minutes)
    recent = await AddressCode.filter(
        conversation_id=conversation_id, channel=channel, target_index=target_index, created_at__gt=since
    )
    if sum(code.tries for code in recent) >= rules.tries:
        raise DomainError("code.wait", minutes=rules.wait_minutes)
    # Whoever guesses may begin chat after chat: wrong ones count for the number, too.
    everywhere = AddressCode.filter(target_index=target_index, created_at__gt=since, tries__gt=0)
    wrong = sum(code.tries for code in await everywhere.only("tries"))
    if wrong >= rules.tries_everywhere:
        raise DomainError("code.wait", minutes=rules.wait_minutes)


async def check_code(
    conversation_id: int, channel: Channel, target: str, code: str, rules: CodeRules, now: datetime
) -> bool:
    """Whether the code is the one that was sent last; a wrong one is counted.

    Refused with code.wait after too many, code.expired when it is too old. Compared in constant time.
    """
    target_index = crypto.ring().index(channel, target)
    await _check_wait(conversation_id, channel, target_index, rules, now)
    # The lock closes the race of two guesses that are counted as one.
    row = (
        await AddressCode.filter(
            conversation_id=conversation_id, channel=channel, target_index=target_index, used_at=None
        )
        .order_by("-id")
        .select_for_update()
        .first()
    )
    if row is None or row.expires_at <= now:
        raise DomainError("code.expired")
    if not hmac.compare_digest(bytes(row.code_hash), _hash(code, target_index)):
        row.tries += 1
        await row.save(update_fields=["tries"])
        await _warn(target_index, rules, now)
        return False
    row.used_at = now
    await row.save(update_fields=["used_at"])
    return True


async def _warn(target_index: bytes, rules: CodeRules, now: datetime) -> None:
    """Tell staff when a number has had its share of wrong codes."""
    since = now - timedelta(minutes=rules.wait_minutes)
    rows = await AddressCode.filter(target_index=target_index, created_at__gt=since).only("tries")
    if sum(row.tries for row in rows) == rules.tries_everywhere:
        await raise_alarm(AlarmKind.CODES, target_index.hex(), now)


async def prove_phone(conversation_id: int, phone: str) -> int | None:
    """Bind a proven phone to a conversation; gives the earlier conversation of the same phone where there is one."""
    phone_index = crypto.ring().index("phone", phone)
    earlier = await Conversation.filter(phone_index=phone_index).exclude(id=conversation_id).order_by("id").first()
    if earlier is not None:
        number: int = earlier.id
        return number
    await Conversation.filter(id=conversation_id).update(phone_index=phone_index)
    return None
