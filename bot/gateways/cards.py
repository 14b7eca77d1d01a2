"""Reading the print on a card: PP-OCRv6's small detector and recogniser on onnxruntime. Runs in the photo process.

The model files come with the package rapidocr, whose code is not used: told beforehand that only Latin letters, digits
and a few signs can occur, the recogniser errs less, and without the package's own imports the process stays small.
"""

import hashlib
import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime
from rapidfuzz.fuzz import ratio

from bot.gateways.faces.decode import decode
from domain.ports import CardLine

DETECTOR = "PP-OCRv6_det_small.onnx"
RECOGNISER = "PP-OCRv6_rec_small.onnx"
DIRECTION = "ch_ppocr_mobile_v2.0_cls_mobile.onnx"
MODELS = {
    DETECTOR: "090f04abcd9d9a7498bc4ebf677e4cb9bdce1fe4197ddb7e529f1ef44e1ff94f",
    RECOGNISER: "6f327246b50388f3c176ae304bd95767ea6dc0c9ae92153ef8cbe210b3c14884",
    DIRECTION: "e47acedf663230f8863ff1ab0e64dd2d82b838fceb5957146dab185a89d6215c",
}
LETTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.,:;'/()-&+")
DETECT_SIDE = 960  # smaller loses the thin print of a card that fills half the photo
HEIGHT = 48  # of a line as the recogniser was trained
INK = 0.3  # what the detector calls print
SURE = 0.5  # mean over a line
GROW = 1.6  # the detector marks the core of a line: area * GROW / circumference is added on every side
MAX_LINES = 60
DARK = 130  # brightness of what is brightest on a photo taken at night
GRAIN = 0.8
STRETCHES = (1.1, 0.95, 1.3)  # how wide a line is shown: narrow letters (III) need room, wide ones lose the spaces
DOUBTLESS = 0.97
GAP = 0.15  # between letters: a space that is lost is mostly there, only less sure than "nothing here"
READABLE = 0.5
BELOW = ("Agama", "Status Perk", "Pekerjaan")  # labels below all that is asked for

cv2.setNumThreads(1)


def _session(path: Path) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = options.enable_mem_pattern = False  # the arena keeps what the largest picture took
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


@dataclass(frozen=True)
class _Box:
    """A line of print: its corners from top left clockwise, in pixels."""

    corners: Any

    @property
    def width(self) -> float:
        return float(np.linalg.norm(self.corners[1] - self.corners[0]))

    @property
    def height(self) -> float:
        return float(np.linalg.norm(self.corners[3] - self.corners[0]))

    @property
    def slope(self) -> float:
        across = self.corners[1] - self.corners[0] + self.corners[2] - self.corners[3]
        return float(across[1] / (across[0] or 1e-6))


_Place = tuple[_Box, float, float, float, float]  # left, top, right and bottom


