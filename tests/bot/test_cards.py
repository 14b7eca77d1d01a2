"""Reading drawn cards for real, and pictures that are none; the parser on lines that were misread."""

import io
from collections.abc import AsyncIterator

import pytest
from PIL import Image, ImageDraw, ImageFont

from bot.gateways.cards import check_models
from bot.gateways.child import Children
from bot.gateways.faces.process import CardProcess
from domain.ports import CardLine
from domain.verification.rules.card import CardReading, read_card
from tests.cards import person, render
from tests.photos import jpeg, needs_faces, picture


@pytest.fixture
async def cards() -> AsyncIterator[CardProcess]:
    process = CardProcess(Children("cards", seconds=60.0))
    yield process
    await process.close()


@pytest.mark.parametrize(("number", "hardness"), [(101, 0.0), (102, 0.3), (103, 0.5), (104, 0.7)])
async def test_number_and_date_are_read_from_a_photo_of_a_card(
    cards: CardProcess, number: int, hardness: float
) -> None:
    printed = person(number)
    reading = read_card(await cards.read(render(printed, number, hardness)))
    assert reading.found
    assert (reading.nik, reading.birth_date, reading.sex) == (printed.nik, printed.birth_date.isoformat(), printed.sex)
    assert reading.name.replace(" ", "") == printed.name.replace(" ", "")
    assert reading.region == printed.region


async def test_a_card_on_its_side_is_read_too(cards: CardProcess) -> None:
    printed = person(101)
    photo = Image.open(io.BytesIO(render(printed, 101, 0.0)))
    for quarter in (Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_180):
        assert read_card(await cards.read(jpeg(photo.transpose(quarter)))).nik == printed.nik


@needs_faces
async def test_pictures_that_are_no_card(cards: CardProcess) -> None:
    page = Image.new("RGB", (900, 600), "white")
    ImageDraw.Draw(page).text((40, 40), "RESEP NASI GORENG\nBawang 3 siung\nNasi 2 piring", "black",
                              ImageFont.load_default(48))  # fmt: skip
    drawing = Image.new("RGB", (600, 400), "white")
    ImageDraw.Draw(drawing).ellipse((100, 80, 400, 300), fill="orange")
    for photo in (picture("p000_0"), page, drawing, Image.new("RGB", (500, 500))):
        assert not read_card(await cards.read(jpeg(photo))).found


def lines(**changes: str) -> list[CardLine]:
    """A card's lines as a reader gives them, some of them changed."""
    printed = {
        "province": "PROVINSI JAWA BARAT",
        "regency": "KOTA DEPOK",
        "nik": "NIK : 3276061508900001",
        "name": "Nama : SITI AMINAH",
        "birth": "Tempat/Tgl Lahir : DEPOK, 15-08-1990",
        "sex": "Jenis Kelamin : LAKI-LAKI",
        "address": "Alamat : JL MELATI 5",
        "rt": "RT/RW : 002/003",
        "village": "Kel/Desa : KUKUSAN",
        "district": "Kecamatan : BEJI",
        **changes,
    }
    return [
        CardLine(text, 0.99, 0.05, 0.08 * row, 0.6, 0.08 * row + 0.06) for row, text in enumerate(printed.values(), 1)
    ]


MISREAD = [
    ("as printed", {}, "3276061508900001"),
    ("letters for digits", {"nik": "NIK : 32760615O89OOOO1"}, "3276061508900001"),
    ("label run into the number", {"nik": "NIK3276061508900001"}, "3276061508900001"),
    ("no number at all", {"nik": "NIK"}, ""),
    ("too few digits", {"nik": "NIK : 32760615089"}, ""),
]


@pytest.mark.parametrize(("label", "changes", "nik"), MISREAD, ids=[each[0] for each in MISREAD])
async def test_a_misread_number_is_mended_or_left_out(label: str, changes: dict[str, str], nik: str) -> None:
    assert read_card(lines(**changes)).nik == nik


async def test_everything_on_the_card() -> None:
    assert read_card(lines()) == CardReading(
        found=True,
        nik="3276061508900001",
        name="SITI AMINAH",
        birth_date="1990-08-15",
        sex="male",
        address="Jl Melati 5, RT 002/RW 003, Kukusan",
        region="32.76.06",
    )


async def test_no_lines_are_no_card() -> None:
    assert read_card([]) == CardReading()


async def test_the_model_files_are_the_known_ones() -> None:
    assert len(check_models()) == 3
