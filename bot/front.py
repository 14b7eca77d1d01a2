"""The front door: one port, and a short way through it for the messages that come by the hundred a second.

A request on a connection that is whole, plain and known to a lane is answered here; at the first that is not, the
connection is aiohttp's for good, that request included. So nothing is refused here: whatever is odd, too long, slow,
forged or not understood gets aiohttp's answer. See docs/decisions/0015.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from email.utils import formatdate
from typing import TypeAlias, cast

import httptools
from aiohttp import web

from bot.web import BARE_HEADERS, HTTPS_HEADERS

log = logging.getLogger(__name__)

MAX_WHOLE = 64 * 1024  # bytes of a request that a lane takes
IDLE_SECONDS = 75.0
SWEEP_SECONDS = 15.0
BUSY_SECONDS = 300.0  # no turn takes so long: an answer that has not come by then never will
Headers: TypeAlias = Sequence[tuple[bytes, bytes]]
Answer: TypeAlias = Callable[[int, bytes], None]
"""Give the response, once: its status, and JSON or nothing."""
Lane: TypeAlias = Callable[[Headers, bytes, Answer], bool]
"""Take a POST by its headers and body; False, with nothing done, where aiohttp is to answer it."""

_REASONS = {200: b"OK", 500: b"Internal Server Error", 503: b"Service Unavailable"}


def header(headers: Headers, name: bytes) -> bytes:
    """The first header of this (lower-case) name, or nothing."""
    for each, value in headers:
        if len(each) == len(name) and each.lower() == name:
            return value
    return b""


class FrontDoor:
    """Listens, and keeps the connections that are in a lane. ``others``: aiohttp's server; ``https``: that is how the
    world reaches this one.
    """

    def __init__(self, lanes: Mapping[str, Lane], others: web.Server, *, https: bool = False) -> None:
        self._lanes = {f"POST {path} HTTP/1.1\r\n".encode(): lane for path, lane in lanes.items()}
        self._others = others
        fixed = (*BARE_HEADERS, *(HTTPS_HEADERS if https else ()))
        self._fixed = "".join(f"{name}: {value}\r\n" for name, value in fixed).encode()
        self._second, self._heads = 0, dict[tuple[int, bool, bool], bytes]()
        self._connections: set[_Connection] = set()
        self._empty = asyncio.Event()
        self.closing = False
        self._server: asyncio.Server | None = None
        self._sweeper: asyncio.TimerHandle | None = None

    async def open(self, host: str, port: int) -> None:
        """Listen; raises OSError where that is not possible."""
        self._server = await asyncio.get_running_loop().create_server(lambda: _Connection(self), host, port)
        self._sweep()

    async def close(self, seconds: float) -> None:
        """Listen no more, and let those end who wait for their answer, so long."""
        self.closing = True
        if self._server is not None:
            self._server.close()
        if self._sweeper is not None:
            self._sweeper.cancel()
        for each in list(self._connections):
            each.end()
        if self._connections:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._empty.wait(), seconds)

    def joined(self, connection: "_Connection") -> None:
        """One that is in a lane from now on."""
        self._connections.add(connection)

    def left(self, connection: "_Connection") -> None:
        """One that no more is."""
        self._connections.discard(connection)
        if self.closing and not self._connections:
            self._empty.set()

    def lane(self, request: bytes) -> Lane | None:
        """The lane that a request begins with; None for aiohttp's."""
        for start, lane in self._lanes.items():
            if request.startswith(start):
                return lane
        return None

    def hand_over(self, transport: asyncio.Transport, data: bytes, *, paused: bool) -> None:
        """From here on a connection is aiohttp's, beginning with what came last. ``paused``: it is not read from."""
        handler = self._others()
        transport.set_protocol(handler)
        handler.connection_made(transport)
        if paused:  # it hears of the end of that, too
            handler.pause_writing()
            transport.resume_reading()
        handler.data_received(data)

    def response(self, status: int, body: bytes, *, last: bool) -> bytes:
        """As it goes over the wire; ``last``: the connection ends with it."""
        second = int(time.time())
        if second != self._second:
            self._second = second
            self._heads.clear()
        key = status, bool(body), last
        head = self._heads.get(key)
        if head is None:
            head = self._heads[key] = b"HTTP/1.1 %d %b\r\nDate: %b\r\n%b%b%bContent-Length: " % (
                status,
                _REASONS[status],
                formatdate(second, usegmt=True).encode(),
                self._fixed,
                b"Content-Type: application/json\r\n" if body else b"",
                b"Connection: close\r\n" if last else b"",
            )
        return b"%b%d\r\n\r\n%b" % (head, len(body), body)

    def _sweep(self) -> None:
        """Connections on which nothing has come for long are closed."""
        for each in list(self._connections):
            each.end_if_idle()
        self._sweeper = asyncio.get_running_loop().call_later(SWEEP_SECONDS, self._sweep)


