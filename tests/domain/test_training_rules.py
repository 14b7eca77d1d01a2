"""Lines of a catalogue, redeem codes and reviews: what is taken, what is refused and why."""

import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import DomainError
from domain.letters import CODE_LETTERS
from domain.trainings.rules import (
    Line,
    LineError,
    new_code,
    read_code,
    read_line,
    read_review,
    shown_code,
)

GOOD = {
    "provider": "lpk1", "platform": "pijar", "code": "T-1", "title": "Barista Dasar", "description": "Belajar kopi.",
    "category": "food", "price": "Rp450.000", "mode": "offline", "hours": "12", "region_code": "32.76",
}  # fmt: skip
REFUSED: list[tuple[dict[str, str], str]] = [
    ({"price": "-1"}, "price_negative"),
    ({"price": "450000,50"}, "price_with_cents"),
    ({"price": "450000.00"}, "price_with_cents"),
    ({"price": "45000000"}, "price_too_high"),
    ({"price": "0"}, "price_nothing"),
    ({"price": "gratis"}, "price_unreadable"),
    ({"price": ""}, "price_missing"),
    ({"latitude": "-5", "longitude": "110"}, "place_in_the_sea"),
    ({"latitude": "110", "longitude": "-6"}, "place_in_the_sea"),
    ({"latitude": "-8.65", "longitude": "115.2"}, "place_not_in_region"),
    ({"latitude": "selatan", "longitude": "110"}, "place_unreadable"),
    ({"latitude": "nan", "longitude": "106.8"}, "place_in_the_sea"),
    ({"region_code": "99.99"}, "region_unknown"),
    ({"region_code": ""}, "region_missing"),
    ({"title": "<b>Barista</b> Dasar"}, "title_markup"),
    ({"title": "Barista 😀 Dasar"}, "title_pictures"),
    ({"title": "Barista 1\ufe0f\u20e3 Dasar"}, "title_pictures"),
    ({"title": "Barista <img src=x onerror=alert(1) "}, "title_markup"),
    ({"title": "&#x3c;script&#x3e; Barista"}, "title_markup"),
    ({"price": "4" * 5_000}, "price_too_high"),
    ({"hours": "4" * 5_000}, "hours_out_of_range"),
    ({"title": "Bar"}, "title_too_short"),
    ({"title": "B" * 121}, "title_too_long"),
    ({"description": "x" * 20_000}, "description_too_long"),
    ({"description": "Klik <script>alert(1)</script>"}, "description_markup"),
    ({"code": "a b"}, "code_unreadable"),
    ({"code": ""}, "code_missing"),
    ({"provider": "../etc"}, "provider_unreadable"),
    ({"category": "sihir"}, "category_unknown"),
    ({"mode": "telepati"}, "mode_unknown"),
    ({"hours": "0"}, "hours_out_of_range"),
    ({"hours": "٣"}, "hours_out_of_range"),
    ({"seats": "-3"}, "seats_out_of_range"),
    ({"starts_on": "kemarin"}, "starts_on_unreadable"),
    ({"certificate": "mungkin"}, "certificate_unreadable"),
    ({"status": "suspended"}, "status_unknown"),
]


def test_a_good_line_is_read() -> None:
    line = read_line({**GOOD, "title": "  Barista \t Dasar ", "price": "450000.0", "seats": "20.0"})
    assert (line.title, line.price, line.seats, line.region_code) == ("Barista Dasar", 450_000, 20, "32.76")
    assert line.latitude is not None
    assert isinstance(line, Line)


@pytest.mark.parametrize(("changed", "reason"), REFUSED)
def test_a_bad_line_is_refused_with_its_reason(changed: dict[str, str], reason: str) -> None:
    with pytest.raises(LineError) as refused:
        read_line({**GOOD, **changed})
    assert refused.value.reasons == [reason]


@given(cells=st.dictionaries(st.sampled_from([*GOOD, "latitude", "longitude", "seats"]), st.text(max_size=60)))
def test_whatever_stands_in_a_line_it_is_read_or_refused(cells: dict[str, str]) -> None:
    try:
        assert read_line({**GOOD, **cells}).price > 0
    except LineError as error:
        assert error.reasons


@given(data=st.data())
def test_a_redeem_code_is_read_however_it_is_typed_and_never_with_a_wrong_letter(data: Any) -> None:
    code = new_code()
    assert read_code(code) == code
    assert read_code(f"  {shown_code(code).lower()} ") == code
    at = data.draw(st.integers(0, len(code) - 1))
    other = data.draw(st.sampled_from([letter for letter in CODE_LETTERS if letter != code[at]]))
    assert read_code(code[:at] + other + code[at + 1 :]) is None
    assert read_code(code[:-1]) is None


@pytest.mark.parametrize(
    "words",
    [
        "Dari 10 peserta 9 lulus, nilai 8.5",
        "Pengajar dari PT. Kopi. Isi materi jelas",
        "Kelas jam 08.00 - 10.00 tepat",
    ],
)
def test_ordinary_words_are_kept(words: str) -> None:
    assert read_review(words) == words


def test_two_codes_differ() -> None:
    assert len({new_code() for _ in range(1_000)}) == 1_000


REVIEWS = [
    ("Bagus", "trainings.review_short"),
    ("x" * 501, "trainings.review_long"),
    ("Lihat di https://tipu.example ya", "trainings.review_link"),
    ("Daftar di tipu-daya.com saja", "trainings.review_link"),
    ("Hubungi wa.me/62812 untuk kunci", "trainings.review_link"),
    ("Hubungi saya di 0812-3456-7890", "trainings.review_personal"),
    ("NIK saya 3171 0115 0890 0001", "trainings.review_personal"),
    ("Kirim ke budi@contoh.id segera", "trainings.review_personal"),
    ("Pengajarnya GOBLOK sekali", "trainings.review_abuse"),
    ("Pengajarnya g o b l o k sekali", "trainings.review_abuse"),
    ("Pengajarnya anj1ng sekali", "trainings.review_abuse"),
    ("Pengajarnya anjinggg sekali", "trainings.review_abuse"),
    ("Pengajarnya \u0430njing sekali", "trainings.review_abuse"),
    ("Lihat s.id/kopi untuk kunci", "trainings.review_link"),
    ("Lihat linktr.ee/kopi ya semua", "trainings.review_link"),
    ("Hubungi 0812/3456/7890 segera", "trainings.review_personal"),
    ("Hubungi 0812_3456_7890 segera", "trainings.review_personal"),
    ("Hubungi 0812\u200b3456\u200b7890 segera", "trainings.review_personal"),
    ("Ikuti @barista_jkt di sana", "trainings.review_personal"),
    ("aaaaaaaaaaaaaaa", "trainings.review_empty"),
    ("baguuuuuuuuuus sekali", "trainings.review_empty"),
    ("bagus bagus bagus", "trainings.review_empty"),
]


@pytest.mark.parametrize(("words", "code"), REVIEWS)
def test_a_review_that_others_should_not_read_is_refused(words: str, code: str) -> None:
    with pytest.raises(DomainError) as refused:
        read_review(words)
    assert refused.value.code == code


@given(text=st.text(alphabet=string.printable, max_size=600))
def test_a_review_is_kept_on_one_line_or_refused(text: str) -> None:
    try:
        words = read_review(text)
    except DomainError:
        return
    assert "\n" not in words
    assert 10 <= len(words) <= 500
