"""Talking to the engine in tests: what a person does, what the bot says, as lines a translator can read."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from tortoise.backends.base.client import BaseDBAsyncClient

from domain import programme
from domain.ports import FaceFacts
from domain.verification.rules.card import CardReading
from domain.waves.actions import Plan, open_now, plan_wave
from handlers.conversation import Contact, Inbound, Photo, PhotoOutcome
from handlers.engine import Engine, Outgoing, TurnResult
from models import crypto
from models.enums import Channel, PhotoKind, TurnVerdict
from models.person import FaceCheck, PhotoTask
from models.verification import CardReading as CardRow
from models.wave import Wave

NOON = datetime(2026, 11, 24, 5, 0, tzinfo=UTC)
GOOD = FaceFacts(width=800, height=800, faces=1, score=0.95, eye_distance=120.0, sharpness=200.0, brightness=120.0)
NIK = "3171011508900001"
_numbers = itertools.count(1)


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.time = NOON

    def __call__(self) -> datetime:
        return self.time

    def forward(self, **amount: float) -> None:
        self.time += timedelta(**amount)


class Person:
    """Somebody in a chat. Every message gets an id of its own unless one is given."""

    def __init__(self, engine: Engine, address: str, channel: Channel = Channel.BROWSER) -> None:
        self.engine, self.address, self.channel = engine, address, channel
        self.last: list[Outgoing] = []
        self.codes: list[str] = []
        self.selfie_photo = "s" * 32

    async def send(self, external_id: str = "", **content: Any) -> list[str]:
        """Send a message; gives the keys of the replies in the chat."""
        inbound = Inbound(
            channel=self.channel,
            address=self.address,
            external_id=external_id or f"{self.address}:{next(_numbers)}",
            sender_phone=self.address if self.channel == Channel.WHATSAPP else "",
            **content,
        )
        return self._hear(await self.engine.take_turn(inbound))

    async def say(self, text: str, external_id: str = "") -> list[str]:
        return await self.send(external_id, text=text)

    async def press(self, choice: str) -> list[str]:
        """Press a button of the last messages by the beginning of its id."""
        buttons = [c.id for message in self.last for c in message.render().choices]
        return await self.send(choice=next(button for button in buttons if button.startswith(choice)))

    async def outcome(self, kind: PhotoKind, conversation_id: int, **found: Any) -> list[str]:
        """What the photo task feeds back."""
        outcome = PhotoOutcome(kind, **found)
        number = f"task:{next(_numbers)}"
        inbound = Inbound(channel=Channel.INTERNAL, address=str(conversation_id), external_id=number, outcome=outcome)
        return self._hear(await self.engine.take_turn(inbound))

    def _hear(self, result: TurnResult) -> list[str]:
        self.codes += [str(m.body.say.params["code"]) for m in result.replies if "code" in m.body.say.params]
        self.last = [message for message in result.replies if not message.body.to]
        return [message.row.key for message in self.last]

    @property
    def step(self) -> str:
        return self.last[-1].row.step

    @property
    def text(self) -> str:
        return "\n".join(message.render().text for message in self.last)

    @property
    def conversation_id(self) -> int:
        return self.last[-1].row.conversation_id

    async def reach(self, step: str, phone: str = "0812 3456 789") -> "Person":
        """Answer as far as a step, the shortest way."""
        await self.say("halo")
        answers: dict[str, Any] = {
            "registration.language": lambda: self.say("setuju"),
            "registration.phone": lambda: self.phone(phone),
            "registration.phone_code": lambda: self.say(self.codes[-1]),
            "registration.card_photo": self.card,
            "registration.nik": lambda: self.say(NIK),
            "registration.name": lambda: self.say("Siti Aminah"),
            "registration.birth_date": lambda: self.say("ya"),
            "registration.kk": lambda: self.say("3171010101990001"),
            "registration.region": lambda: self.say("1"),
            "registration.address": lambda: self.say("Jl. Melati 5"),
            "registration.education": lambda: self.say("sma"),
            "registration.employment": lambda: self.say("phk"),
            "registration.interest": lambda: self.say("1"),
            "registration.selfie": self.selfie,
            "registration.turned": self.turn_head,
            "registration.summary": lambda: self.say("ya"),
            "home.menu": lambda: self.press("email"),
            "registration.email": lambda: self.say("siti@contoh.com"),
        }
        for _ in range(40):
            if self.step == step:
                return self
            await answers[self.step]()
        raise AssertionError(f"stuck at {self.step}: {self.text}")

    async def phone(self, number: str) -> list[str]:
        if self.channel == Channel.TELEGRAM:
            international = f"62{number[1:]}" if number.startswith("0") else number
            return await self.send(contact=Contact(international, proven=True))
        return await self.say(number)

    async def card(self, reading: CardReading | None = None) -> list[str]:
        """Send a card photo, which the task reads; without a reading it can't be read."""
        heard = await self.send(photo=Photo("c" * 32, GOOD))
        read = {"photo": Photo("c" * 32, GOOD), "reading": reading or CardReading()}
        row = {"conversation_id": self.conversation_id, "found": True, "seconds": 0.5, "read_at": NOON}
        row["nik_index"] = crypto.ring().index("nik", reading.nik if reading and reading.nik else NIK)
        await CardRow.get_or_create(photo_id="c" * 32, defaults=row)
        return heard + await self.outcome(PhotoKind.CARD, self.conversation_id, **read)

    async def selfie(self) -> list[str]:
        await self.send(photo=Photo(self.selfie_photo, GOOD))
        return await self.verdict(self.conversation_id)

    async def turn_head(self, verdict: TurnVerdict = TurnVerdict.AS_ASKED) -> list[str]:
        """Send the second selfie, which the task compares with the first."""
        heard = await self.send(photo=Photo("t" * 32, GOOD))
        task = await PhotoTask.filter(conversation_id=self.conversation_id).order_by("-id").first()
        asked = task.asked if task and task.asked else ""
        seen = {
            "photo": Photo("t" * 32, GOOD),
            "verdict": verdict.value,
            "selfie_photo": self.selfie_photo,
            "asked": asked,
        }
        return heard + await self.outcome(PhotoKind.TURNED, self.conversation_id, **seen)

    async def verdict(self, conversation_id: int, verdict: str = "same", card: str = "c" * 32) -> list[str]:
        """The task compared selfie and card: its row, and its outcome."""
        await FaceCheck.create(
            conversation_id=conversation_id,
            card_photo_id=card,
            selfie_photo_id=self.selfie_photo,
            engine="test",
            model_sha256=b"",
            score=0.5,
            verdict=verdict,
            checked_at=NOON,
        )
        found = {"photo": Photo(self.selfie_photo, GOOD), "verdict": verdict, "card_photo": card}
        return await self.outcome(PhotoKind.SELFIE, conversation_id, **found)


@asynccontextmanager
async def engine_on(
    db: BaseDBAsyncClient, clock: Clock | None = None, rules: programme.Programme | None = None
) -> AsyncIterator[Engine]:
    """A running engine with an open wave."""
    clock = clock or Clock()
    rules = rules or programme.load()
    if not await Wave.exists():
        plan = Plan(NOON - timedelta(days=1), NOON + timedelta(days=14))
        await open_now((await plan_wave(plan, rules, "test", NOON)).number, "test", NOON)
    engine = Engine(db, rules, clock, lambda: None)
    engine.open_wave = 1
    async with asyncio.TaskGroup() as group:
        running = group.create_task(engine.run())
        yield engine
        running.cancel()
