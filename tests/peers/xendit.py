"""Xendit Payouts v2 as their documentation describes it, on loopback: payouts by idempotency key, and transactions."""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

KEY = "xnd_development_test"
MOMENT = "2026-11-24T05:00:00Z"


class XenditPeer:
    """``next_answers`` are taken first: an HTTP status with an error code, or "hang", which answers never."""

    def __init__(self) -> None:
        self.url = ""
        self.payouts: dict[str, dict[str, Any]] = {}
        self.asked: list[dict[str, Any]] = []
        self.next_answers: list[tuple[int, str] | str] = []

    def add_routes(self, app: web.Application) -> None:
        app.router.add_post("/v2/payouts", self._create)
        app.router.add_get("/v2/payouts", self._list)
        app.router.add_get("/transactions", self._transactions)

    def _signed_in(self, request: web.Request) -> bool:
        return request.headers.get("Authorization") == "Basic " + base64.b64encode(f"{KEY}:".encode()).decode()

    async def _create(self, request: web.Request) -> web.Response:
        if not self._signed_in(request):
            return _error(401, "INVALID_API_KEY")
        said = await request.json()
        key = request.headers["Idempotency-key"]
        self.asked.append({**said, "key": key})
        answer = self.next_answers.pop(0) if self.next_answers else ""
        if isinstance(answer, tuple):
            return _error(*answer)
        if key not in self.payouts:
            self.payouts[key] = {
                **said, "id": f"disb-{len(self.payouts) + 1}", "status": "ACCEPTED", "business_id": "b",
                "created": MOMENT, "updated": MOMENT, "estimated_arrival_time": MOMENT,
            }  # fmt: skip
        if answer == "hang":
            await asyncio.sleep(5)
        return web.json_response(self.payouts[key])

    async def _list(self, request: web.Request) -> web.Response:
        wanted = request.query["reference_id"]
        found = [each for each in self.payouts.values() if each["reference_id"] == wanted]
        return web.json_response({"data": found, "has_more": False})

    async def _transactions(self, request: web.Request) -> web.Response:
        rows = [
            {
                "id": f"txn_{at:08x}-0000-4000-8000-000000000000", "product_id": each["id"],
                "type": "DISBURSEMENT", "status": "SUCCESS",
                "channel_category": "BANK", "reference_id": each["reference_id"], "currency": "IDR",
                "amount": each["amount"], "cashflow": "MONEY_OUT", "created": MOMENT, "updated": MOMENT,
            }
            for at, each in enumerate(self.payouts.values())
            if each["status"] == "SUCCEEDED"
        ]  # fmt: skip
        after = request.query.get("after_id", "")
        rows = [row for row in rows if row["id"] > after]
        return web.json_response({"data": rows[:1], "has_more": len(rows) > 1, "links": []})


def _error(status: int, code: str) -> web.Response:
    return web.json_response({"error_code": code, "message": "as the documentation says"}, status=status)


@asynccontextmanager
async def xendit_peer() -> AsyncIterator[XenditPeer]:
    """A peer that listens."""
    peer, app = XenditPeer(), web.Application()
    peer.add_routes(app)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    peer.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield peer
    finally:
        await runner.cleanup()
