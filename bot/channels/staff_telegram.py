"""Telegram for staff: a bot of its own, by python-telegram-bot. Its state and order are the engine's, as everywhere.

Imported only where its token is set.
"""

import asyncio
import hmac
import logging
import os
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeVar

import msgspec
from aiohttp import web

# Waiting times come as timedelta; the numbers they were before are on their way out of the library.
os.environ.setdefault("PTB_TIMEDELTA", "1")

from telegram import (
    Bot,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    InputMediaPhoto,
    Message,
    Update,
)
from telegram.error import BadRequest, Forbidden, RetryAfter, TelegramError, TimedOut
from telegram.request import HTTPXRequest

from bot.channel import Receive, SendError, Sent, StaffDesk, Trouble
from bot.settings import Settings
from bot.staff_files import is_picture
from bot.tasks import unless_cancelled
from bot.web import UNREADABLE, limited_body
from handlers.conversation import File, Inbound, RemoteFile
from handlers.engine import TurnUnavailableError
from handlers.i18n import Rendered, with_details
from models import trace
from models.enums import Channel

log = logging.getLogger(__name__)

SECRET_HEADER = "X-Telegram-Bot-Api-Secret-Token"  # noqa: S105 - the header's name
ALLOWED = ["message", "callback_query", "my_chat_member"]
MAX_BODY = 1024 * 1024
MAX_FILE = 20 * 1024 * 1024  # more a bot can't fetch
MAX_TEXT = 4096
POLL_SECONDS = 25
LIVE_SECONDS = 3.0
MOST_LIVE = 50
T = TypeVar("T")


def parse(update: Update, bot_id: str) -> Inbound | None:
    """The message as the engine takes it; None for what is not from a private chat."""
    chat, external_id = update.effective_chat, f"{bot_id}:{update.update_id}"
    if chat is None or chat.type != "private":
        return None
    empty = partial(Inbound, channel=Channel.STAFF_TELEGRAM, address=str(chat.id), external_id=external_id)
    if update.callback_query is not None:
        return empty(choice=update.callback_query.data or "")
    if update.my_chat_member is not None:
        return empty(reachable=update.my_chat_member.new_chat_member.status not in {"kicked", "left"})
    message = update.message
    if message is None:
        return None
    if message.text is not None:
        return empty(text=message.text)
    document = message.document
    if document is None:
        return empty(other="unknown")
    if (document.file_size or 0) > MAX_FILE:
        return empty(problem="staff.file_too_big")
    return empty(file=RemoteFile(document.file_id, document.file_name or "file", document.file_size or 0))


def sound(inbound: Inbound) -> bool:
    """Whether words are words and numbers numbers: the library takes whatever stands in the JSON."""
    file = inbound.file if isinstance(inbound.file, RemoteFile) else RemoteFile("", "", 0)
    words = (inbound.text or "", inbound.choice or "", file.file_id, file.name)
    return all(isinstance(each, str) for each in words) and isinstance(file.size, int)


def keyboard(message: Rendered) -> InlineKeyboardMarkup | None:
    """A row a button."""
    rows = [[InlineKeyboardButton(choice.label, callback_data=choice.id)] for choice in message.choices]
    return InlineKeyboardMarkup(rows) if rows else None


def classify(error: Exception) -> SendError:
    """What an error of the library means."""
    match error:
        case RetryAfter():
            wait = error.retry_after
            return SendError(Trouble.BUSY, "429", wait if isinstance(wait, int) else wait.total_seconds())
        case Forbidden():
            return SendError(Trouble.UNREACHABLE, "403")
        case BadRequest() if "chat not found" in error.message.lower():
            return SendError(Trouble.UNREACHABLE, "400 chat not found")
        case BadRequest():
            return SendError(Trouble.INVALID, "400")
        case _:
            return SendError(Trouble.FAULT, type(error).__name__, maybe=isinstance(error, TimedOut))


def bot_of(token: str, api_url: str, long: HTTPXRequest | None = None) -> Bot:
    """The library's client; ``long`` is what long polling goes through."""
    request = HTTPXRequest(connection_pool_size=16, read_timeout=20.0, write_timeout=20.0, connect_timeout=10.0)
    base = api_url.rstrip("/")
    return Bot(token, f"{base}/bot", f"{base}/file/bot", request=request, get_updates_request=long)


async def fetch(settings: Settings, file_id: str) -> bytes:
    """The bytes of a document that was sent to the bot."""
    bot = bot_of(settings.staff_telegram_token.get_secret_value(), settings.telegram_api_url)
    try:
        return bytes(await (await bot.get_file(file_id)).download_as_bytearray())
    finally:
        await bot.request.shutdown()


