"""The front door over real connections: what a lane takes, and what it leaves to aiohttp, byte by byte."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import cast

import pytest
from aiohttp import web

from bot.front import MAX_WHOLE, Answer, FrontDoor, Headers, header

PATH = "/webhooks/fast"


@dataclass
class House:
    """A front door with one lane, which takes what begins with "ok" and answers when it is let."""

    port: int
    door: FrontDoor
    taken: list[bytes] = field(default_factory=list)
    waiting: list[Callable[[], None]] = field(default_factory=list)
    lines: list["Line"] = field(default_factory=list)

    async def connect(self) -> "Line":
        """A client's connection."""
        self.lines.append(Line(*await asyncio.open_connection("127.0.0.1", self.port)))
        return self.lines[-1]


@dataclass
class Line:
    """A connection of a client."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def say(self, *parts: bytes) -> None:
        """Send parts that arrive one by one."""
        for part in parts:
            self.writer.write(part)
            await asyncio.sleep(0.05)

    async def hear(self) -> tuple[int, dict[str, str], bytes]:
        """Status, headers by their lower-case names, and body of one response."""
        head = (await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), 5)).decode()
        first, *lines = head.strip().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        return int(first.split()[1]), headers, await self.reader.readexactly(int(headers.get("content-length", 0)))

    async def ended(self) -> bool:
        """Whether the server closes the connection."""
        return await asyncio.wait_for(self.reader.read(), 5) == b""


@asynccontextmanager
async def house(port: int) -> AsyncIterator[House]:
    async def slow(request: web.Request) -> web.Response:
        return web.Response(text=f"aiohttp {request.method} {request.path} {(await request.read()).decode()}")

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", slow)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    here: House

    def take(headers: Headers, body: bytes, answer: Answer) -> bool:
        if body == b"bad":
            raise ValueError(body)
        if not body.startswith(b"ok") or header(headers, b"x-secret") != b"s":
            return False
        here.taken.append(body)
        if body.startswith(b"ok wait"):
            here.waiting.append(lambda: answer(200, b'"' + body + b'"'))
        else:
            answer(200, b'"' + body + b'"')
        return True

    here = House(port, FrontDoor({PATH: take}, cast("web.Server", runner.server), https=True))
    await here.door.open("127.0.0.1", port)
    try:
        yield here
    finally:
        for line in here.lines:
            line.writer.close()
        await here.door.close(0.1)
        await runner.cleanup()


def post(body: bytes, *more: str, path: str = PATH, version: str = "1.1") -> bytes:
    """A request as platforms send it."""
    lines = f"POST {path} HTTP/{version}", "Host: x", "X-SECRET: s", f"Content-Length: {len(body)}", *more
    return "\r\n".join([*lines, "", ""]).encode() + body


async def test_a_lane_answers_and_the_connection_goes_on(unused_tcp_port: int) -> None:
    async with house(unused_tcp_port) as here:
        line = await here.connect()
        for body in (b"ok 1", b"ok 2"):
            await line.say(post(body))
            status, headers, answer = await line.hear()
            assert (status, answer) == (200, b'"' + body + b'"')
            assert headers["content-type"] == "application/json"
            assert headers["x-content-type-options"] == "nosniff"
            assert "max-age" in headers["strict-transport-security"]
            assert headers["date"].endswith("GMT")
            assert "connection" not in headers
        assert here.taken == [b"ok 1", b"ok 2"]


WHOLE = post(b"ok there")
CHUNKED = (
    f"POST {PATH} HTTP/1.1\r\nHost: x\r\nX-Secret: s\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    + b"3\r\nok \r\n4\r\nwell\r\n0\r\n\r\n"
)


@pytest.mark.parametrize(
    ("parts", "bodies"),
    [
        ([WHOLE], [b'"ok there"']),
        ([WHOLE[:-3], WHOLE[-3:]], [b'"ok there"']),
        ([WHOLE[:60], WHOLE[60:], WHOLE], [b'"ok there"', b'"ok there"']),
        ([CHUNKED], [b'"ok well"']),
        ([CHUNKED.replace(b"X-Secret: s\r\n", b"").replace(b"0\r\n\r\n", b"0\r\nX-Secret: s\r\n\r\n")],
         [b"aiohttp POST /webhooks/fast ok well"]),
        # what is aiohttp's, and everything behind it
        ([WHOLE[:60], WHOLE[60:70], WHOLE[70:]], [b"aiohttp POST /webhooks/fast ok there"]),
        ([WHOLE[:9], WHOLE[9:]], [b"aiohttp POST /webhooks/fast ok there"]),
        ([post(b"no"), WHOLE], [b"aiohttp POST /webhooks/fast no", b"aiohttp POST /webhooks/fast ok there"]),
        ([post(b"ok", path="/other")], [b"aiohttp POST /other ok"]),
        ([post(b"ok", path=PATH + "?a=1")], [b"aiohttp POST /webhooks/fast ok"]),
        ([post(b"ok", version="1.0")], [b"aiohttp POST /webhooks/fast ok"]),
        ([WHOLE.replace(b"POST", b"PUT")], [b"aiohttp PUT /webhooks/fast ok there"]),
        ([WHOLE.replace(b"X-SECRET: s", b"X-Secret: t")], [b"aiohttp POST /webhooks/fast ok there"]),
        ([WHOLE + WHOLE], [b"aiohttp POST /webhooks/fast ok there"] * 2),
        ([WHOLE + WHOLE[:50], WHOLE[50:]], [b"aiohttp POST /webhooks/fast ok there"] * 2),
        ([WHOLE, post(b"ok", path="/x"), WHOLE],
         [b'"ok there"', b"aiohttp POST /x ok", b"aiohttp POST /webhooks/fast ok there"]),
    ],
)  # fmt: skip
async def test_each_request_is_answered_once_and_in_order(
    parts: list[bytes], bodies: list[bytes], unused_tcp_port: int
) -> None:
    async with house(unused_tcp_port) as here:
        line = await here.connect()
        await line.say(*parts)
        assert [(await line.hear())[::2] for _ in bodies] == [(200, body) for body in bodies]
        assert len(here.taken) == sum(body.startswith(b'"') for body in bodies)


@pytest.mark.parametrize(
    "raw",
    [
        post(b"ok").replace(b"Content-Length: 2", b"Content-Length: two"),
        post(b"ok", "Content-Length: 3"),
        post(b"ok").replace(b"Host: x", b"Host x\x01"),
        b"POST " + PATH.encode() + b" HTTP/1.1\r\n\x00\xff\r\n\r\n",
    ],
)
async def test_what_is_no_http_gets_aiohttps_answer(raw: bytes, unused_tcp_port: int) -> None:
    async with house(unused_tcp_port) as here:
        line = await here.connect()
        await line.say(raw)
        assert (await line.hear())[0] == 400
        assert here.taken == []


async def test_a_body_that_is_long_is_aiohttps(unused_tcp_port: int) -> None:
    async with house(unused_tcp_port) as here:
        line = await here.connect()
        await line.say(post(b"ok" * MAX_WHOLE))
        assert (await line.hear())[2].startswith(b"aiohttp POST /webhooks/fast okok")


@pytest.mark.parametrize("cut", [None, -20])
async def test_who_waits_to_be_told_to_go_on_is_told(cut: int | None, unused_tcp_port: int) -> None:
    async with house(unused_tcp_port) as here:
        line = await here.connect()
        head, body = post(b"ok there", "Expect: 100-continue")[:-8], b"ok there"
        await line.say(*([head] if cut is None else [head[:cut], head[cut:]]))
        assert (await line.hear())[0] == 100
        await line.say(body)
        assert (await line.hear())[2] == b"aiohttp POST /webhooks/fast ok there"


async def test_what_comes_before_the_answer_waits_for_it(unused_tcp_port: int) -> None:
    async with house(unused_tcp_port) as here:
        line = await here.connect()
        await line.say(post(b"ok wait"), post(b"ok then"))
        assert here.taken == [b"ok wait"]
        here.waiting[0]()
        assert [(await line.hear())[2] for _ in range(2)] == [b'"ok wait"', b'"ok then"']
        await line.say(post(b"ok wait"), b"x" * (MAX_WHOLE + 1))  # nobody sends so much unanswered
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await line.hear()


async def test_an_answer_to_who_is_gone_harms_nobody(unused_tcp_port: int) -> None:
    async with house(unused_tcp_port) as here:
        line = await here.connect()
        await line.say(post(b"ok wait"))
        line.writer.close()
        await asyncio.sleep(0.05)
        here.waiting[0]()
        here.waiting[0]()  # nor does a second one
        other = await here.connect()
        await other.say(WHOLE)
        assert (await other.hear())[0] == 200


async def test_a_lane_that_fails_says_so_and_goes_on(unused_tcp_port: int, caplog: pytest.LogCaptureFixture) -> None:
    async with house(unused_tcp_port) as here:
        line = await here.connect()
        await line.say(post(b"bad"), WHOLE)
        assert [(await line.hear())[0] for _ in range(2)] == [500, 200]
    assert caplog.messages == ["a request in a lane failed: ValueError"]


async def test_the_last_answer_closes_the_connection(unused_tcp_port: int) -> None:
    async with house(unused_tcp_port) as here:
        line = await here.connect()
        await line.say(post(b"ok", "Connection: close"))
        status, headers, _ = await line.hear()
        assert (status, headers["connection"]) == (200, "close")
        assert await line.ended()


async def test_closing_ends_who_is_idle_and_lets_others_hear_their_answer(unused_tcp_port: int) -> None:
    async with house(unused_tcp_port) as here:
        idle, waits = await here.connect(), await here.connect()
        await waits.say(post(b"ok wait"))
        async with asyncio.TaskGroup() as group:
            group.create_task(here.door.close(5))
            assert await idle.ended()
            with pytest.raises(ConnectionRefusedError):
                await here.connect()
            here.waiting[0]()
            status, headers, body = await waits.hear()
            assert (status, headers["connection"], body) == (200, "close", b'"ok wait"')


async def test_a_connection_on_which_nothing_comes_is_closed(
    unused_tcp_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.front.IDLE_SECONDS", 0.2)
    monkeypatch.setattr("bot.front.SWEEP_SECONDS", 0.05)
    async with house(unused_tcp_port) as here:
        line, half, waits = await here.connect(), await here.connect(), await here.connect()
        await half.say(WHOLE[:60])
        await waits.say(post(b"ok wait"))
        assert await line.ended()
        assert await half.ended()
        here.waiting[0]()  # who waits for an answer is not idle
        assert (await waits.hear())[0] == 200
        monkeypatch.setattr("bot.front.BUSY_SECONDS", 0.2)
        forgotten = await here.connect()
        await forgotten.say(post(b"ok wait"))
        assert await forgotten.ended()


async def test_who_does_not_read_is_not_read_from_either_and_misses_nothing(unused_tcp_port: int) -> None:
    count, body = 0, b"ok" + b"." * 30_000
    async with house(unused_tcp_port) as here:
        line = await here.connect()
        client = cast("asyncio.Transport", line.writer.transport)
        client.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        client.pause_reading()
        await asyncio.sleep(0.05)
        [connection] = here.door._connections
        assert connection._transport is not None
        connection._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4_096)
        while not connection._paused:
            count += 1
            assert count < 1_000
            line.writer.write(post(body))
            await asyncio.sleep(0.005)
        assert connection._transport.get_write_buffer_size() < 4 * MAX_WHOLE
        assert not connection._transport.is_reading()
        await line.say(post(b"ok", path="/x"))
        assert len(here.taken) == count
        client.resume_reading()
        answers = [await line.hear() for _ in range(count + 1)]
    assert {answer[0] for answer in answers} == {200}
    assert all(body in answer[2] for answer in answers[:-1])
    assert answers[-1][2] == b"aiohttp POST /x ok"
