"""What every face engine does alike: turn a photo upright and tell of its faces. numpy and Pillow only."""

import math
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

import numpy as np
from PIL import Image

from bot.gateways.faces.decode import decode, encode
from domain.ports import FaceFacts, Prepared

CROP = 112
# Where eyes, nose and corners of the mouth lie on the crop that SFace (and ArcFace before it) was trained on.
TEMPLATE = np.array(
    [(38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366), (41.5493, 92.3655), (70.7299, 92.2041)]
)
LUMA = np.array([0.299, 0.587, 0.114])


class Seen(Protocol):
    """A face as a detector reports it, on a picture that was turned by ``quarter`` times 90 degrees."""

    @property
    def quarter(self) -> int:
        """Quarter turns, counter-clockwise."""

    @property
    def score(self) -> float:
        """The detector's certainty, 0-1."""

    @property
    def area(self) -> float:
        """Pixels of its box."""

    @property
    def points(self) -> Any:
        """Eye, eye, nose, corner and corner of the mouth, the one on the picture's left first: 5 x 2 numbers."""


F = TypeVar("F", bound=Seen)
Detect = Callable[[Image.Image, int], list[F]]
"""Faces on a picture turned by so many quarters, the largest confident one first."""


def prepare(content: bytes, detect: Detect[F], sure: float, confident: float) -> Prepared:
    """Decode, straighten, describe. A picture without its rotation mark is turned to where a face is seen best."""
    picture = decode(content)
    faces = _upright(picture, detect, sure)
    if faces and faces[0].quarter:
        picture = picture.rotate(90 * faces[0].quarter, expand=True)
    return Prepared(encode(picture), _facts(picture, faces, confident))


def shrunk(picture: Image.Image, quarter: int, side: int) -> tuple[Image.Image, float]:
    """The picture turned by so many quarters and at most so large, for a detector, and by how much it was shrunk."""
    turned = picture.rotate(90 * quarter, expand=True) if quarter else picture
    scale = min(1.0, side / max(turned.size))
    size = (max(1, round(turned.width * scale)), max(1, round(turned.height * scale)))
    return turned.resize(size) if scale < 1 else turned, scale


def first_is_largest(faces: list[F], confident: float) -> list[F]:
    """The confident faces first, then the others, each by size."""
    return sorted(faces, key=lambda face: (face.score >= confident, face.area), reverse=True)


def _upright(picture: Image.Image, detect: Detect[F], sure: float) -> list[F]:
    found = detect(picture, 0)
    if found and found[0].score >= sure:
        return found
    turned = [faces for quarter in (1, 2, 3) if (faces := detect(picture, quarter))]
    return max([found, *turned], key=lambda faces: faces[0].score if faces else 0.0)


def _facts(picture: Image.Image, faces: Sequence[Seen], confident: float) -> FaceFacts:
    if not faces:
        return FaceFacts(width=picture.width, height=picture.height)
    first = faces[0]
    eye, other_eye, nose = first.points[:3]
    between = other_eye - eye
    distance = float(np.hypot(*between)) or 1.0
    grey = np.rint(np.asarray(_aligned(picture, first.points), dtype=np.float64) @ LUMA)
    others = [face.area for face in faces[1:] if face.score >= confident]
    return FaceFacts(
        width=picture.width,
        height=picture.height,
        faces=1 + len(others),
        score=first.score,
        eye_distance=distance,
        roll=math.degrees(math.atan2(float(between[1]), float(between[0]))),
        yaw=float((nose - (eye + other_eye) / 2) @ (between / distance)) / distance,
        sharpness=float(_laplacian(grey).var()),
        brightness=float(grey.mean()),
        second=max(others, default=0.0) / first.area,
    )


def _aligned(picture: Image.Image, points: Any) -> Image.Image:
    """The face turned, scaled and moved (nothing else) so that its points lie as near the template's as can be."""
    x, y = np.asarray(points, dtype=np.float64).T
    one, nought = np.ones_like(x), np.zeros_like(x)
    equations = np.concatenate([np.stack([x, -y, one, nought], axis=1), np.stack([y, x, nought, one], axis=1)])
    a, b, right, down = np.linalg.lstsq(equations, TEMPLATE.T.reshape(-1), rcond=None)[0]
    back = np.linalg.inv([[a, -b, right], [b, a, down], [0, 0, 1]])
    # Pillow counts from a pixel's corner, the points from its middle.
    back[:2, 2] += 0.5 - 0.5 * (back[:2, 0] + back[:2, 1])
    return picture.transform(
        (CROP, CROP), Image.Transform.AFFINE, back[:2].reshape(-1).tolist(), Image.Resampling.BILINEAR
    )


def _laplacian(grey: Any) -> Any:
    edged = np.pad(grey, 1, mode="reflect")
    return edged[:-2, 1:-1] + edged[2:, 1:-1] + edged[1:-1, :-2] + edged[1:-1, 2:] - 4 * grey
