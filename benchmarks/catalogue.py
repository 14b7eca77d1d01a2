"""Looking for a training among 1,500, in CPU time: the catalogue in memory beside the same page through the ORM.

Claims: an unfiltered page (five trainings and how many there are) at least 200 times as fast, any filtered page at
least 30 times; search at least 25 times as fast as rapidfuzz's partial_ratio over all titles, with no worse a share of
queries with one slip of the finger that find their training among the first five; with 100,000 trainings a page still
takes less than a millisecond. The peer reads the
tables as a handler would: one query for the page, one for the count, on SQLite.

    python -m benchmarks.catalogue
"""

import asyncio
import os
import random
import resource
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from rapidfuzz import fuzz, process
from tortoise.expressions import Q

from benchmarks.harness import Claim, close
from bot import sample_catalogue
from bot.catalogue_import import import_catalogue
from domain import regions
from domain.programme import load
from domain.trainings.catalogue import Catalogue, Listing, Query, Sort, words_of
from domain.trainings.listings import changed, listing_of
from models import crypto
from models.database import database, migrate
from models.training import Training

NOW = datetime(2026, 11, 24, 5, tzinfo=UTC)
PAGE = 5
MANY = 100_000
HOME = (-6.4, 106.82)
PAGES: dict[str, tuple[Query, Callable[[], Any], str]] = {
    "unfiltered": (Query(sort=Sort.CHEAP), Training.all, "price"),
    "category": (Query(sort=Sort.CHEAP, category="food"), lambda: Training.filter(category="food"), "price"),
    "category, mode and price": (
        Query(sort=Sort.CHEAP, category="food", mode="offline", max_price=500_000),
        lambda: Training.filter(category="food", mode__in=["offline", "hybrid"], price__lte=500_000),
        "price",
    ),
    "platform, by newest": (
        Query(sort=Sort.NEW, platform="Pijar (contoh)"),
        lambda: Training.filter(platform__name="Pijar (contoh)"),
        "-listed_at",
    ),
    "everything at once": (
        Query(sort=Sort.DEAR, category="computer", platform="Pijar (contoh)", mode="online", language="id",
              max_price=1_000_000, until=NOW.date()),
        lambda: Training.filter(
            Q(starts_on__isnull=True) | Q(starts_on__lte=NOW.date()), category="computer",
            platform__name="Pijar (contoh)", mode__in=["online", "hybrid"], language="id", price__lte=1_000_000,
        ),
        "-price",
    ),
}  # fmt: skip


def cpu(work: Callable[[], Any], times: int) -> float:
    """Microseconds of CPU a call, the median of five rounds."""
    rounds = []
    for _ in range(5):
        began = time.process_time()
        for _ in range(times):
            work()
        rounds.append((time.process_time() - began) / times * 1e6)
    return median(rounds)


async def cpu_async(work: Callable[[], Any], times: int) -> float:
    """The same for coroutines."""
    rounds = []
    for _ in range(5):
        began = time.process_time()
        for _ in range(times):
            await work()
        rounds.append((time.process_time() - began) / times * 1e6)
    return median(rounds)


async def pages(catalogue: Catalogue) -> dict[str, Any]:
    """Each page both ways; the same trainings must come out where the order is the same."""
    found = {}
    for name, (query, rows, order) in PAGES.items():

        async def through_the_orm(rows: Callable[[], Any] = rows, order: str = order) -> tuple[list[Any], int]:
            some = await rows().order_by(order, "id").limit(PAGE).select_related("provider", "platform")
            return some, await rows().count()

        def in_memory(query: Query = query) -> list[Listing]:
            page = catalogue.find(query, 0, PAGE)
            return [catalogue.by_id[number] for number in page.ids]

        theirs, total = await through_the_orm()
        ours = catalogue.find(query, 0, PAGE)
        assert ours.total == total
        if order == "price":
            assert [catalogue.by_id[number].price for number in ours.ids] == [row.price for row in theirs]
        orm, memory = await cpu_async(through_the_orm, 40), cpu(in_memory, 2_000)
        found[name] = {"orm_us": round(orm), "memory_us": round(memory, 2), "times": round(orm / memory)}
    return found


def slips(titles: list[str], count: int) -> list[tuple[str, str]]:
    """Queries with one slip in one of their words, and the title that is meant."""
    dice, made = random.Random(1), list[tuple[str, str]]()
    while len(made) < count:
        title = dice.choice(titles)
        words = words_of(title)[:3]
        long = [at for at, word in enumerate(words) if len(word) >= 5]
        if not long:
            continue
        at = dice.choice(long)
        word, cut = words[at], dice.randrange(len(words[at]) - 1)
        words[at] = dice.choice(
            [
                word[:cut] + word[cut + 1 :],
                word[: cut + 1] + word[cut:],
                word[:cut] + dice.choice("abcdefghijklmnopqrstuvwxyz") + word[cut + 1 :],
                word[:cut] + word[cut + 1] + word[cut] + word[cut + 2 :],
            ]
        )
        made.append((" ".join(words), title))
    return made


