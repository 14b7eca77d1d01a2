"""Twilio: one account for WhatsApp and SMS. Calls, signatures, and what its error codes mean.

The library is imported at the first call. It has no time-out of its own and no key that makes a repeat harmless, so a
call without an answer is ``UNKNOWN``, and the account's own list of messages says later whether it was taken.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import aiohttp
from aiohttp import web

from bot.channel import SendError, Sent, Trouble
from bot.web import UNREADABLE, limited_body
from domain.ports import PhotoError

CALL_SECONDS = 15.0
MAX_PHOTO = 16 * 1024 * 1024
MAX_FORM = 64 * 1024
MAX_FIELDS = 200
FORM = "application/x-www-form-urlencoded"
LISTED = 50  # messages of one recipient to look through after a call without an answer
SKEW = timedelta(minutes=2)
SIGNATURE = "X-Twilio-Signature"

# What Twilio's codes mean (https://www.twilio.com/docs/api/errors); each is in a test.
ERRORS: Mapping[int, Trouble] = {
    20429: Trouble.BUSY,
    21211: Trouble.INVALID_NUMBER,
    21610: Trouble.OPTED_OUT,
    21614: Trouble.INVALID_NUMBER,
    21656: Trouble.INVALID,
    30001: Trouble.BUSY,
    30003: Trouble.FAULT,
    30005: Trouble.UNREACHABLE,
    30006: Trouble.UNREACHABLE,
    30007: Trouble.FILTERED,
    30008: Trouble.FAULT,
    63016: Trouble.OUTSIDE_WINDOW,
    63018: Trouble.BUSY,
    63024: Trouble.UNREACHABLE,
    63032: Trouble.WITHHELD,
    63049: Trouble.WITHHELD,
}
PAUSE_SECONDS = {20429: 2.0, 30001: 30.0, 63018: 30.0}
REFUSED = frozenset(range(400, 500)) - {408, 429}

Take = Callable[[web.Request, dict[str, str]], Awaitable[web.StreamResponse]]


def error_of(code: int, status: int = 400) -> SendError:
    """What a code (0: none was given) with this HTTP status means."""
    if code in ERRORS:
        return SendError(ERRORS[code], str(code), PAUSE_SECONDS.get(code, 0.0))
    if status == 429:
        return SendError(Trouble.BUSY, "429", PAUSE_SECONDS[20429])
    if status in REFUSED:
        return SendError(Trouble.INVALID, str(code or status))
    return SendError(Trouble.UNKNOWN, str(code or status))


class Twilio:
    """An account. ``api_url`` and ``content_url`` are Twilio's own unless a stand-in is tried against."""

    def __init__(self, account_sid: str, auth_token: str, public_url: str, api_url: str, content_url: str) -> None:
        self.account_sid, self._token = account_sid, auth_token
        self.public_url = public_url.rstrip("/")
        self._hosts = {
            "https://api.twilio.com": api_url.rstrip("/"),
            "https://content.twilio.com": content_url.rstrip("/"),
        }
        self._api_url = api_url.rstrip("/")
        self._auth = {"Authorization": aiohttp.encode_basic_auth(account_sid, auth_token)}
        self._loading = asyncio.Lock()
        self._client: Any = None
        self._http: Any = None

    async def client(self) -> Any:
        """The library's client."""
        async with self._loading:
            if self._client is None:
                make = await asyncio.to_thread(_import_client)
                self._http = make(self._hosts, self._auth)
                from twilio.rest import Client  # noqa: PLC0415 - loaded by now

                self._client = Client(self.account_sid, self._token, http_client=self._http)
        return self._client

    async def close(self) -> None:
        """Close the connections."""
        if self._http is not None:
            await self._http.close()

    # --- out

    async def create(self, number: int, **params: Any) -> Sent | SendError:
        """Send a message; ``number`` comes back with each report about it."""
        if self.public_url:
            params["status_callback"] = f"{self.public_url}/webhooks/twilio/status?message={number}"
        client = await self.client()
        from twilio.base.exceptions import TwilioException, TwilioRestException  # noqa: PLC0415

        try:
            async with asyncio.timeout(CALL_SECONDS):
                message = await client.messages.create_async(**params)
        except TwilioRestException as error:
            return error_of(error.code or 0, error.status)
        except aiohttp.ClientConnectorError:
            return SendError(Trouble.FAULT, "no connection")  # nothing left this machine
        except (TimeoutError, aiohttp.ClientError, TwilioException, ValueError) as error:
            return SendError(Trouble.UNKNOWN, type(error).__name__)
        if message.error_code:
            return error_of(int(message.error_code))
        return Sent(message.sid)

    async def find(self, to: str, texts: tuple[str, ...], since: datetime) -> str | None:
        """The id of a message to ``to`` with one of these texts that was made since then; None where there is none.

        Raises OSError or TimeoutError where Twilio can't say.
        """
        client = await self.client()
        from twilio.base.exceptions import TwilioException  # noqa: PLC0415

        try:
            async with asyncio.timeout(CALL_SECONDS):
                messages = await client.messages.list_async(to=to, limit=LISTED, page_size=LISTED)
        except (TwilioException, aiohttp.ClientError, ValueError) as error:
            raise OSError(type(error).__name__) from None
        for message in messages:
            made = message.date_created or datetime.now(UTC)
            if made >= since - SKEW and message.body in texts:
                return str(message.sid)
        return None

    async def content(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """A call to the Content API, which holds templates; raises OSError with the status where it is refused."""
        url = f"{self._hosts['https://content.twilio.com']}/v1/Content{path}"
        timeout = aiohttp.ClientTimeout(total=CALL_SECONDS)
        async with (
            aiohttp.ClientSession(timeout=timeout) as http,
            http.request(method, url, json=body, headers=self._auth) as answer,
        ):
            if answer.status >= 300:
                raise OSError(f"Twilio's Content API answers {answer.status}")
            found: dict[str, Any] = await answer.json()
            return found

    # --- photos

    def _media(self, url: str) -> str:
        """A medium's address, if it is one of this account's: the credentials go nowhere else."""
        parts, ours = urlsplit(url), urlsplit(self._api_url)
        if (
            parts.hostname not in {ours.hostname, "api.twilio.com"}
            or f"/Accounts/{self.account_sid}/" not in parts.path
        ):
            raise PhotoError("photo.unavailable")
        return self._api_url + parts.path

    async def fetch(self, url: str) -> bytes:
        """The bytes of a photo; raises PhotoError where Twilio has it no more."""
        timeout = aiohttp.ClientTimeout(total=2 * CALL_SECONDS)
        async with (
            aiohttp.ClientSession(timeout=timeout) as http,
            http.get(self._media(url), headers=self._auth) as answer,
        ):
            if answer.status in REFUSED:
                raise PhotoError("photo.unavailable")
            if answer.status != 200:
                raise OSError(f"status {answer.status}")
            content = bytearray()
            async for part in answer.content.iter_chunked(64 * 1024):
                content += part
                if len(content) > MAX_PHOTO:
                    raise PhotoError("photo.too_big")
            return bytes(content)

    async def forget(self, url: str) -> None:
        """Delete a photo at Twilio, where it would stay for ever; raises OSError where that failed."""
        timeout = aiohttp.ClientTimeout(total=CALL_SECONDS)
        async with (
            aiohttp.ClientSession(timeout=timeout) as http,
            http.delete(self._media(url), headers=self._auth) as answer,
        ):
            if answer.status not in {200, 204, 404}:
                raise OSError(f"status {answer.status}")

    # --- in

    def webhook(self, take: Take) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """A handler that passes on the fields of signed requests only. Fields may be blank, and new ones may come."""

        async def handle(request: web.Request) -> web.StreamResponse:
            if request.content_type != FORM:
                return web.Response(status=415)
            try:
                body = await limited_body(request, MAX_FORM)
                if len(body) > MAX_FORM:
                    return web.Response(status=413)
                # UTF-8, whatever charset the request claims: an odd one costs seconds to read.
                pairs = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=MAX_FIELDS, errors="strict")
            except UNREADABLE:
                return web.Response(status=400)
            form = dict(pairs)
            # The address as the world sees it: behind a proxy this process sees another.
            url = self.public_url + request.raw_path
            if not self.public_url or not _signed(self._token, url, form, request.headers.get(SIGNATURE, "")):
                return web.Response(status=403)
            return await take(request, form)

        return handle


