"""Time. Rules get it passed in; this is where it comes from. All deadlines are told in WIB (Asia/Jakarta)."""

from datetime import UTC, date, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

WIB = ZoneInfo("Asia/Jakarta")


def now() -> datetime:
    """The present, in UTC with its zone."""
    return datetime.now(UTC)


@lru_cache(64)  # all turns of a group have one moment
def day_of(moment: datetime) -> date:
    """The day of a moment by the programme's clock."""
    return moment.astimezone(WIB).date()


def in_wib(moment: datetime) -> str:
    """A moment for staff, such as "2026-11-24 12:00 WIB"."""
    return f"{moment.astimezone(WIB):%Y-%m-%d %H:%M} WIB"
