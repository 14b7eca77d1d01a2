"""The second face engine: facenet-pytorch's MTCNN detector and InceptionResnetV1 recogniser. Runs in the photo process,
in an environment of its own (``make facenet-worker``): its pins can't be met beside current numpy and Pillow.

The detector's weights come with the package. The recogniser's are a file that the operator brings, or that the
package's own loader keeps in torch's cache; either way it must be the published one. torch is loaded with the engine.
"""

import hashlib
import os
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from bot.gateways.faces import facts, torchvision
from bot.gateways.faces.decode import decode
from domain.ports import Comparison, PhotoError, Prepared

NAME = "facenet-vggface2"
FILE = "20180402-114759-vggface2.pt"
SHA256 = "281cebca8662831adb987a874bdcb36e73f5b1c6dc5ee5878f305e985625d99b"
DETECT_SIDE = 640
CONFIDENT = 0.9
# Of 150 faces turned on their side or head the surest scored 0.9982; below this, all four ways are tried.
SURE = 0.999
FACE_SIDE = 160
MARGIN = 14  # pixels of the crop, as in the package's own evaluation
NETWORK_SECONDS = 30


def own_weights() -> Path:
    """Where the package's own loader keeps its file: torch's cache."""
    cache = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    home = os.environ.get("TORCH_HOME", os.path.join(cache, "torch"))
    return Path(home).expanduser() / "checkpoints" / FILE


def check_weights(path: Path, expected: str = SHA256) -> bytes:
    """The file's SHA-256; raises FileNotFoundError or ValueError, naming the file and the hash that is expected."""
    if not path.is_file():
        raise FileNotFoundError(
            f"no weights at {path}: GELOMBANG_FACENET_WEIGHTS names {FILE} of facenet-pytorch, SHA-256 {expected}"
        )
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256")
    if found.hexdigest() != expected:
        raise ValueError(f"{path}: SHA-256 is {found.hexdigest()}, expected {expected}")
    return found.digest()


@dataclass(frozen=True)
class _Face:
    """A detection on a picture that was turned by ``quarter`` times 90 degrees; ``box`` is left, top, right, bottom."""

    score: float
    box: Any
    points: Any
    quarter: int

    @property
    def area(self) -> float:
        left, top, right, bottom = self.box
        return float((right - left) * (bottom - top))


class FacenetFaces:
    """Detects, describes and compares, on one thread."""

    def __init__(self, weights: Path | None = None, sha256: str = SHA256) -> None:
        if weights is not None:
            check_weights(weights, sha256)  # before torch is loaded: what is missing is said at once
        torchvision.provide()
        import facenet_pytorch  # noqa: PLC0415
        import torch  # noqa: PLC0415

        torch.set_num_threads(1)
        path = weights or _loaded_by_package(facenet_pytorch, sha256)
        self.model_sha256 = check_weights(path, sha256)
        self._torch, self._package = torch, facenet_pytorch
        self._detector = facenet_pytorch.MTCNN(keep_all=True).eval()
        self._net = facenet_pytorch.InceptionResnetV1().eval()
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
            # The published file also holds the classifier of its training, which embedding needs not.
            self._net.load_state_dict({key: value for key, value in state.items() if not key.startswith("logits.")})
        except Exception as error:  # noqa: BLE001 - an unreadable file raises anything
            # What torch says of a file with other layers names hundreds of them.
            raise ValueError(f"{path}: no weights of InceptionResnetV1 ({type(error).__name__})") from None

    def describe(self) -> str:
        """Engine, model and library, for the operator."""
        return f"{NAME}, weights SHA-256 {self.model_sha256.hex()}, torch {self._torch.__version__}"

    def prepare(self, content: bytes) -> Prepared:
        """Decode, straighten, describe; see bot.gateways.faces.facts."""
        return facts.prepare(content, self._detect, SURE, CONFIDENT)

    def compare(self, card: bytes, selfie: bytes) -> Comparison:
        """Cosine similarity of the largest faces; each is embedded with its mirror image, which steadies the score."""
        one, other = self._embed(card, "photo.card_no_face"), self._embed(selfie, "photo.no_face")
        return Comparison(float(one @ other), NAME, self.model_sha256, other.astype("<f4").tobytes())

    def _detect(self, picture: Image.Image, quarter: int) -> list[_Face]:
        """Faces, the largest confident one first, in the coordinates of the turned picture."""
        small, scale = facts.shrunk(picture, quarter, DETECT_SIDE)
        boxes, scores, points = self._detector.detect(small, landmarks=True)
        if boxes is None:
            return []
        faces = [
            _Face(float(score), box / scale, point / scale, quarter)
            for box, score, point in zip(boxes, scores, points, strict=True)
        ]
        return facts.first_is_largest(faces, CONFIDENT)

    def _embed(self, jpeg: bytes, missing: str) -> Any:
        picture = decode(jpeg)
        faces = self._detect(picture, 0)
        if not faces:
            raise PhotoError(missing)
        crop = self._package.extract_face(picture, faces[0].box, FACE_SIDE, MARGIN)
        crop = self._package.fixed_image_standardization(crop)
        with self._torch.inference_mode():
            vector = self._net(self._torch.stack([crop, crop.flip(-1)])).sum(0).numpy()
        return vector / np.linalg.norm(vector)


def _loaded_by_package(package: Any, sha256: str) -> Path:
    """The file of the package's own loader, which fetches it where torch's cache has none."""
    path = own_weights()
    if path.is_file():
        return path
    socket.setdefaulttimeout(NETWORK_SECONDS)  # the loader itself would wait for ever
    try:
        package.InceptionResnetV1(pretrained="vggface2")
    except OSError as error:
        raise FileNotFoundError(
            f"no weights: GELOMBANG_FACENET_WEIGHTS is not set, {path} does not exist and facenet-pytorch's own loader"
            f" could not fetch it ({type(error).__name__}); expected is {FILE}, SHA-256 {sha256}"
        ) from None
    return path
