"""What looks like an attack: counted a day, shown to admins and auditors, and told to those who are signed in."""

from datetime import datetime
from enum import StrEnum

from tortoise import connections

from domain.clock import day_of
from models.dialect import Tables
from models.privacy import Alarm

FEW = 20  # so many forged requests or floods a day are noise; more are told


class AlarmKind(StrEnum):
    """What is seen."""

    MANY_NIKS = "many_niks"  # one chat sends many identity numbers
    NIK_SERIES = "nik_series"  # numbers one after the other: of one district and day of birth
    CODES = "codes"  # wrong codes to one number, from whatever chats
    FORGED = "forged"  # signatures, tokens or keys that do not fit
    FLOOD = "flood"  # faster than people write
    NEW_CHATS = "new_chats"  # one address begins chat after chat


AT_ONCE = frozenset({AlarmKind.MANY_NIKS, AlarmKind.NIK_SERIES, AlarmKind.CODES})


async def raise_alarm(kind: AlarmKind, subject: str, now: datetime, count: int = 1) -> None:
    """Note that something was seen; the same on a day is one row. ``subject`` says nothing about a person."""
    db = connections.get("default")
    tables = Tables(db)
    mark = "$" if db.capabilities.dialect == "postgres" else "?"
    day = day_of(now) if mark == "$" else day_of(now).isoformat()
    await db.execute_query(
        f"INSERT INTO alarm (kind, subject, day, count, first_at, last_at) VALUES ({mark}1, {mark}2, {mark}3, {mark}4, "  # noqa: S608
        f"{mark}5, {mark}5) ON CONFLICT (kind, subject, day) DO UPDATE SET count = alarm.count + excluded.count, "
        "last_at = excluded.last_at",
        [kind.value, subject[:64], day, count, tables.moment(now)],
    )


async def untold() -> list[Alarm]:
    """Alarms that staff should hear of and have not."""
    rows = await Alarm.filter(told_at__isnull=True).order_by("id").limit(50)
    return [row for row in rows if row.kind in AT_ONCE or row.count >= FEW]


async def told(rows: list[Alarm], now: datetime) -> None:
    """Somebody has heard of them."""
    await Alarm.filter(id__in=[row.id for row in rows]).update(told_at=now)


async def latest(limit: int = 10) -> list[Alarm]:
    """The last ones, newest first."""
    return await Alarm.all().order_by("-day", "-last_at").limit(limit)