class CardReader:
    """Finds and reads lines. One instance a process."""

    def __init__(self, folder: Path | None = None) -> None:
        where = folder or models_folder()
        self._detector, self._recogniser = _session(where / DETECTOR), _session(where / RECOGNISER)
        self._direction = _session(where / DIRECTION)
        characters = self._recogniser.get_modelmeta().custom_metadata_map["character"].splitlines()
        alphabet = ["", *characters, " "]  # the first stands for "nothing here"
        self._kept = [0] + [n for n, letter in enumerate(alphabet) if letter in LETTERS or n == len(alphabet) - 1]
        self._alphabet = [alphabet[number] for number in self._kept]

    def read(self, jpeg: bytes) -> tuple[CardLine, ...]:
        """Lines of text, in reading order; empty where there is no print. Raises PhotoError for no usable picture."""
        pixels = _lit(np.ascontiguousarray(np.asarray(decode(jpeg))[:, :, ::-1]))
        pixels, boxes = self._upright(pixels)
        longest = sorted(boxes, key=lambda box: -box.width)[:MAX_LINES]
        return tuple(self._lines(pixels, _levelled(longest, pixels.shape[1::-1])))

    def _lines(self, pixels: Any, places: list[_Place]) -> Iterator[CardLine]:
        """The lines in order, up to the first label below everything that is asked for: the rest costs time only."""
        for box, left, top, right, bottom in places:
            text, score = self._best(pixels, box)
            if score >= READABLE:
                yield CardLine(text, round(score, 3), left, top, right, bottom)
            if any(ratio(text[: len(label)], label) > 85 for label in BELOW):
                return

    def _best(self, pixels: Any, box: _Box) -> tuple[str, float]:
        """What a line says. A doubtful one is read again at other widths, and the surest reading counts."""
        found = self._recognise(_cut(pixels, box, STRETCHES[0]))
        for stretch in STRETCHES[1:]:
            if found[1] >= DOUBTLESS or found[1] < READABLE:
                break
            found = max(found, self._recognise(_cut(pixels, box, stretch)), key=lambda reading: reading[1])
        return found

    def _upright(self, pixels: Any) -> tuple[Any, list[_Box]]:
        """The picture turned so that its lines run from left to right, and the lines."""
        boxes = self._detect(pixels)
        standing = sum(box.width for box in boxes if abs(box.slope) > 1)
        if standing > sum(box.width for box in boxes) / 2:
            pixels = np.ascontiguousarray(np.rot90(pixels))
            boxes = self._detect(pixels)
        if self._upside_down(pixels, boxes):
            pixels = np.ascontiguousarray(pixels[::-1, ::-1])
            size = np.array(pixels.shape[1::-1], np.float32)
            boxes = [_Box((size - box.corners)[[2, 3, 0, 1]]) for box in boxes]
        return pixels, boxes

    def _upside_down(self, pixels: Any, boxes: list[_Box]) -> bool:
        longest = sorted(boxes, key=lambda box: -box.width)[:5]
        votes = [self._turned(_cut(pixels, box)) for box in longest]
        return sum(votes) * 2 > len(votes)

    def _turned(self, line: Any) -> bool:
        start = line[:, :192]
        blank = np.zeros((HEIGHT, 192, 3), np.float32)
        blank[:, : start.shape[1]] = _levels(start)
        found = self._direction.run(None, {"x": blank.transpose(2, 0, 1)[None]})[0][0]
        return bool(found[1] > found[0])

    def _detect(self, pixels: Any) -> list[_Box]:
        height, width = pixels.shape[:2]
        scale = DETECT_SIDE / max(width, height)
        size = [max(32, round(side * scale / 32) * 32) for side in (width, height)]
        small = _levels(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR))
        ink = self._detector.run(None, {"x": small.transpose(2, 0, 1)[None]})[0][0, 0]
        mask = cv2.dilate((ink > INK).astype(np.uint8), np.ones((2, 2), np.uint8))
        outlines, _ = cv2.findContours(mask, cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
        back = np.array((width / size[0], height / size[1]), np.float32)
        return [_Box(corners * back) for outline in outlines if (corners := _corners(outline, ink)) is not None]

    def _recognise(self, line: Any) -> tuple[str, float]:
        steps = self._recogniser.run(None, {"x": _levels(line).transpose(2, 0, 1)[None]})[0][0][:, self._kept]
        best = steps.argmax(1)
        chosen = np.flatnonzero((best != 0) & (best != np.concatenate(([0], best[:-1]))))
        if not len(chosen):
            return "", 0.0
        score = float(steps[chosen, best[chosen]].mean())
        letters = [self._alphabet[number] for number in best[chosen]]
        spaces = np.maximum.reduceat(steps[:, -1], chosen)  # from each letter up to the next
        gaps = zip(letters, [*letters[1:], ""], spaces, strict=True)
        text = "".join(
            f"{one} " if one.isalpha() and next_one.isalpha() and space > GAP else one for one, next_one, space in gaps
        )
        return text.strip(), score


def models_folder() -> Path:
    """Where the package keeps its model files."""
    spec = importlib.util.find_spec("rapidocr")
    if spec is None or spec.origin is None:
        raise FileNotFoundError("the package rapidocr, which carries the models for print, is not installed")
    return Path(spec.origin).parent / "models"


def check_models() -> list[str]:
    """Names of the model files; raises FileNotFoundError or ValueError, naming what is missing or another file."""
    folder = models_folder()
    for name, expected in MODELS.items():
        found = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        if found != expected:
            raise ValueError(f"{folder / name}: SHA-256 is {found}, expected {expected}")
    return list(MODELS)


def _lit(pixels: Any) -> Any:
    """A dark picture as bright as print is expected to be, its grain smoothed: a camera at night amplifies noise."""
    bright = float(np.percentile(pixels[::8, ::8], 97))
    if bright >= DARK:
        return pixels
    grey = cv2.GaussianBlur(cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY), (0, 0), GRAIN)
    return cv2.cvtColor(cv2.convertScaleAbs(grey, alpha=220 / max(20.0, bright)), cv2.COLOR_GRAY2BGR)


