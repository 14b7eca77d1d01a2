"""The photo process: pictures are opened and faces compared there, so that no broken file and no long computation
touches the web process. It starts with the first photo, ends with its parent, and is replaced when it hangs or dies.
"""

import asyncio
import logging
import multiprocessing
import os
import resource
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pebble import ProcessExpired, ProcessPool

from bot.lifeline import end_with
from domain.ports import Comparison, PhotoError, Prepared

if TYPE_CHECKING:
    from bot.gateways.faces.opencv import OpenCvFaces

log = logging.getLogger(__name__)

SECONDS = 20.0
MEMORY = 2 * 1024**3

_engine: "OpenCvFaces | None" = None


def _start(folder: Path | None, parent: int) -> None:
    """First thing in the new process: limits, a watch on the parent, the engine with its models."""
    from bot.gateways.faces.opencv import OpenCvFaces  # noqa: PLC0415 - OpenCV is loaded in this process only

    global _engine  # noqa: PLW0603 - one engine a process
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    end_with(parent)
    _engine = OpenCvFaces(folder)


def _prepare(content: bytes) -> Prepared | str:
    assert _engine is not None
    try:
        return _engine.prepare(content)
    except PhotoError as error:
        return error.code


def _compare(card: bytes, selfie: bytes) -> Comparison | str:
    assert _engine is not None
    try:
        return _engine.compare(card, selfie)
    except PhotoError as error:
        return error.code


class FacePool:
    """domain.ports.Faces in a process of its own."""

    def __init__(self, folder: Path | None = None, workers: int = 1) -> None:
        self._folder, self._workers = folder, workers
        self._pool = self._new_pool()

    def _new_pool(self) -> ProcessPool:
        return ProcessPool(
            max_workers=self._workers,
            initializer=_start,
            initargs=(self._folder, os.getpid()),
            context=multiprocessing.get_context("spawn"),
        )

    async def prepare(self, content: bytes) -> Prepared:
        """See domain.ports.Faces."""
        found: Prepared = await self._call(_prepare, content)
        return found

    async def compare(self, card: bytes, selfie: bytes) -> Comparison:
        """See domain.ports.Faces."""
        found: Comparison = await self._call(_compare, card, selfie)
        return found

    async def _call(self, function: Any, *args: bytes) -> Any:
        try:
            found = await self._in_process(function, args)
        except (TimeoutError, ProcessExpired, MemoryError):
            # A picture that kills or hangs its reader is refused like any other broken one.
            raise PhotoError("photo.broken") from None
        if isinstance(found, str):
            raise PhotoError(found)
        return found

    async def _in_process(self, function: Any, args: tuple[bytes, ...]) -> Any:
        pool = self._pool
        if pool.active:
            try:
                return await asyncio.wrap_future(pool.schedule(function, args=args, timeout=SECONDS))
            except BrokenProcessPool:
                log.warning("the photo process ended while idle")
        if self._pool is pool:  # pebble gives a pool up whose worker ended between two pictures
            self._pool = self._new_pool()
        return await asyncio.wrap_future(self._pool.schedule(function, args=args, timeout=SECONDS))

    def close(self) -> None:
        """End the process now; work that is under way stays pending in the database."""
        self._pool.stop()  # type: ignore[no-untyped-call]
        self._pool.join()
