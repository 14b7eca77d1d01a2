"""WhatsApp's templates: declared by kinds and catalogues, made once, submitted, and used when approved."""

import pytest
from tortoise.backends.base.client import BaseDBAsyncClient

from bot import templates
from bot.channel import Sent
from bot.channels.whatsapp import WhatsAppSender
from bot.gateways.twilio import Twilio
from bot.templates import Templates, check, declared, sync
from domain.notices.rules import KINDS
from handlers.i18n import Label, Rendered
from models.notice import MessageTemplate
from tests.handlers.talk import NOON
from tests.peers.twilio import SID, TOKEN, twilio_peer

NUMBER = "+6281234567890"


def test_every_kind_is_declared_in_every_language() -> None:
    names = [(each.name, each.language) for each in declared()]
    assert len(names) == len(set(names)) == 2 * len(KINDS) + 20
    for each in declared():
        assert all(0 < len(value) <= 255 and "\n" not in value for value in each.variables.values())


async def test_made_once_submitted_and_used_when_approved(
    db: BaseDBAsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with twilio_peer() as peer:
        account = Twilio(SID, TOKEN, "https://bot.example", peer.url, peer.url)
        assert len(list(await check(account))) == 2 * len(KINDS) + 20
        assert len(list(await sync(account, NOON))) == 2 * len(KINDS) + 20
        assert list(await sync(account, NOON)) == []
        assert len(list(await check(account))) == 2 * len(KINDS)
        chosen = next(each for each in peer.contents if each["friendly_name"].startswith("gelombang_selected_id"))
        assert chosen["asked"]["category"] == "UTILITY"
        chosen["status"] = "approved"
        assert len(list(await check(account))) == 2 * len(KINDS) - 1
        known = Templates()
        await known.refresh()
        assert known.approved() == {"id": {"selected": chosen["sid"]}}

        sender = WhatsAppSender(account, "+620000", known.contents)
        values = {"wave": "3", "deadline_date": "24 Desember 2026", "check_code": "K7M2QX"}
        await sender.send(NUMBER, Rendered("x", template=chosen["sid"], variables=values), 1)
        assert "pilih pelatihan pertama paling lambat 24 Desember 2026" in peer.sent[0]["body"]
        question = Rendered("Pendidikan?", (Label("a~1", "SD"), Label("b~1", "SMA")))
        assert isinstance(await sender.send(NUMBER, question, 2), Sent)
        assert peer.sent[1]["form"]["ContentSid"] == known.contents["buttons_2"]

        changed = next(declared())
        monkeypatch.setattr(templates, "declared", lambda: iter([changed]))
        await MessageTemplate.filter(name=changed.name).update(sha256=b"other words")
        assert list(await sync(account, NOON)) == [f"{changed.name} ({changed.language}): pending"]
        await account.close()
