"""Looking at people's layers outside any turn: ask the civil registry, search the face, judge, tell who must act."""

import logging
from collections.abc import Callable
from datetime import datetime

from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.transactions import in_transaction

from bot.channel import Receive
from bot.tasks import Work
from domain.notices.actions import announce
from domain.ports import CivilRegistry, FaceIndex, RegistryUnavailableError
from domain.programme import Programme
from domain.verification.actions import faces, layers
from handlers.conversation import Inbound, VerificationOutcome
from models.enums import Channel
from models.person import Person
from models.verification import VerificationTask

log = logging.getLogger(__name__)


class Verifications:
    """Does the verification tasks. What is down delays: the rest is judged, and the person is taken up again later."""

    def __init__(
        self,
        db: BaseDBAsyncClient,
        registry: CivilRegistry | None,
        index: FaceIndex,
        programme: Programme,
        clock: Callable[[], datetime],
        receive: Receive,
    ) -> None:
        self._db = db
        self._registry = registry
        self._index = index
        self._programme = programme
        self._clock = clock
        self._receive = receive
        self.work = Work("verifications", lambda: layers.claim_verification(clock()), self._do)

    async def _do(self, task: VerificationTask) -> None:
        person = await Person.get(id=task.person_id)
        asked, twins = await self._ask_registry(person, task), await self._twins(person)
        async with in_transaction() as db:
            if not await layers.still_asked(task):
                return  # the person has changed something meanwhile: the task is due anew
            await layers.verify(db, person, twins, self._programme, self._clock())
        await self._tell(person)
        await layers.finish_verification(task, self._clock(), complete=asked and twins is not None)

    async def _ask_registry(self, person: Person, task: VerificationTask) -> bool:
        """Whether nothing is left to ask."""
        if self._registry is None or await layers.registry_answer(person) is not None:
            return True
        try:
            answer = await self._registry.check(layers.identity_of(person))
        except RegistryUnavailableError as error:
            log.warning("civil registry: %s", error)
            return False
        async with in_transaction():
            if await layers.still_asked(task):
                await layers.keep_registry_answer(person, answer, self._clock())
        return True

    async def _twins(self, person: Person) -> tuple[int, ...] | None:
        """Other people with this face, None where the search is not to be had now."""
        row = await faces.vector_of(person.selfie_photo_id)
        if row is None:
            return ()
        threshold = self._programme.face.duplicate
        try:
            hits = await self._index.search(faces.open_vector(row), row.engine, threshold)
        except Exception as error:  # noqa: BLE001 - searched again later
            log.warning("face search: %s", type(error).__name__)
            return None
        return await faces.people_of([number for number, _ in hits], person.id)

    async def _tell(self, person: Person) -> None:
        """Say what failed. The message has the outcome's id: a crash on the way neither loses nor repeats it."""
        news, conversation_id = await layers.news_for(person.id), await layers.conversation_of(person.id)
        if news and conversation_id is not None:
            await self._receive(
                Inbound(
                    channel=Channel.INTERNAL,
                    address=str(conversation_id),
                    external_id=f"verification:{news}",
                    outcome=VerificationOutcome(),
                )
            )
            subject, now = int(news.partition(".")[0]), self._clock()
            if subject and await layers.out_of_reach(conversation_id, now):
                await announce(self._db, "verification_needed", subject, [person.id], now)