class StaffTelegram:
    """The staff's bot: webhook or polling, sending, and messages that change. ``desk`` is set before it runs."""

    desk: StaffDesk

    def __init__(self, token: str, api_url: str, secret: str) -> None:
        self._long = HTTPXRequest(connection_pool_size=2, read_timeout=POLL_SECONDS + 15, connect_timeout=10.0)
        self._bot = bot_of(token, api_url, self._long)
        self._bot_id = token.partition(":")[0]
        self._secret = secret.encode()
        self._live: dict[int, tuple[str, int, str]] = {}  # by our number: chat, their number, words
        self._presses: asyncio.Queue[str] = asyncio.Queue()

    # --- in

    def webhook(self, receive: Receive) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """The handler of /webhooks/staff: 200 only after the commit."""

        async def handle(request: web.Request) -> web.StreamResponse:
            given = request.headers.get(SECRET_HEADER, "").encode("utf-8", "surrogateescape")
            if not self._secret or not hmac.compare_digest(given, self._secret):
                return web.Response(status=403)
            if (request.content_length or 0) > MAX_BODY:
                return web.Response(status=413)
            try:  # msgspec's strings are whole letters, those of json may be halves of one
                inbound = self._parse(msgspec.json.decode(await limited_body(request, MAX_BODY)))
            except (*UNREADABLE, TypeError, AttributeError, OSError):
                return web.Response(status=400)
            try:
                if inbound is not None:
                    await receive(inbound)
            except TurnUnavailableError:
                return web.Response(status=503)
            return web.Response()

        return handle

    def _parse(self, data: dict[str, Any]) -> Inbound | None:
        update = Update.de_json(data, self._bot)
        inbound = parse(update, self._bot_id)
        if inbound is not None and not sound(inbound):
            raise ValueError("not of the types of the Bot API")
        if update.callback_query is not None:
            self._presses.put_nowait(str(update.callback_query.id))
        return inbound

    async def poll(self, receive: Receive) -> None:
        """Long polling until cancelled; the offset moves only past what was committed."""
        await self._patiently(partial(self._bot.delete_webhook, drop_pending_updates=False))
        offset = 0
        while True:
            ask = partial(self._bot.get_updates, offset=offset, timeout=POLL_SECONDS, allowed_updates=ALLOWED)
            trace.go_on("")  # what is asked for is nobody's message
            for update in await self._patiently(ask):
                if update.callback_query is not None:
                    self._presses.put_nowait(update.callback_query.id)
                inbound = parse(update, self._bot_id)
                try:
                    if inbound is not None:
                        await receive(inbound)
                except TurnUnavailableError:
                    await asyncio.sleep(1)
                    break  # it is given again
                offset = update.update_id + 1

    async def set_webhook(self, public_url: str) -> None:
        """Tell Telegram where to send updates, until it takes it."""
        url, secret = f"{public_url.rstrip('/')}/webhooks/staff", self._secret.decode()
        await self._patiently(partial(self._bot.set_webhook, url, secret_token=secret, allowed_updates=ALLOWED))

    async def _patiently(self, call: Callable[[], Awaitable[T]]) -> T:
        pause = 1.0
        while True:
            try:
                return await call()
            except TelegramError as error:
                log.warning("Telegram for staff: %s, again in %.0f s", type(error).__name__, pause)
                await asyncio.sleep(max(pause, classify(error).retry_after))
                pause = min(pause * 2, 60)

    async def run(self) -> None:
        """Answer presses and change live messages until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._answer())
            group.create_task(self._follow())

    async def _answer(self) -> None:
        while True:
            press = await self._presses.get()
            try:
                await self._bot.answer_callback_query(press)
            except TelegramError as error:
                log.info("button press not answered: %s", type(error).__name__)

    async def _follow(self) -> None:
        """Show anew what changes, as long as it does."""
        while True:
            await asyncio.sleep(LIVE_SECONDS)
            for number, (chat, theirs, shown) in list(self._live.items()):
                try:
                    rendered = await self.desk.live(Channel.STAFF_TELEGRAM, chat, number)
                    if rendered is None:
                        del self._live[number]
                        continue
                    if rendered.text != shown:
                        markup = keyboard(rendered) if rendered.choices else None
                        await self._bot.edit_message_text(rendered.text, int(chat), theirs, reply_markup=markup)
                        self._live[number] = chat, theirs, rendered.text
                    if not rendered.live:
                        del self._live[number]
                except TelegramError as error:
                    if isinstance(error, BadRequest | Forbidden):  # deleted, say
                        self._live.pop(number, None)
                    else:
                        await asyncio.sleep(classify(error).retry_after)
                except Exception as error:  # noqa: BLE001 - the database may be back at the next round
                    unless_cancelled()
                    log.warning("message %d not shown anew: %s", number, type(error).__name__)

    # --- out

    async def send(self, to: str, message: Rendered, number: int) -> Sent | SendError:
        """See bot.channel.Sender. Pictures go first, then the words with their buttons, then documents."""
        try:
            files = [found for at in range(len(message.files)) if (found := await self._file(to, number, at))]
            await self._pictures(to, [each for each in files if is_picture(each[0])])
            shown = with_details(message)
            sent: Message | None = None
            parts = [shown.text[at : at + MAX_TEXT] for at in range(0, max(1, len(shown.text)), MAX_TEXT)]
            for part in parts:
                markup = keyboard(shown) if part is parts[-1] else None
                sent = await self._bot.send_message(int(to), part, reply_markup=markup)
            for file, content in files:
                if not is_picture(file):
                    await self._bot.send_document(int(to), content, filename=file.name)
        except (TelegramError, OSError) as error:
            return classify(error)
        assert sent is not None
        if message.live:
            self._live = dict(list(self._live.items())[-MOST_LIVE:]) | {number: (to, sent.message_id, message.text)}
        return Sent(str(sent.message_id))

    async def _file(self, chat: str, number: int, at: int) -> tuple[File, bytes] | None:
        return await self.desk.file(Channel.STAFF_TELEGRAM, chat, number, at)

    async def _pictures(self, to: str, files: list[tuple[File, bytes]]) -> None:
        if len(files) == 1:
            await self._bot.send_photo(int(to), files[0][1], caption=files[0][0].label or None)
        elif files:
            await self._bot.send_media_group(
                int(to), [InputMediaPhoto(content, caption=file.label or None) for file, content in files[:10]]
            )

    async def close(self) -> None:
        """Close the connections to Telegram."""
        await self._bot.request.shutdown()
        await self._long.shutdown()
