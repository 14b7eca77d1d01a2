"""What an identity number says. Pure; the rules are the registry's: it never changes, whatever else does."""

from dataclasses import dataclass
from datetime import date

from models.enums import Sex


@dataclass(frozen=True, slots=True)
class Nik:
    """An identity number and what it says: region of first registration, birthday (year without century) and sex."""

    number: str
    region: str
    day: int
    month: int
    year: int
    sex: Sex

    def dates(self) -> list[date]:
        """The birth dates it can mean, one per century; empty for a day that never was."""
        found = []
        for century in (1900, 2000):
            try:
                found.append(date(century + self.year, self.month, self.day))
            except ValueError:
                continue
        return found


def nik_of(number: str) -> Nik:
    """What 16 digits say that were read before."""
    day = int(number[6:8])
    sex = Sex.FEMALE if day > 40 else Sex.MALE
    return Nik(number, number[:6], day - 40 if day > 40 else day, int(number[8:10]), int(number[10:12]), sex)


def age_on(born: date, day: date) -> int:
    """Whole years; somebody born on 29 February turns a year older on 1 March."""
    return day.year - born.year - ((day.month, day.day) < (born.month, born.day))


def nik_warnings(nik: Nik, born: date, *, known_region: bool, sex: Sex) -> list[str]:
    """What somebody should look at, never a reason to refuse: the NIK stays for life when dates and regions change.

    ``sex`` is what the card says.
    """
    found = {
        "birth_date_differs": born not in nik.dates(),
        "region_retired": not known_region,
        "sex_differs": sex != nik.sex,
    }
    return [name for name, differs in found.items() if differs]
