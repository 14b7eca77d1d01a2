"""Virtual people: who they are, what they do, what their photos show. All of it follows from a seed and a number."""

import json
import random
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from bot.channel import SendError, Sent, Trouble
from domain.ports import CardLine, Comparison, FaceFacts, Identity, Prepared
from handlers import i18n
from handlers.conversation import Contact, RemotePhoto
from handlers.i18n import Rendered
from models.enums import Employment, Match, Sex

NAMES = ("SITI AMINAH", "BUDI SANTOSO", "DEWI LESTARI", "AGUS PRASETYO", "RINA WATI", "JOKO SUSILO", "MAYA SARI")
DISTRICTS = (
    ("317101", "DKI JAKARTA", "KOTA JAKARTA PUSAT", "GAMBIR"),
    ("327301", "JAWA BARAT", "KOTA BANDUNG", "SUKASARI"),
)
WORK = (Employment.LAID_OFF, Employment.FURLOUGHED, Employment.JOB_SEEKER, Employment.SMALL_BUSINESS)
ENGINE = "synthetic"
PHOTOS = {"registration.card_photo": "card", "registration.selfie": "selfie"}


@dataclass(frozen=True)
class Character:
    """One virtual person. ``stops_at``: the round of questions after which they never write again, 0 for never."""

    number: int
    name: str
    birth_date: date
    sex: Sex
    nik: str
    kk: str
    district: tuple[str, str, str, str]
    work: Employment
    begins_after: timedelta
    stops_at: int
    mistypes: bool
    blurs: bool
    alike: float
    gives_mail: bool
    blocks: bool
    joins_again: bool
    acts_after: int | None

    @property
    def chat(self) -> str:
        """Their chat at the platform."""
        return str(1_000_000 + self.number)

    @property
    def mail(self) -> str:
        """Their e-mail address, which most do not give."""
        return f"orang{self.number}@contoh.id"

    @property
    def phone(self) -> str:
        """Their own number, as the platform gives it."""
        return f"62812{self.number:08}"


def character(seed: int, number: int, days: int) -> Character:
    """A person who begins within so many days. Shares are plausible, not measured: a simulation is no forecast."""
    dice = random.Random(f"{seed}:{number}")  # noqa: S311 - a person is made up, nothing is drawn with it
    sex = dice.choice((Sex.MALE, Sex.FEMALE))
    born = date(1968, 1, 1) + timedelta(days=dice.randrange(37 * 365))
    district = dice.choice(DISTRICTS)
    day = born.day + 40 * (sex == Sex.FEMALE)
    # Of three in a row the second and third may be the first one's household.
    home = number - number % 3 if dice.random() < 0.4 else number
    return Character(
        number=number,
        name=dice.choice(NAMES),
        birth_date=born,
        sex=sex,
        nik=f"{district[0]}{day:02}{born:%m%y}{number % 9998 + 1:04}",
        kk=f"{district[0]}{home // 10_000 % 28 + 1:02}0115{home % 9998 + 1:04}",
        district=district,
        work=dice.choices(WORK, (4, 3, 3, 2))[0],
        begins_after=timedelta(days=days * dice.random() ** 2),
        stops_at=dice.randrange(2, 12) if dice.random() < 0.08 else 0,
        mistypes=dice.random() < 0.2,
        blurs=dice.random() < 0.15,
        alike=dice.choices((0.6, 0.34, 0.1), (94, 4, 2))[0],
        gives_mail=dice.random() < 0.3,
        blocks=dice.random() < 0.05,
        joins_again=dice.random() < 0.8,
        acts_after=None if dice.random() < 0.15 else dice.randrange(28),
    )


# --- what they send


def photo(person: Character, shows: str, *, blurred: bool = False, yaw: float = 0.0) -> RemotePhoto:
    """A photo that the platform holds: its id says what is on it."""
    said = {"person": person.number, "shows": shows, "blurred": blurred, "alike": person.alike, "yaw": yaw}
    return RemotePhoto(json.dumps(said))


def contact(person: Character) -> Contact:
    """Their number, vouched for by the platform."""
    return Contact(person.phone, proven=True)


async def fetch(remote: str) -> bytes:
    """The bytes of a photo."""
    return remote.encode()


# --- the world's side, in place of what looks at photos and knows people


class SyntheticFaces:
    """domain.ports.Faces for photos that say what they show."""

    async def prepare(self, content: bytes) -> Prepared:
        """See domain.ports.Faces."""
        said = json.loads(content)
        yaw: float = said["yaw"]
        sharpness = 1.0 if said["blurred"] else 200.0
        facts = FaceFacts(
            width=800,
            height=800,
            faces=1,
            score=0.95,
            eye_distance=120.0,
            yaw=yaw,
            sharpness=sharpness,
            brightness=120.0,
        )
        return Prepared(content, facts)

    async def compare(self, card: bytes, selfie: bytes) -> Comparison:
        """See domain.ports.Faces."""
        score: float = json.loads(selfie)["alike"]
        return Comparison(score, ENGINE, b"synthetic", bytes(512))


