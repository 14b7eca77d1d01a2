"""Consents, and the rights that people use in chat, each with its clock. Verbs load, ask the rules and save; none
commits.
"""

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta

from tortoise.expressions import Q

from domain.audit import record
from domain.errors import DomainError
from domain.money.paying import WITH_GATEWAY
from domain.notices.actions import announce
from domain.privacy.erasure import erase_conversation, forget_chats
from domain.privacy.rules import CALL_OFF, CLOCK, NOTICE_VERSION, Hold, next_status
from domain.verification.actions.layers import ask_for_verification
from domain.waves.places import give_up
from models.conversation import Consent, Conversation
from models.enums import (
    Channel,
    DueKind,
    DueStatus,
    Payee,
    PaymentStatus,
    PurchaseStatus,
    RequestKind,
    RequestStatus,
    TaskStatus,
)
from models.payout import Due, PayeeAccount, Payment
from models.person import Person
from models.privacy import DataRequest
from models.training import Purchase
from models.verification import ReviewCase, VerificationTask

RUNNING = (RequestStatus.OPEN, RequestStatus.CASE)


async def record_consent(
    conversation_id: int, subject: str, text: str, language: str, channel: Channel, now: datetime
) -> None:
    """Keep a consent with version and SHA-256 of the text that was shown or offered (UU PDP 27/2022, art. 20-22)."""
    await Consent.create(
        conversation_id=conversation_id,
        subject=subject,
        text_version=NOTICE_VERSION,
        text_sha256=hashlib.sha256(text.encode()).digest(),
        language=language,
        channel=channel,
        given_at=now,
    )


# --- requests


async def note_request(
    kind: RequestKind,
    conversation_id: int,
    person_id: int | None,
    now: datetime,
    *,
    status: RequestStatus = RequestStatus.DONE,
    words: str | None = None,
) -> DataRequest:
    """Keep that somebody used a right; most are answered in the same moment."""
    return await DataRequest.create(
        conversation_id=conversation_id,
        person_id=person_id,
        kind=kind,
        status=status,
        opened_at=now,
        due_at=now + CLOCK,
        words=words,
        closed_at=now if status == RequestStatus.DONE else None,
    )


async def requests_of(conversation_id: int, limit: int = 5) -> list[DataRequest]:
    """What was asked for in a conversation, the newest first."""
    return await DataRequest.filter(conversation_id=conversation_id).order_by("-id").limit(limit)


async def ask_correction(conversation_id: int, person_id: int, words: str, now: datetime) -> DataRequest:
    """Let staff correct what the person can't by themselves; refused with privacy.asked_before while one waits."""
    waiting = DataRequest.filter(person_id=person_id, kind=RequestKind.CORRECT, status__in=RUNNING)
    if await waiting.exists():
        raise DomainError("privacy.asked_before")
    return await note_request(
        RequestKind.CORRECT, conversation_id, person_id, now, status=RequestStatus.CASE, words=words
    )


# --- withdrawing consent


async def withdraw(conversation_id: int, person_id: int, now: datetime) -> DataRequest:
    """Stop what rests on consent at once (art. 9, 40): no draw, no checks, no notices, no broadcasts.

    A place that is not taken up goes back. What was bought stays bought and what was earned is paid: that is owed,
    whether or not there is consent.
    """
    await Person.filter(id=person_id, withdrawn_at__isnull=True).update(withdrawn_at=now)
    await Conversation.filter(person_id=person_id).update(paused=True)
    await VerificationTask.filter(person_id=person_id).update(due_at=None)
    await give_up(person_id, now)
    return await note_request(RequestKind.WITHDRAW, conversation_id, person_id, now)


async def give_consent_again(person_id: int, now: datetime) -> None:
    """Go on with somebody who had withdrawn; a deletion that was under way is called off."""
    await Person.filter(id=person_id, erased_at__isnull=True).update(withdrawn_at=None)
    await Conversation.filter(person_id=person_id).update(paused=False)
    await call_off(person_id, now)
    await ask_for_verification(person_id, now)


# --- deletion


async def holds_of(person_id: int) -> tuple[Hold, ...]:
    """What staff have to see to before this person can be deleted; a place that is about to go back is none of it."""
    found = []
    if await Purchase.filter(person_id=person_id, live=True, status=PurchaseStatus.BOUGHT).exists():
        found.append(Hold.TRAINING)
    owed = Due.filter(payee=Payee.PERSON, payee_id=person_id, status=DueStatus.OPEN).exclude(kind=DueKind.BALANCE)
    accounts = await PayeeAccount.filter(payee=Payee.PERSON, payee_id=person_id).values_list("id", flat=True)
    moving = Payment.filter(account_id__in=list(accounts), status__in=[*WITH_GATEWAY, PaymentStatus.PREPARED])
    if await owed.exists() or await moving.exists():
        found.append(Hold.MONEY)
    if await ReviewCase.filter(person_id=person_id, hidden=True, status=TaskStatus.PENDING).exists():
        found.append(Hold.REVIEW)
    return tuple(found)


async def ask_deletion(conversation_id: int, person_id: int, now: datetime) -> DataRequest:
    """Let somebody be deleted: by the system a day from now, or by staff where something holds it up. Asking again
    gives the request that runs. All processing stops at once.
    """
    running = await DataRequest.filter(person_id=person_id, kind=RequestKind.DELETE, status__in=RUNNING).first()
    if running is not None:
        return running
    await Person.filter(id=person_id, withdrawn_at__isnull=True).update(withdrawn_at=now)
    await VerificationTask.filter(person_id=person_id).update(due_at=None)
    await give_up(person_id, now)
    holds = await holds_of(person_id)
    return await DataRequest.create(
        conversation_id=conversation_id,
        person_id=person_id,
        kind=RequestKind.DELETE,
        status=next_status(holds),
        opened_at=now,
        due_at=now + CLOCK,
        acts_at=now + CALL_OFF,
        holds=",".join(holds),
    )


