"""The log of what staff did: append-only, each entry chained to the one before by its hash.

Every area records what its verbs let staff do, in the transaction that does it: an act without an entry, or an entry
without an act, can't be.
"""

import hashlib
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import msgspec
from tortoise import connections
from tortoise.backends.base.client import TransactionalDBClient
from tortoise.exceptions import IntegrityError
from tortoise.transactions import in_transaction

from domain.clock import day_of
from models import crypto
from models.crypto import KeyringError
from models.database import writing
from models.staff import AuditEntry, AuditHead

START = bytes(32)
SYSTEM = "schedule"  # what dates bring about: no member of staff
PORTION = 5_000
_LOCK = 0x617564  # of all writers on PostgreSQL: the chain has one end


def digest(state: object) -> bytes:
    """A keyed digest of something that staff changed: equal ones are equal, nobody can guess what it was."""
    return crypto.ring().index("audit", msgspec.json.encode(state, order="deterministic").decode())


def hash_of(entry: AuditEntry) -> bytes:
    """SHA-256 over an entry and the hash of the one before, in the form that an export has (docs/audit.md)."""
    return hashlib.sha256(json.dumps(columns(entry), separators=(",", ":"), ensure_ascii=True).encode()).digest()


def columns(entry: AuditEntry) -> list[Any]:
    """What is hashed, in its order: number, moment (UTC), who, action, subject, digests before and after, SHA-256 of
    the words, hash of the entry before; bytes in hexadecimal.
    """
    before, after = entry.before, entry.after
    return [
        entry.number,
        entry.at.astimezone(UTC).isoformat(timespec="microseconds"),
        entry.by,
        entry.action,
        entry.subject,
        bytes(before).hex() if before is not None else "",
        bytes(after).hex() if after is not None else "",
        hashlib.sha256(entry.words.encode()).hexdigest(),
        bytes(entry.previous).hex(),
    ]


async def record(
    by: str,
    action: str,
    subject: str = "",
    *,
    now: datetime,
    before: object = None,
    after: object = None,
    words: str = "",
) -> None:
    """Add an entry, in the transaction of what it tells about; nothing for what dates bring about by themselves.

    On SQLite that transaction must have written already (models.database.writing). Outside of any, the entry has one of
    its own: two that come together follow each other.
    """
    if by == SYSTEM:
        return
    said = {
        "by": by[:64],
        "action": action,
        "subject": subject[:80],
        "at": now,
        "words": words[:500],
        "before": None if before is None else digest(before),
        "after": None if after is None else digest(after),
    }
    if isinstance(connections.get("default"), TransactionalDBClient):
        await _chain(said)
        return
    async with writing():
        await _chain(said)


async def _chain(said: Mapping[str, Any]) -> None:
    """Put an entry at the end of the log."""
    db = connections.get("default")
    if db.capabilities.dialect == "postgres":
        await db.execute_query(f"SELECT pg_advisory_xact_lock({_LOCK})")
    last = await AuditEntry.all().order_by("-number").only("number", "hash").first()
    number, previous = (last.number + 1, bytes(last.hash)) if last else (1, START)
    entry = AuditEntry(number=number, previous=previous, **said)
    entry.hash = hash_of(entry)
    await entry.save(force_create=True)


@dataclass(frozen=True)
class Problem:
    """Something that is wrong with the log: of which kind, and at which entry (or entries)."""

    kind: str
    entry: str


@dataclass(frozen=True)
class Verified:
    """How far the log is good: entries looked at, the last hash, and what is wrong (nothing: it is good)."""

    entries: int
    head: bytes
    problems: list[Problem]


async def entries() -> AsyncIterator[AuditEntry]:
    """The whole log in its order."""
    after = -(2**62)
    while rows := await AuditEntry.filter(number__gt=after).order_by("number").limit(PORTION):
        after = rows[-1].number
        for row in rows:
            yield row


async def verify(known: Mapping[int, bytes] | None = None) -> Verified:
    """Look through the whole chain. ``known``: hashes by number that somebody kept, beside those published here."""
    heads = [(head.number, bytes(head.hash)) for head in await AuditHead.all().order_by("number")]
    heads += list((known or {}).items())
    published: dict[int, set[bytes]] = {}
    for number, kept in heads:
        published.setdefault(number, set()).add(kept)
    problems: list[Problem] = []
    count, previous, expected = 0, START, 1
    try:
        async for entry in entries():
            problems += _wrong(entry, expected, previous)
            if published.pop(entry.number, {bytes(entry.hash)}) != {bytes(entry.hash)}:
                problems.append(Problem("not_as_published", str(entry.number)))
            count, previous, expected = count + 1, bytes(entry.hash), entry.number + 1
    except KeyringError:
        problems.append(Problem("sealed", str(expected)))
    problems += [Problem("cut", str(number)) for number in sorted(published)]
    return Verified(count, previous, problems)


def _wrong(entry: AuditEntry, expected: int, previous: bytes) -> list[Problem]:
    found = []
    if entry.number != expected:
        last = entry.number - 1
        found.append(Problem("missing", f"{expected}-{last}" if last > expected else str(expected)))
    elif bytes(entry.previous) != previous:
        found.append(Problem("out_of_order", str(entry.number)))
    if hash_of(entry) != bytes(entry.hash):
        found.append(Problem("changed", str(entry.number)))
    return found


async def publish_head(now: datetime) -> AuditHead | None:
    """Fix the end of the log once a day; gives the new head, None where today has one or the log is empty."""
    today = day_of(now)
    if await AuditHead.filter(day=today).exists():
        return None
    last = await AuditEntry.all().order_by("-number").first()
    if last is None:
        return None
    try:
        async with in_transaction():
            return await AuditHead.create(day=today, number=last.number, hash=last.hash, published_at=now)
    except IntegrityError:  # another process was quicker
        return None


async def heads() -> list[tuple[date, int, str]]:
    """What was published, newest first: day, number of the last entry, its hash in hexadecimal."""
    return [(head.day, head.number, bytes(head.hash).hex()) for head in await AuditHead.all().order_by("-day")]
