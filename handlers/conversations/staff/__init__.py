"""Conversations of staff: every area is a line here, with the words that lead to it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from tortoise.backends.base.client import BaseDBAsyncClient

from domain.programme import Programme
from domain.staff.rules import Permission
from handlers.conversation import Flow, Outcome, Say, Step, Turn, to
from handlers.conversations.staff import (
    broadcasts,
    colleagues,
    door,
    figures,
    home,
    imports,
    log,
    news,
    payouts,
    people,
    review,
    rights,
    talks,
    waves,
)


@dataclass(frozen=True)
class Area:
    """A part of the work: what it needs, the words for it, and its first screen."""

    permission: Permission
    words: str
    come_in: Callable[[Turn], Outcome]


AREAS: dict[str, Area] = {
    "figures": Area(Permission.FIGURES, "angka figures", figures.come_in),
    "review": Area(Permission.REVIEW, "periksa review kasus", review.come_in),
    "talks": Area(Permission.TALK, "pertanyaan talks bantuan", talks.come_in),
    "rights": Area(Permission.PEOPLE, "hak rights", rights.come_in),
    "broadcasts": Area(Permission.BROADCAST, "siaran broadcast", broadcasts.come_in),
    "people": Area(Permission.PEOPLE, "cari find", people.come_in),
    "assisted": Area(Permission.ASSIST, "daftarkan register", people.come_in_assisted),
    "waves": Area(Permission.WAVES, "gelombang waves undian", waves.come_in),
    "imports": Area(Permission.IMPORT, "impor import", imports.come_in),
    "payouts": Area(Permission.PAYOUTS, "pembayaran payouts", payouts.come_in),
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
        *review.STEPS,
        *talks.STEPS,
        *broadcasts.STEPS,
        *people.STEPS,
        *rights.STEPS,
        *waves.STEPS,
        *imports.STEPS,
        *payouts.STEPS,
        *colleagues.STEPS,
        *log.STEPS,
    ),
    to("staff.home"),
    news.outcome,
    door.gate,
)

_LIVE: dict[str, Callable[[BaseDBAsyncClient, Programme, int, datetime], Awaitable[Say]]] = {
    "broadcast": broadcasts.card,
    "payout": payouts.card,
}


async def live(db: BaseDBAsyncClient, programme: Programme, name: str, now: datetime) -> Say | None:
    """A message that changes, as it reads now: ``name`` is its kind and number ("broadcast:5")."""
    kind, _, number = name.partition(":")
    draw = _LIVE.get(kind)
    return await draw(db, programme, int(number), now) if draw else None
