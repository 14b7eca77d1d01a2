"""Looking people up, correcting what they gave, and registering somebody who has no phone. Every look is recorded."""

import secrets
from dataclasses import dataclass
from datetime import date, datetime

from domain.audit import record
from domain.errors import DomainError
from domain.registration.actions import Answers, register
from domain.registration.rules import mask_phone, read_address, read_birth_date, read_kk, read_name, read_phone
from domain.staff.rules import Member
from domain.trainings import purchases
from domain.verification.actions.layers import ask_for_verification, current_outcomes
from domain.waves.actions import current_wave, join
from models import crypto
from models.conversation import Conversation
from models.person import Person
from models.staff import Assisted
from models.turns import DRAFT_CONTEXT
from models.wave import Entry

EMPTY = b"\x80"  # msgpack of an empty draft
FIELDS = ("name", "birth_date", "kk", "address", "phone")


async def find(member: Member, what: str, reason: str, now: datetime) -> list[Person]:
    """People with this ticket or phone number, of the member's provinces; recorded with the reason, found or not."""
    typed = what.strip()
    entry = await Entry.get_or_none(ticket=typed.upper()) if typed[:1].isalpha() else None
    if entry is not None:
        people = await Person.filter(id=entry.person_id)
    else:
        try:
            people = (
                await Person.filter(phone_index=crypto.ring().index("phone", read_phone(typed))).order_by("id").limit(5)
            )
        except DomainError:
            people = []
    seen = [person for person in people if member.covers(person.region_code)]
    subject = ",".join(f"person:{person.id}" for person in seen) or "nobody"
    await record(member.name, "person.looked_up", subject, now=now, after=typed, words=reason)
    return seen


def masked_name(name: str) -> str:
    """The first letter of each word."""
    return " ".join(f"{word[0]}{'•' * (len(word) - 1)}" for word in name.split())


def masked_nik(nik: str) -> str:
    """The province and the last two digits."""
    return f"{nik[:2]}{'•' * 12}{nik[-2:]}"


@dataclass(frozen=True)
class Sheet:
    """What staff see of somebody: masked, with how they stand."""

    number: int
    name: str
    nik: str
    phone: str
    since: datetime
    layers: list[tuple[str, str]]
    tickets: list[str]
    balance: int


async def sheet_of(person: Person) -> Sheet:
    """A person's sheet."""
    entries = await Entry.filter(person_id=person.id).order_by("-id").limit(3)
    wallet = await purchases.wallet_of(person.id)
    return Sheet(
        number=person.id,
        name=masked_name(person.name),
        nik=masked_nik(person.nik),
        phone=mask_phone(person.phone) if person.phone else "-",
        since=person.created_at,
        layers=[(row.layer, row.state) for row in await current_outcomes(person.id)],
        tickets=[entry.ticket for entry in entries],
        balance=wallet.balance,
    )


async def person_of(member: Member, number: int) -> Person:
    """Somebody of the member's provinces; refused with staff.other_region."""
    person = await Person.get_or_none(id=number)
    if person is None or not member.covers(person.region_code):
        raise DomainError("staff.other_region")
    return person


def read_correction(field: str, typed: str, person: Person, today: date, provinces: frozenset[str]) -> str:
    """A corrected value, by the rules of registration; refused as there."""
    match field:
        case "name":
            return read_name(typed)
        case "birth_date":
            return read_birth_date(typed, today).isoformat()
        case "kk":
            return read_kk(typed, person.nik, provinces)
        case "address":
            return read_address(typed)
        case "phone":
            return read_phone(typed)
    raise DomainError("staff.choose")


async def note_look(member: Member, person: Person, reason: str, now: datetime) -> None:
    """Record that a member looks at somebody whom they did not have to search."""
    await record(member.name, "person.looked_up", f"person:{person.id}", now=now, words=reason)


async def note_shown(member: Member, person: Person, field: str, reason: str, now: datetime) -> None:
    """Record that a member sees one thing of a person in full, beside what it is to become."""
    await record(member.name, f"person.shown_{field}", f"person:{person.id}", now=now, words=reason)


async def correct(member: Member, person: Person, field: str, value: str, reason: str, now: datetime) -> None:
    """Change one thing of a person; the log keeps digests of before and after, and their layers are judged anew."""
    before = getattr(person, field)
    change: dict[str, object] = {field: value}
    if field in {"kk", "phone"}:
        change[f"{field}_index"] = crypto.ring().index(field, value)
    await Person.filter(id=person.id).update(**change)
    await ask_for_verification(person.id, now)
    await record(
        member.name,
        f"person.corrected_{field}",
        f"person:{person.id}",
        now=now,
        before=before,
        after=value,
        words=reason,
    )


async def assist(member: Member, answers: Answers, consent: str, language: str, now: datetime) -> tuple[int, int, str]:
    """Register somebody who has no phone, who agreed as ``consent`` says, and let them join the open wave; gives their
    conversation, their number and their ticket ("" where no wave is open).
    """
    origin = crypto.ring().index("address", f"assisted:{secrets.token_hex(16)}")
    talk = await Conversation.create(
        origin=origin, language=language, step="home.menu", version=1, draft=crypto.ring().seal(EMPTY, DRAFT_CONTEXT),
        created_at=now, updated_at=now,
    )  # fmt: skip
    await Assisted.create(conversation_id=talk.id, by=member.name, consent=consent, started_at=now)
    number = await register(talk.id, None, answers, now)
    await ask_for_verification(number, now)
    ticket = (await join(number, now))[1].ticket if await current_wave(now) is not None else ""
    await record(member.name, "person.assisted", f"person:{number}", now=now, after=consent, words=consent)
    return talk.id, number, ticket
