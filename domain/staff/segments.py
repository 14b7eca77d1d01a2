"""Whom a broadcast is for, and what it says: a form, its conditions, variables and limits. Pure."""

import string
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

import msgspec

from domain.errors import DomainError
from domain.notices.rules import GSM7, GSM7_EXTENDED
from models.enums import Channel, Layer

MOST_TEXT = 900  # letters: a WhatsApp template holds 1,024 with what stands around it
SEGMENT, LONG_SEGMENT, MOST_SEGMENTS = 160, 153, 3
AROUND_SMS = 70  # letters that stand around the text of an SMS: the name, the link, the check code
VARIABLES = ("nama", "tiket", "tenggat")
STAGES: Mapping[str, str] = {
    "not_joined": "NOT EXISTS (SELECT 1 FROM entry e WHERE e.person_id = p.id)",
    "joined": "EXISTS (SELECT 1 FROM entry e WHERE e.person_id = p.id)",
    "selected": "EXISTS (SELECT 1 FROM place s WHERE s.person_id = p.id)",
    "not_selected": "EXISTS (SELECT 1 FROM entry e WHERE e.person_id = p.id) "
    "AND NOT EXISTS (SELECT 1 FROM place s WHERE s.person_id = p.id)",
    "choosing": "EXISTS (SELECT 1 FROM place s WHERE s.person_id = p.id AND s.status IN ('selected', 'notified')) "
    "AND NOT EXISTS (SELECT 1 FROM purchase b WHERE b.person_id = p.id AND b.live)",
    "learning": "EXISTS (SELECT 1 FROM purchase b WHERE b.person_id = p.id AND b.live AND b.finished_at IS NULL)",
    "finished": "EXISTS (SELECT 1 FROM purchase b WHERE b.person_id = p.id AND b.finished_at IS NOT NULL)",
}
CHANNELS = (Channel.TELEGRAM, Channel.WHATSAPP, Channel.BROWSER)
MOST_TICKETS = 500

Where = tuple[str, list[Any]]


class Segment(msgspec.Struct, frozen=True, omit_defaults=True):
    """A form, of which every field that is filled narrows the circle.

    ``regions`` begin a person's district code (31, 31.74), ``layer`` is one that they have not passed, ``idle_days``
    that they have not written for so long.
    """

    stage: str = ""
    wave: int = 0
    regions: tuple[str, ...] = ()
    language: str = ""
    channel: str = ""
    layer: str = ""
    idle_days: int = 0
    tickets: tuple[str, ...] = ()


FIELDS = ("stage", "wave", "regions", "language", "channel", "layer", "idle_days", "tickets")


def read_field(name: str, typed: str) -> object:
    """What was typed or pressed for a field; refused with staff.field_unreadable."""
    words = typed.replace(",", " ").split()
    try:
        match name:
            case "stage" if typed in STAGES:
                return typed
            case "language" if typed in {"id", "en"}:
                return typed
            case "channel" if typed in CHANNELS:
                return typed
            case "layer" if typed in set(Layer):
                return typed
            case "wave" | "idle_days" if 1 <= int(typed) <= 999:
                return int(typed)
            case "regions" if words and all(word.replace(".", "").isdecimal() and len(word) <= 8 for word in words):
                return words
            case "tickets" if 1 <= len(words) <= MOST_TICKETS:
                return [word.upper() for word in words]
    except ValueError:
        pass
    raise DomainError("staff.field_unreadable")


def conditions(
    segment: Segment,
    texts: Mapping[str, str],
    regions: Collection[str],
    moment: Callable[[datetime], Any],
    now: datetime,
) -> tuple[list[Where], list[Where]]:
    """Conditions that mean the segment, within ``regions`` (of the member who asks, none: all); and those that the
    texts' variables add: who lacks a ticket can't be told theirs. ``moment``: a time as the database takes it.
    """
    found: list[Where] = [(text, values) for text, values in _own(segment, moment, now) if text]
    for codes in (segment.regions, tuple(regions)):
        if codes:
            like = " OR ".join(["p.region_code LIKE {}"] * len(codes))
            found += [(like, [f"{code}%" for code in codes])]
    used = set().union(*(variables(text) for text in texts.values()))
    return found, [(condition, []) for name, condition in _NEEDS.items() if name in used]


