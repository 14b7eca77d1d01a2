"""A wave while everything breaks. Run by `make chaos` (SEED=1, FAULTS=200, PEOPLE=1200, TALKERS=24).

A PostgreSQL and a Redis of its own, two web processes and two workers of the real command, stand-ins for Telegram and
Twilio, the sandbox bank. A wave that was frozen yesterday is drawn with dice, announced, told, paid; places lapse, and
are handed on. Virtual people register meanwhile, each message going to either web process until one takes it. All the
while, one fault after the other: processes killed (-9), frozen, started with a clock that is wrong, the database
killed, Redis emptied or killed, Telegram or Twilio answering 429, 5xx, or not at all after having taken the message.

The seed decides which faults come, in which order and how long after each other; what a fault hits is up to the
machine. At the end everything is left alone until it is quiet, and then it has to add up.
"""

import asyncio
import logging
import os
import random
import re
import secrets
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from tortoise.backends.base.client import BaseDBAsyncClient

from benchmarks.harness import Claim, close
from bot.draws import Draws
from bot.gateways.beacon import Drand
from bot.settings import new_key
from domain import clock
from domain.money.actions import problems
from domain.programme import load
from domain.waves.actions import Plan, close_now, open_now, plan_wave
from domain.waves.places import TOLD_BY
from domain.waves.rules import LIVE
from models import crypto
from models.database import database
from models.enums import (
    AccountKind,
    BatchStatus,
    Channel,
    DueStatus,
    Layer,
    NoticeStatus,
    PlaceStatus,
    Randomness,
    WaveStatus,
)
from models.message import Inbound, Outbox
from models.money import LedgerAccount
from models.notice import Notice
from models.payout import Due, PayeeAccount, PayoutBatch
from models.wave import Entry, Place, Wave
from tests.payouts.bank import SECRET, link_all, sandbox_bank, summary
from tests.peers.telegram import TelegramPeer, telegram_peer
from tests.peers.telegram import failed as telegram_failed
from tests.peers.twilio import SID, TOKEN, Form, TwilioPeer, failed, twilio_peer
from tests.staff.crowd import crowd
from tools.cluster import Cluster, Member, cluster

SEED = int(os.environ.get("SEED", "1"))
FAULTS = int(os.environ.get("FAULTS", "200"))
PEOPLE = int(os.environ.get("PEOPLE", "1200"))
TALKERS = int(os.environ.get("TALKERS", "24"))
QUIET_SECONDS = 600
PAUSE = (0.2, 1.0)  # seconds from the end of a fault to the next
AGAIN = 50  # messages of each that are sent again at the end
NOTHING = "there is nothing to pay"
DICE = "3141562653" * 5
BANK_FAULTS: dict[str, Any] = {
    "hang_share": 0.03, "hang_seconds": 3, "refuse_share": 0.02, "fail_share": 0.02, "duplicate_share": 0.2,
    "lost_callback_share": 0.05, "settle_seconds": 1.0, "latency_ms": 5,
}  # fmt: skip
# What may happen, and how often beside each other.
KINDS = {
    "kill a web process": 6, "kill a worker": 6, "freeze a web process": 5, "freeze a worker": 5, "wrong clock": 3,
    "kill the database": 2, "empty Redis": 4, "kill Redis": 2, "Telegram 429": 4, "Telegram 500": 3,
    "Telegram silent": 3, "Twilio 429": 3, "Twilio 500": 2, "Twilio silent": 2,
}  # fmt: skip
AFTER_A_SEND = 3.0  # seconds in which a fault may have kept an answer of Telegram's from being written down


class Platforms:
    """Telegram and Twilio, and when which of them misbehaves."""

    def __init__(self, telegram: TelegramPeer, twilio: TwilioPeer) -> None:
        self.telegram, self.twilio, self.mode = telegram, twilio, ""
        self.told: list[tuple[float, str, str]] = []  # when, chat, words: what Telegram took
        self.silent: set[tuple[str, str]] = set()  # taken, and never answered
        telegram.misbehave, twilio.misbehave, twilio.lose = self._telegram, self._twilio, self._lose

    def _telegram(self, method: str, params: dict[str, Any]) -> web.Response | None:
        if method != "sendMessage":
            return None
        match self.mode:
            case "Telegram 429":
                return telegram_failed(429, "Too Many Requests: retry after 1", retry_after=1)
            case "Telegram 500":
                return telegram_failed(500, "Internal Server Error")
        self.told.append((time.monotonic(), params["chat_id"], params["text"]))
        if self.mode == "Telegram silent":
            self.silent.add((params["chat_id"], params["text"]))
            return web.Response(status=504)
        return None

    def _twilio(self, form: Form) -> web.Response | None:
        match self.mode:
            case "Twilio 429":
                return failed(20429, 429)
            case "Twilio 500":
                return failed(20500, 500)
        return None

    def _lose(self, form: Form) -> bool:
        return self.mode == "Twilio silent"

    def code_of(self, phone: str) -> str:
        """The last code that was sent to a number; empty where none came yet."""
        codes = [found[0] for body in self.twilio.to(phone) if (found := re.search(r"\b\d{6}\b", body))]
        return codes[-1] if codes else ""


