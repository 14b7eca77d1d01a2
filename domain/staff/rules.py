"""What members of staff may do. Pure."""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from enum import StrEnum

import msgspec

from models.enums import Role

SESSION = timedelta(hours=12)  # a working day; then a code is asked for again
FRESH = timedelta(minutes=5)  # so long a code stands for money and draws
TRIES = 5
LOCKED = timedelta(minutes=15)
INVITE = timedelta(hours=24)
STEP_SECONDS = 30  # of a code (RFC 6238)


class Permission(StrEnum):
    """A part of the work."""

    FIGURES = "figures"
    REVIEW = "review"
    PEOPLE = "people"  # look somebody up, correct their data
    TALK = "talk"  # answer people who ask for a person
    ASSIST = "assist"  # register somebody who has no phone
    BROADCAST = "broadcast"
    WAVES = "waves"
    IMPORT = "import"  # lists of people, the catalogue
    PAYOUTS = "payouts"
    AUDIT = "audit"
    STAFF = "staff"


ROLES: Mapping[Role, frozenset[Permission]] = {
    Role.VIEWER: frozenset({Permission.FIGURES}),
    Role.REVIEWER: frozenset(
        {Permission.FIGURES, Permission.REVIEW, Permission.PEOPLE, Permission.TALK, Permission.ASSIST}
    ),
    Role.BROADCASTER: frozenset({Permission.FIGURES, Permission.BROADCAST}),
    Role.WAVE_MANAGER: frozenset({Permission.FIGURES, Permission.WAVES, Permission.IMPORT}),
    Role.FINANCE: frozenset({Permission.FIGURES, Permission.PAYOUTS}),
    Role.AUDITOR: frozenset({Permission.FIGURES, Permission.AUDIT}),
    Role.ADMIN: frozenset({Permission.FIGURES, Permission.AUDIT, Permission.STAFF}),
}
# What concerns the whole country: not for a member who works for some provinces only.
NATIONAL = frozenset({Permission.WAVES, Permission.IMPORT, Permission.PAYOUTS, Permission.AUDIT, Permission.STAFF})
# What needs a code of the last minutes, beside being signed in.
PROVEN = frozenset({Permission.WAVES, Permission.PAYOUTS, Permission.STAFF})


class Member(msgspec.Struct, frozen=True):
    """A member of staff in one of their chats, as of this moment.

    ``regions`` are province codes, none means all. ``signed_in``: their session has not ended. ``proven_at``: when
    they last typed a code.
    """

    id: int
    name: str
    roles: tuple[Role, ...]
    regions: tuple[str, ...]
    enrolled: bool
    signed_in: bool
    proven_at: datetime | None = None

    @property
    def permissions(self) -> frozenset[Permission]:
        """Everything the roles give, less what is not for one who works for some provinces."""
        return permissions_of(self.roles, self.regions)

    def proven(self, now: datetime) -> bool:
        """Whether a code was typed within the last minutes."""
        return self.proven_at is not None and now - self.proven_at < FRESH

    def covers(self, region_code: str) -> bool:
        """Whether a region (its code begins with the province's) is theirs."""
        return not self.regions or region_code[:2] in self.regions


def permissions_of(roles: Collection[Role], regions: Collection[str]) -> frozenset[Permission]:
    """What these roles give somebody who works for these provinces (none: all)."""
    given: frozenset[Permission] = frozenset().union(*(ROLES[role] for role in roles))
    return given - NATIONAL if regions else given


def name_of(typed: str) -> str:
    """Who a member of staff is, however they write it."""
    return " ".join(typed.split()).casefold()
