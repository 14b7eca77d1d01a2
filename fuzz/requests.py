"""Requests made of bytes, put to the real handlers without a socket between."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import msgspec
from aiohttp import streams, web
from aiohttp.base_protocol import BaseProtocol
from aiohttp.test_utils import make_mocked_request

from handlers.conversation import Inbound
from handlers.engine import TurnResult

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

SECRET = "a-secret"  # noqa: S105 - of nobody's
NOBODY = "http://127.0.0.1:9"
PUBLIC = "http://gelombang.test"
CHAT = "c" * 32

_loop = asyncio.new_event_loop()


def status_of(handler: Handler, path: str, body: bytes, headers: Mapping[str, str]) -> int:
    """What a POST with this body is answered with; an error that is no answer is raised."""

    async def ask() -> int:
        content = streams.StreamReader(BaseProtocol(_loop), 2**16, loop=_loop)
        content.feed_data(body)
        content.feed_eof()
        request = make_mocked_request("POST", path, dict(headers), payload=content, client_max_size=1024**2)
        try:
            return (await handler(request)).status
        except web.HTTPException as answer:
            return answer.status

    return _loop.run_until_complete(ask())


async def receive(inbound: Inbound) -> TurnResult:
    """Takes a message as the engine does as far as its shape goes: it can be kept, and its texts are texts."""
    msgspec.msgpack.encode(inbound)
    for text in (inbound.address, inbound.external_id, inbound.text or "", inbound.choice or "", inbound.other or ""):
        text.encode()
    return TurnResult([])


def answered(handler: Handler, path: str, body: bytes, **headers: str) -> None:
    """Put a body to a handler; whatever it is, the answer is no 5xx."""
    status = status_of(handler, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
    assert 200 <= status < 500, status


def handler_of(site: web.Application, path: str) -> Handler:
    """The handler of a route that takes posts."""
    routes = [route for route in site.router.routes() if route.method == "POST" and route.resource is not None]
    found: Handler = next(route.handler for route in routes if route.resource and route.resource.canonical == path)
    return found
