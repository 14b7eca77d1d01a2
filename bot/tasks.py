"""Slow work, outside any turn. Work is rows, so a crash loses none: a lease that ran out is taken up again."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Generic, TypeVar

from models import trace

log = logging.getLogger(__name__)

SWEEP_SECONDS = 15.0
SIDE_BY_SIDE = 4

Task = TypeVar("Task")
Result = TypeVar("Result")


def unless_cancelled() -> None:
    """In a loop that outlives errors: end it where it was cancelled, which a driver may have reported as an error."""
    if (task := asyncio.current_task()) is not None and task.cancelling():
        raise asyncio.CancelledError


async def apart(work: Coroutine[Any, Any, Result]) -> Result:
    """Wait for work in a task of its own. Before Python 3.13, a task in which a TaskGroup waits for a child that fails
    counts as cancelled from then on (python/cpython#116720); who outlives errors must not be that task.
    """
    return await asyncio.create_task(work)  # noqa: TID251 - it is waited for, and cancelled with who waits


async def again_and_again(name: str, work: Callable[[], Awaitable[object]], pause: Callable[[], float]) -> None:
    """Do something for as long as the process lives, with a pause in seconds; what goes wrong is tried again."""
    while True:
        try:
            await apart(_done(work))
        except Exception as error:  # noqa: BLE001 - the database may be back at the next round
            unless_cancelled()
            log.warning("%s: %s", name, type(error).__name__)
        await asyncio.sleep(pause())


async def _done(work: Callable[[], Awaitable[object]]) -> None:
    await work()


class Work(Generic[Task]):
    """Doing what ``claim`` gives, a few at a time. ``do`` answers for its own errors: what it raises is only logged.
    Lines about a task carry its ``trace``, where its row has one.
    """

    def __init__(
        self, name: str, claim: Callable[[], Awaitable[Task | None]], do: Callable[[Task], Awaitable[None]]
    ) -> None:
        self._name, self._claim, self._do = name, claim, do
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """There may be new work."""
        self._wake.set()

    async def run(self) -> None:
        """Do the work there is, and what comes, until cancelled."""
        places = asyncio.Semaphore(SIDE_BY_SIDE)
        async with asyncio.TaskGroup() as group:
            while True:
                self._wake.clear()
                await places.acquire()
                task = await self._next()
                if task is not None:
                    group.create_task(self._guarded(task)).add_done_callback(lambda _: places.release())
                    continue
                places.release()
                try:
                    await asyncio.wait_for(self._wake.wait(), SWEEP_SECONDS)
                except TimeoutError:
                    continue

    async def _next(self) -> Task | None:
        try:
            return await self._claim()
        except Exception as error:  # noqa: BLE001 - the database may be back at the next round
            unless_cancelled()
            log.warning("%s: nothing claimed: %s", self._name, type(error).__name__)
            return None

    async def _guarded(self, task: Task) -> None:
        trace.go_on(getattr(task, "trace", ""))
        try:
            await self._do(task)
            log.debug("%s: a task is done", self._name)
        except Exception as error:  # noqa: BLE001 - the row stays and is taken up again when its lease ends
            log.warning("%s: a task waits for its lease to end: %s", self._name, type(error).__name__)
