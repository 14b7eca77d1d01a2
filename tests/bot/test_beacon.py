"""Fetching a round of drand over HTTP: mirrors that are down, lie or are slow, and one that is right."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import stamina
from aiohttp import web

import bot.gateways.beacon
from bot.gateways.beacon import Drand
from domain.ports import BeaconUnavailableError
from domain.waves.publication import CHAIN_HASH

ROUND = 657413
SIGNATURE = "b713718a38ae728dfd477991af2822e08d2f305e47718cef9f7848ce4050e7be41076862b98fad56e91a6b85b89cd97b"
GENUINE = {"round": ROUND, "signature": SIGNATURE, "randomness": ""}

Answer = Callable[[], web.Response]
LIES: dict[str, Answer] = {
    "down": lambda: web.Response(status=503),
    "not there yet": lambda: web.Response(status=404, text="not found"),
    "no JSON": lambda: web.Response(text="<html>"),
    "nothing in it": lambda: web.json_response({}),
    "a list": lambda: web.json_response([1]),
    "another round's signature": lambda: web.json_response({**GENUINE, "round": ROUND + 1}),
    "a forged signature": lambda: web.json_response({**GENUINE, "signature": SIGNATURE.replace("b7", "b8", 1)}),
    "a signature that is none": lambda: web.json_response({**GENUINE, "signature": "zz"}),
    "a short signature": lambda: web.json_response({**GENUINE, "signature": SIGNATURE[:-2]}),
    "a number for a signature": lambda: web.json_response({**GENUINE, "signature": 7}),
    "no point of the curve": lambda: web.json_response({**GENUINE, "signature": "ff" * 48}),
    "zeros": lambda: web.json_response({**GENUINE, "signature": "00" * 48}),
    "a huge round": lambda: web.json_response({**GENUINE, "round": 2**70}),
}


@asynccontextmanager
async def mirror(answer: Answer) -> AsyncIterator[str]:
    async def serve(request: web.Request) -> web.Response:
        assert request.path.startswith(f"/{CHAIN_HASH}/public/")
        return answer()

    app = web.Application()
    app.router.add_get("/{path:.*}", serve)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
    finally:
        await runner.cleanup()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(bot.gateways.beacon, "SECONDS", 1.0)
    stamina.set_testing(True, attempts=2)  # tried again, without the pauses between
    yield
    stamina.set_testing(False)


@pytest.mark.parametrize("lie", LIES)
async def test_a_mirror_without_the_genuine_round_is_passed_over(lie: str) -> None:
    async with mirror(LIES[lie]) as bad, mirror(lambda: web.json_response(GENUINE)) as good:
        assert await Drand([bad, good]).round(ROUND) == bytes.fromhex(SIGNATURE)
        with pytest.raises(BeaconUnavailableError):
            await Drand([bad]).round(ROUND)


async def test_the_latest_round_tells_the_time() -> None:
    async with mirror(lambda: web.json_response(GENUINE)) as good:
        assert await Drand(["http://127.0.0.1:9", good]).latest() == ROUND


async def test_without_mirrors_nothing_is_to_be_had() -> None:
    beacon: Any = Drand([])
    with pytest.raises(BeaconUnavailableError, match="no mirror is set"):
        await beacon.round(ROUND)
