"""Telling other processes that there may be work: messages of taskiq on Redis Streams, one stream a role.

Work itself is rows, claimed by whoever is free and swept up where somebody died; a message carries nothing but the name
of a kind of work and may be lost, repeated or late. In one process there is no broker: the bell is a call. Rung often,
it sounds a few times a second at most. See docs/decisions/0013-many-processes.md.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from bot.tasks import again_and_again, unless_cancelled

if TYPE_CHECKING:
    from taskiq_redis import RedisStreamBroker

log = logging.getLogger(__name__)

EVERY_SECONDS = 0.05
AGAIN_SECONDS = 1.0
STALLED_MS = 30_000  # a message whose process died is given to another
KEPT = 10_000  # messages of a stream: more say nothing new
TASK = "work"


class Bell:
    """``wakes`` are the kinds of work that this process does, with what to call; ``roles`` says who does each kind."""

    def __init__(self, redis_url: str, wakes: Mapping[str, Callable[[], None]], roles: Mapping[str, str]) -> None:
        self._url, self._wakes, self._roles = redis_url, wakes, roles
        self._rung: set[str] = set()
        self._sound = asyncio.Event()
        self._brokers: dict[str, RedisStreamBroker] = {}

    def ring(self, kinds: Collection[str]) -> None:
        """There may be work of these kinds; never waits, and never fails. This process hears of its own at once."""
        for kind in kinds:
            if kind in self._wakes:
                self._wakes[kind]()
        if self._url:
            self._rung.update(kinds)
            self._sound.set()

    async def run(self) -> None:
        """Pass on what is rung, and hear what others ring, until cancelled."""
        if not self._url:
            return
        own = sorted({self._roles[kind] for kind in self._wakes})
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(again_and_again("bell", self._pass_on, lambda: EVERY_SECONDS))
                for role in own:
                    group.create_task(self._listen(role))
        finally:
            for broker in self._brokers.values():
                await broker.shutdown()

    async def _pass_on(self) -> None:
        await self._sound.wait()
        self._sound.clear()
        rung, self._rung = self._rung, set()
        try:
            for kind in sorted(rung):
                await self._broker(self._roles[kind]).find_task(TASK).kiq(kind)
        except Exception:
            self.ring(rung)  # as soon as the server is back
            await asyncio.sleep(AGAIN_SECONDS)
            raise

    def _broker(self, role: str) -> Any:
        if role not in self._brokers:
            self._brokers[role] = self._made(role)
        return self._brokers[role]

    def _made(self, role: str) -> "RedisStreamBroker":
        from taskiq_redis import RedisStreamBroker  # noqa: PLC0415 - only where there is such a server

        broker = RedisStreamBroker(
            self._url, f"gelombang:{role}", consumer_group_name=f"gelombang-{role}", idle_timeout=STALLED_MS,
            maxlen=KEPT, unacknowledged_lock_timeout=10.0,
            consumer_id="0",  # where the group has to be made anew: what was rung before it was there is heard too
        )  # fmt: skip

        async def work(kind: str) -> None:
            if kind in self._wakes:
                self._wakes[kind]()

        broker.register_task(work, task_name=TASK)
        return broker

    async def _listen(self, role: str) -> None:
        """Hear one stream; a server that was emptied or restarted is taken up again, its group made anew."""
        from taskiq.receiver import Receiver  # noqa: PLC0415

        logging.getLogger("taskiq").setLevel(logging.ERROR)
        with ThreadPoolExecutor(1) as executor:
            while True:
                broker = self._made(role)
                try:
                    await Receiver(broker, executor, run_startup=True).listen(asyncio.Event())
                except Exception as error:  # noqa: BLE001 - rows are swept meanwhile
                    unless_cancelled()
                    log.warning("bell of %s: %s", role, type(error).__name__)
                finally:
                    await broker.shutdown()
                await asyncio.sleep(AGAIN_SECONDS)
