"""Asking whose an account is, over HTTP (docs/payouts.md): the sandbox bank's interface, and any partner's like it."""

import aiohttp
import msgspec

from bot.web import NO_JSON
from domain.ports import AccountAnswer, AccountQuestion, GatewayUnavailableError
from models.enums import Match

SECONDS = 10.0


class _Answer(msgspec.Struct):
    exists: bool
    open: bool = True
    name: Match = Match.UNKNOWN
    phone: Match = Match.UNKNOWN


class HttpInquiry:
    """``POST {url}/accounts/inquiry`` with a bearer token; says what fits and gives no data."""

    def __init__(self, url: str, token: str) -> None:
        self._url, self._token = url.rstrip("/"), token
        self._http: aiohttp.ClientSession | None = None

    async def ask(self, question: AccountQuestion) -> AccountAnswer:
        """The answer; raises GatewayUnavailableError."""
        if not self._url:
            raise GatewayUnavailableError("nobody to ask: GELOMBANG_ACCOUNT_INQUIRY_URL is not set")
        if self._http is None:
            self._http = aiohttp.ClientSession(
                headers={"Authorization": f"Bearer {self._token}"}, timeout=aiohttp.ClientTimeout(total=SECONDS)
            )
        body = {
            "institution": question.institution,
            "number": question.number,
            "name": question.name,
            "phone": question.phone,
        }
        try:
            async with self._http.post(f"{self._url}/accounts/inquiry", json=body) as answer:
                if answer.status != 200:
                    raise GatewayUnavailableError(f"answered {answer.status}")
                found = msgspec.json.decode(await answer.read(), type=_Answer)
        except (aiohttp.ClientError, TimeoutError, *NO_JSON) as error:
            raise GatewayUnavailableError(type(error).__name__) from None
        return AccountAnswer(found.exists, found.open, found.name, found.phone)

    async def close(self) -> None:
        """Give the connection back."""
        if self._http is not None:
            await self._http.close()
