"""What is held about somebody and who has seen it: for DATA SAYA, in a few lines and as a whole file."""

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from tortoise.backends.base.client import BaseDBAsyncClient

from domain.errors import DomainError
from domain.money.actions import statement
from domain.money.paying import masked
from domain.privacy.actions import requests_of
from domain.privacy.rules import LINK_GOOD_FOR, LINK_TAKES, LINK_TRIES
from domain.registration.rules import mask_phone
from models import crypto
from models.conversation import Address, Consent, Conversation, HelpMessage, HelpRequest
from models.enums import Payee
from models.notice import Notice
from models.payout import Due, PayeeAccount
from models.person import FaceCheck, Person, Photo
from models.privacy import DataLink
from models.staff import AuditEntry, StaffMember
from models.survey import SurveyResponse
from models.training import Purchase
from models.verification import FaceVector, LayerOutcome, ReviewCase
from models.wave import Entry, Place

SEEN_SHOWN = 5
# Actions of staff that people hear of, by the beginning of their name, with the message key that says it.
SEEN: Mapping[str, str] = {
    "person.looked_up": "privacy.saw_person",
    "person.corrected": "privacy.saw_corrected",
    "person.assisted": "privacy.saw_assisted",
    "case.": "privacy.saw_case",
    "talk.": "privacy.saw_talk",
    "request.": "privacy.saw_request",
}
Row: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class Look:
    """A member of staff saw or changed something: when, what (a message key), and the member's number."""

    at: datetime
    key: str
    member: int


async def looks_of(person_id: int, conversations: list[int], limit: int = SEEN_SHOWN) -> list[Look]:
    """Who saw somebody's data, the newest first. Staff are told by number: by it a complaint finds them."""
    cases = await ReviewCase.filter(person_id=person_id).values_list("id", flat=True)
    talks = await HelpRequest.filter(conversation_id__in=conversations).values_list("id", flat=True)
    subjects = [f"person:{person_id}", *(f"case:{n}" for n in cases), *(f"request:{n}" for n in talks)]
    found = await AuditEntry.filter(subject__in=subjects).order_by("-number").limit(limit)
    members = await StaffMember.filter(name__in=list({row.by for row in found})).values_list("name", "id")
    numbers = {str(name): int(number) for name, number in members}
    return [Look(row.at, key, numbers.get(row.by, 0)) for row in found if (key := _key(row.action))]


def _key(action: str) -> str:
    return next((key for name, key in SEEN.items() if action.startswith(name)), "")


async def summary(person_id: int) -> dict[str, Any]:
    """What DATA SAYA says in the chat: masked, as the phone may be in somebody else's hand."""
    person = await Person.get(id=person_id)
    conversations = await talks_of(person_id)
    photos = await Photo.filter(conversation_id__in=conversations, destroyed_at__isnull=True).count()
    account = await PayeeAccount.get_or_none(payee=Payee.PERSON, payee_id=person_id, live=True)
    return {
        "name": person.name.split()[0],
        "nik": f"{person.nik[:2]}{'•' * 10}{person.nik[-4:]}",
        "phone": mask_phone(person.phone) if person.phone else "-",
        "photos_number": photos,
        "account": masked(account.number) if account else "-",
        "since_time": person.created_at.isoformat(),
    }


async def talks_of(person_id: int) -> list[int]:
    """The conversations of somebody."""
    return [int(number) for (number,) in await Conversation.filter(person_id=person_id).values_list("id")]


# --- the file


def _index(token: str) -> bytes:
    return crypto.ring().index("data_link", token)


async def make_link(person_id: int, language: str, now: datetime) -> tuple[str, datetime]:
    """A token for the page with somebody's file, and until when it is good; the ones before are void."""
    await DataLink.filter(person_id=person_id).delete()
    token, until = secrets.token_urlsafe(24), now + LINK_GOOD_FOR
    await DataLink.create(token_index=_index(token), person_id=person_id, language=language, expires_at=until)
    return token, until


