"""The Telegram adapter, as a table: label, update, what the engine gets."""

from typing import Any

import msgspec
import pytest

from bot.channels.telegram import Update, layout, parse, pieces
from handlers.conversation import Contact, Inbound, RemotePhoto
from handlers.i18n import Label, Rendered, with_details
from models.enums import Channel

ME = {"id": 77, "is_bot": False, "first_name": "Siti"}
CHAT = {"id": 77, "type": "private"}


def message(**content: Any) -> dict[str, Any]:
    return {"update_id": 5, "message": {"message_id": 1, "date": 1, "from": ME, "chat": CHAT, **content}}


def photo(size: int) -> dict[str, Any]:
    return {"file_id": f"f{size}", "file_unique_id": "u", "width": 1, "height": 1, "file_size": size}


def expected(**content: Any) -> Inbound:
    return Inbound(channel=Channel.TELEGRAM, address="77", external_id="42:5", **content)


PRESS = {"id": "q", "from": ME, "chat_instance": "c", "data": "yes~3"}
TABLE = [
    ("text", message(text="halo"), expected(text="halo")),
    ("the largest photo", message(photo=[photo(10), photo(9000)]), expected(photo=RemotePhoto("f9000"))),
    ("a photo as a file", message(document={**photo(5), "mime_type": "image/heic"}),
     expected(photo=RemotePhoto("f5"))),
    ("a photo too big", message(photo=[photo(11 * 1024**2)]), expected(problem="photo.too_big")),
    ("another file", message(document={**photo(5), "mime_type": "application/pdf"}), expected(other="document")),
    ("one's own contact", message(contact={"phone_number": "6281", "first_name": "S", "user_id": 77}),
     expected(contact=Contact("6281", proven=True))),
    ("another's contact", message(contact={"phone_number": "6281", "first_name": "S", "user_id": 78}),
     expected(contact=Contact("", proven=False))),
    ("a contact without user", message(contact={"phone_number": "6281", "first_name": "S"}),
     expected(contact=Contact("", proven=False))),
    ("location", message(location={"latitude": -6.2, "longitude": 106.8}), expected(location=(-6.2, 106.8))),
    ("voice", message(voice={"file_id": "v"}), expected(other="voice")),
    ("sticker", message(sticker={"file_id": "s"}), expected(other="sticker")),
    ("something new", message(), expected(other="unknown")),
    ("button", {"update_id": 5, "callback_query": {**PRESS, "message": {"chat": CHAT}}}, expected(choice="yes~3")),
    ("button of an old message", {"update_id": 5, "callback_query": PRESS}, expected(choice="yes~3")),
    ("blocked", {"update_id": 5, "my_chat_member": {"chat": CHAT, "new_chat_member": {"status": "kicked"}}},
     expected(reachable=False)),
    ("unblocked", {"update_id": 5, "my_chat_member": {"chat": CHAT, "new_chat_member": {"status": "member"}}},
     expected(reachable=True)),
    ("a group", message(text="x") | {"message": {"chat": {"id": -1, "type": "group"}, "text": "x"}}, None),
    ("a channel post", {"update_id": 5, "channel_post": {"text": "x"}}, None),
    ("an edit", {"update_id": 5, "edited_message": {"text": "x"}}, None),
]  # fmt: skip


@pytest.mark.parametrize(("update", "inbound"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_parse(update: dict[str, Any], inbound: Inbound | None) -> None:
    assert parse(msgspec.convert(update, Update), "42") == inbound


def test_layout_of_buttons_contact_and_plain_text() -> None:
    two = Rendered("Yang mana?", (Label("a~1", "Satu"), Label("b~1", "Dua")))
    assert layout("77", two, "Kirim")["reply_markup"] == {
        "inline_keyboard": [[{"text": "Satu", "callback_data": "a~1"}], [{"text": "Dua", "callback_data": "b~1"}]]
    }
    contact = layout("77", Rendered("HP?", ask="contact"), "Kirim")["reply_markup"]
    assert contact["keyboard"] == [[{"text": "Kirim", "request_contact": True}]]
    listed = with_details(Rendered("Pilih:", (Label("a~1", "Barista", "Rp450.000"), Label("b~1", "Menu"))))
    assert listed.text == "Pilih:\n\n1. Barista\n    Rp450.000"
    assert [choice.label for choice in listed.choices] == ["1. Barista", "Menu"]
    plain = layout("77", Rendered("<b>halo</b>"), "Kirim")
    assert plain == {"chat_id": 77, "text": "<b>halo</b>", "reply_markup": {"remove_keyboard": True}}


@pytest.mark.parametrize("text", ["x" * 9000, "kata " * 2000, "💥" * 5000, "", "halo"])
def test_pieces_keep_every_letter_and_fit(text: str) -> None:
    parts = pieces(text)
    assert "".join(parts) == text
    assert all(len(part.encode("utf-16-le")) // 2 <= 4096 for part in parts)
