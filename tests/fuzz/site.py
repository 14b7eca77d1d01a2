"""A whole server in a process of its own, and a client that sends it bytes no client library would."""

import json
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from twilio.request_validator import RequestValidator

from tests.e2e.server import Server, prepared
from tests.peers.twilio import SID, TOKEN

NOBODY = "http://127.0.0.1:9"  # where no platform answers: what is sent out fails, as on a bad day
PUBLIC = "http://gelombang.test"
TELEGRAM, XENDIT = "telegrams-secret", "xendit-token"
CHAT = "c" * 32
DOORS = {  # what opens the webhooks, and names a chat on the staff page
    "X-Telegram-Bot-Api-Secret-Token": TELEGRAM,
    "x-callback-token": XENDIT,
    "X-Chat": CHAT,
}
SECONDS = 3.0  # in which every answer begins


def settings(folder: Path) -> dict[str, str]:
    """Everything that can be configured is, so that every route is there."""
    return {
        "PUBLIC_URL": PUBLIC,
        "DRAWS_DIR": f"{folder}/draws",
        "TELEGRAM_TOKEN": "42:" + "A" * 35,
        "TELEGRAM_API_URL": NOBODY,
        "TELEGRAM_MODE": "webhook",
        "TELEGRAM_SECRET": TELEGRAM,
        "TELEGRAM_REPLY_IN_WEBHOOK": "true",
        "STAFF_TELEGRAM_TOKEN": "43:" + "B" * 35,
        "STAFF_TELEGRAM_SECRET": TELEGRAM,
        "TWILIO_ACCOUNT_SID": SID,
        "TWILIO_AUTH_TOKEN": TOKEN,
        "TWILIO_API_URL": NOBODY,
        "TWILIO_CONTENT_URL": NOBODY,
        "TWILIO_WHATSAPP_FROM": "+62811000000",
        "PAYOUT_GATEWAY": "xendit",
        "XENDIT_KEY": "k",
        "XENDIT_CALLBACK_TOKEN": XENDIT,
        "XENDIT_URL": NOBODY,
    }


def twilios_signature(path: str, form: dict[str, str]) -> str:
    """As Twilio would sign a call of a webhook."""
    return str(RequestValidator(TOKEN).compute_signature(PUBLIC + path, form))


@dataclass
class Site:
    """A running server: its routes, its memory, its log."""

    port: int
    process: "subprocess.Popen[bytes]"
    routes: list[tuple[str, str]]
    log_file: Path

    @property
    def log(self) -> str:
        return self.log_file.read_text(errors="replace")

    def memory(self) -> int:
        """The most megabytes the server's process ever held."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) // 1024

    def send(self, request: bytes, *, whole: bool = True) -> int:
        """Send bytes as they are; gives the status, 0 where the server hung up and -1 where it was silent.

        One that is not ``whole`` is hung up on.
        """
        with socket.create_connection(("127.0.0.1", self.port), SECONDS) as connection:
            try:
                connection.sendall(request)
                if not whole:
                    time.sleep(0.02)
                    return 0
                line = connection.makefile("rb").readline()
            except TimeoutError:
                return -1
            except ConnectionError:  # it need not read to the end what it has refused
                return 0
        return int(line.split()[1]) if line.startswith(b"HTTP/1.") else 0


@contextmanager
def whole_site(folder: Path) -> Iterator[Site]:
    """The server, with a migrated database and sample data."""
    server = Server(folder, **settings(folder))
    shutil.copy(prepared(), folder / "test.db")
    routes, log_file = folder / "routes.json", folder / "serve.log"
    command = [sys.executable, "-m", "tests.fuzz.served", str(routes)]
    with log_file.open("ab") as log:
        process = subprocess.Popen(command, env=server.environment, cwd=folder, stdout=log, stderr=log)
    try:
        _until_it_listens(server.port, process, log_file)
        yield Site(server.port, process, [(a, b) for a, b in json.loads(routes.read_text())], log_file)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


def _until_it_listens(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    for _ in range(600):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        assert process.poll() is None, log.read_text()
        time.sleep(0.05)
    raise TimeoutError(log.read_text())
