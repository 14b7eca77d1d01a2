"""What the pages with a chat speak: JSON in and out, errors a developer can read (docs/browser-chat.md)."""

import hashlib
import re
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from aiohttp import web

from bot.web import UNREADABLE, limited_body
from handlers.engine import Outgoing, TurnUnavailableError

MAX_JSON = 64 * 1024
_OPAQUE = re.compile(r"[\x21-\x7e]{1,128}")
_JSON = {"Content-Type": "application/json", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


class ApiError(Exception):
    """A request that can't be taken: status, code and a sentence for the developer who reads it."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(code)
        self.status, self.code, self.message = status, code, message


def secret_chat(value: str) -> str:
    """The id of a chat, which is all that opens it: long enough that nobody finds one by trying. Raises ApiError."""
    if len(value) < 16:
        raise ApiError(400, "chat", "chat has 16 characters or more: it is a secret")
    return opaque("chat", value)


def opaque(name: str, value: str) -> str:
    """An id that a page makes up; raises ApiError."""
    if not _OPAQUE.fullmatch(value):
        raise ApiError(400, name, f"{name} is 1 to 128 visible ASCII characters")
    return value


def external_id(chat: str, message_id: str) -> str:
    """One id for a message of a chat, from which the chat can't be told."""
    return hashlib.blake2b(f"{chat}\0{message_id}".encode(), digest_size=20).hexdigest()


def message_json(message: Outgoing) -> dict[str, Any]:
    """A message in the shape of the API."""
    rendered = message.render()
    return {
        "id": str(message.row.id),
        "key": message.row.key,
        "step": message.row.step,
        "text": rendered.text,
        "language": message.row.language,
        "ask": rendered.ask,
        "choices": [{"id": choice.id, "label": choice.label, "detail": choice.detail} for choice in rendered.choices],
    }


def json_response(content: Any, status: int = 200) -> web.Response:
    """Content as JSON."""
    return web.Response(body=msgspec.json.encode(content), status=status, headers=_JSON)


def _error(error: ApiError) -> web.Response:
    return json_response({"error": {"code": error.code, "message": error.message}}, error.status)


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def answering_errors(handler: Handler) -> Handler:
    """An ApiError becomes its answer, and a turn that was not taken asks for another try."""

    async def answered(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except ApiError as error:
            return _error(error)
        except TurnUnavailableError:
            return _error(ApiError(503, "unavailable", "the message was not taken; send it again with the same id"))

    return answered


def number(value: str, name: str, limit: float) -> float:
    """A number of a query, from 0 on; raises ApiError."""
    try:
        found = float(value) if name == "wait" else int(value)
    except ValueError:
        raise ApiError(400, name, f"{name} is a number") from None
    if not 0 <= found <= limit:
        raise ApiError(400, name, f"{name} is a number from 0 on")
    return found


async def read(request: web.Request) -> bytes:
    """The body of a message; raises ApiError."""
    try:
        body = await limited_body(request, MAX_JSON)
    except UNREADABLE:
        raise ApiError(400, "malformed", "the body could not be read") from None
    if len(body) > MAX_JSON:
        raise ApiError(413, "too_large", f"a message has at most {MAX_JSON} bytes")
    return body
