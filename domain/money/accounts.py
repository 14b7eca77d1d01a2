"""Accounts that people and providers are paid on: one each, theirs, checked with its institution.

Verbs load, ask the rules and save in the caller's transaction; none commits.
"""

import re
from datetime import datetime, timedelta

from tortoise.exceptions import IntegrityError
from tortoise.transactions import in_transaction

from domain.errors import DomainError
from domain.money.paying import WITH_GATEWAY, masked
from domain.ports import AccountAnswer, AccountQuestion
from domain.programme import AccountRules
from models import crypto
from models.enums import AccountVerdict, DueKind, DueStatus, Institution, Match, Payee, PaymentStatus, TaskStatus
from models.payout import AccountInquiry, Due, PayeeAccount, Payment
from models.person import Person

LEASE = timedelta(minutes=2)
TRIES = 5
GOOD_FOR = timedelta(days=1)  # what an institution said of an account
BNI_LENGTH = (10, 16)
WALLET = re.compile(r"628\d{7,11}")
_SIGNS = re.compile(r"[\s().\-\u2010-\u2015]")
_COUNTRY = re.compile(r"^(?:0062|\+62|62)0?(?=8)|^0(?=8)|^(?=8\d{8,11}$)")


def read_number(institution: Institution, typed: str) -> str:
    """An account's number as it is kept: a wallet's is a phone number (628...), BNI's are 10 to 16 digits.

    Refused with account.unreadable_wallet or account.unreadable_bank.
    """
    text = _SIGNS.sub("", typed)
    if institution == Institution.BNI:
        whole = text.isascii() and text.isdigit() and BNI_LENGTH[0] <= len(text) <= BNI_LENGTH[1]
        if not whole or not text.strip("0"):
            raise DomainError("account.unreadable_bank", least=BNI_LENGTH[0], most=BNI_LENGTH[1])
        return text
    digits = _COUNTRY.sub("62", text, count=1)
    if not (digits.isascii() and WALLET.fullmatch(digits)):
        raise DomainError("account.unreadable_wallet")
    return digits


def number_index(institution: str, number: str) -> bytes:
    """What an account is found by."""
    return crypto.ring().index("account", f"{institution}:{number}")


async def account_of(payee: Payee, payee_id: int) -> PayeeAccount | None:
    """The account that somebody is paid on."""
    return await PayeeAccount.get_or_none(payee=payee, payee_id=payee_id, live=True)


async def may_link(person_id: int, accounts: AccountRules, now: datetime) -> None:
    """Refused with account.linked_already, or account.cooling where one was taken out a short while ago."""
    if await account_of(Payee.PERSON, person_id) is not None:
        raise DomainError("account.linked_already")
    last = await PayeeAccount.filter(payee=Payee.PERSON, payee_id=person_id).order_by("-unlinked_at").first()
    if last is None or last.unlinked_at is None or last.refused:  # what does not work may be replaced at once
        return
    ends = last.unlinked_at + timedelta(days=accounts.cooling_days)
    if ends > now:
        raise DomainError("account.cooling", until_time=ends.isoformat())


# --- asking the institution


async def ask(
    conversation_id: int,
    person_id: int,
    institution: Institution,
    number: str,
    accounts: AccountRules,
    now: datetime,
) -> AccountInquiry:
    """Let an account be asked about; refused like may_link, or with account.too_many."""
    await may_link(person_id, accounts, now)
    recent = AccountInquiry.filter(person_id=person_id, asked_at__gt=now - timedelta(days=1))
    if await recent.count() >= accounts.inquiries_a_day:
        raise DomainError("account.too_many", most=accounts.inquiries_a_day)
    return await AccountInquiry.create(
        conversation_id=conversation_id,
        person_id=person_id,
        institution=institution,
        number=number,
        lease_until=now,
        asked_at=now,
    )


async def claim_inquiry(now: datetime) -> AccountInquiry | None:
    """The next account to ask about, leased to the caller; the guarded update is the lock."""
    waiting = AccountInquiry.filter(status=TaskStatus.PENDING, lease_until__lte=now)
    row = await waiting.order_by("id").first()
    if row is None:
        return None
    mine = AccountInquiry.filter(id=row.id, status=TaskStatus.PENDING, lease_until__lte=now)
    if not await mine.update(lease_until=now + LEASE, attempts=row.attempts + 1):
        return None
    return await AccountInquiry.get(id=row.id)


async def question_of(inquiry: AccountInquiry) -> AccountQuestion:
    """What its institution is asked: whether it is this person's."""
    person = await Person.get(id=inquiry.person_id)
    return AccountQuestion(inquiry.institution, inquiry.number, person.name, person.phone)


