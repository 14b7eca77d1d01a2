"""The catalogue as people look through it: one immutable picture of all trainings, presorted and indexed. Pure.

A filter is a set of positions, kept as the bits of one whole number, in each order it was asked for: a page is then a
few operations on numbers, whatever was asked before. Words are looked up in an index of distinct words; a word nobody
uses is taken for those that are one or two slips of the finger away (optimal string alignment).
"""

import re
import tomllib
import unicodedata
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import msgspec
from rapidfuzz import process
from rapidfuzz.distance import OSA

from domain.places import Point, on_sphere
from models.enums import TrainingMode

SYNONYMS = Path(__file__).with_name("synonyms.toml")
FIELD = 0.02  # degrees, about 2 km: homes closer together than that see the same order by distance
NEAR_PLACES = 2_000_000  # positions that orders by distance may hold together, 16 MB
FEW = 5  # results; where fewer fit all words, those that fit most of them follow
SHORT = 3  # letters a word must have to stand for longer ones that begin with it
PREFIXES = ("meng", "meny", "mem", "men", "me", "peng", "peny", "pem", "pen", "pe", "ber", "ter", "di")
COMMON = frozenset(["dan", "untuk", "di", "dengan", "yang", "ke", "dari", "the", "for", "and", "of", "in", "to", "a"])
_WORD = re.compile(r"[a-z0-9]+")


class Sort(StrEnum):
    """How trainings are ordered. There is no other key, and none can be bought."""

    RATING = "rating"
    CHEAP = "cheap"
    DEAR = "dear"
    NEAR = "near"
    NEW = "new"
    FIT = "fit"  # the words that were typed


class Listing(msgspec.Struct, frozen=True):
    """A training as the menus show it. ``stars`` is the sum of all ``reviews``' stars; ``point`` where it is taught."""

    id: int
    title: str
    description: str
    provider: str
    provider_id: int
    platform: str
    category: str
    skills: tuple[str, ...]
    price: int
    language: str
    mode: TrainingMode
    schedule: str
    starts_on: date | None
    place: str
    point: Point | None
    hours: int
    full: bool
    certificate: bool
    sample: bool
    reviews: int
    stars: int
    listed: float

    @property
    def rating(self) -> float:
        """The average of its own reviews, 0 where there is none."""
        return self.stars / self.reviews if self.reviews else 0.0


class Query(msgspec.Struct, frozen=True, omit_defaults=True):
    """What somebody looks for. Empty fields let everything through; ``until`` is the last day it may begin."""

    sort: Sort = Sort.RATING
    category: str = ""
    platform: str = ""
    mode: str = ""
    language: str = ""
    max_price: int = 0
    until: date | None = None
    words: str = ""
    home: Point | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """Ids of trainings from a place in the order on, and how many there are in all."""

    ids: tuple[int, ...]
    total: int


Filter: TypeAlias = tuple[str, Any]
# Filters with values of their own for everybody.
TESTS: Mapping[str, Callable[[Listing, Any], bool]] = {
    "max_price": lambda listing, value: listing.price <= value,
    "until": lambda listing, value: listing.starts_on is None or listing.starts_on <= value,
}

BOTH_MODES = (TrainingMode.HYBRID, TrainingMode.ONLINE, TrainingMode.OFFLINE)
# Filters with few values: those that let a training through.
SORTED_INTO: Mapping[str, Callable[[Listing], tuple[str, ...]]] = {
    "category": lambda listing: (listing.category,),
    "platform": lambda listing: (listing.platform,),
    "language": lambda listing: (listing.language,),
    "mode": lambda listing: BOTH_MODES if listing.mode == TrainingMode.HYBRID else (listing.mode,),
}
KEPT_FILTERS = 256


def weighted_rating(stars: int, reviews: int, average: float, weight: int) -> float:
    """Bayesian average: a training's own reviews beside so many average ones, so that one review does not win."""
    return (stars + average * weight) / (reviews + weight)


@dataclass(slots=True)
class Order:
    """Positions in one order, and the filters asked for in it as bits: bit n stands for the n-th."""

    listings: Sequence[Listing]
    positions: Sequence[int]
    _bits: dict[Filter, int] = field(default_factory=dict)
    _fields: dict[str, dict[str, int]] = field(default_factory=dict)

    def bits(self, wanted: Filter) -> int:
        """Where in this order a filter lets trainings through."""
        name, value = wanted
        if name in SORTED_INTO:
            if name not in self._fields:
                self._fields[name] = self._by_value(name)
            return self._fields[name].get(value, 0)
        if wanted not in self._bits:
            if len(self._bits) >= KEPT_FILTERS:  # balances and dates that differ from person to person
                self._bits.clear()
            test = TESTS[name]
            self._bits[wanted] = packed(
                at for at, position in enumerate(self.positions) if test(self.listings[position], value)
            )
        return self._bits[wanted]

    def _by_value(self, name: str) -> dict[str, int]:
        """All values of a field at once: one walk through the trainings instead of one a value."""
        found: dict[str, list[int]] = {}
        for at, position in enumerate(self.positions):
            for value in SORTED_INTO[name](self.listings[position]):
                found.setdefault(value, []).append(at)
        return {value: packed(some) for value, some in found.items()}