def search(catalogue: Catalogue) -> dict[str, Any]:
    """Search both ways: time, and how often what is meant is among the first five (equal titles are one)."""
    titles = sorted({each.title for each in catalogue.listings})
    queries = slips(titles, 600)
    lower = [each.title.lower() for each in catalogue.listings]
    every = [each.title for each in catalogue.listings]

    def ours(words: str) -> list[str]:
        page = catalogue.find(Query(words=words, sort=Sort.FIT), 0, PAGE)
        return [catalogue.by_id[number].title for number in page.ids]

    def theirs(words: str) -> list[str]:
        found = process.extract(words, lower, scorer=fuzz.partial_ratio, limit=PAGE, processor=None)
        return [every[at] for _, _, at in found]

    def hits(find: Callable[[str], list[str]]) -> float:
        return sum(_same(meant, find(words)) for words, meant in queries) / len(queries)

    some = [words for words, _ in queries[:100]]
    us = cpu(lambda: [ours(words) for words in some], 3) / len(some)
    peer = cpu(lambda: [theirs(words) for words in some], 1) / len(some)
    return {
        "ours_us": round(us, 1), "partial_ratio_us": round(peer, 1), "times": round(peer / us, 1),
        "ours_top_5": round(hits(ours), 4), "partial_ratio_top_5": round(hits(theirs), 4),
    }  # fmt: skip


def _same(meant: str, found: list[str]) -> bool:
    """Whether a title with the words that were looked for is among those found."""
    wanted = set(words_of(meant)[:3])
    return any(wanted <= set(words_of(title)) for title in found)


def large() -> dict[str, Any]:
    """A hundred thousand trainings: how long making takes, memory, pages and search."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    listings = []
    for number, line in enumerate(sample_catalogue.lines(MANY, 7), 1):
        point = (float(line["latitude"]), float(line["longitude"])) if line["latitude"] else None
        listings.append(
            Listing(
                id=number, title=f"{line['title']} {number % 977}", description=line["description"],
                provider=line["provider_name"], provider_id=1, platform=line["platform_name"],
                category=line["category"],
                skills=tuple(line["skills"].split(", ")), price=line["price"], language=line["language"],
                mode=line["mode"], schedule=line["schedule"], starts_on=None, place=line["venue"], point=point,
                hours=line["hours"], full=False, certificate=True, sample=True, reviews=number % 90,
                stars=number % 90 * 4, listed=float(number),
            )
        )  # fmt: skip
    began = time.process_time()
    catalogue = Catalogue(listings, 10).warm()
    made = time.process_time() - began
    query = Query(sort=Sort.CHEAP, category="food", mode="offline", max_price=500_000)
    began = time.process_time()
    catalogue.find(query)
    first = (time.process_time() - began) * 1e3
    return {
        "made_s": round(made, 2),
        "peak_mb_more": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024,
        "first_filtered_page_ms": round(first, 2),
        "filtered_page_us": round(cpu(lambda: catalogue.find(query), 200), 1),
        "deep_page_us": round(cpu(lambda: catalogue.find(query, skip=900), 200), 1),
        "near_page_us": round(cpu(lambda: catalogue.find(Query(sort=Sort.NEAR, home=HOME)), 200), 1),
        "search_us": round(cpu(lambda: catalogue.find(Query(words="barsita lanjutan", sort=Sort.FIT)), 20), 1),
    }


async def main() -> None:
    """Measure and print JSON."""
    crypto.use(crypto.Keyring({1: os.urandom(32)}, os.urandom(32)))
    regions.load()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sample.csv"
        sample_catalogue.write(path)
        async with database(f"sqlite://{folder}/catalogue.db") as db:
            await migrate(db)
            await import_catalogue(path, Path(folder) / "report.csv", lambda: NOW, sample=True)
            rows = await changed(None)
            today = NOW.date()
            found = [each for row in rows if (each := listing_of(row, today))]
            began = time.process_time()
            catalogue = Catalogue(found, load().trainings.rating_weight).warm()
            made = time.process_time() - began
            figures: dict[str, Any] = {"trainings": len(found), "made_ms": round(made * 1e3, 1)}
            shown, looked_for = await pages(catalogue), search(catalogue)
    figures |= {"pages": shown, "search": looked_for, f"{MANY}": large()}
    slowest = min(page["times"] for name, page in shown.items() if name != "unfiltered")
    claims = [
        Claim("unfiltered page, times as fast as the ORM", shown["unfiltered"]["times"], 200),
        Claim("slowest filtered page, times as fast as the ORM", slowest, 30),
        Claim("search, times as fast as partial_ratio", looked_for["times"], 25),
        Claim("one slip: share among the first five", looked_for["ours_top_5"], looked_for["partial_ratio_top_5"]),
        Claim(f"filtered page of {MANY:,}, us", figures[f"{MANY}"]["filtered_page_us"], 1_000, at_least=False),
    ]
    close("catalogue", figures, claims)


if __name__ == "__main__":
    asyncio.run(main())
