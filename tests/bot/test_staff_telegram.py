"""The staff's Telegram bot as tables, its webhook's lock, and the real client against a Bot API server on loopback."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer
from telegram import Update
from telegram.error import BadRequest, Forbidden, NetworkError, RetryAfter, TimedOut

from bot.channel import SendError, Sent, StaffDesk, Trouble
from bot.channels import staff_telegram
from bot.channels.staff_telegram import StaffTelegram, classify, parse
from handlers.conversation import File, Inbound, RemoteFile
from handlers.engine import TurnResult, TurnUnavailableError
from handlers.i18n import Label, Rendered
from models.enums import Channel
from tests.peers.telegram import TelegramPeer, failed, telegram_peer

TOKEN = "43:BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB"
SECRET = "a-secret_2"
PERSON = {"id": 9, "is_bot": False, "first_name": "Sari"}
CHAT = {"id": 9, "type": "private"}


def message(**content: Any) -> dict[str, Any]:
    return {"update_id": 7, "message": {"message_id": 1, "date": 1, "from": PERSON, "chat": CHAT, **content}}


def press(data: str) -> dict[str, Any]:
    shown = {"message_id": 1, "date": 1, "chat": CHAT}
    query = {"id": "q", "from": PERSON, "chat_instance": "c", "data": data, "message": shown}
    return {"update_id": 7, "callback_query": query}


DOCUMENT = {"file_id": "f1", "file_unique_id": "u", "file_name": "dtks.csv", "file_size": 12}
PARSED: list[tuple[str, dict[str, Any], dict[str, Any] | None]] = [
    ("text", message(text="/siaran"), {"text": "/siaran"}),
    ("press", press("approve_3~9"), {"choice": "approve_3~9"}),
    ("document", message(document=DOCUMENT), {"file": RemoteFile("f1", "dtks.csv", 12)}),
    ("a big one", message(document={**DOCUMENT, "file_size": 50_000_000}), {"problem": "staff.file_too_big"}),
    ("voice", message(voice={"file_id": "v", "file_unique_id": "v", "duration": 1}), {"other": "unknown"}),
    ("a group", message(text="halo", chat={"id": -5, "type": "group", "title": "g"}), None),
]


@pytest.mark.parametrize(("label", "update", "content"), PARSED, ids=[each[0] for each in PARSED])
def test_updates(label: str, update: dict[str, Any], content: dict[str, Any] | None) -> None:
    found = parse(Update.de_json(update, None), "43")
    if content is None:
        assert found is None
        return
    assert found == Inbound(channel=Channel.STAFF_TELEGRAM, address="9", external_id="43:7", **content)


ERRORS = [
    (RetryAfter(timedelta(seconds=5)), SendError(Trouble.BUSY, "429", 5.0)),
    (Forbidden("bot was blocked"), SendError(Trouble.UNREACHABLE, "403")),
    (BadRequest("Chat not found"), SendError(Trouble.UNREACHABLE, "400 chat not found")),
    (BadRequest("message is too long"), SendError(Trouble.INVALID, "400")),
    (TimedOut(), SendError(Trouble.FAULT, "TimedOut", maybe=True)),
    (NetworkError("x"), SendError(Trouble.FAULT, "NetworkError")),
]


@pytest.mark.parametrize(("error", "meaning"), ERRORS, ids=[type(each[0]).__name__ for each in ERRORS])
def test_errors(error: Exception, meaning: SendError) -> None:
    assert classify(error) == meaning


class Desk:
    """What the channel asks for: one picture and one table of message 5; a card that changes twice."""

    def __init__(self) -> None:
        self.words = iter(["50 %", "100 %"])

    async def file(self, channel: Channel, chat: str, number: int, at: int) -> tuple[File, bytes] | None:
        files = [(File("photo", "p", "ktp.jpg", "KTP"), b"JPEG"), (File("kept", "k", "laporan.csv"), b"a,b")]
        return files[at] if (chat, number) == ("9", 5) else None

    async def live(self, channel: Channel, chat: str, number: int) -> Rendered | None:
        words = next(self.words, None)
        return None if words is None else Rendered(words, live="broadcast:1" if words != "100 %" else "")

    def desk(self) -> StaffDesk:
        nothing: Any = None
        return StaffDesk(nothing, nothing, nothing, nothing, nothing, self.file, self.live)


@pytest.fixture
async def peer() -> AsyncIterator[TelegramPeer]:
    async with telegram_peer() as found:
        yield found


@pytest.fixture
async def bot(peer: TelegramPeer) -> AsyncIterator[StaffTelegram]:
    found = StaffTelegram(TOKEN, peer.url, SECRET)
    found.desk = Desk().desk()
    yield found
    await found.close()


async def test_pictures_words_and_tables_go_out_in_this_order(bot: StaffTelegram, peer: TelegramPeer) -> None:
    said = Rendered(
        "Kasus #1", (Label("accept~2", "✅ Terima"),), files=(File("photo", "p"), File("kept", "k"), File("kept", "x"))
    )
    with pytest.raises(IndexError):  # a message never names a file it does not have
        await Desk().file(Channel.STAFF_TELEGRAM, "9", 5, 2)
    said = Rendered(said.text, said.choices, files=said.files[:2])
    assert await bot.send("9", said, 5) == Sent("1")
    methods = [method for method, _ in peer.calls]
    assert methods == ["sendPhoto", "sendMessage", "sendDocument"]
    assert peer.media == [("9", "photo", b"JPEG"), ("9", "document", b"a,b")]
    assert peer.sent[0]["reply_markup"]["inline_keyboard"] == [[{"text": "✅ Terima", "callback_data": "accept~2"}]]


async def test_a_failure_is_a_value(bot: StaffTelegram, peer: TelegramPeer) -> None:
    peer.misbehave = lambda method, params: failed(429, "Too Many Requests", retry_after=7)
    assert await bot.send("9", Rendered("halo"), 1) == SendError(Trouble.BUSY, "429", 7.0)


async def test_a_live_message_is_changed_until_it_has_come_to_rest(
    bot: StaffTelegram, peer: TelegramPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(staff_telegram, "LIVE_SECONDS", 0.01)
    await bot.send("9", Rendered("0 %", live="broadcast:1"), 5)
    running = asyncio.ensure_future(bot.run())
    await peer.until(lambda: len(peer.edits) == 2)
    assert [edit["text"] for edit in peer.edits] == ["50 %", "100 %"]
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_the_webhook_takes_only_what_telegram_sends(bot: StaffTelegram) -> None:
    taken: list[Inbound] = []

    async def receive(inbound: Inbound) -> TurnResult:
        if inbound.text == "down":
            raise TurnUnavailableError
        taken.append(inbound)
        return TurnResult([])

    app = web.Application()
    app.router.add_post("/webhooks/staff", bot.webhook(receive))
    async with TestServer(app) as server, ClientSession() as session:
        url, good = server.make_url("/webhooks/staff"), {"X-Telegram-Bot-Api-Secret-Token": SECRET}
        tried: list[tuple[dict[str, str], Any, int]] = [
            ({}, message(text="halo"), 403),
            ({"X-Telegram-Bot-Api-Secret-Token": "a-secret_1"}, message(text="halo"), 403),
            (good, message(text="halo"), 200),
            (good, message(text="down"), 503),
            (good, [1, 2], 400),
            (good, {"update_id": "x"}, 200),
        ]
        for headers, body, status in tried:
            async with session.post(url, json=body, headers=headers) as answer:
                assert answer.status == status, body
        async with session.post(url, data=b"\xff{", headers=good) as answer:
            assert answer.status == 400
    assert [inbound.text for inbound in taken] == ["halo"]
