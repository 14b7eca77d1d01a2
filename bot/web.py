"""The web server: health, and what every handler is wrapped in."""

import logging
from collections.abc import Awaitable, Callable

import msgspec
from aiohttp import ClientPayloadError, web
from aiohttp.http_exceptions import HttpProcessingError

log = logging.getLogger(__name__)

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


async def hardened(request: web.Request, response: web.StreamResponse) -> None:
    """Signal handler for pages with forms: the headers of the chat page, and forms that go nowhere else."""
    response.headers.update(SECURITY_HEADERS)
    policy = SECURITY_HEADERS["Content-Security-Policy"].replace("form-action 'none'", "form-action 'self'")
    response.headers["Content-Security-Policy"] = policy


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
    HttpProcessingError,
    web.RequestPayloadError,
    web.HTTPException,
)


async def limited_body(request: web.Request, most: int) -> bytes:
    """A request's body; one that is longer is cut off at a byte too many. Raises one of UNREADABLE."""
    body = bytearray()
    while len(body) <= most and (part := await request.content.read(most + 1)):
        body += part
    return bytes(body)


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def guarded(handler: Handler) -> Handler:
    """An unexpected error becomes a 500 without a word of what was sent, in the answer or in the log."""

    async def handle(request: web.Request) -> web.StreamResponse:
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


def application() -> web.Application:
    """An application with its health check; channels add their routes."""
    app = web.Application(client_max_size=1024**2)
    app.router.add_get("/health", guarded(_health))
    return app
