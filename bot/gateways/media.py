"""Photos as encrypted files in a folder."""

import asyncio
import os
from pathlib import Path

from models import crypto


class MediaFolder:
    """domain.ports.Media: one file a photo, sealed, under two folders of its id's first letters."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def _path(self, photo_id: str) -> Path:
        if not (photo_id.isalnum() and photo_id.isascii()):
            raise KeyError(photo_id)
        return self._folder / photo_id[:2] / f"{photo_id}.bin"

    async def save(self, photo_id: str, jpeg: bytes) -> None:
        """See domain.ports.Media; written to a second name first, so that no half file ever has the right one."""
        sealed = crypto.ring().seal(jpeg, f"photo:{photo_id}".encode())
        await asyncio.to_thread(self._write, self._path(photo_id), sealed)

    @staticmethod
    def _write(path: Path, content: bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        partial = path.with_suffix(".part")
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
        directory = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

    async def load(self, photo_id: str) -> bytes:
        """See domain.ports.Media."""
        try:
            sealed = await asyncio.to_thread(self._path(photo_id).read_bytes)
        except FileNotFoundError:
            raise KeyError(photo_id) from None
        return crypto.ring().open(sealed, f"photo:{photo_id}".encode())

    async def delete(self, photo_id: str) -> None:
        """See domain.ports.Media. What is left of a write that was broken off goes, too."""
        path = self._path(photo_id)
        for each in (path, path.with_suffix(".part")):
            await asyncio.to_thread(each.unlink, missing_ok=True)

    async def exists(self, photo_id: str) -> bool:
        """See domain.ports.Media."""
        return await asyncio.to_thread(self._path(photo_id).exists)

    def sealed_otherwise(self) -> list[Path]:
        """Files that another key than the newest sealed."""
        mark, found = crypto.ring().mark, []
        for path in sorted(self._folder.rglob("*.bin")):
            with path.open("rb") as file:
                if file.read(1) != mark:
                    found.append(path)
        return found

    async def reseal(self, path: Path) -> None:
        """Seal a file anew; nothing happens where it was destroyed meanwhile."""
        try:
            content = await self.load(path.stem)
        except KeyError:
            return
        await self.save(path.stem, content)
