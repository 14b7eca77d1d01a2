"""How a process writes its log: lines for people, or JSON for a collector. No line carries anything personal.

Every message has a trace, a digest of the id that its platform gave it: what is logged while it is taken carries it,
and a message that was sent again has the same trace in whichever process took it.
"""

import hashlib
import logging
from contextvars import ContextVar

from pythonjsonlogger.json import JsonFormatter

taking: ContextVar[tuple[str, str] | None] = ContextVar("taking", default=None)
"""Channel and id of the message that is being taken; its trace is made where a line is written."""


def trace_of(channel: str, external_id: str) -> str:
    """The trace of a message: not what was said, nor by whom."""
    return hashlib.blake2b(f"{channel}\0{external_id}".encode(), digest_size=6).hexdigest()


class _Traced(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        message = taking.get()
        record.trace = trace_of(*message) if message else "-"
        return True


def set_up(level: str, form: str, role: str = "all") -> None:
    """Set the root logger; ``form`` is text or json."""
    handler = logging.StreamHandler()
    handler.addFilter(_Traced())
    if form == "json":
        names = {"asctime": "at", "levelname": "level", "name": "logger"}
        handler.setFormatter(
            JsonFormatter(
                "%(asctime)s %(levelname)s %(name)s %(message)s %(trace)s",
                rename_fields=names,
                static_fields={"role": role},
            )
        )
    else:
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=level, handlers=[handler])
    logging.getLogger("aiogram").setLevel(logging.WARNING)
    for client in ("httpx", "httpcore"):  # they log addresses, and Telegram's hold the bot's token
        logging.getLogger(client).setLevel(logging.WARNING)
