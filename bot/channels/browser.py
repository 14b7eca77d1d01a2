"""The browser chat: a page that looks like a messenger, and the JSON it speaks (docs/browser-chat.md).

The chat id is a secret that the page makes up: who knows it is in the chat. It never reaches a log, and the database
keeps only its keyed hash (and its ciphertext).
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import BodyPartReader, web

from bot.channel import Desk
from bot.chat_api import (
    MAX_JSON,
    ApiError,
    answering_errors,
    external_id,
    json_response,
    message_json,
    number,
    opaque,
    read,
    secret_chat,
)
from bot.web import NO_JSON, SECURITY_HEADERS, UNREADABLE, guarded
from domain.ports import PhotoError
from handlers.conversation import Contact, Inbound, Photo
from handlers.engine import Outgoing
from models import trace
from models.enums import Channel

PAGE = Path(__file__).with_name("browser_page")
PAGE_FILES = frozenset({"index.html", "chat.css", "chat.js", "icon.svg"})
MAX_PHOTO = 10 * 1024 * 1024
MAX_UPLOAD = 32 * 1024 * 1024
HEADER = "X-Chat"
MAX_PARTS = 8
MAX_WAIT = 30.0
PEEK_SECONDS = 2.0
UPLOADS_AT_ONCE = 8
MAX_HELD = 256 * 1024 * 1024  # photos in memory: slow phones take a while, and there are many
KNOWN_CHATS = 100_000
MAX_ID = 2**63 - 1
UPLOAD_SECONDS = 60
_CONTENT = ("text", "choice", "contact", "location")


class Place(msgspec.Struct, frozen=True):
    """A location in degrees."""

    lat: float
    lon: float


class Posted(msgspec.Struct, frozen=True):
    """What a page or script posts; exactly one of the contents."""

    chat: str
    id: str
    text: str | None = None
    choice: str | None = None
    contact: str | None = None
    location: Place | None = None


def parse(posted: Posted) -> Inbound:
    """The message as the engine takes it; raises ApiError."""
    given = [name for name in _CONTENT if getattr(posted, name) is not None]
    if len(given) != 1:
        raise ApiError(400, "one_content", f"give exactly one of {', '.join(_CONTENT)}, or a photo")
    place = posted.location
    if place is not None and not (-90 <= place.lat <= 90 and -180 <= place.lon <= 180):
        raise ApiError(400, "location", "lat is -90 to 90, lon is -180 to 180")
    return Inbound(
        channel=Channel.BROWSER,
        address=secret_chat(posted.chat),
        external_id=external_id(posted.chat, opaque("id", posted.id)),
        text=posted.text,
        choice=posted.choice,
        # A page can't vouch for a number: it is proven by a code, as if it had been typed.
        contact=None if posted.contact is None else Contact(posted.contact, proven=False),
        location=None if place is None else (place.lat, place.lon),
    )


def _messages(messages: list[Outgoing]) -> web.Response:
    chat = [message_json(message) for message in messages if message.row.channel == Channel.BROWSER]
    return json_response({"messages": chat})


class BrowserChat:
    """Routes of the page and its API."""

    def __init__(
        self, desk: Desk, admit: Callable[[web.Request], bool] = lambda _: True, *, outbox: bool = True
    ) -> None:
        """``admit`` says whether an address may begin one more chat; ``outbox``: whether the page shows what would have
        gone out by SMS and mail, which is for trying out only: it hands out the codes that prove a number.
        """
        self._desk, self._admit, self._outbox_open = desk, admit, outbox
        self._known: set[str] = set()
        self._held = 0
        self._uploads = asyncio.Semaphore(UPLOADS_AT_ONCE)

    def add_routes(self, app: web.Application) -> None:
        """Put the chat into a web application."""
        for method, path, handler in (
            ("POST", "/chat/api/messages", self._post),
            ("GET", "/chat/api/messages", self._poll),
            *((("GET", "/chat/api/outbox", self._outbox),) if self._outbox_open else ()),
        ):
            app.router.add_route(method, path, guarded(answering_errors(handler)))
        # /l#... is the link of an SMS: the page itself tells the bot, so that no server, log or preview sees the token.
        for path in ("/", "/chat", "/chat/page/{name}", "/l"):
            app.router.add_get(path, guarded(self._page))

    async def _page(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info.get("name", "index.html")
        if name not in PAGE_FILES:
            raise web.HTTPNotFound
        return web.FileResponse(PAGE / name, headers=SECURITY_HEADERS)

    async def _post(self, request: web.Request) -> web.StreamResponse:
        if request.content_type == "multipart/form-data":
            return await self._post_photo(request)
        if request.content_type != "application/json":
            raise ApiError(415, "content_type", "send application/json or multipart/form-data")
        body = await read(request)
        try:
            posted = msgspec.json.decode(body, type=Posted)
        except NO_JSON as error:
            raise ApiError(400, "malformed", f"no valid message: {str(error)[:200]}") from None
        inbound = parse(posted)
        await self._let_in(request, inbound.address)
        return _messages((await self._desk.receive(inbound)).replies)

    async def _let_in(self, request: web.Request, chat: str) -> None:
        """Refuse an address that begins chat after chat; raises ApiError."""
        if chat in self._known:
            return
        address, _ = await self._desk.mailbox(Channel.BROWSER, chat, MAX_ID)
        if address is None and not self._admit(request):
            raise ApiError(429, "too_many", "too many new chats from here; try again later")
        if len(self._known) >= KNOWN_CHATS:
            self._known.clear()
        self._known.add(chat)

    async def _post_photo(self, request: web.Request) -> web.StreamResponse:
        held = 0

        def hold(size: int) -> None:
            nonlocal held
            if self._held + size > MAX_HELD:
                raise ApiError(503, "busy", "many photos are on their way; send it again in a moment")
            self._held, held = self._held + size, held + size

        form = _Form(hold)
        try:
            await form.read(request)
            return await self._taken(form.fields, form.photo, form.problem)
        finally:
            self._held -= held

    async def _taken(self, fields: dict[str, str], photo: bytes | None, problem: str | None) -> web.StreamResponse:
        chat, message_id = secret_chat(fields.get("chat", "")), opaque("id", fields.get("id", ""))
        if photo is None:
            location = fields.pop("location", None)
            try:
                posted = msgspec.convert({**fields, "location": _place(location)}, Posted)
            except msgspec.ValidationError as error:
                raise ApiError(400, "malformed", f"no valid message: {error}") from None
            return _messages((await self._desk.receive(parse(posted))).replies)
        key = external_id(chat, message_id)
        trace.begin(Channel.BROWSER, key)  # looking at the photo belongs to it, too
        if known := await self._desk.replay(Channel.BROWSER, key):  # spares looking at a photo that was answered
            return _messages(known.replies)
        kept: Photo | None = None
        try:
            async with self._uploads:
                kept = None if problem else await self._desk.keep_photo(Channel.BROWSER, chat, photo)
        except PhotoError as error:
            problem = error.code
        other = None if kept or problem else "photo"  # not asked for: it was not looked at and is not kept
        inbound = Inbound(
            channel=Channel.BROWSER, address=chat, external_id=key, photo=kept, problem=problem, other=other
        )
        return _messages((await self._desk.receive(inbound)).replies)

    async def _poll(self, request: web.Request) -> web.StreamResponse:
        chat = secret_chat(request.headers.get(HEADER, ""))
        after = number(request.query.get("after") or "0", "after", 2**63 - 1)
        wait = min(number(request.query.get("wait") or "0", "wait", 10**6), MAX_WAIT)
        loop = asyncio.get_running_loop()
        until = loop.time() + wait
        while True:
            address_id, messages = await self._desk.mailbox(Channel.BROWSER, chat, int(after))
            left = until - loop.time()
            if messages or left <= 0:
                return _messages(messages)
            # A look now and then as well, for what another process posted.
            await self._desk.new_mail(address_id or 0, min(left, PEEK_SECONDS))

    async def _outbox(self, request: web.Request) -> web.StreamResponse:
        chat = secret_chat(request.headers.get(HEADER, ""))
        found = await self._desk.directs(Channel.BROWSER, chat)
        return json_response([{"channel": m.row.channel, "to": m.body.to, "text": m.render().text} for m in found])


def _place(value: str | None) -> Any:
    if value is None:
        return None
    try:
        return msgspec.json.decode(value)
    except NO_JSON:
        raise ApiError(400, "location", 'location is {"lat": ..., "lon": ...}') from None


class _Form:
    """A form as it is read: text fields, the photo, and why the photo can't be used.

    A photo over 10 MB is read to its end but not kept. ``hold`` is asked for the room that the photo takes in memory.
    """

    def __init__(self, hold: Callable[[int], None]) -> None:
        self.fields: dict[str, str] = {}
        self.photo: bytes | None = None
        self.problem: str | None = None
        self._hold, self._read, self._parts = hold, 0, 0

    async def read(self, request: web.Request) -> None:
        """Read all of it; raises ApiError."""
        try:
            async with asyncio.timeout(UPLOAD_SECONDS):
                async for part in await request.multipart():
                    await self._take(part)
        except TimeoutError:
            raise ApiError(408, "too_slow", f"a form is sent within {UPLOAD_SECONDS} seconds") from None
        except UNREADABLE:
            raise ApiError(400, "malformed", "the form could not be read") from None

    async def _take(self, part: Any) -> None:
        self._parts += 1
        if not isinstance(part, BodyPartReader) or part.name not in {"chat", "id", "photo", *_CONTENT}:
            raise ApiError(400, "malformed", "unknown part in the form")
        if self._parts > MAX_PARTS or part.name in self.fields:
            raise ApiError(400, "malformed", "a form has each part once")
        content = await self._content(part)
        if part.name == "photo":
            self.problem = "photo.too_big" if len(content) > MAX_PHOTO else None
            self.photo = bytes(content)
        elif len(content) > MAX_JSON:
            raise ApiError(413, "too_large", f"a field has at most {MAX_JSON} bytes")
        else:
            self.fields[part.name or ""] = content.decode()

    async def _content(self, part: BodyPartReader) -> bytearray:
        content = bytearray()
        while chunk := await part.read_chunk(64 * 1024):
            self._read += len(chunk)
            if self._read > MAX_UPLOAD:
                raise ApiError(413, "too_large", f"a photo has at most {MAX_PHOTO} bytes")
            if len(content) <= MAX_PHOTO:
                self._hold(len(chunk))
                content += chunk
        return content
