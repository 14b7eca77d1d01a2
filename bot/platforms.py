"""The platforms that the settings ask for: Telegram for applicants and for staff, WhatsApp and SMS by Twilio."""

import asyncio
import dataclasses
import os
import sys
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from aiohttp import web

from bot import web as webserver
from bot.channel import Sender
from bot.channels.sms import SmsSender
from bot.channels.telegram import TelegramChannel
from bot.channels.whatsapp import WhatsAppSender
from bot.front import Lane
from bot.gateways.twilio import Twilio
from bot.photos import Remote
from bot.reports import TwilioDesk
from bot.settings import Settings
from handlers import i18n
from models.enums import Channel

if TYPE_CHECKING:
    from bot.app import App
    from bot.channels.staff_telegram import StaffTelegram

TELEGRAM_PATH = "/webhooks/telegram"


@dataclasses.dataclass
class Platforms:
    """Those that are configured: what sends and fetches, webhooks, and what takes their messages."""

    telegram: TelegramChannel | None
    staff: "StaffTelegram | None"
    twilio: Twilio | None
    senders: dict[Channel, Sender] = dataclasses.field(default_factory=dict)
    remotes: dict[Channel, Remote] = dataclasses.field(default_factory=dict)

    @classmethod
    def of(cls, settings: Settings) -> "Platforms":
        """What the settings ask for."""
        found = cls(_telegram(settings), _staff_telegram(settings), twilio_account(settings))
        if found.telegram:
            found.senders[Channel.TELEGRAM] = found.telegram
            found.remotes[Channel.TELEGRAM] = Remote(found.telegram.fetch)
        if found.staff:
            found.senders[Channel.STAFF_TELEGRAM] = found.staff
        if found.twilio:
            found.senders |= _twilio_senders(settings, found.twilio)
            found.remotes[Channel.WHATSAPP] = Remote(found.twilio.fetch, found.twilio.forget)
        return found

    def add_routes(self, site: web.Application, app: "App") -> None:
        """Webhooks."""
        if self.staff:
            site.router.add_post("/webhooks/staff", webserver.guarded(self.staff.webhook(app.receive)))
        if self.telegram:
            site.router.add_post(TELEGRAM_PATH, webserver.guarded(self.telegram.webhook(app.receive)))
        if self.twilio:
            TwilioDesk(self.twilio, app.receive, app.delivery.report).add_routes(site)

    def lanes(self, app: "App") -> dict[str, Lane]:
        """Webhooks that have a short way, by their paths."""
        return {TELEGRAM_PATH: self.telegram.lane(app.submit)} if self.telegram else {}

    def work(self, app: "App", *, updates: bool) -> list[Coroutine[Any, Any, None]]:
        """What runs as long as the server does; ``updates``: messages are taken here."""
        found = []
        if self.staff:
            self.staff.desk = app.staff_desk()
        if self.telegram:
            found += [self.telegram.run(), *([_updates(self.telegram, app)] if updates else [])]
        if self.staff:
            found += [self.staff.run(), *([_staff_updates(self.staff, app)] if updates else [])]
        return found

    async def close(self) -> None:
        """Close the connections."""
        for each in (self.telegram, self.twilio, self.staff):
            if each:
                await each.close()


async def _staff_updates(staff: "StaffTelegram", app: "App") -> None:
    if app.settings.telegram_mode == "polling":
        await staff.poll(app.receive)
    else:
        await staff.set_webhook(app.settings.public_url)


async def _updates(telegram: TelegramChannel, app: "App") -> None:
    if app.settings.telegram_mode == "polling":
        await telegram.poll(app.receive)
        return
    if not app.settings.telegram_reply_in_webhook:
        await telegram.load()  # now, in a thread, rather than at the first reply
    # A process of its own tells Telegram the address: this one stays small where it never calls Telegram itself.
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bot", "webhook", "--parent", str(os.getpid()), stdout=asyncio.subprocess.DEVNULL
    )
    try:
        await child.wait()
    finally:
        if child.returncode is None:
            child.kill()


async def register_webhook(settings: Settings) -> None:
    """Tell Telegram where to send updates; returns when it has taken it."""
    telegram = _telegram(settings)
    if telegram is None:
        raise ValueError("GELOMBANG_TELEGRAM_TOKEN is not set")
    try:
        await telegram.set_webhook(settings.public_url)
    finally:
        await telegram.close()


def twilio_account(settings: Settings) -> Twilio | None:
    """The Twilio account that is set; raises ValueError where a part of it is missing."""
    token = settings.twilio_auth_token.get_secret_value()
    if not settings.twilio_account_sid and not token:
        return None
    if not (settings.twilio_account_sid and token and settings.public_url):
        raise ValueError(
            "Twilio needs GELOMBANG_TWILIO_ACCOUNT_SID, GELOMBANG_TWILIO_AUTH_TOKEN and GELOMBANG_PUBLIC_URL"
        )
    return Twilio(
        settings.twilio_account_sid, token, settings.public_url, settings.twilio_api_url, settings.twilio_content_url
    )


def _twilio_senders(settings: Settings, account: Twilio) -> dict[Channel, Sender]:
    senders: dict[Channel, Sender] = {}
    if settings.twilio_whatsapp_from:
        senders[Channel.WHATSAPP] = WhatsAppSender(account, settings.twilio_whatsapp_from)
    if settings.twilio_sms_from or settings.twilio_messaging_service_sid:
        senders[Channel.SMS] = SmsSender(account, settings.twilio_sms_from, settings.twilio_messaging_service_sid)
    return senders


def _staff_telegram(settings: Settings) -> "StaffTelegram | None":
    token = settings.staff_telegram_token.get_secret_value()
    if not token:
        return None
    if token == settings.telegram_token.get_secret_value():
        raise ValueError("GELOMBANG_STAFF_TELEGRAM_TOKEN is the applicants' bot: staff need one of their own")
    secret = settings.staff_telegram_secret.get_secret_value()
    if settings.telegram_mode == "webhook" and not (settings.public_url and secret):
        raise ValueError(
            "GELOMBANG_TELEGRAM_MODE=webhook needs GELOMBANG_PUBLIC_URL and GELOMBANG_STAFF_TELEGRAM_SECRET"
        )
    from bot.channels.staff_telegram import StaffTelegram  # noqa: PLC0415 - only where there is such a bot

    return StaffTelegram(token, settings.telegram_api_url, secret)


def _telegram(settings: Settings) -> TelegramChannel | None:
    token = settings.telegram_token.get_secret_value()
    if not token:
        return None
    if settings.telegram_mode == "webhook" and not (
        settings.public_url and settings.telegram_secret.get_secret_value()
    ):
        raise ValueError("GELOMBANG_TELEGRAM_MODE=webhook needs GELOMBANG_PUBLIC_URL and GELOMBANG_TELEGRAM_SECRET")
    return TelegramChannel(
        token,
        settings.telegram_api_url,
        settings.telegram_secret.get_secret_value(),
        i18n.text(i18n.DEFAULT_LANGUAGE, "telegram.contact_button"),
        reply_in_webhook=settings.telegram_reply_in_webhook,
    )
