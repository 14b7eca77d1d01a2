"""WhatsApp and SMS by a Twilio on loopback: what comes in, what goes out, signatures, and what errors mean."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bot.channel import SendError, Sent, Trouble
from bot.channels import whatsapp
from bot.channels.sms import SmsSender
from bot.channels.whatsapp import WhatsAppSender, buttons
from bot.gateways import twilio
from bot.gateways.twilio import Twilio, error_of
from bot.reports import TwilioDesk
from domain.ports import PhotoError
from handlers.conversation import Inbound, RemotePhoto
from handlers.engine import TurnUnavailableError
from handlers.i18n import Label, Rendered
from models.enums import Channel, OutboxStatus
from tests.peers.twilio import SID, TOKEN, TwilioPeer, failed, twilio_peer

PUBLIC = "https://bot.example"
NUMBER = "+6281234567890"
QUESTION = Rendered("Pendidikan terakhir Anda?", (Label("a~1", "SD"), Label("b~1", "SMA/SMK")))


@asynccontextmanager
async def account(peer: TwilioPeer, public_url: str = PUBLIC) -> AsyncIterator[Twilio]:
    opened = Twilio(SID, TOKEN, public_url, peer.url, peer.url)
    try:
        yield opened
    finally:
        await opened.close()


MESSAGES: list[tuple[str, dict[str, str], dict[str, Any] | None]] = [
    ("text", {"Body": "halo"}, {"text": "halo"}),
    ("a button of a content", {"Body": "SD", "ButtonPayload": "a~1"}, {"choice": "a~1"}),
    ("an entry of a list", {"Body": "SD", "ListId": "a~1"}, {"choice": "a~1"}),
    ("a photo", {"NumMedia": "1", "MediaContentType0": "image/jpeg", "MediaUrl0": "u"}, {"photo": RemotePhoto("u")}),
    ("a voice message", {"NumMedia": "1", "MediaContentType0": "audio/ogg", "MediaUrl0": "u"}, {"other": "audio"}),
    ("a place", {"Latitude": "-6.2", "Longitude": "106.8"}, {"location": (-6.2, 106.8)}),
    ("a place that is none", {"Latitude": "x", "Longitude": "106.8"}, {"other": "location"}),
    ("nothing", {"Body": "  "}, {"other": "unknown"}),
    ("no sender", {"From": "whatsapp:", "Body": "halo"}, None),
    ("a sender that is no number", {"From": "whatsapp:+62abc", "Body": "halo"}, None),
    ("no id", {"MessageSid": "", "Body": "halo"}, None),
]


@pytest.mark.parametrize(("label", "fields", "expected"), MESSAGES, ids=[each[0] for each in MESSAGES])
def test_what_comes_in(label: str, fields: dict[str, str], expected: dict[str, Any] | None) -> None:
    form = {
        "MessageSid": "SM1",
        "From": f"whatsapp:{NUMBER}",
        "Body": "",
        "NumMedia": "0",
        "SomethingNew": "",
        **fields,
    }
    inbound = whatsapp.parse(form)
    if expected is None:
        assert inbound is None
        return
    base = {"channel": Channel.WHATSAPP, "address": NUMBER, "external_id": "SM1", "sender_phone": NUMBER}
    assert inbound == Inbound(**{**base, **expected})


CODES = [
    (20429, Trouble.BUSY),
    (21211, Trouble.INVALID_NUMBER),
    (21614, Trouble.INVALID_NUMBER),
    (21610, Trouble.OPTED_OUT),
    (21656, Trouble.INVALID),
    (30001, Trouble.BUSY),
    (30003, Trouble.FAULT),
    (30005, Trouble.UNREACHABLE),
    (30006, Trouble.UNREACHABLE),
    (30007, Trouble.FILTERED),
    (30008, Trouble.FAULT),
    (63016, Trouble.OUTSIDE_WINDOW),
    (63018, Trouble.BUSY),
    (63024, Trouble.UNREACHABLE),
    (63032, Trouble.WITHHELD),
    (63049, Trouble.WITHHELD),
]


@pytest.mark.parametrize(("code", "trouble"), CODES)
def test_codes(code: int, trouble: Trouble) -> None:
    assert error_of(code).trouble == trouble
    assert set(twilio.ERRORS) == {each for each, _ in CODES}


def test_an_unknown_code_is_judged_by_its_status() -> None:
    assert error_of(99999, 400) == SendError(Trouble.INVALID, "99999")
    assert error_of(0, 429).trouble == Trouble.BUSY
    assert error_of(0, 500).trouble == Trouble.UNKNOWN


async def test_what_goes_out() -> None:
    async with twilio_peer() as peer, account(peer) as opened:
        sender = WhatsAppSender(opened, "+620000", {"buttons_2": "HX1"})
        assert await sender.send(NUMBER, Rendered("Halo!"), 7) == Sent(peer.sent[0]["sid"])
        form = peer.sent[0]["form"]
        assert (form["To"], form["From"], form["Body"]) == (f"whatsapp:{NUMBER}", "whatsapp:+620000", "Halo!")
        assert form["StatusCallback"] == f"{PUBLIC}/webhooks/twilio/status?message=7"
        await sender.send(NUMBER, QUESTION, 8)
        assert peer.sent[1]["form"]["ContentSid"] == "HX1"
        await WhatsAppSender(opened, "+620000", {}).send(NUMBER, QUESTION, 9)
        assert peer.sent[2]["body"].splitlines()[2:] == [
            "1. SD",
            "2. SMA/SMK",
            "",
            "Balas dengan angkanya, 1 sampai 2.",
        ]
        await sender.send(NUMBER, Rendered("kata " * 500), 10)
        assert [len(message["body"]) <= 1600 for message in peer.sent[3:]] == [True, True]
        await SmsSender(opened, "GELOMBANG", "").send(NUMBER, Rendered("Kode"), 11)
        assert (peer.sent[5]["form"]["To"], peer.sent[5]["form"]["From"]) == (NUMBER, "GELOMBANG")
        await SmsSender(opened, "", "MG1").send(NUMBER, Rendered("Kode"), 12)
        assert peer.sent[6]["form"]["MessagingServiceSid"] == "MG1"


async def test_what_does_not_fit_into_buttons_is_numbered() -> None:
    contents = {"buttons_2": "HX1", "list_2": "HX2", "details_2": "HX3"}
    described = Rendered("Pilih:", (Label("a", "Barista Dasar untuk Pemula", "Rp450.000"), Label("b", "Menu")))
    long_label = Rendered("Pilih:", (Label("a", "x" * 22), Label("b", "y")))
    for message, content in (
        (QUESTION, "HX1"),
        (described, "HX3"),
        (long_label, "HX2"),
        (Rendered("Pilih:", (Label("a", "x" * 25), Label("b", "y"))), None),
        (Rendered("dua\nbaris", QUESTION.choices), None),
        (Rendered("Halo"), None),
    ):
        found = buttons(message, contents)
        assert (found["content_sid"] if found else None) == content
    assert json.loads((buttons(described, contents) or {})["content_variables"]) == {
        "text": "Pilih:", "label1": "Barista Dasar untuk Pem…", "id1": "a", "detail1": "Rp450.000", "label2": "Menu",
        "id2": "b", "detail2": " ",
    }  # fmt: skip


async def test_failures_are_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(twilio, "CALL_SECONDS", 0.3)
    async with twilio_peer() as peer, account(peer) as opened:
        sender = WhatsAppSender(opened, "+620000", {})
        peer.misbehave = lambda form: failed(63024)
        assert await sender.send(NUMBER, Rendered("Halo!"), 1) == SendError(Trouble.UNREACHABLE, "63024")
        peer.misbehave = lambda form: failed(20429, 429)
        assert (await sender.send(NUMBER, Rendered("Halo!"), 1)).trouble == Trouble.BUSY  # type: ignore[union-attr]
        peer.misbehave = lambda form: web.Response(status=502, text="<html>")
        assert (await sender.send(NUMBER, Rendered("Halo!"), 1)).trouble == Trouble.UNKNOWN  # type: ignore[union-attr]
        peer.misbehave = lambda form: None
        peer.lose = lambda form: True
        assert (await sender.send(NUMBER, Rendered("Halo!"), 1)).trouble == Trouble.UNKNOWN  # type: ignore[union-attr]
        since = datetime.now(UTC)
        assert await sender.find(NUMBER, Rendered("Halo!"), since) == peer.sent[0]["sid"]
        assert await sender.find(NUMBER, Rendered("Lain"), since) is None
        assert await sender.find(NUMBER, Rendered("Halo!"), since + timedelta(hours=1)) is None
    async with account(peer) as opened:  # nobody listens there any more
        sender = WhatsAppSender(opened, "+620000", {})
        assert (await sender.send(NUMBER, Rendered("Halo!"), 1)).trouble == Trouble.FAULT  # type: ignore[union-attr]
        with pytest.raises(OSError, match="Client"):
            await sender.find(NUMBER, Rendered("Halo!"), since)


async def test_a_photo_is_fetched_and_then_deleted_there() -> None:
    async with twilio_peer() as peer, account(peer) as opened:
        url = peer.photo(NUMBER, b"picture")["MediaUrl0"]
        assert await opened.fetch(url) == b"picture"
        await opened.forget(url)
        assert peer.media == {}
        await opened.forget(url)
        with pytest.raises(PhotoError):
            await opened.fetch(url)
        for elsewhere in ("https://evil.example/Accounts/" + SID + "/x", f"{peer.url}/other", "", "file:///etc/passwd"):
            with pytest.raises(PhotoError):  # the credentials go to nobody else
                await opened.fetch(elsewhere)


class Heard:
    """The rest of the house, as the webhooks see it."""

    def __init__(self) -> None:
        self.messages: list[Inbound] = []
        self.reports: list[tuple[int, OutboxStatus, str, SendError | None]] = []
        self.down = False

    async def receive(self, inbound: Inbound) -> Any:
        if self.down:
            raise TurnUnavailableError("down")
        self.messages.append(inbound)

    async def report(self, number: int, status: OutboxStatus, sid: str, error: SendError | None) -> None:
        self.reports.append((number, status, sid, error))


async def test_only_what_twilio_signed_is_taken() -> None:
    heard = Heard()
    async with twilio_peer() as peer, account(peer) as opened:
        app = web.Application()
        TwilioDesk(opened, heard.receive, heard.report).add_routes(app)
        async with TestServer(app) as server:
            here = str(server.make_url("")).rstrip("/")
            form = peer.message(NUMBER, "halo")
            assert await peer.post(PUBLIC, "/webhooks/twilio/whatsapp", form, at=here) == 200
            assert await peer.post("https://other.example", "/webhooks/twilio/whatsapp", form, at=here) == 403
            assert await peer.post(PUBLIC, "/webhooks/twilio/whatsapp", {"From": "x"}, at=here) == 400
            heard.down = True
            assert await peer.post(PUBLIC, "/webhooks/twilio/whatsapp", form, at=here) == 503
            assert await peer.post(PUBLIC, "/webhooks/twilio/sms", {"From": NUMBER, "Body": "STOP"}, at=here) == 200
            for status in ("queued", "sent", "delivered", "somethingnew"):
                fields = {"MessageSid": "SM9", "MessageStatus": status, "ErrorCode": ""}
                assert await peer.post(PUBLIC, "/webhooks/twilio/status?message=7", fields, at=here) == 200
            fields = {"MessageSid": "SM9", "MessageStatus": "undelivered", "ErrorCode": "63024"}
            assert await peer.post(PUBLIC, "/webhooks/twilio/status?message=7", fields, at=here) == 200
            for path in ("/webhooks/twilio/status", "/webhooks/twilio/status?message=x"):
                assert await peer.post(PUBLIC, path, fields, at=here) == 400
    assert [message.text for message in heard.messages] == ["halo"]
    assert heard.reports == [
        (7, OutboxStatus.SENT, "SM9", None),
        (7, OutboxStatus.DELIVERED, "SM9", None),
        (7, OutboxStatus.FAILED, "SM9", SendError(Trouble.UNREACHABLE, "63024")),
    ]
