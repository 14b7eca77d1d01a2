"""Work that one process at a time does, of however many there are: whoever holds the lease."""

from datetime import datetime

from tortoise import fields
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.models import Model


class Lease(Model):
    """A piece of work and until when some process has it to itself. Who dies loses it then."""

    name = fields.CharField(primary_key=True, max_length=32)
    until = fields.DatetimeField()

    class Meta:
        table = "lease"


async def take_lease(db: BaseDBAsyncClient, name: str, until: datetime, now: datetime) -> bool:
    """Whether the work is this process's until then; nobody else gets it before. One statement decides."""
    postgres = db.capabilities.dialect == "postgres"
    mark = "$" if postgres else "?"
    moments = (until, now) if postgres else (until.isoformat(sep=" "), now.isoformat(sep=" "))
    rows = await db.execute_query_dict(
        f"INSERT INTO lease (name, until) VALUES ({mark}1, {mark}2) ON CONFLICT (name) DO UPDATE "  # noqa: S608
        f"SET until = excluded.until WHERE lease.until <= {mark}3 RETURNING name",
        [name, *moments],
    )
    return bool(rows)
