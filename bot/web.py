"""The web server: routes of the channels, health, and the headers every answer carries."""

import logging
from collections.abc import Awaitable, Callable

import msgspec
from aiohttp import web

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

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def _error(status: int, code: str, message: str) -> web.Response:
    body = msgspec.json.encode({"error": {"code": code, "message": message}})
    return web.Response(status=status, body=body, content_type="application/json")


@web.middleware
async def _guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Errors as JSON without a word of what was sent, and the security headers."""
    try:
        response = await handler(request)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        response = _error(error.status, error.reason.lower().replace(" ", "_"), error.reason)
    except UnicodeError:
        response = _error(400, "malformed", "the request is not UTF-8")
    except Exception as error:
        log.error("%s %s failed: %s", request.method, request.match_info.route.resource, type(error).__name__)
        response = _error(500, "internal", "something went wrong on our side")
    if not response.prepared:
        response.headers.update(SECURITY_HEADERS)
        if request.path.startswith("/chat/api"):
            response.headers["Cache-Control"] = "no-store"
    return response


async def _health(request: web.Request) -> web.Response:
    return web.json_response({"status": "ok"})


def application() -> web.Application:
    """An application with health and guard; channels add their routes."""
    app = web.Application(middlewares=[_guard], client_max_size=1024**2)
    app.router.add_get("/health", _health)
    return app
