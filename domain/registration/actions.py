"""Turning a conversation's answers into a registered person."""

import secrets
from datetime import date, datetime

import msgspec

from models import crypto
from models.conversation import Conversation
from models.person import Person
from models.verification import CardReading


class Answers(msgspec.Struct, frozen=True, kw_only=True):
    """All answers of a registration, each already checked by the rules; the same names as in the conversation's draft.

    ``selfie`` is None where a KYC partner vouches (``kyc_reference``); ``turned`` is None where the head was not seen
    turned as asked, ``phone`` is empty for somebody without one whom staff registered.
    """

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
    card_photo: str
    selfie: str | None = None
    turned: str | None = None
    kyc_reference: int | None = None
    warnings: list[str] = []


async def register(conversation_id: int, person_id: int | None, answers: Answers, now: datetime) -> int:
    """Save the person, new or corrected, and bind the conversation to them; gives their id.

    Whether the NIK is known makes no difference here.
    """
    ring = crypto.ring()
    person = Person() if person_id is None else await Person.get(id=person_id)
    person.update_from_dict(
        {
            "nik": answers.nik,
            "nik_index": ring.index("nik", answers.nik),
            "kk": answers.kk,
            "kk_index": ring.index("kk", answers.kk),
            "name": answers.name,
            "birth_date": answers.birth_date.isoformat(),
            "sex": answers.sex,
            "phone": answers.phone,
            # Who has none shares theirs with nobody.
            "phone_index": ring.index("phone", answers.phone or secrets.token_hex(16)),
            "region_code": answers.region,
            "address": answers.address,
            "education": answers.education,
            "employment": answers.employment,
            "interest": answers.interest,
            "card_photo_id": answers.card_photo,
            "selfie_photo_id": answers.selfie,
            "turned_photo_id": answers.turned,
            "kyc_reference_id": answers.kyc_reference,
            "warnings": ",".join(answers.warnings),
            "declared_at": now,
        }
    )
    if person_id is None:
        person.created_at = now
    await person.save()
    await Conversation.filter(id=conversation_id).update(person_id=person.id)
    number: int = person.id
    return number


async def answers_of(person_id: int) -> dict[str, object]:
    """What a registered person answered, as the conversation's draft has it, so that one answer can be corrected."""
    person = await Person.get(id=person_id)
    reading = await CardReading.filter(photo_id=person.card_photo_id).first()
    return {
        "consent": person.created_at.isoformat(),
        "phone": person.phone,
        "phone_ok": True,
        "card_photo": person.card_photo_id,
        "nik": person.nik,
        "name": person.name,
        "birth_date": person.birth_date,
        "kk": person.kk,
        "region": person.region_code,
        "address": person.address,
        "education": person.education,
        "in_education": False,
        "employment": person.employment,
        "interest": person.interest,
        "selfie": person.selfie_photo_id,
        "turned": person.turned_photo_id,
        "kyc_reference": person.kyc_reference_id,
        "card_sex": reading.sex if reading else "",
    }


async def set_email(person_id: int, email: str) -> None:
    """Keep a proven e-mail address."""
    await Person.filter(id=person_id).update(email=email, email_index=crypto.ring().index("email", email))
