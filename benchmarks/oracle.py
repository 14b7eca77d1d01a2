"""Whether time tells what words don't: known and unknown numbers and codes, tried in turn, compared as distributions.

Claim: for NIKs (typed, and sent off), phones, check codes, redeem codes and partners' client codes the times of known
and unknown ones do not differ (two-sided Mann-Whitney U over 10,000 tries each, p > 0.05 after Holm's correction for
the number of comparisons). The peer is a look-up that answers at once where nothing is found, as a web form would do
it: it has to be told apart, else this benchmark could not see anything.

    TRIES=10000 python -m benchmarks.oracle

Links, invitations and tokens of files are not tried: one that is known leads on by design, and nobody guesses one (49
to 192 random bits). Tickets can't be typed: CEK shows one's own.
"""

import asyncio
import gc
import hashlib
import os
import random
import secrets
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
from aiohttp import web
from limits import RateLimitItemPerMinute
from scipy.stats import mannwhitneyu
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.transactions import in_transaction
from tqdm import tqdm

from benchmarks.harness import Claim, close
from bot import provider_api
from bot.provider_api import ROOT, ProviderApi, signature
from domain import regions
from domain.errors import DomainError
from domain.notices.actions import check_code, genuine
from domain.privacy.rules import NOTICE_VERSION
from domain.programme import load
from domain.trainings import redemption
from domain.trainings.purchases import code_index
from domain.trainings.rules import new_code
from domain.waves.actions import Plan, open_now, plan_wave
from handlers.conversation import Inbound
from handlers.engine import Engine, address_lookup
from models import crypto
from models.conversation import Address, Conversation
from models.database import database, migrate
from models.enums import Channel
from models.notice import Notice
from models.person import FaceCheck, Person
from models.training import Platform, Provider, ProviderKey, Purchase, Training
from models.turns import DRAFT_CONTEXT

TRIES = int(os.environ.get("TRIES", "10000"))
NOW = datetime(2026, 11, 24, 5, tzinfo=UTC)
KNOWN = 20_000  # registered people; the first TRIES of them are tried
Try = Callable[[int, bool], Awaitable[object]]


def nik(number: int, *, known: bool) -> str:
    """A good NIK; no two of them share district and birth date often, so that nothing is limited."""
    day, month, year = 41 + number % 28, 1 + number // 28 % 12, number // 336 % 30 + 65
    return f"3171{1 + number // 10_080 % 8:02}{day}{month:02}{year:02}{1 if known else 2:04}"


def phone(number: int, *, known: bool) -> str:
    """A good number."""
    return f"+6281{1 if known else 2}{number:08}"


async def people(db: BaseDBAsyncClient) -> None:
    """Everybody who is known, with a conversation, and a notice each."""
    ring = crypto.ring()
    for start in tqdm(range(0, KNOWN, 1_000), desc="people", unit="thousand", disable=None):
        some = range(start, start + 1_000)
        async with in_transaction() as connection:
            await Person.bulk_create(
                [
                    Person(
                        id=number + 1, nik=nik(number, known=True),
                        nik_index=ring.index("nik", nik(number, known=True)),
                        kk="3171010101990001", kk_index=ring.index("kk", str(number)), name="Siti Aminah",
                        birth_date="1990-08-15", sex="female", phone=phone(number, known=True),
                        phone_index=ring.index("phone", phone(number, known=True)), region_code="31.71.01",
                        address="Jl. Melati", education="senior", employment="laid_off", interest="computer",
                        declared_at=NOW, created_at=NOW,
                    )
                    for number in some
                ],
                using_db=connection,
            )  # fmt: skip
            await Notice.bulk_create(
                [
                    Notice(
                        kind="wave_open", subject_id=1, person_id=number + 1, params=b"", priority=7, due_at=NOW,
                        created_at=NOW,
                    )
                    for number in some
                ],
                using_db=connection,
            )  # fmt: skip


async def seats(name: str, step: str, draft: dict[str, Any], count: int) -> list[str]:
    """So many chats that stand at a step; gives their addresses."""
    ring, chats = crypto.ring(), [f"{name}-{number}" for number in range(count)]
    sealed = ring.seal(msgspec.msgpack.encode({"notice": NOTICE_VERSION, "consent": "x", **draft}), DRAFT_CONTEXT)
    for start in range(0, count, 1_000):
        some = chats[start : start + 1_000]
        lookups = [address_lookup(Channel.BROWSER, chat) for chat in some]
        async with in_transaction() as db:
            rows = [
                Conversation(
                    origin=lookup, language="id", step=step, version=1, draft=sealed, created_at=NOW, updated_at=NOW
                )
                for lookup in lookups
            ]
            await Conversation.bulk_create(rows, using_db=db)
            made = {
                bytes(row.origin): row.id for row in await Conversation.filter(origin__in=lookups).only("id", "origin")
            }
            await Address.bulk_create(
                [
                    Address(
                        channel=Channel.BROWSER, lookup=lookup, value=chat, conversation_id=made[lookup], created_at=NOW
                    )
                    for chat, lookup in zip(some, lookups, strict=True)
                ],
                using_db=db,
            )
    return chats


