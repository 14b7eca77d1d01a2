"""The face engine that is set, and the reader of cards beside it."""

from pathlib import Path

from bot.gateways.child import Children
from bot.gateways.faces.process import CardProcess, FaceProcess
from bot.settings import Settings

LOADING = 60.0  # the first call of a child also loads torch, a gigabyte that may come from a cold disk


def chosen(settings: Settings) -> tuple[FaceProcess, CardProcess]:
    """The processes; nothing runs yet. Raises ValueError where the engine's environment is missing.

    The first engine and the card reader share a child; the second engine's environment can't hold the reader.
    """
    count = settings.photo_workers
    if settings.face_engine == "opencv":
        children = Children("opencv", *_given(settings.face_models), count=count)
        return FaceProcess("opencv", children), CardProcess(children)
    # Not resolved: an environment's interpreter is a link, and the link is what tells it its packages.
    python = settings.facenet_python.absolute()
    if not python.exists():
        raise ValueError(f"face engine facenet: no {python} (GELOMBANG_FACENET_PYTHON): make facenet-worker")
    weights = _given(settings.facenet_weights)
    children = Children("facenet", *weights, python=str(python), count=count, seconds=LOADING)
    return FaceProcess("facenet", children), CardProcess(Children("cards", count=count))


def _given(path: Path | None) -> list[str]:
    return [str(path.resolve())] if path else []
