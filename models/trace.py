"""Which message from outside began what is being done: its trace, which lines of the log carry in every process.

A trace is a digest of the id that a platform gave its message: not what was said, nor by whom. Rows that somebody else
goes on with (a photo to look at, a notice, a message to send) keep it, so that one search in the logs of all processes
shows the way from a webhook to the last message that came of it.
"""

import hashlib
from contextvars import ContextVar
from typing import TypeAlias

LENGTH = 12

# Channel and id, or a trace: most messages come to an end without a line that needs it, so it is made where it is read.
Begun: TypeAlias = tuple[str, str] | str
_begun: ContextVar[Begun] = ContextVar("trace", default="")


def begin(channel: str, external_id: str) -> None:
    """From here on this task works for a message from outside."""
    _begun.set((channel, external_id))


def begun() -> Begun:
    """What this task works for, to be gone on with in another one."""
    return _begun.get()


def go_on(with_: Begun) -> None:
    """From here on this task works for what somebody else has begun: ``begun()`` of theirs, or a row's trace."""
    _begun.set(with_)


def current() -> str:
    """The trace of what this task works for, empty for what nobody outside began."""
    begun = _begun.get()
    return begun if isinstance(begun, str) else trace_of(*begun)


def trace_of(channel: str, external_id: str) -> str:
    """The trace of a message."""
    return hashlib.blake2b(f"{channel}\0{external_id}".encode(), digest_size=LENGTH // 2).hexdigest()
