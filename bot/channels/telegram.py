"""Telegram, for applicants: updates in (webhook or long polling), messages out. Private chats only.

Updates are parsed by msgspec, seventy times faster than by aiogram's models; calls go through aiogram, imported at
the first of them (it costs 3.4 s and 150 MB). State, repeats and order are the engine's: see
docs/decisions/0004.
"""

import asyncio
import hmac
import logging
from collections.abc import Awaitable, Callable
from functools import cache, partial
from typing import Any

import msgspec
from aiohttp import web

from bot.channel import Receive, SendError, Sent, Submit, Trouble, on_earth
from bot.front import Answer, Headers, Lane, header
from bot.web import NO_JSON, UNREADABLE, limited_body
from domain.ports import PhotoError
from handlers.conversation import Contact, Inbound, RemotePhoto
from handlers.engine import TurnResult, TurnUnavailableError
from handlers.i18n import Rendered, with_details
from models.enums import Channel, OutboxStatus

log = logging.getLogger(__name__)

MAX_TEXT = 4096
MAX_BODY = 1024 * 1024
MAX_PHOTO = 10 * 1024 * 1024
POLL_SECONDS = 25
CALL_SECONDS = 20
_JSON = {"Content-Type": "application/json"}
ALLOWED_UPDATES = ["message", "callback_query", "my_chat_member"]
SECRET_HEADER = "X-Telegram-Bot-Api-Secret-Token"  # noqa: S105 - the header's name
_SECRET_HEADER = SECRET_HEADER.lower().encode()
_OTHER = (
    "voice",
    "audio",
    "sticker",
    "video",
    "video_note",
    "animation",
    "document",
    "poll",
    "dice",
    "story",
)


class _User(msgspec.Struct):
    id: int


class _Chat(msgspec.Struct):
    id: int
    type: str = "private"


class _File(msgspec.Struct):
    file_id: str
    file_size: int | None = None
    mime_type: str | None = None


class _Contact(msgspec.Struct):
    phone_number: str
    user_id: int | None = None


class _Location(msgspec.Struct):
    latitude: float
    longitude: float


class _Message(msgspec.Struct):
    chat: _Chat
    from_: _User | None = msgspec.field(default=None, name="from")
    text: str | None = None
    photo: list[_File] | None = None
    document: _File | None = None
    contact: _Contact | None = None
    location: _Location | None = None
    voice: Any = None
    audio: Any = None
    sticker: Any = None
    video: Any = None
    video_note: Any = None
    animation: Any = None
    poll: Any = None
    dice: Any = None
    story: Any = None


class _Press(msgspec.Struct):
    id: str
    from_: _User = msgspec.field(name="from")
    data: str | None = None
    message: _Message | None = None


class _Member(msgspec.Struct):
    status: str


class _MemberChange(msgspec.Struct):
    chat: _Chat
    new_chat_member: _Member


class Update(msgspec.Struct):
    """The parts of a Telegram update that mean something here."""

    update_id: int
    message: _Message | None = None
    callback_query: _Press | None = None
    my_chat_member: _MemberChange | None = None


_decoder = msgspec.json.Decoder(Update)


def parse(update: Update, bot_id: str, *, carries_reply: bool = False) -> Inbound | None:
    """The message as the engine takes it; None for what is not for this bot (groups, channels, edits)."""
    external_id = f"{bot_id}:{update.update_id}"
    if (press := update.callback_query) is not None:
        chat = press.message.chat if press.message else _Chat(press.from_.id)
        if chat.type != "private":
            return None
        return Inbound(
            channel=Channel.TELEGRAM,
            address=str(chat.id),
            external_id=external_id,
            choice=press.data or "",
            carries_reply=carries_reply,
        )
    if (change := update.my_chat_member) is not None and change.chat.type == "private":
        reachable = change.new_chat_member.status not in {"kicked", "left"}
        return Inbound(
            channel=Channel.TELEGRAM,
            address=str(change.chat.id),
            external_id=external_id,
            reachable=reachable,
        )
    message = update.message
    if message is None or message.chat.type != "private":
        return None
    return _content(
        message,
        Inbound(
            channel=Channel.TELEGRAM,
            address=str(message.chat.id),
            external_id=external_id,
            carries_reply=carries_reply,
        ),
    )


