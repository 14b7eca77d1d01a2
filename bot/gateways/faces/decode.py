"""From an untrusted file to an upright RGB picture.

Pillow only: OpenCV decodes broken files in silence and bombs in full.

Runs in the photo process. A refusal is a PhotoError in the words of the person who sent the file.
"""

import io
import warnings

from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError
from pillow_heif import register_heif_opener

from domain.ports import PhotoError

FORMATS = ("JPEG", "PNG", "WEBP", "HEIF")
MAX_BYTES = 10 * 1024 * 1024
MAX_PIXELS = 50_000_000
MAX_SIDE = 1280
MIN_SIDE = 100
MAX_SCANS = 64  # of a JPEG: progressive cameras make about ten; in the data the mark itself can't stand

register_heif_opener(thumbnails=False)
Image.MAX_IMAGE_PIXELS = MAX_PIXELS
ImageFile.LOAD_TRUNCATED_IMAGES = False


def decode(content: bytes) -> Image.Image:
    """The picture, upright, RGB, at most 1,280 pixels a side; raises PhotoError for anything that is none."""
    if len(content) > MAX_BYTES:
        raise PhotoError("photo.too_big")
    if content[:2] == b"\xff\xd8" and content.count(b"\xff\xda") > MAX_SCANS:  # each is decoded over the whole picture
        raise PhotoError("photo.broken")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(content), formats=FORMATS) as image:
                # Camera JPEGs are decoded at a fraction of their size, which is most of the time saved.
                image.draft("RGB", (MAX_SIDE, MAX_SIDE))
                upright = ImageOps.exif_transpose(image)
                upright.thumbnail((MAX_SIDE, MAX_SIDE))
                picture = upright.convert("RGB")
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise PhotoError("photo.too_many_pixels") from None
    except UnidentifiedImageError:
        raise PhotoError("photo.not_a_photo") from None
    except Exception:  # noqa: BLE001 - decoders raise anything for broken files: SyntaxError, struct.error, OSError
        raise PhotoError("photo.broken") from None
    if min(picture.size) < MIN_SIDE:
        raise PhotoError("photo.too_small")
    return picture


def encode(picture: Image.Image) -> bytes:
    """JPEG without any metadata."""
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=90)
    return buffer.getvalue()
