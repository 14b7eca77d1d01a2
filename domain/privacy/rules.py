"""What the law on personal data (UU PDP 27/2022) gives people, as rules. Pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from models.enums import RequestStatus

CLOCK = timedelta(hours=72)  # 3 x 24 hours: art. 30, 31, 32, 40
CALL_OFF = timedelta(hours=24)  # a deletion can't be undone, and the phone may be in somebody else's hand
LINK_GOOD_FOR = timedelta(hours=24)
LINK_TRIES = 3  # wrong birth dates, then the link is void
LINK_TAKES = 5
NOTICE_VERSION = "3"
SOON = timedelta(hours=24)  # before its end a request is shown to staff as urgent


class Hold(StrEnum):
    """What a member of staff has to see to before somebody can be deleted (art. 33: legal obligations)."""

    TRAINING = "training"  # one that was bought and whose code was not used
    MONEY = "money"  # something is to be paid or collected, or on its way
    REVIEW = "review"  # something that looks like one person with several identities


def next_status(holds: Sequence[Hold]) -> RequestStatus:
    """Who carries a deletion out: the system, or staff where something holds it up."""
    return RequestStatus.CASE if holds else RequestStatus.OPEN


def hours_left(due_at: datetime, now: datetime) -> int:
    """Whole hours until a request has to be answered; below 0 it is late."""
    return int((due_at - now).total_seconds() // 3600)
