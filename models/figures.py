"""Counting the programme in portions: each statement looks at some people and gives sums, never rows of them."""

from typing import Any

from tortoise.backends.base.client import BaseDBAsyncClient

from models.dialect import Tables

# What a person has come to, in the order of the programme; each is looked up by an index on the person.
STAGES = {
    "verified": "EXISTS (SELECT 1 FROM layer_outcome o WHERE o.person_id = p.id AND o.replaced_at IS NULL) "
    "AND NOT EXISTS (SELECT 1 FROM layer_outcome o WHERE o.person_id = p.id AND o.replaced_at IS NULL "
    "AND o.state <> 'passed')",
    "joined": "EXISTS (SELECT 1 FROM entry e WHERE e.person_id = p.id)",
    "selected": "EXISTS (SELECT 1 FROM place s WHERE s.person_id = p.id)",
    "bought": "EXISTS (SELECT 1 FROM purchase b WHERE b.person_id = p.id AND b.live)",
    "finished": "EXISTS (SELECT 1 FROM purchase b WHERE b.person_id = p.id AND b.finished_at IS NOT NULL)",
    "paid": "EXISTS (SELECT 1 FROM due d WHERE d.payee = 'person' AND d.payee_id = p.id AND d.kind = 'incentive' "
    "AND d.status = 'paid')",
}
# Laid off or furloughed, and on no list of people who get other aid: whom the programme was begun for.
_FOCUS = (
    "p.employment IN ('laid_off', 'furloughed') AND EXISTS (SELECT 1 FROM layer_outcome o WHERE o.person_id = p.id "
    "AND o.replaced_at IS NULL AND o.layer = 'lists' AND o.state = 'passed')"
)
_CHANNEL = (
    "(SELECT a.channel FROM conversation c JOIN address a ON a.id = c.last_address_id WHERE c.person_id = p.id "
    "ORDER BY c.updated_at DESC LIMIT 1)"
)


class FigureTables(Tables):
    """The statements, in the dialect of the connection."""

    async def last_person(self, db: BaseDBAsyncClient) -> int:
        """The highest number of a person."""
        rows = await db.execute_query_dict("SELECT COALESCE(MAX(id), 0) AS last FROM person")
        return int(rows[0]["last"])

    async def people(self, db: BaseDBAsyncClient, after: int, until: int) -> list[dict[str, Any]]:
        """People by province, channel and whether they are of the group the programme was begun for, with how many
        have come to each stage.
        """
        mark = self._mark
        sums = ", ".join(f"SUM(CASE WHEN {test} THEN 1 ELSE 0 END) AS {name}" for name, test in STAGES.items())
        return await db.execute_query_dict(
            f"SELECT substr(p.region_code, 1, 2) AS province, {_CHANNEL} AS channel, "  # noqa: S608
            f"CASE WHEN {_FOCUS} THEN 1 ELSE 0 END AS focus, COUNT(*) AS registered, {sums} "
            f"FROM person p WHERE p.id > {mark}1 AND p.id <= {mark}2 GROUP BY 1, 2, 3",
            [after, until],
        )

    async def reasons(self, db: BaseDBAsyncClient, after: int, until: int) -> list[dict[str, Any]]:
        """Why layers were not passed."""
        mark = self._mark
        return await db.execute_query_dict(
            "SELECT layer, state, reason, COUNT(*) AS number FROM layer_outcome WHERE replaced_at IS NULL "  # noqa: S608
            f"AND state <> 'passed' AND person_id > {mark}1 AND person_id <= {mark}2 GROUP BY 1, 2, 3",
            [after, until],
        )

    async def steps(self, db: BaseDBAsyncClient) -> list[dict[str, Any]]:
        """Where people stand who have begun and not registered."""
        return await db.execute_query_dict(
            "SELECT step, COUNT(*) AS number FROM conversation WHERE person_id IS NULL "
            "AND step NOT LIKE 'staff.%' GROUP BY step"
        )

    async def payouts(self, db: BaseDBAsyncClient) -> list[dict[str, Any]]:
        """Dues by kind and status, in number and rupiah."""
        return await db.execute_query_dict(
            "SELECT kind, status, COUNT(*) AS number, COALESCE(SUM(amount), 0) AS amount FROM due GROUP BY kind, status"
        )

    async def notices(self, db: BaseDBAsyncClient) -> list[dict[str, Any]]:
        """Notices by the channel they stand on and how they stand."""
        return await db.execute_query_dict(
            "SELECT channel, status, COUNT(*) AS number FROM notice GROUP BY channel, status"
        )

    async def providers(self, db: BaseDBAsyncClient) -> list[dict[str, Any]]:
        """Providers with reviews: name, number of them, sum of the stars."""
        return await db.execute_query_dict(
            "SELECT v.name, SUM(t.reviews) AS reviews, SUM(t.stars) AS stars FROM provider v "
            "JOIN training t ON t.provider_id = v.id WHERE t.reviews > 0 GROUP BY v.id, v.name ORDER BY v.name"
        )