class Talker:
    """Somebody who registers, and keeps what they were answered."""

    def __init__(self, http: aiohttp.ClientSession, running: Cluster, platforms: Platforms, rng: random.Random) -> None:
        self.http, self.cluster, self.platforms, self.random = http, running, platforms, rng
        self.chat = secrets.token_hex(8)
        self.answers: dict[str, tuple[str, list[str]]] = {}

    async def say(self, text: str) -> None:
        """Send until it is taken, to whichever process a balancer might choose."""
        message = secrets.token_hex(8)
        self.answers[message] = (text, await self.post(message, text))

    async def post(self, message: str, text: str) -> list[str]:
        """The ids of the replies."""
        body = {"chat": self.chat, "id": message, "text": text}
        while True:
            address = self.random.choice(self.cluster.webs)
            try:
                async with self.http.post(f"{address}/chat/api/messages", json=body) as answer:
                    if answer.status == 200:
                        return [each["id"] for each in (await answer.json())["messages"]]
            except (aiohttp.ClientError, OSError, TimeoutError):
                pass
            await asyncio.sleep(0.2)

    async def live(self, until: asyncio.Event) -> None:
        """Register up to the card, then ask for this and that."""
        phone = f"+62812{self.random.randrange(10**8):08}"
        for text in ("halo", "setuju", phone):
            await self.say(text)
        code = ""
        while not code and not until.is_set():
            await asyncio.sleep(0.3)
            code = self.platforms.code_of(phone)
        await self.say(code or "000000")
        while not until.is_set():
            await self.say(self.random.choice(("bantuan", "status", "apa kabar", "language", "kembali")))
            await asyncio.sleep(self.random.uniform(0.5, 2.0))


class Chaos:
    """Faults, one after the other, and when they were."""

    def __init__(self, running: Cluster, platforms: Platforms, rng: random.Random) -> None:
        self.cluster, self.platforms, self.random = running, platforms, rng
        self.counts: Counter[str] = Counter()
        self.at: list[float] = []  # kills, freezes and the database's deaths: what a send may have been lost in
        kinds = [kind for kind, share in KINDS.items() for _ in range(share)]
        self.planned = [rng.choice(kinds) for _ in range(FAULTS)]

    async def run(self) -> None:
        """All that are planned."""
        for number, kind in enumerate(self.planned, 1):
            await asyncio.sleep(self.random.uniform(*PAUSE))
            await self._do(kind)
            self.counts[kind] += 1
            print(f"\r{number} of {FAULTS} faults: {kind:24}", end="", file=sys.stderr, flush=True)

    async def _do(self, kind: str) -> None:
        role = "web" if "web" in kind else "worker"
        member = self.random.choice(self.cluster.members[role])
        match kind:
            case "kill a web process" | "kill a worker":
                await self._again(member, {})
            case "wrong clock":
                await self._again(member, {"by": str(self.random.choice((-20, -5, 5, 20)))})
            case "freeze a web process" | "freeze a worker":
                self.at.append(time.monotonic())
                member.send(signal.SIGSTOP)
                await asyncio.sleep(self.random.uniform(0.5, 4))
                member.send(signal.SIGCONT)
            case "kill the database":
                self.at.append(time.monotonic())
                await self.cluster.postgres.stop(signal.SIGQUIT)
                await asyncio.sleep(self.random.uniform(0, 2))
                await self.cluster.postgres.start()
                await self.cluster.until_database_answers()
                self.at.append(time.monotonic())
            case "empty Redis":
                _, writer = await asyncio.open_connection("127.0.0.1", self.cluster.redis.port)
                writer.write(b"FLUSHALL\r\n")
                await writer.drain()
                writer.close()
            case "kill Redis":
                await self.cluster.redis.stop(signal.SIGKILL)
                await asyncio.sleep(self.random.uniform(0, 2))
                await self.cluster.redis.start()
            case _:
                self.platforms.mode = kind
                await asyncio.sleep(self.random.uniform(0.5, 3))
                self.platforms.mode = ""

    async def _again(self, member: Member, skew: dict[str, str]) -> None:
        self.at.append(time.monotonic())
        await member.stop(signal.SIGKILL)
        wrong = ["-m", "benchmarks.skewed", skew["by"]] if skew else ["-m", "bot"]
        member.command = [sys.executable, *wrong, *member.command[member.command.index("serve") :]]
        await member.start()


