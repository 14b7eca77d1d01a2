"""``gelombang serve --fake-providers``: stand-ins for Telegram and Twilio, and a phone page for each channel.

The stand-ins are those of the tests (tests/peers), so this works in a checkout of the project. The real clients talk to
them over HTTP; what is typed on a phone page comes back as the signed webhook that the platform would send.
"""

import importlib
import itertools
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from pydantic import SecretStr

from bot.settings import Settings
from bot.web import SECURITY_HEADERS, UNREADABLE, guarded

PAGE = Path(__file__).with_name("phones_page")
FILES = frozenset({"phone.html", "phone.css", "phone.js"})
CHANNELS = ("telegram", "whatsapp", "sms")
NUMBER = "+6281234567890"
CHAT = 77
SECRET = "fake-providers"  # noqa: S105 - of a stand-in on this machine
MAX_UPLOAD = 12 * 1024 * 1024


@asynccontextmanager
async def fake_providers(settings: Settings) -> AsyncIterator[tuple[Settings, "Phones"]]:
    """The settings that make the clients call the stand-ins, and the phone pages."""
    try:
        telegram_peers = importlib.import_module("tests.peers.telegram")
        twilio_peers = importlib.import_module("tests.peers.twilio")
    except ImportError:
        words = "--fake-providers is for a checkout of the project, in its folder: python -m bot serve --fake-providers"
        raise ValueError(words) from None
    here = f"http://{settings.host}:{settings.port}"
    async with telegram_peers.telegram_peer() as telegram, twilio_peers.twilio_peer() as twilio:
        changed = {
            "public_url": here,
            "telegram_token": SecretStr("42:" + "A" * 35),
            "telegram_api_url": telegram.url,
            "telegram_mode": "webhook",
            "telegram_secret": SecretStr(SECRET),
            "twilio_account_sid": twilio_peers.SID,
            "twilio_auth_token": SecretStr(twilio_peers.TOKEN),
            "twilio_api_url": twilio.url,
            "twilio_content_url": twilio.url,
            "twilio_whatsapp_from": "+62811000000",
            "twilio_sms_from": "GELOMBANG",
        }
        yield settings.model_copy(update=changed), Phones(telegram, twilio, here)


class Phones:
    """One phone with one number, seen through each channel."""

    def __init__(self, telegram: Any, twilio: Any, here: str) -> None:
        self._telegram, self._twilio, self._here = telegram, twilio, here
        self._numbers = itertools.count(int(time.time()))  # later than those of an earlier start on the same database

    def add_routes(self, app: web.Application) -> None:
        """Put the pages into the server."""
        app.router.add_get("/phones", guarded(self._page))
        app.router.add_get("/phones/page/{name}", guarded(self._page))
        app.router.add_get("/phones/{channel}", guarded(self._page))
        app.router.add_get("/phones/{channel}/messages", guarded(self._messages))
        app.router.add_post("/phones/{channel}/messages", guarded(self._post))

    async def _page(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info.get("name", "phone.html")
        if name not in FILES or request.match_info.get("channel", "telegram") not in CHANNELS:
            raise web.HTTPNotFound
        return web.FileResponse(PAGE / name, headers=SECURITY_HEADERS)

    async def _messages(self, request: web.Request) -> web.Response:
        channel = request.match_info["channel"]
        if channel == "telegram":
            found = [self._from_telegram(each) for each in self._telegram.sent if int(each["chat_id"]) == CHAT]
        else:
            to = f"whatsapp:{NUMBER}" if channel == "whatsapp" else NUMBER
            found = [{"text": each["body"], "choices": []} for each in self._twilio.sent if each["to"] == to]
        return web.json_response({"messages": found, "number": NUMBER})

    @staticmethod
    def _from_telegram(sent: dict[str, Any]) -> dict[str, Any]:
        markup = sent["reply_markup"]
        rows = markup.get("inline_keyboard", [])
        choices = [{"id": each["callback_data"], "label": each["text"]} for row in rows for each in row]
        if "keyboard" in markup:
            choices.append({"id": "contact", "label": markup["keyboard"][0][0]["text"]})
        return {"text": sent["text"], "choices": choices}

    async def _post(self, request: web.Request) -> web.Response:
        try:
            form = await request.post()
        except UNREADABLE:
            return web.Response(status=400)
        photo = form.get("photo")
        content = photo.file.read(MAX_UPLOAD) if isinstance(photo, web.FileField) else None
        text, choice = str(form.get("text", "")), str(form.get("choice", ""))
        match request.match_info["channel"]:
            case "telegram":
                status = await self._to_telegram(text, choice, content)
            case "whatsapp":
                sent = self._twilio.photo(NUMBER, content) if content else self._twilio.message(NUMBER, text)
                sent["MessageSid"] = f"SM{secrets.token_hex(16)}"
                status = await self._twilio.post(self._here, "/webhooks/twilio/whatsapp", sent)
            case _:  # nobody can answer an SMS
                status = 405
        return web.Response(status=status)

    async def _to_telegram(self, text: str, choice: str, photo: bytes | None) -> int:
        number = next(self._numbers)
        person = {"id": CHAT, "is_bot": False, "first_name": "Siti"}
        message: dict[str, Any] = {
            "message_id": number,
            "date": 1,
            "from": person,
            "chat": {"id": CHAT, "type": "private"},
        }
        update: dict[str, Any] = {"update_id": number, "message": message}
        if choice == "contact":
            message["contact"] = {"phone_number": NUMBER[1:], "first_name": "Siti", "user_id": CHAT}
        elif choice:
            press = {"id": str(number), "from": person, "chat_instance": "c", "data": choice}
            update = {"update_id": number, "callback_query": press}
        elif photo is not None:
            self._telegram.files[f"photo{number}"] = photo
            message["photo"] = [{"file_id": f"photo{number}", "file_unique_id": "p", "width": 1, "height": 1}]
        else:
            message["text"] = text
        headers = {"X-Telegram-Bot-Api-Secret-Token": SECRET}
        url = f"{self._here}/webhooks/telegram"
        async with aiohttp.ClientSession() as http, http.post(url, json=update, headers=headers) as answer:
            return answer.status
