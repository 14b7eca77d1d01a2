"""Photos in a process of their own: they are opened, read and compared there, so that no broken file and no long
computation touches the web process.
"""

from bot.gateways.child import ChildError, Children, RefusedError
from domain.ports import CardLine, Comparison, PhotoError, Prepared

START_SECONDS = 300.0  # an engine may have to fetch its weights
PREPARE_SECONDS = 12.0  # with the start of a child; a picture takes a third of a second


class FaceProcess:
    """domain.ports.Faces in child processes: an engine (a kind of bot.gateways.worker)."""

    def __init__(self, engine: str, children: Children) -> None:
        self._engine, self._children = engine, children

    async def start(self) -> str:
        """Start the engine now and hear which it is; raises ValueError with what is missing or wrong."""
        try:
            return await self._children.call(str, "describe", seconds=START_SECONDS)
        except RefusedError as error:
            raise ValueError(f"face engine {self._engine}: {error}") from None
        except ChildError as error:
            raise ValueError(f"face engine {self._engine} does not start ({error})") from None

    async def prepare(self, content: bytes) -> Prepared:
        """See domain.ports.Faces. A picture that kills or hangs its reader is refused like any other broken one."""
        try:
            return await self._children.call(Prepared, "prepare", content, seconds=PREPARE_SECONDS)
        except RefusedError:  # not the photo's fault
            raise
        except ChildError:
            raise PhotoError("photo.broken") from None

    async def compare(self, card: bytes, selfie: bytes) -> Comparison:
        """See domain.ports.Faces."""
        return await self._children.call(Comparison, "compare", card, selfie)

    async def close(self) -> None:
        """End the processes."""
        await self._children.close()


class CardProcess:
    """domain.ports.Cards in child processes."""

    def __init__(self, children: Children) -> None:
        self._children = children

    async def read(self, jpeg: bytes) -> tuple[CardLine, ...]:
        """See domain.ports.Cards."""
        return await self._children.call(tuple[CardLine, ...], "read_card", jpeg)

    async def close(self) -> None:
        """End the processes."""
        await self._children.close()
