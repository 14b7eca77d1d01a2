"""Photos that people send."""

import io

from PIL import Image

from bot.gateways.faces import decode as images
from domain.ports import PhotoError


def picture(body: bytes) -> None:
    """A photo: an upright picture of a size that may be kept, or a refusal in the sender's words."""
    try:
        found = images.decode(body)
    except PhotoError:
        return
    assert found.mode == "RGB"
    assert images.MIN_SIDE <= min(found.size) <= max(found.size) <= images.MAX_SIDE


def pictures() -> list[bytes]:
    """A small one of each format and mode."""
    found = []
    for kind in images.FORMATS:
        for mode, side in (("RGB", 120), ("L", 100), ("RGBA", 104)):
            kept = io.BytesIO()
            made = Image.new(mode if kind != "JPEG" else mode[:3], (side, side + 8))
            exif = Image.Exif()
            exif[0x0112] = 6  # turned by a quarter
            made.save(kept, kind, exif=exif)
            found.append(kept.getvalue())
    return found
