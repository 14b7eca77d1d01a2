"""Keys are rotated while everything runs, again after being broken off; a copy of the database alone says nothing."""

import base64
import hashlib
import os
import struct
from pathlib import Path

import pytest
from tortoise import Tortoise
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.fields import BinaryField

from bot.gateways.media import MediaFolder
from bot.settings import Settings, add_key, drop_keys
from domain import audit
from domain.verification.actions.faces import VECTOR, open_vector
from models import crypto
from models.conversation import Conversation
from models.crypto import Keyring, KeyringError
from models.database import writing
from models.fields import EncryptedText
from models.message import FailedTurn
from models.payout import PayeeAccount
from models.person import Person as Row
from models.sealed import BY_HAND, SealedTables, columns
from models.turns import FAILED_CONTEXT
from models.verification import FaceVector
from tests.handlers.talk import NIK, NOON, Person, engine_on

# What is in the database as it is: blind indexes, digests and hashes, which no key opens.
NOT_SEALED = frozenset(
    {
        "origin", "phone_index", "lookup", "text_sha256", "target_index", "code_hash", "nik_index", "kk_index",
        "email_index", "sha256", "model_sha256", "token_index", "evidence", "reference_index", "file_sha256",
        "number_index", "digest", "code_index", "before", "after", "previous", "hash", "commitment", "beacon", "seed",
        "rows", "first_key", "prefix_index",
    }
)  # fmt: skip
FACE = struct.pack("<128f", *(0.01 * number for number in range(128)))
ACCOUNT = "1234567890123"


async def live(db: BaseDBAsyncClient, folder: Path) -> None:
    """Somebody registers; a face, an account, a broken message and a file of theirs are kept."""
    ring = crypto.ring()
    async with engine_on(db) as engine:
        siti = await Person(engine, "1").reach("home.menu")
        await siti.press("email")
        await siti.say("siti@contoh.com")
    await FaceVector.create(
        conversation_id=siti.conversation_id, photo_id="s" * 32, engine="test", model_sha256=b"", stored_at=NOON,
        vector=ring.seal(FACE, VECTOR),
    )  # fmt: skip
    await PayeeAccount.create(
        payee="person", payee_id=1, institution="bni", number=ACCOUNT, number_index=b"", holder="Siti Aminah",
        live=True, checked_at=NOON, linked_at=NOON,
    )  # fmt: skip
    await FailedTurn.create(
        inbound_id=1, step="x", error="x", failed_at=NOON, body=ring.seal(b"NIK saya " + NIK.encode(), FAILED_CONTEXT)
    )
    async with writing():
        await audit.record("sari", "case.accept", "case:1", now=NOON, words="kartu asli")
    await MediaFolder(folder).save("c" * 32, b"JPEG of a card")


async def rotate(db: BaseDBAsyncClient, most: int = 10**6) -> int:
    """Seal anew; broken off after so many portions."""
    tables, done = SealedTables(db), 0
    for sealed in columns():
        async for count in tables.reseal(db, sealed):
            done += count
            most -= 1
            if not most:
                return done
    return done


async def left(db: BaseDBAsyncClient) -> int:
    return sum([await SealedTables(db).left(db, sealed) for sealed in columns()])


async def test_every_binary_column_is_sealed_or_known_not_to_be(db: BaseDBAsyncClient) -> None:
    sealed = {(each.table, each.column) for each in columns()}
    for model in (Tortoise.apps or {})["models"].values():
        for name, field in model._meta.fields_map.items():
            if isinstance(field, BinaryField) and not isinstance(field, EncryptedText):
                assert name in NOT_SEALED or (model._meta.db_table, name) in sealed, (model, name)
    assert {(each.table, each.column) for each in BY_HAND} <= sealed


