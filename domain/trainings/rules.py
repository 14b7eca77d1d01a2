"""Trainings: what a line of a catalogue may say, redeem codes, reviews, and what may be done with a purchase. Pure."""

import hashlib
import json
import re
import secrets
import unicodedata
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from typing import Any

from domain.errors import DomainError
from domain.letters import CODE_LETTERS
from domain.places import Point, distance, in_indonesia, whereabouts
from domain.plain_words import abuses, leads_away, names_somebody, readable
from domain.programme import TrainingRules
from models.enums import Interest, PurchaseStatus, TrainingMode, TrainingStatus

# --- a line of a catalogue

MAX_PRICE = 5_000_000  # rupiah; dearer is a price in sen, or a slip
MAX_DESCRIPTION = 2_000
MAX_HOURS = 1_000
ODD = frozenset({"So", "Sk", "Cs", "Co", "Cn", "Cc", "Cf", "Me"})  # kinds of letters that titles do without
MAX_NUMBER = 40  # letters of a cell that holds a number
MAX_CELL = 4 * MAX_DESCRIPTION  # letters that are looked at: folding marks takes their number squared
MAX_SEATS = 1_000_000
REGION_KM = 150.0  # a venue lies no farther from the middle of the regency it names
LANGUAGES = ("id", "en", "jv", "su")
YES = frozenset(["ya", "yes", "y", "true", "1", "1.0", "ada"])
NO = frozenset(["tidak", "no", "n", "false", "0", "0.0", "", "-"])
# Headings that mean a column, as people write them.
HEADINGS: Mapping[str, tuple[str, ...]] = {
    "provider": ("provider", "provider id", "lembaga", "kode lembaga"),
    "provider_name": ("provider name", "nama lembaga"),
    "platform": ("platform", "platform id", "kode platform"),
    "platform_name": ("platform name", "nama platform"),
    "code": ("id", "code", "course code", "kode", "kode pelatihan"),
    "title": ("title", "judul", "nama pelatihan"),
    "description": ("description", "deskripsi"),
    "category": ("category", "kategori"),
    "skills": ("skills", "keterampilan"),
    "price": ("price", "harga"),
    "language": ("language", "bahasa"),
    "mode": ("mode", "cara"),
    "schedule": ("schedule", "jadwal"),
    "starts_on": ("starts on", "starts", "mulai"),
    "region_code": ("region code", "region", "kode wilayah"),
    "venue": ("venue", "tempat"),
    "latitude": ("latitude", "lat", "lintang"),
    "longitude": ("longitude", "lon", "lng", "bujur"),
    "hours": ("hours", "jam", "durasi"),
    "seats": ("seats", "kursi", "kuota"),
    "certificate": ("certificate", "sertifikat"),
    "status": ("status",),
}
NEEDED = ("provider", "platform", "code", "title", "description", "category", "price", "mode", "hours")
_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_MARKUP = re.compile(r"<[a-zA-Z/!?]|&[a-zA-Z]+;|&#\w+;")
_PRICE = re.compile(r"(?:rp\.? ?)?(\d{1,3}(?:\.\d{3})+|\d+)(?:,-)?", re.IGNORECASE)
_SPACE = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Line:
    """A training as a file says it, checked."""

    provider: str
    provider_name: str
    platform: str
    platform_name: str
    code: str
    title: str
    description: str
    category: str
    skills: str
    price: int
    language: str
    mode: str
    schedule: str
    starts_on: date | None
    region_code: str
    venue: str
    latitude: float | None
    longitude: float | None
    hours: int
    seats: int | None
    certificate: bool
    status: str

    def content(self) -> str:
        """Everything that the training says, as JSON."""
        said = asdict(self)
        for name in ("provider", "provider_name", "platform_name"):
            said.pop(name)
        return json.dumps(said, sort_keys=True, default=str, ensure_ascii=False)

    @property
    def digest(self) -> bytes:
        """Of the content: another one is a new version."""
        return hashlib.sha256(self.content().encode()).digest()


class LineError(Exception):
    """A line that can't be taken; ``reasons`` are words such as "price_negative"."""

    def __init__(self, reasons: list[str]) -> None:
        super().__init__(", ".join(reasons))
        self.reasons = reasons


