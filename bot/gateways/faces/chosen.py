"""The face engine that is set."""

from pathlib import Path

from bot.gateways.faces.process import FaceProcess
from bot.settings import Settings

LOADING = 60.0  # the first call of a child also loads torch, a gigabyte that may come from a cold disk


def chosen(settings: Settings) -> FaceProcess:
    """The engine's processes; nothing runs yet. Raises ValueError where the engine's environment is missing."""
    if settings.face_engine == "facenet":
        # Not resolved: an environment's interpreter is a link, and the link is what tells it its packages.
        python = settings.facenet_python.absolute()
        if not python.exists():
            raise ValueError(f"face engine facenet: no {python} (GELOMBANG_FACENET_PYTHON): make facenet-worker")
        return FaceProcess(
            "facenet",
            *_given(settings.facenet_weights),
            python=str(python),
            workers=settings.photo_workers,
            seconds=LOADING,
        )
    return FaceProcess("opencv", *_given(settings.face_models), workers=settings.photo_workers)


def _given(path: Path | None) -> list[str]:
    return [str(path.resolve())] if path else []
