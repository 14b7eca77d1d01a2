"""The digests of lists, with SQL of its own: ten million rows are no work for an ORM.

``list_digest`` (version_id, digest, times) is made by a migration; its key is its order on disk, so that an import that
comes in order only appends.
"""

from tortoise.backends.base.client import BaseDBAsyncClient

from models.crypto import INDEX_BYTES

# The digests come as one value and are taken apart by the database: a fifth of the time that rows would take.
_ADD = {
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?4) "
    "INSERT OR IGNORE INTO list_digest SELECT ?1, substr(?2, i * ?5 + 1, ?5), ?3 FROM n",
    "postgres": "INSERT INTO list_digest SELECT $1, substring($2::bytea FROM i * $5::int + 1 FOR $5::int), $3 "
    "FROM generate_series(0, $4::int - 1) i ON CONFLICT DO NOTHING",
}

_MATCHING = {
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?3) "
    "SELECT digest, times FROM n CROSS JOIN list_digest "
    "WHERE version_id = ?1 AND digest = substr(?2, i * ?4 + 1, ?4)",
    "postgres": "SELECT digest, times FROM generate_series(0, $3::int - 1) i JOIN list_digest "
    "ON version_id = $1 AND digest = substring($2::bytea FROM i * $4::int + 1 FOR $4::int)",
}


async def add(db: BaseDBAsyncClient, version_id: int, digests: bytes, times: int) -> None:
    """Add digests (one after the other) to an import; those that are there already stay as they are."""
    statement = _ADD["sqlite" if db.capabilities.dialect == "sqlite" else "postgres"]
    await db.execute_query(statement, [version_id, digests, times, len(digests) // INDEX_BYTES, INDEX_BYTES])


async def remove(db: BaseDBAsyncClient, version_id: int, limit: int) -> int:
    """Delete up to ``limit`` lines of an import that no longer counts; gives how many were deleted."""
    where = "SELECT digest FROM list_digest WHERE version_id = {} LIMIT {}"
    marks = ("?", "?", "?") if db.capabilities.dialect == "sqlite" else ("$1", "$1", "$2")
    count, _ = await db.execute_query(
        f"DELETE FROM list_digest WHERE version_id = {marks[0]} AND digest IN ({where.format(*marks[1:])})",  # noqa: S608
        [version_id, version_id, limit] if marks[0] == "?" else [version_id, limit],
    )
    return count


async def matching(db: BaseDBAsyncClient, version_id: int, digests: bytes) -> dict[bytes, int]:
    """Those of these digests (one after the other) that stand in an import, each with how often."""
    statement = _MATCHING["sqlite" if db.capabilities.dialect == "sqlite" else "postgres"]
    _, rows = await db.execute_query(statement, [version_id, digests, len(digests) // INDEX_BYTES, INDEX_BYTES])
    return {bytes(row["digest"]): int(row["times"]) for row in rows}
