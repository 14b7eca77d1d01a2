"""``gelombang doctor --deep``: not what is configured but what really works now, each thing tried once.

Nothing is sent to anybody and nothing is kept: what is written is taken back.
"""

import asyncio
import secrets
import shutil
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from datetime import timedelta
from functools import partial
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import aiohttp
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.transactions import in_transaction

from bot.channels.mail import MailSender
from bot.doctor import Finding
from bot.gateways.beacon import Drand
from bot.gateways.faces.chosen import chosen
from bot.gateways.media import MediaFolder
from bot.platforms import twilio_account
from bot.settings import Settings
from domain import audit, clock
from domain.money.actions import problems
from domain.ports import BeaconUnavailableError, PhotoError
from models import crypto, sealed
from models.crypto import KeyringError
from models.database import database
from models.dialect import when
from models.lease import Lease

SECONDS = 30.0  # for each thing that is tried
LONG_SECONDS = 3600.0  # for what looks through everything
LONG = frozenset({"audit log", "ledger"})
DRIFT = timedelta(seconds=5)  # between this clock and the database's: leases are compared with both
LATE = timedelta(minutes=10)  # work that should have been done long ago
ROOM = 0.05, 2 * 1024**3  # of a disk, and in bytes: below either, photos will soon find no place

# What should be taken up within seconds, and the moment since which it could have been.
LATE_WORK = {
    "photos": "SELECT COUNT(*) AS n FROM photo_task WHERE status = 'pending' AND lease_until < {late}",
    "verifications": "SELECT COUNT(*) AS n FROM verification_task WHERE due_at < {late}",
    "replies": "SELECT COUNT(*) AS n FROM outbox WHERE status IN ('queued', 'attempting') AND created_at < {late} "
    "AND (lease_until IS NULL OR lease_until < {late})",
    "notices": "SELECT COUNT(*) AS n FROM notice WHERE status IN ('new', 'routed') AND due_at < {late}",
    "accounts": "SELECT COUNT(*) AS n FROM account_inquiry WHERE status = 'pending' AND lease_until < {late}",
}

Check = Callable[[], Awaitable[Finding]]


async def tried(settings: Settings) -> AsyncGenerator[Finding, None]:
    """Try one thing after the other; gives each finding when it is there. The keys have to be set."""
    try:
        async with database(settings.database_url) as db:
            for name, check in _of_database(db).items():
                yield await _one(name, check)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the finding; the URL may hold a password
        yield Finding("bad", f"database: {type(error).__name__}")
    for name, check in _beside_it(settings).items():
        yield await _one(name, check)


async def _one(name: str, check: Check) -> Finding:
    began = time.monotonic()
    try:
        found = await asyncio.wait_for(check(), LONG_SECONDS if name in LONG else SECONDS)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the finding, and its words may hold a secret
        return Finding("bad", f"{name}: {type(error).__name__}")
    return Finding(found.level, f"{name}: {found.text} ({(time.monotonic() - began) * 1000:.0f} ms)")


def _of_database(db: BaseDBAsyncClient) -> dict[str, Check]:
    return {
        "database": partial(_writes, db),
        "clocks": partial(_clocks, db),
        "keys": partial(_keys_fit, db),
        "waiting": partial(_late, db),
        "audit log": _audit,
        "ledger": partial(_ledger, db),
    }


def _beside_it(settings: Settings) -> dict[str, Check]:
    checks: dict[str, Check] = {
        "disk": partial(_room, settings),
        "photos": partial(_media, settings),
        "faces": partial(_faces, settings),
    }
    if settings.redis_url.get_secret_value():
        checks["Redis"] = partial(_redis, settings)
    api = settings.telegram_api_url.rstrip("/")
    for name, token, path in (
        ("Telegram", settings.telegram_token, "telegram"),
        ("Telegram for staff", settings.staff_telegram_token, "staff"),
    ):
        if token.get_secret_value():
            here = f"{settings.public_url.rstrip('/')}/webhooks/{path}" if settings.telegram_mode == "webhook" else ""
            checks[name] = partial(_telegram, f"{api}/bot{token.get_secret_value()}", here)
    if settings.twilio_account_sid:
        checks["Twilio"] = partial(_twilio, settings)
    if settings.smtp_url.get_secret_value():
        checks["mail"] = partial(_mail, settings)
    if settings.drand_urls:
        checks["randomness"] = partial(_beacon, settings)
    for name, url in (
        ("civil registry", settings.registry_url),
        ("account inquiry", settings.account_inquiry_url),
        ("payouts", settings.xendit_url if settings.payout_gateway == "xendit" else ""),
    ):
        if url:
            checks[name] = partial(_answers, url)
    return checks


