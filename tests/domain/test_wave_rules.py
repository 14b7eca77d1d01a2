"""Waves' rules: tickets, rounds, deadlines and reminders."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.programme import Eligibility, Stratum
from domain.waves.freeze import Standing, reason_out
from domain.waves.rules import (
    FOLLOWS,
    deadline,
    last_day,
    new_ticket,
    reminder,
    round_at,
    seats,
    ticket_length,
    time_of_round,
)
from models.enums import Employment, Layer, LayerState, WaveStatus

DAYS = (14, 7, 3, 1)
moments = st.datetimes(datetime(2024, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@given(st.integers(1, 9999))
def test_all_tickets_of_a_wave_are_equally_long_and_have_no_letter_that_is_taken_for_another(wave: int) -> None:
    ticket = new_ticket(wave)
    assert len(ticket) == ticket_length(wave)
    assert ticket.startswith(f"G{wave}-")
    assert not set(ticket) & set("ILOU")


@given(moments)
def test_an_announced_round_lies_at_its_moment_or_just_after(moment: datetime) -> None:
    when = time_of_round(round_at(moment), moment)
    assert timedelta(0) <= when - moment.replace(microsecond=0) <= timedelta(seconds=4)
    assert when >= moment
    assert round_at(when) == round_at(moment)


@given(st.integers(1, 10_000_000), st.lists(st.floats(0, 0.3), max_size=3))
def test_the_seats_add_up_to_the_quota(quota: int, shares: list[float]) -> None:
    own = seats(quota, [Stratum(f"s{at}", share) for at, share in enumerate(shares)])
    assert sum(number for _, number in own) == quota
    assert min(number for _, number in own) >= 0
    assert own[-1][0] == "general"


@given(moments, st.integers(1, 60))
def test_everybody_has_the_whole_days_after_the_notice(told: datetime, days: int) -> None:
    due = deadline(told, days)
    assert timedelta(days=days) < due - told <= timedelta(days=days + 1)
    assert date.fromisoformat(last_day(due)) == (told + timedelta(hours=7)).date() + timedelta(days=days)


@given(moments, st.lists(st.integers(0, 40 * 24), max_size=80))
def test_each_reminder_is_given_once_and_the_nearest_one_counts(due: datetime, looks: list[int]) -> None:
    reminded, given_ones = None, []
    for hours in sorted(looks, reverse=True):  # hours before the deadline, at which somebody looks
        now = due - timedelta(hours=hours)
        found = reminder(due, reminded, DAYS, now)
        if found is not None:
            assert hours <= found * 24
            assert hours > max((day for day in DAYS if day < found), default=0) * 24
            reminded = found
            given_ones.append(found)
    assert given_ones == sorted(set(given_ones), reverse=True)
    if any(0 < hours <= 24 for hours in looks):
        assert reminded == 1


def test_a_wave_goes_one_way_and_back_only_where_a_place_is_open_again() -> None:
    order = list(WaveStatus)
    onward = {status: set(order[at + 1 : at + 2]) for at, status in enumerate(order)}
    onward[WaveStatus.ENDED] = {WaveStatus.ANNOUNCED}
    assert {status: set(following) for status, following in FOLLOWS.items()} == onward


PASSED = dict.fromkeys((Layer.PHONE, Layer.NIK, Layer.FACE), LayerState.PASSED)
LAYERS = (Layer.PHONE, Layer.NIK, Layer.AGE, Layer.EMPLOYMENT, Layer.FACE, Layer.LISTS, Layer.HOUSEHOLD)
RULES = Eligibility(date(2021, 2, 1), 18, 64, frozenset({Employment.STATE}), 2)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({}, ""),
        ({"states": {**PASSED, Layer.FACE: LayerState.FAILED}}, "face"),
        ({"states": {**PASSED, Layer.FACE: LayerState.REVIEW}}, "waiting"),
        ({"states": {Layer.PHONE: LayerState.PASSED}}, "waiting"),
        ({"states": {**PASSED, Layer.NIK: LayerState.WAITING, Layer.FACE: LayerState.FAILED}}, "face"),
        ({"birth_date": date(2009, 1, 1)}, "age"),
        ({"birth_date": date(1950, 1, 1)}, "age"),
        ({"employment": Employment.STATE}, "employment"),
        ({"excluded": True}, "lists"),
        ({"excluded": True, "states": {}}, "waiting"),  # a list is not read out to whoever types a number
        ({"served": 2}, "household"),
        ({"served": 1}, ""),
        ({"had_place": True}, "had_place"),
    ],
)
def test_why_somebody_is_left_out(changed: dict[str, object], reason: str) -> None:
    usual: dict[str, object] = {
        "birth_date": date(1990, 8, 15), "employment": Employment.LAID_OFF, "states": PASSED, "excluded": False,
        "served": 0, "had_place": False,
    }  # fmt: skip
    standing = Standing(**{**usual, **changed})  # type: ignore[arg-type]
    assert reason_out(standing, RULES, LAYERS, 2, date(2026, 11, 24)) == reason
