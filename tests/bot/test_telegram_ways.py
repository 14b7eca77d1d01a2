"""Telegram's webhook has two ways in that say the same: whole by the front door's lane, in pieces by aiohttp."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

import msgspec
import pytest
from aiohttp import web

from bot.channels.telegram import TelegramChannel
from bot.front import FrontDoor
from bot.web import guarded
from handlers.conversation import Choice, Inbound, Say
from handlers.engine import Body, Outgoing, Settled, TurnResult, TurnUnavailableError
from models.enums import Channel, OutboxStatus
from models.outbox import OutboxRow
from models.trace import Begun
from tests.bot.test_telegram import TABLE

PATH = "/webhooks/telegram"


def reply(status: str = OutboxStatus.SENT) -> Outgoing:
    body = Body(Say("registration.ask_name", choices=(Choice("a~1", "common.failed"),)))
    row = OutboxRow(1, 1, 1, "telegram", 1, 0, body.say.key, "registration.name", "id", b"", status)
    return Outgoing(row, body)


RESULTS: list[Callable[[], TurnResult | TurnUnavailableError]] = [
    lambda: TurnResult([reply()]),
    lambda: TurnResult([reply()], repeated=True),
    lambda: TurnResult([reply(OutboxStatus.ATTEMPTING)]),
    lambda: TurnResult([reply(), reply()]),
    lambda: TurnResult([]),
    lambda: TurnUnavailableError("busy"),
]


class House:
    """A server with both ways, whose turns come to what is set; it remembers what was taken."""

    def __init__(self, result: TurnResult | TurnUnavailableError, *, in_webhook: bool = True) -> None:
        self.result, self.taken = result, list[Inbound]()
        self.channel = TelegramChannel("42:x", "http://nowhere", "secret", "kontak", reply_in_webhook=in_webhook)

    async def receive(self, inbound: Inbound) -> TurnResult:
        self.taken.append(inbound)
        if isinstance(self.result, TurnUnavailableError):
            raise self.result
        return self.result

    def submit(self, inbound: Inbound, done: Settled, begun: Begun) -> None:
        assert begun == (Channel.TELEGRAM, inbound.external_id)
        self.taken.append(inbound)
        done(self.result)

    async def answers(self, body: bytes, port: int, secret: str = "secret") -> list[tuple[bytes, bytes]]:
        """Status and body by the lane and by aiohttp."""
        app = web.Application()
        app.router.add_post(PATH, guarded(self.channel.webhook(self.receive)))
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        door = FrontDoor({PATH: self.channel.lane(self.submit)}, cast("web.Server", runner.server))
        await door.open("127.0.0.1", port)
        head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nX-Telegram-Bot-Api-Secret-Token: {secret}\r\nConnection: close\r\n"
        request = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
        found = []
        for parts in ([request], [request[:5], request[5:]]):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            for part in parts:
                writer.write(part)
                await asyncio.sleep(0.02)
            answered, _, content = (await asyncio.wait_for(reader.read(), 5)).partition(b"\r\n\r\n")
            found.append((answered.split(b"\r\n")[0].split()[1], content))
            writer.close()
        await door.close(0.1)
        await runner.cleanup()
        return found


@pytest.mark.parametrize("update", [row[1] for row in TABLE], ids=[row[0] for row in TABLE])
async def test_the_same_is_taken(update: dict[str, Any], unused_tcp_port: int) -> None:
    house = House(TurnResult([reply()]))
    lane, aiohttps = await house.answers(msgspec.json.encode(update), unused_tcp_port)
    assert lane == aiohttps
    assert lane[0] == b"200"
    assert house.taken[::2] == house.taken[1::2]


@pytest.mark.parametrize("result", RESULTS)
@pytest.mark.parametrize("in_webhook", [True, False])
async def test_the_same_is_answered(
    result: Callable[[], TurnResult | TurnUnavailableError], in_webhook: bool, unused_tcp_port: int
) -> None:
    house = House(result(), in_webhook=in_webhook)
    lane, aiohttps = await house.answers(msgspec.json.encode(TABLE[0][1]), unused_tcp_port)
    assert lane == aiohttps
    replies = house.result.replies if isinstance(house.result, TurnResult) and in_webhook else []
    assert (b"sendMessage" in lane[1]) == ([each.row.status for each in replies] == [OutboxStatus.SENT])


async def test_a_reply_that_has_no_words_is_asked_for_again(
    unused_tcp_port: int, caplog: pytest.LogCaptureFixture
) -> None:
    wordless = reply()
    wordless.row.language = "xx"
    lane, aiohttps = await House(TurnResult([wordless])).answers(msgspec.json.encode(TABLE[0][1]), unused_tcp_port)
    assert lane[0] == aiohttps[0] == b"500"
    assert "a reply could not be put into words: FileNotFoundError" in caplog.messages


@pytest.mark.parametrize(
    ("body", "secret", "status"),
    [
        (b"{", "secret", b"400"),
        (b'{"update_id": "five"}', "secret", b"400"),
        (b"[" * 5000, "secret", b"400"),
        (b"\xff\xfe", "secret", b"400"),
        (msgspec.json.encode(TABLE[0][1]), "guessed", b"403"),
        (msgspec.json.encode(TABLE[0][1]), "", b"403"),
        (b"x" * (2 * 1024 * 1024), "secret", b"413"),
    ],
)
async def test_the_same_is_refused(body: bytes, secret: str, status: bytes, unused_tcp_port: int) -> None:
    house = House(TurnResult([reply()]))
    lane, aiohttps = await house.answers(body, unused_tcp_port, secret)
    assert lane == aiohttps
    assert lane[0] == status
    assert house.taken == []