_NEEDS = {
    "tiket": "EXISTS (SELECT 1 FROM entry e WHERE e.person_id = p.id)",
    "tenggat": "EXISTS (SELECT 1 FROM place s WHERE s.person_id = p.id AND s.due_at IS NOT NULL)",
}


def _own(segment: Segment, moment: Callable[[datetime], Any], now: datetime) -> Iterator[Where]:
    """A condition for each field; an empty one for those that are not filled."""
    yield STAGES.get(segment.stage, ""), []
    yield (
        "EXISTS (SELECT 1 FROM entry e JOIN wave w ON w.id = e.wave_id WHERE e.person_id = p.id AND w.number = {})"
        if segment.wave
        else "",
        [segment.wave],
    )
    yield "c.language = {}" if segment.language else "", [segment.language]
    yield "a.channel = {}" if segment.channel else "", [segment.channel]
    yield (
        "EXISTS (SELECT 1 FROM layer_outcome o WHERE o.person_id = p.id AND o.replaced_at IS NULL "
        "AND o.layer = {} AND o.state <> 'passed')"
        if segment.layer
        else "",
        [segment.layer],
    )
    idle = "COALESCE(c.heard_at, c.created_at) < {}" if segment.idle_days else ""
    yield idle, [moment(now - timedelta(days=segment.idle_days))]
    if segment.tickets:
        marks = ", ".join(["{}"] * len(segment.tickets))
        yield (
            f"EXISTS (SELECT 1 FROM entry e WHERE e.person_id = p.id AND e.ticket IN ({marks}))",  # noqa: S608
            list(segment.tickets),
        )


def is_empty(segment: Segment) -> bool:
    """Whether nothing narrows it: that would be everybody."""
    return segment == Segment()


def variables(text: str) -> set[str]:
    """Names in braces; refused with staff.unknown_variable for others than there are, and for stray braces."""
    try:
        names = {name for _, name, spec, conversion in string.Formatter().parse(text) if name is not None}
        odd = {name for name, spec, conversion in _parts(text) if spec or conversion}
    except ValueError:
        raise DomainError("staff.stray_brace") from None
    for name in sorted((names - set(VARIABLES)) | odd):
        raise DomainError(
            "staff.unknown_variable", name=name[:40], known=", ".join(f"{{{each}}}" for each in VARIABLES)
        )
    return names


def _parts(text: str) -> list[tuple[str, str, str]]:
    return [
        (name, spec or "", conversion or "")
        for _, name, spec, conversion in string.Formatter().parse(text)
        if name is not None
    ]


def check_text(text: str, *, sms: bool) -> None:
    """Refused where a channel could not carry it: staff.text_empty, staff.text_too_long, staff.text_not_sms,
    staff.text_too_long_sms, or a variable that there is not.
    """
    if not text.strip():
        raise DomainError("staff.text_empty")
    variables(text)
    if len(text) > MOST_TEXT:
        raise DomainError("staff.text_too_long", limit=MOST_TEXT, length=len(text))
    if sms:
        strange = sorted(set(text) - GSM7 - GSM7_EXTENDED)
        if strange:
            raise DomainError("staff.text_not_sms", letters=" ".join(strange[:8]))
        if segments_of(text) > MOST_SEGMENTS:
            raise DomainError(
                "staff.text_too_long_sms", limit=MOST_SEGMENTS * LONG_SEGMENT - AROUND_SMS, length=len(text)
            )


def segments_of(text: str) -> int:
    """Parts of an SMS that says this, with what stands around it."""
    length = len(text) + sum(letter in GSM7_EXTENDED for letter in text) + AROUND_SMS
    return 1 if length <= SEGMENT else -(-length // LONG_SEGMENT)


def filled(text: str, values: Mapping[str, str]) -> str:
    """The text with its variables."""
    return text.format_map(dict(values)) if "{" in text or "}" in text else text


def hours_needed(counts: Mapping[str, int], pace: Mapping[str, float]) -> float:
    """How long it takes at these paces (messages a second), side by side."""
    return max((number / pace[channel] for channel, number in counts.items() if pace.get(channel)), default=0.0) / 3600
