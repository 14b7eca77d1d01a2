"""The photo process on real photos: who is alike, what will do, and what kills a reader."""

import contextlib
import csv
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import cv2
import pytest
from PIL import Image

from bot.gateways.child import Children
from bot.gateways.faces import facts, opencv
from bot.gateways.faces.process import FaceProcess
from bot.gateways.media import MediaFolder
from domain.ports import PhotoError
from models.crypto import KeyringError
from tests.bot.face_contract import EngineContract
from tests.photos import FACES, jpeg, needs_faces, picture


@pytest.fixture
async def faces() -> AsyncIterator[FaceProcess]:
    pool = FaceProcess("opencv", Children("opencv"))
    yield pool
    await pool.close()


@pytest.fixture
def engine() -> tuple[str, bytes]:
    return opencv.NAME, bytes.fromhex("fb143eea07838aa532d1c95df5f69899974ea0140e1fba05e94204be13ed74ee")


class TestOpenCv(EngineContract):
    """YuNet and SFace."""


@needs_faces
async def test_same_people_are_alike_and_different_ones_are_not(faces: FaceProcess) -> None:
    with (FACES / "pairs.csv").open() as file:
        pairs = [row for number, row in enumerate(csv.DictReader(file)) if number % 10 == 1]
    wrong = 0
    for row in pairs:
        one, other = [await faces.prepare((FACES / "images" / row[side]).read_bytes()) for side in ("a", "b")]
        score = (await faces.compare(one.jpeg, other.jpeg)).score
        wrong += (score >= 0.363) != (row["same"] == "1")
    assert len(pairs) == 30
    assert wrong <= 1


async def test_a_reader_that_dies_is_replaced(faces: FaceProcess) -> None:
    content = jpeg(Image.new("RGB", (200, 200)))
    await faces.prepare(content)
    for child in list(faces._children._running):
        os.kill(child.pid, signal.SIGKILL)
    with contextlib.suppress(PhotoError):  # the picture may have been on that worker
        await faces.prepare(content)
    assert (await faces.prepare(content)).facts.width == 200


@needs_faces
def test_facts_are_those_that_opencv_itself_would_tell() -> None:
    engine = opencv.OpenCvFaces()
    for name in ("p000_0", "p005_0", "p010_1"):
        image = picture(name)
        (face, *_) = engine._detect(image, 0)
        crop = cv2.cvtColor(engine._aligner.alignCrop(opencv._bgr(image), face.row), cv2.COLOR_BGR2GRAY)
        told = facts._facts(image, [face], opencv.CONFIDENT)
        assert told.sharpness == pytest.approx(float(cv2.Laplacian(crop, cv2.CV_64F).var()), rel=0.01)
        assert told.brightness == pytest.approx(float(crop.mean()), abs=0.5)


def test_model_files_are_checked(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="face_detection_yunet"):
        opencv.check_models(tmp_path)
    (tmp_path / "face_detection_yunet_2023mar_int8bq.onnx").write_bytes(b"another model")
    with pytest.raises(ValueError, match="SHA-256"):
        opencv.check_models(tmp_path)


async def test_media_are_sealed_to_their_name(tmp_path: Path) -> None:
    media = MediaFolder(tmp_path)
    await media.save("ab12", b"a picture")
    assert await media.load("ab12") == b"a picture"
    stored = tmp_path / "ab" / "ab12.bin"
    assert b"picture" not in stored.read_bytes()
    stored.rename(tmp_path / "ab" / "ab34.bin")
    with pytest.raises(KeyringError):
        await media.load("ab34")
    for name in ("zz99", "../../etc/passwd", ""):
        with pytest.raises(KeyError):
            await media.load(name)