async def carry_out(number: int, now: datetime) -> bool:
    """Close a deletion that is about to be carried out; False where it was called off, or something holds it up now."""
    row = await DataRequest.get_or_none(id=number, status=RequestStatus.OPEN, acts_at__lte=now)
    if row is None or row.person_id is None:
        return False
    holds = [hold for hold in await holds_of(row.person_id) if not row.by or hold != Hold.REVIEW]
    if holds:
        case = {"status": RequestStatus.CASE, "holds": ",".join(holds)}
        await DataRequest.filter(id=number, status=RequestStatus.OPEN).update(**case)
        return False
    closing = DataRequest.filter(id=number, status=RequestStatus.OPEN)
    return bool(await closing.update(status=RequestStatus.DONE, closed_at=now))


async def call_off(person_id: int, now: datetime) -> bool:
    """Keep what was to be deleted; whether there was such a request."""
    running = DataRequest.filter(person_id=person_id, kind=RequestKind.DELETE, status__in=RUNNING)
    return bool(await running.update(status=RequestStatus.CANCELLED, closed_at=now))


async def note_draft_deletion(conversation_id: int, now: datetime) -> None:
    """Keep that somebody who has not registered had everything deleted; the chat goes when they have read so."""
    row = await note_request(RequestKind.DELETE, conversation_id, None, now)
    await DataRequest.filter(id=row.id).update(acts_at=now)


async def look_again(now: datetime) -> None:
    """Deletions that staff had to see to and that nothing holds up any more are the system's again."""
    for row in await DataRequest.filter(kind=RequestKind.DELETE, status=RequestStatus.CASE).order_by("id").limit(500):
        if row.person_id is None or row.by:
            continue
        if not await holds_of(row.person_id):
            await DataRequest.filter(id=row.id, status=RequestStatus.CASE).update(status=RequestStatus.OPEN, holds="")


async def due_deletions(now: datetime, limit: int = 50) -> list[DataRequest]:
    """Deletions whose day to think has passed, oldest first."""
    waiting = DataRequest.filter(kind=RequestKind.DELETE, status=RequestStatus.OPEN, acts_at__lte=now)
    return await waiting.order_by("id").limit(limit)


FORGET_AFTER = timedelta(hours=1)  # time for the last words to arrive


async def to_forget(now: datetime, limit: int = 50) -> list[DataRequest]:
    """Deletions that were carried out and whose chat is still known, because the person had to be told."""
    told = DataRequest.filter(kind=RequestKind.DELETE, status=RequestStatus.DONE, acts_at__isnull=False)
    return await told.filter(closed_at__lte=now - FORGET_AFTER).order_by("id").limit(limit)


async def forget(row: DataRequest, now: datetime) -> None:
    """Destroy the chat, too, unless somebody has begun anew in it."""
    talk = await Conversation.get_or_none(id=row.conversation_id)
    if talk is not None and talk.person_id is None and talk.version == 0:
        await erase_conversation(talk.id, talk.step, now)
        await forget_chats(talk.id)
    await DataRequest.filter(id=row.id).update(acts_at=None)


# --- staff


async def waiting_for(regions: Sequence[str], limit: int = 10) -> list[DataRequest]:
    """Requests that staff have to see to, those that are due first. ``regions``: provinces (none: all)."""
    waiting = DataRequest.filter(status=RequestStatus.CASE)
    if regions:
        theirs = Q()
        for code in regions:
            theirs |= Q(region_code__startswith=code)
        # As many as may stand before a member of staff: requests are few, people are many.
        rows = await waiting.order_by("due_at", "id").limit(50 * limit)
        people = await Person.filter(theirs, id__in=[row.person_id for row in rows]).values_list("id", flat=True)
        known = set(people)
        return [row for row in rows if row.person_id in known][:limit]
    return await waiting.order_by("due_at", "id").limit(limit)


async def counts(now: datetime) -> tuple[int, int]:
    """How many requests run, and how many of them are late."""
    running = DataRequest.filter(status__in=RUNNING)
    return await running.count(), await running.filter(due_at__lt=now).count()


async def let_delete(row: DataRequest, by: str, now: datetime) -> None:
    """A member of staff lets a deletion go on that only an open check held up; refused with staff.no_such_request."""
    waiting = DataRequest.filter(id=row.id, kind=RequestKind.DELETE, status=RequestStatus.CASE)
    if row.holds != Hold.REVIEW or not await waiting.update(status=RequestStatus.OPEN, by=by):
        raise DomainError("staff.no_such_request")
    await record(by, "request.let", f"request:{row.id}", now=now, before=row.holds)


async def answer(number: int, by: str, status: RequestStatus, words: str, now: datetime) -> DataRequest:
    """Close a request by staff, with words for the person; refused with staff.no_such_request where it is closed."""
    row = await DataRequest.get_or_none(id=number, status__in=RUNNING)
    closing = DataRequest.filter(id=number, status__in=RUNNING)
    if row is None or not await closing.update(status=status, closed_at=now, by=by):
        raise DomainError("staff.no_such_request")
    row.answer, row.status = words, status
    await row.save(update_fields=["answer"])
    await record(by, f"request.{status.value}", f"request:{number}", now=now, before=row.kind, after=words, words=words)
    if row.person_id is not None:
        await announce(DataRequest._meta.db, "data_answered", number, [row.person_id], now)
    return row
