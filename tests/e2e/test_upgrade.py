"""Changing the version without a gap: the old and the next one side by side on one database (docs/operate.md)."""

import asyncio
import shutil
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import aiohttp

from tests.e2e.server import ROOT, Chat, Server

FIELD = 'mood = fields.CharField(max_length=8, default="", db_default="")\n'
MIGRATION = """
from tortoise import fields, migrations
from tortoise.migrations import operations as ops


class Migration(migrations.Migration):
    dependencies = [("models", "{last}")]
    initial = False
    operations = [
        ops.AddField(
            model_name="Conversation", name="mood", field=fields.CharField(default="", db_default="", max_length=8)
        )
    ]
"""


def next_version(folder: Path) -> Path:
    """This program with one column more."""
    for package in ("bot", "handlers", "domain", "models", "locales"):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    table = folder / "models" / "conversation.py"
    before, at, after = table.read_text().partition("    language = fields.CharField(")
    assert at
    table.write_text(f"{before}    {FIELD}{at}{after}")
    last = sorted((folder / "models" / "migrations").glob("0*.py"))[-1].stem
    (folder / "models" / "migrations" / "0999_mood.py").write_text(MIGRATION.format(last=last))
    return folder


async def test_the_old_version_goes_on_while_the_next_one_takes_over(tmp_path: Path) -> None:
    old, new = Server(tmp_path), Server(tmp_path)
    new.environment["PYTHONPATH"] = str(await asyncio.to_thread(next_version, tmp_path / "next"))
    await old.start()
    try:
        async with aiohttp.ClientSession() as session:
            before, after = Chat(session, old.url), Chat(session, new.url)
            after.chat = before.chat
            await before.post(text="halo")
            migrate = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "bot", "migrate", env=new.environment, cwd=tmp_path
            )
            assert await migrate.wait() == 0
            assert await before.post(text="setuju") == ["registration.ask_phone"]  # the old one knows no such column
            assert "mood" in await asyncio.to_thread(_columns, tmp_path / "test.db")
            await new.start()
            for url in (old.url, new.url):
                async with session.get(f"{url}/ready") as answer:
                    assert (answer.status, await answer.json()) == (200, {"status": "ready"})
            assert await after.post(text="0812 3456 7890") == ["registration.ask_phone_code"]
            assert await before.post(text=await before.code()) == ["registration.ask_card_photo"]
            await Chat(session, old.url).post(text="halo")  # somebody new at the old one, after the migration
            assert await old.stop() == 0
            assert await after.post(text="kembali")
    finally:
        for server in (old, new):
            if server.process is not None:
                await server.stop()


def _columns(path: Path) -> set[str]:
    with closing(sqlite3.connect(path)) as database:
        return {row[1] for row in database.execute("PRAGMA table_info(conversation)")}
