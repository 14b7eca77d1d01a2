"""What the chat pages post."""

import json
from functools import cache
from typing import Any

from aiohttp import web

from bot.channel import Desk, StaffDesk
from bot.channels.browser import BrowserChat
from bot.channels.staff_browser import StaffBrowser
from fuzz.requests import CHAT, answered, receive


@cache
def _pages() -> web.Application:
    async def nothing(*_: Any) -> None:
        return None

    async def yes(*_: Any) -> bool:
        return True

    async def mailbox(*_: Any) -> tuple[None, list[Any]]:
        return None, []

    async def directs(*_: Any) -> list[Any]:
        return []

    site = web.Application()
    BrowserChat(Desk(receive, nothing, nothing, mailbox, nothing, directs)).add_routes(site)
    StaffBrowser(StaffDesk(receive, mailbox, nothing, yes, nothing, nothing, nothing)).add_routes(site)
    return site


def browser(body: bytes) -> None:
    """JSON or a form with parts; the first byte chooses."""
    kind = "application/json" if body[:1] < b"\x80" else "multipart/form-data; boundary=b"
    for route in _pages().router.routes():
        if route.method == "POST" and route.resource is not None:
            answered(route.handler, route.resource.canonical, body[1:], Content_Type=kind, X_Chat=CHAT)


def posts() -> list[bytes]:
    """One of each kind."""
    base = {"chat": CHAT, "id": "1"}
    said: list[dict[str, Any]] = [{"text": "halo"}, {"choice": "yes~3"}, {"contact": "0812"}]
    said += [{"location": {"lat": -6.2, "lon": 106.8}}]
    part = b'--b\r\nContent-Disposition: form-data; name="%s"%s\r\n\r\n%s\r\n'
    named = [(b"chat", b"", CHAT.encode()), (b"id", b"", b"1"), (b"photo", b'; filename="a.jpg"', b"\xff\xd8")]
    forms = [b"\x80" + b"".join(part % each for each in some) + b"--b--\r\n" for some in (named, named[1:2], named[:2])]
    return [b"\x00" + json.dumps({**base, **each}).encode() for each in said] + forms
