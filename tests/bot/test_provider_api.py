"""The partner protocol over HTTP: signatures, codes, and what is refused, as a table."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer
from limits import RateLimitItemPerMinute
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.transactions import in_transaction

from bot import provider_api
from bot.provider_api import ROOT, ProviderApi, compact, openapi, signature
from domain.money import rules as accounts
from domain.money.actions import balance, problems
from domain.trainings import purchases, redemption
from models.enums import Channel
from models.notice import Notice
from models.person import Person as Row
from models.training import Provider, ProviderKey, Purchase
from tests.handlers.talk import NOON, Clock, Person, engine_on
from tests.trainings import COFFEE, place_for, store

KEY = "my_sign_key"
CLIENT = "myclient_code"


def test_the_protocols_own_check_vector() -> None:
    signed = signature(hashlib.sha1, KEY.encode(), CLIENT, "1516239022", f"{ROOT}/commit", b'{"redeem_code":"code"}')
    assert signed == "943c20a8e36b6243f576404b00fffdc86411ce1f"


def test_a_body_with_spaces_is_the_same_without() -> None:
    assert compact(b'{"redeem_code": "code"}') == b'{"redeem_code":"code"}'
    assert compact(b"no json") is None


@dataclass
class Office:
    """The API on a port, a bought training, and somebody who signs."""

    http: ClientSession
    url: str
    clock: Clock
    code: str

    async def call(
        self,
        name: str,
        body: dict[str, Any] | bytes,
        *,
        key: str = KEY,
        client: str = CLIENT,
        digest: Any = hashlib.sha1,
        seconds: float = 0,
        signed: bytes | None = None,
    ) -> tuple[int, dict[str, Any]]:
        raw = body if isinstance(body, bytes) else json.dumps(body, separators=(",", ":")).encode()
        stamp = str(int(self.clock().timestamp() + seconds))
        path = f"{ROOT}/{name}"
        headers = {
            "client_code": client,
            "timestamp": stamp,
            "signature": signature(digest, key.encode(), client, stamp, path, raw if signed is None else signed),
            "content-type": "application/json",
        }
        async with self.http.post(self.url + path, data=raw, headers=headers) as response:
            return response.status, await response.json()


@asynccontextmanager
async def office(db: BaseDBAsyncClient) -> AsyncIterator[Office]:
    clock = Clock()
    await store(COFFEE, NOON)
    async with engine_on(db, clock) as engine:
        await Person(engine, "1", Channel.BROWSER).reach("home.menu")
    person = await Row.first()
    assert person is not None
    await place_for(person.id, NOON)
    async with in_transaction():
        bought = await purchases.buy(person.id, 1, 450_000, NOON)
    provider = await Provider.get(code="lpk1")
    async with in_transaction():
        await redemption.give_key(provider, CLIENT, KEY, NOON, timedelta(0))
    app = web.Application()
    ProviderApi(clock).add_routes(app)
    server = TestServer(app)
    await server.start_server()
    try:
        async with ClientSession() as http:
            yield Office(http, str(server.make_url("")).rstrip("/"), clock, bought.purchase.code)
    finally:
        await server.close()


async def test_a_code_is_looked_up_used_once_attended_and_finished(db: BaseDBAsyncClient) -> None:
    async with office(db) as at:
        body = {"redeem_code": at.code}
        status, answer = await at.call("status", body)
        assert (status, answer["success"], answer["message"]) == (200, True, "OK")
        assert answer["data"] == {
            "redeem_code": at.code, "course_code": "T1", "invoice_code": "GLB-1", "schedule_code": "T1-1", "status": 0,
            "attendance_status": 0, "redeem_at": "", "dp_platform": "Pijar", "progress": 0, "finished_at": "",
            "certificate_number": "",
        }  # fmt: skip
        assert (await at.call("attendance", {**body, "sequence": 2}))[1]["code"] == "not_redeemed"
        first, second = await asyncio.gather(at.call("commit", body), at.call("commit", body))
        assert first == second
        assert (first[1]["data"]["status"], first[1]["data"]["redeem_at"]) == (1, "2026-11-24T05:00:00Z")
        assert await balance(accounts.owed_to((await Provider.get(code="lpk1")).id)) == 450_000
        assert (await at.call("attendance", {**body, "sequence": 2}))[1]["data"]["attendance_status"] == 1
        assert (await at.call("status", {**body, "sequence": 3}))[1]["data"]["attendance_status"] == 0
        half = {**body, "progress": 60, "score": 71.5}
        assert (await at.call("completion", half))[1]["data"]["finished_at"] == ""
        done = {**body, "progress": 100, "certificate_number": "SERT/2026/1"}
        assert (await at.call("completion", done))[1]["data"]["certificate_number"] == "SERT/2026/1"
        late = await at.call("completion", {**body, "progress": 10, "certificate_number": "ANOTHER"})
        assert (late[1]["data"]["progress"], late[1]["data"]["certificate_number"]) == (100, "SERT/2026/1")
        assert [notice.kind for notice in await Notice.filter(kind="training_finished")] == ["training_finished"]
        assert await problems(db) == []


async def test_clients_sign_in_many_ways(db: BaseDBAsyncClient) -> None:
    async with office(db) as at:
        spaced = b'{"redeem_code": "%s"}' % at.code.lower().encode()
        assert (await at.call("status", spaced))[0] == 200
        assert (await at.call("status", spaced, signed=compact(spaced)))[0] == 200
        assert (await at.call("status", {"redeem_code": at.code}, digest=hashlib.sha256))[0] == 200
        grouped = "-".join(at.code[start : start + 4] for start in range(0, 16, 4))
        assert (await at.call("status", {"redeem_code": f" {grouped} "}))[0] == 200


REFUSED: list[tuple[str, str, Any, dict[str, Any], int, str]] = [
    ("a wrong key", "commit", None, {"key": "other"}, 401, "invalid_signature"),
    ("an unknown client", "commit", None, {"client": "nobody"}, 401, "invalid_signature"),
    ("another body than was signed", "commit", None, {"signed": b"{}"}, 401, "invalid_signature"),
    ("six minutes late", "commit", None, {"seconds": -301}, 401, "timestamp_off"),
    ("six minutes early", "commit", None, {"seconds": 301}, 401, "timestamp_off"),
    ("a code that never was", "status", {"redeem_code": "2345678923456789"}, {}, 404, "unknown_code"),
    ("no code at all", "status", {"redeem_code": ""}, {}, 404, "unknown_code"),
    ("a code that is no text", "status", {"redeem_code": 5}, {}, 400, "unreadable"),
    ("no JSON", "status", b"\xff\xfe", {}, 400, "unreadable"),
    ("nothing", "commit", b"", {}, 400, "unreadable"),
    ("broken letters", "status", b'{"redeem_code": "\xff"}', {}, 400, "unreadable"),
    ("deep JSON", "commit", b"[" * 5_000, {}, 400, "unreadable"),
    ("a sequence out of range", "attendance", {"redeem_code": "x", "sequence": 500}, {}, 400, "unreadable"),
    ("progress over 100", "completion", {"redeem_code": "x", "progress": 101}, {}, 400, "unreadable"),
    ("a score below 0", "completion", {"redeem_code": "x", "progress": 1, "score": -1}, {}, 400, "unreadable"),
    ("ten thousand bytes", "status", b" " * 10_000, {}, 413, "too_large"),
]  # fmt: skip


async def test_what_is_refused_and_why(db: BaseDBAsyncClient) -> None:
    async with office(db) as at:
        for label, name, body, how, status, code in REFUSED:
            got, answer = await at.call(name, body if body is not None else {"redeem_code": at.code}, **how)
            assert (label, got, answer["code"], answer["success"]) == (label, status, code, False)
            assert at.code not in answer["message"]
        purchase = await Purchase.get(id=1)
        assert (purchase.status, purchase.progress) == ("bought", 0)


async def test_a_code_of_another_provider_is_as_unknown_as_one_that_never_was(db: BaseDBAsyncClient) -> None:
    async with office(db) as at:
        other = await Provider.create(code="lpk2", name="Lain")
        async with in_transaction():
            await redemption.give_key(other, "lain", "their_key", NOON, timedelta(0))
        theirs = await at.call("commit", {"redeem_code": at.code}, key="their_key", client="lain")
        never = await at.call("commit", {"redeem_code": "2345678923456789"}, key="their_key", client="lain")
        assert theirs == never
        assert theirs[0] == 404


async def test_a_cancelled_purchase_is_no_longer_good(db: BaseDBAsyncClient) -> None:
    async with office(db) as at:
        async with in_transaction():
            await purchases.cancel((await Purchase.get(id=1)).person_id, 1, NOON)
        assert (await at.call("commit", {"redeem_code": at.code}))[1]["code"] == "cancelled_code"
        assert await problems(db) == []


async def test_a_replaced_key_is_good_for_a_while(db: BaseDBAsyncClient) -> None:
    async with office(db) as at:
        provider = await Provider.get(code="lpk1")
        async with in_transaction():
            await redemption.give_key(provider, CLIENT, "new_key", NOON, timedelta(days=7))
        body = {"redeem_code": at.code}
        assert [(await at.call("status", body, key=key))[0] for key in (KEY, "new_key")] == [200, 200]
        at.clock.forward(days=8)
        assert [(await at.call("status", body, key=key))[0] for key in (KEY, "new_key")] == [401, 200]
        assert KEY.encode() not in bytes((await db.execute_query_dict("SELECT key FROM provider_key"))[0]["key"])
        assert await ProviderKey.all().count() == 2


async def test_whoever_calls_too_often_waits(db: BaseDBAsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provider_api, "FAILURES", RateLimitItemPerMinute(3))
    async with office(db) as at:
        body = {"redeem_code": at.code}
        assert [(await at.call("status", body, key="guess"))[0] for _ in range(4)] == [401, 401, 401, 429]
        assert (await at.call("status", body))[0] == 200  # others at this address are not kept out


async def test_headers_of_odd_letters_are_a_wrong_signature(db: BaseDBAsyncClient) -> None:
    async with office(db) as at:
        for name in ("client_code", "timestamp", "signature"):
            headers = {"client_code": CLIENT, "timestamp": "1", "signature": "0" * 40, name: "\u00e9\u00e9"}
            async with at.http.post(f"{at.url}{ROOT}/status", data=b"{}", headers=headers) as response:
                assert (response.status, (await response.json())["code"]) == (401, "invalid_signature")


async def test_the_description_names_every_call_and_field(db: BaseDBAsyncClient) -> None:
    async with office(db) as at, at.http.get(f"{at.url}/api/openapi.json") as response:
        described = await response.json()
    assert described == json.loads(json.dumps(openapi()))
    assert sorted(path.rsplit("/", 1)[1] for path in described["paths"]) == [
        "attendance", "commit", "completion", "status",
    ]  # fmt: skip
    schemas = described["components"]["schemas"]
    assert set(schemas["CompletionCall"]["properties"]) == {"redeem_code", "progress", "certificate_number", "score"}
