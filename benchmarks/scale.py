"""What a country needs, computed from what was measured: docs/scale.md, written by `make bench`."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# From the programme of 2020 and the design: who came, how fast, how often at the worst.
PEOPLE, DAYS, PEAK = 7_600_000, 11, 1_200
WINNERS = 200_000
MESSAGES_A_PERSON = 22  # what a registration takes with its photos, and a look or two afterwards
CARDS, SELFIES = 1.2, 2.4  # photos a person: some are taken again, and a turned head follows the selfie
PHOTO_KB = 150  # as it is kept: JPEG of at most 1,280 pixels a side
BUSY = 0.5  # of a core's time at most, so that the share of a machine that is lost finds room
HOURS_OF_PHOTOS = 16  # of a day, in which people send them
SENDERS = (("one Telegram bot", 30), ("WhatsApp", 80), ("SMS", 10), ("Telegram, paid broadcast", 1_000))
NEEDED = ("turns", "cards", "faces")

Results = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Measured:
    """What is taken from the benchmarks: CPU of a web process for a message (many at once, and one that comes alone),
    the slowest of a hundred, what a message takes on disk, CPU for a card and a selfie.
    """

    turn_us: float
    lone_us: float
    p99_ms: float
    bytes_a_message: float
    card_s: float
    selfie_ms: float

    @classmethod
    def of(cls, results: Results) -> "Measured":
        """From docs/benchmarks.json; LookupError where one was not run."""
        turns = results["turns"]["figures"]
        many, one = turns["gelombang, PostgreSQL, 64"], turns["gelombang, PostgreSQL, 1"]
        card_s, selfie_ms = results["cards"]["figures"]["seconds"], results["faces"]["figures"]["ours"]["selfie_ms"]
        return cls(many["cpu_us"], one["cpu_us"], many["p99_ms"], many["bytes"], card_s, selfie_ms)


def needs(results: Results) -> dict[str, Any]:
    """Everything that the page says."""
    found = Measured.of(results)
    messages = PEOPLE * MESSAGES_A_PERSON
    photo_seconds = DAYS * HOURS_OF_PHOTOS * 3600
    return {
        "machine": results["turns"]["machine"],
        "found": found,
        "people": PEOPLE,
        "days": DAYS,
        "peak": PEAK,
        "winners": WINNERS,
        "messages_a_person": MESSAGES_A_PERSON,
        "cards": CARDS,
        "selfies": SELFIES,
        "photo_kb": PHOTO_KB,
        "senders": SENDERS,
        "messages": messages,
        "average": messages / (DAYS * 86_400),
        "web_least": _up(PEAK * found.turn_us / 1e6 / BUSY),
        "web_most": _up(PEAK * found.lone_us / 1e6 / BUSY),
        "webs": max(4, _up(PEAK * found.lone_us / 1e6 / BUSY)),
        "photos_a_second": PEOPLE * (CARDS + SELFIES) / photo_seconds,
        "face_cores": _up(PEOPLE * (CARDS * found.card_s + SELFIES * found.selfie_ms / 1000) / photo_seconds / BUSY),
        "gigabytes": _up(messages * found.bytes_a_message / 1e10) * 10,
        "photos_tb": PEOPLE * (CARDS + SELFIES) * PHOTO_KB / 1e9,
        "once": [
            (words, results[name]["claims"][0], results[name]["sizes"])
            for name, words in (("draw", "the draw"), ("payouts", "the payouts"))
            if name in results
        ],
    }


def _up(value: float) -> int:
    return max(1, math.ceil(value))
