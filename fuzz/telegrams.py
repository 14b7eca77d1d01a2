"""Telegram's updates, to the applicants' bot and to the staff's."""

import json
from functools import cache
from typing import Any

from bot.channels.staff_telegram import StaffTelegram
from bot.channels.telegram import TelegramChannel
from fuzz.requests import NOBODY, SECRET, Handler, answered, receive

_CHAT = {"id": 7, "type": "private"}
_PERSON = {"id": 7, "is_bot": False, "first_name": "Siti"}
_FILE = {"file_id": "f", "file_unique_id": "u", "width": 9, "height": 9, "file_size": 9, "mime_type": "image/jpeg"}
_SAID: list[dict[str, Any]] = [
    {"text": "halo"},
    {"photo": [_FILE]},
    {"document": {**_FILE, "file_name": "daftar.csv"}},
    {"contact": {"phone_number": "62812", "first_name": "Siti", "user_id": 7}},
    {"location": {"latitude": -6.2, "longitude": 106.8}},
]


def updates() -> list[bytes]:
    """One of each kind."""
    base = {"message_id": 1, "date": 1, "from": _PERSON, "chat": _CHAT}
    found: list[dict[str, Any]] = [{"update_id": 1, "message": {**base, **said}} for said in _SAID]
    press = {"id": "1", "from": _PERSON, "chat_instance": "c", "data": "yes~3", "message": {**base, "text": "x"}}
    member = {"status": "kicked", "user": _PERSON, "until_date": 0}
    changed = {"chat": _CHAT, "from": _PERSON, "date": 1, "old_chat_member": member, "new_chat_member": member}
    found += [{"update_id": 2, "callback_query": press}, {"update_id": 3, "my_chat_member": changed}]
    return [json.dumps(each).encode() for each in found]


@cache
def _telegram() -> Handler:
    return TelegramChannel("42:" + "A" * 35, NOBODY, SECRET, "Bagikan").webhook(receive)


@cache
def _staff_telegram() -> Handler:
    return StaffTelegram("43:" + "B" * 35, NOBODY, SECRET).webhook(receive)


def telegram(body: bytes) -> None:
    """An update as JSON, for the applicants' bot."""
    answered(_telegram(), "/webhooks/telegram", body, X_Telegram_Bot_Api_Secret_Token=SECRET)


def staff_telegram(body: bytes) -> None:
    """An update as JSON, for the staff's bot."""
    answered(_staff_telegram(), "/webhooks/staff", body, X_Telegram_Bot_Api_Secret_Token=SECRET)
