"""Photos: fetch, look, read, compare, and feed the outcome back as a message.

An outcome that was fed back twice is one message, because it has one id.
"""

import hashlib
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from msgspec.structs import replace

from bot.channel import Receive
from bot.tasks import Work
from domain.errors import DomainError
from domain.ports import Cards, Faces, Media, PhotoError
from domain.programme import Programme
from domain.verification.actions import cards, faces, photos
from domain.verification.rules.card import CardReading, read_card
from domain.verification.rules.faces import check_selfie, check_turned, portrait_problem
from handlers.conversation import Inbound, Photo, PhotoOutcome
from models.enums import Channel, FaceVerdict, PhotoKind
from models.person import PhotoTask

log = logging.getLogger(__name__)

MAX_ATTEMPTS = 5

Fetch = Callable[[str], Awaitable[bytes]]
"""Bytes of a photo by its platform's file id; raises PhotoError where it is not to be had, OSError for trouble."""


@dataclass(frozen=True, slots=True)
class Remote:
    """Photos that a platform still holds; ``forget`` deletes one where it would stay (OSError for trouble)."""

    fetch: Fetch
    forget: Callable[[str], Awaitable[None]] | None = None


class Photos:
    """Taking photos in: look at them in the photo process, keep them encrypted, and do the slow work on them."""

    def __init__(
        self,
        faces: Faces,
        cards: Cards,
        media: Media,
        programme: Programme,
        clock: Callable[[], datetime],
        remotes: Mapping[Channel, Remote],
        receive: Receive,
    ) -> None:
        self._faces = faces
        self._cards = cards
        self._media = media
        self._programme = programme
        self._clock = clock
        self._remotes = remotes
        self._receive = receive
        self.work = Work("photos", lambda: photos.claim_photo_task(clock()), self._do)

    async def keep(self, content: bytes, conversation_id: int) -> Photo:
        """Look at a photo and keep it as this conversation's; raises PhotoError with the words for who sent it."""
        prepared = await self._faces.prepare(content)
        photo_id = secrets.token_hex(16)
        digest = hashlib.sha256(prepared.jpeg).digest()
        # The row first: a file that no row knows would never be destroyed.
        await photos.keep_photo(photo_id, conversation_id, prepared, digest, self._clock())
        await self._media.save(photo_id, prepared.jpeg)
        return Photo(photo_id, prepared.facts)

    async def _do(self, task: PhotoTask) -> None:
        try:
            outcome = await self._outcome(task)
            await self._receive(
                Inbound(
                    channel=Channel.INTERNAL,
                    address=str(task.conversation_id),
                    external_id=f"photo:{task.id}",
                    outcome=outcome,
                )
            )
            await photos.finish_photo_task(task)
        except Exception as error:  # noqa: BLE001 - tried again after a pause
            log.warning("photo task %d, try %d: %s", task.id, task.attempts, type(error).__name__)
            await photos.retry_photo_task(task, self._clock() + timedelta(seconds=2**task.attempts))

    async def _outcome(self, task: PhotoTask) -> PhotoOutcome:
        kind = PhotoKind(task.kind)
        found = PhotoOutcome(
            kind, card_photo=task.card_photo_id or "", selfie_photo=task.selfie_photo_id or "", asked=task.asked or ""
        )
        if task.attempts > MAX_ATTEMPTS:
            return replace(found, error="photo.unavailable")
        try:
            photo = await self._photo(task)
            match kind:
                case PhotoKind.CARD:
                    return replace(found, photo=photo, reading=await self._read(task, photo))
                case PhotoKind.SELFIE:
                    return replace(found, photo=photo, verdict=await self._compare(task, photo))
                case PhotoKind.TURNED:
                    return replace(found, photo=photo, verdict=await self._turned(task, photo))
                case PhotoKind.CERTIFICATE:
                    return replace(found, photo=photo)
        except (PhotoError, DomainError) as error:
            return replace(found, error=error.code)

    async def _read(self, task: PhotoTask, photo: Photo) -> CardReading:
        """What the card says; a reader that fails costs the person some typing, nothing else."""
        began = time.monotonic()
        try:
            reading = read_card(await self._cards.read(await self._media.load(photo.id)))
        except Exception as error:  # noqa: BLE001 - typing is always possible
            log.warning("card not read: %s", type(error).__name__)
            reading = CardReading()
        await cards.record_reading(task, reading, time.monotonic() - began, self._clock())
        return reading

    async def _compare(self, task: PhotoTask, photo: Photo) -> str:
        """A card without a usable portrait leaves the comparison to staff; the selfie's vector is kept all the same."""
        check_selfie(photo.facts)
        assert task.card_photo_id is not None
        selfie = await self._media.load(photo.id)
        portrait = not portrait_problem(await photos.photo_facts(task.card_photo_id))
        card = await self._media.load(task.card_photo_id) if portrait else selfie
        comparison = await self._faces.compare(card, selfie)
        now = self._clock()
        verdict = await faces.record_face_check(task, comparison, self._programme.face, now, portrait=portrait)
        if verdict != FaceVerdict.DIFFERENT:
            await faces.keep_vector(task.conversation_id, photo.id, comparison, now)
        return verdict.value

    async def _turned(self, task: PhotoTask, photo: Photo) -> str:
        check_turned(photo.facts)
        assert task.selfie_photo_id is not None
        selfie, second = await self._media.load(task.selfie_photo_id), await self._media.load(photo.id)
        score = (await self._faces.compare(selfie, second)).score
        before = (await photos.photo_facts(task.selfie_photo_id)).yaw
        rules = self._programme.face
        verdict = await faces.record_turn_check(task, before, photo.facts.yaw, score, rules, self._clock())
        return verdict.value

    async def _photo(self, task: PhotoTask) -> Photo:
        if task.photo_id is not None:
            return Photo(task.photo_id, await photos.photo_facts(task.photo_id))
        assert task.remote is not None
        remote = self._remotes[Channel(task.channel)]
        photo = await self.keep(await remote.fetch(task.remote), task.conversation_id)
        await photos.photo_arrived(task, photo.id)
        if remote.forget is not None:
            try:
                await remote.forget(task.remote)
            except (OSError, TimeoutError, PhotoError) as error:
                log.warning("a photo stays at its platform: %s", type(error).__name__)
        return photo
