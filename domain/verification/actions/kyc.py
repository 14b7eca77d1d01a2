"""KYC partners: a bank or wallet says that it knows the customer (docs/kyc-partners.md). Verbs never commit."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from domain.errors import DomainError
from domain.programme import KycRules
from domain.verification.rules.kyc import new_reference, normal_reference
from models import crypto
from models.verification import KycReference


@dataclass(frozen=True)
class Statement:
    """A partner's statement whose signature was checked: whose reference it answers and whom the partner knows."""

    partner: str
    id: str
    reference: str = field(repr=False)
    nik: str = field(repr=False)


async def start_reference(
    conversation_id: int, partner: str, rules: KycRules, now: datetime
) -> tuple[int, str, datetime]:
    """Make a one-time reference for a partner; gives its number, how it reads and until when it is good."""
    reference, expires = new_reference(), now + timedelta(days=rules.days)
    row = await KycReference.create(
        conversation_id=conversation_id,
        partner=partner,
        reference_index=crypto.ring().index("kyc", normal_reference(reference)),
        created_at=now,
        expires_at=expires,
    )
    return row.id, reference, expires


async def attest(statement: Statement, now: datetime) -> tuple[KycReference, bool]:
    """Take a partner's statement; gives its reference, and whether it is new (a replay changes nothing).

    Refused with partner.unknown_reference (also where it was given to another partner), partner.expired, partner.used.
    """
    index = crypto.ring().index("kyc", normal_reference(statement.reference))
    # The lock closes the race of two statements for one reference.
    row = await KycReference.filter(reference_index=index, partner=statement.partner).select_for_update().first()
    if row is None:
        raise DomainError("partner.unknown_reference")
    if row.attested_at is not None:
        if row.statement_id == statement.id:
            return row, False
        raise DomainError("partner.used")
    if row.expires_at <= now:
        raise DomainError("partner.expired")
    if await KycReference.filter(partner=statement.partner, statement_id=statement.id).exists():
        raise DomainError("partner.used")
    row.statement_id, row.attested_at = statement.id, now
    row.nik_index = crypto.ring().index("nik", statement.nik)
    await row.save(update_fields=["statement_id", "attested_at", "nik_index"])
    return row, True


async def vouches_for(reference_id: int, conversation_id: int, nik: str) -> bool:
    """Whether a partner's statement has come for this conversation's reference and is about this NIK."""
    index = crypto.ring().index("nik", nik)
    return await KycReference.filter(id=reference_id, conversation_id=conversation_id, nik_index=index).exists()
