"""WhatsApp, through Twilio: messages in by signed webhook, messages out. The sender's number is the contact.

Buttons need content that was made for them beforehand (``gelombang templates sync``); without it, and where they don't
fit, the choices are numbered in the text, and their number, label or a part of it is understood.
"""

import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from bot.channel import SendError, Sent, on_earth
from bot.gateways.twilio import Twilio
from handlers.conversation import Inbound, RemotePhoto
from handlers.i18n import Label, Rendered, numbered
from models.enums import Channel

MAX_TEXT = 1600
PREFIX = "whatsapp:"
MAX_BUTTONS, BUTTON_LABEL = 3, 20
LIST_LABEL, LIST_DETAIL = 24, 72
MAX_VARIABLE = 255
_BROKEN = re.compile(r"[\n\t]| {5}")  # what a content's variable may not hold


def parse(form: dict[str, str]) -> Inbound | None:
    """The message as the engine takes it; None for a request that is none."""
    number = form.get("From", "").removeprefix(PREFIX)
    message_id = form.get("MessageSid", "")
    if not number.startswith("+") or not number[1:].isdigit() or not 0 < len(message_id) <= 64:
        return None
    empty = Inbound(channel=Channel.WHATSAPP, address=number, external_id=message_id, sender_phone=number)
    if form.get("NumMedia", "0") not in {"", "0"}:
        kind = form.get("MediaContentType0", "")
        if kind.startswith("image/"):
            return msgspec.structs.replace(empty, photo=RemotePhoto(form.get("MediaUrl0", "")))
        return msgspec.structs.replace(empty, other=kind.partition("/")[0] or "file")
    if choice := form.get("ButtonPayload") or form.get("ListId"):
        return msgspec.structs.replace(empty, choice=choice[:200])
    if form.get("Latitude") and form.get("Longitude"):
        try:
            place = on_earth(float(form["Latitude"]), float(form["Longitude"]))
        except ValueError:
            place = None
        return msgspec.structs.replace(empty, location=place, other=None if place else "location")
    if form.get("Body", "").strip():
        return msgspec.structs.replace(empty, text=form["Body"])
    return msgspec.structs.replace(empty, other="unknown")


def pieces(text: str) -> list[str]:
    """The text in parts that WhatsApp takes, cut at a line's or word's end where there is one."""
    parts = []
    while len(text) > MAX_TEXT:
        head = text[:MAX_TEXT]
        cut = max(head.rfind("\n"), head.rfind(" ")) + 1 or MAX_TEXT
        parts.append(text[:cut])
        text = text[cut:]
    return [*parts, text]


class WhatsAppSender:
    """The sending half, from one WhatsApp number. ``contents``: ids of the contents for buttons, by kind and count."""

    def __init__(self, account: Twilio, number: str, contents: Mapping[str, str] | None = None) -> None:
        self._account, self._from = account, PREFIX + number.removeprefix(PREFIX)
        self.contents: Mapping[str, str] = contents or {}

    async def send(self, to: str, message: Rendered, number: int) -> Sent | SendError:
        """See bot.channel.Sender."""
        base: dict[str, Any] = {"to": PREFIX + to, "from_": self._from}
        if message.template:
            variables = json.dumps(message.variables)
            return await self._account.create(number, **base, content_sid=message.template, content_variables=variables)
        if content := buttons(message, self.contents):
            return await self._account.create(number, **base, **content)
        *first, last = pieces(numbered(message))
        for part in first:
            sent = await self._account.create(number, **base, body=part)
            if isinstance(sent, SendError):
                return sent
        return await self._account.create(number, **base, body=last)

    async def find(self, to: str, message: Rendered, since: datetime) -> str | None:
        """See bot.channel.Tracing."""
        texts = (message.text, pieces(numbered(message))[-1])
        return await self._account.find(PREFIX + to, texts, since)


def buttons(message: Rendered, contents: Mapping[str, str]) -> dict[str, str] | None:
    """Parameters that show the choices as buttons or as a list; None where no content was made or they don't fit."""
    count = len(message.choices)
    choices = [_short(choice) for choice in message.choices]
    longest = max((len(choice.label) for choice in choices), default=0)
    if not message.choices or len(message.text) > MAX_VARIABLE or _BROKEN.search(message.text):
        return None
    detailed = any(choice.detail for choice in choices)
    if count <= MAX_BUTTONS and longest <= BUTTON_LABEL and not detailed:
        content = contents.get(f"buttons_{count}")
    else:
        content = contents.get(f"{'details' if detailed else 'list'}_{count}") if longest <= LIST_LABEL else None
    if content is None:
        return None
    variables = {"text": message.text}
    for at, choice in enumerate(choices, 1):
        variables |= {f"label{at}": choice.label, f"id{at}": choice.id}
        if detailed:
            variables[f"detail{at}"] = choice.detail or " "
    return {"content_sid": content, "content_variables": json.dumps(variables)}


def _short(choice: Label) -> Label:
    """A choice whose smaller print tells it from the others may be cut to fit a list."""
    if not choice.detail:
        return choice
    return Label(choice.id, _cut(choice.label, LIST_LABEL), _cut(choice.detail, LIST_DETAIL))


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"