def _content(message: _Message, empty: Inbound) -> Inbound:
    if message.text is not None:
        return msgspec.structs.replace(empty, text=message.text)
    picture = message.photo[-1] if message.photo else message.document
    if picture is not None and (message.photo or (picture.mime_type or "").startswith("image/")):
        if (picture.file_size or 0) > MAX_PHOTO:
            return msgspec.structs.replace(empty, problem="photo.too_big")
        return msgspec.structs.replace(empty, photo=RemotePhoto(picture.file_id))
    if message.contact is not None:
        # Telegram vouches for a number only when the contact is the sender's own.
        own = message.from_ is not None and message.contact.user_id == message.from_.id
        contact = Contact(message.contact.phone_number, proven=True) if own else Contact("", proven=False)
        return msgspec.structs.replace(empty, contact=contact)
    if message.location is not None:
        place = on_earth(message.location.latitude, message.location.longitude)
        return msgspec.structs.replace(empty, location=place, other=None if place else "location")
    other = next((name for name in _OTHER if getattr(message, name) is not None), "unknown")
    return msgspec.structs.replace(empty, other=other)


def layout(chat_id: str, message: Rendered, contact_button: str) -> dict[str, Any]:
    """Parameters of sendMessage for one piece of at most 4,096 characters, without formatting: nothing to inject."""
    if message.ask == "contact":
        button = {"text": contact_button, "request_contact": True}
        markup: dict[str, Any] = {"keyboard": [[button]], "resize_keyboard": True, "one_time_keyboard": True}
    elif message.choices:
        buttons = [{"text": choice.label, "callback_data": choice.id} for choice in message.choices]
        short = all(len(choice.label) <= 14 for choice in message.choices)
        wide = 2 if short and len(buttons) > 3 else 1
        markup = {"inline_keyboard": [buttons[at : at + wide] for at in range(0, len(buttons), wide)]}
    else:
        markup = {"remove_keyboard": True}
    return {"chat_id": int(chat_id), "text": message.text, "reply_markup": markup}


