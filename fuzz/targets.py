"""What is fuzzed: each target takes bytes and raises where something is wrong; its seeds are honest examples."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fuzz.forms import forms, twilio
from fuzz.pages import browser, posts
from fuzz.partners import callbacks, kyc, sandbox_answer, statements, xendit_callback
from fuzz.pictures import picture, pictures
from fuzz.telegrams import staff_telegram, telegram, updates


@dataclass(frozen=True)
class Target:
    """A name, what to do with bytes, where to begin, and how long an input may be."""

    name: str
    run: Callable[[bytes], None]
    seeds: Callable[[], Sequence[bytes]]
    longest: int = 4_096


ANSWERS = (b'{"id":"1","reference":"r","status":"paid","amount":1}', b'{"error":{"code":"absent"}}')

TARGETS = {
    target.name: target
    for target in (
        Target("telegram", telegram, updates),
        Target("staff_telegram", staff_telegram, updates),
        Target("twilio", twilio, forms),
        Target("xendit", xendit_callback, callbacks),
        Target("sandbox", sandbox_answer, lambda: ANSWERS),
        Target("kyc", kyc, statements),
        Target("browser", browser, posts),
        Target("picture", picture, pictures, 16_384),
    )
}
