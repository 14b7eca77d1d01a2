"""The same conversation in a terminal: type answers, a number for a button, ``--photo PATH`` for a photo."""

import asyncio
import secrets
import sys
from pathlib import Path

import msgspec

from bot.channel import Desk
from domain.ports import PhotoError
from handlers.conversation import Inbound
from handlers.engine import Outgoing
from handlers.i18n import numbered_line
from models.enums import Channel

HELP = "Type an answer or a button's number. Photo: --photo PATH   Leave: --quit\n"
VERDICT_SECONDS = 30.0


def layout(message: Outgoing) -> str:
    """A message as lines of text, its buttons numbered; what went by SMS or mail says to whom."""
    rendered = message.render()
    if message.body.to:
        return f"   [{message.row.channel} to {message.body.to}] {rendered.text}"
    buttons = [f"   {numbered_line(number, choice)}" for number, choice in enumerate(rendered.choices, start=1)]
    return "\n".join([f"\n🌊 {rendered.text}", *buttons])


def photo_path(line: str) -> Path | None:
    """The path after ``--photo``; quotes, a leading ~ and escaped spaces are understood."""
    if not line.startswith("--photo"):
        return None
    return Path(line.removeprefix("--photo").strip().strip("'\"").replace("\\ ", " ")).expanduser()


async def chat(desk: Desk, name: str, mark: Path) -> int:
    """Talk until the input ends. ``mark`` is a file with the id of the last message shown."""
    # The name is the chat's address on this database: whoever can run the command can read the database anyway.
    address = f"terminal:{name}"
    print(HELP)
    seen = await _say(desk, address, "/resume", _marked(mark))
    while True:
        await asyncio.to_thread(mark.write_text, str(seen))
        print("\n> ", end="", flush=True)
        line = await asyncio.to_thread(sys.stdin.readline)
        if not line or line.strip() == "--quit":
            return 0
        if line.strip():
            seen = await _say(desk, address, line.strip(), seen)


def _marked(mark: Path) -> int:
    return int(mark.read_text()) if mark.exists() else 0


async def _unread(desk: Desk, address: str, seen: int) -> int:
    """Show what came since the last message shown: an answer of staff, a late verdict."""
    _, messages = await desk.mailbox(Channel.TERMINAL, address, seen)
    for message in messages:
        print(layout(message))
        seen = message.row.id
    return seen


async def _say(desk: Desk, address: str, line: str, seen: int) -> int:
    seen = await _unread(desk, address, seen)
    inbound = await _inbound(desk, address, line)
    if inbound is None:
        return seen
    replies = (await desk.receive(inbound)).replies
    for message in replies:
        print(layout(message))
        seen = max(seen, message.row.id)
    return await _verdict(desk, address, seen) if any(m.row.key.endswith("_checking") for m in replies) else seen


async def _inbound(desk: Desk, address: str, line: str) -> Inbound | None:
    """The message a line is; None where its photo can't be read."""
    empty = Inbound(channel=Channel.TERMINAL, address=address, external_id=secrets.token_hex(20))
    path = photo_path(line)
    if path is None:
        return msgspec.structs.replace(empty, text=line)
    try:
        photo = await desk.keep_photo(Channel.TERMINAL, address, await asyncio.to_thread(path.read_bytes))
    except OSError as error:
        print(f"{path}: {error.strerror}")
        return None
    except PhotoError as error:
        return msgspec.structs.replace(empty, problem=error.code)
    return msgspec.structs.replace(empty, photo=photo, other=None if photo else "photo")


async def _verdict(desk: Desk, address: str, seen: int) -> int:
    loop = asyncio.get_running_loop()
    until = loop.time() + VERDICT_SECONDS
    while loop.time() < until:
        address_id, messages = await desk.mailbox(Channel.TERMINAL, address, seen)
        if messages:
            for message in messages:
                print(layout(message))
            return messages[-1].row.id
        await desk.new_mail(address_id or 0, 2)
    return seen