async def compare(name: str, tried: Try) -> tuple[float, float, float]:
    """Medians in microseconds of known and unknown ones, and p."""
    order = [(number, known) for number in range(TRIES) for known in (True, False)]
    random.Random(7).shuffle(order)
    times: dict[bool, list[int]] = {True: [], False: []}
    gc.disable()
    try:
        for number, known in tqdm(order, desc=name, unit="try", disable=None):
            began = time.perf_counter_ns()
            await tried(number, known)
            times[known].append(time.perf_counter_ns() - began)
    finally:
        gc.enable()
    skip = len(order) // 100  # the first ones warm caches, whichever they are
    result = mannwhitneyu(times[True][skip:], times[False][skip:], alternative="two-sided")
    medians = [sorted(some)[len(some) // 2] / 1_000 for some in (times[True], times[False])]
    print(f"{name}: known {medians[0]:.0f} us, unknown {medians[1]:.0f} us, p = {result.pvalue:.3f}")
    return medians[0], medians[1], float(result.pvalue)


@asynccontextmanager
async def engine_on(db: BaseDBAsyncClient) -> AsyncIterator[Engine]:
    """A running engine with an open wave."""
    rules = load()
    plan = Plan(NOW - timedelta(days=1), NOW + timedelta(days=14))
    await open_now((await plan_wave(plan, rules, "bench", NOW)).number, "bench", NOW)
    engine = Engine(db, rules, lambda: NOW, lambda: None)
    engine.open_wave = 1
    async with asyncio.TaskGroup() as group:
        running = group.create_task(engine.run())
        yield engine
        running.cancel()


async def in_chat(engine: Engine, db: BaseDBAsyncClient) -> AsyncIterator[tuple[str, Try]]:
    """What people type."""

    async def say(chat: str, **content: Any) -> object:
        return await engine.take_turn(Inbound(channel=Channel.BROWSER, address=chat, external_id=chat, **content))

    typed = await seats("nik", "registration.nik", {"phone": "+6281", "phone_ok": True, "card_photo": "c"}, 2 * TRIES)
    yield "NIK typed", lambda number, known: say(typed[2 * number + known], text=nik(number, known=known))

    asked = await seats("phone", "registration.phone", {}, 2 * TRIES)
    yield "phone typed", lambda number, known: say(asked[2 * number + known], text=phone(number, known=known))

    sent = await seats("join", "registration.summary", {}, 2 * TRIES)
    await _ready_to_join(sent)
    yield "NIK sent off", lambda number, known: say(sent[2 * number + known], choice="join")


async def _ready_to_join(chats: list[str]) -> None:
    """All answers given, and the faces compared."""
    ring = crypto.ring()
    answers = {
        "notice": NOTICE_VERSION, "consent": "x", "phone_ok": True, "card_photo": "c", "name": "Siti Aminah",
        "birth_date": "1990-08-15", "kk": "3171010101990001", "region": "31.71.01", "address": "Jl. Melati 5",
        "education": "senior", "in_education": False, "employment": "laid_off", "interest": "computer", "selfie": "s",
        "turned": "t",
    }  # fmt: skip
    for at, chat in enumerate(tqdm(chats, desc="answers", unit="chat", disable=None)):
        number, known = divmod(at, 2)
        own = {"nik": nik(number, known=bool(known)), "phone": f"+62899{at:08}"}
        sealed = ring.seal(msgspec.msgpack.encode({**answers, **own}), DRAFT_CONTEXT)
        await Conversation.filter(origin=address_lookup(Channel.BROWSER, chat)).update(draft=sealed)
    talks = [row.id for row in await Conversation.filter(step="registration.summary").only("id")]
    for start in range(0, len(talks), 1_000):
        checks = [
            FaceCheck(
                conversation_id=talk, card_photo_id="c", selfie_photo_id="s", engine="bench", model_sha256=b"",
                score=0.5, verdict="same", checked_at=NOW,
            )
            for talk in talks[start : start + 1_000]
        ]  # fmt: skip
        await FaceCheck.bulk_create(checks)


async def codes(db: BaseDBAsyncClient) -> AsyncIterator[tuple[str, Try]]:
    """Check codes of somebody else, and another provider's redeem codes."""
    notices = [int(number) for (number,) in await Notice.all().order_by("id").limit(TRIES).values_list("id")]
    theirs = {number: check_code(notices[number]) for number in range(TRIES)}
    none = {number: check_code(10**9 + number) for number in range(TRIES)}
    yield "check code (ASLI)", lambda number, known: genuine(KNOWN, (theirs if known else none)[number])

    platform = await Platform.create(code="p", name="P")
    owner, other = [await Provider.create(code=code, name=code) for code in ("owner", "other")]
    training = await Training.create(
        provider_id=owner.id, platform_id=platform.id, code="T", title="T", description="", category="food", skills="",
        price=1, language="id", mode="online", schedule="", region_code="", venue="", hours=1, certificate=True,
        digest=b"", listed_at=NOW, changed_at=NOW,
    )  # fmt: skip
    sold, unsold = ([new_code() for _ in range(TRIES)] for _ in range(2))
    for start in range(0, TRIES, 1_000):
        await Purchase.bulk_create(
            [
                Purchase(
                    person_id=at + 1, training_id=training.id, training_version=1, provider_id=owner.id, price=1,
                    code=sold[at], code_index=code_index(owner.id, sold[at]), bought_at=NOW,
                )
                for at in range(start, min(start + 1_000, TRIES))
            ]
        )  # fmt: skip

    async def use(number: int, known: bool) -> None:  # noqa: FBT001 - one of two
        try:
            async with in_transaction():
                await redemption.commit(other.id, (sold if known else unsold)[number], NOW)
        except DomainError:
            pass

    yield "redeem code of another provider", use


async def partners() -> AsyncIterator[tuple[str, Try]]:
    """Client codes over HTTP, with a signature that fits none."""
    provider_api.FAILURES = RateLimitItemPerMinute(10**9)  # what is limited is not compared here
    provider = await Provider.get(code="owner")
    for number in range(200):
        await ProviderKey.create(
            provider_id=provider.id, client_code=f"client{number:04}", key=secrets.token_urlsafe(32), created_at=NOW
        )
    site = web.Application()
    ProviderApi(lambda: NOW).add_routes(site)
    runner = web.AppRunner(site, access_log=None)
    await runner.setup()
    server = web.TCPSite(runner, "127.0.0.1", 0)
    await server.start()
    port = runner.addresses[0][1]
    async with aiohttp.ClientSession() as http:

        async def call(number: int, known: bool) -> None:  # noqa: FBT001 - one of two
            client = f"client{number % 200:04}" if known else f"nobody{number % 200:04}"
            body, stamp = b'{"redeem_code":"code"}', str(int(NOW.timestamp()))
            signed = signature(hashlib.sha1, b"wrong", client, stamp, f"{ROOT}/status", body)
            headers = {"client_code": client, "timestamp": stamp, "signature": signed}
            async with http.post(f"http://127.0.0.1:{port}{ROOT}/status", data=body, headers=headers) as answer:
                assert answer.status == 401
                await answer.read()

        yield "client code of a partner", call
    await runner.cleanup()


async def peer() -> AsyncIterator[tuple[str, Try]]:
    """What a form does that says "already registered": it looks, and goes on where there is somebody.

    The unknown ones are others than those that were sent off: by now they are registered.
    """

    async def look(number: int, known: bool) -> object:  # noqa: FBT001 - one of two
        typed = nik(number if known else KNOWN + number, known=known)
        return await Person.filter(nik_index=crypto.ring().index("nik", typed)).first()

    yield "peer: a form that looks the NIK up", look


def holm(found: dict[str, float]) -> dict[str, float]:
    """P-values corrected for their number (Holm's step-down)."""
    corrected, least = {}, 0.0
    for at, (name, p) in enumerate(sorted(found.items(), key=lambda item: item[1])):
        least = max(least, min(1.0, p * (len(found) - at)))
        corrected[name] = least
    return corrected


async def measure(folder: str) -> None:
    """All comparisons on one database."""
    regions.load()
    crypto.use(crypto.Keyring({1: os.urandom(32)}, os.urandom(32)))
    found: dict[str, tuple[float, float, float]] = {}
    async with database(f"sqlite://{Path(folder) / 'oracle.db'}?synchronous=NORMAL") as db:
        await migrate(db)
        await people(db)
        async with engine_on(db) as engine:
            async for name, tried in in_chat(engine, db):
                found[name] = await compare(name, tried)
        for group in (codes(db), partners(), peer()):
            async for name, tried in group:
                found[name] = await compare(name, tried)
    ours = holm({name: p for name, (_, _, p) in found.items() if not name.startswith("peer")})
    claims = [Claim(f"{name}: p", p, 0.05) for name, p in ours.items()]
    claims += [
        Claim(f"{name} is told apart: p", p, 0.001, at_least=False)
        for name, (_, _, p) in found.items()
        if name.startswith("peer")
    ]
    figures = {
        name: {"known_us": round(known), "unknown_us": round(unknown), "p": round(p, 4)}
        for name, (known, unknown, p) in found.items()
    }
    close("oracle", {"tries": TRIES, "people": KNOWN, "comparisons": figures}, claims)


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(measure(folder))


if __name__ == "__main__":
    main()
