"""A great many registered people, put straight into the tables: half of them read English, a third live in Jakarta."""

from datetime import datetime

from tortoise.transactions import in_transaction

from domain.waves.rules import new_ticket
from models import crypto
from models.conversation import Address, Conversation
from models.enums import Channel, Layer, LayerState
from models.person import Person
from models.turns import DRAFT_CONTEXT
from models.verification import LayerOutcome
from models.wave import Entry, Wave

PROVINCES = ("31.71.01", "32.76.06", "33.74.01")


async def crowd(count: int, now: datetime, channel: Channel = Channel.BROWSER, wave: Wave | None = None) -> list[str]:
    """Their chats, in the order of their numbers; all have joined the wave, where one is given."""
    ring, chats = crypto.ring(), [f"{channel.value}-orang-{number}" for number in range(count)]
    if channel == Channel.TELEGRAM:
        chats = [str(700_000 + number) for number in range(count)]
    lookups = [ring.index("address", f"{channel.value}:{chat}") for chat in chats]
    empty = ring.seal(b"\x80", DRAFT_CONTEXT)
    async with in_transaction() as db:
        first = await Person.all().count() + 1
        await Person.bulk_create([_person(first + at, now) for at in range(count)], using_db=db, batch_size=500)
        people = await Person.filter(id__gte=first).using_db(db).order_by("id").only("id")
        talks = [
            Conversation(
                origin=lookup, language="id" if at % 2 else "en", step="home.menu", version=1, draft=empty,
                person_id=person.id, created_at=now, updated_at=now, heard_at=now,
            )
            for at, (person, lookup) in enumerate(zip(people, lookups, strict=True))
        ]  # fmt: skip
        await Conversation.bulk_create(talks, using_db=db, batch_size=500)
        made = {bytes(row.origin): row.id for row in await Conversation.all().using_db(db).only("id", "origin")}
        await Address.bulk_create(
            [
                Address(channel=channel, lookup=lookup, value=chat, conversation_id=made[lookup], created_at=now)
                for chat, lookup in zip(chats, lookups, strict=True)
            ],
            using_db=db,
            batch_size=500,
        )
        await db.execute_query(
            "UPDATE conversation SET last_address_id = (SELECT a.id FROM address a "
            "WHERE a.conversation_id = conversation.id) WHERE last_address_id IS NULL"
        )
        outcomes = [
            LayerOutcome(
                person_id=person.id, layer=Layer.LISTS, state=LayerState.PASSED, reason="layer.lists_passed",
                rules="test", evidence=b"", decided_at=now,
            )
            for person in people
        ]  # fmt: skip
        await LayerOutcome.bulk_create(outcomes, using_db=db, batch_size=500)
        if wave is not None:
            entries = [
                Entry(wave_id=wave.id, person_id=person.id, ticket=new_ticket(wave.number), joined_at=now)
                for person in people
            ]
            await Entry.bulk_create(entries, using_db=db, batch_size=500)
    return chats


def _person(number: int, now: datetime) -> Person:
    ring, nik, phone = crypto.ring(), f"317101150890{number % 10_000:04}", f"+628{number:09}"
    return Person(
        id=number, nik=nik, nik_index=ring.index("nik", nik), kk=nik, kk_index=ring.index("kk", nik),
        name=f"Siti Nomor {number}", birth_date="1990-08-15", sex="female", phone=phone,
        phone_index=ring.index("phone", phone), region_code=PROVINCES[number % 3], address="Jl. Melati",
        education="senior", employment="laid_off" if number % 4 else "job_seeker", interest="computer",
        declared_at=now, created_at=now,
    )  # fmt: skip
