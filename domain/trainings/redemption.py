"""What providers' systems do with a redeem code. Verbs load, ask the rules and save; none commits.

A code of another provider is as unknown as one that never was: nobody learns by trying which codes there are.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from tortoise.expressions import F, Q

from domain.errors import DomainError
from domain.money import actions as money
from domain.money import dues
from domain.money import rules as accounts
from domain.trainings.purchases import code_index, note, tell
from domain.trainings.rules import read_code
from models.enums import PurchaseStatus
from models.training import Provider, ProviderKey, Purchase, PurchaseEvent
from models.wave import Place

MAX_SEQUENCE, POST_TEST = 100, 999  # sessions of a training, and the number of its final test
CERTIFICATE_LENGTH = 64


@dataclass(frozen=True)
class Redeemable:
    """A purchase as its provider may see it: no name, no number, nothing of the person."""

    purchase: Purchase
    course_code: str
    platform: str
    attended: bool = False


async def all_keys() -> dict[str, list[tuple[int, str, datetime | None]]]:
    """Providers, keys and until when those are good (None: no end), by client code."""
    found: dict[str, list[tuple[int, str, datetime | None]]] = {}
    for row in await ProviderKey.all().order_by("-id"):
        found.setdefault(row.client_code, []).append((row.provider_id, row.key, row.expires_at))
    return found


async def look_up(provider_id: int, typed: str, sequence: int = 1) -> Redeemable:
    """What a code stands for; refused with partner.unknown_code."""
    return await _seen(await _purchase(provider_id, typed), sequence)


async def _purchase(provider_id: int, typed: str, *, lock: bool = False) -> Purchase:
    code = read_code(typed)
    if lock and code:  # an update before the reading: one call about a purchase after the other, on SQLite too
        await Purchase.filter(code_index=code_index(provider_id, code)).update(progress=F("progress"))
    found = await Purchase.get_or_none(code_index=code_index(provider_id, code)) if code else None
    if found is None:
        raise DomainError("partner.unknown_code")
    if found.status == PurchaseStatus.CANCELLED:
        raise DomainError("partner.cancelled_code")
    return found


async def _seen(purchase: Purchase, sequence: int) -> Redeemable:
    await purchase.fetch_related("training__platform")
    attended = sequence == 1 and purchase.redeemed_at is not None
    if not attended:
        attended = await PurchaseEvent.filter(purchase_id=purchase.id, what="attended", sequence=sequence).exists()
    return Redeemable(purchase, purchase.training.code, purchase.training.platform.name, attended)


async def commit(provider_id: int, typed: str, now: datetime) -> Redeemable:
    """Use a code: its provider is owed the price from now on. Using it again gives the same answer."""
    purchase = await _purchase(provider_id, typed, lock=True)
    await _use(purchase, now)
    return await _seen(await Purchase.get(id=purchase.id), 1)


async def _use(purchase: Purchase, now: datetime) -> None:
    new = await Purchase.filter(id=purchase.id, status=PurchaseStatus.BOUGHT).update(
        status=PurchaseStatus.REDEEMED, redeemed_at=now
    )
    if new:
        db = Purchase._meta.db
        await money.post(db, [accounts.redeemed(purchase.id, purchase.provider_id, purchase.price)], now)
        await note(purchase, "redeemed", f"provider {purchase.provider_id}", now)
        place = await Place.filter(person_id=purchase.person_id).order_by("-id").first()
        taken = [(f"collect:redeem:{purchase.id}", purchase.person_id, purchase.price)]
        await dues.collect_from(db, place.wave_id if place else 0, taken, now)


async def attend(provider_id: int, typed: str, sequence: int, now: datetime) -> Redeemable:
    """Note that somebody was at a session; refused with partner.not_redeemed before the code is used."""
    purchase = await _redeemed(provider_id, typed)
    if not await PurchaseEvent.filter(purchase_id=purchase.id, what="attended", sequence=sequence).exists():
        await note(purchase, "attended", f"provider {provider_id}", now, sequence)
    return await _seen(purchase, sequence)


async def _redeemed(provider_id: int, typed: str) -> Purchase:
    purchase = await _purchase(provider_id, typed, lock=True)
    if purchase.redeemed_at is None:
        raise DomainError("partner.not_redeemed")
    return purchase


async def complete(
    provider_id: int, typed: str, progress: int, certificate: str, score: float | None, now: datetime
) -> Redeemable:
    """Note how far somebody is, in percent, which only rises; at 100 the training is finished and the person is told.
    A certificate's number that is there stays.
    """
    purchase = await _redeemed(provider_id, typed)
    purchase.progress = max(purchase.progress, progress)
    purchase.score = purchase.score if score is None else score
    if certificate and purchase.certificate_number is None:
        purchase.certificate_number = certificate
        purchase.certified_at = purchase.certified_at or now
    finished = purchase.progress == 100 and purchase.finished_at is None
    if finished:
        purchase.status, purchase.finished_at = PurchaseStatus.FINISHED, now
        await note(purchase, "finished", f"provider {provider_id}", now)
    await purchase.save(
        update_fields=["progress", "score", "certificate_number", "certified_at", "status", "finished_at"]
    )
    seen = await _seen(purchase, POST_TEST)
    if finished:
        await tell("training_finished", purchase, purchase.id, now)
    return seen


# --- providers' keys


async def provider_named(code: str) -> Provider:
    """A provider by its code; refused with staff.no_provider."""
    provider = await Provider.get_or_none(code=code)
    if provider is None:
        raise DomainError("staff.no_provider", provider=code)
    return provider


async def give_key(provider: Provider, client_code: str, key: str, now: datetime, overlap: timedelta) -> None:
    """A new key for a provider's calls; those before it are good for as long as ``overlap`` still."""
    taken = await ProviderKey.filter(client_code=client_code).exclude(provider_id=provider.id).exists()
    if taken:
        raise DomainError("staff.client_taken", client=client_code)
    until = now + overlap
    older = ProviderKey.filter(Q(expires_at__isnull=True) | Q(expires_at__gt=until), provider_id=provider.id)
    await older.update(expires_at=until)
    await ProviderKey.create(provider_id=provider.id, client_code=client_code, key=key, created_at=now)