async def prepare(db: BaseDBAsyncClient, draws_dir: Path) -> None:
    """People who have joined a wave that was frozen yesterday, to be drawn today; four in five have an account."""
    now, programme = clock.now() - timedelta(hours=25), load()
    plan = Plan(
        now - timedelta(days=1), now + timedelta(days=6), quota=PEOPLE // 2, layers=(Layer.LISTS,),
        randomness=Randomness.DICE,
    )  # fmt: skip
    wave = await open_now((await plan_wave(plan, programme, "ani", now)).number, "ani", now)
    await crowd(PEOPLE * 3 // 4, now, Channel.TELEGRAM, wave)
    await crowd(PEOPLE // 4, now, Channel.BROWSER, wave)
    people = [entry.person_id for entry in await Entry.filter(wave_id=wave.id)]
    await link_all([person for person in people if person % 5], now)
    await close_now(wave.number, "ani", now)
    await Wave.filter(id=wave.id).update(freezes_at=now)
    await Draws(db, programme, Drand([]), draws_dir, lambda: now).freeze(wave.number, "ani")


async def until(name: str, holds: Callable[[], Any], seconds: float = QUIET_SECONDS) -> None:
    """Wait for something, through everything; TimeoutError says for what."""
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        try:
            if await holds():
                print(f"\n{name} after {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
                return
        except Exception as error:  # noqa: BLE001 - the database may be away
            print(f"\n{name}: {type(error).__name__}", file=sys.stderr)
        await asyncio.sleep(1)
    raise TimeoutError(name)


async def command(running: Cluster, *arguments: str) -> str:
    """A command as staff would repeat it while the database comes and goes."""
    while True:
        try:
            return await running.command(*arguments)
        except RuntimeError as error:
            if any(words in str(error) for words in ("does not come next", NOTHING)):
                return str(error)
            print(f"\n{' '.join(arguments[:2])}: {str(error)[-200:]}", file=sys.stderr, flush=True)
            await asyncio.sleep(1)


async def wave_goes_on(running: Cluster) -> None:
    """What staff do: throw dice, pay; and time passes for those who chose nothing."""
    for staff in ("ani", "budi"):
        await command(running, "draw", "dice", "1", "--throws", DICE, "--staff", staff)
    await until("announced", lambda: Wave.filter(status=WaveStatus.ANNOUNCED).exists())
    await pay(running)
    with_account = list(await _read(lambda: PayeeAccount.all().values_list("payee_id", flat=True)))
    past = clock.now() - timedelta(days=1)
    idle = Place.filter(status=PlaceStatus.NOTIFIED).exclude(person_id__in=with_account)
    await until("told", lambda: _at_least(idle, PEOPLE // 20))
    late = await _read(lambda: idle.limit(PEOPLE // 20))
    await until("late", lambda: Place.filter(id__in=[place.id for place in late]).update(due_at=past))
    await until("lapsed", lambda: Place.filter(status=PlaceStatus.LAPSED).exists())
    await pay(running)


async def pay(running: Cluster) -> None:
    """A batch from beginning to end, under whatever happens."""
    said = await command(running, "payouts", "prepare", "balance", "--wave", "1", "--staff", "ani")
    found = re.search(r"added to batch (\d+)", said)
    if not found:
        return
    for step, staff in (("check", "ani"), ("approve", "budi"), ("start", "budi")):
        if NOTHING in await command(running, "payouts", step, found[1], "--staff", staff):
            return  # it waits for the next


async def _read(query: Callable[[], Any]) -> Any:
    while True:
        try:
            return await query()
        except Exception:  # noqa: BLE001 - the database may be away
            await asyncio.sleep(0.5)


async def _at_least(query: Any, number: int) -> bool:
    return bool(await query.count() >= number)


async def _none(query: Any) -> bool:
    return not await query.exists()


async def settle(running: Cluster) -> None:
    """Nothing breaks any more: whatever waits is done, and what failed at the bank is paid by another batch."""
    waiting = [
        ("notices", lambda: _none(Notice.filter(status__not_in=[NoticeStatus.TOLD, NoticeStatus.UNREACHED]))),
        ("outbox", lambda: _none(Outbox.filter(status__in=["queued", "attempting"]))),
    ]
    for _ in range(6):
        for number in await PayoutBatch.filter(status=BatchStatus.SUBMITTING).values_list("id", flat=True):
            await running.command("payouts", "watch", str(number))
            for step in ("reconcile", "close"):
                await command(running, "payouts", step, str(number), "--staff", "ani")
        with_account = [row.payee_id for row in await PayeeAccount.all().only("id", "payee_id")]
        if await _none(Due.filter(status=DueStatus.OPEN, payee_id__in=with_account)):
            break
        await pay(running)
    for name, holds in waiting:
        await until(name, holds)


async def count(
    db: BaseDBAsyncClient, platforms: Platforms, chaos: Chaos, talkers: list[Talker], bank: str
) -> dict[str, Any]:
    """What the database, the platforms and the bank say, side by side."""
    changed, given = 0, [ids for talker in talkers for _, ids in talker.answers.values()]
    for talker in talkers:
        # As many as a chat may send at once; more would be told that it is too fast.
        some = random.Random(SEED).sample(sorted(talker.answers), min(AGAIN, len(talker.answers)))
        for message in some:
            text, answer = talker.answers[message]
            changed += await talker.post(message, text) != answer
    every = {int(each) for ids in given for each in ids}
    kept = 0
    for start in range(0, len(every), 1_000):
        kept += await Outbox.filter(id__in=sorted(every)[start : start + 1_000]).count()
    twice_taken = await db.execute_query_dict(
        "SELECT COUNT(*) AS n FROM (SELECT inbound_id, position FROM outbox WHERE inbound_id > 0 "
        "GROUP BY inbound_id, position HAVING COUNT(*) > 1) AS doubled"
    )
    said: dict[tuple[str, str], list[float]] = {}
    for when, chat, text in platforms.told:
        said.setdefault((chat, text), []).append(when)
    repeats = {key: times for key, times in said.items() if len(times) > 1}
    unknowable = {key for key in repeats if key in platforms.silent}
    died = {
        key
        for key, times in repeats.items()
        if all(any(0 <= at + AFTER_A_SEND - when <= 2 * AFTER_A_SEND for at in chaos.at) for when in times[:-1])
    }
    with_account = [row.payee_id for row in await PayeeAccount.all().only("id", "payee_id")]
    places = await Place.all()
    wave = await Wave.get(number=1)
    live = [place for place in places if place.status in LIVE]
    selected = {place.person_id for place in places}
    noticed = Counter(await Notice.filter(kind__in=TOLD_BY).values_list("person_id", flat=True))
    book = (await summary(bank))["payouts"]
    held = await LedgerAccount.filter(kind=AccountKind.TRAINING_BALANCE)
    return {
        "messages": sum(len(talker.answers) for talker in talkers),
        "taken": await Inbound.filter(channel=Channel.BROWSER).count(),
        "without_answer": sum(not ids for ids in given),
        "replies_lost": len(every) - kept,
        "answers_changed": changed,
        "replies_doubled": twice_taken[0]["n"],
        "quota": wave.quota,
        "places_live": len(live),
        "places_lapsed": sum(place.status == PlaceStatus.LAPSED for place in places),
        "selected_without_notice": len(selected - noticed.keys()),
        "selected_with_two": sum(times > 1 for times in noticed.values()),
        "unreached": await Notice.filter(status=NoticeStatus.UNREACHED).count(),
        "telegram_repeats": len(repeats),
        "of_these_never_answered": len(unknowable),
        "of_these_beside_a_death": len(died - unknowable),
        "repeats_unexplained": len(repeats.keys() - unknowable - died),
        "bank": book,
        "theirs": sum(amount for how, (_, amount) in book.items() if how.endswith(" paid")),
        "ours": sum(row.balance for row in held),
        "in_flight": sum(row.balance for row in await LedgerAccount.filter(kind=AccountKind.IN_FLIGHT)),
        "dues_open": await Due.filter(status=DueStatus.OPEN, payee_id__in=with_account).count(),
        "ledger": await problems(db),
    }


async def run() -> None:
    """Break everything, and count."""
    rng = random.Random(SEED)
    logging.getLogger("asyncpg.pool").setLevel(logging.CRITICAL)  # that the database is away is no news here
    secret, index = f"1:{new_key()}", new_key()
    crypto.use(crypto.Keyring.parse(secret, index))
    settings = {
        "SECRET_KEYS": secret, "INDEX_KEY": index, "PUBLIC_URL": "https://bot.example", "LOG_LEVEL": "WARNING",
        "TELEGRAM_TOKEN": "42:" + "A" * 35, "TELEGRAM_MODE": "webhook", "TELEGRAM_SECRET": "s", "TELEGRAM_PACE": "200",
        "TWILIO_ACCOUNT_SID": SID, "TWILIO_AUTH_TOKEN": TOKEN, "TWILIO_SMS_FROM": "GELOMBANG", "SMS_PACE": "200",
        "SMS_FROM_HOUR": "0", "SMS_UNTIL_HOUR": "24", "PAYOUT_GATEWAY": "sandbox", "SANDBOX_BANK_SECRET": SECRET,
        "PAYOUT_PACE": "40", "REQUESTS_A_MINUTE": "100000", "NEW_CHATS_AN_HOUR": "100000",
    }  # fmt: skip
    async with telegram_peer() as telegram, twilio_peer() as twilio:
        platforms = Platforms(telegram, twilio)
        settings |= {"TELEGRAM_API_URL": telegram.url, "TWILIO_API_URL": twilio.url, "TWILIO_CONTENT_URL": twilio.url}
        async with cluster(settings, webs=2, workers=2, faces=0, filled=False) as running:
            callback = f"{running.webs[0]}/webhooks/sandbox-bank"
            async with (
                database(running.database_url) as db,
                sandbox_bank(running.folder, callback_url=callback, **BANK_FAULTS) as bank,
            ):
                running.set({"SANDBOX_BANK_URL": bank})
                await prepare(db, running.folder / "draws")
                await running.start()
                found = await rehearse(db, running, platforms, rng, bank)
    close("chaos", found, claims(found))


async def rehearse(
    db: BaseDBAsyncClient, running: Cluster, platforms: Platforms, rng: random.Random, bank: str
) -> dict[str, Any]:
    """The wave, the talk and the faults side by side; then the count."""
    began, over = time.monotonic(), asyncio.Event()
    chaos = Chaos(running, platforms, rng)
    timeout = aiohttp.ClientTimeout(total=10)
    async with aiohttp.ClientSession(timeout=timeout) as http:
        talkers = [Talker(http, running, platforms, random.Random(f"{SEED}:{n}")) for n in range(TALKERS)]
        async with asyncio.TaskGroup() as group:
            for talker in talkers:
                group.create_task(talker.live(over))
            wave = group.create_task(wave_goes_on(running))
            await chaos.run()
            print("\nno more faults", file=sys.stderr, flush=True)
            await wave
            over.set()
        await settle(running)
        found = await count(db, platforms, chaos, talkers, bank)
    return {"seed": SEED, "seconds": time.monotonic() - began, "faults": dict(chaos.counts), **found}


def claims(found: dict[str, Any]) -> list[Claim]:
    """What has to hold."""

    def none(claim: str, *names: str) -> Claim:
        return Claim(claim, sum(found[name] for name in names), 0, at_least=False)

    return [
        Claim("faults", sum(found["faults"].values()), FAULTS),
        none("answers lost, or other when asked again", "without_answer", "replies_lost", "answers_changed"),
        none("replies that were written twice", "replies_doubled"),
        Claim("messages that were kept and are not among those sent", abs(found["taken"] - found["messages"]), 0,
              at_least=False),
        Claim("places beyond the quota", max(0, found["places_live"] - found["quota"]), 0, at_least=False),
        none("selected people without a notice, or with two", "selected_without_notice", "selected_with_two"),
        none("people who can be reached and were not", "unreached"),
        none("repeats that neither a platform's silence nor a death during a call explains", "repeats_unexplained"),
        Claim("rupiah by which the bank's book and our ledger differ",
              abs(found["theirs"] - found["ours"]), 0, at_least=False),
        none("rupiah in flight, and dues that are open", "in_flight", "dues_open"),
        Claim("faults in the ledger", len(found["ledger"]), 0, at_least=False),
    ]  # fmt: skip


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # who ends it wants its servers gone as well
    asyncio.run(run())
