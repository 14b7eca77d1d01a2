"""Work that outlives errors."""

import asyncio

import pytest

from bot.tasks import again_and_again


async def test_a_group_whose_child_fails_does_not_end_the_loop(caplog: pytest.LogCaptureFixture) -> None:
    rounds = 0

    async def fails() -> None:
        raise OSError("away")

    async def work() -> None:
        nonlocal rounds
        rounds += 1
        async with asyncio.TaskGroup() as group:
            group.create_task(fails())
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        running = group.create_task(again_and_again("work", work, lambda: 0.01))
        async with asyncio.timeout(5):
            while rounds < 3:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        running.cancel()
    assert caplog.messages[:2] == ["work: ExceptionGroup"] * 2


async def test_what_is_under_way_is_cancelled_with_the_loop() -> None:
    ended = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    async with asyncio.TaskGroup() as group:
        running = group.create_task(again_and_again("work", work, lambda: 0.01))
        await asyncio.sleep(0.05)
        running.cancel()
    assert ended.is_set()