async def _writes(db: BaseDBAsyncClient) -> Finding:
    """A row is written, and taken back."""

    class _TakenBackError(Exception):
        pass

    try:
        async with in_transaction():
            await Lease.create(name=f"doctor {secrets.token_hex(8)}", until=clock.now())
            raise _TakenBackError
    except _TakenBackError:
        pass
    [row] = await db.execute_query_dict("SELECT COUNT(*) AS n FROM person")
    return Finding("ok", f"takes rows; {row['n']} people")


async def _clocks(db: BaseDBAsyncClient) -> Finding:
    if db.capabilities.dialect != "postgres":
        return Finding("ok", "the database has this machine's")
    [row] = await db.execute_query_dict("SELECT clock_timestamp() AS there")
    apart = abs(when(row["there"]) - clock.now())
    said = f"{apart.total_seconds():.1f} s apart from the database's"
    return Finding("ok", said) if apart < DRIFT else Finding("bad", f"{said}: set the time by NTP")


async def _keys_fit(db: BaseDBAsyncClient) -> Finding:
    """The newest value of every sealed column opens."""
    ring, opened, closed = crypto.ring(), 0, []
    for each in sealed.columns():
        rows = await db.execute_query_dict(
            f"SELECT {each.column} AS value FROM {each.table} WHERE {each.column} IS NOT NULL "  # noqa: S608
            f"ORDER BY {each.key} DESC LIMIT 1"
        )
        try:
            for row in rows:
                ring.open(bytes(row["value"]), each.context)
                opened += 1
        except KeyringError:
            closed.append(f"{each.table}.{each.column}")
    if closed:
        return Finding("bad", f"do not open {', '.join(closed)}: these are another database's keys, or one is missing")
    return Finding("ok", f"open what is there ({opened} columns)")


async def _late(db: BaseDBAsyncClient) -> Finding:
    """Whether something waits that should have been taken up long ago: at a peak it may, else a process is missing."""
    postgres = db.capabilities.dialect == "postgres"
    late = clock.now() - LATE
    value, mark = (late, "$1") if postgres else (late.isoformat(sep=" "), "?1")
    waiting = {}
    for name, statement in LATE_WORK.items():
        [row] = await db.execute_query_dict(statement.format(late=mark), [value])
        if row["n"]:
            waiting[name] = row["n"]
    if not waiting:
        return Finding("ok", "nothing for longer than ten minutes")
    listed = ", ".join(f"{count} {name}" for name, count in waiting.items())
    return Finding("note", f"{listed} for over ten minutes: unless very many came, is a worker missing, or faces?")


async def _audit() -> Finding:
    found = await audit.verify()
    if found.problems:
        return Finding("bad", f"{len(found.problems)} things wrong: gelombang audit verify")
    return Finding("ok", f"{found.entries} entries, the chain is whole")


async def _ledger(db: BaseDBAsyncClient) -> Finding:
    found = await problems(db)
    return Finding("bad", f"{found[0]}: gelombang ledger check") if found else Finding("ok", "adds up")


async def _room(settings: Settings) -> Finding:
    """Photos and, on SQLite, the database itself need room."""
    usage = await asyncio.to_thread(shutil.disk_usage, settings.media_dir)
    level = "bad" if usage.free < ROOM[0] * usage.total or usage.free < ROOM[1] else "ok"
    return Finding(level, f"{usage.free / 1e9:.0f} GB of {usage.total / 1e9:.0f} free beside {settings.media_dir}")


