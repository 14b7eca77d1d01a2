"""The page for staff: the same conversations as on Telegram, with a keyboard, pictures and files (docs/staff.md).

The chat's id is a secret that the page makes up and sends in a header, never in an address. It opens nothing by
itself: a chat is a stranger's until an invitation and a code of the member's own have been given in it.
"""

import asyncio
from pathlib import Path

import msgspec
from aiohttp import BodyPartReader, web

from bot.channel import StaffDesk
from bot.chat_api import (
    ApiError,
    answering_errors,
    external_id,
    json_response,
    message_json,
    number,
    opaque,
    read,
)
from bot.staff_files import content_type, is_picture
from bot.web import NO_JSON, SECURITY_HEADERS, UNREADABLE, guarded
from handlers.conversation import Inbound
from handlers.engine import Outgoing
from models.enums import Channel

PAGE = Path(__file__).with_name("staff_page")
PAGE_FILES = frozenset({"staff.html", "staff.css", "staff.js"})
HEADER = "X-Chat"
MAX_FILE = 20 * 1024 * 1024
MAX_UPLOAD = 64 * 1024 * 1024
MAX_WAIT = 30.0
PEEK_SECONDS = 2.0
UPLOADS_AT_ONCE = 2
UPLOAD_SECONDS = 120


class Posted(msgspec.Struct, frozen=True):
    """What the page posts: exactly one of the contents."""

    id: str
    text: str | None = None
    choice: str | None = None


def parse(chat: str, posted: Posted) -> Inbound:
    """The message as the engine takes it; raises ApiError."""
    if (posted.text is None) == (posted.choice is None):
        raise ApiError(400, "one_content", "give exactly one of text and choice, or a file")
    return Inbound(
        channel=Channel.STAFF_BROWSER,
        address=chat,
        external_id=external_id(chat, opaque("id", posted.id)),
        text=posted.text,
        choice=posted.choice,
    )


def _chat(request: web.Request) -> str:
    chat = opaque("chat", request.headers.get(HEADER, ""))
    if len(chat) < 32:
        raise ApiError(400, "chat", "chat has 32 characters or more: it is a secret")
    return chat


def _json(message: Outgoing) -> dict[str, object]:
    files = message.render().files
    shown = [{"name": file.name, "picture": is_picture(file), "label": file.label} for file in files]
    return {**message_json(message), "files": shown, "live": bool(message.body.say.live)}


def _messages(messages: list[Outgoing]) -> web.Response:
    return json_response({"messages": [_json(m) for m in messages if m.row.channel == Channel.STAFF_BROWSER]})


class StaffBrowser:
    """Routes of the page and its API."""

    def __init__(self, desk: StaffDesk) -> None:
        self._desk = desk
        self._uploads = asyncio.Semaphore(UPLOADS_AT_ONCE)

    def add_routes(self, app: web.Application) -> None:
        """Put the page into a web application."""
        for method, path, handler in (
            ("POST", "/staff/api/messages", self._post),
            ("GET", "/staff/api/messages", self._poll),
            ("GET", "/staff/api/messages/{id:[0-9]{1,18}}", self._live),
            ("GET", "/staff/api/messages/{id:[0-9]{1,18}}/files/{at:[0-9]}", self._file),
        ):
            app.router.add_route(method, path, guarded(answering_errors(handler)))
        for path in ("/staff", "/staff/page/{name}"):
            app.router.add_get(path, guarded(self._page))

    async def _page(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info.get("name", "staff.html")
        if name not in PAGE_FILES:
            raise web.HTTPNotFound
        return web.FileResponse(PAGE / name, headers=SECURITY_HEADERS)

    async def _post(self, request: web.Request) -> web.StreamResponse:
        chat = _chat(request)
        if request.content_type == "multipart/form-data":
            return _messages((await self._desk.receive(await self._uploaded(chat, request))).replies)
        body = await read(request)
        try:
            posted = msgspec.json.decode(body, type=Posted)
        except NO_JSON as error:
            raise ApiError(400, "malformed", f"no valid message: {str(error)[:200]}") from None
        return _messages((await self._desk.receive(parse(chat, posted))).replies)

    async def _uploaded(self, chat: str, request: web.Request) -> Inbound:
        if not await self._desk.takes_file(Channel.STAFF_BROWSER, chat):  # nothing is read from who is not expected
            raise ApiError(403, "no_file", "no file is asked for here")
        async with self._uploads:
            name, content, message_id = await _form(request)
            empty = Inbound(
                channel=Channel.STAFF_BROWSER, address=chat, external_id=external_id(chat, opaque("id", message_id))
            )
            if content is None:
                return msgspec.structs.replace(empty, problem="staff.file_too_big")
            kept = await self._desk.keep_file(Channel.STAFF_BROWSER, chat, name, content)
        return msgspec.structs.replace(empty, file=kept, other=None if kept else "file")

    async def _poll(self, request: web.Request) -> web.StreamResponse:
        chat = _chat(request)
        after = number(request.query.get("after") or "0", "after", 2**63 - 1)
        wait = min(number(request.query.get("wait") or "0", "wait", 10**6), MAX_WAIT)
        loop = asyncio.get_running_loop()
        until = loop.time() + wait
        while True:
            address_id, messages = await self._desk.mailbox(Channel.STAFF_BROWSER, chat, int(after))
            left = until - loop.time()
            if messages or left <= 0:
                return _messages(messages)
            await self._desk.new_mail(address_id or 0, min(left, PEEK_SECONDS))

    async def _live(self, request: web.Request) -> web.StreamResponse:
        rendered = await self._desk.live(Channel.STAFF_BROWSER, _chat(request), int(request.match_info["id"]))
        if rendered is None:
            raise ApiError(404, "gone", "this message does not change any more")
        return json_response({"text": rendered.text, "live": bool(rendered.live)})

    async def _file(self, request: web.Request) -> web.StreamResponse:
        message, at = int(request.match_info["id"]), int(request.match_info["at"])
        found = await self._desk.file(Channel.STAFF_BROWSER, _chat(request), message, at)
        if found is None:
            raise ApiError(404, "gone", "there is no such file here")
        file, content = found
        headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
        return web.Response(body=content, content_type=content_type(file), headers=headers)


async def _form(request: web.Request) -> tuple[str, bytes | None, str]:
    """Name and content of the file, None for one that is too big (read to its end, not kept), and the message's id."""
    name, message_id, content, size = "", "", bytearray(), 0
    try:
        async with asyncio.timeout(UPLOAD_SECONDS):
            async for part in await request.multipart():
                if not isinstance(part, BodyPartReader) or part.name not in {"id", "file"}:
                    raise ApiError(400, "malformed", "unknown part in the form")
                if part.name == "id":
                    message_id = (await part.read_chunk(256)).decode()
                    continue
                name = Path(part.filename or "file").name[:120]
                while chunk := await part.read_chunk(64 * 1024):
                    size += len(chunk)
                    if size > MAX_UPLOAD:
                        raise ApiError(413, "too_large", f"a file has at most {MAX_FILE} bytes")
                    if size <= MAX_FILE:
                        content += chunk
                    else:
                        content.clear()
    except TimeoutError:
        raise ApiError(408, "too_slow", f"a form is sent within {UPLOAD_SECONDS} seconds") from None
    except UNREADABLE:
        raise ApiError(400, "malformed", "the form could not be read") from None
    return name, bytes(content) if size <= MAX_FILE else None, message_id
