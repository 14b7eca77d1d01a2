"""Reviews of finished trainings, and certificates that are sent as photos. Verbs load, ask the rules and save."""

from datetime import datetime

from tortoise.expressions import F

from domain.audit import record
from domain.errors import DomainError
from domain.programme import TrainingRules
from domain.trainings.purchases import PERSON, note, tell
from domain.trainings.rules import may_review
from models.enums import PurchaseStatus, TaskStatus
from models.training import CertificateCheck, Purchase, Review, Training


async def own(person_id: int, purchase_id: int) -> Purchase:
    """A person's purchase, locked; refused with trainings.no_purchase."""
    # The update is the lock, on SQLite too.
    if not await Purchase.filter(id=purchase_id, person_id=person_id, live=True).update(live=True):
        raise DomainError("trainings.no_purchase")
    return await Purchase.get(id=purchase_id).prefetch_related("training")


async def review(
    person_id: int, purchase_id: int, stars: int, words: str, rules: TrainingRules, now: datetime
) -> Review:
    """Keep a participant's review, or change it once; the rating changes with it. Refused with the reason."""
    purchase = await own(person_id, purchase_id)
    before = await Review.get_or_none(purchase_id=purchase.id)
    may_review(purchase.status, before.written_at if before else None, before.edited_at if before else None, rules, now)
    if before is None:
        await Training.filter(id=purchase.training_id).update(
            reviews=F("reviews") + 1, stars=F("stars") + stars, changed_at=now
        )
        await note(purchase, "reviewed", PERSON, now)
        return await Review.create(
            purchase_id=purchase.id,
            training_id=purchase.training_id,
            provider_id=purchase.provider_id,
            stars=stars,
            words=words,
            written_at=now,
        )
    await Training.filter(id=purchase.training_id).update(stars=F("stars") + (stars - before.stars), changed_at=now)
    await note(purchase, "review edited", PERSON, now)
    before.stars, before.words, before.edited_at = stars, words, now
    await before.save(update_fields=["stars", "words", "edited_at"])
    return before


async def newest_reviews(training_id: int, limit: int = 3) -> list[Review]:
    """What others say of a training, the newest first."""
    return await Review.filter(training_id=training_id, hidden=False).order_by("-id").limit(limit)


# --- certificates


async def send_certificate(
    person_id: int, purchase_id: int, photo_id: str, rules: TrainingRules, now: datetime
) -> None:
    """Let staff look at the photo of a certificate; refused with the reason."""
    purchase = await own(person_id, purchase_id)
    may_send(purchase)
    if await CertificateCheck.filter(purchase_id=purchase.id, status=TaskStatus.PENDING).exists():
        raise DomainError("trainings.certificate_waits")
    if await CertificateCheck.filter(purchase_id=purchase.id).count() >= rules.certificate_tries:
        raise DomainError("trainings.certificate_tries", most=rules.certificate_tries)
    await CertificateCheck.create(purchase_id=purchase.id, photo_id=photo_id, sent_at=now)


def may_send(purchase: Purchase) -> None:
    """A certificate is sent for a training that was begun and has none yet; refused with the reason."""
    if purchase.status == PurchaseStatus.BOUGHT:
        raise DomainError("trainings.not_redeemed")
    if purchase.certified_at is not None:
        raise DomainError("trainings.certified_already")


async def open_certificates(limit: int = 50) -> list[CertificateCheck]:
    """What staff have to look at, the oldest first."""
    waiting = CertificateCheck.filter(status=TaskStatus.PENDING).order_by("id").limit(limit)
    return await waiting.prefetch_related("purchase__training__provider", "purchase__person")


async def certificate_numbered(number: int) -> CertificateCheck:
    """One that waits for staff; refused with staff.no_certificate."""
    waiting = CertificateCheck.filter(id=number, status=TaskStatus.PENDING)
    check = await waiting.prefetch_related("purchase__training__provider", "purchase__person").first()
    if check is None:
        raise DomainError("staff.no_certificate", certificate=number)
    return check


async def decide_certificate(number: int, *, accept: bool, words: str, by: str, now: datetime) -> None:
    """Staff accept a certificate, which finishes its training, or say what is wrong with it; the person is told.
    Refused with staff.no_certificate or staff.no_words.
    """
    if not accept and not words:
        raise DomainError("staff.no_words")
    done = await CertificateCheck.filter(id=number, status=TaskStatus.PENDING).update(
        status=TaskStatus.DONE, accepted=accept, words=words, by=by, decided_at=now
    )
    if not done:
        raise DomainError("staff.no_certificate", certificate=number)
    decision = "certificate.accept" if accept else "certificate.reject"
    await record(by, decision, f"certificate:{number}", now=now, after=[accept, words], words=words)
    check = await CertificateCheck.get(id=number).prefetch_related("purchase__training")
    purchase = check.purchase
    if not accept:
        await tell("certificate_refused", purchase, number, now)
        return
    finished = {"status": PurchaseStatus.FINISHED, "progress": 100}
    new = await Purchase.filter(id=purchase.id, finished_at__isnull=True).update(**finished, finished_at=now)
    await Purchase.filter(id=purchase.id, certified_at__isnull=True).update(certified_at=now)
    if new:
        await note(purchase, "finished", by, now)
    await tell("training_finished" if new else "certificate_accepted", purchase, purchase.id, now)


async def last_refusal(purchase_id: int) -> str:
    """What staff said of a certificate they did not accept; empty where they said nothing."""
    check = await CertificateCheck.filter(purchase_id=purchase_id).order_by("-id").first()
    return check.words if check is not None and check.accepted is False else ""
