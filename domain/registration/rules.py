"""What a right answer is: reading what people really type, and refusing in words that say how to fix it.

Pure functions. A refusal is a DomainError whose code is the message key; sources are named where a rule has one.
"""

import re
import unicodedata
from datetime import date

from domain.errors import DomainError
from domain.programme import Eligibility
from domain.verification.rules.nik import Nik, age_on, nik_of

MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "januari january jan", "februari february pebruari feb peb", "maret march mar", "april apr", "mei may",
            "juni june jun", "juli july jul", "agustus august agu ags agt aug", "september sept sep",
            "oktober october okt oct", "november nopember nov nop", "desember december des dec",
        ),
        start=1,
    )
    for name in names.split()
}  # fmt: skip
# Letters that are looked at, far more than any answer has: folding marks takes their number squared, and a contact's
# number is as long as its sender likes.
MOST_TYPED = 1_000
_SEPARATORS = re.compile(r"[\s.\-_/,]+")
_DIGITS = re.compile(r"[0-9]+")
_EMAIL = re.compile(r"[A-Za-z0-9._%+-]{1,64}@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,24}")
_NUMERIC_DATE = re.compile(r"(\d{1,2})[\s./\-]+(\d{1,2})[\s./\-]+(\d{4}|\d{2})")
_WRITTEN_DATE = re.compile(r"(\d{1,2})[\s./\-]*([a-z]+)[\s./\-,]*(\d{4}|\d{2})")
_PLAIN_NAME = re.compile(r"[A-Za-z]{2}[A-Za-z .,'-]{0,98}")
_ISO_DATE = re.compile(r"(\d{4})[\s./\-]+(\d{1,2})[\s./\-]+(\d{1,2})")


def clean(text: str) -> str:
    """One line of plain text: compatibility forms folded, control and direction characters removed, spaces single.

    Right-to-left overrides and zero-width characters can make a name read as another one; they carry no meaning here.
    """
    if text.isascii() and text.isprintable():
        return " ".join(text.split())
    folded = unicodedata.normalize("NFKC", text[:MOST_TYPED])
    kept = (
        " " if char.isspace() else char for char in folded if char.isspace() or unicodedata.category(char)[0] != "C"
    )
    return " ".join("".join(kept).split())


def digits_only(text: str) -> str:
    """The text without spaces, dots, dashes and slashes."""
    return _SEPARATORS.sub("", clean(text))


def read_nik(text: str, provinces: frozenset[str]) -> Nik:
    """Read a NIK as typed. Refuses only what can't be one (programme.md, "NIK and KK"): not 16 ASCII digits, unknown
    province, regency or district 00, impossible date, serial 0000. A retired region code is no reason to refuse.
    """
    number = digits_only(text)
    if not number.isascii() or not _DIGITS.fullmatch(number):
        raise DomainError("registration.nik_not_digits")
    if len(number) != 16:
        raise DomainError("registration.nik_length", count=len(number))
    nik = nik_of(number)
    if number[:2] not in provinces or number[2:4] == "00" or number[4:6] == "00":
        raise DomainError("registration.nik_region")
    if not nik.dates():
        raise DomainError("registration.nik_date")
    if number[12:] == "0000":
        raise DomainError("registration.nik_serial")
    return nik


def read_kk(text: str, nik: str, provinces: frozenset[str]) -> str:
    """Read a family card number: region + date of issue + serial, 16 digits, never the person's own NIK."""
    number = digits_only(text)
    if not number.isascii() or not _DIGITS.fullmatch(number):
        raise DomainError("registration.kk_not_digits")
    if len(number) != 16:
        raise DomainError("registration.kk_length", count=len(number))
    if number == nik:
        raise DomainError("registration.kk_is_nik")
    if number[:2] not in provinces:
        raise DomainError("registration.kk_region")
    return number


def read_phone(text: str) -> str:
    """Read an Indonesian mobile number as typed and give it as E.164 (+62...).

    Mobile numbers are 8 followed by 8 to 11 digits (Kominfo numbering plan), written with 0, 62, +62 or neither.
    """
    number = re.sub(r"[()\s.\-_/,]+", "", clean(text))
    international = number.startswith(("+", "00"))
    number = number.removeprefix("+").removeprefix("00") if international else number
    if not number.isascii() or not _DIGITS.fullmatch(number):
        raise DomainError("registration.phone_not_digits")
    if international and not number.startswith("62"):  # +852... is Hong Kong, not 0852...
        raise DomainError("registration.phone_not_mobile")
    for prefix in ("62", "0"):
        if number.startswith(prefix):
            number = number.removeprefix(prefix).removeprefix("0")
            break
    if not number.startswith("8"):
        raise DomainError("registration.phone_not_mobile")
    if not 9 <= len(number) <= 12:
        raise DomainError("registration.phone_length")
    return f"+62{number}"


