"""A partner's signed statement: what is taken, what is refused, and what the person who waits hears."""

import asyncio
import base64
import dataclasses
import logging
import os
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from joserfc import jwt
from joserfc.jwk import OctKey, OKPKey
from tortoise.backends.base.client import BaseDBAsyncClient

from bot.gateways.kyc import PartnerKeys
from bot.partners import KycDesk
from domain import programme
from domain.programme import Partner
from handlers.engine import Engine, TurnResult
from models.person import Person as PersonRow
from models.verification import KycReference
from tests.handlers.talk import Clock, Person, engine_on

BANK, WALLET, STRANGER = (OKPKey.generate_key("Ed25519", {"kid": name}) for name in ("bank-1", "wallet-1", "x-1"))
PARTNERS = (
    Partner("bank", "Bank Contoh", (BANK.as_dict(private=False),)),
    Partner("wallet", "Dompet Contoh", (WALLET.as_dict(private=False),)),
)
NIK = "3171011508900001"
EXAMPLE = Path(__file__).parents[2] / "examples" / "kyc_partner.py"


class Desk:
    """The partners' door on loopback, a person at the selfie step, and what the person hears."""

    def __init__(self, engine: Engine, clock: Clock, http: TestClient[Any, Any]) -> None:
        self.engine, self.clock, self.http = engine, clock, http
        self.person = Person(engine, "a")
        self.heard: list[str] = []

    async def reference(self, partner: str = "bank") -> str:
        """Pick a partner and read the reference that is shown."""
        await self.person.press("kyc")
        await self.person.press(f"kyc_{partner}")
        reference: str = self.person.last[-1].body.say.params["reference"]
        return reference

    def statement(self, reference: str, key: OKPKey = BANK, **changes: Any) -> str:
        now = int(self.clock().timestamp())
        claims = {"iss": "bank", "aud": "gelombang", "sub": reference, "jti": "s-1", "nik": NIK, "iat": now,
                  "exp": now + 600, **changes}  # fmt: skip
        claims = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode({"alg": "Ed25519", "kid": key.kid}, claims, key, algorithms=["Ed25519"])

    async def post(self, statement: str | bytes) -> tuple[int, str]:
        async with self.http.post("/partners/kyc/attestations", data=statement) as answer:
            body = await answer.json()
            return answer.status, body.get("status") or body["error"]["code"]


@pytest.fixture
async def desk(db: BaseDBAsyncClient) -> AsyncIterator[Desk]:
    clock = Clock()
    rules = dataclasses.replace(programme.load(), partners=PARTNERS)
    async with engine_on(db, clock, rules) as engine:
        app = web.Application()
        heard: list[str] = []

        async def receive(inbound: Any) -> TurnResult:
            result = await engine.take_turn(inbound)
            if result.repeated:
                return result
            heard.extend(message.row.key for message in result.replies)
            return result

        KycDesk(PartnerKeys(PARTNERS, clock), clock, receive).add_routes(app)
        http: TestClient[Any, Any] = TestClient(TestServer(app))
        async with http:
            desk = Desk(engine, clock, http)
            desk.heard = heard
            await desk.person.reach("registration.selfie")
            yield desk


async def test_a_statement_takes_the_place_of_the_selfie(desk: Desk) -> None:
    reference = await desk.reference()
    assert "Bank Contoh" in desk.person.text
    assert reference in desk.person.text
    assert await desk.post(desk.statement(reference)) == (200, "taken")
    assert desk.heard == ["kyc.done", "registration.summary"]
    assert await desk.post(desk.statement(reference)) == (409, "used")
    assert desk.heard == ["kyc.done", "registration.summary"]
    await desk.person.reach("home.menu")
    row = await PersonRow.get()
    assert (row.selfie_photo_id, row.turned_photo_id, row.kyc_reference_id) == (None, None, 1)


async def test_a_reference_is_read_however_it_is_typed(desk: Desk) -> None:
    reference = await desk.reference()
    assert await desk.post(desk.statement(reference.replace("-", " ").lower())) == (200, "taken")


REFUSED = [
    ("another audience", {"aud": "elsewhere"}, BANK, (401, "wrong_audience")),
    ("no audience", {"aud": None}, BANK, (401, "wrong_audience")),
    ("expired", {"iat": 1_700_000_000, "exp": 1_700_000_600}, BANK, (401, "expired")),
    ("lives for days", {"exp": 4_000_000_000}, BANK, (400, "lives_too_long")),
    ("a key nobody knows", {}, STRANGER, (401, "unknown_key")),
    ("another partner's key", {}, WALLET, (401, "unknown_key")),
    ("a partner nobody knows", {"iss": "stranger"}, STRANGER, (401, "unknown_partner")),
    ("a reference of another partner", {"iss": "wallet"}, WALLET, (404, "unknown_reference")),
    ("a reference that was never given", {"sub": "AAAA-BBBB-CCCC"}, BANK, (404, "unknown_reference")),
    ("no NIK", {"nik": "12"}, BANK, (400, "unreadable")),
    ("no id", {"jti": None}, BANK, (400, "unreadable")),
]


