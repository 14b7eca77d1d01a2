"""Slow work that staff ask for: done by a process of its own each, and told in their chat."""

import asyncio
import logging
import sys
from collections.abc import Callable
from datetime import datetime

from bot.channel import Receive
from bot.tasks import Work
from domain.staff import tasks
from handlers.conversation import Inbound, StaffOutcome
from models.enums import Channel
from models.staff import StaffTask

log = logging.getLogger(__name__)


class StaffTasks:
    """Claims tasks one after the other; a crash on the way lets another process take them up when the lease ends."""

    def __init__(self, clock: Callable[[], datetime], receive: Receive) -> None:
        self._clock, self._receive = clock, receive
        self.work = Work("staff tasks", lambda: tasks.claim(clock()), self._do)

    async def _do(self, task: StaffTask) -> None:
        if task.result is None and (task.attempts > tasks.MOST_TRIES or await self._run(task.id)):
            await tasks.finish(task.id, {"error": "staff.task_failed"}, self._clock())
        # The message has the task's id: a crash before the next line repeats neither the work nor the news.
        await self._receive(
            Inbound(
                channel=Channel.INTERNAL,
                address=str(task.conversation_id),
                external_id=f"staff:{task.id}",
                outcome=StaffOutcome("task", task.id),
            )
        )
        await tasks.told(task.id)

    async def _run(self, number: int) -> int:
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bot", "task", str(number), stdout=asyncio.subprocess.DEVNULL
        )
        try:
            async with asyncio.timeout(tasks.LEASE.total_seconds()):
                return await child.wait()
        except TimeoutError:  # it is taken up again, and given up after a few tries
            return 1
        finally:
            if child.returncode is None:
                child.kill()
