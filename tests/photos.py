"""Real photos for tests. Pillow is all it needs, so that the other face engine's environment can use it too."""

import io
import os
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

FACES = Path(os.environ.get("GELOMBANG_TEST_FACES", Path(__file__).parents[2] / "shared" / "faces"))

needs_faces = pytest.mark.skipif(
    not (FACES / "pairs.csv").exists(), reason="no test photos: set GELOMBANG_TEST_FACES to their folder"
)


def picture(name: str) -> Image.Image:
    """A photo of the test set, by its name."""
    return Image.open(FACES / "images" / f"{name}.jpg").convert("RGB")


def jpeg(image: Image.Image, **options: Any) -> bytes:
    """The picture as somebody's phone would send it."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", **options)
    return buffer.getvalue()
