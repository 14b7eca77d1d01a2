"""Who may read the figures."""

from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from tortoise.backends.base.client import BaseDBAsyncClient

from bot.probes import Measured, Probes
from bot.settings import Settings

THROUGH_A_PROXY = {"X-Forwarded-For": "203.0.113.9"}


@pytest.mark.parametrize(
    ("token", "headers", "status"),
    [
        ("", {}, 200),
        ("", THROUGH_A_PROXY, 403),
        ("", {"Forwarded": "for=203.0.113.9"}, 403),
        ("word", {}, 403),
        ("word", {"Authorization": "Bearer other"}, 403),
        ("word", {"Authorization": "Bearer word"}, 200),
        ("word", {"Authorization": "Bearer word", **THROUGH_A_PROXY}, 200),
    ],
)
async def test_figures_are_for_this_machine_or_for_who_has_the_token(
    db: BaseDBAsyncClient, token: str, headers: dict[str, str], status: int
) -> None:
    site = web.Application()
    Probes(db, lambda: False, token, Measured(), {}).add_routes(site)
    async with TestClient(TestServer(site)) as http, http.get("/metrics", headers=headers) as answer:
        assert answer.status == status
        assert ("gelombang_queue" in await answer.text()) == (status == 200)


@pytest.mark.parametrize(
    ("settings", "shown"),
    [
        ({}, True),
        ({"host": "0.0.0.0"}, False),
        ({"public_url": "https://gelombang.example"}, False),
        ({"public_url": "http://127.0.0.1:8080", "host": "0.0.0.0"}, True),
        ({"proxies": 1}, False),
        ({"proxies": 1, "trying_out": True}, True),
    ],
)
def test_codes_are_shown_only_where_nobody_else_can_ask(settings: dict[str, Any], shown: bool) -> None:
    assert Settings(_env_file=None, **settings).shows_codes() == shown
