"""The programme's rules as data, read once from programme.toml."""

import tomllib
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

DEFAULT = Path(__file__).with_name("programme.toml")


@dataclass(frozen=True, slots=True)
class Eligibility:
    """Ages (in whole years, both included) that may register from a date on."""

    since: date
    min_age: int
    max_age: int


@dataclass(frozen=True, slots=True)
class CodeRules:
    """How codes that prove an address are given out."""

    minutes: int
    tries: int
    wait_minutes: int
    per_hour: int


@dataclass(frozen=True, slots=True)
class FaceRules:
    """Thresholds of cosine similarity, and how many selfies a person may try."""

    same: float
    accept: float
    review: float
    tries: int


@dataclass(frozen=True, slots=True)
class Programme:
    """All rules that are data."""

    eligibility: tuple[Eligibility, ...]
    codes: CodeRules
    face: FaceRules

    def eligibility_on(self, day: date) -> Eligibility:
        """The rule in force on a day; the first one where the day lies before all of them."""
        begun = [rule for rule in self.eligibility if rule.since <= day]
        return begun[-1] if begun else self.eligibility[0]


def load(path: Path = DEFAULT) -> Programme:
    """Read programme.toml; raises ValueError naming the file and what is wrong in it."""
    try:
        data: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
        rules = [Eligibility(r["from"], r["min_age"], r["max_age"]) for r in data["eligibility"]]
        if not rules:
            raise ValueError("no eligibility rule")
        rules.sort(key=lambda rule: rule.since)
        return Programme(tuple(rules), CodeRules(**data["codes"]), FaceRules(**data["face"]))
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: {error!r}") from error
