"""A made-up catalogue for trying out: the same seed and number give the same file, byte for byte.

Titles, places and prices are plausible; providers, platforms and trainings do not exist, and say so.
"""

import csv
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from domain.places import in_indonesia, whereabouts
from domain.trainings.rules import HEADINGS

SEED, COUNT = 2020, 1_500
MARK = "(contoh)"
# Category -> subject, skills, and what a beginner's course in it costs about, in thousands of rupiah.
SUBJECTS: dict[str, list[tuple[str, str, int]]] = {
    "computer": [
        ("Microsoft Excel", "excel, spreadsheet, rumus", 250),
        ("Microsoft Word dan PowerPoint", "word, powerpoint, dokumen", 200),
        ("Desain Grafis dengan Canva", "desain, canva, poster", 250),
        ("Pemrograman Web", "html, css, javascript", 600),
        ("Pemrograman Python", "python, coding, data", 600),
        ("Aplikasi Android", "android, kotlin, coding", 700),
        ("Analisis Data", "data, sql, grafik", 650),
        ("Administrasi Kantor Digital", "arsip, email, office", 250),
        ("Teknisi Komputer", "perakitan, jaringan, servis", 450),
        ("Editing Video di Ponsel", "video, editing, konten", 250),
    ],
    "marketing": [
        ("Penjualan Online di Marketplace", "toko, marketplace, foto produk", 250),
        ("Iklan di Media Sosial", "ads, instagram, facebook", 350),
        ("Konten TikTok untuk Usaha", "tiktok, konten, video", 250),
        ("Layanan Pelanggan", "customer service, komunikasi", 250),
        ("Pembukuan Usaha Kecil", "keuangan, kas, laporan", 250),
        ("Wirausaha Pemula", "wirausaha, rencana, modal", 300),
        ("Fotografi Produk", "fotografi, ponsel, cahaya", 300),
        ("Teknik Negosiasi", "negosiasi, penjualan", 300),
    ],
    "food": [
        ("Barista", "kopi, espresso, latte art", 450),
        ("Roti dan Kue", "roti, kue, bakery", 400),
        ("Kuliner Nusantara", "memasak, bumbu, dapur", 400),
        ("Usaha Katering Rumahan", "katering, menu, harga pokok", 350),
        ("Olahan Makanan Beku", "frozen food, kemasan", 350),
        ("Keamanan Pangan", "higiene, sanitasi, pirt", 250),
        ("Minuman Kekinian", "minuman, boba, kopi susu", 300),
        ("Pastry dan Dekorasi Kue", "pastry, dekorasi, cokelat", 500),
    ],
    "language": [
        ("Bahasa Inggris untuk Kerja", "inggris, percakapan, wawancara", 400),
        ("Bahasa Inggris Perhotelan", "inggris, hotel, tamu", 400),
        ("Persiapan TOEFL", "toefl, inggris, ujian", 500),
        ("Bahasa Jepang N5", "jepang, hiragana, percakapan", 550),
        ("Bahasa Korea EPS-TOPIK", "korea, hangul, ujian", 550),
        ("Bahasa Mandarin Percakapan", "mandarin, percakapan", 500),
    ],
    "beauty_fashion": [
        ("Menjahit Busana", "jahit, pola, mesin jahit", 450),
        ("Tata Rias Wajah", "makeup, rias, pengantin", 450),
        ("Potong Rambut Pria", "barber, rambut, cukur", 400),
        ("Perawatan Kulit dan Spa", "spa, kecantikan, pijat", 450),
        ("Desain Busana", "fashion, pola, gambar", 500),
        ("Hijab dan Aksesori", "hijab, aksesori, kerajinan", 250),
    ],
    "technical": [
        ("Servis Sepeda Motor", "motor, mesin, bengkel", 500),
        ("Instalasi Listrik Rumah", "listrik, kabel, keselamatan", 500),
        ("Pengelasan SMAW", "las, logam, keselamatan", 700),
        ("Servis AC", "ac, pendingin, freon", 550),
        ("Servis Ponsel", "ponsel, solder, servis", 500),
        ("Operator Forklift", "forklift, gudang, sio", 800),
        ("Mengemudi Mobil", "mengemudi, sim, lalu lintas", 700),
        ("Tukang Kayu dan Mebel", "kayu, mebel, finishing", 500),
    ],
    "farming": [
        ("Hidroponik", "hidroponik, sayur, nutrisi", 300),
        ("Budidaya Lele", "lele, kolam, pakan", 300),
        ("Budidaya Jamur Tiram", "jamur, media tanam", 300),
        ("Peternakan Ayam Kampung", "ayam, kandang, pakan", 350),
        ("Pupuk Organik", "pupuk, kompos, limbah", 250),
        ("Pengolahan Kopi Petani", "kopi, panen, sangrai", 350),
    ],
    "other": [
        ("Perawatan Lansia", "lansia, caregiver, kesehatan", 450),
        ("Pengasuh Anak", "anak, bayi, gizi", 400),
        ("Satuan Pengamanan", "keamanan, satpam, patroli", 500),
        ("Tata Graha Hotel", "housekeeping, hotel, kamar", 400),
        ("Pemandu Wisata", "wisata, pemandu, bahasa", 350),
        ("Kerajinan Anyaman", "anyaman, bambu, kerajinan", 300),
    ],
}
LEVELS = (("Dasar", 1.0), ("untuk Pemula", 0.9), ("Lanjutan", 1.5), ("Siap Kerja", 1.4), ("Intensif", 1.7), ("", 1.1))
FOR_WHOM = (
    "",
    "",
    "",
    "bagi UMKM",
    "bagi Lulusan SMK",
    "bagi Ibu Rumah Tangga",
    "bagi Pencari Kerja",
    "bagi Korban PHK",
)
PLATFORMS = ("Pijar", "Sekolahku", "Kelas Kita", "Ruang Terampil", "Maju Bersama", "Karya Digital", "Nusa Belajar")
FOUNDERS = ("Cendekia", "Mandiri", "Bina Karya", "Sejahtera", "Tunas", "Mitra", "Cipta", "Harapan", "Prima", "Surya")
KINDS = ("LPK", "Balai", "Akademi", "Rumah", "Sanggar", "Pusat")
TOWNS = (
    "31.71", "31.73", "31.74", "31.75", "31.72", "32.73", "32.76", "32.75", "32.71", "32.77", "33.74", "33.72", "33.71",
    "34.71", "34.04", "35.78", "35.73", "35.71", "36.71", "36.74", "36.73", "51.71", "51.03", "52.71", "53.71", "12.71",
    "13.71", "14.71", "16.71", "18.71", "17.71", "15.71", "11.71", "61.71", "62.71", "63.71", "64.71", "64.72", "73.71",
    "72.71", "74.71", "71.71", "75.71", "81.71", "91.71", "92.71",
)  # fmt: skip
DAYS = (
    "Senin-Jumat 09.00-12.00",
    "Senin dan Rabu 18.30-20.30",
    "Sabtu dan Minggu 09.00-15.00",
    "Selasa-Kamis 13.00-16.00",
)


