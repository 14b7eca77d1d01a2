"""A Twilio on loopback that the real client talks to: messages, media, contents, signed webhooks, and bad days.

``misbehave`` may answer a call instead; ``lose`` takes the message and lets the call run into its time-out.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

import aiohttp
from aiohttp import web
from twilio.request_validator import RequestValidator

SID, TOKEN = "AC" + "0" * 32, "a-token-for-tests"

Form = dict[str, str]


class TwilioPeer:
    """``sent`` holds the messages that were created, in their order, as the account lists them."""

    def __init__(self) -> None:
        self.url = ""
        self.sent: list[dict[str, Any]] = []
        self.media: dict[str, bytes] = {}
        self.contents: list[dict[str, Any]] = []
        self.misbehave: Callable[[Form], web.Response | None] = lambda form: None
        self.lose: Callable[[Form], bool] = lambda form: False
        self._numbers = itertools.count(1)

    # --- what the client calls

    async def _account(self, request: web.Request) -> web.StreamResponse:
        if not _authorised(request):
            return failed(20003, 401)
        return web.json_response({"sid": SID, "status": "active"})

    async def _create(self, request: web.Request) -> web.StreamResponse:
        if not _authorised(request):
            return failed(20003, 401)
        form = {name: str(value) for name, value in (await request.post()).items()}
        if (answer := self.misbehave(form)) is not None:
            return answer
        sid = f"SM{next(self._numbers):032}"
        body = form.get("Body", "")
        if content := form.get("ContentSid"):
            body = self._worded(content, form.get("ContentVariables", "{}"))
        message = {
            "sid": sid,
            "to": form["To"],
            "from": form.get("From", ""),
            "body": body,
            "status": "queued",
            "error_code": None,
            "date_created": format_datetime(datetime.now(UTC)),
            "form": form,
        }
        self.sent.append(message)
        if self.lose(form):
            await asyncio.sleep(60)
        return web.json_response(message, status=201)

    def _worded(self, sid: str, variables: str) -> str:
        import json  # noqa: PLC0415

        content = next((each for each in self.contents if each["sid"] == sid), None)
        words: str = next(iter(content["types"].values()))["body"] if content else sid
        for name, value in json.loads(variables).items():
            words = words.replace("{{" + name + "}}", value)
        return words

    async def _list(self, request: web.Request) -> web.StreamResponse:
        found = [message for message in reversed(self.sent) if message["to"] == request.query.get("To")]
        page = {"messages": found[:50], "page": 0, "page_size": 50, "next_page_uri": None, "uri": request.path}
        return web.json_response(page)

    async def _medium(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        if not _authorised(request):
            return web.Response(status=401)
        if name not in self.media:
            return web.Response(status=404)
        if request.method == "DELETE":
            del self.media[name]
            return web.Response(status=204)
        return web.Response(body=self.media[name], content_type="image/jpeg")

    async def _content(self, request: web.Request) -> web.StreamResponse:
        content = {**await request.json(), "sid": f"HX{next(self._numbers):032}", "status": "unsubmitted"}
        self.contents.append(content)
        return web.json_response(content, status=201)

    async def _approval(self, request: web.Request) -> web.StreamResponse:
        content = next((each for each in self.contents if each["sid"] == request.match_info["sid"]), None)
        if content is None or not _authorised(request):
            return web.Response(status=404)
        if request.method == "POST":
            content |= {"status": "pending", "asked": await request.json()}
        return web.json_response({"sid": content["sid"], "whatsapp": {"status": content["status"]}})

    # --- what it calls

    def signed(self, url: str, form: Form) -> dict[str, str]:
        """The header that Twilio would send with these fields."""
        return {"X-Twilio-Signature": RequestValidator(TOKEN).compute_signature(url, form)}

    async def post(self, public_url: str, path: str, form: Form, *, at: str = "") -> int:
        """Call a webhook of the server at ``at`` (its public address where that is empty); gives its status."""
        url = public_url + path
        target, headers = (at or public_url) + path, self.signed(url, form)
        async with aiohttp.ClientSession() as http, http.post(target, data=form, headers=headers) as answer:
            return answer.status

    def message(self, number: str, text: str = "", **fields: str) -> Form:
        """The fields of a WhatsApp message from a number."""
        return {
            "MessageSid": f"SM{next(self._numbers):032}",
            "AccountSid": SID,
            "From": f"whatsapp:{number}",
            "To": "whatsapp:+620000",
            "Body": text,
            "NumMedia": "0",
            "ProfileName": "",
            **fields,
        }

    def photo(self, number: str, content: bytes) -> Form:
        """The fields of a WhatsApp message with a photo, which waits at this peer."""
        name = f"ME{next(self._numbers):032}"
        self.media[name] = content
        url = f"{self.url}/2010-04-01/Accounts/{SID}/Messages/MM1/Media/{name}"
        return self.message(number, NumMedia="1", MediaUrl0=url, MediaContentType0="image/jpeg")

    def to(self, number: str) -> list[str]:
        """What was said to a number."""
        return [message["body"] for message in self.sent if message["to"].removeprefix("whatsapp:") == number]

    async def until(self, condition: Callable[[], bool], seconds: float = 20) -> None:
        """Wait for something to be true of what was sent."""
        async with asyncio.timeout(seconds):
            while not condition():  # noqa: ASYNC110 - conditions are about what was sent, of any kind
                await asyncio.sleep(0.02)


def _authorised(request: web.Request) -> bool:
    return request.headers.get("Authorization") == aiohttp.encode_basic_auth(SID, TOKEN)


def failed(code: int, status: int = 400) -> web.Response:
    """An error as Twilio writes it."""
    body = {"code": code, "message": "refused", "more_info": "", "status": status}
    return web.json_response(body, status=status)


@asynccontextmanager
async def twilio_peer() -> AsyncIterator[TwilioPeer]:
    peer = TwilioPeer()
    app = web.Application(client_max_size=30 * 1024**2)
    messages = f"/2010-04-01/Accounts/{SID}/Messages"
    app.router.add_post(f"{messages}.json", peer._create)
    app.router.add_get(f"{messages}.json", peer._list)
    app.router.add_route("*", messages + "/{message}/Media/{name}", peer._medium)
    app.router.add_get(messages.rpartition("/")[0] + ".json", peer._account)
    app.router.add_post("/v1/Content", peer._content)
    app.router.add_post("/v1/Content/{sid}/ApprovalRequests/whatsapp", peer._approval)
    app.router.add_get("/v1/Content/{sid}/ApprovalRequests", peer._approval)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    peer.url = f"http://{host}:{port}"
    try:
        yield peer
    finally:
        await runner.cleanup()