class SyntheticCards:
    """domain.ports.Cards for the same photos."""

    def __init__(self, people: Mapping[int, Character]) -> None:
        self._people = people

    async def read(self, jpeg: bytes) -> tuple[CardLine, ...]:
        """See domain.ports.Cards."""
        person = self._people[json.loads(jpeg)["person"]]
        _, province, regency, district = person.district
        rows = {
            "NIK": person.nik,
            "Nama": person.name,
            "Tempat/Tgl Lahir": f"BANDUNG, {person.birth_date:%d-%m-%Y}",
            "Jenis Kelamin": "PEREMPUAN" if person.sex == Sex.FEMALE else "LAKI-LAKI",
            "Alamat": f"JL. MELATI {person.number % 90 + 1}",
            "RT/RW": "001/002",
            "Kel/Desa": district,
            "Kecamatan": district,
            "Agama": "ISLAM",
            "Status Perkawinan": "KAWIN",
            "Pekerjaan": "KARYAWAN",
            "Kewarganegaraan": "WNI",
        }
        heading = (f"PROVINSI {province}", regency)
        lines = [CardLine(text, 0.99, 0.3, 0.05 + 0.06 * at, 0.7, 0.09 + 0.06 * at) for at, text in enumerate(heading)]
        for at, (label, value) in enumerate(rows.items()):
            top = 0.2 + 0.06 * at
            lines.append(CardLine(label, 0.99, 0.04, top, 0.2, top + 0.04))
            lines.append(CardLine(f": {value}", 0.99, 0.25, top, 0.6, top + 0.04))
        return tuple(lines)


class MemoryMedia:
    """domain.ports.Media without a disk."""

    def __init__(self) -> None:
        self._kept: dict[str, bytes] = {}

    async def save(self, photo_id: str, jpeg: bytes) -> None:
        """See domain.ports.Media."""
        self._kept[photo_id] = jpeg

    async def load(self, photo_id: str) -> bytes:
        """See domain.ports.Media."""
        return self._kept[photo_id]

    async def delete(self, photo_id: str) -> None:
        """See domain.ports.Media."""
        self._kept.pop(photo_id, None)

    async def exists(self, photo_id: str) -> bool:
        """See domain.ports.Media."""
        return photo_id in self._kept


class SyntheticRegistry:
    """domain.ports.CivilRegistry that knows everybody."""

    async def check(self, identity: Identity) -> Mapping[str, Match]:
        """See domain.ports.CivilRegistry."""
        return dict.fromkeys(("nik", "kk", "name", "birth_date"), Match.MATCH)


class NobodyAlike:
    """domain.ports.FaceIndex in which no two people look alike."""

    async def search(self, vector: bytes, engine: str, threshold: float) -> list[tuple[int, float]]:
        """See domain.ports.FaceIndex."""
        return []


class Phones:
    """Where messages arrive. ``blocked`` chats refuse them."""

    def __init__(self) -> None:
        self.blocked: set[str] = set()
        self.screens: dict[str, Rendered] = {}  # the last message in each chat
        self.taken = 0

    async def send(self, to: str, message: Rendered, number: int) -> Sent | SendError:
        """See bot.channel.Sender."""
        if to in self.blocked:
            return SendError(Trouble.UNREACHABLE, "403")
        self.taken += 1
        self.screens[to] = message
        return Sent(str(self.taken))


class Clock:
    """Simulated time: it stands until it is moved."""

    def __init__(self, start: datetime) -> None:
        self.time = start

    def __call__(self) -> datetime:
        return self.time


def answer(person: Character, step: str, tries: int, screen: Rendered) -> dict[str, Any]:
    """What somebody sends at a step, having read the screen; ``tries``: how often they were at this step before."""
    first = tries == 0
    if step == "registration.card_photo" and screen.choices:
        return {"text": "ya"}  # what was read on the card is right
    texts = {
        "registration.language": "setuju",
        "registration.nik": person.nik[:-1] if person.mistypes and first else person.nik,
        "registration.name": person.name.title(),
        "registration.birth_date": f"{person.birth_date:%d-%m-%Y}",
        "registration.kk": person.kk[:-1] if person.mistypes and first else person.kk,
        "registration.region": "1",
        "registration.address": "Jl. Melati 5",
        "registration.education": "sma",
        "registration.employment": i18n.text("id", f"employment.{person.work}"),
        "registration.interest": "1",
        "registration.summary": "ya",
        "registration.email": person.mail,
        "registration.email_code": "".join(re.findall(r"\b\d{6}\b", screen.text)),
    }
    if step == "home.menu":
        return {"choice": "email"}
    if step == "registration.phone":
        return {"contact": contact(person)}
    if step == "registration.turned":
        return {"photo": photo(person, "turned", yaw=-0.5 if "KANAN" in screen.text.upper() else 0.5)}
    if step in PHOTOS:
        return {"photo": photo(person, PHOTOS[step], blurred=person.blurs and first)}
    return {"text": texts[step]}
