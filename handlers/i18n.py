"""Words in the reader's language: catalogues, and rendering what a step says.

Parameters are formatted by the end of their names, when the message is sent: ``_date`` (ISO date) is written out,
``_time`` (ISO moment) becomes WIB, ``_label`` is a message key of its own, ``_number`` gets its thousands' dots,
``_decimal`` one digit after the comma, ``_lines`` is a list of keys with parameters, a line each, ``_labels`` the same
in one line.
"""

from datetime import date, datetime
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import msgspec
from babel import Locale
from babel.dates import format_date, format_datetime
from babel.messages.pofile import read_po
from babel.numbers import format_decimal

import locales
from domain.clock import WIB
from handlers.conversation import File, Say

LANGUAGES = ("id", "en")
DEFAULT_LANGUAGE = LANGUAGES[0]
FOLDER = Path(locales.__file__).parent


class Label(msgspec.Struct, frozen=True):
    """A button as it is shown: ``id`` comes back when it is pressed, ``detail`` is smaller print beside it."""

    id: str
    label: str
    detail: str = ""


class Rendered(msgspec.Struct, frozen=True):
    """A message in words; a channel lays it out.

    ``template`` is the provider's id of the approved template that may be sent at any time, with its ``variables``.
    """

    text: str
    choices: tuple[Label, ...] = ()
    ask: str = ""
    language: str = DEFAULT_LANGUAGE
    template: str = ""
    variables: dict[str, str] = {}
    files: tuple[File, ...] = ()
    live: str = ""


def following(language: str) -> str:
    """The language after this one, and the first after the last: BAHASA goes round them."""
    return LANGUAGES[(LANGUAGES.index(language) + 1) % len(LANGUAGES)]


@cache
def catalogue(language: str) -> dict[str, str]:
    """Message key -> text of one language, without untranslated or fuzzy entries."""
    words: dict[str, str] = {}
    for name in ("messages", "staff"):
        with (FOLDER / language / "LC_MESSAGES" / f"{name}.po").open("rb") as file:
            entries = read_po(file, locale=language)
        words |= {str(e.id): str(e.string) for e in entries if e.id and e.string and not e.fuzzy}
    return words


@cache
def _words(language: str, key: str) -> str:
    """A key that a language lacks falls back to Indonesian; an unknown key is an error."""
    return catalogue(language).get(key) or catalogue(DEFAULT_LANGUAGE)[key]


@cache
def _locale(language: str) -> Locale:
    return Locale.parse(language)


def text(language: str, key: str, params: dict[str, Any] | None = None) -> str:
    """The words for a key, with its parameters."""
    words = _words(language, key)
    if not params:
        return words
    return words.format_map({name: _formatted(language, name, value) for name, value in params.items()})


def formatted(language: str, params: dict[str, Any]) -> dict[str, str]:
    """Parameters as they stand in the words."""
    return {name: str(_formatted(language, name, value)) for name, value in params.items()}


@lru_cache(4096)
def _written_date(language: str, day: str) -> str:
    return format_date(date.fromisoformat(day), "d MMMM y", locale=_locale(language))


def _formatted(language: str, name: str, value: Any) -> Any:
    if "_" not in name:
        return value
    if name.endswith("_date"):
        return _written_date(language, value)
    if name.endswith("_time"):
        moment = datetime.fromisoformat(value).astimezone(WIB)
        return format_datetime(moment, "d MMMM y, HH.mm", tzinfo=WIB, locale=_locale(language)) + " WIB"
    if name.endswith("_label"):
        return text(language, value)
    if name.endswith("_lines"):
        return "\n".join(text(language, key, params) for key, params in value)
    if name.endswith("_labels"):
        return " · ".join(text(language, key, params) for key, params in value)
    if name.endswith("_decimal"):
        return format_decimal(value, format="0.0", locale=_locale(language))
    if name.endswith("_number"):
        return format_decimal(value, locale=_locale(language))
    return value


def render(say: Say, language: str) -> Rendered:
    """A message with its buttons in words."""
    choices = tuple(
        [
            Label(
                choice.id,
                text(language, choice.key, choice.params),
                text(language, choice.detail, choice.params) if choice.detail else "",
            )
            for choice in say.choices
        ]
    )
    return Rendered(text(language, say.key, say.params), choices, say.ask, language, files=say.files, live=say.live)


def numbered(message: Rendered) -> str:
    """The words of a message with its buttons as a numbered list, for a channel without buttons."""
    if not message.choices:
        return message.text
    lines = [numbered_line(number, choice) for number, choice in enumerate(message.choices, 1)]
    several = len(lines) > 1
    key = "common.reply_number" if several else "common.reply_one"
    hint = text(message.language, key, {"last": len(lines)} if several else None)
    return "\n".join([message.text, "", *lines, "", hint])


def numbered_line(number: int, choice: Label) -> str:
    """A button as text: its number, its label, and the smaller print below it."""
    return f"{number}. {choice.label}" + (f"\n    {choice.detail}" if choice.detail else "")


def with_details(message: Rendered) -> Rendered:
    """For a channel whose buttons have no room for smaller print: what has some is listed in the text, numbered."""
    if not any(choice.detail for choice in message.choices):
        return message
    lines, choices = [], []
    for number, choice in enumerate(message.choices, 1):
        if choice.detail:
            lines.append(numbered_line(number, choice))
        choices.append(Label(choice.id, f"{number}. {choice.label}" if choice.detail else choice.label))
    return msgspec.structs.replace(message, text="\n".join([message.text, "", *lines]), choices=tuple(choices))
