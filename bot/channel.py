"""What a channel and the rest of the edge say to each other. A channel parses and sends; it holds no conversation."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol, TypeAlias

from handlers.conversation import File, Inbound, KeptFile, Photo
from handlers.engine import Outgoing, Settled, TurnResult
from handlers.i18n import Rendered
from models.enums import Channel
from models.trace import Begun

Receive: TypeAlias = Callable[[Inbound], Awaitable[TurnResult]]
"""Take one message and deliver the replies; raises TurnUnavailableError when the platform should send it again."""
Submit: TypeAlias = Callable[[Inbound, Settled, Begun], None]
"""The same without waiting: what became of it is told after the commit. Begun is the trace it belongs to."""


@dataclass(frozen=True, slots=True)
class Desk:
    """What a channel that people read from needs of the rest: take a message, look at a photo, and read mailboxes."""

    receive: Receive
    keep_photo: Callable[[Channel, str, bytes], Awaitable[Photo | None]]
    replay: Callable[[Channel, str], Awaitable[TurnResult | None]]
    mailbox: Callable[[Channel, str, int], Awaitable[tuple[int | None, list[Outgoing]]]]
    new_mail: Callable[[int, float], Awaitable[None]]
    directs: Callable[[Channel, str], Awaitable[list[Outgoing]]]


@dataclass(frozen=True, slots=True)
class StaffDesk:
    """What a channel for staff needs beside taking messages. Chats are named by channel and address.

    ``takes_file`` says whether a document from this chat would be kept, before it is read; ``keep_file`` keeps it.
    ``file`` gives a file of a message that went to this chat, and
    ``live`` a message as it reads now; both None where this chat may not see it (any more).
    """

    receive: Receive
    mailbox: Callable[[Channel, str, int], Awaitable[tuple[int | None, list[Outgoing]]]]
    new_mail: Callable[[int, float], Awaitable[None]]
    takes_file: Callable[[Channel, str], Awaitable[bool]]
    keep_file: Callable[[Channel, str, str, bytes], Awaitable[KeptFile | None]]
    file: Callable[[Channel, str, int, int], Awaitable[tuple[File, bytes] | None]]
    live: Callable[[Channel, str, int], Awaitable[Rendered | None]]


def on_earth(latitude: float, longitude: float) -> tuple[float, float] | None:
    """A place in degrees; None for numbers that are none, infinity and "not a number" among them."""
    return (latitude, longitude) if -90 <= latitude <= 90 and -180 <= longitude <= 180 else None


class Trouble(StrEnum):
    """Why a message did not go out."""

    BUSY = "busy"  # the platform asks to wait
    FAULT = "fault"  # network or server trouble on the way
    UNKNOWN = "unknown"  # no answer: it may have gone out; asked before anything is sent again
    UNREACHABLE = "unreachable"  # blocked, deactivated, no such chat, not on this platform
    INVALID_NUMBER = "invalid_number"  # no such number: the person has to be asked
    OPTED_OUT = "opted_out"  # unsubscribed at the platform
    OUTSIDE_WINDOW = "outside_window"  # only a template may go out now
    WITHHELD = "withheld"  # the platform chose not to deliver it
    FILTERED = "filtered"  # a carrier took it for spam: staff must look
    INVALID = "invalid"  # the platform refuses the message itself


@dataclass(frozen=True, slots=True)
class SendError:
    """A failure as a value; ``code`` is for logs and staff, ``retry_after`` in seconds where the platform says so.

    ``maybe``: the platform may have taken the message all the same.
    """

    trouble: Trouble
    code: str
    retry_after: float = 0.0
    maybe: bool = False


@dataclass(frozen=True, slots=True)
class Sent:
    """The platform took the message; its id there, where it gives one."""

    provider_id: str = ""


class Sender(Protocol):
    """The sending half of a channel."""

    async def send(self, to: str, message: Rendered, number: int) -> Sent | SendError:
        """Send one message to one address. Never raises for what the platform or the network does.

        ``number`` is the message's own, by which a platform's later reports name it.
        """


class Tracing(Sender, Protocol):
    """A sender whose platform can be asked whether it took a message."""

    async def find(self, to: str, message: Rendered, since: datetime) -> str | None:
        """The platform's id of this message if it took one since then; raises OSError where it can't say."""


class LocalSender:
    """Where no provider is set: the message stays in the database, for the page that shows it beside the phone."""

    async def send(self, to: str, message: Rendered, number: int) -> Sent | SendError:
        """See Sender."""
        return Sent("local")


@dataclass(frozen=True, slots=True)
class Retry:
    """Try again after so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Do not try again."""


@dataclass(frozen=True, slots=True)
class Ask:
    """Ask the platform whether it took the message, before anything else."""


MAX_ATTEMPTS, LONGEST_RETRY = 24, 300.0  # an hour and a half: platforms are away for longer than a minute


def what_next(error: SendError, attempts: int, *, once: bool = False) -> Retry | Ask | GiveUp:
    """The one place that says what a failure leads to; ``attempts`` counts those made. ``once``: it must reach nobody
    twice, and the platform can't be asked.
    """
    match error.trouble:
        case _ if once and error.maybe:
            return GiveUp()
        case Trouble.BUSY:
            return Retry(max(error.retry_after, 1.0))  # the platform's own wish, however often
        case Trouble.UNKNOWN:
            return Ask()
        case Trouble.FAULT if attempts < MAX_ATTEMPTS:
            return Retry(min(2.0**attempts, LONGEST_RETRY))
        case _:
            return GiveUp()