def read_line(cells: Mapping[str, str]) -> Line:
    """A line's cells by column (HEADINGS) as a training; raises LineError with everything that is wrong."""
    reader = _Reader(
        {name: unicodedata.normalize("NFC", str(cells.get(name, "")).strip()[:MAX_CELL]) for name in HEADINGS}
    )
    mode = reader.choice("mode", [*TrainingMode])
    region, point = reader.place(mode)
    line = Line(
        provider=reader.code("provider", 32),
        provider_name=reader.text("provider_name", 0, 120),
        platform=reader.code("platform", 32),
        platform_name=reader.text("platform_name", 0, 120),
        code=reader.code("code", 64),
        title=reader.text("title", 5, 120),
        description=reader.text("description", 10, MAX_DESCRIPTION, lines=True),
        category=reader.choice("category", [*Interest]),
        skills=reader.text("skills", 0, 300),
        price=reader.price(),
        language=reader.choice("language", LANGUAGES, "id"),
        mode=mode,
        schedule=reader.text("schedule", 0, 200),
        starts_on=reader.day("starts_on"),
        region_code=region,
        venue=reader.text("venue", 0, 200),
        latitude=point[0] if point else None,
        longitude=point[1] if point else None,
        hours=reader.number("hours", 1, MAX_HOURS) or 0,
        seats=reader.number("seats", 1, MAX_SEATS, blank=True),
        certificate=reader.flag("certificate"),
        status=reader.choice("status", [TrainingStatus.ACTIVE, TrainingStatus.WITHDRAWN], TrainingStatus.ACTIVE),
    )
    if reader.reasons:
        raise LineError(reader.reasons)
    return line


class _Reader:
    """Cells of one line, and what is wrong with them."""

    def __init__(self, cells: Mapping[str, str]) -> None:
        self._cells = cells
        self.reasons: list[str] = []

    def _refuse(self, reason: str) -> None:
        self.reasons.append(reason)

    def code(self, name: str, longest: int) -> str:
        value = self._cells[name]
        if not value:
            self._refuse(f"{name}_missing")
        elif len(value) > longest or not _CODE.fullmatch(value):
            self._refuse(f"{name}_unreadable")
        return value

    def text(self, name: str, shortest: int, longest: int, *, lines: bool = False) -> str:
        value = self._cells[name]
        value = (
            "\n".join(_SPACE.sub(" ", line).strip() for line in value.splitlines()) if lines else _SPACE.sub(" ", value)
        )
        if len(value) < shortest:
            self._refuse(f"{name}_{'too_short' if value else 'missing'}")
        elif len(value) > longest:
            self._refuse(f"{name}_too_long")
        if _MARKUP.search(value):
            self._refuse(f"{name}_markup")
        if any(_odd(letter) for letter in value):
            self._refuse(f"{name}_pictures")
        return value

    def choice(self, name: str, known: Any, default: str = "") -> str:
        value = self._cells[name].lower() or default
        if value not in [str(each) for each in known]:
            self._refuse(f"{name}_{'unknown' if value else 'missing'}")
        return value

    def price(self) -> int:
        value = self._cells["price"][:MAX_NUMBER]
        whole = value[:-2] if re.fullmatch(r"\d+\.0", value) else value  # as spreadsheets keep numbers
        if whole.startswith("-"):
            self._refuse("price_negative")
        elif re.fullmatch(r"(?:rp\.? ?)?[\d.]*\d[.,]\d{1,2}", whole, re.IGNORECASE):
            self._refuse("price_with_cents")
        elif not (found := _PRICE.fullmatch(whole)):
            self._refuse(f"price_{'unreadable' if whole else 'missing'}")
        elif not 0 < (price := int(found[1].replace(".", ""))) <= MAX_PRICE:
            self._refuse("price_too_high" if price else "price_nothing")
        else:
            return price
        return 0

    def number(self, name: str, least: int, most: int, *, blank: bool = False) -> int | None:
        value = re.sub(r"\.0$", "", self._cells[name][:MAX_NUMBER])
        if not value:
            if not blank:
                self._refuse(f"{name}_missing")
            return None
        if not value.isascii() or not value.isdigit() or not least <= int(value) <= most:
            self._refuse(f"{name}_out_of_range")
            return None
        return int(value)

    def flag(self, name: str) -> bool:
        value = self._cells[name].lower()
        if value not in YES | NO:
            self._refuse(f"{name}_unreadable")
        return value in YES

    def day(self, name: str) -> date | None:
        value = self._cells[name]
        if not value:
            return None
        try:
            return date.fromisoformat(value[:10])
        except ValueError:
            self._refuse(f"{name}_unreadable")
            return None

    def place(self, mode: str) -> tuple[str, Point | None]:
        """Region code and point; both are needed to find a training that is held somewhere."""
        code, point = self._cells["region_code"], self._point()
        middle = whereabouts(code) if code else None
        if code and middle is None:
            self._refuse("region_unknown")
        if mode in (TrainingMode.OFFLINE, TrainingMode.HYBRID) and middle is None and not code:
            self._refuse("region_missing")
        if point and not in_indonesia(point):
            self._refuse("place_in_the_sea")
        elif point and middle and distance(point, middle) > REGION_KM:
            self._refuse("place_not_in_region")
        return code, point or middle

    def _point(self) -> Point | None:
        cells = self._cells["latitude"], self._cells["longitude"]
        if not any(cells):
            return None
        try:
            return float(cells[0].replace(",", ".")), float(cells[1].replace(",", "."))
        except ValueError:
            self._refuse("place_unreadable")
            return None


