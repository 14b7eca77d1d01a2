"""What every face engine does alike; a test module subclasses this and has a fixture ``faces``."""

import io
from typing import Any

import numpy
import pytest
from PIL import Image, ImageFilter

from domain.errors import DomainError
from domain.ports import Faces, PhotoError
from domain.verification.rules.faces import check_selfie, portrait_problem
from tests.photos import jpeg, needs_faces, picture


def pasted(side: int, *faces: tuple[Image.Image, tuple[int, int]]) -> Image.Image:
    """Faces on a grey ground, each at its place."""
    ground = Image.new("RGB", (side, side), "grey")
    for image, place in faces:
        ground.paste(image, place)
    return ground


class EngineContract:
    """Tests for any engine."""

    @needs_faces
    @pytest.mark.parametrize("turns", [1, 2, 3])
    async def test_a_photo_without_a_mark_is_turned_upright(self, faces: Faces, turns: int) -> None:
        straight = await faces.prepare(jpeg(picture("p000_0")))
        prepared = await faces.prepare(jpeg(picture("p000_0").rotate(90 * turns, expand=True)))
        assert abs(prepared.facts.roll) < 10
        assert (await faces.compare(prepared.jpeg, straight.jpeg)).score > 0.8

    @needs_faces
    async def test_a_photo_is_turned_by_its_mark_and_loses_its_metadata(self, faces: Faces) -> None:
        exif = Image.Exif()
        exif[0x0112] = 6  # turned by 90 degrees
        exif[0x010E] = "secret place"
        prepared = await faces.prepare(jpeg(picture("p000_0").rotate(90, expand=True), exif=exif))
        assert abs(prepared.facts.roll) < 10
        assert b"secret place" not in prepared.jpeg
        assert not Image.open(io.BytesIO(prepared.jpeg)).getexif()

    @needs_faces
    async def test_selfies_that_will_not_do_say_why(self, faces: Faces) -> None:
        one, other = picture("p000_0"), picture("p005_0")
        two = pasted(500, (one, (0, 125)), (other, (250, 125)))
        far = pasted(1000, (one.resize((150, 150)), (400, 400)))
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
        assert not portrait_problem((await faces.prepare(jpeg(far))).facts)

    @needs_faces
    async def test_a_comparison_says_who_made_it(self, faces: Faces, engine: tuple[str, bytes]) -> None:
        one, other = [(await faces.prepare(jpeg(picture(name)))).jpeg for name in ("p000_0", "p005_0")]
        comparison, itself = await faces.compare(one, other), await faces.compare(other, other)
        assert (comparison.engine, comparison.model_sha256) == engine
        vector = numpy.frombuffer(comparison.vector, "<f4")
        assert float(vector @ vector) == pytest.approx(1, abs=1e-5)
        assert comparison.vector == itself.vector  # it is the second photo's
        assert itself.score == pytest.approx(1, abs=1e-5)

    @needs_faces
    async def test_a_comparison_without_a_face_says_on_which_side(self, faces: Faces) -> None:
        face, none = jpeg(picture("p000_0")), jpeg(Image.new("RGB", (300, 300), "white"))
        for card, selfie, code in ((none, face, "photo.card_no_face"), (face, none, "photo.no_face")):
            with pytest.raises(PhotoError) as refused:
                await faces.compare(card, selfie)
            assert refused.value.code == code

    @pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "HEIF"])
    async def test_a_format_that_is_read_and_its_broken_files(self, faces: Faces, kind: str) -> None:
        content = saved(noise(), kind)
        prepared = await faces.prepare(content)
        assert (prepared.facts.width, prepared.facts.height) == (300, 200)
        with pytest.raises(PhotoError) as broken:
            await faces.prepare(content[:200])
        assert broken.value.code in {"photo.broken", "photo.not_a_photo"}

    async def test_without_a_face_the_mark_is_all_there_is_to_go_by(self, faces: Faces) -> None:
        exif = Image.Exif()
        exif[0x0112] = 6  # turned by 90 degrees
        turned = await faces.prepare(jpeg(noise(), exif=exif))
        assert (turned.facts.width, turned.facts.height) == (200, 300)

    async def test_what_is_no_photo_is_refused(self, faces: Faces) -> None:
        for content, code in ((saved(noise(), "GIF"), "photo.not_a_photo"), (b"hello", "photo.not_a_photo")):
            with pytest.raises(PhotoError) as refused:
                await faces.prepare(content)
            assert refused.value.code == code


def noise() -> Image.Image:
    """A picture of nothing."""
    return Image.fromarray(numpy.random.default_rng(1).integers(0, 255, (200, 300, 3), dtype=numpy.uint8))


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    """The picture in another format."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()
