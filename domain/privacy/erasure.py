"""Destroying what names a person. The ledger and the lists of draws stay, with a number that stands for nobody.

Verbs work in the caller's transaction and never commit. Files are destroyed after the commit (``destroy_files``): the
row that says so is written first, so that a crash leaves none behind.
"""

import secrets
from collections.abc import Collection, Sequence
from datetime import datetime

import msgspec
from tortoise import connections
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.models import Model

from domain.ports import Media
from domain.waves.places import end
from models import crypto
from models.conversation import Address, AddressCode, Conversation, HelpMessage, HelpRequest
from models.crypto import INDEX_BYTES
from models.enums import NoticeStatus, Payee, TaskStatus
from models.message import FailedTurn, Outbox
from models.notice import Notice
from models.notices import PARAMS_CONTEXT
from models.outbox import OutboxTables
from models.payout import AccountInquiry, PayeeAccount
from models.person import FaceCheck, Person, Photo, PhotoTask, TurnCheck
from models.privacy import DataLink, DataRequest, Destruction, IdentityTry
from models.staff import Assisted, StaffFile
from models.survey import SurveyInvitation, SurveyResponse
from models.training import CertificateCheck, Purchase, Review
from models.turns import DRAFT_CONTEXT
from models.verification import (
    CardReading,
    FaceVector,
    KycReference,
    LayerOutcome,
    RegistryAnswer,
    ReviewCase,
    ReviewVote,
    VerificationTask,
)
from models.wave import Place

AT_ONCE = 1_000  # rows that one statement names
NOBODY = "-"
NO_BIRTH_DATE = "1900-01-01"
# Rows about one conversation that go as a whole.
_OF_CONVERSATION: Sequence[type[Model]] = (
    PhotoTask, FaceCheck, TurnCheck, CardReading, FaceVector, KycReference, AddressCode, AccountInquiry, IdentityTry,
)  # fmt: skip
# Rows about one person that go as a whole.
_OF_PERSON: Sequence[type[Model]] = (
    LayerOutcome, RegistryAnswer, VerificationTask, SurveyInvitation, SurveyResponse, DataLink,
)  # fmt: skip


def _anything() -> bytes:
    """In the place of a blind index: no value leads to it."""
    return secrets.token_bytes(INDEX_BYTES)


async def erase_conversation(conversation_id: int, first_step: str, now: datetime) -> None:
    """Destroy everything that was said and sent in a conversation but the chat it is held in: it begins anew."""
    await destroy_photos(await photos_of(conversation_id), "erased", now)
    for model in _OF_CONVERSATION:
        await model.filter(conversation_id=conversation_id).delete()
    connection = connections.get("default")
    said = await OutboxTables(connection).said_in(connection, [conversation_id])
    for at in range(0, len(said), AT_ONCE):
        some = said[at : at + AT_ONCE]
        answered = await Outbox.filter(id__in=some).values_list("inbound_id", flat=True)
        await FailedTurn.filter(inbound_id__in=[number for number in answered if number]).delete()
        await Outbox.filter(id__in=some).delete()
    talks = await HelpRequest.filter(conversation_id=conversation_id).values_list("id", flat=True)
    await HelpMessage.filter(request_id__in=list(talks)).delete()
    await DataRequest.filter(conversation_id=conversation_id).update(words=None, answer=None)
    await Conversation.filter(id=conversation_id).update(
        draft=crypto.ring().seal(msgspec.msgpack.encode({}), DRAFT_CONTEXT),
        step=first_step,
        version=0,
        phone_index=None,
        person_id=None,
        paused=False,
        heard_at=None,
        updated_at=now,
    )


async def forget_chats(conversation_id: int) -> None:
    """Destroy the chats of a conversation, too: whoever writes from one is somebody new."""
    await Address.filter(conversation_id=conversation_id).delete()
    await Conversation.filter(id=conversation_id).update(origin=_anything(), last_address_id=None)


