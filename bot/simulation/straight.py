"""The faster path: people who have registered and passed, put straight into the tables, without a word of chat."""

from collections.abc import Sequence
from datetime import datetime

from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.transactions import in_transaction

from bot.simulation.people import Character
from domain.programme import Programme
from domain.waves.freeze import layers_of
from domain.waves.rules import new_ticket
from handlers.engine import address_lookup
from models import crypto
from models.conversation import Address, Conversation
from models.enums import Channel, LayerState
from models.person import Person
from models.turns import DRAFT_CONTEXT
from models.verification import LayerOutcome
from models.wave import Entry, Wave

CHUNK = 500


async def join(db: BaseDBAsyncClient, wave: Wave, people: Sequence[Character], rules: Programme, now: datetime) -> None:
    """Register these people, judge them, and let them join a wave."""
    done = await Person.all().count()
    for start in range(0, len(people), CHUNK):
        some = people[start : start + CHUNK]
        ids = range(done + start + 1, done + start + len(some) + 1)
        async with in_transaction() as connection:
            rows = [_person(number, each, now) for number, each in zip(ids, some, strict=True)]
            await Person.bulk_create(rows, using_db=connection)
            talks = [_talk(row, each, now) for row, each in zip(rows, some, strict=True)]
            await Conversation.bulk_create(talks, using_db=connection)
            await Address.bulk_create(
                [_chat(row.id, each, now) for row, each in zip(rows, some, strict=True)], using_db=connection
            )
            outcomes = [
                _outcome(row.id, layer.value, _state(layer.value, each, rules), rules, now)
                for row, each in zip(rows, some, strict=True)
                for layer in layers_of(wave, rules)
            ]
            await LayerOutcome.bulk_create(outcomes, using_db=connection)
            await Entry.bulk_create(
                [
                    Entry(wave_id=wave.id, person_id=row.id, ticket=new_ticket(wave.number), joined_at=now)
                    for row in rows
                ],
                using_db=connection,
            )


def _person(number: int, each: Character, now: datetime) -> Person:
    ring, phone = crypto.ring(), f"+{each.phone}"
    return Person(
        id=number,
        nik=each.nik,
        nik_index=ring.index("nik", each.nik),
        kk=each.kk,
        kk_index=ring.index("kk", each.kk),
        name=each.name,
        birth_date=each.birth_date.isoformat(),
        sex=each.sex,
        phone=phone,
        phone_index=ring.index("phone", phone),
        region_code="31.71.01",
        address="Jl. Melati 5",
        education="senior",
        employment=each.work,
        interest="computer",
        declared_at=now,
        created_at=now,
    )


def _talk(person: Person, each: Character, now: datetime) -> Conversation:
    return Conversation(
        id=person.id,
        origin=address_lookup(Channel.TELEGRAM, each.chat),
        language="id",
        step="home.menu",
        version=1,
        draft=crypto.ring().seal(b"\x80", DRAFT_CONTEXT),  # msgpack: an empty map
        phone_index=person.phone_index,
        person_id=person.id,
        last_address_id=person.id,
        created_at=now,
        updated_at=now,
    )


def _chat(number: int, each: Character, now: datetime) -> Address:
    return Address(
        id=number,
        channel=Channel.TELEGRAM,
        lookup=address_lookup(Channel.TELEGRAM, each.chat),
        value=each.chat,
        conversation_id=number,
        created_at=now,
    )


def _state(layer: str, each: Character, rules: Programme) -> LayerState:
    if layer != "face" or each.alike >= rules.face.same:
        return LayerState.PASSED
    return LayerState.REVIEW if each.alike >= rules.face.review else LayerState.FAILED


def _outcome(person_id: int, layer: str, state: LayerState, rules: Programme, now: datetime) -> LayerOutcome:
    return LayerOutcome(
        person_id=person_id,
        layer=layer,
        state=state,
        reason=f"layer.{layer}_{state}",
        rules=rules.version,
        evidence=b"",
        decided_at=now,
    )
