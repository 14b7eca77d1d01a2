"""Proving addresses by codes, and the slow work on photos. Verbs load, ask the rules and save; they never commit."""

import hmac
import secrets
from datetime import datetime, timedelta

import msgspec

from domain.errors import DomainError
from domain.ports import Comparison, FaceFacts, Prepared
from domain.programme import CodeRules, FaceRules
from domain.verification.rules import face_verdict
from models import crypto
from models.conversation import AddressCode, Conversation
from models.enums import Channel, FaceVerdict, PhotoKind, TaskStatus
from models.person import FaceCheck, Photo, PhotoTask

LEASE = timedelta(minutes=2)


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
        return False
    row.used_at = now
    await row.save(update_fields=["used_at"])
    return True


async def prove_phone(conversation_id: int, phone: str) -> int | None:
    """Bind a proven phone to a conversation; gives the earlier conversation of the same phone where there is one."""
    phone_index = crypto.ring().index("phone", phone)
    earlier = await Conversation.filter(phone_index=phone_index).exclude(id=conversation_id).order_by("id").first()
    if earlier is not None:
        number: int = earlier.id
        return number
    await Conversation.filter(id=conversation_id).update(phone_index=phone_index)
    return None


async def keep_photo(photo_id: str, prepared: Prepared, digest: bytes, now: datetime) -> None:
    """Record a photo whose file is in the media folder."""
    await Photo.create(
        id=photo_id,
        sha256=digest,
        width=prepared.facts.width,
        height=prepared.facts.height,
        facts=msgspec.json.encode(prepared.facts).decode(),
        stored_at=now,
    )


async def start_photo_task(
    conversation_id: int,
    kind: PhotoKind,
    channel: Channel,
    now: datetime,
    *,
    remote: str | None = None,
    photo_id: str | None = None,
    card_photo_id: str | None = None,
) -> None:
    """Ask for slow work on a photo; bot.tasks does it after the commit and feeds the outcome back as a message."""
    await PhotoTask.create(
        conversation_id=conversation_id,
        kind=kind,
        channel=channel,
        remote=remote,
        photo_id=photo_id,
        card_photo_id=card_photo_id,
        lease_until=now,
        created_at=now,
    )


async def claim_photo_task(now: datetime) -> PhotoTask | None:
    """Take the oldest piece of work that nobody is at; another worker may have it again when the lease runs out."""
    while True:
        task = await PhotoTask.filter(status=TaskStatus.PENDING, lease_until__lte=now).order_by("id").first()
        if task is None:
            return None
        # The old lease in the condition is what two workers race for: only one of them changes a row.
        claimed = await PhotoTask.filter(id=task.id, status=TaskStatus.PENDING, lease_until=task.lease_until).update(
            lease_until=now + LEASE, attempts=task.attempts + 1
        )
        if claimed:
            task.attempts += 1
            return task


async def photo_arrived(task: PhotoTask, photo_id: str) -> None:
    """Note that a task's photo is here, so that another try does not fetch it again."""
    task.photo_id = photo_id
    await PhotoTask.filter(id=task.id).update(photo_id=photo_id)


async def finish_photo_task(task: PhotoTask) -> None:
    """The outcome was fed back: nothing is left to do."""
    await PhotoTask.filter(id=task.id).update(status=TaskStatus.DONE)


async def retry_photo_task(task: PhotoTask, at: datetime) -> None:
    """Let the work be tried again from a moment on."""
    await PhotoTask.filter(id=task.id).update(lease_until=at)


async def record_face_check(task: PhotoTask, comparison: Comparison, rules: FaceRules, now: datetime) -> FaceVerdict:
    """Keep a comparison with what made it, and say what it means; the same selfie is judged once."""
    conversation_id = task.conversation_id
    known = await FaceCheck.filter(
        conversation_id=conversation_id, card_photo_id=task.card_photo_id, selfie_photo_id=task.photo_id
    ).first()
    if known is not None:
        return FaceVerdict(known.verdict)
    tries = 1 + await FaceCheck.filter(conversation_id=conversation_id).count()
    verdict = face_verdict(comparison.score, tries, rules)
    await FaceCheck.create(
        conversation_id=conversation_id,
        card_photo_id=task.card_photo_id,
        selfie_photo_id=task.photo_id,
        engine=comparison.engine,
        model_sha256=comparison.model_sha256,
        score=comparison.score,
        verdict=verdict,
        checked_at=now,
    )
    return verdict


async def faces_agree(conversation_id: int, card_photo_id: str, selfie_photo_id: str) -> bool:
    """Whether these two photos of this conversation were compared and not found to be of different people."""
    check = await FaceCheck.filter(
        conversation_id=conversation_id, card_photo_id=card_photo_id, selfie_photo_id=selfie_photo_id
    ).first()
    return check is not None and check.verdict in {FaceVerdict.SAME, FaceVerdict.REVIEW}


async def photo_facts(photo_id: str) -> FaceFacts:
    """What the detector saw on a stored photo."""
    photo = await Photo.get(id=photo_id)
    return msgspec.json.decode(photo.facts, type=FaceFacts)
