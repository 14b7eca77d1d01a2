"""The same conversation in a terminal: type answers, a number for a button, ``--photo PATH`` for a photo."""

import asyncio
import hashlib
import secrets
import sys
from pathlib import Path

from bot.app import App, running
from bot.settings import Settings
from domain.ports import PhotoError
from handlers.conversation import Inbound, Photo
from handlers.engine import Outgoing
from models.enums import Channel

HELP = "Type an answer or a button's number. Photo: --photo PATH   Leave: --quit\n"
VERDICT_SECONDS = 30.0


def layout(message: Outgoing) -> str:
    """A message as lines of text, its buttons numbered; what went by SMS or mail says to whom."""
    rendered = message.render()
    if message.body.to:
        return f"   [{message.row.channel} to {message.body.to}] {rendered.text}"
    buttons = [f"   {number}. {choice.label}" for number, choice in enumerate(rendered.choices, start=1)]
    return "\n".join([f"\n🌊 {rendered.text}", *buttons])


def photo_path(line: str) -> Path | None:
    """The path after ``--photo``; quotes, a leading ~ and escaped spaces are understood."""
    if not line.startswith("--photo"):
        return None
    return Path(line.removeprefix("--photo").strip().strip("'\"").replace("\\ ", " ")).expanduser()


async def chat(settings: Settings, name: str) -> int:
    """Talk until the input ends."""
    # The name is the chat's address on this database: whoever can run the command can read the database anyway.
    address = f"terminal:{name}"
    async with running(settings) as app:
        print(HELP)
        seen = await _say(app, address, "halo", 0)
        while True:
            print("\n> ", end="", flush=True)
            line = await asyncio.to_thread(sys.stdin.readline)
            if not line or line.strip() == "--quit":
                return 0
            if line.strip():
                seen = await _say(app, address, line.strip(), seen)


async def _say(app: App, address: str, line: str, seen: int) -> int:
    path = photo_path(line)
    photo: Photo | None = None
    problem: str | None = None
    if path is not None:
        try:
            photo = await app.photos.keep(await asyncio.to_thread(path.read_bytes))
        except OSError as error:
            print(f"{path}: {error.strerror}")
            return seen
        except PhotoError as error:
            problem = error.code
    external = hashlib.blake2b(secrets.token_bytes(16), digest_size=20).hexdigest()
    text = line if path is None else None
    result = await app.receive(
        Inbound(
            channel=Channel.TERMINAL, address=address, external_id=external, text=text, photo=photo, problem=problem
        )
    )
    for message in result.replies:
        print(layout(message))
        seen = max(seen, message.row.id)
    if any(message.row.key.endswith("_checking") for message in result.replies):
        seen = await _verdict(app, address, seen)
    return seen


async def _verdict(app: App, address: str, seen: int) -> int:
    loop = asyncio.get_running_loop()
    until = loop.time() + VERDICT_SECONDS
    while loop.time() < until:
        address_id, messages = await app.mailbox(Channel.TERMINAL, address, seen)
        if messages:
            for message in messages:
                print(layout(message))
            return messages[-1].row.id
        await app.delivery.new_mail(address_id or 0, 2)
    return seen