def _levels(pixels: Any) -> Any:
    return (pixels.astype(np.float32) / 127.5) - 1


def _corners(outline: Any, ink: Any) -> Any:
    """The rectangle around a line of print; None for specks and for what the detector is not sure of."""
    (x, y), (width, height), angle = cv2.minAreaRect(outline)
    if min(width, height) < 3:
        return None
    left, top, wide, high = cv2.boundingRect(outline)
    core = np.zeros((high, wide), np.uint8)
    cv2.drawContours(core, [outline], -1, 1, -1, offset=(-left, -top))
    if cv2.mean(ink[top : top + high, left : left + wide], core)[0] < SURE:
        return None
    grow = width * height * GROW / (width + height)  # on both sides, so twice the half circumference
    points = cv2.boxPoints(((x, y), (width + grow, height + grow), angle))
    if np.linalg.norm(points[1] - points[0]) < np.linalg.norm(points[2] - points[1]):
        points = np.roll(points, -1, axis=0)  # so that the first side is the long one
    along = points[1] - points[0]
    ahead = along[0] if abs(along[0]) >= abs(along[1]) else -along[1]
    points = points if ahead > 0 else np.roll(points, 2, axis=0)
    return points.astype(np.float32)


def _cut(pixels: Any, box: _Box, stretch: float = 1.0) -> Any:
    """The line as a level picture of the recogniser's height."""
    width = max(16, round(box.width * HEIGHT / max(1.0, box.height) * stretch))
    flat = np.array(((0, 0), (width, 0), (width, HEIGHT), (0, HEIGHT)), np.float32)
    matrix = cv2.getPerspectiveTransform(box.corners, flat)
    return cv2.warpPerspective(pixels, matrix, (width, HEIGHT), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)


def _levelled(boxes: list[_Box], size: tuple[int, int]) -> list[_Place]:
    """Lines from top to bottom and left to right with their places levelled: on a slanted photo a value stands rows
    below its label. The slope may change from top to bottom (a card seen from a side).
    """
    if not boxes:
        return []
    width, height = size
    slopes = np.array([box.slope for box in boxes])
    lengths = np.array([box.width for box in boxes])
    usual = float(np.median(np.repeat(slopes, np.maximum(1, lengths.astype(int) // 20))))
    weights = np.sqrt(lengths * (np.abs(slopes - usual) < 0.06))
    middles = np.array([box.corners.mean(0) for box in boxes])
    many = np.count_nonzero(weights) >= 6
    change, start = np.polyfit(middles[:, 1], slopes, 1, w=weights) if many else (0.0, usual)
    places: list[_Place] = []
    for box, (x, y) in zip(boxes, middles, strict=True):
        level = float(y - (start + change * y) * (x - width / 2))
        across = float(x + usual * (y - height / 2))
        sides = across - box.width / 2, level - box.height / 2, across + box.width / 2, level + box.height / 2
        places.append((box, sides[0] / width, sides[1] / height, sides[2] / width, sides[3] / height))
    return sorted(places, key=lambda place: (place[2] + place[4], place[1]))
