"""What runs in a child process (see bot.gateways.child): ``python -m bot.gateways.worker KIND ...``."""

import os
import resource
import sys
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from bot.gateways.child import LENGTH
from domain.ports import PhotoError

MEMORY = 4 * 1024**3

Method = Callable[..., Any]


def _opencv(folder: str = "") -> Mapping[str, Method]:
    """Faces by YuNet and SFace."""
    from bot.gateways.faces.opencv import OpenCvFaces  # noqa: PLC0415 - each child loads only what it works with

    faces = OpenCvFaces(Path(folder) if folder else None)
    return {"describe": faces.describe, "prepare": faces.prepare, "compare": faces.compare, **_cards()}


def _cards() -> Mapping[str, Method]:
    """Print on ID cards; the reader is loaded with the first card."""

    @cache
    def reader() -> Any:
        from bot.gateways.cards import CardReader  # noqa: PLC0415

        return CardReader()

    return {"read_card": lambda jpeg: reader().read(jpeg)}


def _index() -> Mapping[str, Method]:
    """Search among all accepted faces."""
    from bot.gateways.faces.index import VectorIndex  # noqa: PLC0415

    index = VectorIndex()
    return {"count": index.count, "add": index.add, "search": index.search}


def _charts() -> Mapping[str, Method]:
    """Charts for staff."""
    from bot.gateways.chart_drawing import draw  # noqa: PLC0415

    return {"draw": draw}


def _facenet(weights: str = "", sha256: str = "") -> Mapping[str, Method]:
    """Faces by MTCNN and InceptionResnetV1."""
    from bot.gateways.faces.facenet import SHA256, FacenetFaces  # noqa: PLC0415

    faces = FacenetFaces(Path(weights) if weights else None, sha256 or SHA256)
    return {"describe": faces.describe, "prepare": faces.prepare, "compare": faces.compare}


KINDS: Mapping[str, Callable[..., Mapping[str, Method]]] = {
    "opencv": _opencv,
    "facenet": _facenet,
    "cards": _cards,
    "index": _index,
    "charts": _charts,
}


def serve(methods: Mapping[str, Method], calls: BinaryIO, answers: BinaryIO) -> None:
    """Answer calls until they end; an error is answered with its kind only, since it may quote what it was about."""
    while head := calls.read(LENGTH.size):
        name, arguments = msgspec.msgpack.decode(calls.read(LENGTH.unpack(head)[0]), type=tuple[str, list[Any]])
        outcome: tuple[str, Any]
        try:
            outcome = "ok", msgspec.to_builtins(methods[name](*arguments), builtin_types=(bytes,))
        except PhotoError as error:
            outcome = "photo", error.code
        except Exception as error:  # noqa: BLE001 - the caller gets it
            outcome = "error", type(error).__name__
        _answer(answers, outcome)


def _answer(answers: BinaryIO, outcome: tuple[str, Any]) -> None:
    answer = msgspec.msgpack.encode(outcome)
    answers.write(LENGTH.pack(len(answer)) + answer)
    answers.flush()


def main() -> None:
    """Set the limits, load the methods, serve; a kind that can't be loaded says why and ends."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a crash leaves no faces on disk
    calls, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints must not come between the answers
    try:
        methods = KINDS[sys.argv[1]](*sys.argv[2:])
    except (OSError, ValueError, ImportError) as error:
        # No photo was seen yet, so the words may go out: they answer the first call, whatever it is.
        _answer(answers, ("refused", str(error)))
        return
    serve(methods, calls, answers)


if __name__ == "__main__":
    main()
