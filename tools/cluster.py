"""Many processes on one machine, with a PostgreSQL and a Redis of their own on spare ports.

    python -m tools.cluster            # until Ctrl+C; everything is in a temporary folder and gone afterwards

Needs the programs of PostgreSQL and Redis, and starts them itself: servers that run on the machine are never touched.
"""

import asyncio
import glob
import os
import pwd
import secrets
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import get_args
from urllib.error import URLError
from urllib.request import urlopen

from pydantic_settings import DotEnvSettingsSource

from bot.settings import Settings

ROOT = Path(__file__).parents[1]
START_SECONDS = 60
STOP_SECONDS = 20
WEBS, WORKERS, FACES = 2, 2, 1


def postgres_programs() -> Path | None:
    """The folder of ``initdb`` and ``postgres``, which many systems keep out of the path."""
    found = shutil.which("initdb")
    folders = ([found] if found else []) + sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"))
    return Path(folders[-1]).parent if folders else None


def can_run() -> bool:
    """Whether the programs are on this machine."""
    return postgres_programs() is not None and shutil.which("redis-server") is not None


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def opened(port: int, process: asyncio.subprocess.Process, log: Path) -> None:
    """Wait until a process listens; TimeoutError or RuntimeError where it does not."""
    for _ in range(START_SECONDS * 20):
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            if process.returncode is not None:
                raise RuntimeError(f"see {log}") from None
            await asyncio.sleep(0.05)
            continue
        writer.close()
        return
    raise TimeoutError(f"see {log}")


