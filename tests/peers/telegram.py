"""A Bot API server on loopback that the real client talks to: it keeps what was sent, and misbehaves when told to."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from aiohttp import web

Misbehave = Callable[[str, dict[str, Any]], web.Response | None]


class TelegramPeer:
    """``sent`` holds sendMessage calls in their order, ``media`` what was sent as a photo or document (chat, kind,
    bytes), ``edits`` changed messages; ``updates`` are given to getUpdates until confirmed.
    """

    def __init__(self) -> None:
        self.url = ""
        self.sent: list[dict[str, Any]] = []
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.updates: list[dict[str, Any]] = []
        self.files: dict[str, bytes] = {}
        self.media: list[tuple[str, str, bytes]] = []
        self.edits: list[dict[str, Any]] = []
        self.webhook = ""
        self.misbehave: Misbehave = lambda method, params: None
        self._changed = asyncio.Event()

    def post(self, update: dict[str, Any]) -> None:
        """Put an update into the queue of long polling."""
        self.updates.append(update)
        self._changed.set()

    async def until(self, condition: Callable[[], bool], seconds: float = 20) -> None:
        """Wait for something to be true of what was sent."""
        async with asyncio.timeout(seconds):
            while not condition():  # noqa: ASYNC110 - conditions are about what was sent, of any kind
                await asyncio.sleep(0.02)

    async def _call(self, request: web.Request) -> web.StreamResponse:
        method = request.match_info["method"]
        params: dict[str, Any] = dict(await request.post())
        self.calls.append((method, params))
        if (answer := self.misbehave(method, params)) is not None:
            return answer
        match method:
            case "getUpdates":
                return _ok(await self._get_updates(int(params.get("offset") or 0)))
            case "sendMessage":
                self.sent.append({**params, "reply_markup": msgspec.json.decode(params.get("reply_markup") or "{}")})
                chat = {"id": int(params["chat_id"]), "type": "private"}
                return _ok({"message_id": len(self.sent), "date": 1, "chat": chat, "text": params["text"]})
            case "sendPhoto" | "sendDocument":
                name = "photo" if method == "sendPhoto" else "document"
                self.media.append((params["chat_id"], name, params[name].file.read()))
                chat = {"id": int(params["chat_id"]), "type": "private"}
                return _ok({"message_id": 10_000 + len(self.media), "date": 1, "chat": chat})
            case "sendMediaGroup":
                chat = {"id": int(params["chat_id"]), "type": "private"}
                group = [part for part in params.values() if hasattr(part, "file")]
                self.media += [(params["chat_id"], "photo", part.file.read()) for part in group]
                return _ok([{"message_id": 20_000 + at, "date": 1, "chat": chat} for at in range(len(group))])
            case "editMessageText":
                self.edits.append(params)
                chat = {"id": int(params["chat_id"]), "type": "private"}
                return _ok({"message_id": int(params["message_id"]), "date": 1, "chat": chat, "text": params["text"]})
            case "getFile":
                name = params["file_id"]
                return _ok({"file_id": name, "file_unique_id": name, "file_path": f"photos/{name}"})
            case "getMe" | "setWebhook" | "deleteWebhook" | "getWebhookInfo":
                return _ok(self._about(method, params))
            case _:
                return _ok(True)

    def _about(self, method: str, params: dict[str, Any]) -> dict[str, Any] | bool:
        """What is asked of the bot itself, and of its webhook."""
        match method:
            case "getMe":
                return {"id": 42, "is_bot": True, "first_name": "Gelombang", "username": "gelombang_bot"}
            case "getWebhookInfo":
                waiting = len(self.updates)
                return {"url": self.webhook, "has_custom_certificate": False, "pending_update_count": waiting}
        self.webhook = params.get("url", "")
        return True

    async def _get_updates(self, offset: int) -> list[dict[str, Any]]:
        self.updates = [update for update in self.updates if update["update_id"] >= offset]
        if not self.updates:
            self._changed.clear()
            try:
                await asyncio.wait_for(self._changed.wait(), 1)
            except TimeoutError:
                return []
        return self.updates

    async def _file(self, request: web.Request) -> web.StreamResponse:
        return web.Response(body=self.files[request.match_info["name"]])


def _ok(result: Any) -> web.Response:
    return web.json_response({"ok": True, "result": result})


def failed(code: int, description: str, **parameters: Any) -> web.Response:
    """An error as the Bot API writes it."""
    body = {"ok": False, "error_code": code, "description": description, "parameters": parameters}
    return web.json_response(body, status=code)


@asynccontextmanager
async def telegram_peer() -> AsyncIterator[TelegramPeer]:
    peer = TelegramPeer()
    app = web.Application(client_max_size=30 * 1024**2)
    app.router.add_route("*", "/bot{token}/{method}", peer._call)
    app.router.add_get("/file/bot{token}/photos/{name}", peer._file)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    peer.url = f"http://{host}:{port}"
    try:
        yield peer
    finally:
        await runner.cleanup()
