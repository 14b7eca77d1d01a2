"""What every benchmark shares: starting servers, reading what the kernel says they used, and the closing line."""

import json
import os
import platform
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far, as the kernel counts it."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def peak_megabytes(pid: int) -> float:
    """Largest resident memory of a process so far."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise LookupError("VmHWM")


@dataclass(frozen=True)
class Claim:
    """A sentence, what was measured for it, and what was aimed at."""

    claim: str
    value: float
    goal: float
    at_least: bool = True

    @property
    def holds(self) -> bool:
        """Whether the measured value reaches the goal."""
        return self.value >= self.goal if self.at_least else self.value <= self.goal


def median(rows: Sequence[Mapping[str, float]], name: str) -> float:
    """The middle one of several runs."""
    return statistics.median(row[name] for row in rows)


def close(benchmark: str, figures: Mapping[str, Any], claims: Sequence[Claim]) -> None:
    """Print the claims as a table and everything as one line of JSON; a claim that fails says so and stays."""
    print()
    for claim in claims:
        sign = ">=" if claim.at_least else "<="
        print(f"{'holds ' if claim.holds else 'FAILS '} {claim.claim}: {claim.value:.2f} (goal {sign} {claim.goal:g})")
    machine = f"{os.cpu_count()} x {platform.machine()}, Python {platform.python_version()}"
    listed = [{"claim": c.claim, "value": round(c.value, 3), "goal": c.goal, "holds": c.holds} for c in claims]
    print(json.dumps({"benchmark": benchmark, "machine": machine, "figures": figures, "claims": listed}))