def _odd(letter: str) -> bool:
    """Pictures, control signs and letters of nowhere, which some phones show as boxes."""
    return letter != "\n" and (letter == "\ufe0f" or unicodedata.category(letter) in ODD)


# --- redeem codes

CODE_LENGTH = 16  # 15 at random (73 bits) and a check letter
_NOT_CODE = re.compile(r"[^A-Z0-9]")


def _check_letter(letters: str) -> str:
    """Luhn's check over the code's own letters: finds every wrong letter and nearly every two that changed places."""
    size, total = len(CODE_LETTERS), 0
    for at, letter in enumerate(reversed(letters)):
        value = CODE_LETTERS.index(letter) * (2 if at % 2 == 0 else 1)
        total += value // size + value % size
    return CODE_LETTERS[-total % size]


def new_code() -> str:
    """A redeem code nobody can guess."""
    letters = "".join(secrets.choice(CODE_LETTERS) for _ in range(CODE_LENGTH - 1))
    return letters + _check_letter(letters)


def shown_code(code: str) -> str:
    """The code in groups of four, as it is read out."""
    return "-".join(code[at : at + 4] for at in range(0, len(code), 4))


def read_code(typed: str) -> str | None:
    """The code that was typed, in whatever case and with whatever between its letters; None where it can't be one."""
    code = _NOT_CODE.sub("", typed.upper())
    if len(code) != CODE_LENGTH or not set(code) <= set(CODE_LETTERS):
        return None
    return code if _check_letter(code[:-1]) == code[-1] else None


# --- what may be done with a purchase

MAX_LIVE = 20  # trainings that one person may have bought and not finished


def may_cancel(status: str) -> None:
    """A purchase is taken back only while its code is unused; refused with trainings.code_used or .cancelled."""
    if status == PurchaseStatus.CANCELLED:
        raise DomainError("trainings.cancelled_already")
    if status != PurchaseStatus.BOUGHT:
        raise DomainError("trainings.code_used")


def may_edit(written_at: datetime, edited_at: datetime | None, rules: TrainingRules, now: datetime) -> None:
    """A review is changed once, for some days; refused with the reason."""
    if edited_at is not None:
        raise DomainError("trainings.review_edited")
    if now > written_at + timedelta(days=rules.edit_days):
        raise DomainError("trainings.review_too_late", days=rules.edit_days)


def may_review(
    status: str, written_at: datetime | None, edited_at: datetime | None, rules: TrainingRules, now: datetime
) -> None:
    """A finished training is reviewed once and changed once; refused with the reason."""
    if status != PurchaseStatus.FINISHED:
        raise DomainError("trainings.not_finished")
    if written_at is not None:
        may_edit(written_at, edited_at, rules, now)


# --- reviews

MIN_REVIEW, MAX_REVIEW = 10, 500
_RUN = re.compile(r"(.)\1{5,}")


def read_review(text: str) -> str:
    """The words of a review; refused with the reason where others should not read them."""
    words = readable(text)
    if len(words) < MIN_REVIEW:
        raise DomainError("trainings.review_short", least=MIN_REVIEW)
    if len(words) > MAX_REVIEW:
        raise DomainError("trainings.review_long", most=MAX_REVIEW)
    if names_somebody(words):
        raise DomainError("trainings.review_personal")
    if leads_away(words):
        raise DomainError("trainings.review_link")
    if abuses(words):
        raise DomainError("trainings.review_abuse")
    plain = re.sub(r"[^a-z ]", "", words.lower())
    if _RUN.search(words) or len(set(plain.split())) < 2:
        raise DomainError("trainings.review_empty")
    return words