def packed(numbers: Iterable[int]) -> int:
    """Numbers as the bits of one."""
    octets = bytearray()
    for number in numbers:
        at = number >> 3
        if at >= len(octets):
            octets.extend(bytes(at + 1 - len(octets)))
        octets[at] |= 1 << (number & 7)
    return int.from_bytes(octets, "little")


def unpacked(bits: int, skip: int = 0) -> Iterator[int]:
    """The numbers again, lowest first, without the first so many."""
    if skip and bits.bit_length() > 128:  # halve what has to be walked through
        width = bits.bit_length() >> 1
        low = bits & ((1 << width) - 1)
        held = low.bit_count()
        if held > skip:
            yield from unpacked(low, skip)
        yield from (width + number for number in unpacked(bits >> width, max(0, skip - held)))
        return
    while bits:
        lowest = bits & -bits
        if skip:
            skip -= 1
        else:
            yield lowest.bit_length() - 1
        bits ^= lowest


class Catalogue:
    """All trainings that can be chosen on a day. Never changed: a new one takes its place."""

    def __init__(self, listings: Iterable[Listing], weight: int) -> None:
        every = list(listings)
        reviews = sum(each.reviews for each in every)
        self.average = sum(each.stars for each in every) / reviews if reviews else 0.0
        score = {each.id: weighted_rating(each.stars, each.reviews, self.average, weight) for each in every}
        # The order of its own: titles with few words first, which fit what was typed better than longer ones.
        every.sort(key=lambda each: (len(words_of(each.title)), -score[each.id], each.id))
        self.listings: Sequence[Listing] = every
        self.by_id: Mapping[int, Listing] = {each.id: each for each in every}
        keys: dict[Sort, Callable[[Listing], Any]] = {
            Sort.RATING: lambda each: (-score[each.id], each.price, each.id),
            Sort.CHEAP: lambda each: (each.price, -score[each.id], each.id),
            Sort.DEAR: lambda each: (-each.price, -score[each.id], each.id),
            Sort.NEW: lambda each: (-each.listed, each.id),
        }
        everything = range(len(every))
        self._orders = {
            sort: Order(every, tuple(sorted(everything, key=lambda at, key=key: key(every[at]))))  # type: ignore[misc]
            for sort, key in keys.items()
        }
        self._orders[Sort.FIT] = Order(every, everything)
        self._near: OrderedDict[tuple[int, int], Order] = OrderedDict()
        self._located = [at for at, each in enumerate(every) if each.point]
        self._directions = [on_sphere(each.point) for each in every if each.point]
        self._kept_near = max(16, NEAR_PLACES // max(1, len(self._located)))
        self._words = _WordIndex(every)
        self._providers: dict[int, tuple[int, int]] = {}
        for each in every:
            stars, count = self._providers.get(each.provider_id, (0, 0))
            self._providers[each.provider_id] = stars + each.stars, count + each.reviews

    def provider_rating(self, provider_id: int) -> tuple[float, int]:
        """Average and number of the reviews of a provider's trainings."""
        stars, count = self._providers.get(provider_id, (0, 0))
        return (stars / count if count else 0.0), count

    def warm(self) -> "Catalogue":
        """Make the filters that everybody uses now, where nobody waits for them."""
        for order in self._orders.values():
            for name in SORTED_INTO:
                order.bits((name, ""))
        return self

    def values(self, name: str) -> list[str]:
        """What a field's filter can be, the most frequent first."""
        counts: dict[str, int] = {}
        for each in self.listings:
            value: str = getattr(each, name)
            counts[value] = counts.get(value, 0) + 1
        return sorted(counts, key=lambda value: (-counts[value], value))

    def find(self, query: Query, skip: int = 0, limit: int = 6) -> Found:
        """Trainings that fit, from a place in the order on."""
        sort = query.sort
        if (sort == Sort.NEAR and query.home is None) or (sort == Sort.FIT and not query.words):
            sort = Sort.RATING
        filters = _filters(query)
        if query.words:
            return self._searched(query, sort, filters, skip, limit)
        order = self._order(sort, query.home)
        if not filters:
            some = order.positions[skip : skip + limit]
            return Found(tuple([self.listings[at].id for at in some]), len(order.positions))
        bits = order.bits(filters[0])
        for each in filters[1:]:
            bits &= order.bits(each)
        places = unpacked(bits, skip)
        ids = [self.listings[order.positions[at]].id for at, _ in zip(places, range(limit), strict=False)]
        return Found(tuple(ids), bits.bit_count())

    def _searched(self, query: Query, sort: Sort, filters: Sequence[Filter], skip: int, limit: int) -> Found:
        allowed = (1 << len(self.listings)) - 1
        for each in filters:
            allowed &= self._orders[Sort.FIT].bits(each)
        tiers = [bits for tier in self._words.tiers(query.words) if (bits := tier & allowed)]
        kept = tiers[:1]
        for tier in tiers[1:]:
            if sum(bits.bit_count() for bits in kept) >= FEW:
                break
            kept.append(tier)
        if sort == Sort.FIT:
            positions = [at for tier in kept for at in unpacked(tier)]
        else:
            order = self._order(sort, query.home)
            union = 0
            for tier in kept:
                union |= tier
            positions = [at for at in order.positions if union >> at & 1]
        some = positions[skip : skip + limit]
        return Found(tuple([self.listings[at].id for at in some]), len(positions))

    def _order(self, sort: Sort, home: Point | None) -> Order:
        """Presorted, or by distance: from the middle of a field of some kilometres, which many homes share."""
        if sort != Sort.NEAR or home is None:
            return self._orders[sort]
        field_of = round(home[0] / FIELD), round(home[1] / FIELD)
        if field_of not in self._near:
            x, y, z = on_sphere((field_of[0] * FIELD, field_of[1] * FIELD))
            # The larger the product of two directions, the nearer they are: no distance has to be computed.
            nearness = [x * a + y * b + z * c for a, b, c in self._directions]
            order = sorted(range(len(nearness)), key=nearness.__getitem__, reverse=True)
            self._near[field_of] = Order(self.listings, [self._located[at] for at in order])
            if len(self._near) > self._kept_near:
                self._near.popitem(last=False)
        self._near.move_to_end(field_of)
        return self._near[field_of]


def _filters(query: Query) -> list[Filter]:
    return [(name, value) for name in (*SORTED_INTO, *TESTS) if (value := getattr(query, name))]


# --- words


def words_of(text: str) -> list[str]:
    """Words as they are looked up: lower case, without accents and without those that say nothing."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return [word for word in _WORD.findall(plain) if word not in COMMON]


def _stems(word: str) -> Iterator[str]:
    """The word, and what is left of it without a prefix: "menjahit" is found by "jahit"."""
    yield word
    for prefix in PREFIXES:
        if word.startswith(prefix) and len(word) >= len(prefix) + 4:
            yield word[len(prefix) :]


@cache
def _synonyms() -> Mapping[str, frozenset[str]]:
    """What else a word may mean (synonyms.toml)."""
    data = tomllib.loads(SYNONYMS.read_text(encoding="utf-8"))
    return {word: frozenset(others) for word, others in data["means"].items()}


class _WordIndex:
    """Which trainings have a word in their title, skills or category."""

    def __init__(self, listings: Sequence[Listing]) -> None:
        holders: dict[str, list[int]] = {}
        for at, each in enumerate(listings):
            text = " ".join((each.title, *each.skills, each.category))
            for stem in {stem for word in words_of(text) for stem in _stems(word)}:
                holders.setdefault(stem, []).append(at)
        self._vocabulary = sorted(holders)
        self._holders = {word: packed(some) for word, some in holders.items()}
        self._by_length: dict[int, list[str]] = {}
        for word in self._vocabulary:
            self._by_length.setdefault(len(word), []).append(word)

    def tiers(self, text: str) -> list[int]:
        """Sets of trainings, those that fit most of the words first."""
        fitting = [0]  # at n: those that fit n of the words, at least
        for word in words_of(text):
            bits = self._meant(word)
            fitting.append(0)
            for number in range(len(fitting) - 1, 0, -1):
                fitting[number] |= bits if number == 1 else fitting[number - 1] & bits
        found, above = [], 0
        for bits in reversed(fitting[1:]):
            found.append(bits & ~above)
            above |= bits
        return found

    def _meant(self, word: str) -> int:
        bits = 0
        for each in (word, *_synonyms().get(word, ())):
            bits |= self._beginning(each)
        if bits or len(word) <= SHORT:
            return bits
        slips = 1 if len(word) < 8 else 2
        near = [each for size in range(-slips, slips + 1) for each in self._by_length.get(len(word) + size, ())]
        for each, _, _ in process.extract(word, near, scorer=OSA.distance, score_cutoff=slips, limit=None):
            bits |= self._holders[each]
        if bits:
            return bits
        known = process.extractOne(word, list(_synonyms()), scorer=OSA.distance, score_cutoff=slips)
        return self._meant(known[0]) if known and known[0] != word else 0

    def _beginning(self, word: str) -> int:
        bits = self._holders.get(word, 0)
        if len(word) >= SHORT:
            at = bisect_left(self._vocabulary, word)
            while at < len(self._vocabulary) and self._vocabulary[at].startswith(word):
                bits |= self._holders[self._vocabulary[at]]
                at += 1
        return bits
