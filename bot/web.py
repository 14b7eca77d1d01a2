"""The web server: health, and what every handler is wrapped in."""

import asyncio
import logging
import warnings
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from aiohttp import BadContentDispositionHeader, BadContentDispositionParam, ClientPayloadError, web
from aiohttp.http_exceptions import HttpProcessingError

log = logging.getLogger(__name__)

# Python writes each such warning to the log, with what was sent in it, and keeps its text for ever.
for kind in (BadContentDispositionHeader, BadContentDispositionParam):
    warnings.simplefilter("ignore", kind)

BODY_SECONDS = 10.0
SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' blob: data:; object-src 'none'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(self), geolocation=(self), microphone=()",
    "Cross-Origin-Opener-Policy": "same-origin",
}


# What is no page: nothing in it is ever run or shown in a frame.
BARE_HEADERS = (
    ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
)
HTTPS_HEADERS = (("Strict-Transport-Security", "max-age=31536000; includeSubDomains"),)
# What msgspec raises for what is no JSON, or is nested too deep to be read.
NO_JSON = (ValueError, RecursionError)

# What a broken or broken-off request body raises, beside aiohttp's own answers: a RuntimeError for a transfer encoding
# that there is not and for JSON that is too deep, an ArithmeticError for a time that never comes.
UNREADABLE = (
    ValueError,
    AssertionError,
    LookupError,
    ArithmeticError,
    RuntimeError,
    EOFError,
    ConnectionError,
    ClientPayloadError,
    TimeoutError,
    HttpProcessingError,
    web.RequestPayloadError,
    web.HTTPException,
)


async def limited_body(request: web.Request, most: int) -> bytes:
    """A request's body; one that is longer is cut off at a byte too many. Raises one of UNREADABLE, also where it is
    sent slower than any phone does.
    """
    if request.content.is_eof():  # it came with the head, as short ones do: nothing to wait for
        return request.content.read_nowait(most + 1)
    body = bytearray()
    async with asyncio.timeout(BODY_SECONDS):
        while len(body) <= most and (part := await request.content.read(most + 1)):
            body += part
    return bytes(body)


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def guarded(handler: Handler) -> Handler:
    """An unexpected error becomes a 500 without a word of what was sent, in the answer or in the log."""

    async def handle(request: web.Request) -> web.StreamResponse:
        if request.method != "POST":
            try:
                _ = request.if_modified_since, request.if_unmodified_since, request.if_range
            except OverflowError:  # a year that no calendar has; aiohttp would break off over it when it sends a file
                return web.Response(status=400)
        try:
            return await handler(request)
        except web.HTTPException:
            raise
        except Exception as error:  # noqa: BLE001 - the last stop before the server's own page and traceback
            log.error("%s %s failed: %s", request.method, request.match_info.route.resource, type(error).__name__)
            body = msgspec.json.encode({"error": {"code": "internal", "message": "something went wrong on our side"}})
            return web.Response(status=500, body=body, content_type="application/json")

    return handle


def quiet_logger() -> logging.Logger:
    """A logger for aiohttp's server: that something failed, without the request line, which may hold secrets."""

    def strip(record: logging.LogRecord) -> bool:
        kind = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else "error"
        record.msg, record.args, record.exc_info = f"a request could not be handled: {kind}", (), None
        return True

    logger = logging.getLogger("bot.http")
    logger.filters[:] = [strip]
    return logger


async def _health(request: web.Request) -> web.Response:
    return web.json_response({"status": "ok"})


def application(*middlewares: Any, https: bool = False) -> web.Application:
    """An application with its health check; channels add their routes. ``https``: that is how the world reaches it."""
    app = web.Application(client_max_size=1024**2, middlewares=middlewares)
    app.router.add_get("/health", guarded(_health))

    async def harden(request: web.Request, response: web.StreamResponse) -> None:
        """Headers of every answer, errors included; what a page says of itself stays."""
        headers = response.headers
        headers.pop("Server", None)
        page = headers.get("Content-Type", "").startswith("text/html")
        for name, value in SECURITY_HEADERS.items() if page else BARE_HEADERS:
            headers.setdefault(name, value)
        for name, value in HTTPS_HEADERS if https else ():
            headers.setdefault(name, value)

    app.on_response_prepare.append(harden)
    return app
