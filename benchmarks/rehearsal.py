"""A wave's news, rehearsed: everybody is told once, whatever fails. Run by `make rehearse-notices`.

PEOPLE=n (200,000) selected people: 45 % on Telegram, 40 % on WhatsApp, 10 % in the browser, 5 % with no chat left. Of
those on Telegram 5 % have blocked the bot; of those on WhatsApp 3 % are not there any more (half are refused at once,
half in a later report); 2 % of the calls to Twilio get no answer (half of them were taken); 1 % of the numbers take no
SMS. Every report comes twice, and late ones come first. The server is the real command with its real clients over HTTP
on loopback; it is killed (-9) twice and started again. Paces are raised: at the platforms' own it would take hours.

Claim: nobody is lost, everybody who can be reached is told, and nobody twice but where Telegram gave no answer or the
server was killed during a call: Telegram can't be asked, and those are counted.
"""

import asyncio
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from benchmarks.harness import Claim, close
from benchmarks.people import register
from bot.settings import new_key
from domain import clock
from domain.notices.actions import announce
from models import crypto
from models.database import database, migrate
from models.enums import Channel, NoticeStatus
from models.message import Outbox
from models.notice import Notice
from tests.e2e.server import Server
from tests.peers.telegram import TelegramPeer, telegram_peer  # fmt: skip
from tests.peers.telegram import failed as telegram_failed
from tests.peers.twilio import SID, TOKEN, Form, TwilioPeer, failed, twilio_peer

PEOPLE = int(os.environ.get("PEOPLE", "200000"))
PUBLIC = "https://bot.example"
KILLS = (0.3, 0.6)  # of the people told
PARAMS = {"wave": 3, "deadline_date": "2026-12-24"}
SHARES = (Channel.TELEGRAM,) * 9 + (Channel.WHATSAPP,) * 8 + (Channel.BROWSER,) * 2 + (Channel.SMS,)


def fate(number: int, what: str) -> float:
    """A number from 0 to 1 that is always the same for a person and a question."""
    return random.Random(f"{what}:{number}").random()


def channel_of(number: int) -> Channel:
    return SHARES[int(fate(number, "channel") * len(SHARES))]


def blocked(number: int) -> bool:
    return fate(number, "blocked") < 0.05


def moved(number: int) -> bool:
    return fate(number, "moved") < 0.03


def no_sms(number: int) -> bool:
    return fate(number, "sms") < 0.01


def can_be_reached(number: int) -> bool:
    """Whether the ladder has a rung that holds."""
    channel = channel_of(number)
    no_chat = (
        channel == Channel.SMS
        or (channel == Channel.TELEGRAM and blocked(number))
        or (channel == Channel.WHATSAPP and moved(number))
    )
    return not (no_chat and no_sms(number))


class World:
    """The platforms, and what people have read there."""

    def __init__(self, telegram: TelegramPeer, twilio: TwilioPeer) -> None:
        self.telegram, self.twilio = telegram, twilio
        self.lost: set[int] = set()
        self.reports: list[tuple[str, Form]] = []
        telegram.misbehave = self._telegram
        twilio.misbehave = self._twilio
        twilio.lose = self._lose

    def _telegram(self, method: str, params: dict[str, Any]) -> web.Response | None:
        if method != "sendMessage":
            return None
        number = int(params["chat_id"])
        if blocked(number):
            return telegram_failed(403, "Forbidden: bot was blocked by the user")
        return None

    def _twilio(self, form: Form) -> web.Response | None:
        number = int(form["To"].removeprefix("whatsapp:").removeprefix("+628"))
        if form["To"].startswith("whatsapp:"):
            if moved(number) and number % 2:
                return failed(63024)
        elif no_sms(number):
            return failed(30005)
        if number % 2 and self._no_answer(number):
            return web.Response(status=504)  # nothing was taken
        return None

    def _lose(self, form: Form) -> bool:
        """Whether a message that was taken gets no answer."""
        number = int(form["To"].removeprefix("whatsapp:").removeprefix("+628"))
        self._report(form, number)
        return number % 2 == 0 and self._no_answer(number)

    def _no_answer(self, number: int) -> bool:
        """Once for each of the two percent."""
        if fate(number, "lost") >= 0.02 or number in self.lost:
            return False
        self.lost.add(number)
        return True

    def _report(self, form: Form, number: int) -> None:
        callback = form["StatusCallback"].removeprefix(PUBLIC)
        sid = self.twilio.sent[-1]["sid"]
        away = form["To"].startswith("whatsapp:") and moved(number)
        last = {"MessageStatus": "undelivered", "ErrorCode": "63024"} if away else {"MessageStatus": "delivered"}
        for fields in (last, {"MessageStatus": "sent"}, last):
            self.reports.append((callback, {"MessageSid": sid, **fields}))

    async def report(self, server: Server) -> None:
        """Call the server with what happened, late things first; what it can't take now is sent again."""
        async with aiohttp.ClientSession() as http:
            while True:
                if not self.reports:
                    await asyncio.sleep(0.05)
                    continue
                some, self.reports = self.reports[:200], self.reports[200:]
                done = await asyncio.gather(*(self._call(http, server, *each) for each in some))
                self.reports += [each for each, taken in zip(some, done, strict=True) if not taken]

    async def _call(self, http: aiohttp.ClientSession, server: Server, path: str, form: Form) -> bool:
        headers = self.twilio.signed(PUBLIC + path, form)
        try:
            async with http.post(server.url + path, data=form, headers=headers) as answer:
                return answer.status < 500
        except (aiohttp.ClientError, OSError):
            await asyncio.sleep(0.1)
            return False

    def read(self) -> Counter[int]:
        """How often each person has read the news, wherever."""
        seen = Counter(int(message["chat_id"]) for message in self.telegram.sent)
        for message in self.twilio.sent:
            number = int(message["to"].removeprefix("whatsapp:").removeprefix("+628"))
            seen[number] += not (message["to"].startswith("whatsapp:") and moved(number))
        return seen


