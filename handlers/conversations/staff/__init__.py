"""Conversations of staff: every area is a line here, with the words that lead to it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from tortoise.backends.base.client import BaseDBAsyncClient

from domain.programme import Programme
from domain.staff.rules import Permission
from handlers.conversation import Flow, Outcome, Say, Step, Turn, to
from handlers.conversations.staff import broadcasts, colleagues, door, figures, home, log, news


@dataclass(frozen=True)
class Area:
    """A part of the work: what it needs, the words for it, and its first screen."""

    permission: Permission
    words: str
    come_in: Callable[[Turn], Outcome]


AREAS: dict[str, Area] = {
    "figures": Area(Permission.FIGURES, "angka figures", figures.come_in),
    "broadcasts": Area(Permission.BROADCAST, "siaran broadcast", broadcasts.come_in),
    "colleagues": Area(Permission.STAFF, "petugas staff", colleagues.come_in),
    "log": Area(Permission.AUDIT, "audit catatan", log.come_in),
}

FLOW = Flow(
    "staff",
    (
        Step("staff.door", door.ask_stranger, home.take),
        Step("staff.code", door.ask_code, door.take_code, needs="staff.code_unreadable"),
        Step("staff.home", home.ask, home.take, needs="staff.choose"),
        *figures.STEPS,
        *broadcasts.STEPS,
        *colleagues.STEPS,
        *log.STEPS,
    ),
    to("staff.home"),
    news.outcome,
    door.gate,
)

_LIVE: dict[str, Callable[[BaseDBAsyncClient, Programme, int, datetime], Awaitable[Say]]] = {"broadcast": broadcasts.card}


async def live(db: BaseDBAsyncClient, programme: Programme, name: str, now: datetime) -> Say | None:
    """A message that changes, as it reads now: ``name`` is its kind and number ("broadcast:5")."""
    kind, _, number = name.partition(":")
    draw = _LIVE.get(kind)
    return await draw(db, programme, int(number), now) if draw else None