@pytest.mark.parametrize(("label", "changes", "key", "answer"), REFUSED, ids=[each[0] for each in REFUSED])
async def test_what_proves_nothing_is_refused_and_logged(
    desk: Desk,
    caplog: pytest.LogCaptureFixture,
    label: str,
    changes: dict[str, Any],
    key: OKPKey,
    answer: tuple[int, str],
) -> None:
    reference = await desk.reference()
    with caplog.at_level(logging.WARNING):
        assert await desk.post(desk.statement(reference, key, **changes)) == answer
    assert answer[1] in caplog.text
    assert NIK not in caplog.text
    assert reference not in caplog.text
    assert desk.heard == []
    assert (await KycReference.get()).attested_at is None


async def test_bytes_that_are_no_statement(desk: Desk) -> None:
    reference = await desk.reference()
    forged = desk.statement(reference)[:-6] + "AAAAAA"
    none = jwt.encode({"alg": "HS256"}, {"iss": "bank"}, OctKey.import_key("a" * 32))
    for body in (b"", b"\xff\xfe.a.b", "a.b.c", none):
        assert await desk.post(body) == (400, "unreadable")
    assert await desk.post(forged) == (401, "bad_signature")
    assert await desk.post(b"x" * 9000) == (413, "too_long")


async def test_a_reference_is_good_once_and_for_a_week(desk: Desk) -> None:
    reference = await desk.reference()
    desk.clock.forward(days=8)
    assert await desk.post(desk.statement(reference)) == (410, "expired")
    await desk.person.say("kembali")
    again = await desk.reference()
    assert await desk.post(desk.statement(again, jti="s-2")) == (200, "taken")
    assert await desk.post(desk.statement(again, jti="s-3")) == (409, "used")
    assert await desk.post(desk.statement(reference, jti="s-2")) in {(410, "expired"), (409, "used")}


async def test_an_account_of_somebody_else_proves_nothing(desk: Desk) -> None:
    reference = await desk.reference()
    assert await desk.post(desk.statement(reference, nik="3171011508900002")) == (200, "taken")
    assert desk.heard == ["kyc.somebody_else", "registration.ask_selfie"]


async def test_a_corrected_nik_needs_another_proof(desk: Desk) -> None:
    reference = await desk.reference()
    await desk.post(desk.statement(reference))
    assert await desk.person.say("lanjut") == ["registration.summary"]
    await desk.person.press("fix~")
    await desk.person.press("fix_nik")
    assert await desk.person.say("3171011508900002") == ["registration.summary"]
    assert await desk.person.press("join") == ["registration.ask_selfie"]


async def test_the_example_bank_signs_what_is_understood(db: BaseDBAsyncClient, tmp_path: Path) -> None:
    async def run(command: str, url: str, typed: str = "") -> str:
        process = await asyncio.create_subprocess_exec(
            sys.executable, EXAMPLE, command, cwd=tmp_path, env={**os.environ, "GELOMBANG_PUBLIC_URL": url},
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        said, _ = await process.communicate(typed.encode())
        return said.decode()

    assert "GELOMBANG_KYC_PARTNERS=var/example-bank/partners.toml" in await run("keys", "")
    partners = programme.load_partners(tmp_path / "var/example-bank/partners.toml")
    clock = partial(datetime.now, UTC)
    async with engine_on(db) as engine:
        app = web.Application()
        KycDesk(PartnerKeys(partners, clock), clock, engine.take_turn).add_routes(app)
        async with TestServer(app) as server:
            said = await run("vouch", str(server.make_url("/")).rstrip("/"), f"K7M2-9QXD-4TBR\n{NIK}\n")
    assert "404" in said  # the signature and the claims were taken; no such reference was given out
    assert "unknown_reference" in said


async def test_a_statement_in_two_pieces_and_headers_that_are_none(desk: Desk) -> None:
    reference = await desk.reference()
    whole = desk.statement(reference).encode()

    async def pieces() -> AsyncIterator[bytes]:
        yield whole[:40]
        await asyncio.sleep(0.1)
        yield whole[40:]

    for header, payload in (('{"alg":"Ed25519","kid":"bank-1","crit":5}', '{"iss":"bank"}'), ("{}", "[" * 5_000)):
        parts = [base64.urlsafe_b64encode(part.encode()).rstrip(b"=") for part in (header, payload, "x")]
        assert (await desk.post(b".".join(parts)))[0] in {400, 401}
    assert (await desk.post(pieces()))[0] == 200  # type: ignore[arg-type]


async def test_a_statement_that_comes_after_going_back_to_the_selfie_counts(desk: Desk) -> None:
    reference = await desk.reference()
    await desk.person.say("kembali")
    assert await desk.post(desk.statement(reference)) == (200, "taken")
    assert desk.heard == ["kyc.done", "registration.summary"]
