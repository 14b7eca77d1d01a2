"""The search for a face among all: fed from the database, exact, and replaced when its process dies."""

import os
import signal
from collections.abc import AsyncIterator

import numpy
import pytest
from tortoise.backends.base.client import BaseDBAsyncClient

from bot.gateways.child import ChildError, Children
from bot.gateways.faces import search
from bot.gateways.faces.search import BATCH, FaceIndexProcess
from domain.ports import Comparison
from domain.verification.actions.faces import keep_vector
from models.verification import FaceVector
from tests.handlers.talk import NOON, Person, engine_on


@pytest.fixture
async def index() -> AsyncIterator[FaceIndexProcess]:
    process = FaceIndexProcess()
    yield process
    await process.close()


def vectors(count: int, seed: int) -> numpy.ndarray:
    rows = numpy.random.default_rng(seed).standard_normal((count, 128)).astype("<f4")
    found: numpy.ndarray = rows / numpy.linalg.norm(rows, axis=1, keepdims=True)
    return found


async def store(conversation_id: int, rows: numpy.ndarray, prefix: str, engine: str = "sface") -> None:
    for number, row in enumerate(rows):
        await keep_vector(conversation_id, f"{prefix}{number}", Comparison(0.9, engine, b"", row.tobytes()), NOON)


async def test_the_same_face_is_found_and_no_other_engine_is_asked(
    db: BaseDBAsyncClient, index: FaceIndexProcess
) -> None:
    async with engine_on(db) as engine:
        person = Person(engine, "a")
        await person.say("halo")
        number = person.conversation_id
    rows = vectors(BATCH + 20, 1)
    await store(number, rows, "a")
    await store(number, rows[:5], "b", "facenet")
    hits = await index.search(rows[3].tobytes(), "sface", 0.9)
    assert [hit for hit, _ in hits] == [4]
    assert hits[0][1] == pytest.approx(1, abs=0.01)
    assert len(await index.search(rows[3].tobytes(), "facenet", 0.9)) == 1
    assert await index.search(rows[-1].tobytes(), "sface", 0.9) == await index.search(rows[-1].tobytes(), "sface", 0.9)
    assert len(await index.search(rows[-1].tobytes(), "sface", 0.9)) == 1  # what is fed already is not fed again
    assert await index.search(vectors(1, 2)[0].tobytes(), "sface", 0.9) == []
    # What comes later is found too, also after the process was killed.
    new = vectors(1, 3)
    await store(number, new, "c")
    assert len(await index.search(new[0].tobytes(), "sface", 0.9)) == 1
    for child in list(index._children._running):
        os.kill(child.pid, signal.SIGKILL)
        await child.wait()
    assert len(await index.search(rows[7].tobytes(), "sface", 0.9)) == 1


async def test_a_face_that_was_deleted_is_not_found_again(
    db: BaseDBAsyncClient, index: FaceIndexProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with engine_on(db) as engine:
        person = Person(engine, "a")
        await person.say("halo")
    rows = vectors(3, 1)
    await store(person.conversation_id, rows, "a")
    assert len(await index.search(rows[1].tobytes(), "sface", 0.9)) == 1
    await FaceVector.filter(photo_id="a1").delete()
    monkeypatch.setattr(search, "LOOK_SECONDS", 0.0)  # an hour later
    assert await index.search(rows[1].tobytes(), "sface", 0.9) == []
    assert len(await index.search(rows[2].tobytes(), "sface", 0.9)) == 1


async def test_a_child_that_hangs_is_killed_and_one_that_fails_says_what_kind() -> None:
    children = Children("index", seconds=5.0)
    try:
        assert await children.call(int, "count", "sface") == 0
        with pytest.raises(ChildError, match="ValueError"):
            await children.call(int, "add", "sface", [1, 2, 3], b"1234")
        (child,) = children._running
        os.kill(child.pid, signal.SIGSTOP)
        children._seconds = 0.3
        with pytest.raises(ChildError, match="TimeoutError"):
            await children.call(int, "count", "sface")
        assert await child.wait() == -signal.SIGKILL
        children._seconds = 20.0
        assert await children.call(int, "count", "sface") == 0
    finally:
        await children.close()