def verdict_of(answer: AccountAnswer) -> AccountVerdict:
    """What an answer says of an account; a phone that the institution does not know is no objection."""
    if not answer.exists:
        return AccountVerdict.ABSENT
    if not answer.is_open:
        return AccountVerdict.CLOSED
    if answer.name != Match.MATCH or answer.phone == Match.MISMATCH:
        return AccountVerdict.OTHER_PERSON
    return AccountVerdict.GOOD


async def keep_verdict(inquiry: AccountInquiry, verdict: AccountVerdict) -> None:
    """The question is answered; it is done when the person has heard of it."""
    await AccountInquiry.filter(id=inquiry.id, verdict="").update(verdict=verdict)


async def finish_inquiry(inquiry: AccountInquiry) -> None:
    """The person has heard of it."""
    await AccountInquiry.filter(id=inquiry.id).update(status=TaskStatus.DONE)


# --- linking


async def link(person_id: int, inquiry_id: int, accounts: AccountRules, now: datetime) -> PayeeAccount:
    """Pay somebody on the account that was found good; what could not be paid for want of one can be now.

    Refused like may_link, or with account.not_yours where it is somebody else's here.
    """
    await may_link(person_id, accounts, now)
    inquiry = await AccountInquiry.get_or_none(id=inquiry_id, person_id=person_id, verdict=AccountVerdict.GOOD)
    if inquiry is None or inquiry.asked_at + GOOD_FOR < now:
        raise DomainError("account.gone")
    person = await Person.get(id=person_id)
    return await _add(Payee.PERSON, person_id, inquiry.institution, inquiry.number, person.name, now, inquiry.asked_at)


async def _add(
    payee: Payee,
    payee_id: int,
    institution: str,
    number: str,
    holder: str,
    now: datetime,
    checked_at: datetime,
) -> PayeeAccount:
    try:
        async with in_transaction():  # a savepoint
            return await PayeeAccount.create(
                payee=payee,
                payee_id=payee_id,
                institution=institution,
                number=number,
                number_index=number_index(institution, number),
                holder=holder,
                live=True,
                checked_at=checked_at,
                linked_at=now,
            )
    except IntegrityError as error:
        raise DomainError("account.not_yours") from error


async def unlink(person_id: int, now: datetime) -> PayeeAccount:
    """Take a person's account out. Refused with account.none, account.in_use while a payment is on its way, or
    account.holds_balance while a training balance lies in it.
    """
    # The update is the lock, on SQLite too.
    if not await PayeeAccount.filter(payee=Payee.PERSON, payee_id=person_id, live=True).update(live=True):
        raise DomainError("account.none")
    account = await PayeeAccount.get(payee=Payee.PERSON, payee_id=person_id, live=True)
    under_way = [*WITH_GATEWAY, PaymentStatus.PREPARED]
    if await Payment.filter(account_id=account.id, status__in=under_way).exists():
        raise DomainError("account.in_use")
    if await holds_balance(person_id):
        raise DomainError("account.holds_balance")
    await PayeeAccount.filter(id=account.id).update(live=None, unlinked_at=now)
    return account


async def holds_balance(person_id: int) -> bool:
    """Whether of what was credited to somebody's account anything is left in it: unspent, or not collected yet."""
    paid = Due.filter(payee=Payee.PERSON, payee_id=person_id, status=DueStatus.PAID)
    credited: int = sum([row.amount for row in await paid.filter(kind=DueKind.BALANCE)])
    collected: int = sum([row.amount for row in await paid.filter(kind=DueKind.COLLECTION)])
    return credited > collected


async def refuse(account_ids: list[int], reason: str, now: datetime) -> None:
    """Accounts that a payment could not go to get no other; they are taken out, and another can be linked at once.

    One in which a training balance lies stays linked: staff see to it.
    """
    for account in await PayeeAccount.filter(id__in=account_ids, live=True):
        held = account.payee == Payee.PERSON and await holds_balance(account.payee_id)
        gone = {} if held else {"live": None, "unlinked_at": now}
        await PayeeAccount.filter(id=account.id).update(refused=reason, **gone)


async def link_provider(provider_id: int, institution: str, number: str, holder: str, now: datetime) -> PayeeAccount:
    """The account that a provider's settlements go to from now on, instead of the one before.

    Refused with staff.account_taken where it is another payee's, or staff.account_in_use while a payment is on its way.
    """
    before = await account_of(Payee.PROVIDER, provider_id)
    if before is not None:
        under_way = [*WITH_GATEWAY, PaymentStatus.PREPARED]
        if await Payment.filter(account_id=before.id, status__in=under_way).exists():
            raise DomainError("staff.account_in_use")
        await PayeeAccount.filter(id=before.id).update(live=None, unlinked_at=now)
    try:
        return await _add(Payee.PROVIDER, provider_id, institution, number, holder, now, now)
    except DomainError as error:
        raise DomainError("staff.account_taken") from error


def shown(account: PayeeAccount) -> dict[str, str]:
    """An account as its owner sees it."""
    return {"institution_label": f"account.{account.institution}", "number": masked(account.number)}