def pieces(text: str) -> list[str]:
    """The text in parts that Telegram takes, cut at a line's or word's end where there is one."""
    parts = []
    while len(text.encode("utf-16-le")) // 2 > MAX_TEXT:
        head = text[: MAX_TEXT // 2]
        cut = max(head.rfind("\n"), head.rfind(" ")) + 1 or len(head)
        parts.append(text[:cut])
        text = text[cut:]
    return [*parts, text]


class TelegramChannel:
    """One bot: its webhook or polling, its sending, and fetching its files.

    aiogram is imported at the first call to Telegram, in a thread, so that a server is up at once.
    """

    def __init__(
        self, token: str, api_url: str, secret: str, contact_button: str, *, reply_in_webhook: bool = False
    ) -> None:
        self._token = token
        self._api_url = api_url
        self._bot_id = token.partition(":")[0]
        self._secret = secret.encode()
        self._contact_button = contact_button
        self._reply_in_webhook = reply_in_webhook
        self._presses: asyncio.Queue[str] = asyncio.Queue()
        self._loaded: Any = None
        self._loading = asyncio.Lock()

    async def _bot(self) -> Any:
        async with self._loading:
            if self._loaded is None:
                make = await asyncio.to_thread(_import_bot)
                self._loaded = make(self._token, self._api_url)
        return self._loaded

    async def load(self) -> None:
        """Import aiogram before it is needed."""
        await self._bot()

    # --- in

    def webhook(self, receive: Receive) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """The handler of /webhooks/telegram: 200 only after the commit, 5xx when Telegram should send it again."""

        async def handle(request: web.Request) -> web.StreamResponse:
            given = request.headers.get(SECRET_HEADER, "").encode("utf-8", "surrogateescape")
            if not self._secret or not hmac.compare_digest(given, self._secret):
                return web.Response(status=403)
            if (request.content_length or 0) > MAX_BODY:
                return web.Response(status=413)
            try:
                update = _decoder.decode(await limited_body(request, MAX_BODY))
            except UNREADABLE:  # msgspec's errors are ValueErrors
                return web.Response(status=400)
            inbound = self._parse(update)
            if inbound is None:
                return web.Response()
            try:
                result = await receive(inbound)
            except TurnUnavailableError:
                return web.Response(status=503)
            body = self._in_response(result, inbound.address)
            return web.Response(body=body, headers=_JSON) if body else web.Response()

        return handle

    def lane(self, submit: Submit) -> Lane:
        """The same the short way, for updates that there is nothing to be said against (bot.front)."""

        def take(headers: Headers, body: bytes, answer: Answer) -> bool:
            if not self._secret or not hmac.compare_digest(header(headers, _SECRET_HEADER), self._secret):
                return False
            try:
                update = _decoder.decode(body)
            except NO_JSON:
                return False
            inbound = self._parse(update)
            if inbound is None:
                answer(200, b"")
            else:
                submit(inbound, partial(self._settled, inbound.address, answer), (inbound.channel, inbound.external_id))
            return True

        return take

    def _settled(self, chat_id: str, answer: Answer, result: TurnResult | TurnUnavailableError) -> None:
        if not isinstance(result, TurnResult):
            answer(503, b"")
            return
        try:
            body = self._in_response(result, chat_id)
        except Exception as error:  # noqa: BLE001 - somebody waits; Telegram asks again, and it may be mended by then
            log.error("a reply could not be put into words: %s", type(error).__name__)
            answer(500, b"")
            return
        answer(200, body)

    def _parse(self, update: Update) -> Inbound | None:
        if update.callback_query is not None:
            self._presses.put_nowait(update.callback_query.id)
        return parse(update, self._bot_id, carries_reply=self._reply_in_webhook)

    def _in_response(self, result: TurnResult, chat_id: str) -> bytes:
        """The reply as a webhook's response, where it is to be carried by it; else nothing."""
        if not self._reply_in_webhook:
            return b""
        chat = [reply for reply in result.replies if reply.row.channel == Channel.TELEGRAM]
        if len(chat) != 1 or chat[0].row.status != OutboxStatus.SENT:
            return b""
        params = layout(chat_id, with_details(chat[0].render()), self._contact_button)
        return msgspec.json.encode({"method": "sendMessage", **params})

    async def poll(self, receive: Receive) -> None:
        """Long polling until cancelled; the offset moves only past what was committed."""
        bot = await self._bot()
        await self._patiently(partial(bot.delete_webhook, drop_pending_updates=False))
        offset = 0
        while True:
            question = _raw_updates()(offset=offset, timeout=POLL_SECONDS, allowed_updates=ALLOWED_UPDATES)
            ask = partial(bot, question, request_timeout=POLL_SECONDS + 15)
            offset = await self._take(await self._patiently(ask), offset, receive)

    async def _take(self, raw: list[dict[str, Any]], offset: int, receive: Receive) -> int:
        taken: list[tuple[int, Awaitable[Any]]] = []
        for item in raw:
            offset = max(offset, int(item.get("update_id", 0)) + 1)
            try:
                update = msgspec.convert(item, Update)
            except msgspec.ValidationError:
                continue  # of a kind this bot does not know: nothing to take
            if (inbound := self._parse(update)) is not None:
                taken.append((update.update_id, receive(inbound)))
        results = await asyncio.gather(*(turn for _, turn in taken), return_exceptions=True)
        failed = [number for (number, _), result in zip(taken, results, strict=True) if isinstance(result, Exception)]
        if failed:
            await asyncio.sleep(1)
            return min(failed)  # Telegram gives them again; those already taken are known by their ids
        return offset

    async def _patiently(self, call: Callable[[], Awaitable[Any]]) -> Any:
        """Repeat a call until the platform answers, with growing pauses."""
        pause = 1.0
        while True:
            try:
                return await call()
            except Exception as error:  # noqa: BLE001 - whatever it is, the bot goes on
                log.warning("Telegram: %s, again in %.0f s", type(error).__name__, pause)
                await asyncio.sleep(max(pause, float(getattr(error, "retry_after", 0))))
                pause = min(pause * 2, 60)

    async def set_webhook(self, public_url: str) -> None:
        """Tell Telegram where to send updates, until it takes it."""
        bot = await self._bot()
        register = partial(
            bot.set_webhook,
            f"{public_url.rstrip('/')}/webhooks/telegram",
            secret_token=self._secret.decode(),
            allowed_updates=ALLOWED_UPDATES,
            max_connections=100,
        )
        await self._patiently(register)

    async def run(self) -> None:
        """Answer button presses (else the button keeps spinning) until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                group.create_task(self._answer(await self._presses.get()))

    async def _answer(self, press_id: str) -> None:
        try:
            await (await self._bot()).answer_callback_query(press_id)
        except Exception as error:  # noqa: BLE001 - too late or unknown: the press itself was taken
            log.info("button press not answered: %s", type(error).__name__)

    # --- out

    async def send(self, to: str, message: Rendered, number: int) -> Sent | SendError:
        """See bot.channel.Sender."""
        message = with_details(message)
        parts = pieces(message.text)
        for part in parts[:-1]:
            sent = await self._call(layout(to, Rendered(part), self._contact_button))
            if isinstance(sent, SendError):
                return sent
        last = msgspec.structs.replace(message, text=parts[-1])
        return await self._call(layout(to, last, self._contact_button))

    async def _call(self, params: dict[str, Any]) -> Sent | SendError:
        bot = await self._bot()
        from aiogram.exceptions import ClientDecodeError  # noqa: PLC0415
        from aiogram.methods import SendMessage  # noqa: PLC0415

        try:
            sent = await bot(SendMessage(**params))
            return Sent(str(sent.message_id))
        except ClientDecodeError as error:
            # The platform took it and said so in words this version does not know; once more would be twice.
            if isinstance(error.data, dict) and error.data.get("ok"):
                return Sent()
            return SendError(Trouble.FAULT, "undecodable answer")
        except Exception as error:  # noqa: BLE001 - failures are values
            return classify(error)

    async def fetch(self, file_id: str) -> bytes:
        """The bytes of a photo; raises PhotoError where Telegram has it no more."""
        bot = await self._bot()
        from aiogram.exceptions import TelegramBadRequest, TelegramNotFound  # noqa: PLC0415

        try:
            file = await bot.get_file(file_id)
            if (file.file_size or 0) > MAX_PHOTO:
                raise PhotoError("photo.too_big")
            content = await bot.download_file(file.file_path or "")
        except (TelegramBadRequest, TelegramNotFound):
            raise PhotoError("photo.unavailable") from None
        data = content.read() if content else b""
        if len(data) > MAX_PHOTO:
            raise PhotoError("photo.too_big")
        return data

    async def close(self) -> None:
        """Close the connections to Telegram."""
        if self._loaded is not None:
            await self._loaded.session.close()


def _import_bot() -> Callable[[str, str], Any]:
    """aiogram's client, ready to be made in the event loop's thread."""
    from aiogram import Bot  # noqa: PLC0415 - slow and large: only where Telegram is called
    from aiogram.client.session.aiohttp import AiohttpSession  # noqa: PLC0415
    from aiogram.client.telegram import TelegramAPIServer  # noqa: PLC0415

    return lambda token, api_url: Bot(
        token, session=AiohttpSession(api=TelegramAPIServer.from_base(api_url), timeout=CALL_SECONDS)
    )


@cache
def _raw_updates() -> Any:
    """getUpdates whose answer is left as it came, for this module's own parser."""
    from aiogram.methods import GetUpdates  # noqa: PLC0415

    class RawUpdates(GetUpdates):
        __returning__ = list[dict[str, Any]]

    return RawUpdates


def classify(error: Exception) -> SendError:
    """What an error of aiogram means (platforms.md, Telegram)."""
    from aiogram import exceptions  # noqa: PLC0415

    match error:
        case exceptions.TelegramRetryAfter():
            return SendError(Trouble.BUSY, "429", float(error.retry_after))
        case exceptions.TelegramForbiddenError():
            return SendError(Trouble.UNREACHABLE, "403")
        case exceptions.TelegramBadRequest() if "chat not found" in error.message:
            return SendError(Trouble.UNREACHABLE, "400 chat not found")
        case exceptions.TelegramBadRequest() | exceptions.TelegramEntityTooLarge():
            return SendError(Trouble.INVALID, "400")
        case exceptions.TelegramServerError():
            return SendError(Trouble.FAULT, type(error).__name__, maybe=True)
        case exceptions.TelegramNetworkError() if "ClientConnector" in error.message:
            return SendError(Trouble.FAULT, "not connected")
        case _:
            return SendError(Trouble.FAULT, type(error).__name__, maybe=True)
