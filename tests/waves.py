"""People who have passed everything and joined a wave, put straight into the tables."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from tortoise.backends.base.client import BaseDBAsyncClient

from domain.privacy.rules import NOTICE_VERSION
from domain.programme import load
from domain.waves.freeze import layers_of
from models import crypto
from models.conversation import Address, Conversation
from models.enums import Channel, Layer, LayerState
from models.person import Person
from models.turns import DRAFT_CONTEXT
from models.verification import LayerOutcome
from models.wave import Entry, Wave

AGREED = msgspec.msgpack.encode({"notice": NOTICE_VERSION})


@dataclass(frozen=True)
class Applicant:
    """What is said of somebody; the number makes their NIK, chat and ticket. ``kk`` numbers the family card."""

    number: int
    kk: int = 0
    birth_date: str = "1990-08-15"
    employment: str = "laid_off"
    states: tuple[tuple[Layer, LayerState], ...] = ()
    nik: int = 0
    chat: bool = True

    @property
    def nik_text(self) -> str:
        return f"317101150890{self.nik or self.number:04}"


def ticket_of(wave: int, number: int) -> str:
    return f"G{wave}-{number:04}-XXXX"


async def join(db: BaseDBAsyncClient, wave: Wave, applicants: Iterable[Applicant], now: datetime) -> None:
    """Register these people and let them join a wave."""
    for each in applicants:
        person = await _person(each, now)
        for layer in layers_of(wave, load()):
            state = dict(each.states).get(layer, LayerState.PASSED)
            await LayerOutcome.create(
                person_id=person.id, layer=layer, state=state, reason=f"layer.{layer}_{state}", rules="test",
                evidence=b"", decided_at=now,
            )  # fmt: skip
        await Entry.create(
            wave_id=wave.id, person_id=person.id, ticket=ticket_of(wave.number, each.number), joined_at=now
        )


async def _person(each: Applicant, now: datetime) -> Person:
    ring, phone, kk = crypto.ring(), f"+628{each.number:09}", f"31710101019{each.kk or each.number:05}"
    values: dict[str, Any] = {
        "nik": each.nik_text, "nik_index": ring.index("nik", each.nik_text), "kk": kk,
        "kk_index": ring.index("kk", kk), "name": f"Orang {each.number}", "birth_date": each.birth_date,
        "sex": "female", "phone": phone, "phone_index": ring.index("phone", phone), "region_code": "31.71.01",
        "address": "Jl. Melati", "education": "senior", "employment": each.employment, "interest": "computer",
        "declared_at": now, "created_at": now,
    }  # fmt: skip
    person = await Person.create(**values)
    chat = str(each.number)
    lookup = ring.index("address", f"{Channel.BROWSER.value}:{chat}")
    talk = await Conversation.create(
        origin=lookup, language="id", step="home.menu", version=1, draft=ring.seal(AGREED, DRAFT_CONTEXT),
        phone_index=person.phone_index, person_id=person.id, created_at=now, updated_at=now,
    )  # fmt: skip
    if each.chat:
        address = await Address.create(
            channel=Channel.BROWSER, lookup=lookup, value=chat, conversation_id=talk.id, created_at=now
        )
        await Conversation.filter(id=talk.id).update(last_address_id=address.id)
    return person