def _signed(token: str, url: str, form: dict[str, str], signature: str) -> bool:
    from twilio.request_validator import RequestValidator  # noqa: PLC0415 - the package only where it is set

    try:
        return bool(signature.isascii() and RequestValidator(token).validate(url, form, signature))
    except ValueError:  # halves of letters, as an odd charset makes them: Twilio signs UTF-8
        return False


def _import_client() -> Callable[[Mapping[str, str], Mapping[str, str]], Any]:
    """The library's HTTP client, ready to be made in the event loop's thread."""
    import twilio.rest  # noqa: F401, PLC0415 - slow: only where Twilio is called
    from twilio.http.async_http_client import AsyncTwilioHttpClient  # noqa: PLC0415

    silent = logging.getLogger("bot.twilio.silent")  # the library logs what it sends
    silent.disabled = True

    class Http(AsyncTwilioHttpClient):  # type: ignore[misc]
        """The same with other hosts, for trying out, and with a header in place of aiohttp's deprecated BasicAuth."""

        def __init__(self, hosts: Mapping[str, str], auth: Mapping[str, str]) -> None:
            super().__init__(timeout=CALL_SECONDS, logger=silent)
            self._hosts, self._auth = hosts, auth

        async def request(  # noqa: PLR0913, PLR0917 - as the library calls it
            self,
            method: str,
            url: str,
            params: dict[str, object] | None = None,
            data: dict[str, object] | None = None,
            headers: dict[str, str] | None = None,
            auth: tuple[str, str] | None = None,
            timeout: float | None = None,  # noqa: ASYNC109
            allow_redirects: bool = False,  # noqa: FBT001, FBT002
        ) -> Any:
            for host, stand_in in self._hosts.items():
                if url.startswith(host):
                    url = stand_in + url.removeprefix(host)
            sent = {**(headers or {}), **self._auth}
            return await super().request(method, url, params, data, sent, None, CALL_SECONDS, allow_redirects)

    return Http
