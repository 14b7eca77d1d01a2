"""The digests of lists: a table with a key of two columns and no row id, which the ORM can't say."""

from typing import Any

from tortoise import migrations
from tortoise.migrations import operations as ops

COLUMNS = "version_id BIGINT NOT NULL, digest {} NOT NULL, times SMALLINT NOT NULL, PRIMARY KEY (version_id, digest)"


async def create(apps: Any, editor: Any) -> None:
    sqlite = editor.client.capabilities.dialect == "sqlite"
    columns = COLUMNS.format("BLOB" if sqlite else "BYTEA")
    await editor.client.execute_script(f"CREATE TABLE list_digest ({columns}){' WITHOUT ROWID' if sqlite else ''}")


async def drop(apps: Any, editor: Any) -> None:
    await editor.client.execute_script("DROP TABLE list_digest")


class Migration(migrations.Migration):
    dependencies = [("models", "0001_initial")]

    initial = False

    operations = [ops.RunPython(create, drop)]
