"""E-mail over SMTP: codes, one text message each."""

from email.message import EmailMessage
from typing import Any
from urllib.parse import unquote, urlsplit

import aiosmtplib

from bot.channel import SendError, Sent, Trouble
from handlers.i18n import Rendered

SECONDS = 10.0
UNKNOWN_MAILBOX = frozenset({550, 551, 553})


class MailSender:
    """Sends by an SMTP server: ``smtp://user:password@host:587`` (STARTTLS where offered) or ``smtps://host:465``."""

    def __init__(self, url: str, sender: str, subject: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"smtp", "smtps"} or not parts.hostname:
            raise ValueError("GELOMBANG_SMTP_URL is written smtp://user:password@host:port or smtps://...")
        tls = parts.scheme == "smtps"
        self._server: dict[str, Any] = {
            "hostname": parts.hostname,
            "port": parts.port or (465 if tls else 587),
            "username": unquote(parts.username) if parts.username else None,
            "password": unquote(parts.password) if parts.password else None,
            "use_tls": tls,
            "timeout": SECONDS,
        }
        self._sender, self._subject = sender, subject

    async def greet(self) -> None:
        """Connect and log in as for a mail, and send none; raises what the library raises."""
        async with aiosmtplib.SMTP(**self._server):
            return

    async def send(self, to: str, message: Rendered, number: int) -> Sent | SendError:
        """See Sender. Trouble that passes is told from a mailbox that does not exist; nothing quotes the address."""
        mail = EmailMessage()
        mail["From"], mail["To"], mail["Subject"] = self._sender, to, self._subject
        mail.set_content(message.text)
        try:
            await aiosmtplib.send(mail, **self._server)
        except aiosmtplib.SMTPRecipientsRefused as error:
            return _refused(max((each.code for each in error.recipients), default=0))
        except aiosmtplib.SMTPAuthenticationError as error:
            return SendError(Trouble.FAULT, f"smtp {error.code}")  # ours to mend: kept and tried again
        except aiosmtplib.SMTPResponseException as error:
            return _refused(error.code)
        except (aiosmtplib.SMTPException, OSError) as error:
            return SendError(Trouble.FAULT, type(error).__name__)
        return Sent("")


def _refused(code: int) -> SendError:
    if code in UNKNOWN_MAILBOX:
        return SendError(Trouble.UNREACHABLE, f"smtp {code}")
    return SendError(Trouble.INVALID if 500 <= code < 600 else Trouble.FAULT, f"smtp {code}")
