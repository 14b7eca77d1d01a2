"""Lists that change who is admitted: exclusion (social aid, officials, earlier recipients), priority, households.

A list is imported as a whole: its lines go in by small portions under a version that does not count yet, and one small
update switches to it, so that nobody ever meets half a list.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime

from tortoise.backends.base.client import BaseDBAsyncClient

from domain.errors import DomainError
from models import lists as digests
from models.enums import ListKind, TaskStatus
from models.verification import ListVersion, PersonList


@dataclass(frozen=True)
class ListTerms:
    """What a list is: its code, what standing on it means, who keeps it, and why in words for those on it."""

    code: str
    kind: ListKind | None
    owner: str
    reason_id: str
    reason_en: str


async def define(terms: ListTerms) -> PersonList:
    """Make a list known, or change what is said of it; refused with staff.list_incomplete if anything is missing."""
    if terms.kind is None or not (terms.code and terms.owner and terms.reason_id and terms.reason_en):
        raise DomainError("staff.list_incomplete")
    row, _ = await PersonList.update_or_create(
        code=terms.code,
        defaults={
            "kind": terms.kind,
            "owner": terms.owner,
            "reason_id": terms.reason_id,
            "reason_en": terms.reason_en,
        },
    )
    return row


async def overview() -> list[tuple[PersonList, ListVersion | None]]:
    """All lists, each with the import that counts."""
    return [(row, await ListVersion.get_or_none(id=row.version_id)) for row in await PersonList.all().order_by("code")]


async def counting(person_list: PersonList, file_sha256: bytes) -> bool:
    """Whether this very file is what counts now."""
    version = await ListVersion.filter(id=person_list.version_id, file_sha256=file_sha256).first()
    return version is not None


async def start_version(person_list: PersonList, file_sha256: bytes, as_of: date, now: datetime) -> ListVersion:
    """Begin an import, or go on with one of the same file that was broken off."""
    begun = await ListVersion.filter(list_id=person_list.id, file_sha256=file_sha256, status=TaskStatus.PENDING).first()
    return begun or await ListVersion.create(
        list_id=person_list.id, file_sha256=file_sha256, as_of=as_of, started_at=now
    )


async def finish_version(version: ListVersion, taken: int, repeated: int, refused: int, now: datetime) -> int | None:
    """Let an import count; gives the version it replaces, whose lines can go."""
    await ListVersion.filter(id=version.id).update(
        status=TaskStatus.DONE, taken=taken, repeated=repeated, refused=refused, finished_at=now
    )
    person_list = await PersonList.filter(id=version.list_id).select_for_update().get()
    replaced: int | None = person_list.version_id
    await PersonList.filter(id=version.list_id).update(version_id=version.id)
    return replaced


async def _counting(kind: ListKind) -> list[tuple[int, str]]:
    """The imports that count now, with their lists' codes."""
    rows = await PersonList.filter(kind=kind, version_id__isnull=False).order_by("id")
    return [(int(row.version_id or 0), row.code) for row in rows]


async def excluded_by(db: BaseDBAsyncClient, nik_index: bytes) -> str:
    """The code of the first list that shuts a NIK out, "" where none does."""
    for version_id, code in await _counting(ListKind.EXCLUDED):
        if await digests.matching(db, version_id, nik_index):
            return code
    return ""


async def standing_on(db: BaseDBAsyncClient, kind: ListKind, niks: Collection[bytes]) -> dict[str, set[bytes]]:
    """Those of many NIKs that stand on each list of a kind, by the list's code."""
    together = b"".join(niks)
    return {
        code: set(await digests.matching(db, version_id, together)) if together else set()
        for version_id, code in await _counting(kind)
    }


async def served(db: BaseDBAsyncClient, kk_index: bytes) -> int:
    """Recipients that a family card has had, as the lists of households say."""
    return (await served_by(db, [kk_index])).get(kk_index, 0)


async def served_by(db: BaseDBAsyncClient, cards: Collection[bytes]) -> dict[bytes, int]:
    """Recipients that many family cards have had; those without any are left out."""
    had: dict[bytes, int] = {}
    for version_id, _ in await _counting(ListKind.SERVED):
        for card, times in (await digests.matching(db, version_id, b"".join(cards))).items():
            had[card] = had.get(card, 0) + times
    return had


async def words(code: str, language: str) -> dict[str, str]:
    """Owner of a list and why it shuts people out, in the reader's language."""
    row = await PersonList.get_or_none(code=code)
    if row is None:
        return {"owner": "", "why": ""}
    return {"owner": row.owner, "why": row.reason_en if language == "en" else row.reason_id}
