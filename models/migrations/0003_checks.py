"""What the database itself refuses: overdrafts, seats sold twice, and postings that are changed or deleted.

Tortoise 1.1 names a model's check constraints in its migrations but does not make them with the table, and adding one
on SQLite would lose the table's other constraints. The tables are new and empty here, so they are made once more.
"""

from typing import Any

from tortoise import migrations
from tortoise.migrations import operations as ops

CHECKS = (
    ("ledger_account", "ledger_account_not_overdrawn", "balance >= 0 OR kind = 'treasury'"),
    ("posting", "posting_amount", "amount > 0 AND source_id <> target_id"),
    ("training", "training_price", "price > 0"),
    ("training", "training_seats", "seats IS NULL OR seats_taken <= seats"),
    ("review", "review_stars", "stars BETWEEN 1 AND 5"),
)
ONLY_ADDED_SQLITE = tuple(
    f"CREATE TRIGGER posting_no_{what} BEFORE {what} ON posting BEGIN SELECT RAISE(ABORT, 'postings are only added'); END"
    for what in ("update", "delete")
)
ONLY_ADDED_POSTGRES = (
    "CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS "
    "$$ BEGIN RAISE EXCEPTION 'postings are only added' USING ERRCODE = 'integrity_constraint_violation'; END $$",
    "CREATE TRIGGER posting_only_added BEFORE UPDATE OR DELETE OR TRUNCATE ON posting "
    "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()",
)
UNDO_SQLITE = tuple(f"DROP TRIGGER posting_no_{what}" for what in ("update", "delete"))
UNDO_POSTGRES = (
    "DROP TRIGGER posting_only_added ON posting",
    "DROP FUNCTION refuse_change()",
    *(f"ALTER TABLE {table} DROP CONSTRAINT {name}" for table, name, _ in CHECKS),
)


async def add(_apps: Any, editor: Any) -> None:
    client = editor.client
    if client.capabilities.dialect == "postgres":
        for table, name, check in CHECKS:
            await client.execute_script(f"ALTER TABLE {table} ADD CONSTRAINT {name} CHECK ({check})")
        for statement in ONLY_ADDED_POSTGRES:
            await client.execute_script(statement)
        return
    for table in dict.fromkeys(table for table, _, _ in CHECKS):
        made = await client.execute_query_dict(
            "SELECT type, sql FROM sqlite_master WHERE tbl_name = ? AND sql IS NOT NULL ORDER BY type DESC", [table]
        )
        checks = "".join(f", CONSTRAINT {name} CHECK ({check})" for at, name, check in CHECKS if at == table)
        await client.execute_script(f"DROP TABLE {table}")
        for each in made:
            sql = each["sql"].rstrip()
            await client.execute_script(sql[:-1] + checks + ")" if each["type"] == "table" else sql)
    for statement in ONLY_ADDED_SQLITE:
        await client.execute_script(statement)


async def remove(_apps: Any, editor: Any) -> None:
    for statement in UNDO_POSTGRES if editor.client.capabilities.dialect == "postgres" else UNDO_SQLITE:
        await editor.client.execute_script(statement)


class Migration(migrations.Migration):
    dependencies = [("models", "0002_list_digest")]

    initial = False

    operations = [ops.RunPython(add, remove)]
