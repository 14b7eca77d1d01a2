"""Child processes for work that may hang, crash or need another environment: one call at a time over a pipe.

A child is ``PYTHON -m bot.gateways.worker KIND ...``. Its first call starts it, a call that takes too long kills it and
a dead one is replaced. It ends when its parent does, because its input ends. Frames are a length (4 bytes,
big-endian) and msgpack: ``[name, arguments]`` to the child, ``[outcome, value]`` back.
"""

import asyncio
import contextlib
import os
import struct
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from domain.ports import PhotoError

LENGTH = struct.Struct(">I")
ROOT = Path(__file__).parents[2]
# For glibc: a network's largest tensors go back to the system at once, the others stay. By default reading a card takes
# 395 MB instead of 350 and 7 % more time.
MALLOC = {
    "MALLOC_MMAP_THRESHOLD_": "12000000",
    "MALLOC_TRIM_THRESHOLD_": "1000000000",
    "MALLOC_TOP_PAD_": "16777216",
}
T = TypeVar("T")


# What a child needs of the environment. The rest are keys and tokens, which code that reads strangers' files must not
# have.
PASSED_ON = frozenset(
    {"PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ", "PYTHONPATH", "VIRTUAL_ENV", "LD_LIBRARY_PATH"}
)
PASSED_ON_PREFIXES = ("OMP_", "OPENBLAS_", "MKL_", "TORCH_", "XDG_")


def harmless() -> dict[str, str]:
    """The environment without what is secret."""
    return {
        name: value for name, value in os.environ.items() if name in PASSED_ON or name.startswith(PASSED_ON_PREFIXES)
    }


class ChildError(Exception):
    """A call that came to nothing: the child hung, died or met an error; the next call finds a new one."""


class RefusedError(ChildError):
    """The child can't work at all: something is missing or wrong where it runs. The text is for the operator."""


class Children:
    """``count`` children of one kind, started as needed; ``python`` is the interpreter of their environment.

    Another environment has this project installed too: the folder it lies in here may hold packages of this one.
    """

    def __init__(self, kind: str, *arguments: str, count: int = 1, python: str = "", seconds: float = 20.0) -> None:
        interpreter = (python, "-P") if python else (sys.executable,)
        self._command: Sequence[str] = (*interpreter, "-m", "bot.gateways.worker", kind, *arguments)
        self._seconds = seconds
        self._idle: asyncio.LifoQueue[asyncio.subprocess.Process | None] = asyncio.LifoQueue()
        for _ in range(count):
            self._idle.put_nowait(None)
        self._running: set[asyncio.subprocess.Process] = set()

    async def call(self, kind: type[T], name: str, *arguments: Any, seconds: float | None = None) -> T:
        """What a child's method gives; raises PhotoError as the method does, and ChildError for all else.

        ``seconds`` is for a call that may take longer than others.
        """
        child = await self._idle.get()
        try:
            if child is None or child.returncode is not None:
                child = await self._start()
            async with asyncio.timeout(seconds or self._seconds):
                outcome, value = await _exchange(child, name, arguments)
            if outcome == "refused":
                raise RefusedError(str(value))  # and end it: it is about to end itself
        except BaseException as error:
            self._end(child)
            child = None
            if isinstance(error, TimeoutError | EOFError | OSError):
                raise ChildError(type(error).__name__) from None
            raise
        finally:
            self._idle.put_nowait(child)
        if outcome == "photo":
            raise PhotoError(str(value))
        if outcome == "error":
            raise ChildError(str(value))
        return msgspec.convert(value, kind)

    async def _start(self) -> asyncio.subprocess.Process:
        try:
            child = await asyncio.create_subprocess_exec(
                *self._command, cwd=ROOT, env={**harmless(), **MALLOC},
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            )  # fmt: skip
        except (FileNotFoundError, NotADirectoryError, PermissionError) as error:
            raise RefusedError(f"{self._command[0]}: {error.strerror}") from None
        self._running = {child, *(other for other in self._running if other.returncode is None)}
        return child

    def _end(self, child: asyncio.subprocess.Process | None) -> None:
        if child is not None:
            with contextlib.suppress(ProcessLookupError):
                child.kill()

    async def close(self) -> None:
        """End all children now; work that is under way stays pending in the database, and a later call starts anew."""
        running = list(self._running)
        for child in running:
            self._end(child)
        for child in running:
            await child.wait()


async def _exchange(child: asyncio.subprocess.Process, name: str, arguments: Sequence[Any]) -> tuple[str, Any]:
    assert child.stdin is not None
    assert child.stdout is not None
    message = msgspec.msgpack.encode([name, arguments])
    child.stdin.write(LENGTH.pack(len(message)))
    child.stdin.write(message)
    await child.stdin.drain()
    (length,) = LENGTH.unpack(await child.stdout.readexactly(LENGTH.size))
    return msgspec.msgpack.decode(await child.stdout.readexactly(length), type=tuple[str, Any])
