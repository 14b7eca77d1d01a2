"""Slow work on photos, outside any turn: fetch, look, compare, and feed the outcome back as a message.

Work is rows (models.PhotoTask), so a crash loses none: a lease that ran out is taken up again, and an outcome that was
fed back twice is one message, because it has one id.
"""

import asyncio
import hashlib
import logging
import secrets
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta

from bot.channel import Receive
from domain.errors import DomainError
from domain.ports import Faces, Media, PhotoError
from domain.programme import Programme
from domain.verification.actions import faces, photos
from domain.verification.rules.faces import check_selfie
from handlers.conversation import Inbound, Photo, PhotoOutcome
from models.enums import Channel, PhotoKind
from models.person import PhotoTask

log = logging.getLogger(__name__)

SWEEP_SECONDS = 15.0
MAX_ATTEMPTS = 5
SIDE_BY_SIDE = 4

Fetch = Callable[[str], Awaitable[bytes]]
"""Bytes of a photo by its platform's file id; raises PhotoError where it is not to be had, OSError for trouble."""


class Photos:
    """Taking photos in: look at them in the photo process, keep them encrypted, and do the slow work on them."""

    def __init__(
        self,
        faces: Faces,
        media: Media,
        programme: Programme,
        clock: Callable[[], datetime],
        fetchers: Mapping[Channel, Fetch],
    ) -> None:
        self._faces = faces
        self._media = media
        self._programme = programme
        self._clock = clock
        self._fetchers = fetchers
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """There may be new work."""
        self._wake.set()

    async def keep(self, content: bytes) -> Photo:
        """Look at a photo and keep it; raises PhotoError with the words for who sent it."""
        prepared = await self._faces.prepare(content)
        photo_id = secrets.token_hex(16)
        await self._media.save(photo_id, prepared.jpeg)
        digest = hashlib.sha256(prepared.jpeg).digest()
        await photos.keep_photo(photo_id, prepared, digest, self._clock())
        return Photo(photo_id, prepared.facts)

    async def run(self, receive: Receive) -> None:
        """Do the work there is, and what comes, until cancelled."""
        places = asyncio.Semaphore(SIDE_BY_SIDE)
        async with asyncio.TaskGroup() as group:
            while True:
                self._wake.clear()
                await places.acquire()
                task = await self._claim()
                if task is not None:
                    group.create_task(self._do(task, receive)).add_done_callback(lambda _: places.release())
                    continue
                places.release()
                try:
                    await asyncio.wait_for(self._wake.wait(), SWEEP_SECONDS)
                except TimeoutError:
                    continue

    async def _claim(self) -> PhotoTask | None:
        try:
            return await photos.claim_photo_task(self._clock())
        except Exception as error:  # noqa: BLE001 - the database may be back at the next round
            log.warning("photo work not claimed: %s", type(error).__name__)
            return None

    async def _do(self, task: PhotoTask, receive: Receive) -> None:
        try:
            outcome = await self._outcome(task)
            await receive(
                Inbound(
                    channel=Channel.INTERNAL,
                    address=str(task.conversation_id),
                    external_id=f"photo:{task.id}",
                    outcome=outcome,
                )
            )
            await photos.finish_photo_task(task)
        except Exception as error:  # noqa: BLE001 - the row stays and is taken up again when its lease ends
            log.warning("photo task %d, try %d: %s", task.id, task.attempts, type(error).__name__)
            await self._put_back(task)

    async def _put_back(self, task: PhotoTask) -> None:
        try:
            await photos.retry_photo_task(task, self._clock() + timedelta(seconds=2**task.attempts))
        except Exception:  # noqa: BLE001 - the lease ends by itself
            log.warning("photo task %d waits for its lease to end", task.id)

    async def _outcome(self, task: PhotoTask) -> PhotoOutcome:
        kind = PhotoKind(task.kind)
        if task.attempts > MAX_ATTEMPTS:
            return PhotoOutcome(kind, error="photo.unavailable", card_photo=task.card_photo_id or "")
        try:
            photo = await self._photo(task)
            if kind == PhotoKind.CARD:
                return PhotoOutcome(kind, photo)
            check_selfie(photo.facts)
            assert task.card_photo_id is not None
            card, selfie = await self._media.load(task.card_photo_id), await self._media.load(photo.id)
            comparison = await self._faces.compare(card, selfie)
        except (PhotoError, DomainError) as error:
            return PhotoOutcome(kind, error=error.code, card_photo=task.card_photo_id or "")
        verdict = await faces.record_face_check(task, comparison, self._programme.face, self._clock())
        return PhotoOutcome(kind, photo, verdict=verdict.value, card_photo=task.card_photo_id)

    async def _photo(self, task: PhotoTask) -> Photo:
        if task.photo_id is not None:
            return Photo(task.photo_id, await photos.photo_facts(task.photo_id))
        assert task.remote is not None
        photo = await self.keep(await self._fetchers[Channel(task.channel)](task.remote))
        await photos.photo_arrived(task, photo.id)
        return photo
