"""Codes by real SMTP, to a server on loopback."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from bot.channel import SendError, Sent, Trouble
from bot.channels.mail import MailSender
from handlers.i18n import Rendered

TEXT = Rendered("GELOMBANG: kode Anda 123456. 👋")


class Mailbox:
    """A mail server that keeps what it gets, or refuses as it is told."""

    def __init__(self, refusal: str = "") -> None:
        self.refusal = refusal
        self.mails: list[Any] = []

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802
        if self.refusal:
            return self.refusal
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        self.mails.append(envelope)
        return "250 OK"


@contextmanager
def mail_server(mailbox: Mailbox) -> Iterator[MailSender]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    controller = Controller(mailbox, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        yield MailSender(f"smtp://127.0.0.1:{port}", "Gelombang <noreply@contoh.go.id>", "Kode Anda")
    finally:
        controller.stop()


async def test_a_code_arrives() -> None:
    mailbox = Mailbox()
    with mail_server(mailbox) as sender:
        assert await sender.send("siti@contoh.com", TEXT, 1) == Sent("")
    (mail,) = mailbox.mails
    assert mail.rcpt_tos == ["siti@contoh.com"]
    assert b"Subject: Kode Anda" in mail.content
    assert b"123456" in mail.content


REFUSALS = [
    ("550 no such user", Trouble.UNREACHABLE),
    ("451 try later", Trouble.FAULT),
    ("554 refused", Trouble.INVALID),
]


@pytest.mark.parametrize(("refusal", "trouble"), REFUSALS)
async def test_what_a_server_says_decides_what_is_next(refusal: str, trouble: Trouble) -> None:
    with mail_server(Mailbox(refusal)) as sender:
        result = await sender.send("siti@contoh.com", TEXT, 1)
    assert result == SendError(trouble, f"smtp {refusal[:3]}")


async def test_a_server_that_is_not_there_is_tried_again() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        sender = MailSender(f"smtp://127.0.0.1:{probe.getsockname()[1]}", "a@b.id", "Kode")
        result = await asyncio.wait_for(sender.send("siti@contoh.com", TEXT, 1), 20)
    assert isinstance(result, SendError)
    assert result.trouble == Trouble.FAULT
    assert "siti" not in result.code


def test_an_address_that_is_none() -> None:
    with pytest.raises(ValueError, match="smtp://"):
        MailSender("mail.contoh.go.id", "a@b.id", "Kode")
