"""One engine's part of bench-faces, in a process of its own; prints a line of JSON.

Reads pairs from the standard input, a line of JSON each: [one file, other file]. ``python -m benchmarks.faces_engine
ours`` is this project's engine, ``peer`` facenet-pytorch as its own documentation uses it (in its own environment),
``index N`` the search among N faces.
"""

import io
import json
import resource
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

SELFIE_SIDE = 1280  # what Telegram makes of a phone's picture
TIMED = 40
QUERIES = 100


def _ours() -> Callable[[bytes, bytes], float | None]:
    from bot.gateways.faces.opencv import OpenCvFaces
    from domain.ports import PhotoError

    engine = OpenCvFaces()

    def compare(one: bytes, other: bytes) -> float | None:
        try:
            return engine.compare(one, other).score
        except PhotoError:
            return None

    return compare


def _peer() -> Callable[[bytes, bytes], float | None]:
    """MTCNN and InceptionResnetV1 with random weights: they cost what trained ones cost, and recognise nobody."""
    from bot.gateways.faces import torchvision

    torchvision.provide()
    import facenet_pytorch
    import torch

    torch.set_num_threads(1)
    detector, net = facenet_pytorch.MTCNN(image_size=160), facenet_pytorch.InceptionResnetV1().eval()

    def embed(content: bytes) -> Any:
        face = detector(Image.open(io.BytesIO(content)).convert("RGB"))
        if face is None:
            return None
        with torch.inference_mode():
            return net(face.unsqueeze(0))[0].numpy()

    def compare(one: bytes, other: bytes) -> float | None:
        first, second = embed(one), embed(other)
        return None if first is None or second is None else float(first @ second)

    return compare


def as_selfie(path: str) -> bytes:
    """The picture as large as a phone's."""
    with Image.open(path) as photo:
        size = [SELFIE_SIDE * side // max(photo.size) for side in photo.size]
        grown = photo.convert("RGB").resize((size[0], size[1]), Image.Resampling.BICUBIC)
    buffer = io.BytesIO()
    grown.save(buffer, "JPEG", quality=87)
    return buffer.getvalue()


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def engine(compare: Callable[[bytes, bytes], float | None], pairs: list[list[str]], judged: int) -> dict[str, Any]:
    """CPU time a picture at both sizes, peak memory, and the similarity of the first so many pairs (None: no face)."""
    sizes: dict[str, Callable[[str], bytes]] = {"small": lambda path: Path(path).read_bytes(), "selfie": as_selfie}
    figures: dict[str, Any] = {}
    for name, load in sizes.items():
        photos = [(load(one), load(other)) for one, other in pairs[:TIMED]]
        compare(*photos[0])
        began = time.process_time()
        for one, other in photos:
            compare(one, other)
        figures[f"{name}_ms"] = (time.process_time() - began) / len(photos) / 2 * 1000
    figures["peak_mb"] = _peak()
    figures["scores"] = list(_judged(compare, pairs[:judged]))
    return figures


def _judged(compare: Callable[[bytes, bytes], float | None], pairs: list[list[str]]) -> Iterator[float | None]:
    for number, (one, other) in enumerate(pairs, 1):
        if number % 50 == 0:
            print(f"\r{number:,} of {len(pairs):,} pairs", end="", file=sys.stderr, flush=True)
        yield compare(Path(one).read_bytes(), Path(other).read_bytes())


def index(count: int) -> dict[str, float]:
    """Memory that the search among so many faces takes over an empty one's, and CPU time of a query."""
    from bot.gateways.faces.index import VectorIndex
    from bot.gateways.faces.search import BATCH

    numbers = np.random.default_rng(3)
    faces, empty = VectorIndex(), _peak()
    for start in range(0, count, BATCH):
        rows = numbers.normal(size=(min(BATCH, count - start), 128)).astype("<f4")
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        faces.add("bench", list(range(start, start + len(rows))), rows.tobytes())
    began, found = time.process_time(), 0
    for number in range(QUERIES):
        hits = faces.search("bench", rows[number].tobytes(), 0.5)
        found += bool(hits and hits[0][0] == start + number)
    spent = (time.process_time() - began) / QUERIES * 1000
    return {"faces": count, "added_mb": _peak() - empty, "query_ms": spent, "found": found / QUERIES}


if __name__ == "__main__":
    if sys.argv[1] == "index":
        print(json.dumps(index(int(sys.argv[2]))))
    else:
        asked = [json.loads(line) for line in sys.stdin]
        compare = _ours() if sys.argv[1] == "ours" else _peer()
        print(json.dumps(engine(compare, asked, len(asked) if sys.argv[1] == "ours" else 0)))
