"""Every sealed column, and sealing rows anew under the newest key, while everything runs."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

from tortoise import Tortoise
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.transactions import in_transaction

from models import crypto
from models.dialect import Tables
from models.fields import EncryptedText
from models.notices import PARAMS_CONTEXT
from models.outbox import BODY_CONTEXT
from models.turns import DRAFT_CONTEXT, FAILED_CONTEXT

PORTION = 500


@dataclass(frozen=True, slots=True)
class Sealed:
    """A column with sealed values: its table, the table's key, and what the values are bound to."""

    table: str
    key: str
    column: str
    context: bytes


# Columns that are sealed by hand, because the hot path or a library wants their bytes.
BY_HAND = (
    Sealed("conversation", "id", "draft", DRAFT_CONTEXT),
    Sealed("outbox", "id", "body", BODY_CONTEXT),
    Sealed("failed_turn", "id", "body", FAILED_CONTEXT),
    Sealed("notice", "id", "params", PARAMS_CONTEXT),
    Sealed("face_vector", "id", "vector", b"face_vector.vector"),
)


def columns() -> tuple[Sealed, ...]:
    """All of them; the models have to be initialised."""
    found = [
        Sealed(model._meta.db_table, model._meta.db_pk_column, name, field.context.encode())
        for model in (Tortoise.apps or {})["models"].values()
        for name, field in model._meta.fields_map.items()
        if isinstance(field, EncryptedText)
    ]
    return (*sorted(found, key=lambda each: (each.table, each.column)), *BY_HAND)


class SealedTables(Tables):
    """The statements, in the dialect of the connection."""

    def _is_old(self, column: str, mark: int) -> str:
        first = f"substring({column} from 1 for 1)" if self._postgres else f"substr({column}, 1, 1)"
        return f"{column} IS NOT NULL AND {first} <> {self._mark}{mark}"

    async def left(self, db: BaseDBAsyncClient, sealed: Sealed) -> int:
        """Values that are sealed by another key than the newest."""
        rows = await db.execute_query_dict(
            f"SELECT COUNT(*) AS number FROM {sealed.table} WHERE {self._is_old(sealed.column, 1)}",  # noqa: S608
            [crypto.ring().mark],
        )
        return int(rows[0]["number"])

    async def reseal(self, db: BaseDBAsyncClient, sealed: Sealed) -> AsyncIterator[int]:
        """Seal old values anew, portion by portion; gives how many each time. What changes meanwhile is left alone: it
        was sealed just now.
        """
        ring, mark, after = crypto.ring(), self._mark, None
        while True:
            begins = "" if after is None else f"AND {sealed.key} > {mark}2 "
            rows = await db.execute_query_dict(
                f"SELECT {sealed.key} AS number, {sealed.column} AS value FROM {sealed.table} "  # noqa: S608
                f"WHERE {self._is_old(sealed.column, 1)} {begins}ORDER BY {sealed.key} LIMIT {PORTION}",
                [ring.mark] if after is None else [ring.mark, after],
            )
            if not rows:
                return
            await self._write(sealed, rows)
            after = rows[-1]["number"]
            yield len(rows)

    async def _write(self, sealed: Sealed, rows: Sequence[dict[str, Any]]) -> None:
        ring, mark = crypto.ring(), self._mark
        changes = [
            [ring.seal(ring.open(bytes(row["value"]), sealed.context), sealed.context), row["number"], row["value"]]
            for row in rows
        ]
        async with in_transaction() as connection:
            await connection.execute_many(
                f"UPDATE {sealed.table} SET {sealed.column} = {mark}1 "  # noqa: S608
                f"WHERE {sealed.key} = {mark}2 AND {sealed.column} = {mark}3",
                changes,
            )
