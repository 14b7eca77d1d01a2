"""Rules of registration: what people type, as tables and as properties."""

import string
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain import regions
from domain.errors import DomainError
from domain.programme import Eligibility, load
from domain.registration import rules
from domain.verification.rules.nik import age_on, nik_warnings
from models.enums import Sex

TODAY = date(2026, 11, 24)
PROVINCES = regions.provinces()
RULE = Eligibility(date(2023, 1, 1), 18, 64)


@given(
    province=st.sampled_from(sorted(PROVINCES)),
    regency=st.integers(1, 99),
    district=st.integers(1, 99),
    born=st.dates(date(1930, 1, 1), TODAY),
    woman=st.booleans(),
    serial=st.integers(1, 9999),
    separators=st.lists(st.sampled_from(["", " ", ".", "-", "  "]), min_size=16, max_size=16),
)
def test_every_possible_nik_is_read_whatever_stands_between_its_digits(
    province: str, regency: int, district: int, born: date, woman: bool, serial: int, separators: list[str]
) -> None:
    day = born.day + 40 * woman
    number = f"{province}{regency:02}{district:02}{day:02}{born:%m%y}{serial:04}"
    nik = rules.read_nik("".join(a + b for a, b in zip(number, separators, strict=True)), PROVINCES)
    assert nik.number == number
    assert born in nik.dates()
    assert nik.sex == (Sex.FEMALE if woman else Sex.MALE)
    assert nik_warnings(nik, born, known_region=True, sex=nik.sex) == []
    assert nik_warnings(nik, born + timedelta(days=1), known_region=False, sex=nik.sex) == [
        "birth_date_differs",
        "region_retired",
    ]


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused_with_words(text: str) -> None:
    for read in (
        lambda: rules.read_nik(text, PROVINCES),
        lambda: rules.read_kk(text, "3171011508900001", PROVINCES),
        lambda: rules.read_phone(text),
        lambda: rules.read_name(text),
        lambda: rules.read_birth_date(text, TODAY),
        lambda: rules.read_address(text),
        lambda: rules.read_email(text),
        lambda: rules.read_code(text),
        lambda: regions.find(text),
    ):
        try:
            read()
        except DomainError as error:
            assert "." in error.code  # noqa: PT017 - most texts are refused, some are read


@given(st.integers(10**8, 10**11 - 1), st.sampled_from(["0", "62", "+62", "+62 0", "0062", ""]))
def test_a_mobile_number_is_one_number_however_it_is_written(rest: int, prefix: str) -> None:
    assert rules.read_phone(f"{prefix}8{rest}") == f"+628{rest}"


@given(st.dates(date(1920, 1, 1), TODAY - timedelta(days=3653)))
def test_a_date_is_read_in_every_way_it_is_written(born: date) -> None:
    months = ["januari", "februari", "maret", "april", "mei", "juni", "juli", "agustus", "september", "oktober"]
    month = [*months, "november", "desember"][born.month - 1]
    for written in (
        f"{born.day} {month} {born.year}", f"{born.day}/{born.month}/{born.year}", born.isoformat(),
        f"{born:%d-%m-%Y}", f"{born:%d%m%Y}", f"{born.day}{month.upper()}{born.year}",
    ):  # fmt: skip
        assert rules.read_birth_date(written, TODAY) == born


@given(st.dates(date(1900, 1, 1), TODAY))
def test_an_age_is_taken_exactly_between_the_two_limits(born: date) -> None:
    age = age_on(born, TODAY)
    try:
        rules.check_age(born, TODAY, RULE)
    except DomainError:
        assert not 18 <= age <= 64
    else:
        assert 18 <= age <= 64


@given(st.text(alphabet=string.printable + "\u200b\u202e\u2066\x00é", max_size=40))
def test_clean_text_has_no_hidden_characters_and_cleaning_again_changes_nothing(text: str) -> None:
    cleaned = rules.clean(text)
    assert rules.clean(cleaned) == cleaned
    assert not set(cleaned) & set("\u200b\u202e\u2066\x00\n\t")


def test_retired_regions_are_warnings_and_unknown_provinces_errors() -> None:
    assert rules.read_nik("6410011508900001", PROVINCES)
    assert regions.knows("641001")
    assert regions.knows("317101")
    assert not regions.knows("319901")
    with pytest.raises(DomainError, match="nik_region"):
        rules.read_nik("0171011508900001", PROVINCES)


@pytest.mark.parametrize(
    ("typed", "first"),
    [
        ("beji depok", "Beji, Kota Depok, Jawa Barat"),
        ("Kec. Cibinong, Kab. Bogor", "Cibinong, Kabupaten Bogor, Jawa Barat"),
        ("cibinog bogor", "Cibinong, Kabupaten Bogor, Jawa Barat"),
        ("tebet jakarta", "Tebet, Kota Administrasi Jakarta Selatan, Daerah Khusus Ibukota Jakarta"),
    ],
)
def test_regions_are_found_as_people_type_them(typed: str, first: str) -> None:
    assert [region.path for region in regions.find(typed)] == [first]


def test_rules_are_dated() -> None:
    programme = load()
    assert programme.eligibility_on(date(2020, 4, 20)).max_age == 120
    assert programme.eligibility_on(TODAY).max_age == 64
