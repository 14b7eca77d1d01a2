"""Faces in a process of their own: pictures are opened and compared there, so that no broken file and no long
computation touches the web process.
"""

from pathlib import Path

from bot.gateways.child import ChildError, Children
from domain.ports import Comparison, PhotoError, Prepared


class FaceProcess:
    """domain.ports.Faces in child processes."""

    def __init__(self, folder: Path | None = None, workers: int = 1) -> None:
        self._children = Children("opencv", *([str(folder.resolve())] if folder else []), count=workers)

    async def prepare(self, content: bytes) -> Prepared:
        """See domain.ports.Faces. A picture that kills or hangs its reader is refused like any other broken one."""
        try:
            return await self._children.call(Prepared, "prepare", content)
        except ChildError:
            raise PhotoError("photo.broken") from None

    async def compare(self, card: bytes, selfie: bytes) -> Comparison:
        """See domain.ports.Faces."""
        return await self._children.call(Comparison, "compare", card, selfie)

    async def close(self) -> None:
        """End the processes."""
        await self._children.close()
