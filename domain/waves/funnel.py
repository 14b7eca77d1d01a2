"""How many people are how far: each figure is counted from the rows, at any moment."""

from collections.abc import Mapping

from tortoise.expressions import Subquery
from tortoise.functions import Count
from tortoise.queryset import QuerySet

from domain.waves.freeze import left_out
from domain.waves.rules import LIVE
from models.enums import Layer, LayerState, PlaceStatus
from models.person import Person
from models.verification import LayerOutcome
from models.wave import Entry, Place, PlaceEvent, Wave


async def funnel(wave: Wave) -> list[tuple[int, str, int]]:
    """Stages in their order: depth (a part of the stage above is deeper), name and number of people."""
    stages = [(0, "registered", await Person.all().count())]
    passed = await _counted(LayerOutcome.filter(replaced_at=None, state=LayerState.PASSED), "layer")
    stages += [(1, f"{layer} passed", passed[layer]) for layer in Layer if layer in passed]
    return stages + await of_wave(wave)


async def of_wave(wave: Wave) -> list[tuple[int, str, int]]:
    """The stages that concern this wave only: as many rows as it has."""
    joined = Entry.filter(wave_id=wave.id)
    stages = [(0, "joined", await joined.count())]
    stages.append((1, "carried over", await joined.filter(carried=True).count()))
    reasons = await left_out(wave.id)
    if wave.frozen_at is not None:
        stages.append((0, "left out", sum(reasons.values())))
        stages += [(1, reason, number) for reason, number in sorted(reasons.items(), key=lambda item: -item[1])]
        stages.append((0, "in the draw", await joined.filter(reason="").count()))
    if wave.drawn_at is not None:
        stages += await _places(wave)
    return stages


async def _places(wave: Wave) -> list[tuple[int, str, int]]:
    places = Place.filter(wave_id=wave.id)
    standing = await _counted(places, "status")
    ever = await _ever(wave)
    return [
        (0, "selected", await places.count()),
        (1, "drawn", await places.filter(reserve=False).count()),
        (1, "replaced from the reserve", await places.filter(reserve=True).count()),
        (0, "notified", ever.get(PlaceStatus.NOTIFIED, 0)),
        (0, "accepted", standing.get(PlaceStatus.ACCEPTED, 0)),
        (0, "lapsed", standing.get(PlaceStatus.LAPSED, 0)),
        (0, "places held", sum(standing.get(status, 0) for status in LIVE)),
        (0, "quota", wave.quota),
    ]


async def _ever(wave: Wave) -> Mapping[str, int]:
    """How many places have ever had each status."""
    ids = Place.filter(wave_id=wave.id).values("id")
    return await _counted(PlaceEvent.filter(place_id__in=Subquery(ids)), "status")


async def _counted(rows: QuerySet, column: str) -> dict[str, int]:  # type: ignore[type-arg]
    found = await rows.annotate(count=Count("id")).group_by(column).values_list(column, "count")
    return {str(name): int(str(count)) for name, count in found}
