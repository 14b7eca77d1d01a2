"""The digests of lists, with SQL of its own: ten million rows are no work for an ORM.

``list_digest`` (version_id, digest, times) is made by a migration; its key is its order on disk, so that an import that
comes in order only appends.
"""

from collections.abc import Sequence

from tortoise.backends.base.client import BaseDBAsyncClient

Line = tuple[bytes, int]
"""A blind index and how often it stands on the list."""


async def add(db: BaseDBAsyncClient, version_id: int, lines: Sequence[Line]) -> None:
    """Add lines to an import; one that is there already stays as it is."""
    if db.capabilities.dialect == "sqlite":
        await db.execute_many(
            "INSERT OR IGNORE INTO list_digest (version_id, digest, times) VALUES (?, ?, ?)",
            [[version_id, digest, times] for digest, times in lines],
        )
        return
    await db.execute_query(
        "INSERT INTO list_digest (version_id, digest, times) SELECT $1, * FROM unnest($2::bytea[], $3::smallint[])"
        " ON CONFLICT DO NOTHING",
        [version_id, [digest for digest, _ in lines], [times for _, times in lines]],
    )


async def remove(db: BaseDBAsyncClient, version_id: int, limit: int) -> int:
    """Delete up to ``limit`` lines of an import that no longer counts; gives how many were deleted."""
    where = "SELECT digest FROM list_digest WHERE version_id = {} LIMIT {}"
    marks = ("?", "?", "?") if db.capabilities.dialect == "sqlite" else ("$1", "$1", "$2")
    count, _ = await db.execute_query(
        f"DELETE FROM list_digest WHERE version_id = {marks[0]} AND digest IN ({where.format(*marks[1:])})",  # noqa: S608
        [version_id, version_id, limit] if marks[0] == "?" else [version_id, limit],
    )
    return count


async def times(db: BaseDBAsyncClient, version_ids: Sequence[int], digest: bytes) -> dict[int, int]:
    """How often a digest stands in each of these imports; those without it are left out."""
    found = {}
    statement = "SELECT times FROM list_digest WHERE version_id = {} AND digest = {}"
    marks = ("?", "?") if db.capabilities.dialect == "sqlite" else ("$1", "$2")
    for version_id in version_ids:  # a handful of lists, each a look at its key
        _, rows = await db.execute_query(statement.format(*marks), [version_id, digest])
        if rows:
            found[version_id] = int(rows[0]["times"])
    return found