async def _media(settings: Settings) -> Finding:
    content = secrets.token_bytes(1000)
    with TemporaryDirectory(
        dir=settings.media_dir, prefix=".doctor-"
    ) as folder:  # photos' own folders stay their owner's
        media, name = MediaFolder(Path(folder)), secrets.token_hex(16)
        await media.save(name, content)
        same = await media.load(name) == content
        await media.delete(name)
    return Finding("ok", "kept, opened, destroyed") if same else Finding("bad", "what was kept came back otherwise")


async def _faces(settings: Settings) -> Finding:
    """The engine and the reader of cards are started, and given a picture with nobody on it."""
    faces, cards = chosen(settings)
    picture = await asyncio.to_thread(_empty_picture)
    try:
        engine = await faces.start()
        try:
            prepared = await faces.prepare(picture)
        except PhotoError as error:
            return Finding("bad", f"{engine}: {error.code}")
        lines = await cards.read(picture)
    finally:
        await asyncio.gather(faces.close(), cards.close())
    if prepared.facts.faces or lines:
        found = f"{prepared.facts.faces} faces and {len(lines)} lines where there are none"
        return Finding("bad", f"{engine}: {found}")
    return Finding("ok", f"{engine} and the reader of cards look")


def _empty_picture() -> bytes:
    from PIL import Image  # noqa: PLC0415 - only here

    buffer = BytesIO()
    Image.effect_noise((640, 480), 20).convert("RGB").save(buffer, "JPEG")
    return buffer.getvalue()


async def _redis(settings: Settings) -> Finding:
    from redis.asyncio import Redis  # noqa: PLC0415 - comes with the extra

    async with Redis.from_url(settings.redis_url.get_secret_value()) as redis:
        await redis.ping()
        memory = await redis.info("memory")
    return Finding("ok", f"answers; {memory['used_memory_human']} in use")


async def _telegram(api: str, webhook: str) -> Finding:
    """Who the bot is, and what Telegram says of its webhook."""
    me, about = await _asked(f"{api}/getMe"), await _asked(f"{api}/getWebhookInfo")
    name, pending, there = me.get("username", "?"), about.get("pending_update_count", 0), about.get("url", "")
    if there != webhook:
        wanted = f"is not sent to {webhook}" if webhook else "is sent to a webhook, so that polling gets nothing"
        return Finding("bad", f"@{name} {wanted}: serve sets it when it starts")
    if trouble := about.get("last_error_message", ""):
        return Finding("note", f"@{name}, {pending} messages wait; Telegram's last trouble with us: {trouble}")
    return Finding("ok", f"@{name}, {pending} messages wait")


async def _asked(url: str) -> dict[str, Any]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as http, http.post(url) as answer:
        answer.raise_for_status()
        found: dict[str, Any] = (await answer.json())["result"]
    return found


async def _twilio(settings: Settings) -> Finding:
    account = twilio_account(settings)
    assert account is not None
    try:
        client = await account.client()
        found = await client.api.accounts(account.account_sid).fetch_async()
    finally:
        await account.close()
    return Finding("ok" if found.status == "active" else "bad", f"the account is {found.status}")


async def _mail(settings: Settings) -> Finding:
    await MailSender(settings.smtp_url.get_secret_value(), settings.mail_from, "").greet()
    return Finding("ok", "the server lets us in")


async def _beacon(settings: Settings) -> Finding:
    try:
        latest = await Drand(settings.drand_urls.split()).latest()
    except BeaconUnavailableError:
        return Finding("note", "no mirror of drand answers: a draw would have to be held with dice (docs/draw.md)")
    return Finding("ok", f"drand is at round {latest}")


async def _answers(url: str) -> Finding:
    """Any answer will do: nobody is asked about."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as http, http.get(url) as answer:
        level = "ok" if answer.status < 500 else "bad"
        return Finding(level, f"answers ({answer.status} to a question about nothing)")
