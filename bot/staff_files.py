"""Pictures and documents that go with messages to staff: where each kind comes from."""

from collections.abc import Awaitable, Callable

from bot.gateways.media import MediaFolder
from handlers.conversation import File

Load = Callable[[str], Awaitable[bytes]]
TYPES = {".csv": "text/csv", ".png": "image/png", ".jpg": "image/jpeg", ".xlsx": "application/octet-stream"}


class StaffFiles:
    """Loads what a message names; photos and kept files are sealed in the media folder, charts are drawn anew."""

    def __init__(self, media: MediaFolder, charts: Load) -> None:
        self._kinds: dict[str, Load] = {"photo": media.load, "kept": media.load, "chart": charts}

    async def load(self, file: File) -> bytes:
        """The bytes; raises KeyError where the file is gone."""
        return await self._kinds[file.kind](file.id)


def is_picture(file: File) -> bool:
    """Whether it is shown rather than handed over."""
    return file.kind in {"photo", "chart"}


def content_type(file: File) -> str:
    """As HTTP says it."""
    if is_picture(file):
        return "image/png" if file.kind == "chart" else "image/jpeg"
    return TYPES.get(file.name[file.name.rfind(".") :], "application/octet-stream")
