"""The words of a draw's published files. Pure: the same facts give the same bytes."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

ENTRANTS_HEAD = "ticket,household,used,stratum\n"
WINNERS_HEAD = "rank,ticket,seat\n"
RESERVE_HEAD = "rank,ticket,stratum\n"

# drand's quicknet (https://docs.drand.love), as its chain information has it.
NETWORK = "quicknet"
CHAIN_HASH = "52db9ba70e0cc0f6eaf7803dd07447a1f5477735fd3f661792ba94600c84e971"
PUBLIC_KEY = (
    "83cf0f2896adee7eb8b5f01fcad3912212c437e0073e911fb90022d3e760183c8c4b450b6a0a6c3ac6a5776a2d1064510d1fec758c921cc22b0e"
    "17e63aaf4bcb5ed66304de9cf809bd274ca73bab4af5a6e9c76a4bc09e76eae8991ef5ece45a"
)


class Frozen(Protocol):
    """What is said of a frozen wave."""

    number: int
    quota: int
    household_cap: int
    closes_at: datetime
    frozen_at: datetime | None
    entrants: int | None
    round: int | None
    draws_at: datetime | None


def moment(when: datetime | None) -> str:
    """A moment in UTC, to the second."""
    assert when is not None
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def rules_toml(
    wave: Frozen,
    strata: Sequence[tuple[str, int]],
    left_out: Mapping[str, int],
    entrants_sha256: str,
    dice_after: datetime,
    programme: str,
    code: str,
) -> str:
    """All that decides the draw beside the randomness; the SHA-256 of this text is the commitment."""
    lines = [
        "# Aturan undian ini. SHA-256 berkas ini adalah komitmen (commitment.txt).",
        "# The rules of this draw. The SHA-256 of this file is the commitment (commitment.txt).",
        f"wave = {wave.number}",
        f'closed = "{moment(wave.closes_at)}"',
        f'frozen = "{moment(wave.frozen_at)}"',
        f"quota = {wave.quota}",
        f"household_cap = {wave.household_cap}  # 0: no limit",
        f"entrants = {wave.entrants}",
        f'entrants_sha256 = "{entrants_sha256}"',
        f'code_version = "{code}"',
        f'programme_version = "{programme}"',
        "",
        *(line for name, number in strata for line in ("[[strata]]", f'name = "{name}"', f"seats = {number}", "")),
        "[left_out]  # how many were left out, by reason",
        *(f"{reason} = {number}" for reason, number in sorted(left_out.items())),
        "",
        "[randomness]",
        f'source = "{"drand" if wave.round else "dice"}"',
    ]
    if wave.round:
        lines += [
            f'network = "{NETWORK}"',
            f'chain_hash = "{CHAIN_HASH}"',
            f'public_key = "{PUBLIC_KEY}"',
            f"round = {wave.round}",
        ]
    lines += [f'time = "{moment(wave.draws_at)}"', f'dice_after = "{moment(dice_after)}"']
    return "\n".join(lines) + "\n"


def round_json(facts: Mapping[str, Any]) -> str:
    """The randomness as it was found."""
    return json.dumps(facts, indent=2, sort_keys=True) + "\n"
