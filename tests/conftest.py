"""Databases, keys and clocks for tests. Each test that asks for ``db`` runs on SQLite and on PostgreSQL."""

import asyncio
import fcntl
import logging
import os
import re
import shutil
import socket
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.backends.base.executor import EXECUTOR_CACHE

from bot.logs import OURS
from models import crypto
from models.database import database, migrate
from tests.e2e.server import SHARED
from tests.photos import FACES, needs_faces

__all__ = ["FACES", "needs_faces", "needs_postgres"]

# NIK, KK and accounts of sixteen digits, phones, addresses of mail, names that people in tests have.
PERSONAL = re.compile(
    r"(?<!\d)\d{16}(?!\d)|(?<!\d)(?:\+62|62|0)8\d{8,11}(?!\d)|[\w.]+@\w[\w-]*\.\w+|Siti|Aminah|Budi|Dewi|Santoso|Rahayu",
    re.IGNORECASE,
)
SERVER = os.environ.get("GELOMBANG_TEST_POSTGRES", "postgres://postgres@127.0.0.1:5432/postgres")
# Databases of this process that are free, by the one they are copies of: emptying one takes a tenth of making one.
_SPARE: dict[str, list[str]] = {}
SHAPE = "SELECT (SELECT count(*) FROM pg_class), (SELECT count(*) FROM pg_trigger WHERE tgenabled = 'O')"
EMPTY = """
DO $$
DECLARE name text;
BEGIN
  PERFORM pg_terminate_backend(pid, 5000) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid();
  SET LOCAL session_replication_role = replica;  -- what may only be added to goes as well, in any order
  FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'tortoise_migrations' LOOP
    EXECUTE format('DELETE FROM %I', name);
  END LOOP;
  PERFORM setval(oid, 1, false) FROM pg_class WHERE relkind = 'S';
END $$
"""


def _postgres_answers() -> bool:
    address = urlsplit(SERVER)
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((address.hostname or "", address.port or 5432)) == 0


