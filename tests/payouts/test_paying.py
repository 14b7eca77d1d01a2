"""Rules of paying, by properties: what answers make of a payment, months, the end of a balance, words of progress."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from domain.clock import day_of
from domain.money import paying
from models.enums import PaymentOutcome, PaymentStatus
from tests.handlers.talk import NOON

PAID = PaymentOutcome.PAID

STATUSES, OUTCOMES = st.sampled_from(PaymentStatus), st.sampled_from(PaymentOutcome)


@given(st.lists(st.tuples(OUTCOMES, st.sampled_from([0, 5, 7])), max_size=12))
def test_whatever_a_gateway_says_money_is_moved_as_it_says_or_a_difference_is_noted(
    said: list[tuple[PaymentOutcome, int]],
) -> None:
    """A payment of 7 is counted as arrived once at most, and never without the gateway saying so."""
    status, differences = PaymentStatus.SUBMITTING, 0
    arrived = 0
    for outcome, amount in said:
        made = paying.settle(status, 7, outcome, amount)
        assert made.status is None or made.difference is None
        differences += made.difference is not None
        if made.status == PaymentStatus.PAID:
            assert (outcome, amount) == (PAID, 7)
            arrived += 1
        if made.status == PaymentStatus.BOUNCED:
            arrived -= 1
        status = made.status or status
    assert arrived in (0, 1)
    assert (arrived == 1) == (status == PaymentStatus.PAID)
    confirmed = any(each == (PAID, 7) for each in said)
    assert confirmed or arrived == 0


@given(STATUSES, OUTCOMES)
def test_a_final_payment_stays_final_but_for_a_bounce(status: PaymentStatus, outcome: PaymentOutcome) -> None:
    made = paying.settle(status, 7, outcome, 7)
    if status in paying.FINAL:
        assert made.status in (None, PaymentStatus.BOUNCED)


@given(st.dates(date(2000, 1, 1), date(2200, 12, 31)), st.times(), st.integers(0, 48))
def test_months_are_counted_by_the_calendar(day: date, hour: time, months: int) -> None:
    moment = datetime.combine(day, hour, UTC)
    due = paying.months_after(moment, months)
    assert due >= moment or months
    first, then = day_of(moment), day_of(due)
    assert (then.year * 12 + then.month) - (first.year * 12 + first.month) == months
    assert then.day <= first.day


@given(st.dates(date(2000, 1, 1), date(2200, 12, 31)), st.sampled_from([(12, 31), (6, 30), (2, 29), (12, 15)]))
def test_a_balance_always_leaves_the_days_for_the_first_training(granted: Any, ends: tuple[int, int]) -> None:
    last = paying.balance_ends(granted, 30, ends)
    assert last >= granted + timedelta(days=30)
    assert last <= granted + timedelta(days=30 + 367)
    assert granted > paying.expired_before(last, 30, ends)
    assert granted <= paying.expired_before(last + timedelta(days=1), 30, ends)


def test_two_references_differ_and_progress_is_said_in_words() -> None:
    assert len({paying.new_reference() for _ in range(1_000)}) == 1_000
    standing = {"paid": (64_251, 64_251_000_000), "submitted": (103_860, 103_860_000_000)}
    state = paying.progress(standing, NOON, NOON, NOON + timedelta(minutes=68))
    assert paying.spoken(state) == "64,251 of 168,111, Rp64.3 bn, about 1 h 50 left"