async def test_everything_is_sealed_anew_and_the_old_key_is_needed_no_more(
    db: BaseDBAsyncClient, tmp_path: Path
) -> None:
    old, new, index = os.urandom(32), os.urandom(32), os.urandom(32)
    crypto.use(Keyring({1: old}, index))
    await live(db, tmp_path)
    crypto.use(Keyring({2: new, 1: old}, index))
    before = await left(db)
    assert before > 20
    assert await rotate(db, most=3) < before  # broken off
    assert 0 < await left(db) < before
    await rotate(db)
    media = MediaFolder(tmp_path)
    [path] = media.sealed_otherwise()
    await media.reseal(path)
    assert (await left(db), media.sealed_otherwise()) == (0, [])
    crypto.use(Keyring({2: new}, index))
    assert (await Row.get()).nik == NIK
    assert open_vector(await FaceVector.get()) == FACE
    assert (await PayeeAccount.get()).number == ACCOUNT
    assert await media.load("c" * 32) == b"JPEG of a card"
    assert (await audit.verify()).problems == []  # the log's hashes are over what the words say
    async with engine_on(db) as engine:
        siti = Person(engine, "1")
        assert await siti.say("status") == ["home.status"] or siti.last
        assert "registration.welcome" not in [message.row.key for message in siti.last]


async def test_a_value_that_changes_meanwhile_is_left_alone(db: BaseDBAsyncClient, tmp_path: Path) -> None:
    old, new, index = os.urandom(32), os.urandom(32), os.urandom(32)
    crypto.use(Keyring({1: old}, index))
    await live(db, tmp_path)
    crypto.use(Keyring({2: new, 1: old}, index))
    tables = SealedTables(db)
    [sealed] = [each for each in columns() if (each.table, each.column) == ("person", "address")]
    rows = [{"number": 1, "value": crypto.ring().seal(b"what it was before", sealed.context)}]
    await Row.filter(id=1).update(address="Jl. Mawar 9")
    await tables._write(sealed, rows)
    assert (await Row.get()).address == "Jl. Mawar 9"


def test_a_running_process_hears_of_a_key_that_was_added(tmp_path: Path) -> None:
    settings = Settings(_env_file=None, key_file=tmp_path / "keys")
    settings.use_keys()
    running = crypto.ring()
    assert add_key(tmp_path / "keys") == 2
    other = settings.keyring()
    sealed = other.seal(b"new", b"x")
    assert sealed[0] == 2
    assert running.open(sealed, b"x") == b"new"  # unknown: read anew
    assert crypto.ring().mark == b"\x02"
    assert drop_keys(tmp_path / "keys") == 1
    assert settings.keyring().open(sealed, b"x") == b"new"
    with pytest.raises(KeyringError):
        settings.keyring().open(running.seal(b"old", b"x"), b"x")


# --- a stolen database


def disguises(secret: str) -> list[bytes]:
    """How somebody could have kept it without meaning to: as it is, coded, or hashed without a key."""
    plain = secret.encode()
    coded = [plain, secret.encode("utf-16-le"), plain[::-1], plain.hex().encode(), base64.b64encode(plain)[:-4]]
    hashes = [hashlib.new(name, plain) for name in ("md5", "sha1", "sha256", "sha512", "blake2b")]
    return coded + [each.digest()[:12] for each in hashes] + [each.hexdigest()[:24].encode() for each in hashes]


async def test_a_copy_of_the_database_and_the_photos_without_keys_names_nobody(
    db: BaseDBAsyncClient, tmp_path: Path
) -> None:
    await live(db, tmp_path / "media")
    assert (await Conversation.get()).person_id == 1
    stolen = b"".join([path.read_bytes() for path in (tmp_path / "media").rglob("*") if path.is_file()])
    for model in (Tortoise.apps or {})["models"].values():
        rows = await db.execute_query_dict(f'SELECT * FROM "{model._meta.db_table}"')
        for row in rows:
            values = [bytes(v) if isinstance(v, bytes | memoryview) else str(v).encode() for v in row.values()]
            stolen += b"\0".join(values) + b"\0"
    if db.capabilities.dialect == "sqlite":  # the file itself, with its log and what was deleted
        stolen += b"".join([path.read_bytes() for path in tmp_path.glob("test.db*")])  # noqa: ASYNC240
    secrets = (
        NIK, "3171010101990001", "Siti Aminah", "Aminah", "+628123456789", "08123456789", "8123456789",
        "siti@contoh.com", "1990-08-15", "Jl. Melati 5", ACCOUNT, "kartu asli",
    )  # fmt: skip
    found = [secret for secret in secrets if any(each in stolen for each in disguises(secret))]
    assert found == []
    assert FACE[:32] not in stolen
    assert b"JPEG of a card" not in stolen
    assert len(stolen) > 10_000
