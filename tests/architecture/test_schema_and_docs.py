"""Tables match the models, and the documentation matches the settings."""

import re
from pathlib import Path

from tortoise.context import TortoiseContext
from tortoise.migrations.autodetector import MigrationAutodetector

from bot.settings import Settings
from models.database import APPS, MIGRATIONS_CONFIG

ROOT = Path(__file__).parents[2]


async def test_no_migration_is_pending() -> None:
    async with TortoiseContext() as context:
        await context.init(MIGRATIONS_CONFIG, init_connections=False)
        assert context.apps is not None
        assert await MigrationAutodetector(context.apps, APPS).changes() == []


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
