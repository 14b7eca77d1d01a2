"""Comparing faces: what came out is kept with what made it."""

from datetime import datetime

from domain.ports import Comparison
from domain.programme import FaceRules
from domain.verification.rules.faces import face_verdict
from models.enums import FaceVerdict
from models.person import FaceCheck, PhotoTask


async def record_face_check(task: PhotoTask, comparison: Comparison, rules: FaceRules, now: datetime) -> FaceVerdict:
    """Keep a comparison with what made it, and say what it means; the same selfie is judged once."""
    conversation_id = task.conversation_id
    known = await FaceCheck.filter(
        conversation_id=conversation_id, card_photo_id=task.card_photo_id, selfie_photo_id=task.photo_id
    ).first()
    if known is not None:
        return FaceVerdict(known.verdict)
    tries = 1 + await FaceCheck.filter(conversation_id=conversation_id).count()
    verdict = face_verdict(comparison.score, tries, rules)
    await FaceCheck.create(
        conversation_id=conversation_id,
        card_photo_id=task.card_photo_id,
        selfie_photo_id=task.photo_id,
        engine=comparison.engine,
        model_sha256=comparison.model_sha256,
        score=comparison.score,
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
