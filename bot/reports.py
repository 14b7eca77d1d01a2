"""What Twilio calls: messages of WhatsApp, SMS that somebody sent, and reports about messages that went out."""

import logging
from collections.abc import Awaitable, Callable

from aiohttp import web

from bot.channel import Receive, SendError
from bot.channels import whatsapp
from bot.gateways.twilio import Twilio, error_of
from bot.web import guarded
from handlers.engine import TurnUnavailableError
from models.enums import OutboxStatus

log = logging.getLogger(__name__)

# Twilio's words for where a message stands; those before "sent" say nothing new.
STATUSES = {
    "sent": OutboxStatus.SENT,
    "delivered": OutboxStatus.DELIVERED,
    "read": OutboxStatus.READ,
    "undelivered": OutboxStatus.FAILED,
    "failed": OutboxStatus.FAILED,
}

Report = Callable[[int, OutboxStatus, str, SendError | None], Awaitable[None]]
"""Takes a report: number of the message, its status, the provider's id and what went wrong."""


class TwilioDesk:
    """The three webhooks of an account."""

    def __init__(self, account: Twilio, receive: Receive, report: Report) -> None:
        self._account, self._receive, self._report = account, receive, report

    def add_routes(self, app: web.Application) -> None:
        """Add the routes."""
        for name, take in (("whatsapp", self._whatsapp), ("sms", self._sms), ("status", self._status)):
            app.router.add_post(f"/webhooks/twilio/{name}", guarded(self._account.webhook(take)))

    async def _whatsapp(self, request: web.Request, form: dict[str, str]) -> web.Response:
        inbound = whatsapp.parse(form)
        if inbound is None:
            return web.Response(status=400)
        try:
            await self._receive(inbound)
        except TurnUnavailableError:
            return web.Response(status=503)  # Twilio sends it again
        return _empty()

    async def _sms(self, request: web.Request, form: dict[str, str]) -> web.Response:
        """Nothing is asked by SMS, and in Indonesia nobody can answer one: who writes elsewhere is not answered."""
        log.info("an SMS came in and was left alone")
        return _empty()

    async def _status(self, request: web.Request, form: dict[str, str]) -> web.Response:
        number, message_id = request.query.get("message", ""), form.get("MessageSid", "")
        if not number.isascii() or not number.isdigit() or len(number) > 18 or not 0 < len(message_id) <= 64:
            return web.Response(status=400)
        status = STATUSES.get(form.get("MessageStatus", ""))
        if status is None:
            return _empty()
        code = form.get("ErrorCode", "")
        error = error_of(int(code) if code.isascii() and code.isdigit() and len(code) < 9 else 0)
        await self._report(int(number), status, message_id, error if status == OutboxStatus.FAILED else None)
        return _empty()


def _empty() -> web.Response:
    return web.Response(text="<Response/>", content_type="text/xml")