class Member:
    """One process that can be started, killed, frozen and started again."""

    def __init__(self, name: str, command: list[str], port: int, log: Path, environment: Mapping[str, str]) -> None:
        self.name, self.port, self.log = name, port, log
        self.command, self.environment = command, dict(environment)
        self.user: str | None = None
        self.process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start, and wait until it listens."""
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *self.command, env=self.environment, stdout=log, stderr=log, cwd=self.log.parent, user=self.user
            )
        await opened(self.port, self.process, self.log)

    def send(self, number: signal.Signals) -> None:
        """Send a signal, if it lives."""
        if self.process is not None and self.process.returncode is None:
            self.process.send_signal(number)

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """End it; its return code. One that does not end in time is killed, and TimeoutError is raised."""
        if self.process is None:
            return 0
        self.send(number)
        try:
            return await asyncio.wait_for(self.process.wait(), STOP_SECONDS)
        except TimeoutError:
            self.send(signal.SIGKILL)
            await self.process.wait()
            raise


class Cluster:
    """A database, a Redis, and as many processes of each role as are asked for."""

    def __init__(self, folder: Path, webs: int = WEBS, workers: int = WORKERS, faces: int = FACES) -> None:
        self.folder = folder
        programs = postgres_programs()
        redis = shutil.which("redis-server")
        if programs is None or redis is None:
            raise RuntimeError("PostgreSQL's and Redis's programs are not on this machine")
        self._programs, database_port, redis_port = programs, free_port(), free_port()
        self.settings = {
            "DATABASE_URL": f"postgres://gelombang@127.0.0.1:{database_port}/postgres",
            "REDIS_URL": f"redis://127.0.0.1:{redis_port}/0",
            "KEY_FILE": f"{folder}/keys",
            "MEDIA_DIR": f"{folder}/media",
            "DRAWS_DIR": f"{folder}/draws",
            "PAYOUT_GATEWAY": "file",
            "LOG_FORMAT": "json",
        }
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("GELOMBANG_")}
        self.postgres = Member(
            "postgres",
            [str(programs / "postgres"), "-D", str(folder / "database"), "-p", str(database_port), "-k", "",
             "-c", "listen_addresses=127.0.0.1", "-c", "max_connections=200"],
            database_port, folder / "database.log", inherited,
        )  # fmt: skip
        self.redis = Member(
            "redis",
            [redis, "--port", str(redis_port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"],
            redis_port, folder / "redis.log", inherited,
        )  # fmt: skip
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            self.postgres.user = "postgres"
        self._inherited = inherited
        counts = {"web": webs, "worker": workers, "faces": faces}
        self.members = {role: [self._member(role, n) for n in range(count)] for role, count in counts.items()}

    @property
    def database_url(self) -> str:
        """Where all state is."""
        return self.settings["DATABASE_URL"]

    @property
    def webs(self) -> list[str]:
        """Addresses of the web processes."""
        return [f"http://127.0.0.1:{member.port}" for member in self.members["web"]]

    @property
    def processes(self) -> list[Member]:
        """Every process of the program."""
        return [member for group in self.members.values() for member in group]

    def set(self, settings: Mapping[str, str]) -> None:
        """Settings of every process, before it is started; names without ``GELOMBANG_``."""
        self.settings.update(settings)
        for member in self.processes:
            member.environment.update(self._environment(member.port))

    async def start_servers(self) -> None:
        """The database, made anew, and Redis."""
        data = self.folder / "database"
        data.mkdir()
        if user := self.postgres.user:
            owner = pwd.getpwnam(user)
            os.chown(data, owner.pw_uid, owner.pw_gid)
            self.folder.chmod(0o711)  # to be passed through, not read
        await self.program(
            "initdb", "-D", str(data), "-U", "gelombang", "--auth=trust", "--encoding=UTF8", "--locale=C",
            user=self.postgres.user,
        )  # fmt: skip
        await self.postgres.start()
        await self.redis.start()
        await self.until_database_answers()

    async def until_database_answers(self) -> None:
        """Wait until PostgreSQL takes connections: it listens earlier."""
        for _ in range(START_SECONDS * 10):
            try:
                await self.program("pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.postgres.port))
            except RuntimeError:
                await asyncio.sleep(0.1)
            else:
                return
        raise TimeoutError(f"see {self.postgres.log}")

    async def program(self, name: str, *arguments: str, user: str | None = None) -> str:
        """One of PostgreSQL's programs; what it printed. RuntimeError where it failed."""
        command = [str(self._programs / name), *arguments]
        return await self._said(command, self._inherited, user)

    async def command(self, *arguments: str) -> str:
        """``gelombang`` with these arguments; what it printed. RuntimeError where it failed."""
        command = [sys.executable, "-m", "bot", *arguments]
        return await self._said(command, self._environment(free_port()), None)

    async def _said(self, command: list[str], environment: Mapping[str, str], user: str | None) -> str:
        process = await asyncio.create_subprocess_exec(
            *command, env=environment, cwd=self.folder, user=user,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        said, _ = await process.communicate()
        if process.returncode:
            raise RuntimeError(said.decode())
        return said.decode()

    async def start(self) -> None:
        """Every process, and wait until each is ready."""
        await asyncio.gather(*(member.start() for member in self.processes))
        for member in self.processes:
            for _ in range(START_SECONDS * 10):
                if await asyncio.to_thread(is_ready, member.port):
                    break
                await asyncio.sleep(0.1)
            else:
                raise TimeoutError(f"{member.name} is not ready")

    async def stop(self) -> None:
        """End everything, gently."""
        for group in (self.processes, [self.redis, self.postgres]):
            for member in group:
                member.send(signal.SIGCONT)
            # SIGINT: PostgreSQL ends without waiting for its clients.
            number = signal.SIGINT if group is not self.processes and self.postgres in group else signal.SIGTERM
            await asyncio.gather(*(member.stop(number) for member in group), return_exceptions=True)

    def _member(self, role: str, number: int) -> Member:
        port, name = free_port(), f"{role}{number + 1}"
        command = [sys.executable, "-m", "bot", "serve", "--role", role]
        return Member(name, command, port, self.folder / f"{name}.log", self._environment(port))

    def _environment(self, port: int) -> dict[str, str]:
        named = {f"GELOMBANG_{name}": value for name, value in self.settings.items()}
        return {**self._inherited, **named, "GELOMBANG_PORT": str(port), "PYTHONPATH": str(ROOT)}


def is_ready(port: int) -> bool:
    """What a balancer would ask."""
    try:
        with urlopen(f"http://127.0.0.1:{port}/ready", timeout=5) as answer:
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False


@asynccontextmanager
async def cluster(
    settings: Mapping[str, str], webs: int = WEBS, workers: int = WORKERS, faces: int = FACES, *, filled: bool = True
) -> AsyncIterator[Cluster]:
    """A cluster that runs, in a folder that is gone afterwards, with tables and sample data.

    Not ``filled``: the tables are empty, and no process is started yet.
    """
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gelombang-cluster-")))
        made = Cluster(folder, webs, workers, faces)
        made.set(settings)
        stack.push_async_callback(made.stop)
        await made.start_servers()
        await made.command("migrate")
        if filled:
            await made.command("sample")
            await made.start()
        yield made


def _found_from_anywhere(settings: Mapping[str, str]) -> dict[str, str]:
    """Paths made absolute: the processes run in a folder of their own."""
    fields = Settings.model_fields.items()
    paths = {name.upper() for name, each in fields if Path in {each.annotation, *get_args(each.annotation)}}
    return {name: str(Path(value).resolve()) if name in paths else value for name, value in settings.items()}


def given() -> dict[str, str]:
    """Settings of the environment and, where it says nothing, of the file .env here, without their prefix."""
    written = {name.upper(): value for name, value in DotEnvSettingsSource(Settings).env_vars.items() if value}
    return {
        name.removeprefix("GELOMBANG_"): value
        for name, value in {**written, **os.environ}.items()
        if name.startswith("GELOMBANG_")
    }


async def main() -> None:
    """Run one until Ctrl+C."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    kept = _found_from_anywhere(given())
    for own in ("DATABASE_URL", "REDIS_URL", "PORT"):
        kept.pop(own, None)
    print("starting PostgreSQL, Redis, 2 web, 2 workers, 1 for faces ...", flush=True)
    async with cluster({"METRICS_TOKEN": secrets.token_urlsafe(12), **kept}) as running:
        for address in running.webs:
            print(f"web      {address}")
        for member in running.processes:
            print(f"{member.name:8} /ready and /metrics on 127.0.0.1:{member.port}, log {member.log}")
        print(f"metrics  Authorization: Bearer {running.settings['METRICS_TOKEN']}")
        print("Ctrl+C ends everything.", flush=True)
        await stop.wait()


if __name__ == "__main__":
    asyncio.run(main())
