"""What a line of the log looks like, and that the guard over all tests knows what nobody may read there."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from bot import logs
from models import trace
from tests.conftest import PERSONAL


@contextmanager
def loggers_of_our_own() -> Iterator[None]:
    """No handlers but those that are set inside; afterwards everything is as it was."""
    root = logging.getLogger()
    handlers, levels = root.handlers[:], {name: logging.getLogger(name).level for name in ("", *logs.OURS)}
    root.handlers[:] = []
    yield
    root.handlers[:] = handlers
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


@pytest.mark.parametrize(
    "line",
    [
        "person 3171010101990001",
        "sent to +6281234567890",
        "sent to 081234567890",
        "sent to 6281234567890@c.us",
        "mail to siti.aminah@example.org failed",
        "no such name: SITI AMINAH",
    ],
)
def test_the_guard_knows_what_is_personal(line: str) -> None:
    assert PERSONAL.search(line)


@pytest.mark.parametrize(
    "line", ["message 1234567 on telegram: sent", "wave 3 is drawn", "browser: http://127.0.0.1:8080", "[a1b2c3d4e5f6]"]
)
def test_the_guard_lets_pass_what_is_not(line: str) -> None:
    assert not PERSONAL.search(line)


def test_a_line_has_its_trace_and_libraries_are_heard_from_warnings_on(capsys: pytest.CaptureFixture[str]) -> None:
    with loggers_of_our_own():
        logs.set_up("DEBUG", "json", "web")
        trace.begin("telegram", "42:7")
        logging.getLogger("bot.delivery").debug("message 7 on telegram: sent")
        logging.getLogger("tortoise.db_client").debug("INSERT INTO person VALUES ('...')")
        logging.getLogger("aiogram").info("Update id=7 is handled")
        trace.go_on("")
        logging.getLogger("tortoise").warning("slow")
    first, second = (json.loads(line) for line in capsys.readouterr().err.splitlines())
    assert (first["message"], first["trace"], first["role"]) == (
        "message 7 on telegram: sent",
        trace.trace_of("telegram", "42:7"),
        "web",
    )
    assert (second["message"], second["trace"]) == ("slow", "-")


def test_in_words_a_trace_stands_where_there_is_one(capsys: pytest.CaptureFixture[str]) -> None:
    with loggers_of_our_own():
        logs.set_up("INFO", "text")
        trace.go_on("a1b2c3d4e5f6")
        logging.getLogger("bot.photos").info("one")
        trace.go_on("")
        logging.getLogger("bot.photos").info("two")
        logging.getLogger("bot.photos").debug("three")
    lines = [line.partition(" INFO ")[2] for line in capsys.readouterr().err.splitlines()]
    assert lines == ["bot.photos [a1b2c3d4e5f6]: one", "bot.photos: two"]
