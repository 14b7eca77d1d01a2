"""Comparing faces: what came out is kept with what made it."""

from datetime import datetime

from domain.ports import Comparison
from domain.programme import FaceRules
from domain.verification.rules.faces import face_verdict, turn_verdict
from models import crypto
from models.enums import FaceVerdict, Side, TurnVerdict
from models.person import FaceCheck, PhotoTask, TurnCheck
from models.verification import FaceVector

VECTOR = b"face_vector.vector"


async def record_face_check(
    task: PhotoTask, comparison: Comparison, rules: FaceRules, now: datetime, *, portrait: bool = True
) -> FaceVerdict:
    """Keep a comparison with what made it, and say what it means; the same selfie is judged once.

    Without a ``portrait`` on the card nothing was compared: only the selfie's vector is of use.
    """
    conversation_id = task.conversation_id
    known = await FaceCheck.filter(
        conversation_id=conversation_id, card_photo_id=task.card_photo_id, selfie_photo_id=task.photo_id
    ).first()
    if known is not None:
        return FaceVerdict(known.verdict)
    tries = 1 + await FaceCheck.filter(conversation_id=conversation_id).count()
    score = comparison.score if portrait else None
    verdict = face_verdict(score, tries, rules)
    await FaceCheck.create(
        conversation_id=conversation_id,
        card_photo_id=task.card_photo_id,
        selfie_photo_id=task.photo_id,
        engine=comparison.engine,
        model_sha256=comparison.model_sha256,
        score=score,
        verdict=verdict,
        checked_at=now,
    )
    return verdict


async def faces_agree(conversation_id: int, card_photo_id: str, selfie_photo_id: str) -> bool:
    """Whether these two photos of this conversation were compared and not found to be of different people."""
    check = await FaceCheck.filter(
        conversation_id=conversation_id, card_photo_id=card_photo_id, selfie_photo_id=selfie_photo_id
    ).first()
    return check is not None and check.verdict in {FaceVerdict.SAME, FaceVerdict.REVIEW}


async def keep_vector(conversation_id: int, photo_id: str, comparison: Comparison, now: datetime) -> None:
    """Keep the face of an accepted selfie, sealed; it can't be made into a picture again, but it names a person."""
    await FaceVector.get_or_create(
        photo_id=photo_id,
        defaults={
            "conversation_id": conversation_id,
            "engine": comparison.engine,
            "model_sha256": comparison.model_sha256,
            "vector": crypto.ring().seal(comparison.vector, VECTOR),
            "stored_at": now,
        },
    )


def open_vector(row: FaceVector) -> bytes:
    """The vector of a row: float32, little-endian."""
    return crypto.ring().open(bytes(row.vector), VECTOR)


async def stored_vectors(engine: str, after: int, limit: int) -> dict[int, bytes]:
    """The next vectors by id, above an id, oldest first."""
    rows = await FaceVector.filter(engine=engine, id__gt=after).order_by("id").limit(limit)
    return {row.id: open_vector(row) for row in rows}


async def vectors_kept(engine: str) -> int:
    """How many faces there are for searching."""
    return await FaceVector.filter(engine=engine).count()


async def vector_of(photo_id: str | None) -> FaceVector | None:
    """The vector of an accepted selfie."""
    return await FaceVector.filter(photo_id=photo_id).first() if photo_id else None


async def people_of(vector_ids: list[int], person_id: int) -> tuple[int, ...]:
    """The other people to whom these faces belong."""
    vectors = await FaceVector.filter(id__in=vector_ids).prefetch_related("conversation")
    people = {vector.conversation.person_id for vector in vectors}
    return tuple(sorted(number for number in people if number and number != person_id))


async def record_turn_check(
    task: PhotoTask, before: float, after: float, score: float, rules: FaceRules, now: datetime
) -> TurnVerdict:
    """Keep what a second selfie showed, with what made it; the same photo is judged once."""
    asked = Side(task.asked or "")
    check, _ = await TurnCheck.get_or_create(
        conversation_id=task.conversation_id,
        selfie_photo_id=task.selfie_photo_id,
        turned_photo_id=task.photo_id,
        asked=asked,
        defaults={
            "turn": after - before,
            "score": score,
            "verdict": turn_verdict(before, after, asked, score, rules),
            "checked_at": now,
        },
    )
    return TurnVerdict(check.verdict)
