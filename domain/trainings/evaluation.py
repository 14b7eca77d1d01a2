"""How well providers teach, from what happened in a period: figures with their uncertainty, and what follows. Pure."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import sqrt
from statistics import NormalDist, mean, median, stdev

from domain.programme import EvaluationRules

Z = NormalDist().inv_cdf(0.975)  # 95 % intervals
BURST = timedelta(hours=24)
BURST_REVIEWS = 8  # of one training within a day, of which
BURST_SHARE = 0.9  # so many give five stars
ALIKE = 0.6  # of the runs of three words in the shorter of two reviews: they are copies
COPIES = 3  # reviews of the same words
SHORT = 5  # words; shorter reviews ("bagus sekali") are alike by nature

Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class ReviewFact:
    """A review as far as it matters here."""

    training_id: int
    stars: int
    words: str
    at: datetime


@dataclass(slots=True)
class Evidence:
    """What participants of a provider, or of one of its trainings, did and said in a period.

    ``redeemed``: those who finished, or began long enough ago that they should have.
    """

    provider_id: int
    name: str
    training_id: int = 0
    participants: int = 0
    redeemed: int = 0
    finished: int = 0
    days: list[float] = field(default_factory=list)  # from redeeming to finishing
    reviews: list[ReviewFact] = field(default_factory=list)
    useful: list[int] = field(default_factory=list)
    recommended: list[bool] = field(default_factory=list)
    asked_money: int = 0


@dataclass(frozen=True, slots=True)
class Figures:
    """A provider's figures; an interval is None where there is too little to say anything.

    ``complaints``: reviews of one or two stars, and participants who say that they were asked for more money.
    ``suspicious`` are patterns among its reviews, in words, ``doubtful`` how many reviews they are about: the interval
    of the rating leaves those out.
    """

    provider_id: int
    training_id: int
    name: str
    participants: int
    finished: int
    completion: Interval | None
    days: float | None
    reviews: int
    rating: float | None
    rating_between: Interval | None
    useful: float | None
    recommended: Interval | None
    complaints: int
    suspicious: tuple[str, ...]
    doubtful: int


@dataclass(frozen=True, slots=True)
class Judged:
    """Figures with a score from 0 to 1 (None: too few participants), and what the rules propose, with reasons."""

    figures: Figures
    score: float | None
    proposal: str
    reasons: tuple[str, ...]


def wilson(hits: int, tries: int) -> Interval | None:
    """The 95 % interval of a share (Wilson's score), which stays sensible for few tries and shares near 0 and 1."""
    if not tries:
        return None
    share, square = hits / tries, Z * Z
    middle = (share + square / (2 * tries)) / (1 + square / tries)
    half = Z * sqrt(share * (1 - share) / tries + square / (4 * tries * tries)) / (1 + square / tries)
    return max(0.0, middle - half), min(1.0, middle + half)


def mean_between(stars: Sequence[int]) -> Interval | None:
    """The 95 % interval of an average of stars; None for fewer than five. A spread of half a star is the least assumed:
    five equal reviews prove no certainty.
    """
    if len(stars) < 5:
        return None
    half = Z * max(stdev(stars), 0.5) / sqrt(len(stars))
    return max(1.0, mean(stars) - half), min(5.0, mean(stars) + half)


def figures_of(evidence: Evidence) -> Figures:
    """The figures of what a provider's participants did and said."""
    stars = [review.stars for review in evidence.reviews]
    suspicious, doubtful = suspicious_patterns(evidence.reviews)
    trusted = [number for at, number in enumerate(stars) if at not in doubtful]
    return Figures(
        provider_id=evidence.provider_id,
        training_id=evidence.training_id,
        name=evidence.name,
        participants=evidence.participants,
        finished=evidence.finished,
        completion=wilson(evidence.finished, evidence.redeemed),
        days=median(evidence.days) if evidence.days else None,
        reviews=len(stars),
        rating=mean(stars) if stars else None,
        rating_between=mean_between(trusted),
        useful=mean(evidence.useful) if evidence.useful else None,
        recommended=wilson(sum(evidence.recommended), len(evidence.recommended)),
        complaints=sum(number <= 2 for number in stars) + evidence.asked_money,
        suspicious=suspicious,
        doubtful=len(doubtful),
    )


# --- reviews that look made up


def suspicious_patterns(reviews: Sequence[ReviewFact]) -> tuple[tuple[str, ...], set[int]]:
    """Bursts of praise and copied words, in words, and which reviews they are about. No proof: staff look."""
    found, doubted = [], set[int]()
    by_training: dict[int, list[int]] = defaultdict(list)
    for at, review in enumerate(reviews):
        by_training[review.training_id].append(at)
    for training, places in sorted(by_training.items()):
        burst = _burst(sorted(places, key=lambda at: reviews[at].at), reviews)
        if burst:
            found.append(f"{len(burst)} reviews of training {training} within a day, nearly all of five stars")
            doubted |= set(burst)
    for copies in _copies(reviews):
        found.append(f"{len(copies)} reviews with the same words")
        doubted |= set(copies)
    return tuple(found), doubted


def _burst(places: Sequence[int], reviews: Sequence[ReviewFact]) -> list[int]:
    """The longest run of reviews within a day that is one; ``places`` in the order of time."""
    longest: list[int] = []
    first = 0
    for last in range(len(places)):
        while reviews[places[last]].at - reviews[places[first]].at > BURST:
            first += 1
        run = list(places[first : last + 1])
        praise = sum(reviews[at].stars == 5 for at in run)
        if len(run) >= max(BURST_REVIEWS, len(longest) + 1) and praise >= BURST_SHARE * len(run):
            longest = run
    return longest


def _copies(reviews: Sequence[ReviewFact]) -> list[list[int]]:
    """Groups of reviews that share most of their runs of three words, whatever was put before or after them."""
    runs = [_runs(review.words) for review in reviews]
    holders: dict[str, list[int]] = defaultdict(list)
    for at, own in enumerate(runs):
        for run in own:
            holders[run].append(at)
    group = list(range(len(reviews)))

    def head(at: int) -> int:
        while group[at] != at:
            group[at] = group[group[at]]
            at = group[at]
        return at

    for at, own in enumerate(runs):
        # Held against whoever wrote each of its runs first: all copies of one text meet there.
        for first, count in Counter(holders[run][0] for run in own).items():
            if count >= ALIKE * min(len(own), len(runs[first])):
                group[head(at)] = head(first)
    members: dict[int, list[int]] = defaultdict(list)
    for at, own in enumerate(runs):
        if own:
            members[head(at)].append(at)
    return [some for some in members.values() if len(some) >= COPIES]


def _runs(words: str) -> frozenset[str]:
    """Each three words that follow one another; none of a review too short to say anything of its own."""
    plain = re.sub(r"[^a-z]+", " ", words.lower()).split()
    return (
        frozenset(" ".join(plain[at : at + 3]) for at in range(len(plain) - 2)) if len(plain) >= SHORT else frozenset()
    )


# --- what follows


def judge(every: Iterable[Figures], rules: EvaluationRules) -> list[Judged]:
    """Providers from the best to the worst, those with too few participants last; each with its reasons.

    What counts is the end of each interval that is worse for a ranking and better for a sanction: nobody rises by a few
    good reviews, and nobody is punished for a few bad ones.
    """
    judged = [_judged(figures, rules) for figures in every]
    return sorted(judged, key=lambda each: (each.score is None, -(each.score or 0.0), each.figures.name))


def _judged(figures: Figures, rules: EvaluationRules) -> Judged:
    if figures.participants < rules.least_participants:
        return Judged(figures, None, "", (f"fewer than {rules.least_participants} participants",))
    completion = figures.completion or (0.0, 1.0)
    rating = figures.rating_between or (1.0, 5.0)
    useful = (figures.useful - 1) / 4 if figures.useful is not None else 0.5
    score = 0.4 * completion[0] + 0.4 * (rating[0] - 1) / 4 + 0.2 * useful
    reasons = [f"finished: {completion[0]:.0%} to {completion[1]:.0%}"]
    if figures.rating_between:
        reasons.append(f"rating: {rating[0]:.1f} to {rating[1]:.1f}")
    proposal, why = _proposal(figures, completion, rating, rules)
    return Judged(figures, score, proposal, (*why, *reasons))


def _proposal(
    figures: Figures, completion: Interval, rating: Interval, rules: EvaluationRules
) -> tuple[str, tuple[str, ...]]:
    doubt = figures.doubtful / figures.reviews if figures.reviews else 0.0
    complaints = figures.complaints / figures.participants
    checks = (
        (completion[1], rules.completion_suspend, rules.completion_warn, "at most {:.0%} finish"),
        (rating[1], rules.rating_suspend, rules.rating_warn, "rated {:.1f} at most"),
    )
    severe = [words.format(value) for value, suspend, _, words in checks if value < suspend]
    mild = [words.format(value) for value, _, warn, words in checks if value < warn]
    if complaints > rules.complaints_warn:
        mild.append(f"{complaints:.0%} complain")
    if doubt > rules.doubtful_warn:
        mild.append(f"{doubt:.0%} of the reviews look made up")
    if severe:
        return "suspension", tuple(severe)
    return ("warning", tuple(mild)) if mild else ("", ())


def csv_row(rank: int, judged: Judged) -> Mapping[str, str | int | float]:
    """A line of the table."""
    figures = judged.figures
    completion, rating, recommended = figures.completion, figures.rating_between, figures.recommended
    return {
        "rank": rank if judged.score is not None else "",
        "name": figures.name,
        "score": "" if judged.score is None else round(judged.score, 3),
        "participants": figures.participants,
        "finished": figures.finished,
        "completion_low": _rounded(completion, 0),
        "completion_high": _rounded(completion, 1),
        "days_to_finish": "" if figures.days is None else round(figures.days, 1),
        "reviews": figures.reviews,
        "rating": "" if figures.rating is None else round(figures.rating, 2),
        "rating_low": _rounded(rating, 0),
        "rating_high": _rounded(rating, 1),
        "useful": "" if figures.useful is None else round(figures.useful, 2),
        "recommended_low": _rounded(recommended, 0),
        "recommended_high": _rounded(recommended, 1),
        "complaints": figures.complaints,
        "doubtful_reviews": figures.doubtful,
        "proposal": judged.proposal,
        "reasons": "; ".join((*judged.reasons, *figures.suspicious)),
    }


def _rounded(interval: Interval | None, end: int) -> str | float:
    return "" if interval is None else round(interval[end], 3)
