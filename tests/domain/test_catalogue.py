"""The catalogue in memory: whatever is asked, it finds what a plain look at every training finds."""

import random
from datetime import date, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from domain.places import distance
from domain.trainings.catalogue import (
    Catalogue,
    Listing,
    Query,
    Sort,
    packed,
    unpacked,
    weighted_rating,
    words_of,
)
from models.enums import Interest, TrainingMode

TODAY = date(2026, 11, 24)
WEIGHT = 10
LISTINGS = st.lists(
    st.builds(
        lambda title, price, category, mode, days, stars, at: {
            "title": title, "price": price, "category": category, "mode": mode, "days": days, "stars": stars, "at": at
        },
        st.sampled_from(["Barista Dasar", "Barista", "Microsoft Excel", "Menjahit Busana", "Excel untuk Kasir"]),
        st.sampled_from([100_000, 250_000, 400_000, 900_000]),
        st.sampled_from([*Interest]),
        st.sampled_from([*TrainingMode]),
        st.none() | st.integers(0, 60),
        st.lists(st.integers(1, 5), max_size=6),
        st.tuples(st.floats(-8, -6), st.floats(106, 110)),
    ),
    max_size=25,
)  # fmt: skip
QUERIES = st.builds(
    Query,
    sort=st.sampled_from([Sort.RATING, Sort.CHEAP, Sort.DEAR, Sort.NEW, Sort.NEAR]),
    category=st.sampled_from(["", "food", "computer"]),
    mode=st.sampled_from(["", "online", "offline"]),
    max_price=st.sampled_from([0, 250_000, 399_999]),
    until=st.none() | st.integers(0, 40).map(lambda days: TODAY + timedelta(days=days)),
    home=st.none() | st.just((-6.2, 106.8)),
)


def listing(number: int, **said: Any) -> Listing:
    stars, days, mode = said.pop("stars", []), said.pop("days", None), said.pop("mode", TrainingMode.ONLINE)
    point = said.pop("at", None) if mode != TrainingMode.ONLINE else said.pop("at", None) and None
    plain: dict[str, Any] = {
        "title": f"Pelatihan {number}", "description": "", "provider": "LPK", "provider_id": 1, "platform": "Pijar",
        "category": "food",
        "skills": (), "price": 100_000, "language": "id", "schedule": "", "place": "", "hours": 10, "full": False,
        "certificate": True, "sample": False, "listed": float(number % 7),
    }  # fmt: skip
    begins = None if days is None else TODAY + timedelta(days=days)
    rest = {"mode": mode, "point": point, "starts_on": begins, "reviews": len(stars), "stars": sum(stars)}
    return Listing(id=number, **{**plain, **said}, **rest)


@settings(deadline=None)
@given(rows=LISTINGS, query=QUERIES, skip=st.integers(0, 30), limit=st.integers(1, 10))
def test_a_page_is_what_looking_at_every_training_gives(
    rows: list[dict[str, Any]], query: Query, skip: int, limit: int
) -> None:
    every = [listing(number, **row) for number, row in enumerate(rows, 1)]
    catalogue = Catalogue(every, WEIGHT)
    fit = [
        each
        for each in every
        if query.category in ("", each.category)
        and query.mode in ("", each.mode if each.mode != TrainingMode.HYBRID else query.mode)
        and (not query.max_price or each.price <= query.max_price)
        and (query.until is None or each.starts_on is None or each.starts_on <= query.until)
    ]

    def score(each: Listing) -> float:
        return -weighted_rating(each.stars, each.reviews, catalogue.average, WEIGHT)

    home = query.home
    sort = Sort.RATING if query.sort == Sort.NEAR and home is None else query.sort
    if sort == Sort.NEAR and home is not None:
        fit = [each for each in fit if each.point]
    keys: dict[Sort, Any] = {
        Sort.RATING: lambda each: (score(each), each.price, each.id),
        Sort.CHEAP: lambda each: (each.price, score(each), each.id),
        Sort.DEAR: lambda each: (-each.price, score(each), each.id),
        Sort.NEW: lambda each: (-each.listed, each.id),
    }
    found = catalogue.find(query, skip, limit)
    if sort == Sort.NEAR and home is not None:  # of those that are as near as makes no difference either may be first
        away = sorted(distance(home, each.point or home) for each in fit)[skip : skip + limit]
        shown = [distance(home, catalogue.by_id[number].point or home) for number in found.ids]
        assert all(abs(one - other) < 4 for one, other in zip(away, shown, strict=True))
        assert found.total == len(fit)
        return
    expected = [each.id for each in sorted(fit, key=keys[sort])]
    assert (list(found.ids), found.total) == (expected[skip : skip + limit], len(expected))


@given(numbers=st.sets(st.integers(0, 3_000)), skip=st.integers(0, 3_000))
def test_numbers_come_out_as_they_went_in(numbers: set[int], skip: int) -> None:
    assert list(unpacked(packed(sorted(numbers)), skip)) == sorted(numbers)[skip:]


@given(stars=st.lists(st.integers(1, 5), min_size=1, max_size=50))
def test_one_five_star_review_never_beats_many_good_ones(stars: list[int]) -> None:
    average = 4.0
    one = weighted_rating(5, 1, average, WEIGHT)
    assert one < weighted_rating(480, 100, average, WEIGHT)
    own = weighted_rating(sum(stars), len(stars), average, WEIGHT)
    low, high = sorted((average, sum(stars) / len(stars)))
    assert low - 1e-9 <= own <= high + 1e-9  # between the average of all and its own


TITLES = ["Barista Dasar", "Microsoft Excel untuk Pemula", "Menjahit Busana Siap Kerja", "Servis Sepeda Motor",
          "Budidaya Jamur Tiram", "Bahasa Inggris Perhotelan", "Tata Rias Wajah", "Instalasi Listrik"]  # fmt: skip


def _slipped(word: str, dice: random.Random) -> str:
    """One letter left out, doubled, wrong, or two that changed places."""
    at = dice.randrange(len(word) - 1)
    return dice.choice(
        [
            word[:at] + word[at + 1 :],
            word[: at + 1] + word[at:],
            word[:at] + "q" + word[at + 1 :],
            word[:at] + word[at + 1] + word[at] + word[at + 2 :],
        ]
    )


@given(seed=st.integers(0, 10_000), title=st.sampled_from(TITLES))
def test_a_slip_of_the_finger_is_forgiven(seed: int, title: str) -> None:
    dice = random.Random(seed)
    catalogue = Catalogue([listing(number, title=each) for number, each in enumerate(TITLES, 1)], WEIGHT)
    words = words_of(title)
    at = dice.choice([at for at, word in enumerate(words) if len(word) >= 5])
    words[at] = _slipped(words[at], dice)
    found = catalogue.find(Query(words=" ".join(words), sort=Sort.FIT), limit=5)
    assert TITLES.index(title) + 1 in found.ids


def test_words_that_mean_the_same_are_found() -> None:
    catalogue = Catalogue([listing(number, title=each) for number, each in enumerate(TITLES, 1)], WEIGHT)

    def first(words: str) -> str:
        return TITLES[catalogue.find(Query(words=words, sort=Sort.FIT)).ids[0] - 1]

    assert first("komputer") == "Microsoft Excel untuk Pemula"
    assert first("kmputer") == "Microsoft Excel untuk Pemula"
    assert first("kopi") == "Barista Dasar"
    assert first("jahit") == "Menjahit Busana Siap Kerja"
    assert first("MAKEUP!") == "Tata Rias Wajah"
    assert catalogue.find(Query(words="xyzzy", sort=Sort.FIT)).total == 0
