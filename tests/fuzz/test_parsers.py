"""What people type, at every reader of it: a value as the reader promises it or a refusal, and never a long wait."""

import time
from collections.abc import Callable
from datetime import date
from math import isfinite
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain import places, plain_words, questions, regions
from domain.errors import DomainError
from domain.ports import CardLine
from domain.registration import rules
from domain.staff import segments
from domain.staff.rules import name_of
from domain.trainings import rules as trainings
from domain.trainings.catalogue import words_of
from domain.verification.rules import card
from domain.verification.rules.kyc import ALPHABET, normal_reference
from domain.verification.rules.nik import nik_of
from handlers.conversation import Choice
from handlers.keywords import match_choice, normal
from tests.fuzz.budget import tries
from tests.fuzz.messages import TEXTS

TODAY = date(2026, 11, 24)
PROVINCES = regions.provinces()
LONGEST = 12_000  # letters that the engine lets through, from staff
SHORTER = {"survey": 1_000, "links": 1_000}  # what applicants write
SECONDS = 0.5

# Readers whose values are read again as themselves.
STEADY: dict[str, Callable[[str], str]] = {
    "nik": lambda text: rules.read_nik(text, PROVINCES).number,
    "kk": lambda text: rules.read_kk(text, "3171011508900001", PROVINCES),
    "phone": rules.read_phone,
    "name": rules.read_name,
    "address": rules.read_address,
    "email": rules.read_email,
    "code": rules.read_code,
    "line": rules.clean,
    "review": trainings.read_review,
    "readable": plain_words.readable,
    "reference": normal_reference,
    "member": name_of,
    "keyword": normal,
}
_TEXT = questions.Question("q", questions.Kind.TEXT, {})
_NUMBER = questions.Question("q", questions.Kind.NUMBER, {}, least=0, most=99)
READERS: dict[str, Callable[[str], Any]] = {
    **STEADY,
    "birth date": lambda text: rules.read_birth_date(text, TODAY),
    "redeem code": trainings.read_code,
    "search": words_of,
    "survey": lambda text: questions.read_answer(_TEXT, None, text),
    "survey number": lambda text: questions.read_answer(_NUMBER, None, text),
    "variables": segments.variables,
    "broadcast": lambda text: segments.check_text(text, sms=True),
    "district": regions.find,
    "whereabouts": places.whereabouts,
    "links": plain_words.leads_away,
    **{name: lambda text, name=name: segments.read_field(name, text) for name in segments.FIELDS},  # type: ignore[misc]
}


def read(reader: Callable[[str], Any], text: str) -> Any:
    """What a reader says, None where it refuses; it may do nothing else."""
    try:
        return reader(text)
    except DomainError:
        return None


@pytest.mark.parametrize("name", STEADY)
@tries(60)
@given(text=TEXTS)
def test_what_was_read_reads_the_same_again(name: str, text: str) -> None:
    found = read(STEADY[name], text)
    assert found is None or STEADY[name](found) == found


@pytest.mark.parametrize("name", READERS)
@tries(15, at_most=200)
@given(start=st.text(max_size=3), unit=st.text(min_size=1, max_size=3), end=st.text(max_size=2))
def test_no_text_takes_long_however_it_repeats_itself(name: str, start: str, unit: str, end: str) -> None:
    length = SHORTER.get(name, LONGEST)
    text = (start + unit * (length // len(unit)) + end)[-length:]
    began = time.perf_counter()
    read(READERS[name], text)
    assert time.perf_counter() - began < SECONDS


@tries(200)
@given(text=TEXTS)
def test_a_birth_date_is_a_day_of_somebody_who_lives(text: str) -> None:
    found = read(READERS["birth date"], text)
    assert found is None or date(1900, 1, 1) <= found <= TODAY


@tries(100)
@given(text=st.from_regex(r"[0-9]{16}", fullmatch=True))
def test_a_nik_says_what_its_digits_say(text: str) -> None:
    nik = nik_of(text)
    assert nik.number == text
    assert all(day.month == nik.month for day in nik.dates())


@tries(100)
@given(
    typed=TEXTS, reference=st.text(ALPHABET, min_size=12, max_size=12), gap=st.sampled_from(["", "-", " ", "\u200b"])
)
def test_references_and_redeem_codes_come_through_case_and_dashes(typed: str, reference: str, gap: str) -> None:
    assert normal_reference(gap.join(reference.lower())) == reference
    code = trainings.new_code()
    assert trainings.read_code(gap.join(code.lower())) == code
    assert read(trainings.read_code, typed) in {None, typed.upper()} or len(typed) > len(code)


CHOICES = st.lists(
    st.sampled_from(["common.restart_yes", "common.restart_no", "help.resume", "help.person"]), max_size=4
)


@tries(100)
@given(typed=TEXTS, keys=CHOICES, parts=st.booleans())
def test_a_typed_answer_means_a_button_there_is_or_none(typed: str, keys: list[str], parts: bool) -> None:
    choices = tuple(Choice(f"c{at}", key) for at, key in enumerate(keys))
    assert match_choice(typed, choices, "id", parts=parts) in {None, *(choice.id for choice in choices)}


DEGREES = st.floats(-90, 90), st.floats(-180, 180)


@tries(200)
@given(one=st.tuples(*DEGREES), other=st.tuples(*DEGREES))
def test_places_are_a_distance_apart_that_the_earth_has(one: places.Point, other: places.Point) -> None:
    opposite = (-one[0], one[1] - 180 if one[1] > 0 else one[1] + 180)
    for far in (other, opposite):
        assert 0 <= places.distance(one, far) <= 3.15 * places.EARTH_RADIUS
    assert all(isfinite(each) for each in places.on_sphere(one))
    assert places.in_indonesia(one) in {True, False}


PRINT = ["NIK : 3171011508900001", "PROVINSI DKI JAKARTA", "Nama", ": SITI", "Tempat/Tgl Lahir : JAKARTA, 15-08-1990",
         "Alamat", "RT/RW : 001/002", "Kecamatan : GAMBIR", "Jenis Kelamin : PEREMPUAN", "Gol Darah"]  # fmt: skip
EDGES = st.floats(-1, 2)
LINES = st.builds(
    CardLine,
    text=st.sampled_from(PRINT) | TEXTS,
    score=st.floats(0, 1),
    left=EDGES,
    top=EDGES,
    right=EDGES,
    bottom=EDGES,
)


@tries(120, at_most=3_000)
@given(lines=st.lists(LINES, max_size=14))
def test_a_card_is_read_whatever_the_print_on_it(lines: list[CardLine]) -> None:
    found = card.read_card(lines)
    assert found.nik == "" or (len(found.nik) == 16 and found.nik.isascii() and found.nik.isdigit())
    assert found.birth_date == "" or date.fromisoformat(found.birth_date)
    assert found.found or found == card.CardReading()