needs_postgres = pytest.mark.skipif(
    not _postgres_answers(), reason="no PostgreSQL server at GELOMBANG_TEST_POSTGRES (default 127.0.0.1:5432)"
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What waits for processes comes first: at the end, the others would wait for it."""
    slow = "/e2e/", "test_rehearsal", "test_sandbox"
    items.sort(key=lambda item: not any(each in item.nodeid for each in slow))


@pytest.fixture(autouse=True)
def keys() -> None:
    """Fresh keys for every test."""
    crypto.use(crypto.Keyring({1: os.urandom(32)}, os.urandom(32)))


class _Heard(logging.Handler):
    """Every line of this process's log, with what a traceback would add."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line."""
        self.lines.append(self.format(record))


@pytest.fixture(autouse=True)
def nobody_in_the_log() -> Iterator[None]:
    """Whatever a test does, no line of the log at any level says a number, a name, an address of anybody."""
    heard, root = _Heard(), logging.getLogger()
    before = {name: logging.getLogger(name).level for name in OURS}
    for name in OURS:
        logging.getLogger(name).setLevel(logging.DEBUG)
    root.addHandler(heard)
    yield
    root.removeHandler(heard)
    for name, level in before.items():
        logging.getLogger(name).setLevel(level)
    said = [line for line in heard.lines if PERSONAL.search(line)]
    assert not said, f"{len(said)} lines of the log say something personal, such as: {said[0]}"


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of all processes that test: what one has made, the others need not make again."""
    folder = tmp_path_factory.getbasetemp()
    return folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder


@pytest.fixture(scope="session", autouse=True)
def _prepared_once(shared_folder: Path) -> None:
    os.environ[SHARED] = str(shared_folder)


@pytest.fixture(scope="session")
def migrated_file(shared_folder: Path) -> Path:
    """A migrated SQLite database, to be copied: migrating one for every test would be most of the tests' time."""
    path = shared_folder / "template.db"
    with (shared_folder / "template.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            made = shared_folder / "template-being-made.db"
            asyncio.run(_migrate(f"sqlite://{made}?journal_mode=DELETE"))
            made.rename(path)
    return path


@pytest.fixture(scope="session")
def migrated_database(shared_folder: Path) -> Iterator[str]:
    """The name of a migrated PostgreSQL database, to be copied. Who is the last to use it drops it."""
    name = f"gelombang_template_{os.environ.get('PYTEST_XDIST_TESTRUNUID', uuid.uuid4().hex)}"
    # Who uses it holds a lock that others may hold, too; who makes or drops it holds one for itself alone.
    with (shared_folder / "postgres.users").open("w") as users, (shared_folder / "postgres.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        fcntl.flock(users, fcntl.LOCK_SH)
        if not asyncio.run(_on_server("SELECT 1 FROM pg_database WHERE datname = $1", name)):
            asyncio.run(_on_server(f"DROP DATABASE IF EXISTS {name}_being_made"))
            asyncio.run(_on_server(f"CREATE DATABASE {name}_being_made"))
            asyncio.run(_migrate(_url(f"{name}_being_made")))
            asyncio.run(_on_server(f"ALTER DATABASE {name}_being_made RENAME TO {name}"))
        fcntl.flock(lock, fcntl.LOCK_UN)
        yield name
        for each in _SPARE.pop(name, []):
            asyncio.run(_on_server(f"DROP DATABASE {each} WITH (FORCE)"))
        fcntl.flock(lock, fcntl.LOCK_EX)
        fcntl.flock(users, fcntl.LOCK_UN)
        try:
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:  # somebody uses it still
            return
        asyncio.run(_on_server(f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=needs_postgres)])
def template(request: pytest.FixtureRequest) -> Path | str:
    """Each database in turn: a file, or a name on the server."""
    found: Path | str = request.getfixturevalue("migrated_file" if request.param == "sqlite" else "migrated_database")
    return found


@pytest.fixture
async def db(template: Path | str, tmp_path: Path) -> AsyncIterator[BaseDBAsyncClient]:
    """An empty, migrated database."""
    async with empty_database(template, tmp_path) as opened:
        yield opened


@asynccontextmanager
async def empty_database(template: Path | str, tmp_path: Path) -> AsyncIterator[BaseDBAsyncClient]:
    """A copy of a migrated database: a file, or a name on the server."""
    EXECUTOR_CACHE.clear()  # Tortoise keeps finished statements by the connection's name, whatever its dialect
    if isinstance(template, Path):
        shutil.copy(template, tmp_path / "test.db")
        async with database(f"sqlite://{tmp_path}/test.db") as opened:
            yield opened
        return
    spare = _SPARE.setdefault(template, [])
    if spare:
        name = spare.pop()
    else:
        name = f"gelombang_test_{uuid.uuid4().hex}"
        await _on_server(f"CREATE DATABASE {name} TEMPLATE {template}")
    shape = await _on_server(SHAPE, server=_url(name))
    try:
        async with database(_url(name)) as opened:
            yield opened
    finally:
        if await _on_server(SHAPE, server=_url(name)) == shape:
            await _on_server(EMPTY, server=_url(name))
            spare.append(name)
        else:
            await _on_server(f"DROP DATABASE {name} WITH (FORCE)")


def _url(name: str) -> str:
    return SERVER.rsplit("/", 1)[0] + f"/{name}"


async def _migrate(url: str) -> None:
    EXECUTOR_CACHE.clear()
    async with database(url) as opened:
        await migrate(opened)


async def _on_server(statement: str, *values: str, server: str = SERVER) -> list[Any]:
    import asyncpg  # noqa: PLC0415 - only where there is a server

    connection = await asyncpg.connect(server)
    try:
        return list(await asyncio.wait_for(connection.fetch(statement, *values), 30))
    finally:
        await connection.close()
