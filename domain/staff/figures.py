"""The programme in figures: counted in the background, kept as one row, read in no time however many people there are.

Counting goes through everybody in portions (models.figures); what staff see says when it was counted.
"""

import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta

import msgspec
from tortoise.backends.base.client import BaseDBAsyncClient

from domain.clock import day_of
from models.figures import STAGES, FigureTables
from models.staff import Figures

PORTION = 20_000  # people a statement
EVERY = timedelta(minutes=10)
SHARE = 10  # counting takes at most every tenth second
KEPT = timedelta(days=2)  # of every count; older ones are thinned to one a day
FUNNEL = ("started", "registered", *STAGES)
FOCUS = ("registered", *STAGES)


class Counted(msgspec.Struct):
    """One count. Names of stages, reasons and so on stand for numbers of people, unless said otherwise.

    ``steps``: where those stand who have begun and not registered. ``places``: by province, channel and focus (1: laid
    off or furloughed and on no aid list), the stages. ``payouts``: by kind and status, number and rupiah.
    ``notices``: by channel and status. ``providers``: name, reviews, sum of stars.
    """

    places: list[tuple[str, str, int, dict[str, int]]] = []
    steps: dict[str, int] = {}
    reasons: dict[str, int] = {}
    payouts: list[tuple[str, str, int, int]] = []
    notices: list[tuple[str, str, int]] = []
    providers: list[tuple[str, int, int]] = []

    def stages(self, provinces: Collection[str] = (), *, focus: bool = False) -> dict[str, int]:
        """The funnel, of some provinces or all; ``focus``: of the group that the programme was begun for only."""
        found: Counter[str] = Counter()
        for province, _, is_focus, stages in self.places:
            if (not provinces or province in provinces) and (is_focus or not focus):
                found.update(stages)
        if not provinces and not focus:
            found["started"] = found["registered"] + sum(self.steps.values())
        return {name: found[name] for name in FUNNEL if name in found or name != "started"}

    def by(self, column: int, provinces: Collection[str] = ()) -> dict[str, dict[str, int]]:
        """The stages by province (column 0) or by channel (1)."""
        found: dict[str, Counter[str]] = {}
        for row in self.places:
            if not provinces or row[0] in provinces:
                found.setdefault(str(row[column]), Counter()).update(row[3])
        return {name: dict(stages) for name, stages in found.items()}


async def count(
    db: BaseDBAsyncClient, now: Callable[[], datetime], progress: Callable[[int], object] = lambda _: None
) -> Figures:
    """Count everything and keep it; ``progress`` hears of people that were looked at."""
    tables, began = FigureTables(db), time.monotonic()
    places: dict[tuple[str, str, int], Counter[str]] = {}
    reasons: Counter[str] = Counter()
    last = await tables.last_person(db)
    for after in range(0, last, PORTION):
        for row in await tables.people(db, after, after + PORTION):
            key = str(row["province"]), str(row["channel"] or ""), int(row["focus"])
            places.setdefault(key, Counter()).update({name: int(row[name]) for name in FOCUS})
        for row in await tables.reasons(db, after, after + PORTION):
            reasons[f"{row['layer']}:{row['state']}:{row['reason']}"] += int(row["number"])
        progress(min(PORTION, last - after))
    counted = Counted(
        places=[(*key, dict(stages)) for key, stages in sorted(places.items())],
        steps={row["step"]: int(row["number"]) for row in await tables.steps(db)},
        reasons=dict(reasons.most_common()),
        payouts=[(r["kind"], r["status"], int(r["number"]), int(r["amount"])) for r in await tables.payouts(db)],
        notices=[(r["channel"], r["status"], int(r["number"])) for r in await tables.notices(db)],
        providers=[(r["name"], int(r["reviews"]), int(r["stars"])) for r in await tables.providers(db)],
    )
    moment = now()
    kept = await Figures.create(
        taken_at=moment, seconds=time.monotonic() - began, body=msgspec.json.encode(counted).decode()
    )
    await _thin(moment)
    return kept


async def _thin(now: datetime) -> None:
    """Of counts older than two days the last of each day is enough."""
    old = await Figures.filter(taken_at__lt=now - KEPT).order_by("taken_at").only("id", "taken_at")
    last = {day_of(row.taken_at): row.id for row in old}
    extra = [row.id for row in old if row.id != last[day_of(row.taken_at)]]
    if extra:
        await Figures.filter(id__in=extra).delete()


async def latest() -> Figures | None:
    """The last count."""
    return await Figures.all().order_by("-taken_at").first()


async def numbered(number: int) -> Figures | None:
    """One count."""
    return await Figures.get_or_none(id=number)


async def before(moment: datetime) -> Figures | None:
    """The last count that was over by then."""
    return await Figures.filter(taken_at__lte=moment).order_by("-taken_at").first()


def opened(row: Figures) -> Counted:
    """What a row says."""
    return msgspec.json.decode(row.body, type=Counted)


def pause(row: Figures | None) -> timedelta:
    """How long to wait after a count."""
    return max(EVERY, timedelta(seconds=SHARE * row.seconds)) if row else timedelta(0)


def change(current: Mapping[str, int], earlier: Mapping[str, int]) -> dict[str, int]:
    """How many more there are of each."""
    return {name: number - earlier.get(name, 0) for name, number in current.items()}
