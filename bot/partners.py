"""What partners' systems call: ``POST /partners/kyc/attestations``."""

import logging
from collections.abc import Callable
from datetime import datetime

from aiohttp import web
from tortoise.transactions import in_transaction

from bot.channel import Receive
from bot.gateways.kyc import MAX_BYTES, PartnerKeys, RefusedError
from bot.web import UNREADABLE, guarded, limited_body
from domain.errors import DomainError
from domain.verification.actions import kyc
from handlers.conversation import Inbound, KycOutcome
from models.enums import Channel

log = logging.getLogger(__name__)

STATUS = {"partner.unknown_reference": 404, "partner.expired": 410, "partner.used": 409, "too_long": 413}
SIGNED_WRONG = frozenset({"unknown_partner", "unknown_key", "bad_signature", "wrong_audience", "expired"})


class KycDesk:
    """Takes partners' statements and tells the conversations that wait for them."""

    def __init__(self, keys: PartnerKeys, clock: Callable[[], datetime], receive: Receive) -> None:
        self._keys, self._clock, self._receive = keys, clock, receive

    def add_routes(self, app: web.Application) -> None:
        """Add the route."""
        app.router.add_post("/partners/kyc/attestations", guarded(self._take))

    async def _take(self, request: web.Request) -> web.Response:
        try:
            body = await limited_body(request, MAX_BYTES)
        except UNREADABLE:
            return _refused("unreadable", 400)
        try:
            statement = self._keys.read(body.strip())
            async with in_transaction():
                row, new = await kyc.attest(statement, self._clock())
        except RefusedError as error:
            log.warning("KYC statement refused: %s", error.code)
            return _refused(error.code, 401 if error.code in SIGNED_WRONG else STATUS.get(error.code, 400))
        except DomainError as error:
            log.warning("KYC statement of %s refused: %s", statement.partner, error.code)
            return _refused(error.code.removeprefix("partner."), STATUS[error.code])
        # Told before the partner is answered, and told again to a replay: a crash right after the statement was taken
        # must not leave the person waiting. The message has one id, so nobody hears it twice.
        outcome = KycOutcome(row.id)
        await self._receive(
            Inbound(
                channel=Channel.INTERNAL,
                address=str(row.conversation_id),
                external_id=f"kyc:{row.id}",
                outcome=outcome,
            )
        )
        if not new:
            log.warning("KYC statement of %s refused: replay", statement.partner)
            return _refused("used", 409)
        return web.json_response({"status": "taken"})


def _refused(code: str, status: int) -> web.Response:
    return web.json_response({"error": {"code": code}}, status=status)
