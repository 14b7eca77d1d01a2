"""Lines of a list: what can be a NIK or a KK. Pure, and quick: a list may have ten million lines."""

from datetime import date, timedelta
from functools import cache

_LEAP_CENTURY = date(2000, 1, 1)  # 2000 was a leap year, so every day a two-digit year can have had is in 2000-2099


@cache
def _days() -> frozenset[str]:
    """DDMMYY of every day there can have been, once as it is and once with 40 added to the day (women)."""
    found = set()
    for offset in range(36_525):
        day = _LEAP_CENTURY + timedelta(days=offset)
        found |= {f"{day:%d%m%y}", f"{day.day + 40}{day:%m%y}"}
    return frozenset(found)


def nik_problem(number: str, provinces: frozenset[str]) -> str:
    """Why these characters can't be a NIK, "" where they can; the same rules as for people (registration.rules)."""
    if not (number.isascii() and number.isdigit()):
        return "not_digits"
    if len(number) != 16:
        return "length"
    if number[:2] not in provinces or number[2:4] == "00" or number[4:6] == "00":
        return "region"
    if number[6:12] not in _days():
        return "date"
    return "serial" if number.endswith("0000") else ""


def kk_problem(number: str, provinces: frozenset[str]) -> str:
    """Why these characters can't be a KK, "" where they can."""
    if not (number.isascii() and number.isdigit()):
        return "not_digits"
    if len(number) != 16:
        return "length"
    return "" if number[:2] in provinces else "region"
