"""The evaluation of providers: intervals, patterns that look made up, and what is proposed."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from domain.programme import load
from domain.trainings.evaluation import (
    Evidence,
    ReviewFact,
    figures_of,
    judge,
    mean_between,
    suspicious_patterns,
    wilson,
)
from tests.handlers.talk import NOON

RULES = load().evaluation


@given(tries=st.integers(1, 5_000), data=st.data())
def test_a_share_lies_in_its_interval_which_narrows_with_more_tries(tries: int, data: st.DataObject) -> None:
    hits = data.draw(st.integers(0, tries))
    low, high = wilson(hits, tries) or (1.0, 0.0)
    assert 0 <= low <= hits / tries + 1e-9
    assert hits / tries - 1e-9 <= high <= 1
    more = wilson(hits * 10, tries * 10) or (0.0, 1.0)
    assert more[1] - more[0] < high - low


def test_known_intervals() -> None:
    # Newcombe 1998, table I: 81 of 263 and 0 of 20, Wilson's score method without correction.
    assert [round(end, 4) for end in wilson(81, 263) or ()] == [0.2553, 0.3662]
    assert [round(end, 4) for end in wilson(0, 20) or ()] == [0.0, 0.1611]
    assert wilson(0, 0) is None
    assert mean_between([5, 5, 5, 5]) is None
    low, high = mean_between([5] * 20) or (0.0, 0.0)
    assert (4.7 < low < 5, high) == (True, 5.0)


def fact(stars: int, words: str, hours: float, training: int = 1) -> ReviewFact:
    return ReviewFact(training, stars, words, NOON + timedelta(hours=hours))


def test_a_burst_of_praise_is_noticed_and_a_busy_week_is_not() -> None:
    burst = [fact(5, f"Kata yang berbeda {chr(97 + at) * 3}", at * 0.5) for at in range(10)]
    week = [fact(5, f"Ulasan lain lagi {chr(97 + at) * 3}", 10 * at, training=2) for at in range(10)]
    mixed = [fact(at % 5 + 1, f"Macam macam saja {chr(97 + at) * 3}", at * 0.5, training=3) for at in range(10)]
    found, doubtful = suspicious_patterns([*burst, *week, *mixed])
    assert found == ("10 reviews of training 1 within a day, nearly all of five stars",)
    assert doubtful == set(range(10))


def test_copied_words_are_noticed_and_short_ones_are_not() -> None:
    copied = "Pelatihan ini sangat bermanfaat dan pengajarnya ramah sekali"
    copies = [
        fact(4, words, 100 * at)
        for at, words in enumerate([copied, copied.upper(), f"Wah! {copied}", "Beda sekali isinya dari yang lain"])
    ]
    short = [fact(5, "Bagus sekali", 100 * at, training=2) for at in range(5)]
    found, doubtful = suspicious_patterns([*copies, *short])
    assert found == ("3 reviews with the same words",)
    assert doubtful == {0, 1, 2}


def evidence(name: str, participants: int, finished: int, stars: list[int], asked_money: int = 0) -> Evidence:
    reviews = [
        fact(each, f"Ulasan {name} {chr(97 + at % 26)}{chr(97 + at // 26)}", 30 * at) for at, each in enumerate(stars)
    ]
    return Evidence(
        1, name, 0, participants, participants, finished, [3.0] * finished, reviews, asked_money=asked_money
    )


def test_the_best_is_first_and_the_worst_is_proposed_for_suspension_with_reasons() -> None:
    every = [
        evidence("buruk", 100, 5, [1, 2, 1, 1, 2] * 4),
        evidence("baik", 100, 95, [5, 4, 5, 5, 4] * 8),
        evidence("sedang", 100, 60, [4, 3, 4, 4, 3] * 4, asked_money=40),
        evidence("kecil", 3, 3, [5, 5, 5]),
    ]
    judged = judge((figures_of(each) for each in every), RULES)
    assert [(each.figures.name, each.proposal) for each in judged] == [
        ("baik", ""), ("sedang", "warning"), ("buruk", "suspension"), ("kecil", ""),
    ]  # fmt: skip
    assert judged[1].reasons[0] == "40% complain"
    assert judged[2].reasons[:2] == ("at most 11% finish", "rated 1.6 at most")
    assert judged[3].reasons == ("fewer than 20 participants",)


@given(finished=st.integers(0, 30), stars=st.lists(st.integers(1, 5), max_size=4))
def test_few_reviews_never_propose_anything_by_themselves(finished: int, stars: list[int]) -> None:
    figures = figures_of(evidence("baru", 30, max(finished, 20), stars))
    [judged] = judge([figures], RULES)
    assert not judged.proposal