async def erase_person(db: BaseDBAsyncClient, person_id: int, first_step: str, now: datetime) -> list[int]:
    """Destroy what names a person; gives the conversations that were theirs.

    What the law wants kept stays under their number: places, purchases, dues, payments and postings. The blind indexes
    of NIK and family card stay only where money was granted: one place each, whoever asks.
    """
    await end(db, person_id, now)
    granted = await Place.filter(person_id=person_id).exists()
    conversations = [int(number) for (number,) in await Conversation.filter(person_id=person_id).values_list("id")]
    for number in conversations:
        await Assisted.filter(conversation_id=number).update(consent=NOBODY)
        await erase_conversation(number, first_step, now)
    cases = await ReviewCase.filter(person_id=person_id).values_list("id", flat=True)
    await ReviewVote.filter(case_id__in=list(cases)).update(words=NOBODY)
    await ReviewCase.filter(person_id=person_id, status=TaskStatus.PENDING).update(
        status=TaskStatus.DONE, closed_at=now
    )
    for model in _OF_PERSON:
        await model.filter(person_id=person_id).delete()
    await _erase_purchases(person_id, now)
    await PayeeAccount.filter(payee=Payee.PERSON, payee_id=person_id).update(
        number=NOBODY, holder=NOBODY, live=None, unlinked_at=now
    )
    for account in await PayeeAccount.filter(payee=Payee.PERSON, payee_id=person_id).only("id"):
        await PayeeAccount.filter(id=account.id).update(number_index=_anything())
    waiting = (NoticeStatus.NEW, NoticeStatus.ROUTED, NoticeStatus.HELD, NoticeStatus.SENDING)
    await Notice.filter(person_id=person_id, status__in=waiting).update(
        status=NoticeStatus.EXPIRED, channel="", reason="erased"
    )
    await Notice.filter(person_id=person_id).update(params=no_params())
    await _erase_row(person_id, now, granted=granted)
    await Destruction.create(kind="person", count=1, at=now, verified_at=now)
    return conversations


async def _erase_purchases(person_id: int, now: datetime) -> None:
    bought = await Purchase.filter(person_id=person_id).values_list("id", flat=True)
    sent = await CertificateCheck.filter(purchase_id__in=list(bought)).values_list("photo_id")
    await destroy_photos([str(photo) for (photo,) in sent], "erased", now)
    await Purchase.filter(id__in=list(bought)).update(certificate_number=None)
    await Review.filter(purchase_id__in=list(bought)).update(words="", hidden=True)


async def _erase_row(person_id: int, now: datetime, *, granted: bool) -> None:
    row = await Person.get(id=person_id)
    change: dict[str, object] = {
        "nik": NOBODY,
        "kk": NOBODY,
        "name": NOBODY,
        "birth_date": NO_BIRTH_DATE,
        "phone": NOBODY,
        "phone_index": _anything(),
        "email": None,
        "email_index": None,
        "address": NOBODY,
        "region_code": row.region_code[:2],
        "card_photo_id": None,
        "selfie_photo_id": None,
        "turned_photo_id": None,
        "kyc_reference_id": None,
        "warnings": "",
        "withdrawn_at": row.withdrawn_at or now,
        "erased_at": now,
    }
    if not granted:
        change |= {"nik_index": _anything(), "kk_index": _anything()}
    await Person.filter(id=person_id).update(**change)


def no_params() -> bytes:
    """The parameters of a notice of which nothing is left."""
    return crypto.ring().seal(msgspec.msgpack.encode({}), PARAMS_CONTEXT)


# --- files


async def photos_of(conversation_id: int) -> list[str]:
    """Ids of the photos of a conversation that still are there."""
    own = Photo.filter(conversation_id=conversation_id, destroyed_at__isnull=True)
    return [str(number) for (number,) in await own.values_list("id")]


async def destroy_photos(ids: Collection[str], kind: str, now: datetime, older_than: datetime | None = None) -> None:
    """Let photos be destroyed: written down here, done by ``destroy_files`` after the commit."""
    some = sorted(set(ids))
    if some:
        await Photo.filter(id__in=some).update(destroyed_at=now)
        await Destruction.create(
            kind=f"photo.{kind}", count=len(some), ids=",".join(some), older_than=older_than, at=now
        )


async def destroy_staff_files(ids: Collection[str], now: datetime, older_than: datetime) -> None:
    """The same for files of staff."""
    some = sorted(set(ids))
    if some:
        await StaffFile.filter(id__in=some).update(destroyed_at=now)
        await Destruction.create(kind="staff_file", count=len(some), ids=",".join(some), older_than=older_than, at=now)


async def destroy_files(media: Media, now: datetime, limit: int = 20) -> int:
    """Delete the files of what was written down as destroyed, and see that they are gone; gives how many rows."""
    rows = await Destruction.filter(verified_at__isnull=True).exclude(ids="").order_by("id").limit(limit)
    for row in rows:
        for number in row.ids.split(","):
            await media.delete(number)
        if not await still_there(media, row):
            await Destruction.filter(id=row.id).update(verified_at=now)
    return len(rows)


async def still_there(media: Media, row: Destruction) -> list[str]:
    """Files that should be gone and are not."""
    return [number for number in row.ids.split(",") if number and await media.exists(number)]
