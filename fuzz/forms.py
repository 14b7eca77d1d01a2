"""What Twilio posts, as forms with its signature."""

from functools import cache
from typing import Any
from urllib.parse import parse_qsl, urlencode

from aiohttp import web

from bot.gateways.twilio import SIGNATURE, Twilio
from bot.reports import TwilioDesk
from fuzz.requests import NOBODY, PUBLIC, SECRET, answered, handler_of, receive

FORM = "application/x-www-form-urlencoded"


async def _reported(*_: Any) -> None:
    """A report about a message went nowhere."""


@cache
def _twilio() -> web.Application:
    site = web.Application()
    TwilioDesk(Twilio("AC1", SECRET, PUBLIC, NOBODY, NOBODY), receive, _reported).add_routes(site)
    return site


def _signature(path: str, form: dict[str, str]) -> str:
    from twilio.request_validator import RequestValidator  # noqa: PLC0415 - loaded where it is used, as in the app

    return str(RequestValidator(SECRET).compute_signature(PUBLIC + path, form))


def twilio(body: bytes) -> None:
    """A form: its first byte chooses the content type, and it comes with Twilio's signature where it is a plain one."""
    kinds = (FORM, FORM, f"{FORM}; charset=unicode_escape", "multipart/form-data; boundary=b", f"{FORM}; charset=utf-7")
    kind, body = kinds[body[0] % len(kinds)] if body else FORM, body[1:]
    form = dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
    for path in ("/webhooks/twilio/whatsapp", "/webhooks/twilio/status"):
        handler = handler_of(_twilio(), path)
        asked = f"{path}?message=1"
        answered(handler, asked, body, Content_Type=kind, **{SIGNATURE: _signature(asked, form)})


def forms() -> list[bytes]:
    """A message of each kind, a report, and the same in other wrappings."""
    base = {"From": "whatsapp:+6281234567890", "MessageSid": "SM1"}
    said = [{"Body": "halo"}, {"NumMedia": "1", "MediaContentType0": "image/jpeg", "MediaUrl0": "http://x/y"}]
    said += [{"ButtonPayload": "yes~3"}, {"Latitude": "-6.2", "Longitude": "106.8"}]
    said += [{"MessageStatus": "failed", "ErrorCode": "63016"}]
    part = b'--b\r\nContent-Disposition: form-data; name="Body"\r\n\r\nhalo\r\n--b--\r\n'
    return [b"\x00" + urlencode({**base, **each}).encode() for each in said] + [b"\x03" + part, b"\x02a=\\u0041"]
