"""What `gelombang doctor --deep` tries, on real databases and against stand-ins that work or do not."""

import asyncio
import os
from contextlib import aclosing
from datetime import timedelta
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from pydantic import SecretStr
from tortoise.backends.base.client import BaseDBAsyncClient

from bot.deep_doctor import _beside_it, _of_database, _one, tried
from bot.doctor import Finding
from bot.settings import Settings
from domain import clock
from models import crypto
from models.enums import Channel
from models.lease import Lease
from models.person import PhotoTask
from tests.bot.test_mail import Mailbox
from tests.conftest import needs_faces
from tests.handlers.talk import Clock, Person, engine_on
from tests.peers.telegram import telegram_peer
from tests.peers.twilio import SID, TOKEN, twilio_peer
from tools.cluster import free_port


async def looked_at(db: BaseDBAsyncClient) -> dict[str, Finding]:
    return {name: await _one(name, check) for name, check in _of_database(db).items()}


async def somebody(db: BaseDBAsyncClient) -> None:
    today = Clock()
    today.time = clock.now()
    async with engine_on(db, today) as engine:
        await Person(engine, "77", Channel.TELEGRAM).reach("home.menu", phone="0812 3456 789")


async def test_a_database_in_use_is_well_and_nothing_of_the_looking_stays(db: BaseDBAsyncClient) -> None:
    await somebody(db)
    found = await looked_at(db)
    assert {name: finding.level for name, finding in found.items()} == dict.fromkeys(found, "ok")
    assert "1 people" in found["database"].text
    assert not await Lease.filter(name__startswith="doctor").exists()


async def test_keys_of_another_database_are_told(db: BaseDBAsyncClient) -> None:
    await somebody(db)
    crypto.use(crypto.Keyring({1: os.urandom(32)}, os.urandom(32)))
    found = (await looked_at(db))["keys"]
    assert found.level == "bad"
    assert "person.name" in found.text
    assert "conversation.draft" in found.text


async def test_work_that_nobody_takes_up_is_named(db: BaseDBAsyncClient) -> None:
    await somebody(db)
    long_ago = clock.now() - timedelta(hours=1)
    await PhotoTask.create(
        conversation_id=1, kind="card", channel="telegram", remote="f", lease_until=long_ago, created_at=long_ago
    )
    found = (await looked_at(db))["waiting"]
    assert (found.level, "1 photos" in found.text) == ("note", True)


async def test_a_clock_that_is_wrong_is_told(db: BaseDBAsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    real = clock.now
    monkeypatch.setattr(clock, "now", lambda: real() + timedelta(minutes=2))
    found = (await looked_at(db))["clocks"]
    assert found.level == ("bad" if db.capabilities.dialect == "postgres" else "ok")


async def test_a_database_that_is_away_is_a_finding_without_its_password(tmp_path: Path) -> None:
    settings = Settings(database_url="postgres://root:secret-word@127.0.0.1:9/none", media_dir=tmp_path, drand_urls="")
    async with aclosing(tried(settings)) as found:
        first = await anext(found)
    assert first.level == "bad"
    assert "secret-word" not in first.text


@needs_faces
async def test_what_stands_beside_the_database_is_tried(tmp_path: Path) -> None:
    server = Controller(Mailbox(), hostname="127.0.0.1", port=free_port())
    await asyncio.to_thread(server.start)
    async with telegram_peer() as telegram, twilio_peer() as twilio:
        telegram.webhook = "https://bot.contoh.go.id/webhooks/telegram"
        settings = Settings(
            media_dir=tmp_path, drand_urls="http://127.0.0.1:9", registry_url=f"{telegram.url}/registry",
            telegram_token=SecretStr("42:secret-token"), telegram_api_url=telegram.url, telegram_mode="webhook",
            public_url="https://bot.contoh.go.id", smtp_url=SecretStr(f"smtp://127.0.0.1:{server.port}"),
            staff_telegram_token=SecretStr("43:other-token"),
            twilio_account_sid=SID, twilio_auth_token=SecretStr(TOKEN), twilio_api_url=twilio.url,
            twilio_whatsapp_from="+6281200000000",
        )  # fmt: skip
        found = {name: await _one(name, check) for name, check in _beside_it(settings).items()}
        assert not telegram.sent
        assert not twilio.sent
    await asyncio.to_thread(server.stop)
    assert "GB" in found.pop("disk").text  # how much there is, is this machine's
    assert {name: finding.level for name, finding in found.items()} == {
        "photos": "ok",
        "faces": "ok",
        "Telegram": "ok",
        "Telegram for staff": "bad",  # its webhook is not the one that Telegram has
        "Twilio": "ok",
        "mail": "ok",
        "randomness": "note",
        "civil registry": "ok",
    }
    said = "\n".join(finding.text for finding in found.values())
    assert not any(word in said for word in ("secret-token", "other-token", TOKEN))
    assert not await asyncio.to_thread(_left, tmp_path)


def _left(folder: Path) -> list[Path]:
    return list(folder.rglob("*"))
