"""Announcing news and finding the next rung for it. Verbs load, ask the rules and save; they never commit."""

import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from tortoise import connections
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.functions import Count
from tortoise.transactions import in_transaction

from domain.letters import CODE_LETTERS
from domain.notices.rules import KINDS, SMS_HOURS, Chat, NoRung, Params, Reach, next_rung, sms_time, soft_name
from models import crypto
from models.conversation import Conversation
from models.enums import Channel, NoticeStatus
from models.message import Outbox
from models.notice import Notice
from models.notices import NoticeRow, NoticeTables, RoutedRow, TalkRow

CHUNK = 10_000  # people a transaction: none lasts over 200 ms
CODE_LENGTH = 6
RECENT = 100


async def announce(
    db: BaseDBAsyncClient,
    kind: str,
    subject_id: int | Sequence[int],
    person_ids: Sequence[int],
    now: datetime,
    *,
    params: Params | None = None,
    due_at: datetime | None = None,
) -> int:
    """Let these people be told, each once for this kind and subject (a wave, a payment); gives how many are new.
    ``subject_id``: one for all of them, or one for each.

    In transactions of its own where there are many people: announcing again after a crash adds who is missing.
    """
    rules, due = KINDS[kind], due_at or now
    if set(params or {}) != set(rules.params):
        raise ValueError(f"notice {kind} takes {', '.join(rules.params) or 'no parameters'}")
    expires = due + timedelta(days=rules.days)
    tables, new = NoticeTables(db), 0
    for start in range(0, len(person_ids), CHUNK):
        async with in_transaction() as connection:
            people = person_ids[start : start + CHUNK]
            subject = subject_id if isinstance(subject_id, int) else subject_id[start : start + CHUNK]
            new += await tables.create(
                connection, kind, subject, people, params or {}, rules.priority, due, expires, now
            )
    return new


async def route(
    db: BaseDBAsyncClient,
    templates: Mapping[str, frozenset[str]],
    now: datetime,
    sms_hours: tuple[int, int] = SMS_HOURS,
    channels: frozenset[Channel] = frozenset(Channel),
    limit: int = 1_000,
) -> int:
    """Put notices on the next rung of their ladder, or give them up with the reason; gives how many were looked at.

    ``templates``: kinds with an approved WhatsApp template, by language. ``channels``: those that can be sent on now.
    """
    tables = NoticeTables(db)
    rows = await tables.unrouted(db, now, limit)
    expired = set(await tables.expired(db, [row.id for row in rows], now))
    talks = await tables.talks(db, [row.person_id for row in rows])
    routed = []
    for row in rows:
        if row.id in expired:
            routed.append(RoutedRow(row.id, NoticeStatus.EXPIRED, now, reason="too old"))
            continue
        talk = talks.get(row.person_id)
        rung = (
            next_rung(row.kind, reach_of(talk, templates, sms_hours, channels), row.tried, now)
            if talk
            else NoRung("no conversation")
        )
        if isinstance(rung, NoRung):
            routed.append(RoutedRow(row.id, NoticeStatus.UNREACHED, now, reason=rung.reason))
        elif rung.at > now and soft_name(rung.name) not in row.tried:
            # Looked at again in the morning: by then it may be too old, or the person may be in a chat again.
            routed.append(RoutedRow(row.id, NoticeStatus.NEW, rung.at))
        else:
            place = rung.channel.value, rung.address_id, rung.template
            routed.append(RoutedRow(row.id, NoticeStatus.ROUTED, rung.at, *place))
    if routed:
        await tables.route(db, routed)
    return len(routed)


async def misrouted(
    db: BaseDBAsyncClient,
    rows: Sequence[NoticeRow],
    talks: Mapping[int, TalkRow],
    templates: Mapping[str, frozenset[str]],
    now: datetime,
    sms_hours: tuple[int, int],
    channels: frozenset[Channel],
) -> set[int]:
    """Of notices that are about to be sent those that have to be routed anew. They may have waited long: meanwhile the
    person has said STOP or is gone, another chat is the last one, it is too old, or it is night.
    """
    found = set(await NoticeTables(db).expired(db, [row.id for row in rows], now))
    for row in rows:
        talk = talks.get(row.person_id)
        if talk is None or (row.channel == Channel.SMS and sms_time(now, sms_hours) > now):
            found.add(row.id)
            continue
        rung = next_rung(row.kind, reach_of(talk, templates, sms_hours, channels), row.tried, now)
        place = row.channel, row.address_id, row.template
        if isinstance(rung, NoRung) or (rung.channel.value, rung.address_id, rung.template) != place:
            found.add(row.id)
    return found


def reach_of(
    talk: TalkRow,
    templates: Mapping[str, frozenset[str]],
    sms_hours: tuple[int, int],
    channels: frozenset[Channel],
) -> Reach:
    """How a person with this conversation can be reached by these channels."""
    chats = [
        Chat(number, Channel(channel), reachable, number == talk.last_address_id)
        for number, channel, reachable, _ in talk.chats
        if Channel(channel) in channels
    ]
    hours = sms_hours if Channel.SMS in channels else None
    words = templates.get(talk.language, frozenset())
    return Reach(chats, talk.heard_at, talk.paused, words, hours, talk.withdrawn)


def check_code(notice_id: int) -> str:
    """The short code that an official message carries, so that the bot can say whether it is genuine."""
    digest = int.from_bytes(crypto.ring().index("notice", str(notice_id)), "big")
    letters = []
    for _ in range(CODE_LENGTH):
        digest, at = divmod(digest, len(CODE_LETTERS))
        letters.append(CODE_LETTERS[at])
    return "".join(letters)


async def genuine(person_id: int, code: str) -> str | None:
    """The kind of the notice to this person that carries a code; None where none does."""
    typed = "".join(code.split()).upper().replace("-", "").encode()
    found = None
    for notice in await Notice.filter(person_id=person_id).order_by("-id").limit(RECENT).only("id", "kind"):
        if hmac.compare_digest(check_code(notice.id).encode(), typed):  # every one is compared, whichever it is
            found = notice.kind
    return found


async def standing_of_all() -> list[tuple[str, str, str, int]]:
    """How many notices of each kind stand where, and why."""
    rows = (
        await Notice.annotate(count=Count("id"))
        .group_by("kind", "status", "reason")
        .values_list("kind", "status", "reason", "count")
    )
    return sorted((str(kind), str(status), str(reason), int(str(count))) for kind, status, reason, count in rows)


async def rungs_of(person_id: int) -> list[str]:
    """Each rung of a person's notices, in their order: when, by what, and what came of it."""
    db, lines = connections.get("default"), []
    ids = [conversation.id for conversation in await Conversation.filter(person_id=person_id).only("id")]
    said = await NoticeTables(db).said_in(db, ids) if ids else []
    for notice in await Notice.filter(person_id=person_id).order_by("id"):
        lines.append(f"{notice.kind} {notice.subject_id}: {notice.status} {notice.reason}".rstrip())
        for row in await Outbox.filter(id__in=said, notice_id=notice.id).order_by("id"):
            when = row.sent_at or row.created_at
            lines.append(f"  {when:%Y-%m-%d %H:%M} {row.channel}: {row.status} {row.error or ''}".rstrip())
    return lines
