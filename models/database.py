"""Opening the database and bringing its tables up to date."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.backends.base.config_generator import expand_db_url
from tortoise.context import TortoiseContext
from tortoise.migrations.executor import MigrationExecutor, MigrationTarget
from tortoise.transactions import in_transaction

MODULES = [
    "models.broadcast",
    "models.conversation",
    "models.lease",
    "models.message",
    "models.money",
    "models.notice",
    "models.payout",
    "models.person",
    "models.privacy",
    "models.staff",
    "models.survey",
    "models.training",
    "models.verification",
    "models.wave",
]
APPS: dict[str, Any] = {
    "models": {"models": MODULES, "default_connection": "default", "migrations": "models.migrations"}
}


def config(url: str) -> dict[str, Any]:
    """Tortoise's configuration for a database URL (``sqlite://path`` or ``postgres://...``).

    SQLite defaults to WAL with a sync at every commit: an acknowledged answer survives a power cut.
    ``?synchronous=NORMAL`` gives that up for speed.
    """
    connection = expand_db_url(url)
    if "sqlite" in connection["engine"]:
        connection["engine"] = "models.sqlite"
        connection["credentials"].setdefault("synchronous", "FULL")
        # Tortoise's default truncates the log at 16 KB after each checkpoint, which costs more than it saves.
        connection["credentials"]["journal_size_limit"] = 64 * 1024 * 1024
        # Pages that change again and again are copied home once in 32 MB of log instead of once in 4.
        connection["credentials"]["wal_autocheckpoint"] = 8000
    else:
        # A process that stands still must not hold up the others by what it has locked.
        limits = {"idle_in_transaction_session_timeout": "60s", "lock_timeout": "30s"}
        connection["credentials"]["server_settings"] = limits
    return {"connections": {"default": connection}, "apps": APPS}


# What `python -m tortoise makemigrations` reads; the tables do not depend on where they will stand.
MIGRATIONS_CONFIG = config("sqlite://:memory:")


@asynccontextmanager
async def database(url: str) -> AsyncIterator[BaseDBAsyncClient]:
    """The database, open; closed on every way out, since an open SQLite connection keeps the process from ending."""
    if url.startswith("sqlite://"):
        Path(url.removeprefix("sqlite://").partition("?")[0]).parent.mkdir(parents=True, exist_ok=True)
    async with TortoiseContext() as context:
        # Tasks of a web server do not inherit the context variable of the task that opened the database.
        await context.init(config(url), _enable_global_fallback=True)
        yield context.db()


@asynccontextmanager
async def writing() -> AsyncIterator[BaseDBAsyncClient]:
    """A transaction that may read before it writes: on SQLite it is the one writer from its beginning, since one that
    has read can't write any more once another process has.
    """
    async with in_transaction() as connection:
        if connection.capabilities.dialect == "sqlite":
            await connection.execute_query("UPDATE platform SET name = name WHERE id = 0")
        yield connection


async def migrate(connection: BaseDBAsyncClient) -> list[str]:
    """Apply the migrations that are missing; gives their names."""
    if connection.capabilities.dialect == "sqlite":
        # SQLite rebuilds a table to alter it, and with foreign keys on that would delete the rows of its children.
        await connection.execute_script("PRAGMA foreign_keys=OFF")
    executor = MigrationExecutor(connection, APPS)
    applied: list[str] = []

    def note(event: str, _app: str, name: str) -> None:
        if event == "apply_done":
            applied.append(name)

    await executor.migrate([MigrationTarget("models", "__latest__")], progress=note)
    if connection.capabilities.dialect == "sqlite":
        await connection.execute_script("PRAGMA foreign_keys=ON")
    return applied


async def pending_migrations(connection: BaseDBAsyncClient) -> list[str]:
    """Names of the migrations that are not applied yet."""
    executor = MigrationExecutor(connection, APPS)
    await executor.recorder.ensure_schema(executor._schema_editor(atomic=False))
    plan = await executor.plan([MigrationTarget("models", "__latest__")])
    return [step.migration.name for step in plan]
