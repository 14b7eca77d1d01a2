"""The photo process on real photos: who is alike, what will do, and what kills a reader."""

import contextlib
import csv
import io
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy
import pytest
from PIL import Image, ImageFilter

from bot.gateways.faces import opencv
from bot.gateways.faces.process import PhotoProcess
from bot.gateways.media import MediaFolder
from domain.errors import DomainError
from domain.ports import PhotoError
from domain.verification.rules.faces import check_card, check_selfie
from models.crypto import KeyringError
from tests.conftest import FACES, needs_faces


@pytest.fixture
async def faces() -> AsyncIterator[PhotoProcess]:
    pool = PhotoProcess()
    yield pool
    await pool.close()


def picture(name: str) -> Image.Image:
    return Image.open(FACES / "images" / f"{name}.jpg").convert("RGB")


def jpeg(image: Image.Image, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", **options)
    return buffer.getvalue()


@needs_faces
async def test_same_people_are_alike_and_different_ones_are_not(faces: PhotoProcess) -> None:
    with (FACES / "pairs.csv").open() as file:
        pairs = [row for number, row in enumerate(csv.DictReader(file)) if number % 10 == 1]
    wrong = 0
    for row in pairs:
        one, other = [await faces.prepare((FACES / "images" / row[side]).read_bytes()) for side in ("a", "b")]
        score = (await faces.compare(one.jpeg, other.jpeg)).score
        wrong += (score >= 0.363) != (row["same"] == "1")
    assert len(pairs) == 30
    assert wrong <= 1


@needs_faces
async def test_a_photo_is_turned_upright_and_loses_its_metadata(faces: PhotoProcess) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    exif[0x010E] = "secret place"
    marked = jpeg(picture("p000_0").rotate(90, expand=True), exif=exif)
    unmarked = jpeg(picture("p000_0").rotate(180))
    straight = await faces.prepare(jpeg(picture("p000_0")))
    for content in (marked, unmarked):
        prepared = await faces.prepare(content)
        assert abs(prepared.facts.roll) < 10
        assert b"secret place" not in prepared.jpeg
        assert not Image.open(io.BytesIO(prepared.jpeg)).getexif()
        assert (await faces.compare(prepared.jpeg, straight.jpeg)).score > 0.8


@needs_faces
async def test_selfies_that_will_not_do_say_why(faces: PhotoProcess) -> None:
    one, other = picture("p000_0"), picture("p005_0")
    two = Image.new("RGB", (500, 250))
    two.paste(one, (0, 0))
    two.paste(other, (250, 0))
    far = Image.new("RGB", (1000, 1000), "grey")
    far.paste(one.resize((150, 150)), (400, 400))
    cases = [
        (two, "photo.several_faces"),
        (far, "photo.face_too_small"),
        (one.point(lambda value: value // 6), "photo.too_dark"),
        (one.filter(ImageFilter.GaussianBlur(4)), "photo.blurred"),
        (Image.new("RGB", (300, 300), "white"), "photo.no_face"),
    ]
    for image, code in cases:
        facts = (await faces.prepare(jpeg(image))).facts
        with pytest.raises(DomainError) as refused:
            check_selfie(facts)
        assert refused.value.code == code
    check_selfie((await faces.prepare(jpeg(one))).facts)
    check_card((await faces.prepare(jpeg(far))).facts)


async def test_formats_and_files_that_are_none(faces: PhotoProcess) -> None:
    noise = Image.fromarray(numpy.random.default_rng(1).integers(0, 255, (200, 300, 3), dtype=numpy.uint8))
    for kind in ("JPEG", "PNG", "WEBP", "HEIF"):
        buffer = io.BytesIO()
        noise.save(buffer, kind)
        prepared = await faces.prepare(buffer.getvalue())
        assert (prepared.facts.width, prepared.facts.height) == (300, 200)
        with pytest.raises(PhotoError) as broken:
            await faces.prepare(buffer.getvalue()[:200])
        assert broken.value.code in {"photo.broken", "photo.not_a_photo"}
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees: without a face, the mark is all there is to go by
    turned = await faces.prepare(jpeg(noise, exif=exif))
    assert (turned.facts.width, turned.facts.height) == (200, 300)
    gif = io.BytesIO()
    noise.save(gif, "GIF")
    with pytest.raises(PhotoError, match="not_a_photo"):
        await faces.prepare(gif.getvalue())


async def test_a_reader_that_dies_is_replaced(faces: PhotoProcess) -> None:
    content = jpeg(Image.new("RGB", (200, 200)))
    await faces.prepare(content)
    for child in list(faces._children._running):
        os.kill(child.pid, signal.SIGKILL)
    with contextlib.suppress(PhotoError):  # the picture may have been on that worker
        await faces.prepare(content)
    assert (await faces.prepare(content)).facts.width == 200


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
