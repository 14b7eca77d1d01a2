"""Destroying what has been kept long enough, a portion at a time, and saying what would go (docs/privacy.md).

Each rule is one line of RULES: what goes, from which moment its days count, and what holds it back. A pass goes through
a table once, window by window, so that no statement is long. What is destroyed is written down (models.privacy).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from tortoise.backends.base.client import BaseDBAsyncClient

from domain.privacy.erasure import (
    destroy_photos,
    destroy_staff_files,
    erase_conversation,
    forget_chats,
    no_params,
)
from domain.programme import Retention
from models.dialect import Tables
from models.privacy import Destruction

WINDOW = 1_000
BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Rule:
    """Rows of ``table`` whose ``since`` is over the days of ``days`` (a field of Retention) ago, and that ``where``
    means ({until}: the moment before which they are old). They are deleted, but for kinds with a verb of their own.

    A pass goes in the order of ``along``; ``grows``: a newer row has a higher one, so that the first young row ends it.
    """

    kind: str
    days: str
    table: str
    since: str
    where: str = "1 = 1"
    along: str = "id"
    grows: bool = True


_ENDED = "status IN ('sent', 'delivered', 'read', 'failed')"
_NOTHING_OPEN = (
    "NOT EXISTS (SELECT 1 FROM conversation c JOIN review_case k ON k.person_id = c.person_id "
    "WHERE c.id = photo.conversation_id AND k.status = 'pending') "
    "AND NOT EXISTS (SELECT 1 FROM conversation c JOIN verification_task v ON v.person_id = c.person_id "
    "WHERE c.id = photo.conversation_id AND v.due_at IS NOT NULL) "
    "AND NOT EXISTS (SELECT 1 FROM conversation c JOIN layer_outcome o ON o.person_id = c.person_id "
    "WHERE c.id = photo.conversation_id AND o.replaced_at IS NULL AND o.state IN ('review', 'waiting') "
    "AND o.layer IN ('face', 'unique', 'nik')) "
    "AND NOT EXISTS (SELECT 1 FROM certificate_check x WHERE x.photo_id = photo.id AND x.status = 'pending')"
)
# The last decision about the person; somebody who has not registered has none, and their photos go with the draft.
_DECIDED = (
    "(SELECT MAX(o.decided_at) FROM conversation c JOIN layer_outcome o ON o.person_id = c.person_id "
    "WHERE c.id = photo.conversation_id)"
)
RULES: tuple[Rule, ...] = (
    Rule(
        "photo", "photos", "photo", "stored_at",
        f"destroyed_at IS NULL AND {_DECIDED} < {{until}} AND {_NOTHING_OPEN}", "stored_at",
    ),
    Rule(
        "draft", "drafts", "conversation", "updated_at",
        "person_id IS NULL AND version > 0 AND step NOT LIKE 'staff.%'", grows=False,
    ),
    Rule("message", "messages", "outbox", "created_at", _ENDED),
    Rule("inbound", "messages", "inbound", "received_at"),
    Rule("notice", "notices", "notice", "created_at", "LENGTH(params) > 30"),
    Rule("talk", "talks", "help_message", "said_at"),
    Rule("staff_file", "staff_files", "staff_file", "stored_at", "destroyed_at IS NULL", "stored_at"),
    Rule("task", "tasks", "staff_task", "asked_at", "status = 'done'"),
    Rule("code", "codes", "address_code", "expires_at"),
    Rule("link", "codes", "continue_link", "expires_at"),
    Rule("data_link", "codes", "data_link", "expires_at"),
    Rule("try", "codes", "identity_try", "at"),
    Rule("failure", "failures", "failed_turn", "failed_at"),
)  # fmt: skip


class _Tables(Tables):
    """The statements, in the dialect of the connection."""

    async def window(self, db: BaseDBAsyncClient, rule: Rule, after: Any) -> list[dict[str, Any]]:
        """The next rows of a pass: id, place along the way, and the moment their days count from."""
        alive = "destroyed_at IS NULL AND " if "destroyed_at" in rule.where else ""
        return await db.execute_query_dict(
            f"SELECT id, {rule.along} AS place, {rule.since} AS since FROM {rule.table} "  # noqa: S608
            f"WHERE {alive}{rule.along} > {self._mark}1 ORDER BY {rule.along} LIMIT {WINDOW}",
            [after],
        )

    async def meant(self, db: BaseDBAsyncClient, rule: Rule, ids: Sequence[Any], before: datetime) -> list[Any]:
        """Those of these rows that the rule means."""
        where = rule.where.replace("{until}", f"{self._mark}2")
        values = [self._values(ids), self.moment(before)]
        kind = "text" if isinstance(ids[0], str) else "bigint"
        rows = await db.execute_query_dict(
            f"SELECT id FROM {rule.table} WHERE id IN ({self._list(1, kind)}) "  # noqa: S608
            f"AND {rule.since} < {self._mark}2 AND {where} ORDER BY id",
            values,
        )
        return [row["id"] for row in rows]

    async def delete(self, db: BaseDBAsyncClient, rule: Rule, ids: Sequence[int]) -> None:
        """Delete rows, or take out what notices said."""
        which = f"WHERE id IN ({self._list(1, 'bigint')})"
        if rule.kind == "notice":
            await db.execute_query(
                f"UPDATE notice SET params = {self._mark}2 {which}",  # noqa: S608
                [self._values(ids), no_params()],
            )
            return
        await db.execute_query(f"DELETE FROM {rule.table} {which}", [self._values(ids)])  # noqa: S608


def until(rule: Rule, days: Retention, now: datetime) -> datetime:
    """What is older than this goes."""
    return now - timedelta(days=getattr(days, rule.days))


def beginning(db: BaseDBAsyncClient, rule: Rule) -> Any:
    """Where a pass begins."""
    return 0 if rule.along == "id" else _Tables(db).moment(BEGINNING)


async def look(
    db: BaseDBAsyncClient, rule: Rule, days: Retention, now: datetime, after: Any
) -> tuple[list[Any], Any | None]:
    """Of the next window, what would go, and where the next one begins (None: this was the last)."""
    tables, before = _Tables(db), until(rule, days, now)
    rows = await tables.window(db, rule, after)
    moment = tables.moment(before)
    old = [row["id"] for row in rows if row["since"] is not None and row["since"] < moment]
    if not rows or (rule.grows and not old):
        return [], None
    return (await tables.meant(db, rule, old, before) if old else []), rows[-1]["place"]


async def due(db: BaseDBAsyncClient, days: Retention, now: datetime) -> Mapping[str, int]:
    """How much of each kind would go now."""
    found = {}
    for rule in RULES:
        count, after = 0, beginning(db, rule)
        while after is not None:
            ids, after = await look(db, rule, days, now, after)
            count += len(ids)
        found[rule.kind] = count
    return found


async def destroy(
    db: BaseDBAsyncClient, rule: Rule, ids: Sequence[Any], days: Retention, first_step: str, now: datetime
) -> None:
    """Destroy these rows, in the caller's transaction, and write that down."""
    before = until(rule, days, now)
    match rule.kind:
        case "photo":
            await destroy_photos(ids, "kept", now, before)
            return
        case "staff_file":
            await destroy_staff_files(ids, now, before)
            return
        case "draft":
            for number in ids:
                await erase_conversation(number, first_step, now)
                await forget_chats(number)
        case _:
            await _Tables(db).delete(db, rule, ids)
    await Destruction.create(kind=rule.kind, count=len(ids), older_than=before, at=now, verified_at=now)