class _Connection(asyncio.Protocol):
    """One connection, as long as it is in a lane. It is also what its parser calls back."""

    def __init__(self, door: FrontDoor) -> None:
        self._door = door
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpRequestParser(self)
        self._headers: list[tuple[bytes, bytes]] = []
        self._body = b""
        self._begun, self._ended = 0, 0  # requests in what came
        self._before = b""  # of a request that is not whole yet
        self._busy = False
        self._heads = False  # the headers are whole: what follows is a trailer
        self._last = False  # the client wants no more than this
        self._paused = False  # the client does not read its answers
        self._ahead = b""  # came before the last request was answered
        self._heard = time.monotonic()

    # --- called by asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Nothing has come yet: it counts as a lane's."""
        self._transport = cast("asyncio.Transport", transport)
        self._door.joined(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """A turn that was begun counts all the same."""
        self._transport = None
        self._door.left(self)

    def data_received(self, data: bytes) -> None:
        """Take a request, wait for the rest of it (once), or give the connection away."""
        self._heard = time.monotonic()
        if self._busy:
            self._ahead += data
            if len(self._ahead) > MAX_WHOLE and self._transport is not None:
                self._transport.abort()
            return
        first = not self._before
        if not first:
            data, self._before, self._parser = self._before + data, b"", httptools.HttpRequestParser(self)
        self._headers, self._body, self._begun, self._ended, self._heads = [], b"", 0, 0, False
        lane = self._door.lane(data)
        if lane is None or len(data) > MAX_WHOLE or not self._parsed(data):
            self._hand_over(data)
        elif first and not self._ended and not header(self._headers, b"expect"):  # who expects waits for a word
            self._before = data
        elif self._begun != 1 or not self._ended or not self._take(lane):
            self._hand_over(data)

    def pause_writing(self) -> None:
        """The client does not read: nothing more is taken from it."""
        self._paused = True
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        """It reads again."""
        self._paused = False
        if self._transport is not None:
            self._transport.resume_reading()

    # --- called by the parser

    def on_message_begin(self) -> None:
        """A request, or one behind another."""
        self._begun += 1

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header."""
        if not self._heads:
            self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        """All of them."""
        self._heads = True

    def on_body(self, body: bytes) -> None:
        """A part of the body."""
        self._body += body

    def on_message_complete(self) -> None:
        """The request is whole."""
        self._ended += 1
        self._last = not self._parser.should_keep_alive()  # who asks later is told of the next one

    # --- our own

    def end(self) -> None:
        """Close, unless somebody waits for an answer."""
        if not self._busy and self._transport is not None:
            self._transport.close()

    def end_if_idle(self) -> None:
        """Close where nothing has come for long."""
        idle = time.monotonic() - self._heard
        if idle > (BUSY_SECONDS if self._busy else IDLE_SECONDS) and self._transport is not None:
            self._transport.close()

    def _parsed(self, data: bytes) -> bool:
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            return False
        return True

    def _take(self, lane: Lane) -> bool:
        self._busy = True
        try:
            taken = lane(self._headers, self._body, self._answer)
        except Exception as error:  # noqa: BLE001 - nothing that was sent may get into the log
            log.error("a request in a lane failed: %s", type(error).__name__)
            self._answer(500, b"")
            return True
        if not taken:
            self._busy = False
        return taken

    def _answer(self, status: int, body: bytes) -> None:
        if not self._busy or self._transport is None:
            return
        last = self._door.closing or self._last
        self._transport.write(self._door.response(status, body, last=last))
        self._busy = False
        if last:
            self._transport.close()
        elif self._ahead:
            ahead, self._ahead = self._ahead, b""
            self.data_received(ahead)

    def _hand_over(self, data: bytes) -> None:
        transport, self._transport = self._transport, None
        self._door.left(self)
        if transport is not None:
            self._door.hand_over(transport, data, paused=self._paused)