async def run() -> None:
    """Rehearse and print."""
    secret, index = f"1:{new_key()}", new_key()
    crypto.use(crypto.Keyring.parse(secret, index))
    with tempfile.TemporaryDirectory() as folder:
        async with telegram_peer() as telegram, twilio_peer() as twilio:
            world = World(telegram, twilio)
            server = Server(
                Path(folder), SECRET_KEYS=secret, INDEX_KEY=index, PUBLIC_URL=PUBLIC, TELEGRAM_TOKEN="42:" + "A" * 35,
                TELEGRAM_API_URL=telegram.url, TELEGRAM_MODE="webhook", TELEGRAM_SECRET="s", TELEGRAM_PACE="2000",
                TWILIO_ACCOUNT_SID=SID, TWILIO_AUTH_TOKEN=TOKEN, TWILIO_API_URL=twilio.url,
                TWILIO_CONTENT_URL=twilio.url, TWILIO_WHATSAPP_FROM="+62811", TWILIO_SMS_FROM="GELOMBANG",
                WHATSAPP_PACE="2000", SMS_PACE="2000", SMS_FROM_HOUR="0", SMS_UNTIL_HOUR="24",
            )  # fmt: skip
            report = await rehearse(world, server, server.environment["GELOMBANG_DATABASE_URL"])
    claims = [
        Claim("people lost", report["lost"], 0, at_least=False),
        Claim("people who could be reached and were not", report["reachable_not_told"], 0, at_least=False),
        Claim("people told though they can't be reached", report["told_unreachable"], 0, at_least=False),
        Claim("people told twice who need not be", report["twice"], 0, at_least=False),
    ]
    close("rehearsal", report, claims)


async def rehearse(world: World, server: Server, url: str) -> dict[str, Any]:
    """Two kills, and the count at the end."""
    async with database(url) as db:
        await migrate(db)
        channels = [channel_of(number) for number in range(1, PEOPLE + 1)]
        await register(db, channels)
        await announce(db, "selected", 1, list(range(1, PEOPLE + 1)), clock.now(), params=PARAMS)
        began, killed = time.perf_counter(), list(KILLS)
        await server.start()
        reporting = asyncio.create_task(world.report(server))
        while True:
            await asyncio.sleep(1)
            waiting = await Notice.filter(status__not_in=[NoticeStatus.TOLD, NoticeStatus.UNREACHED]).count()
            done = PEOPLE - waiting
            print(f"\r{done:,} of {PEOPLE:,}, {len(world.reports):,} reports", end="", file=sys.stderr, flush=True)
            if killed and done > killed[0] * PEOPLE:
                killed.pop(0)
                await server.stop(signal.SIGKILL)
                await server.start()
            if not waiting and not world.reports and not killed:
                await asyncio.sleep(1)
                if not await Notice.filter(status__not_in=[NoticeStatus.TOLD, NoticeStatus.UNREACHED]).exists():
                    break
        reporting.cancel()
        spent = time.perf_counter() - began
        await server.stop()
        return {"seconds": spent, **await count(world)}


async def count(world: World) -> dict[str, Any]:
    """What the database says beside what people have read."""
    read = world.read()
    notices = await Notice.all().only("id", "person_id", "status")
    people = {notice.id: notice.person_id for notice in notices}
    for row in await Outbox.filter(channel=Channel.BROWSER, notice_id__isnull=False).only("notice_id"):
        read[people[row.notice_id or 0]] += 1
    reasons = Counter(await Notice.filter(status=NoticeStatus.UNREACHED).values_list("reason", flat=True))
    errors = Counter(await Outbox.filter(error__isnull=False).values_list("error", flat=True))
    reachable = {person: can_be_reached(person) for person in people.values()}
    twice = [person for person, times in read.items() if times > 1]
    excused = [person for person in twice if channel_of(person) == Channel.TELEGRAM]
    return {
        "people": PEOPLE,
        "told": sum(notice.status == NoticeStatus.TOLD for notice in notices),
        "unreached": dict(reasons),
        "left_a_rung_because": dict(errors),
        "lost": sum(notice.status not in {NoticeStatus.TOLD, NoticeStatus.UNREACHED} for notice in notices),
        "reachable_not_told": sum(can and not read[person] for person, can in reachable.items()),
        "told_unreachable": sum(bool(read[person]) and not can for person, can in reachable.items()),
        "twice_on_telegram_after_a_kill": len(excused),
        "twice": len(twice) - len(excused),
        "twice_by_channel": dict(Counter(channel_of(person).value for person in twice)),
    }


if __name__ == "__main__":
    sys.exit(asyncio.run(run()))
