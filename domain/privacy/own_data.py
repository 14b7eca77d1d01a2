"""What is held about somebody and who has seen it: for DATA SAYA, in a few lines and as a whole file."""

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from domain.errors import DomainError
from domain.money.actions import statement
from domain.money.paying import masked
from domain.privacy.rules import LINK_GOOD_FOR, LINK_TAKES, LINK_TRIES
from domain.registration.rules import mask_phone
from domain.verification.actions.layers import as_told, current_outcomes
from models import crypto
from models.conversation import Address, Consent, Conversation, HelpMessage, HelpRequest
from models.enums import Payee
from models.notice import Notice
from models.payout import Due, PayeeAccount
from models.person import FaceCheck, Person, Photo
from models.privacy import DataLink, DataRequest
from models.staff import AuditEntry, StaffMember
from models.survey import SurveyResponse
from models.training import Purchase
from models.verification import FaceVector, ReviewCase
from models.wave import Entry, Place

SEEN_SHOWN, MOST_LOOKS = 5, 200
# Actions of staff that people hear of, by the beginning of their name, with the message key that says it.
SEEN: Mapping[str, str] = {
    "person.looked_up": "privacy.saw_person",
    "person.corrected": "privacy.saw_corrected",
    "person.shown": "privacy.saw_shown",
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


# What the file shows of each kind of data, by section (message keys ``privacy.section_*`` and ``privacy.field_*``).
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "person": (
        "name", "nik", "kk", "birth_date", "sex", "phone", "email", "address", "region_code", "education",
        "employment", "interest", "created_at", "declared_at", "withdrawn_at",
    ),
    "consents": ("subject", "text_version", "language", "channel", "given_at"),
    "chats": ("channel", "value", "reachable"),
    "layers": ("layer", "state", "reason", "decided_at"),
    "faces": ("what", "engine", "verdict", "at"),
    "waves": ("ticket", "joined_at", "reason", "stratum"),
    "places": ("ticket", "rank", "status", "selected_at", "due_at"),
    "trainings": ("training_id", "price", "status", "code", "certificate_number", "bought_at", "finished_at"),
    "accounts": ("institution", "number", "holder", "linked_at"),
    "payments": ("kind", "amount", "status", "due_at", "paid_at"),
    "ledger": ("at", "account", "amount"),
    "surveys": ("survey", "finished_at"),
    "notices": ("kind", "status", "channel", "told_at"),
    "talks": ("said_at", "text"),
    "requests": ("kind", "status", "opened_at", "due_at", "closed_at", "words"),
    "seen": ("at", "what", "member"),
}  # fmt: skip


async def everything(person_id: int) -> dict[str, list[Row]]:
    """All that is held about a person, by section, each row by column names."""
    talks = await talks_of(person_id)
    own = {"payee": Payee.PERSON, "payee_id": person_id}
    queries: dict[str, Any] = {
        "person": Person.filter(id=person_id),
        "consents": Consent.filter(conversation_id__in=talks),
        "chats": Address.filter(conversation_id__in=talks),
        "waves": Entry.filter(person_id=person_id),
        "places": Place.filter(person_id=person_id),
        "trainings": Purchase.filter(person_id=person_id),
        "accounts": PayeeAccount.filter(**own),
        "payments": Due.filter(**own),
        "notices": Notice.filter(person_id=person_id),
        "talks": HelpMessage.filter(request__conversation_id__in=talks),
        "requests": DataRequest.filter(conversation_id__in=talks),
    }
    found = {name: [_row(name, row) for row in await query.order_by("id")] for name, query in queries.items()}
    found["layers"] = [
        {"layer": layer, "state": state, "reason": reason, "decided_at": row.decided_at}
        for layer, state, reason, row in as_told(await current_outcomes(person_id))
    ]
    found["faces"] = await _faces(talks)
    found["ledger"] = [_row("ledger", line) for line in await statement(person_id)]
    surveys = await SurveyResponse.filter(person_id=person_id).order_by("id")
    found["surveys"] = [{**_row("surveys", row), **json.loads(row.answers)} for row in surveys]
    looks = await looks_of(person_id, talks, MOST_LOOKS)
    found["seen"] = [{"at": look.at, "what": look.key, "member": look.member} for look in looks]
    return {name: found[name] for name in COLUMNS}


def _row(section: str, row: Any) -> Row:
    return {name: getattr(row, name) for name in COLUMNS[section]}


async def _faces(talks: list[int]) -> list[Row]:
    """That features of the face are kept, and what comparing came to; the features themselves say nothing to people."""
    kept = await FaceVector.filter(conversation_id__in=talks).order_by("id")
    checks = await FaceCheck.filter(conversation_id__in=talks).order_by("id")
    return [
        *({"what": "privacy.face_features", "engine": row.engine, "at": row.stored_at} for row in kept),
        *({"what": "privacy.face_comparison", "verdict": row.verdict, "at": row.checked_at} for row in checks),
    ]
