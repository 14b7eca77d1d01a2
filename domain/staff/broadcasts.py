"""Broadcasts: written, frozen, approved by a second member of staff, released portion by portion, followed to the end.

Verbs load, ask the rules and save; those of the worker do a portion in a transaction of its own. Every recipient has
one row, and one notice of this broadcast: nothing that is done twice reaches anybody twice.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.expressions import F

from domain.audit import SYSTEM, record
from domain.clock import WIB, day_of
from domain.errors import DomainError
from domain.notices.rules import KINDS, sms_time
from domain.staff.rules import Member
from domain.staff.segments import Segment, check_text, conditions, filled, is_empty
from models import trace
from models.broadcast import Broadcast
from models.broadcasts import BroadcastTables
from models.database import writing
from models.enums import BroadcastStatus, RecipientStatus
from models.staff import StaffChat

WINDOW = 5_000  # people that are looked at a transaction while recipients are frozen
PORTION = 500
MOST_OUT = 1_000  # released and not sent yet: a pause takes effect at once, whatever was frozen
DIGESTED = 10_000
KIND, KIND_SMS = "broadcast", "broadcast_sms"
FOLLOWS: Mapping[BroadcastStatus, frozenset[BroadcastStatus]] = {
    BroadcastStatus.DRAFT: frozenset({BroadcastStatus.FREEZING, BroadcastStatus.CANCELLED}),
    BroadcastStatus.FREEZING: frozenset({BroadcastStatus.READY, BroadcastStatus.CANCELLED}),
    BroadcastStatus.READY: frozenset({BroadcastStatus.SUBMITTED, BroadcastStatus.CANCELLED}),
    BroadcastStatus.SUBMITTED: frozenset({BroadcastStatus.APPROVED, BroadcastStatus.CANCELLED}),
    BroadcastStatus.APPROVED: frozenset({BroadcastStatus.RUNNING, BroadcastStatus.CANCELLED}),
    BroadcastStatus.RUNNING: frozenset({BroadcastStatus.PAUSED, BroadcastStatus.CANCELLED, BroadcastStatus.DONE}),
    BroadcastStatus.PAUSED: frozenset({BroadcastStatus.RUNNING, BroadcastStatus.CANCELLED}),
    BroadcastStatus.CANCELLED: frozenset(),
    BroadcastStatus.DONE: frozenset(),
}


async def numbered(number: int, member: Member | None = None) -> Broadcast:
    """A broadcast that this member may see; refused with staff.no_broadcast."""
    row = await Broadcast.get_or_none(id=number)
    if row is None or (member is not None and not await _may_see(row, member)):
        raise DomainError("staff.no_broadcast")
    return row


async def _may_see(row: Broadcast, member: Member) -> bool:
    """One who works for some provinces sees what is within them."""
    return not member.regions or set(regions_of(row)) <= set(member.regions) != set()


def segment_of(row: Broadcast) -> Segment:
    """Whom it is for."""
    return msgspec.json.decode(row.segment, type=Segment)


def texts_of(row: Broadcast) -> dict[str, str]:
    """What it says, by language."""
    return msgspec.json.decode(row.texts, type=dict[str, str])


def regions_of(row: Broadcast) -> list[str]:
    """The provinces that its preparer was limited to when it was written."""
    return [code[:2] for code in segment_of(row).regions]


async def write(member: Member, segment: Segment, texts: Mapping[str, str], *, sms: bool, now: datetime) -> Broadcast:
    """A new broadcast, whose recipients are looked up from now on. Refused where nothing narrows the segment
    (staff.segment_everybody), it leaves the member's provinces (staff.other_region), or a text can't be sent.
    """
    if is_empty(segment):
        raise DomainError("staff.segment_everybody")
    if member.regions and not (segment.regions and all(member.covers(code) for code in segment.regions)):
        raise DomainError("staff.other_region")
    if "id" not in texts:
        raise DomainError("staff.text_empty")
    for text in texts.values():
        check_text(text, sms=sms)
    row = await Broadcast.create(
        status=BroadcastStatus.FREEZING,
        segment=msgspec.json.encode(segment).decode(),
        texts=msgspec.json.encode(dict(texts), order="sorted").decode(),
        sms=sms,
        prepared_by=member.name,
        prepared_at=now,
    )
    await record(member.name, "broadcast.written", f"broadcast:{row.id}", now=now, after=[row.segment, row.texts, sms])
    return row


async def move(row: Broadcast, status: BroadcastStatus, by: str, now: datetime, words: str = "") -> None:
    """Bring it on; refused with staff.broadcast_order where that does not come next, or somebody was quicker."""
    before = BroadcastStatus(row.status)
    if status not in FOLLOWS[before] or not await Broadcast.filter(id=row.id, status=before).update(status=status):
        raise DomainError("staff.broadcast_order", status_label=f"staff.broadcast_{(await numbered(row.id)).status}")
    row.status = status
    await record(
        by, f"broadcast.{status.value}", f"broadcast:{row.id}", now=now, before=before, after=status, words=words
    )


# --- freezing


async def freeze_some(db: BaseDBAsyncClient, row: Broadcast, now: datetime) -> bool:
    """Look at the next people and add those it is for; False when everybody was looked at, and it is ready.

    Looking again after a crash adds who is missing: a recipient is unique.
    """
    tables = BroadcastTables(db)
    own, more = conditions(segment_of(row), texts_of(row), (), tables.moment, row.prepared_at)
    if row.frozen_to < await tables.last_person(db):
        async with writing() as connection:
            until = row.frozen_to + WINDOW
            # Whoever moves the mark has this window to themselves: another process finds it moved.
            mine = Broadcast.filter(id=row.id, status=BroadcastStatus.FREEZING, frozen_to=row.frozen_to)
            if not await mine.update(frozen_to=until):
                return await _again(row)
            added = await tables.freeze(connection, row.id, [*own, *more], row.frozen_to, until)
            meant = await tables.matching(connection, own, row.frozen_to, until) if more else added
            await Broadcast.filter(id=row.id).update(count=F("count") + added, left_out=F("left_out") + (meant - added))
        return await _again(row)
    digest, everybody = await digest_of(db, row), await tables.everybody(db)
    shares = await tables.shares(db, row.id)
    async with writing():
        if not await Broadcast.filter(id=row.id, status=BroadcastStatus.FREEZING).update(
            digest=digest, shares=msgspec.json.encode(shares).decode()
        ):
            return False
        meant = row.count + row.left_out
        fault = "nobody" if not row.count else "everybody" if meant >= everybody > 1 else ""
        if fault:
            await move(row, BroadcastStatus.CANCELLED, row.prepared_by, now, f"segment means {fault}")
        else:
            await move(row, BroadcastStatus.READY, row.prepared_by, now, f"{row.count} recipients, {digest.hex()}")
    return False


async def _again(row: Broadcast) -> bool:
    """Read anew how far it is; whether its recipients are still being looked up."""
    await row.refresh_from_db()
    return bool(row.status == BroadcastStatus.FREEZING)


def shares_of(row: Broadcast) -> list[tuple[str, str, int]]:
    """Recipients by the channel they used last and their language."""
    return msgspec.json.decode(row.shares, type=list[tuple[str, str, int]])


async def digest_of(db: BaseDBAsyncClient, row: Broadcast) -> bytes:
    """SHA-256 of what is said to whom."""
    tables, after = BroadcastTables(db), 0
    digest = hashlib.sha256(f"{row.segment}\0{row.texts}\0{row.sms}".encode())
    while rows := await tables.frozen(db, row.id, after, DIGESTED):
        digest.update(",".join(str(person) for _, person in rows).encode() + b",")
        after = rows[-1][0]
    return digest.digest()


async def to_freeze() -> list[Broadcast]:
    """Those whose recipients are being looked up."""
    return await Broadcast.filter(status=BroadcastStatus.FREEZING).order_by("id")


# --- approving and running


async def approve(row: Broadcast, member: Member, now: datetime) -> None:
    """A second member of staff lets it be sent. Refused with staff.same_staff or staff.broadcast_order."""
    if member.name == row.prepared_by:
        raise DomainError("staff.same_staff")
    await move(row, BroadcastStatus.APPROVED, member.name, now, bytes(row.digest or b"").hex())
    await Broadcast.filter(id=row.id).update(approved_by=member.name)


async def start(row: Broadcast, member: Member, at: datetime, spread: timedelta, now: datetime) -> None:
    """Send an approved one from a moment on, spread over so long."""
    await move(row, BroadcastStatus.RUNNING, member.name, now, f"from {at.isoformat()} over {spread}")
    begun = trace.current()
    await Broadcast.filter(id=row.id).update(starts_at=max(at, now), spread=int(spread.total_seconds()), trace=begun)


async def pause(db: BaseDBAsyncClient, row: Broadcast, member: Member, now: datetime) -> None:
    """Send nothing more for now: what is at a platform already still arrives."""
    await move(row, BroadcastStatus.PAUSED, member.name, now)
    await BroadcastTables(db).hold(db, row.id)


async def resume(db: BaseDBAsyncClient, row: Broadcast, member: Member, now: datetime, hours: tuple[int, int]) -> None:
    """Go on with a paused one; at night in the morning, and however long it rested."""
    await move(row, BroadcastStatus.RUNNING, member.name, now)
    due = sms_time(now, hours)
    await BroadcastTables(db).go_on(db, row.id, due, due + timedelta(days=KINDS[kind_of(row)].days))


async def cancel(db: BaseDBAsyncClient, row: Broadcast, member: Member, now: datetime) -> None:
    """Send nothing more, ever."""
    await move(row, BroadcastStatus.CANCELLED, member.name, now)
    await Broadcast.filter(id=row.id).update(ended_at=now)
    await BroadcastTables(db).drop(db, row.id)


def kind_of(row: Broadcast) -> str:
    """The kind of its notices: whether an SMS is worth it."""
    return KIND_SMS if row.sms else KIND


async def running() -> list[Broadcast]:
    """Those that are being sent."""
    return await Broadcast.filter(status=BroadcastStatus.RUNNING).order_by("id")


def allowed(row: Broadcast, now: datetime, hours: tuple[int, int]) -> int:
    """How many may have been released by now: none before its time and at night, a part while it is spread out."""
    if row.starts_at is None or now < row.starts_at or not hours[0] <= now.astimezone(WIB).hour < hours[1]:
        return 0
    if not row.spread:
        return row.count
    return min(row.count, 1 + int(row.count * (now - row.starts_at).total_seconds() / row.spread))


async def release_some(db: BaseDBAsyncClient, row: Broadcast, now: datetime, hours: tuple[int, int]) -> int:
    """Let the next recipients be told, as many as may by now; gives how many. Ends one that everybody was told of."""
    tables = BroadcastTables(db)
    async with writing() as connection:
        # The update is the lock: a pause comes before or after a portion, never in between.
        if not await Broadcast.filter(id=row.id, status=BroadcastStatus.RUNNING).update(status=BroadcastStatus.RUNNING):
            return 0
        await tables.follow(connection, row.id)
        now_released = (await Broadcast.get(id=row.id)).released
        waiting, (out, queued) = row.count - now_released, await tables.under_way(connection, row.id, now)
        if not waiting and not out:
            await Broadcast.filter(id=row.id).update(ended_at=now)
            await move(row, BroadcastStatus.DONE, SYSTEM, now)
            return 0
        may = min(allowed(row, now, hours) - now_released, MOST_OUT - queued, PORTION)
        if may <= 0 or not waiting:
            return 0
        await Broadcast.filter(id=row.id, started_at__isnull=True).update(started_at=now)
        kind = kind_of(row)
        until = now + timedelta(days=KINDS[kind].days)
        some = await tables.let_go(connection, row.id, kind, KINDS[kind].priority, now, until, may)
        await Broadcast.filter(id=row.id).update(released=now_released + some)
        return some


@dataclass(frozen=True)
class Progress:
    """How far it is: recipients by status, how many a second lately, and seconds left (None: unknown)."""

    standing: Mapping[str, int]
    done: int
    rate: float
    left: float | None


async def progress(db: BaseDBAsyncClient, row: Broadcast, now: datetime) -> Progress:
    """Counted from the rows."""
    standing = await BroadcastTables(db).standing(db, row.id)
    done = row.count - standing.get(RecipientStatus.FROZEN, 0) - standing.get(RecipientStatus.RELEASED, 0)
    seconds = ((row.ended_at or now) - row.started_at).total_seconds() if row.started_at else 0.0
    rate = done / seconds if seconds > 0 else 0.0
    left = (row.count - done) / rate if rate and row.status == BroadcastStatus.RUNNING else None
    return Progress(standing, done, rate, left)


# --- what recipients read


async def texts_for(
    db: BaseDBAsyncClient, notices: Sequence[tuple[int, int, str]], known: dict[int, dict[str, str]]
) -> list[str]:
    """What each of these (broadcast, person, language) reads, in their order. ``known`` keeps the texts meanwhile."""
    people = await BroadcastTables(db).about(db, sorted({person for _, person, _ in notices}))
    found = []
    for number, person, language in notices:
        if number not in known:
            known[number] = texts_of(await numbered(number))
        texts = known[number]
        name, ticket, due_at = people[person]
        due = due_at if not isinstance(due_at, str) else datetime.fromisoformat(due_at)
        until = f"{day_of(due - timedelta(seconds=1)):%d-%m-%Y}" if due is not None else ""
        values = {"nama": name.split()[0].title(), "tiket": ticket, "tenggat": until}
        found.append(filled(texts.get(language) or texts["id"], values))
    return found


async def waiting_for_second(member: Member) -> list[Broadcast]:
    """Those that this member may approve."""
    rows = await Broadcast.filter(status=BroadcastStatus.SUBMITTED).order_by("id")
    return [row for row in rows if row.prepared_by != member.name and await _may_see(row, member)]


async def latest(member: Member, limit: int = 6) -> list[Broadcast]:
    """The last ones, newest first."""
    rows = await Broadcast.all().order_by("-id").limit(50)
    return [row for row in rows if await _may_see(row, member)][:limit]


async def preparers_chat(row: Broadcast) -> int | None:
    """The conversation of whoever prepared it; None where they are gone."""
    chats = StaffChat.filter(member__name=row.prepared_by, member__revoked_at__isnull=True)
    chat = await chats.order_by("-entered_at").first()
    return chat.conversation_id if chat else None