def read_name(text: str) -> str:
    """Read a full name as on the card: 2 to 100 letters, spaces, dots, commas, apostrophes and hyphens."""
    name = clean(text)
    if _PLAIN_NAME.fullmatch(name):  # what nearly everybody types
        return name
    if any(char.isdigit() for char in name):
        raise DomainError("registration.name_digits")
    letters = [char for char in name if char.isalpha()]
    if len(letters) < 2:
        raise DomainError("registration.name_short")
    if len(name) > 100:
        raise DomainError("registration.name_long")
    if any(not (char.isalpha() or unicodedata.category(char) == "Mn" or char in " .,'’`-") for char in name):
        raise DomainError("registration.name_signs")
    return name


def read_birth_date(text: str, today: date) -> date:
    """Read a date as people write it ("17 agustus 1990", "17/8/90", "1990-08-17").

    A year of two digits means the latest century in which the person is at least ten years old.
    """
    written = clean(text).lower()
    if match := _ISO_DATE.fullmatch(written):
        year, month, day = (int(part) for part in match.groups())
    elif match := _NUMERIC_DATE.fullmatch(written):
        day, month, year = (int(part) for part in match.groups())
    elif (match := _WRITTEN_DATE.fullmatch(written)) and match[2] in MONTHS:
        day, month, year = int(match[1]), MONTHS[match[2]], int(match[3])
    elif re.fullmatch(r"\d{8}", written):
        day, month, year = int(written[:2]), int(written[2:4]), int(written[4:])
    else:
        raise DomainError("registration.birth_date_unreadable")
    if year < 100:
        year += 2000 if 2000 + year <= today.year - 10 else 1900
    try:
        born = date(year, month, day)
    except ValueError:
        raise DomainError("registration.birth_date_impossible") from None
    if born > today or born.year < 1900:
        raise DomainError("registration.birth_date_impossible")
    return born


def check_age(born: date, today: date, rule: Eligibility) -> None:
    """Refuse who is too young or too old under the rule in force."""
    age = age_on(born, today)
    if age < rule.min_age:
        raise DomainError("registration.too_young", min_age=rule.min_age, age=age)
    if age > rule.max_age:
        raise DomainError("registration.too_old", max_age=rule.max_age, age=age)


def check_employment(employment: str, rule: Eligibility) -> None:
    """Refuse work that the rule in force shuts out."""
    if employment in rule.refused_employment:
        raise DomainError("registration.employment_refused")


def likely_birth_date(nik: Nik, today: date, rule: Eligibility) -> date | None:
    """The one birth date a NIK can mean for somebody who may register; None where there are two or none."""
    fitting = [born for born in nik.dates() if rule.min_age <= age_on(born, today) <= rule.max_age]
    return fitting[0] if len(fitting) == 1 else None


def read_address(text: str) -> str:
    """Read street, number, RT/RW and village as typed: 5 to 200 characters."""
    address = clean(text)
    if len(address) < 5 or not any(char.isalpha() for char in address):
        raise DomainError("registration.address_short")
    if len(address) > 200:
        raise DomainError("registration.address_long")
    return address


def read_email(text: str) -> str:
    """Read an e-mail address; the part after the @ in lower case."""
    typed = clean(text).replace(" ", "")
    if not _EMAIL.fullmatch(typed) or len(typed) > 254 or ".." in typed:
        raise DomainError("registration.email_unreadable")
    name, _, host = typed.rpartition("@")
    return f"{name}@{host.lower()}"


def read_code(text: str) -> str:
    """Read a six-digit code."""
    code = digits_only(text)
    if not (len(code) == 6 and code.isascii() and code.isdigit()):
        raise DomainError("registration.code_unreadable")
    return code


def mask_phone(phone: str) -> str:
    """A phone number with its middle hidden, as it may stand in a chat."""
    return f"{phone[:3]} {phone[3:6]}-****-{phone[-3:]}"