async def open_link(token: str, birth_date: str, now: datetime) -> DataLink:
    """The link that a token stands for, once its person's birth date (ISO) is given, too.

    Refused with privacy.link_over or privacy.wrong_birth_date; the link is void after three wrong ones.
    """
    link = await DataLink.get_or_none(token_index=_index(token))
    if link is None or link.expires_at <= now or link.tries >= LINK_TRIES or link.taken >= LINK_TAKES:
        raise DomainError("privacy.link_over")
    person = await Person.get(id=link.person_id)
    right = secrets.compare_digest(person.birth_date.encode(), birth_date.encode())
    # Counted before it is answered, by a guarded update: of two guesses at once both count.
    counted = {"taken": link.taken + 1} if right else {"tries": link.tries + 1}
    if not await DataLink.filter(id=link.id, tries=link.tries, taken=link.taken).update(**counted):
        raise DomainError("privacy.link_over")
    if not right:
        raise WrongBirthDateError
    return link


class WrongBirthDateError(Exception):
    """Counted, and to be committed: not a refusal that is rolled back."""


async def everything(db: BaseDBAsyncClient, person_id: int) -> dict[str, list[Row]]:
    """All that is held about a person, by section (message keys ``privacy.section_*``), each row by column names."""
    person = await Person.get(id=person_id)
    talks = await talks_of(person_id)
    looks = await looks_of(person_id, talks, 200)
    requests = [row for talk in talks for row in await requests_of(talk, 100)]
    return {
        "person": [_row(person, _PERSON)],
        "consents": await _rows(Consent.filter(conversation_id__in=talks), _CONSENT),
        "chats": await _rows(Address.filter(conversation_id__in=talks), ("channel", "value", "reachable")),
        "layers": await _rows(LayerOutcome.filter(person_id=person_id), ("layer", "state", "reason", "decided_at")),
        "faces": await _faces(talks),
        "waves": await _rows(Entry.filter(person_id=person_id), ("ticket", "joined_at", "reason", "stratum")),
        "places": await _rows(Place.filter(person_id=person_id), ("ticket", "rank", "status", "selected_at", "due_at")),
        "trainings": await _rows(
            Purchase.filter(person_id=person_id),
            ("training_id", "price", "status", "code", "certificate_number", "bought_at", "finished_at"),
        ),
        "accounts": await _rows(
            PayeeAccount.filter(payee=Payee.PERSON, payee_id=person_id),
            ("institution", "number", "holder", "linked_at"),
        ),
        "payments": await _rows(
            Due.filter(payee=Payee.PERSON, payee_id=person_id), ("kind", "amount", "status", "due_at", "paid_at")
        ),
        "ledger": [
            {"at": line.at, "account": line.account, "amount": line.amount} for line in await statement(person_id)
        ],
        "surveys": [
            {"survey": row.survey, "finished_at": row.finished_at, **json.loads(row.answers)}
            for row in await SurveyResponse.filter(person_id=person_id)
        ],
        "notices": await _rows(Notice.filter(person_id=person_id), ("kind", "status", "channel", "told_at")),
        "talks": await _rows(HelpMessage.filter(request__conversation_id__in=talks), ("said_at", "text")),
        "requests": [_row(row, ("kind", "status", "opened_at", "due_at", "closed_at", "words")) for row in requests],
        "seen": [{"at": look.at, "what": look.key, "member": look.member} for look in looks],
    }


_PERSON = (
    "name", "nik", "kk", "birth_date", "sex", "phone", "email", "address", "region_code", "education", "employment",
    "interest", "created_at", "declared_at", "withdrawn_at",
)  # fmt: skip
_CONSENT = ("subject", "text_version", "language", "channel", "given_at")


def _row(row: Any, names: tuple[str, ...]) -> Row:
    return {name: getattr(row, name) for name in names}


async def _rows(query: Any, names: tuple[str, ...]) -> list[Row]:
    return [_row(row, names) for row in await query.order_by("id")]


async def _faces(talks: list[int]) -> list[Row]:
    """That there are features of the face, and what comparing came to; the features themselves say nothing to people."""
    kept = await FaceVector.filter(conversation_id__in=talks).order_by("id")
    checks = await FaceCheck.filter(conversation_id__in=talks).order_by("id")
    return [
        *({"what": "face_features", "engine": row.engine, "at": row.stored_at} for row in kept),
        *({"what": "comparison", "verdict": row.verdict, "at": row.checked_at} for row in checks),
    ]