def lines(count: int = COUNT, seed: int = SEED) -> Iterator[dict[str, Any]]:
    """Rows of a catalogue, by the names of rules.HEADINGS."""
    dice = random.Random(seed)  # noqa: S311 - trainings are made up, nothing is drawn with it
    towns = [code for code in TOWNS if (point := whereabouts(code)) and in_indonesia(point)]
    providers = [
        (f"lp{number:03}", f"{dice.choice(KINDS)} {dice.choice(FOUNDERS)} {number} {MARK}", dice.choice(towns))
        for number in range(1, max(12, count // 25) + 1)
    ]
    subjects = [(category, subject) for category, some in SUBJECTS.items() for subject in some]
    for number in range(1, count + 1):
        category, (subject, skills, price) = dice.choice(subjects)
        provider, provider_name, town = dice.choice(providers)
        platform = dice.choice(PLATFORMS)
        level, dearer = dice.choice(LEVELS)
        mode = dice.choices(("online", "offline", "hybrid"), (6, 3, 1))[0]
        hours = dice.choice((6, 8, 10, 12, 15, 20, 24, 30, 40))
        point = whereabouts(town) if mode != "online" else None
        yield {
            "provider": provider,
            "provider_name": provider_name,
            "platform": platform.lower().replace(" ", "-"),
            "platform_name": f"{platform} {MARK}",
            "code": f"{provider}-{number:05}",
            "title": " ".join(part for part in (subject, level, dice.choice(FOR_WHOM)) if part),
            "description": (
                f"Belajar {subject.lower()} selama {hours} jam bersama pengajar berpengalaman. Materi: {skills}. "
                "Peserta berlatih langsung, mengerjakan tugas akhir, dan mendapat sertifikat bila lulus. "
                "Data contoh: pelatihan ini tidak ada."
            ),
            "category": category,
            "skills": skills,
            "price": max(100, round(price * dearer * dice.uniform(0.75, 1.35) / 25) * 25) * 1000,
            "language": "en" if dice.random() < 0.04 else "id",
            "mode": mode,
            "schedule": dice.choice(DAYS) if mode != "online" or dice.random() < 0.4 else "Kapan saja",
            "starts_on": "",
            "region_code": town if point else "",
            "venue": f"Jl. {dice.choice(FOUNDERS)} {dice.randrange(1, 200)}" if point else "",
            "latitude": f"{point[0] + dice.uniform(-0.05, 0.05):.4f}" if point else "",
            "longitude": f"{point[1] + dice.uniform(-0.05, 0.05):.4f}" if point else "",
            "hours": hours,
            "seats": "" if mode == "online" else dice.choice((15, 20, 25, 30, 40)),
            "certificate": "ya",
            "status": "active",
        }


def write(path: Path, count: int = COUNT, seed: int = SEED) -> None:
    """Write the catalogue as CSV."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(HEADINGS))
        writer.writeheader()
        writer.writerows(lines(count, seed))


def ratings(count: int, seed: int = SEED) -> Iterator[tuple[int, int]]:
    """Numbers of reviews and sums of stars, so that sorting by rating can be tried out."""
    dice = random.Random(f"{seed} ratings")  # noqa: S311
    for _ in range(count):
        reviews = int(dice.paretovariate(0.7)) - 1 if dice.random() < 0.8 else 0
        reviews = min(reviews, 900)
        mean = min(4.95, max(2.6, dice.gauss(4.3, 0.35)))
        yield reviews, min(5 * reviews, round(reviews * mean))
