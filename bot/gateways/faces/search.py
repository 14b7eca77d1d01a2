"""The search among all faces, in a child process that is fed from the database."""

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from bot.gateways.child import Children
from domain.verification.actions.faces import stored_vectors, vectors_kept

BATCH = 500  # small, so that opening them holds up nobody
LOOK_BACK = 1_000
LOOK_SECONDS = 3600.0  # so long a deleted face may stay in memory


@dataclass
class _Fed:
    """How far an index is fed. Rows become visible out of order, so the latest ids are remembered one by one."""

    count: int = 0
    last: int = 0
    recent: set[int] = field(default_factory=set)

    def add(self, ids: Iterable[int]) -> None:
        self.recent.update(ids)
        self.last = max(self.recent)
        self.recent = {number for number in self.recent if number > self.last - LOOK_BACK}


class FaceIndexProcess:
    """domain.ports.FaceIndex in a child process that is fed from the database before each search."""

    def __init__(self) -> None:
        self._children = Children("index", seconds=60.0)
        self._fed: dict[str, _Fed] = {}
        self._feeding = asyncio.Lock()
        self._looked = time.monotonic()

    async def search(self, vector: bytes, engine: str, threshold: float) -> list[tuple[int, float]]:
        """See domain.ports.FaceIndex; raises ChildError where the process can't answer."""
        async with self._feeding:
            await self._feed(engine)
        return await self._children.call(list[tuple[int, float]], "search", engine, vector, threshold)

    async def _feed(self, engine: str) -> None:
        """Bring what is stored and not there yet."""
        fed = self._fed.setdefault(engine, _Fed())
        there = await self._children.call(int, "count", engine)
        if there and time.monotonic() - self._looked > LOOK_SECONDS:
            self._looked = time.monotonic()
            if await vectors_kept(engine) < there:  # somebody was deleted: their face is in memory only
                there = -1
        if there != fed.count:
            if there:
                await self._children.close()
            fed = self._fed[engine] = _Fed()  # the process was replaced
        after = fed.last - LOOK_BACK
        while rows := await stored_vectors(engine, after, BATCH):
            after = max(rows)
            new = {number: vector for number, vector in rows.items() if number not in fed.recent}
            if new:
                fed.count = await self._children.call(int, "add", engine, list(new), b"".join(new.values()))
                fed.add(new)

    async def close(self) -> None:
        """End the process."""
        await self._children.close()
