"""Turning a conversation's answers into a registered person."""

from datetime import date, datetime

import msgspec

from models import crypto
from models.conversation import Conversation
from models.person import Person


class Answers(msgspec.Struct, frozen=True, kw_only=True):
    """All answers of a registration, each already checked by the rules."""

    nik: str
    kk: str
    name: str
    birth_date: date
    sex: str
    phone: str
    region: str
    address: str
    education: str
    employment: str
    interest: str
    warnings: list[str] = []


async def register(conversation_id: int, answers: Answers, now: datetime) -> Person:
    """Save the person and bind the conversation to them. Whether the NIK is known makes no difference here."""
    ring = crypto.ring()
    person = await Person.create(
        nik=answers.nik,
        nik_index=ring.index("nik", answers.nik),
        kk=answers.kk,
        kk_index=ring.index("kk", answers.kk),
        name=answers.name,
        birth_date=answers.birth_date.isoformat(),
        sex=answers.sex,
        phone=answers.phone,
        phone_index=ring.index("phone", answers.phone),
        region_code=answers.region,
        address=answers.address,
        education=answers.education,
        employment=answers.employment,
        interest=answers.interest,
        warnings=",".join(answers.warnings),
        declared_at=now,
        created_at=now,
    )
    await Conversation.filter(id=conversation_id).update(person_id=person.id)
    return person


async def set_email(person_id: int, email: str) -> None:
    """Keep a proven e-mail address."""
    await Person.filter(id=person_id).update(email=email, email_index=crypto.ring().index("email", email))
