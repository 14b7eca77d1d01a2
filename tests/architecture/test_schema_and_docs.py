"""Tables match the models, and the documentation matches the settings."""

import importlib
import re
from pathlib import Path

from tortoise import fields
from tortoise.context import TortoiseContext
from tortoise.fields.base import Field
from tortoise.migrations import operations as ops
from tortoise.migrations.autodetector import MigrationAutodetector

from bot.settings import Settings
from models.database import APPS, MIGRATIONS_CONFIG

ROOT = Path(__file__).parents[2]
FIRST_RELEASED = 4  # migrations before it
# Without an index a version is slower and right all the same.
ADDING = (ops.AddField, ops.AddIndex, ops.RemoveIndex, ops.CreateModel, ops.RunPython)


async def test_no_migration_is_pending() -> None:
    async with TortoiseContext() as context:
        await context.init(MIGRATIONS_CONFIG, init_connections=False)
        assert context.apps is not None
        assert await MigrationAutodetector(context.apps, APPS).changes() == []


def test_the_version_before_can_live_with_every_migration() -> None:
    """Both run side by side while processes are replaced: a migration only adds, and what it adds has a default in the
    database, since the version before does not fill it in. The first four made the tables.
    """
    for path in sorted((ROOT / "models/migrations").glob("0*.py"))[FIRST_RELEASED:]:
        module = importlib.import_module(f"models.migrations.{path.stem}")
        assert [each for each in module.Migration.operations if takes_away(each)] == [], path.name


def takes_away(operation: ops.Operation) -> bool:
    """Whether the version before would meet an error after it."""
    if isinstance(operation, ops.AddField):
        field = operation.field
        return not isinstance(field, Field) or field.unique or not (field.null or field.has_db_default())
    if isinstance(operation, ops.RunSQL):
        return not all(statement.startswith("CREATE INDEX ") for statement in operation.sql)
    return not isinstance(operation, ADDING)


def test_what_takes_away_is_known() -> None:
    plain, filled = fields.IntField(), fields.IntField(db_default=0)
    assert takes_away(ops.AddField("Person", "age", plain))
    assert takes_away(ops.AddField("Person", "age", fields.IntField(null=True, unique=True)))
    assert takes_away(ops.RemoveField("Person", "name"))
    assert takes_away(ops.AlterField("Person", "name", plain))
    assert takes_away(ops.RunSQL(["CREATE INDEX a ON person (id)", "DROP TABLE person"]))
    assert not takes_away(ops.RunSQL(["CREATE INDEX a ON person (id)"]))
    assert not takes_away(ops.AddField("Person", "age", filled))


async def test_no_table_is_described_with_a_semicolon() -> None:
    async with TortoiseContext() as context:
        await context.init(MIGRATIONS_CONFIG, init_connections=False)
        assert context.apps is not None
        described = [model._meta.table_description or "" for model in context.apps["models"].values()]
    assert [text for text in described if ";" in text] == []  # SQLite's migrations are split there


def test_every_setting_is_documented_with_its_default() -> None:
    rows = re.findall(r"^\| `GELOMBANG_(\w+)` \|(.*?)\|", (ROOT / "docs/settings.md").read_text(), re.MULTILINE)
    documented = {name.lower(): default.strip().strip("`") for name, default in rows}
    assert list(documented) == list(Settings.model_fields)
    for name, default in documented.items():
        value = Settings.model_fields[name].default
        text = getattr(value, "get_secret_value", lambda value=value: value)()
        shown = "" if text is None else str(text).lower() if isinstance(text, bool) else str(text)
        assert default == shown, name


def test_pinned_requirements_name_no_address_or_path() -> None:
    for path in (ROOT / "requirements").glob("*.txt"):
        assert not re.search(r"https?://|file://|--index|--find-links|^/", path.read_text(), re.MULTILINE), path.name
