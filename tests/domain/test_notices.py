"""The ladder as a rule: which rung comes next, and what fits into an SMS."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.clock import WIB
from domain.notices.rules import (
    KINDS,
    SMS_HOURS,
    Chat,
    NoRung,
    Reach,
    Rung,
    next_rung,
    sms_septets,
    sms_time,
    soft_name,
    window_open,
)
from models.enums import Channel

NOON = datetime(2026, 11, 24, 12, tzinfo=WIB)
TELEGRAM = Chat(1, Channel.TELEGRAM, reachable=True, last=False)
WHATSAPP = Chat(2, Channel.WHATSAPP, reachable=True, last=True)
TEMPLATES = frozenset({"selected"})


def climb(kind: str, reach: Reach, now: datetime = NOON) -> list[str]:
    """All rungs in their order, each failing, and why it ended."""
    tried: list[str] = []
    while isinstance(rung := next_rung(kind, reach, tried, now), Rung):
        tried.append(rung.name)
    return [*tried, rung.reason]


def reach(
    *chats: Chat,
    heard: timedelta | None = timedelta(hours=1),
    paused: bool = False,
    templates: frozenset[str] = TEMPLATES,
) -> Reach:
    return Reach(chats, None if heard is None else NOON - heard, paused, templates)


LADDERS: list[tuple[str, str, Reach, Sequence[str]]] = [
    ("the chat used last, the others, the number", "selected", reach(TELEGRAM, WHATSAPP),
     ["whatsapp.2", "whatsapp.2.template", "telegram.1", "sms.0", "all tried"]),
    ("a closed window leaves the template", "selected", reach(WHATSAPP, heard=timedelta(hours=25)),
     ["whatsapp.2.template", "sms.0", "all tried"]),
    ("never heard is closed", "selected", reach(WHATSAPP, heard=None), ["whatsapp.2.template", "sms.0", "all tried"]),
    ("without a template the next rung", "wave_open", reach(TELEGRAM, WHATSAPP, heard=timedelta(hours=25)),
     ["telegram.1", "no chat left"]),
    ("a blocked chat is passed over", "selected", reach(Chat(1, Channel.TELEGRAM, reachable=False, last=True)),
     ["sms.0", "all tried"]),
    ("nobody pays for bad news", "not_selected", reach(), ["no chat left"]),
    ("no provider of SMS", "selected", Reach((TELEGRAM,), None, paused=False, templates=TEMPLATES, sms_hours=None),
     ["telegram.1", "no chat left"]),
    ("STOP", "wave_open", reach(TELEGRAM, paused=True), ["stopped"]),
    ("STOP does not keep the law or money away", "payment_failed", reach(TELEGRAM, paused=True),
     ["telegram.1", "sms.0", "all tried"]),
]  # fmt: skip


@pytest.mark.parametrize(("label", "kind", "known", "expected"), LADDERS, ids=[each[0] for each in LADDERS])
def test_ladders(label: str, kind: str, known: Reach, expected: Sequence[str]) -> None:
    assert climb(kind, known) == expected


chats = st.lists(
    st.builds(
        Chat,
        st.integers(1, 9),
        st.sampled_from([Channel.TELEGRAM, Channel.WHATSAPP, Channel.BROWSER]),
        reachable=st.booleans(),
        last=st.booleans(),
    ),
    max_size=4,
    unique_by=lambda chat: chat.address_id,
)


@given(
    st.sampled_from(list(KINDS)), chats, st.booleans(), st.integers(0, 60), st.frozensets(st.sampled_from(list(KINDS)))
)
def test_every_ladder_ends_and_no_rung_comes_twice(
    kind: str, places: list[Chat], paused: bool, hours: int, templates: frozenset[str]
) -> None:
    *rungs, reason = climb(kind, reach(*places, heard=timedelta(hours=hours), paused=paused, templates=templates))
    assert len(rungs) == len(set(rungs))
    assert reason
    assert ("sms.0" in rungs) == (KINDS[kind].sms and not (paused and not KINDS[kind].always))
    unreachable = {f"{chat.channel}.{chat.address_id}" for chat in places if not chat.reachable}
    assert not unreachable & set(rungs)


def test_an_sms_that_may_arrive_later_is_tried_three_times_with_longer_pauses() -> None:
    tried: list[str] = []
    waits = []
    while isinstance(rung := next_rung("selected", reach(), tried, NOON), Rung):
        waits.append((rung.at - NOON) / timedelta(hours=1))
        tried.append(soft_name(rung.name))
    assert waits == [0, 1, 4]
    assert rung == NoRung("all tried")


@given(st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1)))  # noqa: DTZ001 - made aware below
def test_no_sms_at_night(moment: datetime) -> None:
    now = moment.replace(tzinfo=WIB)
    at = sms_time(now)
    assert now <= at <= now + timedelta(hours=12)
    assert SMS_HOURS[0] <= at.astimezone(WIB).hour < SMS_HOURS[1]
    assert at == now or at.astimezone(WIB).hour == SMS_HOURS[0]


def test_the_window_closes_after_a_day() -> None:
    assert window_open(NOON - timedelta(hours=23, minutes=58), NOON)
    assert not window_open(NOON - timedelta(hours=24), NOON)
    assert not window_open(None, NOON)


LENGTHS = [("Halo", 4), ("a" * 160, 160), ("100€", 5), ("[x]", 5), ("Halo…", None), ("é", 1), ("🎉", None)]


@pytest.mark.parametrize(("text", "length"), LENGTHS)
def test_length_in_an_sms(text: str, length: int | None) -> None:
    assert sms_septets(text) == length
