"""Time. Rules get it passed in; this is where it comes from. All deadlines are told in WIB (Asia/Jakarta)."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

WIB = ZoneInfo("Asia/Jakarta")


def now() -> datetime:
    """The present, in UTC with its zone."""
    return datetime.now(UTC)
